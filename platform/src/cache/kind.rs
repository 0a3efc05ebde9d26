//! Values of one kind: how they are read through the cache.

use std::any::Any;
use std::collections::HashMap;
use std::fmt::{self, Display};
use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::entry::{self, Generation, Held};
use super::flight::{Flights, Landing, Leader, Phase, Seat, Told};
use super::link::{Filling, Link};
use super::stats::Counters;
use super::table::Policy;
use super::{
    LEASE_LOOK_MS, LEASE_WAIT_MS, NotLoaded, ROUNDS_MAX, TTL_JITTER_PERCENT, VALUE_MAX_BYTES,
};

/// Values of one kind in the cache. Cheap to clone.
pub struct Kind<T> {
    link: Arc<Link>,
    kind: &'static str,
    policy: Policy,
    version: fn(&T) -> u64,
    counters: Arc<Counters>,
    /// Of this kind's readers alone: another service in the process may look for the same key in its
    /// own database, and what it doesn't find there says nothing about ours.
    flights: Flights,
}

impl<T> Clone for Kind<T> {
    fn clone(&self) -> Self {
        Self {
            link: Arc::clone(&self.link),
            counters: Arc::clone(&self.counters),
            flights: self.flights.clone(),
            ..*self
        }
    }
}

impl<T> fmt::Debug for Kind<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kind").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// A value that is asked for.
struct Want<K> {
    id: K,
    key: String,
    /// Older versions are of no use.
    minimum: u64,
}

/// One that wasn't found, and the first bytes of what stands in its place.
struct Missing<K> {
    want: Want<K>,
    seen: Bytes,
}

/// One that this reader is to load, for all who wait for it.
struct Led<K> {
    missing: Missing<K>,
    leader: Leader,
    lease: Option<Bytes>,
}

impl<T> Kind<T>
where
    T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
{
    pub(super) fn new(link: Arc<Link>, kind: &'static str, policy: Policy) -> Self {
        let counters = link.stats.kind(kind);
        Self { link, kind, policy, version: |_| 0, counters, flights: Flights::default() }
    }

    /// The same kind, of which each value tells its version: a number that rises with every change of
    /// the entity, from 1.
    #[must_use]
    pub fn versioned(mut self, version: fn(&T) -> u64) -> Self {
        self.version = version;
        self
    }

    /// The key of a value: what [`super::Cache::invalidate`] takes, in this process or another. The
    /// installation's prefix isn't in it.
    #[must_use]
    pub fn key(&self, id: impl Display) -> String {
        format!("{}:{id}", self.kind)
    }

    /// Gets values by their ids: from the cache with one command, the missing ones from `load` with
    /// one call, which are then put into the cache. Ids that `load` doesn't find are not in the
    /// result, and that isn't remembered. `load` may be called again for ids that another reader was
    /// loading in vain; it must read what is committed when it is called.
    ///
    /// # Errors
    /// Those of `load`, and [`NotLoaded`]; that Redis is away is none.
    pub async fn get_many<K, E, F, L>(&self, ids: &[K], load: F) -> Result<HashMap<K, T>, E>
    where
        K: Clone + Eq + Hash + Display,
        E: From<NotLoaded>,
        F: Fn(Vec<K>) -> L,
        L: Future<Output = Result<HashMap<K, T>, E>>,
    {
        self.get_many_at_least(ids, |_| 0, load).await
    }

    /// Like [`Kind::get_many`], of a kind that is [`Kind::versioned`], for a reader who knows of a
    /// change: a cached value older than `minimum` says of its id is a miss.
    ///
    /// # Errors
    /// Those of `load`, and [`NotLoaded`].
    pub async fn get_many_at_least<K, E, F, L>(
        &self,
        ids: &[K],
        minimum: impl Fn(&K) -> u64,
        load: F,
    ) -> Result<HashMap<K, T>, E>
    where
        K: Clone + Eq + Hash + Display,
        E: From<NotLoaded>,
        F: Fn(Vec<K>) -> L,
        L: Future<Output = Result<HashMap<K, T>, E>>,
    {
        let mut values = HashMap::with_capacity(ids.len());
        let mut wanted: HashMap<&K, Want<K>> = HashMap::with_capacity(ids.len());
        for id in ids {
            wanted.entry(id).or_insert_with(|| Want {
                id: id.clone(),
                key: self.key(id),
                minimum: minimum(id),
            });
        }
        let mut wanted = self.take_near(wanted.into_values().collect(), &mut values);
        for _ in 0..ROUNDS_MAX {
            if wanted.is_empty() {
                return Ok(values);
            }
            wanted = self.round(wanted, &mut values, &load).await?;
        }
        if !wanted.is_empty() {
            let ids = wanted.into_iter().map(|want| want.id).collect();
            values.extend(self.load(ids, &load).await?);
        }
        Ok(values)
    }

    /// Gets one value: see [`Kind::get_many`].
    ///
    /// # Errors
    /// Those of `load`, and [`NotLoaded`].
    pub async fn get<K, E, F, L>(&self, id: K, load: F) -> Result<Option<T>, E>
    where
        K: Clone + Eq + Hash + Display,
        E: From<NotLoaded>,
        F: Fn(K) -> L,
        L: Future<Output = Result<Option<T>, E>>,
    {
        let load_one = |ids: Vec<K>| {
            let loading = ids.into_iter().next().map(|id| (id.clone(), load(id)));
            async move {
                let Some((id, loading)) = loading else { return Ok::<_, E>(HashMap::new()) };
                Ok(loading.await?.map(|value| (id, value)).into_iter().collect())
            }
        };
        Ok(self.get_many(std::slice::from_ref(&id), load_one).await?.remove(&id))
    }

    /// The value, if it is cached; nothing is loaded.
    pub async fn peek<K: Clone + Eq + Hash + Display>(&self, id: K) -> Option<T> {
        let mut values = HashMap::new();
        let want = Want { key: self.key(&id), id: id.clone(), minimum: 0 };
        let wanted = self.take_near(vec![want], &mut values);
        if !wanted.is_empty() {
            self.look(wanted, &mut values).await;
        }
        values.remove(&id)
    }

    fn take_near<K: Eq + Hash>(
        &self,
        wanted: Vec<Want<K>>,
        values: &mut HashMap<K, T>,
    ) -> Vec<Want<K>> {
        if !self.policy.near {
            return wanted;
        }
        let mut missed = Vec::new();
        for want in wanted {
            match self.link.near.get(&self.link.full(&want.key)) {
                Some((value, version))
                    if version >= want.minimum && value.downcast_ref::<T>().is_some() =>
                {
                    self.counters.hits_near.add(1);
                    if let Some(value) = value.downcast_ref::<T>() {
                        values.insert(want.id, value.clone());
                    }
                }
                _ => missed.push(want),
            }
        }
        missed
    }

    /// Looks into Redis, loads what is missing, and waits for what others load. Gives back what is
    /// to be looked for again.
    async fn round<K, E, F, L>(
        &self,
        wanted: Vec<Want<K>>,
        values: &mut HashMap<K, T>,
        load: &F,
    ) -> Result<Vec<Want<K>>, E>
    where
        K: Clone + Eq + Hash + Display,
        E: From<NotLoaded>,
        F: Fn(Vec<K>) -> L,
        L: Future<Output = Result<HashMap<K, T>, E>>,
    {
        let (missing, generation) = self.look(wanted, values).await;
        let (mut led, mut followed) = (Vec::new(), Vec::new());
        for missing in missing {
            match self.flights.board(&missing.want.key) {
                Seat::Leader(leader) => led.push(Led { missing, leader, lease: None }),
                Seat::Follower(follower) => followed.push((missing.want, follower)),
            }
        }
        if !led.is_empty() {
            match generation {
                Some(generation) => self.lead(led, generation, values, load).await?,
                None => self.lead_past(led, values, load).await?,
            }
        }
        let mut again = Vec::new();
        for (want, follower) in followed {
            match follower.landed().await {
                Told::Answer(None) => self.counters.stampedes_avoided.add(1),
                Told::Answer(Some(value)) => match value.downcast_ref::<T>() {
                    Some(value) if (self.version)(value) >= want.minimum => {
                        self.counters.stampedes_avoided.add(1);
                        values.insert(want.id, value.clone());
                    }
                    _ => again.push(want),
                },
                Told::Failed => return Err(NotLoaded::Failed.into()),
                Told::LookAgain => again.push(want),
            }
        }
        Ok(again)
    }

    /// One look into Redis.
    async fn look<K: Eq + Hash>(
        &self,
        wanted: Vec<Want<K>>,
        values: &mut HashMap<K, T>,
    ) -> (Vec<Missing<K>>, Option<Generation>) {
        let keys: Vec<String> = wanted.iter().map(|want| want.key.clone()).collect();
        let track = self.policy.near && self.link.near.is_trusted();
        let stamps = if track { self.link.stamps(&keys) } else { Vec::new() };
        let Some(found) = self.link.read(&keys, track).await else {
            self.counters.bypassed.add(wanted.len());
            let missing = wanted.into_iter().map(|want| Missing { want, seen: Bytes::new() });
            return (missing.collect(), None);
        };
        let mut missing = Vec::new();
        for (place, (want, held)) in wanted.into_iter().zip(found.held).enumerate() {
            match self.read(held.as_ref(), found.generation, want.minimum) {
                Ok((value, version, bytes)) => {
                    self.counters.hits_shared.add(1);
                    if found.tracked
                        && let Some(stamp) = stamps.get(place)
                    {
                        let key = self.link.full(&want.key);
                        let shared = Arc::new(value.clone());
                        self.link.near.put(key, shared, version, bytes, *stamp);
                    }
                    values.insert(want.id, value);
                }
                Err(seen) => {
                    self.counters.misses.add(1);
                    missing.push(Missing { want, seen: seen.unwrap_or_default() });
                }
            }
        }
        (missing, Some(found.generation))
    }

    /// Reads what stood under a key: value, version and size; else the first bytes of what may be
    /// replaced, or nothing while somebody loads it.
    fn read(
        &self,
        held: Option<&Bytes>,
        generation: Generation,
        minimum: u64,
    ) -> Result<(T, u64, usize), Option<Bytes>> {
        match entry::read(held, generation) {
            Held::Nothing(seen) => Err(Some(seen)),
            Held::Leased => Err(None),
            Held::Value { header, version, .. } if version < minimum => Err(Some(header)),
            Held::Value { header, version, json } => match serde_json::from_slice(&json) {
                Ok(value) => Ok((value, version, json.len())),
                Err(error) => {
                    tracing::warn!(kind = self.kind, %error, "cached value unreadable");
                    Err(Some(header))
                }
            },
        }
    }

    /// Loads under leases; waits, bounded, for what other processes are loading.
    async fn lead<K, E, F, L>(
        &self,
        led: Vec<Led<K>>,
        generation: Generation,
        values: &mut HashMap<K, T>,
        load: &F,
    ) -> Result<(), E>
    where
        K: Clone + Eq + Hash + Display,
        E: From<NotLoaded>,
        F: Fn(Vec<K>) -> L,
        L: Future<Output = Result<HashMap<K, T>, E>>,
    {
        let deadline = Instant::now() + Duration::from_millis(LEASE_WAIT_MS);
        let (mut pause_ms, longest_ms) = LEASE_LOOK_MS;
        let mut waiting = led;
        loop {
            for led in &waiting {
                led.leader.enter(Phase::Loading);
            }
            let asked: Vec<(&str, Bytes, Bytes)> = waiting
                .iter()
                .map(|led| {
                    let seen = led.missing.seen.clone();
                    (led.missing.want.key.as_str(), entry::lease(generation), seen)
                })
                .collect();
            let leases: Vec<Bytes> = asked.iter().map(|(_, lease, _)| lease.clone()).collect();
            let Some(held) = self.link.acquire(&asked).await else {
                return self.lead_past(waiting, values, load).await;
            };
            let mut granted = Vec::new();
            let mut busy = Vec::new();
            for ((mut led, lease), held) in waiting.into_iter().zip(leases).zip(held) {
                if held.is_none() {
                    led.lease = Some(lease);
                    granted.push(led);
                    continue;
                }
                match self.read(held.as_ref(), generation, led.missing.want.minimum) {
                    Ok((value, ..)) => {
                        self.counters.stampedes_avoided.add(1);
                        let shared = value.clone();
                        values.insert(led.missing.want.id, value);
                        led.leader.land(|| Landing::Loaded {
                            value: Some(Arc::new(shared)),
                            confirmed: false,
                        });
                    }
                    Err(seen) => {
                        led.missing.seen = seen.unwrap_or_default();
                        busy.push(led);
                    }
                }
            }
            if !granted.is_empty() {
                self.load_led(granted, generation, values, load).await?;
            }
            if busy.is_empty() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                self.link.stats.lease_timeouts.add(busy.len());
                return self.load_led(busy, generation, values, load).await;
            }
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
            pause_ms = (pause_ms * 2).min(longest_ms);
            waiting = busy;
        }
    }

    /// Loads while Redis is away, through the gate.
    async fn lead_past<K, E, F, L>(
        &self,
        led: Vec<Led<K>>,
        values: &mut HashMap<K, T>,
        load: &F,
    ) -> Result<(), E>
    where
        K: Clone + Eq + Hash + Display,
        E: From<NotLoaded>,
        F: Fn(Vec<K>) -> L,
        L: Future<Output = Result<HashMap<K, T>, E>>,
    {
        let permit = self.pass().await?;
        // Who was woken together with this reader boards before the load starts.
        tokio::task::yield_now().await;
        for led in &led {
            led.leader.enter(Phase::Loading);
        }
        let loaded = self.call(&led, load).await;
        drop(permit);
        match loaded {
            Ok(loaded) => {
                for led in led {
                    let value = loaded.get(&led.missing.want.id);
                    led.leader.land(|| Landing::Loaded { value: share(value), confirmed: false });
                }
                values.extend(loaded);
                Ok(())
            }
            Err(error) => {
                for led in led {
                    led.leader.land(|| Landing::Failed);
                }
                Err(error)
            }
        }
    }

    /// Loads, and puts the values where the leases are.
    async fn load_led<K, E, F, L>(
        &self,
        led: Vec<Led<K>>,
        generation: Generation,
        values: &mut HashMap<K, T>,
        load: &F,
    ) -> Result<(), E>
    where
        K: Clone + Eq + Hash + Display,
        F: Fn(Vec<K>) -> L,
        L: Future<Output = Result<HashMap<K, T>, E>>,
    {
        let loaded = self.call(&led, load).await;
        for led in &led {
            led.leader.enter(Phase::Closing);
        }
        let mut fillings = Vec::with_capacity(led.len());
        for led in &led {
            let Some(lease) = led.lease.clone() else { continue };
            let value = loaded.as_ref().ok().and_then(|loaded| loaded.get(&led.missing.want.id));
            let value = value.and_then(|value| self.encode(generation, value));
            let key = led.missing.want.key.clone();
            fillings.push(Filling { key, lease, value, ttl_ms: self.ttl_ms() });
        }
        let mut held = self.link.fill(&fillings, generation).await.into_iter();
        let values_filled = fillings.iter().filter(|filling| filling.value.is_some()).count();
        let mut filled = 0;
        let mut fillings = fillings.iter();
        for led in led {
            let mut confirmed = false;
            if led.lease.is_some() {
                confirmed = held.next().unwrap_or(false);
                let with_value = fillings.next().is_some_and(|filling| filling.value.is_some());
                filled += usize::from(confirmed && with_value);
            }
            led.leader.land(|| match &loaded {
                Ok(loaded) => {
                    let value = share(loaded.get(&led.missing.want.id));
                    Landing::Loaded { value, confirmed }
                }
                Err(_) => Landing::Failed,
            });
        }
        self.counters.filled.add(filled);
        self.counters.refused.add(values_filled - filled);
        values.extend(loaded?);
        Ok(())
    }

    async fn call<K, E, F, L>(&self, led: &[Led<K>], load: &F) -> Result<HashMap<K, T>, E>
    where
        K: Clone,
        F: Fn(Vec<K>) -> L,
        L: Future<Output = Result<HashMap<K, T>, E>>,
    {
        self.counters.loads.add(1);
        self.counters.loaded.add(led.len());
        load(led.iter().map(|led| led.missing.want.id.clone()).collect()).await
    }

    /// Loads for this reader alone.
    async fn load<K, E, F, L>(&self, ids: Vec<K>, load: &F) -> Result<HashMap<K, T>, E>
    where
        E: From<NotLoaded>,
        F: Fn(Vec<K>) -> L,
        L: Future<Output = Result<HashMap<K, T>, E>>,
    {
        let _permit = if self.link.breaker.is_closed() { None } else { Some(self.pass().await?) };
        self.counters.loads.add(1);
        self.counters.loaded.add(ids.len());
        load(ids).await
    }

    async fn pass(&self) -> Result<tokio::sync::SemaphorePermit<'_>, NotLoaded> {
        let passed = self.link.gate.pass().await;
        if passed.is_err() {
            self.link.stats.gate_refused.add(1);
        }
        passed
    }

    fn encode(&self, generation: Generation, value: &T) -> Option<Bytes> {
        match serde_json::to_vec(value) {
            Ok(json) if json.len() <= VALUE_MAX_BYTES => {
                Some(entry::value(generation, (self.version)(value), &json))
            }
            Ok(_) => None,
            Err(error) => {
                tracing::warn!(kind = self.kind, %error, "value can't be cached");
                None
            }
        }
    }

    pub(super) fn ttl_ms(&self) -> u64 {
        let ttl_ms = u64::try_from(self.policy.ttl.as_millis()).unwrap_or(u64::MAX / 100);
        let spread_ms = ttl_ms / 100 * TTL_JITTER_PERCENT;
        (ttl_ms - spread_ms + rand::random_range(0..=2 * spread_ms)).max(1)
    }
}

fn share<T: Clone + Send + Sync + 'static>(
    value: Option<&T>,
) -> Option<Arc<dyn Any + Send + Sync>> {
    value.map(|value| Arc::new(value.clone()) as Arc<dyn Any + Send + Sync>)
}
