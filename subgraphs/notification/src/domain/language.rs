//! The languages that texts are in.

/// The languages that texts are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Korean, also for those who speak neither.
    Korean,
    /// English.
    English,
}

impl Language {
    /// The language of a tag, like `ko` or `en-US`.
    #[must_use]
    pub fn of(tag: &str) -> Self {
        match tag.split('-').next() {
            Some(language) if language.eq_ignore_ascii_case("en") => Self::English,
            _ => Self::Korean,
        }
    }

    /// What somebody is called whose name isn't known, or not any more.
    #[must_use]
    pub fn somebody(self) -> &'static str {
        match self {
            Self::Korean => "알 수 없는 사용자",
            Self::English => "Somebody",
        }
    }

    /// What something is about that is about no single meeting.
    #[must_use]
    pub fn several_meetings(self) -> &'static str {
        match self {
            Self::Korean => "여러 회의",
            Self::English => "several meetings",
        }
    }
}
