//! How far the work on a job is, and how long it may go on.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::error::chain;
use crate::task::{Claim, PROGRESS_EVERY_MS, Tasks};

/// Longest run of work that no queue started.
const LONGEST_RUN_MS: u64 = 600_000;
/// Most that stages add up to: completion alone says 100.
const ALMOST_PERCENT: u8 = 99;

/// The parts of a kind of work, one after the other, each with the percent of the whole at which it
/// ends.
///
/// ```
/// use platform::queue::Stages;
/// const STAGES: Stages<2> = Stages::new([40, 99]);
/// assert_eq!(STAGES.overall(0, 50), 20);
/// assert_eq!(STAGES.overall(1, 0), 40);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Stages<const N: usize> {
    ends: [u8; N],
}

impl<const N: usize> Stages<N> {
    /// Stages that end at these percents of the whole.
    ///
    /// # Panics
    /// When they don't rise or go beyond 99: as a constant, that doesn't compile.
    #[must_use]
    pub const fn new(ends: [u8; N]) -> Self {
        let mut at = 0;
        let mut last = 0;
        while at < N {
            assert!(ends[at] > last && ends[at] <= ALMOST_PERCENT, "stages rise up to 99");
            last = ends[at];
            at += 1;
        }
        Self { ends }
    }

    /// Percent of the whole when `percent` (0 to 100; more counts as 100) of the stage is done.
    #[must_use]
    pub fn overall(&self, stage: usize, percent: u8) -> u8 {
        let stage = stage.min(N.saturating_sub(1));
        let to = self.ends.get(stage).copied().unwrap_or(ALMOST_PERCENT);
        let from = stage.checked_sub(1).and_then(|before| self.ends.get(before)).copied();
        let from = from.unwrap_or_default();
        let part = u16::from(to - from) * u16::from(percent.min(100)) / 100;
        from + u8::try_from(part).unwrap_or_default()
    }
}

/// Through which work tells how far it is.
#[derive(Debug)]
pub struct Progress {
    tasks: Tasks,
    claim: Claim,
    last: Mutex<Told>,
    started: Instant,
    ends: watch::Sender<Instant>,
}

#[derive(Debug)]
struct Told {
    percent: u8,
    at: Option<Instant>,
}

impl Progress {
    /// Progress of the work under a claim, begun now.
    #[must_use]
    pub fn new(tasks: Tasks, claim: Claim) -> Self {
        let percent = u8::try_from(claim.task.progress).unwrap_or_default();
        let started = Instant::now();
        let ends = watch::Sender::new(started + Duration::from_millis(LONGEST_RUN_MS));
        Self { tasks, claim, last: Mutex::new(Told { percent, at: None }), started, ends }
    }

    /// The same, with the longest run.
    pub(crate) fn within(self, longest: Duration) -> Self {
        self.ends.send_replace(self.started + longest);
        self
    }

    /// Notes progress in percent. May be called as often as one likes: it is written at most once a
    /// second. `false` if the claim doesn't hold any more, so that the work should end. A database
    /// that is away is no reason to end.
    pub async fn report(&self, percent: u8) -> bool {
        if !self.due(percent) {
            return true;
        }
        match self.tasks.progress(&self.claim, percent).await {
            Ok(holds) => holds,
            Err(error) => {
                tracing::warn!(task = %self.claim.task.id, error = chain(&error), "progress lost");
                true
            }
        }
    }

    /// Lets the work go on until `longest` after its start, if that is longer than allowed so far:
    /// how much there is to do may show on the way only.
    pub fn allow(&self, longest: Duration) {
        let until = self.started + longest;
        self.ends.send_if_modified(|ends| {
            let longer = until > *ends;
            if longer {
                *ends = until;
            }
            longer
        });
    }

    /// Ends when the work has run as long as it may.
    pub(crate) async fn ended(&self) {
        let mut ends = self.ends.subscribe();
        loop {
            let until = *ends.borrow_and_update();
            tokio::select! {
                () = tokio::time::sleep_until(until) => return,
                _ = ends.changed() => {}
            }
        }
    }

    fn due(&self, percent: u8) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let every = Duration::from_millis(PROGRESS_EVERY_MS);
        if percent <= last.percent || last.at.is_some_and(|at| at.elapsed() < every) {
            return false;
        }
        *last = Told { percent, at: Some(Instant::now()) };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_follow_each_other() {
        const STAGES: Stages<3> = Stages::new([5, 90, 99]);
        let mut last = 0;
        for stage in 0..3 {
            for percent in 0..=u8::MAX {
                let now = STAGES.overall(stage, percent);
                assert!(last <= now && now < 100, "{stage} {percent}");
                last = now;
            }
        }
        assert_eq!((STAGES.overall(1, 0), STAGES.overall(1, 100)), (5, 90));
    }
}
