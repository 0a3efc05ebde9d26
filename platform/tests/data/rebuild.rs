//! NATS can be rebuilt from the databases.

use platform::outbox::Pause;
use platform::shutdown::Shutdown;
use platform::testing::{Scope, eventually};

use super::queue::Script;
use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_nats_is_filled_again_in_order() {
    // Given events and a job that were published
    let scope = Scope::new().await;
    let (kernel, shutdown) = (given_service(&scope).await, Shutdown::default());
    let relay = start_relay(&kernel, &shutdown);
    let key = Uuid::now_v7();
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(append(&kernel, event(key, json!(n))).await);
    }
    let task = new_task(&kernel, None).await;
    eventually(DEADLINE, async || unpublished(&kernel).await == 0).await;

    // When all streams are lost, and another event happens
    for declared in topology::declared().unwrap() {
        let name = kernel.bus.stream(&declared.stream.name);
        kernel.bus.jetstream().delete_stream(name).await.unwrap();
    }
    ids.push(append(&kernel, event(key, json!(5))).await);
    // and NATS is filled again
    let pause = Pause::begin(&kernel.pool).await.unwrap();
    topology::apply(&kernel.bus).await.unwrap();
    assert_eq!(pause.republish().await.unwrap(), 6, "five events and the task's");
    assert_eq!(tasks_of(&kernel).requeue("transcript").await.unwrap(), 1);

    // Then the key's events are there in their order, the newest last
    let of_key = async || {
        let mut told = events(&kernel.bus, "EVENTS").await;
        told.retain(|event| event.entity_id == Some(key));
        told.into_iter().map(|event| event.id).collect::<Vec<_>>()
    };
    eventually(DEADLINE, async || of_key().await.len() == 6).await;
    assert_eq!(of_key().await, ids);

    // And those that had been published before say so, for live clients
    let stream = kernel.bus.jetstream().get_stream(kernel.bus.stream("EVENTS")).await.unwrap();
    let mut marked = Vec::new();
    for sequence in 1..=stream.cached_info().state.last_sequence {
        let message = stream.get_raw_message(sequence).await.unwrap();
        let header = |name: &str| message.headers.get(name).map(ToString::to_string);
        if header("Moim-Republished").is_some() {
            marked.extend(header("Nats-Msg-Id"));
        }
    }
    let marked = |id: &Uuid| marked.contains(&id.to_string());
    assert_eq!(ids.iter().map(marked).collect::<Vec<_>>(), [true, true, true, true, true, false]);

    // And the task is done
    let work = Script::new([]);
    let worker = start_worker(&kernel, &shutdown, work.clone());
    until_status(&kernel, task.id, TaskStatus::Completed).await;
    assert_eq!(work.dones(), 1);
    shutdown.trigger();
    worker.await.unwrap();
    relay.await.unwrap();
}
