//! Transcripts as files: told in the answer when small, and behind a signed address that ends soon.
//!
//! `GET /exports/{transcript}.{format}?viewer=…&expires=…&signature=…`. The address is good for one person
//! and one format, and whether that person may still read is asked again when it is used.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, TimeDelta, Utc};
use platform::address::{AddressKeys, Forgery};
use platform::error::INTERNAL_MESSAGE;
use platform::kernel::Kernel;
use platform::membership::Membership;
use serde::Deserialize;
use serde_json::json;
use sqlx::PgPool;
use tokio::sync::Semaphore;
use tower_http::cors::{Any, CorsLayer};
use uuid::Uuid;

use crate::config::Config;
use crate::domain::export::{Format, Line, Part, Sheet, file, file_name};
use crate::store::{meeting, minutes, segment, share, transcript};

/// How long an address is good, in seconds.
pub const URL_TTL_S: i64 = 5 * 60;
/// The largest file that stands in an answer, in bytes.
pub const INLINE_MAX_BYTES: usize = 64 * 1024;
/// How many files are made at once; each is held in memory while it is.
pub const MAX_CONCURRENT_EXPORTS: usize = 16;
/// How long browsers remember that they may download here, in seconds.
pub const PREFLIGHT_MAX_AGE_S: u64 = 600;
/// What the keys of these addresses are for.
const PURPOSE: &str = "moim download address v1";

/// Makes files of transcripts. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Exporter {
    pool: PgPool,
    membership: Membership,
    keys: AddressKeys,
    base_url: Arc<str>,
    places: Arc<Semaphore>,
}

/// A file, and what it is called.
#[derive(Debug, Clone)]
pub struct Export {
    /// Its name.
    pub name: String,
    /// All of it.
    pub content: String,
}

/// Where a file can be fetched.
#[derive(Debug, Clone)]
pub struct Download {
    /// The signed address.
    pub url: String,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}

impl Exporter {
    /// Over the transcripts in the kernel's database.
    #[must_use]
    pub fn new(kernel: &Kernel, membership: Membership, config: &Config) -> Self {
        Self {
            pool: kernel.pool.clone(),
            membership,
            keys: AddressKeys::derive(PURPOSE, config.download_secrets()),
            base_url: config.download_base_url.as_str().into(),
            places: Arc::new(Semaphore::new(MAX_CONCURRENT_EXPORTS)),
        }
    }

    /// The newest complete transcript of a meeting.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn newest(&self, meeting: Uuid) -> Result<Option<Uuid>, sqlx::Error> {
        let mut connection = self.pool.acquire().await?;
        transcript::newest_complete(&mut connection, meeting).await
    }

    /// A transcript and its minutes as a file; `None` when there is no such complete transcript. Whoever
    /// asks has checked who reads it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn export(&self, id: Uuid, format: Format) -> Result<Option<Export>, sqlx::Error> {
        let Some(row) = transcript::completed(&self.pool, &[id]).await?.pop() else {
            return Ok(None);
        };
        let title = meeting::titles(&self.pool, &[row.meeting_id]).await?.pop();
        let draft = minutes::by_meetings(&self.pool, &[row.meeting_id]).await?.pop();
        let parts = match &draft {
            Some(draft) => minutes::sections_of(&self.pool, &[draft.id]).await?,
            None => Vec::new(),
        };
        let lines = segment::of_transcript(&self.pool, id).await?;
        let sheet = Sheet {
            title: title.map(|(_, title)| title).unwrap_or_default(),
            language: row.language,
            duration_ms: row.duration_ms,
            status: draft.map(|draft| draft.status),
            parts: parts
                .into_iter()
                .map(|row| Part {
                    title: row.title,
                    body: row.body,
                    is_verified: row.verified_at.is_some(),
                })
                .collect(),
            lines: lines
                .into_iter()
                .map(|row| Line {
                    start_ms: row.start_ms,
                    end_ms: row.end_ms,
                    speaker: row.speaker_label,
                    text: row.text,
                })
                .collect(),
        };
        Ok(Some(Export { name: file_name(format, &sheet), content: file(format, &sheet) }))
    }

    /// An address at which somebody, who may read the transcript, can fetch the file.
    #[must_use]
    pub fn download(&self, id: Uuid, format: Format, viewer: Uuid) -> Download {
        let expires_at = Utc::now() + TimeDelta::seconds(URL_TTL_S);
        let expires = expires_at.timestamp();
        let signature = self.keys.sign(&covered(id, format, viewer, expires));
        let (base, extension) = (&self.base_url, format.extension());
        let url = format!(
            "{base}/exports/{id}.{extension}?viewer={viewer}&expires={expires}&signature={signature}"
        );
        Download { url, expires_at: DateTime::from_timestamp(expires, 0).unwrap_or(expires_at) }
    }

    async fn fetch(&self, name: &str, address: &Address) -> Result<Response, Refusal> {
        let (id, extension) = name.split_once('.').ok_or(Refusal::Forged)?;
        let id = Uuid::parse_str(id).map_err(|_| Refusal::Forged)?;
        let format = Format::parse(extension).ok_or(Refusal::Forged)?;
        let covered = covered(id, format, address.viewer, address.expires);
        let now = Utc::now().timestamp();
        self.keys.check(&covered, address.expires, &address.signature, now).map_err(|forgery| {
            match forgery {
                Forgery::Signature => Refusal::Forged,
                Forgery::Expired => Refusal::Expired,
            }
        })?;
        let meeting = transcript::meeting_of(&self.pool, id).await?.ok_or(Refusal::Gone)?;
        let may_read = self.membership.contains(meeting, address.viewer).await?
            || !share::which(&self.pool, &[meeting], &[address.viewer]).await?.is_empty();
        if !may_read {
            return Err(Refusal::Gone);
        }
        let _place = self.places.try_acquire().map_err(|_| Refusal::Busy)?;
        let export = self.export(id, format).await?.ok_or(Refusal::Gone)?;
        let headers = [
            (CONTENT_TYPE, HeaderValue::from_static(format.content_type())),
            (CONTENT_DISPOSITION, attachment(&export.name)),
            (CACHE_CONTROL, HeaderValue::from_static("private, no-store")),
            (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        ];
        Ok((headers, export.content).into_response())
    }
}

/// What an address is signed over.
fn covered(id: Uuid, format: Format, viewer: Uuid, expires: i64) -> String {
    format!("v1\nGET\n{id}\n{}\n{viewer}\n{expires}", format.extension())
}

/// A header that names a file, whatever letters are in its name.
fn attachment(name: &str) -> HeaderValue {
    let mut encoded = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    HeaderValue::from_str(&format!("attachment; filename*=UTF-8''{encoded}"))
        .unwrap_or_else(|_| HeaderValue::from_static("attachment"))
}

#[derive(Debug, Deserialize)]
struct Address {
    viewer: Uuid,
    expires: i64,
    signature: String,
}

/// The download route. Whoever has a signed address may use it, from any web page.
pub fn routes(exporter: Exporter) -> Router {
    let anybody = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET])
        .expose_headers([CONTENT_DISPOSITION])
        .max_age(Duration::from_secs(PREFLIGHT_MAX_AGE_S));
    Router::new().route("/exports/{name}", get(give)).layer(anybody).with_state(exporter)
}

async fn give(
    State(exporter): State<Exporter>,
    Path(name): Path<String>,
    address: Result<Query<Address>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(address) = address.map_err(|_| Refusal::Forged)?;
    exporter.fetch(&name, &address).await
}

/// Why nothing is given.
#[derive(Debug)]
enum Refusal {
    Forged,
    Expired,
    Gone,
    Busy,
    Inner(sqlx::Error),
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        Self::Inner(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, code, message) = match self {
            Self::Forged => {
                (StatusCode::FORBIDDEN, "DOWNLOAD_FORBIDDEN", "this address isn't one of ours")
            }
            Self::Expired => {
                (StatusCode::FORBIDDEN, "DOWNLOAD_EXPIRED", "this address has ended: export again")
            }
            Self::Gone => (StatusCode::NOT_FOUND, "DOWNLOAD_NOT_FOUND", "there is nothing here"),
            Self::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "DOWNLOAD_BUSY",
                "too many downloads at once: try again in a moment",
            ),
            Self::Inner(error) => {
                let cause = platform::error::chain(&error);
                tracing::error!(error = cause, "an export can't be made");
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                (status, "INTERNAL_SERVER_ERROR", INTERNAL_MESSAGE)
            }
        };
        (status, Json(json!({ "code": code, "message": message }))).into_response()
    }
}
