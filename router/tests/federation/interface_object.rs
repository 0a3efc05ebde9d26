//! `@interfaceObject` and keys of interfaces.

use serde_json::{Value, json};

use super::{
    stage::Stage,
    subgraph::{Subgraph, subgraph},
};

fn typed(name: &str, id: &str) -> Value {
    json!({ "__typename": name, "id": id })
}

fn shows() -> Vec<Subgraph> {
    let rating = |id: &str, stars: i64| json!({ "id": id, "stars": stars });
    vec![
        subgraph(
            "cinema",
            json!({
                "Query": {
                    "shows": [typed("Movie", "m1"), typed("Series", "s1"), typed("Movie", "m2")],
                    "show": { "$find": "Show" },
                    "series": { "$all": "Series" },
                },
                "Series": [{ "id": "s1", "name": "Dark", "season": 3, "episodes": 26 }],
                "Movie": [
                    { "id": "m1", "name": "Alien", "season": null, "minutes": 117 },
                    { "id": "m2", "name": "Heat", "season": null, "minutes": 170 },
                ],
            }),
        ),
        subgraph(
            "rating",
            json!({
                "Query": { "top": [{ "id": "s1" }, { "id": "m1" }], "worst": { "id": "m2" }, "random": { "id": "gone" } },
                "Show": [rating("s1", 5), rating("m1", 4), rating("m2", 1), rating("gone", 0)],
            }),
        )
        .field("Show.votes", |it, arguments| {
            (0..arguments["min"].as_i64().unwrap())
                .map(|number| json!({ "by": format!("v{number}"), "of": { "id": it["id"] } }))
                .collect()
        }),
        subgraph("price", json!({}))
            .field("Show.label", |it, _| format!("<{}>", it["name"].as_str().unwrap_or("?")).into())
            .field("Show.badge", |it, _| format!("{}*", it["stars"]).into()),
        subgraph("studio", json!({ "Movie": [{ "id": "m1", "studio": "Fox" }, { "id": "m2", "studio": "WB" }] })),
    ]
}

#[tokio::test]
async fn its_fields_belong_to_every_implementation() {
    Stage::open("interface_object", shows())
        .await
        .gives(
            "{ shows { stars __typename ... on Movie { minutes s: stars } ... on Series { stars } } series { stars } }",
            json!({
                "shows": [
                    { "stars": 4, "__typename": "Movie", "minutes": 117, "s": 4 },
                    { "stars": 5, "__typename": "Series" },
                    { "stars": 1, "__typename": "Movie", "minutes": 170, "s": 1 },
                ],
                "series": [{ "stars": 5 }],
            }),
        )
        .await;
}

#[tokio::test]
async fn its_own_fields_need_no_other_subgraph() {
    let stage = Stage::open("interface_object", shows()).await;
    stage
        .gives(
            "{ top { id stars votes(min: 2) { by } } }",
            json!({ "top": [
                { "id": "s1", "stars": 5, "votes": [{ "by": "v0" }, { "by": "v1" }] },
                { "id": "m1", "stars": 4, "votes": [{ "by": "v0" }, { "by": "v1" }] },
            ] }),
        )
        .await;
    assert_eq!(stage.count("cinema"), 0);
}

#[tokio::test]
async fn the_concrete_type_is_asked_where_it_is_known() {
    let stage = Stage::open("interface_object", shows()).await;
    stage
        .gives(
            "{ top { __typename stars } worst { t: __typename } }",
            json!({ "top": [{ "__typename": "Series", "stars": 5 }, { "__typename": "Movie", "stars": 4 }], "worst": { "t": "Movie" } }),
        )
        .await;
    stage
        .gives(
            "{ top { name ... on Movie { minutes studio } ... on Series { episodes } } }",
            json!({ "top": [
                { "name": "Dark", "episodes": 26 },
                { "name": "Alien", "minutes": 117, "studio": "Fox" },
            ] }),
        )
        .await;
}

#[tokio::test]
async fn fragments_alone_decide_by_the_concrete_type() {
    let stage = Stage::open("interface_object", shows()).await;
    stage.gives("{ top { ... on Movie { stars } } }", json!({ "top": [{}, { "stars": 4 }] })).await;
    stage.gives("{ worst { ... on Series { name } } }", json!({ "worst": {} })).await;
    stage
        .gives("{ top { ... on Series { episodes } } }", json!({ "top": [{ "episodes": 26 }, {}] }))
        .await;
}

#[tokio::test]
async fn its_fields_may_lead_back_to_the_interface() {
    Stage::open("interface_object", shows())
        .await
        .gives(
            "{ show(id: \"m1\") { name votes { of { __typename name stars } } } }",
            json!({ "show": { "name": "Alien", "votes": [
                { "of": { "__typename": "Movie", "name": "Alien", "stars": 4 } },
            ] } }),
        )
        .await;
}

#[tokio::test]
async fn it_may_require_fields_of_the_interface() {
    let stage = Stage::open("interface_object", shows()).await;
    stage
        .gives(
            "{ shows { label } }",
            json!({ "shows": [{ "label": "<Alien>" }, { "label": "<Dark>" }, { "label": "<Heat>" }] }),
        )
        .await;
    stage
        .gives(
            "{ shows { id badge } top { badge label } }",
            json!({
                "shows": [{ "id": "m1", "badge": "4*" }, { "id": "s1", "badge": "5*" }, { "id": "m2", "badge": "1*" }],
                "top": [{ "badge": "5*", "label": "<Dark>" }, { "badge": "4*", "label": "<Alien>" }],
            }),
        )
        .await;
    stage
        .gives(
            "{ shows { ... on Series { label badge } } }",
            json!({ "shows": [{}, { "label": "<Dark>", "badge": "5*" }, {}] }),
        )
        .await;
}

#[tokio::test]
async fn one_that_is_found_nowhere_has_no_type() {
    Stage::open("interface_object", shows())
        .await
        .fails("{ random { name stars } }", json!({ "random": null }), json!([["random", "name"]]))
        .await;
}

/// Requirements that lead from interface object to interface object and back.
async fn verdicts() -> Stage {
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    Stage::open(
        "requires_object",
        vec![
            subgraph(
                "cinema",
                json!({
                    "Query": { "shows": [typed("Movie", "m1"), typed("Series", "s1")], "movie": { "$find": "Movie" } },
                    "Movie": [{ "id": "m1", "name": "Heat", "minutes": 170 }],
                    "Series": [{ "id": "s1", "name": "Fargo", "episodes": 51 }],
                }),
            ),
            subgraph("rating", json!({ "Query": { "rated": [{ "id": "s1" }, { "id": "m1" }] } }))
                .field("Show.stars", move |it, _| text(&it["name"]).len().into())
                .field("Show.crowned", |it, _| match it["verdict"]["word"].as_str() {
                    Some(word) => (word == "good").into(),
                    None => Value::Null,
                }),
            subgraph("press", json!({}))
                .field("Show.verdict", |it, _| match it["stars"].as_i64() {
                    Some(stars) if stars > 4 => json!({ "word": "good" }),
                    _ => Value::Null,
                })
                .field("Show.votes", |_, arguments| (arguments["min"].as_i64().unwrap() * 100).into()),
            subgraph("prize", json!({})).field("Show.prize", |it, _| {
                format!("{} {}", it["crowned"], it["votes"]).into()
            }),
        ],
    )
    .await
}

#[tokio::test]
async fn requirements_chain_over_interface_objects() {
    let stage = verdicts().await;
    stage
        .gives(
            "{ shows { stars verdict { word } } }",
            json!({ "shows": [{ "stars": 4, "verdict": null }, { "stars": 5, "verdict": { "word": "good" } }] }),
        )
        .await;
    stage
        .gives(
            "{ shows { id verdict { word } ... on Movie { minutes stars } } movie(id: \"m1\") { verdict { word } name } }",
            json!({
                "shows": [
                    { "id": "m1", "verdict": null, "minutes": 170, "stars": 4 },
                    { "id": "s1", "verdict": { "word": "good" } },
                ],
                "movie": { "verdict": null, "name": "Heat" },
            }),
        )
        .await;
}

#[tokio::test]
async fn requirements_come_back_to_an_interface_object() {
    let stage = verdicts().await;
    stage
        .gives(
            "{ shows { crowned } }",
            json!({ "shows": [{ "crowned": null }, { "crowned": true }] }),
        )
        .await;
    stage
        .gives(
            "{ rated { crowned stars name } }",
            json!({ "rated": [
                { "crowned": true, "stars": 5, "name": "Fargo" },
                { "crowned": null, "stars": 4, "name": "Heat" },
            ] }),
        )
        .await;
}

#[tokio::test]
async fn it_may_require_fields_with_arguments_after_a_chain() {
    let stage = verdicts().await;
    stage
        .gives(
            "{ shows { prize votes } rated { __typename prize } }",
            json!({
                "shows": [{ "prize": "null 300", "votes": 100 }, { "prize": "true 300", "votes": 100 }],
                "rated": [{ "__typename": "Series", "prize": "true 300" }, { "__typename": "Movie", "prize": "null 300" }],
            }),
        )
        .await;
}
