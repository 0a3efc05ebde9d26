//! Who is told what of which event: one table.

use std::collections::BTreeSet;

use contract::event::kind as event;
use serde_json::Value;
use uuid::Uuid;

use super::kind::Kind;

/// Whom an event is told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// The one whom the event is about (`userId`).
    Subject,
    /// Everybody who takes part in the meeting.
    Everybody,
    /// Everybody who takes part, and those whom the event names (`userIds`), but who did it (`sharedBy`).
    EverybodyAndNamed,
    /// Everybody who takes part, but who leads it: they did it themselves.
    Guests,
    /// Who leads the meeting, unless they did it themselves (`actorId`).
    Host,
    /// Who is to do it, unless they did it themselves (`actorId`).
    Assignee,
    /// Who asked for it (`requestedBy`).
    Requester,
    /// The same, or who leads the meeting when nobody asked.
    RequesterOrHost,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Notice {
    /// The event.
    pub event: &'static str,
    /// For which of these events; it is given their data.
    pub when: fn(&Value) -> bool,
    /// Whom it is told to.
    pub to: To,
    /// As what.
    pub kind: Kind,
}

const fn notice(event: &'static str, to: To, kind: Kind) -> Notice {
    Notice { event, when: |_| true, to, kind }
}

/// The table. An event that isn't here is told to nobody.
pub const NOTICES: &[Notice] = &[
    notice(event::USER_CREATED, To::Subject, Kind::Welcome),
    notice(event::MEETING_CREATED, To::Guests, Kind::MeetingInvitation),
    notice(event::PARTICIPANT_ADDED, To::Subject, Kind::MeetingInvitation),
    notice(event::PARTICIPANT_REMOVED, To::Subject, Kind::RemovedFromMeeting),
    Notice {
        when: |data| data["response"] == "ACCEPTED",
        ..notice(event::PARTICIPANT_RESPONDED, To::Host, Kind::InvitationAccepted)
    },
    Notice {
        when: |data| data["response"] == "DECLINED",
        ..notice(event::PARTICIPANT_RESPONDED, To::Host, Kind::InvitationDeclined)
    },
    Notice {
        when: |data| data["response"] == "TENTATIVE",
        ..notice(event::PARTICIPANT_RESPONDED, To::Host, Kind::InvitationTentative)
    },
    notice(event::MEETING_STARTED, To::Guests, Kind::MeetingStarted),
    notice(event::MEETING_ENDED, To::Guests, Kind::MeetingEnded),
    notice(event::MEETING_CANCELLED, To::Guests, Kind::MeetingCancelled),
    notice(event::TRANSCRIPT_CREATED, To::Everybody, Kind::MinutesReady),
    notice(event::TRANSCRIPT_VERIFIED, To::Everybody, Kind::MinutesVerified),
    notice(event::TRANSCRIPT_SHARED, To::EverybodyAndNamed, Kind::TranscriptShared),
    notice(event::TODO_CREATED, To::Assignee, Kind::TodoAssigned),
    Notice {
        when: |data| data["assigneeChanged"] == true,
        ..notice(event::TODO_UPDATED, To::Assignee, Kind::TodoAssigned)
    },
    Notice {
        // That it is done has an event of its own.
        when: |data| data["status"] != "DONE",
        ..notice(event::TODO_STATUS_CHANGED, To::Assignee, Kind::TodoStatusChanged)
    },
    notice(event::TODO_COMPLETED, To::Host, Kind::TodoCompleted),
    Notice {
        when: |data| data["status"] == "COMPLETED" && is_shown(data),
        ..notice(event::TASK_STATE_CHANGED, To::Requester, Kind::TaskCompleted)
    },
    Notice {
        when: |data| data["status"] == "FAILED" && is_shown(data),
        ..notice(event::TASK_STATE_CHANGED, To::RequesterOrHost, Kind::TaskFailed)
    },
];

/// Deliveries are tasks as well: telling of them would never end.
fn is_shown(data: &Value) -> bool {
    data["typename"] != crate::worker::TASK_TYPENAME
}

/// The row that an event falls under.
#[must_use]
pub fn of(event: &str, data: &Value) -> Option<&'static Notice> {
    NOTICES.iter().find(|notice| notice.event == event && (notice.when)(data))
}

/// Who takes part in the meeting that an event belongs to, as this service knows it.
#[derive(Debug, Clone, Default)]
pub struct Circle {
    /// Who leads it.
    pub host: Option<Uuid>,
    /// Everybody who takes part.
    pub members: Vec<Uuid>,
}

/// Whom an event with this data is told to, each once.
#[must_use]
pub fn recipients(to: To, data: &Value, circle: &Circle) -> BTreeSet<Uuid> {
    let person = |field: &str| data[field].as_str().and_then(|id| Uuid::parse_str(id).ok());
    let unless_actor = |who: Option<Uuid>| who.filter(|who| Some(*who) != person("actorId"));
    let one = |who: Option<Uuid>| who.into_iter().collect();
    match to {
        To::Subject => one(person("userId")),
        To::Everybody => circle.members.iter().copied().collect(),
        To::EverybodyAndNamed => {
            let named = data["userIds"].as_array().into_iter().flatten();
            let named = named.filter_map(|id| Uuid::parse_str(id.as_str()?).ok());
            let all = circle.members.iter().copied().chain(named);
            all.filter(|who| Some(*who) != person("sharedBy")).collect()
        }
        To::Guests => {
            circle.members.iter().copied().filter(|who| Some(*who) != circle.host).collect()
        }
        To::Host => one(unless_actor(circle.host)),
        To::Assignee => one(unless_actor(person("assigneeId"))),
        To::Requester => one(person("requestedBy")),
        To::RequesterOrHost => one(person("requestedBy").or(circle.host)),
    }
}
