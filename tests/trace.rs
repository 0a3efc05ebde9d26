//! One trace from a client's request to what it pushes to others.

use crate::kit::{
    SOON,
    collector::{Collector, Span},
    eventually,
    instance::Place,
    sse::Stream,
    story::{self, MEETING_UPDATED},
};
use serde_json::json;

/// What the client says of the step above its request.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CLIENT: &str = "00f067aa0ba902b7";

/// The names from a span up to the client, if all of them have come.
fn way_up<'a>(spans: &'a [Span], from: &'a Span) -> Option<Vec<&'a str>> {
    let (mut way, mut at) = (vec![from.name.as_str()], from);
    while at.parent != CLIENT {
        at = spans.iter().find(|span| span.id == at.parent)?;
        way.push(&at.name);
    }
    Some(way)
}

/// Given a collector and somebody who watches a meeting, when a client ends it with a trace of its own, then that trace
/// holds each step: the request, its operation, plan and fetch, the subgraph, what the relay sent, the consumer, the
/// job and its own events, and what was pushed.
#[tokio::test]
async fn one_trace_from_the_request_to_the_push() {
    let collector = Collector::start().await;
    let mut place = Place::new();
    place.set("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint);
    place.set("OTEL_BSP_SCHEDULE_DELAY", "100");
    let moim = place.up().await;
    let host = story::register(&moim.client(), "host").await;
    let meeting = story::started_meeting(&host.client, &[]).await;
    let recording =
        story::upload(&host.client, &meeting, "audio/wav", b"this is no audio".to_vec()).await;
    let variables = json!({ "meetingId": meeting });
    let mut stream = Stream::open(&host.client, MEETING_UPDATED, variables, None).await;
    stream.next_data(SOON).await;

    let traced = host.client.traced(&format!("00-{TRACE}-{CLIENT}-01"));
    story::end_meeting(&traced, &meeting, &recording).await;
    while stream.next_data(SOON).await.1["data"]["meetingUpdated"]["task"]["status"] != "FAILED" {}

    let request = ["fetch meeting", "mutation", "POST /graphql"];
    let told = [&["graphql meeting"][..], &request].concat();
    let ended = [&["send moim.meeting.ended.v1"][..], &told].concat();
    let handled = [&["process moim.meeting.ended.v1"][..], &ended].concat();
    let job = [&["process job transcript", "send transcript"][..], &handled].concat();
    let task = [&["send moim.task.stateChanged.v1"][..], &job].concat();
    let ways = [
        [&["push"][..], &ended].concat(),
        [&["push"][..], &task].concat(),
        // What is read for the one who watches.
        [&["graphql meeting", "fetch meeting", "push"][..], &ended].concat(),
        vec!["plan", "POST /graphql"],
    ];
    let spans = eventually("the trace is whole", SOON, || async {
        let spans = collector.trace(TRACE);
        let found: Vec<_> = spans.iter().filter_map(|span| way_up(&spans, span)).collect();
        let missing = ways.iter().find(|way| !found.contains(way));
        missing.is_none().then(|| spans.clone())
    })
    .await;
    assert!(spans.iter().all(|span| span.service.contains("moim-up")), "{spans:?}");
    let says = |name: &str, attribute: &str| {
        let spans: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
        assert!(
            spans.iter().all(|span| span.attributes.iter().any(|it| it == attribute)),
            "{attribute} in {spans:?}"
        );
    };
    says("POST /graphql", "http.response.status_code");
    says("mutation", "graphql.operation.type");
    says("fetch meeting", "moim.subgraph");
    says("send moim.meeting.ended.v1", "messaging.destination.name");
    says("push", "messaging.message.id");
}
