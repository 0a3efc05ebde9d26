//! Tokens: accepted ones, and all the ways in which they are not.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use axum::{extract::State, routing::get};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{SigningKey, pkcs8::EncodePrivateKey as _};
use http::{Method, StatusCode};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use router::config::{Authentication, Issuer, Jwks, Trust};
use serde_json::{Value, json};

use crate::{
    http::{Reply, send},
    shop::{Shop, serve},
};

const ISSUER: &str = "https://id.example.org";
const USER: &str = "0192e4a0-0000-7000-8000-000000000001";

struct Key {
    id: &'static str,
    signing: SigningKey,
}

impl Key {
    fn new(id: &'static str, seed: u8) -> Self {
        Self { id, signing: SigningKey::from_bytes(&[seed; 32]) }
    }

    fn jwk(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.signing.verifying_key().to_bytes());
        json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": self.id, "x": x })
    }

    fn token(&self, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.id.to_owned());
        let der = self.signing.to_pkcs8_der().unwrap();
        encode(&header, claims, &EncodingKey::from_ed_der(der.as_bytes())).unwrap()
    }
}

fn now() -> i64 {
    chrono::Utc::now().timestamp()
}

fn claims() -> Value {
    json!({ "iss": ISSUER, "aud": "moim", "sub": USER, "exp": now() + 60, "scope": "a b", "roles": ["r"] })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

/// An issuer for a router's configuration, and a token of its.
pub fn issuer() -> (Issuer, String) {
    issuer_of(&claims())
}

/// The same with a token of these claims.
pub fn issuer_of(claims: &Value) -> (Issuer, String) {
    let key = Key::new("k", 7);
    (own(ISSUER, inline(&[&key])), key.token(claims))
}

/// An issuer that speaks for our users.
pub fn own(issuer: &str, jwks: Jwks) -> Issuer {
    let (issuer, audience) = (issuer.to_owned(), Some("moim".to_owned()));
    Issuer { issuer, audience, trust: Trust::Own, scopes: vec![], roles: vec![], jwks }
}

/// Claims of a token that allows this.
pub fn claims_with(scope: &str, roles: &[&str]) -> Value {
    let mut claims = with("scope", scope.into());
    claims["roles"] = json!(roles);
    claims
}

async fn endpoint(shop: &Shop, jwks: Jwks) -> String {
    endpoint_with(shop, jwks, |_| {}).await
}

async fn endpoint_with(
    shop: &Shop,
    jwks: Jwks,
    change: impl FnOnce(&mut Authentication),
) -> String {
    let mut config = shop.config();
    change(&mut config.authentication);
    if config.authentication.issuers.is_empty() {
        config.authentication.issuers = vec![own(ISSUER, jwks)];
    }
    let router = shop.router_with(config).await;
    format!("{}/graphql", serve(router.routes()).await)
}

async fn ask(url: &str, authorization: Option<&str>) -> Reply {
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(authorization.map(|value| ("authorization", value)));
    send(Method::POST, url, &headers, "{\"query\":\"{me{id}}\"}").await
}

fn inline(keys: &[&Key]) -> Jwks {
    let keys: Vec<_> = keys.iter().map(|key| key.jwk()).collect();
    Jwks::Inline(json!({ "keys": keys }).to_string())
}

#[tokio::test]
async fn a_valid_token_makes_a_viewer_and_none_makes_nobody() {
    let shop = Shop::open().await;
    let key = Key::new("k1", 1);
    let url = endpoint(&shop, inline(&[&key])).await;
    let token = key.token(&claims());
    assert_eq!(ask(&url, Some(&format!("Bearer {token}"))).await.status, StatusCode::OK);
    assert_eq!(ask(&url, None).await.status, StatusCode::OK);
    let identity = |index| identity(&shop, index);
    let viewer = identity(0);
    assert_eq!((&viewer["kind"], &viewer["id"]), (&json!("viewer"), &json!(USER)));
    assert_eq!((&viewer["scopes"], &viewer["roles"]), (&json!(["a", "b"]), &json!(["r"])));
    assert_eq!(identity(1), json!({ "kind": "anonymous" }));
}

/// Whom the subgraph was told that a request came from.
fn identity(shop: &Shop, index: usize) -> Value {
    let header = shop.seen("user")[index].headers["moim-identity"].clone();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap()
}

#[tokio::test]
async fn a_subject_of_an_outside_issuer_is_never_one_of_our_users() {
    // Given our own issuer, and two others whose keys we don't hold
    let shop = Shop::open().await;
    let keys = [Key::new("own", 1), Key::new("partner", 2), Key::new("other", 3)];
    let names = [ISSUER, "https://partner.example.com", "https://other.example.com"];
    let url = endpoint_with(&shop, inline(&[]), |authentication| {
        let mut issuers: Vec<_> =
            names.iter().zip(&keys).map(|(name, key)| own(name, inline(&[key]))).collect();
        for issuer in &mut issuers[1..] {
            issuer.trust = Trust::default();
        }
        issuers[1].roles = vec!["auditor".to_owned()];
        issuers[1].scopes = vec!["b".to_owned()];
        authentication.issuers = issuers;
    })
    .await;
    let token = |index: usize, subject: &str| {
        let mut claims = with("iss", names[index].into());
        claims["sub"] = subject.into();
        claims["roles"] = json!(["admin", "auditor"]);
        format!("Bearer {}", keys[index].token(&claims))
    };
    // When each of them says that it is the same user of ours
    for index in 0..3 {
        assert_eq!(ask(&url, Some(&token(index, USER))).await.status, StatusCode::OK);
    }
    let [ours, partners, others] = [0, 1, 2].map(|index| identity(&shop, index));
    // Then our own issuer is believed
    assert_eq!((&ours["id"], &ours["roles"]), (&json!(USER), &json!(["admin", "auditor"])));
    assert_eq!(ours["scopes"], json!(["a", "b"]));
    // And the others' are two strangers, with only what their issuer may give
    let id = |viewer: &Value| viewer["id"].as_str().unwrap().parse::<uuid::Uuid>().unwrap();
    assert_eq!([id(&partners), id(&others)].map(|id| id.get_version_num()), [8, 8]);
    assert_ne!(partners["id"], others["id"]);
    assert_eq!((&partners["roles"], &partners["scopes"]), (&json!(["auditor"]), &json!(["b"])));
    assert_eq!((&others["roles"], &others["scopes"]), (&json!([]), &json!([])));
    // And a stranger's id said as a subject is another stranger's; the same subject is the same one
    let again = partners["id"].as_str().unwrap();
    assert_eq!(ask(&url, Some(&token(1, again))).await.status, StatusCode::OK);
    assert_eq!(ask(&url, Some(&token(1, USER))).await.status, StatusCode::OK);
    assert_ne!(identity(&shop, 3)["id"], partners["id"]);
    assert_eq!(identity(&shop, 4)["id"], partners["id"]);
}

#[tokio::test]
async fn bad_tokens_are_refused_with_401() {
    let shop = Shop::open().await;
    let (key, other) = (Key::new("k1", 1), Key::new("k1", 2));
    let url = endpoint(&shop, inline(&[&key])).await;
    let good = key.token(&claims());
    let none = {
        let header = URL_SAFE_NO_PAD.encode("{\"alg\":\"none\",\"kid\":\"k1\"}");
        format!("{header}.{}.", good.split('.').nth(1).unwrap())
    };
    let hmac = {
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some("k1".to_owned());
        let secret = EncodingKey::from_secret(&key.signing.verifying_key().to_bytes());
        encode(&header, &claims(), &secret).unwrap()
    };
    let bearer = |token: &str| format!("Bearer {token}");
    for (what, authorization) in [
        ("expired", bearer(&key.token(&with("exp", json!(now() - 60))))),
        ("not yet", bearer(&key.token(&with("nbf", json!(now() + 600))))),
        ("foreign issuer", bearer(&key.token(&with("iss", json!("https://evil.example.org"))))),
        ("foreign audience", bearer(&key.token(&with("aud", json!("other"))))),
        (
            "no audience",
            bearer(&key.token(&json!({ "iss": ISSUER, "sub": USER, "exp": now() + 60 }))),
        ),
        ("no expiry", bearer(&key.token(&json!({ "iss": ISSUER, "aud": "moim", "sub": USER })))),
        ("forged", bearer(&other.token(&claims()))),
        ("unknown key", bearer(&Key::new("k2", 1).token(&claims()))),
        ("unsigned", bearer(&none)),
        ("another algorithm", bearer(&hmac)),
        ("garbage", bearer("garbage")),
        ("empty", bearer("")),
        ("not a bearer", format!("Basic {good}")),
    ] {
        let reply = ask(&url, Some(&authorization)).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{what}");
        assert_eq!(reply.json()["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
        assert!(reply.headers.contains_key("www-authenticate"));
    }
    assert_eq!(shop.count("user"), 0);
}

#[derive(Clone)]
struct KeyServer {
    keys: Arc<Mutex<Value>>,
    asked: Arc<AtomicUsize>,
}

async fn serve_keys(server: &KeyServer) -> String {
    let routes = axum::Router::new().route(
        "/jwks",
        get(async |State(server): State<KeyServer>| {
            server.asked.fetch_add(1, Ordering::SeqCst);
            axum::Json(server.keys.lock().unwrap().clone())
        }),
    );
    serve(routes.with_state(server.clone())).await
}

#[tokio::test]
async fn keys_are_fetched_once_and_again_for_an_unknown_one_but_not_endlessly() {
    let shop = Shop::open().await;
    let key = Key::new("k1", 1);
    let server = KeyServer {
        keys: Arc::new(Mutex::new(json!({ "keys": [key.jwk()] }))),
        asked: Arc::default(),
    };
    let base = serve_keys(&server).await;
    let url = endpoint(&shop, Jwks::Url(format!("{base}/jwks"))).await;
    let good = format!("Bearer {}", key.token(&claims()));
    let unknown = format!("Bearer {}", Key::new("k9", 9).token(&claims()));
    for _ in 0..3 {
        assert_eq!(ask(&url, Some(&good)).await.status, StatusCode::OK);
    }
    assert_eq!(server.asked.load(Ordering::SeqCst), 1);
    for _ in 0..5 {
        assert_eq!(ask(&url, Some(&unknown)).await.status, StatusCode::UNAUTHORIZED);
    }
    // The set has just been read: forged keys cannot make the router read it again.
    assert_eq!(server.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_new_key_is_fetched_when_it_is_first_seen_and_the_old_one_goes() {
    let shop = Shop::open().await;
    let (old, new) = (Key::new("k1", 1), Key::new("k2", 2));
    let server = KeyServer {
        keys: Arc::new(Mutex::new(json!({ "keys": [old.jwk()] }))),
        asked: Arc::default(),
    };
    let base = serve_keys(&server).await;
    let url = endpoint_with(&shop, Jwks::Url(format!("{base}/jwks")), |authentication| {
        authentication.jwks_pause_ms = 0;
    })
    .await;
    let [by_old, by_new] = [&old, &new].map(|key| format!("Bearer {}", key.token(&claims())));
    assert_eq!(ask(&url, Some(&by_old)).await.status, StatusCode::OK);
    assert_eq!(ask(&url, Some(&by_new)).await.status, StatusCode::UNAUTHORIZED);
    // Given both keys, both are good; given the new one alone, the old one is not
    *server.keys.lock().unwrap() = json!({ "keys": [old.jwk(), new.jwk()] });
    assert_eq!(ask(&url, Some(&by_new)).await.status, StatusCode::OK);
    assert_eq!(ask(&url, Some(&by_old)).await.status, StatusCode::OK);
    *server.keys.lock().unwrap() = json!({ "keys": [new.jwk()] });
    let unknown = format!("Bearer {}", Key::new("k9", 9).token(&claims()));
    assert_eq!(ask(&url, Some(&unknown)).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(ask(&url, Some(&by_old)).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(ask(&url, Some(&by_new)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn keys_of_all_three_kinds_are_good_each_for_its_own_algorithm() {
    let shop = Shop::open().await;
    let keys = include_str!("fixtures/keys/jwks.json").to_owned();
    let url = endpoint(&shop, Jwks::Inline(keys)).await;
    let es256 = EncodingKey::from_ec_pem(include_bytes!("fixtures/keys/es256.pem")).unwrap();
    let rs256 = EncodingKey::from_rsa_pem(include_bytes!("fixtures/keys/rs256.pem")).unwrap();
    let token = |algorithm, id: &str, key| {
        let mut header = Header::new(algorithm);
        header.kid = Some(id.to_owned());
        format!("Bearer {}", encode(&header, &claims(), key).unwrap())
    };
    for (algorithm, id, key, status) in [
        (Algorithm::ES256, "es256", &es256, StatusCode::OK),
        (Algorithm::RS256, "rs256", &rs256, StatusCode::OK),
        // Not the algorithm of the key, though it could sign that way.
        (Algorithm::RS512, "rs256", &rs256, StatusCode::UNAUTHORIZED),
        (Algorithm::PS256, "rs256", &rs256, StatusCode::UNAUTHORIZED),
        // Another's key.
        (Algorithm::ES256, "rs256", &es256, StatusCode::UNAUTHORIZED),
    ] {
        let reply = ask(&url, Some(&token(algorithm, id, key))).await;
        assert_eq!(reply.status, status, "{algorithm:?} by {id}");
    }
}

#[tokio::test]
async fn clocks_may_differ_as_far_as_configured() {
    let shop = Shop::open().await;
    let key = Key::new("k1", 1);
    for (leeway_s, status) in [(30, StatusCode::OK), (0, StatusCode::UNAUTHORIZED)] {
        let url = endpoint_with(&shop, inline(&[&key]), |authentication| {
            authentication.leeway_s = leeway_s;
        })
        .await;
        let ended = format!("Bearer {}", key.token(&with("exp", (now() - 5).into())));
        assert_eq!(ask(&url, Some(&ended)).await.status, status);
        let early = format!("Bearer {}", key.token(&with("nbf", (now() + 15).into())));
        assert_eq!(ask(&url, Some(&early)).await.status, status);
    }
}

#[tokio::test]
async fn without_issuers_nobody_needs_to_log_in() {
    let shop = Shop::open().await;
    let router = shop.router().await;
    let url = format!("{}/graphql", serve(router.routes()).await);
    assert_eq!(ask(&url, Some("Bearer anything")).await.status, StatusCode::OK);
}
