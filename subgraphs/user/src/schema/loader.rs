//! Batches the reads of one request.

use std::collections::HashMap;

use async_graphql::dataloader::{DataLoader, Loader};
use platform::error::internal;
use uuid::Uuid;

use crate::{
    account::Accounts,
    store::user::{self, UserRecord},
};

/// Loads profiles: from the cache with one command, the missing ones with one query.
pub struct UserLoader(Accounts);

/// A loader that lives as long as one request.
#[must_use]
pub fn user_loader(accounts: Accounts) -> DataLoader<UserLoader> {
    DataLoader::new(UserLoader(accounts), tokio::spawn)
}

impl Loader<Uuid> for UserLoader {
    type Value = UserRecord;
    type Error = async_graphql::Error;

    async fn load(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, UserRecord>, Self::Error> {
        let load = async |missing: Vec<Uuid>| user::by_ids(self.0.pool(), &missing).await;
        self.0.profiles().get_many(ids, load).await.map_err(internal)
    }
}
