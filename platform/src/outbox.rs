//! Transactional outbox: what is to be told is written in the transaction of the change itself, so
//! that neither can be without the other. The relay publishes it.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use serde_json::{Value, json};
use sqlx::{PgConnection, PgPool, Postgres, Transaction};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::crash::Point;
use crate::event::{
    HEADER_CHANGED, HEADER_REPUBLISHED, HEADER_TIME, HEADER_TRACE, HEADER_TYPE, NewEvent, rfc3339,
};
use crate::queue::NewJob;
use crate::telemetry;

/// Lanes of events; those of one ordering key always take the same lane.
pub(crate) const EVENT_LANES: u8 = 8;
/// Longest time to wait until relays are at rest.
pub const PAUSE_TIMEOUT_MS: u64 = 60_000;
/// The lane of jobs: they have no order among each other, and a full queue mustn't hold events up.
pub(crate) const JOB_LANE: u8 = 8;
/// Space of the lanes' advisory locks ("moim"); ordering keys' locks are of the one-number kind.
pub(crate) const LANE_LOCKS: i32 = 0x6d6f_696d;
/// First subject tokens of jobs; then come queue, priority and kind.
pub const JOB_ROOT: &str = "moim.job";

/// Appends to the outbox table of the service's database, and wakes the relay of this process.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    woken: Arc<Notify>,
}

struct Row<'a> {
    id: Uuid,
    class: &'a str,
    lane: u8,
    ordering_key: Uuid,
    subject: String,
    headers: Value,
    body: Value,
    invalidates: &'a [String],
}

impl Outbox {
    /// An outbox whose relay, if it runs in this process, shares this value's clones.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends an event in the caller's transaction and returns its id. Call [`Outbox::wake`] after
    /// the commit to have it published at once rather than at the relay's next poll.
    ///
    /// The transaction holds the ordering key's lock from here to its end. A transaction that
    /// appends for several keys should do so in the order of the keys, lest two of them wait for
    /// each other (Postgres then aborts one).
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn append(
        &self,
        tx: &mut PgConnection,
        event: NewEvent,
    ) -> Result<Uuid, sqlx::Error> {
        let (id, time) = (Uuid::now_v7(), Utc::now());
        let mut headers = json!({
            HEADER_TYPE: event.kind,
            HEADER_TIME: rfc3339(time),
            HEADER_CHANGED: event.changed.to_string(),
        });
        trace(&mut headers);
        lock(tx, event.ordering_key).await?;
        insert(
            tx,
            Row {
                id,
                class: event.class.as_str(),
                lane: lane(event.ordering_key),
                ordering_key: event.ordering_key,
                subject: event.subject(),
                headers,
                body: event.envelope(id, time),
                invalidates: &event.invalidates,
            },
        )
        .await?;
        Point::OutboxAppended.pass();
        Ok(id)
    }

    /// Takes the ordering key's lock now, until the end of the transaction: what is read after it of
    /// that key's rows is as the events tell it that are appended then. Take it before any row's.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn order(
        &self,
        tx: &mut PgConnection,
        ordering_key: Uuid,
    ) -> Result<(), sqlx::Error> {
        lock(tx, ordering_key).await
    }

    /// Appends a job in the caller's transaction and returns its id.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn append_job(
        &self,
        tx: &mut PgConnection,
        job: NewJob<'_>,
    ) -> Result<Uuid, sqlx::Error> {
        let id = Uuid::now_v7();
        self.append_job_as(tx, id, job).await?;
        Ok(id)
    }

    pub(crate) async fn append_job_as(
        &self,
        tx: &mut PgConnection,
        id: Uuid,
        job: NewJob<'_>,
    ) -> Result<(), sqlx::Error> {
        let mut headers = json!({});
        trace(&mut headers);
        insert(
            tx,
            Row {
                id,
                class: "job",
                lane: JOB_LANE,
                ordering_key: job.task_id,
                subject: format!("{JOB_ROOT}.{}.{}.{}", job.queue, job.priority.token(), job.kind),
                headers,
                body: json!({
                    "id": id,
                    "kind": job.kind,
                    "taskId": job.task_id,
                    "priority": job.priority.as_str(),
                }),
                invalidates: &[],
            },
        )
        .await
    }

    /// Tells the relay of this process that something was committed.
    pub fn wake(&self) {
        Point::OutboxCommitted.pass();
        self.woken.notify_one();
    }

    pub(crate) async fn woken(&self) {
        self.woken.notified().await;
    }
}

/// Notes which trace the row belongs to, if there is one.
fn trace(headers: &mut Value) {
    if let Some(trace) = telemetry::current() {
        headers[HEADER_TRACE] = Value::String(trace.to_string());
    }
}

/// Takes the ordering key's lock until the end of the transaction: positions in the outbox are given
/// under it, so that for one key they follow the order of the commits.
pub(crate) async fn lock(tx: &mut PgConnection, ordering_key: Uuid) -> Result<(), sqlx::Error> {
    let (_, low) = ordering_key.as_u64_pair();
    sqlx::query!("SELECT pg_advisory_xact_lock($1)", low.cast_signed()).execute(tx).await?;
    Ok(())
}

async fn insert(tx: &mut PgConnection, row: Row<'_>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO outbox (id, class, lane, ordering_key, subject, headers, body, invalidates)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        row.id,
        row.class,
        i16::from(row.lane),
        row.ordering_key,
        row.subject,
        row.headers,
        row.body,
        row.invalidates,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The lane of an ordering key. Ids are random in their low bits, so that lanes fill evenly.
fn lane(ordering_key: Uuid) -> u8 {
    ordering_key.as_bytes()[15] % EVENT_LANES
}

/// Publishes stored events again: see [`Pause::republish`]. Returns how many.
///
/// # Errors
/// When the database refuses.
pub async fn republish(pool: &PgPool) -> Result<u64, sqlx::Error> {
    Pause::begin(pool).await?.republish().await
}

/// As long as it lives, no relay publishes anything of a service's outbox, wherever it runs.
#[derive(Debug)]
pub struct Pause {
    tx: Transaction<'static, Postgres>,
}

impl Pause {
    /// Waits until what is being published is through, and then holds all lanes.
    ///
    /// # Errors
    /// When the database refuses, or doesn't get there within [`PAUSE_TIMEOUT_MS`].
    pub async fn begin(pool: &PgPool) -> Result<Self, sqlx::Error> {
        let hold = async {
            let mut tx = pool.begin().await?;
            for lane in 0..=i32::from(JOB_LANE) {
                sqlx::query!("SELECT pg_advisory_xact_lock($1, $2)", LANE_LOCKS, lane)
                    .execute(&mut *tx)
                    .await?;
            }
            Ok(Self { tx })
        };
        let limit = Duration::from_millis(PAUSE_TIMEOUT_MS);
        let held = tokio::time::timeout(limit, hold).await;
        held.unwrap_or_else(|elapsed| Err(sqlx::Error::Io(elapsed.into())))
    }

    /// Marks stored events as unpublished, so that the relay publishes them again in their order,
    /// before anything newer: for an event stream that was lost. Consumers that handled an event
    /// already know it by its id; live clients, who were told of it or of the loss, aren't told
    /// again. Returns how many.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn republish(mut self) -> Result<u64, sqlx::Error> {
        let done = sqlx::query!(
            "UPDATE outbox SET published_at = NULL, available_at = now(), failures = 0,
                    headers = jsonb_set(headers, ARRAY[$1], '\"true\"')
             WHERE class = 'event' AND published_at IS NOT NULL",
            HEADER_REPUBLISHED,
        )
        .execute(&mut *self.tx)
        .await?;
        self.tx.commit().await?;
        Ok(done.rows_affected())
    }
}
