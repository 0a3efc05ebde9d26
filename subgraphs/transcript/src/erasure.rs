//! What goes of people whose accounts are deleted: what is shared with them, and their names on what they did.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use platform::cache::Kind;
use platform::erasure::{Erased, Holder};
use platform::kernel::Kernel;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::schema::loader;
use crate::store::minutes::SectionRow;
use crate::store::{minutes, segment, share, speaker};

/// People's names on minutes, segments, speakers and what is shared.
#[derive(Debug, Clone)]
pub struct Held {
    cached: Kind<Vec<SectionRow>>,
}

impl Held {
    /// In the kernel's database.
    #[must_use]
    pub fn new(kernel: &Kernel) -> Self {
        Self { cached: loader::sections(&kernel.cache) }
    }
}

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
            // First what they could read.
            erased.add(Erased::count(share::forget_reader(tx, person, left).await?));
            let drafts = minutes::forget(tx, person, erased.left(limit)).await?;
            let stale = drafts.iter().map(|draft| self.cached.key(*draft)).collect();
            erased.add(Erased { count: drafts.len(), stale });
            let left = erased.left(limit);
            erased.add(Erased::count(segment::forget(tx, person, left).await?));
            let left = erased.left(limit);
            erased.add(Erased::count(segment::forget_revisions(tx, person, left).await?));
            let left = erased.left(limit);
            erased.add(Erased::count(speaker::forget(tx, person, left).await?));
            let left = erased.left(limit);
            erased.add(Erased::count(share::forget_sharer(tx, person, left).await?));
            let left = erased.left(limit);
            erased.add(Erased::count(share::forget_creator(tx, person, left).await?));
            Ok(erased)
        }
        .boxed()
    }
}
