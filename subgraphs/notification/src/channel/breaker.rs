//! Which routes to people outside were away a moment ago: nobody waits for them again and again, so that one
//! dead provider doesn't hold the workers that others need.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use platform::topology::Backoff;

/// Failures in a row after which a route is left alone for a while.
pub const FAILURES: i32 = 3;
/// Most routes that are remembered. Beyond that, those that are well are forgotten, and no more are noted.
pub const ROUTES_MAX: usize = 1_000;
/// How long those wait who come while somebody else tries a route again.
pub const PROBE_WAIT: Duration = Duration::from_secs(10);

/// The routes of this process.
#[derive(Debug, Clone)]
pub struct Breaker {
    pauses: Backoff,
    routes: Arc<Mutex<HashMap<String, Route>>>,
}

#[derive(Debug, Default)]
struct Route {
    failures: i32,
    closed_until: Option<Instant>,
    /// Somebody is trying it again.
    probed: bool,
}

/// The right to try a route; it says how that went.
#[derive(Debug)]
#[must_use]
pub struct Permit {
    breaker: Breaker,
    route: String,
}

impl Breaker {
    /// Routes that are left alone for these pauses.
    #[must_use]
    pub fn new(pauses: Backoff) -> Self {
        Self { pauses, routes: Arc::default() }
    }

    fn routes(&self) -> MutexGuard<'_, HashMap<String, Route>> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks to try a route.
    ///
    /// # Errors
    /// How long to wait before asking again: it was away a moment ago.
    pub fn enter(&self, route: &str) -> Result<Permit, Duration> {
        let mut routes = self.routes();
        if let Some(known) = routes.get_mut(route)
            && known.failures >= FAILURES
        {
            let now = Instant::now();
            match known.closed_until {
                Some(until) if until > now => return Err(until - now),
                _ if known.probed => return Err(PROBE_WAIT),
                _ => known.probed = true,
            }
        }
        Ok(Permit { breaker: self.clone(), route: route.to_owned() })
    }
}

impl Permit {
    /// The route works.
    pub fn worked(self) {
        self.breaker.routes().remove(&self.route);
    }

    /// The route is away.
    pub fn failed(self) {
        let mut routes = self.breaker.routes();
        if routes.len() >= ROUTES_MAX && !routes.contains_key(&self.route) {
            routes.retain(|_, route| route.failures >= FAILURES);
            if routes.len() >= ROUTES_MAX {
                return;
            }
        }
        let route = routes.entry(self.route.clone()).or_default();
        route.failures = route.failures.saturating_add(1);
        let tries = route.failures - FAILURES + 1;
        if tries > 0 {
            route.closed_until = Some(Instant::now() + self.breaker.pauses.after(tries));
        }
    }
}

impl Drop for Permit {
    /// However it went, or whoever broke off: the next one may try.
    fn drop(&mut self) {
        if let Some(route) = self.breaker.routes().get_mut(&self.route) {
            route.probed = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker(first_ms: u64) -> Breaker {
        let first = Duration::from_millis(first_ms);
        Breaker::new(Backoff { first, longest: first })
    }

    fn fail(breaker: &Breaker, times: i32) {
        for _ in 0..times {
            breaker.enter("mail").expect("it may be tried").failed();
        }
    }

    #[test]
    fn a_route_that_is_away_is_left_alone_and_no_other() {
        let breaker = breaker(60_000);
        fail(&breaker, FAILURES - 1);
        assert!(breaker.enter("mail").is_ok(), "a failure now and then is no outage");
        fail(&breaker, 1);
        let wait = breaker.enter("mail").expect_err("away");
        assert!(wait <= Duration::from_secs(60) && wait > Duration::from_secs(20), "{wait:?}");
        assert!(breaker.enter("sms").is_ok());
    }

    #[test]
    fn one_tries_again_and_opens_it_for_all() {
        let breaker = breaker(0);
        fail(&breaker, FAILURES);
        let probe = breaker.enter("mail").expect("the pause is over");
        assert_eq!(breaker.enter("mail").expect_err("somebody tries"), PROBE_WAIT);
        drop(probe);
        let probe = breaker.enter("mail").expect("that one broke off");
        probe.worked();
        let all = (0..3).map(|_| breaker.enter("mail")).collect::<Result<Vec<_>, _>>();
        assert!(all.is_ok());
    }

    #[test]
    fn no_more_routes_are_remembered_than_the_bound() {
        let breaker = breaker(60_000);
        for route in 0..ROUTES_MAX + 10 {
            breaker.enter(&format!("host {route}")).expect("new").failed();
        }
        assert!(breaker.routes().len() <= ROUTES_MAX);
    }
}
