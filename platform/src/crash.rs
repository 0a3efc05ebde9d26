//! Crash points: places at which a test lets the process die as `kill -9` would, to see that nothing
//! is lost and nothing done twice.
//!
//! `MOIM_CRASH_AT=relay-published:3` ends the process as it passes that point for the third time.
//! Only builds with debug assertions look at it; in a release build a point costs nothing.

/// A place at which the process may be told to die. Each lies between two steps that a crash could
/// tear apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// The event stands in the outbox, and the transaction isn't committed.
    OutboxAppended,
    /// The change and its event are committed, and the relay doesn't know yet.
    OutboxCommitted,
    /// The relay has read its rows and dropped cache keys, and published nothing.
    RelayRead,
    /// The relay has published, and the rows aren't marked.
    RelayPublished,
    /// The rows are marked as published.
    RelayMarked,
    /// The consumer has the event, and no transaction yet.
    ConsumerReceived,
    /// The effect and the inbox row are written, and not committed.
    ConsumerApplied,
    /// The effect is committed, and the event not confirmed.
    ConsumerCommitted,
    /// The event is confirmed.
    ConsumerConfirmed,
    /// The worker has taken the task, and done nothing.
    WorkerClaimed,
    /// The work is done, and the task's end not committed.
    WorkerWorked,
    /// The task's end is committed, and the job not confirmed.
    WorkerCommitted,
    /// The job is confirmed.
    WorkerConfirmed,
}

impl Point {
    /// All of them, along the way of an event.
    pub const ALL: [Self; 13] = [
        Self::OutboxAppended,
        Self::OutboxCommitted,
        Self::RelayRead,
        Self::RelayPublished,
        Self::RelayMarked,
        Self::ConsumerReceived,
        Self::ConsumerApplied,
        Self::ConsumerCommitted,
        Self::ConsumerConfirmed,
        Self::WorkerClaimed,
        Self::WorkerWorked,
        Self::WorkerCommitted,
        Self::WorkerConfirmed,
    ];

    /// Its name in `MOIM_CRASH_AT`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OutboxAppended => "outbox-appended",
            Self::OutboxCommitted => "outbox-committed",
            Self::RelayRead => "relay-read",
            Self::RelayPublished => "relay-published",
            Self::RelayMarked => "relay-marked",
            Self::ConsumerReceived => "consumer-received",
            Self::ConsumerApplied => "consumer-applied",
            Self::ConsumerCommitted => "consumer-committed",
            Self::ConsumerConfirmed => "consumer-confirmed",
            Self::WorkerClaimed => "worker-claimed",
            Self::WorkerWorked => "worker-worked",
            Self::WorkerCommitted => "worker-committed",
            Self::WorkerConfirmed => "worker-confirmed",
        }
    }

    /// Passes the point; doesn't return when the process was told to die here.
    #[inline]
    pub fn pass(self) {
        #[cfg(debug_assertions)]
        told::pass(self);
    }
}

#[cfg(debug_assertions)]
mod told {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::Point;
    use crate::config::{Env, Source as _};

    /// Where to die, and how often the point is passed until then.
    struct Order {
        point: String,
        left: AtomicU32,
    }

    static ORDER: LazyLock<Option<Order>> = LazyLock::new(|| {
        let told = Env.get("MOIM_CRASH_AT")?;
        let (point, times) = told.split_once(':').unwrap_or((&told, "1"));
        let left = AtomicU32::new(times.parse().unwrap_or(1).max(1));
        Some(Order { point: point.to_owned(), left })
    });

    pub(super) fn pass(point: Point) {
        if let Some(order) = &*ORDER
            && order.point == point.name()
            && order.left.fetch_sub(1, Ordering::SeqCst) == 1
        {
            // No destructor, no flush, no goodbye to any server.
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::Point;

    #[test]
    fn every_point_has_a_name_of_its_own() {
        let names: HashSet<_> = Point::ALL.map(Point::name).into();
        assert_eq!(names.len(), Point::ALL.len());
    }
}
