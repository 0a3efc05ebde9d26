//! Planning, holding and recording meetings.

use async_graphql::{Context, ID, Object, Result};
use platform::{idempotency::Once, identity::Identity, task::Requests};
use uuid::Uuid;

use super::{
    input::{
        AddParticipantsInput, CancelMeetingInput, CancelMeetingTaskInput, CreateMeetingInput,
        CreateMeetingTemplateInput, CreateMeetingsInput, DeleteMeetingTemplateInput,
        EndMeetingInput, MeetingPlanInput, RemoveParticipantInput, RequestRecordingPartUploadInput,
        RequestRecordingUploadInput, RespondToInvitationInput, RetryMeetingTaskInput,
        SetRecordingRetentionInput, StartMeetingInput, TemplateSectionInput, UpdateMeetingInput,
        UpdateMeetingTemplateInput,
    },
    payload::{
        MeetingPayload, MeetingTaskPayload, MeetingTemplatePayload,
        RequestRecordingPartUploadPayload, RequestRecordingUploadPayload,
    },
    task,
};
use crate::{
    meeting::{Change, End, Meetings, Plan},
    part::PartRequest,
    recording::UploadRequest,
    template::Draft,
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
            participant_ids: texts(input.participant_ids),
            template_id: input.template_id.map(String::from),
            language: input.language,
        };
        let (meetings, viewer) = desk(ctx)?;
        let (key, create) = (input.idempotency_key.as_deref(), |once| meetings.create(once, plan));
        MeetingPayload::tell(Once::ask(viewer, "createMeeting", key, create).await)
    }

    /// Plans many meetings, 1 to 100; the one who asks is their host. All of them are accepted or none,
    /// and created by a task, which answers at once: follow it with `taskUpdated`.
    /// User errors: those of `createMeeting`, in fields like `meetings.3.title`, and
    /// WRONG_NUMBER_OF_MEETINGS. While too much work waits: QUEUE_FULL with `retryAfter` in seconds.
    async fn create_meetings(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The plans.")] input: CreateMeetingsInput,
    ) -> Result<MeetingTaskPayload> {
        let plans: Vec<Plan> = input.meetings.into_iter().map(plan).collect();
        let (meetings, viewer) = desk(ctx)?;
        let key = input.idempotency_key.as_deref();
        let create = |once| meetings.create_many(once, &plans);
        MeetingTaskPayload::tell(Once::ask(viewer, "createMeetings", key, create).await)
    }

    /// Puts a failed task back into the queue: it goes on where it stopped; for who asked for it.
    /// User errors: TASK_NOT_FOUND, TASK_NOT_RETRYABLE.
    async fn retry_meeting_task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which task.")] input: RetryMeetingTaskInput,
    ) -> Result<MeetingTaskPayload> {
        let viewer = Identity::from_ctx(ctx).viewer()?.id;
        let (requests, id) = (ctx.data::<Requests>()?, known(ctx, &input.task_id).await?);
        let (key, retry) = (input.idempotency_key.as_deref(), |once| requests.retry(once, id));
        MeetingTaskPayload::tell(Once::ask(viewer, "retryMeetingTask", key, retry).await)
    }

    /// Calls a task off that isn't finished; for who asked for it. The meetings that it has created
    /// until then stay. User errors: TASK_NOT_FOUND, ILLEGAL_STATUS.
    async fn cancel_meeting_task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which task.")] input: CancelMeetingTaskInput,
    ) -> Result<MeetingTaskPayload> {
        let viewer = Identity::from_ctx(ctx).viewer()?.id;
        let (requests, id) = (ctx.data::<Requests>()?, known(ctx, &input.task_id).await?);
        let (key, cancel) = (input.idempotency_key.as_deref(), |once| requests.cancel(once, id));
        MeetingTaskPayload::tell(Once::ask(viewer, "cancelMeetingTask", key, cancel).await)
    }

    /// Changes the plan of a meeting that hasn't ended; for its host.
    /// User errors: MEETING_NOT_FOUND, NOT_HOST, ILLEGAL_STATUS, VERSION_CONFLICT, INVALID_TITLE,
    /// INVALID_AGENDA, INVALID_IDEMPOTENCY_KEY.
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
        let key = input.idempotency_key.as_deref();
        let update = |once| meetings.update(once, &input.meeting_id, change);
        MeetingPayload::tell(Once::ask(viewer, "updateMeeting", key, update).await)
    }

    /// Makes a template of one's own, which only oneself sees and uses; at most 50.
    /// User errors: INVALID_NAME, INVALID_DESCRIPTION, INVALID_TITLE, INVALID_AGENDA, INVALID_SECTIONS,
    /// TOO_MANY_TEMPLATES, INVALID_IDEMPOTENCY_KEY.
    async fn create_meeting_template(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The template.")] input: CreateMeetingTemplateInput,
    ) -> Result<MeetingTemplatePayload> {
        let draft = Draft {
            name: Some(input.name),
            description: input.description,
            title: input.title,
            agenda: input.agenda,
            sections: Some(sections(input.sections)),
        };
        let (meetings, viewer) = desk(ctx)?;
        let key = input.idempotency_key.as_deref();
        let create = |once| meetings.create_template(once, draft);
        let outcome = Once::ask(viewer, "createMeetingTemplate", key, create).await;
        MeetingTemplatePayload::tell(outcome.map(Some))
    }

    /// Changes a template of one's own. Meetings that follow it stay as they are.
    /// User errors: TEMPLATE_NOT_FOUND, VERSION_CONFLICT, INVALID_NAME, INVALID_DESCRIPTION,
    /// INVALID_TITLE, INVALID_AGENDA, INVALID_SECTIONS, INVALID_IDEMPOTENCY_KEY.
    async fn update_meeting_template(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is to change.")] input: UpdateMeetingTemplateInput,
    ) -> Result<MeetingTemplatePayload> {
        let draft = Draft {
            name: input.name,
            description: input.description,
            title: input.title,
            agenda: input.agenda,
            sections: input.sections.map(sections),
        };
        let (meetings, viewer) = desk(ctx)?;
        let (id, key) = (&input.template_id, input.idempotency_key.as_deref());
        let update = |once| meetings.update_template(once, id, input.version, draft);
        let outcome = Once::ask(viewer, "updateMeetingTemplate", key, update).await;
        MeetingTemplatePayload::tell(outcome.map(Some))
    }

    /// Deletes a template of one's own. Meetings that follow it stay as they are.
    /// User errors: TEMPLATE_NOT_FOUND, VERSION_CONFLICT, INVALID_IDEMPOTENCY_KEY.
    async fn delete_meeting_template(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which template.")] input: DeleteMeetingTemplateInput,
    ) -> Result<MeetingTemplatePayload> {
        let (meetings, viewer) = desk(ctx)?;
        let key = input.idempotency_key.as_deref();
        let delete = |once| meetings.delete_template(once, &input.template_id, input.version);
        MeetingTemplatePayload::tell(Once::ask(viewer, "deleteMeetingTemplate", key, delete).await)
    }

    /// Starts a meeting; for its host. One that runs already is answered as it is.
    /// User errors: MEETING_NOT_FOUND, NOT_HOST, ILLEGAL_STATUS, INVALID_IDEMPOTENCY_KEY.
    async fn start_meeting(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which meeting.")] input: StartMeetingInput,
    ) -> Result<MeetingPayload> {
        let (meetings, viewer) = desk(ctx)?;
        let key = input.idempotency_key.as_deref();
        let start = |once| meetings.start(once, &input.meeting_id);
        MeetingPayload::tell(Once::ask(viewer, "startMeeting", key, start).await)
    }

    /// Ends a meeting, with a recording if its minutes are to be written; for its host. One that
    /// has ended is answered as it is. One that ended without a recording can be given one later.
    /// User errors: MEETING_NOT_FOUND, NOT_HOST, ILLEGAL_STATUS, RECORDING_NOT_FOUND,
    /// RECORDING_NOT_UPLOADED, RECORDING_DELETED, INVALID_PART_COUNT, INVALID_IDEMPOTENCY_KEY.
    async fn end_meeting(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which meeting, and its recording.")] input: EndMeetingInput,
    ) -> Result<MeetingPayload> {
        let (meetings, viewer) = desk(ctx)?;
        let recording_id = input.recording_id.as_ref().map(|id| id.as_str());
        let end = End { recording_id, part_count: input.part_count, at: None };
        let key = input.idempotency_key.as_deref();
        let end = |once| meetings.end(once, &input.meeting_id, end);
        MeetingPayload::tell(Once::ask(viewer, "endMeeting", key, end).await)
    }

    /// Calls a meeting off that hasn't ended; for its host.
    /// User errors: MEETING_NOT_FOUND, NOT_HOST, ILLEGAL_STATUS, INVALID_IDEMPOTENCY_KEY.
    async fn cancel_meeting(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which meeting.")] input: CancelMeetingInput,
    ) -> Result<MeetingPayload> {
        let (meetings, viewer) = desk(ctx)?;
        let key = input.idempotency_key.as_deref();
        let cancel = |once| meetings.cancel(once, &input.meeting_id);
        MeetingPayload::tell(Once::ask(viewer, "cancelMeeting", key, cancel).await)
    }

    /// Adds people to a meeting that isn't called off; for its host.
    /// User errors: MEETING_NOT_FOUND, NOT_HOST, ILLEGAL_STATUS, UNKNOWN_PARTICIPANT,
    /// TOO_MANY_PARTICIPANTS, INVALID_IDEMPOTENCY_KEY.
    async fn add_participants(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which meeting, and who.")] input: AddParticipantsInput,
    ) -> Result<MeetingPayload> {
        let ids: Vec<String> = input.participant_ids.into_iter().map(String::from).collect();
        let (meetings, viewer) = desk(ctx)?;
        let key = input.idempotency_key.as_deref();
        let add = |once| meetings.add_participants(once, &input.meeting_id, &ids);
        MeetingPayload::tell(Once::ask(viewer, "addParticipants", key, add).await)
    }

    /// Takes somebody out of a meeting, who loses every way to it at once; for its host.
    /// User errors: MEETING_NOT_FOUND, NOT_HOST, NOT_PARTICIPANT, HOST_STAYS, INVALID_IDEMPOTENCY_KEY.
    async fn remove_participant(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which meeting, and who.")] input: RemoveParticipantInput,
    ) -> Result<MeetingPayload> {
        let (meetings, viewer) = desk(ctx)?;
        let key = input.idempotency_key.as_deref();
        let remove = |once| meetings.remove_participant(once, &input.meeting_id, &input.user_id);
        MeetingPayload::tell(Once::ask(viewer, "removeParticipant", key, remove).await)
    }

    /// Answers the invitation to a meeting that hasn't ended; for oneself, as often as one likes. The host
    /// hears of it.
    /// User errors: MEETING_NOT_FOUND, NOT_INVITED, ILLEGAL_STATUS, INVALID_IDEMPOTENCY_KEY.
    async fn respond_to_invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which meeting, and whether one comes.")] input: RespondToInvitationInput,
    ) -> Result<MeetingPayload> {
        let (meetings, viewer) = desk(ctx)?;
        let (id, key) = (&input.meeting_id, input.idempotency_key.as_deref());
        let respond = |once| meetings.respond(once, id, input.response.into());
        MeetingPayload::tell(Once::ask(viewer, "respondToInvitation", key, respond).await)
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
        };
        let (meetings, viewer) = desk(ctx)?;
        let key = input.idempotency_key.as_deref();
        let ask = |once| meetings.request_upload(once, request);
        let outcome = Once::ask(viewer, "requestRecordingUpload", key, ask).await;
        RequestRecordingUploadPayload::tell(outcome)
    }

    /// Says for how long the files of a meeting's recordings are kept after its end; for its host, at any
    /// time. The text and the minutes stay. What is deleted is gone for good. The same again changes nothing.
    /// User errors: MEETING_NOT_FOUND, NOT_HOST, INVALID_RETENTION, INVALID_IDEMPOTENCY_KEY.
    async fn set_recording_retention(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which meeting, and for how long.")] input: SetRecordingRetentionInput,
    ) -> Result<MeetingPayload> {
        let (meetings, viewer) = desk(ctx)?;
        let key = input.idempotency_key.as_deref();
        let set = |once| meetings.set_retention(once, &input.meeting_id, input.days);
        MeetingPayload::tell(Once::ask(viewer, "setRecordingRetention", key, set).await)
    }

    /// Asks where to send a part of a recording that comes while the meeting runs: it is recognised at
    /// once, and the minutes come soon after the end. For everybody who takes part, while the meeting runs,
    /// and after it ended as long as parts are waited for. A part asked for again is answered again: with
    /// another address, or without one when its file is there.
    /// User errors: MEETING_NOT_FOUND, ILLEGAL_STATUS, RECORDING_CLOSED, RECORDING_DELETED,
    /// INVALID_SEQUENCE, SEQUENCE_TAKEN, UPLOAD_IN_PROGRESS, INVALID_START, UNSUPPORTED_MEDIA_TYPE,
    /// RECORDING_EMPTY, RECORDING_TOO_LARGE, TOO_MANY_RECORDINGS, INVALID_IDEMPOTENCY_KEY.
    async fn request_recording_part_upload(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which part.")] input: RequestRecordingPartUploadInput,
    ) -> Result<RequestRecordingPartUploadPayload> {
        let request = PartRequest {
            meeting_id: input.meeting_id.into(),
            sequence: input.sequence,
            start_ms: input.start_ms,
            content_type: input.content_type,
            size_bytes: input.size_bytes,
        };
        let (meetings, viewer) = desk(ctx)?;
        let key = input.idempotency_key.as_deref();
        let ask = |once| meetings.request_part(once, request);
        let outcome = Once::ask(viewer, "requestRecordingPartUpload", key, ask).await;
        RequestRecordingPartUploadPayload::tell(outcome)
    }
}

/// The meetings, and who wants something of them.
fn desk<'a>(ctx: &Context<'a>) -> Result<(&'a Meetings, Uuid)> {
    Ok((ctx.data::<Meetings>()?, Identity::from_ctx(ctx).viewer()?.id))
}

/// A task that the viewer asked for.
async fn known(ctx: &Context<'_>, task: &ID) -> Result<Option<Uuid>> {
    Identity::from_ctx(ctx).viewer()?;
    Ok(task::visible(ctx, task).await?.map(|task| task.0.id))
}

fn plan(input: MeetingPlanInput) -> Plan {
    Plan {
        title: input.title,
        agenda: input.agenda,
        scheduled_at: input.scheduled_at,
        participant_ids: texts(input.participant_ids),
        template_id: input.template_id.map(String::from),
        language: input.language,
    }
}

fn sections(given: Vec<TemplateSectionInput>) -> Vec<(Option<String>, String)> {
    given.into_iter().map(|section| (section.key, section.title)).collect()
}

fn texts(ids: Option<Vec<ID>>) -> Vec<String> {
    ids.unwrap_or_default().into_iter().map(String::from).collect()
}
