//! A subscription over server-sent events (the graphql-sse protocol's distinct connections).

use super::client::{Broken, Client};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, StatusCode, body::Incoming, header};
use hyper_util::{client::legacy::Client as HttpClient, rt::TokioExecutor};
use serde_json::{Value, json};
use std::time::Duration;

/// One event of the stream.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) id: Option<String>,
    pub(crate) kind: String,
    pub(crate) data: Value,
}

/// An open stream.
pub(crate) struct Stream {
    pub(crate) status: StatusCode,
    body: Incoming,
    buffer: String,
}

impl Stream {
    /// Subscribes; `last_event_id` goes into the header of the same name.
    pub(crate) async fn open(
        client: &Client,
        query: &str,
        variables: Value,
        last_event_id: Option<&str>,
    ) -> Self {
        let stream = Self::try_open(client, query, variables, last_event_id).await;
        stream.expect("the stream opens")
    }

    /// The same as [`Stream::open`], for a server that may be gone.
    pub(crate) async fn try_open(
        client: &Client,
        query: &str,
        variables: Value,
        last_event_id: Option<&str>,
    ) -> Result<Self, Broken> {
        let mut request = Request::post(format!("{}/graphql", client.base))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "text/event-stream");
        if let Some(token) = &client.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        let body = json!({ "query": query, "variables": variables }).to_string();
        let request = request.body(Full::new(Bytes::from(body))).expect("request");
        let http: HttpClient<_, Full<Bytes>> =
            HttpClient::builder(TokioExecutor::new()).build_http();
        let response = http.request(request).await?;
        Ok(Self { status: response.status(), body: response.into_body(), buffer: String::new() })
    }

    /// The next event, `None` at the end of the stream; heartbeats are passed over.
    pub(crate) async fn next(&mut self, deadline: Duration) -> Option<Event> {
        tokio::time::timeout(deadline, self.read())
            .await
            .unwrap_or_else(|_| panic!("no event within {deadline:?}"))
    }

    /// The data of the next `next` event.
    pub(crate) async fn next_data(&mut self, deadline: Duration) -> (String, Value) {
        let event = self.next(deadline).await.expect("the stream goes on");
        assert_eq!(event.kind, "next", "{event:?}");
        let id = event.id.unwrap_or_else(|| panic!("no cursor as id: {}", event.data));
        (id, event.data)
    }

    /// The next event, however long it takes.
    pub(crate) async fn read(&mut self) -> Option<Event> {
        loop {
            if let Some(end) = self.buffer.find("\n\n") {
                let block: String = self.buffer.drain(..end + 2).collect();
                if let Some(event) = parse(&block) {
                    return Some(event);
                }
                continue;
            }
            let frame = self.body.frame().await?.ok()?;
            if let Ok(data) = frame.into_data() {
                self.buffer.push_str(std::str::from_utf8(&data).expect("UTF-8"));
            }
        }
    }
}

/// Reads one block; `None` for a comment.
fn parse(block: &str) -> Option<Event> {
    let mut event = Event { id: None, kind: String::new(), data: Value::Null };
    for line in block.lines() {
        if let Some(kind) = line.strip_prefix("event:") {
            event.kind = kind.trim().to_owned();
        } else if let Some(id) = line.strip_prefix("id:") {
            event.id = Some(id.trim().to_owned());
        } else if let Some(data) = line.strip_prefix("data:") {
            event.data = serde_json::from_str(data.trim()).unwrap_or(Value::Null);
        }
    }
    (!event.kind.is_empty()).then_some(event)
}
