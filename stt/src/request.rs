//! What is sent: a form with the piece as a file (RFC 7578).

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

/// One question to the server.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The model's name.
    pub model: &'a str,
    /// Two-letter tag of the language, if it is known.
    pub language: Option<&'a str>,
    /// Whether to ask when something was said; not every model can tell.
    pub wants_times: bool,
}

/// The question about a WAV file: content type and body.
#[must_use]
pub fn form(question: Question<'_>, wav: &[u8]) -> (String, Bytes) {
    // What follows from a file's hash isn't in the file.
    let hash = Sha256::digest(wav);
    let hash: u128 = hash.iter().take(16).fold(0, |sum, byte| sum << 8 | u128::from(*byte));
    let boundary = format!("moim-{hash:032x}");
    let mut body = Vec::with_capacity(wav.len() + 2 * 1024);
    let mut field = |name: &str, value: &str| {
        let head =
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
        body.extend(head.as_bytes());
        body.extend(value.as_bytes());
        body.extend(b"\r\n");
    };
    field("model", question.model);
    // No temperature: where it gets nowhere a server tries higher ones, and some take a given one for all.
    if let Some(language) = question.language {
        field("language", language);
    }
    if question.wants_times {
        field("response_format", "verbose_json");
        field("timestamp_granularities[]", "segment");
    } else {
        field("response_format", "json");
    }
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"piece.wav\"\r\n\
         Content-Type: audio/wav\r\n\r\n"
    );
    body.extend(head.as_bytes());
    body.extend(wav);
    body.extend(format!("\r\n--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body.into())
}
