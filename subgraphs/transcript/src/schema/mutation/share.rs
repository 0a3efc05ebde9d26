//! What hosts share.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use chrono::{DateTime, Utc};
use platform::error::{UserError, internal};
use platform::idempotency::Once;
use platform::identity::Identity;
use uuid::Uuid;

use crate::schema::share::ShareLink;
use crate::sharing::{ShareError, Sharing};

/// With whom to share.
#[derive(Debug, InputObject)]
pub struct ShareTranscriptInput {
    /// The meeting, whose text is there.
    pub meeting_id: ID,
    /// 1 to 100 people.
    pub user_ids: Vec<ID>,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// With whom to share no more.
#[derive(Debug, InputObject)]
pub struct UnshareTranscriptInput {
    /// The meeting.
    pub meeting_id: ID,
    /// Who is to read it no more.
    pub user_id: ID,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// What a link is to lead to, and until when.
#[derive(Debug, InputObject)]
pub struct CreateShareLinkInput {
    /// The meeting, whose text is there.
    pub meeting_id: ID,
    /// Until when: a minute to 90 days from now; left out: in 7 days.
    pub expires_at: Option<DateTime<Utc>>,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// Which link is to lead nowhere.
#[derive(Debug, InputObject)]
pub struct RevokeShareLinkInput {
    /// The link.
    pub link_id: ID,
    /// The same key gives the same answer for 24 hours.
    pub idempotency_key: Option<String>,
}

/// What sharing with people came to.
#[derive(Debug, SimpleObject)]
pub struct ShareTranscriptPayload {
    /// The meeting; null when refused.
    pub meeting_id: Option<ID>,
    /// What to mend; empty when it worked.
    pub user_errors: Vec<UserError>,
}

/// A link that was made.
#[derive(Debug, SimpleObject)]
pub struct CreateShareLinkPayload {
    /// The link; null when refused.
    pub link: Option<ShareLink>,
    /// What opens it: give it to `sharedTranscript`. It is told here and never again, but to whoever sends the
    /// same `idempotencyKey` again; null then, if the service has other keys by now.
    pub token: Option<String>,
    /// What to mend; empty when it worked.
    pub user_errors: Vec<UserError>,
}

/// A link as it stands after a mutation.
#[derive(Debug, SimpleObject)]
pub struct RevokeShareLinkPayload {
    /// The link; null when refused.
    pub link: Option<ShareLink>,
    /// What to mend; empty when it worked.
    pub user_errors: Vec<UserError>,
}

/// What can be shared.
#[derive(Debug, Clone, Copy, Default)]
pub struct ShareMutation;

#[Object]
impl ShareMutation {
    /// Lets people read a meeting's text and minutes without taking part; for its host. User errors:
    /// MEETING_NOT_FOUND, NOT_HOST, TRANSCRIPT_NOT_READY, INVALID_PEOPLE, UNKNOWN_PERSON, TOO_MANY_PEOPLE.
    async fn share_transcript(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What, and with whom.")] input: ShareTranscriptInput,
    ) -> Result<ShareTranscriptPayload> {
        let (sharing, viewer) = desk(ctx)?;
        let people: Vec<String> = input.user_ids.into_iter().map(String::from).collect();
        let key = input.idempotency_key.as_deref();
        let share = |once| sharing.with_people(once, &input.meeting_id, &people);
        people_told(Once::ask(viewer, "shareTranscript", key, share).await)
    }

    /// Takes that back for somebody, at once; for the host. User errors: MEETING_NOT_FOUND, NOT_HOST.
    async fn unshare_transcript(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What, and with whom no more.")] input: UnshareTranscriptInput,
    ) -> Result<ShareTranscriptPayload> {
        let (sharing, viewer) = desk(ctx)?;
        let key = input.idempotency_key.as_deref();
        let withdraw = |once| sharing.withdraw(once, &input.meeting_id, &input.user_id);
        people_told(Once::ask(viewer, "unshareTranscript", key, withdraw).await)
    }

    /// Makes a link that lets whoever has it read a meeting's text and minutes, without logging in; for its
    /// host. User errors: MEETING_NOT_FOUND, NOT_HOST, TRANSCRIPT_NOT_READY, INVALID_EXPIRY,
    /// TOO_MANY_LINKS.
    async fn create_share_link(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "To what, and until when.")] input: CreateShareLinkInput,
    ) -> Result<CreateShareLinkPayload> {
        let (sharing, viewer) = desk(ctx)?;
        let key = input.idempotency_key.as_deref();
        let create = |once| sharing.create_link(once, &input.meeting_id, input.expires_at);
        Ok(match Once::ask(viewer, "createShareLink", key, create).await {
            Ok((link, token)) => {
                CreateShareLinkPayload { link: Some(link.into()), token, user_errors: Vec::new() }
            }
            Err(error) => {
                let user_errors = vec![told(error)?];
                CreateShareLinkPayload { link: None, token: None, user_errors }
            }
        })
    }

    /// Revokes a link, at once and for good; for the host. One that is revoked already stays so. User
    /// errors: SHARE_LINK_NOT_FOUND, NOT_HOST.
    async fn revoke_share_link(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which link.")] input: RevokeShareLinkInput,
    ) -> Result<RevokeShareLinkPayload> {
        let (sharing, viewer) = desk(ctx)?;
        let key = input.idempotency_key.as_deref();
        let revoke = |once| sharing.revoke_link(once, &input.link_id);
        Ok(match Once::ask(viewer, "revokeShareLink", key, revoke).await {
            Ok(link) => RevokeShareLinkPayload { link: Some(link.into()), user_errors: Vec::new() },
            Err(error) => RevokeShareLinkPayload { link: None, user_errors: vec![told(error)?] },
        })
    }
}

/// Where things are shared, and who wants to.
fn desk<'a>(ctx: &Context<'a>) -> Result<(&'a Sharing, Uuid)> {
    Ok((ctx.data::<Sharing>()?, Identity::from_ctx(ctx).viewer()?.id))
}

fn people_told(outcome: std::result::Result<Uuid, ShareError>) -> Result<ShareTranscriptPayload> {
    Ok(match outcome {
        Ok(meeting) => {
            ShareTranscriptPayload { meeting_id: Some(meeting.into()), user_errors: Vec::new() }
        }
        Err(error) => ShareTranscriptPayload { meeting_id: None, user_errors: vec![told(error)?] },
    })
}

fn told(error: ShareError) -> Result<UserError> {
    match error {
        ShareError::Refused(refusal) => Ok(refusal.into()),
        ShareError::Key(bad) => Ok(bad.into()),
        error => Err(internal(error)),
    }
}
