//! A subscription over WebSocket (graphql-transport-ws).

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest},
};

/// An open, acknowledged connection.
pub(crate) struct Socket {
    stream: WebSocketStream<TcpStream>,
}

/// What has been read, in its order.
pub(crate) struct Messages(UnboundedReceiver<Value>);

impl Messages {
    /// The next message; `None` at the end.
    pub(crate) async fn next(&mut self, deadline: Duration) -> Option<Value> {
        tokio::time::timeout(deadline, self.0.recv())
            .await
            .unwrap_or_else(|_| panic!("no message within {deadline:?}"))
    }
}

impl Socket {
    /// Connects without sending `connection_init`.
    pub(crate) async fn connect(base: &str) -> Self {
        let address = base.strip_prefix("http://").expect("an http address");
        let mut request = format!("ws://{address}/graphql").into_client_request().expect("request");
        request
            .headers_mut()
            .insert("sec-websocket-protocol", "graphql-transport-ws".parse().expect("header"));
        let tcp = TcpStream::connect(address).await.expect("the router listens");
        let (stream, _) = client_async(request, tcp).await.expect("the upgrade is accepted");
        Self { stream }
    }

    /// Connects and initialises with a token.
    pub(crate) async fn open(base: &str, token: &str) -> Self {
        let mut socket = Self::connect(base).await;
        let payload = json!({ "authorization": format!("Bearer {token}") });
        socket.send(json!({ "type": "connection_init", "payload": payload })).await;
        let ack = socket.next(super::SOON).await.expect("an answer to connection_init");
        assert_eq!(ack["type"], "connection_ack", "{ack}");
        socket
    }

    pub(crate) async fn send(&mut self, message: Value) {
        self.stream.send(Message::text(message.to_string())).await.expect("the socket is open");
    }

    pub(crate) async fn subscribe(&mut self, id: &str, query: &str, variables: Value) {
        let payload = json!({ "query": query, "variables": variables });
        self.send(json!({ "id": id, "type": "subscribe", "payload": payload })).await;
    }

    /// Reads from now on, whether or not anybody waits for a message: pings are answered meanwhile, as by
    /// a client that lives.
    pub(crate) fn read_along(mut self) -> Messages {
        let (seen, messages) = unbounded_channel();
        tokio::spawn(async move {
            while let Some(message) = self.next(super::TRANSCRIBED).await {
                if seen.send(message).is_err() {
                    break;
                }
            }
        });
        Messages(messages)
    }

    /// The next message that is no ping; `{"close": code}` for a close frame, `None` at the end.
    pub(crate) async fn next(&mut self, deadline: Duration) -> Option<Value> {
        let reading = async {
            loop {
                match self.stream.next().await? {
                    Ok(Message::Text(text)) => {
                        let message: Value = serde_json::from_str(&text).expect("JSON");
                        if message["type"] != "ping" {
                            return Some(message);
                        }
                    }
                    Ok(Message::Close(frame)) => {
                        return Some(json!({ "close": frame.map(|f| u16::from(f.code)) }));
                    }
                    Ok(_) => {}
                    Err(_) => return None,
                }
            }
        };
        tokio::time::timeout(deadline, reading)
            .await
            .unwrap_or_else(|_| panic!("no message within {deadline:?}"))
    }
}
