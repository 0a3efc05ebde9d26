//! The life of a session: when a refresh token may be exchanged, when it
//! betrays a theft, and what an access token says.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// How long a refresh token is valid, in seconds.
pub const REFRESH_TOKEN_TTL_S: i64 = 30 * 24 * 60 * 60;
/// Size of a refresh token, in bytes.
pub const REFRESH_TOKEN_BYTES: usize = 32;

/// The claims of an access token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who signed it.
    pub iss: String,
    /// Whom it is for.
    pub aud: String,
    /// The user's id.
    pub sub: String,
    /// Issued at, Unix seconds.
    pub iat: i64,
    /// Expires at, Unix seconds.
    pub exp: i64,
    /// Unique id of this token.
    pub jti: String,
    /// Scopes, separated by spaces.
    pub scope: String,
    /// Roles of the user.
    pub roles: Vec<String>,
}

/// What is known of a refresh token that somebody presents.
#[derive(Debug, Clone, Copy)]
pub struct Presented {
    /// When it ends.
    pub expires_at: DateTime<Utc>,
    /// When it was exchanged, if it was.
    pub used_at: Option<DateTime<Utc>>,
    /// When its session was revoked, if it was.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// What to do with a refresh token that somebody presents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Exchange it for a new pair.
    Rotate,
    /// Refuse it.
    Refuse,
    /// It was exchanged before: someone has a copy. Refuse it and end the session.
    RevokeSession,
}

/// Judges a refresh token at the time `now`.
#[must_use]
pub fn judge(token: Presented, now: DateTime<Utc>) -> Verdict {
    if token.revoked_at.is_some() {
        Verdict::Refuse
    } else if token.used_at.is_some() {
        Verdict::RevokeSession
    } else if token.expires_at <= now {
        Verdict::Refuse
    } else {
        Verdict::Rotate
    }
}

/// When a refresh token that is issued at `now` ends.
#[must_use]
pub fn refresh_expiry(now: DateTime<Utc>) -> DateTime<Utc> {
    now + TimeDelta::seconds(REFRESH_TOKEN_TTL_S)
}
