//! Recordings of all kinds, whole and damaged.

use std::path::Path;

use speech::decode::{Decoder, SAMPLE_RATE_HZ};
use speech::{Code, SpeechError};

use crate::fixture;

fn decode(path: &Path) -> Result<Vec<f32>, SpeechError> {
    let mut decoder = Decoder::open(path)?;
    let mut samples = Vec::new();
    while decoder.read(&mut samples, 10_000)? > 0 {}
    assert_eq!(decoder.duration_ms(), Some(decoder.position_ms()));
    Ok(samples)
}

fn seconds(samples: &[f32]) -> f64 {
    samples.len() as f64 / f64::from(SAMPLE_RATE_HZ)
}

/// Loudness of each tenth of a second.
fn envelope(samples: &[f32]) -> Vec<f32> {
    let tenth = SAMPLE_RATE_HZ as usize / 10;
    samples.chunks_exact(tenth).map(|c| c.iter().map(|s| s.abs()).sum::<f32>()).collect()
}

/// How alike two signals are in loudness over time: 1 when the same.
fn likeness(left: &[f32], right: &[f32]) -> f32 {
    let (left, right) = (envelope(left), envelope(right));
    let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    product(&left, &right) / (product(&left, &left) * product(&right, &right)).sqrt()
}

#[test]
fn every_format_gives_the_same_speech() {
    let mut original = decode(&speech::testing::recording().unwrap()).unwrap();
    assert!((seconds(&original) - 44.374).abs() < 0.01);
    original.truncate(5 * SAMPLE_RATE_HZ as usize);

    for (name, length) in [
        ("speech.mp3", 5.0),
        ("speech.m4a", 5.0),
        ("speech.flac", 2.0),
        ("speech.opus.ogg", 5.0),
        ("speech.vorbis.ogg", 5.0),
        ("speech.webm", 5.0),
        ("live.webm", 5.0),
        ("stereo-8k.wav", 2.0),
    ] {
        let samples = decode(&fixture::recording(name)).unwrap();
        assert!((seconds(&samples) - length).abs() < 0.1, "{name}: {}", seconds(&samples));
        let whole = &original[..samples.len().min(original.len())];
        let likeness = likeness(&samples[..whole.len()], whole);
        assert!(likeness > 0.9, "{name}: {likeness}");
    }
}

#[test]
fn a_length_is_known_or_guessed_early() {
    for name in ["speech.mp3", "speech.webm", "live.webm", "speech.flac"] {
        let mut decoder = Decoder::open(&fixture::recording(name)).unwrap();
        decoder.read(&mut Vec::new(), SAMPLE_RATE_HZ as usize).unwrap();
        let guess = decoder.duration_ms().unwrap();
        assert!((1_000..=10_000).contains(&guess), "{name}: {guess}");
    }
}

#[test]
fn a_truncated_recording_counts_as_far_as_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let wav = speech::testing::recording().unwrap();
    // 44 bytes of header, then 96 bytes per millisecond.
    let cut = fixture::cut(&folder, &wav, 44 + 96 * 3_000);
    assert!((seconds(&decode(&cut).unwrap()) - 3.0).abs() < 0.05);

    for name in ["speech.webm", "live.webm", "speech.mp3", "speech.opus.ogg", "speech.vorbis.ogg"] {
        let path = fixture::recording(name);
        let bytes = std::fs::metadata(&path).unwrap().len() as usize;
        let cut = fixture::cut(&folder, &path, bytes * 3 / 5);
        let length = seconds(&decode(&cut).unwrap_or_else(|e| panic!("{name}: {e:?}")));
        assert!((1.5..4.0).contains(&length), "{name}: {length}");
    }
}

#[test]
fn skipping_lands_on_the_very_sample() {
    let path = fixture::recording("speech.mp3");
    let whole = decode(&path).unwrap();
    let mut decoder = Decoder::open(&path).unwrap();
    decoder.skip_to_ms(2_345).unwrap();
    assert_eq!(decoder.position_ms(), 2_345);
    let mut rest = Vec::new();
    while decoder.read(&mut rest, 10_000).unwrap() > 0 {}
    assert_eq!(rest, whole[2_345 * 16..]);
}

#[test]
fn what_is_no_recording_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let code = |name: &str, bytes: &[u8]| {
        decode(&fixture::file(&folder, name, bytes))
            .map(|samples| samples.len())
            .map_err(|e| e.code())
    };
    assert_eq!(code("empty.wav", b""), Err(Code::RecordingEmpty));
    assert_eq!(code("header.wav", &fixture::wav([])), Ok(0));
    let text = "It was the best of times, it was the worst of times.\n".repeat(500);
    assert_eq!(code("text.txt", text.as_bytes()), Err(Code::NotAudio));
    assert_eq!(code("short.txt", b"hello"), Err(Code::NotAudio));
    assert_eq!(code("image.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), Err(Code::NotAudio));
    let missing = decode(&folder.path().join("nothing")).map_err(|e| e.code());
    assert_eq!(missing, Err(Code::RecordingMissing));
}
