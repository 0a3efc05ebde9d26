//! The table: who is told what of which event.

use contract::testing::example;
use notification::domain::kind::Kind;
use notification::domain::language::Language;
use notification::domain::notice::{Circle, NOTICES, To, of, recipients};
use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

#[test]
fn every_row_is_reached_by_an_event_that_exists() {
    for notice in NOTICES {
        let mut data = example(notice.event)["data"].clone();
        let reached = |data: &serde_json::Value| {
            of(notice.event, data).is_some_and(|found| found.kind == notice.kind)
        };
        // The stored example, or one of the states it could have had.
        let states = ["COMPLETED", "FAILED", "OPEN", "DONE"].into_iter().any(|status| {
            data["status"] = json!(status);
            reached(&data)
        });
        assert!(states || reached(&example(notice.event)["data"]), "{notice:?}");
    }
}

#[test]
fn nobody_is_told_what_they_did_themselves() {
    let (host, guest) = (Uuid::now_v7(), Uuid::now_v7());
    let circle = Circle { host: Some(host), members: vec![host, guest] };
    let told = |to, data| recipients(to, &data, &circle).into_iter().collect::<Vec<_>>();
    assert_eq!(told(To::Guests, json!({})), [guest]);
    assert_eq!(told(To::Everybody, json!({})).len(), 2);
    let named = Uuid::now_v7();
    let shared =
        told(To::EverybodyAndNamed, json!({ "sharedBy": host, "userIds": [named, guest] }));
    assert_eq!(shared, [guest.min(named), guest.max(named)]);
    let by = |actor: Uuid| json!({ "assigneeId": guest, "actorId": actor });
    assert_eq!(told(To::Assignee, by(host)), [guest]);
    assert!(told(To::Assignee, by(guest)).is_empty());
    assert_eq!(told(To::Host, by(guest)), [host]);
    assert!(told(To::Host, by(host)).is_empty());
    assert!(told(To::Requester, json!({ "requestedBy": null })).is_empty());
    assert_eq!(told(To::RequesterOrHost, json!({ "requestedBy": null })), [host]);
    assert_eq!(told(To::RequesterOrHost, json!({ "requestedBy": guest })), [guest]);
}

#[test]
fn deliveries_are_not_told_of() {
    let mut data = example("moim.task.stateChanged.v1")["data"].clone();
    data["status"] = json!("FAILED");
    assert!(of("moim.task.stateChanged.v1", &data).is_some());
    data["typename"] = json!("NotificationTask");
    assert!(of("moim.task.stateChanged.v1", &data).is_none());
}

proptest! {
    #[test]
    fn every_text_is_whole_whatever_the_titles_are(title in any::<String>()) {
        for kind in Kind::ALL {
            for language in [Language::Korean, Language::English] {
                let words = json!({ "meeting": title, "todo": title });
                let (line, body) = kind.text(language, &words);
                prop_assert!(!line.is_empty() && !body.is_empty());
                let bare = kind.text(language, &json!({}));
                let open = [&bare.0, &bare.1].iter().any(|text| text.contains('{'));
                prop_assert!(!open, "a placeholder is left in {bare:?}");
                // What is put in is put in as it is, braces and all.
                prop_assert!(!bare.0.contains('…') || line.contains(&title));
            }
        }
    }
}
