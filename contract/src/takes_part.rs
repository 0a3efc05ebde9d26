//! Who takes part in a meeting: each service keeps a view of its own, fed by events.
//!
//! A local yes is trusted; a local no is confirmed with the meeting service, and is a no as well
//! when that can't be reached ([`platform::membership`]).

use platform::event::Event;
use platform::inbox::HandleError;
use platform::kernel::Kernel;
use platform::membership::{Membership, Revoking};
use platform::subgraph::PeerError;
use platform::{departure, erasure};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::event::{self, kind};

/// The service that knows who takes part.
pub const MEETING: &str = "meeting";
const QUESTION: &str = "query TakesPart($group: ID!, $member: ID!) {
    belongs: participates(meetingId: $group, userId: $member) }";
const HOST_QUESTION: &str = "query Host($of: [_Any!]!) {
    found: _entities(representations: $of) { ... on Meeting { host { id } } } }";

/// The view of a service that isn't the meeting service.
#[must_use]
pub fn view(kernel: &Kernel) -> Membership {
    Membership::confirmed_by(kernel.clone(), MEETING, QUESTION)
}

/// Asks the meeting service who leads a meeting; `None` when there is no such meeting.
///
/// # Errors
/// When it can't be asked.
pub async fn host(kernel: &Kernel, meeting: Uuid) -> Result<Option<Uuid>, PeerError> {
    let of = json!([{ "__typename": "Meeting", "id": meeting }]);
    let answer = kernel.ask(MEETING, HOST_QUESTION, json!({ "of": of })).await?;
    Ok(answer["found"][0]["host"]["id"].as_str().and_then(|id| Uuid::parse_str(id).ok()))
}

/// Whether an event of this kind changes who takes part.
#[must_use]
pub fn concerns(event: &str) -> bool {
    matches!(
        event,
        kind::MEETING_CREATED
            | kind::PARTICIPANT_ADDED
            | kind::PARTICIPANT_REMOVED
            | kind::USER_DELETED
    )
}

/// Lets the service's view follow an event; any other than those of [`concerns`] changes nothing. Whose account
/// is deleted takes part in nothing any more, is noted to be erased, and isn't added by what is heard late.
///
/// # Errors
/// When the event can't be read, or the database fails.
pub async fn follow(
    revoking: &Revoking,
    event: &Event,
    tx: &mut PgConnection,
) -> Result<(), HandleError> {
    match event.kind.as_str() {
        kind::MEETING_CREATED => {
            let told: event::Meeting = event.decode()?;
            let mut members = told.participant_ids;
            members.push(told.host_id);
            let gone = departure::gone_among(tx, &members).await?;
            for member in members.into_iter().filter(|member| !gone.contains(member)) {
                Membership::add(tx, told.meeting_id, member).await?;
            }
        }
        kind::PARTICIPANT_ADDED => {
            let told: event::Participant = event.decode()?;
            if !departure::has_gone(tx, told.user_id).await? {
                Membership::add(tx, told.meeting_id, told.user_id).await?;
            }
        }
        kind::PARTICIPANT_REMOVED => {
            let told: event::Participant = event.decode()?;
            revoking.remove(tx, told.meeting_id, told.user_id).await?;
        }
        kind::USER_DELETED => {
            let told: event::UserDeleted = event.decode()?;
            erasure::note(tx, told.user_id).await?;
            revoking.forget(tx, told.user_id).await?;
        }
        _ => {}
    }
    Ok(())
}
