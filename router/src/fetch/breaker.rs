//! The circuit breaker: leaves a failing subgraph alone for a while.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{Refused, config::CircuitBreaker};
use crate::metrics::Fetches;

/// One subgraph's breaker.
pub(super) struct Breaker {
    service: Arc<str>,
    settings: CircuitBreaker,
    metrics: Arc<Fetches>,
    state: Mutex<State>,
}

enum State {
    /// Everything passes, and is counted.
    Closed(Window),
    /// Nothing passes until then.
    Open(Instant),
    /// One request is on its way to find out.
    Probing,
}

/// Attempts and failures since a moment.
struct Window {
    began: Instant,
    requests: u32,
    failures: u32,
}

impl Window {
    fn new() -> Self {
        Self { began: Instant::now(), requests: 0, failures: 0 }
    }
}

/// One attempt that the breaker let through. Dropped without a verdict it says
/// nothing about the subgraph, unless its time had run out.
pub(super) struct Attempt<'a> {
    breaker: &'a Breaker,
    probe: bool,
    until: Option<Instant>,
    judged: bool,
}

impl Breaker {
    pub(super) fn new(service: Arc<str>, settings: CircuitBreaker, metrics: Arc<Fetches>) -> Self {
        Self { service, settings, metrics, state: Mutex::new(State::Closed(Window::new())) }
    }

    /// Lets an attempt through. `limit`: after which time without an answer it counts
    /// as failed although it was given up.
    ///
    /// # Errors
    /// [`Refused::Unavailable`] while the breaker is open.
    pub(super) fn enter(&self, limit: Option<Duration>) -> Result<Attempt<'_>, Refused> {
        let now = Instant::now();
        // Whoever waits for this attempt may give up at the same moment, a little earlier.
        let until = limit.map(|limit| now + limit.mul_f64(0.95));
        let probe = match &mut *self.lock() {
            _ if !self.settings.enabled => false,
            State::Closed(_) => false,
            State::Open(end) if *end > now => return Err(Refused::Unavailable),
            State::Probing => return Err(Refused::Unavailable),
            state @ State::Open(_) => {
                *state = State::Probing;
                true
            }
        };
        Ok(Attempt { breaker: self, probe, until, judged: false })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, probe: bool, failed: bool) {
        if !self.settings.enabled {
            return;
        }
        let mut state = self.lock();
        match &mut *state {
            State::Closed(window) => {
                if window.began.elapsed() >= Duration::from_millis(self.settings.window_ms) {
                    *window = Window::new();
                }
                window.requests = window.requests.saturating_add(1);
                window.failures = window.failures.saturating_add(u32::from(failed));
                let share = u64::from(window.failures) * 100;
                let limit = u64::from(self.settings.failure_percent) * u64::from(window.requests);
                if failed && window.requests >= self.settings.min_requests && share >= limit {
                    *state = self.opened();
                }
            }
            State::Probing if probe => {
                *state = match failed {
                    true => self.opened(),
                    false => {
                        tracing::info!(service = &*self.service, "a subgraph is available again");
                        self.metrics.breaker.set(0);
                        State::Closed(Window::new())
                    }
                };
            }
            // An attempt from before it opened.
            State::Probing | State::Open(_) => {}
        }
    }

    fn opened(&self) -> State {
        let open_ms = self.settings.open_ms;
        tracing::warn!(service = &*self.service, open_ms, "a subgraph fails too often");
        self.metrics.breaker.set(1);
        State::Open(Instant::now() + Duration::from_millis(open_ms))
    }
}

impl Attempt<'_> {
    /// The attempt has come to an end.
    pub(super) fn judge(mut self, failed: bool) {
        self.judged = true;
        self.breaker.record(self.probe, failed);
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.judged {
            return;
        }
        if self.until.is_some_and(|until| Instant::now() >= until) {
            self.breaker.record(self.probe, true);
        } else if self.probe {
            // The next one may try at once.
            *self.breaker.lock() = State::Open(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_secs(1);
    const LIMIT: Option<Duration> = Some(TIME);

    fn breaker() -> Breaker {
        let settings = CircuitBreaker {
            min_requests: 4,
            failure_percent: 50,
            open_ms: 100,
            window_ms: 1_000,
            enabled: true,
        };
        Breaker::new("s".into(), settings, Arc::new(Fetches::of("s")))
    }

    fn attempt(breaker: &Breaker, failed: bool) {
        breaker.enter(LIMIT).unwrap().judge(failed);
    }

    fn refuses(breaker: &Breaker) -> bool {
        breaker.enter(LIMIT).is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn it_opens_at_the_share_probes_once_and_closes() {
        let breaker = breaker();
        for failed in [false, false, true] {
            attempt(&breaker, failed);
        }
        attempt(&breaker, true);
        assert!(refuses(&breaker));
        tokio::time::advance(Duration::from_millis(101)).await;
        let probe = breaker.enter(LIMIT).unwrap();
        assert!(refuses(&breaker), "one at a time");
        probe.judge(true);
        assert!(refuses(&breaker), "open again");
        tokio::time::advance(Duration::from_millis(101)).await;
        drop(breaker.enter(LIMIT).unwrap());
        attempt(&breaker, false);
        assert!(!refuses(&breaker));
    }

    #[tokio::test(start_paused = true)]
    async fn old_failures_are_forgotten_and_few_are_not_enough() {
        let breaker = breaker();
        (0..3).for_each(|_| attempt(&breaker, true));
        tokio::time::advance(Duration::from_millis(1_001)).await;
        (0..3).for_each(|_| attempt(&breaker, true));
        assert!(!refuses(&breaker));
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_was_given_up_counts_only_after_its_time() {
        let breaker = breaker();
        (0..10).for_each(|_| drop(breaker.enter(LIMIT).unwrap()));
        assert!(!refuses(&breaker));
        let attempts: Vec<_> = (0..4).map(|_| breaker.enter(LIMIT).unwrap()).collect();
        tokio::time::advance(TIME).await;
        drop(attempts);
        assert!(refuses(&breaker));
    }
}
