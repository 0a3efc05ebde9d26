//! Reviews by users of products.

use async_graphql::{ComplexObject, EmptySubscription, ID, Object, Schema, SimpleObject};

#[derive(SimpleObject)]
#[graphql(complex)]
pub struct Product {
    upc: ID,
}

#[derive(SimpleObject)]
#[graphql(complex)]
pub struct User {
    id: ID,
    #[graphql(external)]
    username: Option<String>,
}

#[derive(SimpleObject)]
#[graphql(complex)]
pub struct Review {
    id: ID,
    body: Option<String>,
    #[graphql(skip)]
    by: String,
    #[graphql(skip)]
    about: String,
}

#[ComplexObject]
impl Review {
    #[graphql(provides = "username")]
    async fn author(&self) -> User {
        User { id: ID(self.by.clone()), username: Some(format!("provided-{}", self.by)) }
    }

    /// May be nobody known.
    async fn reader(&self) -> Option<User> {
        Some(User { id: ID(format!("{}-unknown", self.by)), username: None })
    }

    async fn product(&self) -> Product {
        Product { upc: ID(self.about.clone()) }
    }
}

fn all() -> Vec<Review> {
    let review = |id: &str, by: &str, about: &str| Review {
        id: ID(id.into()),
        body: Some(format!("review {id}")),
        by: by.into(),
        about: about.into(),
    };
    vec![review("r1", "u1", "1"), review("r2", "u2", "1"), review("r3", "u1", "2")]
}

#[ComplexObject]
impl Product {
    async fn reviews(&self) -> Vec<Review> {
        all().into_iter().filter(|review| review.about == *self.upc).collect()
    }
}

#[ComplexObject]
impl User {
    async fn reviews(&self) -> Vec<Review> {
        all().into_iter().filter(|review| review.by == *self.id).collect()
    }
}

pub struct Query;

#[Object]
impl Query {
    async fn reviews(&self) -> Vec<Review> {
        all()
    }

    #[graphql(entity)]
    async fn product(&self, upc: ID) -> Product {
        Product { upc }
    }

    #[graphql(entity)]
    async fn user(&self, id: ID) -> User {
        User { id, username: None }
    }
}

pub struct Mutation;

#[Object]
impl Mutation {
    async fn add_review(&self, upc: ID, body: String) -> Review {
        Review { id: ID("new".into()), body: Some(body), by: "u2".into(), about: upc.to_string() }
    }
}

pub fn schema() -> Schema<Query, Mutation, EmptySubscription> {
    Schema::build(Query, Mutation, EmptySubscription).enable_federation().finish()
}
