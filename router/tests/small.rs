//! What async-graphql cannot express, with scripted subgraphs on real sockets.

use std::sync::{Arc, Mutex};

use axum::{Json, extract::State, routing::post};
use proptest::prelude::*;
use router::{Config, Router};
use serde_json::{Value, json};

use crate::shop::{ask, ask_with, serve};

const SUPERGRAPH: &str = include_str!("fixtures/small.graphql");

type Script = dyn Fn(&str, &Value) -> Value + Send + Sync;
type Log = Arc<Mutex<Vec<(&'static str, String, Value)>>>;

/// A router over scripted subgraphs; unscripted ones answer nothing. Gives the
/// log of what came in, too.
async fn scripted(scripts: Vec<(&'static str, Box<Script>)>) -> (Router, Log) {
    let log = Log::default();
    let mut config = Config::default();
    for (name, script) in scripts {
        let state = (Arc::new(script), Arc::clone(&log));
        let routes = axum::Router::new()
            .route(
                "/graphql",
                post(
                    move |State((script, log)): State<(Arc<Box<Script>>, Log)>,
                          Json(body): Json<Value>| async move {
                        let query = body["query"].as_str().unwrap().to_owned();
                        let answer = script(&query, &body["variables"]);
                        log.lock().unwrap().push((name, query, body["variables"].clone()));
                        Json(answer)
                    },
                ),
            )
            .with_state(state);
        let url = serve(routes).await;
        let settings =
            router::config::Subgraph { url: Some(format!("{url}/graphql")), ..Default::default() };
        config.subgraphs.insert(name.to_owned(), settings);
    }
    let router = Router::builder(SUPERGRAPH, config).build().await.unwrap();
    (router, log)
}

fn always(answer: Value) -> Box<Script> {
    Box::new(move |_, _| answer.clone())
}

/// Answers every representation with what `entity` makes of it.
fn entities(entity: impl Fn(&Value) -> Value + Send + Sync + 'static) -> Box<Script> {
    Box::new(move |_, variables| {
        let mut data = serde_json::Map::new();
        for (name, representations) in variables.as_object().unwrap() {
            let answers: Vec<_> = representations.as_array().unwrap().iter().map(&entity).collect();
            let alias = match name.strip_prefix("__batch_reps_") {
                Some(number) => format!("_e{number}"),
                None => "_entities".to_owned(),
            };
            data.insert(alias, answers.into());
        }
        json!({ "data": data })
    })
}

#[tokio::test]
async fn an_interface_object_adds_fields_to_every_implementation() {
    let media = json!({ "data": { "media": [
        { "__typename": "Book", "id": "1", "pages": 10 },
        { "__typename": "Movie", "id": "2", "minutes": 90 },
    ] } });
    let (router, log) = scripted(vec![
        ("library", always(media)),
        (
            "rating",
            entities(|it| {
                assert_eq!(it["__typename"], "Media");
                json!({ "__typename": "Media", "rating": it["id"].as_str().unwrap().len() })
            }),
        ),
    ])
    .await;
    let query = "{ media { __typename id rating ... on Book { pages } ... on Movie { minutes } } }";
    assert_eq!(
        ask(&router, query).await,
        json!({ "data": { "media": [
            { "__typename": "Book", "id": "1", "rating": 1, "pages": 10 },
            { "__typename": "Movie", "id": "2", "rating": 1, "minutes": 90 },
        ] } })
    );
    assert_eq!(log.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn the_type_of_an_interface_object_is_found_elsewhere() {
    let best = json!({ "data": { "best": { "__typename": "Media", "id": "1", "rating": 5 } } });
    let (router, _) = scripted(vec![
        ("rating", always(best)),
        (
            "library",
            entities(|_| json!({ "__typename": "Book", "id": "1", "title": "T", "pages": 3 })),
        ),
    ])
    .await;
    let query = "{ best { rating title __typename ... on Book { pages } } }";
    assert_eq!(
        ask(&router, query).await,
        json!({ "data": { "best": { "rating": 5, "title": "T", "__typename": "Book", "pages": 3 } } })
    );
}

#[tokio::test]
async fn requirements_of_requirements_are_met_in_order() {
    let items = json!({ "data": { "matrix": [
        [{ "__typename": "Item", "id": "a", "weight": 1 }, null],
        null,
        [{ "__typename": "Item", "id": "b", "weight": 2 }],
    ] } });
    let (router, log) = scripted(vec![
        ("library", always(items)),
        ("rating", entities(|it| json!({ "volume": it["weight"].as_i64().unwrap() * 10 }))),
        ("price", entities(|it| json!({ "price": it["volume"].as_i64().unwrap() + 1 }))),
    ])
    .await;
    assert_eq!(
        ask(&router, "{ matrix { price } }").await,
        json!({ "data": { "matrix": [[{ "price": 11 }, null], null, [{ "price": 21 }]] } })
    );
    let asked: Vec<_> = log.lock().unwrap().iter().map(|(name, ..)| *name).collect();
    assert_eq!(asked, ["library", "rating", "price"]);
}

#[tokio::test]
async fn null_propagation_stops_at_the_nearest_nullable_list() {
    let strict = json!({ "data": { "strict": [
        [{ "__typename": "Item", "id": "a" }],
        [{ "__typename": "Item", "id": "b" }, { "__typename": "Item", "id": "c" }],
    ] } });
    let (router, _) = scripted(vec![
        ("library", always(strict)),
        (
            "rating",
            entities(|it| match it["id"].as_str() {
                Some("c") => Value::Null,
                _ => json!({ "must": "m" }),
            }),
        ),
    ])
    .await;
    // [[Item!]!]: c's missing `must` takes its row, which may not be null, and
    // so the list itself.
    let response = ask(&router, "{ strict { id must } currency }").await;
    assert_eq!(response["data"]["strict"], Value::Null);
    let error = &response["errors"]
        .as_array()
        .unwrap()
        .iter()
        .find(|error| error["path"][0] == "strict")
        .unwrap();
    assert_eq!(error["path"], json!(["strict", 1, 1, "must"]));
    assert_eq!(error["message"], "Cannot return null for non-nullable field Item.must.");
}

#[tokio::test]
async fn errors_with_an_index_are_told_at_every_place_of_the_entity() {
    let matrix = json!({ "data": { "m": [
        [{ "__typename": "Item", "id": "a", "weight": 1 }, { "__typename": "Item", "id": "b", "weight": 1 }],
        [{ "__typename": "Item", "id": "a", "weight": 1 }],
    ] } });
    let (router, _) = scripted(vec![
        ("library", always(matrix)),
        (
            "rating",
            Box::new(|_, _| {
                json!({ "data": { "_entities": [{ "v": null }, { "v": 2 }] },
                        "errors": [{ "message": "no", "path": ["_entities", 0, "v"],
                                     "extensions": { "code": "GONE" } }] })
            }),
        ),
    ])
    .await;
    let response = ask(&router, "{ m: matrix { v: volume } }").await;
    let paths: Vec<_> =
        response["errors"].as_array().unwrap().iter().map(|it| it["path"].clone()).collect();
    assert_eq!(paths, [json!(["m", 0, 0, "v"]), json!(["m", 1, 0, "v"])]);
    assert_eq!(response["errors"][0]["extensions"], json!({ "code": "GONE", "service": "rating" }));
}

#[tokio::test]
async fn a_mutations_next_field_waits_for_the_entities_of_the_one_before() {
    let (router, log) = scripted(vec![
        (
            "price",
            Box::new(|query, _| match query.contains("open") {
                true => json!({ "data": { "open": { "__typename": "Item", "id": "1" } } }),
                false => json!({ "data": { "close": "closed" } }),
            }),
        ),
        ("library", entities(|_| json!({ "weight": 7 }))),
    ])
    .await;
    let query = "mutation { open(id: \"1\") { weight } close }";
    assert_eq!(
        ask(&router, query).await,
        json!({ "data": { "open": { "weight": 7 }, "close": "closed" } })
    );
    let asked: Vec<_> = log.lock().unwrap().iter().map(|(name, ..)| *name).collect();
    assert_eq!(asked, ["price", "library", "price"]);
}

#[tokio::test]
async fn inputs_are_coerced() {
    let (router, log) =
        scripted(vec![("library", always(json!({ "data": { "echo": "e" } })))]).await;
    let query = "query($d: Deep, $ids: [ID!], $k: Kind) { echo(input: $d, ids: $ids, kind: $k) }";
    let variables =
        json!({ "d": { "text": "t", "inner": { "text": "i" } }, "ids": 5, "k": "FILM" });
    assert_eq!(ask_with(&router, query, variables).await, json!({ "data": { "echo": "e" } }));
    assert_eq!(
        log.lock().unwrap()[0].2,
        json!({ "d": { "text": "t", "inner": [{ "text": "i" }] }, "ids": ["5"], "k": "FILM" })
    );
    for wrong in [json!({ "k": "STONE" }), json!({ "d": {} }), json!({ "ids": [null] })] {
        let response = ask_with(&router, query, wrong).await;
        assert_eq!(response["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
    }
}

#[tokio::test]
async fn introspection_tells_the_public_schema_and_can_be_switched_off() {
    let (router, _) = scripted(vec![]).await;
    let query = "query I { s: __schema { queryType { name } mutationType { name } \
                 types { kind name ...f } directives { name locations args { name type { ...t } } } } \
                 __type(name: \"Media\") { name possibleTypes { name } fields { name type { ...t } } } __typename }
                 fragment f on __Type { fields(includeDeprecated: true) { name args { name defaultValue } isDeprecated } \
                 enumValues { name } inputFields { name defaultValue type { ...t } } }
                 fragment t on __Type { kind name ofType { kind name ofType { kind name } } }";
    let response = ask(&router, query).await;
    assert_eq!(response.get("errors"), None, "{response:#}");
    let data = &response["data"];
    assert_eq!(data["__typename"], "Query");
    assert_eq!(data["s"]["queryType"]["name"], "Query");
    let types = data["s"]["types"].as_array().unwrap();
    let named = |name: &str| types.iter().find(|ty| ty["name"] == name);
    assert!(named("Secret").is_none() && named("join__Graph").is_none());
    assert_eq!(
        named("Kind").unwrap()["enumValues"],
        json!([{ "name": "PAPER" }, { "name": "FILM" }])
    );
    assert_eq!(named("Deep").unwrap()["inputFields"][1]["defaultValue"], "1");
    assert_eq!(data["__type"]["possibleTypes"].as_array().unwrap().len(), 2);

    let config = Config { introspection: Some(false), ..Config::default() };
    let closed = Router::builder(SUPERGRAPH, config).build().await.unwrap();
    let response = ask(&closed, query).await;
    assert_eq!(response["errors"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED");
    assert_eq!(ask(&closed, "{ __typename }").await, json!({ "data": { "__typename": "Query" } }));
}

/// Any JSON at all, with the keys that matter often among its keys.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        prop_oneof![Just("Book"), Just("Movie"), Just("Media"), Just("Item"), Just("x\"\\")]
            .prop_map(Value::from),
    ];
    let key = prop_oneof![
        Just("__typename"),
        Just("id"),
        Just("media"),
        Just("matrix"),
        Just("rating"),
        Just("_entities"),
        Just("_e0"),
        Just("data"),
        Just("must"),
        Just("title"),
    ];
    leaf.prop_recursive(6, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..6).prop_map(|fields| {
                fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn no_answer_of_a_subgraph_breaks_the_router(one in anything(), two in anything(), whole: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let wrap = |value: Value| match whole {
                true => value,
                false => json!({ "data": { "media": value, "matrix": value, "_entities": value, "_e0": value },
                                 "errors": value }),
            };
            let (router, _) = scripted(vec![
                ("library", always(wrap(one))),
                ("rating", always(wrap(two))),
                ("price", always(Value::Null)),
            ]).await;
            let query = "{ media { id title rating stars ... on Book { pages } } \
                         matrix { id must volume price kind } best { __typename title } }";
            let response = ask(&router, query).await;
            assert!(response.get("data").is_some());
        });
    }
}
