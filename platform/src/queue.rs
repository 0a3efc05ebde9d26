//! Job queues: work that a request or an event asked for, done by workers one job at a time.

/// A job to be appended to the outbox. Its payload is the task: what is to be done stands there.
#[derive(Clone, Copy, Debug)]
pub struct NewJob<'a> {
    /// Name of the queue, e.g. `transcript`.
    pub queue: &'a str,
    /// Kind of job, a single subject token.
    pub kind: &'a str,
    /// The task that the job works on.
    pub task_id: uuid::Uuid,
    /// Higher ones overtake (0 is the usual).
    pub priority: u8,
}
