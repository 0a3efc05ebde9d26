//! What goes of people whose accounts are deleted: their own todos, and their names on those of meetings.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use platform::erasure::{Erased, Holder};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::store::todo;
use crate::todo::Todos;

impl Holder for Todos {
    fn erase<'a>(
        &'a self,
        tx: &'a mut PgConnection,
        person: Uuid,
        limit: usize,
    ) -> BoxFuture<'a, Result<Erased, sqlx::Error>> {
        async move {
            let mut erased = Erased::default();
            let left = erased.left(limit);
            erased.add(Erased::count(todo::delete_own(tx, person, left).await?));
            let others = todo::forget(tx, person, erased.left(limit)).await?;
            let count = others.len();
            let owners: Vec<Uuid> = others.into_iter().flatten().chain([person]).collect();
            erased.add(Erased { count, stale: self.cache_keys(&owners) });
            Ok(erased)
        }
        .boxed()
    }
}
