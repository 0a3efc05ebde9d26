//! For tests of this crate and of those that use it.

use std::path::PathBuf;

use crate::weights::{self, WeightsError};

/// What is said in [`recording`]: the opening of A Tale of Two Cities.
pub const SPOKEN: &str = "It was the best of times, it was the worst of times, \
    it was the age of wisdom, it was the age of foolishness, \
    it was the epoch of belief, it was the epoch of incredulity, \
    it was the season of light, it was the season of darkness, \
    it was the spring of hope, it was the winter of despair, \
    we had everything before us, we had nothing before us, \
    we were all going direct to heaven, we were all going direct the other way, \
    in short, the period was so far like the present period, \
    that some of its noisiest authorities insisted on its being received, \
    for good or for evil, in the superlative degree of comparison only.";

/// A recording of real speech: 44 s of read English, 48 kHz mono wav. Fetched
/// into the cache by hash on first use.
///
/// # Errors
/// See [`WeightsError`].
pub fn recording() -> Result<PathBuf, WeightsError> {
    weights::sample(&mut |_| {})
}

/// Share of `spoken` words that `text` gets wrong: substituted, missing or
/// added, 0 for a perfect text. Case and punctuation don't count.
#[must_use]
pub fn word_error_rate(spoken: &str, text: &str) -> f64 {
    let (spoken, text) = (words(spoken), words(text));
    let mut row: Vec<usize> = (0..=text.len()).collect();
    for (i, word) in spoken.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other) in text.iter().enumerate() {
            let substituted = diagonal + usize::from(word != other);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[text.len()] as f64 / spoken.len().max(1) as f64
}

fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric() && c != '\'')
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}
