//! The child's side: reads jobs from standard input, answers on standard
//! output, ends when its parent does.

use std::io::{self, BufRead, Read, Write};
use std::process;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::protocol::{Failure, LINE_BYTES, Reply, Request};
use crate::engine::{Event, Job, Outcome, Stage};
use crate::error::SpeechError;
use crate::weights;
use crate::whisper::{Control, WhisperEngine};

/// Others go first.
const NICE: i32 = 10;
/// How often a working child says that it lives.
const ALIVE_EVERY_MS: u64 = 1_000;

/// The job at work and the ones that were cancelled before their turn.
#[derive(Default)]
struct Jobs {
    running: Option<(u64, Arc<Control>)>,
    cancelled: Vec<u64>,
}

/// Runs the engine's own process: what `moim speech` does. Never returns; ends
/// with the parent, that is at the end of standard input.
pub fn child_main() -> ! {
    // Where it isn't allowed the engine still works, just less politely.
    let _ = rustix::process::nice(NICE);
    let jobs = Arc::new(Mutex::new(Jobs::default()));
    let (sender, receiver) = channel();
    let watched = jobs.clone();
    thread::spawn(move || {
        read_requests(&sender, &watched);
        // The parent is gone: nobody wants the rest.
        process::exit(0);
    });
    serve(&receiver, &jobs);
    process::exit(0)
}

fn read_requests(jobs: &Sender<(u64, Job)>, state: &Mutex<Jobs>) {
    let mut input = io::stdin().lock();
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut input).take(LINE_BYTES as u64).read_until(b'\n', &mut line);
        if read.is_err() || line.is_empty() {
            return;
        }
        match serde_json::from_slice(&line) {
            Ok(Request::Transcribe { id, job }) => {
                if jobs.send((id, job)).is_err() {
                    return;
                }
            }
            Ok(Request::Cancel { id }) => {
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                match &state.running {
                    Some((running, control)) if *running == id => control.cancel(),
                    _ => state.cancelled.push(id),
                }
            }
            // Parent and child are the same program: this can't be mended.
            Err(_) => return,
        }
    }
}

fn serve(jobs: &Receiver<(u64, Job)>, state: &Mutex<Jobs>) {
    let mut engine = None;
    while let Ok((id, job)) = jobs.recv() {
        let last = Mutex::new(Instant::now());
        let control = Control::new(move || say_alive(&last));
        {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            if state.cancelled.contains(&id) {
                control.cancel();
            }
            state.cancelled.clear();
            state.running = Some((id, control.clone()));
        }
        let reply = match transcribe(id, &job, &control, &mut engine) {
            Ok(outcome) => Reply::Done { id, outcome },
            Err(error) => Reply::Failed { id, failure: Failure::from(&error) },
        };
        state.lock().unwrap_or_else(PoisonError::into_inner).running = None;
        if say(&reply).is_err() {
            return;
        }
    }
}

fn transcribe(
    id: u64,
    job: &Job,
    control: &Arc<Control>,
    engine: &mut Option<WhisperEngine>,
) -> Result<Outcome, SpeechError> {
    let mut emit = |event| say(&Reply::Event { id, event }).map_err(SpeechError::Process);
    let loaded = match engine {
        Some(engine) => engine,
        None => {
            emit(Event::Progress { percent: 0, stage: Stage::Loading })?;
            let weights = weights::ensure(&mut |_| {
                // Nobody reads this progress, but it shows that we live.
                let _ = say(&Reply::Alive);
            })?;
            engine.insert(WhisperEngine::load(&weights)?)
        }
    };
    loaded.recognise(job, control, &mut emit)
}

fn say_alive(last: &Mutex<Instant>) {
    let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
    if last.elapsed() >= Duration::from_millis(ALIVE_EVERY_MS) {
        *last = Instant::now();
        // A parent that is gone is noticed at standard input.
        let _ = say(&Reply::Alive);
    }
}

fn say(reply: &Reply) -> io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    let mut output = io::stdout().lock();
    output.write_all(&line)?;
    output.flush()
}
