//! What is refused, so that nobody takes a wrong answer for a right one.

use router::{Config, Router};
use serde_json::json;

use super::{stage::Stage, subgraph::subgraph};

async fn items() -> Stage {
    let item = json!({ "Query": { "items": [{ "id": "1", "name": "Lamp" }] } });
    let state = json!({ "Item": [{ "id": "1", "state": "ON" }] });
    Stage::open("tag", vec![subgraph("a", item), subgraph("b", state)]).await
}

#[tokio::test]
async fn defer_and_stream_are_told_to_be_unknown() {
    let stage = items().await;
    for (query, message, column) in [
        (
            "{ items { name ... @defer { state } } }",
            "Directive \"@defer\" is not supported: a response comes as a whole.",
            20,
        ),
        (
            "query($x: Boolean!) { items { ...F @defer(label: \"f\", if: $x) } } fragment F on Item { state }",
            "Directive \"@defer\" is not supported: a response comes as a whole.",
            36,
        ),
        (
            "{ items @stream(initialCount: 1) { name } }",
            "Directive \"@stream\" is not supported: a list comes as a whole.",
            9,
        ),
    ] {
        let response = stage.ask_with(query, json!({ "x": false })).await;
        let expected = json!({
            "message": message,
            "locations": [{ "line": 1, "column": column }],
            "extensions": { "code": "GRAPHQL_VALIDATION_FAILED" },
        });
        assert_eq!(response["errors"][0], expected, "{query}\n{response:#}");
        assert_eq!(response.get("data"), None);
    }
    assert_eq!(stage.count("a") + stage.count("b"), 0);
}

/// Its arguments would be missing in what subgraphs are asked.
#[tokio::test]
async fn a_supergraph_with_arguments_from_a_context_is_not_served() {
    let context = "contextArguments: [{context: \"b__u\", name: \"c\", type: \"String\", selection: \"{ id }\"}]";
    let plain = Stage::supergraph("tag");
    let supergraph = plain.replace(
        "state: State @join__field(graph: B",
        &format!("state: State @join__field(graph: B, {context}"),
    );
    assert_ne!(supergraph, plain);
    let error = match Router::builder(supergraph, Config::default()).build().await {
        Ok(_) => panic!("it is served"),
        Err(error) => format!("{error:#} {error:?}"),
    };
    assert!(error.contains("@fromContext (at Item.state)"), "{error}");
    Router::builder(plain, Config::default()).build().await.expect("without it it is");
}
