//! GraphQL: thin resolvers over the meetings.

mod input;
mod loader;
mod mutation;
mod object;
mod payload;
mod query;

use async_graphql::{EmptySubscription, SDLExportOptions, Schema};

pub use input::{
    AddParticipantsInput, CancelMeetingInput, CreateMeetingInput, EndMeetingInput,
    RemoveParticipantInput, RequestRecordingUploadInput, StartMeetingInput, UpdateMeetingInput,
};
pub use loader::{Loaders, MeetingLoader, ParticipantLoader, RecordingLoader};
pub use mutation::Mutation;
pub use object::{
    Meeting, MeetingTemplate, Participant, Recording, TemplateSection, TodoProgress, User,
};
pub use payload::{MeetingPayload, RecordingUpload, RequestRecordingUploadPayload, UploadHeader};
pub use query::Query;

use crate::meeting::Meetings;

/// The schema of this subgraph.
pub type MeetingSchema = Schema<Query, Mutation, EmptySubscription>;

/// The schema over these meetings.
#[must_use]
pub fn build(meetings: Meetings) -> MeetingSchema {
    Schema::build(Query, Mutation, EmptySubscription).enable_federation().data(meetings).finish()
}

/// The schema's SDL for composition.
#[must_use]
pub fn sdl() -> String {
    Schema::build(Query, Mutation, EmptySubscription)
        .enable_federation()
        .finish()
        .sdl_with_options(SDLExportOptions::new().federation().compose_directive())
}
