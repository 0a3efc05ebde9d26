//! Where several rules meet: circles, stubs, key mash-ups, fragments in
//! requirements, interfaces that are required, strict nulls.

use serde_json::{Value, json};

use super::{stage::Stage, subgraph::subgraph};

fn typed(name: &str, id: &str) -> Value {
    json!({ "__typename": name, "id": id })
}

#[tokio::test]
async fn an_interface_that_leads_to_itself() {
    let stage = Stage::open(
        "circular",
        vec![
            subgraph(
                "a",
                json!({
                    "Query": { "product": typed("Book", "1"), "products": [typed("Pen", "3"), typed("Book", "2")] },
                    "Book": [
                        { "id": "1", "samePriceProduct": { "id": "2" } },
                        { "id": "2", "samePriceProduct": { "id": "1" } },
                    ],
                    "Pen": [{ "id": "3", "samePriceProduct": typed("Book", "1") }],
                }),
            ),
            subgraph(
                "b",
                json!({
                    "Book": [{ "id": "1", "price": 10.5 }, { "id": "2", "price": 10.5 }],
                    "Pen": [{ "id": "3", "price": null, "colour": "red" }],
                }),
            ),
        ],
    )
    .await;
    stage
        .gives(
            "{ product { samePriceProduct { ... on Book { id } samePriceProduct { __typename ... on Book { price id } } } } }",
            json!({ "product": { "samePriceProduct": {
                "id": "2", "samePriceProduct": { "__typename": "Book", "price": 10.5, "id": "1" },
            } } }),
        )
        .await;
    stage
        .gives(
            "{ products { __typename samePriceProduct { __typename ... on Book { price } } ... on Pen { colour price } ... on Book { id } } }",
            json!({ "products": [
                { "__typename": "Pen", "samePriceProduct": { "__typename": "Book", "price": 10.5 }, "colour": "red", "price": null },
                { "__typename": "Book", "samePriceProduct": { "__typename": "Book", "price": 10.5 }, "id": "2" },
            ] }),
        )
        .await;
}

async fn playlists() -> Stage {
    Stage::open(
        "interface_stub",
        vec![
            subgraph(
                "media",
                json!({
                    "Query": { "catalog": [typed("Book", "b1"), typed("Clip", "c1")] },
                    "Book": [{ "id": "b1", "title": "Dune", "author": { "id": "a1" } }],
                    "Clip": [{ "id": "c1", "seconds": 9, "author": null }],
                }),
            ),
            subgraph(
                "playlist",
                json!({ "Query": { "playlists": [
                    { "id": "p1", "items": [{ "id": "c1" }, { "id": "b1" }], "first": { "id": "c1" } },
                    { "id": "p2", "items": [], "first": null },
                ] } }),
            ),
            subgraph(
                "author",
                json!({
                    "Author": [{ "id": "a1", "name": "Frank", "best": { "id": "b1" } }],
                    "Media": [{ "id": "b1", "fans": 100 }, { "id": "c1", "fans": 1 }],
                }),
            ),
        ],
    )
    .await
}

#[tokio::test]
async fn an_interface_object_that_only_refers() {
    let stage = playlists().await;
    stage
        .gives(
            "{ playlists { items { id } first { id } } }",
            json!({ "playlists": [{ "items": [{ "id": "c1" }, { "id": "b1" }], "first": { "id": "c1" } }, { "items": [], "first": null }] }),
        )
        .await;
    assert_eq!(stage.count("media"), 0);
    stage
        .gives(
            "{ playlists { items { __typename id fans } first { fans } } }",
            json!({ "playlists": [
                { "items": [
                    { "__typename": "Clip", "id": "c1", "fans": 1 },
                    { "__typename": "Book", "id": "b1", "fans": 100 },
                ], "first": { "fans": 1 } },
                { "items": [], "first": null },
            ] }),
        )
        .await;
    stage
        .gives(
            "{ catalog { ... on Book { author { best { __typename fans } } } ... on Clip { fans } } }",
            json!({ "catalog": [{ "author": { "best": { "__typename": "Book", "fans": 100 } } }, { "fans": 1 }] }),
        )
        .await;
}

#[tokio::test]
async fn fragments_on_members_of_an_interface_object_that_only_refers() {
    let stage = playlists().await;
    stage
        .gives(
            "{ playlists { items { ... on Book { title } } } }",
            json!({ "playlists": [{ "items": [{}, { "title": "Dune" }] }, { "items": [] }] }),
        )
        .await;
    stage
        .gives(
            "{ playlists { id items { id ... on Book { t: title author { name best { ... on Book { title } } } } ... on Clip { seconds fans } } first { ... on Book { title } ... on Clip { __typename } } } }",
            json!({ "playlists": [
                { "id": "p1", "items": [
                    { "id": "c1", "seconds": 9, "fans": 1 },
                    { "id": "b1", "t": "Dune", "author": { "name": "Frank", "best": { "title": "Dune" } } },
                ], "first": { "__typename": "Clip" } },
                { "id": "p2", "items": [], "first": null },
            ] }),
        )
        .await;
    stage
        .gives(
            "query ($yes: Boolean = true, $no: Boolean = false) { playlists { items { ... on Book @include(if: $yes) { title } ... on Clip @include(if: $no) { seconds } ... on Clip { fans @skip(if: $no) } } } }",
            json!({ "playlists": [{ "items": [{ "fans": 1 }, { "title": "Dune" }] }, { "items": [] }] }),
        )
        .await;
    stage
        .gives(
            "{ playlists { items { ... on Media { ... on Clip { id } } } } }",
            json!({ "playlists": [{ "items": [{ "id": "c1" }, {}] }, { "items": [] }] }),
        )
        .await;
}

#[tokio::test]
async fn keys_that_overlap() {
    let a = json!({ "id": "1", "pId": "p", "compositeId": { "one": "x", "two": "y", "three": "z" }, "name": "Ann" });
    let stage = Stage::open(
        "mashup",
        vec![
            subgraph("a", json!({ "Query": { "a": { "id": "1" } }, "A": [a] })),
            subgraph(
                "b",
                json!({
                    "Query": { "b": { "id": "100", "a": [{ "id": "1", "compositeId": { "two": "y", "three": "z" } }] } },
                    "A": [{ "id": "1", "compositeId": { "two": "y", "three": "z" } }],
                }),
            )
            .field("A.nameInB", |it, _| format!("b.{}", it["name"].as_str().unwrap_or("?")).into()),
        ],
    )
    .await;
    stage
        .gives(
            "{ b { id a { id name nameInB compositeId { one two three } } } a { nameInB pId } }",
            json!({
                "b": { "id": "100", "a": [{ "id": "1", "name": "Ann", "nameInB": "b.Ann",
                       "compositeId": { "one": "x", "two": "y", "three": "z" } }] },
                "a": { "nameInB": "b.Ann", "pId": "p" },
            }),
        )
        .await;
}

#[tokio::test]
async fn fragments_inside_fragments_are_required() {
    let baz = json!({ "__typename": "Baz", "foo": "f", "bar": "b", "baz": "z" });
    let qux = json!({ "__typename": "Qux", "foo": "F", "bar": "B", "qux": "Q" });
    let told =
        |data: &Value| format!("{} {} {} {}", data["foo"], data["bar"], data["baz"], data["qux"]);
    let stage = Stage::open(
        "requires_fragment",
        vec![
            subgraph(
                "a",
                json!({
                    "Query": { "entities": { "$all": "Entity" } },
                    "Entity": [
                        { "id": "1", "data": baz, "holder": { "id": "h1" } },
                        { "id": "2", "data": qux, "holder": { "id": "h2" } },
                    ],
                    "Holder": [{ "id": "h1", "data": baz }, { "id": "h2", "data": qux }],
                }),
            ),
            subgraph("b", json!({ "Query": { "b": { "id": "2" } } }))
                .field("Entity.requirer", move |it, _| told(&it["data"]).into())
                .field("Entity.requirer2", |it, _| it["data"]["foo"].clone())
                .field("Entity.deep", |it, _| it["holder"]["data"]["qux"].to_string().into()),
        ],
    )
    .await;
    stage
        .gives(
            "{ entities { id requirer } b { requirer requirer2 } }",
            json!({
                "entities": [
                    { "id": "1", "requirer": "\"f\" \"b\" \"z\" null" },
                    { "id": "2", "requirer": "\"F\" \"B\" null \"Q\"" },
                ],
                "b": { "requirer": "\"F\" \"B\" null \"Q\"", "requirer2": "F" },
            }),
        )
        .await;
    stage
        .gives(
            "{ entities { requirer2 deep data { __typename ... on Bar { bar } ... on Qux { qux } } } }",
            json!({ "entities": [
                { "requirer2": "f", "deep": "null", "data": { "__typename": "Baz", "bar": "b" } },
                { "requirer2": "F", "deep": "\"Q\"", "data": { "__typename": "Qux", "bar": "B", "qux": "Q" } },
            ] }),
        )
        .await;
}

#[tokio::test]
async fn an_interface_of_entities_is_required() {
    let stage = Stage::open(
        "requires_interface",
        vec![
            subgraph("a", json!({ "Query": { "users": [{ "id": "1", "name": "Ann" }, { "id": "2", "name": "Bo" }, { "id": "3", "name": "Cy" }] },
                "Home": [{ "id": "h1", "country": "KR" }], "Work": [{ "id": "w1" }] }))
                .field("User.city", |it, _| it["address"]["city"].clone())
                .field("User.land", |it, _| it["address"]["id"].clone()),
            subgraph(
                "b",
                json!({
                    "User": [
                        { "id": "1", "name": "Ann", "address": typed("Home", "h1") },
                        { "id": "2", "name": "Bo", "address": typed("Work", "w1") },
                        { "id": "3", "name": "Cy", "address": null },
                    ],
                    "Home": [{ "id": "h1", "city": "Seoul" }],
                    "Work": [{ "id": "w1", "city": "Busan" }],
                }),
            ),
        ],
    )
    .await;
    stage
        .gives(
            "{ users { name city land } }",
            json!({ "users": [
                { "name": "Ann", "city": "Seoul", "land": "h1" },
                { "name": "Bo", "city": "Busan", "land": "w1" },
                { "name": "Cy", "city": null, "land": null },
            ] }),
        )
        .await;
    stage
        .gives(
            "{ users { address { __typename id ... on Home { country city } ... on Work { city } } } }",
            json!({ "users": [
                { "address": { "__typename": "Home", "id": "h1", "country": "KR", "city": "Seoul" } },
                { "address": { "__typename": "Work", "id": "w1", "city": "Busan" } },
                { "address": null },
            ] }),
        )
        .await;
}

#[tokio::test]
async fn an_override_from_a_subgraph_that_is_not_there() {
    Stage::open(
        "unavailable",
        vec![
            subgraph("a", json!({ "Query": { "feed": [{ "id": "1", "createdAt": "a1", "kind": null }] },
                "Post": [{ "id": "1", "createdAt": "a1" }, { "id": "2", "createdAt": "a2" }] })),
            subgraph("b", json!({ "Query": { "bFeed": [{ "id": "2" }] }, "Post": [{ "id": "1", "views": 1 }, { "id": "2", "views": 2 }] })),
        ],
    )
    .await
    .gives(
        "{ feed { createdAt views } bFeed { id createdAt kind } }",
        json!({ "feed": [{ "createdAt": "a1", "views": 1 }], "bFeed": [{ "id": "2", "createdAt": "a2", "kind": null }] }),
    )
    .await;
}

async fn strict() -> Stage {
    let row = |id: &str, children: Value| json!({ "id": id, "child": { "id": "gone" }, "children": children, "grid": [[{ "id": "1" }, { "id": "gone" }], null, [], [{ "id": "2" }]] });
    Stage::open(
        "strict",
        vec![
            subgraph(
                "a",
                json!({
                    "Query": {
                        "rows": [{ "id": "r1" }, { "id": "r2" }], "loose": [[{ "id": "r1" }, { "id": "r3" }], null, [null]],
                        "one": { "id": "r3" }, "must": { "id": "r3" },
                    },
                    "Row": [row("r1", json!([{ "id": "2" }, { "id": "1" }, { "id": "2" }])), row("r2", json!([{ "id": "1" }, { "id": "gone" }])), row("r3", Value::Null)],
                }),
            ),
            subgraph(
                "b",
                json!({ "Child": [
                    { "id": "1", "name": "one", "note": { "$error": "no note" }, "again": { "id": "2" } },
                    { "id": "2", "name": "two", "note": null, "again": { "id": "2" } },
                ] }),
            ),
            subgraph("c", json!({ "Row": [{ "id": "r1", "count": 1, "maybe": null }, { "id": "r2", "count": 2, "maybe": { "$error": "perhaps" } }] })),
        ],
    )
    .await
}

#[tokio::test]
async fn null_climbs_to_the_nearest_place_that_may_be_null() {
    let stage = strict().await;
    stage
        .fails(
            "{ rows { id child { name } children { name } } }",
            json!({ "rows": [
                { "id": "r1", "child": null, "children": [{ "name": "two" }, { "name": "one" }, { "name": "two" }] },
                { "id": "r2", "child": null, "children": null },
            ] }),
            json!([["rows", 0, "child", "name"], ["rows", 1, "child", "name"], ["rows", 1, "children", 1, "name"]]),
        )
        .await;
    stage
        .fails(
            "{ one { grid { name } } }",
            json!({ "one": { "grid": [null, null, [], [{ "name": "two" }]] } }),
            json!([["one", "grid", 0, 1, "name"]]),
        )
        .await;
    stage
        .fails(
            "{ loose { id count } one { count } }",
            json!({ "loose": [[{ "id": "r1", "count": 1 }, null], null, [null]], "one": null }),
            json!([["loose", 0, 1, "count"], ["one", "count"]]),
        )
        .await;
    stage.fails("{ must { count } one { id } }", Value::Null, json!([["must", "count"]])).await;
}

#[tokio::test]
async fn a_subgraphs_error_is_told_at_the_clients_paths() {
    let stage = strict().await;
    stage
        .fails(
            "{ r: rows { k: children { n: note } m: maybe } }",
            json!({ "r": [
                { "k": [{ "n": null }, { "n": null }, { "n": null }], "m": null },
                { "k": [{ "n": null }, { "n": null }], "m": null },
            ] }),
            json!([["r", 0, "k", 1, "n"], ["r", 1, "k", 0, "n"], ["r", 1, "m"]]),
        )
        .await;
    stage
        .gives(
            "{ rows { maybe: id id: count children { id: __typename name: id } } }",
            json!({ "rows": [
                { "maybe": "r1", "id": 1, "children": [{ "id": "Child", "name": "2" }, { "id": "Child", "name": "1" }, { "id": "Child", "name": "2" }] },
                { "maybe": "r2", "id": 2, "children": [{ "id": "Child", "name": "1" }, { "id": "Child", "name": "gone" }] },
            ] }),
        )
        .await;
    // An alias that had to be moved is the client's again in paths.
    stage
        .fails(
            "{ rows { count: maybe } }",
            json!({ "rows": [{ "count": null }, { "count": null }] }),
            json!([["rows", 1, "count"]]),
        )
        .await;
}

#[tokio::test]
async fn an_entity_inside_an_entity_of_the_same_type() {
    strict()
        .await
        .gives(
            "{ rows { id } loose { children { again { again { name } name } } } }",
            json!({
                "rows": [{ "id": "r1" }, { "id": "r2" }],
                "loose": [
                    [{ "children": [
                        { "again": { "again": { "name": "two" }, "name": "two" } },
                        { "again": { "again": { "name": "two" }, "name": "two" } },
                        { "again": { "again": { "name": "two" }, "name": "two" } },
                    ] }, { "children": null }],
                    null,
                    [null],
                ],
            }),
        )
        .await;
}
