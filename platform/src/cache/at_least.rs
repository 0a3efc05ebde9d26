//! What whoever asks knows of versions: a cached value that is older is a miss.
//!
//! The push plane asks for what an event changed, and the event says which version it announces. The
//! header isn't signed: whoever could change it could only make a read miss the cache.

use std::any::TypeId;
use std::collections::HashMap;
use std::fmt::Display;
use std::sync::Arc;

use http::{HeaderMap, HeaderName};

/// The header: `Meeting:0193…=7,AiTask:0193…=3`.
pub const AT_LEAST: HeaderName = HeaderName::from_static("moim-at-least");
/// Most entities that are read from it.
pub const AT_LEAST_MAX: usize = 16;

/// The least versions that a request wants to see, by entity.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AtLeast(Arc<HashMap<String, u64>>);

impl AtLeast {
    /// Those that the headers name; what can't be read is passed over.
    #[must_use]
    pub fn in_headers(headers: &HeaderMap) -> Self {
        let Some(text) = headers.get(AT_LEAST).and_then(|value| value.to_str().ok()) else {
            return Self::default();
        };
        let known = text.split(',').take(AT_LEAST_MAX).filter_map(|one| {
            let (entity, version) = one.split_once('=')?;
            Some((entity.to_owned(), version.parse().ok()?))
        });
        Self(Arc::new(known.collect()))
    }

    /// Those of a request to a subgraph, whose endpoint has read them.
    #[must_use]
    pub fn of(request: &async_graphql::Request) -> Self {
        let known = request.data.get(&TypeId::of::<Self>());
        known.and_then(|known| known.downcast_ref::<Self>()).cloned().unwrap_or_default()
    }

    /// The least version of an entity; 0 when none is known.
    #[must_use]
    pub fn version(&self, typename: &str, id: impl Display) -> u64 {
        if self.0.is_empty() {
            return 0;
        }
        self.0.get(&format!("{typename}:{id}")).copied().unwrap_or_default()
    }

    /// Whether it names nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn what_can_be_read_counts_and_the_rest_is_passed_over() {
        let mut headers = HeaderMap::new();
        assert!(AtLeast::in_headers(&headers).is_empty());
        let text = "Meeting:a=7,AiTask:b=3,Todo:c,Todo:d=x,=,Todo:e=-1";
        headers.insert(AT_LEAST, HeaderValue::from_static(text));
        let known = AtLeast::in_headers(&headers);
        let versions = [("Meeting", "a"), ("AiTask", "b"), ("Meeting", "b"), ("Todo", "d")];
        assert_eq!(versions.map(|(typename, id)| known.version(typename, id)), [7, 3, 0, 0]);
        let many: Vec<String> = (0..100).map(|number| format!("T:{number}=1")).collect();
        headers.insert(AT_LEAST, HeaderValue::from_str(&many.join(",")).unwrap());
        assert_eq!(AtLeast::in_headers(&headers).0.len(), AT_LEAST_MAX);
    }
}
