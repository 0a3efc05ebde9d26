//! Putting the topology up.

use std::collections::{HashMap, HashSet};

use async_nats::jetstream::stream::{RetentionPolicy, Stream};
use futures::TryStreamExt as _;

use super::{Declared, TopologyError, declared};
use crate::bus::Bus;

/// Creates what is missing and changes what differs; what is as it should be stays untouched. A
/// stream whose source was lost and made again is made again as well. Consumers of work queues that
/// nats/ doesn't have any more are removed: their jobs would wait for nobody.
///
/// # Errors
/// When a file isn't what it should be or the server refuses.
pub async fn apply(bus: &Bus) -> Result<(), TopologyError> {
    let mut made = HashMap::new();
    for declared in declared()? {
        let Declared { stream, consumers, .. } = declared.prefixed(bus);
        let name = stream.name.clone();
        let refused = |source| TopologyError::Stream { stream: name.clone(), source };
        let drawn: Vec<_> = stream.sources.iter().flatten().map(|s| s.name.clone()).collect();
        let work_queue = stream.retention == RetentionPolicy::WorkQueue;
        let mut info =
            bus.jetstream().create_or_update_stream(stream.clone()).await.map_err(refused)?;
        // A stream goes on after the last position that it drew from its source. If the source was
        // lost and made again, positions begin anew, and what comes up to that one would be passed
        // over in silence. So it begins anew too; who follows it sees that by its creation time.
        if drawn.iter().any(|source| made.get(source) > Some(&info.created)) {
            tracing::warn!(stream = name, "made again, because what it draws from was");
            let deleted = bus.jetstream().delete_stream(&name).await;
            deleted
                .map_err(|error| TopologyError::Delete { stream: name.clone(), source: error })?;
            info = bus.jetstream().create_or_update_stream(stream).await.map_err(refused)?;
        }
        made.insert(name.clone(), info.created);
        if work_queue {
            let names = consumers.iter().filter_map(|one| one.durable_name.clone()).collect();
            remove_others(bus, &name, &names).await?;
        }
        for config in consumers {
            let consumer = config.durable_name.clone().unwrap_or_default();
            bus.jetstream()
                .create_consumer_on_stream(config, &name)
                .await
                .map_err(|source| TopologyError::Consumer { consumer, source })?;
        }
    }
    Ok(())
}

/// Removes the stream's consumers that aren't among these.
async fn remove_others(
    bus: &Bus,
    name: &str,
    declared: &HashSet<String>,
) -> Result<(), TopologyError> {
    let not_listed = |source| TopologyError::Consumers { stream: name.to_owned(), source };
    let stream: Stream =
        bus.jetstream().get_stream(name).await.map_err(|error| not_listed(error.into()))?;
    let there: Vec<String> =
        stream.consumer_names().try_collect().await.map_err(|error| not_listed(error.into()))?;
    for consumer in there.into_iter().filter(|one| !declared.contains(one)) {
        tracing::warn!(stream = name, consumer, "removed: nats/ doesn't have it any more");
        stream
            .delete_consumer(&consumer)
            .await
            .map_err(|source| TopologyError::Consumer { consumer, source })?;
    }
    Ok(())
}
