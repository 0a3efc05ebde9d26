//! The rules of one bucket, without clock or storage. `draw.lua` is the same in Redis; a test holds the
//! two together.

use super::config::Policy;

/// Lengths of the windows, in milliseconds.
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 3_600_000;
/// One token in the unit in which they are counted.
const TOKEN: i64 = 1_000;

/// What is left of a bucket. Tokens come back with time; windows slide by weighing the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    /// Thousandths of tokens.
    tokens: i64,
    at_ms: i64,
    minute: Window,
    hour: Window,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Window {
    index: i64,
    count: i64,
    before: i64,
}

impl Window {
    fn at(self, now_ms: i64, length_ms: i64) -> Self {
        let index = now_ms / length_ms;
        match index - self.index {
            0 => self,
            1 => Self { index, count: 0, before: self.count },
            _ => Self { index, count: 0, before: 0 },
        }
    }

    fn fits(&self, limit: u32, now_ms: i64, length_ms: i64) -> bool {
        let limit = i64::from(limit);
        let used = self.before * (length_ms - now_ms % length_ms) + (self.count + 1) * length_ms;
        limit == 0 || used <= limit * length_ms
    }

    fn remaining(&self, limit: i64, now_ms: i64, length_ms: i64) -> i64 {
        let used = self.before * (length_ms - now_ms % length_ms) + self.count * length_ms;
        ((limit * length_ms - used) / length_ms).max(0)
    }

    /// How long until one more fits.
    fn wait_ms(&self, limit: i64, now_ms: i64, length_ms: i64) -> i64 {
        let into = now_ms % length_ms;
        // When in a window there is room, if the one before it had so many.
        let room_at = |room: i64, before: i64| match before {
            0 => 0,
            before => (length_ms - room * length_ms / before).clamp(0, length_ms),
        };
        match limit - self.count - 1 {
            room @ 0.. => (room_at(room, self.before) - into).max(0),
            _ => length_ms - into + room_at(limit - 1, self.count),
        }
    }
}

impl State {
    /// A bucket nobody has drawn from.
    pub(super) fn full(policy: &Policy, now_ms: i64) -> Self {
        Self {
            tokens: i64::from(policy.burst) * TOKEN,
            at_ms: now_ms,
            minute: Window::default().at(now_ms, MINUTE_MS),
            hour: Window::default().at(now_ms, HOUR_MS),
        }
    }

    /// The state that `draw.lua` told.
    pub(super) fn told(now_ms: i64, values: &[i64]) -> Option<Self> {
        let &[tokens, minute, minute_before, hour, hour_before] = values else { return None };
        let window = |length_ms, count, before| Window { index: now_ms / length_ms, count, before };
        Some(Self {
            tokens,
            at_ms: now_ms,
            minute: window(MINUTE_MS, minute, minute_before),
            hour: window(HOUR_MS, hour, hour_before),
        })
    }

    /// What it has become by now.
    pub(super) fn at(self, policy: &Policy, now_ms: i64) -> Self {
        let elapsed = (now_ms - self.at_ms).max(0);
        let back = elapsed.saturating_mul(i64::from(policy.per_second));
        let most = i64::from(policy.burst) * TOKEN;
        Self {
            tokens: self.tokens.saturating_add(back).min(most),
            at_ms: now_ms,
            minute: self.minute.at(now_ms, MINUTE_MS),
            hour: self.hour.at(now_ms, HOUR_MS),
        }
    }

    /// Whether one more request fits now.
    pub(super) fn admits(&self, policy: &Policy) -> bool {
        (policy.per_second == 0 || self.tokens >= TOKEN)
            && self.minute.fits(policy.per_minute, self.at_ms, MINUTE_MS)
            && self.hour.fits(policy.per_hour, self.at_ms, HOUR_MS)
    }

    /// Takes one request out.
    pub(super) fn take(&mut self) {
        self.tokens = (self.tokens - TOKEN).max(0);
        self.minute.count += 1;
        self.hour.count += 1;
    }

    /// What clients are told, one per limit that there is.
    pub(super) fn limits(&self, policy: &Policy) -> Vec<Limit> {
        let now_ms = self.at_ms;
        let mut limits = Vec::with_capacity(3);
        if policy.per_second > 0 {
            let (rate, burst) = (i64::from(policy.per_second), i64::from(policy.burst));
            limits.push(Limit {
                name: "second",
                quota: burst,
                window_s: ceil(burst, rate).max(1),
                remaining: self.tokens / TOKEN,
                reset_ms: ceil(burst * TOKEN - self.tokens, rate),
                wait_ms: ceil((TOKEN - self.tokens).max(0), rate),
            });
        }
        let windows = [
            ("minute", policy.per_minute, MINUTE_MS, &self.minute),
            ("hour", policy.per_hour, HOUR_MS, &self.hour),
        ];
        for (name, limit, length_ms, window) in windows {
            if limit == 0 {
                continue;
            }
            let quota = i64::from(limit);
            limits.push(Limit {
                name,
                quota,
                window_s: length_ms / 1_000,
                remaining: window.remaining(quota, now_ms, length_ms),
                reset_ms: length_ms - now_ms % length_ms,
                wait_ms: match window.fits(limit, now_ms, length_ms) {
                    true => 0,
                    false => window.wait_ms(quota, now_ms, length_ms),
                },
            });
        }
        limits
    }
}

/// Rounded up, for what isn't negative.
fn ceil(value: i64, by: i64) -> i64 {
    (value + by - 1) / by
}

/// One limit of a bucket as clients are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Limit {
    pub(super) name: &'static str,
    pub(super) quota: i64,
    pub(super) window_s: i64,
    pub(super) remaining: i64,
    pub(super) reset_ms: i64,
    /// How long until a request fits; 0 where one does.
    pub(super) wait_ms: i64,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START_MS: i64 = 1_700_000_000_000;

    fn draw(state: &mut State, policy: &Policy, now_ms: i64) -> bool {
        *state = state.at(policy, now_ms);
        let admitted = state.admits(policy);
        if admitted {
            state.take();
        }
        admitted
    }

    #[test]
    fn a_burst_then_the_rate() {
        let policy = Policy { per_second: 10, burst: 20, per_minute: 0, per_hour: 0 };
        let mut state = State::full(&policy, START_MS);
        let burst = (0..30).filter(|_| draw(&mut state, &policy, START_MS)).count();
        assert_eq!(burst, 20);
        assert_eq!(state.limits(&policy)[0].wait_ms, 100);
        assert!(!draw(&mut state, &policy, START_MS + 99));
        assert!(draw(&mut state, &policy, START_MS + 100));
        let second = (1..=100).filter(|n| draw(&mut state, &policy, START_MS + 100 + n * 10));
        assert_eq!(second.count(), 10);
    }

    proptest! {
        #[test]
        fn no_minute_has_more_than_its_limit_by_much_and_waiting_as_told_is_enough(
            steps in prop::collection::vec(0_i64..4_000, 1..300),
            per_minute in 1_u32..40,
        ) {
            let policy = Policy { per_second: 0, burst: 0, per_minute, per_hour: 0 };
            let mut state = State::full(&policy, START_MS);
            let (mut now_ms, mut admitted) = (START_MS, Vec::new());
            for step in steps {
                now_ms += step;
                if draw(&mut state, &policy, now_ms) {
                    admitted.push(now_ms);
                } else {
                    let wait_ms = state.limits(&policy)[0].wait_ms;
                    prop_assert!(wait_ms > 0 && wait_ms <= 2 * MINUTE_MS);
                    let mut later = state;
                    prop_assert!(draw(&mut later, &policy, now_ms + wait_ms + 1));
                }
            }
            // In a window that lies as the clock's minutes do, never more than the limit.
            for start in &admitted {
                let index = start / MINUTE_MS;
                let count = admitted.iter().filter(|at| *at / MINUTE_MS == index).count();
                prop_assert!(count <= per_minute as usize);
            }
        }
    }
}
