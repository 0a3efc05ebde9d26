//! Why work failed for good, in words that help.

/// The file has no audio that can be decoded.
pub const NOT_AUDIO: &str = "NOT_AUDIO";
/// The file is empty, or its audio has no length.
pub const RECORDING_EMPTY: &str = "RECORDING_EMPTY";
/// There is sound, but nobody speaks.
pub const NO_SPEECH: &str = "NO_SPEECH";
/// The recording isn't in object storage.
pub const RECORDING_MISSING: &str = "RECORDING_MISSING";
/// The recording is larger than this service takes.
pub const RECORDING_TOO_LARGE: &str = "RECORDING_TOO_LARGE";
/// The recogniser itself failed; trying again may help.
pub const ENGINE_FAILED: &str = "ENGINE_FAILED";
/// The text that was to be looked at isn't there any more.
pub const TEXT_MISSING: &str = "TEXT_MISSING";
/// The job is of a kind that this version doesn't know.
pub const UNKNOWN_WORK: &str = "UNKNOWN_WORK";

/// Whether a file is at fault, and no other attempt at it would help.
#[must_use]
pub fn is_of_file(code: &str) -> bool {
    [NOT_AUDIO, RECORDING_EMPTY, RECORDING_MISSING, RECORDING_TOO_LARGE].contains(&code)
}

/// The code that is stored so.
#[must_use]
pub fn known(code: &str) -> &'static str {
    [NOT_AUDIO, RECORDING_EMPTY, RECORDING_MISSING, RECORDING_TOO_LARGE, NO_SPEECH]
        .into_iter()
        .find(|known| *known == code)
        .unwrap_or(ENGINE_FAILED)
}

/// What a person is told about a failure with `code`.
#[must_use]
pub fn message(code: &str) -> &'static str {
    match code {
        NOT_AUDIO => {
            "The recording is not audio that can be read. Upload it as WAV, MP3, M4A, FLAC, OGG or WebM in a new meeting, or try again if the upload was at fault."
        }
        RECORDING_EMPTY => "The recording is empty: it has no sound in it.",
        NO_SPEECH => {
            "No speech was found in the recording. Check that the right microphone was recorded."
        }
        RECORDING_MISSING => "The recording can't be found any more.",
        RECORDING_TOO_LARGE => "The recording is too large to be turned into text.",
        TEXT_MISSING => "The text can't be found any more.",
        UNKNOWN_WORK => "This version can't do that kind of work.",
        _ => "The speech recogniser failed. Try again; if it fails again, tell the operator.",
    }
}
