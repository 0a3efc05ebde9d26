//! For tests: stored examples told for real, and a meeting service to ask.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_graphql::{Context, EmptyMutation, EmptySubscription, ID, Object, Schema, SimpleObject};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use platform::event::{Class, NewEvent};
use platform::identity::Identity;
use platform::kernel::Kernel;
use platform::subgraph::{Endpoint, Request, Response, Transport, TransportError};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::attendance::USER;
use crate::takes_part::MEETING;

/// The folder of schemas and examples.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../schema/events")
}

/// The stored example of an event.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn example(kind: &str) -> Value {
    let path = folder().join(format!("example/{kind}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// What is wrong with an event, seen from the schema of its type; nothing when it fits.
///
/// # Panics
/// When there is no schema.
#[must_use]
pub fn complaints(event: &Value) -> Vec<String> {
    let read = |name: &str| -> Value {
        let text = std::fs::read_to_string(folder().join(name));
        let text = text.unwrap_or_else(|e| panic!("{name}: {e}"));
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"))
    };
    let registry = jsonschema::Registry::new()
        .add("urn:moim:event:envelope", read("envelope.schema.json"))
        .and_then(jsonschema::RegistryBuilder::prepare)
        .expect("the envelope's schema");
    let kind = event["type"].as_str().unwrap_or_default();
    let schema = read(&format!("{kind}.schema.json"));
    let validator = jsonschema::options()
        .with_registry(&registry)
        .should_validate_formats(true)
        .build(&schema)
        .expect("a schema");
    validator.iter_errors(event).map(|error| format!("{kind}: {error}")).collect()
}

/// All that a service has told so far, oldest first, as `(kind, data)`; fails the test when anything
/// isn't as its schema says.
///
/// # Panics
/// When an event doesn't fit, or the database refuses.
pub async fn told(kernel: &Kernel) -> Vec<(String, Value)> {
    let rows = sqlx::query_scalar("SELECT body FROM outbox WHERE class <> 'job' ORDER BY position");
    let events: Vec<Value> = rows.fetch_all(&kernel.pool).await.expect("outbox");
    events
        .into_iter()
        .filter(|event| event["source"] != TEST)
        .map(|mut event| {
            assert_eq!(complaints(&event), Vec::<String>::new(), "{event}");
            let kind = event["type"].as_str().expect("a type").to_owned();
            (kind, event["data"].take())
        })
        .collect()
}

/// Source of the events that [`tell`] tells.
const TEST: &str = "test";

/// Tells an event by its stored example with other values in its data: into the outbox of a service,
/// whose relay publishes it as its owner's would.
///
/// # Panics
/// When the database refuses.
pub async fn tell(
    kernel: &Kernel,
    kind: &'static str,
    ordering_key: Uuid,
    entity_id: Uuid,
    change: Value,
) {
    let mut data = example(kind)["data"].take();
    for (name, value) in change.as_object().expect("an object") {
        data[name] = value.clone();
    }
    let mut names = kind.split('.').skip(1);
    let event = NewEvent {
        kind,
        source: TEST,
        ordering_key,
        entity: names.next().expect("an entity"),
        entity_id,
        verb: names.next().expect("a verb"),
        class: Class::Event,
        data,
        changed: json!({}),
        invalidates: Vec::new(),
    };
    let mut tx = kernel.pool.begin().await.expect("database");
    kernel.outbox.append(&mut tx, event).await.expect("outbox");
    tx.commit().await.expect("commit");
    kernel.outbox.wake();
}

/// Tells an event about a meeting: its host and everybody who takes part stand in it.
///
/// # Panics
/// When the database refuses.
pub async fn tell_meeting(
    kernel: &Kernel,
    kind: &'static str,
    meeting: Uuid,
    people: &[Uuid],
    change: Value,
) {
    let mut data = json!({
        "meetingId": meeting,
        "hostId": people.first(),
        "participantIds": people,
    });
    for (name, value) in change.as_object().expect("an object") {
        data[name] = value.clone();
    }
    tell(kernel, kind, meeting, meeting, data).await;
}

/// The meeting and the user service as the others ask them.
#[derive(Clone, Debug, Default)]
pub struct Meetings {
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    /// Meetings and who takes part, the host first.
    pairs: Vec<(Uuid, Uuid)>,
    /// Names and time zones.
    people: HashMap<Uuid, (String, String)>,
}

impl Meetings {
    /// Answers the kernel's service from now on.
    #[must_use]
    pub fn of(kernel: &Kernel) -> Self {
        let meetings = Self::default();
        let schema = Schema::new(meetings.clone(), EmptyMutation, EmptySubscription);
        let peer = Endpoint::new(MEETING, kernel.keys.clone(), schema, |request| request);
        kernel.peers.set(MEETING, peer);
        let schema = Schema::new(People(meetings.clone()), EmptyMutation, EmptySubscription);
        let peer = Endpoint::new(USER, kernel.keys.clone(), schema, |request| request);
        kernel.peers.set(USER, peer);
        meetings
    }

    /// Makes the meeting service unreachable.
    pub fn leave(&self, kernel: &Kernel) {
        kernel.peers.set(MEETING, Arc::new(Away));
    }

    /// Lets it, but nobody else, know that somebody takes part; who is the first is the host.
    pub fn joins(&self, meeting: Uuid, user: Uuid) {
        self.known().pairs.push((meeting, user));
    }

    /// Lets the user service know somebody.
    pub fn named(&self, user: Uuid, name: &str, zone: &str) {
        self.known().people.insert(user, (name.to_owned(), zone.to_owned()));
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A service that can't be reached.
struct Away;

impl Transport for Away {
    fn call(&self, _: Request) -> BoxFuture<'static, Result<Response, TransportError>> {
        async { Err(TransportError::Connect("nobody listens".into())) }.boxed()
    }
}

/// A meeting, as far as others ask for it.
#[derive(SimpleObject)]
struct Meeting {
    id: ID,
    host: User,
    participants: Vec<Participant>,
}

/// Somebody who takes part.
#[derive(SimpleObject)]
struct Participant {
    user: User,
}

/// A person; the meeting service knows only the id.
#[derive(SimpleObject)]
struct User {
    id: ID,
    name: String,
    time_zone: String,
}

impl From<Uuid> for User {
    fn from(id: Uuid) -> Self {
        Self { id: id.into(), name: String::new(), time_zone: String::new() }
    }
}

/// What others ask.
#[Object]
impl Meetings {
    /// Whether somebody takes part.
    async fn participates(
        &self,
        ctx: &Context<'_>,
        meeting_id: ID,
        user_id: ID,
    ) -> async_graphql::Result<bool> {
        Identity::from_ctx(ctx).service()?;
        let pair = (meeting_id.parse()?, user_id.parse()?);
        Ok(self.known().pairs.contains(&pair))
    }

    #[graphql(entity)]
    async fn find_meeting(
        &self,
        ctx: &Context<'_>,
        id: ID,
    ) -> async_graphql::Result<Option<Meeting>> {
        Identity::from_ctx(ctx).service()?;
        let meeting: Uuid = id.parse()?;
        let known = self.known();
        let people = known.pairs.iter().filter(|(of, _)| *of == meeting).map(|(_, who)| *who);
        let people: Vec<Uuid> = people.collect();
        Ok(people.first().map(|host| Meeting {
            id,
            host: User::from(*host),
            participants: people.iter().map(|who| Participant { user: (*who).into() }).collect(),
        }))
    }
}

/// The user service.
struct People(Meetings);

/// What others ask.
#[Object]
impl People {
    /// There is nothing else to ask.
    async fn people(&self) -> usize {
        self.0.known().people.len()
    }

    #[graphql(entity)]
    async fn find_user(&self, ctx: &Context<'_>, id: ID) -> async_graphql::Result<Option<User>> {
        Identity::from_ctx(ctx).service()?;
        let known = self.0.known();
        let found = known.people.get(&id.parse()?).cloned();
        Ok(found.map(|(name, time_zone)| User { id, name, time_zone }))
    }
}
