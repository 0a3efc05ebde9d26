//! The ai subgraph: what a meeting came to, what comes after it, and how it went.
//!
//! | room | what is there |
//! |---|---|
//! | [`schema`] | GraphQL: thin resolvers, each behind the access check |
//! | [`domain`] | the kinds of work, pure |
//! | [`store`] | SQL |
//! | [`request`] | the use case: asking for one of them |
//! | [`events`] | what it listens to and what it tells |
//! | [`erasure`] | what goes of people whose accounts are deleted |
//! | [`peer`] | what it asks other services when a job needs it |
//! | [`worker`] | asks the engine, and writes down what it finds |
//!
//! `moim.meeting.ended.v1` opens the tasks of a summary and an analysis, and
//! `moim.transcript.created.v1` puts them into the queue. Whatever an engine finds cites the
//! segments that it comes from. An analysis over several meetings is made when somebody asks for it, and is
//! theirs: it is put together from one part a meeting whenever it is read. The engines are in the crate `text`.

pub mod config;
pub mod domain;
pub mod erasure;
pub mod error;
pub mod events;
pub mod peer;
pub mod request;
pub mod schema;
pub mod store;
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
use request::Desk;
use schema::loader::Reader;
use worker::{HEAVY_MAX, QUEUE, TASK_TYPENAME, Worker};

/// The service's name: of the subgraph, its database, its events' source.
pub const NAME: &str = "ai";

/// The service's own migrations (the kernel's run first, in the same database).
#[must_use]
pub fn migrator() -> &'static Migrator {
    static MIGRATOR: LazyLock<Migrator> = LazyLock::new(|| {
        let mut migrator = sqlx::migrate!("../../migrations/ai");
        migrator.set_ignore_missing(true);
        migrator
    });
    &MIGRATOR
}

/// The ai service.
pub struct Service {
    kernel: Kernel,
    config: Config,
    tasks: Tasks,
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
        let (reader, known) = (Reader::new(kernel.pool.clone()), tasks.clone());
        let schema = schema::builder()
            .data(Desk::new(tasks.clone()))
            .data(Requests::new(tasks.clone()))
            .data(tasks.clone())
            .data(kernel.pool.clone())
            .finish();
        let endpoint = Endpoint::new(NAME, kernel.keys.clone(), schema, move |request| {
            let tasks = known.reads(TASK_TYPENAME, &request);
            request.data(tasks).data(reader.for_request()).data(membership.for_request())
        });
        Ok(Self { kernel, config, tasks, endpoint })
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
        let (kernel, held) = (self.kernel.clone(), erasure::Held(self.tasks.clone()));
        shutdown.spawn(platform::erasure::run(kernel, held, shutdown.clone()));
        let tasks = self.tasks.clone();
        let engine = Arc::clone(&self.config.engine);
        let worker = Arc::new(Worker { kernel: self.kernel.clone(), tasks: tasks.clone(), engine });
        shutdown.spawn(run_worker(bus, tasks, QUEUE, HEAVY_MAX, worker, shutdown.clone()));
    }
}
