//! Tasks that nobody works on: those that waited too long end, those whose job is gone, and those that were
//! put off, get another.

use std::sync::Arc;
use std::time::Duration;

use crate::bus::pause;
use crate::error::chain;
use crate::shutdown::Shutdown;
use crate::task::Tasks;
use crate::topology::QueueSpec;

/// Time between two looks.
const SWEEP_EVERY_MS: u64 = 15_000;
/// Time between two looks at tasks that were put off.
const RESUME_EVERY_MS: u64 = 1_000;
/// A task that is being worked on, without a sign of life for so long, has lost its job. Longer than
/// any wait between tries.
pub const ORPHANED_AFTER_MS: u64 = 600_000;

pub(super) async fn run(tasks: Tasks, spec: Arc<QueueSpec>, shutdown: Shutdown) {
    while !shutdown.is_triggered() {
        match once(&tasks, &spec).await {
            Ok(true) => {}
            Ok(false) => pause(SWEEP_EVERY_MS, &shutdown).await,
            Err(error) => {
                let queue = &spec.name;
                tracing::warn!(queue, error = chain(&error), "waiting tasks not looked at");
                pause(SWEEP_EVERY_MS, &shutdown).await;
            }
        }
    }
}

/// Puts tasks that were put off back into the queue as their time comes. What a full queue doesn't take
/// waits in the outbox.
pub(super) async fn resume(tasks: Tasks, spec: Arc<QueueSpec>, shutdown: Shutdown) {
    while !shutdown.is_triggered() {
        match tasks.resume_one(&spec.name).await {
            Ok(Some(_)) => continue,
            Ok(None) => {}
            Err(error) => {
                let queue = &spec.name;
                tracing::warn!(
                    queue,
                    error = chain(&error),
                    "tasks that were put off not looked at"
                );
            }
        }
        pause(RESUME_EVERY_MS, &shutdown).await;
    }
}

/// Takes care of one task; `false` if there is none.
async fn once(tasks: &Tasks, spec: &QueueSpec) -> Result<bool, sqlx::Error> {
    if let Some(task) = tasks.expire_one(&spec.name, spec.oldest).await? {
        tracing::warn!(queue = spec.name, task = %task.id, "task expired");
        return Ok(true);
    }
    let silent = Duration::from_millis(ORPHANED_AFTER_MS);
    if let Some(task) = tasks.adopt_one(&spec.name, silent).await? {
        tracing::warn!(queue = spec.name, task = %task.id, "its job was lost: queued again");
        return Ok(true);
    }
    Ok(false)
}
