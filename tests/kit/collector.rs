//! A small OTLP collector: it takes spans over HTTP and keeps them.

use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest, trace::v1::Span as Received,
};
use prost::Message as _;
use std::sync::{Arc, Mutex};
use tokio::{net::TcpListener, task::JoinHandle};

type Spans = Arc<Mutex<Vec<Span>>>;

/// A span as it came.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    /// Name of the process that it comes from.
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) trace: String,
    pub(crate) id: String,
    pub(crate) parent: String,
    /// Attributes' names.
    pub(crate) attributes: Vec<String>,
}

/// A running collector, stopped when dropped.
pub(crate) struct Collector {
    pub(crate) endpoint: String,
    spans: Spans,
    serving: JoinHandle<()>,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let spans = Spans::default();
        let routes = Router::new().route("/v1/traces", post(receive)).with_state(spans.clone());
        let serving = tokio::spawn(async move {
            axum::serve(listener, routes).await.expect("it serves");
        });
        Self { endpoint, spans, serving }
    }

    /// The spans of a trace that have come so far.
    pub(crate) fn trace(&self, trace: &str) -> Vec<Span> {
        let spans = self.spans.lock().expect("spans");
        spans.iter().filter(|span| span.trace == trace).cloned().collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn receive(State(spans): State<Spans>, body: Bytes) -> StatusCode {
    let Ok(request) = ExportTraceServiceRequest::decode(body) else {
        return StatusCode::BAD_REQUEST;
    };
    let mut all = spans.lock().expect("spans");
    for resource in request.resource_spans {
        let attributes = resource.resource.map(|it| it.attributes).unwrap_or_default();
        let service = attributes.into_iter().find(|it| it.key == "service.name");
        let service = service.map(|it| format!("{:?}", it.value)).unwrap_or_default();
        let received = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
        all.extend(received.map(|span| read(&service, span)));
    }
    StatusCode::OK
}

fn read(service: &str, span: Received) -> Span {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    Span {
        service: service.to_owned(),
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        attributes: span.attributes.into_iter().map(|attribute| attribute.key).collect(),
        name: span.name,
    }
}
