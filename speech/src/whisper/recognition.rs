//! One recording from its first window to its last.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use whisper_rs::{FullParams, SamplingStrategy, WhisperSegment, get_lang_str};

use super::{Control, Emit, Models};
use crate::decode::{Decoder, SAMPLE_RATE_HZ, SAMPLES_PER_MS};
use crate::engine::{Event, Job, Outcome, Segment, Stage};
use crate::error::SpeechError;
use crate::language::language_tag;
use crate::window::{self, Cut, LEAD_SAMPLES, TAIL_SAMPLES, WINDOW_SAMPLES};

/// More than one thread per job makes ggml's threads wait for each other on
/// busy cores; several jobs run in several processes instead.
const THREADS: usize = 1;
/// Times inside a window are in hundredths of a second.
const SAMPLES_PER_CENTISECOND: i64 = SAMPLE_RATE_HZ as i64 / 100;
/// Leading silence from which the window is filled up again after dropping it.
const WORTH_REFILLING_SAMPLES: usize = 2 * SAMPLE_RATE_HZ as usize;
/// A text without voice nearby is made up.
const NEARBY_SAMPLES: usize = SAMPLE_RATE_HZ as usize / 2;
/// The model's context for 30 s, in steps of 20 ms.
const FULL_CONTEXT: i32 = 1_500;
/// Below this, a text heard with a shortened context is heard again.
const DOUBTFUL_CONFIDENCE: f32 = 0.6;
/// When the detection names a language that has no tag.
const DEFAULT_LANGUAGE: &str = "en";
/// 100 % is for the caller to say, when the text is stored.
const ALMOST_DONE_PERCENT: u8 = 99;
/// Shortest segment, should the engine give none.
const SHORTEST_SEGMENT_MS: u64 = 10;

/// A job at work.
pub(super) struct Recognition<'a> {
    models: &'a mut Models,
    control: Arc<Control>,
    emit: Emit<'a>,
    decoder: Decoder,
    /// Decoded but not yet done with; at most one window.
    samples: Vec<f32>,
    /// Position of the first of `samples` in the recording.
    offset: u64,
    ended: bool,
    language: Option<String>,
    language_told: bool,
    may_be_silent: bool,
    windows: u32,
    segments: u64,
    last_end_ms: u64,
    percent: u8,
}

impl<'a> Recognition<'a> {
    pub(super) fn open(
        job: &Job,
        models: &'a mut Models,
        control: Arc<Control>,
        emit: Emit<'a>,
    ) -> Result<Self, SpeechError> {
        let chosen = job.language.as_deref();
        let unknown = || SpeechError::unknown_language(chosen);
        let language = chosen.map(|tag| language_tag(tag).ok_or_else(unknown)).transpose()?;
        let mut decoder = Decoder::open(&job.input)?;
        emit(Event::Progress { percent: 0, stage: Stage::Decoding })?;
        decoder.skip_to_ms(job.resume_from_ms)?;
        Ok(Self {
            models,
            control,
            emit,
            offset: decoder.position_ms() * SAMPLES_PER_MS,
            decoder,
            samples: Vec::with_capacity(WINDOW_SAMPLES),
            ended: false,
            language: language.map(str::to_owned),
            language_told: false,
            may_be_silent: job.may_be_silent || job.resume_from_ms > 0,
            windows: 0,
            segments: 0,
            last_end_ms: job.resume_from_ms,
            percent: 0,
        })
    }

    pub(super) fn run(mut self) -> Result<Outcome, SpeechError> {
        while self.fill()? {
            self.control.check()?;
            let spans = self.models.voice.spans(&self.samples)?;
            match spans.first() {
                None => {
                    let kept = if self.ended { 0 } else { TAIL_SAMPLES };
                    self.forget(self.samples.len().saturating_sub(kept));
                }
                Some(first) if first.start > WORTH_REFILLING_SAMPLES && !self.ended => {
                    self.forget(first.start - LEAD_SAMPLES);
                    continue;
                }
                Some(_) => self.window(&spans)?,
            }
            self.progress()?;
        }
        if self.decoder.position_ms() == 0 {
            return Err(SpeechError::Empty);
        }
        if self.segments == 0 && !self.may_be_silent {
            return Err(SpeechError::NoSpeech);
        }
        Ok(Outcome { language: self.language, duration_ms: self.decoder.position_ms() })
    }

    /// Decodes up to a whole window. `false`: all has been heard.
    fn fill(&mut self) -> Result<bool, SpeechError> {
        let wanted = WINDOW_SAMPLES - self.samples.len();
        if !self.ended && wanted > 0 {
            self.ended = self.decoder.read(&mut self.samples, wanted)? < wanted;
        }
        Ok(!self.samples.is_empty())
    }

    fn forget(&mut self, samples: usize) {
        self.samples.drain(..samples);
        self.offset += samples as u64;
    }

    fn progress(&mut self) -> Result<(), SpeechError> {
        let position_ms = self.offset / SAMPLES_PER_MS;
        let duration_ms = self.decoder.duration_ms().unwrap_or(0).max(1);
        let percent = (position_ms * 100 / duration_ms).min(u64::from(ALMOST_DONE_PERCENT)) as u8;
        if percent > self.percent {
            self.percent = percent;
            (self.emit)(Event::Progress { percent, stage: Stage::Recognising })?;
        }
        Ok(())
    }

    /// Hears the next window and forgets what is done with.
    fn window(&mut self, spans: &[Range<usize>]) -> Result<(), SpeechError> {
        let cut = window::cut(spans, self.samples.len(), self.ended, self.windows == 0);
        self.windows += 1;
        let context = context(cut.end);
        let language = self.settle_language(cut, context)?;
        self.hear(&language, cut, context)?;
        if context < FULL_CONTEXT && self.is_doubtful() {
            self.hear(&language, cut, FULL_CONTEXT)?;
        }
        let heard = self.tell(spans, cut)?;
        let done = window::done(spans, cut, heard);
        let rest_is_silent = window::speech(spans, done..self.samples.len()) == 0;
        self.forget(if self.ended && rest_is_silent { self.samples.len() } else { done });
        Ok(())
    }

    /// The chosen language, or the one that this window is in.
    fn settle_language(&mut self, cut: Cut, context: i32) -> Result<String, SpeechError> {
        let tag = match &self.language {
            Some(tag) => tag.clone(),
            None => self.detect_language(cut, context)?,
        };
        if !self.language_told {
            self.language_told = true;
            self.language = Some(tag.clone());
            (self.emit)(Event::Language { tag: tag.clone() })?;
        }
        Ok(tag)
    }

    fn detect_language(&mut self, cut: Cut, context: i32) -> Result<String, SpeechError> {
        let mut parameters = self.parameters(DEFAULT_LANGUAGE, context);
        // Stopped before it computes anything, this just leaves the spectrum
        // and the context size in the state, where the detection takes them.
        let abort: Box<dyn FnMut() -> bool> = Box::new(|| true);
        parameters.set_abort_callback_safe(abort);
        let whisper = &mut self.models.whisper;
        let _ = whisper.full(parameters, &self.samples[..cut.end]);
        let (id, _) = whisper.lang_detect(0, THREADS).map_err(SpeechError::engine)?;
        self.control.check()?;
        Ok(get_lang_str(id).unwrap_or(DEFAULT_LANGUAGE).to_owned())
    }

    fn parameters<'p>(&self, language: &'p str, context: i32) -> FullParams<'p, 'static> {
        let mut parameters = FullParams::new(SamplingStrategy::Greedy { best_of: 1 });
        parameters.set_n_threads(THREADS as i32);
        parameters.set_language(Some(language));
        parameters.set_audio_ctx(context);
        parameters.set_no_context(true);
        parameters.set_suppress_nst(true);
        parameters.set_print_progress(false);
        parameters.set_print_realtime(false);
        parameters
    }

    /// Runs the model once over the window; its text is then in the state.
    fn hear(&mut self, language: &str, cut: Cut, context: i32) -> Result<(), SpeechError> {
        let mut parameters = self.parameters(language, context);
        // The library goes on inside the window from where its text ends; we
        // rather do that ourselves, with a full window.
        let passes = Arc::new(AtomicU32::new(0));
        let counted = passes.clone();
        parameters.set_progress_callback_safe(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let (watched, control) = (passes.clone(), self.control.clone());
        // The library casts its pointer to the very type of the argument, so
        // it must be a boxed closure.
        let abort: Box<dyn FnMut() -> bool> = Box::new(move || {
            (control.pulse)();
            control.is_cancelled() || watched.load(Ordering::Relaxed) > 1
        });
        parameters.set_abort_callback_safe(abort);
        let result = self.models.whisper.full(parameters, &self.samples[..cut.end]);
        self.control.check()?;
        match result {
            Err(_) if passes.load(Ordering::Relaxed) > 1 => Ok(()),
            result => result.map_err(SpeechError::engine),
        }
    }

    /// Whether the text in the state is none, or one to be ashamed of.
    fn is_doubtful(&self) -> bool {
        let segments = || self.models.whisper.as_iter();
        let sum: f32 = segments().map(|segment| confidence(&segment)).sum();
        let count = segments().count();
        count == 0 || sum / (count as f32) < DOUBTFUL_CONFIDENCE
    }

    /// Emits the window's segments; answers where the text ends.
    fn tell(&mut self, spans: &[Range<usize>], cut: Cut) -> Result<Option<usize>, SpeechError> {
        let mut heard = None;
        for segment in self.models.whisper.as_iter() {
            let sample =
                |centiseconds: i64| (centiseconds * SAMPLES_PER_CENTISECOND).max(0) as usize;
            let (start, end) = (sample(segment.start_timestamp()), sample(segment.end_timestamp()));
            heard = Some(end);
            let text = segment.to_str_lossy().map_err(SpeechError::engine)?.trim().to_owned();
            let nearby = start.saturating_sub(NEARBY_SAMPLES)..end.min(cut.end) + NEARBY_SAMPLES;
            if !text.contains(char::is_alphanumeric) || window::speech(spans, nearby) == 0 {
                continue;
            }
            let ms = |sample: usize| (self.offset + sample.min(cut.end) as u64) / SAMPLES_PER_MS;
            let start_ms = ms(start).max(self.last_end_ms);
            let end_ms = ms(end).max(start_ms + SHORTEST_SEGMENT_MS);
            self.last_end_ms = end_ms;
            self.segments += 1;
            let confidence = Some(confidence(&segment));
            (self.emit)(Event::Segment(Segment { start_ms, end_ms, text, confidence }))?;
        }
        Ok(heard)
    }
}

/// How much context the model computes for a window: what holds it with room to
/// spare. Much less makes it babble, more just takes time.
fn context(samples: usize) -> i32 {
    match samples / SAMPLE_RATE_HZ as usize {
        0..8 => 512,
        8..13 => 768,
        _ => FULL_CONTEXT,
    }
}

/// Mean probability of a segment's tokens; times and other marks don't count.
fn confidence(segment: &WhisperSegment<'_>) -> f32 {
    let tokens = (0..segment.n_tokens()).filter_map(|index| segment.get_token(index));
    let (mut sum, mut count) = (0.0, 0.0_f32);
    for token in tokens {
        if !token.to_str_lossy().is_ok_and(|text| text.starts_with("[_")) {
            sum += token.token_probability();
            count += 1.0;
        }
    }
    if count > 0.0 { (sum / count).clamp(0.0, 1.0) } else { 0.0 }
}
