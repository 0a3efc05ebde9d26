//! The ways by which people hear of something, and which of them are on.

use std::collections::HashMap;

use async_graphql::Enum;
use uuid::Uuid;

use super::kind::Kind;

/// A way by which people hear of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Enum)]
#[graphql(name = "NotificationChannel")]
pub enum Way {
    /// The inbox in the app.
    Inbox,
    /// Email to the account's address.
    Email,
    /// A short message to the phone number in the profile.
    Sms,
    /// A signed HTTP request to an address of one's own.
    Webhook,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Inbox, Self::Email, Self::Sms, Self::Webhook];

    /// The name in the API and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inbox => "INBOX",
            Self::Email => "EMAIL",
            Self::Sms => "SMS",
            Self::Webhook => "WEBHOOK",
        }
    }

    /// The kind of its jobs, a single subject token.
    #[must_use]
    pub fn job_kind(self) -> &'static str {
        match self {
            Self::Inbox => "inbox",
            Self::Email => "email",
            Self::Sms => "sms",
            Self::Webhook => "webhook",
        }
    }

    /// The way with this name in the database.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.as_str() == name)
    }

    /// Whether somebody who has chosen nothing hears of this kind by this way. The inbox has everything.
    /// Email brings what has to be known by those who don't look into the app. A short message costs
    /// money: only what changes today's plans. Whoever sets up a webhook wants all.
    #[must_use]
    pub fn is_on_by_default(self, kind: Kind) -> bool {
        match self {
            Self::Inbox | Self::Webhook => true,
            Self::Email => matches!(
                kind,
                Kind::Welcome
                    | Kind::MeetingInvitation
                    | Kind::RemovedFromMeeting
                    | Kind::MeetingCancelled
                    | Kind::MinutesReady
                    | Kind::TranscriptShared
                    | Kind::TodoAssigned
                    | Kind::TaskFailed
                    | Kind::Announcement
            ),
            Self::Sms => matches!(kind, Kind::MeetingCancelled),
        }
    }
}

/// What people chose for one kind.
#[derive(Debug, Clone)]
pub struct Choices {
    kind: Kind,
    chosen: HashMap<(Uuid, Way), bool>,
}

impl Choices {
    /// These choices for this kind.
    pub fn new(kind: Kind, chosen: impl IntoIterator<Item = (Uuid, Way, bool)>) -> Self {
        let chosen = chosen.into_iter().map(|(user, way, is_on)| ((user, way), is_on));
        Self { kind, chosen: chosen.collect() }
    }

    /// Whether somebody wants to hear of it by this way.
    #[must_use]
    pub fn wants(&self, user: Uuid, way: Way) -> bool {
        let chosen = self.chosen.get(&(user, way)).copied();
        chosen.unwrap_or_else(|| way.is_on_by_default(self.kind))
    }
}
