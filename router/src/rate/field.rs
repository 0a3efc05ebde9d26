//! `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers, structured fields), and
//! `Retry-After`.

use http::{HeaderMap, HeaderName, HeaderValue, header::RETRY_AFTER};

use super::bucket::Limit;

/// What is left of each limit.
pub(crate) const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// What the limits are.
pub(crate) const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// How a caller stands after a draw.
#[derive(Debug)]
pub(super) struct Standing {
    /// Whether the request may go on.
    pub(super) admitted: bool,
    /// The limits of all buckets that were drawn from, by name.
    pub(super) limits: Vec<(String, Limit)>,
}

/// A limit's name for clients, such as `user-minute`.
pub(super) fn name(bucket: &str, limit: &str) -> String {
    // What may stand in a structured field's string, without what has to be escaped there.
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    format!("{}-{limit}", bucket.chars().map(plain).collect::<String>())
}

impl Standing {
    /// How long until the request would fit, in seconds, at least 1.
    pub(super) fn retry_after_s(&self) -> i64 {
        let wait_ms = self.limits.iter().map(|(_, limit)| limit.wait_ms).max().unwrap_or(0);
        seconds(wait_ms).max(1)
    }

    /// Writes the fields of a response.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        let policy = |(name, limit): &(String, Limit)| {
            format!("\"{name}\";q={};w={}", limit.quota, limit.window_s)
        };
        let left = |(name, limit): &(String, Limit)| {
            format!("\"{name}\";r={};t={}", limit.remaining, seconds(limit.reset_ms))
        };
        insert(headers, RATE_LIMIT_POLICY, &self.list(policy));
        insert(headers, RATE_LIMIT, &self.list(left));
        if !self.admitted {
            insert(headers, RETRY_AFTER, &self.retry_after_s().to_string());
        }
    }

    fn list(&self, item: impl FnMut(&(String, Limit)) -> String) -> String {
        self.limits.iter().map(item).collect::<Vec<_>>().join(", ")
    }
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value)
        && !value.is_empty()
    {
        headers.insert(name, value);
    }
}

fn seconds(ms: i64) -> i64 {
    (ms + 999) / 1_000
}
