//! Bounds of subgraph fetches, each with its unit.

use schemars::JsonSchema;
use serde::Deserialize;

/// How subgraphs are asked. Every field has a default; `subgraphs.NAME.fetch`
/// replaces single sections for one subgraph.
#[derive(Debug, Clone, Deserialize, PartialEq, Eq, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Fetch {
    /// Failed fetches of queries are made again.
    pub retry: Retry,
    /// A failing subgraph is left alone.
    pub circuit_breaker: CircuitBreaker,
    /// How much a subgraph has to bear at a time.
    pub in_flight: InFlight,
    /// Whether identical concurrent fetches of queries, with the same identity and
    /// headers, are made once.
    pub deduplicate: bool,
}

impl Default for Fetch {
    fn default() -> Self {
        Self {
            retry: Retry::default(),
            circuit_breaker: CircuitBreaker::default(),
            in_flight: InFlight::default(),
            deduplicate: true,
        }
    }
}

/// What is different for one subgraph; a section that is given replaces the whole
/// section of [`Fetch`].
#[derive(Debug, Clone, Default, Deserialize, PartialEq, Eq, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FetchOverride {
    /// Instead of `fetch.retry`.
    pub retry: Option<Retry>,
    /// Instead of `fetch.circuit_breaker`.
    pub circuit_breaker: Option<CircuitBreaker>,
    /// Instead of `fetch.in_flight`.
    pub in_flight: Option<InFlight>,
    /// Instead of `fetch.deduplicate`.
    pub deduplicate: Option<bool>,
}

impl Fetch {
    /// These settings with what is different for one subgraph.
    #[must_use]
    pub fn with(&self, other: &FetchOverride) -> Self {
        Self {
            retry: other.retry.clone().unwrap_or_else(|| self.retry.clone()),
            circuit_breaker: other
                .circuit_breaker
                .clone()
                .unwrap_or_else(|| self.circuit_breaker.clone()),
            in_flight: other.in_flight.clone().unwrap_or_else(|| self.in_flight.clone()),
            deduplicate: other.deduplicate.unwrap_or(self.deduplicate),
        }
    }
}

/// When a failed fetch is made again: connection lost or refused, or the status
/// 502, 503 or 504. Only fetches of queries and of subscriptions' events are, always
/// within the request's own time.
#[derive(Debug, Clone, Deserialize, PartialEq, Eq, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// How often at most after the first attempt; 0 switches retries off.
    pub max: u32,
    /// Upper bound of the pause before the first retry, in milliseconds; it doubles
    /// with each further one. The pause is random between 0 and the bound.
    pub backoff_ms: u64,
    /// Largest upper bound of a pause, in milliseconds.
    pub backoff_max_ms: u64,
    /// How many retries there may be for 100 fetches, so that retries don't bury a
    /// subgraph that is in trouble.
    pub budget_percent: u32,
    /// Retries that are allowed however few fetches there were, and the most that can
    /// be saved up.
    pub budget_burst: u32,
}

impl Default for Retry {
    fn default() -> Self {
        Self { max: 2, backoff_ms: 25, backoff_max_ms: 500, budget_percent: 20, budget_burst: 20 }
    }
}

/// When a subgraph is left alone (`SUBGRAPH_UNAVAILABLE`): no answer, no answer in
/// time, or a status of 500 and more count as failures.
#[derive(Debug, Clone, Deserialize, PartialEq, Eq, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CircuitBreaker {
    /// Whether there is one.
    pub enabled: bool,
    /// Over which time failures are counted, in milliseconds.
    pub window_ms: u64,
    /// How many attempts there must be in that time before it may open.
    pub min_requests: u32,
    /// From which share of failures it opens, in percent.
    pub failure_percent: u32,
    /// How long nothing is sent then, in milliseconds. After it one request at a time
    /// is let through: if that succeeds all are again, if not the time starts anew.
    pub open_ms: u64,
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self {
            enabled: true,
            window_ms: 10_000,
            min_requests: 20,
            failure_percent: 50,
            open_ms: 5_000,
        }
    }
}

/// How much a subgraph has to bear at a time; what is more is refused with
/// `SUBGRAPH_OVERLOADED`.
#[derive(Debug, Clone, Deserialize, PartialEq, Eq, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InFlight {
    /// Requests under way at most.
    pub max: usize,
    /// Requests that wait for their turn at most.
    pub queue_max: usize,
    /// Longest wait for a turn, in milliseconds.
    pub wait_ms: u64,
}

impl Default for InFlight {
    fn default() -> Self {
        Self { max: 512, queue_max: 2_048, wait_ms: 1_000 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subgraphs_sections_replace_the_common_ones() {
        let text = "retry: { max: 0 }\ndeduplicate: false";
        let other: FetchOverride = serde_yaml_ng::from_str(text).unwrap();
        let fetch = Fetch::default().with(&other);
        assert_eq!((fetch.retry.max, fetch.deduplicate), (0, false));
        assert_eq!(fetch.circuit_breaker, CircuitBreaker::default());
        assert!(serde_yaml_ng::from_str::<FetchOverride>("retries: 1").is_err());
    }
}
