//! What comes after the minutes: people mend and verify them, share them, take them along and find them again.

use crate::kit::{
    SOON, TRANSCRIBED,
    client::{Answer, Client},
    eventually,
    instance::Place,
    sse::Stream,
    story::{self, TASK_UPDATED},
};
use hyper::StatusCode;
use serde_json::{Value, json};

const FOLLOWED: &str = "subscription ($meetingId: ID!) { meetingUpdated(meetingId: $meetingId) {
    type minutes { status version sections { body version verifiedAt verifiedBy { name } } }
    segment { text revision } } }";
const MINUTES: &str = "query ($id: ID!) { meeting(id: $id) { title
    transcript { id text segments(first: 100) { nodes { id text revision } } }
    minutes { status sections { id title version } } } }";
const SHARED: &str = "query ($token: String!) { sharedTranscript(token: $token) {
    meetingTitle text segments(first: 2) { nodes { text } } sections { title isVerified } } }";

/// Sends a mutation with one input, of which `fields` and the user errors are asked.
async fn mutate(client: &Client, name: &str, fields: &str, input: Value) -> Answer {
    let mut of = name.to_owned();
    of[..1].make_ascii_uppercase();
    let query = format!(
        "mutation ($input: {of}Input!) {{ {name}(input: $input) {{ {fields} userErrors {{ code field message }} }} }}"
    );
    client.send(&query, json!({ "input": input })).await
}

/// The next event of a type, whatever comes before it.
async fn next_of(stream: &mut Stream, kind: &str) -> Value {
    loop {
        let (_, event) = stream.next_data(SOON).await;
        assert_eq!(event["errors"], Value::Null, "{event}");
        if event["data"]["meetingUpdated"]["type"] == kind {
            return event["data"]["meetingUpdated"].clone();
        }
    }
}

/// Given minutes that a guest looks at, when the host mends and verifies them, then the guest sees each step as it
/// was; of two who edit the second is told; a link opens for anybody until it is revoked; and the text can be taken
/// along, verified and found.
#[tokio::test]
async fn minutes_are_mended_verified_shared_exported_and_found() {
    let place = Place::new();
    let moim = place.up().await;
    let (host, guest, friend) = (
        story::register(&moim.client(), "host").await,
        story::register(&moim.client(), "guest").await,
        story::register(&moim.client(), "friend").await,
    );
    let meeting = story::started_meeting(&host.client, &[&guest.id]).await;
    let recording =
        story::upload(&host.client, &meeting, "audio/wav", story::speech_recording()).await;
    story::end_meeting(&host.client, &meeting, &recording).await;
    story::minutes(&host.client, &meeting).await;
    let now = guest.client.send(MINUTES, json!({ "id": meeting })).await.ok();
    let sections = now.data("/meeting/minutes/sections").as_array().expect("sections").clone();
    let segment = now.data("/meeting/transcript/segments/nodes/0").clone();
    let of_meeting = json!({ "meetingId": meeting });
    let mut stream = Stream::open(&guest.client, FOLLOWED, of_meeting.clone(), None).await;
    next_of(&mut stream, "SNAPSHOT").await;

    // Mended: the second one is told, and shown what the first one wrote
    let section = &sections[0]["id"];
    let input = |body: &str| json!({ "sectionId": section, "version": 1, "body": body });
    mutate(&host.client, "updateSection", "section { version }", input("By the host.")).await.ok();
    let late = mutate(&guest.client, "updateSection", "section { body }", input("By me.")).await;
    assert_eq!(late.user_error_codes(), ["VERSION_CONFLICT"]);
    assert_eq!(late.data("/updateSection/section/body"), "By the host.");
    let seen = next_of(&mut stream, "SECTION_CHANGED").await;
    assert_eq!(seen["minutes"]["sections"][0]["body"], "By the host.");
    let edit =
        json!({ "segmentId": segment["id"], "revision": 0, "text": "오늘 회의를 시작합니다." });
    mutate(&guest.client, "editSegment", "segment { revision }", edit).await.ok();
    let seen = next_of(&mut stream, "SEGMENT_EDITED").await;
    assert_eq!(seen["segment"], json!({ "text": "오늘 회의를 시작합니다.", "revision": 1 }));

    // Verified: each step is pushed as it was, and the last one makes the minutes final
    for (at, section) in sections.iter().enumerate() {
        let version = if at == 0 { 2 } else { 1 };
        let input = json!({ "sectionId": section["id"], "version": version });
        mutate(&guest.client, "verifySection", "minutes { status }", input).await.ok();
        let seen = next_of(&mut stream, "SECTION_CHANGED").await;
        assert_eq!(seen["minutes"]["sections"][at]["verifiedBy"]["name"], "guest");
    }
    let seen = next_of(&mut stream, "TRANSCRIPT_VERIFIED").await;
    assert_eq!(seen["minutes"]["status"], "FINAL");
    eventually("the host is notified", SOON, || async {
        let query = "{ me { notifications(first: 100) { nodes { kind } } } }";
        let answer = host.client.send(query, json!({})).await.ok();
        let kinds = answer.data("/me/notifications/nodes").as_array().expect("nodes").clone();
        kinds.iter().any(|one| one["kind"] == "MINUTES_VERIFIED").then_some(())
    })
    .await;

    // Looked at by a task, whose result cites segments
    let asked =
        mutate(&guest.client, "requestVerification", "task { id kind }", of_meeting.clone())
            .await
            .ok();
    let task = json!({ "taskId": asked.text("/requestVerification/task/id") });
    let mut watched = Stream::open(&guest.client, TASK_UPDATED, task.clone(), None).await;
    let mut last = Value::Null;
    while let Some(event) = watched.next(TRANSCRIBED).await {
        if event.kind == "complete" {
            break;
        }
        last = event.data["data"]["taskUpdated"]["task"].clone();
    }
    assert_eq!((&last["kind"], &last["status"]), (&json!("VERIFICATION"), &json!("COMPLETED")));
    let result = "query ($taskId: ID!) { transcriptTask(id: $taskId) { result {
        ... on TranscriptVerification { findingCount findings { __typename } } } } }";
    let result = guest.client.send(result, task).await.ok();
    assert!(result.data("/transcriptTask/result/findingCount").is_i64());

    // Shared by a link: it opens without a log-in, until it is revoked
    let refused = mutate(&guest.client, "createShareLink", "token", of_meeting.clone()).await;
    assert_eq!(refused.user_error_codes(), ["NOT_HOST"]);
    let made =
        mutate(&host.client, "createShareLink", "token link { id }", of_meeting.clone()).await.ok();
    let token = json!({ "token": made.text("/createShareLink/token") });
    let opened = moim.client().send(SHARED, token.clone()).await.ok();
    assert_eq!(opened.data("/sharedTranscript/meetingTitle"), "Plans");
    assert_eq!(opened.data("/sharedTranscript/segments/nodes/0/text"), "오늘 회의를 시작합니다.");
    assert_eq!(opened.data("/sharedTranscript/sections/0/isVerified"), true);
    let input = json!({ "linkId": made.data("/createShareLink/link/id") });
    mutate(&host.client, "revokeShareLink", "link { isActive }", input).await.ok();
    let gone = moim.client().send(SHARED, token).await;
    let never = moim.client().send(SHARED, json!({ "token": "A".repeat(43) })).await;
    assert_eq!(gone.error_code(), Some("SHARE_LINK_INVALID"));
    assert_eq!(gone.body["errors"][0]["message"], never.body["errors"][0]["message"]);

    // and with somebody, who hears of it, reads, and sees nothing else
    let input = json!({ "meetingId": meeting, "userIds": [friend.id] });
    mutate(&host.client, "shareTranscript", "meetingId", input).await.ok();
    let mine = "{ transcriptsSharedWithMe { nodes { id meetingTitle } } me { notifications(first: 10) { nodes { kind } } } }";
    eventually("the friend is notified", SOON, || async {
        let answer = friend.client.send(mine, json!({})).await.ok();
        assert_eq!(answer.data("/transcriptsSharedWithMe/nodes/0/meetingTitle"), "Plans");
        let kinds = answer.data("/me/notifications/nodes").as_array().expect("nodes").clone();
        kinds.iter().any(|one| one["kind"] == "TRANSCRIPT_SHARED").then_some(())
    })
    .await;
    let unseen = friend.client.send(MINUTES, json!({ "id": meeting })).await;
    assert_eq!(unseen.data("/meeting"), &Value::Null);

    // Taken along: the address needs no token
    let export = "query ($id: ID!) { exportTranscript(meetingId: $id, format: WEBVTT) { content download { url } } }";
    let export = friend.client.send(export, json!({ "id": meeting })).await.ok();
    let content = export.text("/exportTranscript/content");
    assert!(content.starts_with("WEBVTT\n\n1\n00:00:0"), "{content}");
    let url = export.text("/exportTranscript/download/url");
    let path = url.strip_prefix(&moim.base).expect("where this Moim listens");
    assert_eq!(moim.client().get_text(path).await, (StatusCode::OK, content));

    // Found, by two syllables, by everybody who may read
    let search = "query ($q: String!) { searchTranscripts(query: $q) { nodes { meetingId segment { text } excerpt { text isHit } } } }";
    for (person, hits) in [
        (&host, 1),
        (&guest, 1),
        (&friend, 1),
        (&story::register(&moim.client(), "other").await, 0),
    ] {
        let found = person.client.send(search, json!({ "q": "회의" })).await.ok();
        let nodes = found.data("/searchTranscripts/nodes").as_array().expect("nodes").clone();
        assert_eq!(nodes.len(), hits);
        assert!(
            nodes.iter().all(|node| node["excerpt"][1] == json!({ "text": "회의", "isHit": true }))
        );
    }
    assert!(moim.stop().await, "it stops cleanly");
}

/// Given the limits that are on by default, when somebody tries tokens without having logged in, then he is soon told
/// to wait.
#[tokio::test]
async fn tokens_can_not_be_tried_without_end() {
    let mut place = Place::new();
    place.set("MOIM_RATE_LIMIT", "true");
    let moim = place.up().await;
    let client = moim.client();
    // 200 are allowed in a minute.
    for round in 0..13 {
        let tokens: Vec<Value> =
            (0..20).map(|turn| json!({ "token": format!("{:043}", round * 20 + turn) })).collect();
        let tries = tokens.into_iter().map(|token| client.send(SHARED, token));
        let answers = futures::future::join_all(tries).await;
        for answer in &answers {
            match answer.error_code() {
                Some("SHARE_LINK_INVALID") => {}
                Some("RATE_LIMITED") => return,
                other => panic!("{other:?} in {}", answer.body),
            }
        }
    }
    panic!("260 tokens were tried without a pause");
}
