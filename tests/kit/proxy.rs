//! A real server behind an address that can be shut: for what happens when it is away.

use std::net::SocketAddr;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// Passes connections on to a server, until it is shut.
pub(crate) struct Proxy {
    address: SocketAddr,
    server: String,
    running: JoinSet<()>,
}

impl Proxy {
    /// A proxy before the server at `host:port`.
    pub(crate) async fn before(server: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let mut proxy = Self { address, server: server.to_owned(), running: JoinSet::new() };
        proxy.serve(listener);
        proxy
    }

    /// A URL of the server, with the proxy in its place.
    pub(crate) async fn in_place_of(url: &str) -> (Self, String) {
        let (scheme, rest) = url.split_once("://").expect("a URL");
        let (login, rest) = match rest.rsplit_once('@') {
            Some((login, rest)) => (format!("{login}@"), rest),
            None => (String::new(), rest),
        };
        let (server, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let proxy = Self::before(server).await;
        let url = format!("{scheme}://{login}{}{path}", proxy.address);
        (proxy, url)
    }

    fn serve(&mut self, listener: TcpListener) {
        let server = self.server.clone();
        self.running.spawn(async move {
            // Connections end with the task that holds them.
            let mut connections = JoinSet::new();
            loop {
                let Ok((mut client, _)) = listener.accept().await else { return };
                let server = server.clone();
                connections.spawn(async move {
                    if let Ok(mut there) = TcpStream::connect(server).await {
                        let _ = copy_bidirectional(&mut client, &mut there).await;
                    }
                });
            }
        });
    }

    /// Ends all connections and takes no more.
    pub(crate) async fn shut(&mut self) {
        self.running.shutdown().await;
    }

    /// Takes connections again.
    pub(crate) async fn open(&mut self) {
        let listener = TcpListener::bind(self.address).await.expect("its port is still free");
        self.serve(listener);
    }
}
