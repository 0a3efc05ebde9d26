//! Who leads a meeting, for what only its host may do.

use platform::kernel::Kernel;
use uuid::Uuid;

use crate::store::meeting;

/// Tells whether somebody leads a meeting. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Hosts {
    kernel: Kernel,
}

impl Hosts {
    /// By what this service has heard, and the meeting service confirms.
    #[must_use]
    pub fn new(kernel: &Kernel) -> Self {
        Self { kernel: kernel.clone() }
    }

    /// Whether somebody who takes part in a meeting leads it. A local yes is trusted, a local no is
    /// confirmed with the meeting service, and is a no as well when that can't be reached.
    ///
    /// # Errors
    /// When this service's own database fails.
    pub async fn leads(&self, meeting: Uuid, viewer: Uuid) -> Result<bool, sqlx::Error> {
        if meeting::host(&self.kernel.pool, meeting).await? == Some(viewer) {
            return Ok(true);
        }
        match contract::takes_part::host(&self.kernel, meeting).await {
            Ok(host) => Ok(host == Some(viewer)),
            Err(error) => {
                let error = platform::error::chain(&error);
                tracing::warn!(%meeting, error, "who leads it can't be confirmed: refused");
                Ok(false)
            }
        }
    }
}
