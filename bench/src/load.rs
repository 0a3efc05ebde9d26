//! The load generator: a fixed number of connections, each with one request at a time.

use std::{
    cell::Cell,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::LocalSet, time::timeout};

/// Longest wait for one answer, in milliseconds.
const ANSWER_TIMEOUT_MS: u64 = 60_000;

/// What is sent.
#[derive(Clone)]
pub(crate) enum Operation {
    /// The same each time; the answer must be this, byte for byte.
    Same {
        /// The request's body.
        request: Bytes,
        /// The answer.
        answer: Bytes,
    },
    /// A document that wasn't sent before each time, so that it must be planned. The answers are as
    /// long as each other.
    New {
        /// Gives the body of the request with this number.
        request: fn(u32) -> Bytes,
        /// Length of the answers, in bytes.
        answer_bytes: usize,
    },
}

/// How it is sent.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    /// Connections, each with one request under way.
    pub(crate) concurrency: usize,
    /// No request begins later than this after the first one.
    pub(crate) duration: Duration,
    /// No more requests than this.
    pub(crate) requests_max: u32,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Right answers.
    pub(crate) answers: u32,
    /// Wrong answers and none.
    pub(crate) failures: u32,
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
    /// Of each right answer, in microseconds, in rising order.
    pub(crate) latencies_us: Vec<u64>,
}

impl Outcome {
    /// The latency that this share of the answers didn't exceed, in microseconds.
    pub(crate) fn percentile_us(&self, percent: usize) -> u64 {
        let last = self.latencies_us.len().saturating_sub(1);
        self.latencies_us.get(last * percent / 100).copied().unwrap_or_default()
    }
}

/// Sends an operation to a router, and counts.
///
/// `number` is that of the last new document, and goes on rising.
///
/// # Errors
/// When the router can't be reached.
pub(crate) async fn run(
    router: SocketAddr,
    operation: &Operation,
    load: Load,
    number: &Rc<Cell<u32>>,
) -> Result<Outcome> {
    let begin = Instant::now();
    let sent = Rc::new(Cell::new(0));
    let local = LocalSet::new();
    let mut connections = Vec::new();
    for _ in 0..load.concurrency {
        let (operation, number, sent) = (operation.clone(), Rc::clone(number), Rc::clone(&sent));
        connections.push(local.spawn_local(async move {
            let mut sender = None;
            let mut outcome = Outcome::default();
            while begin.elapsed() < load.duration && sent.get() < load.requests_max {
                sent.set(sent.get() + 1);
                number.set(number.get() + 1);
                let start = Instant::now();
                if one(router, &mut sender, &operation, number.get()).await.is_ok() {
                    outcome.answers += 1;
                    let micros = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
                    outcome.latencies_us.push(micros);
                } else {
                    outcome.failures += 1;
                    sender = None;
                }
            }
            outcome
        }));
    }
    let mut all = Outcome::default();
    let ends = local.run_until(futures::future::join_all(connections)).await;
    all.elapsed = begin.elapsed();
    for end in ends {
        let mut one = end?;
        all.answers += one.answers;
        all.failures += one.failures;
        all.latencies_us.append(&mut one.latencies_us);
    }
    all.latencies_us.sort_unstable();
    Ok(all)
}

async fn one(
    router: SocketAddr,
    sender: &mut Option<SendRequest<Full<Bytes>>>,
    operation: &Operation,
    number: u32,
) -> Result<()> {
    if sender.as_ref().is_none_or(SendRequest::is_closed) {
        *sender = Some(connect(router).await?);
    }
    let sender = sender.as_mut().context("just connected")?;
    let request = match operation {
        Operation::Same { request, .. } => request.clone(),
        Operation::New { request, .. } => request(number),
    };
    let (_, body) =
        timeout(Duration::from_millis(ANSWER_TIMEOUT_MS), exchange(router, sender, request))
            .await??;
    let right = match operation {
        Operation::Same { answer, .. } => body == *answer,
        Operation::New { answer_bytes, .. } => body.len() == *answer_bytes,
    };
    if right { Ok(()) } else { bail!("another answer") }
}

/// Sends one request on a connection of its own; gives status and body of the answer.
///
/// # Errors
/// When there is no answer.
pub(crate) async fn ask(router: SocketAddr, request: Bytes) -> Result<(StatusCode, Bytes)> {
    let local = LocalSet::new();
    let asking = async {
        let mut sender = connect(router).await?;
        exchange(router, &mut sender, request).await
    };
    timeout(Duration::from_millis(ANSWER_TIMEOUT_MS), local.run_until(asking)).await?
}

async fn connect(router: SocketAddr) -> Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(router).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::task::spawn_local(connection);
    Ok(sender)
}

async fn exchange(
    router: SocketAddr,
    sender: &mut SendRequest<Full<Bytes>>,
    request: Bytes,
) -> Result<(StatusCode, Bytes)> {
    sender.ready().await?;
    let request = Request::post("/graphql")
        .header(header::HOST, router.to_string())
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json")
        .body(Full::new(request))?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    Ok((status, response.into_body().collect().await?.to_bytes()))
}
