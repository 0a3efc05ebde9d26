//! The host shares a transcript and its minutes: with people, and by links.

use chrono::{DateTime, TimeDelta, Utc};
use contract::testing::told;
use platform::identity::Identity;
use platform::task::TaskStatus;
use platform::testing::eventually;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stage::{DEADLINE, Ended, Stage, Step, refusal, segment, viewer};

const SHARED: &str = "id meetingTitle language text expiresAt minutesStatus
    segments(first: 1) { nodes { startMs endMs text speakerLabel } pageInfo { hasNextPage } }
    sections { title body isVerified }";
const LINK: &str = "token link { id createdAt expiresAt revokedAt isActive createdBy { id } }";

fn spoken() -> Vec<Step> {
    vec![segment(0, 4_000, "We decided to ship in May."), segment(4_000, 5_000, "Fine.")]
}

/// A finished meeting with a guest.
async fn finished(stage: &Stage) -> (Ended, Uuid) {
    let ended = stage.ended_meeting(Uuid::now_v7()).await;
    stage.task_when(ended.meeting, |task| task.status == TaskStatus::Completed).await;
    let guest = Uuid::now_v7();
    for who in [ended.host, guest] {
        stage.joins(ended.meeting, who);
    }
    (ended, guest)
}

async fn open(stage: &Stage, who: &Identity, token: &str) -> Value {
    let query = format!("query($t: String!) {{ sharedTranscript(token: $t) {{ {SHARED} }} }}");
    stage.ask(who, &query, json!({ "t": token })).await
}

async fn link(stage: &Stage, ended: Ended) -> (String, Value) {
    let input = json!({ "meetingId": ended.meeting });
    let made = stage.mutate(ended.host, "createShareLink", LINK, input).await;
    assert_eq!(made["userErrors"], json!([]), "{made}");
    (made["token"].as_str().unwrap().to_owned(), made["link"].clone())
}

/// The answer to a token that opens nothing.
fn assert_invalid(answer: &Value) {
    assert_eq!(answer["errors"][0]["extensions"]["code"], "SHARE_LINK_INVALID", "{answer}");
    assert_eq!(answer["data"], Value::Null);
}

#[tokio::test]
async fn a_link_lets_anybody_read_until_it_is_revoked() {
    let stage = Stage::new([spoken()]).await;
    let (ended, _) = finished(&stage).await;
    // When the host makes a link
    let (token, made) = link(&stage, ended).await;
    assert_eq!(token.len(), 43);
    assert_eq!((&made["isActive"], &made["revokedAt"]), (&json!(true), &Value::Null));
    let expires: DateTime<Utc> = made["expiresAt"].as_str().unwrap().parse().unwrap();
    let days = (expires - Utc::now()).num_minutes();
    assert!((10_079..=10_080).contains(&days), "7 days when nobody says how long");
    // Then it opens for who hasn't logged in, for an outsider, and for one who takes part
    let mut seen = Vec::new();
    for who in [Identity::Anonymous, viewer(Uuid::now_v7()), viewer(ended.host)] {
        let answer = open(&stage, &who, &token).await;
        assert!(answer.get("errors").is_none(), "{answer}");
        seen.push(answer["data"]["sharedTranscript"].clone());
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(seen[0]["text"], "We decided to ship in May. Fine.");
    assert_eq!(seen[0]["segments"]["nodes"][0]["text"], "We decided to ship in May.");
    assert_eq!(seen[0]["segments"]["pageInfo"]["hasNextPage"], true);
    assert_eq!(seen[0]["minutesStatus"], "DRAFT");
    assert!(seen[0]["sections"].as_array().unwrap().len() > 1);
    assert_eq!(seen[0]["expiresAt"], made["expiresAt"]);
    // and for nothing else: the same people don't see the meeting
    let roots = "query($m: ID!) { latestTranscriptTask(meetingId: $m) { id } }";
    let outsider = stage.data(&viewer(Uuid::now_v7()), roots, json!({ "m": ended.meeting })).await;
    assert_eq!(outsider["latestTranscriptTask"], Value::Null);
    // The token is kept nowhere, not even in what was told
    let stored: Vec<Vec<u8>> = sqlx::query_scalar("SELECT token_hash FROM share_link")
        .fetch_all(&stage.kernel.pool)
        .await
        .unwrap();
    assert!(stored.iter().all(|hash| hash.len() == 32));
    let told = told(&stage.kernel).await;
    assert!(!told.iter().any(|(_, data)| data.to_string().contains(&token)));
    let shared = told.iter().find(|(kind, _)| kind == "moim.transcript.shared.v1").unwrap();
    assert_eq!((&shared.1["userIds"], &shared.1["sharedBy"]), (&json!([]), &json!(ended.host)));
    assert!(shared.1["expiresAt"].is_string());

    // When it is revoked, then it opens nothing, and says no more than one that never was
    let input = json!({ "linkId": made["id"] });
    let revoked = stage
        .mutate(ended.host, "revokeShareLink", "link { revokedAt isActive }", input.clone())
        .await;
    assert_eq!(revoked["link"]["isActive"], false);
    let again =
        stage.mutate(ended.host, "revokeShareLink", "link { revokedAt isActive }", input).await;
    assert_eq!(again["link"], revoked["link"], "it stays so");
    let gone = open(&stage, &Identity::Anonymous, &token).await;
    assert_invalid(&gone);
    for other in ["", "x", &"A".repeat(43), &"A".repeat(1 << 16)] {
        let never = open(&stage, &Identity::Anonymous, other).await;
        assert_eq!(never["errors"][0]["message"], gone["errors"][0]["message"]);
        assert_invalid(&never);
    }
}

#[tokio::test]
async fn a_link_ends_by_itself() {
    let stage = Stage::new([spoken()]).await;
    let (ended, _) = finished(&stage).await;
    let (token, made) = link(&stage, ended).await;
    let past = sqlx::query("UPDATE share_link SET expires_at = now()");
    past.execute(&stage.kernel.pool).await.unwrap();
    assert_invalid(&open(&stage, &Identity::Anonymous, &token).await);
    // The host sees it in the list, and others see no list
    let query = "query($m: ID!) { shareLinks(meetingId: $m) { nodes { id isActive } } }";
    let list = async |who: &Identity| {
        let mut data = stage.data(who, query, json!({ "m": ended.meeting })).await;
        data["shareLinks"]["nodes"].take()
    };
    assert_eq!(list(&viewer(ended.host)).await, json!([{ "id": made["id"], "isActive": false }]));
    assert_eq!(list(&viewer(Uuid::now_v7())).await, json!([]));
    // What is asked for has its bounds
    for seconds in [-60, 10, 91 * 24 * 3_600] {
        let expires = Utc::now() + TimeDelta::seconds(seconds);
        let input = json!({ "meetingId": ended.meeting, "expiresAt": expires });
        let refused = stage.mutate(ended.host, "createShareLink", LINK, input).await;
        assert_eq!(refusal(&refused), ("INVALID_EXPIRY", "expiresAt"));
        assert_eq!((&refused["token"], &refused["link"]), (&Value::Null, &Value::Null));
    }
    // and a meeting has so many links that lead somewhere; ended ones don't count
    for _ in 0..50 {
        link(&stage, ended).await;
    }
    let input = json!({ "meetingId": ended.meeting });
    let refused = stage.mutate(ended.host, "createShareLink", LINK, input).await;
    assert_eq!(refusal(&refused), ("TOO_MANY_LINKS", "meetingId"));
}

#[tokio::test]
async fn people_read_without_taking_part() {
    let stage = Stage::new([spoken()]).await;
    let (ended, guest) = finished(&stage).await;
    let reader = Uuid::now_v7();
    for who in [reader, guest] {
        stage.named(who, "Somebody");
    }
    let fields = "transcript { id segments { nodes { id } } } minutes { id sections { id } }";
    let all = stage.entity(&viewer(ended.host), "Meeting", ended.meeting, fields).await;
    let entity = async |typename: &str, id: &Value, fields: &str| {
        let id = id.as_str().unwrap().parse().unwrap();
        stage.entity(&viewer(reader), typename, id, fields).await
    };
    let mine = "{ transcriptsSharedWithMe { nodes { id meetingTitle text } } }";
    let list = async || {
        stage.data(&viewer(reader), mine, json!({})).await["transcriptsSharedWithMe"]["nodes"]
            .take()
    };
    let segment_id = &all["transcript"]["segments"]["nodes"][0]["id"];
    assert_eq!(entity("Segment", segment_id, "text").await, Value::Null);
    assert_eq!(list().await, json!([]));

    // When the host shares with somebody (and a guest, who sees it anyway)
    let input = json!({ "meetingId": ended.meeting, "userIds": [reader, guest, reader] });
    for _ in 0..2 {
        let shared = stage.mutate(ended.host, "shareTranscript", "meetingId", input.clone()).await;
        assert_eq!(shared["userErrors"], json!([]), "{shared}");
    }
    // Then he reads, by every way to the text and the minutes
    assert_eq!(list().await[0]["text"], "We decided to ship in May. Fine.");
    assert_eq!(entity("Segment", segment_id, "text").await["text"], "We decided to ship in May.");
    assert_eq!(
        entity("Transcript", &all["transcript"]["id"], "segments { nodes { text } }").await["segments"]
            ["nodes"][1]["text"],
        "Fine."
    );
    assert_eq!(entity("Minutes", &all["minutes"]["id"], "status").await["status"], "DRAFT");
    let section = &all["minutes"]["sections"][0]["id"];
    assert!(entity("MinutesSection", section, "title").await["title"].is_string());
    let root = "query($id: ID!) { transcript(id: $id) { text } }";
    let found = stage.data(&viewer(reader), root, json!({ "id": all["transcript"]["id"] })).await;
    assert_eq!(found["transcript"]["text"], "We decided to ship in May. Fine.");
    // but not how it came to be, nor the meeting; and he changes nothing
    assert_eq!(
        entity("Segment", segment_id, "revisions { nodes { text } }").await,
        json!({ "revisions": null })
    );
    assert_eq!(entity("Meeting", &json!(ended.meeting), "id").await, Value::Null);
    let input = json!({ "sectionId": section, "version": 1 });
    let refused = stage.mutate(reader, "verifySection", "section { id }", input).await;
    assert_eq!(refusal(&refused), ("SECTION_NOT_FOUND", "sectionId"));
    let input = json!({ "segmentId": segment_id, "revision": 0, "text": "x" });
    let refused = stage.mutate(reader, "editSegment", "segment { id }", input).await;
    assert_eq!(refusal(&refused), ("SEGMENT_NOT_FOUND", "segmentId"));
    // It was told once, of him alone
    let told = told(&stage.kernel).await;
    let shared: Vec<&Value> = told
        .iter()
        .filter(|(kind, _)| kind == "moim.transcript.shared.v1")
        .map(|(_, data)| &data["userIds"])
        .collect();
    assert_eq!(shared, [&json!([reader])]);
    // The host sees who reads
    let readers = "query($m: ID!) { transcriptReaders(meetingId: $m) { nodes { user { id } sharedBy { id } } } }";
    let seen = stage.data(&viewer(ended.host), readers, json!({ "m": ended.meeting })).await;
    let expected = json!([{ "user": { "id": reader }, "sharedBy": { "id": ended.host } }]);
    assert_eq!(seen["transcriptReaders"]["nodes"], expected);
    let unseen = stage.data(&viewer(guest), readers, json!({ "m": ended.meeting })).await;
    assert_eq!(unseen["transcriptReaders"]["nodes"], json!([]));

    // When it is taken back, then nothing of it is left
    let input = json!({ "meetingId": ended.meeting, "userId": reader });
    stage.mutate(ended.host, "unshareTranscript", "meetingId", input).await;
    assert_eq!(list().await, json!([]));
    assert_eq!(entity("Segment", segment_id, "text").await, Value::Null);
}

#[tokio::test]
async fn only_the_host_shares_what_is_there() {
    let stage = Stage::new([spoken()]).await;
    let (ended, guest) = finished(&stage).await;
    let (_, made) = link(&stage, ended).await;
    let person = Uuid::now_v7();
    stage.named(person, "Somebody");
    let meeting = json!(ended.meeting);
    let inputs = [
        ("shareTranscript", json!({ "meetingId": meeting, "userIds": [person] }), "meetingId"),
        ("unshareTranscript", json!({ "meetingId": meeting, "userId": person }), "meetingId"),
        ("createShareLink", json!({ "meetingId": meeting }), "link { id }"),
        ("revokeShareLink", json!({ "linkId": made["id"] }), "link { id }"),
    ];
    for (mutation, input, fields) in inputs {
        let refused = stage.mutate(guest, mutation, fields, input.clone()).await;
        assert_eq!(refused["userErrors"][0]["code"], "NOT_HOST", "{mutation}");
        // Outsiders get the answer that what doesn't exist gets
        let mut nowhere = input.clone();
        let (field, code) = match mutation {
            "revokeShareLink" => ("linkId", "SHARE_LINK_NOT_FOUND"),
            _ => ("meetingId", "MEETING_NOT_FOUND"),
        };
        nowhere[field] = json!(Uuid::now_v7());
        for input in [input, nowhere] {
            let refused = stage.mutate(Uuid::now_v7(), mutation, fields, input).await;
            assert_eq!(refusal(&refused), (code, field));
        }
    }
    // People that nobody knows, too many, or none
    let none: Vec<Uuid> = Vec::new();
    let many: Vec<Uuid> = (0..101).map(|_| Uuid::now_v7()).collect();
    for (people, code) in [
        (json!([Uuid::now_v7()]), "UNKNOWN_PERSON"),
        (json!([person, "no id"]), "UNKNOWN_PERSON"),
        (json!(none), "INVALID_PEOPLE"),
        (json!(many), "INVALID_PEOPLE"),
    ] {
        let input = json!({ "meetingId": meeting, "userIds": people });
        let refused = stage.mutate(ended.host, "shareTranscript", "meetingId", input).await;
        assert_eq!(refusal(&refused), (code, "userIds"));
    }
    // A meeting without a text
    let (empty, host) = (Uuid::now_v7(), Uuid::now_v7());
    stage.joins(empty, host);
    let refused =
        stage.mutate(host, "createShareLink", "token", json!({ "meetingId": empty })).await;
    assert_eq!(refusal(&refused), ("TRANSCRIPT_NOT_READY", "meetingId"));
}

#[tokio::test]
async fn a_deleted_account_reads_no_more() {
    let stage = Stage::new([spoken()]).await;
    let (ended, _) = finished(&stage).await;
    let (token, _) = link(&stage, ended).await;
    let reader = Uuid::now_v7();
    stage.named(reader, "Somebody");
    let input = json!({ "meetingId": ended.meeting, "userIds": [reader] });
    stage.mutate(ended.host, "shareTranscript", "meetingId", input).await;
    for gone in [reader, ended.host] {
        let who = json!({ "userId": gone });
        contract::testing::tell(&stage.kernel, "moim.user.deleted.v1", gone, gone, who).await;
    }
    let pool = &stage.kernel.pool;
    eventually(DEADLINE, || async {
        let readers: i64 =
            sqlx::query_scalar("SELECT count(*) FROM share_reader").fetch_one(pool).await.unwrap();
        let names: i64 = sqlx::query_scalar("SELECT count(created_by) FROM share_link")
            .fetch_one(pool)
            .await
            .unwrap();
        readers == 0 && names == 0
    })
    .await;
    // The link still leads to the minutes of those who are there
    assert!(open(&stage, &Identity::Anonymous, &token).await.get("errors").is_none());
}
