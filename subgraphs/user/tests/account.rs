//! Opening an account and logging in.

use std::collections::HashSet;

use futures::future::join_all;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use serde_json::{Value, json};
use user::domain::session::Claims;

use crate::harness::{Case, PASSWORD, refusal, viewer};

#[tokio::test]
async fn who_registers_is_logged_in_with_a_token_that_the_key_set_confirms() {
    let case = Case::new().await;

    let session = case.register(" Ada@Example.COM ", PASSWORD, " Ada ").await;

    assert_eq!(session["userErrors"], json!([]));
    let user = &session["user"];
    assert_eq!(user["email"], "ada@example.com");
    assert_eq!(user["name"], "Ada");
    assert_eq!(user["locale"], "ko");
    assert_eq!(user["timeZone"], "Asia/Seoul");
    assert_eq!(session["expiresIn"], 900);

    let claims = verified(&case, &session);
    assert_eq!(claims.sub, user["id"].as_str().unwrap());
    assert_eq!((claims.iss.as_str(), claims.aud.as_str()), ("moim", "moim"));
    assert_eq!(claims.exp - claims.iat, 900);
    assert_eq!(claims.scope, "api");
    assert!(claims.roles.is_empty());

    let me = case
        .data(&viewer(claims.sub.parse().unwrap()), "{ me { id email name } }", json!({}))
        .await;
    assert_eq!(me["me"]["email"], "ada@example.com");
}

#[tokio::test]
async fn every_token_is_another_one() {
    let case = Case::new().await;
    let first = case.register("a@example.com", PASSWORD, "A").await;
    let second = case.login("a@example.com", PASSWORD).await;
    assert_ne!(first["refreshToken"], second["refreshToken"]);
    assert_ne!(verified(&case, &first).jti, verified(&case, &second).jti);
    // 256 bits in base64url.
    assert_eq!(first["refreshToken"].as_str().unwrap().len(), 43);
}

#[tokio::test]
async fn bad_input_is_told_field_by_field() {
    let case = Case::new().await;
    let good = json!({ "email": "b@example.com", "password": PASSWORD, "name": "B" });
    let long = "x".repeat(101);
    let huge = "ab".repeat(513);
    let table = [
        ("email", "", "INVALID_EMAIL"),
        ("email", "nobody", "INVALID_EMAIL"),
        ("email", "a@b", "INVALID_EMAIL"),
        ("email", "a b@example.com", "INVALID_EMAIL"),
        ("email", "a@@example.com", "INVALID_EMAIL"),
        ("email", "a@example..com", "INVALID_EMAIL"),
        ("password", "short", "WEAK_PASSWORD"),
        ("password", "aaaaaaaaaaaaaa", "WEAK_PASSWORD"),
        ("password", "B@Example.com", "WEAK_PASSWORD"),
        ("password", &huge, "WEAK_PASSWORD"),
        ("name", "  ", "INVALID_NAME"),
        ("name", "a\nb", "INVALID_NAME"),
        ("name", &long, "INVALID_NAME"),
        ("locale", "fr", "INVALID_LOCALE"),
        ("locale", "ko-Hang-KR-x", "INVALID_LOCALE"),
    ];
    for (field, value, code) in table {
        let mut input = good.clone();
        input[field] = value.into();
        let payload = case.session("register", "RegisterInput", input).await;
        assert_eq!(refusal(&payload), (code, Some(field)), "{field} = {value:?}");
        assert_eq!(payload["accessToken"], Value::Null);
        assert_eq!(payload["user"], Value::Null);
    }
    let count = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM users");
    assert_eq!(count.fetch_one(&case.kernel.pool).await.unwrap(), 0);
}

#[tokio::test]
async fn locales_are_written_the_usual_way() {
    let case = Case::new().await;
    let input = json!({
        "email": "c@example.com", "password": PASSWORD, "name": "C", "locale": "EN-us"
    });
    let payload = case.session("register", "RegisterInput", input).await;
    assert_eq!(payload["user"]["locale"], "en-US");
}

#[tokio::test]
async fn an_address_is_taken_however_it_is_written() {
    let case = Case::new().await;
    case.register("d@example.com", PASSWORD, "D").await;
    let payload = case.register("  D@EXAMPLE.com", PASSWORD, "D").await;
    assert_eq!(refusal(&payload), ("EMAIL_TAKEN", Some("email")));
}

#[tokio::test]
async fn of_two_who_register_the_same_address_at_once_one_wins() {
    let case = Case::new().await;
    let tries = (0..4).map(|_| case.register("e@example.com", PASSWORD, "E"));
    let payloads = join_all(tries).await;
    let won = payloads.iter().filter(|payload| payload["user"] != Value::Null).count();
    assert_eq!(won, 1);
    for lost in payloads.iter().filter(|payload| payload["user"] == Value::Null) {
        assert_eq!(refusal(lost), ("EMAIL_TAKEN", Some("email")));
    }
}

#[tokio::test]
async fn wrong_password_and_unknown_address_get_the_same_answer() {
    let case = Case::new().await;
    case.register("f@example.com", PASSWORD, "F").await;

    assert_ne!(case.login(" F@example.com", PASSWORD).await["user"], Value::Null);

    let huge = "x".repeat(5000);
    let mut answers = HashSet::new();
    for (email, password) in [
        ("f@example.com", "wrong password"),
        ("f@example.com", ""),
        ("f@example.com", huge.as_str()),
        ("nobody@example.com", PASSWORD),
        ("not an address", PASSWORD),
    ] {
        let payload = case.login(email, password).await;
        assert_eq!(refusal(&payload), ("INVALID_CREDENTIALS", None));
        answers.insert(payload.to_string());
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
}

#[tokio::test]
async fn passwords_are_stored_as_argon2id_only() {
    let case = Case::new().await;
    case.register("g@example.com", PASSWORD, "G").await;
    let row: String = sqlx::query_scalar("SELECT users::text FROM users")
        .fetch_one(&case.kernel.pool)
        .await
        .unwrap();
    assert!(row.contains("$argon2id$v=19$"), "{row}");
    assert!(!row.contains(PASSWORD));
}

/// The claims of a session's access token, checked as the router does.
fn verified(case: &Case, session: &Value) -> Claims {
    let token = session["accessToken"].as_str().expect("token");
    let keys: JwkSet = serde_json::from_str(&case.service.jwks()).expect("key set");
    let kid = decode_header(token).expect("header").kid.expect("kid");
    let key = DecodingKey::from_jwk(keys.find(&kid).expect("key")).expect("a good key");
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_audience(&["moim"]);
    validation.set_issuer(&["moim"]);
    decode(token, &key, &validation).expect("a good token").claims
}
