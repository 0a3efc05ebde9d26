//! The todo subgraph: what somebody is to do, and its extraction from what was said in meetings.
//!
//! | room | what is there |
//! |---|---|
//! | [`schema`] | GraphQL: thin resolvers, each behind the access check |
//! | [`domain`] | rules of todos, pure |
//! | [`store`] | SQL |
//! | [`mod@todo`] | the use cases: create, change, move on |
//! | [`events`] | what it listens to and what it tells |
//! | `erasure` | what goes of people whose accounts are deleted |
//! | [`worker`] | the extraction of todos from a text |
//!
//! The path of an extraction: `moim.meeting.ended.v1` opens its task, `moim.transcript.created.v1`
//! puts it into the queue, and its todos, their events and the task's completion are one commit.

pub mod config;
pub mod domain;
mod erasure;
pub mod error;
pub mod events;
pub mod schema;
pub mod store;
pub mod todo;
pub mod worker;

use std::sync::{Arc, LazyLock};

use platform::health::Need;
use platform::kernel::Kernel;
use platform::queue::run_worker;
use platform::relay::Relay;
use platform::shutdown::Shutdown;
use platform::subgraph::Endpoint;
use platform::task::{Requests, Tasks};
use sqlx::migrate::Migrator;

pub use config::Config;
pub use error::StartError;
pub use schema::sdl;

use events::{CONSUMER, Listener};
use schema::loader::Reader;
use todo::Todos;
use worker::{Extractor, HEAVY_MAX, QUEUE, TASK_TYPENAME};

/// The service's name: of the subgraph, its database, its events' source.
pub const NAME: &str = "todo";

/// The service's own migrations (the kernel's run first, in the same database).
#[must_use]
pub fn migrator() -> &'static Migrator {
    static MIGRATOR: LazyLock<Migrator> = LazyLock::new(|| {
        let mut migrator = sqlx::migrate!("../../migrations/todo");
        migrator.set_ignore_missing(true);
        migrator
    });
    &MIGRATOR
}

/// The todo service.
pub struct Service {
    kernel: Kernel,
    config: Config,
    tasks: Tasks,
    todos: Todos,
    endpoint: Arc<Endpoint>,
}

impl Service {
    /// Puts the service together; nothing runs yet.
    ///
    /// # Errors
    /// None so far.
    #[expect(clippy::unused_async, reason = "all services are made alike")]
    pub async fn new(kernel: Kernel, config: Config) -> Result<Self, StartError> {
        let tasks = kernel.tasks();
        let membership = contract::takes_part::view(&kernel);
        let todos = Todos::new(&kernel, membership.clone());
        let (reader, known) = (Reader::new(todos.clone()), tasks.clone());
        let schema = schema::builder()
            .data(todos.clone())
            .data(Requests::new(tasks.clone()))
            .data(tasks.clone())
            .finish();
        let endpoint = Endpoint::new(NAME, kernel.keys.clone(), schema, move |request| {
            let tasks = known.reads(TASK_TYPENAME, &request);
            request.data(tasks).data(reader.for_request()).data(membership.for_request())
        });
        Ok(Self { kernel, config, tasks, todos, endpoint })
    }

    /// Where GraphQL requests come in.
    #[must_use]
    pub fn endpoint(&self) -> Arc<Endpoint> {
        Arc::clone(&self.endpoint)
    }

    /// Public routes besides GraphQL: none.
    pub fn routes(&self) -> axum::Router {
        axum::Router::new()
    }

    /// Starts the relay, the event consumer and the job worker.
    pub fn work(&self, shutdown: &Shutdown) {
        let engine = Arc::clone(&self.config.engine);
        // While it is away, the built-in engine stands in: degraded, not down.
        self.kernel.health.add(format!("{NAME}.engine"), Need::Degraded, move || {
            let found = engine.check();
            async move { Ok(found.await?) }
        });
        let Kernel { pool, bus, cache, outbox, .. } = self.kernel.clone();
        let relay = Relay::new(pool.clone(), bus.clone(), cache, outbox.clone());
        shutdown.spawn(relay.run(shutdown.clone()));
        let listener = Arc::new(Listener::new(self.tasks.clone(), outbox));
        let (events, ending) = (bus.clone(), shutdown.clone());
        shutdown.spawn(async move { events.consume(CONSUMER, pool, listener, ending).await });
        let (kernel, held) = (self.kernel.clone(), self.todos.clone());
        shutdown.spawn(platform::erasure::run(kernel, held, shutdown.clone()));
        let extractor = Extractor {
            kernel: self.kernel.clone(),
            tasks: self.tasks.clone(),
            todos: self.todos.clone(),
            engine: Arc::clone(&self.config.engine),
        };
        let (tasks, worker) = (self.tasks.clone(), Arc::new(extractor));
        shutdown.spawn(run_worker(bus, tasks, QUEUE, HEAVY_MAX, worker, shutdown.clone()));
    }
}
