//! A recording that comes in parts: text while the meeting runs, minutes soon after its end.

use crate::kit::{
    TRANSCRIBED,
    client::Client,
    eventually,
    instance::Place,
    story::{self, MEETING, TRANSCRIPT_SEGMENTS},
    websocket::Socket,
};
use serde_json::{Value, json};

/// Bytes of the recording per second: 48 kHz, mono, 16 bits.
const BYTES_PER_S: usize = 96_000;
/// Bytes before its samples.
const HEADER_BYTES: usize = 44;
/// Where it is cut: in pauses of the reader.
const CUTS_S: [f64; 2] = [14.6, 29.6];

/// The real recording as parts: each a whole file, with the millisecond at which it begins.
fn parts() -> Vec<(i64, Vec<u8>)> {
    let whole = story::speech_recording();
    let samples = &whole[HEADER_BYTES..];
    let byte = |second: f64| (second * BYTES_PER_S as f64) as usize / 2 * 2;
    let mut cuts = vec![0];
    cuts.extend(CUTS_S.iter().map(|second| byte(*second)));
    cuts.push(samples.len());
    let part = |range: &[usize]| {
        let data = &samples[range[0]..range[1]];
        let mut file = whole[..HEADER_BYTES].to_vec();
        let size = u32::try_from(data.len()).expect("small");
        file[4..8].copy_from_slice(&(size + 36).to_le_bytes());
        file[40..44].copy_from_slice(&size.to_le_bytes());
        file.extend_from_slice(data);
        (i64::try_from(range[0] * 1_000 / BYTES_PER_S).expect("small"), file)
    };
    cuts.windows(2).map(part).collect()
}

/// Uploads a part.
async fn send(client: &Client, meeting: &str, sequence: usize, part: &(i64, Vec<u8>)) {
    let (start_ms, file) = part;
    let input = json!({ "meetingId": meeting, "sequence": sequence, "startMs": start_ms,
        "contentType": "audio/wav", "sizeBytes": file.len() });
    let answer = client
        .send(
            "mutation ($input: RequestRecordingPartUploadInput!) { requestRecordingPartUpload(input: $input) {
                recording { id } part { sequence } upload { url } userErrors { code field message } } }",
            json!({ "input": input }),
        )
        .await
        .ok();
    let url = answer.text("/requestRecordingPartUpload/upload/url");
    let answer = client.put(&url, "audio/wav", file.clone()).await;
    assert!(answer.status.is_success(), "{answer:?}");
}

/// How many segments the meeting has by now.
async fn segments(client: &Client, meeting: &str) -> Vec<Value> {
    let answer = client.send(MEETING, json!({ "id": meeting })).await.ok();
    let nodes = answer.body.pointer("/data/meeting/transcript/segments/nodes");
    nodes.and_then(Value::as_array).cloned().unwrap_or_default()
}

/// Given a running meeting whose recording comes in three parts, out of order, when a part is there, then its segments
/// are pushed while the meeting runs; a process that is killed in the middle loses nothing and doubles nothing; and
/// the end, without naming a recording, gives minutes of all of it.
#[tokio::test]
async fn parts_become_text_while_the_meeting_runs() {
    let place = Place::new();
    let moim = place.up().await;
    let host = story::register(&moim.client(), "host").await;
    let meeting = story::started_meeting(&host.client, &[]).await;
    let token = host.client.token.clone().expect("logged in");
    let mut live = Socket::open(&moim.base, &token).await;
    live.subscribe("s", TRANSCRIPT_SEGMENTS, json!({ "meetingId": meeting })).await;
    let mut live = live.read_along();
    let parts = parts();

    // The second part first: its segments come live, where they belong.
    send(&host.client, &meeting, 1, &parts[1]).await;
    let message = live.next(TRANSCRIBED).await.expect("a segment while the meeting runs");
    let first = &message["payload"]["data"]["transcriptSegments"]["segment"];
    assert!(first["startMs"].as_i64().expect("a time") >= parts[1].0, "{first}");
    let answer = host.client.send(MEETING, json!({ "id": meeting })).await.ok();
    assert_eq!(answer.data("/meeting/status"), "IN_PROGRESS");

    // Killed while the first one is recognised.
    send(&host.client, &meeting, 0, &parts[0]).await;
    eventually("a segment of the first part is stored", TRANSCRIBED, || async {
        let found = segments(&host.client, &meeting).await;
        found.iter().any(|s| s["startMs"].as_i64() < Some(parts[1].0)).then_some(())
    })
    .await;
    let before = segments(&host.client, &meeting).await;
    moim.kill().await;
    let moim = place.up().await;
    let client = moim.client().with_token(&token);
    send(&client, &meeting, 2, &parts[2]).await;

    // Without naming a recording.
    story::end_meeting_without_recording(&client, &meeting).await;
    let minutes = story::minutes(&client, &meeting).await;

    let text = minutes["meeting"]["transcript"]["text"].as_str().expect("text");
    assert!(story::known_words(text) >= 9, "{text}");
    let errors = speech::testing::word_error_rate(speech::testing::SPOKEN, text);
    assert!(errors < 0.1, "{errors}: {text}");
    let nodes = segments(&client, &meeting).await;
    let times: Vec<(i64, i64)> = nodes
        .iter()
        .map(|s| (s["startMs"].as_i64().expect("ms"), s["endMs"].as_i64().expect("ms")))
        .collect();
    let flat: Vec<i64> = times.iter().flat_map(|(start, end)| [*start, *end]).collect();
    assert!(flat.is_sorted(), "{times:?}");
    assert!(times.last().expect("segments").1 > 40_000, "{times:?}");
    for segment in before {
        assert!(nodes.contains(&segment), "kept as it was: {segment}");
    }
    let answer = client
        .send(
            "query ($id: ID!) { meeting(id: $id) { recordings { status isParted missingParts }
                transcriptTasks { kind status progress } } }",
            json!({ "id": meeting }),
        )
        .await
        .ok();
    let whole = json!([{ "status": "UPLOADED", "isParted": true, "missingParts": [] }]);
    assert_eq!(*answer.data("/meeting/recordings"), whole);
    let one = json!([{ "kind": "TRANSCRIPTION", "status": "COMPLETED", "progress": 100 }]);
    assert_eq!(*answer.data("/meeting/transcriptTasks"), one);
    assert!(moim.stop().await, "it stops cleanly");
}
