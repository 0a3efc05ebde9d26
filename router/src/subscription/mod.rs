//! Operations over transports that stream: SSE and WebSocket.
//!
//! | module | idea |
//! |---|---|
//! | `sse` | GraphQL over SSE, distinct connections |
//! | `protocol` | graphql-transport-ws without a socket: messages and rules |
//! | `websocket` | graphql-transport-ws on a socket |

mod protocol;
pub mod sse;
pub mod websocket;

use std::sync::Arc;

use bytes::Bytes;
use futures::{
    FutureExt, StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use platform::identity::Identity;
use serde_json::{Map, Value};

use crate::{
    engine::{Engine, Operation, Prepared, RequestContext, Variables},
    error::{GraphQLError, code},
    push::{Config, Delivery, Execution, Plane, Request, Subscriber},
};

/// What streaming transports share: the engine, and the push plane where there is one.
pub struct Live {
    engine: Arc<Engine>,
    plane: Option<Arc<Plane>>,
    config: Config,
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
    /// Without a plane, subscriptions are refused; queries and mutations work.
    pub fn new(engine: Arc<Engine>, plane: Option<Arc<Plane>>, config: Config) -> Self {
        Self { engine, plane, config }
    }

    /// The push plane, where there is one.
    pub fn plane(&self) -> Option<&Arc<Plane>> {
        self.plane.as_ref()
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
        let live = self.clone();
        // The future is boxed apart, so that a running subscription doesn't carry the
        // room that starting it needed.
        let start = async move { live.start(query, context).await }.boxed();
        stream::once(start).flatten().boxed()
    }

    async fn start(&self, query: Query, context: RequestContext) -> BoxStream<'static, Delivery> {
        self.try_start(query, context).await.unwrap_or_else(|errors| {
            stream::once(std::future::ready(Delivery::Failed(errors))).boxed()
        })
    }

    async fn try_start(
        &self,
        query: Query,
        context: RequestContext,
    ) -> Result<BoxStream<'static, Delivery>, Vec<GraphQLError>> {
        let name = query.operation_name.as_deref();
        let prepared = self.engine.prepare(&query.query, name).await?;
        self.engine.check_variables(&prepared, &query.variables)?;
        if prepared.operation() != Operation::Subscription {
            let body = self.engine.execute(&prepared, &query.variables, &context).await;
            let answer = [Delivery::Next { cursor: None, body }, Delivery::Complete];
            return Ok(stream::iter(answer).boxed());
        }
        let (Some(plane), Some(plan)) = (&self.plane, prepared.subscription()) else {
            return Err(vec![GraphQLError::new(
                code::BAD_REQUEST,
                "This router has no event stream to feed subscriptions.",
            )]);
        };
        let request = Request {
            field: plan.field_name.clone(),
            arguments: plan.arguments(&query.variables),
            document: plan.operation.as_str().into(),
            subscriber: subscriber(&context.identity),
            last_event_id: query.last_event_id,
            execution: Arc::new(Running {
                engine: self.engine.clone(),
                prepared: prepared.clone(),
                variables: query.variables,
                context,
            }),
        };
        Ok(plane.subscribe(request).await?.deliveries())
    }
}

fn subscriber(identity: &Identity) -> Option<Subscriber> {
    match identity {
        Identity::Viewer(viewer) => {
            Some(Subscriber { id: viewer.id.to_string(), expires_at: viewer.expires_at })
        }
        Identity::Anonymous | Identity::Service { .. } => None,
    }
}

/// A subscription operation on the engine.
struct Running {
    engine: Arc<Engine>,
    prepared: Arc<Prepared>,
    variables: Variables,
    context: RequestContext,
}

impl Execution for Running {
    fn guard<'a>(&'a self, query: &'a str, variables: Map<String, Value>) -> BoxFuture<'a, Bytes> {
        async move {
            match self.engine.prepare(query, None).await {
                Ok(guard) => {
                    let variables = Variables::from(variables);
                    self.engine.execute(&guard, &variables, &self.context).await
                }
                Err(errors) => {
                    tracing::error!(?errors, "a guard doesn't fit the schema");
                    let error = GraphQLError::new(
                        code::INTERNAL_SERVER_ERROR,
                        "The subscription can't be checked.",
                    );
                    crate::error::response(&[error])
                }
            }
        }
        .boxed()
    }

    fn event(&self, root: Vec<u8>) -> BoxFuture<'_, Bytes> {
        self.engine.execute_event(&self.prepared, &self.variables, &self.context, root).boxed()
    }

    fn flag(&self, variable: &str) -> Option<bool> {
        self.variables.get(variable)?.as_bool()
    }
}
