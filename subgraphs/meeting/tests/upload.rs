//! Sending files over a real socket, as browsers, curl and broken connections do.

use platform::testing::eventually;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use uuid::Uuid;

use crate::harness::{Case, DEADLINE};

/// An answer as it came over the socket.
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    body: Value,
}

impl Answer {
    pub(crate) fn code(&self) -> (u16, &str) {
        let message = self.body["message"].as_str().unwrap_or_default();
        assert!(!message.is_empty(), "{}", self.body);
        (self.status, self.body["code"].as_str().unwrap_or_default())
    }
}

/// Where a ticket points to.
struct Target {
    address: String,
    path: String,
    content_type: String,
}

fn target(ticket: &Value) -> Target {
    let url = ticket["url"].as_str().expect("url").strip_prefix("http://").expect("http");
    let (address, path) = url.split_once('/').expect("path");
    let content_type = ticket["headers"][0]["value"].as_str().expect("content type").to_owned();
    Target { address: address.to_owned(), path: format!("/{path}"), content_type }
}

/// Sends the head of a request, then `body`; the connection stays open for writing.
async fn send(target: &Target, head: &str, body: &[u8]) -> TcpStream {
    let mut socket = TcpStream::connect(&target.address).await.expect("connect");
    let head = format!(
        "PUT {} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\norigin: http://app.example\r\n{head}\r\n",
        target.path, target.address
    );
    socket.write_all(head.as_bytes()).await.expect("head");
    socket.write_all(body).await.expect("body");
    socket
}

async fn receive(mut socket: TcpStream) -> Answer {
    let mut text = Vec::new();
    // The server may reset the connection after an early answer.
    let mut piece = [0; 4096];
    while let Ok(n @ 1..) = socket.read(&mut piece).await {
        text.extend_from_slice(&piece[..n]);
    }
    let text = String::from_utf8(text).expect("text");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("status");
    let body = serde_json::from_str(body).unwrap_or(Value::Null);
    Answer { status, head: head.to_ascii_lowercase(), body }
}

async fn put(target: &Target, body: &[u8]) -> Answer {
    let head =
        format!("content-type: {}\r\ncontent-length: {}\r\n", target.content_type, body.len());
    receive(send(target, &head, body).await).await
}

/// Sends a file as its ticket says, whatever comes of it.
pub(crate) async fn send_bytes(ticket: &Value, body: &[u8]) -> Answer {
    put(&target(ticket), body).await
}

/// Uploads a file as its ticket says.
pub(crate) async fn put_bytes(ticket: &Value, body: &[u8]) {
    let answer = put(&target(ticket), body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

struct Upload {
    case: Case,
    meeting: String,
    recording: Uuid,
    target: Target,
}

impl Upload {
    async fn of(size: usize) -> Self {
        let case = Case::new().await;
        let meeting = case.started().await;
        let input = json!({ "meetingId": meeting, "contentType": "audio/webm;codecs=opus", "sizeBytes": size });
        let payload = case.request(&case.guest, input).await;
        let recording = payload["recording"]["id"].as_str().unwrap().parse().unwrap();
        let target = target(&payload["upload"]);
        Self { case, meeting, recording, target }
    }

    async fn stored(&self) -> Option<Vec<u8>> {
        let key = format!("recordings/{}/{}", self.meeting, self.recording);
        self.case.kernel.objects.get(&key, 1 << 30).await.ok().map(|bytes| bytes.to_vec())
    }

    async fn status(&self) -> String {
        sqlx::query_scalar("SELECT status FROM recordings WHERE id = $1")
            .bind(self.recording)
            .fetch_one(&self.case.kernel.pool)
            .await
            .unwrap()
    }

    async fn assert_nothing_stored(&self) {
        assert_eq!(self.status().await, "PENDING");
        assert!(self.stored().await.is_none());
    }

    async fn free(&self) -> bool {
        sqlx::query_scalar("SELECT upload_attempt IS NULL FROM recordings WHERE id = $1")
            .bind(self.recording)
            .fetch_one(&self.case.kernel.pool)
            .await
            .unwrap()
    }
}

fn noise(size: usize) -> Vec<u8> {
    (0..size).map(|i| u8::try_from(i * 31 % 251).unwrap()).collect()
}

#[tokio::test]
async fn a_file_of_several_parts_arrives_whole() {
    let file = noise(12 * 1024 * 1024 + 7);
    let upload = Upload::of(file.len()).await;
    let answer = put(&upload.target, &file).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.body["recordingId"], upload.recording.to_string());
    assert_eq!(answer.body["status"], "UPLOADED");
    assert_eq!(upload.status().await, "UPLOADED");
    assert!(upload.stored().await.unwrap() == file);
}

#[tokio::test]
async fn a_file_without_a_length_is_counted() {
    let upload = Upload::of(6).await;
    let head = "content-type: audio/webm\r\ntransfer-encoding: chunked\r\n";

    let short = send(&upload.target, head, b"3\r\nabc\r\n0\r\n\r\n").await;
    assert_eq!(receive(short).await.code(), (400, "RECORDING_TRUNCATED"));
    upload.assert_nothing_stored().await;

    let long = send(&upload.target, head, b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n").await;
    assert_eq!(receive(long).await.code(), (413, "RECORDING_TOO_LARGE"));
    upload.assert_nothing_stored().await;

    let right = send(&upload.target, head, b"3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n").await;
    assert_eq!(receive(right).await.status, 200);
    assert_eq!(upload.stored().await.unwrap(), b"abcdef");
}

#[tokio::test]
async fn a_wrong_length_is_told_at_once() {
    let upload = Upload::of(6).await;
    assert_eq!(put(&upload.target, b"abc").await.code(), (400, "RECORDING_TRUNCATED"));
    assert_eq!(put(&upload.target, b"abcdefg").await.code(), (413, "RECORDING_TOO_LARGE"));
    assert_eq!(put(&upload.target, b"").await.code(), (400, "RECORDING_TRUNCATED"));
    upload.assert_nothing_stored().await;
    assert_eq!(put(&upload.target, b"abcdef").await.status, 200);
}

#[tokio::test]
async fn a_broken_connection_leaves_nothing_and_can_be_tried_again() {
    let file = noise(6 * 1024 * 1024);
    let upload = Upload::of(file.len()).await;
    let head = format!("content-type: audio/webm\r\ncontent-length: {}\r\n", file.len());

    let socket = send(&upload.target, &head, &file[..5 * 1024 * 1024]).await;
    eventually(DEADLINE, async || !upload.free().await).await;
    drop(socket);

    eventually(DEADLINE, async || upload.free().await).await;
    upload.assert_nothing_stored().await;
    assert_eq!(put(&upload.target, &file).await.status, 200);
    assert!(upload.stored().await.unwrap() == file);
}

#[tokio::test]
async fn of_two_uploads_at_once_one_wins() {
    let upload = Upload::of(8).await;
    let head = "content-type: audio/webm\r\ncontent-length: 8\r\n";
    let mut first = send(&upload.target, head, b"1234").await;
    eventually(DEADLINE, async || !upload.free().await).await;

    assert_eq!(put(&upload.target, b"another!").await.code(), (409, "UPLOAD_IN_PROGRESS"));

    first.write_all(b"5678").await.unwrap();
    assert_eq!(receive(first).await.status, 200);
    assert_eq!(upload.stored().await.unwrap(), b"12345678");
}

#[tokio::test]
async fn many_who_race_leave_one_winner() {
    let upload = Upload::of(8).await;
    let files: Vec<Vec<u8>> = (b'a'..b'g').map(|letter| vec![letter; 8]).collect();
    let answers =
        futures::future::join_all(files.iter().map(|file| put(&upload.target, file))).await;
    let won: Vec<usize> = (0..files.len()).filter(|i| answers[*i].status == 200).collect();
    assert_eq!(won.len(), 1);
    assert!(answers.iter().all(|answer| answer.status == 200 || answer.status == 409));
    assert_eq!(upload.stored().await.unwrap(), files[won[0]]);
}

#[tokio::test]
async fn an_address_is_good_for_one_file() {
    let upload = Upload::of(3).await;
    assert_eq!(put(&upload.target, b"abc").await.status, 200);
    assert_eq!(put(&upload.target, b"xyz").await.code(), (409, "ALREADY_UPLOADED"));
    assert_eq!(upload.stored().await.unwrap(), b"abc");
}

#[tokio::test]
async fn what_a_crash_left_behind_is_written_again() {
    let upload = Upload::of(3).await;
    let key = format!("recordings/{}/{}", upload.meeting, upload.recording);
    upload.case.kernel.objects.put(&key, "old").await.unwrap();
    sqlx::query(
        "UPDATE recordings SET upload_attempt = gen_random_uuid(),
                               upload_lease_until = now() - interval '1 second'",
    )
    .execute(&upload.case.kernel.pool)
    .await
    .unwrap();
    assert_eq!(put(&upload.target, b"new").await.status, 200);
    assert_eq!(upload.stored().await.unwrap(), b"new");
}

#[tokio::test]
async fn another_type_is_refused() {
    let upload = Upload::of(3).await;
    for content_type in ["content-type: text/html\r\n", ""] {
        let head = format!("{content_type}content-length: 3\r\n");
        let answer = receive(send(&upload.target, &head, b"abc").await).await;
        assert_eq!(answer.code(), (415, "UNSUPPORTED_MEDIA_TYPE"));
    }
    upload.assert_nothing_stored().await;
}

#[tokio::test]
async fn forged_addresses_are_refused() {
    let mut upload = Upload::of(3).await;
    let path = upload.target.path.clone();
    let (before, signature) = path.rsplit_once('=').unwrap();
    let other =
        format!("{}{}", if signature.starts_with('0') { '1' } else { '0' }, &signature[1..]);
    let recording = upload.recording.to_string();
    for forged in [
        format!("{before}={other}"),
        format!("{before}="),
        format!("{before}=zz"),
        before.replace("&signature", ""),
        path.replace("expires=", "expires=9"),
        path.replace(&recording, &Uuid::now_v7().to_string()),
        path.replace(&recording, "garbage"),
    ] {
        upload.target.path = forged;
        let answer = put(&upload.target, b"abc").await;
        assert_eq!(answer.code(), (403, "INVALID_SIGNATURE"), "{}", upload.target.path);
    }
    upload.assert_nothing_stored().await;
}

#[tokio::test]
async fn an_address_expires() {
    let upload = Upload::of(3).await;
    sqlx::query("UPDATE recordings SET upload_expires_at = now() - interval '1 second'")
        .execute(&upload.case.kernel.pool)
        .await
        .unwrap();
    // The address as it would have been, had it been asked for an hour ago.
    sqlx::query(
        "INSERT INTO idempotency_keys (viewer_id, mutation, key, answer_id)
         VALUES ($1, 'requestRecordingUpload', $3, $2)",
    )
    .bind(upload.case.guest.id)
    .bind(upload.recording)
    .bind(format!("{} old", upload.meeting))
    .execute(&upload.case.kernel.pool)
    .await
    .unwrap();
    let input = json!({ "meetingId": upload.meeting, "contentType": "audio/webm", "sizeBytes": 3,
                        "idempotencyKey": "old" });
    let payload = upload.case.request(&upload.case.guest, input).await;

    let answer = put(&target(&payload["upload"]), b"abc").await;

    assert_eq!(answer.code(), (410, "UPLOAD_EXPIRED"));
    upload.assert_nothing_stored().await;
}

#[tokio::test]
async fn a_cancelled_meeting_takes_no_file() {
    let upload = Upload::of(3).await;
    upload.case.step("cancelMeeting", &upload.meeting).await;
    assert_eq!(put(&upload.target, b"abc").await.code(), (409, "ILLEGAL_STATUS"));
}

#[tokio::test]
async fn web_pages_may_upload() {
    let upload = Upload::of(3).await;
    let target = &upload.target;
    let preflight = format!(
        "OPTIONS {} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\norigin: http://app.example\r\n\
         access-control-request-method: PUT\r\naccess-control-request-headers: content-type\r\n\r\n",
        target.path, target.address
    );
    let mut socket = TcpStream::connect(&target.address).await.unwrap();
    socket.write_all(preflight.as_bytes()).await.unwrap();
    let answer = receive(socket).await;
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("access-control-allow-origin: *"), "{}", answer.head);
    assert!(answer.head.contains("access-control-allow-methods: put"), "{}", answer.head);
    assert!(answer.head.contains("access-control-allow-headers: content-type"), "{}", answer.head);

    for body in [&b"ab"[..], b"abc"] {
        let answer = put(target, body).await;
        assert!(answer.head.contains("access-control-allow-origin: *"), "{}", answer.head);
    }
}
