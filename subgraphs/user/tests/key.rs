//! The signing key's file, and the key set's route.

use std::{fs, os::unix::fs::PermissionsExt as _};

use platform::config::{ConfigError, Values};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use user::{
    Config,
    token::{Signer, TokenError},
};

use crate::harness::Case;

#[test]
fn the_key_is_made_once_and_only_we_can_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");

    let first = Signer::from_file(&path).unwrap();
    let second = Signer::from_file(&path).unwrap();

    assert_eq!(first.jwks(), second.jwks());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(fs::read_to_string(&path).unwrap().starts_with("-----BEGIN PRIVATE KEY-----"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    assert_ne!(first.jwks(), Signer::ephemeral().unwrap().jwks());
}

#[test]
fn a_file_that_cannot_be_a_key_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let garbage = folder.path().join("garbage.pem");
    fs::write(&garbage, "not a key").unwrap();
    let Err(error) = Signer::from_file(&garbage) else { panic!("garbage is no key") };
    assert!(matches!(error, TokenError::Key { .. }));
    assert!(error.to_string().contains("garbage.pem"));
    assert_eq!(fs::read_to_string(&garbage).unwrap(), "not a key", "and never overwritten");

    let Err(error) = Signer::from_file(&folder.path().join("missing/key.pem")) else {
        panic!("there is no folder")
    };
    assert!(matches!(error, TokenError::File { .. }));
}

#[test]
fn the_key_file_has_to_be_named() {
    let error = Config::from(&Values::new()).unwrap_err();
    assert!(
        matches!(&error, ConfigError::Missing { name, .. } if name == "MOIM_USER_SIGNING_KEY_FILE")
    );
}

#[test]
fn tokens_live_as_long_as_configured_within_bounds() {
    let source = Values::new().with("MOIM_USER_SIGNING_KEY_FILE", "key.pem");
    let with = |seconds: &str| {
        Config::from(&source.clone().with("MOIM_USER_ACCESS_TOKEN_SECONDS", seconds))
    };
    assert_eq!(Config::from(&source).unwrap().access_token_ttl_s, 900);
    assert_eq!(with("5").unwrap().access_token_ttl_s, 5);
    for bad in ["0", "-1", "86401", "soon"] {
        assert!(matches!(with(bad), Err(ConfigError::Invalid { .. })), "{bad}");
    }
}

#[tokio::test]
async fn the_key_set_is_public() {
    let case = Case::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = case.service.routes();
    tokio::spawn(async move { axum::serve(listener, routes).await });

    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = "GET /.well-known/jwks.json HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();

    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("application/json"));
    assert!(answer.ends_with(&case.service.jwks()));
    let keys: serde_json::Value = serde_json::from_str(&case.service.jwks()).unwrap();
    assert_eq!(keys["keys"][0]["crv"], "Ed25519");
    assert!(keys["keys"][0].get("d").is_none(), "the private part stays private");
}
