//! In-process and HTTP transports give the same answers.

use crate::kit::{
    SOON, eventually,
    instance::Place,
    sse::Stream,
    story::{self, MEETING, MEETING_UPDATED, TASKS},
};
use serde_json::{Value, json};

/// Given `moim up` (subgraphs in the process) and a router role in front of three subgraph roles on the same data,
/// when the same operations go through both, then their answers are the same to the letter.
#[tokio::test]
async fn both_transports_give_the_same_answers() {
    let place = Place::new();
    let moim = place.up().await;
    let host = story::register(&moim.client(), "host").await;
    let meeting = story::started_meeting(&host.client, &[]).await;
    let recording = story::upload(&host.client, &meeting, "audio/wav", b"no audio".to_vec()).await;
    story::end_meeting(&host.client, &meeting, &recording).await;
    let task = crate::bad_input::failed_task(&host.client, &meeting).await["id"].clone();

    let mut subgraphs = Vec::new();
    for name in ["user", "meeting", "transcript"] {
        subgraphs.push((name, place.start(&["subgraph", name]).await));
    }
    let config = place.data().join("router.yaml");
    let mut text = String::from("subgraphs:\n");
    for (name, instance) in &subgraphs {
        text += &format!("  {name}:\n    url: {}/graphql\n", instance.base);
    }
    text += &format!(
        "authentication:\n  issuers:\n    - issuer: moim\n      audience: moim\n      trust: own\n      \
         jwks:\n        url: {}/.well-known/jwks.json\n",
        subgraphs[0].1.base
    );
    std::fs::write(&config, text).expect("the configuration is written");
    let supergraph = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/supergraph.graphql");
    let config = config.display().to_string();
    let router = place.start(&["router", "--supergraph", supergraph, "--config", &config]).await;
    let apart = host.client.at(&router.base);

    let operations: [(&str, Value); 8] = [
        ("{ me { id name email locale } __typename }", Value::Null),
        (MEETING, json!({ "id": meeting })),
        (TASKS, json!({ "id": meeting })),
        (
            "{ meetings(first: 5) { nodes { id title host { id name } participants { role user { name } } } pageInfo { hasNextPage } } }",
            Value::Null,
        ),
        (
            "query ($id: ID!) { transcriptTask(id: $id) { __typename id error { code } } }",
            json!({ "id": task }),
        ),
        ("{ meeting(id: \"nonsense\") { id } }", Value::Null),
        ("{ nothing }", Value::Null),
        (
            "mutation { startMeeting(input: { meetingId: \"00000000-0000-0000-0000-000000000000\" }) { userErrors { code field message } } }",
            Value::Null,
        ),
    ];
    for (query, variables) in operations {
        let here = host.client.send(query, variables.clone()).await;
        let there = apart.send(query, variables).await;
        assert_eq!(here.status, there.status, "{query}");
        assert_eq!(without_trace(here.body), without_trace(there.body), "{query}");
    }

    // The push plane works in a router role as well: on the same NATS, with the same cursors.
    let variables = json!({ "meetingId": meeting });
    let mut stream = Stream::open(&apart, MEETING_UPDATED, variables, None).await;
    let (_, event) = stream.next_data(SOON).await;
    assert_eq!(event["data"]["meetingUpdated"]["meeting"]["id"], json!(meeting));
    eventually("the router role is ready", SOON, || async {
        (apart.get("/health/ready").await.status == 200).then_some(())
    })
    .await;
}

/// An answer without the trace ids, which differ by nature.
fn without_trace(mut answer: Value) -> Value {
    for error in answer["errors"].as_array_mut().into_iter().flatten() {
        if let Some(extensions) = error["extensions"].as_object_mut() {
            extensions.remove("traceId");
        }
    }
    answer
}
