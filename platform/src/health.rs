//! Whether a process is alive, and whether it can work: `/health/live`, `/health/ready`, `/health`.
//!
//! However many probes come, a component is looked at about once a second, with a time limit.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures::FutureExt as _;
use futures::future::{BoxFuture, join_all};
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use tokio::sync::Mutex;

use crate::metrics::{self, GaugeVec, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec};
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
    /// Without it, answers take longer, or what needs it fails, and all else stays right: degraded.
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

struct Metrics {
    up: IntGaugeVec,
    ready: IntGauge,
    checks: IntCounterVec,
    duration: HistogramVec,
    since: GaugeVec,
}

static METRICS: LazyLock<Metrics> = LazyLock::new(|| Metrics {
    up: metrics::gauges(
        "moim_health_component_up",
        "Whether a component worked at the last look (1) or not (0).",
        &["component", "need"],
    ),
    ready: metrics::gauge(
        "moim_health_ready",
        "Whether the process is ready for work (1) or not (0).",
    ),
    checks: metrics::counters(
        "moim_health_checks_total",
        "Looks at components, by what they found.",
        &["component", "status"],
    ),
    duration: metrics::histograms(
        "moim_health_check_duration_seconds",
        "Time that a look at a component took.",
        &["component"],
        &CHECK_BUCKETS_S,
    ),
    since: metrics::fractions(
        "moim_health_component_changed_timestamp_seconds",
        "When a component's status last changed, in seconds since 1970.",
        &["component"],
    ),
});

/// Upper bounds of the buckets for looks at components, in seconds.
const CHECK_BUCKETS_S: [f64; 6] = [0.001, 0.005, 0.025, 0.1, 0.5, 2.0];

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Self::Up => "UP",
            Self::Degraded => "DEGRADED",
            Self::Down => "DOWN",
        }
    }
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
    /// What is wrong.
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

    /// Makes the process not ready from now on, because it is about to end.
    pub fn drain(&self) {
        self.inner.draining.store(true, Ordering::Relaxed);
    }

    /// Looks at everything.
    pub async fn report(&self) -> Report {
        let components = self.components();
        let findings = join_all(components.iter().map(|component| component.look())).await;
        let mut status = Status::Up;
        let mut reports = Vec::with_capacity(components.len());
        for (component, finding) in components.iter().zip(findings) {
            status = status.max(finding.status);
            reports.push(ComponentReport {
                name: component.name.clone(),
                status: finding.status,
                latency_ms: finding.latency_ms,
                detail: finding.detail,
            });
        }
        if self.inner.draining.load(Ordering::Relaxed) {
            status = Status::Down;
        }
        METRICS.ready.set(i64::from(status != Status::Down));
        Report { status, components: reports }
    }

    /// `/health/live`, `/health/ready` and `/health`, without details.
    pub fn routes(&self) -> Router {
        self.routes_with(|_| false)
    }

    /// The same; `/health` names the components, and what is wrong with them, where `authorized` says
    /// so of a request's headers.
    pub fn routes_with(
        &self,
        authorized: impl Fn(&HeaderMap) -> bool + Clone + Send + Sync + 'static,
    ) -> Router {
        let all = move |State(registry): State<Self>, headers: HeaderMap| async move {
            let report = registry.report().await;
            let status = http_status(report.status);
            match authorized(&headers) {
                true => (status, Json(report)).into_response(),
                false => (status, Json(Brief { status: report.status })).into_response(),
            }
        };
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
    fn count(&self, status: Status, changed: bool, took: Duration) {
        let name = self.name.as_str();
        let up = status == Status::Up;
        let need = match self.need {
            Need::Required => "required",
            Need::Degraded => "degraded",
        };
        METRICS.up.with_label_values(&[name, need]).set(i64::from(up));
        METRICS.duration.with_label_values(&[name]).observe(took.as_secs_f64());
        for one in [Status::Up, Status::Degraded, Status::Down] {
            let count = METRICS.checks.with_label_values(&[name, one.as_str()]);
            count.inc_by(u64::from(one == status));
        }
        if changed {
            let now = chrono::Utc::now().timestamp_millis() as f64 / 1_000.0;
            METRICS.since.with_label_values(&[name]).set(now);
        }
    }

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
        self.count(status, changed, start.elapsed());
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

fn http_status(status: Status) -> StatusCode {
    match status {
        Status::Up | Status::Degraded => StatusCode::OK,
        Status::Down => StatusCode::SERVICE_UNAVAILABLE,
    }
}

#[cfg(test)]
#[path = "health_test.rs"]
mod tests;
