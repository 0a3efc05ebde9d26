//! What is believed of an answer: items that cite lines there are, days that exist, people who take part,
//! words that were said. A wrong line makes the whole answer unusable; a name or a day that can't be read
//! only leaves that one thing out.

use chrono::{NaiveDate, NaiveTime};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use text::{Action, Cited, Dated, DatedKind, Keyword, Said};

use crate::passage::{Passage, cited};

/// Most characters of a text that a model writes.
pub const TEXT_MAX_CHARS: usize = 1_000;
/// Most items of one answer.
pub const ITEMS_MAX: usize = 100;
/// Most keywords of one answer.
pub const WORDS_MAX: usize = 8;

/// What stands in an answer.
#[derive(Debug, Deserialize)]
struct Item {
    text: String,
    lines: Vec<usize>,
}

#[derive(Debug, Deserialize)]
struct DatedItem {
    #[serde(flatten)]
    item: Item,
    kind: DatedKind,
    date: Option<String>,
    time: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ActionItem {
    #[serde(flatten)]
    item: Item,
    assignee: Option<String>,
    due: Option<String>,
}

#[derive(Debug, Deserialize)]
struct SummaryAnswer {
    overview: Vec<Item>,
    decisions: Vec<Item>,
    keywords: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct ScheduleAnswer {
    items: Vec<DatedItem>,
}

#[derive(Debug, Deserialize)]
struct AnalysisAnswer {
    topics: Vec<String>,
    decisions: Vec<Item>,
}

#[derive(Debug, Deserialize)]
struct ActionsAnswer {
    actions: Vec<ActionItem>,
}

/// Overview, decisions and keywords of a passage.
pub type Gist = (Vec<Cited>, Vec<Cited>, Vec<Keyword>);

/// Reads the answer to a question about a passage.
pub struct Reader<'a> {
    /// What was said.
    pub said: &'a Said,
    /// The passage that was asked about.
    pub passage: &'a Passage,
}

impl Reader<'_> {
    /// A summary's parts.
    ///
    /// # Errors
    /// What is wrong with the answer.
    pub fn summary(&self, answer: &str) -> Result<Gist, String> {
        let SummaryAnswer { overview, decisions, keywords } = parse(answer)?;
        Ok((self.cite(&overview)?, self.cite(&decisions)?, self.words(keywords)))
    }

    /// A schedule's items.
    ///
    /// # Errors
    /// What is wrong with the answer.
    pub fn schedule(&self, answer: &str) -> Result<Vec<Dated>, String> {
        let ScheduleAnswer { items } = parse(answer)?;
        bounded(&items)?;
        let mut found = Vec::new();
        for DatedItem { item, kind, date, time } in items {
            let Cited { text, segment_ids } = self.one(&item)?;
            let date = date.as_deref().and_then(day);
            let time = time.filter(|_| date.is_some());
            let time = time.and_then(|time| NaiveTime::parse_from_str(&time, "%H:%M").ok());
            // A deadline of no day is none.
            if date.is_some() || kind == DatedKind::FollowUp {
                found.push(Dated { kind, text, date, time, segment_ids });
            }
        }
        Ok(found)
    }

    /// Topics and decisions.
    ///
    /// # Errors
    /// What is wrong with the answer.
    pub fn analysis(&self, answer: &str) -> Result<(Vec<Keyword>, Vec<Cited>), String> {
        let AnalysisAnswer { topics, decisions } = parse(answer)?;
        Ok((self.words(topics), self.cite(&decisions)?))
    }

    /// What somebody is to do.
    ///
    /// # Errors
    /// What is wrong with the answer.
    pub fn actions(&self, answer: &str) -> Result<Vec<Action>, String> {
        let ActionsAnswer { actions } = parse(answer)?;
        bounded(&actions)?;
        actions
            .into_iter()
            .map(|ActionItem { item, assignee, due }| {
                let Cited { text, segment_ids } = self.one(&item)?;
                let named = assignee.unwrap_or_default().trim().to_lowercase();
                let person = self
                    .said
                    .people
                    .iter()
                    .find(|person| person.name.trim().to_lowercase() == named);
                let due = due.as_deref().and_then(day);
                Ok(Action { text, assignee: person.map(|person| person.id), due, segment_ids })
            })
            .collect()
    }

    fn cite(&self, items: &[Item]) -> Result<Vec<Cited>, String> {
        bounded(items)?;
        items.iter().map(|item| self.one(item)).collect()
    }

    fn one(&self, item: &Item) -> Result<Cited, String> {
        let text = item.text.trim().to_owned();
        if text.is_empty() || text.chars().count() > TEXT_MAX_CHARS {
            return Err(format!("a text is empty or longer than {TEXT_MAX_CHARS} characters"));
        }
        Ok(Cited { text, segment_ids: cited(self.said, self.passage, &item.lines)? })
    }

    /// Those words that are said in the passage, and where.
    fn words(&self, words: Vec<String>) -> Vec<Keyword> {
        let pieces = &self.said.pieces[self.passage.first - 1..self.passage.last];
        let mut found: Vec<Keyword> = Vec::new();
        for word in words {
            let word = word.trim().to_lowercase();
            if word.is_empty() || found.iter().any(|known| known.word == word) {
                continue;
            }
            let said = pieces.iter().filter(|piece| piece.text.to_lowercase().contains(&word));
            let segment_ids: Vec<_> = said.map(|piece| piece.id).collect();
            if !segment_ids.is_empty() && found.len() < WORDS_MAX {
                let count = i32::try_from(segment_ids.len()).unwrap_or(i32::MAX);
                found.push(Keyword { word, count, segment_ids });
            }
        }
        found
    }
}

fn bounded<T>(items: &[T]) -> Result<(), String> {
    (items.len() <= ITEMS_MAX).then_some(()).ok_or_else(|| format!("more than {ITEMS_MAX} items"))
}

fn day(text: &str) -> Option<NaiveDate> {
    text.trim().parse().ok()
}

/// The JSON of an answer, which some models wrap into words or a code block.
fn parse<T: DeserializeOwned>(answer: &str) -> Result<T, String> {
    let start = answer.find('{').ok_or("there is no JSON object")?;
    let end = answer.rfind('}').filter(|end| *end > start).ok_or("the JSON object has no end")?;
    serde_json::from_str(&answer[start..=end])
        .map_err(|error| format!("not as the schema says: {error}"))
}
