//! The user subgraph: accounts, log-in, tokens.
//!
//! | room | what is there |
//! |---|---|
//! | [`domain`] | rules of accounts and sessions, pure |
//! | [`store`] | SQL |
//! | [`account`], [`profile`] | the use cases: register, log in, refresh, log out; change, delete |
//! | [`administration`] | giving and taking roles, shutting and opening accounts |
//! | [`throttle`] | slows down who guesses passwords |
//! | [`password`], [`token`] | hashing; signing keys, access and refresh tokens |
//! | [`schema`] | GraphQL |
//! | [`events`] | what it tells the others |

pub mod account;
pub mod administration;
pub mod config;
pub mod domain;
pub mod error;
pub mod events;
pub mod password;
pub mod profile;
pub mod schema;
pub mod store;
pub mod throttle;
pub mod token;

use std::sync::{Arc, LazyLock};

use axum::{
    Router,
    http::header::{CACHE_CONTROL, CONTENT_TYPE},
    routing::get,
};
use platform::{kernel::Kernel, relay::Relay, shutdown::Shutdown, subgraph::Endpoint};
use sqlx::migrate::Migrator;

pub use config::Config;
pub use error::StartError;
pub use schema::sdl;

use account::Accounts;

/// The name of this subgraph.
pub const NAME: &str = "user";

/// How long others may keep our key set, in seconds: a new key must be out this long before it signs.
pub const JWKS_MAX_AGE_S: u32 = 300;

/// The migrations of this service's own tables.
#[must_use]
pub fn migrator() -> &'static Migrator {
    static MIGRATOR: LazyLock<Migrator> = LazyLock::new(|| {
        let mut migrator = sqlx::migrate!("../../migrations/user");
        // The kernel's migrations stand in the same table.
        migrator.set_ignore_missing(true);
        migrator
    });
    &MIGRATOR
}

/// The running service.
pub struct Service {
    kernel: Kernel,
    accounts: Accounts,
    endpoint: Arc<Endpoint>,
}

impl Service {
    /// Assembles the service; makes the signing key if there is none.
    ///
    /// # Errors
    /// [`StartError`].
    #[expect(clippy::unused_async, reason = "all services are made alike")]
    pub async fn new(kernel: Kernel, config: Config) -> Result<Self, StartError> {
        let accounts = Accounts::new(kernel.clone(), config)?;
        let schema = schema::build(accounts.clone());
        let per_request = {
            let accounts = accounts.clone();
            move |request: async_graphql::Request| {
                request.data(schema::user_loader(accounts.clone()))
            }
        };
        let endpoint = Endpoint::new(NAME, kernel.keys.clone(), schema, per_request);
        Ok(Self { kernel, accounts, endpoint })
    }

    /// Answers signed GraphQL requests.
    #[must_use]
    pub fn endpoint(&self) -> Arc<Endpoint> {
        Arc::clone(&self.endpoint)
    }

    /// The JSON Web Key Set that checks our access tokens.
    #[must_use]
    pub fn jwks(&self) -> String {
        self.accounts.jwks().to_owned()
    }

    /// Public routes besides GraphQL: `GET /.well-known/jwks.json`.
    pub fn routes(&self) -> Router {
        let jwks = self.jwks();
        let answer = move || async move {
            let keep = format!("public, max-age={JWKS_MAX_AGE_S}");
            let headers = [(CONTENT_TYPE, "application/json".to_owned()), (CACHE_CONTROL, keep)];
            (headers, jwks)
        };
        Router::new().route("/.well-known/jwks.json", get(answer))
    }

    /// Starts what runs beside requests: the relay.
    pub fn work(&self, shutdown: &Shutdown) {
        let Kernel { pool, bus, cache, outbox, .. } = self.kernel.clone();
        let relay = Relay::new(pool, bus, cache, outbox);
        shutdown.spawn(relay.run(shutdown.clone()));
    }
}
