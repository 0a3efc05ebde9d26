//! What is in stock, and what it costs to send.

use async_graphql::{
    ComplexObject, EmptyMutation, EmptySubscription, ID, Object, Schema, SimpleObject,
};

#[derive(SimpleObject)]
#[graphql(complex)]
pub struct Product {
    upc: ID,
    #[graphql(external)]
    price: Option<i32>,
    #[graphql(external)]
    weight: Option<i32>,
}

#[ComplexObject]
impl Product {
    async fn in_stock(&self) -> bool {
        self.upc.as_str() != "2"
    }

    #[graphql(requires = "price weight")]
    async fn shipping_estimate(&self) -> Option<i32> {
        match self.price? {
            price if price > 500 => Some(0),
            _ => Some(self.weight? / 2),
        }
    }

    async fn warehouse(&self) -> async_graphql::Result<String> {
        match self.upc.as_str() {
            "2" => Err(async_graphql::Error::new("no warehouse")),
            upc => Ok(format!("w{upc}")),
        }
    }
}

pub struct Query;

#[Object]
impl Query {
    async fn stores(&self) -> i32 {
        3
    }

    #[graphql(entity)]
    async fn entity(&self, upc: ID, price: Option<i32>, weight: Option<i32>) -> Option<Product> {
        Some(Product { upc, price, weight })
    }
}

pub fn schema() -> Schema<Query, EmptyMutation, EmptySubscription> {
    Schema::build(Query, EmptyMutation, EmptySubscription).enable_federation().finish()
}
