//! Operations over transports that stream: SSE, multipart and WebSocket.
//!
//! | module | idea |
//! |---|---|
//! | `sse` | GraphQL over SSE, distinct connections |
//! | `multipart` | Apollo's multipart protocol for subscriptions |
//! | `streaming` | the streamed body that both are |
//! | `running` | a subscription through changes of the supergraph |
//! | `shared` | one execution per event for those who see the same |
//! | `protocol` | graphql-transport-ws without a socket: messages and rules |
//! | `websocket` | graphql-transport-ws on a socket |

pub mod multipart;
mod protocol;
mod running;
mod shared;
pub mod sse;
mod streaming;
pub mod websocket;

use std::{sync::Arc, time::Duration};

use futures::{
    FutureExt, StreamExt,
    stream::{self, BoxStream},
};
use http::StatusCode;
use platform::telemetry::TraceContext;
use tokio::sync::{Semaphore, watch};

use crate::{
    engine::{Operation, RequestContext, Variables},
    error::{self, GraphQLError},
    push::{Config, Delivery, Plane},
    record::Record,
    reload::Current,
};

use self::shared::SharedExecutions;

/// Errors name their trace, so that the log's lines about them are found.
fn named(mut delivery: Delivery, trace: &TraceContext) -> Delivery {
    if let Delivery::Failed(errors) = &mut delivery {
        error::name_trace(errors, trace);
    }
    delivery
}

/// How many subscriptions may begin anew at a time after a change of the supergraph.
const RESUMED_AT_A_TIME: usize = 64;

/// What streaming transports share: what serves the supergraph of the moment.
pub struct Live {
    current: watch::Sender<Arc<Current>>,
    config: Config,
    turns: Semaphore,
    shared: SharedExecutions,
}

/// Waits for the first delivery, so that headers which its fetches add to the response are
/// known before that begins; but no longer than the client may be left without a sign of life.
pub(crate) async fn begun(
    live: &Live,
    mut deliveries: BoxStream<'static, Delivery>,
) -> BoxStream<'static, Delivery> {
    let longest = Duration::from_millis(live.config.heartbeat_ms);
    match tokio::time::timeout(longest, deliveries.next()).await {
        Ok(first) => stream::iter(first).chain(deliveries).boxed(),
        Err(_) => deliveries,
    }
}

/// An operation as a client sends it.
#[derive(Debug)]
pub struct Query {
    /// The document.
    pub query: String,
    /// Which operation of the document.
    pub operation_name: Option<String>,
    /// Its variables.
    pub variables: Variables,
    /// The cursor that the transport itself carries (SSE `Last-Event-ID`).
    pub last_event_id: Option<String>,
}

impl Live {
    /// Without a plane, its subscriptions are refused; queries and mutations work.
    pub fn new(current: Current, config: Config) -> Self {
        Self {
            current: watch::Sender::new(Arc::new(current)),
            config,
            turns: Semaphore::new(RESUMED_AT_A_TIME),
            shared: SharedExecutions::default(),
        }
    }

    /// What serves the supergraph of the moment.
    pub fn current(&self) -> Arc<Current> {
        Arc::clone(&self.current.borrow())
    }

    /// The push plane of the moment, where there is one.
    pub fn plane(&self) -> Option<Arc<Plane>> {
        self.current().plane.clone()
    }

    /// Serves another supergraph from now on. What runs goes on: requests where they
    /// began, subscriptions on the new one if they fit it.
    pub(crate) fn replace(&self, current: Current) {
        self.current.send_replace(Arc::new(current));
    }

    /// For subscriptions that have to begin anew after a change of the supergraph.
    fn turns(&self) -> &Semaphore {
        &self.turns
    }

    /// Bounds of the transports.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Runs any operation. The last item is never [`Delivery::Next`]; dropping the
    /// stream stops the operation and frees what it held.
    pub fn run(
        self: &Arc<Self>,
        query: Query,
        context: RequestContext,
    ) -> BoxStream<'static, Delivery> {
        self.run_recorded(query, context, None)
    }

    /// The same; with a record it is told how it went. Who has none tells it himself.
    pub(crate) fn run_recorded(
        self: &Arc<Self>,
        query: Query,
        context: RequestContext,
        record: Option<Record>,
    ) -> BoxStream<'static, Delivery> {
        let (live, trace) = (self.clone(), context.trace);
        // The future is boxed apart, so that a running subscription doesn't carry the
        // room that starting it needed.
        let start = async move { live.start(query, context, record).await }.boxed();
        // Whoever polls it does so long after the request's own scope is over.
        let mut deliveries = stream::once(start).flatten().boxed();
        stream::poll_fn(move |cx| trace.enter(|| deliveries.poll_next_unpin(cx)))
            .map(move |delivery| named(delivery, &trace))
            .boxed()
    }

    async fn start(
        self: &Arc<Self>,
        query: Query,
        context: RequestContext,
        mut record: Option<Record>,
    ) -> BoxStream<'static, Delivery> {
        match self.try_start(query, context, record.as_mut()).await {
            Ok(deliveries) => {
                if let Some(record) = record {
                    record.close(StatusCode::OK);
                }
                deliveries
            }
            Err(errors) => {
                if let Some(record) = record {
                    record.refuse(&errors);
                }
                stream::once(std::future::ready(Delivery::Failed(errors))).boxed()
            }
        }
    }

    async fn try_start(
        self: &Arc<Self>,
        query: Query,
        mut context: RequestContext,
        mut record: Option<&mut Record>,
    ) -> Result<BoxStream<'static, Delivery>, Vec<GraphQLError>> {
        let name = query.operation_name.as_deref();
        // Before the state is looked at, so that no change after it is missed.
        let mut changes = self.current.subscribe();
        let current = Arc::clone(&changes.borrow_and_update());
        let prepared = current.engine.prepare_for(&query.query, name, &context.identity).await?;
        let unknown = record.as_mut().filter(|record| !record.is_prepared());
        let span = unknown.map(|record| record.prepared(&prepared, &query.variables));
        if let Some(span) = &span {
            context.trace = span.context();
        }
        context.pay(&prepared).await.map_err(|error| vec![error])?;
        current.engine.check_variables(&prepared, &query.variables)?;
        current.engine.check_cost(&prepared, &query.variables).map_err(|error| vec![error])?;
        if prepared.operation() != Operation::Subscription {
            let answer = current.engine.answer(&prepared, &query.variables, &context).await;
            if let Some(record) = record {
                record.answered(&answer);
            }
            let answer = [Delivery::Next { cursor: None, body: answer.body }, Delivery::Complete];
            return Ok(stream::iter(answer).boxed());
        }
        // It has no end of its own, and must never see a state from before an event.
        (context.deadline, context.fresh) = (None, true);
        let started = running::start(self, &current, changes, prepared, query, context).await?;
        if let Some(record) = record {
            record.begun();
        }
        Ok(started)
    }
}
