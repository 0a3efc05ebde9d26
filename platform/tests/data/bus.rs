//! Each effect once, however often an event is delivered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures::future::BoxFuture;
use platform::inbox::{HandleError, Handler};
use platform::outbox;
use platform::shutdown::Shutdown;
use platform::testing::{Scope, eventually};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::*;

/// Writes a row for each event; what an event's data says goes wrong the first time.
#[derive(Default)]
struct Writer {
    calls: AtomicU32,
}

impl Handler for Writer {
    fn handle<'a>(
        &'a self,
        event: &'a Event,
        tx: &'a mut PgConnection,
    ) -> BoxFuture<'a, Result<(), HandleError>> {
        Box::pin(async move {
            sqlx::query("INSERT INTO effect VALUES ($1)").bind(event.id).execute(tx).await?;
            let first = self.calls.fetch_add(1, Ordering::SeqCst) == 0;
            match event.data.as_str() {
                Some("later") if first => Err(HandleError::later("not yet")),
                Some("never") => Err(HandleError::never("no such thing")),
                _ => Ok(()),
            }
        })
    }
}

async fn given_consumer(kernel: &Kernel, shutdown: &Shutdown) -> (Arc<Writer>, JoinHandle<()>) {
    sqlx::raw_sql("CREATE TABLE IF NOT EXISTS effect (event_id uuid NOT NULL)")
        .execute(&kernel.pool)
        .await
        .unwrap();
    let writer = Arc::new(Writer::default());
    let (kernel, handler, shutdown) = (kernel.clone(), writer.clone(), shutdown.clone());
    let consuming = tokio::spawn(async move {
        kernel.bus.consume("transcript-events", kernel.pool.clone(), handler, shutdown).await;
    });
    (writer, consuming)
}

async fn effects(kernel: &Kernel) -> Vec<Uuid> {
    sqlx::query_scalar("SELECT event_id FROM effect").fetch_all(&kernel.pool).await.unwrap()
}

/// Whether the consumer has nothing left to do.
async fn idle(kernel: &Kernel) -> bool {
    let status = topology::status(&kernel.bus).await.unwrap();
    let consumer = status
        .iter()
        .flat_map(|stream| &stream.consumers)
        .find(|consumer| consumer.name == "transcript-events")
        .unwrap();
    consumer.waiting == 0 && consumer.unconfirmed == 0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redelivered_event_has_its_effect_once() {
    let scope = Scope::new().await;
    let (kernel, shutdown) = (given_service(&scope).await, Shutdown::default());
    let relay = start_relay(&kernel, &shutdown);
    let (writer, consuming) = given_consumer(&kernel, &shutdown).await;

    // When an event fails after it wrote, is delivered again, and comes a third time under another
    // message id
    let id = append(&kernel, event(Uuid::now_v7(), json!("later"))).await;
    eventually(DEADLINE, async || effects(&kernel).await == [id]).await;
    let name = kernel.bus.stream("EVENTS");
    let stream = kernel.bus.jetstream().get_stream(name).await.unwrap();
    let message = stream.get_raw_message(1).await.unwrap();
    let again = message.subject.clone();
    kernel.bus.jetstream().publish(again, message.payload).await.unwrap().await.unwrap();
    eventually(DEADLINE, async || count(&kernel.bus, "EVENTS").await == 2 && idle(&kernel).await)
        .await;

    // Then it was handled twice, the first time rolled back, and the third time not at all
    assert_eq!(effects(&kernel).await, [id]);
    assert_eq!(writer.calls.load(Ordering::SeqCst), 2);
    shutdown.trigger();
    consuming.await.unwrap();
    relay.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_never_be_handled_becomes_a_dead_letter_and_the_next_is_handled() {
    let scope = Scope::new().await;
    let (kernel, shutdown) = (given_service(&scope).await, Shutdown::default());
    let relay = start_relay(&kernel, &shutdown);
    let (_, consuming) = given_consumer(&kernel, &shutdown).await;

    // Given an event that can't be handled, something that is no event, and a good event
    append(&kernel, event(Uuid::now_v7(), json!("never"))).await;
    let subject = kernel.bus.subject("moim.event.x.meeting.x.updated");
    let garbage = kernel.bus.jetstream().publish(subject, "garbage".into()).await.unwrap();
    garbage.await.unwrap();
    let good = append(&kernel, event(Uuid::now_v7(), json!("good"))).await;

    // Then two letters lie in the dead letters, and only the good one had an effect
    eventually(DEADLINE, async || count(&kernel.bus, "DEAD_LETTERS").await == 2).await;
    eventually(DEADLINE, async || effects(&kernel).await == [good]).await;
    eventually(DEADLINE, async || idle(&kernel).await).await;
    shutdown.trigger();
    consuming.await.unwrap();
    relay.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn events_published_again_fill_a_lost_stream_and_have_no_second_effect() {
    // Given events that were published and handled
    let scope = Scope::new().await;
    let (kernel, shutdown) = (given_service(&scope).await, Shutdown::default());
    let relay = start_relay(&kernel, &shutdown);
    let (writer, consuming) = given_consumer(&kernel, &shutdown).await;
    let key = Uuid::now_v7();
    for n in 0..5 {
        append(&kernel, event(key, json!(n))).await;
    }
    eventually(DEADLINE, async || effects(&kernel).await.len() == 5).await;
    let before = events(&kernel.bus, "EVENTS").await;

    // When they are published again into the same stream
    eventually(DEADLINE, async || unpublished(&kernel).await == 0).await;
    assert_eq!(outbox::republish(&kernel.pool).await.unwrap(), 5);
    eventually(DEADLINE, async || unpublished(&kernel).await == 0).await;
    // Then nothing is added
    assert_eq!(count(&kernel.bus, "EVENTS").await, 5);

    // When the stream is lost, put up again, and filled again
    kernel.bus.jetstream().delete_stream(kernel.bus.stream("EVENTS")).await.unwrap();
    topology::apply(&kernel.bus).await.unwrap();
    assert_eq!(outbox::republish(&kernel.pool).await.unwrap(), 5);
    eventually(DEADLINE, async || count(&kernel.bus, "EVENTS").await == 5).await;
    eventually(DEADLINE, async || idle(&kernel).await).await;

    // Then it holds the same in the same order, and nothing was handled twice
    let ids = |events: &[Event]| events.iter().map(|event| event.id).collect::<Vec<_>>();
    assert_eq!(ids(&events(&kernel.bus, "EVENTS").await), ids(&before));
    assert_eq!(writer.calls.load(Ordering::SeqCst), 5);

    // And live clients hear of it all, and of what comes
    let id = append(&kernel, event(key, json!("new"))).await;
    eventually(DEADLINE, async || count(&kernel.bus, "PUSH").await == 6).await;
    assert_eq!(events(&kernel.bus, "PUSH").await[5].id, id);
    shutdown.trigger();
    consuming.await.unwrap();
    relay.await.unwrap();
}
