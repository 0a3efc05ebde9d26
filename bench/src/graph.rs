//! The data that all subgraphs answer from, made up the same way each time.

use serde_json::{Map, Value, json};

/// How many users there are.
const USERS: usize = 60;
/// How many meetings there are; the operation asks for all of them.
pub(crate) const MEETINGS: usize = 50;
/// Participants of each meeting: 200 in all, of whom many are the same user.
const PARTICIPANTS_PER_MEETING: usize = 4;
/// Segments of each transcript: 300 in all.
const SEGMENTS_PER_MEETING: usize = 6;
/// Sections of each meeting's minutes: 100 in all.
const SECTIONS_PER_MEETING: usize = 2;

/// Statuses of meetings.
const STATUSES: [&str; 3] = ["SCHEDULED", "LIVE", "ENDED"];

/// Everything that can be asked for. References are written out, so that an answer is a walk.
#[derive(Debug)]
pub(crate) struct Graph {
    root: Map<String, Value>,
    users: Vec<Value>,
    meetings: Vec<Value>,
}

impl Graph {
    /// Makes up the data.
    pub(crate) fn new() -> Self {
        let users: Vec<_> = (0..USERS).map(user).collect();
        let meetings: Vec<_> = (0..MEETINGS).map(|number| meeting(number, &users)).collect();
        let mut root = Map::new();
        root.insert("__typename".to_owned(), json!("Query"));
        root.insert("me".to_owned(), users[0].clone());
        root.insert("meetings".to_owned(), Value::Array(meetings.clone()));
        Self { root, users, meetings }
    }

    /// The root object of queries.
    pub(crate) fn root(&self) -> &Map<String, Value> {
        &self.root
    }

    /// The entity that a representation names.
    pub(crate) fn entity(&self, representation: &Value) -> Option<&Value> {
        let of = match representation.get("__typename")?.as_str()? {
            "User" => &self.users,
            "Meeting" => &self.meetings,
            _ => return None,
        };
        // An id ends with its number: `user-000007`.
        let number: usize = representation.get("id")?.as_str()?.rsplit('-').next()?.parse().ok()?;
        of.get(number)
    }
}

fn user(number: usize) -> Value {
    json!({
        "__typename": "User",
        "id": format!("user-{number:06}"),
        "name": format!("김서연 {number}"),
        "email": format!("seoyeon.{number}@example.org"),
        "locale": if number.is_multiple_of(3) { "en" } else { "ko" },
        "timeZone": "Asia/Seoul",
    })
}

fn meeting(number: usize, users: &[Value]) -> Value {
    let user = |offset: usize| users[(number * 7 + offset) % users.len()].clone();
    let participants: Vec<_> = (0..PARTICIPANTS_PER_MEETING)
        .map(|it| {
            let role = if it == 0 { "HOST" } else { "GUEST" };
            json!({ "__typename": "Participant", "role": role, "user": user(it) })
        })
        .collect();
    let segments: Vec<_> = (0..SEGMENTS_PER_MEETING)
        .map(|it| segment(it, &user(it % PARTICIPANTS_PER_MEETING)))
        .collect();
    let sections: Vec<_> = (0..SECTIONS_PER_MEETING)
        .map(|it| {
            json!({
                "__typename": "MinutesSection",
                "title": format!("결정 {it}"),
                "body": "We publish the \"beta\" on Monday; 다음 주까지 문서를 정리한다.",
            })
        })
        .collect();
    json!({
        "__typename": "Meeting",
        "id": format!("meeting-{number:06}"),
        "title": format!("Weekly planning {number}"),
        "agenda": if number.is_multiple_of(5) { Value::Null } else { json!("Release, budget, 채용") },
        "status": STATUSES[number % STATUSES.len()],
        "scheduledAt": format!("2026-11-{:02}T09:30:00Z", number % 28 + 1),
        "version": number,
        "host": user(0),
        "participants": participants,
        "transcript": {
            "__typename": "Transcript",
            "id": format!("transcript-{number:06}"),
            "language": "ko",
            "durationMs": 3_600_000,
            "segments": segments,
        },
        "minutes": { "__typename": "Minutes", "sections": sections },
    })
}

fn segment(number: usize, user: &Value) -> Value {
    json!({
        "__typename": "Segment",
        "startMs": number * 4_200,
        "endMs": number * 4_200 + 3_900,
        "text": "Then let's look at the numbers, 지난주보다 조금 늘었습니다.",
        "confidence": 0.93,
        "speaker": { "__typename": "Speaker", "label": format!("S{}", number % 4), "user": user },
    })
}
