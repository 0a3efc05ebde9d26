//! Spans: the steps of a trace, recorded for the exporter if there is one.

use std::borrow::Cow;
use std::sync::OnceLock;

use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId,
    TraceState, Tracer as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::SdkTracer;

use super::TraceContext;

pub use opentelemetry::Value;
pub use opentelemetry::trace::SpanKind as Kind;

/// Set once, when traces are exported.
pub(super) static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Whether traces are exported at all: what would only be done for them needn't be done otherwise.
#[must_use]
pub fn exports() -> bool {
    TRACER.get().is_some()
}

/// A step of a trace. It ends when it is dropped.
///
/// Where traces aren't exported, making one costs a look at a flag: nothing is allocated, named or
/// timed, and [`Span::context`] still gives ids that tie logs together.
#[derive(Debug)]
#[must_use = "it ends when it is dropped"]
pub struct Span {
    context: TraceContext,
    // Boxed: most are none, and futures hold it across their waits.
    recorded: Option<Box<opentelemetry_sdk::trace::Span>>,
}

impl Span {
    /// A step below `parent`, or the first one of a new trace.
    pub fn start(
        kind: Kind,
        parent: Option<TraceContext>,
        name: impl FnOnce() -> Cow<'static, str>,
    ) -> Self {
        let Some(tracer) = TRACER.get() else {
            let context = parent.map_or_else(TraceContext::new, |parent| parent.child());
            return Self { context, recorded: None };
        };
        let above = match parent {
            Some(parent) => Context::new().with_remote_span_context(parent.into()),
            None => Context::new(),
        };
        let builder = SpanBuilder::from_name(name()).with_kind(kind);
        let span = tracer.build_with_context(builder, &above);
        let context = TraceContext::from(span.span_context());
        Self { context, recorded: span.is_recording().then(|| Box::new(span)) }
    }

    /// The place in the trace below which this step's own steps come.
    #[must_use]
    pub fn context(&self) -> TraceContext {
        self.context
    }

    /// Whether it is recorded: what is costly to say needn't be said otherwise.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.recorded.is_some()
    }

    /// Says something about it, by a name of OpenTelemetry's semantic conventions where there is one.
    /// Never a token, a password or a variable's value.
    pub fn set<V: Into<Value>>(&mut self, name: &'static str, value: impl FnOnce() -> V) {
        if let Some(span) = &mut self.recorded {
            span.set_attribute(KeyValue::new(name, value()));
        }
    }

    /// It didn't bring what it should; `kind` is a word of a few, like `timeout`.
    pub fn fail(&mut self, kind: &'static str) {
        if let Some(span) = &mut self.recorded {
            span.set_attribute(KeyValue::new("error.type", kind));
            span.set_status(opentelemetry::trace::Status::error(kind));
        }
    }
}

impl From<TraceContext> for SpanContext {
    fn from(context: TraceContext) -> Self {
        Self::new(
            TraceId::from(context.trace_id),
            SpanId::from(context.span_id),
            TraceFlags::new(context.flags),
            true,
            TraceState::default(),
        )
    }
}

impl From<&SpanContext> for TraceContext {
    fn from(context: &SpanContext) -> Self {
        Self {
            trace_id: u128::from_be_bytes(context.trace_id().to_bytes()),
            span_id: u64::from_be_bytes(context.span_id().to_bytes()),
            flags: context.trace_flags().to_u8(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_an_exporter_nothing_is_named_and_ids_still_go_on() {
        let parent = TraceContext::new();
        let mut span = Span::start(Kind::Server, Some(parent), || unreachable!("not named"));
        assert_eq!(span.context().trace_id(), parent.trace_id());
        assert_ne!(span.context(), parent);
        assert!(!span.is_recorded());
        span.set("http.route", || -> &'static str { unreachable!("not said") });
    }

    #[test]
    fn a_place_in_a_trace_is_the_same_in_both_forms() {
        let context = TraceContext::new();
        assert_eq!(TraceContext::from(&SpanContext::from(context)), context);
    }
}
