//! Interfaces and unions: their fields, members and fragments over subgraphs.

use serde_json::{Value, json};

use super::{
    stage::Stage,
    subgraph::{Subgraph, subgraph},
};

fn typed(name: &str, id: &str) -> Value {
    json!({ "__typename": name, "id": id })
}

fn library() -> Vec<Subgraph> {
    let all =
        json!([typed("Book", "b1"), typed("Film", "f1"), typed("Song", "s1"), typed("Book", "b2")]);
    vec![
        subgraph(
            "library",
            json!({
                "Query": {
                    "media": all,
                    "search": [typed("Owner", "o1"), typed("Film", "f1"), typed("Book", "b1")],
                    "item": { "$find": "Media" },
                    "shelf": { "front": typed("Film", "f1"), "back": [null, typed("Owner", "o2"), typed("Book", "b2")] },
                },
                "Book": [
                    { "id": "b1", "title": "Dune", "pages": 600, "owner": { "id": "o1" } },
                    { "id": "b2", "title": "Emma", "pages": 300, "owner": null },
                ],
                "Film": [{ "id": "f1", "title": "Alien", "minutes": 117, "owner": { "id": "o2" } }],
                "Song": [{ "id": "s1", "title": "Hurt", "owner": { "id": "o1" } }],
            }),
        ),
        subgraph(
            "review",
            json!({
                "Query": { "reviewed": [typed("Owner", "o1"), typed("Book", "b2"), typed("Film", "f1")] },
                "Book": [{ "id": "b1", "stars": 5 }, { "id": "b2", "stars": null }],
                "Film": [{ "id": "f1", "stars": 4 }],
                "Song": [{ "id": "s1" }],
                "Owner": [{ "id": "o1", "stars": 1, "name": "Ann" }, { "id": "o2", "stars": 2, "name": "Bo" }],
            }),
        )
        .field("Book.quote", |it, arguments| format!("book {} {}", it["id"], arguments["words"]).into())
        .field("Film.quote", |it, arguments| format!("film {} {}", it["id"], arguments["words"]).into()),
    ]
}

#[tokio::test]
async fn fields_of_members_come_from_another_subgraph() {
    let stage = Stage::open("interface", library()).await;
    stage
        .gives(
            "{ media { __typename title ... on Book { stars pages } ... on Film { minutes stars } } }",
            json!({ "media": [
                { "__typename": "Book", "title": "Dune", "stars": 5, "pages": 600 },
                { "__typename": "Film", "title": "Alien", "minutes": 117, "stars": 4 },
                { "__typename": "Song", "title": "Hurt" },
                { "__typename": "Book", "title": "Emma", "stars": null, "pages": 300 },
            ] }),
        )
        .await;
    assert_eq!(stage.count("review"), 1, "one request for all types");
}

#[tokio::test]
async fn an_interface_that_the_first_subgraph_does_not_know_is_a_condition() {
    Stage::open("interface", library())
        .await
        .gives(
            "{ media { id ... on Reviewed { stars } } search { ... on Reviewed { id stars } ... on Media { title } } }",
            json!({
                "media": [
                    { "id": "b1", "stars": 5 }, { "id": "f1", "stars": 4 }, { "id": "s1" }, { "id": "b2", "stars": null },
                ],
                "search": [
                    { "id": "o1", "stars": 1 },
                    { "id": "f1", "stars": 4, "title": "Alien" },
                    { "id": "b1", "stars": 5, "title": "Dune" },
                ],
            }),
        )
        .await;
}

#[tokio::test]
async fn fragments_on_interfaces_inside_each_other() {
    Stage::open("interface", library())
        .await
        .gives(
            "query { reviewed { ...R } } \
             fragment R on Reviewed { __typename ... on Media { ...M ... on Film { minutes } } ... on Owner { name } } \
             fragment M on Media { title owner { name } }",
            json!({ "reviewed": [
                { "__typename": "Owner", "name": "Ann" },
                { "__typename": "Book", "title": "Emma", "owner": null },
                { "__typename": "Film", "title": "Alien", "owner": { "name": "Bo" }, "minutes": 117 },
            ] }),
        )
        .await;
}

#[tokio::test]
async fn one_key_for_different_fields_of_different_types() {
    Stage::open("interface", library())
        .await
        .gives(
            "{ media { ... on Book { x: quote } ... on Film { x: quote(words: 9) n: minutes } ... on Song { x: title } } }",
            json!({ "media": [
                { "x": "book \"b1\" 3" },
                { "x": "film \"f1\" 9", "n": 117 },
                { "x": "Hurt" },
                { "x": "book \"b2\" 3" },
            ] }),
        )
        .await;
}

#[tokio::test]
async fn members_without_selection_are_empty_objects() {
    Stage::open("interface", library())
        .await
        .gives(
            "{ search { ... on Owner { name } } shelf { front { ... on Song { title } } back { ... on Book { stars } } } }",
            json!({
                "search": [{ "name": "Ann" }, {}, {}],
                "shelf": { "front": {}, "back": [null, {}, { "stars": null }] },
            }),
        )
        .await;
}

#[tokio::test]
async fn interfaces_are_found_by_arguments_and_may_be_null() {
    let stage = Stage::open("interface", library()).await;
    stage
        .gives(
            "{ a: item(id: \"s1\") { t: __typename owner { stars name } } b: item(id: \"f1\") { owner { id } ... on Film { stars } } c: item(id: \"?\") { id } }",
            json!({
                "a": { "t": "Song", "owner": { "stars": 1, "name": "Ann" } },
                "b": { "owner": { "id": "o2" }, "stars": 4 },
                "c": null,
            }),
        )
        .await;
}

/// A's Media is Book | Movie, B's is Book | Song.
async fn media() -> Stage {
    let (book, movie) = (typed("Book", "b1"), typed("Movie", "m1"));
    Stage::open(
        "union",
        vec![
            subgraph(
                "a",
                json!({
                    "Query": { "media": book, "list": [book, null, book], "viewer": { "media": book, "book": movie } },
                    "Book": [{ "id": "b1", "title": "Dune" }],
                }),
            ),
            subgraph(
                "b",
                json!({
                    "Query": {
                        "media": book, "list": [book, null, book],
                        "song": { "__typename": "Song", "id": "s1", "artist": "Cash" },
                        "viewer": { "media": book, "book": book, "song": { "__typename": "Song", "id": "s2", "artist": "Nina" } },
                    },
                    "Book": [{ "id": "b1", "title": "Dune", "pages": 600 }],
                }),
            ),
            subgraph("c", json!({ "Movie": [{ "id": "m1", "minutes": 90 }] })),
        ],
    )
    .await
}

#[tokio::test]
async fn only_members_that_a_subgraph_knows_are_asked_of_it() {
    let stage = media().await;
    stage
        .gives(
            "{ media { ... on Book { title } ... on Movie { id } ... on Song { artist } } }",
            json!({ "media": { "title": "Dune" } }),
        )
        .await;
    stage
        .gives(
            "{ song { __typename ... on Song { artist } ... on Book { title } ... on Movie { minutes } } }",
            json!({ "song": { "__typename": "Song", "artist": "Cash" } }),
        )
        .await;
}

#[tokio::test]
async fn fields_of_a_member_come_from_the_subgraph_that_has_them() {
    media()
        .await
        .gives(
            "{ list { __typename ... on Book { id title pages } } }",
            json!({ "list": [
                { "__typename": "Book", "id": "b1", "title": "Dune", "pages": 600 },
                null,
                { "__typename": "Book", "id": "b1", "title": "Dune", "pages": 600 },
            ] }),
        )
        .await;
}

#[tokio::test]
async fn a_union_inside_a_shared_object() {
    media()
        .await
        .gives(
            "{ viewer { song { ... on Song { artist } } media { ... on Book { pages } } } }",
            json!({ "viewer": { "song": { "artist": "Nina" }, "media": { "pages": 600 } } }),
        )
        .await;
}

#[tokio::test]
async fn node_fields_of_several_subgraphs() {
    let stage = Stage::open(
        "node",
        vec![
            subgraph(
                "a",
                json!({ "Query": { "nodeA": typed("Product", "p1") }, "Product": [{ "id": "p1", "name": "Lamp" }] }),
            ),
            subgraph(
                "b",
                json!({
                    "Query": { "nodeB": typed("Category", "c1") },
                    "Category": [{ "id": "c1", "title": "Light", "top": { "id": "p1" } }],
                }),
            ),
            subgraph("c", json!({ "Product": [{ "id": "p1", "price": 5 }] })),
        ],
    )
    .await;
    stage
        .gives(
            "{ a: nodeA { __typename id ...P ...C } b: nodeB { __typename id ...P ...C } } \
             fragment P on Product { name price } fragment C on Category { title top { id name price } }",
            json!({
                "a": { "__typename": "Product", "id": "p1", "name": "Lamp", "price": 5 },
                "b": { "__typename": "Category", "id": "c1", "title": "Light",
                       "top": { "id": "p1", "name": "Lamp", "price": 5 } },
            }),
        )
        .await;
}

/// `id` is nullable here and not there, `similar` a list of other things.
async fn accounts() -> Stage {
    let similar = json!([typed("Admin", "a1"), typed("Robot", "r1")]);
    let admin = json!({ "__typename": "Admin", "id": "a1", "name": "Root", "similar": [typed("User", "u2"), null] });
    Stage::open(
        "mismatch",
        vec![
            subgraph(
                "a",
                json!({
                    "Query": {
                        "accounts": [typed("User", "u1"), admin, typed("Robot", "r1")],
                        "users": [{ "id": "u2" }],
                    },
                    "User": [
                        { "id": "u1", "name": "Ann", "similar": similar },
                        { "id": "u2", "name": "Bo", "similar": null },
                    ],
                    "Robot": [{ "id": "r1" }],
                    "Admin": [{ "id": "a1", "name": "Root" }],
                }),
            )
            .field("Robot.tags", |_, arguments| json!([format!("long {}", arguments["long"])])),
            subgraph(
                "b",
                json!({
                    "Admin": [{ "id": "a1", "name": "Root" }],
                    "User": [{ "id": "u1", "name": "Ann", "age": 30 }, { "id": "u2", "name": "Bo", "age": null }],
                    "Robot": [{ "id": "r1", "age": "new" }],
                }),
            )
            .field("Robot.tags", |_, arguments| json!([format!("long {}", arguments["long"])]))
            .field("User.tags", |_, arguments| json!([format!("size {}", arguments["size"])])),
        ],
    )
    .await
}

#[tokio::test]
async fn fields_whose_types_differ_between_members_are_asked_apart() {
    accounts()
        .await
        .gives(
            "{ accounts { ... on User { id name } ... on Admin { id name } ... on Robot { id } } }",
            json!({ "accounts": [{ "id": "u1", "name": "Ann" }, { "id": "a1", "name": "Root" }, { "id": "r1" }] }),
        )
        .await;
}

#[tokio::test]
async fn lists_whose_items_differ_between_members() {
    accounts()
        .await
        .gives(
            "{ accounts { ... on User { id name similar { ... on User { id name } ... on Admin { id name } ... on Robot { tags } } } \
               ... on Admin { id name similar { ... on User { id name age } ... on Admin { id name } ... on Robot { tags } } } } }",
            json!({ "accounts": [
                { "id": "u1", "name": "Ann", "similar": [{ "id": "a1", "name": "Root" }, { "tags": ["long true"] }] },
                { "id": "a1", "name": "Root", "similar": [{ "id": "u2", "name": "Bo", "age": null }, null] },
                {},
            ] }),
        )
        .await;
}

#[tokio::test]
async fn fields_of_different_types_in_entity_fetches() {
    accounts()
        .await
        .gives(
            "{ accounts { ... on User { tags(size: 2) } ... on Robot { tags(long: false) } } users { age tags } }",
            json!({
                "accounts": [{ "tags": ["size 2"] }, {}, { "tags": ["long false"] }],
                "users": [{ "age": null, "tags": ["size null"] }],
            }),
        )
        .await;
}

#[tokio::test]
async fn conditions_on_members_of_a_union() {
    let stage = Stage::open("interface", library()).await;
    let query = "query($x: Boolean!) { search { ... on Owner @include(if: $x) { name } \
                 ... on Result @skip(if: $x) { ... on Film { minutes } ... on Book { title stars } } \
                 ... on Film { stars @include(if: $x) } } }";
    stage
        .gives_with(
            query,
            json!({ "x": true }),
            json!({ "search": [{ "name": "Ann" }, { "stars": 4 }, {}] }),
        )
        .await;
    stage
        .gives_with(
            query,
            json!({ "x": false }),
            json!({ "search": [{}, { "minutes": 117 }, { "title": "Dune", "stars": 5 }] }),
        )
        .await;
}

#[tokio::test]
async fn a_member_that_no_condition_leaves_is_not_fetched() {
    let stage = Stage::open("interface", library()).await;
    stage
        .gives_with(
            "query($x: Boolean!) { search { __typename ... on Owner @include(if: $x) { name } ...F @include(if: $x) } } \
             fragment F on Film { stars quote }",
            json!({ "x": false }),
            json!({ "search": [{ "__typename": "Owner" }, { "__typename": "Film" }, { "__typename": "Book" }] }),
        )
        .await;
    assert_eq!(stage.count("review"), 0);
}
