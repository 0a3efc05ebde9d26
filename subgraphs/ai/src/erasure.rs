//! What goes of people whose accounts are deleted: the analyses over several meetings that they asked for.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use platform::erasure::{Erased, Holder};
use platform::task::Tasks;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::store::analysis;

/// Analyses that belong to people.
#[derive(Debug, Clone)]
pub struct Held(pub Tasks);

impl Holder for Held {
    fn erase<'a>(
        &'a self,
        tx: &'a mut PgConnection,
        person: Uuid,
        limit: usize,
    ) -> BoxFuture<'a, Result<Erased, sqlx::Error>> {
        async move {
            let left = Erased::default().left(limit);
            let analyses = analysis::some_of(tx, person, left).await?;
            for (id, task) in &analyses {
                // One that is finished stays as it is.
                self.0.cancel(tx, *task).await?;
                analysis::delete(tx, *id).await?;
            }
            Ok(Erased::count(analyses.len()))
        }
        .boxed()
    }
}
