//! Roles, permissions, and what administrators do.

use contract::testing::told;
use platform::{
    idempotency::Once,
    identity::{Identity, Viewer},
    outbox::Outbox,
};
use serde_json::{Value, json};
use user::{
    administration::{Account, Administration, Step},
    domain::role::{Permission, Role},
};
use uuid::Uuid;

use std::time::Duration;

use crate::harness::{Case, PASSWORD, refusal, service, viewer};

/// How long to wait for what another process did.
const DEADLINE: Duration = Duration::from_secs(20);
const EVERYTHING: [&str; 4] = ["users:read", "users:manage", "cache:evict", "announcements:send"];

/// Somebody whose token has these scopes.
fn scoped(id: Uuid, scopes: &[&str]) -> Identity {
    let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    Identity::Viewer(Viewer { id, scopes, roles: Vec::new(), expires_at: i64::MAX })
}

/// What an operator's command works with: another process, with a cache of its own.
async fn operator(case: &Case) -> Administration {
    let kernel = case.scope.kernel(user::NAME, user::migrator()).await;
    Administration::new(kernel.pool, kernel.cache, Outbox::new())
}

/// An administrator with a token that says so.
pub(crate) async fn admin(case: &Case, email: &str) -> (Uuid, Identity) {
    let (id, _) = case.person(email, "Admin").await;
    let grant = Step::Grant(Role::Admin);
    operator(case).await.step(None, Account::Email(email), grant).await.expect("granted");
    (id, scoped(id, &EVERYTHING))
}

pub(crate) async fn step(case: &Case, who: &Identity, mutation: &str, input: Value) -> Value {
    let mut input_type = mutation.to_owned();
    input_type[..1].make_ascii_uppercase();
    let query = format!(
        "mutation($input: {input_type}Input!) {{ {mutation}(input: $input) {{
            account {{ email roles disabledAt user {{ id }} }} userErrors {{ code field message }} }} }}"
    );
    case.data(who, &query, json!({ "input": input })).await[mutation].take()
}

/// The claims of an access token.
fn claims(token: &Value) -> Value {
    use base64::Engine as _;
    let part = token.as_str().unwrap().split('.').nth(1).unwrap();
    let json = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap();
    serde_json::from_slice(&json).unwrap()
}

#[tokio::test]
async fn roles_are_in_the_next_token_and_permissions_with_them() {
    let case = Case::new().await;
    let session = case.register("ada@example.com", PASSWORD, "Ada").await;
    let id: Uuid = session["user"]["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(claims(&session["accessToken"])["scope"], "api");
    let me = "{ me { roles permissions } }";
    let before = case.data(&viewer(id), me, json!({})).await;
    assert_eq!(before["me"], json!({ "roles": ["USER"], "permissions": [] }));

    let grant = Step::Grant(Role::Admin);
    let operator = operator(&case).await;
    operator.step(None, Account::Email(" ADA@example.com "), grant).await.expect("granted");
    let again = operator.step(None, Account::Id(id), grant).await.expect("as it is");
    assert_eq!(again.roles, ["ADMIN"]);

    let session = case.refresh(&session["refreshToken"]).await;
    let claims = claims(&session["accessToken"]);
    assert_eq!(claims["scope"], format!("api {}", EVERYTHING.join(" ")));
    assert_eq!(claims["roles"], json!(["ADMIN"]));
    // The other process dropped what the cache of this one held.
    let after = case.data(&viewer(id), me, json!({})).await;
    assert_eq!(after["me"], json!({ "roles": ["USER", "ADMIN"], "permissions": EVERYTHING }));
    // Others see neither.
    let (_, other) = case.person("bob@example.com", "Bob").await;
    let query = "query($id: ID!) { user(id: $id) { roles permissions } }";
    let seen = case.data(&other, query, json!({ "id": id })).await;
    assert_eq!(seen["user"], json!({ "roles": null, "permissions": null }));
    let events = told(&case.kernel).await;
    let updated = events.iter().filter(|(kind, _)| kind == "moim.user.updated.v1");
    assert_eq!(updated.map(|(_, data)| &data["roles"]).collect::<Vec<_>>(), [&json!(["ADMIN"])]);
}

#[tokio::test]
async fn nobody_administers_without_both_a_token_and_a_role() {
    let case = Case::new().await;
    let (admin_id, as_admin) = admin(&case, "admin@example.com").await;
    let (id, _) = case.person("bob@example.com", "Bob").await;
    let documents = [
        "query { accounts { nodes { email } } }".to_owned(),
        format!(
            "mutation {{ grantRole(input: {{ userId: \"{id}\", role: ADMIN }}) {{ userErrors {{ code }} }} }}"
        ),
        format!(
            "mutation {{ revokeRole(input: {{ userId: \"{admin_id}\", role: ADMIN }}) {{ userErrors {{ code }} }} }}"
        ),
        format!(
            "mutation {{ disableAccount(input: {{ userId: \"{id}\" }}) {{ userErrors {{ code }} }} }}"
        ),
        format!(
            "mutation {{ enableAccount(input: {{ userId: \"{id}\" }}) {{ userErrors {{ code }} }} }}"
        ),
        "mutation { evictCache(input: { kind: \"all\" }) { evicted } }".to_owned(),
    ];
    for document in &documents {
        let code = async |who: &Identity| case.code(who, document, json!({})).await;
        assert_eq!(code(&Identity::Anonymous).await, "UNAUTHENTICATED", "{document}");
        assert_eq!(code(&service()).await, "UNAUTHENTICATED", "{document}");
        // A role without the scope, as in a token of before; and scopes without a role, as in one that
        // outlived it.
        assert_eq!(code(&scoped(admin_id, &["api"])).await, "FORBIDDEN", "{document}");
        assert_eq!(code(&scoped(id, &EVERYTHING)).await, "FORBIDDEN", "{document}");
        assert_eq!(code(&scoped(Uuid::now_v7(), &EVERYTHING)).await, "FORBIDDEN", "{document}");
    }
    let query = "query($id: ID!, $p: String!) { permits(userId: $id, permission: $p) }";
    let ask = async |id: Uuid, permission: &str| {
        case.data(&service(), query, json!({ "id": id, "p": permission })).await["permits"].clone()
    };
    assert_eq!(ask(admin_id, Permission::Announce.as_str()).await, true);
    assert_eq!(ask(admin_id, "no:such").await, false);
    assert_eq!(ask(id, Permission::Announce.as_str()).await, false);
    assert_eq!(
        case.code(&as_admin, query, json!({ "id": id, "p": "users:read" })).await,
        "FORBIDDEN"
    );
}

#[tokio::test]
async fn administrators_list_promote_and_shut_accounts() {
    let case = Case::new().await;
    let (admin_id, as_admin) = admin(&case, "admin@example.com").await;
    let ada = case.register("ada@example.com", PASSWORD, "김에이다").await;
    let ada_id: Uuid = ada["user"]["id"].as_str().unwrap().parse().unwrap();
    let list = async |filter: Value| {
        let query = "query($f: AccountFilter) { accounts(first: 10, filter: $f) {
            nodes { email roles disabledAt } } }";
        let data = case.data(&as_admin, query, json!({ "f": filter })).await;
        let nodes = data["accounts"]["nodes"].as_array().unwrap().clone();
        nodes.iter().map(|node| node["email"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(list(Value::Null).await, ["ada@example.com", "admin@example.com"]);
    assert_eq!(list(json!({ "search": "에이" })).await, ["ada@example.com"]);
    assert_eq!(list(json!({ "search": "ADMIN@" })).await, ["admin@example.com"]);
    assert_eq!(list(json!({ "role": "ADMIN" })).await, ["admin@example.com"]);
    assert_eq!(list(json!({ "disabled": true })).await, [] as [&str; 0]);

    let of_ada = json!({ "userId": ada_id });
    let shut = step(&case, &as_admin, "disableAccount", of_ada.clone()).await;
    assert!(shut["account"]["disabledAt"].is_string(), "{shut}");
    assert_eq!(list(json!({ "disabled": true })).await, ["ada@example.com"]);
    let refused = case.refresh(&ada["refreshToken"]).await;
    assert_eq!(refusal(&refused), ("INVALID_REFRESH_TOKEN", Some("refreshToken")));
    assert_eq!(refusal(&case.login("ada@example.com", PASSWORD).await).0, "ACCOUNT_DISABLED");
    let wrong = case.login("ada@example.com", "wrong horse").await;
    assert_eq!(refusal(&wrong).0, "INVALID_CREDENTIALS", "only who knows it hears of it");
    // Nor does a token that is still good for minutes make new ones.
    let change = "mutation($input: ChangePasswordInput!) { changePassword(input: $input) {
        accessToken userErrors { code field message } } }";
    let input = json!({ "currentPassword": PASSWORD, "newPassword": "another horse" });
    let mut changed = case.data(&viewer(ada_id), change, json!({ "input": input })).await;
    assert_eq!(refusal(&changed["changePassword"].take()), ("ACCOUNT_DISABLED", None));
    let open = step(&case, &as_admin, "enableAccount", of_ada.clone()).await;
    assert_eq!(open["account"]["disabledAt"], Value::Null);
    let session = case.login("ada@example.com", PASSWORD).await;
    assert!(session["accessToken"].is_string());
    let refused = case.refresh(&ada["refreshToken"]).await;
    assert_eq!(refusal(&refused).0, "INVALID_REFRESH_TOKEN", "what ended stays ended");

    // The last one who administers stays, whichever way he would go.
    let of_admin = json!({ "userId": admin_id, "role": "ADMIN" });
    let last = step(&case, &as_admin, "revokeRole", of_admin.clone()).await;
    assert_eq!(refusal(&last), ("LAST_ADMIN", Some("userId")));
    let own = step(&case, &as_admin, "disableAccount", json!({ "userId": admin_id })).await;
    assert_eq!(refusal(&own), ("OWN_ACCOUNT", Some("userId")));
    let shut = operator(&case).await.step(None, Account::Id(admin_id), Step::Disable).await;
    assert!(shut.unwrap_err().to_string().contains("last administrator"));
    let promote = json!({ "userId": ada_id, "role": "ADMIN" });
    let promoted = step(&case, &as_admin, "grantRole", promote).await;
    assert_eq!(promoted["account"]["roles"], json!(["USER", "ADMIN"]));
    let revoked = step(&case, &as_admin, "revokeRole", of_admin).await;
    assert_eq!(revoked["account"]["roles"], json!(["USER"]));
    // From now on, whatever the token says
    let query = "query { accounts { nodes { email } } }";
    assert_eq!(case.code(&as_admin, query, json!({})).await, "FORBIDDEN");

    for (input, code) in [
        (json!({ "userId": Uuid::now_v7(), "role": "ADMIN" }), "USER_NOT_FOUND"),
        (json!({ "userId": "garbage", "role": "ADMIN" }), "USER_NOT_FOUND"),
        (json!({ "userId": admin_id, "role": "USER" }), "ROLE_OF_ALL"),
    ] {
        let refused = step(&case, &scoped(ada_id, &EVERYTHING), "grantRole", input).await;
        assert_eq!(refusal(&refused).0, code);
    }
}

#[tokio::test]
async fn of_two_who_take_each_others_role_one_stays() {
    let case = Case::new().await;
    let (one, _) = admin(&case, "one@example.com").await;
    let (two, _) = admin(&case, "two@example.com").await;
    let operator = operator(&case).await;
    for _ in 0..5 {
        let revoke = Step::Revoke(Role::Admin);
        let by = |who| Once::new(who, "revokeRole", None).ok();
        let (first, second) = tokio::join!(
            operator.step(by(one), Account::Id(two), revoke),
            operator.step(by(two), Account::Id(one), revoke),
        );
        assert!(first.is_ok() ^ second.is_ok(), "{first:?} {second:?}");
        for id in [one, two] {
            operator.step(None, Account::Id(id), Step::Grant(Role::Admin)).await.expect("again");
        }
    }
}

#[tokio::test]
async fn the_cache_is_evicted_by_kind_and_key() {
    let case = Case::new().await;
    let (id, as_admin) = admin(&case, "admin@example.com").await;
    let evict = async |input: Value| {
        let query = "mutation($input: EvictCacheInput!) { evictCache(input: $input) {
            evicted userErrors { code field } } }";
        case.data(&as_admin, query, json!({ "input": input })).await["evictCache"].take()
    };
    let name = async || case.data(&as_admin, "{ me { name } }", json!({})).await["me"].take();
    name().await;
    sqlx::query("UPDATE users SET name = 'By hand'").execute(&case.kernel.pool).await.unwrap();
    assert_eq!(name().await["name"], "Admin", "nobody told the cache");
    let one = evict(json!({ "kind": "user.profile", "key": id })).await;
    assert_eq!(one, json!({ "evicted": 1, "userErrors": [] }));
    platform::testing::eventually(DEADLINE, async || name().await["name"] == "By hand").await;
    let all = evict(json!({ "kind": "all" })).await;
    assert_eq!(all, json!({ "evicted": null, "userErrors": [] }));
    let unknown = evict(json!({ "kind": "no.such" })).await;
    assert_eq!(unknown["userErrors"], json!([{ "code": "UNKNOWN_CACHE_KIND", "field": "kind" }]));
}
