//! The embedded Postgres.

use std::{
    fs, io,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    error::{StackError, at},
    leftover::Trace,
    package::tell,
    pin::POSTGRES_MAJOR,
    place::{Place, ignore_missing},
    server::{Server, StopSignal, last_lines, settle},
};

pub(crate) const NAME: &str = "postgres";
/// The superuser, and the database to connect to first.
pub(crate) const USER: &str = "postgres";

/// The "fast" end, which doesn't wait for clients to leave.
const STOP: StopSignal = StopSignal::Interrupt;
/// Where the programs are in the package.
const PROGRAMS: &str = "pgserver/pginstall/bin";
/// All pools of all services of one process, and those of the tests.
const MAX_CONNECTIONS: u32 = 300;
/// Several installations run at once, and those that were killed linger.
const MAX_CONNECTIONS_TESTS: u32 = 600;
const SHARED_BUFFERS_MIB: u32 = 128;
/// More than this of the journal between two checkpoints forces one.
const MAX_WAL_MIB: u32 = 512;
const INITDB_TAIL_LINES: usize = 5;

/// How to know the server of an earlier run.
pub(crate) fn trace(place: &Place) -> Trace {
    Trace { server: NAME, program: "postgres", mark: place.servers.join(NAME), stop: STOP }
}

/// Makes the data folder if there is none yet, and says how to run the server.
pub(crate) fn prepare(
    place: &Place,
    package: &Path,
    port: u16,
    throw_away: bool,
) -> Result<Server, StackError> {
    let programs = programs(package);
    let data = place.servers.join(NAME);
    if !data.is_dir() {
        create(place, &programs, &data, throw_away)?;
    }
    check_version(&data)?;
    // We hold the data folder's lock and have ended what was left of earlier
    // runs, so the process that this file names is another one by now.
    let pid_file = data.join("postmaster.pid");
    ignore_missing(fs::remove_file(&pid_file)).map_err(at(&pid_file))?;

    let mut arguments = vec!["-D".to_owned(), data.display().to_string()];
    for setting in settings(port, throw_away) {
        arguments.extend(["-c".to_owned(), setting]);
    }
    Ok(Server {
        name: NAME,
        program: programs.join("postgres"),
        arguments,
        log: place.servers.join("postgres.log"),
        port,
        stop: STOP,
        answers,
    })
}

/// The folder with the programs in the unpacked package.
pub(crate) fn programs(package: &Path) -> PathBuf {
    package.join(PROGRAMS)
}

/// Tuned for a machine with two cores that has other work as well.
fn settings(port: u16, throw_away: bool) -> Vec<String> {
    let on = if throw_away { "off" } else { "on" };
    let connections = if throw_away { MAX_CONNECTIONS_TESTS } else { MAX_CONNECTIONS };
    vec![
        format!("port={port}"),
        "listen_addresses=127.0.0.1".to_owned(),
        "unix_socket_directories=".to_owned(),
        format!("max_connections={connections}"),
        format!("shared_buffers={SHARED_BUFFERS_MIB}MB"),
        format!("max_wal_size={MAX_WAL_MIB}MB"),
        format!("fsync={on}"),
        format!("synchronous_commit={on}"),
        format!("full_page_writes={on}"),
        // No replicas: a smaller journal.
        "wal_level=minimal".to_owned(),
        "max_wal_senders=0".to_owned(),
        // Queries are small: compiling them costs more than it saves.
        "jit=off".to_owned(),
        "max_parallel_workers_per_gather=0".to_owned(),
        "random_page_cost=1.1".to_owned(),
        "timezone=UTC".to_owned(),
        "log_timezone=UTC".to_owned(),
        // Never the text of statements: it may hold people's data.
        "log_min_error_statement=panic".to_owned(),
        "log_statement=none".to_owned(),
        "log_checkpoints=off".to_owned(),
    ]
}

/// Runs initdb beside the final folder and renames: a folder that is there is
/// whole, however an earlier run ended.
fn create(place: &Place, programs: &Path, data: &Path, throw_away: bool) -> Result<(), StackError> {
    tell("making a new Postgres data folder ...");
    let making = place.servers.join("postgres.new");
    ignore_missing(fs::remove_dir_all(&making)).map_err(at(&making))?;
    let mut initdb = Command::new(programs.join("initdb"));
    initdb.arg("--pgdata").arg(&making).arg(format!("--username={USER}"));
    let password_file = match place.password() {
        Some(password) => Some(place.write("postgres.password", password)?),
        None => None,
    };
    match &password_file {
        Some(file) => initdb.arg("--auth=scram-sha-256").arg("--pwfile").arg(file),
        None => initdb.arg("--auth=trust"),
    };
    // Without the system's locales: the same order on every machine, and
    // pg_trgm knows Korean letters as letters.
    initdb.args(["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]);
    initdb
        .args(["--no-instructions", if throw_away { "--no-sync" } else { "--sync-method=fsync" }]);
    settle(&mut initdb, place.account);
    let output = initdb.stdin(Stdio::null()).output().map_err(at(programs))?;
    if let Some(file) = password_file {
        fs::remove_file(&file).map_err(at(&file))?;
    }
    if !output.status.success() {
        let detail = last_lines(&[output.stdout, output.stderr].concat(), INITDB_TAIL_LINES);
        return Err(StackError::Program { program: "initdb", detail });
    }
    fs::rename(&making, data).map_err(at(data))
}

fn check_version(data: &Path) -> Result<(), StackError> {
    let path = data.join("PG_VERSION");
    let found = fs::read_to_string(&path).map_err(at(&path))?.trim().to_owned();
    if found == POSTGRES_MAJOR {
        Ok(())
    } else {
        let path = data.to_path_buf();
        Err(StackError::OtherVersion { path, found, expected: POSTGRES_MAJOR })
    }
}

/// Says hello and sees whether it is asked for a password. A server that still
/// starts, or already stops, answers with an error instead.
fn answers(stream: &mut TcpStream) -> io::Result<bool> {
    const PROTOCOL: i32 = 3 << 16;
    const AUTHENTICATION: u8 = b'R';
    let body = format!("user\0{USER}\0database\0{USER}\0\0");
    let length = i32::try_from(body.len() + 8).map_err(io::Error::other)?;
    let mut hello = Vec::new();
    hello.extend_from_slice(&length.to_be_bytes());
    hello.extend_from_slice(&PROTOCOL.to_be_bytes());
    hello.extend_from_slice(body.as_bytes());
    stream.write_all(&hello)?;
    let mut kind = [0];
    stream.read_exact(&mut kind)?;
    Ok(kind[0] == AUTHENTICATION)
}
