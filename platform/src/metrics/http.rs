//! Requests to the HTTP server: `http.server.*` of OpenTelemetry's semantic conventions.

use std::sync::{LazyLock, OnceLock};
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use http::{Method, StatusCode};

use super::{Histogram, HistogramVec, IntGauge, REQUEST_BUCKETS_S};

const METHODS: [&str; 4] = ["GET", "POST", "PUT", "_OTHER"];
/// Statuses that are told apart; others count as the first of their class.
const STATUSES: [u16; 22] = [
    100, 101, 200, 201, 204, 206, 300, 303, 304, 400, 401, 403, 404, 405, 406, 409, 413, 415, 429,
    500, 502, 503,
];

static DURATION: LazyLock<HistogramVec> = LazyLock::new(|| {
    super::histograms(
        "http_server_request_duration_seconds",
        "Time from a request's head to its response's head.",
        &["http_request_method", "http_route", "http_response_status_code"],
        &REQUEST_BUCKETS_S,
    )
});
static ACTIVE: LazyLock<IntGauge> = LazyLock::new(|| {
    super::gauge("http_server_active_requests", "Requests whose response has not begun yet.")
});

/// A route whose requests are measured. Its handles are made once: measuring takes no lock.
#[derive(Debug)]
pub struct Route {
    path: &'static str,
    handles: [[OnceLock<Histogram>; STATUSES.len()]; METHODS.len()],
}

/// A request under way.
#[derive(Debug)]
pub struct Running {
    method: usize,
    began: Instant,
}

impl Route {
    /// The route of this path template.
    #[must_use]
    pub const fn new(path: &'static str) -> Self {
        Self {
            path,
            handles: [const { [const { OnceLock::new() }; STATUSES.len()] }; METHODS.len()],
        }
    }

    /// A request begins. Dropped without an end it counts as one that went away.
    pub fn begin(&self, method: &Method) -> Running {
        ACTIVE.inc();
        Running { method: method_index(method), began: Instant::now() }
    }

    /// Its response begins.
    pub fn end(&self, running: &Running, status: StatusCode) {
        let status = status_index(status);
        let histogram = self.handles[running.method][status].get_or_init(|| {
            let status = STATUSES[status].to_string();
            DURATION.with_label_values(&[METHODS[running.method], self.path, &status])
        });
        histogram.observe(running.began.elapsed().as_secs_f64());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        ACTIVE.dec();
    }
}

/// A layer that measures requests by the route that they match.
pub async fn measure(request: Request, next: Next) -> Response {
    let method = method_index(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    ACTIVE.inc();
    let running = Running { method, began: Instant::now() };
    let response = next.run(request).await;
    let status = STATUSES[status_index(response.status())].to_string();
    let route = route.as_ref().map_or("_OTHER", MatchedPath::as_str);
    DURATION
        .with_label_values(&[METHODS[method], route, &status])
        .observe(running.began.elapsed().as_secs_f64());
    response
}

fn method_index(method: &Method) -> usize {
    match *method {
        Method::GET => 0,
        Method::POST => 1,
        Method::PUT => 2,
        _ => 3,
    }
}

fn status_index(status: StatusCode) -> usize {
    let index = |code: u16| STATUSES.binary_search(&code).ok();
    let status = status.as_u16();
    index(status).or_else(|| index(status / 100 * 100)).unwrap_or(STATUSES.len() - 3)
}
