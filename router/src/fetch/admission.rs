//! How many requests a subgraph has to bear at a time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Refused, config::InFlight};

/// Places for requests under way, and a bounded queue for them.
pub(super) struct Admission {
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    queue_max: usize,
    wait: Duration,
}

impl Admission {
    pub(super) fn new(settings: &InFlight) -> Self {
        let places = settings.max.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            places: Arc::new(Semaphore::new(places)),
            waiting: AtomicUsize::new(0),
            queue_max: settings.queue_max,
            wait: Duration::from_millis(settings.wait_ms),
        }
    }

    /// Takes a place, and waits for one if it must; dropping the permit frees it.
    ///
    /// # Errors
    /// [`Refused::Overloaded`] where too many wait already or the wait is too long.
    pub(super) async fn enter(&self) -> Result<OwnedSemaphorePermit, Refused> {
        if let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(permit);
        }
        let _waiting = Waiting::begin(&self.waiting, self.queue_max)?;
        let place = Arc::clone(&self.places).acquire_owned();
        match tokio::time::timeout(self.wait, place).await {
            Ok(Ok(permit)) => Ok(permit),
            // The semaphore is never closed.
            Ok(Err(_)) | Err(_) => Err(Refused::Overloaded),
        }
    }
}

/// Counted among those that wait, also when the wait is given up.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicUsize, most: usize) -> Result<Self, Refused> {
        let waiting = Self(count);
        match count.fetch_add(1, Ordering::Relaxed) < most {
            true => Ok(waiting),
            false => Err(Refused::Overloaded),
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_place_is_waited_for_but_not_forever_and_not_by_everybody() {
        let settings = InFlight { max: 1, queue_max: 1, wait_ms: 100 };
        let admission = Arc::new(Admission::new(&settings));
        let first = admission.enter().await.unwrap();
        let second = tokio::spawn({
            let admission = Arc::clone(&admission);
            async move { admission.enter().await.map(drop) }
        });
        tokio::task::yield_now().await;
        assert_eq!(
            admission.enter().await.map(drop),
            Err(Refused::Overloaded),
            "the queue is full"
        );
        drop(first);
        assert_eq!(second.await.unwrap(), Ok(()));
        let _first = admission.enter().await.unwrap();
        assert_eq!(admission.enter().await.map(drop), Err(Refused::Overloaded), "too long");
        assert_eq!(admission.waiting.load(Ordering::Relaxed), 0);
    }
}
