//! The figures of a work queue: section `queue` of its file in nats/.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::{declared, nanoseconds};
use crate::task::Priority;

/// A work queue as nats/ says. It is named after the service whose tasks its jobs work on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueSpec {
    /// Name, e.g. `transcript`.
    pub name: String,
    /// Most tasks that wait for a worker; a request for one more is refused with `QUEUE_FULL`.
    pub pending_max: i64,
    /// The longest that a task may wait for its first worker; then it ends as `EXPIRED`.
    #[serde(deserialize_with = "duration")]
    pub oldest: Duration,
    /// When a refused request may come again.
    #[serde(deserialize_with = "duration")]
    pub retry_after: Duration,
    /// How many jobs one process does at once.
    pub workers: Workers,
    /// How often a job is started before its task ends as FAILED and the job is a dead letter.
    pub tries_max: i32,
    /// The waits between tries.
    pub backoff: Backoff,
    /// The kinds of jobs.
    pub jobs: BTreeMap<String, JobSpec>,
}

/// Bounds between which a process's workers grow and shrink with the backlog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workers {
    /// Workers that are always there.
    pub min: usize,
    /// Most workers.
    pub max: usize,
    /// How long a worker above `min` has nothing to do before it ends.
    #[serde(deserialize_with = "duration")]
    pub idle: Duration,
}

/// The wait before a job is tried again: doubles from `first` to `longest`, with jitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backoff {
    /// After the first failure.
    #[serde(deserialize_with = "duration")]
    pub first: Duration,
    /// Never longer than this.
    #[serde(deserialize_with = "duration")]
    pub longest: Duration,
}

/// A kind of job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobSpec {
    /// The longest that one may run; then its task ends as `TIMED_OUT`.
    #[serde(deserialize_with = "duration")]
    pub longest_run: Duration,
    /// Needs an engine of which a process bears few: such jobs have a cap of their own.
    #[serde(default)]
    pub heavy: bool,
}

impl QueueSpec {
    /// Name of the consumer that gets the jobs of this sort.
    #[must_use]
    pub fn consumer(&self, heavy: bool, priority: Priority) -> String {
        let heavy = if heavy { "heavy-" } else { "" };
        format!("{}-{heavy}{}", self.name, priority.token())
    }

    /// Whether any kind of job is heavy; `false` also asks for the opposite.
    #[must_use]
    pub fn has(&self, heavy: bool) -> bool {
        self.jobs.values().any(|job| job.heavy == heavy)
    }

    /// Name of the queue's stream, without the installation's prefix.
    #[must_use]
    pub fn stream(&self) -> String {
        format!("QUEUE_{}", self.name.to_uppercase())
    }
}

impl Backoff {
    /// The wait after the `tries`th failure, counted from 1. Jitter keeps many from coming at once.
    #[must_use]
    pub fn after(&self, tries: i32) -> Duration {
        let doublings = u32::try_from(tries.clamp(1, 16) - 1).unwrap_or_default();
        let longest = self.first.saturating_mul(1 << doublings).min(self.longest);
        longest.mul_f64(rand::random_range(0.5..=1.0))
    }
}

/// All queues of nats/, by name.
pub fn queues() -> impl Iterator<Item = &'static QueueSpec> {
    static QUEUES: LazyLock<Vec<QueueSpec>> = LazyLock::new(|| {
        // The files are part of the program; a test reads them.
        declared()
            .expect("nats/ can be read")
            .into_iter()
            .filter_map(|declared| declared.queue)
            .collect()
    });
    QUEUES.iter()
}

/// The queue of a name; `None` if nats/ has none.
#[must_use]
pub fn queue(name: &str) -> Option<&'static QueueSpec> {
    queues().find(|queue| queue.name == name)
}

fn duration<'de, D: Deserializer<'de>>(value: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(value)?;
    let nanos = nanoseconds(&text);
    nanos.map(Duration::from_nanos).ok_or_else(|| {
        serde::de::Error::custom(format!("{text:?} is no duration such as \"10s\" or \"7d\""))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(5) };
        for (tries, most) in [(1, 1), (2, 2), (3, 4), (4, 5), (100, 5)] {
            let (wait, most) = (backoff.after(tries), Duration::from_secs(most));
            assert!(wait <= most && wait >= most / 2, "{tries}: {wait:?}");
        }
    }
}
