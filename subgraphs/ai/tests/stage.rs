//! An ai service of its own for each test, on the real servers.

use std::sync::Arc;
use std::time::Duration;

use ai::{Config, NAME, Service, migrator};
use contract::event::kind;
use contract::testing::{Meetings, tell, tell_meeting};
use platform::kernel::Kernel;
use platform::shutdown::Shutdown;
use platform::task::{Task, TaskStatus, Tasks};
pub(crate) use platform::testing::viewer;
use platform::testing::{Caller, DEADLINE_MS, Scope, belongs, eventually};
use serde_json::{Value, json};
use text::Engine;
use uuid::Uuid;

use crate::peers::Peers;

pub(crate) const DEADLINE: Duration = Duration::from_millis(DEADLINE_MS);

/// A running service and what a test does with it.
pub(crate) struct Stage {
    pub(crate) kernel: Kernel,
    pub(crate) caller: Caller,
    pub(crate) meetings: Meetings,
    pub(crate) peers: Peers,
    pub(crate) tasks: Tasks,
    service: Service,
    shutdown: Shutdown,
    // Last: what the test made is deleted after all else has ended.
    _scope: Scope,
}

impl Stage {
    /// A service that works.
    pub(crate) async fn new() -> Self {
        let stage = Self::idle().await;
        stage.service.work(&stage.shutdown);
        stage
    }

    /// A service that works with this engine.
    pub(crate) async fn with(engine: Arc<dyn Engine>) -> Self {
        let stage = Self::configured(Scope::new().await, Config { engine }).await;
        stage.service.work(&stage.shutdown);
        stage
    }

    /// A service that answers, but whose relay, consumer and worker don't run.
    pub(crate) async fn idle() -> Self {
        let scope = Scope::new().await;
        let config = Config::from(&scope.source()).unwrap();
        Self::configured(scope, config).await
    }

    async fn configured(scope: Scope, config: Config) -> Self {
        let kernel = scope.kernel(NAME, migrator()).await;
        let meetings = Meetings::of(&kernel);
        let peers = Peers::of(&kernel);
        let service = Service::new(kernel.clone(), config).await.unwrap();
        let caller = Caller::new(service.endpoint(), &kernel.keys);
        let tasks = Tasks::new(kernel.pool.clone(), kernel.outbox.clone(), NAME);
        let shutdown = Shutdown::default();
        Self { kernel, caller, meetings, peers, tasks, service, shutdown, _scope: scope }
    }

    /// A meeting of these people, the first of whom leads it, which the service has heard of.
    pub(crate) async fn meeting(&self, people: &[Uuid]) -> Uuid {
        let meeting = Uuid::now_v7();
        tell_meeting(&self.kernel, kind::MEETING_CREATED, meeting, people, json!({})).await;
        for who in people {
            self.heard(meeting, *who, true).await;
        }
        meeting
    }

    /// Waits until the service's own view says so.
    pub(crate) async fn heard(&self, meeting: Uuid, who: Uuid, takes_part: bool) {
        eventually(DEADLINE, || async {
            belongs(&self.kernel.pool, meeting, who).await == takes_part
        })
        .await;
    }

    /// The meeting's newest text.
    pub(crate) async fn transcript_of(&self, meeting: Uuid) -> Uuid {
        let mut tx = self.kernel.pool.begin().await.unwrap();
        let text = ai::store::meeting::transcribed(&mut tx, meeting).await.unwrap();
        text.unwrap().transcript_id
    }

    /// The meeting's tasks, oldest first.
    pub(crate) async fn tasks_of(&self, meeting: Uuid) -> Vec<Task> {
        self.tasks.of(&[meeting]).await.unwrap().remove(&meeting).unwrap_or_default()
    }

    /// Waits until the meeting's tasks of a kind are so.
    pub(crate) async fn tasks_are(&self, meeting: Uuid, kind: &str, statuses: &[TaskStatus]) {
        eventually(DEADLINE, || async {
            let tasks = self.tasks_of(meeting).await;
            let of_kind = tasks.iter().filter(|task| task.kind == kind);
            of_kind.map(|task| task.status).collect::<Vec<_>>() == statuses
        })
        .await;
    }

    /// Tells of a text with these sentences; gives the segments' ids.
    pub(crate) async fn transcribe(&self, meeting: Uuid, sentences: &[&str]) -> Vec<Uuid> {
        let ids: Vec<Uuid> = sentences.iter().map(|_| Uuid::now_v7()).collect();
        let segments: Vec<Value> = (0..)
            .zip(sentences.iter().zip(&ids))
            .map(|(place, (text, id))| {
                json!({
                    "id": id, "ordinal": place, "speaker": null, "startMs": place * 1_000,
                    "endMs": place * 1_000 + 900, "text": text, "confidence": 0.9,
                })
            })
            .collect();
        let transcript = Uuid::now_v7();
        let object = json!({
            "version": 1, "transcriptId": transcript, "meetingId": meeting,
            "recordingId": Uuid::now_v7(), "language": "en", "durationMs": 10_000,
            "text": sentences.join(" "), "segments": segments,
        });
        let key = format!("transcripts/{transcript}.json");
        self.kernel.objects.put(&key, object.to_string()).await.unwrap();
        let text = json!({ "meetingId": meeting, "transcriptId": transcript, "objectKey": key });
        tell(&self.kernel, kind::TRANSCRIPT_CREATED, meeting, transcript, text).await;
        ids
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.shutdown.trigger();
    }
}
