//! From recognised pieces of speech to sentences.
//!
//! A recogniser cuts speech where it pauses, not where sentences end. Whatever is cut here, the
//! words stay: the sentences joined by one space are exactly [`whole_text`].

/// A silence of this length ends a sentence, in milliseconds.
pub const PAUSE_MS: i64 = 1_500;
/// Speech without punctuation is cut after about this many characters.
pub const MAX_SENTENCE_CHARS: usize = 240;

/// Abbreviations whose full stop ends no sentence.
const ABBREVIATIONS: &[&str] =
    &["mr.", "mrs.", "ms.", "dr.", "prof.", "st.", "vs.", "e.g.", "i.e.", "etc.", "no.", "approx."];
/// Syllables that end a Korean sentence; trusted only at the end of a recognised piece.
const KOREAN_ENDINGS: &[&str] = &["다", "요", "죠", "까"];

/// A recognised piece of speech.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Utterance {
    /// Where it starts in the recording, milliseconds.
    pub start_ms: i64,
    /// Where it ends, milliseconds.
    pub end_ms: i64,
    /// Its words.
    pub text: String,
}

/// One sentence and where it was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentence {
    /// Start of the piece of speech in which it begins, milliseconds.
    pub start_ms: i64,
    /// End of the piece of speech in which it ends, milliseconds.
    pub end_ms: i64,
    /// Its words, one space between two of them.
    pub text: String,
    /// Place of the piece of speech in which it begins, from 0.
    pub first: usize,
    /// Place of the piece of speech in which it ends.
    pub last: usize,
}

impl Sentence {
    /// Whether it asks something.
    #[must_use]
    pub fn is_question(&self) -> bool {
        self.text.trim_end_matches(is_closer).ends_with(['?', '？'])
    }
}

/// The words of all utterances, one space between two of them.
#[must_use]
pub fn whole_text(utterances: &[Utterance]) -> String {
    let mut text = String::new();
    for word in utterances.iter().flat_map(|u| u.text.split_whitespace()) {
        push_word(&mut text, word);
    }
    text
}

/// Cuts utterances (in their order) into sentences.
#[must_use]
pub fn sentences(utterances: &[Utterance]) -> Vec<Sentence> {
    let mut done = Vec::new();
    let mut open: Option<Sentence> = None;
    for (place, utterance) in utterances.iter().enumerate() {
        if open.as_ref().is_some_and(|s| utterance.start_ms.saturating_sub(s.end_ms) >= PAUSE_MS) {
            done.extend(open.take());
        }
        for word in utterance.text.split_whitespace() {
            let sentence = open.get_or_insert_with(|| Sentence {
                start_ms: utterance.start_ms,
                end_ms: utterance.end_ms,
                text: String::new(),
                first: place,
                last: place,
            });
            push_word(&mut sentence.text, word);
            sentence.end_ms = utterance.end_ms;
            sentence.last = place;
            if ends_sentence(word) || sentence.text.chars().count() >= MAX_SENTENCE_CHARS {
                done.extend(open.take());
            }
        }
        if open.as_ref().is_some_and(|s| ends_in_korean(&s.text)) {
            done.extend(open.take());
        }
    }
    done.extend(open);
    done
}

fn push_word(text: &mut String, word: &str) {
    if !text.is_empty() {
        text.push(' ');
    }
    text.push_str(word);
}

fn is_closer(c: char) -> bool {
    matches!(c, '"' | '\'' | ')' | ']' | '”' | '’' | '」' | '』' | '》' | '〉')
}

fn ends_sentence(word: &str) -> bool {
    let core = word.trim_end_matches(is_closer);
    if !core.ends_with(['.', '?', '!', '。', '？', '！', '…']) {
        return false;
    }
    let lower = core.to_lowercase();
    let initial = lower.ends_with('.') && lower.chars().count() == 2 && {
        let first = lower.chars().next().unwrap_or(' ');
        first.is_ascii_alphabetic() && first != 'i'
    };
    !initial && !ABBREVIATIONS.contains(&lower.as_str())
}

fn ends_in_korean(text: &str) -> bool {
    KOREAN_ENDINGS.iter().any(|ending| text.ends_with(ending))
}
