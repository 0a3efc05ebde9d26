//! Which headers go from clients to subgraphs and back: passed on, set, renamed or removed, per subgraph.
//!
//! Towards a subgraph nothing goes that isn't named. The router's own headers (`moim-*`, the trace, those
//! about a connection or a body) can't be named at all.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{extract::Request, response::Response};
use futures::{FutureExt as _, future::BoxFuture};
use http::{HeaderMap, HeaderName, HeaderValue, header::SET_COOKIE};
use platform::{
    subgraph::{self, Transport, TransportError},
    telemetry::TRACEPARENT,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{config::ConfigError, gateway::may_propagate};

/// Which headers go on.
#[derive(Debug, Clone, Deserialize, PartialEq, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Clients' headers that go to every subgraph. `moim-*` and hop-by-hop headers never go on.
    pub propagate: Vec<String>,
    /// Rules for single subgraphs, by name.
    pub subgraphs: BTreeMap<String, Subgraph>,
}

impl Default for Config {
    fn default() -> Self {
        Self { propagate: vec!["accept-language".to_owned()], subgraphs: BTreeMap::new() }
    }
}

/// Header rules of one subgraph.
#[derive(Debug, Clone, Default, Deserialize, PartialEq, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Subgraph {
    /// From the client to the subgraph.
    pub request: Rules,
    /// From the subgraph's answers to the client's response. Not where the response is a stream.
    pub response: Rules,
}

/// What becomes of headers in one direction.
#[derive(Debug, Clone, Default, Deserialize, PartialEq, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// Names that are passed on.
    pub propagate: Vec<String>,
    /// Names that are passed on under another name.
    pub rename: BTreeMap<String, String>,
    /// Names that always have this value.
    pub set: BTreeMap<String, String>,
    /// Names that are not passed on although a general rule says so.
    pub remove: Vec<String>,
}

/// The rules of one direction, ready to be used.
#[derive(Debug, Default)]
struct Ready {
    passed: HashSet<HeaderName>,
    renamed: Vec<(HeaderName, HeaderName)>,
    set: Vec<(HeaderName, HeaderValue)>,
}

impl Ready {
    fn new(rules: &Rules, general: &[String]) -> Result<Self, ConfigError> {
        // A general name that may not go on is left out, as it always was.
        let general = general.iter().filter_map(|text| text.parse().ok()).filter(may_propagate);
        let mut passed: HashSet<HeaderName> = general.collect();
        for text in &rules.propagate {
            passed.insert(name(text)?);
        }
        for text in &rules.remove {
            passed.remove(&name(text)?);
        }
        let pair = |(from, to): (&String, &String)| Ok((name(from)?, name(to)?));
        let renamed = rules.rename.iter().map(pair).collect::<Result<_, ConfigError>>()?;
        let set = rules.set.iter().map(|(text, value)| {
            let value = HeaderValue::from_str(value);
            Ok((name(text)?, value.map_err(|_| ConfigError::Header(text.clone()))?))
        });
        Ok(Self { passed, renamed, set: set.collect::<Result<_, ConfigError>>()? })
    }

    /// What these rules make of headers.
    fn apply(&self, from: &HeaderMap) -> HeaderMap {
        let mut to = HeaderMap::new();
        for name in &self.passed {
            for value in from.get_all(name) {
                to.append(name, value.clone());
            }
        }
        for (old, new) in &self.renamed {
            to.remove(new);
            for value in from.get_all(old) {
                to.append(new, value.clone());
            }
        }
        for (name, value) in &self.set {
            to.insert(name, value.clone());
        }
        to
    }

    fn wanted(&self) -> impl Iterator<Item = &HeaderName> {
        self.passed.iter().chain(self.renamed.iter().map(|(from, _)| from))
    }
}

/// A header's name that rules may name.
fn name(text: &str) -> Result<HeaderName, ConfigError> {
    let parsed = text.parse::<HeaderName>();
    parsed
        .ok()
        .filter(|name| may_propagate(name) && name.as_str() != TRACEPARENT)
        .ok_or_else(|| ConfigError::Header(text.to_owned()))
}

/// Every client header that some rule wants; what else clients send is dropped at the edge.
pub(crate) fn wanted(config: &Config) -> Result<HashSet<HeaderName>, ConfigError> {
    let mut wanted = HashSet::new();
    for text in &config.propagate {
        let name = text.parse::<HeaderName>().map_err(|_| ConfigError::Header(text.clone()))?;
        wanted.extend(Some(name).filter(may_propagate));
    }
    for rules in config.subgraphs.values() {
        wanted.extend(Ready::new(&rules.request, &[])?.wanted().cloned());
    }
    Ok(wanted)
}

/// What goes on to one subgraph, for a way to it that is no transport.
pub(crate) struct Outgoing(Ready);

impl Outgoing {
    /// The rules for requests to the subgraph `name`.
    pub(crate) fn new(config: &Config, name: &str) -> Result<Self, ConfigError> {
        let rules = config.subgraphs.get(name).cloned().unwrap_or_default();
        Ok(Self(Ready::new(&rules.request, &config.propagate)?))
    }

    /// The headers for it, out of the client's.
    pub(crate) fn apply(&self, headers: &HeaderMap) -> HeaderMap {
        self.0.apply(headers)
    }
}

/// A transport whose headers follow the rules.
pub(crate) struct Ruled {
    inner: Arc<dyn Transport>,
    wanted: HashSet<HeaderName>,
    request: Ready,
    response: Arc<Ready>,
}

impl Ruled {
    /// The rules of the subgraph `name` around its transport.
    pub(crate) fn new(
        config: &Config,
        name: &str,
        inner: Arc<dyn Transport>,
    ) -> Result<Self, ConfigError> {
        let rules = config.subgraphs.get(name).cloned().unwrap_or_default();
        Ok(Self {
            inner,
            wanted: wanted(config)?,
            request: Ready::new(&rules.request, &config.propagate)?,
            response: Arc::new(Ready::new(&rules.response, &[])?),
        })
    }
}

impl Transport for Ruled {
    fn call(
        &self,
        mut request: subgraph::Request,
    ) -> BoxFuture<'static, Result<subgraph::Response, TransportError>> {
        let headers = request.headers_mut();
        let ruled = self.request.apply(headers);
        // What other subgraphs want isn't this one's business.
        for name in &self.wanted {
            headers.remove(name);
        }
        for name in ruled.keys() {
            headers.remove(name);
        }
        for (name, value) in &ruled {
            headers.append(name, value.clone());
        }
        let (call, rules) = (self.inner.call(request), Arc::clone(&self.response));
        async move {
            let response = call.await?;
            note(&rules.apply(response.headers()));
            Ok(response)
        }
        .boxed()
    }
}

tokio::task_local! {
    /// What subgraphs' answers add to the response under way.
    static ADDED: Arc<Mutex<HeaderMap>>;
}

fn note(headers: &HeaderMap) {
    if headers.is_empty() {
        return;
    }
    let _ = ADDED.try_with(|added| {
        let mut added = added.lock().unwrap_or_else(PoisonError::into_inner);
        for name in headers.keys() {
            // Of two subgraphs the later one counts, but cookies are all kept.
            if name != SET_COOKIE {
                added.remove(name);
            }
            for value in headers.get_all(name) {
                added.append(name, value.clone());
            }
        }
    });
}

/// Writes what subgraphs' answers add into the response.
pub(crate) async fn respond<F: Future<Output = Response>>(
    request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response {
    let added = Arc::<Mutex<HeaderMap>>::default();
    let mut response = ADDED.scope(Arc::clone(&added), next(request)).await;
    let added = std::mem::take(&mut *added.lock().unwrap_or_else(PoisonError::into_inner));
    for name in added.keys() {
        if name != SET_COOKIE {
            response.headers_mut().remove(name);
        }
    }
    for (name, value) in &added {
        response.headers_mut().append(name, value.clone());
    }
    response
}
