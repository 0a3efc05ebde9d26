//! What a notification is about, and its texts.

use async_graphql::Enum;
use serde_json::Value;

use super::language::Language;

/// A text in both languages: a line and a sentence. `{meeting}` and `{todo}` stand for titles,
/// `{person}` for a name, `{title}` and `{body}` for what somebody announced.
#[derive(Debug, Clone, Copy)]
struct Text {
    ko: (&'static str, &'static str),
    en: (&'static str, &'static str),
}

/// What a notification is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
#[graphql(name = "NotificationKind")]
pub enum Kind {
    /// One's account was opened.
    Welcome,
    /// One is to take part in a meeting.
    MeetingInvitation,
    /// One doesn't take part in a meeting any more.
    RemovedFromMeeting,
    /// Somebody comes to a meeting that one leads.
    InvitationAccepted,
    /// Somebody doesn't come to a meeting that one leads.
    InvitationDeclined,
    /// Somebody may come to a meeting that one leads.
    InvitationTentative,
    /// A meeting began.
    MeetingStarted,
    /// A meeting ended.
    MeetingEnded,
    /// A meeting was called off.
    MeetingCancelled,
    /// A meeting's text and minutes can be read.
    MinutesReady,
    /// All sections of a meeting's minutes are verified.
    MinutesVerified,
    /// A meeting's text was shared with others.
    TranscriptShared,
    /// One is to do something.
    TodoAssigned,
    /// Something that one is to do has another status.
    TodoStatusChanged,
    /// A todo of a meeting that one leads is done.
    TodoCompleted,
    /// Long work that one asked for is done.
    TaskCompleted,
    /// Long work failed.
    TaskFailed,
    /// Somebody announced something.
    Announcement,
    /// One asked for a message to see whether it arrives.
    Test,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::Welcome,
        Self::MeetingInvitation,
        Self::RemovedFromMeeting,
        Self::InvitationAccepted,
        Self::InvitationDeclined,
        Self::InvitationTentative,
        Self::MeetingStarted,
        Self::MeetingEnded,
        Self::MeetingCancelled,
        Self::MinutesReady,
        Self::MinutesVerified,
        Self::TranscriptShared,
        Self::TodoAssigned,
        Self::TodoStatusChanged,
        Self::TodoCompleted,
        Self::TaskCompleted,
        Self::TaskFailed,
        Self::Announcement,
        Self::Test,
    ];

    /// The name in the API, in events and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Welcome => "WELCOME",
            Self::MeetingInvitation => "MEETING_INVITATION",
            Self::RemovedFromMeeting => "REMOVED_FROM_MEETING",
            Self::InvitationAccepted => "INVITATION_ACCEPTED",
            Self::InvitationDeclined => "INVITATION_DECLINED",
            Self::InvitationTentative => "INVITATION_TENTATIVE",
            Self::MeetingStarted => "MEETING_STARTED",
            Self::MeetingEnded => "MEETING_ENDED",
            Self::MeetingCancelled => "MEETING_CANCELLED",
            Self::MinutesReady => "MINUTES_READY",
            Self::MinutesVerified => "MINUTES_VERIFIED",
            Self::TranscriptShared => "TRANSCRIPT_SHARED",
            Self::TodoAssigned => "TODO_ASSIGNED",
            Self::TodoStatusChanged => "TODO_STATUS_CHANGED",
            Self::TodoCompleted => "TODO_COMPLETED",
            Self::TaskCompleted => "TASK_COMPLETED",
            Self::TaskFailed => "TASK_FAILED",
            Self::Announcement => "ANNOUNCEMENT",
            Self::Test => "TEST",
        }
    }

    fn texts(self) -> Text {
        match self {
            Self::Welcome => Text {
                ko: ("모임에 오신 것을 환영합니다", "회의를 만들고 녹음을 올리면 회의록이 됩니다."),
                en: (
                    "Welcome to Moim",
                    "Plan a meeting, send its recording, and read its minutes.",
                ),
            },
            Self::MeetingInvitation => Text {
                ko: ("회의 초대: {meeting}", "‘{meeting}’ 회의에 초대되었습니다."),
                en: ("Invitation: {meeting}", "You are invited to the meeting “{meeting}”."),
            },
            Self::RemovedFromMeeting => Text {
                ko: ("회의에서 제외됨: {meeting}", "‘{meeting}’ 회의의 참석자에서 제외되었습니다."),
                en: ("Removed: {meeting}", "You don't take part in “{meeting}” any more."),
            },
            Self::InvitationAccepted => Text {
                ko: ("참석: {meeting}", "{person} 님이 ‘{meeting}’ 회의에 참석합니다."),
                en: ("Accepted: {meeting}", "{person} comes to “{meeting}”."),
            },
            Self::InvitationDeclined => Text {
                ko: ("불참: {meeting}", "{person} 님이 ‘{meeting}’ 회의에 참석하지 않습니다."),
                en: ("Declined: {meeting}", "{person} doesn't come to “{meeting}”."),
            },
            Self::InvitationTentative => Text {
                ko: (
                    "참석 미정: {meeting}",
                    "{person} 님의 ‘{meeting}’ 회의 참석 여부가 아직 확실하지 않습니다.",
                ),
                en: ("Tentative: {meeting}", "{person} may come to “{meeting}”."),
            },
            Self::MeetingStarted => Text {
                ko: ("회의 시작: {meeting}", "‘{meeting}’ 회의가 시작되었습니다."),
                en: ("Started: {meeting}", "The meeting “{meeting}” has started."),
            },
            Self::MeetingEnded => Text {
                ko: ("회의 종료: {meeting}", "‘{meeting}’ 회의가 끝났습니다."),
                en: ("Ended: {meeting}", "The meeting “{meeting}” has ended."),
            },
            Self::MeetingCancelled => Text {
                ko: ("회의 취소: {meeting}", "‘{meeting}’ 회의가 취소되었습니다."),
                en: ("Cancelled: {meeting}", "The meeting “{meeting}” was cancelled."),
            },
            Self::MinutesReady => Text {
                ko: ("회의록 준비: {meeting}", "‘{meeting}’ 회의의 회의록을 볼 수 있습니다."),
                en: ("Minutes: {meeting}", "The minutes of “{meeting}” can be read."),
            },
            Self::MinutesVerified => Text {
                ko: (
                    "회의록 확인 완료: {meeting}",
                    "‘{meeting}’ 회의록의 모든 항목이 확인되었습니다.",
                ),
                en: (
                    "Verified: {meeting}",
                    "All sections of the minutes of “{meeting}” are verified.",
                ),
            },
            Self::TranscriptShared => Text {
                ko: ("회의록 공유: {meeting}", "‘{meeting}’ 회의록이 공유되었습니다."),
                en: ("Shared: {meeting}", "The minutes of “{meeting}” were shared."),
            },
            Self::TodoAssigned => Text {
                ko: ("할 일: {todo}", "‘{todo}’ 할 일을 맡았습니다."),
                en: ("To do: {todo}", "You are to do: “{todo}”."),
            },
            Self::TodoStatusChanged => Text {
                ko: ("할 일 상태 변경: {todo}", "‘{todo}’ 할 일의 상태가 바뀌었습니다."),
                en: ("Todo changed: {todo}", "The todo “{todo}” has another status."),
            },
            Self::TodoCompleted => Text {
                ko: ("할 일 완료: {todo}", "‘{todo}’ 할 일이 완료되었습니다."),
                en: ("Done: {todo}", "The todo “{todo}” is done."),
            },
            Self::TaskCompleted => Text {
                ko: ("작업 완료: {meeting}", "‘{meeting}’ 회의에 요청하신 작업이 끝났습니다."),
                en: ("Finished: {meeting}", "What you asked for about “{meeting}” is finished."),
            },
            Self::TaskFailed => Text {
                ko: (
                    "작업 실패: {meeting}",
                    "‘{meeting}’ 회의의 작업이 실패했습니다. 다시 시도할 수 있습니다.",
                ),
                en: ("Failed: {meeting}", "Work for “{meeting}” failed. It can be tried again."),
            },
            Self::Announcement => {
                Text { ko: ("공지: {title}", "{body}"), en: ("Announcement: {title}", "{body}") }
            }
            Self::Test => Text {
                ko: ("모임 알림 시험", "이 알림이 보이면 이 경로로 알림을 받을 수 있습니다."),
                en: ("Test from Moim", "If you can read this, notifications reach you this way."),
            },
        }
    }

    /// The text in a language: a line and a sentence. `words` is what stands for the placeholders, and
    /// `person` the name of whom it is about, if they still have one.
    #[must_use]
    pub fn text(self, language: Language, words: &Value, person: Option<&str>) -> (String, String) {
        let texts = self.texts();
        let (title, body) = match language {
            Language::Korean => texts.ko,
            Language::English => texts.en,
        };
        let person = person.unwrap_or_else(|| language.somebody());
        let word = |name: &str| match (name, words[name].as_str()) {
            ("person", _) => person.to_owned(),
            (_, Some(word)) => word.to_owned(),
            ("meeting", None) => language.several_meetings().to_owned(),
            (_, None) => "…".to_owned(),
        };
        (filled(title, word), filled(body, word))
    }
}

impl From<String> for Kind {
    /// Reads a kind of the database; an unknown one is of a newer version, and is shown as that
    /// something was finished.
    fn from(name: String) -> Self {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name).unwrap_or(Self::TaskCompleted)
    }
}

/// Puts words into a text. What is put in is never looked at again: a title may hold braces.
fn filled(template: &str, word: impl Fn(&str) -> String) -> String {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else { break };
        text.push_str(before);
        text.push_str(&word(name));
        rest = after;
    }
    text.push_str(rest);
    text
}
