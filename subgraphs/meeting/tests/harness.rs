//! A running meeting service of one's own, and how to ask it.

use std::{collections::HashSet, time::Duration};

use async_graphql::{EmptyMutation, EmptySubscription, ID, Object, Schema};
use meeting::{Config, NAME, Service};
use platform::{
    config::Values,
    identity::{Identity, Viewer},
    kernel::Kernel,
    subgraph::Endpoint,
    testing::{Caller, Scope},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;

/// How long to wait for what happens by itself.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) struct Case {
    pub(crate) scope: Scope,
    pub(crate) kernel: Kernel,
    pub(crate) service: Service,
    /// Leads the meetings.
    pub(crate) host: Person,
    /// Takes part in those that name her.
    pub(crate) guest: Person,
    /// Has an account, and takes part in nothing.
    pub(crate) outsider: Person,
    pub(crate) caller: Caller,
}

/// Somebody with an account.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) id: Uuid,
    pub(crate) identity: Identity,
}

impl Person {
    pub(crate) fn new() -> Self {
        let (id, scopes, roles) = (Uuid::now_v7(), Vec::new(), Vec::new());
        let identity = Identity::Viewer(Viewer { id, scopes, roles, expires_at: i64::MAX });
        Self { id, identity }
    }
}

/// The question that the user subgraph answers to this one, with these people in it.
struct Users(HashSet<String>);

#[Object]
impl Users {
    async fn users_exist(&self, ids: Vec<ID>) -> Vec<ID> {
        ids.into_iter().filter(|id| self.0.contains(id.as_str())).collect()
    }
}

impl Case {
    /// A service that can ask who exists.
    pub(crate) async fn new() -> Self {
        let case = Self::alone().await;
        case.users(&[&case.host, &case.guest, &case.outsider]);
        case
    }

    /// These are the ones that have accounts from now on.
    pub(crate) fn users(&self, people: &[&Person]) {
        let users = Users(people.iter().map(|person| person.id.to_string()).collect());
        let schema = Schema::new(users, EmptyMutation, EmptySubscription);
        let keys = self.kernel.keys.clone();
        self.kernel.peers.set("user", Endpoint::new("user", keys, schema, |request| request));
    }

    /// What another process of the service works with.
    pub(crate) async fn another_kernel(&self) -> Kernel {
        self.scope.kernel(NAME, meeting::migrator()).await
    }

    /// A service that can't ask who exists. It listens for uploads on a socket of its own.
    pub(crate) async fn alone() -> Self {
        let scope = Scope::new().await;
        let kernel = scope.kernel(NAME, meeting::migrator()).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
        let base = format!("http://{}", listener.local_addr().expect("address"));
        let source = Values::new().with("MOIM_MEETING_UPLOAD_BASE_URL", base);
        let config = Config::from(&source).expect("configuration");
        let service = Service::new(kernel.clone(), config).await.expect("service");
        let routes = service.routes();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let caller = Caller::new(service.endpoint(), &kernel.keys);
        let (host, guest, outsider) = (Person::new(), Person::new(), Person::new());
        Self { scope, kernel, service, host, guest, outsider, caller }
    }

    /// The data of an answer without errors.
    pub(crate) async fn data(&self, who: &Identity, query: &str, variables: Value) -> Value {
        self.caller.data(who, query, variables).await
    }

    /// The code of the first error of an answer.
    pub(crate) async fn code(&self, who: &Identity, query: &str, variables: Value) -> String {
        self.caller.code(who, query, variables).await
    }

    /// The payload of a mutation on meetings.
    pub(crate) async fn mutate(&self, who: &Person, mutation: &str, input: Value) -> Value {
        let mut data =
            self.data(&who.identity, &document(mutation), json!({ "input": input })).await;
        data[mutation].take()
    }

    /// Plans a meeting of the host and the guest; gives its id.
    pub(crate) async fn planned(&self) -> String {
        let input = json!({ "title": "Stand-up", "participantIds": [self.guest.id] });
        let payload = self.mutate(&self.host, "createMeeting", input).await;
        payload["meeting"]["id"].as_str().expect("created").to_owned()
    }

    /// A meeting of the host and the guest that runs.
    pub(crate) async fn started(&self) -> String {
        let id = self.planned().await;
        let payload = self.step("startMeeting", &id).await;
        assert_eq!(payload["meeting"]["status"], "IN_PROGRESS");
        id
    }

    /// What the host does with a meeting.
    pub(crate) async fn step(&self, mutation: &str, id: &str) -> Value {
        self.mutate(&self.host, mutation, json!({ "meetingId": id })).await
    }

    /// Asks for an upload.
    pub(crate) async fn request(&self, who: &Person, input: Value) -> Value {
        self.mutate(who, "requestRecordingUpload", input).await
    }

    /// The status of a meeting, as its host sees it.
    pub(crate) async fn status(&self, id: &str) -> String {
        let query = "query($id: ID!) { meeting(id: $id) { status } }";
        let data = self.data(&self.host.identity, query, json!({ "id": id })).await;
        data["meeting"]["status"].as_str().expect("status").to_owned()
    }

    /// The kinds and data of all events in the outbox, oldest first.
    pub(crate) async fn told(&self) -> Vec<(String, Value)> {
        let rows: Vec<Value> =
            sqlx::query_scalar("SELECT body FROM outbox WHERE class = 'event' ORDER BY position")
                .fetch_all(&self.kernel.pool)
                .await
                .expect("outbox");
        let told = |row: &Value| (row["type"].as_str().unwrap().to_owned(), row["data"].clone());
        rows.iter().map(told).collect()
    }

    /// The kinds of all events in the outbox, oldest first, without what they share.
    pub(crate) async fn told_kinds(&self) -> Vec<String> {
        let short = |kind: &str| kind.trim_start_matches("moim.meeting.").to_owned();
        self.told().await.iter().map(|(kind, _)| short(kind)).collect()
    }
}

/// A configuration without an upload address of one's own.
pub(crate) fn configuration() -> Config {
    Config::from(&Values::new()).expect("configuration")
}

/// The document of a mutation.
pub(crate) fn document(mutation: &str) -> String {
    let mut input_type = mutation.to_owned();
    input_type[..1].make_ascii_uppercase();
    let entity = if mutation.ends_with("Template") {
        "template { id key builtIn name description title agenda version sections { key title } }"
    } else if mutation == "requestRecordingUpload" {
        "recording { id status contentType sizeBytes }
         upload { url method headers { name value } expiresAt }"
    } else if mutation == "requestRecordingPartUpload" {
        "recording { id status } part { id sequence startMs status }
         upload { url method headers { name value } expiresAt }"
    } else {
        "meeting { id title agenda language status version scheduledAt startedAt endedAt
                   host { id } participants { user { id } role }
                   template { key builtIn name version title sections { key title } } }"
    };
    format!(
        "mutation($input: {input_type}Input!) {{ {mutation}(input: $input) {{
            {entity} userErrors {{ code field message }} }} }}"
    )
}

/// The identity of another service.
pub(crate) fn service() -> Identity {
    Identity::Service { name: "transcript".to_owned() }
}

/// The code and field of a payload's only user error; the entity is null then.
pub(crate) fn refusal(payload: &Value) -> (&str, Option<&str>) {
    let errors = payload["userErrors"].as_array().expect("userErrors");
    assert_eq!(errors.len(), 1, "{payload}");
    assert!(errors[0]["message"].as_str().is_some_and(|text| !text.is_empty()));
    for entity in ["meeting", "recording", "part", "upload", "template"] {
        assert!(payload.get(entity).is_none_or(Value::is_null), "{payload}");
    }
    (errors[0]["code"].as_str().expect("code"), errors[0]["field"].as_str())
}
