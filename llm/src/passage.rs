//! What was said as numbered lines, in passages that a model can read at once.

use std::fmt::Write as _;

use text::Said;
use uuid::Uuid;

/// Most passages of one meeting that are asked about; a longer meeting is refused.
pub const PASSAGES_MAX: usize = 64;

/// A stretch of what was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// The lines, each as `[number] speaker: text`.
    pub text: String,
    /// Number of the first line.
    pub first: usize,
    /// Number of the last line.
    pub last: usize,
}

/// Cuts what was said into passages of about `chars` characters; lines are numbered from 1.
#[must_use]
pub fn passages(said: &Said, chars: usize) -> Vec<Passage> {
    let mut passages: Vec<Passage> = Vec::new();
    let mut length = usize::MAX;
    for (number, piece) in (1..).zip(&said.pieces) {
        let speaker = piece.speaker.as_deref().unwrap_or("?");
        let spoken = one_line(&piece.text);
        let line_chars = spoken.chars().count() + speaker.chars().count();
        if length.saturating_add(line_chars) > chars {
            passages.push(Passage { text: String::new(), first: number, last: number });
            length = 0;
        }
        length += line_chars;
        if let Some(passage) = passages.last_mut() {
            let _ = writeln!(passage.text, "[{number}] {}: {spoken}", one_line(speaker));
            passage.last = number;
        }
    }
    passages
}

/// What somebody says can't look like another line.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The pieces of speech behind line numbers, in their order.
///
/// # Errors
/// The reason, when there are none, or one isn't a line of the passage.
pub fn cited(said: &Said, passage: &Passage, lines: &[usize]) -> Result<Vec<Uuid>, String> {
    if lines.is_empty() {
        return Err("an item names no lines".to_owned());
    }
    let mut lines = lines.to_vec();
    lines.sort_unstable();
    lines.dedup();
    lines
        .into_iter()
        .map(|line| {
            let known = (passage.first..=passage.last).contains(&line);
            let piece = known.then(|| said.pieces.get(line - 1)).flatten();
            piece.map(|piece| piece.id).ok_or_else(|| format!("there is no line {line}"))
        })
        .collect()
}
