//! What the engine makes of speech, silence and garbage.

use std::path::PathBuf;
use std::sync::Arc;

use speech::testing::{SPOKEN, recording, word_error_rate};
use speech::whisper::Control;
use speech::{Code, Engine, Event, Job, Outcome, SINK_EVENTS, SpeechError, WhisperEngine};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::fixture;

/// Share of the words that may be wrong.
const TOLERATED: f64 = 0.10;

fn engine() -> WhisperEngine {
    WhisperEngine::load(&speech::weights::ensure(&mut |_| {}).unwrap()).unwrap()
}

fn recognise(engine: &WhisperEngine, job: &Job) -> (Vec<Event>, Result<Outcome, SpeechError>) {
    let mut events = Vec::new();
    let outcome = engine.recognise(job, &Control::new(|| {}), &mut |event| {
        events.push(event);
        Ok(())
    });
    (events, outcome)
}

fn failure(path: PathBuf) -> Code {
    recognise(&engine(), &Job::new(path)).1.unwrap_err().code()
}

#[test]
fn recognises_real_speech() {
    let (events, outcome) = recognise(&engine(), &Job::new(recording().unwrap()));

    let outcome = outcome.unwrap();
    assert_eq!(outcome.language.as_deref(), Some("en"));
    assert_eq!(outcome.duration_ms, 44_374);

    let segments = fixture::segments(&events);
    let wrong = word_error_rate(SPOKEN, &fixture::text(&segments));
    assert!(wrong < TOLERATED, "{wrong}: {}", fixture::text(&segments));

    assert!(segments.windows(2).all(|pair| pair[0].end_ms <= pair[1].start_ms));
    assert!(segments.iter().all(|s| s.start_ms < s.end_ms && s.end_ms <= outcome.duration_ms));
    assert!(segments.iter().all(|s| s.confidence.is_some_and(|sure| (0.5..=1.0).contains(&sure))));
    let covered: u64 = segments.iter().map(|s| s.end_ms - s.start_ms).sum();
    assert!(covered > 35_000, "{covered} ms");

    let language = events.iter().position(|e| matches!(e, Event::Language { .. })).unwrap();
    let first = events.iter().position(|e| matches!(e, Event::Segment(_))).unwrap();
    assert!(language < first);
    let percents: Vec<u8> = events
        .iter()
        .filter_map(|e| match e {
            Event::Progress { percent, .. } => Some(*percent),
            _ => None,
        })
        .collect();
    assert!(percents.is_sorted() && percents.len() > 3, "{percents:?}");
}

#[test]
fn a_job_that_was_stopped_goes_on_where_it_was() {
    let engine = engine();
    let job = Job::new(recording().unwrap()).language(Some("en".to_owned()));

    // Stopped at the first segment, as a kill would.
    let mut before = Vec::new();
    let control = Control::new(|| {});
    let stop: Arc<Control> = control.clone();
    let stopped = engine.recognise(&job, &control, &mut |event| {
        if matches!(event, Event::Segment(_)) {
            stop.cancel();
        }
        before.push(event);
        Ok(())
    });
    assert_eq!(stopped.unwrap_err().code(), Code::Cancelled);
    let before = fixture::segments(&before);
    let reached = before.last().unwrap().end_ms;
    assert!((1_000..40_000).contains(&reached));

    let (after, outcome) = recognise(&engine, &job.resume_from_ms(reached));

    assert_eq!(outcome.unwrap().duration_ms, 44_374);
    let after = fixture::segments(&after);
    assert!(after[0].start_ms >= reached);
    let whole = [before, after].concat();
    let wrong = word_error_rate(SPOKEN, &fixture::text(&whole));
    assert!(wrong < TOLERATED, "{wrong}: {}", fixture::text(&whole));
}

#[test]
fn a_recording_that_was_heard_to_its_end_gives_nothing_more() {
    let job = Job::new(fixture::recording("live.webm")).resume_from_ms(60_000);
    let (events, outcome) = recognise(&engine(), &job);
    assert!(outcome.is_ok(), "{outcome:?}");
    assert_eq!(fixture::segments(&events), []);
}

#[test]
fn a_truncated_browser_recording_is_recognised() {
    let folder = tempfile::tempdir().unwrap();
    let path = fixture::recording("live.webm");
    let bytes = std::fs::metadata(&path).unwrap().len() as usize;
    let cut = fixture::cut(&folder, &path, bytes - 1_500);
    let (events, outcome) = recognise(&engine(), &Job::new(cut));
    assert!(outcome.is_ok(), "{outcome:?}");
    let text = fixture::text(&fixture::segments(&events)).to_lowercase();
    assert!(text.contains("best of times"), "{text}");
}

#[test]
fn silence_and_noise_are_no_speech() {
    let folder = tempfile::tempdir().unwrap();
    let silence = fixture::file(&folder, "silence.wav", &fixture::wav(vec![0; 16_000 * 40]));
    assert_eq!(failure(silence), Code::NoSpeech);
    let mut seed = 1_u32;
    let noise = std::iter::repeat_with(move || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 16) as i16 / 64
    });
    let noise = fixture::file(&folder, "noise.wav", &fixture::wav(noise.take(16_000 * 40)));
    assert_eq!(failure(noise), Code::NoSpeech);
}

#[test]
fn bad_recordings_fail_with_their_codes() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name, bytes: &[u8]| fixture::file(&folder, name, bytes);
    assert_eq!(failure(file("empty.wav", b"")), Code::RecordingEmpty);
    assert_eq!(failure(file("header.wav", &fixture::wav([]))), Code::RecordingEmpty);
    assert_eq!(failure(file("notes.wav", "meeting notes ".repeat(900).as_bytes())), Code::NotAudio);
    assert_eq!(failure(folder.path().join("nowhere.wav")), Code::RecordingMissing);
}

#[test]
fn an_unknown_language_is_refused() {
    for tag in ["xx", "klingon", "", "\0\0"] {
        let job = Job::new(fixture::recording("speech.mp3")).language(Some(tag.to_owned()));
        let error = recognise(&engine(), &job).1.unwrap_err();
        assert_eq!((error.code(), error.is_retryable()), (Code::EngineFailed, false));
    }
}

#[tokio::test]
async fn streams_as_any_engine_does() {
    let engine: Arc<dyn Engine> = Arc::new(engine());
    let job = Job::new(fixture::recording("speech.opus.ogg")).language(Some("en-GB".to_owned()));

    let (sink, mut receiver) = mpsc::channel(1);
    let reader = tokio::spawn(async move {
        let mut events = Vec::new();
        while let Some(event) = receiver.recv().await {
            events.push(event);
        }
        events
    });
    let outcome = engine.transcribe(job.clone(), sink, CancellationToken::new()).await.unwrap();
    assert_eq!(outcome.language.as_deref(), Some("en"));
    let text = fixture::text(&fixture::segments(&reader.await.unwrap())).to_lowercase();
    assert!(text.contains("best of times"), "{text}");

    let (sink, receiver) = mpsc::channel(1);
    drop(receiver);
    let unheard = engine.transcribe(job.clone(), sink, CancellationToken::new()).await;
    assert_eq!(unheard.unwrap_err().code(), Code::Cancelled);

    let (sink, _receiver) = mpsc::channel(SINK_EVENTS);
    let cancel = CancellationToken::new();
    cancel.cancel();
    let cancelled = engine.transcribe(job, sink, cancel).await;
    assert_eq!(cancelled.unwrap_err().code(), Code::Cancelled);
}
