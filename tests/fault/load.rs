//! A small load: several people hold meetings at once, and each watches theirs. All of them go on through any failure
//! as good clients do: what has no known outcome is asked again under the same idempotency key, a stream that broke off
//! is taken up again from its last cursor.

use crate::kit::{
    client::{Answer, Client},
    sse::Stream,
    story::{self, MEETING_UPDATED},
};
use router::push::Cursor;
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{sync::watch, task::JoinSet};

/// Meetings that are held at the same time.
const MEETINGS: usize = 4;
/// How long one person tries to hold a meeting: longer than any fault of these tests.
const PATIENCE: Duration = Duration::from_secs(90);
/// Pause before something is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(100);
/// Longest wait for one answer: a server that hangs must not hold a client for ever.
const ANSWER: Duration = Duration::from_secs(15);

/// What one subscriber saw of one meeting.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) meeting: String,
    /// Position of the snapshot that the subscription began with.
    pub(super) from: u64,
    /// Positions of the events after it, as they came.
    pub(super) events: Vec<u64>,
}

/// People at work.
pub(super) struct Load {
    base: watch::Sender<String>,
    people: JoinSet<String>,
    watching: JoinSet<()>,
    seen: Vec<Arc<Mutex<Seen>>>,
}

impl Load {
    /// Lets people register and begin. `base`: the router's address now.
    pub(super) async fn start(base: &str) -> Self {
        let client = Client::new(base);
        let (base, address) = watch::channel(base.to_owned());
        let mut load =
            Self { base, people: JoinSet::new(), watching: JoinSet::new(), seen: Vec::new() };
        let person = story::register(&client, "host").await;
        for number in 0..MEETINGS {
            let seen = Arc::new(Mutex::new(Seen::default()));
            load.seen.push(Arc::clone(&seen));
            let person = Person { client: person.client.clone(), address: address.clone() };
            let (created, known) = watch::channel(None);
            let watcher = person.clone();
            load.watching.spawn(async move { watcher.watch(known, &seen).await });
            load.people.spawn(async move { person.hold(number, &created).await });
        }
        load
    }

    /// Tells everybody where the router is now.
    pub(super) fn moved_to(&self, base: &str) {
        self.base.send_replace(base.to_owned());
    }

    /// Waits until all meetings are over; gives their ids.
    pub(super) async fn finish(&mut self) -> Vec<String> {
        let mut meetings = Vec::new();
        while let Some(held) = self.people.join_next().await {
            meetings.push(held.expect("a person got through"));
        }
        meetings
    }

    /// What the subscribers have seen so far.
    pub(super) fn seen(&self) -> Vec<Arc<Mutex<Seen>>> {
        self.seen.clone()
    }
}

#[derive(Clone)]
struct Person {
    client: Client,
    address: watch::Receiver<String>,
}

impl Person {
    fn client(&self) -> Client {
        self.client.at(&self.address.borrow())
    }

    /// Creates, starts and ends a meeting with a recording that is no sound (its task fails soon).
    async fn hold(&self, number: usize, created: &watch::Sender<Option<String>>) -> String {
        let key = format!("meeting-{number}");
        let input = json!({ "title": format!("Meeting {number}"), "idempotencyKey": key });
        let answer = self
            .ask(
                "mutation ($input: CreateMeetingInput!) { done: createMeeting(input: $input) {
                    meeting { id } userErrors { code } } }",
                json!({ "input": input }),
            )
            .await;
        let meeting = answer.text("/done/meeting/id");
        created.send_replace(Some(meeting.clone()));
        self.step("startMeeting", "StartMeetingInput", json!({ "meetingId": meeting })).await;
        let recording = self.upload(&meeting, number).await;
        let input = json!({ "meetingId": meeting, "recordingId": recording });
        self.step("endMeeting", "EndMeetingInput", input).await;
        meeting
    }

    /// A step in a meeting's life. One that was taken before, without an answer reaching us, is refused as illegal.
    async fn step(&self, mutation: &str, kind: &str, input: Value) {
        let document = format!(
            "mutation ($input: {kind}!) {{ done: {mutation}(input: $input) {{ meeting {{ id }} userErrors {{ code }} }} }}"
        );
        let answer = self.ask(&document, json!({ "input": input })).await;
        let refused = answer.user_error_codes();
        assert!(refused.is_empty() || refused == ["ILLEGAL_STATUS"], "{mutation}: {refused:?}");
    }

    async fn upload(&self, meeting: &str, number: usize) -> String {
        let body = b"this is no sound".to_vec();
        let input = json!({
            "meetingId": meeting, "contentType": "audio/wav", "sizeBytes": body.len(),
            "idempotencyKey": format!("recording-{number}"),
        });
        let answer = self
            .ask(
                "mutation ($input: RequestRecordingUploadInput!) { done: requestRecordingUpload(input: $input) {
                    recording { id } upload { url } userErrors { code } } }",
                json!({ "input": input }),
            )
            .await;
        let url = answer.text("/done/upload/url");
        let (at, _) = url.match_indices('/').nth(2).expect("an absolute URL");
        let path = &url[at..];
        self.until("the upload", || {
            let (client, body) = (self.client(), body.clone());
            async move {
                let url = format!("{}{path}", client.base);
                let answer = client.try_put(&url, "audio/wav", body).await.ok()?;
                let there = answer.status.is_success() || answer.body["code"] == "ALREADY_UPLOADED";
                there.then_some(())
            }
        })
        .await;
        answer.text("/done/recording/id")
    }

    /// Asks until there is an answer without errors.
    async fn ask(&self, query: &str, variables: Value) -> Answer {
        self.until(query, || {
            let (client, variables) = (self.client(), variables.clone());
            async move {
                let answer = client.try_send(query, variables).await.ok()?;
                let whole = answer.body.get("errors").is_none();
                (whole && answer.body["data"]["done"].is_object()).then_some(answer)
            }
        })
        .await
    }

    async fn until<T, F, R>(&self, what: &str, mut attempt: F) -> T
    where
        F: FnMut() -> R,
        R: Future<Output = Option<T>>,
    {
        let trying = async {
            loop {
                if let Ok(Some(done)) = tokio::time::timeout(ANSWER, attempt()).await {
                    return done;
                }
                tokio::time::sleep(TRY_AGAIN).await;
            }
        };
        let done = tokio::time::timeout(PATIENCE, trying).await;
        done.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"))
    }

    /// Watches a meeting from its beginning, and goes on where it was cut off.
    async fn watch(&self, mut known: watch::Receiver<Option<String>>, seen: &Mutex<Seen>) {
        let known = known.wait_for(Option::is_some).await.map(|known| known.clone());
        let Ok(Some(meeting)) = known else { return };
        seen.lock().expect("no panic").meeting.clone_from(&meeting);
        let variables = json!({ "meetingId": meeting });
        let mut last: Option<String> = None;
        loop {
            let client = self.client();
            let stream =
                Stream::try_open(&client, MEETING_UPDATED, variables.clone(), last.as_deref());
            let Ok(Ok(mut stream)) = tokio::time::timeout(ANSWER, stream).await else {
                tokio::time::sleep(TRY_AGAIN).await;
                continue;
            };
            while let Some(event) = stream.read().await {
                let Some(id) = event.id else { continue };
                let sequence = Cursor::decode(&id).expect("the router's own cursor").sequence;
                let mut seen = seen.lock().expect("no panic");
                if last.is_none() {
                    seen.from = sequence;
                } else {
                    seen.events.push(sequence);
                }
                last = Some(id);
            }
            tokio::time::sleep(TRY_AGAIN).await;
        }
    }
}
