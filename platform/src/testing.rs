//! For tests: a scope of one's own on shared real servers, and waiting for conditions.

use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool};
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::bus::Bus;
use crate::cache::Cache;
use crate::config::{self, Env, Source, Values};
use crate::health::Registry;
use crate::identity::{Identity, Viewer};
use crate::kernel::Kernel;
use crate::object::Objects;
use crate::outbox::Outbox;
use crate::signature::Keys;
use crate::subgraph::{Endpoint, Peers};
use crate::{database, topology};

/// Most connections that a test keeps to one database.
pub const CONNECTIONS: u32 = 8;
/// Usual longest wait for a condition.
pub const DEADLINE_MS: u64 = 20_000;
/// Time between two looks at a condition.
const LOOK_MS: u64 = 10;
/// A deadline for the servers' answers when a scope ends.
const CLEAN_UP_MS: u64 = 10_000;

/// A test's own databases, streams, keys and objects, told from others' by a prefix. The servers are
/// those of `MOIM_POSTGRES_URL`, `MOIM_REDIS_URL` and `MOIM_NATS_URL`. What a test made is deleted
/// as its scope is dropped.
#[derive(Debug)]
pub struct Scope {
    prefix: String,
    keys: Keys,
    peers: Peers,
    databases: Mutex<Vec<String>>,
    bus: OnceCell<Bus>,
}

impl Scope {
    /// A new scope.
    pub async fn new() -> Self {
        let prefix = format!("t{:012x}", rand::random::<u64>() & 0xffff_ffff_ffff);
        Self {
            prefix,
            keys: Keys::random(),
            peers: Peers::default(),
            databases: Mutex::default(),
            bus: OnceCell::new(),
        }
    }

    /// The prefix, a short plain token in lower case.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The configuration of this scope: the servers' URLs and the prefixes.
    ///
    /// # Panics
    /// When a server's URL isn't set.
    #[must_use]
    pub fn source(&self) -> Values {
        let url = |name: &str| {
            Env.get(name)
                .unwrap_or_else(|| panic!("{name} must be set for tests with real servers"))
        };
        Values::new()
            .with("MOIM_POSTGRES_URL", url("MOIM_POSTGRES_URL"))
            .with("MOIM_POSTGRES_DATABASE_PREFIX", format!("{}_", self.prefix))
            .with("MOIM_POSTGRES_MAX_CONNECTIONS", CONNECTIONS.to_string())
            .with("MOIM_REDIS_URL", url("MOIM_REDIS_URL"))
            .with("MOIM_REDIS_PREFIX", self.prefix.as_str())
            .with("MOIM_NATS_URL", url("MOIM_NATS_URL"))
            .with("MOIM_NATS_PREFIX", self.prefix.as_str())
            .with("MOIM_OBJECTS_URL", self.folder().display().to_string())
    }

    /// A service's database, created and migrated. Asked again, another pool of the same.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn postgres(&self, service: &str, migrator: &Migrator) -> PgPool {
        let config = config::Postgres::from(&self.source()).expect("configuration");
        let name = database::name(&config, service);
        self.databases.lock().unwrap_or_else(PoisonError::into_inner).push(name);
        database::create(&config, service).await.expect("a database");
        let pool = database::connect(&config, service).await.expect("database");
        database::migrate(&pool, migrator).await.expect("migrations");
        pool
    }

    /// The event bus under this scope's prefix, with its streams and consumers.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn bus(&self) -> Bus {
        let connect = async || {
            let config = config::Nats::from(&self.source()).expect("configuration");
            let bus = Bus::connect(&config).await.expect("NATS");
            topology::apply(&bus).await.expect("topology");
            bus
        };
        self.bus.get_or_init(connect).await.clone()
    }

    /// The cache under this scope's prefix.
    ///
    /// # Panics
    /// When the configuration can't be used.
    pub async fn cache(&self) -> Cache {
        let config = config::Redis::from(&self.source()).expect("configuration");
        Cache::connect(&config).await.expect("cache")
    }

    /// Everything that a service is given. Kernels of one scope share keys and peers.
    ///
    /// # Panics
    /// When a server refuses.
    pub async fn kernel(&self, service: &'static str, migrator: &Migrator) -> Kernel {
        let objects = config::Objects::from(&self.source()).expect("configuration");
        Kernel {
            service,
            pool: self.postgres(service, migrator).await,
            bus: self.bus().await,
            cache: self.cache().await,
            objects: Objects::open(&objects).expect("objects"),
            keys: self.keys.clone(),
            peers: self.peers.clone(),
            outbox: Outbox::new(),
            health: Registry::default(),
        }
    }

    fn folder(&self) -> PathBuf {
        std::env::temp_dir().join(format!("moim-{}", self.prefix))
    }
}

impl Drop for Scope {
    /// Deletes what the test made, best effort: what is left has a name that nobody uses again.
    fn drop(&mut self) {
        let databases =
            std::mem::take(&mut *self.databases.lock().unwrap_or_else(PoisonError::into_inner));
        let (source, folder) = (self.source(), self.folder());
        let streams = self.bus.get().is_some();
        let cleaner = std::thread::spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build()
            else {
                return;
            };
            let limit = Duration::from_millis(CLEAN_UP_MS);
            runtime.block_on(async {
                let _ = tokio::time::timeout(limit, drop_databases(&source, databases)).await;
                if streams {
                    let _ = tokio::time::timeout(limit, delete_streams(&source)).await;
                }
            });
            let _ = std::fs::remove_dir_all(folder);
        });
        let _ = cleaner.join();
    }
}

async fn drop_databases(source: &Values, databases: Vec<String>) -> Result<(), sqlx::Error> {
    let Some(url) = source.get("MOIM_POSTGRES_URL") else { return Ok(()) };
    let mut connection = PgConnection::connect(&url).await?;
    for name in databases {
        let statement = format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)");
        let _ = sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await;
    }
    connection.close().await
}

async fn delete_streams(source: &Values) -> Option<()> {
    let bus = Bus::connect(&config::Nats::from(source).ok()?).await.ok()?;
    for declared in topology::declared().ok()? {
        let _ = bus.jetstream().delete_stream(bus.stream(&declared.stream.name)).await;
    }
    Some(())
}

/// Asks a subgraph as the router does: signed.
#[derive(Debug)]
pub struct Caller {
    endpoint: Arc<Endpoint>,
    keys: Keys,
}

impl Caller {
    /// Asks this endpoint with these keys.
    #[must_use]
    pub fn new(endpoint: Arc<Endpoint>, keys: &Keys) -> Self {
        Self { endpoint, keys: keys.clone() }
    }

    /// The whole answer to a request made for `who`.
    ///
    /// # Panics
    /// When the answer isn't JSON.
    pub async fn answer(&self, who: &Identity, query: &str, variables: Value) -> Value {
        let body = json!({ "query": query, "variables": variables }).to_string();
        let mut headers = http::HeaderMap::new();
        self.keys.sign(self.endpoint.name(), who, body.as_bytes(), &mut headers);
        let response = self.endpoint.handle(&headers, body.as_bytes()).await;
        serde_json::from_slice(response.body()).expect("JSON")
    }

    /// The data of an answer without errors.
    ///
    /// # Panics
    /// When there are errors.
    pub async fn data(&self, who: &Identity, query: &str, variables: Value) -> Value {
        let mut answer = self.answer(who, query, variables).await;
        assert!(answer.get("errors").is_none(), "{answer}");
        answer["data"].take()
    }

    /// The code of the first error of an answer.
    ///
    /// # Panics
    /// When there is none.
    pub async fn code(&self, who: &Identity, query: &str, variables: Value) -> String {
        let answer = self.answer(who, query, variables).await;
        let code = answer["errors"][0]["extensions"]["code"].as_str();
        code.unwrap_or_else(|| panic!("no code: {answer}")).to_owned()
    }

    /// The payload of a mutation with one `input`, of which `fields` and the user errors are asked.
    ///
    /// # Panics
    /// When there are errors.
    pub async fn mutate(&self, who: &Identity, name: &str, fields: &str, input: Value) -> Value {
        let mut of = name.to_owned();
        of[..1].make_ascii_uppercase();
        let query = format!(
            "mutation($input: {of}Input!) {{ {name}(input: $input) {{
                {fields} userErrors {{ code field message }} }} }}"
        );
        self.data(who, &query, json!({ "input": input })).await[name].take()
    }

    /// One entity's fields by its key; null when the asker may not see it.
    ///
    /// # Panics
    /// When there are errors.
    pub async fn entity(&self, who: &Identity, typename: &str, id: Uuid, fields: &str) -> Value {
        let query = format!(
            "query($r: [_Any!]!) {{ _entities(representations: $r) {{ ... on {typename} {{ {fields} }} }} }}"
        );
        let variables = json!({ "r": [{ "__typename": typename, "id": id }] });
        self.data(who, &query, variables).await["_entities"][0].take()
    }
}

/// What of a schema has no description: types, fields, arguments and values of it. The library's own
/// types and connections, which are described where they are declared, are left out.
///
/// # Panics
/// When the schema can't be asked about itself.
pub async fn undescribed<Q, M, S>(schema: &async_graphql::Schema<Q, M, S>) -> Vec<String>
where
    Q: async_graphql::ObjectType + 'static,
    M: async_graphql::ObjectType + 'static,
    S: async_graphql::SubscriptionType + 'static,
{
    const ASKED: &str = "{ __schema { types { name description
        fields { name description args { name description } }
        inputFields { name description } enumValues { name description } } } }";
    const BUILT_IN: [&str; 7] = ["Boolean", "Float", "ID", "Int", "String", "Query", "Mutation"];
    let data = schema.execute(ASKED).await.data.into_json().expect("JSON");
    let (list, text) = (
        |value: &Value| value.as_array().cloned().unwrap_or_default(),
        |value: &Value| value.as_str().unwrap_or_default().to_owned(),
    );
    let mut bare = Vec::new();
    for kind in list(&data["__schema"]["types"]) {
        let name = text(&kind["name"]);
        if name.starts_with('_') || name.ends_with("Connection") || name.ends_with("Edge") {
            continue;
        }
        if kind["description"].is_null() && !BUILT_IN.contains(&name.as_str()) {
            bare.push(name.clone());
        }
        let items = ["fields", "inputFields", "enumValues"].map(|items| list(&kind[items]));
        for item in items.into_iter().flatten() {
            let field = text(&item["name"]);
            if field.starts_with('_') {
                continue;
            }
            if item["description"].is_null() {
                bare.push(format!("{name}.{field}"));
            }
            let arguments = list(&item["args"]).into_iter();
            let undescribed = arguments.filter(|argument| argument["description"].is_null());
            bare.extend(undescribed.map(|a| format!("{name}.{field}({})", text(&a["name"]))));
        }
    }
    bare
}

/// Whether a service's own view has somebody in a group.
///
/// # Panics
/// When the database refuses.
pub async fn belongs(pool: &PgPool, group: Uuid, member: Uuid) -> bool {
    let row = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM membership WHERE group_id = $1 AND member_id = $2)",
    );
    row.bind(group).bind(member).fetch_one(pool).await.expect("database")
}

/// Whether a service has heard that somebody's account is deleted, and holds nothing of them any more.
///
/// # Panics
/// When the database refuses.
pub async fn is_erased(pool: &PgPool, person: Uuid) -> bool {
    let row = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM departed WHERE person_id = $1)
            AND NOT EXISTS (SELECT 1 FROM erasing WHERE person_id = $1)",
    );
    row.bind(person).fetch_one(pool).await.expect("database")
}

/// Somebody who has logged in.
#[must_use]
pub fn viewer(id: Uuid) -> Identity {
    Identity::Viewer(Viewer { id, scopes: Vec::new(), roles: Vec::new(), expires_at: i64::MAX })
}

/// Waits until a condition holds, at most `deadline`.
///
/// # Panics
/// When it doesn't hold by then.
#[track_caller]
pub fn eventually<F: Future<Output = bool>>(
    deadline: Duration,
    mut condition: impl FnMut() -> F,
) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let start = Instant::now();
        while !condition().await {
            assert!(start.elapsed() < deadline, "still not so after {deadline:?}: {caller}");
            tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
        }
    }
}
