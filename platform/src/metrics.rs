//! Metrics: one registry for the process, and its text for Prometheus.
//!
//! Names follow OpenTelemetry's semantic conventions as Prometheus writes them (units as a suffix,
//! `_total` on counters); what they don't know begins with `moim_`. A label's values are always a
//! bounded set that this code knows: never ids, paths or anything that a client may choose. Whoever
//! counts on a hot path keeps the handle, so that counting is a few atomic additions.
//!
//! | module | what it counts |
//! |---|---|
//! | `cache` | what the cache counted, the memory of its server |
//! | [`http`] | requests to the HTTP server |
//! | [`messaging`] | outbox, events, queues and jobs |
//! | [`process`] | the process itself |
//! | [`sampler`] | what has to be asked for: backlogs, ages, lags |

mod cache;
pub(crate) mod error;
pub mod http;
pub mod messaging;
pub mod process;
pub mod sampler;

use std::sync::LazyLock;

use ::http::{HeaderValue, header::CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use prometheus::{HistogramOpts, Opts, TextEncoder, core::Collector};

pub use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Registry,
};

/// Upper bounds of the buckets for durations of requests, in seconds, as OpenTelemetry advises.
pub const REQUEST_BUCKETS_S: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
/// Upper bounds of the buckets for durations of work in the background, in seconds.
pub const WORK_BUCKETS_S: [f64; 12] =
    [0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0];

/// The content type of [`text`].
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::new);

/// The registry of the process.
#[must_use]
pub fn registry() -> &'static Registry {
    &REGISTRY
}

/// All metrics in Prometheus' text form.
#[must_use]
pub fn text() -> String {
    let mut text = String::new();
    if let Err(error) = TextEncoder::new().encode_utf8(&REGISTRY.gather(), &mut text) {
        tracing::error!(%error, "metrics can't be written");
    }
    text
}

/// The answer to a scrape.
pub(crate) fn respond() -> Response {
    process::update();
    ([(CONTENT_TYPE, TEXT)], text()).into_response()
}

/// A counter of the process.
///
/// # Panics
/// When the name is taken or isn't one: a fault of the code.
#[must_use]
pub fn counter(name: &str, help: &str) -> IntCounter {
    registered(name, IntCounter::new(name, help))
}

/// A counter for each combination of labels' values.
///
/// # Panics
/// When the name is taken or isn't one: a fault of the code.
#[must_use]
pub fn counters(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    registered(name, IntCounterVec::new(Opts::new(name, help), labels))
}

/// A gauge of whole numbers.
///
/// # Panics
/// When the name is taken or isn't one: a fault of the code.
#[must_use]
pub fn gauge(name: &str, help: &str) -> IntGauge {
    registered(name, IntGauge::new(name, help))
}

/// A gauge for each combination of labels' values.
///
/// # Panics
/// When the name is taken or isn't one: a fault of the code.
#[must_use]
pub fn gauges(name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    registered(name, IntGaugeVec::new(Opts::new(name, help), labels))
}

/// A gauge of fractions, such as seconds.
///
/// # Panics
/// When the name is taken or isn't one: a fault of the code.
#[must_use]
pub fn fraction(name: &str, help: &str) -> Gauge {
    registered(name, Gauge::new(name, help))
}

/// A gauge of fractions for each combination of labels' values.
///
/// # Panics
/// When the name is taken or isn't one: a fault of the code.
#[must_use]
pub fn fractions(name: &str, help: &str, labels: &[&str]) -> GaugeVec {
    registered(name, GaugeVec::new(Opts::new(name, help), labels))
}

/// A histogram with these upper bounds.
///
/// # Panics
/// When the name is taken or isn't one: a fault of the code.
#[must_use]
pub fn histogram(name: &str, help: &str, buckets: &[f64]) -> Histogram {
    let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
    registered(name, Histogram::with_opts(options))
}

/// A histogram for each combination of labels' values.
///
/// # Panics
/// When the name is taken or isn't one: a fault of the code.
#[must_use]
pub fn histograms(name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> HistogramVec {
    let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
    registered(name, HistogramVec::new(options, labels))
}

fn registered<C: Collector + Clone + 'static>(name: &str, made: prometheus::Result<C>) -> C {
    let collector = made.unwrap_or_else(|error| panic!("the metric {name}: {error}"));
    if let Err(error) = REGISTRY.register(Box::new(collector.clone())) {
        panic!("the metric {name}: {error}");
    }
    collector
}

#[cfg(test)]
#[path = "metrics/test.rs"]
mod tests;
