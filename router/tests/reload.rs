//! A new supergraph for a running router.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use platform::health::Status;
use router::{Router, reload::Reloads};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::shop::{SUPERGRAPH, Shop, ask, serve};

/// The longest wait for anything that must happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// The shop without its stores.
fn without_stores() -> String {
    let field = "  stores: Int! @join__field(graph: INVENTORY)\n";
    assert!(SUPERGRAPH.contains(field));
    SUPERGRAPH.replace(field, "")
}

async fn has_stores(router: &Router) -> bool {
    ask(router, "{ stores }").await.get("data").is_some()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_the_supergraph_is_replaced() {
    const CLIENTS: usize = 4;
    const RELOADS: usize = 20;
    let shop = Shop::open().await;
    let router = shop.router().await;
    let url = format!("{}/graphql", serve(router.routes()).await);
    let over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (url, over) = (url.clone(), Arc::clone(&over));
            tokio::spawn(async move {
                let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
                let mut requests = 0_usize;
                while !over.load(Ordering::SeqCst) {
                    // Cached plans and new ones.
                    let query = format!("{{ products {{ a{}: name inStock }} }}", requests % 7);
                    let request = Request::post(&url)
                        .header("content-type", "application/json")
                        .body(json!({ "query": query }).to_string().into())
                        .unwrap();
                    let response = client.request(request).await.expect("no connection is lost");
                    assert_eq!(response.status(), StatusCode::OK);
                    let body = response.into_body().collect().await.unwrap().to_bytes();
                    let body: Value = serde_json::from_slice(&body).unwrap();
                    assert_eq!(body.get("errors"), None, "client {number}: {body}");
                    assert_eq!(body["data"]["products"][0][format!("a{}", requests % 7)], "Table");
                    requests += 1;
                }
                requests
            })
        })
        .collect();
    for number in 0..RELOADS {
        let sdl = if number % 2 == 0 { without_stores() } else { SUPERGRAPH.to_owned() };
        router.reload(sdl).await.unwrap();
        assert_eq!(has_stores(&router).await, number % 2 == 1);
    }
    over.store(true, Ordering::SeqCst);
    for client in clients {
        assert!(client.await.unwrap() > 0);
    }
}

#[tokio::test]
async fn a_request_ends_on_the_supergraph_on_which_it_began() {
    let shop = Shop::open().await;
    let router = shop.router().await;
    shop.fault("inventory", crate::shop::Fault::Delay(Duration::from_millis(200)));
    let asked = ask(&router, "{ stores }");
    let replaced = async {
        while shop.count("inventory") == 0 {
            tokio::task::yield_now().await;
        }
        router.reload(without_stores()).await.unwrap();
    };
    let (response, ()) = tokio::join!(asked, replaced);
    assert!(response["data"]["stores"].is_number(), "{response}");
    assert!(!has_stores(&router).await);
}

#[tokio::test]
async fn what_cannot_be_served_changes_nothing() {
    let shop = Shop::open().await;
    let router = shop.router().await;
    // The configuration names a subgraph that it does not have any more.
    let smaller = SUPERGRAPH.replace("name: \"user\"", "name: \"people\"");
    for broken in ["", "type Query {", "type Query { a: Int }", &smaller] {
        assert!(router.reload(broken).await.is_err());
        assert!(has_stores(&router).await);
    }
}

/// A file of its own, gone with it.
struct File(PathBuf);

impl File {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("supergraph-{}.graphql", uuid::Uuid::new_v4())))
    }

    fn write(&self, text: &str) {
        std::fs::write(&self.0, text).unwrap();
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

async fn until(
    reloads: &mut watch::Receiver<Reloads>,
    holds: impl FnMut(&Reloads) -> bool,
) -> Reloads {
    let told = tokio::time::timeout(PATIENCE, reloads.wait_for(holds)).await;
    told.expect("the file was looked at").expect("the router is there").clone()
}

#[tokio::test]
async fn the_file_is_followed_and_a_broken_one_is_refused() {
    let shop = Shop::open().await;
    let mut config = shop.config();
    config.reload.poll_ms = 10;
    let router = shop.router_with(config).await;
    let mut reloads = router.reloads();
    let file = File::new();
    file.write(SUPERGRAPH);
    router.watch(&file.0);
    file.write(&without_stores());
    let taken = until(&mut reloads, |reloads| reloads.taken == 1).await;
    assert_eq!((taken.refused, taken.problem), (0, None));
    assert!(!has_stores(&router).await);
    // A broken one changes nothing but what the router says of itself.
    file.write("this is no schema");
    let refused = until(&mut reloads, |reloads| reloads.refused == 1).await;
    assert!(refused.problem.expect("a problem").contains("supergraph"));
    assert!(!has_stores(&router).await && ask(&router, "{ me { id } }").await["data"].is_object());
    let report = router.health().report().await;
    assert_eq!(report.status, Status::Degraded, "{report:?}");
    // One that is not there is no change; replaced by renaming, as careful writers do.
    std::fs::remove_file(&file.0).unwrap();
    let next = File::new();
    next.write(SUPERGRAPH);
    std::fs::rename(&next.0, &file.0).unwrap();
    let taken = until(&mut reloads, |reloads| reloads.taken == 2).await;
    assert_eq!((taken.refused, taken.problem), (1, None));
    assert!(has_stores(&router).await);
}
