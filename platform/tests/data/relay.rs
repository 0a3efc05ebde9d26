//! Events go out in order, once, whatever happens to the relay.

use platform::relay::clean;
use platform::shutdown::Shutdown;
use platform::testing::{Scope, eventually};
use serde_json::json;
use uuid::Uuid;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn order_per_key_is_the_order_of_commits_under_concurrent_writers() {
    // Given two relays, and a counter for each of three keys
    let scope = Scope::new().await;
    let (kernel, shutdown) = (given_service(&scope).await, Shutdown::default());
    let keys: Vec<Uuid> = (0..3).map(|_| Uuid::now_v7()).collect();
    let relays = [start_relay(&kernel, &shutdown), start_relay(&kernel, &shutdown)];
    sqlx::raw_sql("CREATE TABLE counter (key uuid PRIMARY KEY, n bigint NOT NULL)")
        .execute(&kernel.pool)
        .await
        .unwrap();
    for key in &keys {
        sqlx::query("INSERT INTO counter VALUES ($1, 0)")
            .bind(key)
            .execute(&kernel.pool)
            .await
            .unwrap();
    }

    // When four writers count up side by side, each count with its event
    let writers = (0..4).map(|_| {
        let (kernel, keys) = (kernel.clone(), keys.clone());
        tokio::spawn(async move {
            for key in keys.iter().cycle().take(30) {
                let mut tx = kernel.pool.begin().await.unwrap();
                let n: i64 =
                    sqlx::query_scalar("UPDATE counter SET n = n + 1 WHERE key = $1 RETURNING n")
                        .bind(key)
                        .fetch_one(&mut *tx)
                        .await
                        .unwrap();
                kernel.outbox.append(&mut tx, event(*key, json!({ "n": n }))).await.unwrap();
                tx.commit().await.unwrap();
                kernel.outbox.wake();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }

    // Then each key's events stand in the stream in the order of the counts, none missing or twice
    eventually(DEADLINE, async || unpublished(&kernel).await == 0).await;
    let events = events(&kernel.bus, "EVENTS").await;
    for key in keys {
        let counts: Vec<_> = events
            .iter()
            .filter(|event| event.entity_id == Some(key))
            .map(|event| event.data["n"].as_i64().unwrap())
            .collect();
        assert_eq!(counts, (1..=40).collect::<Vec<_>>());
    }
    shutdown.trigger();
    for relay in relays {
        relay.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_writer_of_the_same_key_waits_for_the_earlier_commit() {
    // Given an event that is appended, and not yet committed
    let scope = Scope::new().await;
    let kernel = given_service(&scope).await;
    let (key, other) = (Uuid::now_v7(), Uuid::now_v7());
    let mut earlier = kernel.pool.begin().await.unwrap();
    kernel.outbox.append(&mut earlier, event(key, json!(1))).await.unwrap();

    // When another one of the key is appended
    let theirs = kernel.clone();
    let later = tokio::spawn(async move { append(&theirs, event(key, json!(2))).await });

    // Then it waits, while one of another key does not
    append(&kernel, event(other, json!(3))).await;
    assert!(!later.is_finished());
    earlier.commit().await.unwrap();
    later.await.unwrap();
    let data: Vec<serde_json::Value> = sqlx::query_scalar(
        "SELECT body->'data' FROM outbox WHERE ordering_key = $1 ORDER BY position",
    )
    .bind(key)
    .fetch_all(&kernel.pool)
    .await
    .unwrap();
    assert_eq!(data, [json!(1), json!(2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_dies_between_publishing_and_marking_doubles_nothing() {
    // Given a relay that has published an event, and can't mark it since its row is locked
    let scope = Scope::new().await;
    let (kernel, shutdown) = (given_service(&scope).await, Shutdown::default());
    append(&kernel, event(Uuid::now_v7(), json!({}))).await;
    let mut holder = kernel.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM outbox FOR UPDATE").execute(&mut *holder).await.unwrap();
    let relay = start_relay(&kernel, &shutdown);
    eventually(DEADLINE, async || count(&kernel.bus, "EVENTS").await == 1).await;

    // When it dies, and another one takes over
    relay.abort();
    assert!(relay.await.unwrap_err().is_cancelled());
    holder.rollback().await.unwrap();
    let relay = start_relay(&kernel, &shutdown);
    eventually(DEADLINE, async || unpublished(&kernel).await == 0).await;

    // Then the event is there once
    assert_eq!(count(&kernel.bus, "EVENTS").await, 1);
    shutdown.trigger();
    relay.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn live_traffic_is_pushed_beside_events_and_then_forgotten() {
    let scope = Scope::new().await;
    let (kernel, shutdown) = (given_service(&scope).await, Shutdown::default());
    let relay = start_relay(&kernel, &shutdown);

    // When an event and live traffic of the same key are appended
    let key = Uuid::now_v7();
    let id = append(&kernel, event(key, json!({}))).await;
    let live = NewEvent { class: Class::Live, verb: "progress", ..event(key, json!({})) };
    append(&kernel, live).await;

    // Then the push stream has both, with the headers that the push plane reads
    eventually(DEADLINE, async || count(&kernel.bus, "PUSH").await == 2).await;
    assert_eq!(count(&kernel.bus, "EVENTS").await, 1);
    let name = kernel.bus.stream("PUSH");
    let push = kernel.bus.jetstream().get_stream(name).await.unwrap();
    let subject = kernel.bus.subject(&format!("moim.event.{key}.meeting.{key}.updated"));
    let headers = push.get_last_raw_message_by_subject(&subject).await.unwrap().headers;
    let header = |name: &str| headers.get(name).map(|value| value.as_str().to_owned());
    assert_eq!(header("Nats-Msg-Id"), Some(id.to_string()));
    assert_eq!(header("Moim-Type").as_deref(), Some("moim.meeting.updated.v1"));
    let changed = format!(r#"{{"meeting":{{"__typename":"Meeting","id":"{key}"}}}}"#);
    assert_eq!(header("Moim-Changed"), Some(changed));
    // And only the event stays in the outbox, until it is old
    let rows = async || {
        let count = sqlx::query_scalar("SELECT count(*) FROM outbox").fetch_one(&kernel.pool);
        let count: i64 = count.await.unwrap();
        count
    };
    eventually(DEADLINE, async || unpublished(&kernel).await == 0).await;
    clean(&kernel.pool).await.unwrap();
    assert_eq!(rows().await, 1);
    sqlx::query("UPDATE outbox SET published_at = now() - interval '8 days'")
        .execute(&kernel.pool)
        .await
        .unwrap();
    clean(&kernel.pool).await.unwrap();
    assert_eq!(rows().await, 0);
    shutdown.trigger();
    relay.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_event_holds_up_its_own_key_only() {
    // Given an event that is larger than the stream takes, with one of its key behind it
    let scope = Scope::new().await;
    let (kernel, shutdown) = (given_service(&scope).await, Shutdown::default());
    let (key, other) = (Uuid::now_v7(), Uuid::now_v7());
    append(&kernel, event(key, json!("x".repeat(1_100_000)))).await;
    append(&kernel, event(key, json!("behind"))).await;
    append(&kernel, event(other, json!("other"))).await;

    // When the relay runs
    let relay = start_relay(&kernel, &shutdown);
    eventually(DEADLINE, async || count(&kernel.bus, "EVENTS").await == 1).await;

    // Then other keys go on, and the row says what is wrong
    let failed = "SELECT count(*) FROM outbox WHERE failures > 0 AND last_error IS NOT NULL";
    eventually(DEADLINE, async || {
        sqlx::query_scalar::<_, i64>(failed).fetch_one(&kernel.pool).await.unwrap() == 1
    })
    .await;
    assert_eq!(events(&kernel.bus, "EVENTS").await[0].data, json!("other"));
    // Marked a moment after it was published.
    eventually(DEADLINE, async || unpublished(&kernel).await == 2).await;
    shutdown.trigger();
    relay.await.unwrap();
}
