//! What an event brings is fetched once for all who follow a meeting, and nobody sees by that what isn't theirs.

use crate::kit::{SOON, instance::Place, scrape::Scrape, sse::Stream, story};
use serde_json::{Value, json};

/// All of it is marked as the same for everybody who takes part.
const FOLLOWED: &str = "subscription ($meetingId: ID!) { meetingUpdated(meetingId: $meetingId) {
    type meeting { title status host { id name } participants { role user { name } } }
    task { id kind status progress } } }";
/// The last field isn't: each has todos of their own.
const PRIVATE: &str = "subscription ($meetingId: ID!) { meetingUpdated(meetingId: $meetingId) {
    type meeting { title host { todos(first: 1) { nodes { id } } } } } }";
const SHARED: &str = "moim_push_executions_shared_total";

/// The event in which the meeting has this title; none before it may have an error.
async fn titled(stream: &mut Stream, title: &str) -> Value {
    loop {
        let (_, event) = stream.next_data(SOON).await;
        let update = &event["data"]["meetingUpdated"];
        assert_eq!(event["errors"], Value::Null, "{event}");
        if update["meeting"]["title"] == title && update["type"] != "SNAPSHOT" {
            return update.clone();
        }
    }
}

/// Given a host and a guest who follow a meeting, when it changes, then both are told the same by one execution; and
/// once the guest is removed, nothing more reaches them.
#[tokio::test]
async fn who_takes_part_shares_what_an_event_brings() {
    let place = Place::new();
    let moim = place.up().await;
    let (host, guest) = (
        story::register(&moim.client(), "host").await,
        story::register(&moim.client(), "guest").await,
    );
    let meeting = story::started_meeting(&host.client, &[&guest.id]).await;
    let of_meeting = json!({ "meetingId": meeting });
    let mut streams = Vec::new();
    for person in [&host, &guest] {
        let mut stream = Stream::open(&person.client, FOLLOWED, of_meeting.clone(), None).await;
        stream.next_data(SOON).await;
        streams.push(stream);
    }
    let rename = async |title: &str| {
        let query = "mutation ($input: UpdateMeetingInput!) { updateMeeting(input: $input) {
            meeting { version } userErrors { code } } }";
        let input = json!({ "meetingId": meeting, "title": title });
        host.client.send(query, json!({ "input": input })).await.ok();
    };

    rename("Second thoughts").await;
    let mut told = Vec::new();
    for stream in &mut streams {
        told.push(titled(stream, "Second thoughts").await);
    }
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0]["meeting"]["host"]["name"], "host");
    assert_eq!(told[0]["meeting"]["participants"][1]["user"]["name"], "guest");
    assert!(Scrape::of(&moim.client()).await.sum(SHARED, &[]) >= 1.0);

    // What is somebody's own is fetched for each: the host's todos are for the host's eyes.
    let mut own = Vec::new();
    for person in [&host, &guest] {
        let mut stream = Stream::open(&person.client, PRIVATE, of_meeting.clone(), None).await;
        stream.next_data(SOON).await;
        own.push(stream);
    }
    rename("Third time lucky").await;
    let mut seen = Vec::new();
    for stream in &mut own {
        let update = titled(stream, "Third time lucky").await;
        seen.push(update["meeting"]["host"]["todos"].clone());
    }
    assert_eq!(seen, [json!({ "nodes": [] }), Value::Null]);
    for stream in &mut streams {
        titled(stream, "Third time lucky").await;
    }

    let input = json!({ "meetingId": meeting, "userId": guest.id });
    let query = "mutation ($input: RemoveParticipantInput!) { removeParticipant(input: $input) {
        userErrors { code } } }";
    host.client.send(query, json!({ "input": input })).await.ok();
    rename("Among ourselves").await;
    titled(&mut streams[0], "Among ourselves").await;
    // The first that the guest hears of it is that it is over
    let last = streams[1].next(SOON).await.expect("a reason").data;
    assert_eq!(last["errors"][0]["extensions"]["code"], "NOT_FOUND", "{last}");
    assert_eq!(last["data"], Value::Null);
    let end = streams[1].next(SOON).await;
    assert!(end.is_none_or(|event| event.kind == "complete"));
}
