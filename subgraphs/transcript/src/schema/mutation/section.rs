//! What people do to sections of minutes.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use platform::error::UserError;
use platform::idempotency::Once;
use platform::identity::Identity;
use uuid::Uuid;

use crate::review::{Review, SectionError};
use crate::schema::minutes::{Minutes, MinutesSection};
use crate::store::minutes::SectionRow;

/// How a section is to be; what is left out stays.
#[derive(Debug, InputObject)]
pub struct UpdateSectionInput {
    /// Which section.
    pub section_id: ID,
    /// The version that the editor saw; refused when it isn't the latest.
    pub version: i32,
    /// New title: 1 to 200 characters.
    pub title: Option<String>,
    /// New body, at most 64 KiB; it may be empty.
    pub body: Option<String>,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// Which section is right as it is.
#[derive(Debug, InputObject)]
pub struct VerifySectionInput {
    /// Which section.
    pub section_id: ID,
    /// The version that the verifier saw; refused when the section has changed since.
    pub version: i32,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// Which section may be changed again.
#[derive(Debug, InputObject)]
pub struct ReopenSectionInput {
    /// Which section.
    pub section_id: ID,
    /// The version that the host saw; refused when the section has changed since.
    pub version: i32,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// A section as it stands after a mutation.
#[derive(Debug, SimpleObject)]
pub struct SectionPayload {
    /// The section as it is now. On VERSION_CONFLICT: as somebody else left it; null on any other
    /// refusal.
    pub section: Option<MinutesSection>,
    /// The minutes that it belongs to, if there is a section.
    pub minutes: Option<Minutes>,
    /// What to mend; empty when it worked.
    pub user_errors: Vec<UserError>,
}

/// Changes of sections that can be asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct SectionMutation;

#[Object]
impl SectionMutation {
    /// Changes the words of a section that isn't verified; for those who take part in the meeting.
    /// User errors: SECTION_NOT_FOUND, VERSION_CONFLICT, SECTION_LOCKED, INVALID_TITLE, INVALID_BODY.
    async fn update_section(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which section, and how it is to be.")] input: UpdateSectionInput,
    ) -> Result<SectionPayload> {
        let (review, viewer) = desk(ctx)?;
        let UpdateSectionInput { section_id, version, title, body, idempotency_key } = input;
        let (title, body, key) = (title.as_deref(), body.as_deref(), idempotency_key.as_deref());
        let update = |once| review.update(once, &section_id, version, title, body);
        tell(ctx, Once::ask(viewer, "updateSection", key, update).await).await
    }

    /// Says that a section is right, which locks it; for those who take part in the meeting. When all
    /// sections are verified, the minutes are FINAL. One that is verified already is answered as it is.
    /// User errors: SECTION_NOT_FOUND, VERSION_CONFLICT.
    async fn verify_section(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which section.")] input: VerifySectionInput,
    ) -> Result<SectionPayload> {
        let (review, viewer) = desk(ctx)?;
        let key = input.idempotency_key.as_deref();
        let verify = |once| review.verify(once, &input.section_id, input.version);
        tell(ctx, Once::ask(viewer, "verifySection", key, verify).await).await
    }

    /// Unlocks a verified section, so that it can be changed and verified again; for the meeting's host.
    /// The minutes are a DRAFT again. User errors: SECTION_NOT_FOUND, NOT_HOST, VERSION_CONFLICT.
    async fn reopen_section(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which section.")] input: ReopenSectionInput,
    ) -> Result<SectionPayload> {
        let (review, viewer) = desk(ctx)?;
        let key = input.idempotency_key.as_deref();
        let reopen = |once| review.reopen(once, &input.section_id, input.version);
        tell(ctx, Once::ask(viewer, "reopenSection", key, reopen).await).await
    }
}

/// Where sections are changed, and who wants to.
fn desk<'a>(ctx: &Context<'a>) -> Result<(&'a Review, Uuid)> {
    Ok((ctx.data::<Review>()?, Identity::from_ctx(ctx).viewer()?.id))
}

async fn tell(
    ctx: &Context<'_>,
    outcome: std::result::Result<SectionRow, SectionError>,
) -> Result<SectionPayload> {
    let (section, user_errors) = match outcome {
        Ok(section) => (Some(section), Vec::new()),
        Err(error) => {
            let (section, error) = error.told("version")?;
            (section, vec![error])
        }
    };
    let minutes = match &section {
        Some(section) => Minutes::by_id(ctx, section.minutes_id).await?,
        None => None,
    };
    Ok(SectionPayload { section: section.map(MinutesSection), minutes, user_errors })
}
