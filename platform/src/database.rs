//! The service's own database: connected, created, migrated; or only looked at.

use std::collections::HashMap;
use std::str::FromStr as _;
use std::time::Duration;

use secrecy::ExposeSecret;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, PgPool};

use crate::config;

/// Longest time to wait for a connection of the pool.
pub const ACQUIRE_TIMEOUT_MS: u64 = 5_000;
/// Longest time of one statement.
pub const STATEMENT_TIMEOUT_MS: u64 = 30_000;
/// Longest time that a transaction may do nothing: it holds locks.
pub const IDLE_IN_TRANSACTION_MS: u64 = 60_000;

/// SQLSTATE: the database doesn't exist.
const INVALID_CATALOG_NAME: &str = "3D000";
/// SQLSTATEs: somebody else has just created it.
const JUST_CREATED: [&str; 2] = ["42P04", "23505"];

/// Why there is no database.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The URL can't be read. What is in it isn't shown: it may hold a password.
    #[error("the URL of the Postgres server can't be read")]
    Url,
    /// No connection.
    #[error("can't connect to database {database}")]
    Connect {
        /// Name of the database.
        database: String,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// The database isn't there.
    #[error("database {0} doesn't exist (has it been migrated?)")]
    Missing(String),
    /// The database is missing and can't be created.
    #[error("database {database} doesn't exist and can't be created")]
    Create {
        /// Name of the database.
        database: String,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// A migration failed.
    #[error("the database can't be migrated")]
    Migrate(#[from] MigrateError),
}

/// Name of a service's database.
#[must_use]
pub fn name(config: &config::Postgres, service: &str) -> String {
    format!("{}{service}", config.database_prefix)
}

/// Connects to a service's database, which must be there: nothing is created.
///
/// # Errors
/// [`DatabaseError::Missing`]; when the server gives no answer or refuses.
pub async fn connect(config: &config::Postgres, service: &str) -> Result<PgPool, DatabaseError> {
    let database = name(config, service);
    let options = server(config)?.database(&database).options([
        ("statement_timeout", STATEMENT_TIMEOUT_MS.to_string()),
        ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION_MS.to_string()),
    ]);
    reach(&options).await.map_err(|source| unreached(&database, source))?;
    PgPoolOptions::new()
        .max_connections(config.max_connections)
        .acquire_timeout(Duration::from_millis(ACQUIRE_TIMEOUT_MS))
        .connect_with(options)
        .await
        .map_err(|source| DatabaseError::Connect { database, source })
}

/// Creates a service's database when it is missing.
///
/// # Errors
/// When the server gives no answer or refuses.
pub async fn create(config: &config::Postgres, service: &str) -> Result<(), DatabaseError> {
    let database = name(config, service);
    let server = server(config)?;
    match reach(&server.clone().database(&database)).await {
        Ok(()) => Ok(()),
        Err(error) => match unreached(&database, error) {
            DatabaseError::Missing(_) => create_on(&server, &database).await,
            error => Err(error),
        },
    }
}

/// The migrations that [`migrate`] would apply, in their order; nothing is changed.
///
/// # Errors
/// When the database gives no answer, or a migration that was applied differs from the program's.
pub async fn due(pool: &PgPool, service: &Migrator) -> Result<Vec<String>, DatabaseError> {
    let noted: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
        .fetch_one(pool)
        .await
        .map_err(MigrateError::from)?;
    let mut applied: HashMap<i64, Vec<u8>> = HashMap::new();
    if noted {
        let rows = sqlx::query_as("SELECT version, checksum FROM _sqlx_migrations WHERE success");
        applied = rows.fetch_all(pool).await.map_err(MigrateError::from)?.into_iter().collect();
    }
    let mut due = Vec::new();
    for one in kernel().iter().chain(service.iter()) {
        match applied.get(&one.version) {
            None => due.push(format!("{:04} {}", one.version, one.description)),
            Some(checksum) if **checksum != *one.checksum => {
                return Err(MigrateError::VersionMismatch(one.version).into());
            }
            Some(_) => {}
        }
    }
    Ok(due)
}

/// Brings a database to the state that the program needs: the kernel's tables, then the service's.
/// Several processes may do so at once: they wait for each other.
///
/// # Errors
/// When a migration fails, or one that was applied differs from the program's.
pub async fn migrate(pool: &PgPool, service: &Migrator) -> Result<(), DatabaseError> {
    // Both note in the same table what they applied, so that each misses the other's.
    for one in [kernel(), service] {
        let migrations = one.migrations.clone();
        Migrator { migrations, ignore_missing: true, ..Migrator::DEFAULT }.run(pool).await?;
    }
    Ok(())
}

/// The migrations of the kernel's tables, which every service's database has.
fn kernel() -> &'static Migrator {
    static KERNEL: Migrator = sqlx::migrate!("../migrations/platform");
    &KERNEL
}

fn unreached(database: &str, source: sqlx::Error) -> DatabaseError {
    match code(&source).as_deref() {
        Some(INVALID_CATALOG_NAME) => DatabaseError::Missing(database.to_owned()),
        _ => DatabaseError::Connect { database: database.to_owned(), source },
    }
}

fn server(config: &config::Postgres) -> Result<PgConnectOptions, DatabaseError> {
    PgConnectOptions::from_str(config.url.expose_secret()).map_err(|_| DatabaseError::Url)
}

async fn reach(options: &PgConnectOptions) -> Result<(), sqlx::Error> {
    let connecting = options.connect();
    let limit = Duration::from_millis(ACQUIRE_TIMEOUT_MS);
    let connection = tokio::time::timeout(limit, connecting)
        .await
        .map_err(|elapsed| sqlx::Error::Io(elapsed.into()))??;
    connection.close().await
}

async fn create_on(server: &PgConnectOptions, database: &str) -> Result<(), DatabaseError> {
    let failed = |source| DatabaseError::Create { database: database.to_owned(), source };
    let mut connection: PgConnection = server.connect().await.map_err(failed)?;
    // The name is of our own making (prefix checked, service a constant), and quoted besides.
    let statement = format!("CREATE DATABASE \"{}\"", database.replace('"', ""));
    match sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await {
        Ok(_) => {}
        Err(error) if code(&error).is_some_and(|code| JUST_CREATED.contains(&&*code)) => {}
        Err(error) => return Err(failed(error)),
    }
    connection.close().await.map_err(failed)
}

fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned())
}
