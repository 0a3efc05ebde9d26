//! Bad input gets a clear answer, and what was there stays usable.

use crate::kit::{
    SOON, TRANSCRIBED,
    client::{Answer, Client},
    eventually,
    instance::Place,
    story::{self, TASKS},
};
use serde_json::{Value, json};

/// Waits until the transcription of a meeting failed; gives the task.
pub(crate) async fn failed_task(client: &Client, meeting: &str) -> Value {
    eventually("the task failed", TRANSCRIBED, || async {
        let answer = client.send(TASKS, json!({ "id": meeting })).await.ok();
        let task = answer.body.pointer("/data/meeting/transcriptTasks/0")?.clone();
        (task["status"] == "FAILED").then_some(task)
    })
    .await
}

async fn log_in(client: &Client, email: &str, password: &str) -> Answer {
    let query = "mutation ($input: LoginInput!) { login(input: $input) {
        accessToken refreshToken user { id } userErrors { code field message } } }";
    client.send(query, json!({ "input": { "email": email, "password": password } })).await
}

async fn sign_up(client: &Client, email: &str, password: &str) -> Answer {
    let query = "mutation ($input: RegisterInput!) { register(input: $input) {
        accessToken userErrors { code field message } } }";
    let input = json!({ "email": email, "password": password, "name": "N", "locale": "ko" });
    client.send(query, json!({ "input": input })).await
}

/// Given a person, when somebody registers or logs in wrongly, then the answer says what to mend.
#[tokio::test]
async fn accounts_say_what_to_mend() {
    let place = Place::new();
    let moim = place.up().await;
    let client = moim.client();
    let person = story::register(&client, "person").await;

    assert_eq!(
        log_in(&client, &person.email, "not-the-password").await.user_error_codes(),
        ["INVALID_CREDENTIALS"]
    );
    assert_eq!(
        log_in(&client, "nobody@example.org", story::PASSWORD).await.user_error_codes(),
        ["INVALID_CREDENTIALS"]
    );
    assert_eq!(
        sign_up(&client, &person.email.to_uppercase(), story::PASSWORD).await.user_error_codes(),
        ["EMAIL_TAKEN"]
    );
    assert_eq!(
        sign_up(&client, "a@example.org", "short").await.user_error_codes(),
        ["WEAK_PASSWORD"]
    );
    assert_eq!(
        sign_up(&client, "not an address", story::PASSWORD).await.user_error_codes(),
        ["INVALID_EMAIL"]
    );
    let answer = log_in(&client, &person.email, story::PASSWORD).await.ok();
    assert_eq!(answer.text("/login/user/id"), person.id);

    // A refresh token is used once; its second use ends the whole family.
    let refresh = "mutation ($input: RefreshInput!) { refresh(input: $input) {
        accessToken refreshToken userErrors { code } } }";
    let first = answer.text("/login/refreshToken");
    let renewed = client.send(refresh, json!({ "input": { "refreshToken": first } })).await.ok();
    let second = renewed.text("/refresh/refreshToken");
    for token in [first, second] {
        let answer = client.send(refresh, json!({ "input": { "refreshToken": token } })).await;
        assert_eq!(answer.user_error_codes(), ["INVALID_REFRESH_TOKEN"]);
    }
}

async fn step(client: &Client, name: &str, meeting: &str) -> Answer {
    let kind = format!("{}{}Input", name[..1].to_uppercase(), &name[1..]);
    let query = format!(
        "mutation ($input: {kind}!) {{ {name}(input: $input) {{
            meeting {{ status endedAt }} userErrors {{ code field message }} }} }}"
    );
    client.send(&query, json!({ "input": { "meetingId": meeting } })).await
}

/// Given a meeting, when its steps are taken in an illegal order, by a guest, or twice, then the answer is clear.
#[tokio::test]
async fn a_meeting_takes_legal_steps_only() {
    let place = Place::new();
    let moim = place.up().await;
    let host = story::register(&moim.client(), "host").await;
    let guest = story::register(&moim.client(), "guest").await;
    let meeting = story::started_meeting(&host.client, &[&guest.id]).await;

    assert_eq!(step(&guest.client, "endMeeting", &meeting).await.user_error_codes(), ["NOT_HOST"]);
    let once = step(&host.client, "endMeeting", &meeting).await.ok();
    let twice = step(&host.client, "endMeeting", &meeting).await.ok();
    assert_eq!(once.body["data"], twice.body["data"], "ending twice is ending once");
    for name in ["startMeeting", "cancelMeeting"] {
        let answer = step(&host.client, name, &meeting).await;
        assert_eq!(answer.user_error_codes(), ["ILLEGAL_STATUS"], "{name}");
    }
}

/// Given an upload that was granted, when the file is too large, of a wrong type, cut off, sent twice, or the link
/// forged, then each has its status and code, nothing half is kept, and a good file still gets in.
#[tokio::test]
async fn uploads_are_exact() {
    let place = Place::new();
    let moim = place.up().await;
    let host = story::register(&moim.client(), "host").await;
    let meeting = story::started_meeting(&host.client, &[]).await;
    let ask = |content_type: &'static str, size: u64| {
        let (client, meeting) = (host.client.clone(), meeting.clone());
        async move {
            let query = "mutation ($input: RequestRecordingUploadInput!) {
                requestRecordingUpload(input: $input) { upload { url } userErrors { code } } }";
            let input = json!({
                "meetingId": meeting, "contentType": content_type, "sizeBytes": size });
            client.send(query, json!({ "input": input })).await
        }
    };
    assert_eq!(ask("audio/wav", 2_100_000_000).await.user_error_codes(), ["RECORDING_TOO_LARGE"]);
    assert_eq!(ask("image/png", 10).await.user_error_codes(), ["UNSUPPORTED_MEDIA_TYPE"]);

    let upload = story::request_upload(&host.client, &meeting, "audio/wav", 10).await;
    let put = |url: &str, content_type: &'static str, body: &'static [u8]| {
        let (client, url) = (host.client.clone(), url.to_owned());
        async move { client.put(&url, content_type, body.to_vec()).await.status.as_u16() }
    };
    assert_eq!(put(&upload.url, "audio/wav", b"far more than ten bytes").await, 413);
    assert_eq!(put(&upload.url, "audio/wav", b"short").await, 400);
    assert_eq!(put(&upload.url, "image/png", b"0123456789").await, 415);
    let forged = upload.url.replace("expires=", "expires=9");
    assert_eq!(put(&forged, "audio/wav", b"0123456789").await, 403);
    assert!((200..300).contains(&put(&upload.url, "audio/wav", b"0123456789").await));
    assert_eq!(put(&upload.url, "audio/wav", b"0123456789").await, 409);
}

/// Given a recording that is no audio, silent or empty, when the meeting ends, then the task fails with a code that
/// says why, the meeting stays usable, and the task can be retried.
#[tokio::test]
async fn a_useless_recording_fails_its_task_only() {
    let place = Place::new();
    let moim = place.up().await;
    let host = story::register(&moim.client(), "host").await;
    let cases: [(Vec<u8>, &str); 3] = [
        (b"%PDF-1.7 certainly no audio, but long enough to be looked at".to_vec(), "NOT_AUDIO"),
        (wav(0), "RECORDING_EMPTY"),
        (wav(16_000 * 5), "NO_SPEECH"),
    ];
    for (recording, code) in cases {
        let meeting = story::started_meeting(&host.client, &[]).await;
        let recording = story::upload(&host.client, &meeting, "audio/wav", recording).await;
        story::end_meeting(&host.client, &meeting, &recording).await;

        let task = failed_task(&host.client, &meeting).await;

        assert_eq!(task["error"]["code"], code);
        assert!(task["error"]["message"].as_str().is_some_and(|m| m.len() > 10), "{task}");
        let retry = "mutation ($input: RetryTranscriptTaskInput!) {
            retryTranscriptTask(input: $input) { task { id status } userErrors { code } } }";
        let input = json!({ "input": { "taskId": task["id"] } });
        let answer = host.client.send(retry, input).await.ok();
        assert_eq!(answer.data("/retryTranscriptTask/task/status"), "PENDING");
        eventually("it was tried again", TRANSCRIBED, || async {
            let again = failed_task(&host.client, &meeting).await;
            (again["attempts"] == 2 && again["error"]["code"] == code).then_some(())
        })
        .await;
        let seen = host.client.send(story::MEETING, json!({ "id": meeting })).await.ok();
        assert_eq!(seen.data("/meeting/status"), "ENDED");
    }
}

/// A WAV file (16 kHz, mono, 16 bit) of silence.
fn wav(samples: u32) -> Vec<u8> {
    let bytes = samples * 2;
    let mut file = Vec::with_capacity(44 + bytes as usize);
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(36 + bytes).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt ");
    file.extend_from_slice(&16u32.to_le_bytes());
    for field in [1u16, 1] {
        file.extend_from_slice(&field.to_le_bytes());
    }
    for field in [16_000u32, 32_000] {
        file.extend_from_slice(&field.to_le_bytes());
    }
    for field in [2u16, 16] {
        file.extend_from_slice(&field.to_le_bytes());
    }
    file.extend_from_slice(b"data");
    file.extend_from_slice(&bytes.to_le_bytes());
    file.resize(44 + bytes as usize, 0);
    file
}

/// Given malformed GraphQL, when it is sent, then each fault has its status and stable code.
#[tokio::test]
async fn malformed_graphql_gets_a_code() {
    let place = Place::new();
    let moim = place.up().await;
    let client = moim.client();
    let code = |answer: &Answer| answer.error_code().map(str::to_owned);

    let answer = client.send("{ me { ", Value::Null).await;
    assert_eq!(code(&answer).as_deref(), Some("GRAPHQL_PARSE_FAILED"));
    let answer = client.send("{ nothingLikeIt }", Value::Null).await;
    assert_eq!(code(&answer).as_deref(), Some("GRAPHQL_VALIDATION_FAILED"));
    let answer = client.send("query ($id: ID!) { meeting(id: $id) { id } }", Value::Null).await;
    assert_eq!(code(&answer).as_deref(), Some("BAD_USER_INPUT"), "a variable is missing");
    let answer = client.post_raw("/graphql", "application/json", b"{ no json".to_vec()).await;
    assert_eq!((answer.status.as_u16(), code(&answer).as_deref()), (400, Some("BAD_REQUEST")));
    let answer = client.post_raw("/graphql", "text/plain", b"{ me { id } }".to_vec()).await;
    assert_eq!(answer.status, 415);
    let answer = client.get("/health/ready").await;
    assert_eq!(answer.status, 200, "and it goes on: {answer:?}");
    let within = eventually("still healthy", SOON, || async {
        (client.get("/health/live").await.status == 200).then_some(true)
    });
    assert!(within.await);
}

/// Given the limits of `moim up`, when an address tries one log-in after the other, then it is soon told to wait.
#[tokio::test]
async fn who_asks_too_often_is_told_to_wait() {
    let mut place = Place::new();
    place.set("MOIM_RATE_LIMIT", "true");
    let moim = place.up().await;
    let client = moim.client();
    let tries = (0..60).map(|_| log_in(&client, "nobody@example.org", "no-such-password"));

    let answers = futures::future::join_all(tries).await;

    let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 429).collect();
    assert!(!refused.is_empty() && refused.len() < answers.len());
    for answer in refused {
        assert_eq!(answer.error_code(), Some("RATE_LIMITED"));
    }
}
