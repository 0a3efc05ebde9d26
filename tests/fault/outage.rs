//! A server is cut off, or hangs, under the load, and comes back.

use super::{load::Load, oracle::Oracle, proxy::Proxy};
use crate::kit::{SOON, eventually, instance::Place};
use std::time::Duration;
use url::Url;

/// How long a fault lasts: longer than the timeouts of commands, shorter than what makes anybody give up.
const FAULT: Duration = Duration::from_secs(3);

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
}

impl Server {
    fn variable(self) -> &'static str {
        match self {
            Self::Postgres => "MOIM_POSTGRES_URL",
            Self::Redis => "MOIM_REDIS_URL",
            Self::Nats => "MOIM_NATS_URL",
        }
    }
}

/// Given people who hold meetings, when the server is out of reach for a while, then everybody gets through once it is
/// back, and the oracle finds nothing lost and nothing twice.
async fn out_of_reach(server: Server, fault: Fault) {
    let mut place = Place::new();
    let real = std::env::var(server.variable()).expect("the run's servers");
    let mut url = Url::parse(&real).expect("a URL");
    let host = url.host_str().expect("a host");
    let proxy = Proxy::to(format!("{host}:{}", url.port().expect("a port"))).await;
    url.set_host(Some("127.0.0.1")).expect("a host");
    url.set_port(Some(proxy.address.port())).expect("a port");
    place.set(server.variable(), url.as_str());
    let moim = place.up().await;
    let mut load = Load::start(&moim.base).await;
    eventually("the load is under way", SOON, || async {
        load.seen().iter().any(|seen| seen.lock().is_ok_and(|seen| seen.from > 0)).then_some(())
    })
    .await;

    match fault {
        Fault::Cut => proxy.cut(),
        Fault::Stall => proxy.stall(),
    }
    tokio::time::sleep(FAULT).await;
    proxy.open();
    let meetings = load.finish().await;

    Oracle::of(&place).await.check(&meetings, &load).await;
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
}
