//! The built-in templates: which sections the minutes of a meeting have.

use uuid::Uuid;

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
