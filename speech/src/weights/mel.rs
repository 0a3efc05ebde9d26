//! Whisper's mel filter bank: 80 triangles on the Slaney mel scale, each with
//! an area of one (what `librosa.filters.mel(sr=16000, n_fft=400, n_mels=80)`
//! computes).

/// Number of filters.
pub(super) const MELS: usize = 80;
/// Frequency bins of a 400-point transform.
pub(super) const BINS: usize = 201;

const SAMPLE_RATE_HZ: f64 = 16_000.0;
const TRANSFORM_POINTS: f64 = 400.0;
/// Below this the scale is linear, above it logarithmic.
const BREAK_HZ: f64 = 1_000.0;
const LINEAR_HZ_PER_MEL: f64 = 200.0 / 3.0;
const BREAK_MEL: f64 = BREAK_HZ / LINEAR_HZ_PER_MEL;

/// The filters, one row of [`BINS`] weights each.
pub(super) fn filters() -> Vec<f32> {
    // 27 mels above the break multiply the frequency by 6.4.
    let log_step = 6.4_f64.ln() / 27.0;
    let top_mel = BREAK_MEL + (SAMPLE_RATE_HZ / 2.0 / BREAK_HZ).ln() / log_step;
    let edge = |index: usize| {
        let mel = top_mel * index as f64 / (MELS + 1) as f64;
        if mel < BREAK_MEL {
            mel * LINEAR_HZ_PER_MEL
        } else {
            BREAK_HZ * (log_step * (mel - BREAK_MEL)).exp()
        }
    };
    let mut weights = Vec::with_capacity(MELS * BINS);
    for filter in 0..MELS {
        let (low, centre, high) = (edge(filter), edge(filter + 1), edge(filter + 2));
        for bin in 0..BINS {
            let hz = bin as f64 * SAMPLE_RATE_HZ / TRANSFORM_POINTS;
            let rising = (hz - low) / (centre - low);
            let falling = (high - hz) / (high - centre);
            let height = rising.min(falling).max(0.0);
            weights.push((height * 2.0 / (high - low)) as f32);
        }
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_published_values() {
        // The first values of the filter bank that Whisper ships.
        let filters = filters();
        assert_eq!(filters.len(), MELS * BINS);
        assert_eq!(filters[0], 0.0);
        assert!((filters[1] - 0.024_862_594).abs() < 1e-7, "{}", filters[1]);
        assert_eq!(filters[2], 0.0);
        assert!((filters[BINS + 1] - 0.001_990_822).abs() < 1e-7, "{}", filters[BINS + 1]);
        assert!((filters[BINS + 2] - 0.022_871_772).abs() < 1e-7, "{}", filters[BINS + 2]);
    }

    #[test]
    fn every_filter_hears_something() {
        for row in filters().chunks(BINS) {
            assert!(row.iter().any(|&weight| weight > 0.0));
            assert!(row.iter().all(|&weight| weight >= 0.0));
        }
    }
}
