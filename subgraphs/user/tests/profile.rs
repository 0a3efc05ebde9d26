//! Changing one's profile, and deleting one's account.

use contract::testing::told;
use platform::testing::viewer;
use serde_json::{Value, json};

use crate::harness::{Case, PASSWORD};

const UPDATE: &str = "mutation($input: UpdateProfileInput!) { updateProfile(input: $input) {
    user { name locale timeZone phone } userErrors { code field } } }";
const DELETE: &str = "mutation($input: DeleteAccountInput!) { deleteAccount(input: $input) {
    deleted userErrors { code field } } }";

#[tokio::test]
async fn a_profile_is_changed_field_by_field_and_others_hear_of_it() {
    let case = Case::new().await;
    let session = case.register("ada@example.com", PASSWORD, "Ada").await;
    let who = viewer(session["user"]["id"].as_str().unwrap().parse().unwrap());
    let change = async |input: Value| {
        case.data(&who, UPDATE, json!({ "input": input })).await["updateProfile"].take()
    };
    // Read into the cache, so that the change has to drop it there.
    case.data(&who, "{ me { name } }", json!({})).await;
    let changed = change(json!({ "name": "Ada L.", "timeZone": "Europe/London" })).await;
    assert_eq!(changed["user"]["name"], "Ada L.");
    assert_eq!(changed["user"]["timeZone"], "Europe/London");
    let changed = change(json!({ "phone": "+44 20 7946 0000", "locale": "EN-gb" })).await;
    assert_eq!(changed["user"]["name"], "Ada L.", "what is left out stays");
    assert_eq!(changed["user"]["phone"], "+442079460000");
    assert_eq!(changed["user"]["locale"], "en-GB");
    let me = case.data(&who, "{ me { name phone } }", json!({})).await;
    assert_eq!(me["me"], json!({ "name": "Ada L.", "phone": "+442079460000" }));
    let cleared = change(json!({ "phone": null })).await;
    assert_eq!(cleared["user"]["phone"], Value::Null);
    for (input, code, field) in [
        (json!({ "name": " " }), "INVALID_NAME", "name"),
        (json!({ "locale": "fr" }), "INVALID_LOCALE", "locale"),
        (json!({ "timeZone": "Moon/Base" }), "INVALID_TIME_ZONE", "timeZone"),
        (json!({ "timeZone": "'; DROP" }), "INVALID_TIME_ZONE", "timeZone"),
        (json!({ "phone": "12" }), "INVALID_PHONE", "phone"),
    ] {
        let refused = change(input).await;
        assert_eq!(refused["userErrors"], json!([{ "code": code, "field": field }]));
        assert_eq!(refused["user"], Value::Null);
    }
    let events = told(&case.kernel).await;
    let (kind, last) = events.last().unwrap();
    assert_eq!((kind.as_str(), &last["version"]), ("moim.user.updated.v1", &json!(4)));
    assert_eq!(events.len(), 4, "an account and three changes");
}

#[tokio::test]
async fn a_deleted_account_is_gone_and_its_sessions_with_it() {
    let case = Case::new().await;
    let session = case.register("ada@example.com", PASSWORD, "Ada").await;
    let id = session["user"]["id"].clone();
    let who = viewer(id.as_str().unwrap().parse().unwrap());
    let delete = async |password: &str| {
        let input = json!({ "input": { "password": password } });
        case.data(&who, DELETE, input).await["deleteAccount"].take()
    };
    let wrong = delete("wrong horse").await;
    let error = json!([{ "code": "WRONG_PASSWORD", "field": "password" }]);
    assert_eq!(wrong, json!({ "deleted": false, "userErrors": error }));

    case.data(&who, "{ me { name } }", json!({})).await;
    assert_eq!(delete(PASSWORD).await, json!({ "deleted": true, "userErrors": [] }));

    assert_eq!(case.data(&who, "{ me { name } }", json!({})).await["me"], Value::Null);
    let again = delete(PASSWORD).await;
    assert_eq!(again["userErrors"][0]["code"], "NO_ACCOUNT");
    let refresh =
        "mutation($t: String!) { refresh(input: { refreshToken: $t }) { userErrors { code } } }";
    let refused = case.data(&who, refresh, json!({ "t": session["refreshToken"] })).await;
    assert_eq!(refused["refresh"]["userErrors"][0]["code"], "INVALID_REFRESH_TOKEN");
    // The address is free again
    case.register("ada@example.com", PASSWORD, "Another").await;
    let events = told(&case.kernel).await;
    let deleted = events.iter().find(|(kind, _)| kind == "moim.user.deleted.v1").unwrap();
    assert_eq!(deleted.1["userId"], id);
    assert!(!deleted.1.to_string().contains("example.com"), "without personal data");
}
