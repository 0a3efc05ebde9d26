//! Which attempts are made again, when, and how many at most.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

use http::StatusCode;
use platform::subgraph::{Response, TransportError};

use super::config::Retry;

/// What one retry costs; a fetch earns `budget_percent` of it.
const RETRY_COST: u32 = 100;

/// Decides about one subgraph's retries.
pub(super) struct Retries {
    settings: Retry,
    /// In hundredths of a retry.
    budget: AtomicU32,
    /// For pauses that differ, here and between routers.
    random: RandomState,
    draws: AtomicU64,
}

impl Retries {
    pub(super) fn new(settings: Retry) -> Self {
        let budget = AtomicU32::new(settings.budget_burst.saturating_mul(RETRY_COST));
        Self { settings, budget, random: RandomState::new(), draws: AtomicU64::new(0) }
    }

    /// A fetch begins, which earns a share of a retry.
    pub(super) fn earn(&self) {
        let most = self.settings.budget_burst.saturating_mul(RETRY_COST);
        let earned = self.settings.budget_percent;
        let add = |budget: u32| (budget < most).then(|| budget.saturating_add(earned).min(most));
        // Nothing is to be added to a full budget.
        let _ = self.budget.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// The pause before the retry number `retry` (from 0) if there may be one.
    pub(super) fn pause(&self, retry: u32) -> Option<Duration> {
        if retry >= self.settings.max {
            return None;
        }
        let take = |budget: u32| budget.checked_sub(RETRY_COST);
        self.budget.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).ok()?;
        let bound = self.settings.backoff_ms.saturating_mul(1_u64 << retry.min(16));
        let bound = bound.min(self.settings.backoff_max_ms);
        let random = self.random.hash_one(self.draws.fetch_add(1, Ordering::Relaxed));
        Some(Duration::from_millis(random % bound.saturating_add(1).max(1)))
    }
}

/// Whether another attempt may bring what this one did not.
pub(super) fn is_passing(outcome: &Result<Response, TransportError>) -> bool {
    match outcome {
        Ok(response) => matches!(
            response.status(),
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
        ),
        Err(error) => matches!(
            error,
            TransportError::Connect(_) | TransportError::Closed(_) | TransportError::Body(_)
        ),
    }
}

/// Whether the attempt says that the subgraph is in trouble.
pub(super) fn is_failure(outcome: &Result<Response, TransportError>, whole_time: bool) -> bool {
    match outcome {
        Ok(response) => response.status().is_server_error(),
        // A request that came with little time left says nothing about the subgraph.
        Err(TransportError::Timeout(_)) => whole_time,
        Err(TransportError::TooLarge(_)) => false,
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_a_share_of_the_fetches() {
        let settings = Retry { budget_burst: 2, budget_percent: 50, max: 9, ..Retry::default() };
        let retries = Retries::new(settings);
        assert!(retries.pause(0).is_some() && retries.pause(0).is_some());
        assert_eq!(retries.pause(0), None, "the budget is spent");
        retries.earn();
        assert_eq!(retries.pause(0), None);
        retries.earn();
        assert!(retries.pause(0).is_some());
        (0..100).for_each(|_| retries.earn());
        let saved = (0..10).filter(|_| retries.pause(0).is_some()).count();
        assert_eq!(saved, 2, "no more than a burst is saved up");
    }

    #[test]
    fn pauses_are_bounded_and_end() {
        let settings = Retry {
            max: 40,
            backoff_ms: 8,
            backoff_max_ms: 20,
            budget_percent: 0,
            budget_burst: 1_000,
        };
        let retries = Retries::new(settings);
        for retry in 0..40 {
            let bound = (8_u64 << retry.min(3)).min(20);
            assert!(retries.pause(retry).unwrap() <= Duration::from_millis(bound));
        }
        assert_eq!(retries.pause(40), None);
    }
}
