//! Puts the built explorer where the crate embeds it from; an empty folder
//! where it has not been built, so that the crate always compiles.

use std::{env, fs, io, path::Path};

fn main() -> io::Result<()> {
    let source = Path::new("../explorer/dist");
    // A path that isn't there would have Cargo build anew each time.
    let watched = if source.is_dir() { source } else { Path::new("../explorer") };
    println!("cargo::rerun-if-changed={}", watched.display());
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    let target = Path::new(&out).join("explorer");
    if target.exists() {
        fs::remove_dir_all(&target)?;
    }
    match source.is_dir() {
        true => copy(source, &target),
        false => fs::create_dir_all(&target),
    }
}

fn copy(source: &Path, target: &Path) -> io::Result<()> {
    fs::create_dir_all(target)?;
    for entry in fs::read_dir(source)? {
        let entry = entry?;
        let to = target.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy(&entry.path(), &to)?,
            false => {
                fs::copy(entry.path(), to)?;
            }
        }
    }
    Ok(())
}
