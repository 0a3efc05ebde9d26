//! A subgraph's events for one client.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use chrono::Utc;
use futures::{
    StreamExt as _,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use platform::identity::Identity;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{SUBSCRIPTION_UPSTREAM_LOST, Upstream, connection::Occurrence, message::Event};
use crate::{
    error::{GraphQLError, code},
    push::Delivery,
};

/// Longest life that is waited for, in seconds: far beyond any token's, and within
/// what clocks can count.
const LONGEST_LIFE_S: u64 = 365 * 24 * 3_600;

/// Executes what follows an event.
pub(crate) trait Follower: Send + Sync + 'static {
    /// The whole response for an event, given the JSON of the subscription's root object.
    fn event(&self, root: Vec<u8>) -> BoxFuture<'_, Bytes>;
}

/// A running subscription.
struct Running {
    upstream: Upstream,
    follower: Arc<dyn Follower>,
    expiry: BoxFuture<'static, ()>,
    over: bool,
}

/// What to write to the client, in order; the last item is never [`Delivery::Next`].
pub(crate) fn deliveries(
    upstream: Upstream,
    follower: Arc<dyn Follower>,
    identity: &Identity,
) -> BoxStream<'static, Delivery> {
    let running = Running { upstream, follower, expiry: expiry(identity), over: false };
    let deliveries = stream::unfold(running, |mut running| async move {
        if running.over {
            return None;
        }
        let delivery = running.next().await;
        running.over = !matches!(delivery, Delivery::Next { .. });
        Some((delivery, running))
    });
    deliveries.boxed()
}

fn expiry(identity: &Identity) -> BoxFuture<'static, ()> {
    match identity {
        Identity::Viewer(viewer) => {
            let left = viewer.expires_at.saturating_sub(Utc::now().timestamp());
            let left = u64::try_from(left).unwrap_or_default().min(LONGEST_LIFE_S);
            Box::pin(tokio::time::sleep(Duration::from_secs(left)))
        }
        Identity::Anonymous | Identity::Service { .. } | Identity::Group { .. } => {
            Box::pin(std::future::pending())
        }
    }
}

impl Running {
    async fn next(&mut self) -> Delivery {
        let service = Arc::clone(&self.upstream.name);
        let occurrence = tokio::select! {
            biased;
            () = &mut self.expiry => {
                let message = "The proof of identity has expired.";
                return Delivery::Failed(vec![GraphQLError::new(code::UNAUTHENTICATED, message)]);
            }
            () = self.upstream.stop.cancelled() => return Delivery::Closed,
            occurrence = self.upstream.connection.next() => occurrence,
        };
        match occurrence {
            Ok(Occurrence::Next(event)) => {
                let body = answer(&*self.follower, &service, &event).await;
                Delivery::Next { cursor: None, body }
            }
            Ok(Occurrence::Complete) => Delivery::Complete,
            Ok(Occurrence::Failed(problems)) => {
                let public = problems.into_iter().map(|problem| problem.public(&service));
                Delivery::Failed(public.collect())
            }
            Err(error) => {
                let cause = &error as &dyn std::error::Error;
                tracing::warn!(service = &*service, error = cause, "a subscription was lost");
                let message = format!(
                    "The connection to the subgraph \"{service}\" was lost, and events may be. \
                     Subscribe again."
                );
                let error = GraphQLError::new(SUBSCRIPTION_UPSTREAM_LOST, message);
                Delivery::Failed(vec![error.of_service(&service)])
            }
        }
    }
}

/// The response to one event: what the subgraph sent, and what is fetched for it.
async fn answer(follower: &dyn Follower, service: &str, event: &RawValue) -> Bytes {
    let event = serde_json::from_str::<Event<'_>>(event.get());
    let Ok(Event { data, errors }) = event else {
        return without_data(&[malformed(service)]);
    };
    let errors: Vec<_> = errors.into_iter().map(|error| error.public(service)).collect();
    let Some(root) = data.filter(|data| data.get().starts_with('{')) else {
        return match errors.is_empty() {
            true => without_data(&[malformed(service)]),
            false => without_data(&errors),
        };
    };
    let body = follower.event(root.get().as_bytes().to_vec()).await;
    match errors.is_empty() {
        true => body,
        false => with_errors(body, &errors),
    }
}

fn malformed(service: &str) -> GraphQLError {
    let message = format!("The subgraph \"{service}\" did not send a GraphQL response.");
    GraphQLError::new(code::SUBREQUEST_MALFORMED_RESPONSE, message).of_service(service)
}

#[derive(Serialize)]
struct Response<'a, E> {
    data: Option<&'a RawValue>,
    errors: Vec<E>,
}

fn without_data(errors: &[GraphQLError]) -> Bytes {
    let response = Response { data: None, errors: errors.iter().collect() };
    // Strings and numbers always serialize.
    serde_json::to_vec(&response).unwrap_or_default().into()
}

/// The response with the subgraph's own errors before those found here.
fn with_errors(body: Bytes, errors: &[GraphQLError]) -> Bytes {
    #[derive(Deserialize)]
    struct Given<'a> {
        #[serde(borrow, default)]
        data: Option<&'a RawValue>,
        #[serde(borrow, default)]
        errors: Vec<&'a RawValue>,
    }
    let Ok(given) = serde_json::from_slice::<Given<'_>>(&body) else {
        return body;
    };
    let ours = errors.iter().filter_map(|error| serde_json::value::to_raw_value(error).ok());
    let ours: Vec<_> = ours.collect();
    let all = ours.iter().map(|error| &**error).chain(given.errors);
    let response = Response { data: given.data, errors: all.collect() };
    serde_json::to_vec(&response).map_or(body.clone(), Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subgraphs_errors_come_first() {
        let error = GraphQLError::new("A", "a");
        let body = Bytes::from_static(br#"{"data":{"x":null},"errors":[{"message":"b"}]}"#);
        let merged: serde_json::Value =
            serde_json::from_slice(&with_errors(body, &[error])).unwrap();
        assert_eq!(merged["data"]["x"], serde_json::Value::Null);
        let message = |index: usize| merged["errors"][index]["message"].as_str();
        assert_eq!((message(0), message(1)), (Some("a"), Some("b")));
    }
}
