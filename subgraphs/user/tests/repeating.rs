//! Every change can be sent again under its key: it is done once, and answered again.

use contract::testing::told;
use platform::identity::Identity;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::administration::{admin, step};
use crate::harness::{Case, PASSWORD, refusal, viewer};

const SESSION: &str = "mutation($input: ChangePasswordInput!) { changePassword(input: $input) {
    accessToken refreshToken user { id } userErrors { code field message } } }";
const DELETE: &str = "mutation($input: DeleteAccountInput!) { deleteAccount(input: $input) {
    deleted userErrors { code field message } } }";
const UPDATE: &str = "mutation($input: UpdateProfileInput!) { updateProfile(input: $input) {
    user { name } userErrors { code field message } } }";

async fn ask(case: &Case, who: &Identity, mutation: &str, input: Value) -> Value {
    let mut data = case.data(who, mutation, json!({ "input": input })).await;
    data.as_object_mut().unwrap().values_mut().next().unwrap().take()
}

async fn count(case: &Case, table: &str) -> i64 {
    let query = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
    sqlx::query_scalar(query).fetch_one(&case.kernel.pool).await.unwrap()
}

#[tokio::test]
async fn a_late_repetition_undoes_nothing() {
    let case = Case::new().await;
    let (_, as_admin) = admin(&case, "admin@example.com").await;
    let (id, who) = case.person("ada@example.com", "Ada").await;
    let role = json!({ "userId": id, "role": "ADMIN" });
    let account = json!({ "userId": id });
    for (name, undone_by, input) in [
        ("grantRole", "revokeRole", &role),
        ("revokeRole", "grantRole", &role),
        ("disableAccount", "enableAccount", &account),
        ("enableAccount", "disableAccount", &account),
    ] {
        // From a state in which it does something.
        step(&case, &as_admin, undone_by, input.clone()).await;
        let mut keyed = input.clone();
        keyed["idempotencyKey"] = json!("k");
        let first = step(&case, &as_admin, name, keyed.clone()).await;
        assert_eq!(first["userErrors"], json!([]), "{name}: {first}");
        assert_eq!(step(&case, &as_admin, name, keyed.clone()).await, first, "{name}");
        let undone = step(&case, &as_admin, undone_by, input.clone()).await;
        let events = told(&case.kernel).await.len();
        assert_eq!(step(&case, &as_admin, name, keyed.clone()).await, undone, "{name}");
        assert_eq!(told(&case.kernel).await.len(), events, "{name}: nothing is told again");
        keyed["idempotencyKey"] = json!("");
        let refused = step(&case, &as_admin, name, keyed).await;
        assert_eq!(refusal(&refused).0, "INVALID_IDEMPOTENCY_KEY", "{name}");
        step(&case, &as_admin, "enableAccount", account.clone()).await;
    }
    // About another account it is another request.
    let (other, _) = case.person("bob@example.com", "Bob").await;
    let input = json!({ "userId": other, "role": "ADMIN", "idempotencyKey": "k" });
    let granted = step(&case, &as_admin, "grantRole", input).await;
    assert_eq!(granted["account"]["user"]["id"], json!(other));

    let rename = |name: &str, key: Option<&str>| json!({ "name": name, "idempotencyKey": key });
    let first = ask(&case, &who, UPDATE, rename("Ada L.", Some("k"))).await;
    assert_eq!(first["user"]["name"], "Ada L.");
    ask(&case, &who, UPDATE, rename("Ada", None)).await;
    let events = told(&case.kernel).await.len();
    let again = ask(&case, &who, UPDATE, rename("Ada L.", Some("k"))).await;
    assert_eq!(again, json!({ "user": { "name": "Ada" }, "userErrors": [] }));
    assert_eq!(told(&case.kernel).await.len(), events);
    // A refused one did nothing, and is tried again.
    let refused = ask(&case, &who, UPDATE, rename(" ", Some("two"))).await;
    assert_eq!(refusal(&refused).0, "INVALID_NAME");
    let mended = ask(&case, &who, UPDATE, rename("Countess", Some("two"))).await;
    assert_eq!(mended["user"]["name"], "Countess");
    let refused = ask(&case, &who, UPDATE, rename("X", Some(&"k".repeat(201)))).await;
    assert_eq!(refusal(&refused), ("INVALID_IDEMPOTENCY_KEY", Some("idempotencyKey")));
}

#[tokio::test]
async fn a_password_that_is_changed_again_under_its_key_gives_a_session_again() {
    const NEW: &str = "another horse";
    let case = Case::new().await;
    let (id, who) = case.person("ada@example.com", "Ada").await;
    let change = async |current: &str, new: &str, key: &str| {
        let input =
            json!({ "currentPassword": current, "newPassword": new, "idempotencyKey": key });
        ask(&case, &who, SESSION, input).await
    };
    let refused = change(PASSWORD, NEW, "").await;
    assert_eq!(refusal(&refused), ("INVALID_IDEMPOTENCY_KEY", Some("idempotencyKey")));
    let refused = change("wrong horse", NEW, "k").await;
    assert_eq!(refusal(&refused), ("WRONG_PASSWORD", Some("currentPassword")));

    let (one, other) = tokio::join!(change(PASSWORD, NEW, "k"), change(PASSWORD, NEW, "k"));
    let hash = async || -> String {
        let query = sqlx::query_scalar("SELECT password_hash FROM users WHERE id = $1");
        query.bind(id).fetch_one(&case.kernel.pool).await.unwrap()
    };
    let changed = hash().await;
    let again = change(PASSWORD, NEW, "k").await;
    assert_eq!(hash().await, changed, "it isn't changed again");
    // The tokens of before aren't kept: each answer has its own, all of one session.
    for session in [&one, &other, &again] {
        assert_eq!(session["userErrors"], json!([]), "{session}");
        assert_eq!(session["user"]["id"], json!(id));
        let refreshed = case.refresh(&session["refreshToken"]).await;
        assert!(refreshed["accessToken"].is_string(), "{refreshed}");
    }
    assert_eq!(count(&case, "sessions WHERE revoked_at IS NULL").await, 1);

    // Who doesn't know the new password, or no longer, gets nothing by the key.
    let guessed = change(PASSWORD, "guessed horse", "k").await;
    assert_eq!(refusal(&guessed), ("WRONG_PASSWORD", Some("currentPassword")));
    change(NEW, "a third horse", "later").await;
    let late = change(PASSWORD, NEW, "k").await;
    assert_eq!(refusal(&late), ("WRONG_PASSWORD", Some("currentPassword")));
}

#[tokio::test]
async fn an_account_that_is_deleted_again_under_a_key_is_deleted() {
    let case = Case::new().await;
    let (id, who) = case.person("ada@example.com", "Ada").await;
    let input = json!({ "password": PASSWORD, "idempotencyKey": "k" });
    let delete = async || ask(&case, &who, DELETE, input.clone()).await;
    // It leaves no key behind, not even of what was done before.
    ask(&case, &who, UPDATE, json!({ "name": "Ada L.", "idempotencyKey": "k" })).await;
    assert_eq!(count(&case, "idempotency").await, 1);
    let (one, other) = tokio::join!(delete(), delete());
    let deleted = json!({ "deleted": true, "userErrors": [] });
    assert_eq!((&one, &other, &delete().await), (&deleted, &deleted, &deleted));
    assert_eq!(count(&case, "idempotency").await, 0);
    let events = told(&case.kernel).await;
    let told = events.iter().filter(|(kind, _)| kind == "moim.user.deleted.v1");
    assert_eq!(told.map(|(_, data)| &data["userId"]).collect::<Vec<_>>(), [&json!(id)]);
    let bare = ask(&case, &who, DELETE, json!({ "password": PASSWORD })).await;
    assert_eq!(refusal(&bare).0, "NO_ACCOUNT");
    let stranger = ask(&case, &viewer(Uuid::now_v7()), DELETE, input).await;
    assert_eq!(refusal(&stranger).0, "NO_ACCOUNT", "who had none can't have deleted it");
    let refused = ask(&case, &who, UPDATE, json!({ "name": "A", "idempotencyKey": "k" })).await;
    assert_eq!(refusal(&refused).0, "NO_ACCOUNT");
}
