//! What the router counts. Each thing is counted where it happens, by a handle that was made before:
//! some atomic additions, no lock and no allocation per request.

use std::{sync::LazyLock, time::Duration};

use platform::{
    error::Code,
    metrics::{
        self, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
        REQUEST_BUCKETS_S, http::Route,
    },
};

use crate::{
    engine::{Answer, Operation},
    error::{GraphQLError, code},
    fetch, limit, push,
    record::Way,
    reload, remote,
};

/// The endpoint.
pub(crate) static GRAPHQL: Route = Route::new("/graphql");

/// Codes that are counted by themselves; clients and subgraphs may send any, which count as "other".
const CODES: [&str; 35] = [
    code::UNAUTHENTICATED,
    code::BAD_USER_INPUT,
    code::GRAPHQL_PARSE_FAILED,
    code::GRAPHQL_VALIDATION_FAILED,
    code::BAD_REQUEST,
    code::PERSISTED_QUERY_NOT_FOUND,
    code::PERSISTED_QUERY_NOT_SUPPORTED,
    code::DOCUMENT_NOT_ALLOWED,
    code::SUBREQUEST_HTTP_ERROR,
    code::SUBREQUEST_TIMEOUT,
    code::SUBREQUEST_MALFORMED_RESPONSE,
    code::SUBSCRIPTION_CLOSED,
    code::RATE_LIMITED,
    code::UNAUTHORIZED_FIELD_OR_TYPE,
    code::INTERNAL_SERVER_ERROR,
    fetch::SUBGRAPH_UNAVAILABLE,
    fetch::SUBGRAPH_OVERLOADED,
    push::NOT_FOUND,
    push::INVALID_CURSOR,
    push::SUBSCRIPTION_GAP,
    push::SUBSCRIPTION_SLOW_CLIENT,
    reload::SUBSCRIPTION_SCHEMA_RELOAD,
    remote::SUBSCRIPTION_UPSTREAM_LOST,
    limit::code::DEPTH,
    limit::code::COST,
    limit::code::ALIASES,
    limit::code::TOKENS,
    limit::code::DIRECTIVES,
    limit::code::ROOT_FIELDS,
    limit::code::FIELDS,
    limit::code::BODY,
    limit::code::BATCH,
    Code::FORBIDDEN.as_str(),
    Code::QUEUE_FULL.as_str(),
    Code::SUBGRAPH_UNTRUSTED_REQUEST.as_str(),
];
const OTHER: &str = "other";

/// Upper bounds of the buckets for the time that events take, in seconds.
const EVENT_BUCKETS_S: [f64; 11] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// What all requests of the process count on.
pub(crate) struct Metrics {
    operations: [[IntCounter; 3]; 4],
    durations: [[Histogram; Way::ALL.len()]; 4],
    errors: [IntCounter; CODES.len() + 1],
    pub(crate) rate_limited: IntCounter,
    pub(crate) plan_hits: IntCounter,
    pub(crate) plan_misses: IntCounter,
    pub(crate) plan_entries: IntGauge,
    pub(crate) plan_duration: Histogram,
    pub(crate) subscriptions: IntGauge,
    pub(crate) pushed: IntCounter,
    pub(crate) event_lag: Histogram,
    pub(crate) push_duration: Histogram,
    pub(crate) push_shared: IntCounter,
    pub(crate) stream_pending: IntGauge,
    ends: [IntCounter; Ended::ALL.len()],
}

/// The process's metrics.
pub(crate) static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

/// What became of an operation.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outcome {
    /// Data without errors, or a stream that began.
    Ok,
    /// Data with errors.
    Partial,
    /// Not executed.
    Refused,
}

impl Outcome {
    /// That of an answer.
    pub(crate) fn of(answer: &Answer) -> Self {
        match (answer.executed, answer.errors) {
            (false, _) => Self::Refused,
            (true, 0) => Self::Ok,
            (true, _) => Self::Partial,
        }
    }
}

/// Why a subscription's events ended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ended {
    /// The last event was handed out.
    Complete,
    /// Events may have been lost.
    Gap,
    /// The client reads too slowly.
    SlowClient,
    /// The past can't be read.
    Unavailable,
    /// The router stops.
    Shutdown,
    /// The proof of identity ended.
    Expired,
    /// The viewer may not listen any more.
    AccessLost,
}

impl Ended {
    const ALL: [Self; 7] = [
        Self::Complete,
        Self::Gap,
        Self::SlowClient,
        Self::Unavailable,
        Self::Shutdown,
        Self::Expired,
        Self::AccessLost,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Gap => "gap",
            Self::SlowClient => "slow_client",
            Self::Unavailable => "unavailable",
            Self::Shutdown => "shutdown",
            Self::Expired => "expired",
            Self::AccessLost => "access_lost",
        }
    }
}

impl Metrics {
    fn new() -> Self {
        let operations = metrics::counters(
            "moim_graphql_operations_total",
            "GraphQL operations by their kind and what became of them.",
            &["graphql_operation_type", "outcome"],
        );
        let durations = metrics::histograms(
            "moim_graphql_operation_duration_seconds",
            "Time from an operation's arrival to its answer, or to its stream's beginning.",
            &["graphql_operation_type", "way"],
            &REQUEST_BUCKETS_S,
        );
        let errors = metrics::counters(
            "moim_graphql_errors_total",
            "Errors that clients were told, by extensions.code.",
            &["code"],
        );
        let ends = metrics::counters(
            "moim_subscriptions_ended_total",
            "Subscriptions to the event stream that the router ended, by why.",
            &["reason"],
        );
        let plans = metrics::counters(
            "moim_plan_cache_requests_total",
            "Looks into the cache of prepared operations.",
            &["result"],
        );
        let kinds = [Operation::Query, Operation::Mutation, Operation::Subscription];
        let [query, mutation, subscription] = kinds.map(Operation::as_str);
        let kinds = [query, mutation, subscription, "unknown"];
        Self {
            durations: kinds
                .map(|kind| Way::ALL.map(|way| durations.with_label_values(&[kind, way]))),
            operations: kinds.map(|kind| {
                ["ok", "partial", "refused"]
                    .map(|outcome| operations.with_label_values(&[kind, outcome]))
            }),
            errors: std::array::from_fn(|index| {
                errors.with_label_values(&[CODES.get(index).copied().unwrap_or(OTHER)])
            }),
            rate_limited: metrics::counter(
                "moim_rate_limited_total",
                "Requests that were refused because there were too many.",
            ),
            plan_hits: plans.with_label_values(&["hit"]),
            plan_misses: plans.with_label_values(&["miss"]),
            plan_entries: metrics::gauge(
                "moim_plan_cache_entries",
                "Prepared operations in the cache.",
            ),
            plan_duration: metrics::histogram(
                "moim_plan_duration_seconds",
                "Time to parse, validate and plan an operation that was not in the cache.",
                &EVENT_BUCKETS_S,
            ),
            subscriptions: metrics::gauge("moim_subscriptions_open", "Subscriptions under way."),
            pushed: metrics::counter(
                "moim_subscription_events_total",
                "Responses that subscriptions were given.",
            ),
            event_lag: metrics::histogram(
                "moim_push_event_lag_seconds",
                "Time from an event's commit to its arrival in the router's push plane.",
                &EVENT_BUCKETS_S,
            ),
            push_duration: metrics::histogram(
                "moim_push_duration_seconds",
                "Time from an event's arrival to the response for a subscription.",
                &EVENT_BUCKETS_S,
            ),
            push_shared: metrics::counter(
                "moim_push_executions_shared_total",
                "Events whose answer a subscription had from another's execution.",
            ),
            stream_pending: metrics::gauge(
                "moim_push_stream_lag_messages",
                "Messages of the event stream that the push plane has not read yet.",
            ),
            ends: Ended::ALL.map(|reason| ends.with_label_values(&[reason.as_str()])),
        }
    }

    /// An operation came to an end, or its stream to a beginning; without a kind it was no operation.
    pub(crate) fn operation(
        &self,
        kind: Option<Operation>,
        way: Way,
        outcome: Outcome,
        took: Duration,
    ) {
        let kind = kind.map_or(self.operations.len() - 1, |kind| kind as usize);
        self.operations[kind][outcome as usize].inc();
        self.durations[kind][way as usize].observe(took.as_secs_f64());
    }

    /// Errors that a client is told.
    pub(crate) fn errors(&self, errors: &[GraphQLError]) {
        for error in errors {
            let code = error.code();
            let index = CODES.iter().position(|known| *known == code).unwrap_or(CODES.len());
            self.errors[index].inc();
        }
    }

    /// A subscription to the event stream ended.
    pub(crate) fn ended(&self, reason: Ended) {
        self.ends[reason as usize].inc();
    }
}

/// A subscription under way: counted until it is dropped.
pub(crate) struct Open;

impl Open {
    pub(crate) fn new() -> Self {
        METRICS.subscriptions.inc();
        Self
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        METRICS.subscriptions.dec();
    }
}

static FETCHES: LazyLock<HistogramVec> = LazyLock::new(|| {
    metrics::histograms(
        "moim_subgraph_fetch_duration_seconds",
        "Time of a fetch with all of its attempts.",
        &["subgraph", "result"],
        &REQUEST_BUCKETS_S,
    )
});
static SHARED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    metrics::counters(
        "moim_subgraph_fetches_shared_total",
        "Fetches that could be one with another under way.",
        &["subgraph"],
    )
});
static RETRIES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    metrics::counters(
        "moim_subgraph_fetch_retries_total",
        "Attempts of fetches after the first.",
        &["subgraph"],
    )
});
static BREAKERS: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    metrics::gauges(
        "moim_subgraph_circuit_breaker_open",
        "Whether a subgraph is left alone (1) or not (0).",
        &["subgraph"],
    )
});

/// What a fetch brought.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fetched {
    /// An answer with a status of success.
    Answer,
    /// An answer with another status.
    HttpError,
    /// None in time.
    Timeout,
    /// None at all.
    Unreachable,
    /// It was not sent: the breaker is open, or too much is under way.
    Refused,
}

impl Fetched {
    const ALL: [&'static str; 5] = ["ok", "http_error", "timeout", "unreachable", "refused"];
}

/// The handles of one subgraph.
pub(crate) struct Fetches {
    results: [Histogram; Fetched::ALL.len()],
    pub(crate) shared: IntCounter,
    pub(crate) retries: IntCounter,
    pub(crate) breaker: IntGauge,
}

impl Fetches {
    /// Those of this subgraph; subgraphs are few, as the supergraph says.
    pub(crate) fn of(subgraph: &str) -> Self {
        Self {
            results: Fetched::ALL.map(|result| FETCHES.with_label_values(&[subgraph, result])),
            shared: SHARED.with_label_values(&[subgraph]),
            retries: RETRIES.with_label_values(&[subgraph]),
            breaker: BREAKERS.with_label_values(&[subgraph]),
        }
    }

    /// A fetch came to an end.
    pub(crate) fn observe(&self, result: Fetched, took: Duration) {
        self.results[result as usize].observe(took.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_nobody_knows_count_as_one() {
        let errors: Vec<_> =
            (0..1_000).map(|number| GraphQLError::new(&format!("GARBAGE_{number}"), "m")).collect();
        METRICS.errors(&errors);
        METRICS.errors(&[GraphQLError::new(code::BAD_USER_INPUT, "m")]);
        let text = metrics::text();
        let series = text.lines().filter(|line| line.starts_with("moim_graphql_errors_total{"));
        assert_eq!(series.count(), CODES.len() + 1);
        assert!(text.contains("moim_graphql_errors_total{code=\"other\"} 1000"), "{text}");
        assert!(text.contains("moim_graphql_errors_total{code=\"BAD_USER_INPUT\"} 1"), "{text}");
    }
}
