//! Dropped subscriptions are resumed with nothing lost and nothing doubled.

use crate::kit::{
    SOON, TRANSCRIBED,
    client::Client,
    eventually,
    instance::Place,
    sse::Stream,
    story::{self, MEETING, MEETING_UPDATED, TRANSCRIPT_SEGMENTS},
    websocket::Socket,
};
use serde_json::{Value, json};

/// Reads segments of a stream until `count` are there; gives (cursor, segment id) of each.
async fn take(stream: &mut Stream, count: usize) -> Vec<(String, String)> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let (cursor, event) = stream.next_data(TRANSCRIBED).await;
        let segment = &event["data"]["transcriptSegments"]["segment"]["id"];
        taken.push((cursor, segment.as_str().unwrap_or_else(|| panic!("{event}")).to_owned()));
    }
    taken
}

async fn segment_ids(client: &Client, meeting: &str) -> Vec<String> {
    let answer = client.send(MEETING, json!({ "id": meeting })).await.ok();
    let nodes = answer.data("/meeting/transcript/segments/nodes").as_array().cloned();
    let id = |node: &Value| node["id"].as_str().expect("id").to_owned();
    nodes.expect("nodes").iter().map(id).collect()
}

/// Given a stream of segments, when its connection drops after every two of them and it is resumed, by
/// `Last-Event-ID` or by `after`, then all segments arrive, each once, in order.
#[tokio::test]
async fn a_dropped_subscription_resumes_where_it_was() {
    let place = Place::new();
    let moim = place.up().await;
    let host = story::register(&moim.client(), "host").await;
    let meeting = story::ended_meeting(&host.client).await;
    let mut seen = Vec::new();
    let mut cursor: Option<String> = None;
    for turn in 0..3 {
        let (after, header) =
            if turn % 2 == 0 { (&cursor, None) } else { (&None, cursor.as_deref()) };
        let variables = json!({ "meetingId": meeting, "after": after });
        let mut stream = Stream::open(&host.client, TRANSCRIPT_SEGMENTS, variables, header).await;
        let taken = take(&mut stream, 2).await;
        cursor = taken.last().map(|(cursor, _)| cursor.clone());
        seen.extend(taken.into_iter().map(|(_, id)| id));
    }
    story::minutes(&host.client, &meeting).await;
    let all = segment_ids(&host.client, &meeting).await;

    let variables = json!({ "meetingId": meeting, "after": cursor });
    let mut stream = Stream::open(&host.client, TRANSCRIPT_SEGMENTS, variables, None).await;
    let rest = take(&mut stream, all.len() - seen.len()).await;

    seen.extend(rest.into_iter().map(|(_, id)| id));
    assert_eq!(seen, all);
}

/// Given a cursor from before a restart of everything, when the client resumes afterwards, then it gets what it missed.
#[tokio::test]
async fn a_cursor_outlives_a_restart() {
    let place = Place::new();
    let moim = place.up().await;
    let host = story::register(&moim.client(), "host").await;
    let meeting = story::started_meeting(&host.client, &[]).await;
    let variables = json!({ "meetingId": meeting });
    let mut stream = Stream::open(&host.client, MEETING_UPDATED, variables, None).await;
    let (cursor, _) = stream.next_data(SOON).await;
    story::end_meeting_without_recording(&host.client, &meeting).await;
    let before = until_ended(&mut stream).await;
    moim.kill().await;

    let moim = place.up().await;
    let client = host.client.at(&moim.base);
    let variables = json!({ "meetingId": meeting, "after": cursor });
    let mut stream = Stream::open(&client, MEETING_UPDATED, variables, None).await;

    assert_eq!(until_ended(&mut stream).await, before, "the same events, and no snapshot");
}

/// Cursor and type of each event up to the meeting's end.
async fn until_ended(stream: &mut Stream) -> Vec<(String, Value)> {
    let mut seen = Vec::new();
    loop {
        let (cursor, event) = stream.next_data(SOON).await;
        let kind = event["data"]["meetingUpdated"]["type"].clone();
        let ended = kind == "MEETING_ENDED";
        seen.push((cursor, kind));
        if ended {
            return seen;
        }
    }
}

/// Given garbage or a position of another stream as cursor, when a client subscribes, then it is told so.
#[tokio::test]
async fn a_bad_cursor_gets_a_clear_answer() {
    let place = Place::new();
    let moim = place.up().await;
    let host = story::register(&moim.client(), "host").await;
    let meeting = story::started_meeting(&host.client, &[]).await;
    let variables = json!({ "meetingId": meeting, "after": "what?" });
    let mut stream = Stream::open(&host.client, MEETING_UPDATED, variables, None).await;
    assert_eq!(code(&stream.next(SOON).await.expect("an answer").data), "INVALID_CURSOR");

    let elsewhere = Place::new();
    let other = elsewhere.up().await;
    let guest = story::register(&other.client(), "guest").await;
    let there = story::started_meeting(&guest.client, &[]).await;
    let variables = json!({ "meetingId": there });
    let mut stream = Stream::open(&guest.client, MEETING_UPDATED, variables, None).await;
    let (cursor, _) = stream.next_data(SOON).await;

    let token = host.client.token.as_deref().expect("logged in");
    let mut socket = Socket::open(&moim.base, token).await;
    let variables = json!({ "meetingId": meeting, "after": cursor });
    socket.subscribe("1", MEETING_UPDATED, variables).await;
    let message = socket.next(SOON).await.expect("an answer");
    assert_eq!(message["type"], "error", "{message}");
    assert_eq!(message["payload"][0]["extensions"]["code"], "SUBSCRIPTION_GAP");
}

fn code(answer: &Value) -> &str {
    answer["errors"][0]["extensions"]["code"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

/// Given a host who follows a meeting, when a guest answers the invitation, then the host sees it live, and is notified by
/// name.
#[tokio::test]
async fn an_answer_to_an_invitation_is_seen_at_once() {
    let place = Place::new();
    let moim = place.up().await;
    let host = story::register(&moim.client(), "host").await;
    let guest = story::register(&moim.client(), "guest").await;
    let meeting = story::started_meeting(&host.client, &[&guest.id]).await;
    let followed = "subscription ($meetingId: ID!) { meetingUpdated(meetingId: $meetingId) {
        type meeting { responses { accepted declined tentative pending } participants { response } } } }";
    let of_meeting = json!({ "meetingId": meeting });
    let mut stream = Stream::open(&host.client, followed, of_meeting, None).await;
    let (_, snapshot) = stream.next_data(SOON).await;
    let pending = &snapshot["data"]["meetingUpdated"]["meeting"]["responses"]["pending"];
    assert_eq!(pending, 1, "{snapshot}");

    let answer =
        "mutation ($input: RespondToInvitationInput!) { respondToInvitation(input: $input) {
        meeting { id } userErrors { code } } }";
    let input = json!({ "meetingId": meeting, "response": "DECLINED" });
    guest.client.send(answer, json!({ "input": input })).await.ok();

    let told = loop {
        let (_, event) = stream.next_data(SOON).await;
        let update = &event["data"]["meetingUpdated"];
        if update["type"] == "PARTICIPANT_RESPONDED" {
            break update["meeting"].clone();
        }
    };
    let counts = json!({ "accepted": 1, "declined": 1, "tentative": 0, "pending": 0 });
    assert_eq!(told["responses"], counts);
    assert_eq!(
        told["participants"],
        json!([{ "response": "ACCEPTED" }, { "response": "DECLINED" }])
    );
    let inbox = "{ me { notifications(first: 1) { nodes { kind body person { name } } } } }";
    eventually("the host is notified", SOON, || async {
        let answer = host.client.send(inbox, Value::Null).await.ok();
        let newest = answer.data("/me/notifications/nodes/0").clone();
        (newest["kind"] == "INVITATION_DECLINED").then(|| {
            assert_eq!(newest["person"]["name"], "guest");
            assert_eq!(newest["body"], "guest doesn't come to “Plans”.");
        })
    })
    .await;
}
