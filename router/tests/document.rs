//! Persisted documents and the safelist, as clients meet them.

use std::{io::Write as _, path::PathBuf};

use http::{Method, StatusCode};
use platform::{config::Source as _, testing::Scope};
use router::{
    BuildError, Config,
    config::{ConfigError, Redis},
    document,
};
use serde_json::{Value, json};

use crate::{
    http::{Reply, send},
    shop::{Shop, serve},
};

const JSON: (&str, &str) = ("content-type", "application/json");
const QUERY: &str = "{__typename}";
const HASH: &str = "ecf4edb46db40b5132295c0291d62fb65d6759a9eedfa4d5d612dd5ec54a6b38";

async fn endpoint(shop: &Shop, documents: document::Config) -> String {
    let config = Config { documents, ..shop.config() };
    let router = shop.router_with(config).await;
    format!("{}/graphql", serve(router.routes()).await)
}

async fn ask(url: &str, query: Option<&str>, hash: Option<&str>) -> Reply {
    let mut body = json!({});
    if let Some(query) = query {
        body["query"] = query.into();
    }
    if let Some(hash) = hash {
        body["extensions"] = json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } });
    }
    send(Method::POST, url, &[JSON], &body.to_string()).await
}

fn code(reply: &Reply) -> Value {
    reply.json()["errors"][0]["extensions"]["code"].clone()
}

fn answered() -> Value {
    json!({ "data": { "__typename": "Query" } })
}

#[tokio::test]
async fn a_document_is_sent_once_and_then_named_by_its_hash() {
    let shop = Shop::open().await;
    let url = endpoint(&shop, document::Config::default()).await;
    let reply = ask(&url, None, Some(HASH)).await;
    assert_eq!((reply.status, code(&reply)), (StatusCode::OK, json!("PERSISTED_QUERY_NOT_FOUND")));
    assert_eq!(reply.json()["errors"][0]["message"], "PersistedQueryNotFound");
    assert_eq!(ask(&url, Some(QUERY), Some(HASH)).await.json(), answered());
    assert_eq!(ask(&url, None, Some(HASH)).await.json(), answered());
    let get = format!(
        "{url}?extensions=%7B%22persistedQuery%22:%7B%22version%22:1,%22sha256Hash%22:%22{HASH}%22%7D%7D"
    );
    let reply = send(Method::GET, &get, &[("apollo-require-preflight", "1")], "").await;
    assert_eq!(reply.json(), answered());
    let reply = ask(&url, Some("{ me { id } }"), Some(HASH)).await;
    assert_eq!((reply.status, code(&reply)), (StatusCode::BAD_REQUEST, json!("BAD_REQUEST")));
}

#[tokio::test]
async fn a_document_that_is_no_good_is_not_kept() {
    let shop = Shop::open().await;
    let url = endpoint(&shop, document::Config::default()).await;
    let hash = "c7ffcbe4d5fd4d6d6a1a25cb0f6ca7b2c1a5f2b1ba7d9c2b3e9a4a1f0f6f6d0e";
    let reply = ask(&url, Some("{ nope }"), Some(hash)).await;
    assert_eq!(code(&reply), "BAD_REQUEST");
    let reply = ask(&url, None, Some(hash)).await;
    assert_eq!(code(&reply), "PERSISTED_QUERY_NOT_FOUND");
}

#[tokio::test]
async fn switched_off_clients_are_told_to_send_documents() {
    let shop = Shop::open().await;
    let off = document::Config { automatic: false, ..Default::default() };
    let url = endpoint(&shop, off).await;
    assert_eq!(ask(&url, Some(QUERY), Some(HASH)).await.json(), answered());
    let reply = ask(&url, None, Some(HASH)).await;
    assert_eq!(code(&reply), "PERSISTED_QUERY_NOT_SUPPORTED");
    assert_eq!(reply.json()["errors"][0]["message"], "PersistedQueryNotSupported");
}

/// A file that goes with its value.
struct File(PathBuf);

impl File {
    fn new(content: &str) -> Self {
        let name = format!("moim-safelist-{}.json", uuid::Uuid::now_v7());
        let path = std::env::temp_dir().join(name);
        std::fs::File::create(&path).unwrap().write_all(content.as_bytes()).unwrap();
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn only(file: &File) -> document::Config {
    document::Config { safelist: Some(file.0.clone()), ..Default::default() }
}

#[tokio::test]
async fn with_a_safelist_only_its_documents_are_allowed() {
    let shop = Shop::open().await;
    for content in [
        json!({ HASH: QUERY }),
        json!({ "format": "apollo-persisted-query-manifest", "version": 1,
                "operations": [{ "id": HASH, "name": "A", "type": "query", "body": QUERY }] }),
    ] {
        let file = File::new(&content.to_string());
        let url = endpoint(&shop, only(&file)).await;
        assert_eq!(ask(&url, None, Some(HASH)).await.json(), answered());
        assert_eq!(ask(&url, Some(QUERY), None).await.json(), answered());
        assert_eq!(ask(&url, Some(QUERY), Some(HASH)).await.json(), answered());
        for (query, hash) in [
            (Some("{ me { id } }"), None),
            (Some("{ __typename  }"), None),
            (None, Some("0000000000000000000000000000000000000000000000000000000000000000")),
        ] {
            let reply = ask(&url, query, hash).await;
            assert_eq!(reply.status, StatusCode::FORBIDDEN);
            assert_eq!(code(&reply), "DOCUMENT_NOT_ALLOWED");
        }
    }
    assert_eq!(shop.count("user"), 0);
}

#[tokio::test]
async fn a_safelist_that_cannot_be_used_stops_the_start() {
    for content in ["", "[]", "{\"abc\":\"{ me { id } }\"}", "{\"operations\":[{\"id\":\"1\"}]}"] {
        let file = File::new(content);
        let config = Config { documents: only(&file), ..Config::default() };
        let sdl = include_str!("fixtures/shop.graphql");
        let built = router::Router::builder(sdl, config).build().await;
        let refused = matches!(built, Err(BuildError::Config(ConfigError::Safelist(_))));
        assert!(refused, "{content}");
    }
}

/// Two routers that share what clients persist, if Redis is there.
async fn two(shop: &Shop, redis: Redis) -> [String; 2] {
    let documents = document::Config { redis: Some(redis), ..document::Config::default() };
    [endpoint(shop, documents.clone()).await, endpoint(shop, documents).await]
}

#[tokio::test]
async fn what_one_router_was_sent_another_knows() {
    let (shop, scope) = (Shop::open().await, Scope::new().await);
    let url = scope.source().get("MOIM_REDIS_URL").unwrap();
    let redis = Redis { url, prefix: scope.prefix().to_owned() };
    let [here, there] = two(&shop, redis.clone()).await;
    assert_eq!(code(&ask(&there, None, Some(HASH)).await), json!("PERSISTED_QUERY_NOT_FOUND"));
    assert_eq!(ask(&here, Some(QUERY), Some(HASH)).await.json(), answered());
    assert_eq!(ask(&there, None, Some(HASH)).await.json(), answered());
    // A router that begins anew knows it, too.
    let [fresh, _] = two(&shop, redis).await;
    assert_eq!(ask(&fresh, None, Some(HASH)).await.json(), answered());
    // What doesn't fit the schema is kept nowhere.
    let (bad, hash) =
        ("{nope}", "926fce9f5b9d8dde66f34d6a52db47179d4fcfafe813e43724b51bfb9602e75f");
    let reply = ask(&here, Some(bad), Some(hash)).await;
    assert_eq!(code(&reply), json!("GRAPHQL_VALIDATION_FAILED"));
    assert_eq!(code(&ask(&there, None, Some(hash)).await), json!("PERSISTED_QUERY_NOT_FOUND"));
}

#[tokio::test]
async fn what_redis_says_is_believed_only_if_the_hash_fits() {
    let (shop, scope) = (Shop::open().await, Scope::new().await);
    let url = scope.source().get("MOIM_REDIS_URL").unwrap();
    let redis = Redis { url: url.clone(), prefix: scope.prefix().to_owned() };
    // Given somebody who can write to Redis
    let settings = platform::config::Redis { url: url.into(), prefix: scope.prefix().to_owned() };
    let cache = platform::cache::Cache::connect(&settings).await.unwrap();
    let kind = cache.kind::<String>("router.document");
    let forged = async |_| Ok::<_, platform::cache::NotLoaded>(Some("{me{id}}".to_owned()));
    kind.get(HASH.to_owned(), forged).await.unwrap();
    let there = kind.peek(HASH.to_owned()).await;
    assert_eq!(there.as_deref(), Some("{me{id}}"), "it is in Redis");
    // Then what he wrote isn't executed
    let [here, _] = two(&shop, redis).await;
    assert_eq!(code(&ask(&here, None, Some(HASH)).await), json!("PERSISTED_QUERY_NOT_FOUND"));
    assert_eq!(ask(&here, Some(QUERY), Some(HASH)).await.json(), answered());
    assert_eq!(ask(&here, None, Some(HASH)).await.json(), answered());
}

#[tokio::test]
async fn while_redis_is_away_each_router_keeps_its_own() {
    let shop = Shop::open().await;
    let redis = Redis { url: "redis://127.0.0.1:1".to_owned(), prefix: String::new() };
    let [here, there] = two(&shop, redis).await;
    assert_eq!(ask(&here, Some(QUERY), Some(HASH)).await.json(), answered());
    assert_eq!(ask(&here, None, Some(HASH)).await.json(), answered());
    assert_eq!(code(&ask(&there, None, Some(HASH)).await), json!("PERSISTED_QUERY_NOT_FOUND"));
}
