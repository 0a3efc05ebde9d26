//! A server with the path of OpenAI's, and what it was asked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use speech::{Engine as _, Event, Job, Outcome, SINK_EVENTS, Segment, SpeechError};
use stt::TranscriptionServer;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// As much as OpenAI takes, in bytes.
const BODY_MAX_BYTES: usize = 25 * 1024 * 1024;
/// Samples of a millisecond, two bytes each.
const BYTES_PER_MS: usize = 32;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) authorization: Option<String>,
    pub(crate) fields: BTreeMap<String, String>,
    pub(crate) wav: Bytes,
}

impl Asked {
    /// How long the file is, in milliseconds.
    pub(crate) fn length_ms(&self) -> u64 {
        (self.samples().len() / BYTES_PER_MS) as u64
    }

    /// What is behind the file's header.
    pub(crate) fn samples(&self) -> &[u8] {
        assert_eq!(&self.wav[..4], b"RIFF");
        &self.wav[44..]
    }
}

/// What the server does about the request with this number, from 0.
type Script = dyn Fn(usize, Asked) -> BoxFuture<'static, Response> + Send + Sync;

#[derive(Clone)]
pub(crate) struct TestServer {
    script: Arc<Script>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl TestServer {
    /// A server with this script, and an engine that asks it.
    pub(crate) async fn start(
        script: impl Fn(usize, Asked) -> BoxFuture<'static, Response> + Send + Sync + 'static,
    ) -> (Self, TranscriptionServer) {
        let server = Self { script: Arc::new(script), asked: Arc::default() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/", listener.local_addr().unwrap());
        let app = Router::new()
            .route("/v1/audio/transcriptions", post(transcribe))
            .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
            .with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (server, engine(&url))
    }

    /// A server whose answers don't take their time.
    pub(crate) async fn answering(
        script: impl Fn(usize, &Asked) -> Response + Send + Sync + 'static,
    ) -> (Self, TranscriptionServer) {
        Self::start(move |number, asked| {
            let answer = script(number, &asked);
            Box::pin(async move { answer })
        })
        .await
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

pub(crate) fn engine(url: &str) -> TranscriptionServer {
    let config = openai::Config {
        url: url.parse().unwrap(),
        model: "whisper-1".into(),
        key: Some("secret".to_owned().into()),
        timeout: Duration::from_secs(60),
    };
    TranscriptionServer::new(openai::Server::new(&config).unwrap(), &config)
}

async fn transcribe(State(server): State<TestServer>, head: HeaderMap, body: Bytes) -> Response {
    let header = |name| head.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
    let content_type = header(header::CONTENT_TYPE).unwrap();
    let boundary = content_type.strip_prefix("multipart/form-data; boundary=").unwrap();
    let mut asked = form(boundary, &body);
    asked.authorization = header(header::AUTHORIZATION).map(str::to_owned);
    let number = {
        let mut all = server.asked.lock().unwrap();
        all.push(asked.clone());
        all.len() - 1
    };
    (server.script)(number, asked).await
}

/// Takes a form apart, as strictly as RFC 7578 has it.
fn form(boundary: &str, body: &Bytes) -> Asked {
    let mut asked = Asked { authorization: None, fields: BTreeMap::new(), wav: Bytes::new() };
    let find = |from: usize, what: &[u8]| {
        body[from..].windows(what.len()).position(|bytes| bytes == what).map(|at| from + at)
    };
    let delimiter = format!("\r\n--{boundary}");
    let mut at = boundary.len() + 2;
    assert!(body.starts_with(&delimiter.as_bytes()[2..]));
    while body[at..].starts_with(b"\r\n") {
        let head_end = find(at, b"\r\n\r\n").unwrap();
        let head = std::str::from_utf8(&body[at..head_end]).unwrap();
        let name = head.split("name=\"").nth(1).unwrap().split('"').next().unwrap();
        let end = find(head_end + 4, delimiter.as_bytes()).unwrap();
        let value = body.slice(head_end + 4..end);
        if name == "file" {
            assert!(
                head.contains("filename=\"piece.wav\"") && head.contains("audio/wav"),
                "{head}"
            );
            asked.wav = value;
        } else {
            let value = String::from_utf8(value.to_vec()).unwrap();
            assert_eq!(asked.fields.insert(name.to_owned(), value), None);
        }
        at = end + delimiter.len();
    }
    assert_eq!(&body[at..], b"--\r\n");
    asked
}

/// An answer with a status, to be asked again at once.
pub(crate) fn status(status: StatusCode) -> Response {
    (status, [(header::RETRY_AFTER, "0")], "").into_response()
}

/// An answer with times: one segment per second of the piece.
pub(crate) fn counted(number: usize, asked: &Asked) -> Response {
    let seconds = asked.length_ms() / 1_000;
    let segments: Vec<Value> = (0..seconds)
        .map(|second| {
            json!({
                "id": second, "start": second as f64, "end": second as f64 + 0.9,
                "text": format!(" {number}/{second}"), "avg_logprob": -0.1, "no_speech_prob": 0.01,
            })
        })
        .collect();
    json!({ "task": "transcribe", "language": "english", "text": "counted", "segments": segments })
        .to_string()
        .into_response()
}

/// Has a recording heard.
pub(crate) async fn hear(
    engine: &TranscriptionServer,
    job: Job,
) -> (Vec<Event>, Result<Outcome, SpeechError>) {
    hear_until(engine, job, CancellationToken::new(), |_| {}).await
}

/// Has a recording heard; `seen` looks at each event as it comes.
pub(crate) async fn hear_until(
    engine: &TranscriptionServer,
    job: Job,
    cancel: CancellationToken,
    seen: impl Fn(&Event),
) -> (Vec<Event>, Result<Outcome, SpeechError>) {
    let (sink, mut events) = mpsc::channel(SINK_EVENTS);
    let work = engine.transcribe(job, sink, cancel);
    let collect = async {
        let mut all = Vec::new();
        while let Some(event) = events.recv().await {
            seen(&event);
            all.push(event);
        }
        all
    };
    let (outcome, events) = futures::future::join(work, collect).await;
    (events, outcome)
}

pub(crate) fn segments(events: &[Event]) -> Vec<Segment> {
    let segments = events.iter().filter_map(|event| match event {
        Event::Segment(segment) => Some(segment.clone()),
        _ => None,
    });
    segments.collect()
}

/// A recording of so many seconds: a tone, with a pause of 0.5 s at the end of each fifth second.
pub(crate) fn tone(folder: &Path, seconds: usize) -> PathBuf {
    let samples = (0..seconds * 16_000).map(|at| {
        let is_pause = at % 80_000 >= 72_000;
        if is_pause { 0.0 } else { (at as f32 * 0.2).sin() * 0.5 }
    });
    let path = folder.join("tone.wav");
    let whole = stt::piece::Piece { place_ms: 0..0, sound_ms: None, samples: samples.collect() };
    std::fs::write(&path, whole.wav()).unwrap();
    path
}
