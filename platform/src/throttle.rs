//! Slows down who keeps failing: attempts are counted by a name, and after some that cost nothing each
//! further one closes the door for twice as long as the one before.
//!
//! An attempt is counted *before* it is judged, so that many at once can't slip through together; one that
//! succeeds is taken back. While the door is closed nothing is counted: it always opens again. Processes
//! count together in Redis; while that is away each goes on for itself from what it last knew.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::cache::{Cache, Script};

/// Names that a process remembers while it counts for itself; the least recently seen are forgotten
/// first.
pub const NAMES_MAX: usize = 10_000;
/// Doublings after which a pause stays as it is, whatever the policy allows.
const DOUBLINGS_MAX: u32 = 20;

static COUNT: Script = Script::new(include_str!("throttle/count.lua"));
static TAKE_BACK: Script = Script::new(include_str!("throttle/take_back.lua"));

/// How attempts are slowed down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Attempts that cost nothing; 0 for no throttle at all.
    pub free: u32,
    /// The first pause, in milliseconds. It doubles with each further attempt.
    pub pause_ms: u32,
    /// The longest pause, in milliseconds.
    pub pause_max_ms: u32,
    /// After how long without an attempt, beside the pauses, everything is forgotten, in milliseconds.
    pub forget_ms: u32,
}

/// The door is closed for so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many attempts: wait {} ms", .0.as_millis())]
pub struct Closed(pub Duration);

impl Closed {
    /// The wait in whole seconds, rounded up.
    #[must_use]
    pub fn seconds(&self) -> u64 {
        u64::try_from(self.0.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX)
    }
}

/// Counts attempts of one kind. Cheap to clone.
#[derive(Clone)]
pub struct Throttle {
    cache: Cache,
    kind: &'static str,
    policy: Policy,
    local: Arc<quick_cache::sync::Cache<String, Arc<Mutex<State>>>>,
}

impl std::fmt::Debug for Throttle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Throttle")
            .field("kind", &self.kind)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

/// What is known of a name. `throttle/count.lua` follows the same rules; a test holds the two together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct State {
    attempts: u32,
    closed_until_ms: i64,
    /// When all of it is forgotten.
    until_ms: i64,
}

impl State {
    /// Counts an attempt, or tells how long the door is closed.
    fn attempt(&mut self, policy: &Policy, now_ms: i64) -> Result<(), i64> {
        if now_ms >= self.until_ms {
            *self = Self::default();
        }
        if self.closed_until_ms > now_ms {
            return Err(self.closed_until_ms - now_ms);
        }
        self.attempts = self.attempts.saturating_add(1);
        let pause_ms = match self.attempts.checked_sub(policy.free + 1) {
            None => 0,
            Some(doublings) => {
                let pause = i64::from(policy.pause_ms) << doublings.min(DOUBLINGS_MAX);
                pause.min(i64::from(policy.pause_max_ms))
            }
        };
        self.closed_until_ms = now_ms + pause_ms;
        self.until_ms = self.closed_until_ms + i64::from(policy.forget_ms);
        Ok(())
    }

    /// Takes one attempt back, and opens the door, which it had closed if anyone had.
    fn take_back(&mut self) {
        self.attempts = self.attempts.saturating_sub(1);
        self.closed_until_ms = 0;
    }
}

impl Throttle {
    /// A throttle for one kind of attempt, by its name in keys (like `user.login`).
    #[must_use]
    pub fn new(cache: Cache, kind: &'static str, policy: Policy) -> Self {
        let local = Arc::new(quick_cache::sync::Cache::new(NAMES_MAX));
        Self { cache, kind, policy, local }
    }

    /// Counts an attempt under a name.
    ///
    /// # Errors
    /// [`Closed`]: then it isn't counted, and must not be made.
    pub async fn attempt(&self, name: &str) -> Result<(), Closed> {
        if self.policy.free == 0 {
            return Ok(());
        }
        let Policy { free, pause_ms, pause_max_ms, forget_ms } = self.policy;
        let arguments = [0, free.into(), pause_ms.into(), pause_max_ms.into(), forget_ms.into()];
        let told = self.cache.run(&COUNT, &[self.key(name)], &arguments).await;
        let wait_ms = match told.as_deref() {
            Some(&[wait_ms, attempts, closed_until_ms, until_ms]) => {
                let attempts = u32::try_from(attempts).unwrap_or(u32::MAX);
                self.local(name, |state| *state = State { attempts, closed_until_ms, until_ms });
                wait_ms
            }
            _ => {
                let policy = &self.policy;
                self.local(name, |state| state.attempt(policy, now_ms())).err().unwrap_or(0)
            }
        };
        match u64::try_from(wait_ms) {
            Ok(0) | Err(_) => Ok(()),
            Ok(wait_ms) => Err(Closed(Duration::from_millis(wait_ms))),
        }
    }

    /// Takes one attempt back: it succeeded, or could not be judged.
    pub async fn take_back(&self, name: &str) {
        self.lower(name, false).await;
    }

    /// Forgets all attempts under a name: whoever made them has proved to be in the right.
    pub async fn forget(&self, name: &str) {
        self.lower(name, true).await;
    }

    async fn lower(&self, name: &str, all: bool) {
        if self.policy.free == 0 {
            return;
        }
        self.local(name, |state| match all {
            true => *state = State::default(),
            false => state.take_back(),
        });
        // Should Redis be away, it forgets by itself in time.
        let _ = self.cache.run(&TAKE_BACK, &[self.key(name)], &[i64::from(all)]).await;
    }

    fn key(&self, name: &str) -> String {
        format!("throttle:{}:{name}", self.kind)
    }

    fn local<T>(&self, name: &str, change: impl FnOnce(&mut State) -> T) -> T {
        let known = self.local.get(name).unwrap_or_else(|| {
            let fresh = || Ok::<_, std::convert::Infallible>(Arc::default());
            self.local.get_or_insert_with(name, fresh).unwrap_or_default()
        });
        let mut state = known.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state)
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[path = "throttle_test.rs"]
mod tests;
