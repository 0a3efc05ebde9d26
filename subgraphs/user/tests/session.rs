//! Refresh tokens: rotation, theft, expiry, logging out.

use futures::future::join_all;
use platform::identity::Identity;
use serde_json::{Value, json};

use crate::harness::{Case, PASSWORD, refusal};

const REFUSED: (&str, Option<&str>) = ("INVALID_REFRESH_TOKEN", Some("refreshToken"));

#[tokio::test]
async fn a_refresh_token_is_exchanged_for_a_new_pair() {
    let case = Case::new().await;
    let first = case.register("a@example.com", PASSWORD, "A").await;

    let second = case.refresh(&first["refreshToken"]).await;

    assert_eq!(second["userErrors"], json!([]));
    assert_eq!(second["user"]["id"], first["user"]["id"]);
    assert_eq!(second["user"]["email"], "a@example.com");
    assert_ne!(second["refreshToken"], first["refreshToken"]);
    assert_ne!(second["accessToken"], first["accessToken"]);
}

#[tokio::test]
async fn using_an_old_token_ends_the_whole_session_but_no_other() {
    let case = Case::new().await;
    let first = case.register("b@example.com", PASSWORD, "B").await;
    let other = case.login("b@example.com", PASSWORD).await;
    let second = case.refresh(&first["refreshToken"]).await;

    let thief = case.refresh(&first["refreshToken"]).await;

    assert_eq!(refusal(&thief), REFUSED);
    assert_eq!(refusal(&case.refresh(&second["refreshToken"]).await), REFUSED);
    assert_ne!(case.refresh(&other["refreshToken"]).await["accessToken"], Value::Null);
}

#[tokio::test]
async fn a_token_is_exchanged_once_however_many_try_at_once() {
    let case = Case::new().await;
    let session = case.register("c@example.com", PASSWORD, "C").await;
    let tries = (0..5).map(|_| case.refresh(&session["refreshToken"]));
    let payloads = join_all(tries).await;
    let won = payloads.iter().filter(|payload| payload["accessToken"] != Value::Null).count();
    assert_eq!(won, 1);
}

#[tokio::test]
async fn an_expired_token_is_refused_without_ending_the_session() {
    let case = Case::new().await;
    let session = case.register("d@example.com", PASSWORD, "D").await;
    sqlx::query("UPDATE refresh_tokens SET expires_at = now() - interval '1 second'")
        .execute(&case.kernel.pool)
        .await
        .unwrap();
    assert_eq!(refusal(&case.refresh(&session["refreshToken"]).await), REFUSED);
    let revoked: bool = sqlx::query_scalar("SELECT revoked_at IS NOT NULL FROM sessions")
        .fetch_one(&case.kernel.pool)
        .await
        .unwrap();
    assert!(!revoked);
}

#[tokio::test]
async fn unknown_tokens_are_refused() {
    let case = Case::new().await;
    for token in ["", "x", "%00", &"y".repeat(10_000)] {
        assert_eq!(refusal(&case.refresh(&token.into()).await), REFUSED);
    }
}

#[tokio::test]
async fn logging_out_ends_the_session_and_can_be_repeated() {
    let case = Case::new().await;
    let session = case.register("e@example.com", PASSWORD, "E").await;
    let query = "mutation($input: LogoutInput!) {
        logout(input: $input) { loggedOut userErrors { code } } }";
    let input = json!({ "input": { "refreshToken": session["refreshToken"] } });
    for _ in 0..2 {
        let data = case.data(&Identity::Anonymous, query, input.clone()).await;
        assert_eq!(data["logout"]["loggedOut"], true);
    }
    assert_eq!(refusal(&case.refresh(&session["refreshToken"]).await), REFUSED);
    // What can't be used any more is forgotten at the next log-in once it expired.
    assert_ne!(case.login("e@example.com", PASSWORD).await["user"], Value::Null);
}

#[tokio::test]
async fn tokens_are_stored_as_hashes_only() {
    let case = Case::new().await;
    let session = case.register("f@example.com", PASSWORD, "F").await;
    let row: String = sqlx::query_scalar("SELECT refresh_tokens::text FROM refresh_tokens")
        .fetch_one(&case.kernel.pool)
        .await
        .unwrap();
    assert!(!row.contains(session["refreshToken"].as_str().unwrap()));
}
