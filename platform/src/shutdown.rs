//! Ending in order: whoever works is told, gets a grace period, and is then cut off.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};
use tokio_util::task::TaskTracker;

/// Time that tasks have to end after they are told, unless given.
pub const GRACE_DEFAULT_MS: u64 = 10_000;

/// Tells tasks to end, and waits for them. All clones are one.
#[derive(Debug, Clone)]
pub struct Shutdown {
    token: CancellationToken,
    tracker: TaskTracker,
    grace: Duration,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new(Duration::from_millis(GRACE_DEFAULT_MS))
    }
}

impl Shutdown {
    /// One whose tasks have `grace` to end after they are told.
    #[must_use]
    pub fn new(grace: Duration) -> Self {
        Self { token: CancellationToken::new(), tracker: TaskTracker::new(), grace }
    }

    /// Starts a task that [`Shutdown::finish`] waits for. It should end soon after
    /// [`Shutdown::cancelled`] does.
    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.tracker.spawn(task)
    }

    /// Tells everybody to end.
    pub fn trigger(&self) {
        self.token.cancel();
    }

    /// Whether everybody was told to end.
    #[must_use]
    pub fn is_triggered(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Ends when everybody is told to end.
    pub fn cancelled(&self) -> WaitForCancellationFuture<'_> {
        self.token.cancelled()
    }

    /// The same sign as a token, for code that takes one.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Tells everybody to end as soon as the process gets Ctrl-C (SIGINT) or SIGTERM.
    ///
    /// # Errors
    /// When the process can't listen to signals.
    pub fn on_signal(&self) -> std::io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let token = self.token.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => tracing::info!("interrupted: ending"),
                _ = terminate.recv() => tracing::info!("told to end: ending"),
                () = token.cancelled() => {}
            }
            token.cancel();
        });
        Ok(())
    }

    /// Tells everybody to end and waits for it, at most as long as the grace period; tells whether
    /// all tasks ended in time. Those that didn't go on until the runtime is dropped.
    pub async fn finish(&self) -> bool {
        self.trigger();
        self.tracker.close();
        let ended = tokio::time::timeout(self.grace, self.tracker.wait()).await.is_ok();
        if !ended {
            tracing::warn!(
                tasks = self.tracker.len(),
                grace_ms = u64::try_from(self.grace.as_millis()).unwrap_or(u64::MAX),
                "tasks did not end in time"
            );
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tasks_are_told_and_waited_for() {
        let shutdown = Shutdown::default();
        let theirs = shutdown.clone();
        let task = shutdown.spawn(async move {
            theirs.cancelled().await;
            "done"
        });
        assert!(!shutdown.is_triggered());
        assert!(shutdown.finish().await);
        assert_eq!(task.await.unwrap(), "done");
    }

    #[tokio::test]
    async fn a_task_that_never_ends_is_not_waited_for_longer_than_the_grace() {
        let shutdown = Shutdown::new(Duration::from_millis(20));
        let task = shutdown.spawn(std::future::pending::<()>());
        assert!(!shutdown.finish().await);
        task.abort();
    }
}
