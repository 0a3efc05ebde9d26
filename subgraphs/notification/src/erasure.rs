//! What goes of people whose accounts are deleted, besides how they are reached: their inbox, and what they announced.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use platform::erasure::{Erased, Holder};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::store::{announcement, notification};

/// Inboxes and announcements.
#[derive(Debug, Clone, Copy)]
pub struct Held;

impl Holder for Held {
    fn erase<'a>(
        &'a self,
        tx: &'a mut PgConnection,
        person: Uuid,
        limit: usize,
    ) -> BoxFuture<'a, Result<Erased, sqlx::Error>> {
        async move {
            let mut erased = Erased::default();
            let left = erased.left(limit);
            erased.add(Erased::count(announcement::forget(tx, person, left).await?));
            let left = erased.left(limit);
            erased.add(Erased::count(notification::forget(tx, person, left).await?));
            Ok(erased)
        }
        .boxed()
    }
}
