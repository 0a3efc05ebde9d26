//! Mono samples of any rate → 16 kHz, in a stream.

use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{Fft, FixedSync, Indexing, Resampler as _};

use super::SAMPLE_RATE_HZ;
use crate::error::SpeechError;

/// Input frames that the resampler takes at once.
const CHUNK_FRAMES: usize = 1_024;

/// Keeps what is needed between two packets.
pub(super) struct Resampler {
    rate_hz: u32,
    /// `None` when the rate is right already.
    fft: Option<Fft<f32>>,
    pending: Vec<f32>,
    output: Vec<f32>,
    /// Silence at the start that is the filter's, not the recording's.
    delay: usize,
    taken: u64,
    given: u64,
}

impl Resampler {
    pub(super) fn new(rate_hz: u32) -> Result<Self, SpeechError> {
        let fft = if rate_hz == SAMPLE_RATE_HZ {
            None
        } else {
            let (from, to) = (rate_hz as usize, SAMPLE_RATE_HZ as usize);
            let fft = Fft::new(from, to, CHUNK_FRAMES, 1, FixedSync::Input);
            Some(fft.map_err(|error| SpeechError::Unsupported {
                codec: format!("{rate_hz} Hz ({error})"),
            })?)
        };
        let delay = fft.as_ref().map_or(0, |fft| fft.output_delay());
        let output = vec![0.0; fft.as_ref().map_or(0, |fft| fft.output_frames_max())];
        Ok(Self { rate_hz, fft, pending: Vec::new(), output, delay, taken: 0, given: 0 })
    }

    pub(super) fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    /// Takes samples and appends what is ready.
    pub(super) fn push(
        &mut self,
        samples: impl Iterator<Item = f32>,
        ready: &mut Vec<f32>,
    ) -> Result<(), SpeechError> {
        if self.fft.is_none() {
            ready.extend(samples);
            return Ok(());
        }
        let before = self.pending.len();
        self.pending.extend(samples);
        self.taken += (self.pending.len() - before) as u64;
        while self.pending.len() >= CHUNK_FRAMES {
            self.chunk(CHUNK_FRAMES, ready)?;
            self.pending.drain(..CHUNK_FRAMES);
        }
        Ok(())
    }

    /// Appends what is still inside, exactly to the recording's end.
    pub(super) fn finish(&mut self, ready: &mut Vec<f32>) -> Result<(), SpeechError> {
        if self.fft.is_none() {
            return Ok(());
        }
        let total = self.taken * u64::from(SAMPLE_RATE_HZ) / u64::from(self.rate_hz);
        let mut left = self.pending.len();
        while self.given < total {
            self.pending.resize(CHUNK_FRAMES, 0.0);
            self.chunk(left, ready)?;
            left = 0;
        }
        let surplus = self.given.saturating_sub(total) as usize;
        ready.truncate(ready.len().saturating_sub(surplus));
        (self.taken, self.given) = (0, 0);
        self.pending.clear();
        Ok(())
    }

    /// Resamples the first chunk of `pending`, of which `valid` frames count.
    fn chunk(&mut self, valid: usize, ready: &mut Vec<f32>) -> Result<(), SpeechError> {
        let Some(fft) = &mut self.fft else {
            return Ok(());
        };
        let failed = |error: &dyn std::fmt::Display| SpeechError::engine(error);
        let frames = self.output.len();
        let input = SequentialSlice::new(&self.pending[..CHUNK_FRAMES], 1, CHUNK_FRAMES)
            .map_err(|error| failed(&error))?;
        let mut output = SequentialSlice::new_mut(&mut self.output, 1, frames)
            .map_err(|error| failed(&error))?;
        let part = Indexing::new().partial_len(valid);
        let (_, written) = fft
            .process_into_buffer(&input, &mut output, Some(&part))
            .map_err(|error| failed(&error))?;
        let skipped = self.delay.min(written);
        self.delay -= skipped;
        ready.extend_from_slice(&self.output[skipped..written]);
        self.given += (written - skipped) as u64;
        Ok(())
    }
}
