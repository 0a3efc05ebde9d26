//! What is given up is kept, and gets another chance.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use futures::future::BoxFuture;
use platform::dead_letter::{DeadLetters, Filter, Replayed};
use platform::inbox::{HandleError, Handler};
use platform::shutdown::Shutdown;
use platform::testing::{Scope, eventually};
use sqlx::PgConnection;

use super::queue::{Script, Step, given_short_ack_wait, until_queue_is_empty};
use super::*;

const CONSUMER: &str = "transcript-events";

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_was_given_up_is_shown_and_replayed_once() {
    // Given a job that failed as often as it may
    let scope = Scope::new().await;
    let (kernel, shutdown) = (given_service(&scope).await, Shutdown::default());
    let relay = start_relay(&kernel, &shutdown);
    let spec = QueueSpec { tries_max: 2, ..quick_queue() };
    let work = Script::new([Step::Retry, Step::Retry]);
    let worker = start_worker_with(&kernel, &shutdown, work.clone(), spec);
    let task = new_task(&kernel, None).await;
    until_status(&kernel, task.id, TaskStatus::Failed).await;
    until_queue_is_empty(&kernel).await;

    // Then there is a letter that says what, who and why
    let letters = DeadLetters::open(&kernel.bus).await.unwrap();
    let listed = letters.list(&Filter::default(), 10).await.unwrap();
    let [letter] = &listed[..] else { panic!("{listed:?}") };
    let told = (letter.stream.as_str(), letter.consumer.as_str(), letter.kind.as_str());
    assert_eq!(told, ("QUEUE_TRANSCRIPT", "transcript-heavy-normal", "transcription"));
    assert_eq!((letter.task(), letter.deliveries), (Some(task.id), 2));
    assert_eq!(letter.subject, "moim.job.transcript.normal.transcription");
    assert!(letter.reason.contains("not this time"), "{}", letter.reason);
    assert_eq!(letter.message, state(&kernel, task.id).await.job_id.to_string());
    let none = Filter { stream: Some("EVENTS".to_owned()), ..Filter::default() };
    assert!(letters.list(&none, 10).await.unwrap().is_empty());

    // When it is replayed, then the task is done, and the letter is gone
    let tasks = tasks_of(&kernel);
    let replayed = letters.replay(letter, Some(&tasks)).await.unwrap();
    assert_eq!(replayed, Replayed::Queued(task.id));
    kernel.outbox.wake();
    until_status(&kernel, task.id, TaskStatus::Completed).await;
    assert!(letters.get(letter.id).await.unwrap().is_none());

    // When somebody who still has it replays it again, then nothing happens
    let again = letters.replay(letter, Some(&tasks)).await;
    let already = Replayed::Already(task.id, TaskStatus::Completed);
    assert!(again.is_err() || again.unwrap() == already);
    assert_eq!(state(&kernel, task.id).await.status, TaskStatus::Completed);
    assert_eq!(work.dones(), 1);
    shutdown.trigger();
    worker.await.unwrap();
    relay.await.unwrap();
}

/// Handles nothing until it is mended; and may hang rather than fail.
#[derive(Default)]
struct Broken {
    mended: AtomicBool,
    hangs: AtomicBool,
    begun: AtomicU32,
    done: AtomicU32,
}

impl Handler for Broken {
    fn handle<'a>(
        &'a self,
        event: &'a Event,
        _: &'a mut PgConnection,
    ) -> BoxFuture<'a, Result<(), HandleError>> {
        Box::pin(async move {
            self.begun.fetch_add(1, Ordering::SeqCst);
            if self.hangs.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            if !self.mended.load(Ordering::SeqCst) {
                return Err(HandleError::never("no such thing"));
            }
            assert!(event.subject.starts_with("moim.event."), "{}", event.subject);
            self.done.fetch_add(1, Ordering::SeqCst);
            Ok(())
        })
    }
}

fn consume(kernel: &Kernel, handler: &Arc<Broken>, shutdown: &Shutdown) -> JoinHandle<()> {
    let (kernel, handler, shutdown) = (kernel.clone(), handler.clone(), shutdown.clone());
    tokio::spawn(async move {
        kernel.bus.consume(CONSUMER, kernel.pool.clone(), handler, shutdown).await;
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_replayed_to_the_consumer_alone_that_gave_it_up() {
    // Given an event that a consumer can't handle
    let scope = Scope::new().await;
    let (kernel, shutdown) = (given_service(&scope).await, Shutdown::default());
    let relay = start_relay(&kernel, &shutdown);
    let handler = Arc::new(Broken::default());
    let consuming = consume(&kernel, &handler, &shutdown);
    let id = append(&kernel, event(Uuid::now_v7(), json!({}))).await;
    eventually(DEADLINE, async || count(&kernel.bus, "DEAD_LETTERS").await == 1).await;
    let letters = DeadLetters::open(&kernel.bus).await.unwrap();
    let filter = Filter { consumer: Some(CONSUMER.to_owned()), ..Filter::default() };
    let letter = letters.list(&filter, 10).await.unwrap().remove(0);
    assert_eq!((letter.stream.as_str(), letter.message.as_str()), ("EVENTS", &*id.to_string()));
    assert_eq!((letter.kind.as_str(), letter.owner()), ("moim.meeting.updated.v1", None));

    // When it is replayed too early, then it is a letter again
    let delivered = Replayed::Delivered { consumer: CONSUMER.to_owned() };
    assert_eq!(letters.replay(&letter, None).await.unwrap(), delivered);
    let second = async || letters.list(&filter, 10).await.unwrap().pop();
    eventually(DEADLINE, async || second().await.is_some_and(|l| l.id > letter.id)).await;
    let letter = second().await.unwrap();
    assert_eq!(letter.message, id.to_string());

    // When the consumer is mended, and it is replayed, even twice
    handler.mended.store(true, Ordering::SeqCst);
    letters.replay(&letter, None).await.unwrap();
    let _ = letters.replay(&letter, None).await;

    // Then it is handled once, and nobody else hears of it
    eventually(DEADLINE, async || handler.done.load(Ordering::SeqCst) == 1).await;
    let last = append(&kernel, event(Uuid::now_v7(), json!({}))).await;
    eventually(DEADLINE, async || handler.done.load(Ordering::SeqCst) == 2).await;
    // PUSH takes events over from EVENTS a moment later.
    eventually(DEADLINE, async || count(&kernel.bus, "PUSH").await >= 2).await;
    let told = events(&kernel.bus, "PUSH").await;
    for stream in topology::status(&kernel.bus).await.unwrap() {
        for consumer in stream.consumers.iter().filter(|one| one.name != CONSUMER) {
            // Both events wait for whoever listens to such; no replay does.
            let waiting = usize::try_from(consumer.waiting).unwrap();
            assert!([0, told.len()].contains(&waiting), "{}: {waiting}", consumer.name);
        }
    }
    assert_eq!(told.iter().map(|event| event.id).collect::<Vec<_>>(), [id, last]);
    assert_eq!(count(&kernel.bus, "DEAD_LETTERS").await, 0);
    shutdown.trigger();
    consuming.await.unwrap();
    relay.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_the_server_gives_up_becomes_a_dead_letter_and_makes_room() {
    // Given a server that delivers a job once, and a worker that dies with it
    let scope = Scope::new().await;
    let (kernel, shutdown) = (given_service(&scope).await, Shutdown::default());
    given_short_ack_wait(&kernel).await;
    let once = |config: &mut async_nats::jetstream::consumer::pull::Config| config.max_deliver = 1;
    change_consumer(&kernel, "QUEUE_TRANSCRIPT", "transcript-heavy-normal", once).await;
    let relay = start_relay(&kernel, &shutdown);
    let work = Script::new([Step::Hang]);
    let killed = start_worker(&kernel, &shutdown, work.clone());
    let task = new_task(&kernel, None).await;
    eventually(DEADLINE, async || state(&kernel, task.id).await.progress == 40).await;
    killed.abort();
    let _ = killed.await;

    // When another worker is there (the server notices when it is asked for the next job)
    let worker = start_worker(&kernel, &shutdown, work.clone());

    // Then the task is FAILED, the queue is empty, and the job is a letter
    until_status(&kernel, task.id, TaskStatus::Failed).await;
    until_queue_is_empty(&kernel).await;
    assert_eq!(state(&kernel, task.id).await.error_code.as_deref(), Some("ENGINE_FAILED"));
    let letters = DeadLetters::open(&kernel.bus).await.unwrap();
    let listed = letters.list(&Filter::default(), 10).await.unwrap();
    let [letter] = &listed[..] else { panic!("{listed:?}") };
    assert_eq!((letter.task(), letter.deliveries), (Some(task.id), 1));

    // When it is replayed, then it is done
    letters.replay(letter, Some(&tasks_of(&kernel))).await.unwrap();
    kernel.outbox.wake();
    until_status(&kernel, task.id, TaskStatus::Completed).await;
    shutdown.trigger();
    worker.await.unwrap();
    relay.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_the_server_gives_up_becomes_a_dead_letter() {
    // Given a server that delivers an event once, and a consumer that dies with it
    let scope = Scope::new().await;
    let (kernel, shutdown) = (given_service(&scope).await, Shutdown::default());
    change_consumer(&kernel, "EVENTS", CONSUMER, |config| {
        config.max_deliver = 1;
        config.ack_wait = Duration::from_secs(1);
    })
    .await;
    let relay = start_relay(&kernel, &shutdown);
    let handler = Arc::new(Broken::default());
    handler.hangs.store(true, Ordering::SeqCst);
    let killed = consume(&kernel, &handler, &shutdown);
    append(&kernel, event(Uuid::now_v7(), json!({}))).await;
    eventually(DEADLINE, async || handler.begun.load(Ordering::SeqCst) == 1).await;
    killed.abort();
    let _ = killed.await;

    // When a healthy one is there, then the event is a letter
    handler.hangs.store(false, Ordering::SeqCst);
    handler.mended.store(true, Ordering::SeqCst);
    let consuming = consume(&kernel, &handler, &shutdown);
    eventually(DEADLINE, async || count(&kernel.bus, "DEAD_LETTERS").await == 1).await;
    assert_eq!(handler.done.load(Ordering::SeqCst), 0);

    // And is handled when it is replayed
    let letters = DeadLetters::open(&kernel.bus).await.unwrap();
    let letter = letters.list(&Filter::default(), 1).await.unwrap().remove(0);
    letters.replay(&letter, None).await.unwrap();
    eventually(DEADLINE, async || handler.done.load(Ordering::SeqCst) == 1).await;
    shutdown.trigger();
    consuming.await.unwrap();
    relay.await.unwrap();
}
