//! The transport that puts bounds, breaker, retries and sharing together.

use std::{sync::Arc, time::Duration};

use futures::future::{BoxFuture, FutureExt as _};
use platform::subgraph::{CallTimeout, Request, Response, Transport, TransportError};
use tokio::time::Instant;

use super::{
    Origin,
    admission::Admission,
    breaker::Breaker,
    config::Fetch,
    refusal,
    retry::{self, Retries},
    sharing::{Sharing, Writes},
};
use crate::metrics::{Fetched, Fetches};

/// A way to a subgraph that bears its faults.
pub(crate) struct Resilient {
    inner: Arc<Inner>,
    sharing: Option<Sharing>,
}

struct Inner {
    transport: Arc<dyn Transport>,
    timeout: Duration,
    admission: Admission,
    breaker: Breaker,
    retries: Retries,
    writes: Writes,
    metrics: Arc<Fetches>,
}

impl Resilient {
    /// Puts the settings around a transport. `timeout`: the longest that a fetch may
    /// take with all of its attempts. `writes` is shared by all of a router's.
    pub(crate) fn new(
        service: Arc<str>,
        transport: Arc<dyn Transport>,
        timeout: Duration,
        settings: Fetch,
        writes: Writes,
    ) -> Self {
        let metrics = Arc::new(Fetches::of(&service));
        Self {
            sharing: settings
                .deduplicate
                .then(|| Sharing::new(writes.clone(), metrics.shared.clone())),
            inner: Arc::new(Inner {
                transport,
                timeout,
                admission: Admission::new(&settings.in_flight),
                breaker: Breaker::new(service, settings.circuit_breaker, Arc::clone(&metrics)),
                retries: Retries::new(settings.retry),
                writes,
                metrics,
            }),
        }
    }
}

impl Transport for Resilient {
    fn call(&self, mut request: Request) -> BoxFuture<'static, Result<Response, TransportError>> {
        let origin = request.extensions().get::<Origin>().copied();
        let inner = Arc::clone(&self.inner);
        match (origin, &self.sharing) {
            (Some(origin), Some(sharing)) if origin.may_share() => {
                // Others may join who have more time; each waits for as long as it may.
                request.extensions_mut().remove::<CallTimeout>();
                let sharing = sharing.clone();
                let fetch = |request| async move { inner.fetch(request, true).await }.boxed();
                async move { sharing.fetch(origin, request, fetch).await }.boxed()
            }
            _ => {
                let repeat = origin.is_some_and(Origin::may_repeat);
                async move { inner.fetch(request, repeat).await }.boxed()
            }
        }
    }
}

impl Inner {
    /// Fetches and counts.
    async fn fetch(&self, request: Request, repeat: bool) -> Result<Response, TransportError> {
        let began = Instant::now();
        let outcome = self.try_fetch(request, repeat).await;
        self.metrics.observe(result(&outcome), began.elapsed());
        outcome
    }

    /// Makes attempts until one brings an answer, within the request's time.
    async fn try_fetch(&self, request: Request, repeat: bool) -> Result<Response, TransportError> {
        // Ends also where nobody waits any more: the write may have happened.
        let _write = (!repeat).then(|| Write(&self.writes));
        let given = request.extensions().get::<CallTimeout>();
        let limit = given.map_or(self.timeout, |CallTimeout(given)| self.timeout.min(*given));
        let until = Instant::now() + limit;
        self.retries.earn();
        let mut request = Some(request);
        for attempt in 0_u32.. {
            let Some(mut now) = (match repeat {
                true => request.clone(),
                false => request.take(),
            }) else {
                break;
            };
            let left = until.saturating_duration_since(Instant::now());
            now.extensions_mut().insert(CallTimeout(left));
            let outcome = self.attempt(now, left).await?;
            if !repeat || !retry::is_passing(&outcome) {
                return outcome;
            }
            let Some(pause) = self.retries.pause(attempt) else {
                return outcome;
            };
            if Instant::now() + pause >= until {
                return outcome;
            }
            tracing::debug!(attempt, "a fetch is made again");
            self.metrics.retries.inc();
            tokio::time::sleep(pause).await;
        }
        Err(TransportError::Timeout(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)))
    }

    /// One attempt. The outer error says that the subgraph was not asked.
    async fn attempt(
        &self,
        request: Request,
        left: Duration,
    ) -> Result<Result<Response, TransportError>, TransportError> {
        let _place = self.admission.enter().await?;
        // Half of the usual time and more is enough to judge by.
        let whole_time = left >= self.timeout / 2;
        let attempt = self.breaker.enter(whole_time.then_some(left))?;
        let outcome = match tokio::time::timeout(left, self.transport.call(request)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let millis = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
                Err(TransportError::Timeout(millis))
            }
        };
        attempt.judge(retry::is_failure(&outcome, whole_time));
        Ok(outcome)
    }
}

fn result(outcome: &Result<Response, TransportError>) -> Fetched {
    match outcome {
        Ok(response) if response.status().is_success() => Fetched::Answer,
        Ok(_) => Fetched::HttpError,
        Err(TransportError::Timeout(_)) => Fetched::Timeout,
        Err(error) if refusal(error).is_some() => Fetched::Refused,
        Err(_) => Fetched::Unreachable,
    }
}

/// A fetch that may write.
struct Write<'a>(&'a Writes);

impl Drop for Write<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}
