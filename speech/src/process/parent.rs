//! The parent's side: starts children, gives them jobs, replaces bad ones.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, ready};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::protocol::{LINE_BYTES, Reply, Request};
use crate::engine::{Engine, Job, Outcome, Sink};
use crate::error::SpeechError;

/// Variables of ours that the child may see; the others hold secrets that an
/// engine reading strangers' files has no use for.
const PASSED_ON: [&str; 4] =
    ["MOIM_PYTHON", "MOIM_CACHE_DIR", "MOIM_SPEECH_MODEL", "MOIM_SPEECH_VAD_MODEL"];

/// Whether the child may see a variable: none of those that configure us, or log us in at a bucket.
fn may_see(name: &str) -> bool {
    let ours = name.starts_with("MOIM_") || name.starts_with("AWS_");
    !ours || PASSED_ON.contains(&name)
}

/// How children are started and judged.
#[derive(Debug, Clone)]
pub struct Config {
    /// The program that ends up in [`super::child_main`].
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Children at most, hence jobs at once; each takes one core and about
    /// 400 MB. Further jobs wait.
    pub processes: usize,
    /// A child that says nothing for this long (it says at least that it lives
    /// once a second while it computes) hangs and is killed.
    pub silence_ms: u64,
    /// How long a cancelled job may take to stop before its child is killed.
    pub cancel_grace_ms: u64,
}

impl Config {
    /// This very program with the argument `speech`, one process.
    ///
    /// # Errors
    /// [`SpeechError::Process`] when the program's own path isn't known.
    pub fn current_exe() -> Result<Self, SpeechError> {
        let program = env::current_exe().map_err(SpeechError::Process)?;
        Ok(Self::program(program, ["speech"]))
    }

    /// Another program, one process.
    #[must_use]
    pub fn program(
        program: impl Into<PathBuf>,
        arguments: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Self {
        Self {
            program: program.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            processes: 1,
            silence_ms: 120_000,
            cancel_grace_ms: 5_000,
        }
    }
}

/// An engine whose work is done by child processes. They start with the first
/// job, keep the model loaded between jobs and end with this value. A child
/// that crashes or hangs costs its job (retryable); the next gets a new one.
#[derive(Debug)]
pub struct ProcessEngine {
    config: Config,
    permits: Semaphore,
    idle: Mutex<Vec<Worker>>,
    next_id: AtomicU64,
    /// Process ids of the running children.
    pids: Arc<Mutex<Vec<u32>>>,
}

impl ProcessEngine {
    /// An engine without children yet.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            permits: Semaphore::new(config.processes.max(1)),
            config,
            idle: Mutex::default(),
            next_id: AtomicU64::new(1),
            pids: Arc::default(),
        }
    }

    /// Process ids of the children that run now.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        self.pids.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn run(
        &self,
        job: Job,
        sink: Sink,
        cancel: CancellationToken,
    ) -> Result<Outcome, SpeechError> {
        let _permit = tokio::select! {
            permit = self.permits.acquire() => permit.map_err(SpeechError::engine)?,
            () = cancel.cancelled() => return Err(SpeechError::Cancelled),
        };
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut worker = match idle {
            Some(worker) if worker.is_alive() => worker,
            _ => Worker::start(&self.config, self.pids.clone())?,
        };
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        match worker.work(id, job, &sink, &cancel, &self.config).await {
            Ok(ended) => {
                self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
                ended
            }
            // Dropping the worker kills the child.
            Err(broken) => Err(broken),
        }
    }
}

impl Engine for ProcessEngine {
    fn check(&self) -> BoxFuture<'static, Result<(), SpeechError>> {
        let found = if self.config.program.is_file() {
            crate::weights::check().map_err(SpeechError::engine)
        } else {
            Err(SpeechError::Process(std::io::Error::from(std::io::ErrorKind::NotFound)))
        };
        Box::pin(ready(found))
    }

    fn transcribe(
        &self,
        job: Job,
        sink: Sink,
        cancel: CancellationToken,
    ) -> BoxFuture<'_, Result<Outcome, SpeechError>> {
        Box::pin(self.run(job, sink, cancel))
    }
}

/// One child.
#[derive(Debug)]
struct Worker {
    child: Mutex<Child>,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    line: Vec<u8>,
    pid: u32,
    pids: Arc<Mutex<Vec<u32>>>,
}

impl Worker {
    fn start(config: &Config, pids: Arc<Mutex<Vec<u32>>>) -> Result<Self, SpeechError> {
        let mut command = Command::new(&config.program);
        command
            .args(&config.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        for (name, _) in env::vars_os() {
            if !may_see(&name.to_string_lossy()) {
                command.env_remove(name);
            }
        }
        let mut child = command.spawn().map_err(SpeechError::Process)?;
        let missing = || SpeechError::engine("the child has no pipes");
        let input = child.stdin.take().ok_or_else(missing)?;
        let output = child.stdout.take().ok_or_else(missing)?;
        let pid = child.id().ok_or_else(missing)?;
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(pass_on(stderr, pid));
        }
        pids.lock().unwrap_or_else(PoisonError::into_inner).push(pid);
        tracing::debug!(pid, "speech process started");
        let output = BufReader::new(output);
        Ok(Self { child: Mutex::new(child), input, output, line: Vec::new(), pid, pids })
    }

    fn is_alive(&self) -> bool {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(child.try_wait(), Ok(None))
    }

    /// Has the child do a job. The outer error means that the child is of no
    /// use any more.
    async fn work(
        &mut self,
        id: u64,
        job: Job,
        sink: &Sink,
        cancel: &CancellationToken,
        config: &Config,
    ) -> Result<Result<Outcome, SpeechError>, SpeechError> {
        self.send(&Request::Transcribe { id, job }).await?;
        let mut stopping = false;
        let mut patience = Duration::from_millis(config.silence_ms);
        loop {
            let reply = tokio::select! {
                reply = timeout(patience, read_reply(&mut self.output, &mut self.line)) => {
                    reply.map_err(|_| SpeechError::engine("the speech process hangs"))??
                }
                () = stopped(sink, cancel), if !stopping => {
                    stopping = true;
                    patience = Duration::from_millis(config.cancel_grace_ms);
                    self.send(&Request::Cancel { id }).await?;
                    continue;
                }
            };
            match reply {
                Reply::Done { id: of, outcome } if of == id => return Ok(Ok(outcome)),
                Reply::Failed { id: of, failure } if of == id => return Ok(Err(failure.into())),
                Reply::Event { id: of, event } if of == id && !stopping => {
                    // A slow reader slows the child down through the pipe; a
                    // closed one is noticed in the next round.
                    tokio::select! {
                        _ = sink.send(event) => {}
                        () = cancel.cancelled() => {}
                    }
                }
                _ => {}
            }
        }
    }

    async fn send(&mut self, request: &Request) -> Result<(), SpeechError> {
        let mut line = serde_json::to_vec(request).map_err(SpeechError::engine)?;
        line.push(b'\n');
        self.input.write_all(&line).await.map_err(SpeechError::Process)?;
        self.input.flush().await.map_err(SpeechError::Process)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let mut pids = self.pids.lock().unwrap_or_else(PoisonError::into_inner);
        pids.retain(|&pid| pid != self.pid);
    }
}

async fn stopped(sink: &Sink, cancel: &CancellationToken) {
    tokio::select! {
        () = sink.closed() => {}
        () = cancel.cancelled() => {}
    }
}

/// Reads one line. What was read of a line survives in `line` when the future
/// is dropped half-way.
async fn read_reply(
    output: &mut BufReader<ChildStdout>,
    line: &mut Vec<u8>,
) -> Result<Reply, SpeechError> {
    loop {
        let room = (LINE_BYTES - line.len()) as u64;
        (&mut *output).take(room).read_until(b'\n', line).await.map_err(SpeechError::Process)?;
        if line.last() != Some(&b'\n') {
            return Err(SpeechError::engine("the speech process ended in the middle of its work"));
        }
        // Native libraries may print something of their own.
        let reply = line.starts_with(b"{").then(|| serde_json::from_slice(line));
        line.clear();
        if let Some(reply) = reply {
            return reply.map_err(SpeechError::engine);
        }
    }
}

/// Whatever the child complains about goes to the log.
async fn pass_on(stderr: ChildStderr, pid: u32) {
    let mut lines = BufReader::new(stderr.take(LINE_BYTES as u64)).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        tracing::warn!(pid, "speech process: {line}");
    }
}

#[cfg(test)]
mod tests {
    use super::may_see;

    #[test]
    fn secrets_stay_here() {
        for name in ["MOIM_SIGNATURE_KEY", "MOIM_POSTGRES_URL", "AWS_SECRET_ACCESS_KEY"] {
            assert!(!may_see(name), "{name}");
        }
        for name in ["PATH", "LC_ALL", "MOIM_CACHE_DIR"] {
            assert!(may_see(name), "{name}");
        }
    }
}
