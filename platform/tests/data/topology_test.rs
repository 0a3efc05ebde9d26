//! The topology of nats/.

use std::collections::BTreeSet;

use platform::bus::{self, DELIVERIES_MAX};
use platform::queue::{HEARTBEAT_MS, ORPHANED_AFTER_MS};
use platform::task::Priority;
use platform::testing::Scope;
use platform::topology::{apply, declared, queues, status};
use serde_json::json;
use uuid::Uuid;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn applying_twice_changes_nothing() {
    // Given a topology with an event in it
    let scope = Scope::new().await;
    let bus = scope.bus().await;
    let key = Uuid::now_v7();
    let body = event(key, json!({})).envelope(key, chrono::Utc::now()).to_string();
    let subject = event(key, json!({})).subject();
    bus.publish(&subject, key, Default::default(), body.into()).await.unwrap();
    let created = async || {
        let stream = bus.jetstream().get_stream(bus.stream("EVENTS")).await.unwrap();
        stream.cached_info().created
    };
    let before = created().await;

    // When it is applied again
    apply(&bus).await.unwrap();

    // Then streams and consumers are the same, with what they held
    assert_eq!(created().await, before);
    let status = status(&bus).await.unwrap();
    let names: Vec<_> = status.iter().map(|stream| stream.name.clone()).collect();
    let declared = declared().unwrap();
    let ours: Vec<_> = declared.iter().map(|one| bus.stream(&one.stream.name)).collect();
    assert_eq!(names, ours);
    let events = status.iter().find(|stream| stream.name.ends_with("EVENTS")).unwrap();
    assert_eq!(events.messages, 1);
    assert!(events.oldest_ms.is_some());
    let waiting = |name: &str| events.consumers.iter().find(|c| c.name == name).unwrap().waiting;
    assert_eq!((waiting("transcript-events"), waiting("meeting-events")), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_is_no_longer_declared_is_removed_from_its_queue() {
    // Given a queue on which an older version had another consumer
    let scope = Scope::new().await;
    let bus = scope.bus().await;
    let name = bus.stream("QUEUE_TODO");
    bus.jetstream().delete_stream(&name).await.unwrap();
    let subjects = vec![bus.subject("moim.job.todo.>")];
    let old = async_nats::jetstream::stream::Config {
        name: name.clone(),
        subjects,
        retention: async_nats::jetstream::stream::RetentionPolicy::WorkQueue,
        ..Default::default()
    };
    bus.jetstream().create_stream(old).await.unwrap();
    let consumer = async_nats::jetstream::consumer::pull::Config {
        durable_name: Some("todo-jobs".to_owned()),
        ..Default::default()
    };
    bus.jetstream().create_consumer_on_stream(consumer, &name).await.unwrap();

    // When the topology is applied, then the new ones are there
    apply(&bus).await.unwrap();
    let status = status(&bus).await.unwrap();
    let queue = status.iter().find(|stream| stream.name == name).unwrap();
    let names: Vec<_> = queue.consumers.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["todo-high", "todo-normal"]);
}

#[test]
fn limits_of_the_files_fit_those_of_the_code() {
    let all = declared().unwrap();
    for (stream, consumer) in
        all.iter().flat_map(|one| one.consumers.iter().map(move |consumer| (&one.stream, consumer)))
    {
        let name = consumer.durable_name.as_deref().unwrap();
        if stream.name == "ADVISORIES" {
            continue;
        }
        // The program gives a message up itself, with a dead letter, before the server would.
        assert!(consumer.max_deliver > DELIVERIES_MAX, "{name}");
        if stream.name.starts_with("QUEUE_") {
            assert!(consumer.ack_wait >= Duration::from_millis(3 * HEARTBEAT_MS), "{name}");
        } else {
            assert!(consumer.ack_wait >= Duration::from_millis(3 * bus::HEARTBEAT_MS), "{name}");
            assert_eq!(consumer.max_ack_pending, 1, "{name}: the order would not hold");
        }
    }
    // What the server gives up is heard of, for every stream that something consumes.
    let advisories = all.iter().find(|one| one.stream.name == "ADVISORIES").unwrap();
    for one in all.iter().filter(|one| !one.consumers.is_empty()) {
        let subject = format!("$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.{}.*", one.stream.name);
        let heard = advisories.stream.subjects.contains(&subject);
        assert!(heard || one.stream.name == "ADVISORIES", "{}", one.stream.name);
    }
}

#[test]
fn queues_are_what_the_contract_says() {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let figures: Vec<_> = queues()
        .map(|queue| {
            let workers = (queue.workers.min, queue.workers.max);
            (queue.name.as_str(), queue.pending_max, queue.oldest, workers)
        })
        .collect();
    let wanted = [
        ("ai", 500, minutes(120), (2, 5)),
        ("meeting", 1_000, minutes(60), (2, 4)),
        ("notification", 2_000, minutes(30), (2, 8)),
        ("todo", 500, minutes(120), (2, 5)),
        ("transcript", 1_000, minutes(60), (3, 10)),
    ];
    assert_eq!(figures, wanted);
    let longest = |queue: &str, kind: &str| topology::queue(queue).unwrap().jobs[kind].longest_run;
    for (queue, kind, wanted) in [
        ("transcript", "transcription", 10),
        ("transcript", "verification", 3),
        ("ai", "schedule", 2),
        ("ai", "summary", 5),
        ("ai", "analysis", 30),
        ("todo", "extraction", 5),
        ("meeting", "bulkCreation", 10),
    ] {
        assert_eq!(longest(queue, kind), minutes(wanted), "{kind}");
    }
}

#[test]
fn every_job_of_a_queue_reaches_one_consumer() {
    let all = declared().unwrap();
    for (stream, queue, consumers) in
        all.iter().filter_map(|one| Some((&one.stream, one.queue.as_ref()?, &one.consumers)))
    {
        assert_eq!(stream.name, queue.stream());
        // The stream's own limit is the backstop.
        assert_eq!(stream.max_messages, queue.pending_max, "{}", queue.name);
        assert!(stream.max_age > 2 * queue.oldest, "{}", queue.name);
        let waits = queue.backoff.longest.as_millis();
        assert!(waits <= u128::from(ORPHANED_AFTER_MS / 2), "{}", queue.name);
        let mut wanted = BTreeSet::new();
        for (kind, job) in &queue.jobs {
            for priority in [Priority::High, Priority::Normal] {
                let token = priority.token();
                let subject = format!("moim.job.{}.{token}.{kind}", queue.name);
                wanted.insert((queue.consumer(job.heavy, priority), subject));
            }
        }
        let there: BTreeSet<_> = consumers
            .iter()
            .flat_map(|consumer| {
                let name = consumer.durable_name.clone().unwrap();
                consumer.filter_subjects.iter().map(move |filter| (name.clone(), filter.clone()))
            })
            .collect();
        assert_eq!(there, wanted, "{}", queue.name);
    }
}
