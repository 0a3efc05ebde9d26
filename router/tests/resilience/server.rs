//! A subgraph on a bare socket, which behaves as badly as it is told.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// What is done with one request.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// An HTTP answer.
    Answer(u16, String),
    /// The same after a while.
    Late(Duration, String),
    /// The connection is closed without a word.
    Close,
    /// Nothing, for ever.
    Stall,
    /// Not HTTP.
    Noise,
    /// Less than was announced.
    Half,
    /// A body of this many bytes, announced or in chunks.
    Huge { bytes: usize, announced: bool },
}

impl Behaviour {
    pub fn json(body: &str) -> Self {
        Self::Answer(200, body.to_owned())
    }
}

/// A running server.
pub struct Server {
    pub url: String,
    requests: Arc<AtomicUsize>,
    written: Arc<AtomicUsize>,
}

impl Server {
    /// Serves; the script tells what to do with the request of a number, from 0.
    pub async fn start(script: impl Fn(usize) -> Behaviour + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/graphql", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let written = Arc::new(AtomicUsize::new(0));
        let (count, bytes, script) =
            (Arc::clone(&requests), Arc::clone(&written), Arc::new(script));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (count, bytes, script) =
                    (Arc::clone(&count), Arc::clone(&bytes), Arc::clone(&script));
                tokio::spawn(async move {
                    // The router may hang up at any time.
                    let _ = answer(socket, &count, &bytes, &*script).await;
                });
            }
        });
        Self { url, requests, written }
    }

    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// Bytes of huge bodies that somebody took.
    pub fn written(&self) -> usize {
        self.written.load(Ordering::SeqCst)
    }
}

async fn answer(
    mut socket: TcpStream,
    count: &AtomicUsize,
    written: &AtomicUsize,
    script: &(dyn Fn(usize) -> Behaviour + Send + Sync),
) -> std::io::Result<()> {
    read(&mut socket).await?;
    match script(count.fetch_add(1, Ordering::SeqCst)) {
        Behaviour::Answer(status, body) => say(&mut socket, status, &body).await,
        Behaviour::Late(pause, body) => {
            tokio::time::sleep(pause).await;
            say(&mut socket, 200, &body).await
        }
        Behaviour::Close => Ok(()),
        Behaviour::Stall => std::future::pending().await,
        Behaviour::Noise => socket.write_all(b"+OK this is another protocol\r\n\r\n").await,
        Behaviour::Half => {
            socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"data\":").await
        }
        Behaviour::Huge { bytes, announced } => {
            let head = match announced {
                true => format!("content-length: {bytes}"),
                false => "transfer-encoding: chunked".to_owned(),
            };
            socket.write_all(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n").as_bytes()).await?;
            let piece = vec![b' '; 64 * 1024];
            for _ in 0..bytes / piece.len() {
                if !announced {
                    socket.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).await?;
                }
                socket.write_all(&piece).await?;
                if !announced {
                    socket.write_all(b"\r\n").await?;
                }
                written.fetch_add(piece.len(), Ordering::SeqCst);
            }
            socket.write_all(b"0\r\n\r\n").await
        }
    }
}

async fn say(socket: &mut TcpStream, status: u16, body: &str) -> std::io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    socket.write_all(head.as_bytes()).await?;
    socket.write_all(body.as_bytes()).await?;
    socket.shutdown().await
}

/// Reads one request to its end.
async fn read(socket: &mut TcpStream) -> std::io::Result<()> {
    let mut request = Vec::new();
    loop {
        if socket.read_buf(&mut request).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let text = String::from_utf8_lossy(&request);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
            return Ok(());
        }
    }
}
