//! People.

use async_graphql::{EmptyMutation, EmptySubscription, ID, Object, Schema};

#[derive(Clone)]
pub struct User(String);

#[Object]
impl User {
    async fn id(&self) -> ID {
        ID(self.0.clone())
    }

    async fn username(&self) -> Option<String> {
        Some(format!("name-{}", self.0))
    }

    /// Not null, and failing for u2.
    async fn email(&self) -> async_graphql::Result<String> {
        match self.0.as_str() {
            "u2" => Err(async_graphql::Error::new("no email")),
            id => Ok(format!("{id}@example.org")),
        }
    }

    async fn age(&self) -> Option<i32> {
        Some(42)
    }
}

pub struct Query;

#[Object]
impl Query {
    async fn me(&self) -> Option<User> {
        Some(User("u1".into()))
    }

    #[graphql(entity)]
    async fn entity(&self, id: ID) -> Option<User> {
        ["u1", "u2"].contains(&id.as_str()).then(|| User(id.to_string()))
    }
}

pub fn schema() -> Schema<Query, EmptyMutation, EmptySubscription> {
    Schema::build(Query, EmptyMutation, EmptySubscription).enable_federation().finish()
}
