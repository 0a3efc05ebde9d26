//! The bounded way past an absent Redis.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::{GATE_LOADS_MAX, GATE_WAIT_MS, NotLoaded};

/// Lets few loads through at once, so that the database isn't asked for all that Redis used to answer.
pub(super) struct Gate(Semaphore);

impl Default for Gate {
    fn default() -> Self {
        Self(Semaphore::new(GATE_LOADS_MAX))
    }
}

impl Gate {
    /// Waits for its turn.
    ///
    /// # Errors
    /// [`NotLoaded::Busy`] when it doesn't come in time.
    pub(super) async fn pass(&self) -> Result<SemaphorePermit<'_>, NotLoaded> {
        let wait = Duration::from_millis(GATE_WAIT_MS);
        match tokio::time::timeout(wait, self.0.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(NotLoaded::Busy),
        }
    }
}
