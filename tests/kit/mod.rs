//! What the tests share: a running Moim, a client, live streams, and waiting for conditions.

pub(crate) mod client;
pub(crate) mod collector;
pub(crate) mod instance;
pub(crate) mod proxy;
pub(crate) mod scrape;
pub(crate) mod sse;
pub(crate) mod story;
pub(crate) mod websocket;

use std::{fmt::Debug, future::Future, time::Duration};

/// How long a test waits for something that takes no heavy work.
pub(crate) const SOON: Duration = Duration::from_secs(20);
/// How long a test waits for a transcription of the 44 s recording on a busy machine.
pub(crate) const TRANSCRIBED: Duration = Duration::from_secs(240);
/// Pause between two looks at a condition.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Waits until `look` gives something, or fails the test at the deadline.
pub(crate) async fn eventually<T, F, R>(what: &str, deadline: Duration, mut look: F) -> T
where
    F: FnMut() -> R,
    R: Future<Output = Option<T>>,
{
    let look = || {
        let found = look();
        async move { found.await.ok_or("not yet") }
    };
    eventually_ok(what, deadline, look).await
}

/// Waits until `look` finds nothing in the way, or fails the test at the deadline with what it found last.
pub(crate) async fn eventually_ok<T, E, F, R>(what: &str, deadline: Duration, mut look: F) -> T
where
    E: Debug,
    F: FnMut() -> R,
    R: Future<Output = Result<T, E>>,
{
    let mut last = None;
    let looking = async {
        loop {
            match look().await {
                Ok(found) => return found,
                Err(obstacle) => last = Some(obstacle),
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    match tokio::time::timeout(deadline, looking).await {
        Ok(found) => found,
        Err(_) => panic!("not within {deadline:?}: {what}: {last:?}"),
    }
}

/// What operators see of a component.
pub(crate) async fn component(client: &client::Client, name: &str) -> String {
    let health = client.get("/health").await.body;
    let components = health["components"].as_array().expect("components");
    let found = components.iter().find(|component| component["name"] == name);
    let found = found.unwrap_or_else(|| panic!("{name} in {components:?}"));
    found["status"].as_str().expect("a status").to_owned()
}
