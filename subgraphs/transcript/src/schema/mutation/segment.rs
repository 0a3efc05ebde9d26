//! What people do to segments and speakers.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, Result, SimpleObject};
use platform::error::UserError;
use platform::idempotency::Once;
use platform::identity::Identity;
use uuid::Uuid;

use crate::editing::{Change, Editing, SpeakerError};
use crate::schema::transcript::{Segment, Speaker};
use crate::store::speaker::SpeakerRow;

/// How a segment is to be; what is left out stays.
#[derive(Debug, InputObject)]
pub struct EditSegmentInput {
    /// Which segment.
    pub segment_id: ID,
    /// The revision that the editor saw; refused when it isn't the latest.
    pub revision: i32,
    /// What is said: 1 to 4,000 characters.
    pub text: Option<String>,
    /// Who speaks: a speaker of the same transcript; null: nobody knows.
    pub speaker_id: MaybeUndefined<ID>,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// A voice that is to be named.
#[derive(Debug, InputObject)]
pub struct AddSpeakerInput {
    /// The transcript in which it is heard.
    pub transcript_id: ID,
    /// What it is to be called: 1 to 80 characters, as no other speaker of the transcript.
    pub label: String,
    /// Whose voice it is: somebody who takes part in the meeting.
    pub user_id: Option<ID>,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// What a speaker is to be called, and whose voice it is; what is left out stays.
#[derive(Debug, InputObject)]
pub struct RenameSpeakerInput {
    /// Which speaker.
    pub speaker_id: ID,
    /// The version that the editor saw; refused when it isn't the latest. Left out: whatever it is.
    pub version: Option<i32>,
    /// What it is to be called: 1 to 80 characters, as no other speaker of the transcript.
    pub label: Option<String>,
    /// Whose voice it is: somebody who takes part in the meeting; null: nobody knows.
    pub user_id: MaybeUndefined<ID>,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// A segment as it stands after a mutation.
#[derive(Debug, SimpleObject)]
pub struct EditSegmentPayload {
    /// The segment as it is now. On VERSION_CONFLICT: as somebody else left it; null on any other refusal.
    pub segment: Option<Segment>,
    /// What to mend; empty when it worked.
    pub user_errors: Vec<UserError>,
}

/// A speaker as it stands after a mutation.
#[derive(Debug, SimpleObject)]
pub struct SpeakerPayload {
    /// The speaker as it is now. On VERSION_CONFLICT: as somebody else left it; null on any other refusal.
    pub speaker: Option<Speaker>,
    /// What to mend; empty when it worked.
    pub user_errors: Vec<UserError>,
}

impl SpeakerPayload {
    fn tell(outcome: std::result::Result<SpeakerRow, SpeakerError>) -> Result<Self> {
        Ok(match outcome {
            Ok(row) => Self { speaker: Some(row.into()), user_errors: Vec::new() },
            Err(error) => {
                let (now, error) = error.told("version")?;
                Self { speaker: now.map(Speaker::from), user_errors: vec![error] }
            }
        })
    }
}

/// Changes of segments and speakers that can be asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct SegmentMutation;

#[Object]
impl SegmentMutation {
    /// Mends what was recognised, or says who speaks; for those who take part in the meeting. What was
    /// there stays as an earlier revision. User errors: SEGMENT_NOT_FOUND, VERSION_CONFLICT,
    /// INVALID_TEXT, SPEAKER_NOT_FOUND.
    async fn edit_segment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which segment, and how it is to be.")] input: EditSegmentInput,
    ) -> Result<EditSegmentPayload> {
        let (editing, viewer) = desk(ctx)?;
        let change = Change { text: input.text, speaker_id: id(input.speaker_id) };
        let (id, key) = (&input.segment_id, input.idempotency_key.as_deref());
        let edit = |once| editing.edit(once, id, input.revision, change);
        Ok(match Once::ask(viewer, "editSegment", key, edit).await {
            Ok(row) => EditSegmentPayload { segment: Some(Segment(row)), user_errors: Vec::new() },
            Err(error) => {
                let (now, error) = error.told("revision")?;
                EditSegmentPayload { segment: now.map(Segment), user_errors: vec![error] }
            }
        })
    }

    /// Names a voice; for those who take part in the meeting. User errors: TRANSCRIPT_NOT_FOUND,
    /// INVALID_LABEL, LABEL_TAKEN, TOO_MANY_SPEAKERS, INVALID_PERSON.
    async fn add_speaker(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The speaker.")] input: AddSpeakerInput,
    ) -> Result<SpeakerPayload> {
        let (editing, viewer) = desk(ctx)?;
        let AddSpeakerInput { transcript_id, label, user_id, idempotency_key } = input;
        let (user, key) = (user_id.as_deref().map(String::as_str), idempotency_key.as_deref());
        let add = |once| editing.add_speaker(once, &transcript_id, &label, user);
        SpeakerPayload::tell(Once::ask(viewer, "addSpeaker", key, add).await)
    }

    /// Calls a speaker otherwise wherever it speaks, or says whose voice it is; for those who take part in
    /// the meeting. User errors: SPEAKER_NOT_FOUND, VERSION_CONFLICT, INVALID_LABEL, LABEL_TAKEN,
    /// INVALID_PERSON.
    async fn rename_speaker(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which speaker, and what it is to be.")] input: RenameSpeakerInput,
    ) -> Result<SpeakerPayload> {
        let (editing, viewer) = desk(ctx)?;
        let RenameSpeakerInput { speaker_id, version, label, user_id, idempotency_key } = input;
        let (label, user, key) = (label.as_deref(), id(user_id), idempotency_key.as_deref());
        let rename = |once| editing.rename_speaker(once, &speaker_id, version, label, user);
        SpeakerPayload::tell(Once::ask(viewer, "renameSpeaker", key, rename).await)
    }
}

/// Where segments are edited, and who wants to.
fn desk<'a>(ctx: &Context<'a>) -> Result<(&'a Editing, Uuid)> {
    Ok((ctx.data::<Editing>()?, Identity::from_ctx(ctx).viewer()?.id))
}

fn id(given: MaybeUndefined<ID>) -> MaybeUndefined<String> {
    match given {
        MaybeUndefined::Value(id) => MaybeUndefined::Value(id.into()),
        MaybeUndefined::Null => MaybeUndefined::Null,
        MaybeUndefined::Undefined => MaybeUndefined::Undefined,
    }
}
