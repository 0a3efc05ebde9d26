//! The versions that an event announces: whoever reads for it must see at least those.

use std::{fmt::Write as _, future::Future};

use http::HeaderValue;
use platform::cache::{AT_LEAST, AT_LEAST_MAX};
use serde_json::{Map, Value};

use crate::engine::RequestContext;

tokio::task_local! {
    /// What the event under way announces.
    static ANNOUNCED: HeaderValue;
}

/// The versions of the entities that changed, as the subgraphs read them; None where it tells none.
pub(super) fn of(changed: &Map<String, Value>) -> Option<HeaderValue> {
    let mut text = String::new();
    for entity in changed.values().take(AT_LEAST_MAX) {
        let (Some(typename), Some(id), Some(version)) =
            (entity["__typename"].as_str(), entity["id"].as_str(), entity["version"].as_u64())
        else {
            continue;
        };
        let comma = if text.is_empty() { "" } else { "," };
        let _ = write!(text, "{comma}{typename}:{id}={version}");
    }
    (!text.is_empty()).then(|| HeaderValue::from_str(&text).ok())?
}

/// Runs the work for an event that announces this.
pub(super) async fn scope<F: Future>(announced: Option<HeaderValue>, work: F) -> F::Output {
    match announced {
        Some(announced) => ANNOUNCED.scope(announced, work).await,
        None => work.await,
    }
}

/// Whether the event under way, if there is one, announces anything.
pub(crate) fn is_announced() -> bool {
    ANNOUNCED.try_with(|_| ()).is_ok()
}

/// Lets a request say what the event under way announces.
pub(crate) fn tell(context: &mut RequestContext) {
    let _ = ANNOUNCED.try_with(|announced| context.headers.insert(AT_LEAST, announced.clone()));
}

#[cfg(test)]
mod tests {
    use platform::{cache::AtLeast, identity::Identity};
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn a_request_for_an_event_says_what_it_announces() {
        let changed = json!({
            "meeting": { "__typename": "Meeting", "id": "m", "version": 7 },
            "me": { "__typename": "User", "id": "u" },
            "task": { "__typename": "AiTask", "id": "t", "version": 3 },
            "note": "no entity",
        });
        let announced = of(changed.as_object().unwrap());
        let mut context = RequestContext::new(Identity::Anonymous);
        scope(announced, async { tell(&mut context) }).await;
        let read = AtLeast::in_headers(&context.headers);
        assert_eq!((read.version("Meeting", "m"), read.version("AiTask", "t")), (7, 3));
        assert_eq!(
            of(json!({ "me": { "__typename": "User", "id": "u" } }).as_object().unwrap()),
            None
        );
        assert!(!is_announced());
    }
}
