//! One running subscription: events in, responses out.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use chrono::{SecondsFormat, Utc};
use futures::{StreamExt, stream::BoxStream};
use serde_json::{Map, Value};
use tokio::time::{Instant, Sleep};

use crate::{
    error::{GraphQLError, code},
    metrics::{Ended, METRICS},
};

use super::{
    announced,
    cursor::Cursor,
    error,
    event::Event,
    feed::Feed,
    mailbox::End,
    payload::Shape,
    plane::{Guard, Plane},
    source::Start,
};

/// The `type` of the event that tells the state now.
const SNAPSHOT: &str = "SNAPSHOT";

/// How a response begins of which nothing could be told. Then the viewer may have
/// lost his access since the beginning, and the guard is asked again.
const WITHOUT_DATA: &[u8] = br#"{"data":null"#;
/// The guard's errors that say so; others are passing.
const LOST_ACCESS: [&str; 3] = [error::NOT_FOUND, code::UNAUTHENTICATED, "FORBIDDEN"];

/// What a transport writes to its client.
#[derive(Debug)]
pub enum Delivery {
    /// A response, and the cursor to resume from after it.
    Next {
        /// Known here also when the client didn't select it; None for the answer of
        /// a query or mutation.
        cursor: Option<String>,
        /// The whole GraphQL response, JSON.
        body: Bytes,
    },
    /// The subscription ends with these errors.
    Failed(Vec<GraphQLError>),
    /// It ends as it should.
    Complete,
    /// The router stops: close the connection without a word, so that the client
    /// comes back and resumes elsewhere.
    Closed,
}

/// A subscription that passed its guard. Dropping it frees its place at once.
pub struct Subscription {
    plane: Arc<Plane>,
    shape: Arc<Shape>,
    guard: Guard,
    feed: Feed,
    stage: Stage,
    expiry: Option<std::pin::Pin<Box<Sleep>>>,
    began: std::time::Instant,
}

enum Stage {
    /// The state comes first.
    Snapshot(Map<String, Value>),
    Events,
    /// The guard says that the last event has happened: hand out what is there, and
    /// if it isn't among it, tell the state and end.
    Closing(Map<String, Value>),
    /// The last event was handed out.
    Over,
    Done,
}

impl Subscription {
    pub(super) fn new(
        plane: Arc<Plane>,
        shape: Arc<Shape>,
        guard: Guard,
        feed: Feed,
        state: Map<String, Value>,
        resumed: bool,
    ) -> Self {
        let stage = match (resumed, guard.source.start) {
            (false, Start::Snapshot) => Stage::Snapshot(state),
            _ if guard.source.is_last(&state) => Stage::Closing(state),
            _ => Stage::Events,
        };
        let expiry = guard.subscriber.as_ref().map(|subscriber| {
            let left = subscriber.expires_at.saturating_sub(Utc::now().timestamp());
            let left = Duration::from_secs(u64::try_from(left).unwrap_or_default());
            // Far beyond any token; tokio's clock can't add every u64.
            let left = left.min(Duration::from_secs(365 * 24 * 3_600));
            Box::pin(tokio::time::sleep_until(Instant::now() + left))
        });
        let began = std::time::Instant::now();
        Self { plane, shape, guard, feed, stage, expiry, began }
    }

    /// What to write, in order; the last item is never [`Delivery::Next`].
    pub fn deliveries(self) -> BoxStream<'static, Delivery> {
        futures::stream::unfold(self, |mut subscription| async move {
            let delivery = subscription.next().await?;
            Some((delivery, subscription))
        })
        .boxed()
    }

    async fn next(&mut self) -> Option<Delivery> {
        let delivery = match std::mem::replace(&mut self.stage, Stage::Events) {
            Stage::Snapshot(state) => {
                if self.guard.source.is_last(&state) {
                    self.stage = Stage::Over;
                }
                self.snapshot(&state).await
            }
            Stage::Closing(state) => match self.wait(true).await {
                Ok(Some(event)) => {
                    self.stage = Stage::Closing(state);
                    self.event(&event).await
                }
                Ok(None) => {
                    self.stage = Stage::Over;
                    self.snapshot(&state).await
                }
                Err(end) => end,
            },
            Stage::Events => match self.wait(false).await {
                Ok(Some(event)) => self.event(&event).await,
                Ok(None) => Delivery::Complete,
                Err(end) => end,
            },
            Stage::Over => Delivery::Complete,
            Stage::Done => {
                self.stage = Stage::Done;
                return None;
            }
        };
        if let Delivery::Complete = delivery {
            METRICS.ended(Ended::Complete);
        }
        if !matches!(delivery, Delivery::Next { .. }) {
            self.stage = Stage::Done;
        }
        Some(delivery)
    }

    /// Waits for the next event for the subscriber, or only looks whether there is one.
    async fn wait(&mut self, look: bool) -> Result<Option<Arc<Event>>, Delivery> {
        loop {
            let Some(event) = self.next_event(look).await? else { return Ok(None) };
            if self.guard.passes(&event).await.map_err(Delivery::Failed)? {
                return Ok(Some(event));
            }
        }
    }

    async fn next_event(&mut self, look: bool) -> Result<Option<Arc<Event>>, Delivery> {
        let (feed, expiry) = (&mut self.feed, &mut self.expiry);
        let event = async {
            match look {
                true => feed.waiting().await,
                false => feed.next().await.map(Some),
            }
        };
        let expired = async {
            match expiry {
                Some(sleep) => sleep.as_mut().await,
                None => std::future::pending().await,
            }
        };
        let event = tokio::select! {
            biased;
            () = expired => {
                METRICS.ended(Ended::Expired);
                let error = error::unauthenticated("The proof of identity has expired.");
                return Err(Delivery::Failed(vec![error]));
            }
            event = event => event,
        };
        event.map_err(|end| {
            METRICS.ended(reason(end));
            match end {
                End::Shutdown => Delivery::Closed,
                end => Delivery::Failed(vec![end.into()]),
            }
        })
    }

    async fn snapshot(&self, state: &Map<String, Value>) -> Delivery {
        let now = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
        self.answer(state, (self.feed.position(), None), SNAPSHOT, &now).await
    }

    async fn event(&mut self, event: &Event) -> Delivery {
        let position = Cursor { sequence: event.sequence, ..self.feed.position() };
        let payload = event.changed();
        if self.guard.source.is_last(payload) {
            self.stage = Stage::Over;
        }
        let position = (position, Some(position));
        let answer = self.answer(payload, position, &event.name, &event.occurred_at);
        let answer = announced::scope(announced::of(payload), answer);
        let delivery = match event.delivery() {
            Some(span) => span.context().scope(answer).await,
            None => answer.await,
        };
        // Those of the past have waited for the client, not for the router.
        if event.arrived >= self.began {
            METRICS.push_duration.observe(event.arrived.elapsed().as_secs_f64());
        }
        delivery
    }

    async fn answer(
        &self,
        changed: &Map<String, Value>,
        (position, shared): (Cursor, Option<Cursor>),
        name: &str,
        occurred_at: &str,
    ) -> Delivery {
        let cursor = position.encode();
        let execution = &self.guard.execution;
        let root = || self.root(changed, &cursor, name, occurred_at);
        // Boxed by the trait: a waiting subscription doesn't carry the room that an
        // execution needs.
        let body = execution.event(shared, &root).await;
        if body.starts_with(WITHOUT_DATA)
            && let Err(errors) = self.guard.ask(true).await
            && errors.iter().any(|error| LOST_ACCESS.contains(&error.code()))
        {
            METRICS.ended(Ended::AccessLost);
            return Delivery::Failed(errors);
        }
        Delivery::Next { cursor: Some(cursor), body }
    }

    /// The subscription's root object, as the events subgraph would answer it.
    fn root(
        &self,
        changed: &Map<String, Value>,
        cursor: &str,
        name: &str,
        occurred_at: &str,
    ) -> Vec<u8> {
        let mut payload = changed.clone();
        for (field, value) in [
            ("__typename", self.guard.source.event_type.as_str()),
            ("cursor", cursor),
            ("type", name),
            ("occurredAt", occurred_at),
        ] {
            payload.insert(field.to_owned(), value.into());
        }
        let mut root = Map::new();
        root.insert("__typename".to_owned(), "Subscription".into());
        root.insert(self.guard.source.field.clone(), payload.into());
        let flag = |variable: &str| self.guard.execution.flag(variable);
        self.shape.write(&root, &self.plane.sources.types, &flag)
    }
}

fn reason(end: End) -> Ended {
    match end {
        End::SlowClient => Ended::SlowClient,
        End::Gap => Ended::Gap,
        End::Unavailable => Ended::Unavailable,
        End::Shutdown => Ended::Shutdown,
    }
}
