//! A TCP proxy that breaks the line when told.

use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinSet,
};
use url::Url;

/// Bytes that one direction of a connection moves at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// What becomes of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// They pass.
    Open,
    /// They wait: connections stay as they are, nothing moves.
    Stalled,
    /// Connections are reset, new ones at once.
    Cut,
}

/// A proxy in front of one server. It ends when it is dropped.
pub(crate) struct Proxy {
    address: SocketAddr,
    line: watch::Sender<Line>,
    _serving: JoinSet<()>,
}

impl Proxy {
    /// An open proxy to the server of a URL, and the URL with the proxy in its place.
    pub(crate) async fn in_place_of(url: &str) -> (Self, String) {
        let mut url = Url::parse(url).expect("a URL");
        let host = url.host_str().expect("a host");
        let proxy = Self::to(format!("{host}:{}", url.port().expect("a port"))).await;
        url.set_host(Some("127.0.0.1")).expect("a host");
        url.set_port(Some(proxy.address.port())).expect("a port");
        (proxy, url.into())
    }

    /// An open proxy to `server` (`host:port`).
    async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (line, watched) = watch::channel(Line::Open);
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, server, watched));
        Self { address, line, _serving: serving }
    }

    /// Lets everything pass from now on; what waited goes on.
    pub(crate) fn open(&self) {
        self.line.send_replace(Line::Open);
    }

    /// Lets nothing pass, and closes nothing: the server seems to hang.
    pub(crate) fn stall(&self) {
        self.line.send_replace(Line::Stalled);
    }

    /// Resets all connections, and those to come: the server seems to be gone.
    pub(crate) fn cut(&self) {
        self.line.send_replace(Line::Cut);
    }
}

async fn serve(listener: TcpListener, server: String, line: watch::Receiver<Line>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (client, _) = accepted.expect("the listener works");
                connections.spawn(connection(client, server.clone(), line.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(client: TcpStream, server: String, mut line: watch::Receiver<Line>) {
    // Whoever is dropped here sends a reset, as a server that died would, instead of a farewell.
    client.set_zero_linger().expect("an open socket");
    let mut cut = line.clone();
    let moving = async {
        if line.wait_for(|line| *line == Line::Open).await.is_err() {
            return;
        }
        let Ok(upstream) = TcpStream::connect(&server).await else { return };
        upstream.set_zero_linger().expect("an open socket");
        let _ = (client.set_nodelay(true), upstream.set_nodelay(true));
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = upstream.into_split();
        tokio::select! {
            () = pump(from_client, to_server, line.clone()) => {}
            () = pump(from_server, to_client, line) => {}
        }
    };
    tokio::select! {
        () = moving => {}
        _ = cut.wait_for(|line| *line == Line::Cut) => {}
    }
}

/// Moves bytes one way while the line is open, until one side closes.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut line: watch::Receiver<Line>) {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let Ok(read @ 1..) = from.read(&mut chunk).await else { return };
        if line.wait_for(|line| *line == Line::Open).await.is_err() {
            return;
        }
        if to.write_all(&chunk[..read]).await.is_err() {
            return;
        }
    }
}

/// The proxy itself does what it says: seen with an echo server behind it.
#[tokio::test]
async fn a_proxy_passes_stalls_and_cuts() {
    let echo = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = echo.local_addr().expect("an address").to_string();
    let mut echoing = JoinSet::new();
    echoing.spawn(async move {
        while let Ok((stream, _)) = echo.accept().await {
            let (mut read, mut write) = stream.into_split();
            tokio::spawn(async move { tokio::io::copy(&mut read, &mut write).await });
        }
    });
    let proxy = Proxy::to(address).await;
    let mut client = TcpStream::connect(proxy.address).await.expect("a connection");
    let mut byte = [0];

    client.write_all(b"a").await.expect("sent");
    client.read_exact(&mut byte).await.expect("answered");

    proxy.stall();
    client.write_all(b"b").await.expect("sent");
    let quiet = tokio::time::timeout(Duration::from_millis(200), client.read_exact(&mut byte));
    assert!(quiet.await.is_err(), "nothing passes");
    proxy.open();
    client.read_exact(&mut byte).await.expect("what waited arrives");
    assert_eq!(&byte, b"b");

    proxy.cut();
    assert!(!matches!(client.read(&mut byte).await, Ok(1..)), "the connection is gone");
    let mut refused = TcpStream::connect(proxy.address).await.expect("accepted, then reset");
    assert!(!matches!(refused.read(&mut byte).await, Ok(1..)));
}
