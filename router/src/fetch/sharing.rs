//! Identical concurrent fetches are made once.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared, WeakShared},
};
use http::{HeaderMap, HeaderName};
use platform::metrics::IntCounter;
use platform::subgraph::{Request, Response, TransportError};
use uuid::Uuid;

use super::{Origin, refusal};
use crate::name::Hasher;

/// Headers that differ from request to request without changing its meaning.
const VOLATILE: [&str; 4] = ["traceparent", "tracestate", "moim-timestamp", "moim-signature"];

type Outcome = Result<Response, TransportError>;
type SharedOutcome = Result<Response, Arc<TransportError>>;
type Call = BoxFuture<'static, SharedOutcome>;
type Running = HashMap<Key, Entry, Hasher>;

/// Counts the writes that this router has seen end. A fetch begun before a write
/// ended is not shared with one that begins after it, so that whoever wrote
/// reads what he wrote.
#[derive(Debug, Clone, Default)]
pub(crate) struct Writes(Arc<AtomicU64>);

impl Writes {
    pub(super) fn end(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }

    fn ended(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// What makes two fetches the same: all of it is compared, not only a hash.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    body: Bytes,
    viewer: Option<Uuid>,
    writes: u64,
    headers: Arc<[u8]>,
}

/// Fetches under way of one subgraph.
#[derive(Clone)]
pub(super) struct Sharing {
    running: Arc<Mutex<Running>>,
    writes: Writes,
    /// Fetches that could join another.
    shared: IntCounter,
}

struct Entry {
    number: u64,
    fetch: WeakShared<Call>,
}

impl Sharing {
    pub(super) fn new(writes: Writes, shared: IntCounter) -> Self {
        Self { running: Arc::default(), writes, shared }
    }

    /// The answer of this request: of a fetch under way that is the same, else of
    /// `fetch`. It goes on as long as anybody waits for it.
    pub(super) async fn fetch(
        &self,
        origin: Origin,
        request: Request,
        fetch: impl FnOnce(Request) -> BoxFuture<'static, Outcome>,
    ) -> Outcome {
        let key = Key {
            body: request.body().clone(),
            viewer: origin.viewer,
            writes: self.writes.ended(),
            headers: flatten(request.headers()),
        };
        let shared = {
            let mut running = self.lock();
            let found = running.get(&key).and_then(|entry| entry.fetch.upgrade());
            self.shared.inc_by(u64::from(found.is_some()));
            found.unwrap_or_else(|| self.begin(&mut running, key, fetch(request)))
        };
        shared.await.map_err(|error| again(&error))
    }

    fn begin(
        &self,
        running: &mut Running,
        key: Key,
        fetch: BoxFuture<'static, Outcome>,
    ) -> Shared<Call> {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let leaving = Leaving { sharing: self.clone(), key: key.clone(), number };
        let run: Call = async move {
            let outcome = fetch.await;
            // From now on the same fetch is a new one.
            drop(leaving);
            outcome.map_err(Arc::new)
        }
        .boxed();
        let shared = run.shared();
        if let Some(fetch) = shared.downgrade() {
            running.insert(key, Entry { number, fetch });
        }
        shared
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a fetch out of those under way when it ends or nobody waits for it.
struct Leaving {
    sharing: Sharing,
    key: Key,
    number: u64,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        let mut running = self.sharing.lock();
        if running.get(&self.key).is_some_and(|entry| entry.number == self.number) {
            running.remove(&self.key);
        }
    }
}

/// The headers that count, in an order that does not depend on how they came.
fn flatten(headers: &HeaderMap) -> Arc<[u8]> {
    let counts = |name: &HeaderName| !VOLATILE.contains(&name.as_str());
    let mut pairs: Vec<_> = headers.iter().filter(|(name, _)| counts(name)).collect();
    // Stable: values of one name keep their order.
    pairs.sort_by_key(|(name, _)| name.as_str());
    let mut flat = Vec::with_capacity(pairs.len() * 48);
    for (name, value) in pairs {
        for part in [name.as_str().as_bytes(), value.as_bytes()] {
            flat.extend_from_slice(&part.len().to_le_bytes());
            flat.extend_from_slice(part);
        }
    }
    flat.into()
}

/// The same error for another one who waits.
fn again(error: &Arc<TransportError>) -> TransportError {
    let cause = || Box::new(Cause(Arc::clone(error)));
    match &**error {
        TransportError::Timeout(ms) => TransportError::Timeout(*ms),
        TransportError::TooLarge(bytes) => TransportError::TooLarge(*bytes),
        TransportError::Connect(_) => TransportError::Connect(cause()),
        TransportError::Closed(_) => TransportError::Closed(cause()),
        TransportError::Body(_) => TransportError::Body(cause()),
        other => match refusal(other) {
            Some(refused) => refused.into(),
            None => TransportError::Protocol(cause()),
        },
    }
}

#[derive(Debug, thiserror::Error)]
#[error("a shared fetch failed: {0}")]
struct Cause(Arc<TransportError>);

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use platform::identity::Identity;

    use super::*;
    use crate::metrics::Fetches;
    use crate::{engine::Operation, fetch::Refused};

    fn request(headers: &[(&'static str, &'static str)]) -> Request {
        let mut request = Request::new(Bytes::from_static(b"{}"));
        for (name, value) in headers {
            request.headers_mut().append(*name, HeaderValue::from_static(value));
        }
        request
    }

    /// Starts both before either can end; gives how many fetches were made.
    async fn fetches(sharing: &Sharing, one: Request, two: Request) -> usize {
        let made = Arc::new(AtomicU64::new(0));
        let fetch = |request: Request| {
            let made = Arc::clone(&made);
            let origin = Origin::new(Operation::Query, &Identity::Anonymous, false);
            sharing.fetch(origin, request, move |_| {
                async move {
                    made.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                    Ok(Response::new(Bytes::from_static(b"answer")))
                }
                .boxed()
            })
        };
        let (one, two) = futures::join!(fetch(one), fetch(two));
        // One buffer, not a copy.
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_eq!(one.body().as_ptr(), two.body().as_ptr());
        assert!(sharing.lock().is_empty());
        usize::try_from(made.load(Ordering::Relaxed)).unwrap()
    }

    #[tokio::test]
    async fn the_same_request_is_made_once_and_another_is_not() {
        let sharing = Sharing::new(Writes::default(), Fetches::of("s").shared);
        let with = |lang| request(&[("accept-language", lang)]);
        assert_eq!(fetches(&sharing, with("ko"), with("ko")).await, 1);
        assert_eq!(fetches(&sharing, with("ko"), with("en")).await, 2);
        let traced = |trace| request(&[("traceparent", trace), ("moim-timestamp", trace)]);
        assert_eq!(fetches(&sharing, traced("1"), traced("2")).await, 1);
        let signed = |who| request(&[("moim-identity", who)]);
        assert_eq!(fetches(&sharing, signed("a"), signed("b")).await, 2);
        // Not the same although their bytes in a row are.
        let (one, two) = (request(&[("a", "bc")]), request(&[("ab", "c")]));
        assert_eq!(fetches(&sharing, one, two).await, 2);
    }

    #[tokio::test]
    async fn the_fetch_outlives_the_one_who_began_it_and_errors_keep_their_kind() {
        let sharing = Sharing::new(Writes::default(), Fetches::of("s").shared);
        let origin = Origin::new(Operation::Query, &Identity::Anonymous, false);
        let (send, receive) = tokio::sync::oneshot::channel::<TransportError>();
        let first =
            sharing.fetch(origin, request(&[]), |_| async { Err(receive.await.unwrap()) }.boxed());
        let mut first = Box::pin(first);
        assert!(futures::poll!(&mut first).is_pending());
        let mut second =
            Box::pin(sharing.fetch(origin, request(&[]), |_| unreachable!("it is under way")));
        assert!(futures::poll!(&mut second).is_pending());
        drop(first);
        send.send(Refused::Overloaded.into()).unwrap();
        assert_eq!(refusal(&second.await.unwrap_err()), Some(Refused::Overloaded));
    }

    #[tokio::test]
    async fn after_a_write_nothing_older_is_shared() {
        let writes = Writes::default();
        let sharing = Sharing::new(writes.clone(), Fetches::of("s").shared);
        let origin = Origin::new(Operation::Query, &Identity::Anonymous, false);
        let mut old =
            Box::pin(sharing.fetch(origin, request(&[]), |_| futures::future::pending().boxed()));
        assert!(futures::poll!(&mut old).is_pending());
        writes.end();
        let new = sharing
            .fetch(origin, request(&[]), |_| async { Ok(Response::new(Bytes::new())) }.boxed());
        assert!(new.await.is_ok());
        drop(old);
        assert!(sharing.lock().is_empty());
    }
}
