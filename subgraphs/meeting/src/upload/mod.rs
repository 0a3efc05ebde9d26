//! `PUT /uploads/{recordingId}?expires=…&signature=…`: a file on its way into object storage.
//!
//! Nothing is held in memory beyond one part of the file. Who may write is decided in the
//! database by a lease that lasts as long as bytes arrive: of two uploads at once one is refused,
//! and one that breaks off can be tried again with the same address.

mod body;
mod lease;
mod refusal;

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, Query, Request, State, rejection::QueryRejection},
    http::{
        HeaderMap, Method,
        header::{CONTENT_LENGTH, CONTENT_TYPE},
    },
    routing::put,
};
use chrono::Utc;
use platform::object::ObjectError;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tower_http::cors::{Any, CorsLayer};
use uuid::Uuid;

use crate::{
    domain::{media::same_kind, signature::Forgery, status::Status},
    meeting::Meetings,
    store::recording::{self, RecordingRecord, RecordingStatus},
};
pub use body::IDLE_MAX_MS;
use body::{Interruption, guarded};
use lease::Lease;
pub use lease::{LEASE_MS, LEASE_RENEWAL_MS};
use refusal::UploadRefusal;

/// How many files are received at once; each holds one part of a file in memory.
pub const MAX_CONCURRENT_UPLOADS: usize = 64;
/// How long browsers remember that they may upload here, in seconds.
pub const PREFLIGHT_MAX_AGE_S: u64 = 600;

#[derive(Clone)]
struct Desk {
    meetings: Meetings,
    places: Arc<Semaphore>,
}

#[derive(Deserialize)]
struct Address {
    expires: i64,
    signature: String,
}

/// The upload route. Whoever has a signed address may use it, from any web page.
pub fn routes(meetings: Meetings) -> Router {
    let anybody = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::PUT])
        .allow_headers([CONTENT_TYPE])
        .max_age(std::time::Duration::from_secs(PREFLIGHT_MAX_AGE_S));
    let places = Arc::new(Semaphore::new(MAX_CONCURRENT_UPLOADS));
    Router::new()
        .route("/uploads/{recording_id}", put(receive))
        .layer(anybody)
        .with_state(Desk { meetings, places })
}

async fn receive(
    State(desk): State<Desk>,
    Path(recording_id): Path<String>,
    address: Result<Query<Address>, QueryRejection>,
    request: Request,
) -> Result<Json<Value>, UploadRefusal> {
    let id = Uuid::parse_str(&recording_id).map_err(|_| UploadRefusal::Forged)?;
    let Query(address) = address.map_err(|_| UploadRefusal::Forged)?;
    desk.meetings
        .upload_keys
        .check(id, address.expires, &address.signature, Utc::now().timestamp())
        .map_err(|forgery| match forgery {
            Forgery::Signature => UploadRefusal::Forged,
            Forgery::Expired => UploadRefusal::Expired,
        })?;
    let (recording, status) = recording::with_meeting_status(desk.meetings.pool(), id)
        .await?
        .ok_or(UploadRefusal::Unknown)?;
    let size = judge(&recording, status, request.headers())?;
    let _place = desk.places.try_acquire().map_err(|_| UploadRefusal::Busy)?;
    let recording = store(&desk.meetings, &recording, size, request.into_body()).await?;
    Ok(Json(json!({
        "recordingId": recording.id,
        "status": recording.status.as_str(),
        "sizeBytes": recording.size_bytes,
    })))
}

/// What can be told before the first byte arrives; answers the size to expect, in bytes.
fn judge(
    recording: &RecordingRecord,
    status: Status,
    headers: &HeaderMap,
) -> Result<u64, UploadRefusal> {
    match recording.status {
        RecordingStatus::Uploaded => return Err(UploadRefusal::Replayed),
        RecordingStatus::Deleted => return Err(UploadRefusal::Expired),
        // A recording in parts has no file of its own, and nobody is given such an address.
        RecordingStatus::Pending if recording.parted => return Err(UploadRefusal::Unknown),
        RecordingStatus::Pending => {}
    }
    if status == Status::Cancelled {
        return Err(UploadRefusal::Cancelled);
    }
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let content_type = text(CONTENT_TYPE).unwrap_or_default();
    if !same_kind(content_type, &recording.content_type) {
        return Err(UploadRefusal::WrongType { announced: recording.content_type.clone() });
    }
    // The table only holds positive sizes.
    let size = recording.size_bytes.unsigned_abs();
    match text(CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok()) {
        Some(length) if length > size => Err(UploadRefusal::TooLarge { size }),
        Some(length) if length < size => Err(UploadRefusal::Truncated { size, received: length }),
        _ => Ok(size),
    }
}

/// Writes the file, then says so in the database.
async fn store(
    meetings: &Meetings,
    recording: &RecordingRecord,
    size: u64,
    body: Body,
) -> Result<RecordingRecord, UploadRefusal> {
    let mut lease =
        Lease::take(meetings.pool(), recording.id).await?.ok_or(UploadRefusal::InProgress)?;
    let written = write(meetings, recording, size, body, &mut lease).await;
    let finished = match written {
        Ok(()) => meetings
            .finish_upload(recording.id, lease.attempt())
            .await
            .map_err(UploadRefusal::from)
            .and_then(|recording| recording.ok_or(UploadRefusal::Late)),
        Err(refusal) => Err(refusal),
    };
    // Before the answer, so that a client who tries again at once isn't refused.
    lease.release().await;
    finished
}

async fn write(
    meetings: &Meetings,
    recording: &RecordingRecord,
    size: u64,
    body: Body,
    lease: &mut Lease,
) -> Result<(), UploadRefusal> {
    let objects = &meetings.kernel.objects;
    let key = &recording.object_key;
    // An upload that ended between its last byte and the database left this behind.
    objects.delete(key).await?;
    let stream = guarded(body.into_data_stream(), size, lease);
    match objects.put_stream(key, stream, size).await {
        Ok(_) => Ok(()),
        Err(ObjectError::Source(cause)) => match cause.downcast::<Interruption>() {
            Ok(interruption) => Err(UploadRefusal::interrupted(*interruption, size)),
            Err(cause) => Err(ObjectError::Source(cause).into()),
        },
        Err(ObjectError::TooLarge(_)) => Err(UploadRefusal::TooLarge { size }),
        Err(error) => Err(error.into()),
    }
}
