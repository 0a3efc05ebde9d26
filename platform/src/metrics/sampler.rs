//! What has to be asked for: how much waits in outboxes, queues and consumers, and for how long. A
//! sampler asks every few seconds, whoever scrapes and however often; what gives no answer in time
//! keeps its last value, and `moim_samples_failed_total` rises.

use std::collections::HashSet;
use std::future::Future;
use std::sync::LazyLock;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use super::{Gauge, GaugeVec, IntCounterVec, IntGaugeVec};
use crate::bus::Bus;
use crate::error::chain;
use crate::health::Registry;
use crate::kernel::Kernel;
use crate::shutdown::Shutdown;
use crate::subgraph::Cause;
use crate::topology::{self, StreamStatus};

/// Time between two samples.
pub const SAMPLE_EVERY_MS: u64 = 5_000;
/// Longest time that one question may take.
pub const SAMPLE_TIMEOUT_MS: u64 = 3_000;
/// A backlog is counted up to here, in rows: more is as bad, and counting it would cost.
pub const BACKLOG_COUNTED_MAX: i64 = 10_000;

/// How a queue's stream begins, and where dead letters are.
const QUEUE_STREAM: &str = "QUEUE_";
const DEAD_LETTERS: &str = "DEAD_LETTERS";

struct Gauges {
    outbox_rows: IntGaugeVec,
    outbox_age: GaugeVec,
    tasks: IntGaugeVec,
    tasks_age: GaugeVec,
    queue_messages: IntGaugeVec,
    queue_limit: IntGaugeVec,
    queue_age: GaugeVec,
    consumer_pending: IntGaugeVec,
    consumer_unconfirmed: IntGaugeVec,
    consumer_redelivered: IntGaugeVec,
    dead_letters: IntGaugeVec,
    connections: IntGaugeVec,
    connections_max: IntGaugeVec,
    failed: IntCounterVec,
}

static GAUGES: LazyLock<Gauges> = LazyLock::new(|| {
    use super::{counters, fractions, gauges};
    Gauges {
        outbox_rows: gauges(
            "moim_outbox_backlog_rows",
            "Rows of the outbox that aren't published yet, counted up to 10,000.",
            &["service"],
        ),
        outbox_age: fractions(
            "moim_outbox_oldest_age_seconds",
            "Age of the oldest row of the outbox that isn't published yet.",
            &["service"],
        ),
        tasks: gauges(
            "moim_tasks_open",
            "Tasks that wait (PENDING) or are worked on (PROCESSING).",
            &["service", "queue", "kind", "status"],
        ),
        tasks_age: fractions(
            "moim_tasks_oldest_age_seconds",
            "How long the task has waited that waits longest.",
            &["service", "queue"],
        ),
        queue_messages: gauges("moim_queue_messages", "Jobs in a queue's stream.", &["queue"]),
        queue_limit: gauges(
            "moim_queue_messages_limit",
            "Most jobs that a queue's stream takes.",
            &["queue"],
        ),
        queue_age: fractions(
            "moim_queue_oldest_age_seconds",
            "Age of the oldest job in a queue's stream.",
            &["queue"],
        ),
        consumer_pending: gauges(
            "moim_consumer_lag_messages",
            "Messages that a consumer has not been sent yet.",
            &["consumer"],
        ),
        consumer_unconfirmed: gauges(
            "moim_consumer_unconfirmed_messages",
            "Messages that a consumer was sent and has not confirmed.",
            &["consumer"],
        ),
        consumer_redelivered: gauges(
            "moim_consumer_redelivered_messages",
            "Unconfirmed messages that a consumer was sent more than once.",
            &["consumer"],
        ),
        dead_letters: gauges(
            "moim_dead_letters",
            "Dead letters that are kept, of all services.",
            &["stream"],
        ),
        connections: gauges(
            "db_client_connection_count",
            "Connections of the pool to the database.",
            &["db_client_connection_pool_name", "db_client_connection_state"],
        ),
        connections_max: gauges(
            "db_client_connection_max",
            "Most connections that the pool opens.",
            &["db_client_connection_pool_name"],
        ),
        failed: counters(
            "moim_samples_failed_total",
            "Questions of the sampler that had no answer in time.",
            &["source"],
        ),
    }
});

static SAMPLED: LazyLock<Gauge> = LazyLock::new(|| {
    super::fraction("moim_sample_timestamp_seconds", "When the sampler was last done.")
});

/// Samples what the services of this process work with, and its health, until the shutdown.
pub async fn run(kernels: Vec<Kernel>, health: Registry, shutdown: Shutdown) {
    let mut services: Vec<Service> = kernels.into_iter().map(Service::new).collect();
    for source in ["postgres", "nats", "redis"] {
        GAUGES.failed.with_label_values(&[source]);
    }
    while !shutdown.is_triggered() {
        let all = services.iter_mut().map(Service::sample);
        futures::future::join_all(all).await;
        if let Some(service) = services.first() {
            let cache = &service.kernel.cache;
            super::cache::tell(cache);
            let memory = asked("redis", async { Ok(cache.server_memory().await?) });
            if let Some(memory) = memory.await {
                super::cache::tell_memory(memory);
            }
        }
        // Whoever probes, the gauges of health are fresh.
        health.report().await;
        SAMPLED.set(Utc::now().timestamp_millis() as f64 / 1_000.0);
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(SAMPLE_EVERY_MS)) => {}
            () = shutdown.cancelled() => {}
        }
    }
}

/// Makes the series of a kind of task, so that they are there also while none waits.
pub(crate) fn task_known(service: &str, queue: &str, kind: &str) {
    for status in ["PENDING", "PROCESSING"] {
        GAUGES.tasks.with_label_values(&[service, queue, kind, status]);
    }
    GAUGES.tasks_age.with_label_values(&[service, queue]);
}

struct Service {
    kernel: Kernel,
    /// Queue, kind and status of the series that were set: without tasks they go to 0.
    seen: HashSet<(String, String, String)>,
}

impl Service {
    fn new(kernel: Kernel) -> Self {
        Self { kernel, seen: HashSet::new() }
    }

    async fn sample(&mut self) {
        let name = self.kernel.service;
        let pool = self.kernel.pool.clone();
        connections(name, &pool);
        if let Some((rows, age)) = asked("postgres", backlog(&pool)).await {
            GAUGES.outbox_rows.with_label_values(&[name]).set(rows);
            GAUGES.outbox_age.with_label_values(&[name]).set(age);
        }
        if let Some(open) = asked("postgres", open_tasks(&pool)).await {
            self.tasks(&open);
        }
        if let Some(streams) = asked("nats", streams(&self.kernel.bus, name)).await {
            streams.iter().for_each(|stream| tell(&self.kernel.bus, stream));
        }
    }

    fn tasks(&mut self, open: &[OpenTasks]) {
        let service = self.kernel.service;
        for (queue, kind, status) in &self.seen {
            GAUGES.tasks.with_label_values(&[service, queue, kind, status]).set(0);
            GAUGES.tasks_age.with_label_values(&[service, queue]).set(0.0);
        }
        for group in open {
            let labels = [service, &group.queue, &group.kind, &group.status];
            GAUGES.tasks.with_label_values(&labels).set(group.count);
            if group.status == "PENDING" {
                let age = GAUGES.tasks_age.with_label_values(&[service, &group.queue]);
                age.set(age.get().max(seconds_since(group.oldest)));
            }
            self.seen.insert((group.queue.clone(), group.kind.clone(), group.status.clone()));
        }
    }
}

/// An answer in time, or nothing; the failure is counted.
async fn asked<T>(source: &str, question: impl Future<Output = Result<T, Cause>>) -> Option<T> {
    let limit = Duration::from_millis(SAMPLE_TIMEOUT_MS);
    let answer = tokio::time::timeout(limit, question).await;
    match answer.unwrap_or_else(|elapsed| Err(elapsed.into())) {
        Ok(answer) => Some(answer),
        Err(error) => {
            GAUGES.failed.with_label_values(&[source]).inc();
            tracing::debug!(source, error = chain(&*error), "not sampled");
            None
        }
    }
}

fn connections(service: &str, pool: &PgPool) {
    let open = i64::from(pool.size());
    let idle = i64::try_from(pool.num_idle()).unwrap_or(i64::MAX);
    GAUGES.connections.with_label_values(&[service, "idle"]).set(idle);
    GAUGES.connections.with_label_values(&[service, "used"]).set((open - idle).max(0));
    let max = i64::from(pool.options().get_max_connections());
    GAUGES.connections_max.with_label_values(&[service]).set(max);
}

/// Unpublished rows, and the age of the oldest in seconds.
async fn backlog(pool: &PgPool) -> Result<(i64, f64), Cause> {
    let row = sqlx::query!(
        r#"SELECT (SELECT count(*) FROM (SELECT FROM outbox WHERE published_at IS NULL LIMIT $1)
                   AS waiting) AS "rows!",
                  (SELECT min(first.created_at)
                   FROM generate_series(0, $2) AS lanes (lane)
                   CROSS JOIN LATERAL (SELECT created_at FROM outbox
                                       WHERE outbox.lane = lanes.lane AND published_at IS NULL
                                       ORDER BY position LIMIT 1) AS first) AS oldest"#,
        BACKLOG_COUNTED_MAX,
        i32::from(crate::outbox::JOB_LANE),
    )
    .fetch_one(pool)
    .await?;
    Ok((row.rows, row.oldest.map(seconds_since).unwrap_or_default()))
}

struct OpenTasks {
    queue: String,
    kind: String,
    status: String,
    count: i64,
    oldest: DateTime<Utc>,
}

async fn open_tasks(pool: &PgPool) -> Result<Vec<OpenTasks>, Cause> {
    let groups = sqlx::query_as!(
        OpenTasks,
        r#"SELECT queue, kind, status, count(*) AS "count!", min(queued_at) AS "oldest!"
           FROM tasks WHERE status IN ('PENDING', 'PROCESSING') GROUP BY queue, kind, status"#
    )
    .fetch_all(pool)
    .await?;
    Ok(groups)
}

/// The streams that concern a service: its queue, its consumers, and the dead letters.
async fn streams(bus: &Bus, service: &str) -> Result<Vec<StreamStatus>, Cause> {
    let own = format!("{service}-");
    let streams = topology::status_of(bus, |stream, consumer| match consumer {
        Some(consumer) => consumer.starts_with(&own),
        None => stream == DEAD_LETTERS,
    });
    Ok(streams.await?)
}

fn tell(bus: &Bus, stream: &StreamStatus) {
    let name = stream.name.strip_prefix(&bus.stream("")).unwrap_or(&stream.name);
    if let Some(queue) = name.strip_prefix(QUEUE_STREAM) {
        let queue = queue.to_lowercase();
        GAUGES.queue_messages.with_label_values(&[&queue]).set(whole(stream.messages));
        GAUGES.queue_limit.with_label_values(&[&queue]).set(stream.messages_max);
        let age = Duration::from_millis(stream.oldest_ms.unwrap_or_default());
        GAUGES.queue_age.with_label_values(&[&queue]).set(age.as_secs_f64());
    }
    if name == DEAD_LETTERS {
        GAUGES.dead_letters.with_label_values(&[name]).set(whole(stream.messages));
    }
    for consumer in &stream.consumers {
        let labels = [consumer.name.as_str()];
        GAUGES.consumer_pending.with_label_values(&labels).set(whole(consumer.waiting));
        let unconfirmed = i64::try_from(consumer.unconfirmed).unwrap_or(i64::MAX);
        GAUGES.consumer_unconfirmed.with_label_values(&labels).set(unconfirmed);
        let redelivered = i64::try_from(consumer.redelivered).unwrap_or(i64::MAX);
        GAUGES.consumer_redelivered.with_label_values(&labels).set(redelivered);
    }
}

fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn seconds_since(moment: DateTime<Utc>) -> f64 {
    (Utc::now() - moment).to_std().unwrap_or_default().as_secs_f64()
}
