//! Which recordings are accepted.

use super::refusal::Refusal;

/// Largest recording, in bytes: 2 GB, three hours of uncompressed stereo. A GraphQL `Int` still holds somewhat
/// larger sizes, so that who asks for more is told so by a code.
pub const MAX_RECORDING_BYTES: u64 = 2_000_000_000;

/// Most recordings of a meeting, those included whose file never came.
pub const MAX_RECORDINGS: i64 = 100;

/// Media types that the decoder understands.
pub const ACCEPTED_TYPES: [&str; 9] = [
    "audio/wav",
    "audio/x-wav",
    "audio/mpeg",
    "audio/mp4",
    "audio/x-m4a",
    "audio/webm",
    "video/webm",
    "audio/ogg",
    "audio/flac",
];

/// Checks a content type with or without parameters (`audio/webm;codecs=opus`)
/// and answers it in lower case without spaces.
///
/// # Errors
/// [`Refusal::UnsupportedMediaType`].
pub fn check_type(content_type: &str) -> Result<String, Refusal> {
    let normal: String = content_type.to_ascii_lowercase().split_ascii_whitespace().collect();
    let (essence, parameters) = normal.split_once(';').unwrap_or((&normal, ""));
    let known = ACCEPTED_TYPES.contains(&essence);
    // The value becomes a header that the client sends back: nothing exotic in it.
    let sane = parameters.len() <= 100
        && parameters.bytes().all(|b| b.is_ascii_alphanumeric() || b"=;,.-_+\"".contains(&b));
    if known && sane { Ok(normal) } else { Err(Refusal::UnsupportedMediaType) }
}

/// Are both content types the same kind of file? Parameters don't matter.
#[must_use]
pub fn same_kind(left: &str, right: &str) -> bool {
    let essence = |t: &str| t.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence(left) == essence(right)
}

/// Checks the announced size of a recording, in bytes.
///
/// # Errors
/// [`Refusal::RecordingEmpty`] below 1, [`Refusal::RecordingTooLarge`] beyond
/// [`MAX_RECORDING_BYTES`].
pub fn check_size(size_bytes: i64) -> Result<u64, Refusal> {
    match u64::try_from(size_bytes) {
        Ok(0) | Err(_) => Err(Refusal::RecordingEmpty),
        Ok(size) if size > MAX_RECORDING_BYTES => Err(Refusal::RecordingTooLarge),
        Ok(size) => Ok(size),
    }
}
