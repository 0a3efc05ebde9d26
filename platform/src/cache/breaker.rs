//! Whether Redis may be asked, and whether its answers may be believed.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use fred::error::{Error, ErrorKind};

use super::{BREAKER_FAILURES, BREAKER_SILENCE_MS};

/// How far the cache is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Redis is there: it is read, filled, and values are dropped in it.
    Closed,
    /// It answers again, but what it holds isn't believed yet: values are dropped in it only.
    Quiet,
    /// It is away: reads go past it until it answers again.
    Open,
}

impl State {
    fn read(code: u8) -> Self {
        match code {
            0 => Self::Closed,
            1 => Self::Quiet,
            _ => Self::Open,
        }
    }
}

/// Begins open; the watcher closes it.
pub(super) struct Breaker {
    state: AtomicU8,
    failures: AtomicU32,
    start: Instant,
    /// Milliseconds from the start at which a command last succeeded.
    good_ms: AtomicU64,
    trips: AtomicU64,
    owing: AtomicBool,
    // Trips and steps back exclude each other; the state alone is read without it.
    stepping: Mutex<()>,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            state: AtomicU8::new(State::Open as u8),
            failures: AtomicU32::new(0),
            start: Instant::now(),
            good_ms: AtomicU64::new(0),
            trips: AtomicU64::new(0),
            owing: AtomicBool::new(false),
            stepping: Mutex::default(),
        }
    }
}

impl Breaker {
    pub(super) fn state(&self) -> State {
        State::read(self.state.load(Ordering::SeqCst))
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state() == State::Closed
    }

    pub(super) fn is_open(&self) -> bool {
        self.state() == State::Open
    }

    /// How often it opened.
    pub(super) fn trips(&self) -> u64 {
        self.trips.load(Ordering::SeqCst)
    }

    pub(super) fn succeeded(&self) {
        self.failures.store(0, Ordering::Relaxed);
        self.good_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn failed(&self, error: &Error) {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        // Without a connection there is nothing to be patient about.
        let gone = matches!(error.kind(), ErrorKind::IO | ErrorKind::Canceled);
        // Many commands that wait behind one hiccup fail at once: that is no outage yet.
        let silence_ms = self.now_ms().saturating_sub(self.good_ms.load(Ordering::Relaxed));
        if gone || (failures >= BREAKER_FAILURES && silence_ms >= BREAKER_SILENCE_MS) {
            self.trip(error);
        }
    }

    /// Opens it, for a reason.
    pub(super) fn trip(&self, reason: &dyn std::fmt::Display) {
        let before = {
            let _stepping = self.stepping.lock().unwrap_or_else(PoisonError::into_inner);
            self.trips.fetch_add(1, Ordering::SeqCst);
            State::read(self.state.swap(State::Open as u8, Ordering::SeqCst))
        };
        if before != State::Open {
            tracing::warn!(%reason, "redis is away: reads go past the cache");
        }
    }

    /// Notes that keys were not dropped.
    pub(super) fn owes(&self) {
        self.owing.store(true, Ordering::SeqCst);
    }

    /// Whether everything that this process was to drop is dropped, and it never missed anything.
    pub(super) fn is_untouched(&self) -> bool {
        self.trips() == 0 && !self.owing.load(Ordering::SeqCst)
    }

    /// Steps to a better state, unless it tripped since `trips` was read.
    pub(super) fn step(&self, to: State, trips: u64) -> bool {
        let _stepping = self.stepping.lock().unwrap_or_else(PoisonError::into_inner);
        let holds = self.trips() == trips;
        if holds {
            self.failures.store(0, Ordering::Relaxed);
            self.state.store(to as u8, Ordering::SeqCst);
        }
        holds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed() -> Breaker {
        let breaker = Breaker::default();
        assert!(breaker.step(State::Closed, 0));
        breaker.succeeded();
        breaker
    }

    #[test]
    fn a_hiccup_is_no_outage_but_a_lost_connection_is() {
        let breaker = closed();
        for _ in 0..100 {
            breaker.failed(&Error::new(ErrorKind::Timeout, "slow"));
        }
        assert!(breaker.is_closed());
        breaker.failed(&Error::new(ErrorKind::IO, "gone"));
        assert!(breaker.is_open());
    }

    #[test]
    fn a_step_back_that_began_before_a_trip_is_not_done() {
        let breaker = closed();
        let trips = breaker.trips();
        breaker.trip(&"away");
        assert!(!breaker.step(State::Closed, trips));
        assert!(breaker.step(State::Quiet, breaker.trips()));
        assert!(!breaker.is_untouched());
    }
}
