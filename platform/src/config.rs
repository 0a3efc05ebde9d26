//! Configuration: one struct per concern, read through [`Source`], so that it is tested without an
//! environment. Every default is stated here; secrets stay in [`SecretString`] and are never printed.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};

/// Most connections a service keeps to its database, unless configured.
pub const POSTGRES_MAX_CONNECTIONS_DEFAULT: u32 = 10;
/// Shortest accepted signing key, in bytes.
pub const KEY_MIN_BYTES: usize = 32;
/// Longest accepted prefix of names in shared servers, in bytes.
pub const PREFIX_MAX_BYTES: usize = 24;

/// Where configuration comes from.
pub trait Source: Send + Sync {
    /// The value of the variable `name`, if it is set. An empty value counts as not set.
    fn get(&self, name: &str) -> Option<String>;
}

/// The environment of the process.
#[derive(Debug, Clone, Copy, Default)]
pub struct Env;

impl Source for Env {
    fn get(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().filter(|value| !value.is_empty())
    }
}

/// Given values: for tests, and for a process that configures its own services.
#[derive(Debug, Clone, Default)]
pub struct Values(BTreeMap<String, String>);

impl Values {
    /// No values.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same values with `name` set.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.insert(name.into(), value.into());
        self
    }
}

impl Source for Values {
    fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).filter(|value| !value.is_empty()).cloned()
    }
}

/// Values that come before those of another source.
pub struct Over<'a> {
    /// Asked first.
    pub first: Values,
    /// Asked for what the first one doesn't have.
    pub then: &'a dyn Source,
}

impl Source for Over<'_> {
    fn get(&self, name: &str) -> Option<String> {
        self.first.get(name).or_else(|| self.then.get(name))
    }
}

/// What is wrong with the configuration, and how to mend it. Never contains a secret's value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A variable without a default is not set.
    #[error("{name} is not set: {help}")]
    Missing {
        /// Name of the variable.
        name: String,
        /// What to set it to.
        help: String,
    },
    /// A variable has a value that can't be used.
    #[error("{name} can't be used ({reason}): {help}")]
    Invalid {
        /// Name of the variable.
        name: String,
        /// Why its value is refused.
        reason: String,
        /// What to set it to.
        help: String,
    },
}

impl ConfigError {
    /// A variable that has to be set and isn't.
    pub fn missing(name: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Missing { name: name.into(), help: help.into() }
    }

    /// A variable whose value can't be used.
    pub fn invalid(
        name: impl Into<String>,
        reason: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self::Invalid { name: name.into(), reason: reason.into(), help: help.into() }
    }
}

/// The value of a variable without a default.
///
/// # Errors
/// [`ConfigError::Missing`] with `help`, which says what to set it to.
pub fn required(source: &dyn Source, name: &str, help: &str) -> Result<String, ConfigError> {
    source.get(name).ok_or_else(|| ConfigError::missing(name, help))
}

/// The parsed value of a variable, or `default` when it is not set.
///
/// # Errors
/// [`ConfigError::Invalid`] when the value doesn't parse.
pub fn parsed<T>(source: &dyn Source, name: &str, default: T, help: &str) -> Result<T, ConfigError>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    match source.get(name) {
        None => Ok(default),
        Some(value) => value
            .trim()
            .parse()
            .map_err(|error: T::Err| ConfigError::invalid(name, error.to_string(), help)),
    }
}

/// The database server.
#[derive(Debug, Clone)]
pub struct Postgres {
    /// URL of the server; its database is only used to create the services' own ones.
    pub url: SecretString,
    /// Put before a service's name to get its database's name.
    pub database_prefix: String,
    /// Most connections that one service keeps in one process.
    pub max_connections: u32,
}

impl Postgres {
    /// Reads `MOIM_POSTGRES_URL`, `MOIM_POSTGRES_DATABASE_PREFIX` (default `moim_`) and
    /// `MOIM_POSTGRES_MAX_CONNECTIONS` (default [`POSTGRES_MAX_CONNECTIONS_DEFAULT`]).
    ///
    /// # Errors
    /// When the URL is missing or a value can't be used.
    pub fn from(source: &dyn Source) -> Result<Self, ConfigError> {
        const URL_HELP: &str =
            "give the server's URL, like postgres://user:password@127.0.0.1:5432/postgres";
        let name = "MOIM_POSTGRES_URL";
        let url = server_url(source, name, &["postgres", "postgresql"], URL_HELP)?;

        let name = "MOIM_POSTGRES_DATABASE_PREFIX";
        let help = "use lower-case letters, digits and _, beginning with a letter, like moim_";
        let database_prefix = source.get(name).unwrap_or_else(|| "moim_".to_owned());
        let plain = database_prefix
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !plain || !database_prefix.starts_with(|c: char| c.is_ascii_lowercase()) {
            return Err(ConfigError::invalid(name, "it isn't a plain name", help));
        }
        if database_prefix.len() > PREFIX_MAX_BYTES {
            return Err(ConfigError::invalid(name, "it is too long", help));
        }

        let name = "MOIM_POSTGRES_MAX_CONNECTIONS";
        let help = "give a whole number from 2";
        let max_connections = parsed(source, name, POSTGRES_MAX_CONNECTIONS_DEFAULT, help)?;
        if max_connections < 2 {
            return Err(ConfigError::invalid(name, "too few to work with", help));
        }
        Ok(Self { url, database_prefix, max_connections })
    }
}

/// The cache server.
#[derive(Debug, Clone)]
pub struct Redis {
    /// `redis://` or `rediss://`, with `-cluster` for a cluster.
    pub url: SecretString,
    /// Put before every key; empty by default.
    pub prefix: String,
}

impl Redis {
    /// Reads `MOIM_REDIS_URL` and `MOIM_REDIS_PREFIX` (default empty).
    ///
    /// # Errors
    /// When the URL is missing or a value can't be used.
    pub fn from(source: &dyn Source) -> Result<Self, ConfigError> {
        const SCHEMES: &[&str] =
            &["redis", "rediss", "redis-cluster", "rediss-cluster", "valkey", "valkeys"];
        let help = "give the server's URL, like redis://127.0.0.1:6379";
        Ok(Self {
            url: server_url(source, "MOIM_REDIS_URL", SCHEMES, help)?,
            prefix: name_prefix(source, "MOIM_REDIS_PREFIX")?,
        })
    }
}

/// The event bus's server.
#[derive(Debug, Clone)]
pub struct Nats {
    /// One URL, or several of a cluster with commas between.
    pub url: SecretString,
    /// Put before every stream and subject; empty by default.
    pub prefix: String,
}

impl Nats {
    /// Reads `MOIM_NATS_URL` and `MOIM_NATS_PREFIX` (default empty).
    ///
    /// # Errors
    /// When the URL is missing or a value can't be used.
    pub fn from(source: &dyn Source) -> Result<Self, ConfigError> {
        let name = "MOIM_NATS_URL";
        let help = "give the server's URL, like nats://127.0.0.1:4222";
        let value = required(source, name, help)?;
        for one in value.split(',') {
            check_url(name, one.trim(), &["nats", "tls", "ws", "wss"], help)?;
        }
        let prefix = name_prefix(source, "MOIM_NATS_PREFIX")?;
        Ok(Self { url: value.into(), prefix })
    }
}

/// Where objects (recordings, texts) are kept.
#[derive(Debug, Clone)]
pub struct Objects {
    /// A `file:///…` URL or the path of a folder, which is made when it is missing; or
    /// `s3://bucket`, with a folder in it if you like.
    pub url: String,
    /// What is set of [`Objects::S3`], for a bucket.
    pub s3: Vec<(&'static str, SecretString)>,
}

impl Objects {
    /// Where objects are kept unless configured: a folder below the working directory.
    pub const DEFAULT: &str = "data/objects";

    /// How to reach a bucket and who we are there: the names that every AWS client knows.
    pub const S3: [&str; 16] = [
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
        "AWS_ALLOW_HTTP",
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_ROLE_ARN",
        "AWS_ROLE_SESSION_NAME",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_ENDPOINT_URL_STS",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    ];

    /// Reads `MOIM_OBJECTS_URL` (default [`Objects::DEFAULT`]), and for a bucket [`Objects::S3`].
    ///
    /// # Errors
    /// When the URL is of a kind that isn't supported, or the bucket's server would be spoken to
    /// without encryption and that isn't allowed.
    pub fn from(source: &dyn Source) -> Result<Self, ConfigError> {
        let name = "MOIM_OBJECTS_URL";
        let url = source.get(name).unwrap_or_else(|| Self::DEFAULT.to_owned());
        let scheme = url.split_once("://").map_or("file", |(scheme, _)| scheme);
        if !matches!(scheme, "file" | "s3") {
            let reason = format!("{scheme} isn't supported");
            let help =
                "give a folder, like file:///var/lib/moim/objects, or a bucket, like s3://moim";
            return Err(ConfigError::invalid(name, reason, help));
        }
        if scheme == "file" {
            return Ok(Self { url, s3: Vec::new() });
        }
        for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"] {
            let plain = source.get(name).is_some_and(|url| url.starts_with("http://"));
            if plain && source.get("AWS_ALLOW_HTTP").is_none_or(|allowed| allowed != "true") {
                let help = "give an https:// address, or set AWS_ALLOW_HTTP=true for a network that you trust";
                return Err(ConfigError::invalid(name, "recordings would go unencrypted", help));
            }
        }
        let set = |name: &'static str| Some((name, source.get(name)?.into()));
        Ok(Self { url, s3: Self::S3.into_iter().filter_map(set).collect() })
    }
}

/// Keys with which requests between router and services are signed.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Signs, and verifies.
    pub current: SecretString,
    /// Only verifies: the key before the last rotation, while it is still in use somewhere.
    pub previous: Option<SecretString>,
}

impl Keys {
    /// Reads `MOIM_SIGNATURE_KEY` and `MOIM_SIGNATURE_KEY_PREVIOUS` (optional).
    ///
    /// # Errors
    /// When the key is missing or one is shorter than [`KEY_MIN_BYTES`].
    pub fn from(source: &dyn Source) -> Result<Self, ConfigError> {
        const HELP: &str = "give at least 32 random bytes as text, like the output of \
                            `openssl rand -hex 32`, the same to every process";
        let current = key("MOIM_SIGNATURE_KEY", required(source, "MOIM_SIGNATURE_KEY", HELP)?)?;
        let name = "MOIM_SIGNATURE_KEY_PREVIOUS";
        let previous = source.get(name).map(|value| key(name, value)).transpose()?;
        return Ok(Self { current, previous });

        fn key(name: &str, value: String) -> Result<SecretString, ConfigError> {
            let value = SecretString::from(value);
            if value.expose_secret().len() < KEY_MIN_BYTES {
                return Err(ConfigError::invalid(name, "it is too short", HELP));
            }
            Ok(value)
        }
    }
}

fn server_url(
    source: &dyn Source,
    name: &str,
    schemes: &[&str],
    help: &str,
) -> Result<SecretString, ConfigError> {
    let value = required(source, name, help)?;
    check_url(name, &value, schemes, help)?;
    Ok(value.into())
}

fn check_url(name: &str, value: &str, schemes: &[&str], help: &str) -> Result<(), ConfigError> {
    // The value isn't repeated: it may hold a password.
    let url = url::Url::parse(value)
        .map_err(|error| ConfigError::invalid(name, format!("not a URL: {error}"), help))?;
    if !schemes.contains(&url.scheme()) {
        let reason = format!("{}:// isn't one of {}", url.scheme(), schemes.join(", "));
        return Err(ConfigError::invalid(name, reason, help));
    }
    Ok(())
}

/// A prefix that is allowed in stream names, subjects and keys alike.
fn name_prefix(source: &dyn Source, name: &str) -> Result<String, ConfigError> {
    let prefix = source.get(name).unwrap_or_default();
    let help = "use letters, digits, - and _, at most 24, or leave it away";
    if prefix.len() > PREFIX_MAX_BYTES {
        return Err(ConfigError::invalid(name, "it is too long", help));
    }
    if !prefix.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
        return Err(ConfigError::invalid(name, "it isn't a single plain token", help));
    }
    Ok(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_reached_by_the_usual_names_and_not_unencrypted_by_accident() {
        let source = Values::new()
            .with("MOIM_OBJECTS_URL", "s3://moim/objects")
            .with("AWS_ENDPOINT_URL", "http://minio:9000")
            .with("AWS_SECRET_ACCESS_KEY", "hidden");
        let error = Objects::from(&source).unwrap_err().to_string();
        assert!(error.contains("AWS_ALLOW_HTTP"), "{error}");
        let objects = Objects::from(&source.with("AWS_ALLOW_HTTP", "true")).unwrap();
        let names: Vec<_> = objects.s3.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["AWS_ENDPOINT_URL", "AWS_ALLOW_HTTP", "AWS_SECRET_ACCESS_KEY"]);
        assert!(!format!("{objects:?}").contains("hidden"));
    }

    #[test]
    fn a_missing_url_is_named_with_what_to_do() {
        let error = Postgres::from(&Values::new()).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("MOIM_POSTGRES_URL"), "{text}");
        assert!(text.contains("postgres://"), "{text}");
    }

    #[test]
    fn an_empty_value_counts_as_missing() {
        let source = Values::new().with("MOIM_NATS_URL", "");
        assert!(matches!(Nats::from(&source), Err(ConfigError::Missing { .. })));
    }

    #[test]
    fn secrets_are_never_printed() {
        let secret = "hunter2-hunter2";
        let source = Values::new()
            .with("MOIM_POSTGRES_URL", format!("postgres://u:{secret}@h/db"))
            .with("MOIM_SIGNATURE_KEY", secret);
        let printed = format!("{:?}", Postgres::from(&source).unwrap());
        assert!(!printed.contains(secret), "{printed}");
        let error = Keys::from(&source).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(secret));

        let source = Values::new().with("MOIM_REDIS_URL", format!("http://u:{secret}@h"));
        let error = Redis::from(&source).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(secret));
    }

    #[test]
    fn defaults_are_as_stated() {
        let source = Values::new().with("MOIM_POSTGRES_URL", "postgres://h/db");
        let postgres = Postgres::from(&source).unwrap();
        assert_eq!(postgres.database_prefix, "moim_");
        assert_eq!(postgres.max_connections, POSTGRES_MAX_CONNECTIONS_DEFAULT);
        assert_eq!(Objects::from(&source).unwrap().url, Objects::DEFAULT);
    }

    #[test]
    fn values_that_cannot_be_used_are_refused() {
        let base = Values::new()
            .with("MOIM_POSTGRES_URL", "postgres://h/db")
            .with("MOIM_NATS_URL", "nats://a:1,nats://b:2")
            .with("MOIM_REDIS_URL", "rediss://h:1");
        assert!(Nats::from(&base).is_ok());
        assert!(Redis::from(&base).is_ok());
        let bad = [
            ("MOIM_POSTGRES_MAX_CONNECTIONS", "many"),
            ("MOIM_POSTGRES_MAX_CONNECTIONS", "1"),
            ("MOIM_POSTGRES_DATABASE_PREFIX", "drop table;"),
            ("MOIM_NATS_PREFIX", "a.b"),
            ("MOIM_NATS_URL", "nats://a:1,http://b"),
            ("MOIM_REDIS_PREFIX", "a b"),
            ("MOIM_OBJECTS_URL", "gopher://x"),
        ];
        for (name, value) in bad {
            let source = base.clone().with(name, value);
            let results = [
                Postgres::from(&source).err(),
                Nats::from(&source).err(),
                Redis::from(&source).err(),
                Objects::from(&source).err(),
            ];
            let error = results.into_iter().flatten().next();
            assert!(
                matches!(&error, Some(ConfigError::Invalid { name: n, .. }) if n == name),
                "{name}={value}: {error:?}"
            );
        }
    }
}
