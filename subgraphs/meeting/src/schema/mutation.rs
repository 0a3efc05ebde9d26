//! Planning, holding and recording meetings.

use async_graphql::{Context, Object, Result};
use platform::identity::Identity;
use uuid::Uuid;

use super::{
    input::{
        AddParticipantsInput, CancelMeetingInput, CreateMeetingInput, EndMeetingInput,
        RemoveParticipantInput, RequestRecordingUploadInput, StartMeetingInput, UpdateMeetingInput,
    },
    payload::{MeetingPayload, RequestRecordingUploadPayload},
};
use crate::{
    meeting::{Change, Meetings, Plan},
    recording::UploadRequest,
};

/// Mutations of the meeting subgraph.
pub struct Mutation;

/// Mutations.
#[Object]
impl Mutation {
    /// Plans a meeting; the one who asks is its host.
    /// User errors: INVALID_TITLE, INVALID_AGENDA, INVALID_LANGUAGE, UNKNOWN_PARTICIPANT,
    /// TOO_MANY_PARTICIPANTS, TEMPLATE_NOT_FOUND, INVALID_IDEMPOTENCY_KEY.
    async fn create_meeting(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The plan.")] input: CreateMeetingInput,
    ) -> Result<MeetingPayload> {
        let plan = Plan {
            title: input.title,
            agenda: input.agenda,
            scheduled_at: input.scheduled_at,
            participant_ids: input
                .participant_ids
                .unwrap_or_default()
                .into_iter()
                .map(String::from)
                .collect(),
            template_id: input.template_id.map(String::from),
            language: input.language,
            idempotency_key: input.idempotency_key,
        };
        let (meetings, viewer) = desk(ctx)?;
        MeetingPayload::tell(meetings.create(viewer, plan).await)
    }

    /// Changes the plan of a meeting that hasn't ended; for its host.
    /// User errors: MEETING_NOT_FOUND, NOT_HOST, ILLEGAL_STATUS, VERSION_CONFLICT, INVALID_TITLE,
    /// INVALID_AGENDA.
    async fn update_meeting(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is to change.")] input: UpdateMeetingInput,
    ) -> Result<MeetingPayload> {
        let change = Change {
            version: input.version,
            title: input.title,
            agenda: input.agenda,
            scheduled_at: input.scheduled_at,
        };
        let (meetings, viewer) = desk(ctx)?;
        MeetingPayload::tell(meetings.update(viewer, &input.meeting_id, change).await)
    }

    /// Starts a meeting; for its host. One that runs already is answered as it is.
    /// User errors: MEETING_NOT_FOUND, NOT_HOST, ILLEGAL_STATUS.
    async fn start_meeting(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which meeting.")] input: StartMeetingInput,
    ) -> Result<MeetingPayload> {
        let (meetings, viewer) = desk(ctx)?;
        MeetingPayload::tell(meetings.start(viewer, &input.meeting_id).await)
    }

    /// Ends a meeting, with a recording if its minutes are to be written; for its host. One that
    /// has ended is answered as it is. One that ended without a recording can be given one later.
    /// User errors: MEETING_NOT_FOUND, NOT_HOST, ILLEGAL_STATUS, RECORDING_NOT_FOUND,
    /// RECORDING_NOT_UPLOADED.
    async fn end_meeting(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which meeting, and its recording.")] input: EndMeetingInput,
    ) -> Result<MeetingPayload> {
        let (meetings, viewer) = desk(ctx)?;
        let recording_id = input.recording_id.as_ref().map(|id| id.as_str());
        MeetingPayload::tell(meetings.end(viewer, &input.meeting_id, recording_id).await)
    }

    /// Calls a meeting off that hasn't ended; for its host.
    /// User errors: MEETING_NOT_FOUND, NOT_HOST, ILLEGAL_STATUS.
    async fn cancel_meeting(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which meeting.")] input: CancelMeetingInput,
    ) -> Result<MeetingPayload> {
        let (meetings, viewer) = desk(ctx)?;
        MeetingPayload::tell(meetings.cancel(viewer, &input.meeting_id).await)
    }

    /// Adds people to a meeting that isn't called off; for its host.
    /// User errors: MEETING_NOT_FOUND, NOT_HOST, ILLEGAL_STATUS, UNKNOWN_PARTICIPANT,
    /// TOO_MANY_PARTICIPANTS.
    async fn add_participants(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which meeting, and who.")] input: AddParticipantsInput,
    ) -> Result<MeetingPayload> {
        let ids: Vec<String> = input.participant_ids.into_iter().map(String::from).collect();
        let (meetings, viewer) = desk(ctx)?;
        MeetingPayload::tell(meetings.add_participants(viewer, &input.meeting_id, &ids).await)
    }

    /// Takes somebody out of a meeting, who loses every way to it at once; for its host.
    /// User errors: MEETING_NOT_FOUND, NOT_HOST, NOT_PARTICIPANT, HOST_STAYS.
    async fn remove_participant(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which meeting, and who.")] input: RemoveParticipantInput,
    ) -> Result<MeetingPayload> {
        let (meetings, viewer) = desk(ctx)?;
        let outcome = meetings.remove_participant(viewer, &input.meeting_id, &input.user_id).await;
        MeetingPayload::tell(outcome)
    }

    /// Asks where to send a recording; for everybody who takes part, while the meeting runs, and
    /// after it ended as long as it has no recording.
    /// User errors: MEETING_NOT_FOUND, ILLEGAL_STATUS, UNSUPPORTED_MEDIA_TYPE, RECORDING_EMPTY,
    /// RECORDING_TOO_LARGE, TOO_MANY_RECORDINGS, INVALID_IDEMPOTENCY_KEY.
    async fn request_recording_upload(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which file.")] input: RequestRecordingUploadInput,
    ) -> Result<RequestRecordingUploadPayload> {
        let request = UploadRequest {
            meeting_id: input.meeting_id.into(),
            content_type: input.content_type,
            size_bytes: input.size_bytes,
            idempotency_key: input.idempotency_key,
        };
        let (meetings, viewer) = desk(ctx)?;
        RequestRecordingUploadPayload::tell(meetings.request_upload(viewer, request).await)
    }
}

/// The meetings, and who wants something of them.
fn desk<'a>(ctx: &Context<'a>) -> Result<(&'a Meetings, Uuid)> {
    Ok((ctx.data::<Meetings>()?, Identity::from_ctx(ctx).viewer()?.id))
}
