//! What comes of a recording.

use std::path::Path;
use std::sync::Arc;

use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use speech::testing::{SPOKEN, recording, word_error_rate};
use speech::whisper::Control;
use speech::{Event, Job, WhisperEngine};

use crate::kit::{Asked, TestServer, counted, hear, segments, tone};

/// Share of the words that may be wrong.
const TOLERATED: f64 = 0.10;

/// What a server with Whisper behind it answers.
fn whisper(engine: &WhisperEngine, folder: &Path, number: usize, asked: &Asked) -> Response {
    let path = folder.join(format!("{number}.wav"));
    std::fs::write(&path, &asked.wav).unwrap();
    let job = Job::new(path).language(asked.fields.get("language").cloned()).part();
    let mut heard: Vec<Value> = Vec::new();
    engine
        .recognise(&job, &Control::new(|| {}), &mut |event| {
            if let Event::Segment(segment) = event {
                heard.push(json!({
                    "start": segment.start_ms as f64 / 1_000.0, "end": segment.end_ms as f64 / 1_000.0,
                    "text": segment.text, "avg_logprob": segment.confidence.unwrap().ln(),
                    "no_speech_prob": 0.02,
                }));
            }
            Ok(())
        })
        .unwrap();
    json!({ "language": "english", "text": "see segments", "segments": heard })
        .to_string()
        .into_response()
}

#[tokio::test(flavor = "multi_thread")]
async fn real_speech_comes_back_as_text_with_its_times() {
    let weights = speech::weights::ensure(&mut |_| {}).unwrap();
    let model = Arc::new(WhisperEngine::load(&weights).unwrap());
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let (server, engine) = TestServer::start(move |number, asked| {
        let (model, folder) = (Arc::clone(&model), Arc::clone(&folder));
        Box::pin(async move {
            let answer = move || whisper(&model, folder.path(), number, &asked);
            tokio::task::spawn_blocking(answer).await.unwrap()
        })
    })
    .await;

    let (events, outcome) = hear(&engine, Job::new(recording().unwrap())).await;

    let outcome = outcome.unwrap();
    assert_eq!((outcome.language.as_deref(), outcome.duration_ms), (Some("en"), 44_374));
    let segments = segments(&events);
    let text: Vec<&str> = segments.iter().map(|segment| segment.text.as_str()).collect();
    let wrong = word_error_rate(SPOKEN, &text.join(" "));
    assert!(wrong < TOLERATED, "{wrong}: {text:?}");
    assert!(segments.windows(2).all(|pair| pair[0].end_ms <= pair[1].start_ms));
    let covered: u64 = segments.iter().map(|segment| segment.end_ms - segment.start_ms).sum();
    assert!(covered > 35_000, "{covered} ms");
    assert!(segments.iter().all(|segment| segment.confidence.is_some_and(|sure| sure > 0.5)));
    // The first piece is short, and what was found out is told with the next.
    let asked = server.asked();
    assert!(asked[0].length_ms() <= 30_000);
    assert_eq!(asked[0].fields.get("language"), None);
    assert_eq!(asked[1].fields["language"], "en");
}

#[tokio::test]
async fn the_whole_recording_is_sent_in_pieces_that_end_in_pauses() {
    let folder = tempfile::tempdir().unwrap();
    let path = tone(folder.path(), 300);
    let (server, engine) = TestServer::answering(counted).await;

    let (events, outcome) = hear(&engine, Job::new(&path)).await;

    assert_eq!(outcome.unwrap().duration_ms, 300_000);
    let asked = server.asked();
    assert!(asked.len() >= 4, "{}", asked.len());
    let sent = asked.iter().flat_map(|asked| asked.samples().iter().copied());
    let whole = std::fs::read(&path).unwrap();
    // Decoding and encoding again costs a step of the scale at most.
    assert_eq!(asked.iter().map(Asked::length_ms).sum::<u64>(), 300_000);
    let sample = |bytes: &[u8]| i16::from_le_bytes([bytes[0], bytes[1]]);
    let sent: Vec<u8> = sent.collect();
    let differ =
        sent.chunks(2).zip(whole[44..].chunks(2)).map(|(a, b)| sample(a).abs_diff(sample(b)));
    assert!(differ.max().unwrap() <= 2);
    for one in &asked[..asked.len() - 1] {
        assert!(one.length_ms() <= 120_000);
        let end = &one.samples()[one.samples().len() - 320..];
        assert!(end.chunks(2).all(|bytes| sample(bytes).abs() <= 1), "a piece ends in the tone");
    }
    // A segment's time is its place in the recording.
    let segments = segments(&events);
    let first_of_second = segments.iter().find(|segment| segment.text == "1/0").unwrap();
    assert_eq!(first_of_second.start_ms, asked[0].length_ms());
    assert!(segments.len() >= 295, "{}", segments.len());
    // A percentage per piece, none twice.
    let percents: Vec<u8> = events
        .iter()
        .filter_map(|event| match event {
            Event::Progress { percent, .. } => Some(*percent),
            _ => None,
        })
        .collect();
    assert!(percents.is_sorted_by(|a, b| a < b) && percents.last() == Some(&99), "{percents:?}");
    assert_eq!(asked[0].authorization.as_deref(), Some("Bearer secret"));
    assert_eq!(asked[0].fields["model"], "whisper-1");
    assert_eq!(asked[0].fields["response_format"], "verbose_json");
}

#[tokio::test]
async fn an_attempt_goes_on_where_another_one_ended() {
    let folder = tempfile::tempdir().unwrap();
    let path = tone(folder.path(), 90);
    let (server, engine) = TestServer::answering(counted).await;
    let job = Job::new(path).language(Some("ko-KR".to_owned())).resume_from_ms(70_250);

    let (events, outcome) = hear(&engine, job).await;

    let outcome = outcome.unwrap();
    assert_eq!((outcome.language.as_deref(), outcome.duration_ms), (Some("ko"), 90_000));
    assert_eq!(server.asked().iter().map(Asked::length_ms).sum::<u64>(), 19_750);
    assert_eq!(server.asked()[0].fields["language"], "ko");
    assert_eq!(segments(&events)[0].start_ms, 70_250);
    assert!(matches!(&events[1], Event::Language { tag } if tag == "ko"), "{events:?}");
}

#[tokio::test]
async fn silence_is_not_sent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("silence.wav");
    let silence = stt::piece::Piece { place_ms: 0..0, sound_ms: None, samples: vec![0.0; 640_000] };
    std::fs::write(&path, silence.wav()).unwrap();
    let (server, engine) = TestServer::answering(counted).await;
    let (_, outcome) = hear(&engine, Job::new(&path)).await;
    assert_eq!(outcome.unwrap_err().code(), speech::Code::NoSpeech);
    let (_, outcome) = hear(&engine, Job::new(&path).part()).await;
    assert_eq!(outcome.unwrap().duration_ms, 40_000);
    assert!(server.asked().is_empty());
}
