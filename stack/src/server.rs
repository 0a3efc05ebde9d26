//! One server as a child process: started, asked whether it answers, ended.

use std::{
    env, fs,
    fs::{File, OpenOptions},
    io,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    account::Account,
    error::{StackError, at},
};

/// How long a server has to get ready. Postgres may have a journal to replay.
const READY_WAIT_MS: u64 = 60_000;
const READY_RETRY_MS: u64 = 20;
/// How long one question to a server may take.
const PROBE_TIMEOUT_MS: u64 = 1_000;
/// How long a server has to end before it is killed.
const STOP_WAIT_MS: u64 = 10_000;
const STOP_RETRY_MS: u64 = 10;
/// A log longer than this is begun anew when the server starts.
const LOG_MAX_BYTES: u64 = 16 << 20;
const LOG_TAIL_LINES: usize = 5;

/// With a plain `C`, pg_trgm takes Korean letters for blanks.
const LOCALE: &str = if cfg!(target_os = "macos") { "en_US.UTF-8" } else { "C.UTF-8" };

/// How to run one server and how to tell that it is there.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) log: PathBuf,
    pub(crate) port: u16,
    /// Asks it for a clean and quick end.
    pub(crate) stop: StopSignal,
    /// Whether what is at the other end is the server, ready for work.
    pub(crate) answers: fn(&mut TcpStream) -> io::Result<bool>,
}

/// Which signal a server wants to end by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopSignal {
    Interrupt,
    Terminate,
}

impl StopSignal {
    pub(crate) fn signal(self) -> Signal {
        match self {
            Self::Interrupt => Signal::INT,
            Self::Terminate => Signal::TERM,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "INT",
            Self::Terminate => "TERM",
        }
    }
}

/// A server that runs. Dropped without [`Running::stop`], it is killed.
pub(crate) struct Running {
    pub(crate) server: Server,
    child: Process,
}

/// A child process that doesn't outlive this value.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // Both do nothing, or fail, on a process that has ended.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Server {
    /// Starts it. It dies with the *thread* that calls this.
    pub(crate) fn start(self, account: Account) -> Result<Running, StackError> {
        let log = open_log(&self.log, account).map_err(at(&self.log))?;
        let mut command = tied_to_us(&self.program, self.stop);
        command.args(&self.arguments);
        settle(&mut command, account);
        // A group of its own: Ctrl-C at the terminal is for us alone.
        command.process_group(0).stdin(Stdio::null());
        command.stdout(log.try_clone().map_err(at(&self.log))?).stderr(log);
        let child = command.spawn().map_err(at(&self.program))?;
        Ok(Running { server: self, child: Process(child) })
    }
}

impl Running {
    /// Waits until the server answers.
    pub(crate) fn wait_until_ready(&mut self) -> Result<(), StackError> {
        let deadline = Instant::now() + Duration::from_millis(READY_WAIT_MS);
        loop {
            if let Some(status) = self.ended() {
                return Err(self.not_ready(status.to_string()));
            }
            if self.server.is_ready() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(self.not_ready(format!("no answer for {READY_WAIT_MS} ms")));
            }
            thread::sleep(Duration::from_millis(READY_RETRY_MS));
        }
    }

    /// Starts the server anew after it has ended, and waits until it answers.
    pub(crate) fn start_again(self, account: Account) -> Result<Self, StackError> {
        let mut running = self.server.start(account)?;
        running.wait_until_ready()?;
        Ok(running)
    }

    /// How the process ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.0.try_wait().ok().flatten()
    }

    /// Asks the server to end, without waiting.
    pub(crate) fn ask_to_stop(&self) {
        // An error means that it has ended already.
        let _ = kill_process(Pid::from_child(&self.child.0), self.server.stop.signal());
    }

    /// Ends the server, by force if it takes too long.
    pub(crate) fn stop(mut self) {
        let deadline = Instant::now() + Duration::from_millis(STOP_WAIT_MS);
        self.ask_to_stop();
        while self.ended().is_none() {
            if Instant::now() >= deadline {
                tracing::warn!(server = self.server.name, "did not end in time, killed");
                return; // killed by drop
            }
            thread::sleep(Duration::from_millis(STOP_RETRY_MS));
        }
    }

    /// The error for a server that is not there, for `reason`.
    pub(crate) fn not_ready(&self, reason: String) -> StackError {
        let log = self.server.log.clone();
        StackError::NotReady { server: self.server.name, reason, detail: tail(&log), log }
    }
}

impl Server {
    fn is_ready(&self) -> bool {
        let timeout = Duration::from_millis(PROBE_TIMEOUT_MS);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let ask = || {
            let mut stream = TcpStream::connect_timeout(&address, timeout)?;
            stream.set_read_timeout(Some(timeout))?;
            stream.set_write_timeout(Some(timeout))?;
            (self.answers)(&mut stream)
        };
        ask().unwrap_or(false)
    }
}

/// What every program of the stack gets: the servers' user, a folder that it
/// can enter, and none of the settings in our environment.
pub(crate) fn settle(command: &mut Command, account: Account) {
    command.env_clear().current_dir("/");
    command.env("PATH", env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into()));
    command.env("LC_ALL", LOCALE).env("TZ", "UTC");
    account.apply(command);
}

/// A command for `program` that dies with the thread that starts it, where the
/// system can do that. Where it can't, the next start ends what is left.
fn tied_to_us(program: &Path, stop: StopSignal) -> Command {
    static CAN: OnceLock<bool> = OnceLock::new();
    let can = *CAN.get_or_init(|| {
        let mut trial = Command::new("setpriv");
        trial.args(["--pdeathsig", "TERM", "true"]);
        trial.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        trial.status().is_ok_and(|status| status.success())
    });
    if !can {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", stop.name(), "--"]).arg(program);
    command
}

fn open_log(path: &Path, account: Account) -> io::Result<File> {
    let is_long = fs::metadata(path).is_ok_and(|meta| meta.len() > LOG_MAX_BYTES);
    if is_long {
        fs::remove_file(path)?;
    }
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    account.own(path)?;
    Ok(file)
}

fn tail(log: &Path) -> String {
    last_lines(&fs::read(log).unwrap_or_default(), LOG_TAIL_LINES)
}

/// The last lines of a program's output, for an error message.
pub(crate) fn last_lines(output: &[u8], count: usize) -> String {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(count)..].join("; ")
}
