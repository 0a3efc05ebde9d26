//! Who sees what of whom.

use axum::http::HeaderMap;
use platform::{identity::Identity, subgraph::Transport as _};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Case, service, viewer};

#[tokio::test]
async fn nobody_reads_without_a_log_in() {
    let case = Case::new().await;
    let (id, _) = case.person("a@example.com", "A").await;
    for query in [
        "{ me { id } }".to_owned(),
        format!("{{ user(id: \"{id}\") {{ id }} }}"),
        "{ users(search: \"A\") { nodes { id } } }".to_owned(),
        format!(
            "{{ _entities(representations: [{{ __typename: \"User\", id: \"{id}\" }}]) {{ __typename }} }}"
        ),
    ] {
        assert_eq!(case.code(&Identity::Anonymous, &query, json!({})).await, "UNAUTHENTICATED");
    }
}

#[tokio::test]
async fn an_email_address_is_only_for_its_owner() {
    let case = Case::new().await;
    let (ada, as_ada) = case.person("ada@example.com", "Ada").await;
    let (bob, as_bob) = case.person("bob@example.com", "Bob").await;
    let query = "query($id: ID!) { user(id: $id) { name email } me { email } }";

    let own = case.data(&as_ada, query, json!({ "id": ada })).await;
    let other = case.data(&as_ada, query, json!({ "id": bob })).await;

    assert_eq!(own["user"]["email"], "ada@example.com");
    assert_eq!(other["user"], json!({ "name": "Bob", "email": null }));
    let by_search = case
        .data(&as_bob, "{ users(search: \"ada@example.com\") { nodes { name email } } }", json!({}))
        .await;
    assert_eq!(by_search["users"]["nodes"], json!([{ "name": "Ada", "email": null }]));
    let by_service = case
        .data(
            &service(),
            "query($r: [_Any!]!) { _entities(representations: $r) { ... on User { name email } } }",
            json!({ "r": [{ "__typename": "User", "id": ada }] }),
        )
        .await;
    assert_eq!(by_service["_entities"], json!([{ "name": "Ada", "email": null }]));
}

#[tokio::test]
async fn entities_come_in_order_and_unknown_ones_are_null() {
    let case = Case::new().await;
    let (ada, as_ada) = case.person("ada@example.com", "Ada").await;
    let (bob, _) = case.person("bob@example.com", "Bob").await;
    let representations: Vec<Value> = [
        bob.to_string(),
        Uuid::now_v7().to_string(),
        "garbage".into(),
        ada.to_string(),
        bob.to_string(),
    ]
    .iter()
    .map(|id| json!({ "__typename": "User", "id": id }))
    .collect();
    let query = "query($r: [_Any!]!) { _entities(representations: $r) { ... on User { name } } }";
    // Twice: from the database, then from the cache.
    for _ in 0..2 {
        let data = case.data(&as_ada, query, json!({ "r": representations })).await;
        assert_eq!(
            data["_entities"],
            json!([{ "name": "Bob" }, null, null, { "name": "Ada" }, { "name": "Bob" }])
        );
    }
}

#[tokio::test]
async fn profiles_are_read_from_the_cache_the_second_time() {
    let case = Case::new().await;
    let (_, as_ada) = case.person("ada@example.com", "Ada").await;
    let ask = async || case.data(&as_ada, "{ me { name } }", json!({})).await;
    ask().await;
    sqlx::query("UPDATE users SET name = 'changed behind our back'")
        .execute(&case.kernel.pool)
        .await
        .unwrap();
    assert_eq!(ask().await["me"]["name"], "Ada");
}

#[tokio::test]
async fn somebody_without_an_account_is_nobody() {
    let case = Case::new().await;
    let data = case.data(&viewer(Uuid::now_v7()), "{ me { id } }", json!({})).await;
    assert_eq!(data["me"], Value::Null);
    let data = case.data(&viewer(Uuid::now_v7()), "{ user(id: \"x\") { id } }", json!({})).await;
    assert_eq!(data["user"], Value::Null);
}

#[tokio::test]
async fn people_are_found_by_part_of_a_name_or_a_whole_address() {
    let case = Case::new().await;
    let (_, me) = case.person("me@example.com", "김하나").await;
    for (email, name) in
        [("b@example.com", "김두리"), ("c@example.com", "이하나"), ("d@example.com", "100%_Dan")]
    {
        case.person(email, name).await;
    }
    let found = async |search: &str| -> Vec<String> {
        let query = "query($s: String!) { users(search: $s) { nodes { name } } }";
        let data = case.data(&me, query, json!({ "s": search })).await;
        let nodes = data["users"]["nodes"].as_array().unwrap().clone();
        nodes.iter().map(|node| node["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(found("하나").await, ["김하나", "이하나"]);
    // The same in decomposed letters, as some systems type it.
    assert_eq!(found("\u{1112}\u{1161}\u{1102}\u{1161}").await, ["김하나", "이하나"]);
    assert_eq!(found("dan").await, ["100%_Dan"]);
    assert_eq!(found("%").await, ["100%_Dan"]);
    assert_eq!(found("_").await, ["100%_Dan"]);
    assert_eq!(found(" B@Example.com ").await, ["김두리"]);
    assert!(found("example.com").await.is_empty(), "part of an address finds nobody");
    for bad in ["", "   ", &"x".repeat(101)] {
        let query = "query($s: String!) { users(search: $s) { nodes { name } } }";
        assert_eq!(case.code(&me, query, json!({ "s": bad })).await, "BAD_USER_INPUT");
    }
}

#[tokio::test]
async fn people_come_page_by_page() {
    let case = Case::new().await;
    let (_, me) = case.person("n0@example.com", "Nam 0").await;
    for i in 1..5 {
        case.person(&format!("n{i}@example.com"), &format!("Nam {i}")).await;
    }
    let query = "query($after: String) { users(search: \"nam\", first: 2, after: $after) {
        nodes { name } pageInfo { hasNextPage endCursor } } }";
    let (mut names, mut after, mut pages) = (Vec::new(), Value::Null, 0);
    loop {
        let data = case.data(&me, query, json!({ "after": after })).await;
        let page = &data["users"];
        names.extend(page["nodes"].as_array().unwrap().iter().map(|node| node["name"].clone()));
        pages += 1;
        after = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
    }
    assert_eq!(names, ["Nam 0", "Nam 1", "Nam 2", "Nam 3", "Nam 4"]);
    assert_eq!(pages, 3);
    let query = "{ users(search: \"nam\", first: 101) { nodes { name } } }";
    assert_eq!(case.code(&me, query, json!({})).await, "BAD_USER_INPUT");
}

#[tokio::test]
async fn only_services_ask_who_exists() {
    let case = Case::new().await;
    let (ada, as_ada) = case.person("ada@example.com", "Ada").await;
    let query = "query($ids: [ID!]!) { usersExist(ids: $ids) }";
    let ids = json!({ "ids": [Uuid::now_v7(), ada, "garbage"] });
    let data = case.data(&service(), query, ids.clone()).await;
    assert_eq!(data["usersExist"], json!([ada]));
    for who in [as_ada, Identity::Anonymous] {
        assert_eq!(case.code(&who, query, ids.clone()).await, "FORBIDDEN");
    }
}

#[tokio::test]
async fn unsigned_and_forged_requests_are_refused() {
    let case = Case::new().await;
    let (ada, as_ada) = case.person("ada@example.com", "Ada").await;
    let body = json!({ "query": "{ me { email } }" }).to_string();
    let endpoint = case.service.endpoint();

    let mut signed = HeaderMap::new();
    case.kernel.keys.sign(user::NAME, &as_ada, body.as_bytes(), &mut signed);
    let mut for_another = HeaderMap::new();
    case.kernel.keys.sign("meeting", &as_ada, body.as_bytes(), &mut for_another);
    let mut by_another = HeaderMap::new();
    platform::signature::Keys::random().sign(
        user::NAME,
        &viewer(ada),
        body.as_bytes(),
        &mut by_another,
    );

    assert_eq!(endpoint.handle(&signed, body.as_bytes()).await.status(), 200);
    let other_body = body.replace("email", "name");
    for (headers, body) in [
        (&HeaderMap::new(), &body),
        (&for_another, &body),
        (&by_another, &body),
        (&signed, &other_body),
    ] {
        let mut request = axum::http::Request::new(axum::body::Bytes::from(body.clone()));
        *request.headers_mut() = headers.clone();
        let response = endpoint.call(request).await.unwrap();
        assert_eq!(response.status(), 403);
        assert!(String::from_utf8_lossy(response.body()).contains("SUBGRAPH_UNTRUSTED_REQUEST"));
    }
}

#[test]
fn the_schema_names_its_entity_and_hides_what_is_internal() {
    let sdl = user::sdl();
    assert!(sdl.contains("type User @key(fields: \"id\")"), "{sdl}");
    let (_, internal) = sdl.split_once("usersExist(").unwrap();
    let (_, result) = internal.split_once("): ").unwrap();
    assert!(result.starts_with("[ID!]! @inaccessible"), "{sdl}");
    assert_eq!(sdl, user::sdl(), "the same every time");
}
