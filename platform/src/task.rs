//! Tasks: long work that was asked for, its state in the owner's database, and events about it.
//!
//! Whoever works holds a [`Claim`]. Every start counts the task's attempts up, and only the latest
//! start may write: a worker that was given up, but still lives, changes nothing any more.
//!
//! Order of locks in every transaction here: first the ordering key's, then the task's row.

mod graphql;
mod ledger;
mod reads;
mod request;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::event::{Class, NewEvent, rfc3339};

pub use graphql::{TaskError, TaskFields, TaskInterface};
pub(crate) use ledger::Start;
pub use ledger::{List, Tasks};
pub use reads::{TaskById, TaskReader, TaskReads, TasksOf, visible};
pub use request::{Asked, Asking, Requests};

/// CloudEvents type of a change of a task's state.
pub const STATE_CHANGED: &str = "moim.task.stateChanged.v1";
/// CloudEvents type of a task's progress (live traffic).
pub const PROGRESS: &str = "moim.task.progress.v1";
/// Least time between two progress events of one task.
pub const PROGRESS_EVERY_MS: u64 = 1_000;
/// Longest error message that is kept, in characters.
pub const ERROR_MESSAGE_MAX_CHARS: usize = 500;
/// Error code of a task that waited too long for a worker.
pub const EXPIRED: &str = "EXPIRED";
/// Error code of a task that worked too long.
pub const TIMED_OUT: &str = "TIMED_OUT";

/// How far a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, async_graphql::Enum)]
#[serde(rename_all = "UPPERCASE")]
pub enum TaskStatus {
    /// Waits for a worker.
    Pending,
    /// A worker is at it.
    Processing,
    /// Done.
    Completed,
    /// Given up; `error` says why.
    Failed,
    /// Called off.
    Cancelled,
}

impl TaskStatus {
    /// The status as it stands in the database and in events.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Processing => "PROCESSING",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// Whether no worker will touch the task any more.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

impl From<String> for TaskStatus {
    /// Reads a status of the database, which holds no others.
    fn from(text: String) -> Self {
        match text.as_str() {
            "PENDING" => Self::Pending,
            "PROCESSING" => Self::Processing,
            "COMPLETED" => Self::Completed,
            "CANCELLED" => Self::Cancelled,
            _ => Self::Failed,
        }
    }
}

/// Whether a task's job overtakes others of its queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Priority {
    /// In the order in which work was asked for.
    #[default]
    Normal,
    /// Before all that is in the usual order: somebody waits for it.
    High,
}

impl Priority {
    /// The priority as it stands in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "NORMAL",
            Self::High => "HIGH",
        }
    }

    /// The priority as a token of a subject or of a consumer's name.
    #[must_use]
    pub fn token(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::High => "high",
        }
    }

    pub(crate) fn from_token(token: &str) -> Self {
        if token == "high" { Self::High } else { Self::Normal }
    }
}

impl From<String> for Priority {
    /// Reads a priority of the database, which holds no others.
    fn from(text: String) -> Self {
        if text == "HIGH" { Self::High } else { Self::Normal }
    }
}

/// A task as it stands in the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Id, a `UUIDv7`.
    pub id: Uuid,
    /// Kind of task, e.g. `TRANSCRIPTION`.
    pub kind: String,
    /// Its GraphQL type.
    pub typename: String,
    /// How far it is.
    pub status: TaskStatus,
    /// From 0 to 100; never falls, not even on a retry.
    pub progress: i32,
    /// How often work was started.
    pub attempts: i32,
    /// Queue of its jobs.
    pub queue: String,
    /// Kind of its jobs.
    pub job_kind: String,
    /// The job that may work on it now.
    pub job_id: Uuid,
    /// Ordering key of its events.
    pub ordering_key: Uuid,
    /// Who asked for it; nobody if an event did.
    pub requested_by: Option<Uuid>,
    /// What is to be done.
    pub input: Value,
    /// References that its events carry besides the task itself.
    pub changed: Value,
    /// The same work asked for twice has the same key, and is one task.
    pub dedupe_key: Option<String>,
    /// Why it failed, as a stable code.
    pub error_code: Option<String>,
    /// Why it failed, for people.
    pub error_message: Option<String>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it was last put into the queue.
    pub queued_at: DateTime<Utc>,
    /// When work first started.
    pub started_at: Option<DateTime<Utc>>,
    /// When it became final.
    pub completed_at: Option<DateTime<Utc>>,
    /// When progress was last told.
    pub progress_sent_at: Option<DateTime<Utc>>,
    /// Rises with every change.
    pub version: i64,
    /// Whether its jobs overtake.
    pub priority: Priority,
    /// How often work was started since it was last queued, without what was handed back.
    pub tries: i32,
    /// Last sign of life of whoever works on it.
    pub alive_at: Option<DateTime<Utc>>,
}

impl Task {
    fn event(&self, source: &'static str, class: Class) -> NewEvent {
        let (kind, verb) = match class {
            Class::Event => (STATE_CHANGED, "stateChanged"),
            Class::Live => (PROGRESS, "progress"),
        };
        NewEvent {
            kind,
            source,
            ordering_key: self.ordering_key,
            entity: "task",
            entity_id: self.id,
            verb,
            class,
            data: self.data(),
            changed: self.references(),
            invalidates: vec![ledger::copy_key(self.id)],
        }
    }

    fn data(&self) -> Value {
        json!({
            "taskId": self.id,
            "kind": self.kind,
            "typename": self.typename,
            "status": self.status.as_str(),
            "progress": self.progress,
            "attempts": self.attempts,
            "queue": self.queue,
            "orderingKey": self.ordering_key,
            "requestedBy": self.requested_by,
            "error": self.error_code.as_ref().map(|code| json!({
                "code": code,
                "message": self.error_message,
            })),
            "createdAt": rfc3339(self.created_at),
            "startedAt": self.started_at.map(rfc3339),
            "completedAt": self.completed_at.map(rfc3339),
            "version": self.version,
        })
    }

    fn references(&self) -> Value {
        let mut changed = self.changed.as_object().cloned().unwrap_or_else(Map::new);
        changed.insert(
            "task".to_owned(),
            json!({
                "__typename": self.typename,
                "id": self.id,
                "completedAt": self.completed_at.map(rfc3339),
                "version": self.version,
            }),
        );
        Value::Object(changed)
    }
}

/// A task to be created.
#[derive(Clone, Debug)]
pub struct NewTask<'a> {
    /// Kind of task, e.g. `TRANSCRIPTION`.
    pub kind: &'a str,
    /// Its GraphQL type, e.g. `TranscriptTask`.
    pub typename: &'a str,
    /// Queue of its jobs, e.g. `transcript`.
    pub queue: &'a str,
    /// Kind of its jobs, a single subject token, e.g. `transcription`.
    pub job_kind: &'a str,
    /// Whether its jobs overtake: [`Priority::High`] when a person waits for it.
    pub priority: Priority,
    /// Ordering key of its events.
    pub ordering_key: Uuid,
    /// Who asked for it; `None` if an event did.
    pub requested_by: Option<Uuid>,
    /// What is to be done.
    pub input: Value,
    /// The same work asked for twice has the same key, and is one task.
    pub dedupe_key: Option<String>,
    /// References that its events carry besides the task itself, as an object by field of the
    /// virtual event type.
    pub changed: Value,
}

/// The right to work on a task: of one start of it, and only as long as no later one took over.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The task as it was at the start.
    pub task: Task,
    /// Which start this is, from 1 (the fencing token).
    pub attempt: i32,
}
