//! What is told of one operation, whatever way it came: a line of the log, a span, and counts.

use std::time::Instant;

use http::StatusCode;
use platform::{
    identity::Identity,
    telemetry::{Kind, Span, TraceContext},
};
use uuid::Uuid;

use crate::{
    engine::{Answer, Operation, Prepared, Variables},
    error::GraphQLError,
    metrics::{METRICS, Outcome},
};

/// The status in the log when the client went before there was an answer.
const WENT_AWAY: u16 = 499;

/// How an operation comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Alone in an HTTP request.
    Http,
    /// As one of several in an HTTP request.
    Batch,
    /// On a WebSocket.
    WebSocket,
}

impl Way {
    /// The ways, in the order of their numbers.
    pub(crate) const ALL: [&'static str; 3] = ["http", "batch", "websocket"];
}

/// One operation under way. It is told when it is closed, or, if its client went, dropped: never
/// tokens, documents or variables.
pub(crate) struct Record {
    way: Way,
    trace: TraceContext,
    started: Instant,
    viewer: Option<Uuid>,
    name: Option<String>,
    kind: Option<Operation>,
    hash: u64,
    cost: u64,
    errors: usize,
    /// None while it isn't known, and for what is no operation.
    outcome: Option<Outcome>,
    /// The step of the trace that is all of it, where nothing else records that.
    whole: Option<Span>,
    is_batch: bool,
    closed: bool,
}

impl Record {
    /// An operation of a request with this trace.
    pub(crate) fn new(way: Way, trace: TraceContext, started: Instant) -> Self {
        Self {
            way,
            trace,
            started,
            viewer: None,
            name: None,
            kind: None,
            hash: 0,
            cost: 0,
            errors: 0,
            outcome: None,
            whole: None,
            is_batch: false,
            closed: false,
        }
    }

    /// An operation that begins a trace, because no request is around it.
    pub(crate) fn alone(way: Way, name: &'static str) -> Self {
        let whole = Span::start(Kind::Server, None, || name.into());
        let mut record = Self::new(way, whole.context(), Instant::now());
        record.whole = Some(whole);
        record
    }

    /// The trace by which it is found.
    pub(crate) fn trace(&self) -> TraceContext {
        self.trace
    }

    /// Who sends it.
    pub(crate) fn of(&mut self, identity: &Identity) {
        if let Identity::Viewer(viewer) = identity {
            self.viewer = Some(viewer.id);
        }
    }

    /// What it turned out to be. The span ends with its answer, or when its stream begins.
    pub(crate) fn prepared(&mut self, prepared: &Prepared, variables: &Variables) -> Span {
        self.name = prepared.operation_name().map(str::to_owned);
        self.kind = Some(prepared.operation());
        self.hash = prepared.hash();
        self.cost = prepared.cost(variables);
        let kind = prepared.operation().as_str();
        let mut span = Span::start(Kind::Internal, Some(self.trace), || kind.into());
        span.set("graphql.operation.type", || kind);
        if let Some(name) = prepared.operation_name() {
            span.set("graphql.operation.name", || name.to_owned());
        }
        span.set("moim.graphql.hash", || format!("{:016x}", prepared.hash()));
        span
    }

    /// Whether it is known what it is.
    pub(crate) fn is_prepared(&self) -> bool {
        self.kind.is_some()
    }

    /// The same for whoever tells it from now on, because its answers are streamed. Here nothing
    /// is left to tell.
    pub(crate) fn hand_over(&mut self) -> Self {
        let mut rest = Self::new(self.way, self.trace, self.started);
        rest.closed = true;
        std::mem::replace(self, rest)
    }

    /// Its cost, once it is prepared.
    pub(crate) fn cost(&self) -> u64 {
        self.cost
    }

    /// It has its answer.
    pub(crate) fn answered(&mut self, answer: &Answer) {
        self.errors = answer.errors;
        self.outcome = Some(Outcome::of(answer));
    }

    /// Its stream begins.
    pub(crate) fn begun(&mut self) {
        self.outcome = Some(Outcome::Ok);
    }

    /// It isn't executed.
    pub(crate) fn refused(&mut self, errors: usize) {
        self.errors = errors;
        self.outcome = Some(Outcome::Refused);
    }

    /// Its errors and its cost, for the batch that it is a part of.
    pub(crate) fn sum(&self) -> (usize, u64) {
        (self.errors, self.cost)
    }

    /// This is a batch, and that the sum of one of its parts.
    pub(crate) fn add(&mut self, (errors, cost): (usize, u64)) {
        self.is_batch = true;
        self.errors += errors;
        self.cost = self.cost.saturating_add(cost);
    }

    /// It is refused with these errors, and that is all.
    pub(crate) fn refuse(mut self, errors: &[GraphQLError]) {
        self.refused(errors.len());
        let status = match self.way {
            // The streamed response has begun.
            Way::Http => StatusCode::OK,
            _ => errors.first().map_or(StatusCode::BAD_REQUEST, GraphQLError::status),
        };
        self.close(status);
    }

    /// It is over, or its stream has begun.
    pub(crate) fn close(mut self, status: StatusCode) {
        if !self.closed {
            self.tell(status.as_u16());
        }
    }

    fn tell(&mut self, status: u16) {
        self.closed = true;
        let took = self.started.elapsed();
        if let Some(outcome) = self.outcome {
            METRICS.operation(self.kind, self.way, outcome, took);
        }
        if let Some(span) = &mut self.whole {
            span.set("moim.status", || i64::from(status));
        }
        let kind = match self.kind {
            Some(kind) => kind.as_str(),
            None if self.is_batch => "batch",
            None => "",
        };
        tracing::info!(
            operation = self.name.as_deref(),
            kind,
            way = Way::ALL[self.way as usize],
            hash = format_args!("{:016x}", self.hash),
            viewer = self.viewer.map(tracing::field::display),
            cost = self.cost,
            status,
            errors = self.errors,
            duration_ms = took.as_secs_f64() * 1_000.0,
            trace_id = self.trace.trace_id(),
            "{}",
            if self.way == Way::Http { "request" } else { "operation" }
        );
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.closed {
            self.tell(WENT_AWAY);
        }
    }
}
