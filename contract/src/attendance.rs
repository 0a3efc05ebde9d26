//! Who attends a meeting and where its days are counted: asked of the services that know, when a job
//! needs it. Nothing of it is kept, so nothing of it has to be deleted.

use chrono_tz::Tz;
use platform::kernel::Kernel;
use platform::subgraph::PeerError;
use serde::Deserialize;
use serde_json::{Value, json};
use text::Person;
use uuid::Uuid;

use crate::takes_part::MEETING;

/// The service that knows people.
pub const USER: &str = "user";
/// Where days are counted when nobody knows better.
pub const DEFAULT_ZONE: Tz = Tz::Asia__Seoul;
/// Most participants whose names are asked for.
pub const PEOPLE_MAX: usize = 1_000;

const MEETING_QUESTION: &str = "query Attendance($of: [_Any!]!) {
    found: _entities(representations: $of) {
        ... on Meeting { host { id } participants { user { id } } } } }";
const USER_QUESTION: &str = "query People($of: [_Any!]!) {
    found: _entities(representations: $of) { ... on User { id name timeZone } } }";

/// Those of these people (at most [`PEOPLE_MAX`]) who have an account.
///
/// # Errors
/// When the user service can't be asked.
pub async fn existing(kernel: &Kernel, people: &[Uuid]) -> Result<Vec<Uuid>, PeerError> {
    let of = people.iter().take(PEOPLE_MAX);
    let of: Vec<Value> = of.map(|id| json!({ "__typename": "User", "id": id })).collect();
    let found: Vec<Identified> = ask(kernel, USER, USER_QUESTION, of.into()).await?;
    Ok(found.into_iter().map(|user| user.id).collect())
}

/// Who attends a meeting, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attendance {
    /// Who takes part; those whose account is gone are missing.
    pub people: Vec<Person>,
    /// The host's time zone.
    pub zone: Tz,
}

impl Default for Attendance {
    /// Nobody, in [`DEFAULT_ZONE`].
    fn default() -> Self {
        Self { people: Vec::new(), zone: DEFAULT_ZONE }
    }
}

#[derive(Deserialize)]
struct Found<T> {
    found: Vec<Option<T>>,
}

#[derive(Deserialize)]
struct Identified {
    id: Uuid,
}

#[derive(Deserialize)]
struct Participant {
    user: Identified,
}

#[derive(Deserialize)]
struct Meeting {
    host: Identified,
    participants: Vec<Participant>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct User {
    id: Uuid,
    name: String,
    time_zone: String,
}

impl Attendance {
    /// Asks for a meeting's; of one that nobody knows it is the default.
    ///
    /// # Errors
    /// When one of the services can't be asked.
    pub async fn of(kernel: &Kernel, meeting: Uuid) -> Result<Self, PeerError> {
        let of = json!([{ "__typename": "Meeting", "id": meeting }]);
        let found: Vec<Meeting> = ask(kernel, MEETING, MEETING_QUESTION, of).await?;
        let Some(meeting) = found.into_iter().next() else { return Ok(Self::default()) };
        let ids = meeting.participants.iter().map(|participant| participant.user.id);
        let of: Vec<Value> =
            ids.take(PEOPLE_MAX).map(|id| json!({ "__typename": "User", "id": id })).collect();
        let users: Vec<User> = ask(kernel, USER, USER_QUESTION, of.into()).await?;
        let host = users.iter().find(|user| user.id == meeting.host.id);
        let zone = host.and_then(|host| host.time_zone.parse().ok()).unwrap_or(DEFAULT_ZONE);
        let people = users.into_iter().map(|User { id, name, .. }| Person { id, name }).collect();
        Ok(Self { people, zone })
    }

    /// The same for a job, which rather does without names than fails for good: on its `last` try
    /// what can't be asked is the default.
    ///
    /// # Errors
    /// When one of the services can't be asked, and it isn't the last try.
    pub async fn for_job(kernel: &Kernel, meeting: Uuid, last: bool) -> Result<Self, PeerError> {
        match Self::of(kernel, meeting).await {
            Err(error) if last => {
                let error = platform::error::chain(&error);
                tracing::warn!(%meeting, error, "done without the participants' names");
                Ok(Self::default())
            }
            asked => asked,
        }
    }
}

/// Those of the entities asked for that there are.
async fn ask<T: for<'de> Deserialize<'de>>(
    kernel: &Kernel,
    peer: &str,
    question: &str,
    of: Value,
) -> Result<Vec<T>, PeerError> {
    let answer = kernel.ask(peer, question, json!({ "of": of })).await?;
    let malformed = |source| PeerError::Malformed { peer: peer.to_owned(), source };
    let found: Found<T> = serde_json::from_value(answer).map_err(malformed)?;
    Ok(found.found.into_iter().flatten().collect())
}
