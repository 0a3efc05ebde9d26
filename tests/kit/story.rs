//! The steps of the main job (SPEC, section 4), by their exact names.

use super::{SOON, TRANSCRIBED, client::Client, eventually};
use serde_json::{Value, json};

pub(crate) const PASSWORD: &str = "a-long-walk-2026";

pub(crate) const MEETING_UPDATED: &str = "subscription ($meetingId: ID!, $after: Cursor) {
    meetingUpdated(meetingId: $meetingId, after: $after) {
        cursor type occurredAt meeting { id status } task { id kind status progress } } }";
pub(crate) const TASK_UPDATED: &str = "subscription ($taskId: ID!, $after: Cursor) {
    taskUpdated(taskId: $taskId, after: $after) {
        cursor type task { id kind status progress error { code message } } } }";
pub(crate) const TRANSCRIPT_SEGMENTS: &str = "subscription ($meetingId: ID!, $after: Cursor) {
    transcriptSegments(meetingId: $meetingId, after: $after) {
        cursor segment { id speaker { label } startMs endMs text } } }";
pub(crate) const MEETING: &str = "query ($id: ID!) { meeting(id: $id) { title status
    transcript { text segments(first: 100) { nodes { id startMs endMs speaker { label } text } } }
    minutes { status sections { title body } } } }";
/// The page of a meeting, over meeting, transcript, ai and todo.
pub(crate) const PAGE: &str = "query ($id: ID!) { meeting(id: $id) { title status
    transcript { text segments(first: 100) { nodes { startMs endMs speaker { label } text } } }
    minutes { status sections { title body } }
    summary { overview }
    todos(first: 20) { nodes { title status } } } }";
pub(crate) const TASKS: &str = "query ($id: ID!) { meeting(id: $id) {
    transcriptTasks { id kind status progress attempts error { code message } } } }";

/// A person who is logged in.
pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) client: Client,
}

/// Registers somebody with an address of their own.
pub(crate) async fn register(client: &Client, name: &str) -> Person {
    let email = format!("{name}-{}@example.org", uuid::Uuid::now_v7().simple());
    let input = json!({ "email": email, "password": PASSWORD, "name": name, "locale": "en" });
    let answer = client
        .send(
            "mutation ($input: RegisterInput!) { register(input: $input) {
                accessToken refreshToken expiresIn user { id } userErrors { code field message } } }",
            json!({ "input": input }),
        )
        .await
        .ok();
    let token = answer.text("/register/accessToken");
    Person { id: answer.text("/register/user/id"), email, client: client.with_token(&token) }
}

/// Creates a meeting and starts it; gives its id.
pub(crate) async fn started_meeting(host: &Client, participants: &[&str]) -> String {
    let input = json!({ "title": "Plans", "agenda": "News", "participantIds": participants });
    let answer = host
        .send(
            "mutation ($input: CreateMeetingInput!) { createMeeting(input: $input) {
                meeting { id status } userErrors { code field message } } }",
            json!({ "input": input }),
        )
        .await
        .ok();
    assert_eq!(answer.data("/createMeeting/meeting/status"), "SCHEDULED");
    let meeting = answer.text("/createMeeting/meeting/id");
    let answer = host
        .send(
            "mutation ($input: StartMeetingInput!) { startMeeting(input: $input) {
                meeting { id status } userErrors { code field message } } }",
            json!({ "input": { "meetingId": meeting } }),
        )
        .await
        .ok();
    assert_eq!(answer.data("/startMeeting/meeting/status"), "IN_PROGRESS");
    meeting
}

/// Where a recording is to be sent.
pub(crate) struct Upload {
    pub(crate) recording: String,
    pub(crate) url: String,
}

/// Asks for an upload.
pub(crate) async fn request_upload(
    client: &Client,
    meeting: &str,
    content_type: &str,
    size: usize,
) -> Upload {
    let input = json!({ "meetingId": meeting, "contentType": content_type, "sizeBytes": size });
    let answer = client
        .send(
            "mutation ($input: RequestRecordingUploadInput!) { requestRecordingUpload(input: $input) {
                recording { id } upload { url method headers { name value } expiresAt }
                userErrors { code field message } } }",
            json!({ "input": input }),
        )
        .await
        .ok();
    Upload {
        recording: answer.text("/requestRecordingUpload/recording/id"),
        url: answer.text("/requestRecordingUpload/upload/url"),
    }
}

/// Uploads a whole recording; gives its id.
pub(crate) async fn upload(
    client: &Client,
    meeting: &str,
    content_type: &str,
    body: Vec<u8>,
) -> String {
    let upload = request_upload(client, meeting, content_type, body.len()).await;
    let answer = client.put(&upload.url, content_type, body).await;
    assert!(answer.status.is_success(), "{answer:?}");
    upload.recording
}

/// Ends the meeting.
pub(crate) async fn end_meeting(client: &Client, meeting: &str, recording: &str) {
    let input = json!({ "meetingId": meeting, "recordingId": recording });
    let answer = client
        .send(
            "mutation ($input: EndMeetingInput!) { endMeeting(input: $input) {
                meeting { id status } userErrors { code field message } } }",
            json!({ "input": input }),
        )
        .await
        .ok();
    assert_eq!(answer.data("/endMeeting/meeting/status"), "ENDED");
}

/// A started meeting with the real recording in it, ended.
pub(crate) async fn ended_meeting(host: &Client) -> String {
    let meeting = started_meeting(host, &[]).await;
    let recording = upload(host, &meeting, "audio/wav", speech_recording()).await;
    end_meeting(host, &meeting, &recording).await;
    meeting
}

/// The 44 s of English speech from a pinned package.
pub(crate) fn speech_recording() -> Vec<u8> {
    let path = speech::testing::recording().expect("the pinned recording");
    std::fs::read(path).expect("the recording is readable")
}

/// The first seconds of it, as MP3 (`audio/mpeg`): quickly recognised.
pub(crate) fn few_words() -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/speech/tests/fixtures/speech.mp3");
    std::fs::read(path).expect("the fixture is there")
}

/// Waits for the transcription task of a meeting; gives its id.
pub(crate) async fn transcription_task(client: &Client, meeting: &str) -> String {
    eventually("the task is there", SOON, || async {
        let answer = client.send(TASKS, json!({ "id": meeting })).await.ok();
        let task = answer.body.pointer("/data/meeting/transcriptTasks/0/id")?;
        task.as_str().map(str::to_owned)
    })
    .await
}

/// Waits until the meeting has its minutes; gives the whole answer to [`MEETING`].
pub(crate) async fn minutes(client: &Client, meeting: &str) -> Value {
    eventually("the meeting is MINUTES_READY", TRANSCRIBED, || async {
        let answer = client.send(MEETING, json!({ "id": meeting })).await.ok();
        (answer.data("/meeting/status") == "MINUTES_READY").then(|| answer.body["data"].clone())
    })
    .await
}

/// How many of the words that the recording is known to say are in the text.
pub(crate) fn known_words(text: &str) -> usize {
    const WORDS: [&str; 10] = [
        "best",
        "worst",
        "wisdom",
        "foolishness",
        "belief",
        "light",
        "darkness",
        "hope",
        "despair",
        "heaven",
    ];
    let text = text.to_lowercase();
    WORDS.iter().filter(|word| text.contains(*word)).count()
}

/// Ends the meeting, of which there is no recording.
pub(crate) async fn end_meeting_without_recording(client: &Client, meeting: &str) {
    client
        .send(
            "mutation ($input: EndMeetingInput!) { endMeeting(input: $input) {
                meeting { id status } userErrors { code field message } } }",
            json!({ "input": { "meetingId": meeting } }),
        )
        .await
        .ok();
}
