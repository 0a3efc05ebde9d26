//! One GraphQL request inside an HTTP request: from its document to its answer.

use std::sync::Arc;

use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use platform::{
    identity::Identity,
    telemetry::{Kind, Span, TraceContext},
};

use super::{
    negotiation::Media,
    request::{GraphQLRequest, Refusal},
};
use crate::{
    engine::{Answer, Engine, Operation, Prepared},
    error::{GraphQLError, code},
    gateway::Gateway,
    metrics::{self, METRICS},
    subscription::{self, multipart, sse},
};

/// Who sends it, and how.
pub(super) struct Caller<'a> {
    pub(super) gateway: &'a Arc<Gateway>,
    pub(super) headers: &'a HeaderMap,
    pub(super) identity: Identity,
    pub(super) trace: TraceContext,
    /// Whether the HTTP method promises to change nothing.
    pub(super) safe: bool,
    pub(super) media: Media,
}

/// What became of it.
pub(super) enum Outcome {
    Answer(Answer),
    /// A body that goes on.
    Stream(Response),
}

/// What is told of it in the log.
#[derive(Default)]
pub(super) struct Told {
    pub(super) operation: Option<String>,
    pub(super) kind: &'static str,
    pub(super) operation_kind: Option<Operation>,
    pub(super) hash: u64,
    pub(super) cost: u64,
    pub(super) errors: usize,
}

impl Caller<'_> {
    /// Finds the document, prepares and executes the operation.
    pub(super) async fn run(
        &self,
        request: GraphQLRequest,
        told: &mut Told,
    ) -> Result<Outcome, Refusal> {
        let outcome = self.try_run(request, told).await;
        let result = match &outcome {
            Ok(Outcome::Answer(answer)) => {
                told.errors = answer.errors;
                metrics::Outcome::of(answer)
            }
            Ok(Outcome::Stream(_)) => metrics::Outcome::Ok,
            Err(_) => {
                told.errors = 1;
                metrics::Outcome::Refused
            }
        };
        METRICS.operation(told.operation_kind, result);
        outcome
    }

    async fn try_run(&self, request: GraphQLRequest, told: &mut Told) -> Result<Outcome, Refusal> {
        let documents = &self.gateway.documents;
        let document = documents.find(request.document).await.map_err(not_found)?;
        let engine = self.gateway.engine();
        let name = request.operation_name.as_deref();
        let prepared = engine.prepare_for(&document, name, &self.identity).await;
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err(errors) => return Ok(self.refused(errors)),
        };
        documents.keep(&document).await;
        told.operation = prepared.operation_name().map(str::to_owned);
        told.kind = prepared.operation().as_str();
        told.operation_kind = Some(prepared.operation());
        told.hash = prepared.hash();
        told.cost = prepared.cost(&request.variables);
        if self.safe && prepared.operation() == Operation::Mutation {
            let message = "Mutations must be sent by POST.";
            let status = StatusCode::METHOD_NOT_ALLOWED;
            return Err(Refusal::new(status, code::BAD_REQUEST, message));
        }
        if let Err(error) = engine.check_cost(&prepared, &request.variables) {
            return Ok(self.refused(vec![error]));
        }
        let mut ctx = self.gateway.context(self.identity.clone(), self.headers);
        let span = operation_span(&prepared, self.trace);
        ctx.trace = span.context();
        ctx.pay(&prepared).await.map_err(too_many)?;
        if self.streams(&prepared) {
            let query = subscription::Query {
                query: document.into_text(),
                operation_name: request.operation_name,
                variables: request.variables,
                last_event_id: sse::last_event_id(self.headers),
            };
            let live = &self.gateway.live;
            let mut deliveries = live.run(query, ctx);
            if prepared.operation() != Operation::Subscription {
                deliveries = subscription::begun(live, deliveries).await;
            }
            return Ok(Outcome::Stream(match self.media {
                Media::Multipart => multipart::respond(live, deliveries),
                _ => sse::respond(live, deliveries),
            }));
        }
        let work = execute(&engine, &prepared, &request.variables, &ctx);
        let mut answer = self.trace.scope(work).await;
        if request.wants_cost && answer.executed {
            let limit = self.gateway.config.limits.cost;
            answer.body = with_cost(&answer.body, told.cost, limit);
        }
        Ok(Outcome::Answer(answer))
    }

    /// An operation that isn't executed.
    fn refused(&self, errors: Vec<GraphQLError>) -> Outcome {
        let live = &self.gateway.live;
        match self.media {
            Media::EventStream => Outcome::Stream(sse::refuse(live, errors)),
            Media::Multipart => Outcome::Stream(multipart::refuse(live, errors)),
            Media::Json | Media::GraphQL => Outcome::Answer(Answer::refused(&errors)),
        }
    }

    /// Queries and mutations have one answer, which needs no parts.
    fn streams(&self, prepared: &Prepared) -> bool {
        match self.media {
            Media::EventStream => true,
            Media::Multipart => prepared.operation() == Operation::Subscription,
            Media::Json | Media::GraphQL => false,
        }
    }
}

async fn execute(
    engine: &Engine,
    prepared: &Arc<Prepared>,
    variables: &crate::engine::Variables,
    ctx: &crate::engine::RequestContext,
) -> Answer {
    engine.answer(prepared, variables, ctx).await
}

/// The span of an operation: it ends with its answer, or when its stream begins.
fn operation_span(prepared: &Prepared, trace: TraceContext) -> Span {
    let kind = prepared.operation().as_str();
    let mut span = Span::start(Kind::Internal, Some(trace), || kind.into());
    span.set("graphql.operation.type", || kind);
    if let Some(name) = prepared.operation_name() {
        span.set("graphql.operation.name", || name.to_owned());
    }
    span.set("moim.graphql.hash", || format!("{:016x}", prepared.hash()));
    span
}

/// Clients then send the document along, so it is no error of HTTP.
fn not_found(error: GraphQLError) -> Refusal {
    let status = match error.code() {
        code::PERSISTED_QUERY_NOT_FOUND | code::PERSISTED_QUERY_NOT_SUPPORTED => StatusCode::OK,
        code::DOCUMENT_NOT_ALLOWED => StatusCode::FORBIDDEN,
        _ => StatusCode::BAD_REQUEST,
    };
    Refusal { status, error }
}

fn too_many(error: GraphQLError) -> Refusal {
    Refusal { status: StatusCode::TOO_MANY_REQUESTS, error }
}

/// Adds `extensions` to a response that has none.
fn with_cost(body: &Bytes, value: u64, limit: Option<u64>) -> Bytes {
    let Some(open) = body.strip_suffix(b"}") else {
        return body.clone();
    };
    let cost = serde_json::json!({ "value": value, "limit": limit }).to_string();
    [open, b",\"extensions\":{\"cost\":", cost.as_bytes(), b"}}"].concat().into()
}
