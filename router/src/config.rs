//! Configuration of the router. Every field has a default; unknown keys are
//! refused. Signing keys are secrets and come from the program, not from a file.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::SocketAddr,
    path::PathBuf,
};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::engine::SUBGRAPH_TIMEOUT_MS;

/// Largest request body unless configured, in bytes.
pub const BODY_MAX_BYTES: usize = 1024 * 1024;
/// Longest that a query or mutation may take unless configured, in milliseconds.
pub const REQUEST_TIMEOUT_MS: u64 = 60_000;
/// Prepared operations kept unless configured.
pub const PLAN_CACHE_ENTRIES: usize = 1_000;
/// Largest answer of a subgraph unless configured, in bytes.
pub const SUBGRAPH_RESPONSE_MAX_BYTES: usize = 64 * 1024 * 1024;

/// How long requests are still taken after the process was told to end, unless configured,
/// in milliseconds.
pub const DRAIN_MS: u64 = 2_000;
/// Longest that what runs then may take unless configured, in milliseconds.
pub const FINISH_MS: u64 = 20_000;

/// The router's configuration.
#[derive(Debug, Clone, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Who is meant to use it: sets what isn't set by itself.
    pub mode: crate::mode::Mode,
    /// Whether `__schema` and `__type` are answered; only in development unless set.
    pub introspection: Option<bool>,
    /// Whether `/graphiql` is served; only in development unless set.
    pub explorer: Option<bool>,
    /// What clients are told of errors.
    pub errors: crate::mode::Errors,
    /// Who may be believed.
    pub authentication: Authentication,
    /// Settings of single subgraphs, by name.
    pub subgraphs: BTreeMap<String, Subgraph>,
    /// The HTTP side.
    pub http: Http,
    /// How changes of the supergraph's file are found.
    pub reload: crate::reload::Config,
    /// Subscriptions of subgraphs.
    pub remote: crate::remote::Config,
    /// How subgraphs are asked.
    pub fetch: crate::fetch::Fetch,
    /// Persisted documents and the safelist.
    pub documents: crate::document::Config,
    /// Limits on what clients may ask for.
    pub limits: crate::limit::Config,
    /// Which headers go from clients to subgraphs and back.
    pub headers: crate::headers::Config,
    /// Progressive overrides.
    pub overrides: crate::planner::Overrides,
    /// Prepared operations that are kept.
    pub plan_cache_entries: usize,
    /// The event stream that feeds subscriptions; None for a router without.
    pub events: Option<Events>,
    /// Bounds of the push plane.
    pub push: crate::push::Config,
    /// What becomes of requests for more than is allowed.
    pub authorization: crate::authorization::Config,
    /// How many requests a viewer or an address may send.
    pub rate_limit: crate::rate::Config,
    /// Where requests come from, behind proxies.
    pub client_address: crate::rate::ClientAddress,
    /// How the process ends.
    pub shutdown: Shutdown,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 4000)),
            mode: crate::mode::Mode::default(),
            introspection: None,
            explorer: None,
            errors: crate::mode::Errors::default(),
            authentication: Authentication::default(),
            subgraphs: BTreeMap::new(),
            http: Http::default(),
            reload: crate::reload::Config::default(),
            remote: crate::remote::Config::default(),
            fetch: crate::fetch::Fetch::default(),
            documents: crate::document::Config::default(),
            limits: crate::limit::Config::default(),
            headers: crate::headers::Config::default(),
            overrides: crate::planner::Overrides::default(),
            plan_cache_entries: PLAN_CACHE_ENTRIES,
            events: None,
            push: crate::push::Config::default(),
            authorization: crate::authorization::Config::default(),
            rate_limit: crate::rate::Config::default(),
            client_address: crate::rate::ClientAddress::default(),
            shutdown: Shutdown::default(),
        }
    }
}

/// Where identities come from. Without issuers everybody is anonymous.
#[derive(Debug, Clone, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Authentication {
    /// Issuers of tokens.
    pub issuers: Vec<Issuer>,
    /// How far an issuer's clock and ours may differ, in seconds.
    pub leeway_s: u64,
    /// Shortest pause between two readings of a key set, in milliseconds, however many tokens name
    /// keys that are not in it.
    pub jwks_pause_ms: u64,
}

impl Default for Authentication {
    fn default() -> Self {
        let (leeway_s, jwks_pause_ms) =
            (crate::authentication::LEEWAY_S, crate::authentication::JWKS_PAUSE_MS);
        Self { issuers: Vec::new(), leeway_s, jwks_pause_ms }
    }
}

impl Authentication {
    fn check(&self) -> Result<(), ConfigError> {
        let mut names = HashSet::new();
        for Issuer { issuer, trust, scopes, roles, .. } in &self.issuers {
            if !names.insert(issuer) {
                return Err(ConfigError::IssuerTwice(issuer.clone()));
            }
            if *trust == Trust::Own && !(scopes.is_empty() && roles.is_empty()) {
                return Err(ConfigError::IssuerLimits(issuer.clone()));
            }
        }
        Ok(())
    }
}

/// An issuer of tokens.
#[derive(Debug, Clone, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// The `iss` of its tokens.
    pub issuer: String,
    /// The `aud` that its tokens must have for this router; any if not set.
    #[serde(default)]
    pub audience: Option<String>,
    /// Whether its subjects are users of ours.
    #[serde(default)]
    pub trust: Trust,
    /// Of an outside issuer: the scopes that it may give. Others in its tokens don't count.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Of an outside issuer: the roles that it may give. Others in its tokens don't count.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Its public keys: `url: …`, `file: …` or `inline: …`.
    #[serde(with = "serde_yaml_ng::with::singleton_map")]
    #[schemars(with = "Jwks")]
    pub jwks: Jwks,
}

/// How far an issuer is believed.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// Its subjects are strangers, whatever id they carry: none of them ever is one of our users. Of
    /// its scopes and roles those count that its settings name.
    #[default]
    Outside,
    /// It speaks for our users: a subject that is a UUID is the id of one of them, and its scopes and
    /// roles count as they are.
    Own,
}

/// Where an issuer's key set is.
#[derive(Debug, Clone, Deserialize, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Jwks {
    /// Fetched, cached, and fetched again for an unknown key.
    Url(String),
    /// Read at the start, and again for an unknown key.
    File(PathBuf),
    /// The JSON itself.
    Inline(String),
}

/// Settings of one subgraph.
#[derive(Debug, Clone, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Subgraph {
    /// Its address, instead of the supergraph's.
    pub url: Option<String>,
    /// Longest wait for an answer, in milliseconds.
    pub timeout_ms: u64,
    /// Largest answer, in bytes.
    pub response_max_bytes: usize,
    /// Where its subscriptions are served over WebSocket (`ws`, `wss`, `http` or
    /// `https`), if not at its address.
    pub subscription_url: Option<String>,
    /// What is different from the section `fetch` for it.
    pub fetch: crate::fetch::FetchOverride,
}

impl Default for Subgraph {
    fn default() -> Self {
        Self {
            url: None,
            timeout_ms: SUBGRAPH_TIMEOUT_MS,
            response_max_bytes: SUBGRAPH_RESPONSE_MAX_BYTES,
            subscription_url: None,
            fetch: crate::fetch::FetchOverride::default(),
        }
    }
}

/// The HTTP side.
#[derive(Debug, Clone, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Largest request body, in bytes.
    pub body_max_bytes: usize,
    /// Longest that a query or mutation may take with all of its fetches, in
    /// milliseconds.
    pub timeout_ms: u64,
    /// Whether requests that a browser sends without asking first are refused.
    pub csrf_protection: bool,
    /// Pages of other origins.
    pub cors: Cors,
    /// Whether large responses are compressed for clients that want it.
    pub compression: bool,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            body_max_bytes: BODY_MAX_BYTES,
            timeout_ms: REQUEST_TIMEOUT_MS,
            csrf_protection: true,
            cors: Cors::default(),
            compression: true,
        }
    }
}

/// How the process ends once it is told to.
#[derive(Debug, Clone, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Shutdown {
    /// How long it still answers everything, not ready and with `connection: close`, so that load
    /// balancers and clients go elsewhere, in milliseconds.
    pub drain_ms: u64,
    /// Longest that requests and connections may take to end then, in milliseconds.
    pub finish_ms: u64,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { drain_ms: DRAIN_MS, finish_ms: FINISH_MS }
    }
}

/// Which other origins' pages may read responses.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Cors {
    /// Origins such as `https://app.example.org`, or `*` for all. None by default.
    pub origins: Vec<String>,
    /// Whether cookies are allowed; not together with `*`.
    pub credentials: bool,
}

/// The event stream.
#[derive(Debug, Clone, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Events {
    /// NATS servers, such as `nats://127.0.0.1:4222`.
    pub url: String,
    /// Put before streams and subjects.
    #[serde(default)]
    pub prefix: String,
}

/// A Redis or Valkey server.
#[derive(Debug, Clone, Deserialize, PartialEq, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Redis {
    /// Such as `redis://127.0.0.1:6379`; `redis-cluster://` for a cluster.
    pub url: String,
    /// Put before every key.
    #[serde(default)]
    pub prefix: String,
}

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not YAML, or a key or value that is not known.
    #[error("the router's configuration is invalid: {0}")]
    Yaml(#[from] serde_yaml_ng::Error),
    /// A setting for a subgraph that the supergraph does not have.
    #[error("the configuration names the subgraph \"{0}\", which the supergraph does not have")]
    UnknownSubgraph(String),
    /// Which of two would be asked for a token?
    #[error("authentication.issuers: the issuer \"{0}\" is there twice")]
    IssuerTwice(String),
    /// What an own issuer says counts anyhow.
    #[error(
        "authentication.issuers: `scopes` and `roles` of \"{0}\" limit nothing, because its `trust` is \
         `own`: leave them out, or set `trust: outside`"
    )]
    IssuerLimits(String),
    /// Cookies for everybody.
    #[error("http.cors: `credentials` cannot be allowed to every origin (`*`)")]
    CorsCredentials,
    /// The safelist cannot be used.
    #[error(transparent)]
    Safelist(#[from] crate::document::SafelistError),
    /// A text that cannot be a header.
    #[error("`{0}` is not a valid header name or origin")]
    Header(String),
    /// A trusted proxy that is none.
    #[error("client_address.trusted_proxies: `{0}` is no address and no network like 10.0.0.0/8")]
    Network(String),
    /// Neither the supergraph nor the configuration says where a subgraph is.
    #[error(
        "the subgraph \"{0}\" has no usable address: set subgraphs.{0}.url, or compose with a \
         routing URL"
    )]
    NoAddress(String),
}

impl Config {
    /// Reads YAML (or JSON). An empty text is the default configuration.
    ///
    /// # Errors
    /// Where a key is unknown or a value has a wrong type.
    pub fn from_yaml(text: &str) -> Result<Self, ConfigError> {
        if text.lines().all(|line| line.trim().is_empty() || line.trim().starts_with('#')) {
            return Ok(Self::default());
        }
        Ok(serde_yaml_ng::from_str(text)?)
    }

    /// The JSON Schema of the configuration: every key, its type and meaning.
    pub fn json_schema() -> serde_json::Value {
        schemars::schema_for!(Self).to_value()
    }

    /// The settings of a subgraph.
    pub fn subgraph(&self, name: &str) -> Subgraph {
        self.subgraphs.get(name).cloned().unwrap_or_default()
    }

    /// Every subgraph that some setting names.
    fn named_subgraphs(&self) -> impl Iterator<Item = &String> {
        let ruled = self.headers.subgraphs.keys();
        self.subgraphs.keys().chain(self.rate_limit.subgraphs.keys()).chain(ruled)
    }

    /// Checks what only the supergraph can tell.
    pub(crate) fn check(&self, subgraphs: &HashMap<&str, &str>) -> Result<(), ConfigError> {
        if let Some(name) =
            self.named_subgraphs().find(|name| !subgraphs.contains_key(name.as_str()))
        {
            return Err(ConfigError::UnknownSubgraph(name.clone()));
        }
        self.authentication.check()?;
        let cors = &self.http.cors;
        if cors.credentials && cors.origins.iter().any(|origin| origin == "*") {
            return Err(ConfigError::CorsCredentials);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_the_default() {
        assert_eq!(Config::from_yaml("# nothing\n").unwrap(), Config::default());
    }

    #[test]
    fn every_concern_is_read_and_unknown_keys_are_refused() {
        let text = r#"
listen: 0.0.0.0:4001
introspection: false
authentication:
  issuers:
    - issuer: https://id.example.org
      audience: moim
      jwks: { url: https://id.example.org/jwks.json }
subgraphs:
  user: { url: "http://127.0.0.1:4101/graphql", timeout_ms: 500 }
http:
  cors: { origins: ["https://app.example.org"], credentials: true }
"#;
        let config = Config::from_yaml(text).unwrap();
        assert_eq!(config.subgraph("user").timeout_ms, 500);
        assert_eq!(config.subgraph("other").timeout_ms, SUBGRAPH_TIMEOUT_MS);
        assert!(!config.introspects());
        assert!(Config::from_yaml("introspektion: true").is_err());
    }

    #[test]
    fn issuers_are_outside_ones_unless_said_and_ambiguous_ones_are_refused() {
        let issuers = |lines: &[&str]| {
            let lines =
                lines.iter().map(|line| format!("    - {{ {line}, jwks: {{ inline: '' }} }}\n"));
            let text = format!("authentication:\n  issuers:\n{}", lines.collect::<String>());
            Config::from_yaml(&text).unwrap()
        };
        let config = issuers(&["issuer: a", "issuer: b, trust: own", "issuer: c, roles: [r]"]);
        assert_eq!(config.authentication.issuers[0].trust, Trust::Outside);
        assert!(config.check(&HashMap::new()).is_ok());
        let twice = issuers(&["issuer: a", "issuer: a, trust: own"]).check(&HashMap::new());
        assert!(matches!(twice, Err(ConfigError::IssuerTwice(name)) if name == "a"));
        let limits = issuers(&["issuer: a, trust: own, scopes: [s]"]).check(&HashMap::new());
        assert!(matches!(limits, Err(ConfigError::IssuerLimits(name)) if name == "a"));
    }
}
