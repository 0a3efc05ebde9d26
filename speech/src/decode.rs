//! Any recording → 16 kHz mono samples, piece by piece.
//!
//! wav, mp3, m4a, flac, ogg (opus, vorbis) and webm (opus), also truncated or
//! live ones as browsers record them: what can be decoded counts.

mod resample;
mod source;

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::codecs::registry::CodecRegistry;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;

use crate::error::SpeechError;
use resample::Resampler;
use source::{Access, Consumed, Counted};

/// What comes out, and what the engine hears.
pub const SAMPLE_RATE_HZ: u32 = 16_000;
/// Samples of one millisecond.
pub const SAMPLES_PER_MS: u64 = SAMPLE_RATE_HZ as u64 / 1_000;
/// A stream that gives this many undecodable packets in a row is given up.
const BAD_PACKETS_IN_A_ROW: u32 = 200;

/// A recording being decoded. Holds one packet in memory at a time.
pub struct Decoder {
    format: Box<dyn FormatReader>,
    codec: Box<dyn AudioDecoder>,
    track: u32,
    resampler: Option<Resampler>,
    interleaved: Vec<f32>,
    ready: Vec<f32>,
    stated_ms: Option<u64>,
    consumed: Arc<Consumed>,
    delivered: u64,
    bad_in_a_row: u32,
    ended: bool,
}

impl Decoder {
    /// Opens a recording and finds its audio track.
    ///
    /// # Errors
    /// [`SpeechError::Missing`], [`SpeechError::Read`], [`SpeechError::Empty`]
    /// (no bytes), [`SpeechError::NotAudio`], [`SpeechError::Unsupported`].
    pub fn open(path: &Path) -> Result<Self, SpeechError> {
        let file = File::open(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => SpeechError::Missing(error),
            _ => SpeechError::Read(error),
        })?;
        let bytes = file.metadata().map_err(SpeechError::Read)?.len();
        if bytes == 0 {
            return Err(SpeechError::Empty);
        }
        let consumed = Arc::new(Consumed::new(bytes));
        // A cut file contradicts the lengths that it states, which some
        // demuxers refuse; read as a stream without a known end it is fine.
        let format = probe(path, &consumed, Access::Random)
            .or_else(|error| probe(path, &consumed, Access::Stream).map_err(|_| error))
            .map_err(not_audio)?;
        let (track, codec, stated_ms) = open_track(format.as_ref())?;
        Ok(Self {
            format,
            codec,
            track,
            resampler: None,
            interleaved: Vec::new(),
            ready: Vec::new(),
            stated_ms,
            consumed,
            delivered: 0,
            bad_in_a_row: 0,
            ended: false,
        })
    }

    /// Length in milliseconds: what was decoded once the end is reached, else
    /// what the container states, else a guess from the bytes read so far.
    /// `None` before there is anything to guess from.
    #[must_use]
    pub fn duration_ms(&self) -> Option<u64> {
        let decoded = self.position_ms();
        if self.ended {
            return Some(decoded);
        }
        let guess = || {
            let fraction = self.consumed.fraction();
            (fraction > 0.0 && decoded > 0).then(|| (decoded as f64 / fraction) as u64)
        };
        self.stated_ms.or_else(guess).map(|ms| ms.max(decoded))
    }

    /// Milliseconds delivered so far.
    #[must_use]
    pub fn position_ms(&self) -> u64 {
        self.delivered / SAMPLES_PER_MS
    }

    /// Appends up to `samples` samples; fewer only at the end. Answers how
    /// many it appended.
    ///
    /// # Errors
    /// [`SpeechError::Read`] when the disk fails; damage in the recording just
    /// ends it or is skipped.
    pub fn read(&mut self, into: &mut Vec<f32>, samples: usize) -> Result<usize, SpeechError> {
        while self.ready.len() < samples && !self.ended {
            self.decode_packet()?;
        }
        let taken = samples.min(self.ready.len());
        into.extend(self.ready.drain(..taken));
        self.delivered += taken as u64;
        Ok(taken)
    }

    /// Decodes and drops everything before `ms`.
    ///
    /// # Errors
    /// Like [`Decoder::read`].
    pub fn skip_to_ms(&mut self, ms: u64) -> Result<(), SpeechError> {
        let mut dropped = Vec::new();
        while self.delivered < ms * SAMPLES_PER_MS {
            let left = ms * SAMPLES_PER_MS - self.delivered;
            let piece = left.min(u64::from(SAMPLE_RATE_HZ)) as usize;
            dropped.clear();
            if self.read(&mut dropped, piece)? == 0 {
                break;
            }
        }
        Ok(())
    }

    fn decode_packet(&mut self) -> Result<(), SpeechError> {
        let packet = match self.format.next_packet() {
            Ok(Some(packet)) => packet,
            Err(Error::ResetRequired) => return self.reopen_track(),
            // Cut short, or garbage from here on: the end.
            Err(Error::IoError(error)) if error.kind() != io::ErrorKind::UnexpectedEof => {
                return Err(SpeechError::Read(error));
            }
            Ok(None) | Err(_) => return self.end(),
        };
        if packet.track_id != self.track {
            return Ok(());
        }
        let Ok(decoded) = self.codec.decode(&packet) else {
            self.bad_in_a_row += 1;
            return if self.bad_in_a_row < BAD_PACKETS_IN_A_ROW { Ok(()) } else { self.end() };
        };
        self.bad_in_a_row = 0;
        let rate = decoded.spec().rate();
        let channels = decoded.spec().channels().count().max(1);
        decoded.copy_to_vec_interleaved(&mut self.interleaved);
        if self.interleaved.is_empty() {
            return Ok(());
        }
        if self.resampler.as_ref().is_none_or(|resampler| resampler.rate_hz() != rate) {
            self.flush()?;
            self.resampler = Some(Resampler::new(rate)?);
        }
        let Some(resampler) = &mut self.resampler else {
            return Ok(());
        };
        let share = 1.0 / channels as f32;
        let mono = self.interleaved.chunks_exact(channels).map(|f| f.iter().sum::<f32>() * share);
        resampler.push(mono, &mut self.ready)
    }

    /// A chained stream went on with other parameters.
    fn reopen_track(&mut self) -> Result<(), SpeechError> {
        match open_track(self.format.as_ref()) {
            Ok((track, codec, _)) => {
                (self.track, self.codec) = (track, codec);
                Ok(())
            }
            Err(_) => self.end(),
        }
    }

    fn end(&mut self) -> Result<(), SpeechError> {
        self.ended = true;
        self.flush()?;
        // So that the length is right once all has been delivered.
        self.stated_ms = None;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), SpeechError> {
        match &mut self.resampler {
            Some(resampler) => resampler.finish(&mut self.ready),
            None => Ok(()),
        }
    }
}

fn probe(
    path: &Path,
    consumed: &Arc<Consumed>,
    access: Access,
) -> Result<Box<dyn FormatReader>, Error> {
    consumed.restart();
    let source = Counted::new(File::open(path)?, consumed.clone(), access);
    let stream = MediaSourceStream::new(Box::new(source), Default::default());
    let (format, metadata) = (FormatOptions::default(), MetadataOptions::default());
    symphonia::default::get_probe().probe(&Hint::new(), stream, format, metadata)
}

fn not_audio(error: Error) -> SpeechError {
    match error {
        Error::IoError(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
            SpeechError::Read(error)
        }
        error => SpeechError::NotAudio { reason: error.to_string() },
    }
}

type Track = (u32, Box<dyn AudioDecoder>, Option<u64>);

fn open_track(format: &dyn FormatReader) -> Result<Track, SpeechError> {
    let track = format
        .default_track(TrackType::Audio)
        .or_else(|| format.first_track(TrackType::Audio))
        .ok_or_else(|| SpeechError::NotAudio { reason: "no audio track".to_owned() })?;
    let parameters = track
        .codec_params
        .as_ref()
        .and_then(|parameters| parameters.audio())
        .ok_or_else(|| SpeechError::NotAudio { reason: "no audio parameters".to_owned() })?;
    let codec = codecs().make_audio_decoder(parameters, &AudioDecoderOptions::default()).map_err(
        |error| SpeechError::Unsupported { codec: format!("{} ({error})", parameters.codec) },
    )?;
    let stated_ms = track
        .time_base
        .zip(track.duration)
        .and_then(|(base, duration)| base.calc_duration(duration))
        .and_then(|time| u64::try_from(time.as_millis()).ok())
        .filter(|&ms| ms > 0);
    Ok((track.id, codec, stated_ms))
}

fn codecs() -> &'static CodecRegistry {
    static CODECS: OnceLock<CodecRegistry> = OnceLock::new();
    CODECS.get_or_init(|| {
        let mut codecs = CodecRegistry::new();
        symphonia::default::register_enabled_codecs(&mut codecs);
        codecs.register_audio_decoder::<symphonia_adapter_libopus::OpusDecoder>();
        codecs
    })
}
