//! Single flight in the process: of those who miss a key at the same time, one loads it.
//!
//! Whoever takes another's value must not be given one that was out of date before he asked. So a
//! flight has phases: who boards before it starts may take whatever it brings; who boards while it
//! loads may take it only when Redis confirmed afterwards that nobody dropped the key meanwhile; and
//! who comes while that is being asked looks again.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::FLIGHT_WAIT_MS;

/// How far a flight is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Boarding,
    Loading,
    Closing,
}

/// What a flight brought.
#[derive(Clone)]
pub(super) enum Landing {
    /// The loader's answer: a value, or that there is none. `confirmed`: nobody dropped the key from
    /// the start until the flight was closing.
    Loaded { value: Option<Arc<dyn Any + Send + Sync>>, confirmed: bool },
    /// The loader failed.
    Failed,
    /// Its reader went away, or found the value elsewhere.
    Abandoned,
}

/// All clones are one.
#[derive(Clone, Default)]
pub(super) struct Flights {
    running: Arc<Mutex<HashMap<String, Flight>>>,
}

struct Flight {
    phase: Phase,
    landing: watch::Sender<Option<Landing>>,
}

/// A place on a flight.
pub(super) enum Seat {
    /// This reader loads.
    Leader(Leader),
    /// Another one does.
    Follower(Follower),
}

type Running = Mutex<HashMap<String, Flight>>;

fn lock(running: &Running) -> MutexGuard<'_, HashMap<String, Flight>> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Flights {
    pub(super) fn board(&self, key: &str) -> Seat {
        let mut running = lock(&self.running);
        if let Some(flight) = running.get(key) {
            let landing = flight.landing.subscribe();
            return Seat::Follower(Follower { phase: flight.phase, landing });
        }
        let flight = Flight { phase: Phase::Boarding, landing: watch::Sender::new(None) };
        running.insert(key.to_owned(), flight);
        let running = Arc::clone(&self.running);
        Seat::Leader(Leader { running, key: key.to_owned(), landed: false })
    }
}

/// Who loads a key. Dropped without landing, the flight is abandoned.
pub(super) struct Leader {
    running: Arc<Running>,
    key: String,
    landed: bool,
}

impl Leader {
    pub(super) fn enter(&self, phase: Phase) {
        if let Some(flight) = lock(&self.running).get_mut(&self.key) {
            flight.phase = phase;
        }
    }

    /// Ends the flight; what it brought is asked for only when somebody waits for it.
    pub(super) fn land(mut self, landing: impl FnOnce() -> Landing) {
        // The next flight for this key, if there is one already, is another leader's.
        self.landed = true;
        self.end(landing);
    }

    fn end(&self, landing: impl FnOnce() -> Landing) {
        // Once it is out of the map nobody boards any more.
        let flight = lock(&self.running).remove(&self.key);
        if let Some(flight) = flight
            && flight.landing.receiver_count() > 0
        {
            flight.landing.send_replace(Some(landing()));
        }
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        if !self.landed {
            self.end(|| Landing::Abandoned);
        }
    }
}

/// Who waits for another's value.
pub(super) struct Follower {
    phase: Phase,
    landing: watch::Receiver<Option<Landing>>,
}

/// What a follower is told.
pub(super) enum Told {
    /// The loader's answer, as new as if he had asked himself.
    Answer(Option<Arc<dyn Any + Send + Sync>>),
    /// The loader failed.
    Failed,
    /// Nothing that he may take: he looks again.
    LookAgain,
}

impl Follower {
    pub(super) async fn landed(mut self) -> Told {
        let wait = Duration::from_millis(FLIGHT_WAIT_MS);
        let landing = match tokio::time::timeout(wait, self.landing.wait_for(Option::is_some)).await
        {
            Ok(Ok(landing)) => landing.clone(),
            // It takes too long, or the flight ended without a word.
            Ok(Err(_)) | Err(_) => None,
        };
        match landing {
            Some(Landing::Loaded { value, confirmed })
                if self.phase == Phase::Boarding || (self.phase == Phase::Loading && confirmed) =>
            {
                Told::Answer(value)
            }
            Some(Landing::Failed) => Told::Failed,
            _ => Told::LookAgain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lead(flights: &Flights) -> Leader {
        let Seat::Leader(leader) = flights.board("k") else { panic!("somebody leads") };
        leader
    }

    fn follow(flights: &Flights) -> Follower {
        let Seat::Follower(follower) = flights.board("k") else { panic!("nobody leads") };
        follower
    }

    fn loaded(confirmed: bool) -> Landing {
        Landing::Loaded { value: Some(Arc::new(1)), confirmed }
    }

    async fn taken(follower: Follower) -> bool {
        matches!(follower.landed().await, Told::Answer(Some(_)))
    }

    #[tokio::test]
    async fn who_comes_late_takes_only_what_was_confirmed_after() {
        let flights = Flights::default();
        for confirmed in [true, false] {
            let leader = lead(&flights);
            let early = follow(&flights);
            leader.enter(Phase::Loading);
            let late = follow(&flights);
            leader.enter(Phase::Closing);
            let too_late = follow(&flights);
            leader.land(|| loaded(confirmed));
            assert!(taken(early).await);
            assert_eq!(taken(late).await, confirmed);
            assert!(!taken(too_late).await);
        }
    }

    #[tokio::test]
    async fn a_leader_who_goes_away_leaves_the_way_free() {
        let flights = Flights::default();
        let leader = lead(&flights);
        let follower = follow(&flights);
        drop(leader);
        assert!(matches!(follower.landed().await, Told::LookAgain));
        drop(lead(&flights));
    }

    #[tokio::test]
    async fn a_failure_is_told() {
        let flights = Flights::default();
        let leader = lead(&flights);
        let follower = follow(&flights);
        leader.land(|| Landing::Failed);
        assert!(matches!(follower.landed().await, Told::Failed));
    }
}
