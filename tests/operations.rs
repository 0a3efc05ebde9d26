//! What operators see: metrics, health, information.

use crate::kit::{
    SOON,
    client::Client,
    eventually,
    instance::Place,
    proxy::Proxy,
    scrape::Scrape,
    sse::Stream,
    story::{self, MEETING_UPDATED},
};
use serde_json::json;
use std::collections::BTreeSet;

/// Requests of each kind of garbage.
const GARBAGE: usize = 1_000;
const PAGE: &str = include_str!("../docs/operations.md");

/// A metric as docs/operations.md has it: name, type, labels.
fn documented() -> Vec<(&'static str, &'static str, BTreeSet<&'static str>)> {
    let row = |line: &'static str| {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let (name, kind) = (cells.first()?.strip_prefix('`')?.strip_suffix('`')?, *cells.get(1)?);
        if !["counter", "gauge", "histogram"].contains(&kind) {
            return None;
        }
        // Labels stand before brackets with their values.
        let mut labels = BTreeSet::new();
        let mut depth = 0;
        for part in cells.get(3)?.split_inclusive(['(', ')', '`']) {
            match part.chars().last() {
                Some('(') => depth += 1,
                Some(')') => depth -= 1,
                Some('`') if depth == 0 && part.len() > 1 && !part.starts_with([',', ' ']) => {
                    labels.insert(&part[..part.len() - 1]);
                }
                _ => {}
            }
        }
        Some((name, kind, labels))
    };
    PAGE.lines().filter_map(row).collect()
}

/// Given a running Moim, when a bit of everything happens, then every metric that the docs name is there with its type
/// and labels, no other is, and those that this moves have moved.
#[tokio::test]
async fn every_documented_metric_is_there_and_moves() {
    let mut place = Place::new();
    place.set("MOIM_RATE_LIMIT", "true");
    let moim = place.up().await;
    let operator = moim.client();
    let host = story::register(&moim.client(), "host").await;
    let meeting = story::started_meeting(&host.client, &[]).await;
    let variables = json!({ "meetingId": meeting });
    let mut stream = Stream::open(&host.client, MEETING_UPDATED, variables, None).await;
    stream.next_data(SOON).await;
    let recording =
        story::upload(&host.client, &meeting, "audio/wav", b"this is no audio".to_vec()).await;
    story::end_meeting(&host.client, &meeting, &recording).await;
    assert_eq!(
        host.client.send("{ nothing }", json!({})).await.error_code(),
        Some("GRAPHQL_VALIDATION_FAILED")
    );
    while stream.next_data(SOON).await.1["data"]["meetingUpdated"]["task"]["status"] != "FAILED" {}
    let mistake =
        "mutation ($id: ID!) { cancelMeeting(input: { meetingId: $id }) { userErrors { code } } }";
    let answer = host.client.send(mistake, json!({ "id": meeting })).await;
    assert_eq!(answer.user_error_codes(), ["ILLEGAL_STATUS"]);
    let flood = (0..60).map(|_| host.client.send("{ me { id } }", json!({})));
    let answers = futures::future::join_all(flood).await;
    assert!(answers.iter().any(|answer| answer.error_code() == Some("RATE_LIMITED")));

    let moved: &[(&str, &[(&str, &str)])] = &[
        (
            "http_server_request_duration_seconds",
            &[("http_route", "/graphql"), ("http_response_status_code", "429")],
        ),
        ("http_server_request_duration_seconds", &[("http_request_method", "PUT")]),
        (
            "moim_graphql_operations_total",
            &[("graphql_operation_type", "mutation"), ("outcome", "ok")],
        ),
        ("moim_graphql_operations_total", &[("graphql_operation_type", "subscription")]),
        ("moim_graphql_errors_total", &[("code", "GRAPHQL_VALIDATION_FAILED")]),
        ("moim_user_errors_total", &[("code", "ILLEGAL_STATUS")]),
        ("moim_rate_limited_total", &[]),
        ("moim_plan_cache_requests_total", &[("result", "hit")]),
        ("moim_plan_cache_requests_total", &[("result", "miss")]),
        ("moim_plan_cache_entries", &[]),
        ("moim_plan_duration_seconds", &[]),
        ("moim_subgraph_fetch_duration_seconds", &[("subgraph", "meeting"), ("result", "ok")]),
        ("moim_subgraph_request_duration_seconds", &[("subgraph", "meeting")]),
        ("moim_subscriptions_open", &[]),
        ("moim_subscription_events_total", &[]),
        ("moim_push_event_lag_seconds", &[]),
        ("moim_push_duration_seconds", &[]),
        ("moim_outbox_published_total", &[("class", "event"), ("type", "moim.meeting.ended.v1")]),
        ("moim_outbox_published_total", &[("class", "job"), ("type", "transcript")]),
        ("moim_events_handled_total", &[("consumer", "transcript-events"), ("outcome", "handled")]),
        ("moim_event_delay_seconds", &[("consumer", "transcript-events")]),
        ("messaging_process_duration_seconds", &[("messaging_system", "nats")]),
        ("moim_jobs_total", &[("queue", "transcript"), ("outcome", "failed")]),
        ("moim_job_wait_seconds", &[("queue", "transcript")]),
        ("moim_queue_workers", &[("queue", "transcript")]),
        ("moim_tasks_created_total", &[("service", "transcript"), ("kind", "TRANSCRIPTION")]),
        ("moim_tasks_finished_total", &[("kind", "TRANSCRIPTION"), ("status", "FAILED")]),
        ("moim_task_duration_seconds", &[("status", "FAILED")]),
        ("moim_queue_messages_limit", &[("queue", "transcript")]),
        ("db_client_connection_count", &[("db_client_connection_pool_name", "meeting")]),
        ("db_client_connection_max", &[]),
        ("moim_health_ready", &[]),
        ("moim_health_component_up", &[("component", "meeting.postgres"), ("need", "required")]),
        ("moim_health_checks_total", &[("status", "UP")]),
        ("moim_health_check_duration_seconds", &[("component", "user.redis")]),
        ("moim_health_component_changed_timestamp_seconds", &[]),
        ("moim_health_component_up", &[("component", "transcript.speech")]),
        ("moim_cache_requests_total", &[]),
        ("moim_cache_available", &[]),
        ("moim_redis_memory_used_bytes", &[]),
        ("moim_disk_free_bytes", &[("service", "meeting")]),
        ("moim_sample_timestamp_seconds", &[]),
        ("target_info", &[("service_name", "moim-up")]),
        ("process_start_time_seconds", &[]),
        ("process_uptime_seconds", &[]),
        ("process_cpu_seconds_total", &[]),
        ("process_resident_memory_bytes", &[]),
        ("process_open_fds", &[]),
    ];
    let documented = documented();
    eventually("all metrics are there and moved", SOON, || async {
        let scrape = Scrape::of(&operator).await;
        let still = moved.iter().find(|(name, labels)| scrape.sum(name, labels) == 0.0);
        let missing = documented.iter().find(|(name, _, _)| !scrape.families.contains_key(*name));
        eprintln!("waits for {still:?} {missing:?}");
        (still.is_none() && missing.is_none()).then_some(())
    })
    .await;
    let scrape = Scrape::of(&operator).await;
    for (name, kind, labels) in &documented {
        assert_eq!(scrape.families[*name], *kind, "type of {name}");
        assert_eq!(scrape.labels(name), *labels, "labels of {name}");
    }
    let names: BTreeSet<_> = documented.iter().map(|(name, _, _)| *name).collect();
    let unknown: Vec<_> =
        scrape.families.keys().filter(|name| !names.contains(name.as_str())).collect();
    assert!(unknown.is_empty(), "not in docs/operations.md: {unknown:?}");
}

/// Given a running Moim that has answered one request of each kind, when 1,000 of each kind come with other names and
/// paths, then no series is new.
#[tokio::test]
async fn garbage_makes_no_new_series() {
    let moim = Place::new().up().await;
    let client = moim.client();
    send_garbage(&client, 0..1).await;
    let before = Scrape::of(&client).await.names();
    send_garbage(&client, 1..GARBAGE).await;
    let after = Scrape::of(&client).await.names();
    let new: Vec<_> = after.difference(&before).collect();
    // What happens in the background may come at any time.
    let new: Vec<_> = new
        .into_iter()
        .filter(|name| name.starts_with("http_") || name.contains("graphql"))
        .collect();
    assert!(new.is_empty(), "{new:?}");
}

async fn send_garbage(client: &Client, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let valid = format!("query Garbage{number} {{ me {{ id }} }}");
        let invalid = format!("query Garbage{number} {{ garbage{number} }}");
        client.send(&valid, json!({})).await;
        client.send(&invalid, json!({})).await;
        client.get(&format!("/garbage/{number}")).await;
        client.get(&format!("/uploads/{number}")).await;
        let hash = format!("{number:064x}");
        let extensions = json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } });
        let body = json!({ "extensions": extensions }).to_string();
        client.post_raw("/graphql", "application/json", body.into_bytes()).await;
    }
}

/// Given a service whose servers are reached through proxies, when one of them is shut, then health says what follows:
/// without Redis it is degraded and ready, without Postgres or NATS alive but not ready, and each comes back.
#[tokio::test]
async fn health_follows_the_servers() {
    let mut place = Place::new();
    let moim = place.up().await; // makes the databases and streams
    moim.stop().await;
    let mut proxies = Vec::new();
    for (name, component, code, status) in [
        ("MOIM_REDIS_URL", "user.redis", 200, "DEGRADED"),
        ("MOIM_POSTGRES_URL", "user.postgres", 503, "DOWN"),
        ("MOIM_NATS_URL", "user.nats", 503, "DOWN"),
    ] {
        let url = std::env::var(name).expect("the tests' servers");
        let (proxy, url) = Proxy::in_place_of(&url).await;
        place.set(name, &url);
        proxies.push((proxy, component, code, status));
    }
    let user = place.start(&["subgraph", "user"]).await;
    let client = user.client();
    let ready = async |code: u16, status: &str| {
        eventually(&format!("ready is {code} {status}"), SOON, || async {
            let answer = client.get("/health/ready").await;
            (answer.status == code && answer.body["status"] == status).then_some(())
        })
        .await;
    };
    ready(200, "UP").await;
    for (proxy, component, code, status) in &proxies {
        proxy.cut();
        ready(*code, status).await;
        assert_eq!(client.get("/health/live").await.status, 200);
        let health = client.get("/health").await;
        assert_eq!((health.status.as_u16(), &health.body["status"]), (*code, &json!(status)));
        let components = health.body["components"].as_array().expect("components");
        let away: Vec<_> = components.iter().filter(|it| it["status"] != "UP").collect();
        assert_eq!(away.len(), 1, "{components:?}");
        assert_eq!((&away[0]["name"], &away[0]["status"]), (&json!(component), &json!(status)));
        assert!(away[0]["detail"].is_string() && away[0]["latencyMs"].is_u64(), "{away:?}");
        let scrape = Scrape::of(&client).await;
        assert_eq!(scrape.sum("moim_health_component_up", &[("component", component)]), 0.0);
        proxy.open();
        ready(200, "UP").await;
    }
}

/// Given an address of its own for operators and a token, when somebody asks the main address, then it has probes only,
/// and the other one answers who has the token.
#[tokio::test]
async fn operators_have_an_address_and_a_token() {
    let mut place = Place::new();
    place.up().await.stop().await;
    place.set("MOIM_OPERATIONS_LISTEN", "127.0.0.1:0");
    place.set("MOIM_OPERATIONS_TOKEN", "a-token-for-operators");
    let user = place.start(&["subgraph", "user"]).await;
    let main = user.client().with_token("a-token-for-operators");
    assert_eq!(main.get("/health/live").await.status, 200);
    assert_eq!(main.get("/metrics").await.status, 403);
    let own = user.client().at(user.operations.as_deref().expect("it says where operators ask"));
    assert_eq!(own.get("/health/ready").await.status, 200);
    assert_eq!(own.get("/metrics").await.status, 401);
    let own = own.with_token("a-token-for-operators");
    assert!(Scrape::of(&own).await.families.contains_key("process_uptime_seconds"));
    let info = own.get("/info").await.body;
    assert_eq!((&info["role"], &info["service"]), (&json!("subgraph"), &json!("user")));
}

/// Given the alerts and the dashboard, when they name a metric, then there is such a metric; and each alert has its
/// section in the docs.
#[test]
fn alerts_and_dashboard_name_what_there_is() {
    const RULES: &str = include_str!("../ops/prometheus/moim.rules.yaml");
    const DASHBOARD: &str = include_str!("../ops/grafana/moim.json");
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let expressions =
        panels.iter().flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let expressions = expressions.map(|target| target["expr"].as_str().expect("an expression"));
    let expressions: Vec<_> = expressions.chain([RULES]).collect();
    assert!(expressions.len() > 30, "{}", expressions.len());
    let (documented, mut named) = (documented(), BTreeSet::new());
    let labels: BTreeSet<_> = documented.iter().flat_map(|(_, _, labels)| labels.clone()).collect();
    let of_ours = ["moim_", "http_", "process_", "db_", "messaging_"];
    for expression in expressions {
        let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        named.extend(words.filter(|word| of_ours.iter().any(|prefix| word.starts_with(prefix))));
    }
    for name in named.iter().filter(|name| !labels.contains(*name)) {
        let known =
            documented.iter().any(|(family, kind, _)| match (*kind, name.strip_prefix(family)) {
                ("histogram", Some(rest)) => ["_bucket", "_count", "_sum"].contains(&rest),
                (_, rest) => rest == Some(""),
            });
        assert!(known, "{name} is not in docs/operations.md");
    }
    for alert in RULES.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(PAGE.contains(&format!("\n### {alert}\n")), "{alert} has no section");
        let link = format!("docs/operations.md#{}", alert.to_lowercase());
        assert!(RULES.contains(&link), "{alert} has no runbook");
    }
}
