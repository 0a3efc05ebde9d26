//! Looks after the connection: hears what changed, notices an outage, and ends it.
//!
//! The way back after an outage: as soon as Redis answers, everything in it is dropped (a new
//! generation), since a key may have been written while nobody could drop it. Then, for
//! [`RETURN_QUIET_MS`], keys are dropped but nothing is read or filled: all who shared the outage are
//! back by then, and none of them writes unseen. Then it is used again.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::{EventInterface as _, TrackingInterface as _};
use tokio::sync::broadcast::error::RecvError;

use super::breaker::State;
use super::link::Link;
use super::{BEAT_MS, CONNECT_WAIT_MS, RETURN_QUIET_MS};

/// Starts both tasks, which end when the link is dropped.
pub(super) async fn start(link: &Arc<Link>, client: &Client, connected: bool) {
    tokio::spawn(listen(Arc::downgrade(link), client.clone()));
    let mut watcher = Watcher { connection: 0, quiet_since: None, first: connected };
    let deadline = Instant::now() + Duration::from_millis(CONNECT_WAIT_MS);
    while connected && !link.breaker.is_closed() && Instant::now() < deadline {
        // Nothing of ours can have been missed: what is there may be used.
        watcher.look(link).await;
    }
    if !link.breaker.is_closed() {
        tracing::warn!("redis is away: going on without a cache until it is there");
    }
    tokio::spawn(watch(Arc::downgrade(link), watcher));
}

/// Hears which keys changed, and that the connection was lost.
async fn listen(link: Weak<Link>, client: Client) {
    let mut news = client.invalidation_rx();
    let mut errors = client.error_rx();
    // It holds the connection's parts, not the connection.
    drop(client);
    loop {
        tokio::select! {
            biased;
            heard = news.recv() => {
                let Some(link) = link.upgrade() else { return };
                match heard {
                    Ok(heard) => {
                        link.stats.news.add(heard.keys.len());
                        for key in &heard.keys {
                            let key = key.as_str_lossy();
                            if key == link.generation_key() {
                                // Another one may run now.
                                link.near.flush();
                            }
                            link.near.forget(&key);
                        }
                    }
                    Err(RecvError::Lagged(_)) => {
                        link.near.flush();
                        link.stats.near_flushes.add(1);
                    }
                    Err(RecvError::Closed) => return link.near.close(),
                }
            }
            lost = errors.recv() => {
                let Some(link) = link.upgrade() else { return };
                match lost {
                    Ok((error, _)) => lose(&link, &error),
                    Err(RecvError::Lagged(_)) => lose(&link, &"the connection was lost"),
                    Err(RecvError::Closed) => return link.near.close(),
                }
            }
        }
    }
}

/// The connection is another one now, or none.
fn lose(link: &Link, reason: &dyn std::fmt::Display) {
    link.near.close();
    link.stats.near_flushes.add(1);
    link.breaker.trip(reason);
}

async fn watch(link: Weak<Link>, mut watcher: Watcher) {
    loop {
        tokio::time::sleep(Duration::from_millis(BEAT_MS)).await;
        let Some(link) = link.upgrade() else { return };
        watcher.look(&link).await;
    }
}

struct Watcher {
    /// The connection's number in the server.
    connection: i64,
    /// Since when Redis answers again.
    quiet_since: Option<Instant>,
    /// It has not been used yet.
    first: bool,
}

impl Watcher {
    async fn look(&mut self, link: &Link) {
        match link.state() {
            State::Closed => self.beat(link).await,
            State::Open => self.come_back(link).await,
            State::Quiet => {
                self.beat(link).await;
                let quiet = Duration::from_millis(RETURN_QUIET_MS);
                let trips = link.breaker.trips();
                if link.state() == State::Quiet
                    && self.quiet_since.is_some_and(|since| since.elapsed() >= quiet)
                    && link.breaker.step(State::Closed, trips)
                {
                    tracing::info!("redis is back");
                }
            }
        }
    }

    /// Shows that the line is good, and is the same.
    async fn beat(&mut self, link: &Link) {
        let asked = Instant::now();
        let Some(connection) = link.noted(link.beat().await) else { return };
        if connection == self.connection {
            if !link.clustered {
                link.near.trust(asked);
            }
        } else {
            lose(link, &"the connection is another one");
        }
    }

    async fn come_back(&mut self, link: &Link) {
        let trips = link.breaker.trips();
        link.near.close();
        if link.ping().await.is_err() {
            return;
        }
        // From here on keys are dropped again; what could not be dropped until here goes with the old
        // generation.
        if !link.breaker.step(State::Quiet, trips) {
            return;
        }
        let untouched = self.first && link.breaker.is_untouched();
        match settle(link, !untouched).await {
            Ok(connection) => {
                // The near cache is used from the next beat on, which shows that it is still this
                // connection.
                self.connection = connection;
                self.quiet_since = Some(Instant::now());
                self.first = false;
                if untouched {
                    link.breaker.step(State::Closed, trips);
                }
            }
            Err(_) if untouched => {
                link.breaker.step(State::Open, trips);
            }
            Err(error) => link.breaker.trip(&error),
        }
    }
}

async fn settle(link: &Link, new: bool) -> Result<i64, Error> {
    link.settle_generation(new).await?;
    if link.clustered {
        return Ok(0);
    }
    link.track().await
}
