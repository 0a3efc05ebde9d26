//! Events that this service listens to, and the one that it tells.

use std::sync::Arc;

use contract::event::{self, kind};
use contract::takes_part;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use platform::event::{Class, Event, NewEvent, rfc3339};
use platform::inbox::{HandleError, Handler};
use platform::membership::Revoking;
use platform::outbox::Outbox;
use platform::task::Tasks;
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::NAME;
use crate::channel::Channel;
use crate::domain::notice::{self, Circle, NOTICES, Notice};
use crate::store::notification::{NewNotification, NotificationRow};
use crate::store::recipient::Recipient;
use crate::store::{meeting, notification, recipient};
use crate::worker::delivery;

/// The durable consumer of other services' events.
pub const CONSUMER: &str = "notification-events";

/// Handles other services' events.
#[derive(Clone)]
pub struct Listener {
    tasks: Tasks,
    outbox: Outbox,
    revoking: Revoking,
    channels: Vec<Arc<dyn Channel>>,
}

impl Listener {
    /// A listener that fills inboxes, and orders deliveries by these channels.
    #[must_use]
    pub fn new(tasks: Tasks, outbox: Outbox, channels: Vec<Arc<dyn Channel>>) -> Self {
        Self { tasks, revoking: Revoking::new(outbox.clone(), NAME), outbox, channels }
    }

    async fn hear(&self, event: &Event, tx: &mut PgConnection) -> Result<(), HandleError> {
        // What the text is made of and who takes part is known before anybody is told.
        takes_part::follow(&self.revoking, event, tx).await?;
        match event.kind.as_str() {
            kind::USER_CREATED | kind::USER_UPDATED => {
                recipient::put(tx, &known(event.decode()?)).await?;
            }
            kind::USER_DELETED => {
                let told: event::UserDeleted = event.decode()?;
                recipient::forget(tx, told.user_id).await?;
            }
            kind::MEETING_CREATED | kind::MEETING_UPDATED => {
                let told: event::Meeting = event.decode()?;
                meeting::note(tx, told.meeting_id, &told.meeting_title, told.host_id).await?;
            }
            _ => {}
        }
        match notice::of(&event.kind, &event.data) {
            Some(notice) => self.tell(notice, event, tx).await,
            None => Ok(()),
        }
    }

    async fn tell(
        &self,
        notice: &Notice,
        event: &Event,
        tx: &mut PgConnection,
    ) -> Result<(), HandleError> {
        let id = |field: &str| event.data[field].as_str().and_then(|id| Uuid::parse_str(id).ok());
        // A task's events are ordered by its meeting.
        let meeting_id = id("meetingId").or_else(|| id("orderingKey"));
        let (circle, known) = match meeting_id {
            Some(id) => circle(tx, id).await?,
            None => (Circle::default(), None),
        };
        let users = notice::recipients(notice.to, &event.data, &circle);
        let title = event.data["meetingTitle"].as_str().map(str::to_owned).or(known);
        let words = json!({ "meeting": title, "todo": event.data["title"] });
        let users: Vec<Uuid> = users.into_iter().collect();
        let reachable = recipient::by_ids(tx, &users).await?;
        // In the order of their ids, as all do who tell several people.
        for user_id in users {
            let new = NewNotification {
                user_id,
                kind: notice.kind,
                event_id: event.id,
                words: words.clone(),
                meeting_id,
                todo_id: id("todoId"),
                task_id: id("taskId"),
            };
            let Some(row) = notification::insert(tx, &new).await? else { continue };
            self.outbox.append(tx, created(&row)).await?;
            let to = reachable.iter().find(|recipient| recipient.user_id == user_id);
            self.deliver(&row, to, tx).await?;
        }
        Ok(())
    }

    async fn deliver(
        &self,
        row: &NotificationRow,
        to: Option<&Recipient>,
        tx: &mut PgConnection,
    ) -> Result<(), HandleError> {
        let Some(to) = to else { return Ok(()) };
        for channel in self.channels.iter().filter(|channel| channel.reaches(to)) {
            self.tasks.create(tx, delivery(row, channel.name())?).await?;
        }
        Ok(())
    }
}

impl Handler for Listener {
    fn wants(&self, event: &str) -> bool {
        let own = [kind::USER_CREATED, kind::USER_UPDATED, kind::MEETING_UPDATED];
        takes_part::concerns(event)
            || own.contains(&event)
            || NOTICES.iter().any(|notice| notice.event == event)
    }

    fn handle<'a>(
        &'a self,
        event: &'a Event,
        tx: &'a mut PgConnection,
    ) -> BoxFuture<'a, Result<(), HandleError>> {
        self.hear(event, tx).boxed()
    }
}

fn known(told: event::User) -> Recipient {
    Recipient {
        user_id: told.user_id,
        email: told.email,
        name: told.name,
        locale: told.locale,
        time_zone: told.time_zone,
        phone: told.phone,
    }
}

/// Who takes part in a meeting, and its title.
async fn circle(
    tx: &mut PgConnection,
    meeting_id: Uuid,
) -> Result<(Circle, Option<String>), sqlx::Error> {
    let (host, title) = match meeting::by_id(tx, meeting_id).await? {
        Some(known) => (known.host_id, Some(known.title)),
        None => (None, None),
    };
    Ok((Circle { host, members: meeting::members(tx, meeting_id).await? }, title))
}

/// Tells that somebody has a notification.
#[must_use]
pub fn created(row: &NotificationRow) -> NewEvent {
    let reference =
        |typename: &str, id: Uuid| -> Value { json!({ "__typename": typename, "id": id }) };
    NewEvent {
        kind: kind::NOTIFICATION_CREATED,
        source: NAME,
        ordering_key: row.user_id,
        entity: "notification",
        entity_id: row.id,
        verb: "created",
        class: Class::Event,
        data: json!({
            "notificationId": row.id,
            "userId": row.user_id,
            "kind": row.kind.as_str(),
            "meetingId": row.meeting_id,
            "todoId": row.todo_id,
            "taskId": row.task_id,
            "occurredAt": rfc3339(row.created_at),
        }),
        changed: json!({
            "me": reference("User", row.user_id),
            "notification": reference("Notification", row.id),
        }),
        invalidates: Vec::new(),
    }
}
