//! The routers that are measured, and how each is started.

use std::{
    cell::Cell,
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    answer::answer,
    graph::{Graph, MEETINGS},
    load::{self, Operation},
    process::Process,
};

/// What is asked for.
const DOCUMENT: &str = include_str!("../operation.graphql");
/// How long a router may take to answer for the first time, in milliseconds.
const START_WITHIN_MS: u64 = 60_000;
/// Pause between two questions whether it answers, in milliseconds.
const START_POLL_MS: u64 = 100;

/// A router that runs.
pub(crate) struct Contestant {
    /// What it is called in the results.
    pub(crate) name: &'static str,
    /// What it says of its version.
    pub(crate) version: String,
    /// Its process.
    pub(crate) process: Process,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// The operation, with this router's answer.
    pub(crate) warm: Operation,
    /// The same operation as new documents.
    pub(crate) cold: Operation,
    /// Number of the last new document.
    pub(crate) number: Rc<Cell<u32>>,
}

/// How a router is started. In arguments and variables `{supergraph}`, `{host}` and `{port}` stand
/// for what it is told.
pub(crate) struct Recipe {
    /// What it is called in the results.
    pub(crate) name: &'static str,
    /// What it says of its version.
    pub(crate) version: String,
    /// The program.
    pub(crate) program: PathBuf,
    /// Its arguments.
    pub(crate) arguments: Vec<String>,
    /// Its environment variables beside those of the bench.
    pub(crate) variables: Vec<(String, String)>,
}

impl Recipe {
    /// Starts the router, waits until it answers, and checks its answer.
    ///
    /// # Errors
    /// When it doesn't start, or its answer isn't what the data says.
    pub(crate) async fn start(self, supergraph: &Path, results: &Path) -> Result<Contestant> {
        let address = free_address()?;
        let fill = |text: &str| {
            text.replace("{supergraph}", &supergraph.to_string_lossy())
                .replace("{host}", &address.ip().to_string())
                .replace("{port}", &address.port().to_string())
        };
        let mut command = Command::new(&self.program);
        command.args(self.arguments.iter().map(|text| fill(text)));
        command.envs(self.variables.iter().map(|(name, value)| (name, fill(value))));
        // It finds no settings by chance, such as those of the folder it is started from.
        command.current_dir(results);
        let log = results.join(format!("{}.log", self.name.replace(' ', "-")));
        let mut process = Process::start(command, &log)?;
        begun(&mut process, address)
            .await
            .with_context(|| format!("{}: see {}", self.name, log.display()))?;
        let warm = check(address).await.with_context(|| self.name.to_owned())?;
        let cold = check_new(address).await.with_context(|| self.name.to_owned())?;
        let number = Rc::new(Cell::new(0));
        let (name, version) = (self.name, self.version);
        Ok(Contestant { name, version, process, address, warm, cold, number })
    }
}

/// The first line that a program prints when it is asked for its version.
pub(crate) fn version(program: &Path, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output();
    let text = output.map(|it| String::from_utf8_lossy(&it.stdout).into_owned());
    text.unwrap_or_default().lines().next().unwrap_or("unknown").trim().to_owned()
}

/// An address on this machine that nobody listens on.
pub(crate) fn free_address() -> Result<SocketAddr> {
    // Taken again by the router right away.
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    Ok(listener.local_addr()?)
}

/// Waits until a router answers.
///
/// # Errors
/// When it ends before, or takes too long.
pub(crate) async fn begun(process: &mut Process, address: SocketAddr) -> Result<()> {
    let deadline = Instant::now() + Duration::from_millis(START_WITHIN_MS);
    let question = Bytes::from_static(br#"{"query":"{ __typename }"}"#);
    loop {
        if let Ok((StatusCode::OK, _)) = load::ask(address, question.clone()).await {
            return Ok(());
        }
        ensure!(process.runs(), "it ended");
        ensure!(Instant::now() < deadline, "no answer within {START_WITHIN_MS} ms");
        tokio::time::sleep(Duration::from_millis(START_POLL_MS)).await;
    }
}

fn request(document: &str) -> Bytes {
    json!({ "query": document, "variables": { "first": MEETINGS } }).to_string().into()
}

/// An alias with the number makes it a document that no cache knows.
fn new_request(number: u32) -> Bytes {
    request(&DOCUMENT.replacen('{', &format!("{{ n{number:08}: __typename "), 1))
}

/// Asks for the operation and compares with the data.
async fn check(router: SocketAddr) -> Result<Operation> {
    let request = request(DOCUMENT);
    let body = right(router, request.clone()).await?;
    Ok(Operation::Same { request, answer: body })
}

async fn check_new(router: SocketAddr) -> Result<Operation> {
    let body = right(router, new_request(0)).await?;
    Ok(Operation::New { request: new_request, answer_bytes: body.len() })
}

async fn right(router: SocketAddr, request: Bytes) -> Result<Bytes> {
    let expected: Value = serde_json::from_slice(&answer(&Graph::new(), &request)?)?;
    let (status, body) = load::ask(router, request).await?;
    let given: Value = serde_json::from_slice(&body).context("the answer is not JSON")?;
    if status != StatusCode::OK || given["data"] != expected["data"] || given["errors"].is_array() {
        let start: String = String::from_utf8_lossy(&body).chars().take(400).collect();
        bail!("a wrong answer, with status {status}: {start}");
    }
    Ok(body)
}

/// Writes a file for a router, and gives its path.
///
/// # Errors
/// When it can't be written.
pub(crate) fn file(folder: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    fs::write(&path, text).with_context(|| format!("can't write {}", path.display()))?;
    Ok(path)
}
