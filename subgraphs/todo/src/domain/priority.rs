//! How pressing a todo is.

use async_graphql::Enum;
use serde::{Deserialize, Serialize};

/// How pressing a todo is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Enum, Serialize, Deserialize,
)]
#[graphql(name = "TodoPriority")]
pub enum Priority {
    /// When there is time.
    Low,
    /// As usual.
    Normal,
    /// Before others.
    High,
    /// Before all others.
    Urgent,
}

impl Priority {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Low, Self::Normal, Self::High, Self::Urgent];

    /// The name in events and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "LOW",
            Self::Normal => "NORMAL",
            Self::High => "HIGH",
            Self::Urgent => "URGENT",
        }
    }
}

impl From<String> for Priority {
    /// Reads a priority of the database, which holds no others.
    fn from(name: String) -> Self {
        Self::ALL.into_iter().find(|one| one.as_str() == name).unwrap_or(Self::Normal)
    }
}
