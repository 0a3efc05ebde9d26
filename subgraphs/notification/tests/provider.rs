//! Providers that the tests start: a mail server, and an HTTP server that says what it is told to.

use std::collections::VecDeque;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use platform::testing::eventually;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdout, Command};

use crate::stage::DEADLINE;

/// aiosmtpd. It ends with the test.
pub(crate) struct MailServer {
    pub(crate) port: u16,
    lines: Lines<BufReader<ChildStdout>>,
    process: Child,
}

impl MailServer {
    /// A server to which one logs in with these, if there are any.
    pub(crate) async fn start(credentials: &[&str]) -> Self {
        Self::start_at(0, credentials).await
    }

    /// It is gone: nobody answers at its port.
    pub(crate) async fn stop(mut self) {
        self.process.kill().await.unwrap();
    }

    /// The same at a port.
    pub(crate) async fn start_at(port: u16, credentials: &[&str]) -> Self {
        let folders = stack::pin::MAIL.map(|package| stack::package::fetch(&package).unwrap());
        let python = std::env::var_os("MOIM_PYTHON").unwrap_or_else(|| "python3".into());
        let mut process = Command::new(python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mail.py"))
            .args(credentials)
            .env("PYTHONPATH", std::env::join_paths(folders).unwrap())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("MAIL_PORT", port.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = lines.next_line().await.unwrap().unwrap().parse().unwrap();
        Self { port, lines, process }
    }

    /// The next letter.
    pub(crate) async fn letter(&mut self) -> Value {
        let line = tokio::time::timeout(DEADLINE, self.lines.next_line()).await.unwrap();
        serde_json::from_str(&line.unwrap().unwrap()).unwrap()
    }
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

/// An HTTP server that answers with these status codes, then with 200.
#[derive(Clone, Default)]
pub(crate) struct HttpServer {
    pub(crate) url: String,
    replies: Arc<Mutex<VecDeque<StatusCode>>>,
    came: Arc<Mutex<Vec<Request>>>,
}

impl HttpServer {
    pub(crate) async fn start(replies: impl IntoIterator<Item = StatusCode>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let replies = Arc::new(Mutex::new(replies.into_iter().collect()));
        let server = Self { url, replies, came: Arc::default() };
        let app = Router::new().fallback(answer).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        server
    }

    /// The first `count` requests that came, once they have.
    pub(crate) async fn requests(&self, count: usize) -> Vec<Request> {
        eventually(DEADLINE, || async { self.came.lock().unwrap().len() >= count }).await;
        self.came.lock().unwrap().clone()
    }
}

async fn answer(
    State(server): State<HttpServer>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let body = String::from_utf8(body.to_vec()).unwrap();
    server.came.lock().unwrap().push(Request { uri, headers, body });
    server.replies.lock().unwrap().pop_front().unwrap_or(StatusCode::OK)
}
