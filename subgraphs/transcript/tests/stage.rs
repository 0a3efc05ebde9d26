//! A transcript service of its own for each test, on the real servers. Only the recogniser is
//! scripted: the real one is tried in the speech crate and end to end.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use contract::testing::Meetings;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use platform::identity::Identity;
use platform::kernel::Kernel;
use platform::shutdown::Shutdown;
use platform::task::{Task, Tasks};
pub(crate) use platform::testing::viewer;
use platform::testing::{Caller, DEADLINE_MS, Scope, eventually};
use serde_json::{Value, json};
use speech::{Engine, Event, Job, Outcome, Sink, SpeechError};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use transcript::{Config, NAME, Service, migrator};
use uuid::Uuid;

pub(crate) const DEADLINE: Duration = Duration::from_millis(DEADLINE_MS);

/// What the scripted engine does, step by step.
#[derive(Clone)]
pub(crate) enum Step {
    Language(&'static str),
    Progress(u8),
    Segment(u64, u64, String),
    /// Waits until somebody lets it go on, or the job is cancelled.
    Hold(Arc<Semaphore>),
    Fail(fn() -> SpeechError),
}

pub(crate) fn segment(start_ms: u64, end_ms: u64, text: &str) -> Step {
    Step::Segment(start_ms, end_ms, text.to_owned())
}

/// An engine that plays scripts: the next one with each job, the last one again and again.
#[derive(Default)]
pub(crate) struct Scripted {
    scripts: Mutex<VecDeque<Vec<Step>>>,
    jobs: Mutex<Vec<Job>>,
}

impl Scripted {
    pub(crate) fn new(scripts: impl IntoIterator<Item = Vec<Step>>) -> Arc<Self> {
        let scripts = Mutex::new(scripts.into_iter().collect());
        Arc::new(Self { scripts, jobs: Mutex::default() })
    }

    /// The jobs so far.
    pub(crate) fn jobs(&self) -> Vec<Job> {
        self.jobs.lock().unwrap().clone()
    }

    fn next(&self, job: &Job) -> Vec<Step> {
        self.jobs.lock().unwrap().push(job.clone());
        let mut scripts = self.scripts.lock().unwrap();
        let script = scripts.pop_front().unwrap_or_default();
        if scripts.is_empty() {
            scripts.push_back(script.clone());
        }
        script
    }
}

impl Engine for Scripted {
    fn transcribe(
        &self,
        job: Job,
        sink: Sink,
        cancel: CancellationToken,
    ) -> BoxFuture<'_, Result<Outcome, SpeechError>> {
        async move {
            assert!(job.input.exists(), "the recording is a file");
            let (mut language, mut duration_ms) = (job.language.clone(), 0);
            for step in self.next(&job) {
                let event = match step {
                    Step::Language(tag) => {
                        language.get_or_insert_with(|| tag.to_owned());
                        Event::Language { tag: tag.to_owned() }
                    }
                    Step::Progress(percent) => {
                        Event::Progress { percent, stage: speech::Stage::Recognising }
                    }
                    Step::Segment(start_ms, end_ms, text) => {
                        duration_ms = end_ms;
                        // As the real one: what an earlier attempt has isn't said again.
                        if end_ms <= job.resume_from_ms {
                            continue;
                        }
                        Event::Segment(speech::Segment {
                            start_ms,
                            end_ms,
                            text,
                            confidence: Some(0.9),
                        })
                    }
                    Step::Hold(gate) => {
                        tokio::select! {
                            permit = gate.acquire() => permit.unwrap().forget(),
                            () = cancel.cancelled() => return Err(SpeechError::Cancelled),
                        }
                        continue;
                    }
                    Step::Fail(error) => return Err(error()),
                };
                if sink.send(event).await.is_err() {
                    return Err(SpeechError::Cancelled);
                }
            }
            Ok(Outcome { language, duration_ms })
        }
        .boxed()
    }
}

/// A running service and what a test does with it.
pub(crate) struct Stage {
    pub(crate) kernel: Kernel,
    pub(crate) service: Service,
    pub(crate) tasks: Tasks,
    pub(crate) engine: Arc<Scripted>,
    shutdown: Shutdown,
    meetings: Meetings,
    // Last: what the test made is deleted after all else has ended.
    pub(crate) scope: Scope,
}

impl Stage {
    /// A service that works.
    pub(crate) async fn new(scripts: impl IntoIterator<Item = Vec<Step>>) -> Self {
        let stage = Self::idle(scripts).await;
        stage.service.work(&stage.shutdown);
        stage
    }

    /// A service that answers, but whose relay, consumer and worker don't run.
    pub(crate) async fn idle(scripts: impl IntoIterator<Item = Vec<Step>>) -> Self {
        let scope = Scope::new().await;
        let kernel = scope.kernel(NAME, migrator()).await;
        let engine = Scripted::new(scripts);
        let meetings = Meetings::of(&kernel);
        let config = Config::default().engine(engine.clone());
        let service = Service::new(kernel.clone(), config).await.unwrap();
        let tasks = Tasks::new(kernel.pool.clone(), kernel.outbox.clone(), NAME);
        Self { kernel, service, tasks, engine, shutdown: Shutdown::default(), meetings, scope }
    }

    /// Lets the meeting service, but nobody else, know that somebody takes part.
    pub(crate) fn joins(&self, meeting: Uuid, user: Uuid) {
        self.meetings.joins(meeting, user);
    }

    /// Lets the user service know somebody.
    pub(crate) fn named(&self, user: Uuid, name: &str) {
        self.meetings.named(user, name, "Asia/Seoul");
    }

    /// Makes the meeting service unreachable.
    pub(crate) fn meeting_service_leaves(&self) {
        self.meetings.leave(&self.kernel);
    }

    /// Tells the service that something happened to a meeting, by the stored example of the event
    /// with other ids in it.
    pub(crate) async fn tell(&self, kind: &'static str, meeting: Uuid, change: Value) {
        let mut change = change;
        change["meetingId"] = json!(meeting);
        contract::testing::tell(&self.kernel, kind, meeting, meeting, change).await;
    }

    /// A meeting of this host that ended with a recording.
    pub(crate) async fn ended_meeting(&self, host: Uuid) -> Ended {
        let recording = Uuid::now_v7();
        let key = format!("recordings/{recording}");
        self.kernel.objects.put(&key, "a recording".as_bytes().to_vec()).await.unwrap();
        self.ended_with(host, recording, &key).await
    }

    /// A meeting that ended with an object of this key as its recording.
    pub(crate) async fn ended_with(&self, host: Uuid, recording: Uuid, key: &str) -> Ended {
        let meeting = Uuid::now_v7();
        let people = json!({ "hostId": host, "participantIds": [host] });
        self.tell("moim.meeting.created.v1", meeting, people.clone()).await;
        let mut change = people;
        change["recordingId"] = json!(recording);
        change["audioFileUrl"] = json!(key);
        change["language"] = Value::Null;
        self.tell("moim.meeting.ended.v1", meeting, change).await;
        Ended { meeting, host }
    }

    /// The meeting's only task, as soon as the condition holds for it.
    pub(crate) async fn task_when(&self, meeting: Uuid, is: impl Fn(&Task) -> bool) -> Task {
        let found = Mutex::new(None);
        eventually(DEADLINE, || async {
            let tasks = self.tasks.of(&[meeting]).await.unwrap().remove(&meeting);
            let tasks = tasks.unwrap_or_default();
            assert!(tasks.len() <= 1, "one task per recording");
            let hit = tasks.into_iter().find(&is);
            let holds = hit.is_some();
            *found.lock().unwrap() = hit;
            holds
        })
        .await;
        found.into_inner().unwrap().unwrap()
    }

    /// Waits until the recogniser has stored this many segments.
    pub(crate) async fn segments_stored(&self, meeting: Uuid, count: usize) {
        eventually(DEADLINE, || async { self.segment_ids(meeting).await.len() == count }).await;
    }

    pub(crate) async fn segment_ids(&self, meeting: Uuid) -> Vec<Uuid> {
        let pool = &self.kernel.pool;
        let newest = transcript::store::transcript::newest_of_meetings(pool, &[meeting]).await;
        match newest.unwrap().first() {
            None => Vec::new(),
            Some(link) => {
                let rows = transcript::store::segment::of_transcript(&self.kernel.pool, link.id);
                rows.await.unwrap().into_iter().map(|row| row.id).collect()
            }
        }
    }

    /// Asks the subgraph as the router does: signed, over its transport.
    pub(crate) async fn ask(&self, identity: &Identity, query: &str, variables: Value) -> Value {
        Caller::new(self.service.endpoint(), &self.kernel.keys)
            .answer(identity, query, variables)
            .await
    }

    /// The data of an answer without errors.
    pub(crate) async fn data(&self, identity: &Identity, query: &str, variables: Value) -> Value {
        let mut answer = self.ask(identity, query, variables).await;
        assert!(answer.get("errors").is_none(), "{answer}");
        answer["data"].take()
    }

    /// The payload of somebody's mutation, of which `fields` and the user errors are asked.
    pub(crate) async fn mutate(&self, who: Uuid, name: &str, fields: &str, input: Value) -> Value {
        let caller = Caller::new(self.service.endpoint(), &self.kernel.keys);
        caller.mutate(&viewer(who), name, fields, input).await
    }

    /// One entity's fields by its key.
    pub(crate) async fn entity(
        &self,
        identity: &Identity,
        typename: &str,
        id: Uuid,
        fields: &str,
    ) -> Value {
        let query = format!(
            "query($r: [_Any!]!) {{ _entities(representations: $r) {{ ... on {typename} {{ {fields} }} }} }}"
        );
        let variables = json!({ "r": [{ "__typename": typename, "id": id }] });
        self.data(identity, &query, variables).await["_entities"][0].take()
    }

    /// What the push stream holds about a meeting once `last` is there: `(type, event, headers)`.
    pub(crate) async fn pushed(&self, meeting: Uuid, last: &str) -> Vec<Pushed> {
        use async_nats::jetstream::consumer::pull::OrderedConfig;
        use futures::StreamExt as _;
        let bus = &self.kernel.bus;
        let stream = bus.jetstream().get_stream(bus.stream("PUSH")).await.unwrap();
        let filter_subjects =
            ["event", "live"].map(|root| bus.subject(&format!("moim.{root}.{meeting}.>"))).to_vec();
        let config = OrderedConfig { filter_subjects, ..OrderedConfig::default() };
        let consumer = stream.create_consumer(config).await.unwrap();
        let mut messages = consumer.messages().await.unwrap();
        let mut pushed = Vec::new();
        loop {
            let message = tokio::time::timeout(DEADLINE, messages.next()).await;
            let message = message.expect("told in time").unwrap().unwrap();
            let headers = message.headers.clone().unwrap();
            let header = |name: &str| headers.get(name).map(|value| value.to_string());
            let one = Pushed {
                kind: header("Moim-Type").unwrap(),
                changed: serde_json::from_str(&header("Moim-Changed").unwrap()).unwrap(),
                event: serde_json::from_slice(&message.payload).unwrap(),
            };
            let done = one.kind == last;
            pushed.push(one);
            if done {
                return pushed;
            }
        }
    }

    pub(crate) async fn object(&self, key: &str) -> Value {
        let bytes = self.kernel.objects.get(key, 1 << 20).await.unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.shutdown.trigger();
    }
}

/// A meeting that ended with a recording.
#[derive(Clone, Copy)]
pub(crate) struct Ended {
    pub(crate) meeting: Uuid,
    pub(crate) host: Uuid,
}

/// A message of the push stream.
pub(crate) struct Pushed {
    pub(crate) kind: String,
    pub(crate) changed: Value,
    pub(crate) event: Value,
}

/// Code and field of the only user error of a payload.
pub(crate) fn refusal(payload: &Value) -> (&str, &str) {
    let errors = payload["userErrors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{payload}");
    (errors[0]["code"].as_str().unwrap(), errors[0]["field"].as_str().unwrap_or_default())
}

pub(crate) fn titles(minutes: &Value) -> HashMap<String, String> {
    let sections = minutes["sections"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    sections.iter().map(|section| (text(&section["title"]), text(&section["body"]))).collect()
}
