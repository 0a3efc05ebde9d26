//! graphql-transport-ws on a socket: one task per connection, however many
//! operations run on it.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{
        FromRequestParts as _,
        ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade},
    },
    response::{IntoResponse, Response},
};
use futures::stream::BoxStream;
use http::{HeaderMap, StatusCode, header};
use serde_json::{Map, Value};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_stream::{StreamExt as _, StreamMap};
use tokio_util::sync::CancellationToken;

use crate::{
    authentication::has_expired,
    document::Asked,
    engine::{RequestContext, Variables},
    error::{GraphQLError, code},
    gateway::Gateway,
    metrics::METRICS,
    push::Delivery,
    record::{Record, Way},
};

use super::{
    Live, Query,
    protocol::{self, Action, Close, Session, Subscribe},
};

/// Whether a request wants to become a WebSocket.
pub fn is_wanted(headers: &HeaderMap) -> bool {
    headers
        .get(header::UPGRADE)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Answers an upgrade request. A page of a foreign origin is refused with 403, a
/// wrong token with 401.
pub async fn respond(gateway: &Arc<Gateway>, request: axum::extract::Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    let headers = &parts.headers;
    let config = &gateway.live.config().websocket;
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    // An origin that can't be read is not one that is allowed.
    let origin = headers.get(header::ORIGIN).map(|value| value.to_str().unwrap_or("null"));
    let cors = &gateway.config.http.cors.origins;
    if !config.allows(origin, text(header::HOST), cors) {
        let error = GraphQLError::new(code::BAD_REQUEST, "This origin may not open a WebSocket.");
        return refuse(StatusCode::FORBIDDEN, error);
    }
    let identity = match gateway.identify(headers).await {
        Ok(identity) => identity,
        Err(error) => return refuse(StatusCode::UNAUTHORIZED, error.public()),
    };
    let connection =
        Connection { context: gateway.context(identity, headers), gateway: gateway.clone() };
    let upgrade = upgrade
        .protocols([protocol::NAME])
        .read_buffer_size(config.buffer_bytes)
        .write_buffer_size(config.buffer_bytes)
        .max_message_size(config.message_max_bytes)
        .max_frame_size(config.message_max_bytes);
    // The tracker holds on to whoever was accepted, also between here and the upgrade.
    let token = gateway.sockets.token();
    upgrade.on_upgrade(move |socket| async move {
        serve(socket, connection).await;
        drop(token);
    })
}

fn refuse(status: StatusCode, error: GraphQLError) -> Response {
    let json = [(header::CONTENT_TYPE, "application/json; charset=utf-8")];
    (status, json, crate::error::response(&[error])).into_response()
}

/// What a connection starts with.
struct Connection {
    gateway: Arc<Gateway>,
    /// Who the upgrade request itself came from; holds when `connection_init` brings
    /// no token. Its headers go along with every operation.
    context: RequestContext,
}

impl Connection {
    fn live(&self) -> &Arc<Live> {
        &self.gateway.live
    }
}

async fn serve(socket: WebSocket, connection: Connection) {
    let accepted =
        socket.protocol().is_some_and(|name| name.as_bytes() == protocol::NAME.as_bytes());
    let mut client = Client {
        write_timeout: Duration::from_millis(connection.live().config().websocket.write_timeout_ms),
        socket,
        operations: StreamMap::new(),
        session: Session::default(),
        stops: connection.gateway.stop.clone(),
        stopping: false,
        connection,
    };
    let end = match accepted {
        true => client.run().await,
        false => Err(End::Close(Close::no_subprotocol())),
    };
    if let Err(End::Close(close)) = end {
        client.close(close).await;
    }
}

/// Why a connection ends.
enum End {
    /// The server ends it.
    Close(Close),
    /// The client is gone.
    Gone,
}

struct Client {
    socket: WebSocket,
    connection: Connection,
    session: Session,
    operations: StreamMap<String, BoxStream<'static, Delivery>>,
    write_timeout: Duration,
    stops: CancellationToken,
    /// The router stops: what runs may end, nothing new begins.
    stopping: bool,
}

enum Occurrence {
    Frame(Option<Result<Message, axum::Error>>),
    Delivery(String, Delivery),
    Tick,
    InitTimeout,
    Stop,
}

impl Client {
    async fn run(&mut self) -> Result<(), End> {
        let config = self.connection.live().config();
        let init_until = Instant::now() + Duration::from_millis(config.websocket.init_timeout_ms);
        let mut ticks = tokio::time::interval(Duration::from_millis(config.heartbeat_ms));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.reset();
        let mut heard = true;
        loop {
            if self.stopping && self.operations.is_empty() {
                return Err(End::Close(Close::going_away()));
            }
            let initialised = self.session.is_initialised();
            let occurrence = tokio::select! {
                frame = self.socket.recv() => Occurrence::Frame(frame),
                Some((id, delivery)) = self.operations.next(), if !self.operations.is_empty() => {
                    Occurrence::Delivery(id, delivery)
                }
                _ = ticks.tick() => Occurrence::Tick,
                () = self.stops.cancelled(), if !self.stopping => Occurrence::Stop,
                () = tokio::time::sleep_until(init_until), if !initialised => Occurrence::InitTimeout,
            };
            match occurrence {
                Occurrence::Frame(Some(Ok(frame))) => {
                    heard = true;
                    self.frame(frame).await?;
                }
                Occurrence::Frame(_) => return Err(End::Gone),
                Occurrence::Delivery(id, delivery) => self.deliver(&id, delivery).await?,
                Occurrence::Stop => self.stopping = true,
                Occurrence::InitTimeout => return Err(End::Close(Close::init_timeout())),
                // Every WebSocket client answers pings, browsers by themselves.
                Occurrence::Tick if std::mem::take(&mut heard) => {
                    self.send(Message::Ping(bytes::Bytes::new())).await?;
                }
                Occurrence::Tick => return Err(End::Gone),
            }
        }
    }

    async fn frame(&mut self, frame: Message) -> Result<(), End> {
        let text = match frame {
            Message::Text(text) => text,
            Message::Binary(_) => {
                let close = Close::bad_message("Only text messages are understood");
                return Err(End::Close(close));
            }
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
            Message::Close(_) => return Err(End::Gone),
        };
        let message = protocol::read(&text).map_err(End::Close)?;
        let operations = &self.operations;
        match self.session.on(message, |id| operations.contains_key(id)) {
            Action::Initialise(payload) => self.initialise(&payload).await,
            Action::Start { id, operation } => self.start(id, operation).await,
            Action::Stop(id) => {
                self.operations.remove(&id);
                Ok(())
            }
            Action::Reply(text) => self.say(text).await,
            Action::Nothing => Ok(()),
            Action::Close(close) => Err(End::Close(close)),
        }
    }

    async fn initialise(&mut self, payload: &Map<String, Value>) -> Result<(), End> {
        let token = payload
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("authorization"))
            .map(|(_, value)| value);
        match token {
            None | Some(Value::Null) => {}
            Some(Value::String(token)) => {
                let identity = self.connection.gateway.authenticate(token).await;
                self.connection.context.identity =
                    identity.map_err(|_| End::Close(Close::forbidden()))?;
            }
            Some(_) => return Err(End::Close(Close::forbidden())),
        }
        let acknowledgement = self.session.acknowledge();
        self.say(acknowledgement).await
    }

    async fn start(&mut self, id: String, operation: Subscribe) -> Result<(), End> {
        if self.stopping {
            // The close that follows tells the client that it was not begun.
            return Ok(());
        }
        let mut record = Record::alone(Way::WebSocket, "WEBSOCKET /graphql");
        record.of(&self.connection.context.identity);
        let trace = record.trace();
        let most = self.connection.live().config().websocket.max_subscriptions;
        if self.operations.len() >= most {
            let error = GraphQLError::new(
                code::BAD_REQUEST,
                format!("A connection can have {most} operations running."),
            );
            return self.refuse(&id, error, record).await;
        }
        if has_expired(&self.connection.context.identity) {
            let message = "The access token has expired: connect again with a new one.";
            let error = GraphQLError::new(code::UNAUTHENTICATED, message);
            return self.refuse(&id, error, record).await;
        }
        let extensions = operation.extensions.unwrap_or_default();
        let document = match Asked::new(operation.query, &extensions) {
            Ok(asked) => self.connection.gateway.documents.find(asked).await,
            Err(error) => Err(error),
        };
        let document = match document {
            Ok(document) => document,
            Err(error) => return self.refuse(&id, error, record).await,
        };
        let gateway = &self.connection.gateway;
        if document.is_new() {
            let (engine, name) = (gateway.engine(), operation.operation_name.as_deref());
            let identity = &self.connection.context.identity;
            // Only what fits the schema is worth keeping.
            if engine.prepare_for(&document, name, identity).await.is_ok() {
                gateway.documents.keep(&document).await;
            }
        }
        let query = Query {
            query: document.into_text(),
            operation_name: operation.operation_name,
            variables: Variables::from(operation.variables.unwrap_or_default()),
            last_event_id: None,
        };
        let context = RequestContext {
            client: self.connection.context.client,
            headers: self.connection.context.headers.clone(),
            deadline: Some(self.connection.gateway.deadline()),
            toll: self.connection.context.toll.clone(),
            trace,
            ..RequestContext::new(self.connection.context.identity.clone())
        };
        let deliveries = self.connection.live().run_recorded(query, context, Some(record));
        self.operations.insert(id, deliveries);
        Ok(())
    }

    async fn refuse(&mut self, id: &str, error: GraphQLError, record: Record) -> Result<(), End> {
        let mut errors = [error];
        crate::error::name_trace(&mut errors, &record.trace());
        record.refuse(&errors);
        self.fail(id, &errors).await
    }

    async fn fail(&mut self, id: &str, errors: &[GraphQLError]) -> Result<(), End> {
        METRICS.errors(errors);
        self.say(protocol::error(id, errors)).await
    }

    async fn deliver(&mut self, id: &str, delivery: Delivery) -> Result<(), End> {
        match delivery {
            Delivery::Next { body, .. } => self.say(protocol::next(id, &body)).await,
            // Frees the place before the client takes the last message.
            Delivery::Failed(errors) => {
                self.operations.remove(id);
                self.fail(id, &errors).await
            }
            Delivery::Complete => {
                self.operations.remove(id);
                self.say(protocol::complete(id)).await
            }
            // The socket is closed when its other operations have ended, too.
            Delivery::Closed => {
                self.operations.remove(id);
                self.stopping = true;
                Ok(())
            }
        }
    }

    async fn say(&mut self, text: String) -> Result<(), End> {
        self.send(Message::Text(text.into())).await
    }

    async fn send(&mut self, message: Message) -> Result<(), End> {
        match tokio::time::timeout(self.write_timeout, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(End::Gone),
        }
    }

    async fn close(&mut self, close: Close) {
        self.operations = StreamMap::new();
        let frame = CloseFrame { code: close.code, reason: close.reason.into() };
        if self.send(Message::Close(Some(frame))).await.is_err() {
            return;
        }
        // The client's close frame ends the connection in good order; what else it
        // says is not heard any more.
        let drain = async { while let Some(Ok(_)) = self.socket.recv().await {} };
        let _ = tokio::time::timeout(self.write_timeout, drain).await;
    }
}
