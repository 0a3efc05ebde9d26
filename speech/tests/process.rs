//! The engine in its own process: killed, cancelled, hanging, abandoned.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use speech::process::Config;
use speech::testing::recording;
use speech::{Code, Engine, Event, Job, Outcome, ProcessEngine, SINK_EVENTS, SpeechError};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::fixture;

/// Longer than anything here should take, even on a busy machine.
const DEADLINE: Duration = Duration::from_secs(120);

/// Not a test: the child's program, which this binary plays itself.
#[test]
#[ignore = "started by the other tests"]
fn child() {
    speech::process::child_main();
}

fn config() -> Config {
    let program = std::env::current_exe().unwrap();
    let arguments = ["--quiet", "--ignored", "--nocapture", "--exact", "process::child"];
    Config::program(program, arguments)
}

fn short() -> Job {
    Job::new(fixture::recording("live.webm")).language(Some("en".to_owned()))
}

struct Running {
    events: mpsc::Receiver<Event>,
    cancel: CancellationToken,
    result: JoinHandle<Result<Outcome, SpeechError>>,
}

impl Running {
    fn start(engine: &std::sync::Arc<ProcessEngine>, job: Job) -> Self {
        let (sink, events) = mpsc::channel(SINK_EVENTS);
        let cancel = CancellationToken::new();
        let (engine, token) = (engine.clone(), cancel.clone());
        let result = tokio::spawn(async move { engine.transcribe(job, sink, token).await });
        Self { events, cancel, result }
    }

    async fn until(&mut self, wanted: impl Fn(&Event) -> bool) {
        while let Some(event) = self.events.recv().await {
            if wanted(&event) {
                return;
            }
        }
        panic!("the job ended first");
    }

    async fn end(mut self) -> (String, Result<Outcome, SpeechError>) {
        let mut events = Vec::new();
        while let Some(event) = self.events.recv().await {
            events.push(event);
        }
        (fixture::text(&fixture::segments(&events)), self.result.await.unwrap())
    }
}

fn engine(config: Config) -> std::sync::Arc<ProcessEngine> {
    std::sync::Arc::new(ProcessEngine::new(config))
}

fn decoding(event: &Event) -> bool {
    matches!(event, Event::Progress { stage: speech::Stage::Decoding, .. })
}

fn kill(pid: u32) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}

/// How polite each thread is. (Here the test harness has one of its own.)
fn niceness(pid: u32) -> Vec<i32> {
    /// Field of `stat`, counted after the program's name.
    const NICE: usize = 16;
    std::fs::read_dir(format!("/proc/{pid}/task"))
        .unwrap()
        .filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("stat")).ok())
        .filter_map(|stat| {
            let (_, fields) = stat.rsplit_once(") ")?;
            fields.split(' ').nth(NICE)?.parse().ok()
        })
        .collect()
}

#[tokio::test]
async fn a_killed_process_costs_its_job_only() {
    let engine = engine(config());
    let mut job = Running::start(&engine, Job::new(recording().unwrap()));
    job.until(decoding).await;
    let killed = engine.pids()[0];

    kill(killed);
    let (_, result) = job.end().await;
    let error = result.unwrap_err();
    assert_eq!(error.code(), Code::EngineFailed);
    assert!(error.is_retryable());

    let (text, result) = Running::start(&engine, short()).end().await;
    result.unwrap();
    assert!(text.to_lowercase().contains("best of times"), "{text}");
    assert_ne!(engine.pids(), [killed]);
}

#[tokio::test]
async fn one_process_serves_many_jobs_also_bad_ones() {
    let folder = tempfile::tempdir().unwrap();
    let notes = fixture::file(&folder, "notes.txt", "not audio ".repeat(999).as_bytes());
    let engine = engine(config());
    assert!(engine.pids().is_empty());

    let first = Running::start(&engine, short()).end().await;
    first.1.unwrap();
    let pids = engine.pids();
    // The tests themselves may have been started nicely.
    let own = niceness(std::process::id())[0];
    let nicer = (own + 10).min(19);
    assert!(niceness(pids[0]).contains(&nicer), "{own}: {:?}", niceness(pids[0]));

    let bad = Running::start(&engine, Job::new(notes)).end().await.1.unwrap_err();
    assert_eq!((bad.code(), bad.is_retryable()), (Code::NotAudio, false));
    let again = Running::start(&engine, short()).end().await;
    assert_eq!(again.0, first.0);
    assert_eq!(engine.pids(), pids);
}

#[tokio::test]
async fn a_cancelled_job_stops_soon_and_leaves_the_process_in_use() {
    let engine = engine(config());
    let mut job = Running::start(&engine, Job::new(recording().unwrap()));
    job.until(decoding).await;
    let pids = engine.pids();

    job.cancel.cancel();
    assert_eq!(job.end().await.1.unwrap_err().code(), Code::Cancelled);

    Running::start(&engine, short()).end().await.1.unwrap();
    assert_eq!(engine.pids(), pids);
}

#[tokio::test]
async fn a_job_that_nobody_listens_to_is_cancelled() {
    let engine = engine(config());
    let mut job = Running::start(&engine, Job::new(recording().unwrap()));
    job.until(decoding).await;
    drop(job.events);
    assert_eq!(job.result.await.unwrap().unwrap_err().code(), Code::Cancelled);
}

#[tokio::test]
async fn a_process_that_hangs_is_killed() {
    let mut config = Config::program("sleep", ["1000"]);
    config.silence_ms = 200;
    let engine = engine(config);
    let mut job = Running::start(&engine, short());
    assert!(job.events.recv().await.is_none());
    let error = job.result.await.unwrap().unwrap_err();
    assert!(error.is_retryable(), "{error}");
    assert!(engine.pids().is_empty());
}

#[tokio::test]
async fn a_program_that_is_not_there_is_an_error() {
    let engine = engine(Config::program("/nonexistent/moim", ["speech"]));
    let error = Running::start(&engine, short()).end().await.1.unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), (Code::EngineFailed, true));
}

#[test]
fn the_process_ends_with_its_parent() {
    let config = config();
    let mut child = Command::new(&config.program)
        .args(&config.arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let pid = Pid::from_child(&child);
    test_kill_process(pid).unwrap();

    // What the system does with a dead parent's pipe.
    drop(child.stdin.take());

    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < DEADLINE);
        std::thread::yield_now();
    }
}
