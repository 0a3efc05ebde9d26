//! One GraphQL request inside an HTTP request: from its document to its answer.

use std::sync::Arc;

use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use platform::{identity::Identity, telemetry::TraceContext};

use super::{
    negotiation::Media,
    request::{GraphQLRequest, Refusal},
};
use crate::{
    engine::{Answer, Engine, Operation, Prepared},
    error::{self, GraphQLError, code},
    gateway::Gateway,
    record::Record,
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

impl Caller<'_> {
    /// Finds the document, prepares and executes the operation.
    pub(super) async fn run(
        &self,
        request: GraphQLRequest,
        record: &mut Record,
    ) -> Result<Outcome, Refusal> {
        record.of(&self.identity);
        let outcome = self.try_run(request, record).await;
        match &outcome {
            Ok(Outcome::Answer(answer)) => record.answered(answer),
            // Refused, or handed over to whoever runs it.
            Ok(Outcome::Stream(_)) => {}
            Err(_) => record.refused(1),
        }
        outcome
    }

    async fn try_run(
        &self,
        request: GraphQLRequest,
        record: &mut Record,
    ) -> Result<Outcome, Refusal> {
        let documents = &self.gateway.documents;
        let document = documents.find(request.document).await.map_err(Refusal::from)?;
        let engine = self.gateway.engine();
        let name = request.operation_name.as_deref();
        let prepared = engine.prepare_for(&document, name, &self.identity).await;
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err(errors) => return Ok(self.refused(errors, record)),
        };
        documents.keep(&document).await;
        let span = record.prepared(&prepared, &request.variables);
        if self.safe && prepared.operation() == Operation::Mutation {
            let message = "Mutations must be sent by POST.";
            let status = StatusCode::METHOD_NOT_ALLOWED;
            return Err(Refusal::new(status, code::BAD_REQUEST, message));
        }
        if let Err(error) = engine.check_cost(&prepared, &request.variables) {
            return Ok(self.refused(vec![error], record));
        }
        let mut ctx = self.gateway.context(self.identity.clone(), self.headers);
        ctx.trace = span.context();
        ctx.pay(&prepared).await.map_err(Refusal::from)?;
        if self.streams(&prepared) {
            let query = subscription::Query {
                query: document.into_text(),
                operation_name: request.operation_name,
                variables: request.variables,
                last_event_id: sse::last_event_id(self.headers),
            };
            let live = &self.gateway.live;
            let mut deliveries = live.run_recorded(query, ctx, Some(record.hand_over()));
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
            answer.body = with_cost(&answer.body, record.cost(), limit);
        }
        Ok(Outcome::Answer(answer))
    }

    /// An operation that isn't executed.
    fn refused(&self, mut errors: Vec<GraphQLError>, record: &mut Record) -> Outcome {
        record.refused(errors.len());
        // A stream is written when the request's own scope is over.
        error::name_trace(&mut errors, &self.trace);
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

/// Adds `extensions` to a response that has none.
fn with_cost(body: &Bytes, value: u64, limit: Option<u64>) -> Bytes {
    let Some(open) = body.strip_suffix(b"}") else {
        return body.clone();
    };
    let cost = serde_json::json!({ "value": value, "limit": limit }).to_string();
    [open, b",\"extensions\":{\"cost\":", cost.as_bytes(), b"}}"].concat().into()
}
