//! Ways to people outside. The way itself is scripted here: the real ones come with their providers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use contract::event::kind;
use contract::testing::tell_meeting;
use futures::FutureExt as _;
use futures::future::{BoxFuture, ready};
use notification::channel::{Channel, ChannelError, Message};
use notification::domain::way::Way;
use notification::store::recipient::Recipient;
use platform::testing::eventually;
use serde_json::json;
use uuid::Uuid;

use crate::stage::{DEADLINE, Stage};

/// A way that fails as often as it is told to.
#[derive(Default)]
struct Pigeon {
    failures: Mutex<VecDeque<ChannelError>>,
    tried: Mutex<Vec<Message>>,
    brought: Mutex<Vec<Message>>,
}

impl Channel for Pigeon {
    fn way(&self) -> Way {
        Way::Email
    }

    fn reaches(&self, recipient: &Recipient) -> bool {
        recipient.locale.starts_with("en")
    }

    fn check(&self) -> BoxFuture<'static, Result<(), ChannelError>> {
        ready(Ok(())).boxed()
    }

    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), ChannelError>> {
        async {
            self.tried.lock().unwrap().push(message.clone());
            match self.failures.lock().unwrap().pop_front() {
                Some(error) => Err(error),
                None => {
                    self.brought.lock().unwrap().push(message.clone());
                    Ok(())
                }
            }
        }
        .boxed()
    }
}

#[tokio::test]
async fn a_provider_that_is_away_delays_and_loses_nothing() {
    let pigeon = Arc::new(Pigeon::default());
    pigeon.failures.lock().unwrap().push_back(ChannelError::Away("storm".into()));
    let stage = Stage::with(Some(pigeon.clone())).await;
    let (korean, english) = (stage.person("ko").await, stage.person("en").await);
    let brought = async |count: usize| {
        eventually(DEADLINE, || async { pigeon.brought.lock().unwrap().len() == count }).await;
    };
    brought(1).await;
    let meeting = Uuid::now_v7();
    let people = [Uuid::now_v7(), korean, english];
    let plan = json!({ "meetingTitle": "Weekly" });
    tell_meeting(&stage.kernel, kind::MEETING_CREATED, meeting, &people, plan).await;
    brought(2).await;

    let messages = pigeon.brought.lock().unwrap().clone();
    assert_eq!(messages[0].title, "Welcome to Moim");
    assert_eq!(messages[1].title, "Invitation: Weekly");
    assert!(messages.iter().all(|message| message.to.user_id == english));
    // The try that failed had the same id, by which a provider tells duplicates.
    let tried = pigeon.tried.lock().unwrap();
    assert_eq!(tried.iter().filter(|message| message.id == messages[0].id).count(), 2);
}

#[tokio::test]
async fn what_a_provider_refuses_is_given_up() {
    let pigeon = Arc::new(Pigeon::default());
    pigeon.failures.lock().unwrap().push_back(ChannelError::Refused("no such roof".into()));
    let stage = Stage::with(Some(pigeon.clone())).await;
    stage.person("en").await;
    eventually(DEADLINE, || async {
        let failed: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM tasks WHERE status = 'FAILED' AND error_code = 'DELIVERY_REFUSED'",
        )
        .fetch_one(&stage.kernel.pool)
        .await
        .unwrap();
        failed == 1
    })
    .await;
    assert!(pigeon.brought.lock().unwrap().is_empty());
}
