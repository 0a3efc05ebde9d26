//! Outbox, relay, bus, inbox, queue, tasks, cache and objects against real servers.

mod bucket;
mod bus;
mod cache;
mod crew;
mod dead_letter;
mod limit;
mod queue;
mod rebuild;
mod relay;
mod task;
mod topology_test;
mod valkey;

use std::time::Duration;

use platform::bus::Bus;
use platform::event::{Class, Event, NewEvent};
use platform::kernel::Kernel;
use platform::queue::Work;
use platform::shutdown::Shutdown;
use platform::task::{NewTask, Priority, Task, TaskStatus, Tasks};
use platform::testing::{DEADLINE_MS, Scope, eventually};
use platform::topology::{self, Backoff, QueueSpec};
use serde_json::{Value, json};
use sqlx::migrate::Migrator;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// A service without tables of its own.
static NO_TABLES: Migrator = Migrator::DEFAULT;
const DEADLINE: Duration = Duration::from_millis(DEADLINE_MS);

/// The service whose consumers and queue nats/ declares.
async fn given_service(scope: &Scope) -> Kernel {
    scope.kernel("transcript", &NO_TABLES).await
}

/// The queue of nats/ with short waits.
fn quick_queue() -> QueueSpec {
    let mut spec = topology::queue("transcript").unwrap().clone();
    spec.backoff = Backoff { first: Duration::from_millis(100), longest: Duration::from_secs(1) };
    spec
}

fn tasks_of(kernel: &Kernel) -> Tasks {
    tasks_with(kernel, quick_queue())
}

fn tasks_with(kernel: &Kernel, spec: QueueSpec) -> Tasks {
    Tasks::new(kernel.pool.clone(), kernel.outbox.clone(), kernel.service).with_queue(spec)
}

fn start_relay(kernel: &Kernel, shutdown: &Shutdown) -> JoinHandle<()> {
    tokio::spawn(platform::relay::run(kernel.clone(), shutdown.clone()))
}

fn start_worker(
    kernel: &Kernel,
    shutdown: &Shutdown,
    work: std::sync::Arc<dyn Work>,
) -> JoinHandle<()> {
    start_worker_with(kernel, shutdown, work, quick_queue())
}

fn start_worker_with(
    kernel: &Kernel,
    shutdown: &Shutdown,
    work: std::sync::Arc<dyn Work>,
    spec: QueueSpec,
) -> JoinHandle<()> {
    let (bus, tasks) = (kernel.bus.clone(), tasks_with(kernel, spec));
    tokio::spawn(platform::queue::run_worker(bus, tasks, "transcript", 2, work, shutdown.clone()))
}

/// An event about a meeting, which the consumer `transcript-events` gets.
fn event(key: Uuid, data: Value) -> NewEvent {
    NewEvent {
        kind: "moim.meeting.updated.v1",
        source: "meeting",
        ordering_key: key,
        entity: "meeting",
        entity_id: key,
        verb: "updated",
        class: Class::Event,
        data,
        changed: json!({ "meeting": { "__typename": "Meeting", "id": key } }),
        invalidates: vec![],
    }
}

async fn append(kernel: &Kernel, event: NewEvent) -> Uuid {
    let mut tx = kernel.pool.begin().await.unwrap();
    let id = kernel.outbox.append(&mut tx, event).await.unwrap();
    tx.commit().await.unwrap();
    kernel.outbox.wake();
    id
}

/// A task that nobody in particular asked for, with an ordering key of its own.
fn a_task() -> NewTask<'static> {
    let key = Uuid::now_v7();
    NewTask {
        kind: "TRANSCRIPTION",
        typename: "TranscriptTask",
        queue: "transcript",
        job_kind: "transcription",
        priority: Priority::Normal,
        ordering_key: key,
        requested_by: None,
        input: json!({}),
        dedupe_key: None,
        changed: json!({ "meeting": { "__typename": "Meeting", "id": key } }),
    }
}

/// A task whose jobs need no engine.
fn a_light_task() -> NewTask<'static> {
    NewTask { kind: "VERIFICATION", job_kind: "verification", ..a_task() }
}

async fn new_task(kernel: &Kernel, dedupe_key: Option<String>) -> Task {
    create(kernel, NewTask { dedupe_key, ..a_task() }).await
}

async fn create(kernel: &Kernel, new: NewTask<'_>) -> Task {
    let mut tx = kernel.pool.begin().await.unwrap();
    let task = tasks_of(kernel).create(&mut tx, new).await.unwrap();
    tx.commit().await.unwrap();
    kernel.outbox.wake();
    task
}

async fn retry(kernel: &Kernel, id: Uuid) -> Option<Task> {
    let mut tx = kernel.pool.begin().await.unwrap();
    let task = tasks_of(kernel).retry(&mut tx, id).await.unwrap();
    tx.commit().await.unwrap();
    kernel.outbox.wake();
    task
}

/// Changes a consumer's configuration on the server.
async fn change_consumer(
    kernel: &Kernel,
    stream: &str,
    name: &str,
    change: impl FnOnce(&mut async_nats::jetstream::consumer::pull::Config),
) {
    let stream = kernel.bus.stream(stream);
    let jetstream = kernel.bus.jetstream();
    let consumer: async_nats::jetstream::consumer::PullConsumer =
        jetstream.get_consumer_from_stream(name, &stream).await.unwrap();
    let config = serde_json::to_value(&consumer.cached_info().config).unwrap();
    let mut config = serde_json::from_value(config).unwrap();
    change(&mut config);
    jetstream.create_consumer_on_stream(config, &stream).await.unwrap();
}

async fn state(kernel: &Kernel, id: Uuid) -> Task {
    tasks_of(kernel).get(&[id]).await.unwrap().remove(&id).unwrap()
}

async fn until_status(kernel: &Kernel, id: Uuid, status: TaskStatus) {
    eventually(DEADLINE, async || state(kernel, id).await.status == status).await;
}

/// Number of messages in a stream.
async fn count(bus: &Bus, stream: &str) -> u64 {
    let stream = bus.jetstream().get_stream(bus.stream(stream)).await.unwrap();
    stream.cached_info().state.messages
}

/// All events in a stream, in its order.
async fn events(bus: &Bus, stream: &str) -> Vec<Event> {
    let stream = bus.jetstream().get_stream(bus.stream(stream)).await.unwrap();
    let state = &stream.cached_info().state;
    let mut events = Vec::new();
    for sequence in state.first_sequence.max(1)..=state.last_sequence {
        let message = stream.get_raw_message(sequence).await.unwrap();
        let subject = bus.strip(&message.subject).unwrap();
        events.push(Event::read(subject, &message.payload).unwrap());
    }
    events
}

/// How many rows of the outbox aren't published.
async fn unpublished(kernel: &Kernel) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM outbox WHERE published_at IS NULL")
        .fetch_one(&kernel.pool)
        .await
        .unwrap()
}
