use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::*;
use crate::config::{Env, Redis, Source as _, Values};

const DEADLINE: Duration = Duration::from_secs(10);

/// What a loader fails with.
#[derive(Clone, Debug, PartialEq)]
struct Broken(String);

impl From<NotLoaded> for Broken {
    fn from(error: NotLoaded) -> Self {
        Self(error.to_string())
    }
}

pub(super) fn redis(url: &str) -> Redis {
    // Given: a key prefix that no other test has.
    let prefix = format!("t{:08x}", rand::random::<u32>());
    let source = Values::new().with("MOIM_REDIS_URL", url).with("MOIM_REDIS_PREFIX", prefix);
    Redis::from(&source).unwrap()
}

fn real_url() -> String {
    Env.get("MOIM_REDIS_URL").expect("MOIM_REDIS_URL names a real server")
}

pub(super) async fn real() -> Cache {
    Cache::connect(&redis(&real_url())).await.unwrap()
}

async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < DEADLINE, "the condition never held");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Reads `ids` whose values in the database are `value`; tells the values and which ids were loaded.
async fn read(kind: &Kind<String>, ids: &[u32], value: &str) -> (HashMap<u32, String>, Vec<u32>) {
    let loaded = Mutex::new(Vec::new());
    let values = kind
        .get_many(ids, async |missing: Vec<u32>| {
            loaded.lock().unwrap().extend(missing.clone());
            Ok::<_, Broken>(missing.into_iter().map(|id| (id, format!("{value}{id}"))).collect())
        })
        .await
        .unwrap();
    let mut loaded = loaded.into_inner().unwrap();
    loaded.sort_unstable();
    (values, loaded)
}

/// Between us and Redis: passes on, holds back, or closes; counts commands of reading.
struct Proxy {
    address: SocketAddr,
    state: watch::Sender<Line>,
    mgets: Arc<AtomicUsize>,
}

#[derive(Clone, Copy, PartialEq)]
enum Line {
    Open,
    Held,
    Cut,
}

impl Proxy {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (state, watched) = watch::channel(Line::Open);
        let mgets = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&mgets);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                if *watched.borrow() == Line::Cut {
                    continue;
                }
                let far = url::Url::parse(&real_url()).unwrap();
                let far = (far.host_str().unwrap().to_owned(), far.port().unwrap_or(6379));
                let far = TcpStream::connect(far).await.unwrap();
                let (near_read, near_write) = near.into_split();
                let (far_read, far_write) = far.into_split();
                tokio::spawn(pass(near_read, far_write, watched.clone(), Arc::clone(&counted)));
                tokio::spawn(pass(far_read, near_write, watched.clone(), Arc::default()));
            }
        });
        Self { address, state, mgets }
    }

    fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    fn set(&self, line: Line) {
        self.state.send_replace(line);
    }

    fn mgets(&self) -> usize {
        self.mgets.load(Ordering::SeqCst)
    }
}

async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut state: watch::Receiver<Line>,
    mgets: Arc<AtomicUsize>,
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read,
            _ = state.wait_for(|line| *line == Line::Cut) => return,
        };
        let Ok(size @ 1..) = read else { return };
        let found = String::from_utf8_lossy(&buffer[..size]).matches("MGET").count();
        mgets.fetch_add(found, Ordering::SeqCst);
        if *state.wait_for(|line| *line != Line::Held).await.unwrap() == Line::Cut {
            return;
        }
        if to.write_all(&buffer[..size]).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn many_values_are_read_by_one_command_and_loaded_by_one_call() {
    let proxy = Proxy::start().await;
    let cache = Cache::connect(&redis(&proxy.url())).await.unwrap();
    let kind = cache.kind::<String>("thing");
    let (values, loaded) = read(&kind, &[1, 2, 2, 3], "v").await;
    assert_eq!((values.len(), loaded), (3, vec![1, 2, 3]));
    assert_eq!(proxy.mgets(), 1);
    // When asked again, then only what is new is loaded.
    let (values, loaded) = read(&kind, &[1, 2, 3, 4], "other").await;
    assert_eq!((proxy.mgets(), loaded), (2, vec![4]));
    assert_eq!((values[&1].as_str(), values[&4].as_str()), ("v1", "other4"));
}

#[tokio::test]
async fn what_does_not_exist_is_not_remembered() {
    let kind = real().await.kind::<String>("thing");
    let nothing = kind.get(1, async |_| Ok::<_, Broken>(None)).await.unwrap();
    assert_eq!(nothing, None);
    let there = kind.get(1, async |_| Ok::<_, Broken>(Some("now".to_owned()))).await.unwrap();
    assert_eq!(there.as_deref(), Some("now"));
}

#[tokio::test]
async fn an_error_of_the_loader_is_the_readers() {
    let kind = real().await.kind::<String>("thing");
    let down = Broken("database down".to_owned());
    let result = kind.get(1, async |_| Err::<Option<String>, _>(down.clone())).await;
    assert_eq!(result, Err(down));
    // The next one isn't held up by it.
    assert_eq!(read(&kind, &[1], "v").await.1, [1]);
}

#[tokio::test]
async fn a_slow_reader_cannot_put_an_old_value_back() {
    let cache = real().await;
    let kind = cache.kind::<String>("thing");
    // Given a reader that has loaded the old value
    let old = kind
        .get(1, async |id| {
            // when a writer commits and drops the key before the reader goes on,
            cache.invalidate(&[kind.key(id)]).await;
            Ok::<_, Broken>(Some("old".to_owned()))
        })
        .await;
    assert_eq!(old.unwrap().as_deref(), Some("old"));
    // then the next one doesn't see the old value, and the new one stays.
    assert_eq!(cache.stats().kinds["thing"].refused, 1);
    assert_eq!(read(&kind, &[1], "new").await.1, [1]);
    let (values, loaded) = read(&kind, &[1], "newer").await;
    assert_eq!((values[&1].as_str(), loaded), ("new1", vec![]));
}

#[tokio::test]
async fn a_dropped_value_is_loaded_again() {
    let config = redis(&real_url());
    let (ours, theirs) =
        (Cache::connect(&config).await.unwrap(), Cache::connect(&config).await.unwrap());
    let kind = ours.kind::<String>("thing");
    read(&kind, &[1, 2], "old").await;
    theirs.invalidate(&[kind.key(1)]).await;
    let (values, loaded) = read(&kind, &[1, 2], "new").await;
    assert_eq!((values[&1].as_str(), values[&2].as_str()), ("new1", "old2"));
    assert_eq!(loaded, [1]);
}

#[tokio::test]
async fn lifetimes_vary_within_their_bounds() {
    let policy = Policy { ttl: Duration::from_secs(100), near: false };
    let kind = real().await.kind_with::<String>("thing", policy);
    let lifetimes: Vec<u64> = (0..200).map(|_| kind.ttl_ms()).collect();
    assert!(lifetimes.iter().all(|ms| (90_000..=110_000).contains(ms)), "{lifetimes:?}");
    assert!(lifetimes.iter().min() < lifetimes.iter().max());
}

#[tokio::test]
async fn a_redis_that_was_never_there_is_gone_past() {
    // Given a port where nobody listens
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    drop(listener);
    let cache = Cache::connect(&redis(&url)).await.unwrap();
    let kind = cache.kind::<String>("thing");
    let start = Instant::now();
    for round in 0..200 {
        let (values, loaded) = read(&kind, &[round], "v").await;
        assert_eq!((values.len(), loaded.len()), (1, 1));
        cache.invalidate(&[kind.key(round)]).await;
    }
    // 200 timeouts would take 10 s.
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert!(cache.ping().await.is_err());
}

#[tokio::test]
async fn a_redis_that_hangs_costs_only_a_few_timeouts_and_is_used_again_afterwards() {
    let proxy = Proxy::start().await;
    let cache = Cache::connect(&redis(&proxy.url())).await.unwrap();
    let kind = cache.kind::<String>("thing");
    read(&kind, &[1], "v").await;
    // When it hangs, then the answers are still right
    proxy.set(Line::Held);
    let start = Instant::now();
    for _ in 0..200 {
        assert_eq!(read(&kind, &[1], "w").await.0[&1], "w1");
    }
    // and not each of them waits for a timeout (10 s together).
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    // When it goes on, then it is used again.
    proxy.set(Line::Open);
    until(async || read(&kind, &[1], "x").await.1.is_empty()).await;
}

#[tokio::test]
async fn keys_that_could_not_be_dropped_are_dropped_when_redis_is_back() {
    let proxy = Proxy::start().await;
    let mut config = redis(&proxy.url());
    let ours = Cache::connect(&config).await.unwrap();
    config.url = real_url().into();
    let theirs = Cache::connect(&config).await.unwrap();
    let (kind, their_kind) = (ours.kind::<String>("thing"), theirs.kind::<String>("thing"));
    read(&their_kind, &[1], "old").await;
    // Given: our line is cut while we write,
    proxy.set(Line::Cut);
    ours.invalidate(&[kind.key(1)]).await;
    // then we don't see the old value,
    assert_eq!(read(&kind, &[1], "new").await.0[&1], "new1");
    // and when the line is back, nobody does.
    proxy.set(Line::Open);
    until(async || read(&their_kind, &[1], "new").await.0[&1] == "new1").await;
    assert_eq!(read(&kind, &[1], "new").await.0[&1], "new1");
}

#[tokio::test]
async fn what_is_evicted_is_loaded_again_and_others_keep_theirs() {
    let (ours, stranger) = (real().await, real().await);
    let (things, others) = (ours.kind::<String>("thing"), ours.kind::<String>("other"));
    let foreign = stranger.kind::<String>("thing");
    for kind in [&things, &others, &foreign] {
        assert_eq!(read(kind, &[1, 2], "old").await.1, [1, 2]);
    }
    assert_eq!(ours.evict("thing", Some("1")).await.unwrap(), 1);
    assert_eq!(read(&things, &[1, 2], "new").await.1, [1]);
    assert_eq!(ours.evict("thing", None).await.unwrap(), 2);
    assert_eq!(read(&things, &[1, 2], "new").await.1, [1, 2]);
    assert!(read(&others, &[1, 2], "new").await.1.is_empty());
    ours.evict_all().await.unwrap();
    assert_eq!(read(&others, &[1, 2], "new").await.1, [1, 2]);
    assert_eq!(ours.stats().evicted, 3);
    // Another installation on the same server keeps its own.
    assert!(read(&foreign, &[1, 2], "new").await.1.is_empty());
}

#[tokio::test]
async fn a_value_in_another_shape_is_loaded_again() {
    let cache = real().await;
    let numbers = cache.kind::<u64>("thing");
    numbers.get(1, async |_| Ok::<_, Broken>(Some(7))).await.unwrap();
    let texts = cache.kind::<String>("thing");
    assert_eq!(read(&texts, &[1], "v").await.0[&1], "v1");
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_told() {
    let config =
        Redis { url: "redis://127.0.0.1:notaport".to_owned().into(), prefix: String::new() };
    assert!(matches!(Cache::connect(&config).await, Err(CacheError::Config(_))));
}

#[tokio::test]
async fn a_data_loader_reads_through_the_cache() {
    struct Things(Kind<String>);

    impl async_graphql::dataloader::Loader<u32> for Things {
        type Value = String;
        type Error = Broken;

        async fn load(&self, ids: &[u32]) -> Result<HashMap<u32, String>, Broken> {
            let load =
                async |ids: Vec<u32>| Ok(ids.into_iter().map(|id| (id, id.to_string())).collect());
            self.0.get_many(ids, load).await
        }
    }

    let kind = real().await.kind::<String>("thing");
    let loader = async_graphql::dataloader::DataLoader::new(Things(kind.clone()), tokio::spawn);
    assert_eq!(loader.load_one(7).await.unwrap().as_deref(), Some("7"));
    assert!(read(&kind, &[7], "v").await.1.is_empty());
}
