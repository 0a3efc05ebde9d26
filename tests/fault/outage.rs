//! A server is cut off, or hangs, under the load, and comes back.

use super::{load::Load, oracle::Oracle};
use crate::kit::{SOON, client::Client, eventually, instance::Place, proxy::Proxy};
use serde_json::Value;

/// Which server.
#[derive(Clone, Copy)]
enum Server {
    Postgres,
    Redis,
    Nats,
}

/// What befalls it.
#[derive(Clone, Copy)]
enum Fault {
    Cut,
    Stall,
    /// What was asked meanwhile is lost, and nobody is told.
    StallThenCut,
}

impl Server {
    fn variable(self) -> &'static str {
        match self {
            Self::Postgres => "MOIM_POSTGRES_URL",
            Self::Redis => "MOIM_REDIS_URL",
            Self::Nats => "MOIM_NATS_URL",
        }
    }

    /// How the names of its components end in the health of services.
    fn component(self) -> &'static str {
        match self {
            Self::Postgres => ".postgres",
            Self::Redis => ".redis",
            Self::Nats => ".nats",
        }
    }
}

/// Given people who hold meetings, when the server is out of reach for a while, then everybody gets through once it is
/// back, and the oracle finds nothing lost and nothing twice.
async fn out_of_reach(server: Server, fault: Fault) {
    let mut place = Place::new();
    let real = std::env::var(server.variable()).expect("the run's servers");
    let (proxy, url) = Proxy::in_place_of(&real).await;
    place.set(server.variable(), &url);
    let moim = place.up().await;
    let mut load = Load::start(&moim.base).await;
    eventually("the load is under way", SOON, || async {
        load.seen().iter().any(|seen| seen.lock().is_ok_and(|seen| seen.from > 0)).then_some(())
    })
    .await;

    match fault {
        Fault::Cut => proxy.cut(),
        Fault::Stall | Fault::StallThenCut => proxy.stall(),
    }
    noticed(&moim.client(), server, "").await;
    if matches!(fault, Fault::StallThenCut) {
        proxy.cut();
        noticed(&moim.client(), server, "not connected").await;
    }
    proxy.open();
    let meetings = load.finish().await;

    Oracle::of(&place).await.check(&meetings, &load).await;
}

/// Waits until everybody who needs the server has noticed that it is away, for a reason with `why` in it.
async fn noticed(client: &Client, server: Server, why: &str) {
    eventually("everybody noticed", SOON, || async {
        let health = client.get("/health").await.body;
        let components = health["components"].as_array().expect("components").iter();
        let name = |component: &&Value| component["name"].as_str().map(str::to_owned);
        let mut of_it = components
            .filter(|component| name(component).is_some_and(|it| it.ends_with(server.component())))
            .peekable();
        assert!(of_it.peek().is_some(), "{health}");
        of_it
            .all(|component| {
                let detail = component["detail"].as_str().unwrap_or_default();
                component["status"] != "UP" && detail.contains(why)
            })
            .then_some(())
    })
    .await;
}

macro_rules! stories {
    ($($name:ident: $server:ident $fault:ident,)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                out_of_reach(Server::$server, Fault::$fault).await;
            }
        )*
    };
}

stories! {
    postgres_is_cut_off: Postgres Cut,
    postgres_hangs: Postgres Stall,
    redis_is_cut_off: Redis Cut,
    redis_hangs: Redis Stall,
    nats_is_cut_off: Nats Cut,
    nats_hangs: Nats Stall,
    nats_hangs_and_is_cut_off: Nats StallThenCut,
}
