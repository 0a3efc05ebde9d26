//! The data folder: one process at a time has it, the servers' own user can
//! reach what is theirs in it, and it remembers ports and the password.

use std::{
    collections::BTreeMap,
    fs,
    fs::{File, OpenOptions, TryLockError},
    io,
    io::Write as _,
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use rand::{Rng as _, distr::Alphanumeric};
use serde::{Deserialize, Serialize};

use crate::{
    account::Account,
    error::{StackError, at},
    package,
    stack::Options,
};

/// How long to wait for a process that is just giving the folder up.
const LOCK_WAIT_MS: u64 = 5_000;
const LOCK_RETRY_MS: u64 = 50;
/// Ports are chosen below the range from which systems take the near end of
/// outgoing connections, so that a remembered one stays free.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
const PORT_TRIES: usize = 64;
const PASSWORD_CHARS: usize = 32;
/// Where root keeps what the servers' user couldn't reach elsewhere.
pub(crate) const SHARED_HOME: &str = "/var/lib/moim";

/// A data folder that is ours until dropped.
pub(crate) struct Place {
    /// Holds the servers' folders. It belongs to `account`.
    pub(crate) servers: PathBuf,
    /// Who the servers run as.
    pub(crate) account: Account,
    state: State,
    _lock: File,
}

/// What is remembered from one run to the next.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    /// None in a throw-away stack.
    password: Option<String>,
    ports: BTreeMap<String, u16>,
}

impl Place {
    /// Takes the data folder, made if missing. A new one gets a password unless
    /// it is to be thrown away.
    pub(crate) fn open(options: &Options) -> Result<Self, StackError> {
        let data_dir = &options.data_dir;
        let data_dir = &std::path::absolute(data_dir).map_err(at(data_dir))?;
        let account = Account::for_folder(data_dir);
        let is_new = !data_dir.exists();
        fs::create_dir_all(data_dir).map_err(at(data_dir))?;
        if is_new {
            account.own(data_dir).map_err(at(data_dir))?;
        }
        // One name for it, by whatever way it was reached.
        let data_dir = &data_dir.canonicalize().map_err(at(data_dir))?;
        let lock = lock(data_dir, account)?;
        let link = data_dir.join("servers");
        if options.fresh {
            remove_servers(&link)?;
        }
        let servers = servers_folder(data_dir, &link, account)?;
        let state = State::load_or_new(&servers, options.throw_away)?;
        let place = Self { servers, account, state, _lock: lock };
        place.save()?;
        Ok(place)
    }

    /// The password of all servers of this data folder, if they ask for one.
    pub(crate) fn password(&self) -> Option<&str> {
        self.state.password.as_deref()
    }

    /// A free port for `server`: the one of the last run if possible.
    pub(crate) fn choose_port(&mut self, server: &str) -> Result<u16, StackError> {
        let remembered = self.state.ports.get(server).copied();
        let port = free_port(remembered).map_err(StackError::NoPort)?;
        if remembered != Some(port) {
            self.state.ports.insert(server.to_owned(), port);
            self.save()?;
        }
        Ok(port)
    }

    /// The folder of one server, made if missing.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf, StackError> {
        let folder = self.servers.join(name);
        make_private(&folder, self.account)?;
        Ok(folder)
    }

    /// Writes a file that only the servers' user may read.
    pub(crate) fn write(&self, name: &str, content: &str) -> Result<PathBuf, StackError> {
        let path = self.servers.join(name);
        write_private(&path, content, self.account).map_err(at(&path))?;
        Ok(path)
    }

    fn save(&self) -> Result<(), StackError> {
        let json = serde_json::to_string_pretty(&self.state).unwrap_or_default();
        self.write(STATE_FILE, &json).map(drop)
    }
}

const STATE_FILE: &str = "stack.json";

impl State {
    fn load_or_new(servers: &Path, throw_away: bool) -> Result<Self, StackError> {
        let path = servers.join(STATE_FILE);
        match fs::read(&path) {
            Ok(json) => serde_json::from_slice(&json)
                .map_err(|err| StackError::Io { path, source: err.into() }),
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(Self::new(throw_away)),
            Err(err) => Err(at(&path)(err)),
        }
    }

    fn new(throw_away: bool) -> Self {
        let letters = || rand::rng().sample_iter(Alphanumeric).take(PASSWORD_CHARS);
        let password = (!throw_away).then(|| letters().map(char::from).collect());
        Self { password, ports: BTreeMap::new() }
    }
}

fn lock(data_dir: &Path, account: Account) -> Result<File, StackError> {
    let path = data_dir.join("stack.lock");
    let file = File::create(&path).map_err(at(&path))?;
    account.own(&path).map_err(at(&path))?;
    let deadline = Instant::now() + Duration::from_millis(LOCK_WAIT_MS);
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(LOCK_RETRY_MS));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(StackError::InUse { path: data_dir.to_path_buf() });
            }
            Err(TryLockError::Error(err)) => return Err(at(&path)(err)),
        }
    }
}

/// Where the servers' folders are: in the data folder, or if the servers' user
/// can't get there (a closed home, mostly root's), elsewhere with a link.
fn servers_folder(data_dir: &Path, link: &Path, account: Account) -> Result<PathBuf, StackError> {
    if let Ok(target) = fs::read_link(link) {
        make_private(&target, account)?;
        return Ok(target);
    }
    if account.reaches(data_dir) {
        make_private(link, account)?;
        return Ok(link.to_path_buf());
    }
    let home = shared_home()?;
    let elsewhere =
        tempfile::Builder::new().prefix("data-").tempdir_in(&home).map_err(at(&home))?.keep();
    make_private(&elsewhere, account)?;
    symlink(&elsewhere, link).map_err(at(link))?;
    package::tell(&format!(
        "the servers' user can't enter {}, so their data is in {}",
        data_dir.display(),
        elsewhere.display()
    ));
    Ok(elsewhere)
}

/// The folder that the servers' user can always reach. Only root needs it.
pub(crate) fn shared_home() -> Result<PathBuf, StackError> {
    let home = PathBuf::from(SHARED_HOME);
    fs::create_dir_all(&home).map_err(at(&home))?;
    fs::set_permissions(&home, fs::Permissions::from_mode(0o755)).map_err(at(&home))?;
    Ok(home)
}

fn remove_servers(link: &Path) -> Result<(), StackError> {
    if let Ok(target) = fs::read_link(link) {
        ignore_missing(fs::remove_dir_all(&target)).map_err(at(&target))?;
        fs::remove_file(link).map_err(at(link))
    } else {
        ignore_missing(fs::remove_dir_all(link)).map_err(at(link))
    }
}

/// What is already gone need not be removed.
pub(crate) fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn make_private(folder: &Path, account: Account) -> Result<(), StackError> {
    fs::create_dir_all(folder).map_err(at(folder))?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).map_err(at(folder))?;
    account.own(folder).map_err(at(folder))
}

/// Replaces a file as a whole, so that a crash leaves the old or the new one.
fn write_private(path: &Path, content: &str, account: Account) -> io::Result<()> {
    let half_made = path.with_extension("new");
    ignore_missing(fs::remove_file(&half_made))?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&half_made)?;
    file.write_all(content.as_bytes())?;
    file.sync_all()?;
    account.own(&half_made)?;
    fs::rename(&half_made, path)
}

fn free_port(preferred: Option<u16>) -> io::Result<u16> {
    let is_free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map(|_| port);
    if let Some(port) = preferred.filter(|port| is_free(*port).is_ok()) {
        return Ok(port);
    }
    let mut result = Err(io::ErrorKind::AddrInUse.into());
    for _ in 0..PORT_TRIES {
        result = is_free(rand::rng().random_range(PORTS));
        if result.is_ok() {
            break;
        }
    }
    result
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn a_remembered_port_is_preferred_until_it_is_taken() {
        let port = free_port(None).expect("a free port");
        assert_eq!(free_port(Some(port)).expect("a free port"), port);

        let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("the port is free");
        assert_ne!(free_port(Some(port)).expect("a free port"), port);
    }

    #[test]
    fn password_and_ports_outlive_the_run() {
        let data = tempfile::tempdir().expect("a temporary folder");
        let mut place = Place::open(&Options::new(data.path())).expect("opens");
        let port = place.choose_port("postgres").expect("a port");
        let password = place.password().map(str::to_owned);
        assert_eq!(password.as_ref().map(String::len), Some(PASSWORD_CHARS));
        let servers = place.servers.clone();
        drop(place);

        let mut place = Place::open(&Options::new(data.path())).expect("opens again");
        assert_eq!(place.password(), password.as_deref());
        assert_eq!(place.choose_port("postgres").expect("a port"), port);
        drop(place);

        let fresh = Options { fresh: true, ..Options::new(data.path()) };
        let place = Place::open(&fresh).expect("opens afresh");
        assert_ne!(place.password(), password.as_deref());
        let elsewhere = [servers, place.servers];
        for folder in elsewhere.iter().filter(|folder| folder.starts_with(SHARED_HOME)) {
            drop(fs::remove_dir_all(folder));
        }
    }
}
