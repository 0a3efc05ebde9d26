//! Minutes from text: which sentence goes into which section of the template.
//!
//! Extractive and honest: every line is a sentence that was said (with the time at which it was
//! said), chosen by the rules in [`text::cue`] and [`text::salience`]. Nothing is rephrased and
//! nothing is made up; a section for which nothing was said stays empty. What a section is for is
//! read from its key and title:
//!
//! | section | what goes into it |
//! |---|---|
//! | overview | the [`OVERVIEW_SENTENCES`] sentences that share most words with the rest |
//! | discussion | per stretch of about [`BLOCK_MS`] the [`BLOCK_SENTENCES`] most telling sentences |
//! | decisions, action items, blockers, done, plan, goals | sentences with such a cue |
//! | questions | sentences that ask |
//! | any other | sentences that share a word with the section's title |

use std::collections::BTreeMap;

use text::sentence::{Sentence, Utterance, sentences};
use text::{cue, salience};

/// How many sentences an overview has.
pub const OVERVIEW_SENTENCES: usize = 3;
/// A stretch of discussion lasts about this long, in milliseconds.
pub const BLOCK_MS: i64 = 60_000;
/// How many sentences stand for a stretch of discussion.
pub const BLOCK_SENTENCES: usize = 2;
/// Meetings with at most this many sentences are given whole in the discussion.
pub const SHORT_MEETING_SENTENCES: usize = 12;
/// No section has more lines than this.
pub const MAX_LINES: usize = 200;

/// A section as the template asks for it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TemplateSection {
    /// Stable name, e.g. `decisions`.
    pub key: String,
    /// Title as people read it.
    pub title: String,
    /// The title by language tag, when the template has it in several.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub titles: BTreeMap<String, String>,
}

impl TemplateSection {
    /// A section with one title.
    #[must_use]
    pub fn new(key: impl Into<String>, title: impl Into<String>) -> Self {
        Self { key: key.into(), title: title.into(), titles: BTreeMap::new() }
    }

    /// The title in the language that was spoken, or else the one title.
    fn title_in(&self, language: Option<&str>) -> &str {
        let tag = language.and_then(|tag| tag.split('-').next()).map(str::to_lowercase);
        tag.and_then(|tag| self.titles.get(&tag)).unwrap_or(&self.title)
    }
}

/// A section of minutes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Stable name from the template.
    pub key: String,
    /// Title from the template.
    pub title: String,
    /// Lines, each a sentence that was said; empty when there is nothing to say.
    pub body: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Overview,
    Discussion,
    Decisions,
    Actions,
    Blockers,
    Done,
    Plan,
    Goals,
    Questions,
    Topic,
}

/// What parts of a key or title tell its purpose; the first hit counts.
const PURPOSES: &[(&[&str], Purpose)] = &[
    (&["overview", "summary", "개요", "요약"], Purpose::Overview),
    (&["decision", "결정", "합의"], Purpose::Decisions),
    (
        &[
            "action",
            "todo",
            "to-do",
            "to do",
            "task",
            "next step",
            "next_step",
            "nextstep",
            "할 일",
            "할일",
            "액션",
            "실행 항목",
            "후속",
        ],
        Purpose::Actions,
    ),
    (
        &[
            "block",
            "risk",
            "issue",
            "impediment",
            "장애",
            "이슈",
            "위험",
            "리스크",
            "문제",
            "걸림돌",
        ],
        Purpose::Blockers,
    ),
    (
        &[
            "done",
            "yesterday",
            "progress",
            "complet",
            "accomplish",
            "review",
            "어제",
            "완료",
            "한 일",
            "진행",
            "지난",
        ],
        Purpose::Done,
    ),
    (&["plan", "today", "next", "schedule", "일정", "계획", "오늘", "다음", "예정"], Purpose::Plan),
    (&["goal", "objective", "purpose", "목표", "목적"], Purpose::Goals),
    (&["question", "질문"], Purpose::Questions),
    (
        &["discussion", "topic", "notes", "agenda", "논의", "토론", "안건", "내용"],
        Purpose::Discussion,
    ),
];

/// The sections used when a template names none, titled in the language of the meeting.
#[must_use]
pub fn default_sections(language: Option<&str>) -> Vec<TemplateSection> {
    let korean = language.is_some_and(|tag| tag.to_lowercase().starts_with("ko"));
    let titles = if korean {
        ["개요", "논의", "결정 사항", "할 일"]
    } else {
        ["Overview", "Discussion", "Decisions", "Action items"]
    };
    ["overview", "discussion", "decisions", "actions"]
        .into_iter()
        .zip(titles)
        .map(|(key, title)| TemplateSection::new(key, title))
        .collect()
}

/// Fills the template's sections (the default ones when there are none) from what was said.
#[must_use]
pub fn fill(
    template: &[TemplateSection],
    utterances: &[Utterance],
    language: Option<&str>,
) -> Vec<Section> {
    let said = sentences(utterances);
    let scores = salience::scores(&said);
    let defaults;
    let template = if template.is_empty() {
        defaults = default_sections(language);
        &defaults
    } else {
        template
    };
    template
        .iter()
        .map(|section| Section {
            key: section.key.clone(),
            title: section.title_in(language).to_owned(),
            body: body(section, &said, &scores),
        })
        .collect()
}

fn body(section: &TemplateSection, said: &[Sentence], scores: &[f64]) -> String {
    let listed = |rule: fn(&Sentence) -> bool| list(said.iter().filter(|s| rule(s)), "- ");
    match purpose(section) {
        Purpose::Overview => overview(said, scores),
        Purpose::Discussion => discussion(said, scores),
        Purpose::Decisions => listed(cue::is_decision),
        Purpose::Actions => listed(cue::is_action),
        Purpose::Blockers => listed(cue::is_blocker),
        Purpose::Done => listed(cue::is_done),
        Purpose::Plan => listed(cue::is_plan),
        Purpose::Goals => listed(cue::is_goal),
        Purpose::Questions => listed(Sentence::is_question),
        Purpose::Topic => topic(&section.title, said),
    }
}

fn purpose(section: &TemplateSection) -> Purpose {
    [&section.key, &section.title]
        .into_iter()
        .map(|name| name.to_lowercase())
        .find_map(|name| {
            PURPOSES
                .iter()
                .find(|(parts, _)| parts.iter().any(|part| name.contains(part)))
                .map(|(_, purpose)| *purpose)
        })
        .unwrap_or(Purpose::Topic)
}

fn overview(said: &[Sentence], scores: &[f64]) -> String {
    let lines: Vec<&str> = salience::best(scores, 0..said.len(), OVERVIEW_SENTENCES)
        .into_iter()
        .map(|i| said[i].text.as_str())
        .collect();
    lines.join("\n")
}

fn discussion(said: &[Sentence], scores: &[f64]) -> String {
    if said.len() <= SHORT_MEETING_SENTENCES {
        return list(said.iter(), "");
    }
    let mut chosen = Vec::new();
    let mut start = 0;
    for end in 1..=said.len() {
        let full = said
            .get(end)
            .is_none_or(|next| next.start_ms.saturating_sub(said[start].start_ms) >= BLOCK_MS);
        if full {
            chosen.extend(salience::best(scores, start..end, BLOCK_SENTENCES));
            start = end;
        }
    }
    list(chosen.into_iter().map(|i| &said[i]), "")
}

fn topic(title: &str, said: &[Sentence]) -> String {
    let wanted = salience::content(title);
    list(said.iter().filter(|s| !salience::content(&s.text).is_disjoint(&wanted)), "- ")
}

/// One line per sentence: `bullet`, the time, the words. A sentence said twice is listed once.
fn list<'s>(sentences: impl Iterator<Item = &'s Sentence>, bullet: &str) -> String {
    let mut seen = std::collections::HashSet::new();
    let lines: Vec<String> = sentences
        .filter(|s| seen.insert(s.text.as_str()))
        .take(MAX_LINES)
        .map(|s| format!("{bullet}[{}] {}", clock(s.start_ms), s.text))
        .collect();
    lines.join("\n")
}

/// Milliseconds as `mm:ss`, or `h:mm:ss` from one hour on.
#[must_use]
pub fn clock(ms: i64) -> String {
    let seconds = ms.max(0) / 1_000;
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes:02}:{seconds:02}")
    }
}
