//! Events that this service listens to, and the one that it tells.

use std::collections::HashMap;

use contract::event::{self, kind};
use contract::takes_part;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use platform::departure;
use platform::event::{Class, Event, NewEvent, rfc3339};
use platform::inbox::{HandleError, Handler};
use platform::membership::Revoking;
use platform::outbox::Outbox;
use platform::task::Tasks;
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::NAME;
use crate::channel::Channels;
use crate::domain::notice::{self, Circle, NOTICES, Notice};
use crate::domain::way::{Choices, Way};
use crate::store::notification::{News, NotificationRow};
use crate::store::preference::{self, Choice};
use crate::store::recipient::{self, Profile};
use crate::store::{meeting, notification};
use crate::worker::delivery;

/// The durable consumer of other services' events.
pub const CONSUMER: &str = "notification-events";

/// Handles other services' events.
#[derive(Clone)]
pub struct Listener {
    teller: Teller,
    revoking: Revoking,
}

/// Tells people: fills their inboxes, and orders deliveries.
#[derive(Clone)]
pub struct Teller {
    /// The service's tasks.
    pub tasks: Tasks,
    /// Where events are told.
    pub outbox: Outbox,
    /// The ways to people outside.
    pub channels: Channels,
}

impl Teller {
    /// Tells these people the news, as they chose; whoever heard of that event before isn't told again.
    /// Gives how many were told.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tell(
        &self,
        tx: &mut PgConnection,
        news: &News,
        users: &[Uuid],
    ) -> Result<usize, HandleError> {
        let reachable = recipient::by_ids(tx, users).await?;
        let chosen = preference::of_kind(tx, news.kind.as_str(), users).await?;
        let choices = Choices::new(news.kind, chosen.iter().filter_map(Choice::parts));
        let ways = |user: Uuid| -> Vec<Way> {
            let to = reachable.iter().find(|recipient| recipient.user_id == user);
            self.channels.reaching(to).filter(|way| choices.wants(user, *way)).collect()
        };
        // What is late for a deleted account fills no inbox.
        let gone = departure::gone_among(tx, users).await?;
        // Whoever wants to hear of it by no way at all isn't told.
        let (mut told, mut in_inbox, mut out) = (Vec::new(), Vec::new(), HashMap::new());
        for user in users.iter().copied().filter(|user| !gone.contains(user)) {
            let (shown, ways) = (choices.wants(user, Way::Inbox), ways(user));
            if shown || !ways.is_empty() {
                told.push(user);
                in_inbox.push(shown);
                out.insert(user, ways);
            }
        }
        // In the order of their ids, as all do who tell several people.
        let rows = notification::insert(tx, news, &told, &in_inbox).await?;
        for row in &rows {
            if row.in_inbox {
                self.outbox.append(tx, created(row)).await?;
            }
            for way in out.remove(&row.user_id).unwrap_or_default() {
                self.tasks.create(tx, delivery(row, way)?).await?;
            }
        }
        Ok(rows.len())
    }
}

impl Listener {
    /// A listener that has people told.
    #[must_use]
    pub fn new(teller: Teller, outbox: Outbox) -> Self {
        Self { teller, revoking: Revoking::new(outbox, NAME) }
    }

    async fn hear(&self, event: &Event, tx: &mut PgConnection) -> Result<(), HandleError> {
        // What the text is made of and who takes part is known before anybody is told.
        takes_part::follow(&self.revoking, event, tx).await?;
        match event.kind.as_str() {
            kind::USER_CREATED | kind::USER_UPDATED => {
                let told: event::User = event.decode()?;
                if !departure::has_gone(tx, told.user_id).await? {
                    recipient::put(tx, &profile(&told)).await?;
                }
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
        // A task's events are ordered by its meeting, if it belongs to one.
        let meeting_id = id("meetingId").or_else(|| id("orderingKey"));
        let (circle, known) = match meeting_id {
            Some(id) => circle(tx, id).await?,
            None => (Circle::default(), None),
        };
        let meeting_id = id("meetingId").or(meeting_id.filter(|_| known.is_some()));
        let users = notice::recipients(notice.to, &event.data, &circle);
        let title = event.data["meetingTitle"].as_str().map(str::to_owned).or(known);
        let words = json!({ "meeting": title, "todo": event.data["title"] });
        let users: Vec<Uuid> = users.into_iter().collect();
        let news = News {
            kind: notice.kind,
            event_id: event.id,
            words,
            meeting_id,
            todo_id: id("todoId"),
            task_id: id("taskId"),
            person_id: person(&event.kind, id("userId")),
        };
        self.teller.tell(tx, &news, &users).await?;
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

fn profile(told: &event::User) -> Profile<'_> {
    Profile {
        user_id: told.user_id,
        email: &told.email,
        name: &told.name,
        locale: &told.locale,
        time_zone: &told.time_zone,
        phone: told.phone.as_deref(),
    }
}

/// Whom a notification about this event is about, besides whom it is told.
fn person(event: &str, subject: Option<Uuid>) -> Option<Uuid> {
    subject.filter(|_| event == kind::PARTICIPANT_RESPONDED)
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
