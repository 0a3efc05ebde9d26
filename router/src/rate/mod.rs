//! Rate limits: how many requests a viewer, or an address where nobody is logged in, may send.
//!
//! A request draws once from the bucket of each subgraph whose root fields it touches, or from the
//! default one if it touches none. It is drawn from all of them or, if one is empty, from none. Where
//! there is a Redis all routers count together, in one script; while it is away each counts for itself by
//! the same rules.
//!
//! | module | idea |
//! |---|---|
//! | `config` | settings |
//! | `bucket`, `draw.lua` | the rules of a bucket, here and in Redis |
//! | `address` | whom a request comes from, behind proxies |
//! | `field` | the `RateLimit` fields of responses |
//! | `layer` | around every request: its address, and the fields of its response |

mod address;
mod bucket;
mod config;
mod field;
mod layer;

use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use http::HeaderMap;
use platform::{
    cache::{Cache, Script},
    identity::Identity,
};

use self::{address::AddressRule, bucket::State, field::Standing, layer::Slip};
use crate::{
    config::ConfigError,
    error::{GraphQLError, code},
    metrics::METRICS,
};

pub use config::{ClientAddress, Config, ForwardedHeader, Policy};
pub(crate) use field::{RATE_LIMIT, RATE_LIMIT_POLICY};
pub(crate) use layer::{meter, note_identity};

/// The bucket of requests that touch no subgraph.
const DEFAULT_BUCKET: &str = "default";
/// Carries the client's address from the edge to the handlers; nobody can send it.
pub(crate) const CLIENT_ADDRESS: &str = "moim-client-address";

static DRAW: Script = Script::new(include_str!("draw.lua"));

/// Counts requests. Shared by all of them.
pub struct Limiter {
    config: Config,
    addresses: AddressRule,
    shared: Option<Cache>,
    local: quick_cache::sync::Cache<String, Arc<Mutex<Buckets>>>,
}

/// One caller's buckets, by name.
type Buckets = HashMap<String, State>;

impl Limiter {
    /// A limiter; with `shared` the counts hold across routers.
    ///
    /// # Errors
    /// Where a trusted proxy is no address or network.
    pub fn new(
        config: Config,
        addresses: &ClientAddress,
        shared: Option<Cache>,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            addresses: AddressRule::new(addresses).map_err(ConfigError::Network)?,
            local: quick_cache::sync::Cache::new(config.callers_max),
            config,
            shared,
        })
    }

    fn policy(&self, bucket: &str) -> Policy {
        self.config.subgraphs.get(bucket).copied().unwrap_or(self.config.default)
    }

    /// Draws one request from each of these buckets, or from none.
    async fn draw(&self, caller: &str, buckets: &[&str]) -> Standing {
        let buckets = if buckets.is_empty() { &[DEFAULT_BUCKET] } else { buckets };
        let named: Vec<_> = buckets.iter().map(|name| (*name, self.policy(name))).collect();
        let (admitted, states) = match self.draw_shared(caller, &named).await {
            Some((admitted, states)) => {
                self.remember(caller, &named, &states);
                (admitted, states)
            }
            None => self.draw_local(caller, &named, now_ms()),
        };
        let limits = named.iter().zip(states).flat_map(|((name, policy), state)| {
            state
                .limits(policy)
                .into_iter()
                .map(move |limit| (field::name(name, limit.name), limit))
        });
        Standing { admitted, limits: limits.collect() }
    }

    async fn draw_shared(
        &self,
        caller: &str,
        buckets: &[(&str, Policy)],
    ) -> Option<(bool, Vec<State>)> {
        draw_in_redis(self.shared.as_ref()?, caller, buckets, 0).await
    }

    fn buckets(&self, caller: &str) -> Arc<Mutex<Buckets>> {
        self.local.get(caller).unwrap_or_else(|| {
            let fresh = || Ok::<_, std::convert::Infallible>(Arc::default());
            self.local.get_or_insert_with(caller, fresh).unwrap_or_default()
        })
    }

    /// Keeps what Redis told: while it is away, this process goes on from there.
    fn remember(&self, caller: &str, buckets: &[(&str, Policy)], states: &[State]) {
        let known = self.buckets(caller);
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        for ((name, _), state) in buckets.iter().zip(states) {
            known.insert((*name).to_owned(), *state);
        }
    }

    fn draw_local(
        &self,
        caller: &str,
        buckets: &[(&str, Policy)],
        now_ms: i64,
    ) -> (bool, Vec<State>) {
        let known = self.buckets(caller);
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut states: Vec<_> = buckets
            .iter()
            .map(|(name, policy)| match known.get(*name) {
                Some(state) => state.at(policy, now_ms),
                None => State::full(policy, now_ms),
            })
            .collect();
        let admitted = states.iter().zip(buckets).all(|(state, (_, policy))| state.admits(policy));
        if admitted {
            for (state, (name, _)) in states.iter_mut().zip(buckets) {
                state.take();
                known.insert((*name).to_owned(), *state);
            }
        }
        (admitted, states)
    }

    /// The client's address, as the edge found it out.
    pub(crate) fn address(headers: &HeaderMap) -> Option<IpAddr> {
        headers.get(CLIENT_ADDRESS)?.to_str().ok()?.parse().ok()
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter").finish_non_exhaustive()
    }
}

/// `now_ms` 0 stands for the server's clock.
async fn draw_in_redis(
    cache: &Cache,
    caller: &str,
    buckets: &[(&str, Policy)],
    now_ms: i64,
) -> Option<(bool, Vec<State>)> {
    // The braces keep a caller's buckets on one node of a cluster.
    let keys: Vec<_> =
        buckets.iter().map(|(name, _)| format!("rate:{{{caller}}}:{name}")).collect();
    let mut arguments = vec![now_ms];
    for (_, policy) in buckets {
        let Policy { per_second, burst, per_minute, per_hour } = *policy;
        arguments.extend([per_second, burst, per_minute, per_hour].map(i64::from));
    }
    let answer = cache.run(&DRAW, &keys, &arguments).await?;
    let (&[admitted, now_ms], states) = answer.split_first_chunk::<2>()?;
    let states: Option<Vec<_>> = states.chunks(5).map(|state| State::told(now_ms, state)).collect();
    Some((admitted == 1, states.filter(|states| states.len() == buckets.len())?))
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Whose requests are counted together.
fn caller(identity: &Identity, address: Option<IpAddr>) -> String {
    match (identity, address) {
        (Identity::Viewer(viewer), _) => format!("viewer:{}", viewer.id),
        (Identity::Service { name }, _) => format!("service:{name}"),
        (Identity::Group { id }, _) => format!("group:{id}"),
        (Identity::Anonymous, Some(IpAddr::V4(address))) => format!("address:{address}"),
        (Identity::Anonymous, Some(IpAddr::V6(address))) => {
            // Whoever has one address has the whole network of 64 bits.
            let network = std::net::Ipv6Addr::from_bits(address.to_bits() >> 64 << 64);
            format!("address:{network}")
        }
        (Identity::Anonymous, None) => "address:unknown".to_owned(),
    }
}

/// What a request still has to pay before it is executed. Taken when it is paid, so that nobody pays
/// twice; empty where requests aren't counted.
#[derive(Debug, Clone, Default)]
pub struct Toll(Option<(Arc<Limiter>, Option<IpAddr>)>);

impl Toll {
    /// The toll of a request with these headers.
    pub(crate) fn new(limiter: &Arc<Limiter>, headers: &HeaderMap) -> Self {
        match limiter.config.enabled {
            true => Self(Some((Arc::clone(limiter), Limiter::address(headers)))),
            false => Self(None),
        }
    }

    /// Draws for an operation that touches these subgraphs.
    pub(crate) async fn pay<'s>(
        self,
        identity: &Identity,
        subgraphs: impl Iterator<Item = &'s str>,
    ) -> Result<(), GraphQLError> {
        let Some((limiter, address)) = self.0 else { return Ok(()) };
        let mut buckets: Vec<_> = subgraphs.collect();
        buckets.sort_unstable();
        buckets.dedup();
        let standing = limiter.draw(&caller(identity, address), &buckets).await;
        let result = match standing.admitted {
            true => Ok(()),
            false => Err(refused(&standing)),
        };
        Slip::note(standing);
        result
    }
}

fn refused(standing: &Standing) -> GraphQLError {
    METRICS.rate_limited.inc();
    let seconds = standing.retry_after_s();
    let message = format!("Too many requests. Try again in {seconds} s.");
    let mut error = GraphQLError::new(code::RATE_LIMITED, message);
    error.extensions.insert("retryAfter".to_owned(), seconds.into());
    error
}

#[cfg(test)]
#[path = "test.rs"]
mod tests;
