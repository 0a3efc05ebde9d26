//! A wire to the NATS server that the test can cut and mend.

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};

pub(crate) struct Wire {
    pub(crate) url: String,
    whole: watch::Sender<bool>,
}

impl Wire {
    pub(crate) async fn new() -> Self {
        let server = std::env::var("MOIM_NATS_URL").expect("MOIM_NATS_URL names the test server");
        let server = server.trim_start_matches("nats://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("nats://{}", listener.local_addr().expect("an address"));
        let whole = watch::Sender::new(true);
        let state = whole.subscribe();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server.clone(), state.clone()));
            }
        });
        Self { url, whole }
    }

    /// Breaks all connections off and lets no new one through.
    pub(crate) fn cut(&self) {
        self.whole.send_replace(false);
    }

    pub(crate) fn mend(&self) {
        self.whole.send_replace(true);
    }
}

async fn carry(mut client: TcpStream, server: String, mut whole: watch::Receiver<bool>) {
    if !*whole.borrow() {
        return;
    }
    let mut server = TcpStream::connect(server).await.expect("NATS can be reached");
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
        _ = whole.wait_for(|whole| !whole) => {}
    }
}
