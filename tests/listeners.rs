//! Every stored example of an event is read by everybody who listens to it.

use crate::kit::{SOON, eventually, instance::Place};
use platform::{
    config::Postgres,
    database,
    event::{Class, NewEvent},
    outbox::Outbox,
};
use serde_json::{Value, json};
use sqlx::PgPool;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};
use uuid::Uuid;

/// The table of who listens to what (SPEC, section 5). What only the push plane hears has nobody here.
const LISTENERS: &[(&str, &[&str])] = &[
    ("moim.access.revoked.v1", &[]),
    ("moim.analysis.created.v1", &[]),
    ("moim.meeting.cancelled.v1", &["transcript", "ai", "todo", "notification"]),
    ("moim.meeting.created.v1", &["transcript", "ai", "todo", "notification"]),
    ("moim.meeting.ended.v1", &["transcript", "ai", "todo", "notification"]),
    ("moim.meeting.minutesReady.v1", &[]),
    ("moim.meeting.started.v1", &["notification"]),
    ("moim.meeting.updated.v1", &["transcript", "ai", "todo", "notification"]),
    ("moim.notification.created.v1", &[]),
    ("moim.participant.added.v1", &["transcript", "ai", "todo", "notification"]),
    ("moim.participant.removed.v1", &["transcript", "ai", "todo", "notification"]),
    ("moim.participant.responded.v1", &["notification"]),
    ("moim.recording.closed.v1", &["transcript"]),
    ("moim.recording.deleted.v1", &["transcript"]),
    ("moim.recording.partUploaded.v1", &["transcript"]),
    ("moim.schedule.proposed.v1", &[]),
    ("moim.section.changed.v1", &[]),
    ("moim.segment.edited.v1", &[]),
    ("moim.segment.recognised.v1", &[]),
    ("moim.speaker.changed.v1", &[]),
    ("moim.summary.created.v1", &[]),
    ("moim.task.progress.v1", &[]),
    ("moim.task.stateChanged.v1", &["ai", "todo", "notification"]),
    ("moim.template.changed.v1", &[]),
    ("moim.todo.completed.v1", &["meeting", "notification"]),
    ("moim.todo.created.v1", &["meeting", "notification"]),
    ("moim.todo.statusChanged.v1", &["meeting", "notification"]),
    ("moim.todo.updated.v1", &["notification"]),
    ("moim.transcript.created.v1", &["meeting", "ai", "todo", "notification"]),
    ("moim.transcript.shared.v1", &["meeting", "notification"]),
    ("moim.transcript.verified.v1", &["meeting", "notification"]),
    ("moim.user.created.v1", &["notification"]),
    ("moim.user.deleted.v1", &["meeting", "transcript", "ai", "todo", "notification"]),
    ("moim.user.updated.v1", &["notification"]),
];
/// The services that listen to others.
const SERVICES: [&str; 5] = ["meeting", "transcript", "ai", "todo", "notification"];

/// All stored examples, of all versions, in the order of their files' names.
fn examples() -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/events/example");
    let files = std::fs::read_dir(folder).expect("the examples");
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let text = std::fs::read_to_string(path).expect("readable");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    paths.iter().map(read).collect()
}

/// Tells an event as its example has it; gives its id.
async fn tell(pool: &PgPool, example: &Value) -> Uuid {
    let kind: &'static str = example["type"].as_str().expect("a type").to_owned().leak();
    let data = example["data"].clone();
    let id = |field: &str| data[field].as_str().and_then(|id| id.parse::<Uuid>().ok());
    let mut names = kind.split('.').skip(1);
    let event = NewEvent {
        kind,
        source: "test",
        ordering_key: id("meetingId").unwrap_or_else(Uuid::now_v7),
        entity: names.next().expect("an entity"),
        entity_id: Uuid::now_v7(),
        verb: names.next().expect("a verb"),
        class: Class::Event,
        data: data.clone(),
        changed: json!({}),
        invalidates: Vec::new(),
    };
    let mut tx = pool.begin().await.expect("database");
    let id = Outbox::new().append(&mut tx, event).await.expect("told");
    tx.commit().await.expect("committed");
    id
}

/// Given a running Moim, when each stored example is told, then exactly those whom the table names handle it: nobody
/// fails to read it, and nobody is missing.
#[tokio::test]
async fn every_example_is_read_by_every_listener() {
    let examples = examples();
    let kinds: BTreeSet<&str> =
        examples.iter().map(|example| example["type"].as_str().expect("a type")).collect();
    let table: BTreeSet<&str> = LISTENERS.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, table, "the examples, and the table of who listens");

    let place = Place::new();
    let moim = place.up().await;
    let postgres = Postgres::from(&place).expect("settings");
    let postgres = Postgres { max_connections: 1, ..postgres };
    let mut databases = BTreeMap::new();
    for service in SERVICES {
        let pool = database::connect(&postgres, service).await.expect("its database");
        databases.insert(service, pool);
    }
    let teller = database::connect(&postgres, "user").await.expect("a database");
    let mut expected = BTreeSet::new();
    let mut told = BTreeMap::new();
    for example in &examples {
        let id = tell(&teller, example).await;
        let kind = example["type"].as_str().expect("a type");
        told.insert(id, kind);
        let (_, services) =
            LISTENERS.iter().find(|(known, _)| *known == kind).expect("in the table");
        expected.extend(services.iter().map(|service| (kind, *service)));
    }
    eventually("everybody has read what they listen to", SOON, || async {
        let mut heard = BTreeSet::new();
        for (service, pool) in &databases {
            let rows = sqlx::query_scalar("SELECT event_id FROM inbox WHERE consumer = $1");
            let rows = rows.bind(format!("{service}-events")).fetch_all(pool).await;
            let rows: Vec<Uuid> = rows.expect("the inbox");
            heard.extend(rows.iter().filter_map(|id| Some((*told.get(id)?, *service))));
        }
        let (missing, more): (Vec<_>, Vec<_>) =
            (expected.difference(&heard).collect(), heard.difference(&expected).collect());
        assert!(more.is_empty(), "not in the table: {more:?}");
        eprintln!("waits for {missing:?}");
        missing.is_empty().then_some(())
    })
    .await;
    assert!(moim.stop().await, "it ends cleanly");
}
