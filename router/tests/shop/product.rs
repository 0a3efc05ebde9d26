//! Products, and what can be searched.

use std::sync::Mutex;

use async_graphql::{
    Context, EmptySubscription, Enum, ID, InputObject, Interface, Object, Result, Schema,
    SimpleObject, Union,
};

#[derive(Clone, Copy, PartialEq, Eq, Enum)]
pub enum Status {
    Active,
    Retired,
    #[graphql(inaccessible)]
    Hidden,
}

#[derive(Clone, SimpleObject)]
pub struct Size {
    height: i32,
    unit: String,
}

#[derive(Clone, SimpleObject)]
#[graphql(complex)]
pub struct Product {
    upc: ID,
    id: ID,
    name: Option<String>,
    price: Option<i32>,
    weight: Option<i32>,
    status: Option<Status>,
    size: Option<Size>,
    /// Always missing: what a wrong subgraph does.
    tags: Vec<Option<String>>,
}

#[async_graphql::ComplexObject]
impl Product {
    async fn title(&self, upper: Option<bool>) -> String {
        let name = self.name.clone().unwrap_or_default();
        match upper {
            Some(true) => name.to_uppercase(),
            _ => name,
        }
    }

    async fn seller(&self) -> Option<User> {
        (self.upc.as_str() != "3").then(|| User { id: ID("u1".into()) })
    }
}

#[derive(Clone, SimpleObject)]
pub struct Book {
    id: ID,
    isbn: String,
    /// A list here, a single value in `Disc`: the planner must keep them apart.
    label: Vec<String>,
}

#[derive(Clone, SimpleObject)]
pub struct Disc {
    id: ID,
    label: String,
}

#[derive(Clone, Interface)]
#[graphql(field(name = "id", ty = "&ID"))]
pub enum Node {
    Product(Product),
    Book(Book),
    Disc(Disc),
}

/// Known elsewhere.
#[derive(Clone, SimpleObject)]
#[graphql(unresolvable = "id")]
pub struct User {
    id: ID,
}

#[derive(Clone, Union)]
pub enum SearchResult {
    Product(Product),
    Book(Book),
    User(User),
}

#[derive(InputObject)]
pub struct Filter {
    text: String,
    #[graphql(default = 10)]
    limit: i32,
}

fn product(upc: &str) -> Option<Product> {
    let (name, price, weight, status) = match upc {
        "1" => (Some("Table"), Some(900), Some(100), Some(Status::Active)),
        "2" => (Some("Chair"), Some(50), Some(20), Some(Status::Retired)),
        "3" => (None, None, Some(5), Some(Status::Hidden)),
        _ => return None,
    };
    Some(Product {
        upc: ID(upc.into()),
        id: ID(format!("p{upc}")),
        name: name.map(Into::into),
        price,
        weight,
        status,
        size: Some(Size { height: 70, unit: "cm \"metric\" 가".into() }),
        tags: vec![Some("a".into()), None],
    })
}

fn book() -> Book {
    Book { id: ID("b1".into()), isbn: "978".into(), label: vec!["x".into(), "y".into()] }
}

fn disc() -> Disc {
    Disc { id: ID("d1".into()), label: "z".into() }
}

pub struct Query;

#[Object]
impl Query {
    async fn products(&self) -> Vec<Product> {
        ["1", "2", "3"].iter().filter_map(|upc| product(upc)).collect()
    }

    async fn product(&self, upc: ID) -> Option<Product> {
        product(&upc)
    }

    /// The same product several times.
    async fn doubled(&self) -> Vec<Option<Product>> {
        vec![product("1"), product("2"), None, product("1")]
    }

    async fn nodes(&self) -> Vec<Node> {
        let product = product("1").map(Node::Product);
        product.into_iter().chain([Node::Book(book()), Node::Disc(disc())]).collect()
    }

    async fn search(&self, filter: Filter) -> Vec<SearchResult> {
        let all = [
            product("1").map(SearchResult::Product),
            Some(SearchResult::Book(book())),
            Some(SearchResult::User(User { id: ID("u2".into()) })),
        ];
        let all = all.into_iter().flatten();
        all.take(usize::try_from(filter.limit).unwrap_or(0))
            .filter(|_| filter.text != "nothing")
            .collect()
    }

    async fn broken(&self) -> Result<Option<String>> {
        let mut error = async_graphql::Error::new("it is broken");
        let extensions = error.extensions.get_or_insert_default();
        extensions.set("code", "BROKEN");
        Err(error)
    }

    #[graphql(entity)]
    async fn entity(&self, upc: ID) -> Option<Product> {
        product(&upc)
    }
}

#[derive(Default)]
pub struct Ledger(pub Mutex<Vec<String>>);

pub struct Mutation;

#[Object]
impl Mutation {
    async fn set_price(&self, ctx: &Context<'_>, upc: ID, price: i32) -> Option<Product> {
        ctx.data_unchecked::<Ledger>().0.lock().unwrap().push(upc.to_string());
        let mut product = product(&upc)?;
        product.price = Some(price);
        Some(product)
    }

    async fn ping(&self) -> String {
        "pong".into()
    }

    /// All that was priced, in order.
    async fn priced(&self, ctx: &Context<'_>) -> Vec<String> {
        ctx.data_unchecked::<Ledger>().0.lock().unwrap().clone()
    }
}

pub fn schema() -> Schema<Query, Mutation, EmptySubscription> {
    Schema::build(Query, Mutation, EmptySubscription)
        .enable_federation()
        .data(Ledger::default())
        .finish()
}
