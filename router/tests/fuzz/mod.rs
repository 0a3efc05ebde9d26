//! Arbitrary input: no document, variable, frame or cursor may make anything panic.
//! The seeds are fixed, so that a failure can be repeated. The fuzz targets in `fuzz/` look further; what they
//! found, and what the property tests can't make up, is kept in `fuzz/corpus/` and replayed here.

mod entry;

use std::{
    sync::{
        Once,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{SinkExt as _, StreamExt as _};
use proptest::{
    prelude::*,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};
use router::push::Cursor;
use serde_json::{Value, json};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

use crate::shop::{Shop, serve};

/// The same cases in every run.
fn runner(cases: u32) -> TestRunner {
    let config =
        proptest::test_runner::Config { cases, failure_persistence: None, ..Default::default() };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Counts panics of tasks as well, which tokio would swallow.
fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let inner = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.fetch_add(1, Ordering::SeqCst);
            inner(panic);
        }));
    });
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

const TOKENS: [&str; 48] = [
    "{",
    "}",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    ":",
    "!",
    "$",
    "@",
    "...",
    "=",
    "|",
    "&",
    "on",
    "query",
    "mutation",
    "subscription",
    "fragment",
    "f",
    "true",
    "null",
    "-1",
    "1e999",
    "\"s\"",
    "\"\"\"b\"\"\"",
    "$x",
    "Int",
    "ID!",
    "Product",
    "products",
    "product",
    "upc",
    "name",
    "me",
    "reviews",
    "author",
    "__typename",
    "__schema",
    "types",
    "include",
    "skip",
    "if",
    "search",
    "nodes",
    "shippingEstimate",
];

const DOCUMENTS: [&str; 6] = [
    "query Q($upc: ID!, $yes: Boolean = true) { product(upc: $upc) { ...f reviews @include(if: $yes) { author { username } } } } fragment f on Product { name price }",
    "{ products { name shippingEstimate reviews { body author { id } } } me { id username } }",
    "mutation { a: ping b: setPrice(upc: \"1\", price: 5) { price inStock } }",
    "query { nodes { id ... on Product { name } ... on Book { isbn } __typename } }",
    "{ __schema { types { name fields { name type { ofType { name } } } } } }",
    "subscription($upc: ID!) { productUpdated(upc: $upc) { cursor product { name } } }",
];

/// Soup of tokens, mutilated documents, and any text at all.
fn document() -> impl Strategy<Value = String> {
    let soup = prop::collection::vec(prop::sample::select(TOKENS.to_vec()), 0..40)
        .prop_map(|tokens| tokens.join(" "));
    let cuts = (prop::sample::select(DOCUMENTS.to_vec()), any::<[u16; 4]>(), ".{0,3}");
    let mutilated = cuts.prop_map(|(document, [a, b, c, d], put)| {
        let at = |place: u16| usize::from(place) % (document.len() + 1);
        let (from, to) = (at(a).min(at(b)), at(a).max(at(b)));
        match d % 4 {
            0 => format!("{}{}", &document[..from], &document[to..]),
            1 => format!("{}{put}{}", &document[..from], &document[from..]),
            2 => format!("{}{}{}", &document[..to], &document[from..to], &document[to..]),
            _ => format!("{}{}", &document[..from], &document[at(c)..]),
        }
    });
    prop_oneof![soup, mutilated, ".{0,60}", Just(DOCUMENTS[0].to_owned())]
}

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec(("[a-z_]{0,6}", inner), 0..5).prop_map(|fields| {
                fields.into_iter().collect::<serde_json::Map<_, _>>().into()
            }),
        ]
    })
}

fn variables() -> impl Strategy<Value = Value> {
    (anything(), anything(), anything())
        .prop_map(|(upc, yes, x)| json!({ "upc": upc, "yes": yes, "x": x }))
}

#[test]
fn no_document_and_no_variables_break_the_pipeline() {
    let runtime = runtime();
    let router = runtime.block_on(async { Shop::open().await.router_in_process().await });
    let check = |(document, variables): (String, Value)| {
        runtime.block_on(entry::execute(&router, &document, variables));
        Ok(())
    };
    runner(768).run(&(document(), variables()), check).unwrap();
}

/// What a socket is sent.
#[derive(Debug, Clone)]
enum Frame {
    Text(String),
    Binary(Vec<u8>),
    Ping,
}

fn frame() -> impl Strategy<Value = Frame> {
    let kind = prop::sample::select(vec![
        "connection_init",
        "subscribe",
        "complete",
        "ping",
        "pong",
        "next",
        "other",
    ]);
    let payload = prop_oneof![
        anything(),
        (document(), variables())
            .prop_map(|(query, variables)| json!({ "query": query, "variables": variables })),
    ];
    let message = (kind, "[a-c]?", payload).prop_map(|(kind, id, payload)| {
        Frame::Text(json!({ "type": kind, "id": id, "payload": payload }).to_string())
    });
    prop_oneof![
        6 => message,
        1 => Just(Frame::Text(json!({ "type": "connection_init" }).to_string())),
        1 => ".{0,40}".prop_map(Frame::Text),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Frame::Binary),
        1 => Just(Frame::Ping),
    ]
}

async fn talk(url: &str, frames: Vec<Frame>) {
    let mut request = url.into_client_request().unwrap();
    let protocol = http::HeaderValue::from_static("graphql-transport-ws");
    request.headers_mut().insert("sec-websocket-protocol", protocol);
    let (mut socket, _) = connect_async(request).await.expect("the server still takes sockets");
    let init = Frame::Text(json!({ "type": "connection_init" }).to_string());
    for frame in std::iter::once(init).chain(frames) {
        let frame = match frame {
            Frame::Text(text) => Message::text(text),
            Frame::Binary(bytes) => Message::binary(bytes),
            Frame::Ping => Message::Ping(bytes::Bytes::new()),
        };
        // The server may have closed it, as it should after most of these.
        if socket.send(frame).await.is_err() {
            return;
        }
    }
    let _ = socket.send(Message::Close(None)).await;
    let end = async { while let Some(Ok(_)) = socket.next().await {} };
    tokio::time::timeout(Duration::from_secs(20), end).await.expect("the server lets go");
}

#[test]
fn no_frame_breaks_a_socket_of_others_or_the_router() {
    count_panics();
    let runtime = runtime();
    let url = runtime.block_on(async {
        let router = Shop::open().await.router_in_process().await;
        let url = serve(router.routes()).await;
        format!("{}/graphql", url.replace("http://", "ws://"))
    });
    let check = |frames: Vec<Frame>| {
        runtime.block_on(talk(&url, frames));
        Ok(())
    };
    runner(96).run(&prop::collection::vec(frame(), 0..12), check).unwrap();
    assert_eq!(PANICS.load(Ordering::SeqCst), 0);
}

#[test]
fn no_text_breaks_a_cursor_and_cursors_come_back() {
    let texts = prop_oneof![".{0,40}", "[A-Za-z0-9_-]{26,30}"];
    let decode = |text: String| {
        if let Ok(cursor) = Cursor::decode(&text) {
            prop_assert_eq!(cursor.encode(), text);
        }
        Ok(())
    };
    runner(2_000).run(&texts, decode).unwrap();
    let positions = (any::<u64>(), any::<u64>(), any::<prop::sample::Index>(), any::<u8>());
    let back = |(epoch_ns, sequence, place, put): (u64, u64, prop::sample::Index, u8)| {
        let cursor = Cursor { epoch_ns, sequence };
        let text = cursor.encode();
        prop_assert_eq!(Cursor::decode(&text), Ok(cursor));
        let mut other = text.clone().into_bytes();
        let place = place.index(other.len());
        other[place] = b"abcXYZ019_-"[usize::from(put) % 11];
        let other = String::from_utf8(other).unwrap();
        if other != text {
            prop_assert!(Cursor::decode(&other).is_err());
        }
        Ok(())
    };
    runner(2_000).run(&positions, back).unwrap();
}

/// Feeds every input that is kept for a fuzz target to its entry.
fn replay(target: &str, entry: fn(&[u8])) {
    count_panics();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/");
    let mut fed = 0;
    for file in std::fs::read_dir(format!("{folder}{target}")).unwrap() {
        let path = file.unwrap().path();
        // Told if it fails.
        eprintln!("{}", path.display());
        entry(&std::fs::read(path).unwrap());
        fed += 1;
    }
    assert!(fed > 3, "{target} has its inputs");
    assert_eq!(PANICS.load(Ordering::SeqCst), 0);
}

#[test]
fn the_kept_inputs_break_no_pipeline() {
    replay("pipeline", entry::pipeline);
}

#[test]
fn the_kept_inputs_break_no_request() {
    replay("request", entry::request);
}

#[test]
fn the_kept_inputs_break_no_socket() {
    replay("socket", entry::socket);
}

#[test]
fn the_kept_inputs_break_no_cursor() {
    replay("cursor", entry::cursor);
}
