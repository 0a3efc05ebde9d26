//! The transcript subgraph: speech to text, segments, minutes.
//!
//! | room | what is in it |
//! |---|---|
//! | [`schema`] | GraphQL: thin resolvers, each behind the access check |
//! | [`domain`] | pure rules: minutes, progress (what they share with other services is in the crate `text`) |
//! | [`store`] | SQL |
//! | [`events`] | what it listens to and what it tells |
//! | [`erasure`] | what goes of people whose accounts are deleted |
//! | [`review`], [`editing`], [`sharing`], [`host`] | what people do to minutes and text, and who leads a meeting |
//! | [`export`] | transcripts as files, in answers and behind signed addresses |
//! | [`transcription`], [`verification`], [`worker`] | one attempt at a recording, a look at what came of it, and the queue they come from |
//!
//! The path of a recording: `moim.meeting.ended.v1` → task and job → segments as they are
//! recognised → transcript, minutes and the task's completion in one transaction.

pub mod config;
pub mod domain;
pub mod editing;
pub mod erasure;
pub mod error;
pub mod events;
pub mod export;
pub mod host;
pub mod review;
pub mod schema;
pub mod sharing;
pub mod store;
pub mod transcription;
pub mod verification;
pub mod worker;

use std::sync::{Arc, LazyLock};

use platform::kernel::Kernel;
use platform::membership::Membership;
use platform::queue::run_worker;
use platform::relay::Relay;
use platform::shutdown::Shutdown;
use platform::subgraph::Endpoint;
use platform::task::{Requests, Tasks};
use speech::{Engine, ProcessEngine};
use sqlx::migrate::Migrator;

pub use config::{Config, EngineChoice};
pub use error::ServiceError;
pub use schema::sdl;

use editing::Editing;
use events::{CONSUMER, Listener, QUEUE};
use export::Exporter;
use host::Hosts;
use review::Review;
use schema::loader::{Reader, TASK_TYPENAME};
use sharing::Sharing;
use transcription::Transcriber;
use verification::Verifier;
use worker::Worker;

/// The service's name: of the subgraph, its database, its events' source.
pub const NAME: &str = "transcript";

/// The service's own migrations (the kernel's run first, in the same database).
#[must_use]
pub fn migrator() -> &'static Migrator {
    static MIGRATOR: LazyLock<Migrator> = LazyLock::new(|| {
        let mut migrator = sqlx::migrate!("../../migrations/transcript");
        migrator.set_ignore_missing(true);
        migrator
    });
    &MIGRATOR
}

/// The transcript service.
pub struct Service {
    kernel: Kernel,
    endpoint: Arc<Endpoint>,
    transcriber: Transcriber,
    verifier: Verifier,
    exporter: Exporter,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").field("kernel", &self.kernel).finish_non_exhaustive()
    }
}

impl Service {
    /// Puts the service together; nothing runs yet.
    ///
    /// # Errors
    /// When the speech engine can't be set up.
    pub async fn new(kernel: Kernel, config: Config) -> Result<Self, ServiceError> {
        let tasks = kernel.tasks();
        let transcriber = Transcriber {
            pool: kernel.pool.clone(),
            outbox: kernel.outbox.clone(),
            tasks: tasks.clone(),
            objects: kernel.objects.clone(),
            cache: kernel.cache.clone(),
            engine: engine(&config)?,
            config,
        };
        let membership = contract::takes_part::view(&kernel);
        let exporter = Exporter::new(&kernel, membership.clone(), &transcriber.config);
        let verifier = Verifier::new(&kernel, tasks.clone());
        let hosts = Hosts::new(&kernel);
        let sharing = Sharing::new(&kernel, membership.clone(), hosts.clone(), &transcriber.config);
        let review = Review::new(&kernel, membership.clone(), hosts);
        let editing = Editing::new(&kernel, membership.clone());
        let changing = (sharing, review, editing);
        let (looking, exporting) = (verifier.clone(), exporter.clone());
        let endpoint = endpoint(&kernel, tasks, membership, changing, looking, exporting);
        Ok(Self { kernel, endpoint, transcriber, verifier, exporter })
    }

    /// Where GraphQL requests come in.
    #[must_use]
    pub fn endpoint(&self) -> Arc<Endpoint> {
        Arc::clone(&self.endpoint)
    }

    /// What does this service's transcriptions, without the queue around it.
    #[must_use]
    pub fn transcriber(&self) -> &Transcriber {
        &self.transcriber
    }

    /// Public routes besides GraphQL: downloads.
    pub fn routes(&self) -> axum::Router {
        export::routes(self.exporter.clone())
    }

    /// Starts the relay, the event consumer and the job worker.
    pub fn work(&self, shutdown: &Shutdown) {
        let engine = Arc::clone(&self.transcriber.engine);
        let need = self.transcriber.config.engine.need();
        self.kernel.health.add(format!("{NAME}.speech"), need, move || {
            let found = engine.check();
            async move { Ok(found.await?) }
        });
        self.kernel.watch_objects();
        let Kernel { pool, bus, cache, outbox, .. } = self.kernel.clone();
        let relay = Relay::new(pool.clone(), bus.clone(), cache, outbox);
        shutdown.spawn(relay.run(shutdown.clone()));
        let listener = Listener::new(self.transcriber.tasks.clone(), self.kernel.outbox.clone());
        let listener = Arc::new(listener);
        let (events, ending) = (bus.clone(), shutdown.clone());
        shutdown.spawn(async move { events.consume(CONSUMER, pool, listener, ending).await });
        let (kernel, held) = (self.kernel.clone(), erasure::Held::new(&self.kernel));
        shutdown.spawn(platform::erasure::run(kernel, held, shutdown.clone()));
        let tasks = self.transcriber.tasks.clone();
        let concurrency = self.transcriber.config.concurrency;
        let worker = Arc::new(Worker::new(self.transcriber.clone(), self.verifier.clone()));
        shutdown.spawn(run_worker(bus, tasks, QUEUE, concurrency, worker, shutdown.clone()));
    }
}

fn endpoint(
    kernel: &Kernel,
    tasks: Tasks,
    membership: Membership,
    (sharing, review, editing): (Sharing, Review, Editing),
    verifier: Verifier,
    exporter: Exporter,
) -> Arc<Endpoint> {
    let (reader, known) = (Reader::new(kernel.pool.clone(), &kernel.cache), tasks.clone());
    let schema = schema::builder()
        .data(Requests::new(tasks.clone()))
        .data(tasks)
        .data(kernel.pool.clone())
        .data(sharing)
        .data(verifier)
        .data(exporter)
        .data(review)
        .data(editing)
        .finish();
    Endpoint::new(NAME, kernel.keys.clone(), schema, move |request| {
        let tasks = known.reads(TASK_TYPENAME, &request);
        request.data(tasks).data(reader.for_request()).data(membership.for_request())
    })
}

/// The engine that the configuration chooses; nothing of it runs yet.
///
/// # Errors
/// When it can't be set up.
pub fn engine(config: &Config) -> Result<Arc<dyn Engine>, ServiceError> {
    match &config.engine {
        EngineChoice::Given(engine) => Ok(Arc::clone(engine)),
        EngineChoice::Server(config) => {
            let server = openai::Server::new(config).map_err(ServiceError::Server)?;
            Ok(Arc::new(stt::TranscriptionServer::new(server, config)))
        }
        EngineChoice::BuiltIn => {
            let mut process =
                speech::process::Config::current_exe().map_err(ServiceError::Engine)?;
            process.processes = config.concurrency;
            Ok(Arc::new(ProcessEngine::new(process)))
        }
    }
}
