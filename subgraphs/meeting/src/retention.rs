//! The files of recordings are kept as long as they are to be, and no longer.
//!
//! First the row says that there is no file any more, with the event that tells it; then the object
//! is deleted; then the row says that too. A process that dies in between leaves an object that the
//! next look deletes, never a row that promises one.

use chrono::{DateTime, TimeDelta, Utc};
use platform::{error::chain, idempotency::Once};

use crate::{
    domain::retention::{OBJECT_DELETED_AFTER_S, UNSENT_AFTER_S, check_days},
    error::MeetingError,
    events,
    meeting::{Led, Meetings},
    store::{
        self,
        meeting::MeetingRecord,
        retention::{self, Expired},
    },
};

/// Most recordings that are looked after in one go.
const AT_ONCE: i64 = 100;

impl Meetings {
    /// Notes for how many days after its end the recordings of a meeting are kept; `None`: as long as
    /// the installation says.
    ///
    /// # Errors
    /// [`MeetingError`].
    pub async fn set_retention(
        &self,
        once: Once<'_>,
        meeting_id: &str,
        days: Option<i32>,
    ) -> Result<MeetingRecord, MeetingError> {
        let (mut tx, meeting) = match self.lead(once, meeting_id).await? {
            Led::Now(tx, meeting) => (tx, meeting),
            Led::Answered(meeting) => return Ok(meeting),
        };
        retention::set(&mut tx, meeting.id, check_days(days)?).await?;
        tx.commit().await?;
        Ok(meeting)
    }

    /// Gives up uploads that never came, and deletes what isn't kept any longer at `now`; gives how
    /// many objects went.
    ///
    /// # Errors
    /// Whatever the database answers.
    pub async fn delete_due(&self, now: DateTime<Utc>) -> Result<usize, sqlx::Error> {
        let before = now - TimeDelta::seconds(UNSENT_AFTER_S);
        retention::give_up_unsent(self.pool(), before, now, AT_ONCE).await?;
        let installation = self.config.retention.seconds();
        for expired in retention::expired(self.pool(), installation, now, AT_ONCE).await? {
            self.expire(expired, now).await?;
        }
        let before = now - TimeDelta::seconds(OBJECT_DELETED_AFTER_S);
        let mut gone = 0;
        for leftover in retention::leftovers(self.pool(), before, AT_ONCE).await? {
            // Deleting what isn't there is no error: the process may have died behind it.
            match self.kernel.objects.delete(&leftover.object_key).await {
                Ok(()) => {
                    retention::removed(self.pool(), leftover.id, now).await?;
                    gone += 1;
                }
                Err(error) => {
                    tracing::warn!(recording = %leftover.id, error = chain(&error), "file not deleted");
                }
            }
        }
        Ok(gone)
    }

    async fn expire(&self, expired: Expired, now: DateTime<Utc>) -> Result<(), sqlx::Error> {
        let mut tx = self.kernel.pool.begin().await?;
        let Some(meeting) = store::meeting::lock(&mut tx, expired.meeting_id).await? else {
            return Ok(());
        };
        if !retention::delete(&mut tx, expired.id, now).await? {
            return Ok(());
        }
        let told = events::recording_deleted(&meeting, expired.id);
        self.kernel.outbox.append(&mut tx, told).await?;
        self.commit(tx, meeting.id).await
    }
}
