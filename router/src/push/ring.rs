//! The last events in memory, and the ids seen lately.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use super::{event::Event, subject::Filter};

/// The last events, bounded by number and by memory. It holds *every* event above
/// its floor, so a cursor at or above the floor can be served from it.
#[derive(Debug)]
pub(super) struct Ring {
    events: VecDeque<Arc<Event>>,
    bytes: usize,
    floor: u64,
    max_messages: usize,
    max_bytes: usize,
}

impl Ring {
    /// An empty ring that holds everything above `floor`, of which there is nothing yet.
    pub(super) fn new(floor: u64, max_messages: usize, max_bytes: usize) -> Self {
        Self { events: VecDeque::new(), bytes: 0, floor, max_messages, max_bytes }
    }

    /// Adds the next event; the oldest go when there are too many.
    pub(super) fn push(&mut self, event: Arc<Event>) {
        debug_assert!(event.sequence > self.events.back().map_or(self.floor, |e| e.sequence));
        self.bytes += event.size_bytes();
        self.events.push_back(event);
        while self.events.len() > self.max_messages || self.bytes > self.max_bytes {
            let Some(oldest) = self.events.pop_front() else {
                break;
            };
            self.bytes -= oldest.size_bytes();
            self.floor = oldest.sequence;
        }
    }

    /// The events after `sequence` that pass the filters, or None if the ring
    /// doesn't reach back that far.
    pub(super) fn since(&self, sequence: u64, filters: &[Filter]) -> Option<VecDeque<Arc<Event>>> {
        if sequence < self.floor {
            return None;
        }
        let from = self.events.partition_point(|e| e.sequence <= sequence);
        let passing = self.events.range(from..).filter(|e| e.passes(filters));
        Some(passing.cloned().collect())
    }

    /// Every event above this sequence is here.
    #[cfg(test)]
    fn floor(&self) -> u64 {
        self.floor
    }
}

/// Remembers the ids of the last events.
#[derive(Debug)]
pub(super) struct Recent {
    seen: HashMap<u64, u64>,
    order: VecDeque<u64>,
    max: usize,
    hasher: std::hash::RandomState,
}

impl Recent {
    /// Remembers at most `max` ids.
    pub(super) fn new(max: usize) -> Self {
        Self {
            seen: HashMap::new(),
            order: VecDeque::new(),
            max,
            hasher: std::hash::RandomState::new(),
        }
    }

    /// Notes that the event `id` stands at `sequence`. True when it is the first
    /// place where it was seen. An empty id is never a duplicate.
    pub(super) fn is_first(&mut self, id: &str, sequence: u64) -> bool {
        if id.is_empty() {
            return true;
        }
        let key = self.key(id);
        match self.seen.get(&key) {
            Some(first) => *first == sequence,
            None => {
                self.seen.insert(key, sequence);
                self.order.push_back(key);
                if self.order.len() > self.max
                    && let Some(oldest) = self.order.pop_front()
                {
                    self.seen.remove(&oldest);
                }
                true
            }
        }
    }

    /// Whether `id` is known to stand at an earlier place than `sequence`.
    pub(super) fn is_repeat(&self, id: &str, sequence: u64) -> bool {
        !id.is_empty() && self.seen.get(&self.key(id)).is_some_and(|first| *first < sequence)
    }

    /// 64 bits with a random key stand for the id: a collision among 65,536 ids has
    /// a chance of about 1 in 8 billion, and nobody can aim for one.
    fn key(&self, id: &str) -> u64 {
        use std::hash::BuildHasher;
        self.hasher.hash_one(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(sequence: u64, subject: &str) -> Arc<Event> {
        Arc::new(Event::new(sequence, subject, "", "a.b.c", "", "{}"))
    }

    fn sequences(events: Option<VecDeque<Arc<Event>>>) -> Option<Vec<u64>> {
        Some(events?.iter().map(|e| e.sequence).collect())
    }

    #[test]
    fn it_serves_cursors_down_to_its_floor_and_no_further() {
        let mut ring = Ring::new(10, 3, usize::MAX);
        let all = [Filter::new(">")];
        assert_eq!(sequences(ring.since(10, &all)), Some(vec![]));
        for sequence in [11, 12, 15, 16] {
            ring.push(event(sequence, "a"));
        }
        assert_eq!(ring.floor(), 11);
        assert_eq!(sequences(ring.since(10, &all)), None);
        assert_eq!(sequences(ring.since(11, &all)), Some(vec![12, 15, 16]));
        assert_eq!(sequences(ring.since(13, &all)), Some(vec![15, 16]));
        assert_eq!(sequences(ring.since(99, &all)), Some(vec![]));
    }

    #[test]
    fn it_is_bounded_by_memory_too() {
        let size = event(1, "a").size_bytes();
        let mut ring = Ring::new(0, usize::MAX, 2 * size);
        for sequence in 1..=5 {
            ring.push(event(sequence, "a"));
        }
        assert_eq!(ring.floor(), 3);
    }

    #[test]
    fn only_what_passes_comes_out() {
        let mut ring = Ring::new(0, 10, usize::MAX);
        ring.push(event(1, "a.b"));
        ring.push(event(2, "a.c"));
        assert_eq!(sequences(ring.since(0, &[Filter::new("a.c")])), Some(vec![2]));
    }

    #[test]
    fn ids_are_remembered_up_to_the_bound() {
        let mut recent = Recent::new(2);
        assert!(recent.is_first("x", 1));
        assert!(recent.is_first("x", 1), "the same place is no duplicate");
        assert!(!recent.is_first("x", 2));
        assert!(recent.is_repeat("x", 2) && !recent.is_repeat("x", 1));
        assert!(recent.is_first("y", 3) && recent.is_first("z", 4));
        assert!(recent.is_first("x", 5), "forgotten by now");
        assert!(recent.is_first("", 6) && recent.is_first("", 7));
    }
}
