//! The notification subgraph: everybody's inbox, and the ways to people outside.
//!
//! | room | what is there |
//! |---|---|
//! | [`schema`] | GraphQL: thin resolvers over one's own inbox |
//! | [`domain`] | who is told what of which event, in Korean and English: one table, pure |
//! | [`store`] | SQL |
//! | [`events`] | what it listens to and what it tells |
//! | [`erasure`] | what goes of people whose accounts are deleted |
//! | [`desk`] | what people ask for besides reading: choices, webhooks, a message to try |
//! | [`announcement`] | what one person tells to many |
//! | [`channel`], [`worker`] | ways to people outside, and the queue of deliveries |

pub mod announcement;
pub mod channel;
pub mod config;
pub mod desk;
pub mod domain;
pub mod erasure;
pub mod error;
pub mod events;
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
use platform::task::Tasks;
use sqlx::migrate::Migrator;

pub use config::Config;
pub use error::StartError;
pub use schema::sdl;

use announcement::Announcer;
use channel::breaker::Breaker;
use desk::Desk;
use events::Teller;
use events::{CONSUMER, Listener};
use schema::loader::Reader;
use worker::{Courier, HEAVY_MAX, QUEUE};

/// The service's name: of the subgraph, its database, its events' source.
pub const NAME: &str = "notification";

/// The service's own migrations (the kernel's run first, in the same database).
#[must_use]
pub fn migrator() -> &'static Migrator {
    static MIGRATOR: LazyLock<Migrator> = LazyLock::new(|| {
        let mut migrator = sqlx::migrate!("../../migrations/notification");
        migrator.set_ignore_missing(true);
        migrator
    });
    &MIGRATOR
}

/// The notification service.
pub struct Service {
    kernel: Kernel,
    config: Config,
    tasks: Tasks,
    announcer: Announcer,
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
        let desk = Desk {
            pool: kernel.pool.clone(),
            tasks: tasks.clone(),
            outbox: kernel.outbox.clone(),
            config: config.clone(),
        };
        let teller = Teller {
            tasks: tasks.clone(),
            outbox: kernel.outbox.clone(),
            channels: config.channels.clone(),
        };
        let announcer = Announcer { kernel: kernel.clone(), tasks: tasks.clone(), teller };
        let schema = schema::builder().data(kernel.pool.clone()).data(desk);
        let schema = schema.data(announcer.clone()).finish();
        let reader = Reader::new(kernel.pool.clone());
        let endpoint = Endpoint::new(NAME, kernel.keys.clone(), schema, move |request| {
            request.data(reader.for_request())
        });
        Ok(Self { kernel, config, tasks, announcer, endpoint })
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
        self.watch_channels();
        let Kernel { pool, bus, cache, outbox, .. } = self.kernel.clone();
        let relay = Relay::new(pool.clone(), bus.clone(), cache, outbox.clone());
        shutdown.spawn(relay.run(shutdown.clone()));
        let channels = self.config.channels.clone();
        let listener = Arc::new(Listener::new(self.announcer.teller.clone(), outbox));
        let (events, ending, from) = (bus.clone(), shutdown.clone(), pool.clone());
        shutdown.spawn(async move { events.consume(CONSUMER, from, listener, ending).await });
        let (kernel, ending) = (self.kernel.clone(), shutdown.clone());
        shutdown.spawn(platform::erasure::run(kernel, erasure::Held, ending));
        let Config { outage_max, pauses, .. } = self.config;
        let breaker = Breaker::new(pauses);
        let courier = Arc::new(Courier {
            pool,
            channels,
            breaker,
            outage_max,
            pauses,
            announcer: self.announcer.clone(),
        });
        let tasks = self.tasks.clone();
        shutdown.spawn(run_worker(bus, tasks, QUEUE, HEAVY_MAX, courier, shutdown.clone()));
    }

    /// A provider that is away delays what goes out and nothing else: degraded, not down.
    fn watch_channels(&self) {
        for channel in self.config.channels.iter().map(Arc::clone) {
            let name = format!("{NAME}.{}", channel.way().job_kind());
            self.kernel.health.add(name, Need::Degraded, move || {
                let found = channel.check();
                async move { Ok(found.await?) }
            });
        }
    }
}
