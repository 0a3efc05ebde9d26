//! Sharing: what a link is made of, and how long it may lead anywhere.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest as _, Sha256};

use super::refusal::Refusal;

/// How long a link leads somewhere when nobody says how long, in seconds: 7 days.
pub const LINK_TTL_DEFAULT_S: i64 = 7 * 24 * 60 * 60;
/// The longest that a link leads somewhere, in seconds: 90 days.
pub const LINK_TTL_MAX_S: i64 = 90 * 24 * 60 * 60;
/// The shortest, in seconds.
pub const LINK_TTL_MIN_S: i64 = 60;
/// Most links of a meeting that lead somewhere at once.
pub const LINKS_MAX: i64 = 50;
/// Most people at once that a transcript is shared with.
pub const PEOPLE_AT_ONCE_MAX: usize = 100;
/// Most people that a meeting's transcript is shared with.
pub const PEOPLE_MAX: i64 = 1_000;
/// Random bytes in a token.
pub const TOKEN_BYTES: usize = 32;
/// How long a token is as text.
pub const TOKEN_CHARS: usize = 43;

/// When a link ends that is made now.
///
/// # Errors
/// [`Refusal::InvalidExpiry`].
pub fn link_end(
    asked: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<DateTime<Utc>, Refusal> {
    let Some(end) = asked else { return Ok(now + TimeDelta::seconds(LINK_TTL_DEFAULT_S)) };
    let range = TimeDelta::seconds(LINK_TTL_MIN_S)..=TimeDelta::seconds(LINK_TTL_MAX_S);
    if range.contains(&end.signed_duration_since(now)) {
        Ok(end)
    } else {
        Err(Refusal::InvalidExpiry)
    }
}

/// Random bytes as the token that a link has, base64url.
#[must_use]
pub fn token(random: &[u8; TOKEN_BYTES]) -> String {
    URL_SAFE_NO_PAD.encode(random)
}

/// What is stored of a token; `None` of what can't be one. It is random and long, so a plain hash is
/// enough.
#[must_use]
pub fn token_hash(token: &str) -> Option<Vec<u8>> {
    (token.len() == TOKEN_CHARS).then(|| Sha256::digest(token.as_bytes()).to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_end() {
        let now = Utc::now();
        let after = |seconds| now + TimeDelta::seconds(seconds);
        assert_eq!(link_end(None, now).unwrap(), after(LINK_TTL_DEFAULT_S));
        for seconds in [LINK_TTL_MIN_S, 3_600, LINK_TTL_MAX_S] {
            assert_eq!(link_end(Some(after(seconds)), now).unwrap(), after(seconds));
        }
        for seconds in [-1, 0, LINK_TTL_MIN_S - 1, LINK_TTL_MAX_S + 1] {
            assert_eq!(link_end(Some(after(seconds)), now), Err(Refusal::InvalidExpiry));
        }
        assert!(link_end(Some(DateTime::<Utc>::MAX_UTC), now).is_err());
        assert!(link_end(Some(DateTime::<Utc>::MIN_UTC), now).is_err());
    }

    #[test]
    fn a_token_says_nothing_in_the_database() {
        let token = token(&[7; TOKEN_BYTES]);
        assert_eq!(token.len(), TOKEN_CHARS);
        let hash = token_hash(&token).unwrap();
        assert_eq!(hash.len(), 32);
        assert!(!String::from_utf8_lossy(&hash).contains(&token));
        assert_eq!(token_hash(""), None);
        assert_eq!(token_hash(&"x".repeat(1 << 20)), None);
    }
}
