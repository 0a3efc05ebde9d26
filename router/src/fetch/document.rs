//! Small documents over HTTP: key sets.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};

/// Why a document cannot be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The text is no URL.
    #[error("the address is not a URL")]
    Url(#[from] http::uri::InvalidUri),
    /// Nothing came in time.
    #[error("no answer in time")]
    Timeout,
    /// The server cannot be reached.
    #[error("the server cannot be reached")]
    Connection(#[from] hyper_util::client::legacy::Error),
    /// The server answered with an error.
    #[error("the server answered with the status {0}")]
    Status(http::StatusCode),
    /// The document is too large or broke off.
    #[error("the document cannot be read whole")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Fetches a document of at most `max_bytes`.
pub(crate) async fn get(
    url: &str,
    timeout: Duration,
    max_bytes: usize,
) -> Result<Bytes, FetchError> {
    let connector =
        HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().build();
    let client = Client::builder(TokioExecutor::new()).build::<_, Empty<Bytes>>(connector);
    let url = url.parse()?;
    let exchange = async {
        let response = client.get(url).await?;
        let status = response.status();
        if !status.is_success() {
            return Err(FetchError::Status(status));
        }
        let body = Limited::new(response.into_body(), max_bytes);
        let body = body.collect().await.map_err(FetchError::Body)?;
        Ok(body.to_bytes())
    };
    tokio::time::timeout(timeout, exchange).await.unwrap_or(Err(FetchError::Timeout))
}
