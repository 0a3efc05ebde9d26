//! From the end of a meeting to its minutes.

use std::sync::Arc;
use std::time::Duration;

use platform::queue::Progress;
use platform::shutdown::Shutdown;
use platform::task::TaskStatus;
use platform::testing::eventually;
use serde_json::json;
use speech::SpeechError;
use tokio::sync::Semaphore;
use transcript::{Config, Service};
use uuid::Uuid;

use crate::stage::{DEADLINE, Stage, Step, segment, titles, viewer};

const MEETING: &str = "transcript { id status language text durationMs segments(first: 100) { nodes { startMs endMs text confidence revision speaker { label } } } }
    minutes { id status sections { id title body ordinal } }
    transcriptTasks { id kind status progress attempts error { code message } result { ... on Transcript { id } } meetingId }";

fn gate() -> (Arc<Semaphore>, Step) {
    let gate = Arc::new(Semaphore::new(0));
    (gate.clone(), Step::Hold(gate))
}

#[tokio::test]
async fn an_ended_meeting_becomes_minutes() {
    // Given a recogniser that pauses in the middle
    let (gate, hold) = gate();
    let stage = Stage::new([vec![
        Step::Language("en"),
        Step::Progress(10),
        segment(0, 4_000, "Good morning."),
        segment(4_000, 8_000, "We decided to ship in May."),
        hold,
        Step::Progress(80),
        segment(8_000, 12_000, "Alice will prepare the release."),
    ]])
    .await;

    // When a meeting ends with a recording
    let ended = stage.ended_meeting(Uuid::now_v7()).await;
    stage.segments_stored(ended.meeting, 2).await;

    // Then what is there so far can be read while it runs
    let host = viewer(ended.host);
    let now = stage.entity(&host, "Meeting", ended.meeting, MEETING).await;
    assert_eq!(now["transcript"]["status"], "IN_PROGRESS");
    assert_eq!(now["transcript"]["language"], "en");
    assert_eq!(now["transcript"]["text"], "Good morning. We decided to ship in May.");
    assert_eq!(now["transcript"]["segments"]["nodes"][1]["startMs"], 4_000);
    assert_eq!(now["minutes"], json!(null));
    assert_eq!(now["transcriptTasks"][0]["status"], "PROCESSING");
    assert_eq!(now["transcriptTasks"][0]["result"], json!(null));
    let latest = "query($m: ID!) { latestTranscriptTask(meetingId: $m) { id status progress startedAt completedAt } }";
    let latest = stage.data(&host, latest, json!({ "m": ended.meeting })).await;
    assert_eq!(latest["latestTranscriptTask"]["status"], "PROCESSING");

    // And when it goes on, all is complete
    gate.add_permits(1);
    let task = stage.task_when(ended.meeting, |task| task.status == TaskStatus::Completed).await;
    assert_eq!((task.progress, task.attempts), (100, 1));
    let now = stage.entity(&host, "Meeting", ended.meeting, MEETING).await;
    let text = "Good morning. We decided to ship in May. Alice will prepare the release.";
    assert_eq!(now["transcript"]["status"], "COMPLETED");
    assert_eq!(now["transcript"]["text"], text);
    assert_eq!(now["transcript"]["durationMs"], 12_000);
    assert_eq!(now["transcriptTasks"][0]["result"]["id"], now["transcript"]["id"]);
    assert_eq!(now["transcriptTasks"][0]["meetingId"], json!(ended.meeting));
    assert_eq!(now["minutes"]["status"], "DRAFT");
    // in the sections of the template that the event named
    let sections = titles(&now["minutes"]);
    assert_eq!(sections["결정 사항"], "- [00:04] We decided to ship in May.");
    assert_eq!(sections["할 일"], "- [00:08] Alice will prepare the release.");

    // And the immutable transcript is an object
    let id = now["transcript"]["id"].as_str().unwrap();
    let object = stage.object(&format!("transcripts/{id}.json")).await;
    assert_eq!(object["text"], text);
    assert_eq!(object["segments"].as_array().unwrap().len(), 3);

    // And everything was told, in order, as the schemas say
    let pushed = stage.pushed(ended.meeting, "moim.transcript.created.v1").await;
    let kinds = pushed.iter().map(|one| one.kind.as_str());
    // Live traffic comes by a shorter way than events: each has an order of its own.
    let (live, events): (Vec<&str>, Vec<&str>) = kinds
        .filter(|kind| *kind != "moim.task.progress.v1")
        .partition(|kind| *kind == "moim.segment.recognised.v1");
    assert_eq!(live.len(), 3);
    assert_eq!(
        events,
        [
            "moim.meeting.created.v1",
            "moim.meeting.ended.v1",
            "moim.task.stateChanged.v1",
            "moim.task.stateChanged.v1",
            "moim.task.stateChanged.v1",
            "moim.transcript.created.v1",
        ]
    );
    for one in &pushed {
        crate::event_schema::assert_fits(&one.kind, &one.event);
    }
    let completed = pushed.iter().rev().find(|one| one.kind == "moim.task.stateChanged.v1");
    let completed = &completed.unwrap().changed;
    assert_eq!(completed["task"]["__typename"], "TranscriptTask");
    assert!(completed["task"]["completedAt"].is_string());
    assert_eq!(completed["meeting"]["id"], json!(ended.meeting));
    let heard = pushed.iter().find(|one| one.kind == "moim.segment.recognised.v1").unwrap();
    let reference = &heard.changed["segment"];
    assert_eq!(reference["__typename"], "Segment");
    let id = reference["id"].as_str().unwrap().parse().unwrap();
    let found = stage.entity(&host, "Segment", id, "text").await;
    assert_eq!(found["text"], "Good morning.");
}

#[tokio::test]
async fn the_same_end_told_twice_is_one_task() {
    let stage = Stage::new([vec![segment(0, 1_000, "Hello there.")]]).await;
    let recording = Uuid::now_v7();
    let key = format!("recordings/{recording}");
    stage.kernel.objects.put(&key, vec![1]).await.unwrap();
    let ended = stage.ended_with(Uuid::now_v7(), recording, &key).await;
    let again = json!({ "recordingId": recording, "audioFileUrl": key });
    stage.tell("moim.meeting.ended.v1", ended.meeting, again).await;
    // A meeting told after it, by which the second end has been heard too.
    stage.tell("moim.meeting.created.v1", ended.meeting, json!({ "hostId": Uuid::max() })).await;
    heard(&stage, ended.meeting, Uuid::max()).await;
    let task = stage.task_when(ended.meeting, |task| task.status == TaskStatus::Completed).await;
    assert_eq!(task.attempts, 1);
}

#[tokio::test]
async fn a_meeting_without_a_recording_has_no_task() {
    let stage = Stage::new([]).await;
    let (meeting, host) = (Uuid::now_v7(), Uuid::now_v7());
    let people = json!({ "hostId": host, "participantIds": [host] });
    stage.tell("moim.meeting.created.v1", meeting, people).await;
    let none = json!({ "recordingId": null, "audioFileUrl": null });
    stage.tell("moim.meeting.ended.v1", meeting, none).await;
    // Events of one meeting are heard in their order.
    let late = Uuid::now_v7();
    stage.tell("moim.participant.added.v1", meeting, json!({ "userId": late })).await;
    heard(&stage, meeting, late).await;
    let now = stage.entity(&viewer(host), "Meeting", meeting, MEETING).await;
    assert_eq!(now, json!({ "transcript": null, "minutes": null, "transcriptTasks": [] }));
}

#[tokio::test]
async fn only_a_complete_transcript_is_kept_in_the_cache() {
    let (gate, hold) = gate();
    let steps = [segment(0, 1_000, "One."), hold, segment(1_000, 2_000, "Two.")];
    let stage = Stage::new([steps.to_vec()]).await;
    let ended = stage.ended_meeting(Uuid::now_v7()).await;
    stage.segments_stored(ended.meeting, 1).await;
    let host = viewer(ended.host);
    let read =
        async || stage.entity(&host, "Meeting", ended.meeting, "transcript { id text }").await;
    let cached = async |id: Uuid| {
        let kind = transcript::schema::loader::transcripts(&stage.kernel.cache);
        // A loader that finds nothing: what comes back was in the cache.
        kind.get(id, async |_| Ok::<_, sqlx::Error>(None)).await.unwrap()
    };
    // While it runs, every read is of now
    let now = read().await;
    assert_eq!(now["transcript"]["text"], "One.");
    let id: Uuid = now["transcript"]["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(cached(id).await, None);
    // At the end the whole text is there at once
    gate.add_permits(1);
    stage.task_when(ended.meeting, |task| task.status == TaskStatus::Completed).await;
    assert_eq!(read().await["transcript"]["text"], "One. Two.");
    // and is kept as soon as no slow reader can put an older one back
    eventually(DEADLINE, || async {
        read().await;
        cached(id).await.is_some_and(|row| row.text == "One. Two.")
    })
    .await;
}

/// Waits until the service's own view says that somebody takes part.
async fn heard(stage: &Stage, meeting: Uuid, user: Uuid) {
    let pool = &stage.kernel.pool;
    eventually(DEADLINE, || platform::testing::belongs(pool, meeting, user)).await;
}

#[test]
fn a_process_that_dies_in_the_middle_is_gone_on_after() {
    let whole = || {
        vec![
            Step::Language("ko"),
            segment(0, 2_000, "첫 문장입니다."),
            segment(2_000, 5_000, "출시를 미루기로 했습니다."),
            segment(5_000, 9_000, "마지막 문장입니다."),
        ]
    };
    let (_gate, hold) = gate();
    let mut first = whole();
    first.insert(3, hold);
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let outer = runtime();
    let (stage, ended) = outer.block_on(async {
        let stage = Stage::idle([first, whole()]).await;
        let ended = stage.ended_meeting(Uuid::now_v7()).await;
        (stage, ended)
    });

    // Given a process that has stored two segments
    let doomed = runtime();
    let kernel = doomed.block_on(stage.scope.kernel(transcript::NAME, transcript::migrator()));
    let config = || Config::default().engine(stage.engine.clone());
    let service = doomed.block_on(Service::new(kernel, config())).unwrap();
    doomed.block_on(async { service.work(&Shutdown::default()) });
    outer.block_on(stage.segments_stored(ended.meeting, 2));
    let before = outer.block_on(stage.segment_ids(ended.meeting));

    // When it dies where it is, telling nobody
    doomed.shutdown_background();

    // Then another one goes on after the second segment, once
    outer.block_on(async {
        let shutdown = Shutdown::default();
        stage.service.work(&shutdown);
        let task = stage.task_when(ended.meeting, |task| task.status.is_final()).await;
        assert_eq!((task.status, task.attempts), (TaskStatus::Completed, 2));
        let resumed: Vec<u64> = stage.engine.jobs().iter().map(|job| job.resume_from_ms).collect();
        assert_eq!(resumed, [0, 5_000]);
        assert_eq!(stage.engine.jobs()[1].language.as_deref(), Some("ko"));
        let after = stage.segment_ids(ended.meeting).await;
        assert_eq!(after.len(), 3);
        assert_eq!(after[..2], before[..]);
        let now = stage.entity(&viewer(ended.host), "Meeting", ended.meeting, MEETING).await;
        assert_eq!(
            now["transcript"]["text"],
            "첫 문장입니다. 출시를 미루기로 했습니다. 마지막 문장입니다."
        );
        let pushed = stage.pushed(ended.meeting, "moim.transcript.created.v1").await;
        let told = pushed.iter().filter(|one| one.kind == "moim.segment.recognised.v1").count();
        assert_eq!(told, 3, "no segment is told twice");
        let mut last = 0;
        for one in pushed.iter().filter(|one| one.kind.starts_with("moim.task.")) {
            let progress = one.event["data"]["progress"].as_i64().unwrap();
            assert!(progress >= last, "progress never falls");
            last = progress;
        }
        assert_eq!(last, 100);
        shutdown.trigger();
    });
}

#[tokio::test]
async fn an_attempt_that_was_given_up_writes_nothing_more() {
    // Given a task that two workers believe to hold
    let script = vec![segment(0, 1_000, "One."), segment(1_000, 2_000, "Two.")];
    let stage = Stage::idle([script]).await;
    let recording = Uuid::now_v7();
    let key = format!("recordings/{recording}");
    stage.kernel.objects.put(&key, vec![1]).await.unwrap();
    let meeting = Uuid::now_v7();
    let input = json!({ "meetingId": meeting, "recordingId": recording, "recordingKey": key, "language": null });
    let mut tx = stage.kernel.pool.begin().await.unwrap();
    let task = stage
        .tasks
        .create(
            &mut tx,
            platform::task::NewTask {
                kind: "TRANSCRIPTION",
                typename: "TranscriptTask",
                queue: "transcript",
                job_kind: "transcription",
                priority: platform::task::Priority::Normal,
                ordering_key: meeting,
                requested_by: None,
                input,
                dedupe_key: None,
                changed: json!({}),
            },
        )
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let old = stage.tasks.claim(task.id).await.unwrap().unwrap();
    let new = stage.tasks.claim(task.id).await.unwrap().unwrap();

    // When the old one works on
    let transcriber = stage.service.transcriber();
    let run = async |claim: &platform::task::Claim| {
        let progress = Progress::new(stage.tasks.clone(), claim.clone());
        transcriber.run(claim, &progress, &tokio_util::sync::CancellationToken::new()).await
    };
    let refused = run(&old).await.unwrap_err();

    // Then it is refused and nothing was written
    assert!(matches!(refused, transcript::error::RunError::Lost), "{refused:?}");
    assert!(stage.segment_ids(meeting).await.is_empty());

    // And by the statement itself, too
    run(&new).await.unwrap();
    let ids = stage.segment_ids(meeting).await;
    assert_eq!(ids.len(), 2);
    let transcript = transcript::store::segment::by_ids(&stage.kernel.pool, &ids).await.unwrap();
    let late = transcript::store::segment::NewSegment {
        id: Uuid::now_v7(),
        transcript_id: transcript[0].transcript_id,
        ordinal: 2,
        start_ms: 2_000,
        end_ms: 3_000,
        text: "Late.",
        confidence: Some(1.0),
    };
    let mut connection = stage.kernel.pool.acquire().await.unwrap();
    let added = transcript::store::segment::insert(&mut connection, old.attempt, late).await;
    assert!(!added.unwrap());
}

type Fault = fn() -> SpeechError;

#[tokio::test]
async fn what_can_not_become_text_fails_at_once_and_can_be_tried_again() {
    let faults: [(Fault, &str); 3] = [
        (|| SpeechError::NotAudio { reason: "no".into() }, "NOT_AUDIO"),
        (|| SpeechError::Empty, "RECORDING_EMPTY"),
        (|| SpeechError::NoSpeech, "NO_SPEECH"),
    ];
    for (fault, code) in faults {
        // Given a recording that isn't speech
        let good = vec![segment(0, 1_000, "Now it works.")];
        let stage = Stage::new([vec![Step::Fail(fault)], good]).await;
        let ended = stage.ended_meeting(Uuid::now_v7()).await;
        let host = viewer(ended.host);

        // Then the task fails at once, and says why
        let task = stage.task_when(ended.meeting, |task| task.status.is_final()).await;
        assert_eq!((task.status, task.attempts), (TaskStatus::Failed, 1));
        let query = "query($t: ID!) { transcriptTask(id: $t) { status error { code message } completedAt } }";
        let seen = stage.data(&host, query, json!({ "t": task.id })).await;
        assert_eq!(seen["transcriptTask"]["error"]["code"], code);
        assert!(seen["transcriptTask"]["error"]["message"].as_str().unwrap().len() > 20);
        let now = stage.entity(&host, "Meeting", ended.meeting, MEETING).await;
        assert_eq!(now["transcript"]["status"], "FAILED");

        // And when it is tried again, it starts anew
        let retry = "mutation($t: ID!) { retryTranscriptTask(input: { taskId: $t }) { task { id status error { code } } userErrors { code field } } }";
        let answer = stage.data(&host, retry, json!({ "t": task.id })).await;
        let answer = &answer["retryTranscriptTask"];
        assert_eq!(answer["task"]["status"], "PENDING");
        assert_eq!(answer["task"]["error"], json!(null));
        let task = stage.task_when(ended.meeting, |task| task.status.is_final()).await;
        assert_eq!((task.status, task.attempts), (TaskStatus::Completed, 2));
        let answer = stage.data(&host, retry, json!({ "t": task.id })).await;
        let errors = &answer["retryTranscriptTask"]["userErrors"];
        assert_eq!(errors[0]["code"], "TASK_NOT_RETRYABLE");
    }
}

#[tokio::test]
async fn a_recording_that_is_gone_or_empty_is_told() {
    let stage = Stage::new([vec![segment(0, 1_000, "Hello.")]]).await;
    stage.kernel.objects.put("recordings/empty", Vec::new()).await.unwrap();
    for (key, code) in [
        ("recordings/gone", "RECORDING_MISSING"),
        ("recordings/empty", "RECORDING_EMPTY"),
        ("../../etc/passwd", "RECORDING_MISSING"),
    ] {
        let ended = stage.ended_with(Uuid::now_v7(), Uuid::now_v7(), key).await;
        let task = stage.task_when(ended.meeting, |task| task.status.is_final()).await;
        assert_eq!(task.error_code.as_deref(), Some(code), "{key}");
    }
    assert!(stage.engine.jobs().is_empty());
}

#[tokio::test]
async fn an_engine_that_breaks_is_tried_again_where_it_stopped() {
    let broken = || SpeechError::Engine { reason: "crashed".into(), retryable: true };
    let stage = Stage::new([
        vec![Step::Language("en"), segment(0, 3_000, "The beginning."), Step::Fail(broken)],
        vec![segment(0, 3_000, "The beginning."), segment(3_000, 6_000, "The end.")],
    ])
    .await;
    let ended = stage.ended_meeting(Uuid::now_v7()).await;
    let task = stage.task_when(ended.meeting, |task| task.status.is_final()).await;
    assert_eq!((task.status, task.attempts), (TaskStatus::Completed, 2));
    assert_eq!(stage.engine.jobs()[1].resume_from_ms, 3_000);
    let now = stage.entity(&viewer(ended.host), "Meeting", ended.meeting, MEETING).await;
    assert_eq!(now["transcript"]["text"], "The beginning. The end.");
}

#[tokio::test]
async fn a_cancelled_task_stops_and_stays_so() {
    let (_gate, hold) = gate();
    let stage = Stage::new([vec![segment(0, 1_000, "Hello."), hold]]).await;
    let ended = stage.ended_meeting(Uuid::now_v7()).await;
    stage.segments_stored(ended.meeting, 1).await;
    let host = viewer(ended.host);
    let task = stage.task_when(ended.meeting, |_| true).await;
    let cancel = "mutation($t: ID!) { cancelTranscriptTask(input: { taskId: $t }) { task { status } userErrors { code } } }";
    for _ in 0..2 {
        let answer = stage.data(&host, cancel, json!({ "t": task.id })).await;
        assert_eq!(answer["cancelTranscriptTask"]["task"]["status"], "CANCELLED");
    }
    let now = stage.entity(&host, "Meeting", ended.meeting, MEETING).await;
    assert_eq!(now["transcript"]["status"], "FAILED");
    assert_eq!(now["transcript"]["text"], "Hello.");

    // The worker is free for the next one within a few heartbeats.
    let other = stage.ended_meeting(Uuid::now_v7()).await;
    let limit = Duration::from_secs(15);
    eventually(limit, || async { stage.engine.jobs().len() == 2 }).await;
    stage.segments_stored(other.meeting, 1).await;
    // And a cancelled meeting drops what works for it.
    stage.tell("moim.meeting.cancelled.v1", other.meeting, json!({})).await;
    let task = stage.task_when(other.meeting, |task| task.status.is_final()).await;
    assert_eq!(task.status, TaskStatus::Cancelled);
}

#[tokio::test]
async fn a_finished_task_can_not_be_cancelled() {
    let stage = Stage::new([vec![segment(0, 1_000, "Hello.")]]).await;
    let ended = stage.ended_meeting(Uuid::now_v7()).await;
    let task = stage.task_when(ended.meeting, |task| task.status.is_final()).await;
    let cancel = "mutation($t: ID!) { cancelTranscriptTask(input: { taskId: $t }) { task { status } userErrors { code } } }";
    let answer = stage.data(&viewer(ended.host), cancel, json!({ "t": task.id })).await;
    assert_eq!(answer["cancelTranscriptTask"]["userErrors"][0]["code"], "ILLEGAL_STATUS");
}

#[tokio::test]
async fn segments_come_in_pages() {
    let steps: Vec<Step> =
        (0..45).map(|n| segment(n * 1_000, n * 1_000 + 900, &format!("Sentence {n}."))).collect();
    let stage = Stage::new([steps]).await;
    let ended = stage.ended_meeting(Uuid::now_v7()).await;
    stage.task_when(ended.meeting, |task| task.status == TaskStatus::Completed).await;
    let host = viewer(ended.host);
    let mut seen = Vec::new();
    let mut after = String::from("null");
    for pages in 1.. {
        let fields = format!(
            "transcript {{ page: segments(first: 20, after: {after}) {{ nodes {{ text }} pageInfo {{ hasNextPage hasPreviousPage endCursor }} }} all: segments(first: 100) {{ edges {{ cursor node {{ text }} }} }} }}"
        );
        let now = stage.entity(&host, "Meeting", ended.meeting, &fields).await;
        assert_eq!(now["transcript"]["all"]["edges"].as_array().unwrap().len(), 45);
        let page = &now["transcript"]["page"];
        seen.extend(page["nodes"].as_array().unwrap().iter().map(|node| node["text"].clone()));
        if page["pageInfo"]["hasNextPage"] == false {
            assert_eq!(pages, 3);
            break;
        }
        after = page["pageInfo"]["endCursor"].to_string();
    }
    let expected: Vec<_> = (0..45).map(|n| json!(format!("Sentence {n}."))).collect();
    assert_eq!(seen, expected);
    for wrong in ["first: 101", "first: -1", "after: \"nonsense\""] {
        let query = "query($r: [_Any!]!) { _entities(representations: $r) { ... on Meeting { transcript { segments(WRONG) { nodes { id } } } } } }";
        let variables = json!({ "r": [{ "__typename": "Meeting", "id": ended.meeting }] });
        let answer = stage.ask(&host, &query.replace("WRONG", wrong), variables).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{wrong}");
    }
}
