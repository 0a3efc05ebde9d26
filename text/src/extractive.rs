//! The built-in engine. Extractive and honest: all that it finds are sentences that were said,
//! chosen by rules; nothing is rephrased and nothing is made up.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

use futures::FutureExt as _;
use futures::future::{BoxFuture, ready};
use uuid::Uuid;

use crate::engine::{By, Engine, EngineError, Found};
use crate::said::{
    Action, Analysis, Cited, Dated, DatedKind, Keyword, Piece, Said, Schedule, Summary, TalkTime,
};
use crate::sentence::{Sentence, Utterance, sentences};
use crate::{clock, cue, date, person, salience};

/// How many sentences an overview has.
pub const OVERVIEW_SENTENCES: usize = 3;
/// Most decisions, dates or actions of one meeting.
pub const ITEMS_MAX: usize = 100;
/// Most pieces of speech that are cited for how long somebody spoke: the longest.
pub const TALK_CITED_MAX: usize = 100;
/// Most keywords of a meeting.
pub const KEYWORDS_MAX: usize = 8;
/// In how many sentences a word must come up to be a keyword, in a text that isn't short.
pub const KEYWORD_SENTENCES: usize = 2;
/// A text of fewer sentences is short: each of its words may be a keyword.
pub const SHORT_TEXT_SENTENCES: usize = 6;

/// The engine that needs nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Extractive;

impl Engine for Extractive {
    fn name(&self) -> &'static str {
        "builtin"
    }

    fn check(&self) -> BoxFuture<'static, Result<(), EngineError>> {
        // Part of the program: where this is asked, it is there.
        ready(Ok(())).boxed()
    }

    fn summarise<'a>(&'a self, said: &'a Said) -> Found<'a, Summary> {
        let text = Text::new(said);
        let scores = salience::scores(&text.sentences);
        let best = salience::best(&scores, 0..text.sentences.len(), OVERVIEW_SENTENCES);
        let overview = best.into_iter().map(|place| text.cite(&text.sentences[place])).collect();
        let (decisions, keywords) = (text.decisions(), text.keywords());
        by(Summary { overview, decisions, keywords })
    }

    fn schedule<'a>(&'a self, said: &'a Said) -> Found<'a, Schedule> {
        let text = Text::new(said);
        let dated = text.once(|sentence| cue::is_follow_up(sentence) || cue::is_deadline(sentence));
        let items = dated
            .filter_map(|sentence| {
                let date = date::find(&sentence.text, said.day);
                let kind = match cue::is_follow_up(sentence) {
                    true => DatedKind::FollowUp,
                    // "By the way" is no deadline: only what names a day is one.
                    false if date.is_some() => DatedKind::Deadline,
                    false => return None,
                };
                let time = date.and_then(|_| clock::find(&sentence.text));
                let Cited { text, segment_ids } = text.cite(sentence);
                Some(Dated { kind, text, date, time, segment_ids })
            })
            .take(ITEMS_MAX)
            .collect();
        by(Schedule { items, time_zone: said.time_zone.clone() })
    }

    fn analyse<'a>(&'a self, said: &'a Said) -> Found<'a, Analysis> {
        let text = Text::new(said);
        let (topics, decisions) = (text.keywords(), text.decisions());
        by(Analysis { topics, talk_time: talk_time(&said.pieces), decisions })
    }

    fn actions<'a>(&'a self, said: &'a Said) -> Found<'a, Vec<Action>> {
        let text = Text::new(said);
        let actions = text
            .once(cue::is_action)
            .take(ITEMS_MAX)
            .map(|sentence| {
                let due = date::find(&sentence.text, said.day);
                let speaker = said.pieces[sentence.first].speaker.as_deref();
                let assignee = person::doer(&sentence.text, speaker, &said.people);
                let Cited { text, segment_ids } = text.cite(sentence);
                Action { text, assignee, due, segment_ids }
            })
            .collect();
        by(actions)
    }
}

fn by<'a, T: Send + 'a>(found: T) -> Found<'a, T> {
    ready(Ok(By { found, engine: Extractive.name(), instead_of: None })).boxed()
}

/// What was said, as sentences.
struct Text<'a> {
    said: &'a Said,
    sentences: Vec<Sentence>,
}

impl<'a> Text<'a> {
    fn new(said: &'a Said) -> Self {
        let utterances: Vec<Utterance> = said
            .pieces
            .iter()
            .map(|piece| Utterance {
                start_ms: piece.start_ms,
                end_ms: piece.end_ms,
                text: piece.text.clone(),
            })
            .collect();
        Self { said, sentences: sentences(&utterances) }
    }

    fn ids(&self, sentence: &Sentence) -> Vec<Uuid> {
        self.said.pieces[sentence.first..=sentence.last].iter().map(|piece| piece.id).collect()
    }

    fn cite(&self, sentence: &Sentence) -> Cited {
        Cited { text: sentence.text.clone(), segment_ids: self.ids(sentence) }
    }

    /// The sentences for which the rule holds; one that is said twice counts once.
    fn once(&self, rule: impl Fn(&Sentence) -> bool) -> impl Iterator<Item = &Sentence> {
        let mut seen = HashSet::new();
        self.sentences
            .iter()
            .filter(move |sentence| rule(sentence) && seen.insert(sentence.text.as_str()))
    }

    fn decisions(&self) -> Vec<Cited> {
        self.once(cue::is_decision).take(ITEMS_MAX).map(|sentence| self.cite(sentence)).collect()
    }

    fn keywords(&self) -> Vec<Keyword> {
        // By word, so that equally frequent ones come in an order of their own.
        let mut found: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (place, sentence) in self.sentences.iter().enumerate() {
            for word in salience::content(&sentence.text) {
                found.entry(word).or_default().push(place);
            }
        }
        let short = self.sentences.len() < SHORT_TEXT_SENTENCES;
        let least = if short { 1 } else { KEYWORD_SENTENCES };
        let mut words: Vec<_> =
            found.into_iter().filter(|(_, places)| places.len() >= least).collect();
        words.sort_by_key(|(_, places)| Reverse(places.len()));
        words.truncate(KEYWORDS_MAX);
        words
            .into_iter()
            .map(|(word, places)| {
                let mut segment_ids: Vec<Uuid> =
                    places.iter().flat_map(|place| self.ids(&self.sentences[*place])).collect();
                segment_ids.dedup();
                let count = i32::try_from(places.len()).unwrap_or(i32::MAX);
                Keyword { word, count, segment_ids }
            })
            .collect()
    }
}

/// How long everybody spoke, the longest first.
#[must_use]
pub fn talk_time(pieces: &[Piece]) -> Vec<TalkTime> {
    let mut spoken: HashMap<Option<&str>, Vec<(i64, usize)>> = HashMap::new();
    for (place, piece) in pieces.iter().enumerate() {
        let length = piece.end_ms.saturating_sub(piece.start_ms).max(0);
        spoken.entry(piece.speaker.as_deref()).or_default().push((length, place));
    }
    let mut spoken: Vec<TalkTime> = spoken
        .into_iter()
        .map(|(speaker, mut heard)| {
            let duration_ms = heard.iter().map(|(length, _)| length).sum();
            heard.sort_unstable_by_key(|(length, place)| (Reverse(*length), *place));
            heard.truncate(TALK_CITED_MAX);
            heard.sort_unstable_by_key(|(_, place)| *place);
            let segment_ids = heard.into_iter().map(|(_, place)| pieces[place].id).collect();
            TalkTime { speaker: speaker.map(str::to_owned), duration_ms, segment_ids }
        })
        .collect();
    spoken.sort_by(|a, b| b.duration_ms.cmp(&a.duration_ms).then(a.speaker.cmp(&b.speaker)));
    spoken
}

#[cfg(test)]
#[path = "extractive_test.rs"]
mod tests;
