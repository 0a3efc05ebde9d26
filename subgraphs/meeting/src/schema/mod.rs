//! GraphQL: thin resolvers over the meetings.

mod input;
mod loader;
mod mutation;
mod object;
mod payload;
mod query;
mod task;

use async_graphql::{EmptySubscription, SDLExportOptions, Schema, SchemaBuilder};
use platform::task::{Requests, TaskInterface};

pub use input::{
    AddParticipantsInput, CancelMeetingInput, CancelMeetingTaskInput, CreateMeetingInput,
    CreateMeetingTemplateInput, CreateMeetingsInput, DeleteMeetingTemplateInput, EndMeetingInput,
    MeetingFilter, MeetingPlanInput, MeetingTaskFilter, RemoveParticipantInput,
    RequestRecordingPartUploadInput, RequestRecordingUploadInput, RespondToInvitationInput,
    RetryMeetingTaskInput, SetRecordingRetentionInput, StartMeetingInput, TemplateSectionInput,
    UpdateMeetingInput, UpdateMeetingTemplateInput,
};
pub use loader::{
    Loaders, MeetingLoader, PartLoader, ParticipantLoader, RecordingLoader, RetentionLoader,
    TemplateLoader,
};
pub use mutation::Mutation;
pub use object::{
    Meeting, MeetingTemplate, Participant, Recording, RecordingPart, ResponseCounts,
    TemplateSection, TodoProgress, User,
};
pub use payload::{
    MeetingPayload, MeetingTaskPayload, MeetingTemplatePayload, RecordingUpload,
    RequestRecordingPartUploadPayload, RequestRecordingUploadPayload, UploadHeader,
};
pub use query::Query;
pub use task::{MeetingTask, MeetingsCreated, TaskKind};

use crate::meeting::Meetings;

/// The schema of this subgraph.
pub type MeetingSchema = Schema<Query, Mutation, EmptySubscription>;

/// The schema over these meetings.
#[must_use]
pub fn build(meetings: Meetings) -> MeetingSchema {
    builder().data(Requests::new(meetings.tasks.clone())).data(meetings).finish()
}

/// The schema's SDL for composition.
#[must_use]
pub fn sdl() -> String {
    builder().finish().sdl_with_options(SDLExportOptions::new().federation().compose_directive())
}

/// The schema without the meetings.
#[must_use]
pub fn builder() -> SchemaBuilder<Query, Mutation, EmptySubscription> {
    Schema::build(Query, Mutation, EmptySubscription)
        .enable_federation()
        // No field gives the interface here; the event plane does.
        .register_output_type::<TaskInterface<MeetingTask, TaskKind>>()
}
