//! Which sections the minutes of a meeting have: the built-in templates, and the rules for those of
//! people's own.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::refusal::Refusal;

/// A text in both languages of our users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text {
    /// Korean.
    pub ko: &'static str,
    /// English.
    pub en: &'static str,
}

impl Text {
    /// The text in a language; Korean unless the language is English.
    #[must_use]
    pub fn in_language(self, tag: &str) -> &'static str {
        if tag.get(..2).is_some_and(|l| l.eq_ignore_ascii_case("en")) { self.en } else { self.ko }
    }
}

/// A section of the minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section {
    /// Stable name, the same in every language.
    pub key: &'static str,
    /// Heading.
    pub title: Text,
}

/// A template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Template {
    /// Stable id; meetings refer to it for ever.
    pub id: Uuid,
    /// Stable name.
    pub key: &'static str,
    /// Display name.
    pub name: Text,
    /// What it is for.
    pub description: Text,
    /// Its sections in order.
    pub sections: &'static [Section],
}

const fn section(key: &'static str, ko: &'static str, en: &'static str) -> Section {
    Section { key, title: Text { ko, en } }
}

/// For any meeting; used when none is chosen.
pub const GENERAL: Template = Template {
    id: Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0001),
    key: "general",
    name: Text { ko: "일반 회의", en: "General meeting" },
    description: Text { ko: "어떤 회의에나 어울립니다.", en: "Suits any meeting." },
    sections: &[
        section("overview", "개요", "Overview"),
        section("discussion", "논의 내용", "Discussion"),
        section("decisions", "결정 사항", "Decisions"),
        section("actions", "할 일", "Action items"),
    ],
};

/// The built-in templates in display order.
pub const BUILT_IN: [Template; 4] = [
    GENERAL,
    Template {
        id: Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0002),
        key: "scrum",
        name: Text { ko: "스크럼", en: "Scrum" },
        description: Text {
            ko: "어제, 오늘, 걸림돌을 나눕니다.",
            en: "Yesterday, today, and what is in the way.",
        },
        sections: &[
            section("yesterday", "어제 한 일", "Done yesterday"),
            section("today", "오늘 할 일", "Planned today"),
            section("blockers", "걸림돌", "Blockers"),
        ],
    },
    Template {
        id: Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0003),
        key: "kickoff",
        name: Text { ko: "킥오프", en: "Kick-off" },
        description: Text {
            ko: "프로젝트를 시작할 때 씁니다.", en: "For the start of a project."
        },
        sections: &[
            section("background", "배경과 목적", "Background and purpose"),
            section("scope", "범위", "Scope"),
            section("roles", "역할", "Roles"),
            section("schedule", "일정", "Schedule"),
            section("risks", "위험 요소", "Risks"),
            section("actions", "할 일", "Action items"),
        ],
    },
    Template {
        id: Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0004),
        key: "weekly",
        name: Text { ko: "주간 회의", en: "Weekly meeting" },
        description: Text {
            ko: "한 주를 돌아보고 다음 주를 정합니다.",
            en: "Looks back on the week and plans the next.",
        },
        sections: &[
            section("review", "지난주 돌아보기", "Last week in review"),
            section("progress", "진행 상황", "Progress"),
            section("issues", "문제와 논의", "Issues and discussion"),
            section("decisions", "결정 사항", "Decisions"),
            section("plan", "다음 주 계획", "Plan for next week"),
        ],
    },
];

/// The template with this id.
#[must_use]
pub fn by_id(id: Uuid) -> Option<&'static Template> {
    BUILT_IN.iter().find(|template| template.id == id)
}

/// Most templates of one person's own.
pub const MAX_TEMPLATES: usize = 50;
/// Most sections of a template.
pub const MAX_SECTIONS: usize = 20;
/// Longest name of a template and title of a section, in characters.
pub const MAX_NAME_CHARS: usize = 100;
/// Longest description of a template, in characters.
pub const MAX_DESCRIPTION_CHARS: usize = 1_000;
/// Longest key of a section, in characters.
pub const MAX_KEY_CHARS: usize = 40;
/// Stable name of all templates that aren't built in.
pub const OWN_KEY: &str = "own";

/// A section of a template of somebody's own: in the language that they wrote it in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnSection {
    /// Stable name.
    pub key: String,
    /// Heading.
    pub title: String,
}

/// What a meeting keeps of a template of somebody's own, so that it stays as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outline {
    /// The template's id.
    pub id: Uuid,
    /// Display name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The template's version then.
    pub version: i32,
    /// Its sections in order.
    pub sections: Vec<OwnSection>,
}

/// A line of text within a bound, trimmed.
fn line(text: &str, max_chars: usize) -> Option<String> {
    let text = text.trim();
    let fits = (1..=max_chars).contains(&text.chars().count());
    (fits && !text.chars().any(char::is_control)).then(|| text.to_owned())
}

/// Trims and checks the name of a template.
///
/// # Errors
/// [`Refusal::InvalidName`].
pub fn check_name(name: &str) -> Result<String, Refusal> {
    line(name, MAX_NAME_CHARS).ok_or(Refusal::InvalidName)
}

/// Trims and checks the description of a template; an empty one is none.
///
/// # Errors
/// [`Refusal::InvalidDescription`].
pub fn check_description(text: &str) -> Result<Option<String>, Refusal> {
    let text = text.trim();
    if text.chars().count() > MAX_DESCRIPTION_CHARS || text.contains('\0') {
        return Err(Refusal::InvalidDescription);
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// Checks the sections of a template, given as `(key, title)`: a section without a key gets one by its
/// place (`section3`).
///
/// # Errors
/// [`Refusal::InvalidSections`].
pub fn check_sections(given: &[(Option<String>, String)]) -> Result<Vec<OwnSection>, Refusal> {
    if given.is_empty() || given.len() > MAX_SECTIONS {
        return Err(Refusal::InvalidSections);
    }
    let mut sections: Vec<OwnSection> = Vec::with_capacity(given.len());
    for (place, (key, title)) in given.iter().enumerate() {
        let title = line(title, MAX_NAME_CHARS).ok_or(Refusal::InvalidSections)?;
        let key = key.clone().unwrap_or_else(|| format!("section{}", place + 1));
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let fits = (1..=MAX_KEY_CHARS).contains(&key.len()) && key.chars().all(plain);
        if !fits || sections.iter().any(|known| known.key == key) {
            return Err(Refusal::InvalidSections);
        }
        sections.push(OwnSection { key, title });
    }
    Ok(sections)
}
