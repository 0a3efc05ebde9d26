//! A running `moim` process with databases, keys, streams and a data folder of its own.

use super::client::Client;
use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

/// How long a role may take until it listens.
const START: Duration = Duration::from_secs(90);

/// Where one test keeps its things: names that no other test has.
pub(crate) struct Place {
    data: TempDir,
    log: Option<PathBuf>,
    environment: BTreeMap<String, String>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let id = uuid::Uuid::now_v7().simple().to_string();
        let prefix = format!("e{}", &id[20..]);
        let data = tempfile::tempdir().expect("a temporary folder");
        let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let environment = BTreeMap::from([
            set("MOIM_DATA_DIR", &data.path().display().to_string()),
            set("MOIM_NATS_PREFIX", &prefix),
            set("MOIM_REDIS_PREFIX", &prefix),
            set("MOIM_POSTGRES_DATABASE_PREFIX", &format!("{prefix}_")),
            set("MOIM_LISTEN", "127.0.0.1:0"),
            set("MOIM_DEMO", "false"),
            // Tests look again and again, faster than people.
            set("MOIM_RATE_LIMIT", "false"),
        ]);
        Self { data, log: None, environment }
    }

    /// Sets a variable for every process started from here.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    /// Has what is started from here log into a file, and tells which.
    pub(crate) fn log_to_file(&mut self) -> PathBuf {
        self.log.insert(self.data.path().join("moim.log")).clone()
    }

    /// What stands before its streams and subjects.
    pub(crate) fn nats_prefix(&self) -> &str {
        &self.environment["MOIM_NATS_PREFIX"]
    }

    /// Takes a variable away from every process started from here.
    pub(crate) fn unset(&mut self, name: &str) {
        self.environment.remove(name);
    }

    /// The variables of every process started from here.
    pub(crate) fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    pub(crate) fn data(&self) -> &Path {
        self.data.path()
    }

    /// A variable of the processes started from here.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        self.environment.get(name).cloned().or_else(|| std::env::var(name).ok())
    }

    /// Runs a command to its end; what it wrote to standard output, or to standard error if it failed.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let output = self.output(arguments).await;
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }

    /// Runs a command to its end; what it wrote to standard output, whether it failed or not.
    pub(crate) async fn run_through(&self, arguments: &[&str]) -> String {
        String::from_utf8(self.output(arguments).await.stdout).expect("UTF-8")
    }

    async fn output(&self, arguments: &[&str]) -> Output {
        let output = Command::new(env!("CARGO_BIN_EXE_moim"))
            .args(arguments)
            .envs(&self.environment)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(START, output).await;
        output.unwrap_or_else(|_| panic!("moim {arguments:?} doesn't end")).expect("it starts")
    }

    /// Starts `moim up`.
    pub(crate) async fn up(&self) -> Instance {
        self.start(&["up"]).await
    }

    /// Starts a role that prints the address it listens on.
    pub(crate) async fn start(&self, arguments: &[&str]) -> Instance {
        let mut child = Command::new(env!("CARGO_BIN_EXE_moim"))
            .args(arguments)
            .envs(&self.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(match &self.log {
                Some(log) => File::create(log).expect("a file for the log").into(),
                None => Stdio::inherit(),
            })
            .kill_on_drop(true)
            .spawn()
            .expect("moim starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let said = Said::default();
        let (base, operations) = tokio::time::timeout(START, listening(&mut lines, &said))
            .await
            .unwrap_or_else(|_| panic!("moim {arguments:?} doesn't listen within {START:?}"));
        let rest = Arc::clone(&said);
        let output = tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                rest.lock().expect("no panic").push(line);
            }
        });
        Instance { child, base, operations, said, _output: output }
    }
}

/// The lines that a process has written.
type Said = Arc<Mutex<Vec<String>>>;

/// Reads on until a line names the address; gives also the one for operators, if it is another.
async fn listening(
    lines: &mut Lines<BufReader<ChildStdout>>,
    said: &Said,
) -> (String, Option<String>) {
    let mut operations = None;
    while let Some(line) = lines.next_line().await.expect("output") {
        said.lock().expect("no panic").push(line.clone());
        if let Some(at) = line.find("http://127.0.0.1:") {
            let address = line[at..].split_whitespace().next().unwrap_or_default();
            if let Some(address) = address.strip_suffix("/metrics") {
                operations = Some(address.to_owned());
                continue;
            }
            return (address.trim_end_matches("/graphql").to_owned(), operations);
        }
    }
    panic!("moim ended before it listened; its errors are above");
}

/// A running process, killed when dropped.
pub(crate) struct Instance {
    child: Child,
    pub(crate) base: String,
    /// Where operators ask, if that is an address of its own.
    pub(crate) operations: Option<String>,
    said: Said,
    _output: tokio::task::JoinHandle<()>,
}

impl Instance {
    pub(crate) fn client(&self) -> Client {
        Client::new(&self.base)
    }

    /// Whether it has written this line to standard output.
    pub(crate) fn has_said(&self, line: &str) -> bool {
        self.said.lock().expect("no panic").iter().any(|said| said == line)
    }

    /// Kills the process as `kill -9` does, and waits until it is gone.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("the process was there");
    }

    /// Waits until the process is dead.
    pub(crate) async fn died(mut self) {
        self.child.wait().await.expect("the process was there");
    }

    /// Asks the process to end as Ctrl-C does; true when it ended cleanly.
    pub(crate) async fn stop(self) -> bool {
        self.end_by("-INT").await
    }

    /// Asks the process to end as service managers do; true when it ended cleanly.
    pub(crate) async fn terminate(self) -> bool {
        self.end_by("-TERM").await
    }

    async fn end_by(mut self, signal: &str) -> bool {
        let id = self.child.id().expect("running").to_string();
        let sent = Command::new("kill").args([signal, &id]).status().await.expect("kill");
        assert!(sent.success());
        let ended = tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await;
        ended.expect("it ends within 30 s").expect("status").success()
    }
}
