//! One trace from a client's request to what it pushes to others.

use crate::kit::{
    SOON,
    collector::{Collector, Span},
    eventually,
    instance::{Instance, Place},
    sse::Stream,
    story::{self, MEETING_UPDATED},
};
use serde_json::json;
use std::collections::BTreeSet;

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

/// The processes of an installation whose roles run apart, as far as a story needs them.
struct Apart {
    router: Instance,
    _others: Vec<Instance>,
}

impl Apart {
    /// A router over these services, each with a subgraph and a worker, which know each other's addresses.
    async fn start(place: &mut Place, services: &[&str]) -> Self {
        place.set("MOIM_SIGNATURE_KEY", "0123456789abcdef0123456789abcdef");
        let signing_key = place.data().join("user-signing.pem").display().to_string();
        place.set("MOIM_USER_SIGNING_KEY_FILE", &signing_key);
        place.run(&["migrate"]).await.expect("migrated");
        place.run(&["nats", "apply"]).await.expect("applied");
        let (mut others, mut subgraphs) = (Vec::new(), String::new());
        for service in services {
            let subgraph = place.start(&["subgraph", service]).await;
            let url = format!("{}/graphql", subgraph.base);
            if *service == "user" {
                let jwks = format!("{}/.well-known/jwks.json", subgraph.base);
                subgraphs.insert_str(
                    0,
                    &format!(
                        "authentication: {{ issuers: [{{ issuer: moim, audience: moim, trust: own, \
                     jwks: {{ url: \"{jwks}\" }} }}] }}\nsubgraphs:\n"
                    ),
                );
            }
            subgraphs.push_str(&format!("  {service}: {{ url: \"{url}\" }}\n"));
            place.set(&format!("MOIM_{}_URL", service.to_uppercase()), &url);
            others.push(subgraph);
        }
        for service in services {
            others.push(place.start(&["worker", service]).await);
        }
        let config = place.data().join("router.yaml");
        std::fs::write(&config, subgraphs).expect("the configuration is written");
        let config = config.display().to_string();
        let supergraph = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/supergraph.graphql");
        let arguments = ["router", "--supergraph", supergraph, "--config", &config];
        let router = place.start(&arguments).await;
        Self { router, _others: others }
    }
}

/// Given roles that run as processes of their own, and a guest who follows the inbox, when a client asks for meetings
/// with the guest, then one trace goes through all of them: the router, the subgraph, its worker, the job, the other
/// service's consumer, and back to the router that pushes.
#[tokio::test]
async fn one_trace_through_processes_of_their_own() {
    let collector = Collector::start().await;
    let mut place = Place::new();
    place.set("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint);
    place.set("OTEL_BSP_SCHEDULE_DELAY", "100");
    let moim = Apart::start(&mut place, &["user", "meeting", "notification"]).await;
    let host = story::register(&moim.router.client(), "host").await;
    let guest = story::register(&moim.router.client(), "guest").await;
    let inbox = "subscription { notificationReceived { type notification { kind } } }";
    let mut stream = Stream::open(&guest.client, inbox, json!({}), None).await;
    stream.next_data(SOON).await;

    let traced = host.client.traced(&format!("00-{TRACE}-{CLIENT}-01"));
    let create = "mutation ($input: CreateMeetingsInput!) { createMeetings(input: $input) {
        task { id } userErrors { code field message } } }";
    let plan = json!({ "title": "Plans", "participantIds": [guest.id] });
    traced.send(create, json!({ "input": { "meetings": [plan] } })).await.ok();
    let invited = |event: &serde_json::Value| {
        event["data"]["notificationReceived"]["notification"]["kind"] == "MEETING_INVITATION"
    };
    while !invited(&stream.next_data(SOON).await.1) {}

    let way = [
        ("push", "moim-router"),
        ("send moim.notification.created.v1", "moim-notification-worker"),
        ("process moim.meeting.created.v1", "moim-notification-worker"),
        ("send moim.meeting.created.v1", "moim-meeting-worker"),
        ("process job meeting", "moim-meeting-worker"),
        ("send meeting", "moim-meeting-worker"),
        ("graphql meeting", "moim-meeting-subgraph"),
        ("fetch meeting", "moim-router"),
        ("mutation", "moim-router"),
        ("POST /graphql", "moim-router"),
    ];
    let names: Vec<&str> = way.iter().map(|(name, _)| *name).collect();
    let spans = eventually("the trace is whole", SOON, || async {
        let spans = collector.trace(TRACE);
        let whole = spans.iter().any(|span| way_up(&spans, span).is_some_and(|way| way == names));
        whole.then_some(spans)
    })
    .await;
    // Each step is told by the process that took it.
    for (name, process) in way {
        let told =
            |span: &&Span| span.name == name && span.service.contains(&format!("\"{process}\""));
        assert!(spans.iter().any(|span| told(&span)), "{name} of {process} in {spans:#?}");
    }
    let processes: BTreeSet<&str> = spans.iter().map(|span| span.service.as_str()).collect();
    assert!(processes.len() >= 4, "{processes:?}");
}
