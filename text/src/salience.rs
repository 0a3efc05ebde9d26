//! Which sentences stand for the rest: those whose words come up again and again.

use crate::sentence::Sentence;
use std::collections::{HashMap, HashSet};

/// Words shorter than this many letters say nothing (a Korean syllable block counts as one).
const MIN_LETTERS: usize = 2;
/// Keeps short sentences from winning by having few words.
const LENGTH_DAMPING: f64 = 4.0;

const STOP_WORDS: &[&str] = &[
    "the",
    "and",
    "that",
    "this",
    "with",
    "for",
    "was",
    "were",
    "are",
    "is",
    "it",
    "its",
    "it's",
    "to",
    "of",
    "in",
    "on",
    "at",
    "as",
    "an",
    "be",
    "by",
    "or",
    "we",
    "you",
    "he",
    "she",
    "they",
    "our",
    "your",
    "his",
    "her",
    "their",
    "so",
    "but",
    "if",
    "not",
    "have",
    "has",
    "had",
    "do",
    "does",
    "did",
    "will",
    "would",
    "can",
    "could",
    "there",
    "what",
    "when",
    "which",
    "who",
    "how",
    "from",
    "about",
    "just",
    "then",
    "let's",
    "please",
    "next",
    "than",
    "all",
    "also",
    "okay",
    "ok",
    "yes",
    "no",
    "um",
    "uh",
    "그리고",
    "그래서",
    "그런데",
    "하지만",
    "그러면",
    "이제",
    "지금",
    "이번",
    "다음",
    "지난",
    "네",
    "예",
    "저희",
    "우리",
    "제가",
    "그냥",
    "좀",
    "조금",
    "어떤",
    "이런",
    "그런",
    "합니다",
    "입니다",
    "있습니다",
    "했습니다",
    "됩니다",
];
/// Korean particles that stick to a noun; the longest are tried first.
const PARTICLES: &[&str] = &[
    "에서는",
    "으로는",
    "에게",
    "에서",
    "으로",
    "까지",
    "부터",
    "하고",
    "이나",
    "은",
    "는",
    "이",
    "가",
    "을",
    "를",
    "에",
    "의",
    "로",
    "와",
    "과",
    "도",
    "만",
];

/// How much each sentence stands for the whole, in the order given; 0 for one without content.
#[must_use]
pub fn scores(sentences: &[Sentence]) -> Vec<f64> {
    let contents: Vec<HashSet<String>> = sentences.iter().map(|s| content(&s.text)).collect();
    let mut frequency: HashMap<&str, f64> = HashMap::new();
    for word in contents.iter().flatten() {
        *frequency.entry(word.as_str()).or_default() += 1.0;
    }
    contents
        .iter()
        .map(|words| {
            let mut weights: Vec<f64> = words.iter().map(|w| frequency[w.as_str()]).collect();
            // A set has no order and floats don't add up alike in every order.
            weights.sort_by(f64::total_cmp);
            let count = u32::try_from(weights.len()).unwrap_or(u32::MAX);
            weights.iter().sum::<f64>() / (f64::from(count) + LENGTH_DAMPING)
        })
        .collect()
}

/// Places of the `count` best sentences among `range`, in the order of the recording; of two
/// equally good ones the earlier.
#[must_use]
pub fn best(scores: &[f64], range: std::ops::Range<usize>, count: usize) -> Vec<usize> {
    let mut places: Vec<usize> = range.filter(|i| *i < scores.len()).collect();
    places.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
    places.truncate(count);
    places.sort_unstable();
    places
}

/// The different words with a meaning of their own.
#[must_use]
pub fn content(text: &str) -> HashSet<String> {
    text.split(|c: char| !c.is_alphanumeric() && c != '\'')
        .map(str::to_lowercase)
        .filter(|word| !STOP_WORDS.contains(&word.as_str()))
        .map(|word| stem(&word).to_owned())
        .filter(|word| word.chars().count() >= MIN_LETTERS)
        .collect()
}

fn stem(word: &str) -> &str {
    let korean = word.chars().next_back().is_some_and(|c| ('가'..='힣').contains(&c));
    if !korean {
        return word.trim_matches('\'');
    }
    PARTICLES
        .iter()
        .find_map(|p| word.strip_suffix(p).filter(|rest| rest.chars().count() >= MIN_LETTERS))
        .unwrap_or(word)
}
