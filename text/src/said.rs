//! What was said, and what was found in it. Everything that was found cites the pieces of speech
//! that it comes from.

use chrono::{NaiveDate, NaiveTime};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A piece of speech.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Piece {
    /// What it is cited by.
    pub id: Uuid,
    /// Label of who speaks, if somebody gave one.
    pub speaker: Option<String>,
    /// Start in the recording, milliseconds.
    pub start_ms: i64,
    /// End in the recording, milliseconds.
    pub end_ms: i64,
    /// What is said.
    pub text: String,
}

/// Somebody who takes part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Who it is.
    pub id: Uuid,
    /// The full name.
    pub name: String,
}

/// What was said in a meeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Language tag; `und` when nobody knows.
    pub language: String,
    /// The day on which it was said, where it was said: what "tomorrow" is counted from.
    pub day: NaiveDate,
    /// IANA name of the time zone there, like `Asia/Seoul`.
    pub time_zone: String,
    /// Who takes part; empty when nobody knows.
    pub people: Vec<Person>,
    /// The pieces of speech in their order.
    pub pieces: Vec<Piece>,
}

/// Something that was found, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cited {
    /// What was found.
    pub text: String,
    /// The pieces of speech that it comes from, in their order.
    pub segment_ids: Vec<Uuid>,
}

/// A word that comes up again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Keyword {
    /// The word.
    pub word: String,
    /// In how many sentences it comes up.
    pub count: i32,
    /// Where, in the order of the recording.
    pub segment_ids: Vec<Uuid>,
}

/// What a meeting came to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The sentences that stand for the rest.
    pub overview: Vec<Cited>,
    /// What was decided.
    pub decisions: Vec<Cited>,
    /// What it was about.
    pub keywords: Vec<Keyword>,
}

/// What a date is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DatedKind {
    /// People want to meet again.
    FollowUp,
    /// Something has to be done by then.
    Deadline,
}

/// Something that is to happen on a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Dated {
    /// What the date is for.
    pub kind: DatedKind,
    /// What was said about it.
    pub text: String,
    /// The day, if it could be told from the words.
    pub date: Option<NaiveDate>,
    /// The time of that day, where it was said, if it was named.
    #[serde(default)]
    pub time: Option<NaiveTime>,
    /// Where it was said.
    pub segment_ids: Vec<Uuid>,
}

/// What comes after a meeting.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Schedule {
    /// Follow-up meetings and deadlines, in the order in which they were said.
    pub items: Vec<Dated>,
    /// IANA name of the time zone that days and times are in; empty when it wasn't noted.
    #[serde(default)]
    pub time_zone: String,
}

/// How long somebody spoke.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TalkTime {
    /// Label of who spoke; none for all speech without a label.
    pub speaker: Option<String>,
    /// How long, milliseconds.
    pub duration_ms: i64,
    /// The longest of the pieces of speech that are counted, in their order.
    #[serde(default)]
    pub segment_ids: Vec<Uuid>,
}

/// How a meeting went.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Analysis {
    /// What it was about, the most frequent first.
    pub topics: Vec<Keyword>,
    /// Who spoke for how long, the longest first.
    pub talk_time: Vec<TalkTime>,
    /// What was decided.
    pub decisions: Vec<Cited>,
}

/// Something that somebody is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Action {
    /// What is to be done, as it was said.
    pub text: String,
    /// Who is to do it, if a participant was named or spoke of himself.
    pub assignee: Option<Uuid>,
    /// By when, if it could be told from the words.
    pub due: Option<NaiveDate>,
    /// Where it was said.
    pub segment_ids: Vec<Uuid>,
}
