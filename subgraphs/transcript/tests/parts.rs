//! Recordings that come in parts while the meeting runs.

use std::sync::Arc;

use platform::shutdown::Shutdown;
use platform::task::TaskStatus;
use platform::testing::eventually;
use serde_json::{Value, json};
use speech::SpeechError;
use tokio::sync::Semaphore;
use transcript::{Config, Service};
use uuid::Uuid;

use crate::stage::{DEADLINE, Pushed, Stage, Step, refusal, segment, viewer};

const MEETING: &str =
    "transcript { id status text durationMs segments(first: 100) { nodes { startMs endMs text } }
        missingParts { sequence reason startMs endMs } }
    minutes { status } transcriptTasks { id kind status progress error { code } }";
const PART_UPLOADED: &str = "moim.recording.partUploaded.v1";
const CLOSED: &str = "moim.recording.closed.v1";
const CREATED: &str = "moim.transcript.created.v1";

/// A meeting that runs, and its recording in parts.
#[derive(Clone, Copy)]
struct Running {
    meeting: Uuid,
    host: Uuid,
    recording: Uuid,
}

impl Running {
    async fn on(stage: &Stage) -> Self {
        let (meeting, host, recording) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
        let people = json!({ "hostId": host, "participantIds": [host] });
        stage.tell("moim.meeting.created.v1", meeting, people).await;
        Self { meeting, host, recording }
    }

    /// A part arrives. Its script is the engine's next one when its turn comes.
    async fn part(&self, stage: &Stage, sequence: i32, start_ms: Option<u64>) {
        let key = format!("recordings/{}/{}", self.recording, Uuid::now_v7());
        stage.kernel.objects.put(&key, "a part".as_bytes().to_vec()).await.unwrap();
        self.part_of(stage, sequence, start_ms, &key).await;
    }

    async fn part_of(&self, stage: &Stage, sequence: i32, start_ms: Option<u64>, key: &str) {
        let change = json!({ "recordingId": self.recording, "partId": Uuid::now_v7(),
            "sequence": sequence, "startMs": start_ms, "objectKey": key, "language": null });
        stage.tell(PART_UPLOADED, self.meeting, change).await;
    }

    /// The meeting ends, and no part comes any more.
    async fn end(&self, stage: &Stage, missing: &[i32]) {
        let change = json!({ "hostId": self.host, "participantIds": [self.host],
            "recordingId": self.recording, "recordingParted": true,
            "audioFileUrl": format!("recordings/{}", self.recording), "language": null });
        stage.tell("moim.meeting.ended.v1", self.meeting, change).await;
        let change =
            json!({ "recordingId": self.recording, "missingParts": missing, "language": null });
        stage.tell(CLOSED, self.meeting, change).await;
    }

    async fn seen(&self, stage: &Stage) -> Value {
        stage.entity(&viewer(self.host), "Meeting", self.meeting, MEETING).await
    }

    /// Waits until the task rests after so many jobs.
    async fn rests_after(&self, stage: &Stage, jobs: usize) {
        eventually(DEADLINE, || async { stage.engine.jobs().len() == jobs }).await;
        stage.task_when(self.meeting, |task| task.status == TaskStatus::Pending).await;
    }

    async fn completed(&self, stage: &Stage) -> Value {
        stage.task_when(self.meeting, |task| task.status == TaskStatus::Completed).await;
        self.seen(stage).await
    }
}

fn times(seen: &Value) -> Vec<(i64, i64)> {
    let nodes = seen["transcript"]["segments"]["nodes"].as_array().unwrap();
    nodes.iter().map(|n| (n["startMs"].as_i64().unwrap(), n["endMs"].as_i64().unwrap())).collect()
}

fn assert_progress_never_falls(pushed: &[Pushed]) {
    let mut last = 0;
    for one in pushed.iter().filter(|one| one.kind.starts_with("moim.task.")) {
        let progress = one.event["data"]["progress"].as_i64().unwrap();
        assert!(progress >= last, "progress never falls");
        last = progress;
    }
    assert_eq!(last, 100);
}

#[tokio::test]
async fn parts_become_text_while_the_meeting_runs() {
    // Given parts of which the second is recognised first
    let stage = Stage::new([
        vec![Step::Language("en"), segment(0, 8_000, "We decided to ship."), Step::Progress(99)],
        vec![segment(500, 9_000, "Good morning."), segment(9_000, 10_200, "Well.")],
        vec![segment(0, 4_000, "Alice writes the notes.")],
    ])
    .await;
    let running = Running::on(&stage).await;
    running.part(&stage, 1, Some(10_000)).await;
    running.rests_after(&stage, 1).await;
    let seen = running.seen(&stage).await;
    assert_eq!(seen["transcript"]["status"], "IN_PROGRESS");
    assert_eq!(times(&seen), [(10_000, 18_000)]);

    // When the others come, one of them without saying where it begins
    running.part(&stage, 0, Some(0)).await;
    running.rests_after(&stage, 2).await;
    running.part(&stage, 2, None).await;
    running.rests_after(&stage, 3).await;

    // Then all is there before the end, each in its place, none over another
    let seen = running.seen(&stage).await;
    assert_eq!(times(&seen), [(500, 9_000), (9_000, 10_000), (10_000, 18_000), (18_000, 22_000)]);
    assert_eq!(seen["minutes"], Value::Null);
    assert_eq!(seen["transcriptTasks"][0]["status"], "PENDING");

    // And the end only has to write
    running.end(&stage, &[]).await;
    let seen = running.completed(&stage).await;
    let text = "Good morning. Well. We decided to ship. Alice writes the notes.";
    assert_eq!(seen["transcript"]["text"], text);
    assert_eq!(seen["transcript"]["durationMs"], 22_000);
    assert_eq!(seen["transcript"]["missingParts"], json!([]));
    assert_eq!(seen["minutes"]["status"], "DRAFT");
    assert_eq!(stage.engine.jobs().len(), 3, "nothing is recognised twice");
    assert!(stage.engine.jobs().iter().all(|job| job.may_be_silent));
    assert_eq!(stage.engine.jobs()[1].language.as_deref(), Some("en"), "found in the first");
    let pushed = stage.pushed(running.meeting, CREATED).await;
    assert_progress_never_falls(&pushed);
    for one in &pushed {
        crate::event_schema::assert_fits(&one.kind, &one.event);
    }
    let id = seen["transcript"]["id"].as_str().unwrap();
    let object = stage.object(&format!("transcripts/{id}.json")).await;
    let ordinals: Vec<i64> = object["segments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["ordinal"].as_i64().unwrap())
        .collect();
    assert_eq!(ordinals, [0, 1, 2, 3]);
}

#[tokio::test]
async fn parts_that_wait_are_recognised_one_after_the_other() {
    let scripts = (0..4).map(|n| vec![segment(0, 1_000, &format!("Part {n}."))]);
    let stage = Stage::idle(scripts).await;
    let running = Running::on(&stage).await;
    for sequence in [3, 1, 0, 2, 2] {
        running.part(&stage, sequence, None).await;
    }
    running.end(&stage, &[]).await;
    let shutdown = Shutdown::default();
    stage.service.work(&shutdown);
    let seen = running.completed(&stage).await;
    assert_eq!(seen["transcript"]["text"], "Part 0. Part 1. Part 2. Part 3.");
    assert_eq!(times(&seen).last(), Some(&(3_000, 4_000)));
    assert_eq!(stage.engine.jobs().len(), 4, "the repeated one is one");
    shutdown.trigger();
}

#[tokio::test]
async fn what_is_missing_is_told_and_the_rest_is_text() {
    // Given a recording whose second part never came, whose third can't be read, and in whose fourth
    // nobody speaks
    let stage = Stage::new([
        vec![segment(0, 20_000, "The beginning.")],
        vec![Step::Fail(|| SpeechError::NotAudio { reason: "no".into() })],
        vec![],
        vec![segment(0, 5_000, "The end.")],
    ])
    .await;
    let running = Running::on(&stage).await;
    for (sequence, start_ms, jobs) in [(0, 0, 1), (2, 40_000, 2), (3, 60_000, 3), (4, 80_000, 4)] {
        running.part(&stage, sequence, Some(start_ms)).await;
        running.rests_after(&stage, jobs).await;
    }
    running.end(&stage, &[1]).await;
    let seen = running.completed(&stage).await;
    assert_eq!(seen["transcript"]["text"], "The beginning. The end.");
    assert_eq!(times(&seen), [(0, 20_000), (80_000, 85_000)]);
    assert_eq!(
        seen["transcript"]["missingParts"],
        json!([
            { "sequence": 1, "reason": "NOT_UPLOADED", "startMs": 20_000, "endMs": 60_000 },
            { "sequence": 2, "reason": "UNREADABLE", "startMs": 20_000, "endMs": 60_000 },
        ])
    );

    // And a verification cites it
    let input = json!({ "meetingId": running.meeting });
    let asked = stage.mutate(running.host, "requestVerification", "task { id }", input).await;
    let query =
        "query($t: ID!) { transcriptTask(id: $t) { status result { ... on TranscriptVerification {
        findings { __typename ... on MissingPart { sequence reason } } } } } }";
    let variables = json!({ "t": asked["task"]["id"] });
    let mut found = Value::Null;
    eventually(DEADLINE, || async {
        let task = stage.data(&viewer(running.host), query, variables.clone()).await;
        task["transcriptTask"]["status"] == "COMPLETED"
    })
    .await;
    let task = stage.data(&viewer(running.host), query, variables).await;
    found.clone_from(&task["transcriptTask"]["result"]["findings"]);
    let missing: Vec<&Value> = found
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["__typename"] == "MissingPart")
        .map(|finding| &finding["sequence"])
        .collect();
    assert_eq!(missing, [1, 2]);
}

#[tokio::test]
async fn a_recording_of_which_nothing_came_fails_and_says_so() {
    let stage = Stage::new([vec![Step::Fail(|| SpeechError::Empty)]]).await;
    let nothing = Running::on(&stage).await;
    nothing.end(&stage, &[0, 1]).await;
    let task = stage.task_when(nothing.meeting, |task| task.status.is_final()).await;
    assert_eq!(task.error_code.as_deref(), Some("RECORDING_MISSING"));
    let broken = Running::on(&stage).await;
    broken.part(&stage, 0, None).await;
    broken.end(&stage, &[]).await;
    let task = stage.task_when(broken.meeting, |task| task.status.is_final()).await;
    assert_eq!(task.error_code.as_deref(), Some("RECORDING_EMPTY"));
}

#[tokio::test]
async fn a_meeting_that_is_called_off_or_ends_otherwise_drops_its_parts() {
    let gate = Arc::new(Semaphore::new(0));
    let held = vec![segment(0, 1_000, "Hello."), Step::Hold(gate)];
    let stage = Stage::new([held, vec![segment(0, 1_000, "The whole.")]]).await;

    // One at work, and one that comes late
    let running = Running::on(&stage).await;
    running.part(&stage, 0, None).await;
    stage.segments_stored(running.meeting, 1).await;
    stage.tell("moim.meeting.cancelled.v1", running.meeting, json!({})).await;
    let task = stage.task_when(running.meeting, |task| task.status.is_final()).await;
    assert_eq!(task.status, TaskStatus::Cancelled);
    running.part(&stage, 1, None).await;

    // And one whose meeting ends with another recording, of which there is a task of its own
    let other = Running::on(&stage).await;
    other.part(&stage, 0, None).await;
    other.rests_after(&stage, 2).await;
    let key = format!("recordings/{}", Uuid::now_v7());
    stage.kernel.objects.put(&key, vec![1]).await.unwrap();
    let change = json!({ "hostId": other.host, "participantIds": [other.host],
        "recordingId": Uuid::now_v7(), "audioFileUrl": key, "language": null });
    stage.tell("moim.meeting.ended.v1", other.meeting, change).await;
    other.part(&stage, 1, None).await;
    let statuses = async || {
        let seen = other.seen(&stage).await;
        let tasks = seen["transcriptTasks"].as_array().unwrap().clone();
        tasks.iter().map(|task| task["status"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    eventually(DEADLINE, || async { statuses().await == ["COMPLETED", "CANCELLED"] }).await;
    assert_eq!(other.seen(&stage).await["transcript"]["text"], "The whole.");
    assert_eq!(stage.engine.jobs().len(), 3, "no late part was recognised");
    let task = stage.task_when(running.meeting, |_| true).await;
    assert_eq!(task.status, TaskStatus::Cancelled);
}

#[tokio::test]
async fn what_failed_while_the_meeting_ran_goes_on_at_its_end_or_when_asked() {
    let broken = || SpeechError::Engine { reason: "wrong weights".into(), retryable: false };
    let stage = Stage::new([
        vec![segment(0, 1_000, "One.")],
        vec![Step::Fail(broken)],
        vec![Step::Fail(broken)],
        vec![segment(0, 1_000, "Two.")],
    ])
    .await;
    let running = Running::on(&stage).await;
    running.part(&stage, 0, None).await;
    running.rests_after(&stage, 1).await;
    running.part(&stage, 1, None).await;
    let failed = stage.task_when(running.meeting, |task| task.status == TaskStatus::Failed).await;
    assert_eq!(failed.error_code.as_deref(), Some("ENGINE_FAILED"));
    // A person tries in vain
    let input = json!({ "taskId": failed.id });
    stage.mutate(running.host, "retryTranscriptTask", "task { status }", input).await;
    eventually(DEADLINE, || async { stage.engine.jobs().len() == 3 }).await;
    stage.task_when(running.meeting, |task| task.status == TaskStatus::Failed).await;
    // and the end of the meeting tries once more
    running.end(&stage, &[]).await;
    let seen = running.completed(&stage).await;
    assert_eq!(seen["transcript"]["text"], "One. Two.");
    assert_eq!(times(&seen), [(0, 1_000), (1_000, 2_000)]);
}

#[tokio::test]
async fn a_retry_tries_again_what_could_not_be_read() {
    // Given a recording of which a part can't be read, and then the recogniser fails
    let broken = || SpeechError::Engine { reason: "wrong weights".into(), retryable: false };
    let stage = Stage::new([
        vec![segment(0, 1_000, "One.")],
        vec![Step::Fail(|| SpeechError::NotAudio { reason: "no".into() })],
        vec![Step::Fail(broken)],
        vec![segment(0, 2_000, "Two.")],
        vec![segment(0, 3_000, "Three.")],
        vec![Step::Fail(|| SpeechError::NotAudio { reason: "no".into() })],
        vec![segment(0, 4_000, "The only one.")],
    ])
    .await;
    let running = Running::on(&stage).await;
    running.part(&stage, 0, Some(0)).await;
    running.rests_after(&stage, 1).await;
    running.part(&stage, 1, Some(10_000)).await;
    running.rests_after(&stage, 2).await;
    running.part(&stage, 2, Some(20_000)).await;
    let failed = stage.task_when(running.meeting, |task| task.status == TaskStatus::Failed).await;

    // When somebody has it tried again
    let retry = async |host, task| {
        let input = json!({ "taskId": task });
        let payload = stage.mutate(host, "retryTranscriptTask", "task { status }", input).await;
        assert_eq!(payload["task"]["status"], "PENDING", "{payload}");
    };
    retry(running.host, failed.id).await;
    running.rests_after(&stage, 5).await;

    // Then that part is tried too, and in its place
    running.end(&stage, &[]).await;
    let seen = running.completed(&stage).await;
    assert_eq!(seen["transcript"]["text"], "One. Two. Three.");
    assert_eq!(times(&seen), [(0, 1_000), (10_000, 12_000), (20_000, 23_000)]);
    assert_eq!(seen["transcript"]["missingParts"], json!([]));
    assert_progress_never_falls(&stage.pushed(running.meeting, CREATED).await);

    // And the same of one of which nothing could be read
    let nothing = Running::on(&stage).await;
    nothing.part(&stage, 0, None).await;
    nothing.end(&stage, &[]).await;
    let failed = stage.task_when(nothing.meeting, |task| task.status == TaskStatus::Failed).await;
    assert_eq!(failed.error_code.as_deref(), Some("NOT_AUDIO"));
    retry(nothing.host, failed.id).await;
    assert_eq!(nothing.completed(&stage).await["transcript"]["text"], "The only one.");
}

#[tokio::test]
async fn what_could_not_be_read_is_not_tried_again_without_its_file() {
    let unreadable = || SpeechError::NotAudio { reason: "no".into() };
    let stage = Stage::new([vec![Step::Fail(unreadable)]]).await;
    let nothing = Running::on(&stage).await;
    nothing.part(&stage, 0, None).await;
    nothing.end(&stage, &[]).await;
    let failed = stage.task_when(nothing.meeting, |task| task.status == TaskStatus::Failed).await;
    let deleted = json!({ "recordingId": nothing.recording });
    stage.tell("moim.recording.deleted.v1", nothing.meeting, deleted).await;
    eventually(DEADLINE, || async {
        transcript::store::part::needs_deleted(&stage.kernel.pool, failed.id).await.unwrap()
    })
    .await;
    let input = json!({ "taskId": failed.id });
    let payload = stage.mutate(nothing.host, "retryTranscriptTask", "task { status }", input).await;
    assert_eq!(refusal(&payload), ("RECORDING_DELETED", "taskId"));
    assert_eq!(stage.engine.jobs().len(), 1);
}

#[tokio::test]
async fn a_deleted_recording_can_not_be_tried_again() {
    let stage = Stage::new([vec![Step::Fail(|| SpeechError::NoSpeech)]]).await;
    let ended = stage.ended_meeting(Uuid::now_v7()).await;
    let task = stage.task_when(ended.meeting, |task| task.status.is_final()).await;
    let change = json!({ "recordingId": task.input["recordingId"] });
    stage.tell("moim.recording.deleted.v1", ended.meeting, change).await;
    eventually(DEADLINE, || async {
        transcript::store::part::needs_deleted(&stage.kernel.pool, task.id).await.unwrap()
    })
    .await;
    let input = json!({ "taskId": task.id });
    let payload = stage.mutate(ended.host, "retryTranscriptTask", "task { status }", input).await;
    assert_eq!(refusal(&payload), ("RECORDING_DELETED", "taskId"));
}

#[test]
fn a_process_that_dies_in_a_part_is_gone_on_after() {
    let gate = Arc::new(Semaphore::new(0));
    let second = || {
        vec![
            segment(0, 2_000, "둘째 부분입니다."),
            segment(2_000, 5_000, "출시를 미루기로 했습니다."),
            segment(5_000, 9_000, "마지막 문장입니다."),
        ]
    };
    let mut dies = second();
    dies.insert(2, Step::Hold(gate));
    let first = vec![Step::Language("ko"), segment(0, 10_000, "첫 부분입니다.")];
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let outer = runtime();
    let (stage, running) = outer.block_on(async {
        let stage = Stage::idle([first, dies, second()]).await;
        let running = Running::on(&stage).await;
        running.part(&stage, 0, Some(0)).await;
        running.part(&stage, 1, Some(10_000)).await;
        (stage, running)
    });

    // Given a process that is in the middle of the second part
    let doomed = runtime();
    let kernel = doomed.block_on(stage.scope.kernel(transcript::NAME, transcript::migrator()));
    let config = Config::default().engine(stage.engine.clone());
    let service = doomed.block_on(Service::new(kernel, config)).unwrap();
    doomed.block_on(async { service.work(&Shutdown::default()) });
    outer.block_on(stage.segments_stored(running.meeting, 3));

    // When it dies where it is, telling nobody, and the meeting ends
    doomed.shutdown_background();

    // Then another one goes on in the second part, behind what is stored
    outer.block_on(async {
        running.end(&stage, &[]).await;
        let shutdown = Shutdown::default();
        stage.service.work(&shutdown);
        let seen = running.completed(&stage).await;
        let text = "첫 부분입니다. 둘째 부분입니다. 출시를 미루기로 했습니다. 마지막 문장입니다.";
        assert_eq!(seen["transcript"]["text"], text);
        assert_eq!(
            times(&seen),
            [(0, 10_000), (10_000, 12_000), (12_000, 15_000), (15_000, 19_000)]
        );
        let resumed: Vec<u64> = stage.engine.jobs().iter().map(|job| job.resume_from_ms).collect();
        assert_eq!(resumed, [0, 0, 5_000]);
        let pushed = stage.pushed(running.meeting, CREATED).await;
        let told = pushed.iter().filter(|one| one.kind == "moim.segment.recognised.v1").count();
        assert_eq!(told, 4, "no segment is told twice");
        assert_progress_never_falls(&pushed);
        shutdown.trigger();
    });
}
