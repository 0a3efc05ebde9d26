//! Whether a process is alive, and whether it can work: `/health/live`, `/health/ready`, `/health`.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures::FutureExt as _;
use futures::future::{BoxFuture, join_all};
use http::StatusCode;
use serde::Serialize;
use tokio::sync::Mutex;

use crate::subgraph::Cause;

/// How long a component's state is believed before it is looked at again.
pub const CACHE_MS: u64 = 1_000;
/// Most time that one look may take; longer means down.
pub const CHECK_TIMEOUT_MS: u64 = 2_000;

/// What it means when a component fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Without it, no work can be done: not ready.
    Required,
    /// Without it, answers stay right but take longer: degraded.
    Degraded,
}

/// A state as it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// Works.
    Up,
    /// Works, though something is missing.
    Degraded,
    /// Doesn't work.
    Down,
}

type Check = dyn Fn() -> BoxFuture<'static, Result<(), Cause>> + Send + Sync;

struct Component {
    name: String,
    need: Need,
    check: Box<Check>,
    // Held while looking: many who ask at once cause one look.
    last: Mutex<Option<(Instant, Finding)>>,
}

#[derive(Clone)]
struct Finding {
    status: Status,
    latency_ms: u64,
    detail: Option<String>,
}

/// What a process needs in order to work. All clones are one.
#[derive(Clone, Default)]
pub struct Registry {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    components: RwLock<Vec<Arc<Component>>>,
    details: AtomicBool,
    draining: AtomicBool,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.components().iter().map(|c| c.name.clone())).finish()
    }
}

/// The states of all components.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The worst that follows from them.
    pub status: Status,
    /// Each of them, in the order of being added.
    pub components: Vec<ComponentReport>,
}

/// The state of one component.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ComponentReport {
    /// Its name.
    pub name: String,
    /// Its state.
    pub status: Status,
    /// How long the last look took.
    pub latency_ms: u64,
    /// What is wrong, where details are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Registry {
    /// Adds a component. `check` looks at it: an error says what is wrong. It is called at most
    /// about once a second, and given up after [`CHECK_TIMEOUT_MS`].
    pub fn add<F>(
        &self,
        name: impl Into<String>,
        need: Need,
        check: impl Fn() -> F + Send + Sync + 'static,
    ) where
        F: Future<Output = Result<(), Cause>> + Send + 'static,
    {
        let component = Arc::new(Component {
            name: name.into(),
            need,
            check: Box::new(move || check().boxed()),
            last: Mutex::new(None),
        });
        self.inner.components.write().unwrap_or_else(PoisonError::into_inner).push(component);
    }

    /// Whether `/health` tells what is wrong; off by default, since it names inner addresses.
    pub fn set_details(&self, shown: bool) {
        self.inner.details.store(shown, Ordering::Relaxed);
    }

    /// Makes the process not ready from now on, because it is about to end.
    pub fn drain(&self) {
        self.inner.draining.store(true, Ordering::Relaxed);
    }

    /// Looks at everything.
    pub async fn report(&self) -> Report {
        let components = self.components();
        let details = self.inner.details.load(Ordering::Relaxed);
        let findings = join_all(components.iter().map(|component| component.look())).await;
        let mut status = Status::Up;
        let mut reports = Vec::with_capacity(components.len());
        for (component, finding) in components.iter().zip(findings) {
            status = status.max(finding.status);
            reports.push(ComponentReport {
                name: component.name.clone(),
                status: finding.status,
                latency_ms: finding.latency_ms,
                detail: finding.detail.filter(|_| details),
            });
        }
        if self.inner.draining.load(Ordering::Relaxed) {
            status = Status::Down;
        }
        Report { status, components: reports }
    }

    /// `/health/live`, `/health/ready` and `/health`.
    pub fn routes(&self) -> Router {
        Router::new()
            .route("/health/live", get(|| async { Json(Brief { status: Status::Up }) }))
            .route("/health/ready", get(ready))
            .route("/health", get(all))
            .with_state(self.clone())
    }

    fn components(&self) -> Vec<Arc<Component>> {
        self.inner.components.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Component {
    async fn look(&self) -> Finding {
        let mut last = self.last.lock().await;
        if let Some((at, finding)) = &*last
            && at.elapsed() < Duration::from_millis(CACHE_MS)
        {
            return finding.clone();
        }
        let start = Instant::now();
        let limit = Duration::from_millis(CHECK_TIMEOUT_MS);
        let wrong = match tokio::time::timeout(limit, (self.check)()).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(crate::error::chain(&*error)),
            Err(_) => Some(format!("no answer within {CHECK_TIMEOUT_MS} ms")),
        };
        let status = match (&wrong, self.need) {
            (None, _) => Status::Up,
            (Some(_), Need::Degraded) => Status::Degraded,
            (Some(_), Need::Required) => Status::Down,
        };
        let changed = last.as_ref().map(|(_, before)| before.status) != Some(status);
        if let (true, Some(wrong)) = (changed, &wrong) {
            tracing::warn!(component = self.name, error = wrong, "health check failed");
        }
        let latency_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let finding = Finding { status, latency_ms, detail: wrong };
        *last = Some((Instant::now(), finding.clone()));
        finding
    }
}

#[derive(Serialize)]
struct Brief {
    status: Status,
}

async fn ready(State(registry): State<Registry>) -> Response {
    let status = registry.report().await.status;
    (http_status(status), Json(Brief { status })).into_response()
}

async fn all(State(registry): State<Registry>) -> Response {
    let report = registry.report().await;
    (http_status(report.status), Json(report)).into_response()
}

fn http_status(status: Status) -> StatusCode {
    match status {
        Status::Up | Status::Degraded => StatusCode::OK,
        Status::Down => StatusCode::SERVICE_UNAVAILABLE,
    }
}

#[cfg(test)]
#[path = "health_test.rs"]
mod tests;
