//! Takes people whose accounts are deleted out of their meetings.

use futures::{FutureExt as _, future::BoxFuture};
use platform::erasure::{Erased, Holder};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{meeting::Meetings, store::participant};

impl Holder for Meetings {
    fn erase<'a>(
        &'a self,
        tx: &'a mut PgConnection,
        person: Uuid,
        limit: usize,
    ) -> BoxFuture<'a, Result<Erased, sqlx::Error>> {
        async move {
            let limit = Erased::default().left(limit);
            let meetings = participant::first_meetings_of(tx, person, limit).await?;
            // In the order of their ids, as all do who tell of several meetings.
            for id in &meetings {
                self.leave(tx, *id, person).await?;
            }
            let stale = meetings.iter().flat_map(|id| self.cache_keys(*id)).collect();
            Ok(Erased { count: meetings.len(), stale })
        }
        .boxed()
    }
}
