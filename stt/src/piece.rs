//! The recording in pieces.
//!
//! A piece should be long, since a model understands more with more around it, but end in a pause: a word
//! cut in two is two wrong words.

use std::ops::Range;

use speech::decode::{Decoder, SAMPLE_RATE_HZ, SAMPLES_PER_MS};
use speech::{Job, SpeechError};
use tokio_util::sync::CancellationToken;

/// Longest piece, in samples: two minutes, 3.8 MB as a file. Hosted servers take 25 MB.
pub const LONGEST_SAMPLES: usize = 120 * SAMPLE_RATE_HZ as usize;
/// Longest first piece, in samples: somebody is waiting for the first words. Also the longest piece where
/// the server doesn't tell when in it something was said.
pub const SHORT_SAMPLES: usize = 30 * SAMPLE_RATE_HZ as usize;
/// Shortest file, in samples; silence makes up for what is missing. Servers refuse less than 0.1 s.
pub const SHORTEST_SAMPLES: usize = SAMPLE_RATE_HZ as usize / 2;
/// The last part of a piece, in samples, that is searched for a pause.
const SEARCHED_SAMPLES: usize = 15 * SAMPLE_RATE_HZ as usize;
/// What loudness is measured of, in samples: 20 ms.
const FRAME_SAMPLES: usize = SAMPLE_RATE_HZ as usize / 50;
/// A pause, in frames: 0.3 s.
const PAUSE_FRAMES: usize = 15;
/// Mean square of a frame from which there is any sound in it: -60 dB of full scale.
const SOUND: f32 = 1e-6;
/// How much of a recording is passed over between two looks at whether to stop, in milliseconds.
const SKIPPED_MS: u64 = 60_000;
/// Bytes of a WAV file before its samples.
const WAV_HEADER_BYTES: usize = 44;

/// A recording that is read piece by piece. At most one piece of it is in memory.
pub struct Pieces {
    decoder: Decoder,
    samples: Vec<f32>,
    /// Position of the first of `samples` in the recording.
    offset: u64,
    has_ended: bool,
}

/// A piece of a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// Where it is in the recording, in milliseconds.
    pub place_ms: Range<u64>,
    /// Where in the recording there is any sound in it; `None`: nowhere.
    pub sound_ms: Option<Range<u64>>,
    /// What is heard, 16 kHz mono.
    pub samples: Vec<f32>,
}

impl Pieces {
    /// Opens the job's recording where the job begins. Blocks.
    ///
    /// # Errors
    /// As [`Decoder::open`]; [`SpeechError::Cancelled`].
    pub fn open(job: &Job, cancel: &CancellationToken) -> Result<Self, SpeechError> {
        let mut decoder = Decoder::open(&job.input)?;
        let mut reached_ms = 0;
        while reached_ms < job.resume_from_ms {
            if cancel.is_cancelled() {
                return Err(SpeechError::Cancelled);
            }
            reached_ms = job.resume_from_ms.min(reached_ms + SKIPPED_MS);
            decoder.skip_to_ms(reached_ms)?;
        }
        let offset = decoder.position_ms() * SAMPLES_PER_MS;
        Ok(Self { decoder, samples: Vec::new(), offset, has_ended: false })
    }

    /// The next piece, of `longest` samples at most; `None` at the end. Blocks.
    ///
    /// # Errors
    /// As [`Decoder::read`].
    pub fn next(&mut self, longest: usize) -> Result<Option<Piece>, SpeechError> {
        let wanted = longest.saturating_sub(self.samples.len());
        if !self.has_ended && wanted > 0 {
            self.samples.reserve_exact(wanted);
            self.has_ended = self.decoder.read(&mut self.samples, wanted)? < wanted;
        }
        if self.samples.is_empty() {
            return Ok(None);
        }
        let end = cut(&self.samples, longest, self.has_ended);
        let rest = self.samples.split_off(end);
        let samples = std::mem::replace(&mut self.samples, rest);
        let begin = self.offset;
        self.offset += end as u64;
        let ms = |sample: u64| sample / SAMPLES_PER_MS;
        let sound_ms = sound(&samples)
            .map(|within| ms(begin + within.start as u64)..ms(begin + within.end as u64));
        Ok(Some(Piece { place_ms: ms(begin)..ms(self.offset), sound_ms, samples }))
    }

    /// Length of the recording, in milliseconds, as far as it is known ([`Decoder::duration_ms`]).
    #[must_use]
    pub fn duration_ms(&self) -> Option<u64> {
        self.decoder.duration_ms()
    }

    /// How much of it was decoded, in milliseconds.
    #[must_use]
    pub fn decoded_ms(&self) -> u64 {
        self.decoder.position_ms()
    }
}

impl Piece {
    /// The piece as a WAV file of 16-bit samples.
    #[must_use]
    pub fn wav(&self) -> Vec<u8> {
        const BYTES: u32 = 2;
        let count = self.samples.len().max(SHORTEST_SAMPLES);
        let data = count * BYTES as usize;
        let stated = u32::try_from(data).unwrap_or(u32::MAX);
        let mut file = Vec::with_capacity(WAV_HEADER_BYTES + data);
        file.extend(b"RIFF");
        file.extend(stated.saturating_add(WAV_HEADER_BYTES as u32 - 8).to_le_bytes());
        file.extend(b"WAVEfmt ");
        file.extend(16_u32.to_le_bytes());
        // PCM, one channel.
        file.extend(1_u16.to_le_bytes());
        file.extend(1_u16.to_le_bytes());
        file.extend(SAMPLE_RATE_HZ.to_le_bytes());
        file.extend((SAMPLE_RATE_HZ * BYTES).to_le_bytes());
        file.extend((BYTES as u16).to_le_bytes());
        file.extend((BYTES as u16 * 8).to_le_bytes());
        file.extend(b"data");
        file.extend(stated.to_le_bytes());
        for sample in &self.samples {
            let sample = (sample.clamp(-1.0, 1.0) * f32::from(i16::MAX)) as i16;
            file.extend(sample.to_le_bytes());
        }
        file.resize(WAV_HEADER_BYTES + data, 0);
        file
    }
}

/// Where the piece that begins at 0 ends: in the middle of the quietest stretch of its last part, the last
/// one if there are several. `has_ended`: nothing comes after the samples.
fn cut(samples: &[f32], longest: usize, has_ended: bool) -> usize {
    if samples.len() < longest || (has_ended && samples.len() == longest) {
        return samples.len();
    }
    let longest = longest.min(samples.len());
    let from = longest - SEARCHED_SAMPLES.min(longest / 2);
    let frames: Vec<f32> = loudness(&samples[from..longest]).collect();
    let quietest = frames
        .windows(PAUSE_FRAMES)
        .map(|stretch| stretch.iter().sum::<f32>())
        .enumerate()
        .fold(None, |best: Option<(usize, f32)>, (at, sum)| match best {
            Some((_, least)) if least < sum => best,
            _ => Some((at, sum)),
        });
    match quietest {
        Some((at, _)) => from + (at + PAUSE_FRAMES / 2) * FRAME_SAMPLES,
        None => longest,
    }
}

/// From the first sound to the last.
fn sound(samples: &[f32]) -> Option<Range<usize>> {
    let loud = || loudness(samples).map(|square| square >= SOUND);
    let first = loud().position(|is_loud| is_loud)?;
    let last = loud().enumerate().filter(|(_, is_loud)| *is_loud).last()?.0;
    Some(first * FRAME_SAMPLES..((last + 1) * FRAME_SAMPLES).min(samples.len()))
}

/// The mean square of each frame.
fn loudness(samples: &[f32]) -> impl Iterator<Item = f32> {
    samples
        .chunks(FRAME_SAMPLES)
        .map(|frame| frame.iter().map(|s| s * s).sum::<f32>() / frame.len() as f32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: usize = SAMPLE_RATE_HZ as usize;

    /// A tone, silent at `pauses`.
    fn tone(length: usize, pauses: &[Range<usize>]) -> Vec<f32> {
        (0..length)
            .map(|at| {
                let is_quiet = pauses.iter().any(|pause| pause.contains(&at));
                if is_quiet { 0.0 } else { (at as f32 * 0.3).sin() * 0.5 }
            })
            .collect()
    }

    #[test]
    fn a_piece_ends_in_the_last_pause() {
        let pauses = [20 * SECOND..21 * SECOND, 25 * SECOND..26 * SECOND];
        let end = cut(&tone(SHORT_SAMPLES, &pauses), SHORT_SAMPLES, false);
        assert!(pauses[1].contains(&end), "{end}");
        // A pause that is too early leaves too little.
        let early = 3 * SECOND..4 * SECOND;
        let end = cut(&tone(SHORT_SAMPLES, std::slice::from_ref(&early)), SHORT_SAMPLES, false);
        assert!(end >= 15 * SECOND, "{end}");
    }

    #[test]
    fn what_is_left_is_one_piece() {
        let samples = tone(SHORT_SAMPLES, &[]);
        assert_eq!(cut(&samples, SHORT_SAMPLES, true), SHORT_SAMPLES);
        assert_eq!(cut(&samples[..9], SHORT_SAMPLES, true), 9);
    }

    #[test]
    fn silence_has_no_sound_and_a_tone_has_its_place() {
        assert_eq!(sound(&vec![0.0; SECOND]), None);
        let samples = tone(3 * SECOND, &[0..SECOND, 2 * SECOND..3 * SECOND]);
        let place = sound(&samples).unwrap();
        assert!(place.start.abs_diff(SECOND) <= FRAME_SAMPLES, "{place:?}");
        assert!(place.end.abs_diff(2 * SECOND) <= FRAME_SAMPLES, "{place:?}");
    }

    #[test]
    fn a_file_is_never_too_short_for_a_server() {
        let piece = Piece { place_ms: 0..1, sound_ms: None, samples: vec![0.5; 16] };
        assert_eq!(piece.wav().len(), WAV_HEADER_BYTES + 2 * SHORTEST_SAMPLES);
    }

    proptest! {
        #[test]
        fn always_moves_on(
            length in 1..SHORT_SAMPLES * 2,
            pauses in prop::collection::vec(0..SHORT_SAMPLES * 2, 0..4),
            has_ended: bool,
        ) {
            let pauses: Vec<_> = pauses.into_iter().map(|at| at..at + SECOND / 2).collect();
            let end = cut(&tone(length, &pauses), SHORT_SAMPLES, has_ended);
            prop_assert!(end > 0 && end <= length.min(SHORT_SAMPLES));
            prop_assert!(length < SHORT_SAMPLES || end >= SHORT_SAMPLES / 2);
        }
    }
}
