//! One batch of a lane: read under the lane's lock, published key by key, marked.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use async_nats::HeaderMap;
use futures::StreamExt as _;
use serde_json::Value;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::{BATCH_ROWS, IN_FLIGHT, undropped};
use crate::bus::{Bus, SendError};
use crate::cache::{Cache, Dropped};
use crate::crash::Point;
use crate::error::chain;
use crate::event::{HEADER_TRACE, HEADER_TYPE};
use crate::metrics::messaging;
use crate::outbox::LANE_LOCKS;
use crate::telemetry::{Kind, Span, TraceContext};

/// First and longest wait of a row (and those behind it with its key) after it was refused.
const ROW_BACKOFF_S: (i32, i32) = (1, 60);

/// How a batch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing is left that could be published now.
    Done,
    /// The batch was full: there may be more.
    More,
    /// Another relay is at the lane.
    Elsewhere,
    /// JetStream can't be reached.
    Away,
}

struct Row {
    position: i64,
    id: Uuid,
    class: String,
    ordering_key: Uuid,
    subject: String,
    headers: Value,
    body: String,
    invalidates: Vec<String>,
}

impl Row {
    /// The event's type, or the job's queue: set by our own code, so there are few.
    fn kind(&self) -> String {
        let queue = || self.subject.split('.').nth(2);
        self.headers
            .get(HEADER_TYPE)
            .and_then(Value::as_str)
            .or_else(queue)
            .unwrap_or_default()
            .to_owned()
    }
}

/// What became of the rows of a batch, by position.
#[derive(Default)]
struct Fate {
    kept: Vec<i64>,
    forgotten: Vec<i64>,
    refused: Vec<(i64, String)>,
    /// Class and type of what was published; class of, and reason why, what has to wait.
    published: Vec<(String, String)>,
    delayed: Vec<(String, &'static str)>,
    full: HashSet<String>,
    away: Option<String>,
}

pub(super) async fn lanes_with_rows(
    pool: &PgPool,
    except: &[i16],
) -> Result<Vec<i16>, sqlx::Error> {
    // One short look into the index per lane, instead of reading all rows that wait.
    sqlx::query_scalar!(
        r#"SELECT lane AS "lane!" FROM unnest($1::smallint[]) AS lane
           WHERE EXISTS (SELECT FROM outbox
                         WHERE outbox.lane = lane.lane AND published_at IS NULL
                           AND available_at <= now())
           ORDER BY random()"#,
        &(0..=i16::from(crate::outbox::JOB_LANE))
            .filter(|lane| !except.contains(lane))
            .collect::<Vec<_>>(),
    )
    .fetch_all(pool)
    .await
}

/// Publishes one batch of a lane.
pub(super) async fn publish(
    pool: &PgPool,
    bus: &Bus,
    cache: &Cache,
    lane: i16,
) -> Result<Outcome, sqlx::Error> {
    // The lock ends with the transaction, thus also when the connection or the process dies.
    let mut tx = pool.begin().await?;
    let ours = sqlx::query_scalar!(
        r#"SELECT pg_try_advisory_xact_lock($1, $2) AS "ours!""#,
        LANE_LOCKS,
        i32::from(lane)
    )
    .fetch_one(&mut *tx)
    .await?;
    if !ours {
        return Ok(Outcome::Elsewhere);
    }
    let rows = read(&mut tx, lane).await?;
    let full = i64::try_from(rows.len()).is_ok_and(|count| count >= BATCH_ROWS);
    if rows.is_empty() {
        return Ok(Outcome::Done);
    }
    let late = drop_cached(cache, &rows).await;
    Point::RelayRead.pass();
    let fate = send_all(bus, rows).await;
    Point::RelayPublished.pass();
    mark(&mut tx, &fate).await?;
    if !late.is_empty() {
        undropped::note(&mut tx, &late).await?;
    }
    tx.commit().await?;
    fate.published.iter().for_each(|(class, kind)| messaging::published(class, kind));
    fate.delayed.iter().for_each(|(class, reason)| messaging::delayed(class, reason));
    Point::RelayMarked.pass();
    for subject in &fate.full {
        tracing::warn!(subject, "queue full, its jobs wait in the outbox");
    }
    if let Some(error) = &fate.away {
        tracing::warn!(lane, error, "outbox waits for JetStream");
        return Ok(Outcome::Away);
    }
    Ok(if full { Outcome::More } else { Outcome::Done })
}

/// The oldest unpublished rows, without those that stand behind a refused one of their key.
async fn read(tx: &mut PgConnection, lane: i16) -> Result<Vec<Row>, sqlx::Error> {
    sqlx::query_as!(
        Row,
        r#"SELECT position, id, class, ordering_key, subject, headers, body::text AS "body!",
                  invalidates
           FROM outbox AS row
           WHERE lane = $1 AND published_at IS NULL AND available_at <= now()
             AND NOT EXISTS (SELECT FROM outbox AS earlier
                             WHERE earlier.ordering_key = row.ordering_key
                               AND earlier.published_at IS NULL
                               AND earlier.lane = row.lane
                               AND earlier.position < row.position
                               AND earlier.available_at > now())
           ORDER BY position
           LIMIT $2"#,
        lane,
        BATCH_ROWS,
    )
    .fetch_all(tx)
    .await
}

/// Drops what the rows make stale. All rows are committed already: what is cached from now on shows
/// them, so that nobody who hears of a change reads an older state. Gives the keys for which the cache
/// could not be reached.
async fn drop_cached(cache: &Cache, rows: &[Row]) -> Vec<String> {
    let keys: HashSet<&String> = rows.iter().flat_map(|row| &row.invalidates).collect();
    let keys: Vec<String> = keys.into_iter().cloned().collect();
    match cache.invalidate(&keys).await {
        Dropped::Now => Vec::new(),
        Dropped::Later => keys,
    }
}

/// Publishes rows: of one key one after the other, different keys side by side.
async fn send_all(bus: &Bus, rows: Vec<Row>) -> Fate {
    let mut keys: Vec<Vec<Row>> = Vec::new();
    let mut place = std::collections::HashMap::new();
    for row in rows {
        let at = *place.entry(row.ordering_key).or_insert_with(|| {
            keys.push(Vec::new());
            keys.len() - 1
        });
        keys[at].push(row);
    }
    let fate = Mutex::new(Fate::default());
    futures::stream::iter(keys)
        .for_each_concurrent(IN_FLIGHT, |rows| send_in_order(bus, rows, &fate))
        .await;
    fate.into_inner().unwrap_or_else(PoisonError::into_inner)
}

async fn send_in_order(bus: &Bus, rows: Vec<Row>, fate: &Mutex<Fate>) {
    let fate = || fate.lock().unwrap_or_else(PoisonError::into_inner);
    for row in rows {
        let (away, full) = {
            let fate = fate();
            (fate.away.is_some(), fate.full.contains(&row.subject))
        };
        if away {
            return;
        }
        let sent = if full { Err(SendError::Full) } else { send(bus, &row).await };
        match sent {
            Ok(()) => {
                let mut fate = fate();
                match row.class.as_str() {
                    "event" => fate.kept.push(row.position),
                    _ => fate.forgotten.push(row.position),
                }
                let kind = row.kind();
                fate.published.push((row.class, kind));
            }
            Err(error @ SendError::Away(_)) => {
                let mut fate = fate();
                fate.away = Some(chain(&error));
                fate.delayed.push((row.class, "away"));
                return;
            }
            Err(error) => {
                let mut fate = fate();
                let full = matches!(error, SendError::Full);
                fate.delayed.push((row.class, if full { "full" } else { "refused" }));
                if full {
                    fate.full.insert(row.subject);
                } else {
                    let error = chain(&error);
                    tracing::error!(id = %row.id, subject = row.subject, error, "row refused");
                }
                fate.refused.push((row.position, chain(&error)));
                return;
            }
        }
    }
}

async fn send(bus: &Bus, row: &Row) -> Result<(), SendError> {
    let mut headers = HeaderMap::new();
    for (name, value) in row.headers.as_object().into_iter().flatten() {
        if let Some(value) = value.as_str() {
            headers.insert(name.as_str(), value);
        }
    }
    let above = headers.get(HEADER_TRACE).and_then(|text| TraceContext::parse(text.as_str()));
    let mut span = None;
    if let Some(above) = above {
        let mut step =
            Span::start(Kind::Producer, Some(above), || format!("send {}", row.kind()).into());
        step.set("messaging.system", || "nats");
        step.set("messaging.operation.name", || "send");
        step.set("messaging.operation.type", || "send");
        step.set("messaging.destination.name", || row.subject.clone());
        step.set("messaging.message.id", || row.id.to_string());
        headers.insert(HEADER_TRACE, step.context().to_string());
        span = Some(step);
    }
    let sent = bus.publish(&row.subject, row.id, headers, row.body.clone().into()).await;
    if let (Some(span), Err(_)) = (&mut span, &sent) {
        span.fail("not_sent");
    }
    sent
}

/// Marks what was published, forgets what needn't be kept, lets what was refused wait.
async fn mark(tx: &mut PgConnection, fate: &Fate) -> Result<(), sqlx::Error> {
    if !fate.kept.is_empty() {
        sqlx::query!("UPDATE outbox SET published_at = now() WHERE position = ANY($1)", &fate.kept)
            .execute(&mut *tx)
            .await?;
    }
    if !fate.forgotten.is_empty() {
        sqlx::query!("DELETE FROM outbox WHERE position = ANY($1)", &fate.forgotten)
            .execute(&mut *tx)
            .await?;
    }
    if !fate.refused.is_empty() {
        let (positions, errors): (Vec<i64>, Vec<String>) = fate.refused.iter().cloned().unzip();
        let (first, longest) = ROW_BACKOFF_S;
        sqlx::query!(
            "UPDATE outbox SET failures = failures + 1, last_error = refused.error,
                    available_at = now() + make_interval(
                        secs => LEAST($3 * (1 << LEAST(failures, 10)), $4))
             FROM unnest($1::bigint[], $2::text[]) AS refused (position, error)
             WHERE outbox.position = refused.position",
            &positions,
            &errors,
            first,
            longest,
        )
        .execute(tx)
        .await?;
    }
    Ok(())
}
