//! What the embedded stack promises, tried with the real servers. The first
//! run downloads them.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use stack::{External, Options, Stack, StackError};

const DEADLINE: Duration = Duration::from_secs(60);

/// Waits for a condition.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A data folder that the servers' user can reach.
fn folder() -> tempfile::TempDir {
    let mode = fs::Permissions::from_mode(0o711);
    tempfile::Builder::new().permissions(mode).tempdir().expect("a temporary folder")
}

fn quick(data_dir: &Path) -> Options {
    Options { throw_away: true, ..Options::new(data_dir) }
}

/// Host and port of a URL.
fn address(url: &str) -> &str {
    let rest = url.rsplit_once('@').or(url.rsplit_once("//")).expect("a URL").1;
    rest.split('/').next().expect("split has a first part")
}

fn password(url: &str) -> &str {
    let before = url.rsplit_once('@').expect("the URL has a password").0;
    before.rsplit_once(':').expect("the URL has a password").1
}

fn is_open(url: &str) -> bool {
    TcpStream::connect(address(url)).is_ok()
}

/// Runs a statement and returns what it answers.
fn sql(stack: &Stack, statement: &str) -> String {
    sql_at(stack.postgres_programs().expect("Postgres is ours"), stack.postgres_url(), statement)
}

fn sql_at(programs: &Path, url: &str, statement: &str) -> String {
    let mut psql = Command::new(programs.join("psql"));
    psql.args([url, "--no-psqlrc", "--tuples-only", "--no-align", "--quiet"]);
    psql.args(["--set", "ON_ERROR_STOP=1", "--command", statement]);
    let output = psql.output().expect("psql runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned()
}

/// Sends a command to Valkey and returns the last line of the answer.
fn valkey(url: &str, command: &str, lines: usize) -> String {
    let mut stream = TcpStream::connect(address(url)).expect("Valkey answers");
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let mut answer = BufReader::new(stream.try_clone().expect("a second handle")).lines();
    write!(stream, "{command}\r\n").expect("a command is sent");
    let last = (0..lines).map(|_| answer.next().expect("an answer").expect("readable")).last();
    last.expect("at least one answer")
}

#[tokio::test]
async fn all_three_answer_and_stop_ends_them() {
    let data = folder();
    let stack = Stack::start(&quick(data.path())).await.expect("starts");

    assert_eq!(sql(&stack, "SHOW server_encoding"), "UTF8");
    sql(&stack, "CREATE EXTENSION pg_trgm");
    let similarity = "SELECT similarity('회의록을 작성했습니다', '회의록 작성') > 0.3";
    assert_eq!(sql(&stack, similarity), "t");

    let policy = "CONFIG GET maxmemory-policy";
    assert_eq!(valkey(stack.redis_url(), policy, 5), "allkeys-lru");

    let mut greeting = String::new();
    let nats = TcpStream::connect(address(stack.nats_url())).expect("NATS answers");
    BufReader::new(nats).read_line(&mut greeting).expect("NATS speaks first");
    assert!(greeting.contains("\"jetstream\":true"), "{greeting}");

    let urls = stack.variables().map(|(_, url)| url.to_owned());
    stack.stop().await;
    assert!(urls.iter().all(|url| !is_open(url)));
}

#[tokio::test]
async fn a_wrong_or_missing_password_is_refused() {
    let data = folder();
    let stack = Stack::start(&Options::new(data.path())).await.expect("starts");
    assert_eq!(sql(&stack, "SHOW fsync"), "on");

    let wrong = stack.postgres_url().replace(password(stack.postgres_url()), "wrong");
    let programs = stack.postgres_programs().expect("Postgres is ours");
    let psql = Command::new(programs.join("psql")).args([&wrong, "-c", "SELECT 1"]).output();
    assert!(!psql.expect("psql runs").status.success());
    let answer = valkey(stack.redis_url(), "GET x", 1);
    assert!(answer.starts_with("-NOAUTH"), "{answer}");
    let nats = TcpStream::connect(address(stack.nats_url())).expect("NATS answers");
    let mut greeting = String::new();
    BufReader::new(nats).read_line(&mut greeting).expect("NATS speaks first");
    assert!(greeting.contains("\"auth_required\":true"), "{greeting}");
    assert!(!format!("{stack:?}").contains(password(stack.nats_url())));
    stack.stop().await;
}

#[tokio::test]
async fn a_restart_finds_data_and_ports_again_and_fresh_does_not() {
    let data = folder();
    let stack = Stack::start(&quick(data.path())).await.expect("starts");
    let urls = stack.variables().map(|(_, url)| url.to_owned());
    sql(&stack, "CREATE TABLE kept AS SELECT 42 AS answer");
    stack.stop().await;

    let stack = Stack::start(&quick(data.path())).await.expect("starts again");
    assert_eq!(stack.variables().map(|(_, url)| url.to_owned()), urls);
    assert_eq!(sql(&stack, "SELECT answer FROM kept"), "42");
    stack.stop().await;

    let fresh = Options { fresh: true, ..quick(data.path()) };
    let stack = Stack::start(&fresh).await.expect("starts afresh");
    assert_eq!(sql(&stack, "SELECT to_regclass('kept') IS NULL"), "t");
    stack.stop().await;
}

#[tokio::test]
async fn half_made_and_stale_files_are_no_obstacle() {
    let data = folder();
    // As if initdb had been killed in the middle.
    let half_made = data.path().join("servers/postgres.new");
    fs::create_dir_all(half_made.join("base")).expect("a folder");
    fs::write(half_made.join("PG_VERSION"), "18\n").expect("a file");
    let stack = Stack::start(&quick(data.path())).await.expect("starts");
    assert!(!half_made.exists());
    stack.stop().await;

    // As if the machine had lost its power, and our own pid were reused.
    let pid_file = data.path().join("servers/postgres/postmaster.pid");
    fs::write(&pid_file, format!("{}\n/nowhere\n0\n1\n", std::process::id())).expect("a file");
    let stack = Stack::start(&quick(data.path())).await.expect("starts again");
    assert_eq!(sql(&stack, "SELECT 1"), "1");
    stack.stop().await;
}

#[tokio::test]
async fn a_second_one_on_the_same_folder_is_refused() {
    let data = folder();
    let stack = Stack::start(&quick(data.path())).await.expect("starts");
    let second = Stack::start(&quick(data.path())).await;
    assert!(matches!(second, Err(StackError::InUse { .. })), "{second:?}");
    assert_eq!(sql(&stack, "SELECT 1"), "1");
    stack.stop().await;
}

#[tokio::test]
async fn servers_of_ones_own_are_used_instead() {
    let data = folder();
    let path = data.path().join("never made");
    let external = External::from(|name| Some(format!("{name}-given")));
    let stack = Stack::start(&Options { external, ..quick(&path) }).await.expect("starts");
    assert!(stack.variables().iter().all(|(name, url)| *url == format!("{name}-given")));
    assert!(!path.exists());
    stack.stop().await;

    let external = External {
        postgres_url: Some("postgres://elsewhere".to_owned()),
        redis_url: Some(String::new()).filter(|url| !url.is_empty()),
        ..External::default()
    };
    let stack = Stack::start(&Options { external, ..quick(&path) }).await.expect("starts");
    assert_eq!(stack.postgres_url(), "postgres://elsewhere");
    assert!(!path.join("servers/postgres").exists());
    assert!(is_open(stack.redis_url()) && is_open(stack.nats_url()));
    stack.stop().await;
}

#[tokio::test]
async fn a_server_that_dies_is_started_again() {
    let data = folder();
    let stack = Stack::start(&quick(data.path())).await.expect("starts");
    let pid_file = data.path().join("servers/postgres/postmaster.pid");
    let old = first_pid(&pid_file);
    kill_process(old, Signal::KILL).expect("Postgres runs");
    eventually("a new Postgres", || {
        fs::read_to_string(&pid_file).is_ok_and(|text| text.contains("ready"))
            && first_pid(&pid_file) != old
    });
    assert_eq!(sql(&stack, "SELECT 1"), "1");
    stack.stop().await;
}

fn first_pid(file: &Path) -> Pid {
    let text = fs::read_to_string(file).expect("a pid file");
    let pid = text.lines().next().and_then(|line| line.trim().parse().ok());
    Pid::from_raw(pid.expect("a pid")).expect("not zero")
}

/// The program, run as a process that can be killed.
struct Program {
    child: Child,
    urls: Vec<String>,
}

impl Program {
    fn start(data_dir: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stack"));
        command.arg("run").arg("--data-dir").arg(data_dir);
        for name in ["MOIM_POSTGRES_URL", "MOIM_REDIS_URL", "MOIM_NATS_URL"] {
            command.env_remove(name);
        }
        let mut child = command.stdout(Stdio::piped()).spawn().expect("stack runs");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let urls = lines.take(3).map(|line| {
            let line = line.expect("readable");
            line.split_once("='").expect("an export").1.trim_end_matches('\'').to_owned()
        });
        let urls: Vec<_> = urls.collect();
        assert_eq!(urls.len(), 3, "the stack did not start");
        Self { child, urls }
    }

    fn end(mut self, signal: Signal) -> Vec<String> {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
        self.child.wait().expect("it ends");
        self.urls
    }
}

#[tokio::test]
async fn after_kill_9_the_next_start_works_and_nothing_committed_is_lost() {
    let data = folder();
    let program = Program::start(data.path());
    let stack_programs = programs_of(data.path(), &program);
    sql_at(&stack_programs, &program.urls[0], "CREATE TABLE kept AS SELECT 7 AS answer");
    let urls = program.end(Signal::KILL);

    let program = Program::start(data.path());
    assert_eq!(program.urls, urls, "the same ports again");
    assert_eq!(sql_at(&stack_programs, &urls[0], "SELECT answer FROM kept"), "7");
    let urls = program.end(Signal::INT);
    assert!(urls.iter().all(|url| !is_open(url)), "a clean end leaves nothing");
}

/// The folder of psql: that of the running Postgres.
fn programs_of(data_dir: &Path, _running: &Program) -> PathBuf {
    let options = fs::read_to_string(data_dir.join("servers/postgres/postmaster.opts"));
    let options = options.expect("Postgres writes how it was started");
    let program = options.split_whitespace().next().expect("a program");
    Path::new(program).parent().expect("a folder").to_path_buf()
}

#[tokio::test]
async fn what_a_killed_run_left_is_ended_first() {
    let data = folder();
    let stack = Stack::start(&quick(data.path())).await.expect("starts");
    let programs = stack.postgres_programs().expect("Postgres is ours").to_path_buf();
    stack.stop().await;

    // A server of this folder that nobody looks after any more.
    let servers = data.path().join("servers").canonicalize().expect("a folder");
    let owner = fs::metadata(&servers).expect("it is there").uid();
    let mut postgres = Command::new(programs.join("postgres"));
    postgres.arg("-D").arg(servers.join("postgres")).args(["-c", "unix_socket_directories="]);
    let port = TcpListener::bind(("127.0.0.1", 0)).and_then(|free| free.local_addr());
    let port = port.expect("a free port").port();
    postgres.arg("-c").arg(format!("port={port}")).current_dir("/");
    if rustix::process::geteuid().is_root() {
        use std::os::unix::process::CommandExt as _;
        postgres.uid(owner).gid(owner);
    }
    let mut left = postgres.stderr(Stdio::null()).spawn().expect("Postgres runs");
    let pid_file = servers.join("postgres/postmaster.pid");
    eventually("the left one runs", || {
        fs::read_to_string(&pid_file).is_ok_and(|text| text.contains("ready"))
    });

    let reaper = thread::spawn(move || left.wait().expect("it is ended"));
    let stack = Stack::start(&quick(data.path())).await.expect("starts");
    assert!(reaper.join().expect("the left one was ended").success());
    assert_eq!(sql(&stack, "SELECT 1"), "1");
    stack.stop().await;
}

#[test]
fn nextest_gets_a_stack_that_ends_with_it() {
    // A shell stands for nextest: the set-up script's parent, which then waits.
    let variables = tempfile::NamedTempFile::new().expect("a file");
    let mut shell = Command::new("sh")
        .args(["-c", "\"$0\" nextest --until $$ && echo ready && read -r line"])
        .arg(env!("CARGO_BIN_EXE_stack"))
        .env("NEXTEST_ENV", variables.path())
        .env("MOIM_POSTGRES_URL", "")
        .env_remove("MOIM_REDIS_URL")
        .env_remove("MOIM_NATS_URL")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a shell");
    let mut said = [0; 6];
    shell.stdout.take().expect("its output").read_exact(&mut said).expect("the script works");
    let text = fs::read_to_string(variables.path()).expect("readable");
    let urls: Vec<_> = text.lines().filter_map(|line| line.split_once('=')).collect();
    assert_eq!(urls.len(), 3, "{urls:?}");
    assert!(urls.iter().all(|(_, url)| is_open(url)));

    drop(shell.stdin.take());
    shell.wait().expect("the shell ends");
    eventually("the servers end", || urls.iter().all(|(_, url)| !is_open(url)));
}

#[test]
fn servers_die_with_a_killed_keeper() {
    let data = folder();
    let program = Program::start(data.path());
    let postgres = first_pid(&data.path().join("servers/postgres/postmaster.pid"));
    let urls = program.end(Signal::KILL);
    if cfg!(target_os = "linux") {
        eventually("the servers end", || urls.iter().all(|url| !is_open(url)));
        eventually("Postgres ends", || test_kill_process(postgres).is_err());
    }
}
