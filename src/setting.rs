//! Settings of a process: the environment first, then what `moim up` keeps in its data folder.

use anyhow::{Context, Result};
use platform::config::{Env, Source, Values};
use std::{
    fs,
    io::Write,
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Where the router listens, unless `MOIM_LISTEN` says otherwise.
const LISTEN_DEFAULT: &str = "127.0.0.1:4000";
/// Length of the key with which requests to subgraphs are signed, in bytes.
const SIGNATURE_KEY_BYTES: usize = 32;

/// The data folder: `MOIM_DATA_DIR`, else `$XDG_DATA_HOME/moim`, else `~/.local/share/moim`.
///
/// # Errors
/// When none of the three variables is set.
pub(crate) fn data_folder() -> Result<PathBuf> {
    if let Some(folder) = Env.get("MOIM_DATA_DIR") {
        return Ok(std::path::absolute(folder)?);
    }
    if let Some(folder) = Env.get("XDG_DATA_HOME") {
        return Ok(Path::new(&folder).join("moim"));
    }
    let home = Env.get("HOME").context("set MOIM_DATA_DIR to a folder for Moim's data")?;
    Ok(Path::new(&home).join(".local/share/moim"))
}

/// The address to listen on: `MOIM_LISTEN`, else `default`.
///
/// # Errors
/// When it is no address with a port.
pub(crate) fn listen(default: Option<SocketAddr>) -> Result<SocketAddr> {
    if let (None, Some(address)) = (Env.get("MOIM_LISTEN"), default) {
        return Ok(address);
    }
    let text = Env.get("MOIM_LISTEN").unwrap_or_else(|| LISTEN_DEFAULT.to_owned());
    text.parse().with_context(|| {
        format!("MOIM_LISTEN={text} is no address with a port, like {LISTEN_DEFAULT}")
    })
}

/// Whether a switch is on: `true`/`1` or `false`/`0`.
///
/// # Errors
/// When the variable holds anything else.
pub(crate) fn switch(name: &str, default: bool) -> Result<bool> {
    match Env.get(name).as_deref() {
        None => Ok(default),
        Some("true" | "1") => Ok(true),
        Some("false" | "0") => Ok(false),
        Some(other) => anyhow::bail!("{name}={other}: set it to true or false"),
    }
}

/// The keys that every process of an installation shares.
pub(crate) struct KeyFolder {
    folder: PathBuf,
}

impl KeyFolder {
    /// The one in a data folder; it need not be there.
    pub(crate) fn of(data: &Path) -> Self {
        Self { folder: data.join("keys") }
    }

    /// Makes what is missing, for the owner only.
    pub(crate) fn fill(&self) -> Result<()> {
        fs::create_dir_all(&self.folder)
            .with_context(|| format!("can't make the folder {}", self.folder.display()))?;
        let path = self.signature_key();
        if path.exists() {
            return Ok(());
        }
        let mut key = [0_u8; SIGNATURE_KEY_BYTES];
        rand::fill(&mut key[..]);
        let text: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        write_private(&path, text.as_bytes())
            .with_context(|| format!("can't write {}", path.display()))
    }

    /// These keys as variables, as far as they are there.
    pub(crate) fn values(&self) -> Values {
        let mut values = Values::new();
        if let Ok(key) = fs::read_to_string(self.signature_key()) {
            values = values.with("MOIM_SIGNATURE_KEY", key.trim());
        }
        values.with(
            "MOIM_USER_SIGNING_KEY_FILE",
            self.folder.join("user-signing.pem").display().to_string(),
        )
    }

    fn signature_key(&self) -> PathBuf {
        self.folder.join("signature.key")
    }
}

/// Writes a file that only its owner can read, whole or not at all.
fn write_private(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let half = path.with_extension("half");
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&half)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(half, path)
}

/// Variables of a role: the environment, and behind it `fallback`.
pub(crate) struct Settings {
    fallback: Values,
}

impl Settings {
    /// The environment, then the data folder's keys and objects, if it has them.
    pub(crate) fn load() -> Result<Self> {
        let data = data_folder()?;
        Ok(Self::with(&data, KeyFolder::of(&data).values()))
    }

    /// The environment, then `values`, then the objects in the data folder.
    pub(crate) fn with(data: &Path, values: Values) -> Self {
        let objects = format!("file://{}", data.join("objects").display());
        Self { fallback: values.with("MOIM_OBJECTS_URL", objects) }
    }
}

impl Source for Settings {
    fn get(&self, name: &str) -> Option<String> {
        Env.get(name).or_else(|| self.fallback.get(name))
    }
}
