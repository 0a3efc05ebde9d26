//! What is believed of the answer.
//!
//! Models make text up where nobody speaks, and servers differ in what they tell: no segment leaves its
//! piece, overlaps another or lacks words, whatever the server says.

use serde::Deserialize;
use speech::{Segment, language_tag};

use crate::piece::Piece;

/// Above this probability of silence, and below [`UNLIKELY_LOGPROB`], a text is made up: the rule of
/// Whisper's own decoding (Radford et al., 2022, section 4.5).
const SILENCE_PROBABILITY: f64 = 0.6;
/// Mean log probability of a text's tokens below which it isn't likely.
const UNLIKELY_LOGPROB: f64 = -1.0;
/// Above this ratio of a text to its compressed form it repeats itself: Whisper's decoding takes that for a
/// failure (the same section).
const REPETITIVE_RATIO: f64 = 2.4;
/// Shortest segment, should the server give none, in milliseconds.
const SHORTEST_SEGMENT_MS: u64 = 10;

/// What a piece says.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// Two-letter tag, if the server told one that we know.
    pub language: Option<&'static str>,
    /// What was said, in order of time.
    pub segments: Vec<Segment>,
    /// Whether the server told when it was said; else there is one segment at most, as long as the sound.
    pub is_timed: bool,
}

/// The body of an answer: `verbose_json`, of which `json` is the least part.
#[derive(Deserialize)]
struct Body {
    text: Option<String>,
    language: Option<String>,
    segments: Option<Vec<Said>>,
}

#[derive(Deserialize)]
struct Said {
    /// Seconds from the piece's beginning.
    start: f64,
    end: f64,
    text: String,
    avg_logprob: Option<f64>,
    no_speech_prob: Option<f64>,
    compression_ratio: Option<f64>,
}

impl Said {
    fn is_made_up(&self) -> bool {
        self.no_speech_prob.is_some_and(|probability| probability > SILENCE_PROBABILITY)
            && self.avg_logprob.is_some_and(|logprob| logprob < UNLIKELY_LOGPROB)
    }

    /// Mean probability of the words; none of a text that goes round in circles, however sure the model is.
    fn confidence(&self) -> Option<f32> {
        if self.compression_ratio.is_some_and(|ratio| ratio > REPETITIVE_RATIO) {
            return Some(0.0);
        }
        self.avg_logprob.map(|logprob| (logprob.exp() as f32).clamp(0.0, 1.0))
    }

    /// Whether a word, or the space before one, begins here.
    fn begins_with_space(&self) -> bool {
        self.text.starts_with(char::is_whitespace)
    }
}

/// Reads an answer about `piece`. Nothing begins before `after_ms` (in the recording): what was said until
/// then is told.
///
/// # Errors
/// What is wrong with it.
pub fn read(body: &[u8], piece: &Piece, after_ms: u64) -> Result<Heard, String> {
    let body: Body =
        serde_json::from_slice(body).map_err(|error| format!("no transcription: {error}"))?;
    if body.text.is_none() && body.segments.is_none() {
        return Err("an answer without text or segments".to_owned());
    }
    let language = body.language.as_deref().and_then(language_tag);
    let text = body.text.unwrap_or_default();
    let mut reading = Reading { piece, reached_ms: after_ms, segments: Vec::new() };
    let timed = body.segments.filter(|said| !said.is_empty() || !is_said(&text));
    let is_timed = timed.is_some();
    if let Some(mut said) = timed {
        if said.iter().any(|one| !one.start.is_finite() || !one.end.is_finite()) {
            return Err("a segment without a time".to_owned());
        }
        said.sort_by(|one, other| one.start.total_cmp(&other.start));
        // Where words bring the space before them along, what comes without goes on with a word.
        let has_spaces = said.iter().any(Said::begins_with_space);
        for one in said.iter().filter(|one| !one.is_made_up()) {
            let ms = |seconds: f64| piece.place_ms.start + (seconds.max(0.0) * 1_000.0) as u64;
            if !has_spaces || one.begins_with_space() || !reading.go_on(ms(one.end), &one.text) {
                reading.add(ms(one.start), ms(one.end), &one.text, one.confidence());
            }
        }
    } else if let Some(sound) = &piece.sound_ms {
        reading.add(sound.start, sound.end, &text, None);
    }
    Ok(Heard { language, segments: reading.segments, is_timed })
}

struct Reading<'a> {
    piece: &'a Piece,
    reached_ms: u64,
    segments: Vec<Segment>,
}

impl Reading<'_> {
    /// Puts the rest of a word behind the last segment, if there is one.
    fn go_on(&mut self, end_ms: u64, text: &str) -> bool {
        let Some(last) = self.segments.last_mut() else { return false };
        last.text.push_str(text.trim_end());
        last.end_ms = last.end_ms.max(end_ms.min(self.piece.place_ms.end));
        self.reached_ms = last.end_ms;
        true
    }

    fn add(&mut self, start_ms: u64, end_ms: u64, text: &str, confidence: Option<f32>) {
        if !is_said(text) || start_ms >= self.piece.place_ms.end {
            return;
        }
        let start_ms = start_ms.max(self.reached_ms);
        let end_ms = end_ms.min(self.piece.place_ms.end).max(start_ms + SHORTEST_SEGMENT_MS);
        self.reached_ms = end_ms;
        let text = text.trim().to_owned();
        self.segments.push(Segment { start_ms, end_ms, text, confidence });
    }
}

/// Whether there is a word in it.
fn is_said(text: &str) -> bool {
    text.contains(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn piece() -> Piece {
        Piece { place_ms: 10_000..20_000, sound_ms: Some(11_000..19_000), samples: Vec::new() }
    }

    fn segments(body: &serde_json::Value) -> Heard {
        read(body.to_string().as_bytes(), &piece(), 10_000).unwrap()
    }

    fn times(heard: &Heard) -> Vec<(u64, u64)> {
        heard.segments.iter().map(|segment| (segment.start_ms, segment.end_ms)).collect()
    }

    #[test]
    fn times_are_those_of_the_recording() {
        let heard = segments(&json!({
            "task": "transcribe", "language": "korean", "duration": 10.0, "text": "안녕하세요. 네.",
            "segments": [
                { "id": 0, "start": 0.5, "end": 2.25, "text": " 안녕하세요.", "avg_logprob": -0.5 },
                { "id": 1, "start": 2.25, "end": 3.0, "text": " 네." },
            ],
        }));
        assert_eq!(heard.language, Some("ko"));
        assert!(heard.is_timed);
        assert_eq!(times(&heard), [(10_500, 12_250), (12_250, 13_000)]);
        assert_eq!(heard.segments[0].text, "안녕하세요.");
        let confidence = heard.segments[0].confidence.unwrap();
        assert!((confidence - 0.606).abs() < 0.001, "{confidence}");
        assert_eq!(heard.segments[1].confidence, None);
    }

    #[test]
    fn a_text_without_times_is_as_long_as_the_sound() {
        for body in [json!({ "text": " Hello. " }), json!({ "text": "Hello.", "segments": [] })] {
            let heard = segments(&body);
            assert!(!heard.is_timed);
            assert_eq!(times(&heard), [(11_000, 19_000)]);
            assert_eq!((heard.segments[0].text.as_str(), heard.language), ("Hello.", None));
        }
    }

    #[test]
    fn silence_is_no_text() {
        for body in [
            json!({ "text": "" }),
            json!({ "text": " ...", "segments": [] }),
            json!({ "segments": [] }),
        ] {
            assert_eq!(segments(&body).segments, []);
        }
        let made_up = json!({ "text": "Thanks for watching!", "segments": [
            { "start": 0.0, "end": 9.0, "text": "Thanks for watching!", "avg_logprob": -1.4, "no_speech_prob": 0.9 },
        ] });
        assert_eq!(segments(&made_up).segments, []);
    }

    #[test]
    fn a_text_that_goes_round_in_circles_is_not_sure() {
        let heard = segments(&json!({ "text": "the the", "segments": [
            { "start": 0.0, "end": 3.0, "text": " It was.", "avg_logprob": -0.1, "compression_ratio": 2.29 },
            { "start": 3.0, "end": 9.0, "text": " the the", "avg_logprob": -0.1, "compression_ratio": 35.6 },
        ] }));
        let sure: Vec<bool> = heard
            .segments
            .iter()
            .map(|one| one.confidence.is_some_and(|sure| sure > 0.5))
            .collect();
        assert_eq!(sure, [true, false]);
    }

    #[test]
    fn what_was_cut_inside_a_word_is_put_together() {
        let heard = segments(&json!({ "text": "as whisper.cpp's server wraps", "segments": [
            { "start": 0.0, "end": 2.0, "text": " It was the epoch of incredu" },
            { "start": 2.0, "end": 3.0, "text": "lity" },
            { "start": 3.0, "end": 3.0, "text": "." },
            { "start": 3.5, "end": 5.0, "text": " It was the season" },
        ] }));
        let texts: Vec<&str> = heard.segments.iter().map(|one| one.text.as_str()).collect();
        assert_eq!(texts, ["It was the epoch of incredulity.", "It was the season"]);
        assert_eq!(times(&heard), [(10_000, 13_000), (13_500, 15_000)]);
        // Servers that bring no space along have cut between sentences.
        let heard = segments(&json!({ "text": "Yes. No.", "segments": [
            { "start": 0.0, "end": 1.0, "text": "Yes." }, { "start": 1.0, "end": 2.0, "text": "No." },
        ] }));
        assert_eq!(heard.segments.len(), 2);
    }

    #[test]
    fn garbage_is_told() {
        assert!(read(b"<html>", &piece(), 0).is_err());
        // As a server of others answers when it fails, with status 200.
        assert!(read(br#"{"status_code":500,"detail":"out of memory"}"#, &piece(), 0).is_err());
        assert!(read(br#"{"text":"x","segments":[{"start":1}]}"#, &piece(), 0).is_err());
    }

    proptest! {
        #[test]
        fn segments_keep_to_their_piece(
            said in prop::collection::vec((-5.0_f64..20.0, -5.0_f64..20.0), 0..8),
            after_ms in 9_000_u64..12_000,
        ) {
            let said: Vec<_> = said
                .into_iter()
                .map(|(start, end)| json!({ "start": start, "end": end, "text": "word" }))
                .collect();
            let body = json!({ "text": "word", "segments": said }).to_string();
            let heard = read(body.as_bytes(), &piece(), after_ms).unwrap();
            let times = times(&heard);
            prop_assert!(times.iter().all(|(start, end)| start < end && *start >= after_ms));
            prop_assert!(times.windows(2).all(|pair| pair[0].1 <= pair[1].0));
            let slack = SHORTEST_SEGMENT_MS * 8;
            prop_assert!(times.iter().all(|(start, end)| *start >= 10_000 && *end <= 20_000 + slack));
        }
    }
}
