//! The socket to a subgraph: handshake, signs of life, its end.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, HeaderValue, Uri, header};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
use serde_json::value::RawValue;
use tokio::{
    net::TcpStream,
    time::{Interval, MissedTickBehavior},
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        self, Message as Frame, client::IntoClientRequest as _, protocol::WebSocketConfig,
    },
};
use tower::{Service as _, ServiceExt as _};

use super::{
    Config,
    message::{self, Message, Problem},
};

/// Longest that the end of a subscription may take to be told, in milliseconds.
const GOODBYE_MS: u64 = 1_000;

type Socket = WebSocketStream<TokioIo<MaybeHttpsStream<TokioIo<TcpStream>>>>;

/// Why there is no connection, or none any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectionError {
    /// No acknowledgement in time.
    #[error("no acknowledgement in time")]
    Timeout,
    /// The server can't be reached.
    #[error("can't connect")]
    Connect(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The server does not speak WebSocket, or not well.
    #[error("the WebSocket failed")]
    Socket(#[from] tungstenite::Error),
    /// Another subprotocol, or none.
    #[error("the server does not speak graphql-transport-ws")]
    Subprotocol,
    /// Something else than the protocol allows.
    #[error("the server does not keep to graphql-transport-ws")]
    Protocol,
    /// The server has closed it.
    #[error("the server has closed the connection ({0:?})")]
    Closed(Option<u16>),
    /// Nothing was heard for too long.
    #[error("no sign of life")]
    Silent,
}

/// What comes of a subscription.
#[derive(Debug)]
pub(super) enum Occurrence {
    /// An event's response.
    Next(Box<RawValue>),
    /// It ends with these errors.
    Failed(Vec<Problem>),
    /// It ends as it should.
    Complete,
}

/// A connection with one subscription. Dropping it tells the subgraph.
pub(super) struct Connection {
    /// None after the end.
    socket: Option<Box<Socket>>,
    heartbeat: Interval,
    heard: bool,
    /// Whether there is something to unsubscribe from.
    running: bool,
}

impl Connection {
    /// Connects and waits for the acknowledgement.
    pub(super) async fn open(
        address: &Uri,
        headers: HeaderMap,
        config: &Config,
    ) -> Result<Self, ConnectionError> {
        let mut heartbeat =
            tokio::time::interval(Duration::from_millis(config.heartbeat_ms.max(1)));
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        heartbeat.reset();
        let opening = async {
            let init = message::init(&headers);
            let socket = connect(address, headers, config).await?;
            let mut connection =
                Self { socket: Some(Box::new(socket)), heartbeat, heard: true, running: false };
            connection.say(init).await?;
            match connection.message().await? {
                Message::Acknowledged => Ok(connection),
                _ => Err(ConnectionError::Protocol),
            }
        };
        let limit = Duration::from_millis(config.connect_timeout_ms);
        tokio::time::timeout(limit, opening).await.unwrap_or(Err(ConnectionError::Timeout))
    }

    /// Sends a message.
    async fn say(&mut self, text: String) -> Result<(), ConnectionError> {
        let socket = self.socket.as_mut().ok_or(ConnectionError::Closed(None))?;
        Ok(socket.send(Frame::text(text)).await?)
    }

    /// Starts the subscription.
    pub(super) async fn subscribe(&mut self, text: String) -> Result<(), ConnectionError> {
        self.running = true;
        self.say(text).await
    }

    /// The next thing that comes of the subscription.
    pub(super) async fn next(&mut self) -> Result<Occurrence, ConnectionError> {
        let occurrence = match self.message().await {
            Ok(Message::Next(event)) => return Ok(Occurrence::Next(event)),
            Ok(Message::Error(problems)) => Ok(Occurrence::Failed(problems)),
            Ok(Message::Complete) => Ok(Occurrence::Complete),
            Ok(_) => Err(ConnectionError::Protocol),
            Err(error) => Err(error),
        };
        // There is nothing to unsubscribe from any more.
        self.running = false;
        occurrence
    }

    /// The next message that is more than a sign of life.
    async fn message(&mut self) -> Result<Message, ConnectionError> {
        let Self { socket, heartbeat, heard, .. } = self;
        let socket = socket.as_mut().ok_or(ConnectionError::Closed(None))?;
        loop {
            let frame = tokio::select! {
                frame = socket.next() => frame,
                _ = heartbeat.tick() => {
                    if !std::mem::take(heard) {
                        return Err(ConnectionError::Silent);
                    }
                    socket.send(Frame::Ping(bytes::Bytes::new())).await?;
                    continue;
                }
            };
            *heard = true;
            let text = match frame.ok_or(ConnectionError::Closed(None))?? {
                Frame::Text(text) => text,
                // Pings are answered by the socket.
                Frame::Ping(_) | Frame::Pong(_) | Frame::Frame(_) => continue,
                Frame::Binary(_) => return Err(ConnectionError::Protocol),
                Frame::Close(frame) => {
                    return Err(ConnectionError::Closed(frame.map(|frame| frame.code.into())));
                }
            };
            match message::read(&text).ok_or(ConnectionError::Protocol)? {
                Message::Ping => socket.send(Frame::text(message::pong())).await?,
                Message::Pong => {}
                message => return Ok(message),
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let (Some(mut socket), true) = (self.socket.take(), self.running) else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        runtime.spawn(async move {
            let goodbye = async {
                socket.send(Frame::text(message::complete())).await?;
                socket.close().await
            };
            // A server that does not listen learns it from the socket's end.
            let _ = tokio::time::timeout(Duration::from_millis(GOODBYE_MS), goodbye).await;
        });
    }
}

async fn connect(
    address: &Uri,
    headers: HeaderMap,
    config: &Config,
) -> Result<Socket, ConnectionError> {
    let mut request = address.into_client_request()?;
    for (name, value) in &headers {
        request.headers_mut().append(name, value.clone());
    }
    let protocol = HeaderValue::from_static(message::NAME);
    request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
    let mut connector = connector();
    let target = http_address(address)?;
    let ready = connector.ready().await.map_err(ConnectionError::Connect)?;
    let stream = ready.call(target).await.map_err(ConnectionError::Connect)?;
    let limits = WebSocketConfig::default()
        .read_buffer_size(config.buffer_bytes)
        .write_buffer_size(config.buffer_bytes)
        .max_message_size(Some(config.message_max_bytes))
        .max_frame_size(Some(config.message_max_bytes));
    let opened = client_async_with_config(request, TokioIo::new(stream), Some(limits)).await;
    let (socket, response) = opened.map_err(|error| match error {
        tungstenite::Error::Protocol(
            tungstenite::error::ProtocolError::SecWebSocketSubProtocolError(_),
        ) => ConnectionError::Subprotocol,
        error => error.into(),
    })?;
    let agreed = response.headers().get(header::SEC_WEBSOCKET_PROTOCOL);
    match agreed.is_some_and(|agreed| agreed.as_bytes() == message::NAME.as_bytes()) {
        true => Ok(socket),
        false => Err(ConnectionError::Subprotocol),
    }
}

fn connector() -> HttpsConnector<HttpConnector> {
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    tcp.enforce_http(false);
    HttpsConnectorBuilder::new()
        .with_webpki_roots()
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp)
}

/// The address as the connector knows it.
fn http_address(address: &Uri) -> Result<Uri, ConnectionError> {
    let scheme = if address.scheme_str() == Some("wss") { "https" } else { "http" };
    let mut parts = address.clone().into_parts();
    parts.scheme = scheme.parse().ok();
    Uri::from_parts(parts).map_err(|error| ConnectionError::Connect(error.into()))
}
