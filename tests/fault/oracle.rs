//! What must hold after any fault, read from the databases and the streams themselves.

use super::load::{Load, Seen};
use crate::kit::{eventually, eventually_ok, instance::Place};
use async_nats::jetstream::{self, stream::Stream};
use futures::TryStreamExt;
use platform::{
    bus::Bus,
    config::{self, Env, Over, Values},
    database,
    event::{HEADER_TYPE, LIVE_ROOT},
};
use sqlx::{AssertSqlSafe, PgPool, Row};
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    time::Duration,
};
use uuid::Uuid;

/// The services, by their databases.
const SERVICES: [&str; 6] = ["user", "meeting", "transcript", "ai", "todo", "notification"];
/// How long it may take until nothing is under way any more: longer than a job or event that lost its worker waits
/// to be delivered again.
const QUIET: Duration = Duration::from_secs(90);

/// Looks at the stored state of one installation, past any proxy.
pub(super) struct Oracle {
    databases: BTreeMap<&'static str, PgPool>,
    bus: Bus,
}

/// One message of a stream.
struct Stored {
    sequence: u64,
    subject: String,
    /// The event's id.
    id: String,
    /// Whether the push plane shows it.
    shown: bool,
}

impl Oracle {
    pub(super) async fn of(place: &Place) -> Self {
        let settings = place.environment().iter().fold(Values::new(), |values, (name, value)| {
            // The oracle goes straight to the servers.
            if name.ends_with("_URL") { values } else { values.with(name.as_str(), value.as_str()) }
        });
        let settings = settings.with("MOIM_POSTGRES_MAX_CONNECTIONS", "2");
        let source = Over { first: settings, then: &Env };
        let postgres = config::Postgres::from(&source).expect("Postgres' settings");
        let mut databases = BTreeMap::new();
        for service in SERVICES {
            let pool = database::connect(&postgres, service).await;
            databases.insert(service, pool.expect("the database is there"));
        }
        let nats = config::Nats::from(&source).expect("NATS' settings");
        let bus = Bus::connect(&nats).await.expect("NATS is there");
        Self { databases, bus }
    }

    /// Waits until nothing is under way, then checks everything.
    pub(super) async fn check(&self, meetings: &[String], load: &Load) {
        self.settled().await;
        self.every_change_has_its_events(meetings).await;
        self.every_effect_is_there_once(meetings).await;
        let push = self.messages("PUSH").await;
        for seen in load.seen() {
            let expected = |from, meeting: &str| self.expected(&push, from, meeting);
            eventually("subscribers have everything", QUIET, || async {
                let seen = seen.lock().expect("no panic");
                (seen.events.len() >= expected(seen.from, &seen.meeting).len()).then_some(())
            })
            .await;
            let Seen { meeting, from, events } = &*seen.lock().expect("no panic");
            assert_eq!(
                *events,
                expected(*from, meeting),
                "each event once and in order: {meeting}"
            );
            assert!(!events.is_empty(), "the subscriber saw something");
        }
    }

    /// Waits until nothing is under way, then checks what holds whatever was done: all that was committed was told, in
    /// its order, and nothing else, and each task has ended once.
    pub(super) async fn settled(&self) {
        eventually_ok("nothing is under way", QUIET, || async {
            let mut under_way = self.open_rows().await;
            under_way.extend(self.waiting_messages().await);
            if under_way.is_empty() { Ok(()) } else { Err(under_way) }
        })
        .await;
        let events = self.messages("EVENTS").await;
        self.every_event_is_of_a_committed_change(&events).await;
        self.the_order_is_kept(&events).await;
        self.every_task_has_one_end().await;
    }

    /// The database of a service.
    pub(super) fn database(&self, service: &str) -> &PgPool {
        &self.databases[service]
    }

    /// Rows of the outboxes that wait to be published, and tasks without an outcome.
    async fn open_rows(&self) -> Vec<String> {
        let mut open = Vec::new();
        for (service, pool) in &self.databases {
            let rows = "SELECT 'event ' || subject FROM outbox WHERE published_at IS NULL
                UNION ALL SELECT 'task ' || id || ' ' || status FROM tasks WHERE completed_at IS NULL";
            let rows = sqlx::query_scalar::<_, String>(rows).fetch_all(pool).await.expect("rows");
            open.extend(rows.into_iter().map(|row| format!("{service}: {row}")));
        }
        open
    }

    /// Consumers with messages that wait for them or for their confirmation, and queues with jobs.
    async fn waiting_messages(&self) -> Vec<String> {
        let mut waiting = Vec::new();
        let mut streams = self.bus.jetstream().streams();
        while let Some(stream) = streams.try_next().await.expect("streams") {
            let name = &stream.config.name;
            if !name.starts_with(&format!("{}_", self.bus.prefix())) {
                continue;
            }
            if name.contains("_QUEUE_") && stream.state.messages > 0 {
                waiting.push(format!("{name}: {} jobs", stream.state.messages));
            }
            if name.ends_with("_EVENTS") {
                let stream = self.bus.jetstream().get_stream(name).await.expect("the stream");
                let mut consumers = stream.consumers();
                while let Some(consumer) = consumers.try_next().await.expect("consumers") {
                    let (pending, unconfirmed) = (consumer.num_pending, consumer.num_ack_pending);
                    if pending > 0 || unconfirmed > 0 {
                        let consumer = &consumer.name;
                        waiting.push(format!(
                            "{consumer}: {pending} pending, {unconfirmed} unconfirmed"
                        ));
                    }
                }
            }
        }
        waiting
    }

    async fn messages(&self, stream: &str) -> Vec<Stored> {
        let name = self.bus.stream(stream);
        let stream: Stream = self.bus.jetstream().get_stream(name).await.expect("the stream");
        let config = jetstream::consumer::pull::OrderedConfig::default();
        let last = stream.cached_info().state.last_sequence;
        let mut all = Vec::new();
        if stream.cached_info().state.messages == 0 {
            return all;
        }
        let consumer = stream.create_consumer(config).await.expect("a consumer");
        let mut messages = consumer.messages().await.expect("messages");
        while let Some(message) = messages.try_next().await.expect("a message") {
            let header = |name: &str| {
                let value = message.headers.as_ref().and_then(|headers| headers.get(name));
                value.map(|value| value.as_str().to_owned())
            };
            let sequence = message.info().expect("stored").stream_sequence;
            all.push(Stored {
                sequence,
                subject: self.bus.strip(&message.subject).expect("ours").to_owned(),
                id: header("Nats-Msg-Id").unwrap_or_default(),
                shown: header(HEADER_TYPE).is_some(),
            });
            if sequence >= last {
                break;
            }
        }
        all
    }

    /// Nothing was told that isn't committed, and all that is committed was told.
    async fn every_event_is_of_a_committed_change(&self, events: &[Stored]) {
        let mut committed = BTreeSet::new();
        for pool in self.databases.values() {
            let ids = "SELECT id FROM outbox WHERE class = 'event'";
            let ids: Vec<Uuid> = sqlx::query_scalar(ids).fetch_all(pool).await.expect("ids");
            committed.extend(ids.iter().map(Uuid::to_string));
        }
        let told: BTreeSet<String> = events.iter().map(|event| event.id.clone()).collect();
        assert_eq!(told, committed, "events in the stream, and those of committed changes");
    }

    /// Each meeting was created, started and ended once.
    async fn every_change_has_its_events(&self, meetings: &[String]) {
        for meeting in meetings {
            for verb in ["created", "started", "ended"] {
                let told = self.told("meeting", meeting, "meeting", verb).await;
                assert_eq!(told, 1, "{verb} of meeting {meeting}");
            }
        }
    }

    async fn every_task_has_one_end(&self) {
        for (service, pool) in &self.databases {
            let tasks = "SELECT tasks.id, count(outbox.id) AS finals FROM tasks LEFT JOIN outbox
                ON outbox.subject LIKE '%.task.' || tasks.id || '.stateChanged'
                AND outbox.body->'data'->>'status' IN ('COMPLETED', 'FAILED', 'CANCELLED')
                GROUP BY tasks.id";
            for row in sqlx::query(tasks).fetch_all(pool).await.expect("tasks") {
                let (id, finals): (Uuid, i64) = (row.get("id"), row.get("finals"));
                assert_eq!(finals, 1, "task {id} of {service} has one end");
            }
        }
    }

    /// How many events of a verb the service's outbox holds about an entity.
    async fn told(&self, service: &str, ordering: &str, entity: &str, verb: &str) -> i64 {
        let pattern = format!("moim.event.{ordering}.{entity}.%.{verb}");
        sqlx::query_scalar("SELECT count(*) FROM outbox WHERE subject LIKE $1")
            .bind(pattern)
            .fetch_one(&self.databases[service])
            .await
            .expect("counted")
    }

    /// For each ordering key the stream holds a service's events in the order of their commits.
    async fn the_order_is_kept(&self, events: &[Stored]) {
        let mut first: BTreeMap<&str, usize> = BTreeMap::new();
        for (place, event) in events.iter().enumerate() {
            first.entry(&event.id).or_insert(place);
        }
        for (service, pool) in &self.databases {
            let rows = "SELECT ordering_key, id FROM outbox WHERE class = 'event'
                ORDER BY ordering_key, position";
            let rows = sqlx::query(rows).fetch_all(pool).await.expect("rows");
            let mut last: Option<(Uuid, usize)> = None;
            for row in rows {
                let (key, id): (Uuid, Uuid) = (row.get("ordering_key"), row.get("id"));
                let place = first[id.to_string().as_str()];
                if let Some((_, before)) = last.filter(|(other, _)| *other == key) {
                    assert!(before < place, "{service}: event {id} of {key} overtook another");
                }
                last = Some((key, place));
            }
        }
    }

    /// What listeners made of the events: of each meeting one view and one transcription.
    async fn every_effect_is_there_once(&self, meetings: &[String]) {
        let transcript = &self.databases["transcript"];
        for meeting in meetings {
            let count = async |sql: &'static str| {
                let id: Uuid = meeting.parse().expect("an id");
                let counted = sqlx::query_scalar::<_, i64>(AssertSqlSafe(sql)).bind(id);
                counted.fetch_one(transcript).await.expect("counted")
            };
            let views = "SELECT count(*) FROM meeting WHERE id = $1 AND ended_at IS NOT NULL";
            assert_eq!(count(views).await, 1, "the transcript service's view of {meeting}");
            let members = "SELECT count(*) FROM membership WHERE group_id = $1";
            assert_eq!(count(members).await, 1, "who takes part in {meeting}");
            let tasks =
                "SELECT count(*) FROM tasks WHERE ordering_key = $1 AND kind = 'TRANSCRIPTION'";
            assert_eq!(count(tasks).await, 1, "transcriptions of {meeting}");
        }
    }

    /// Positions of the events that a subscriber of a meeting must have seen after `from`: the first copy of each.
    fn expected(&self, push: &[Stored], from: u64, meeting: &str) -> Vec<u64> {
        let mut ids = HashSet::new();
        let event = format!("moim.event.{meeting}.");
        let live = format!("{LIVE_ROOT}.{meeting}.task.");
        push.iter()
            .filter(|stored| {
                stored.subject.starts_with(&event) || stored.subject.starts_with(&live)
            })
            .filter(|stored| stored.shown && ids.insert(stored.id.as_str()))
            .filter(|stored| stored.sequence > from)
            .map(|stored| stored.sequence)
            .collect()
    }

    /// Who finds an announcement in their inbox, as often as they do.
    pub(super) async fn told_of(&self, announcement: &str) -> Vec<Uuid> {
        let told = "SELECT user_id FROM notification WHERE event_id = $1 AND in_inbox";
        let id: Uuid = announcement.parse().expect("an id");
        let told = sqlx::query_scalar(told).bind(id).fetch_all(self.database("notification"));
        told.await.expect("inboxes")
    }

    /// Each of these people, and nobody else, has one entry of the announcement, and there is one event of it.
    pub(super) async fn everybody_was_told_once(&self, announcement: &str, people: &[Uuid]) {
        let mut told = self.told_of(announcement).await;
        told.sort_unstable();
        assert_eq!(told, people, "who was told");
        let events = "SELECT count(outbox.id) FROM notification LEFT JOIN outbox
            ON outbox.body->>'type' = 'moim.notification.created.v1'
            AND (outbox.body->'data'->>'notificationId')::uuid = notification.id
            WHERE notification.event_id = $1 GROUP BY notification.id";
        let id: Uuid = announcement.parse().expect("an id");
        let events = sqlx::query_scalar(events).bind(id).fetch_all(self.database("notification"));
        let events: Vec<i64> = events.await.expect("events");
        assert!(events.iter().all(|count| *count == 1), "one event of each entry: {events:?}");
    }

    /// The meetings whose titles begin so.
    pub(super) async fn meetings_called(&self, title: &str) -> Vec<Uuid> {
        let called = "SELECT id FROM meetings WHERE title LIKE $1 || ' %'";
        let called = sqlx::query_scalar(called).bind(title).fetch_all(self.database("meeting"));
        called.await.expect("meetings")
    }

    /// In how many meetings somebody takes part.
    pub(super) async fn meetings_of(&self, person: &str) -> usize {
        let of = "SELECT count(*) FROM participants WHERE user_id = $1::uuid";
        let of = sqlx::query_scalar::<_, i64>(of).bind(person);
        let of = of.fetch_one(self.database("meeting")).await.expect("counted");
        usize::try_from(of).expect("a number")
    }

    /// Somebody who is gone left each meeting once: those where they were alone were called off once, and no service
    /// has them in its view of who takes part.
    pub(super) async fn left_each_once(&self, person: &str, alone: &[Uuid], others: &[Uuid]) {
        for (of, told_off) in [(alone, 1), (others, 0)] {
            for meeting in of {
                let meeting = meeting.to_string();
                let left = self.told("meeting", &meeting, "participant", "removed").await;
                assert_eq!(left, 1, "{person} left {meeting}");
                let cancelled = self.told("meeting", &meeting, "meeting", "cancelled").await;
                assert_eq!(cancelled, told_off, "{meeting} was called off");
            }
        }
        let left_over = "SELECT count(*) FROM erasing";
        let waiting = sqlx::query_scalar::<_, i64>(left_over).fetch_one(self.database("meeting"));
        assert_eq!(waiting.await.expect("counted"), 0, "nobody waits to be taken out");
        for (service, pool) in &self.databases {
            let members = "SELECT count(*) FROM membership WHERE member_id = $1::uuid";
            let members = sqlx::query_scalar::<_, i64>(members).bind(person).fetch_one(pool).await;
            assert_eq!(members.expect("counted"), 0, "{service} has {person} left");
        }
    }
}
