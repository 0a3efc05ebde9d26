//! Dead letters: events and jobs that were given up, with the reason; kept, shown, and replayed.
//!
//! The program itself gives a message up after its last try. Behind that is a net: what the server
//! stops to deliver it says in an advisory, and the message is kept from there.
//!
//! An event is replayed to the consumer alone that gave it up, whose inbox still knows whether it
//! was handled; a job is replayed by putting its FAILED task back into the queue. So a replay that
//! is repeated does nothing more.

mod advisory;

use async_nats::HeaderMap;
use async_nats::header::NATS_MESSAGE_ID;
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::{DirectGetErrorKind, Stream};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::bus::{
    Bus, DEAD_ROOT, HEADER_CONSUMER, HEADER_DELIVERIES, HEADER_MESSAGE, HEADER_REASON,
    HEADER_STREAM, HEADER_SUBJECT, REPLAY_ROOT, SendError,
};
use crate::event::{HEADER_TYPE, rfc3339};
use crate::subgraph::Cause;
use crate::task::{Task, TaskStatus, Tasks};
use crate::topology::{self, QueueSpec};

pub(crate) use advisory::{watch_events, watch_queue};

/// Name of the stream, without the installation's prefix.
const STREAM: &str = "DEAD_LETTERS";
/// Most letters that one listing gives.
pub const LIST_MAX: usize = 10_000;

/// Why dead letters can't be shown or replayed.
#[derive(Debug, thiserror::Error)]
pub enum DeadLetterError {
    /// JetStream refuses or gives no answer.
    #[error("the dead letters can't be reached")]
    Away(#[source] Cause),
    /// The replayed message isn't stored.
    #[error("the letter isn't replayed")]
    Send(#[from] SendError),
    /// The task's database refuses.
    #[error("the letter's task can't be queued again")]
    Database(#[from] sqlx::Error),
    /// A job whose message can't be read, or whose queue isn't there any more.
    #[error("letter {0} can't be replayed: it names no task of a queue that there is; drop it")]
    NoTask(u64),
}

/// A message that was given up.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// Its number among the dead letters.
    pub id: u64,
    /// When it was given up.
    #[serde(serialize_with = "time")]
    pub given_up_at: DateTime<Utc>,
    /// The stream that it lay in.
    pub stream: String,
    /// Who gave it up.
    pub consumer: String,
    /// CloudEvents type of the event, or kind of the job.
    pub kind: String,
    /// Why.
    pub reason: String,
    /// How often it was delivered.
    pub deliveries: i64,
    /// Its subject.
    pub subject: String,
    /// Its message id: of the event, or of the job.
    pub message: String,
    /// Its body; a text if it isn't JSON.
    pub body: Value,
    #[serde(skip)]
    raw: (HeaderMap, Bytes),
}

/// Which letters. Everything that is given must fit.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this stream.
    pub stream: Option<String>,
    /// Given up by this consumer.
    pub consumer: Option<String>,
}

/// What a replay came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// The event goes to the consumer that had given it up.
    Delivered {
        /// Its name.
        consumer: String,
    },
    /// The task waits in its queue again.
    Queued(Uuid),
    /// There was nothing to do: the task isn't FAILED (any more).
    Already(Uuid, TaskStatus),
    /// There was nothing to do: the task is gone.
    Gone(Uuid),
}

/// The dead letters of an installation.
#[derive(Clone, Debug)]
pub struct DeadLetters {
    bus: Bus,
    stream: Stream,
}

impl DeadLetters {
    /// Those that this bus keeps.
    ///
    /// # Errors
    /// When the stream isn't there (`moim nats apply` makes it) or NATS gives no answer.
    pub async fn open(bus: &Bus) -> Result<Self, DeadLetterError> {
        let stream = bus.jetstream().get_stream(bus.stream(STREAM)).await.map_err(away)?;
        Ok(Self { bus: bus.clone(), stream })
    }

    /// The letters that fit, oldest first, at most `limit` (and [`LIST_MAX`]).
    ///
    /// # Errors
    /// When NATS gives no answer.
    pub async fn list(
        &self,
        filter: &Filter,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, DeadLetterError> {
        let consumer = filter.consumer.as_deref().unwrap_or(">");
        let subject = self.bus.subject(&format!("{DEAD_ROOT}.{consumer}"));
        let (mut letters, mut from) = (Vec::new(), 1);
        while letters.len() < limit.min(LIST_MAX) {
            let next = self.stream.direct_get_next_for_subject(&*subject, Some(from)).await;
            let message = match next {
                Ok(message) => message,
                Err(error) if error.kind() == DirectGetErrorKind::NotFound => break,
                Err(error) => return Err(away(error)),
            };
            from = message.sequence + 1;
            let letter = DeadLetter::read(message);
            if filter.stream.as_ref().is_none_or(|stream| *stream == letter.stream) {
                letters.push(letter);
            }
        }
        Ok(letters)
    }

    /// The letter of a number; `None` if there is none.
    ///
    /// # Errors
    /// When NATS gives no answer.
    pub async fn get(&self, id: u64) -> Result<Option<DeadLetter>, DeadLetterError> {
        match self.stream.direct_get(id).await {
            Ok(message) => Ok(Some(DeadLetter::read(message))),
            Err(error) if error.kind() == DirectGetErrorKind::NotFound => Ok(None),
            Err(error) => Err(away(error)),
        }
    }

    /// Forgets a letter; `false` if there is none of that number.
    ///
    /// # Errors
    /// When NATS gives no answer.
    pub async fn drop(&self, id: u64) -> Result<bool, DeadLetterError> {
        if self.get(id).await?.is_none() {
            return Ok(false);
        }
        self.stream.delete_message(id).await.map_err(away)
    }

    /// Gives a letter another chance, and forgets it. `tasks` are those of the letter's
    /// [`DeadLetter::owner`], if it has one. If the process dies in here, the letter is still there,
    /// and replaying it again does nothing more.
    ///
    /// # Errors
    /// When the letter can't be replayed, or a server gives no answer; then it is kept.
    pub async fn replay(
        &self,
        letter: &DeadLetter,
        tasks: Option<&Tasks>,
    ) -> Result<Replayed, DeadLetterError> {
        let replayed = match (letter.task(), tasks) {
            (Some(task), Some(tasks)) => reopen(task, tasks).await?,
            _ if letter.is_job() => return Err(DeadLetterError::NoTask(letter.id)),
            _ => self.deliver(letter).await?,
        };
        self.stream.delete_message(letter.id).await.map_err(away)?;
        Ok(replayed)
    }

    /// Puts the event where only the consumer hears it that gave it up.
    async fn deliver(&self, letter: &DeadLetter) -> Result<Replayed, DeadLetterError> {
        let (old, body) = &letter.raw;
        let mut headers = HeaderMap::new();
        for (name, values) in old.iter() {
            let name: &str = name.as_ref();
            let ours = [HEADER_CONSUMER, HEADER_REASON, HEADER_STREAM, HEADER_DELIVERIES];
            if !ours.contains(&name) && !name.eq_ignore_ascii_case("Nats-Msg-Id") {
                for value in values {
                    headers.append(name, value.clone());
                }
            }
        }
        headers.insert(HEADER_SUBJECT, letter.subject.as_str());
        // Replayed twice at once, it is stored once.
        headers.insert(NATS_MESSAGE_ID, format!("replay-{}", letter.id));
        let subject = self.bus.subject(&format!("{REPLAY_ROOT}.{}", letter.consumer));
        self.bus.store(subject, headers, body.clone()).await?;
        Ok(Replayed::Delivered { consumer: letter.consumer.clone() })
    }
}

/// Puts the task back into its queue, if it is FAILED.
async fn reopen(id: Uuid, tasks: &Tasks) -> Result<Replayed, sqlx::Error> {
    let mut tx = tasks.pool().begin().await?;
    if let Some(task) = tasks.retry(&mut tx, id).await? {
        tx.commit().await?;
        tasks.outbox().wake();
        return Ok(Replayed::Queued(task.id));
    }
    let now: Option<Task> = tasks.fresh(&[id]).await?.remove(&id);
    Ok(now.map_or(Replayed::Gone(id), |task| Replayed::Already(id, task.status)))
}

impl DeadLetter {
    fn read(message: StreamMessage) -> Self {
        let text = |name: &str| message.headers.get(name).map(ToString::to_string);
        let body: Value = serde_json::from_slice(&message.payload)
            .unwrap_or_else(|_| String::from_utf8_lossy(&message.payload).into_owned().into());
        let kind = text(HEADER_TYPE).or_else(|| Some(body.get("kind")?.as_str()?.to_owned()));
        let nanos = i64::try_from(message.time.unix_timestamp_nanos()).unwrap_or_default();
        Self {
            id: message.sequence,
            given_up_at: DateTime::from_timestamp_nanos(nanos),
            stream: text(HEADER_STREAM).unwrap_or_default(),
            consumer: text(HEADER_CONSUMER).unwrap_or_default(),
            kind: kind.unwrap_or_default(),
            reason: text(HEADER_REASON).unwrap_or_default(),
            deliveries: text(HEADER_DELIVERIES).and_then(|n| n.parse().ok()).unwrap_or_default(),
            subject: text(HEADER_SUBJECT).unwrap_or_default(),
            message: text(HEADER_MESSAGE).unwrap_or_default(),
            body,
            raw: (message.headers, message.payload),
        }
    }

    /// The queue that the letter is a job of, which is named after the service whose task it is;
    /// `None` for events.
    #[must_use]
    pub fn owner(&self) -> Option<&'static QueueSpec> {
        topology::queues().find(|queue| queue.stream() == self.stream)
    }

    fn is_job(&self) -> bool {
        self.stream.starts_with("QUEUE_")
    }

    /// The task that the letter is a job of.
    #[must_use]
    pub fn task(&self) -> Option<Uuid> {
        self.owner()?;
        self.body.get("taskId")?.as_str()?.parse().ok()
    }
}

fn away(error: impl Into<Cause>) -> DeadLetterError {
    DeadLetterError::Away(error.into())
}

fn time<S: serde::Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*at))
}
