//! Changing one's password.

use platform::testing::viewer;
use platform::throttle::Policy;
use serde_json::{Value, json};

use crate::harness::{Case, PASSWORD, refusal};

const CHANGE: &str = "mutation($input: ChangePasswordInput!) { changePassword(input: $input) {
    accessToken refreshToken user { name } userErrors { code field message } } }";
const NEW: &str = "another long walk";

#[tokio::test]
async fn a_changed_password_ends_every_session_but_the_new_one() {
    let case = Case::new().await;
    let session = case.register("ada@example.com", PASSWORD, "Ada").await;
    let elsewhere = case.login("ada@example.com", PASSWORD).await;
    let who = viewer(session["user"]["id"].as_str().unwrap().parse().unwrap());
    let change = async |current: &str, new: &str| {
        let input = json!({ "input": { "currentPassword": current, "newPassword": new } });
        case.data(&who, CHANGE, input).await["changePassword"].take()
    };
    let wrong = change("wrong horse", NEW).await;
    assert_eq!(refusal(&wrong), ("WRONG_PASSWORD", Some("currentPassword")));
    let weak = change(PASSWORD, "short").await;
    assert_eq!(refusal(&weak), ("WEAK_PASSWORD", Some("newPassword")));
    assert_eq!(weak["accessToken"], Value::Null);
    let still = case.login("ada@example.com", PASSWORD).await;
    assert_eq!(still["userErrors"], json!([]), "a refusal changes nothing");

    let changed = change(PASSWORD, NEW).await;
    assert_eq!(changed["user"]["name"], "Ada");
    for ended in [&session, &elsewhere, &still] {
        let refused = case.refresh(&ended["refreshToken"]).await;
        assert_eq!(refusal(&refused).0, "INVALID_REFRESH_TOKEN");
    }
    let kept = case.refresh(&changed["refreshToken"]).await;
    assert_eq!(kept["userErrors"], json!([]));
    assert_eq!(refusal(&case.login("ada@example.com", PASSWORD).await).0, "INVALID_CREDENTIALS");
    assert_eq!(case.login("ada@example.com", NEW).await["userErrors"], json!([]));
}

#[tokio::test]
async fn a_guesser_with_a_stolen_token_is_slowed_down() {
    let policy = Policy { free: 3, pause_ms: 60_000, pause_max_ms: 120_000, forget_ms: 600_000 };
    let case = Case::with(|config| config.throttles.account = policy, true).await;
    let session = case.register("ada@example.com", PASSWORD, "Ada").await;
    let who = viewer(session["user"]["id"].as_str().unwrap().parse().unwrap());
    let input = json!({ "input": { "currentPassword": "wrong horse", "newPassword": NEW } });
    for _ in 0..=policy.free {
        let payload = case.data(&who, CHANGE, input.clone()).await["changePassword"].take();
        assert_eq!(refusal(&payload).0, "WRONG_PASSWORD");
    }
    assert_eq!(case.code(&who, CHANGE, input).await, "RATE_LIMITED");
}
