//! Settings of rate limits and of finding out a client's address.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::Redis;

/// Callers whose buckets this process remembers unless configured.
const CALLERS_MAX: usize = 100_000;

/// How many requests one viewer, or one address where nobody is logged in, may send.
#[derive(Debug, Clone, Deserialize, PartialEq, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Whether requests are counted at all.
    pub enabled: bool,
    /// The limits of each bucket that has none of its own.
    pub default: Policy,
    /// Limits of single subgraphs' buckets, by the subgraph's name.
    pub subgraphs: BTreeMap<String, Policy>,
    /// Where all routers count together; without it each counts for itself.
    pub redis: Option<Redis>,
    /// Callers that this process remembers while it counts for itself; the least recently seen are
    /// forgotten first.
    pub callers_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: false,
            default: Policy::default(),
            subgraphs: BTreeMap::new(),
            redis: None,
            callers_max: CALLERS_MAX,
        }
    }
}

/// Limits of one bucket; all of them hold. 0 stands for no limit of that kind.
#[derive(Debug, Clone, Copy, Deserialize, PartialEq, Eq, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Requests per second in the long run.
    pub per_second: u32,
    /// Requests at once, after a pause.
    pub burst: u32,
    /// Requests in any minute.
    pub per_minute: u32,
    /// Requests in any hour.
    pub per_hour: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self { per_second: 20, burst: 40, per_minute: 200, per_hour: 2_000 }
    }
}

/// Where a request comes from, when it comes through proxies.
#[derive(Debug, Clone, Default, Deserialize, PartialEq, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClientAddress {
    /// Addresses or networks (such as `10.0.0.0/8`) of proxies that are believed.
    pub trusted_proxies: Vec<String>,
    /// The header in which those proxies tell who asked them. Only this one is read: a proxy passes on
    /// the other as the client wrote it.
    pub header: ForwardedHeader,
}

/// A header in which proxies tell who asked them.
#[derive(Debug, Clone, Copy, Default, Deserialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`
    #[default]
    XForwardedFor,
    /// `Forwarded` of RFC 7239
    Forwarded,
}
