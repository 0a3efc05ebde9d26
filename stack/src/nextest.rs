//! One stack per test run. The set-up script of nextest has to end before the
//! tests begin, so it leaves a keeper behind that ends with nextest.

use std::{
    env, fs,
    fs::File,
    io,
    io::Write as _,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant, SystemTime},
};

use rustix::process::{Pid, getppid, test_kill_process};
use stack::{External, Options, Stack};

use crate::{
    Failure,
    run::{Signals, THROW_AWAY_PREFIX, throw_away_folder},
};

/// How long the servers have to come up, with the download done before.
const READY_WAIT_MS: u64 = 120_000;
const READY_RETRY_MS: u64 = 20;
/// How often the keeper looks whether nextest is still there.
const WATCH_MS: u64 = 250;
/// What a killed keeper left is removed when it is older than this.
const STALE_MS: u64 = 60 * 60 * 1_000;
/// Written by the keeper once the servers answer: lines `NAME=value`.
const READY_FILE: &str = "variables";
const LOG_FILE: &str = "keeper.log";

/// Sees to it that the tests know three servers.
pub(crate) fn set_up(until: Option<i32>) -> Result<ExitCode, Failure> {
    let environment = env::var_os("NEXTEST_ENV")
        .ok_or("NEXTEST_ENV is not set: this is a set-up script, to be run by cargo nextest")?;
    let external = External::from_environment();
    let lines = if let External {
        postgres_url: Some(postgres),
        redis_url: Some(redis),
        nats_url: Some(nats),
    } = external
    {
        format!("MOIM_POSTGRES_URL={postgres}\nMOIM_REDIS_URL={redis}\nMOIM_NATS_URL={nats}\n")
    } else {
        remove_stale()?;
        // Here, where a person sees the progress; the keeper can't be seen.
        stack::fetch()?;
        stack::bucket::fetch()?;
        for package in &stack::pin::MAIL {
            stack::package::fetch(package)?;
        }
        start_keeper(match until {
            Some(pid) => Pid::from_raw(pid).ok_or("not a process id")?,
            None => test_runner()?,
        })?
    };
    File::options().append(true).create(true).open(environment)?.write_all(lines.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn start_keeper(until: Pid) -> Result<String, Failure> {
    let folder = throw_away_folder()?.keep(); // the keeper removes it
    let log = File::create(folder.join(LOG_FILE))?;
    let mut keeper = Command::new(env::current_exe()?);
    keeper.arg("keep").arg("--data-dir").arg(&folder);
    keeper.arg("--until").arg(until.as_raw_nonzero().to_string());
    // No handle and no process group of ours: nextest must not wait for it,
    // and Ctrl-C must not reach it before the tests are through.
    keeper.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).process_group(0);
    let keeper = keeper.current_dir("/").spawn()?;
    wait_for_variables(keeper, &folder)
}

fn wait_for_variables(mut keeper: Child, folder: &Path) -> Result<String, Failure> {
    let log = fs::canonicalize(folder.join(LOG_FILE))?;
    let deadline = Instant::now() + Duration::from_millis(READY_WAIT_MS);
    loop {
        match fs::read_to_string(folder.join(READY_FILE)) {
            Ok(lines) => return Ok(lines),
            Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(err.into()),
            Err(_) => {}
        }
        if keeper.try_wait()?.is_some() || Instant::now() >= deadline {
            let detail = fs::read_to_string(&log).unwrap_or_default();
            drop(keeper.kill());
            drop(fs::remove_dir_all(folder));
            return Err(format!("the servers did not come up: {detail}").into());
        }
        thread::sleep(Duration::from_millis(READY_RETRY_MS));
    }
}

/// The nextest process above us (cargo may stand between); without one, as
/// when a person tries this, our parent.
fn test_runner() -> Result<Pid, Failure> {
    let parent = getppid().ok_or("this process has no parent")?;
    let mut pid = parent;
    while let Some((name, above)) = process(pid) {
        if name.contains("nextest") {
            return Ok(pid);
        }
        match above {
            Some(above) => pid = above,
            None => break,
        }
    }
    Ok(parent)
}

/// Name and parent of a process.
fn process(pid: Pid) -> Option<(String, Option<Pid>)> {
    let pid = pid.as_raw_nonzero().to_string();
    let output = match fs::read_to_string(format!("/proc/{pid}/status")) {
        Ok(status) => {
            let field = |name| status.lines().find_map(|line| line.strip_prefix(name));
            format!("{} {}", field("PPid:")?.trim(), field("Name:")?.trim())
        }
        Err(_) => {
            let ps = Command::new("ps").args(["-o", "ppid=,comm=", "-p", &pid]).output().ok()?;
            String::from_utf8(ps.stdout).ok()?.trim().to_owned()
        }
    };
    let (parent, name) = output.split_once(' ')?;
    Some((name.to_owned(), Pid::from_raw(parent.parse().ok()?)))
}

/// The keeper: starts the servers, writes their URLs, and ends with `until`.
pub(crate) async fn keep(data_dir: &Path, until: i32) -> Result<ExitCode, Failure> {
    let until = Pid::from_raw(until).ok_or("not a process id")?;
    let mut signals = Signals::new()?;
    let options = Options {
        throw_away: true,
        external: External::from_environment(),
        ..Options::new(data_dir)
    };
    let stack = Stack::start(&options).await?;
    publish(&stack, data_dir)?;
    let watch = async {
        while test_kill_process(until).is_ok() {
            tokio::time::sleep(Duration::from_millis(WATCH_MS)).await;
        }
    };
    tokio::select! {
        () = watch => {}
        () = signals.any() => {}
        server = stack.failed() => eprintln!("{server} is down"),
    }
    stack.stop().await;
    remove(data_dir)?;
    Ok(ExitCode::SUCCESS)
}

fn publish(stack: &Stack, data_dir: &Path) -> io::Result<()> {
    let lines: String =
        stack.variables().iter().map(|(name, url)| format!("{name}={url}\n")).collect();
    let mut half_made = tempfile::NamedTempFile::new_in(data_dir)?; // only for us to read
    half_made.write_all(lines.as_bytes())?;
    half_made.persist(data_dir.join(READY_FILE))?;
    Ok(())
}

/// Removes a throw-away folder, and what of it had to be elsewhere.
fn remove(data_dir: &Path) -> io::Result<()> {
    if let Ok(elsewhere) = fs::read_link(data_dir.join("servers")) {
        fs::remove_dir_all(elsewhere)?;
    }
    fs::remove_dir_all(data_dir)
}

/// Removes the folders of keepers that were killed.
fn remove_stale() -> io::Result<()> {
    for entry in fs::read_dir(env::temp_dir())? {
        let folder: PathBuf = entry?.path();
        let is_ours = folder
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(THROW_AWAY_PREFIX));
        // Somebody else's we can neither read nor remove, and need not.
        if is_ours && is_stale(&folder).unwrap_or(false) {
            drop(remove(&folder));
        }
    }
    Ok(())
}

fn is_stale(folder: &Path) -> io::Result<bool> {
    let lock = File::open(folder.join("stack.lock"))?;
    let age = SystemTime::now().duration_since(lock.metadata()?.modified()?).unwrap_or_default();
    Ok(age > Duration::from_millis(STALE_MS) && lock.try_lock().is_ok())
}
