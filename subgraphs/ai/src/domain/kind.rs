//! The kinds of work.

use async_graphql::Enum;

/// What kind of work a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
#[graphql(name = "TaskKind")]
pub enum Kind {
    /// What a meeting came to is written down.
    Summary,
    /// Follow-up meetings and deadlines are looked for.
    Schedule,
    /// How a meeting went is worked out.
    Analysis,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Summary, Self::Schedule, Self::Analysis];
    /// Those that are done of every text, without anybody asking.
    pub const OF_EVERY_TEXT: [Self; 2] = [Self::Summary, Self::Analysis];

    /// The name in the API, in events and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Summary => "SUMMARY",
            Self::Schedule => "SCHEDULE",
            Self::Analysis => "ANALYSIS",
        }
    }

    /// The kind of its jobs.
    #[must_use]
    pub fn job(self) -> &'static str {
        match self {
            Self::Summary => "summary",
            Self::Schedule => "schedule",
            Self::Analysis => "analysis",
        }
    }

    /// The mutation that asks for it.
    #[must_use]
    pub fn mutation(self) -> &'static str {
        match self {
            Self::Summary => "requestSummary",
            Self::Schedule => "requestSchedule",
            Self::Analysis => "requestAnalysis",
        }
    }

    /// The kind as the database names it, which holds no others.
    #[must_use]
    pub fn of(name: &str) -> Self {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name).unwrap_or(Self::Summary)
    }
}

impl From<String> for Kind {
    fn from(name: String) -> Self {
        Self::of(&name)
    }
}
