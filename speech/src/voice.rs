//! Where somebody speaks: Silero's voice activity model.

use std::ops::Range;

use whisper_rs::{WhisperVadContext, WhisperVadContextParams, WhisperVadParams};

use crate::decode::SAMPLE_RATE_HZ;
use crate::error::SpeechError;
use crate::weights::Weights;

/// Probability from which a frame counts as speech.
const SPEECH_PROBABILITY: f32 = 0.5;
/// Shorter bursts are noise.
const SHORTEST_SPEECH_MS: i32 = 250;
/// Shorter pauses belong to the speech around them.
const SHORTEST_SILENCE_MS: i32 = 200;
/// Speech begins and ends softly.
const MARGIN_MS: i32 = 100;
/// The model reports in hundredths of a second.
const SAMPLES_PER_CENTISECOND: f32 = SAMPLE_RATE_HZ as f32 / 100.0;

/// The loaded model.
pub(crate) struct Voice(WhisperVadContext);

impl Voice {
    pub(crate) fn load(weights: &Weights) -> Result<Self, SpeechError> {
        let mut parameters = WhisperVadContextParams::new();
        parameters.set_n_threads(1);
        let path = weights.voice.to_string_lossy();
        WhisperVadContext::new(&path, parameters).map(Self).map_err(|error| SpeechError::Engine {
            reason: format!("{path}: {error}"),
            retryable: false,
        })
    }

    /// The parts of `samples` with speech, in order, as ranges of samples.
    pub(crate) fn spans(&mut self, samples: &[f32]) -> Result<Vec<Range<usize>>, SpeechError> {
        let mut parameters = WhisperVadParams::new();
        parameters.set_threshold(SPEECH_PROBABILITY);
        parameters.set_min_speech_duration(SHORTEST_SPEECH_MS);
        parameters.set_min_silence_duration(SHORTEST_SILENCE_MS);
        parameters.set_speech_pad(MARGIN_MS);
        let segments =
            self.0.segments_from_samples(parameters, samples).map_err(SpeechError::engine)?;
        let sample = |centiseconds: f32| {
            ((centiseconds * SAMPLES_PER_CENTISECOND).max(0.0) as usize).min(samples.len())
        };
        Ok(segments
            .map(|segment| sample(segment.start)..sample(segment.end))
            .filter(|span| !span.is_empty())
            .collect())
    }
}
