//! The meeting subgraph: meetings, participants, recordings.
//!
//! | room | what is there |
//! |---|---|
//! | [`domain`] | rules of meetings, recordings and templates, pure |
//! | [`store`] | SQL |
//! | [`meeting`], [`bulk`], [`participation`], [`recording`], [`part`], [`retention`] | the use cases: plan, start, end, call off; plan many at once; who comes and goes; ask for an upload, also in parts; how long files are kept |
//! | [`template`] | templates of people's own |
//! | `erasure` | people whose accounts are deleted leave their meetings |
//! | [`upload`] | the HTTP route that takes files |
//! | [`schema`] | GraphQL |
//! | [`events`] | what it tells the others, and what it hears from them |
//! | [`worker`], [`sweep`] | the creation of many meetings; what becomes of recordings by itself |

pub mod bulk;
pub mod config;
pub mod domain;
mod erasure;
pub mod error;
pub mod events;
pub mod meeting;
pub mod part;
pub mod participation;
pub mod recording;
pub mod retention;
pub mod schema;
pub mod store;
pub mod sweep;
pub mod template;
pub mod upload;
pub mod worker;

use std::sync::{Arc, LazyLock};

use axum::Router;
use platform::{
    kernel::Kernel, queue::run_worker, relay::Relay, shutdown::Shutdown, subgraph::Endpoint,
};
use sqlx::migrate::Migrator;

pub use config::Config;
pub use error::StartError;
pub use schema::sdl;

use crate::{
    meeting::Meetings,
    worker::{Creator, HEAVY_MAX, QUEUE},
};

/// The name of this subgraph.
pub const NAME: &str = "meeting";

/// The migrations of this service's own tables.
#[must_use]
pub fn migrator() -> &'static Migrator {
    static MIGRATOR: LazyLock<Migrator> = LazyLock::new(|| {
        let mut migrator = sqlx::migrate!("../../migrations/meeting");
        // The kernel's migrations stand in the same table.
        migrator.set_ignore_missing(true);
        migrator
    });
    &MIGRATOR
}

/// The running service.
pub struct Service {
    meetings: Meetings,
    endpoint: Arc<Endpoint>,
}

impl Service {
    /// Assembles the service.
    ///
    /// # Errors
    /// None so far.
    #[expect(clippy::unused_async, reason = "all services are made alike")]
    pub async fn new(kernel: Kernel, config: Config) -> Result<Self, StartError> {
        let keys = kernel.keys.clone();
        kernel.watch_objects();
        let meetings = Meetings::new(kernel, config);
        let schema = schema::build(meetings.clone());
        let per_request = {
            let meetings = meetings.clone();
            move |request| schema::Loaders::attach(&meetings, request)
        };
        let endpoint = Endpoint::new(NAME, keys, schema, per_request);
        Ok(Self { meetings, endpoint })
    }

    /// Answers signed GraphQL requests.
    #[must_use]
    pub fn endpoint(&self) -> Arc<Endpoint> {
        Arc::clone(&self.endpoint)
    }

    /// Public routes besides GraphQL: `PUT /uploads/{recordingId}`.
    pub fn routes(&self) -> Router {
        upload::routes(self.meetings.clone())
    }

    /// Starts what runs beside requests: the relay, the event consumer, the job worker and the sweeper.
    pub fn work(&self, shutdown: &Shutdown) {
        let Kernel { pool, bus, cache, outbox, .. } = self.meetings.kernel.clone();
        let relay = Relay::new(pool.clone(), bus.clone(), cache, outbox);
        shutdown.spawn(relay.run(shutdown.clone()));
        let handler = events::MeetingEvents::new(self.meetings.clone());
        let (listened, heard) = (bus.clone(), shutdown.clone());
        shutdown.spawn(async move {
            listened.consume(events::CONSUMER, pool, handler, heard).await;
        });
        let (kernel, holder) = (self.meetings.kernel.clone(), self.meetings.clone());
        shutdown.spawn(platform::erasure::run(kernel, holder, shutdown.clone()));
        let creator = Arc::new(Creator::new(self.meetings.clone()));
        let tasks = self.meetings.tasks.clone();
        shutdown.spawn(run_worker(bus, tasks, QUEUE, HEAVY_MAX, creator, shutdown.clone()));
        shutdown.spawn(sweep::run(self.meetings.clone(), shutdown.clone()));
    }
}
