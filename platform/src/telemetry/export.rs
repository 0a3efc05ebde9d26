//! The export of traces by OTLP (HTTP with protobuf), set up by OpenTelemetry's standard variables.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;

use super::span::TRACER;
use crate::config::{ConfigError, Source};

/// Longest time that the collector may take for one batch of spans.
pub const SEND_TIMEOUT_MS: u64 = 10_000;
/// Longest answer of the collector that is read.
const ANSWER_MAX_BYTES: usize = 64 * 1024;
/// Longest time to wait for the last spans at the end of the process.
const FINISH_TIMEOUT_MS: u64 = 3_000;

static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// Whether the settings ask for traces: an endpoint is named and nothing switches it off.
fn is_wanted(source: &dyn Source) -> bool {
    let is =
        |name: &str, value: &str| source.get(name).is_some_and(|it| it.eq_ignore_ascii_case(value));
    let named = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];
    named.iter().any(|name| source.get(name).is_some())
        && !is("OTEL_SDK_DISABLED", "true")
        && !is("OTEL_TRACES_EXPORTER", "none")
}

/// Exports traces from now on if `OTEL_EXPORTER_OTLP_ENDPOINT` (or its `_TRACES_` form) is set; else
/// nothing is recorded. Sampling, headers, batches and the resource follow OpenTelemetry's other
/// variables. Done once a process; later calls change nothing.
///
/// # Errors
/// When the settings can't be used.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn start(name: &str, version: &'static str, source: &dyn Source) -> Result<(), ConfigError> {
    if PROVIDER.get().is_some() || !is_wanted(source) {
        return Ok(());
    }
    let help = "give the address of an OTLP collector over HTTP, like http://127.0.0.1:4318";
    let refused =
        |reason: String| ConfigError::invalid("OTEL_EXPORTER_OTLP_ENDPOINT", reason, help);
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Sender::new())
        .build()
        .map_err(|error| refused(error.to_string()))?;
    let mut resource = Resource::builder().with_attributes([
        KeyValue::new("service.namespace", "moim"),
        KeyValue::new("service.version", version),
    ]);
    if source.get("OTEL_SERVICE_NAME").is_none() {
        resource = resource.with_service_name(name.to_owned());
    }
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource.build())
        .build();
    let _ = TRACER.set(provider.tracer("moim"));
    let _ = PROVIDER.set(provider);
    tracing::info!("traces are exported");
    Ok(())
}

/// Sends what is left; for the end of the process.
pub async fn finish() {
    let Some(provider) = PROVIDER.get() else { return };
    let limit = Duration::from_millis(FINISH_TIMEOUT_MS);
    // It waits for its own thread, which needs this runtime to send.
    let ended = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(limit)).await;
    if let Ok(Err(error)) = ended {
        tracing::warn!(%error, "the last spans were not sent");
    }
}

/// Sends batches through this process's runtime, for the exporter's own thread.
struct Sender {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    runtime: Handle,
}

impl Sender {
    fn new() -> Self {
        let connector =
            HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().build();
        Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            runtime: Handle::current(),
        }
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

impl HttpClient for Sender {
    fn send_bytes<'s, 'f>(
        &'s self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'f>>
    where
        's: 'f,
        Self: 'f,
    {
        let client = self.client.clone();
        let exchange = async move {
            let response = client.request(request.map(Full::new)).await?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_MAX_BYTES).collect().await?.to_bytes();
            Ok::<_, HttpError>(Response::from_parts(parts, body))
        };
        let limit = Duration::from_millis(SEND_TIMEOUT_MS);
        // Timers belong to the runtime: made inside of it.
        let sending =
            self.runtime.spawn(async move { tokio::time::timeout(limit, exchange).await });
        Box::pin(async move { sending.await?? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Values;

    #[test]
    fn traces_are_exported_only_where_an_endpoint_is_named() {
        let endpoint =
            || Values::new().with("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
        assert!(!is_wanted(&Values::new()));
        assert!(is_wanted(&endpoint()));
        assert!(!is_wanted(&endpoint().with("OTEL_SDK_DISABLED", "true")));
        assert!(!is_wanted(&endpoint().with("OTEL_TRACES_EXPORTER", "none")));
    }
}
