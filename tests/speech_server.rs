//! A speech-to-text server of somebody else's instead of the built-in recogniser.

use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use crate::kit::{
    component,
    instance::Place,
    story::{self, MEETING, TASKS},
};

/// Requests from this one on, and before the second figure, find the server in trouble: as many as an attempt makes.
const TROUBLE: std::ops::Range<usize> = 1..4;

/// The sizes of the files that were sent, in seconds.
type Asked = Arc<Mutex<Vec<f64>>>;

/// Says of each piece how long it is, in two segments.
async fn transcribe(State(asked): State<Asked>, head: HeaderMap, body: Bytes) -> Response {
    assert_eq!(head[header::AUTHORIZATION], "Bearer key-of-the-test");
    let seconds = body.len() as f64 / 32_000.0;
    let number = {
        let mut asked = asked.lock().expect("nobody panicked");
        asked.push(seconds);
        asked.len() - 1
    };
    if TROUBLE.contains(&number) {
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "0")]).into_response();
    }
    let segment = |start: f64, end: f64, text: String| json!({ "start": start, "end": end, "text": text, "avg_logprob": -0.2, "no_speech_prob": 0.0 });
    let segments = [
        segment(0.0, 3.0, format!(" Begin {number}.")),
        segment(3.0, seconds - 0.5, format!(" End {number}.")),
    ];
    json!({ "language": "english", "text": "both", "segments": segments })
        .to_string()
        .into_response()
}

/// Given an installation that asks a server, when a meeting's recording is heard and the server is in trouble after the
/// first piece, then another attempt goes on where it was, and the text is whole, once, with its times; operators see
/// which engine's server is up, and that it is away.
#[tokio::test]
async fn a_server_that_stumbles_gives_the_whole_text_once() {
    let asked = Asked::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
    let app = axum::Router::new()
        .route("/v1/audio/transcriptions", axum::routing::post(transcribe))
        .layer(DefaultBodyLimit::max(25 * 1024 * 1024))
        .with_state(Arc::clone(&asked));
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let mut place = Place::new();
    place.set("MOIM_TRANSCRIPT_ENGINE", "openai");
    place.set("MOIM_TRANSCRIPT_ENGINE_URL", &url);
    place.set("MOIM_TRANSCRIPT_ENGINE_MODEL", "whisper-1");
    place.set("MOIM_TRANSCRIPT_ENGINE_KEY", "key-of-the-test");
    // The built-in engine's weights aren't there, and aren't needed.
    place.set("MOIM_SPEECH_MODEL", "/nowhere/model.bin");
    let moim = place.up().await;
    assert_eq!(component(&moim.client(), "transcript.speech").await, "UP");
    let host = story::register(&moim.client(), "host").await;
    let meeting = story::started_meeting(&host.client, &[]).await;
    let file = story::speech_recording();
    let recording = story::upload(&host.client, &meeting, "audio/wav", file).await;

    story::end_meeting(&host.client, &meeting, &recording).await;
    story::minutes(&host.client, &meeting).await;

    let answer = host.client.send(MEETING, json!({ "id": meeting })).await.ok();
    let nodes = answer.data("/meeting/transcript/segments/nodes").as_array().expect("segments");
    let texts: Vec<&str> = nodes.iter().filter_map(|node| node["text"].as_str()).collect();
    assert_eq!(texts, ["Begin 0.", "End 0.", "Begin 4.", "End 4."]);
    let asked = asked.lock().expect("nobody panicked").clone();
    assert_eq!(asked.len(), 5, "{asked:?}");
    assert!(asked[0] + asked[4] < 45.0, "the rest is sent, not all of it: {asked:?}");
    let times: Vec<i64> = nodes
        .iter()
        .flat_map(|node| [&node["startMs"], &node["endMs"]].map(|ms| ms.as_i64().expect("ms")))
        .collect();
    assert!(times.is_sorted() && times[7] > 40_000, "{times:?}");
    let answer = host.client.send(TASKS, json!({ "id": meeting })).await.ok();
    assert_eq!(answer.data("/meeting/transcriptTasks/0/attempts"), 2);

    server.abort();
    crate::kit::eventually("operators see that the server is away", crate::kit::SOON, || async {
        let client = moim.client();
        let ready = client.get("/health/ready").await.status == 200;
        (ready && component(&client, "transcript.speech").await == "DEGRADED").then_some(())
    })
    .await;
}
