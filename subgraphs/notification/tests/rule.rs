//! The table: who is told what of which event.

use std::collections::BTreeMap;

use contract::testing::example;
use notification::domain::kind::Kind;
use notification::domain::language::Language;
use notification::domain::notice::{Circle, NOTICES, To, of, recipients};
use notification::domain::way::Way;
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
        }) || ["ACCEPTED", "DECLINED", "TENTATIVE"].into_iter().any(|response| {
            data["response"] = json!(response);
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

/// The table in docs/notifications.md says what the code does when nobody has chosen.
#[test]
fn the_documented_defaults_are_those_of_the_code() {
    let page = include_str!("../../../docs/notifications.md");
    let lines = page.lines().skip_while(|line| !line.starts_with("| kind |"));
    let mut rows = lines.take_while(|line| line.starts_with('|'));
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    assert_eq!(cells(rows.next().unwrap()), ["kind", "inbox", "email", "SMS", "webhook"]);
    let mut documented = BTreeMap::new();
    for row in rows.skip(1) {
        let row = cells(row);
        for kind in row[0].split(", ") {
            let ways: Vec<bool> = row[1..].iter().map(|cell| cell == "yes").collect();
            assert!(row[1..].iter().all(|cell| ["yes", ""].contains(&cell.as_str())), "{row:?}");
            assert!(documented.insert(kind.to_owned(), ways).is_none(), "{kind} is there twice");
        }
    }
    // Nobody chooses of what they ask for themselves.
    let kinds = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Test);
    let code: BTreeMap<String, Vec<bool>> = kinds
        .map(|kind| {
            (kind.as_str().to_owned(), Way::ALL.map(|way| way.is_on_by_default(kind)).into())
        })
        .collect();
    assert_eq!(documented, code, "the page is on the left");
}

proptest! {
    #[test]
    fn every_text_is_whole_whatever_the_titles_are(title in any::<String>()) {
        for kind in Kind::ALL {
            for language in [Language::Korean, Language::English] {
                let words = json!({ "meeting": title, "todo": title, "title": title,
                    "body": format!("text {title}") });
                let (line, body) = kind.text(language, &words, Some(&title));
                prop_assert!(!line.is_empty() && !body.is_empty());
                let bare = kind.text(language, &json!({}), None);
                let open = [&bare.0, &bare.1].iter().any(|text| text.contains('{'));
                prop_assert!(!open, "a placeholder is left in {bare:?}");
                // What is put in is put in as it is, braces and all.
                prop_assert!(!bare.0.contains('…') || line.contains(&title));
            }
        }
    }
}

/// Given work over several meetings that is finished, when it is told, then they stand where one's title would.
#[test]
fn work_over_several_meetings_says_so() {
    let said = |language| Kind::TaskCompleted.text(language, &json!({ "meeting": null }), None).0;
    assert_eq!(said(Language::English), "Finished: several meetings");
    assert_eq!(said(Language::Korean), "작업 완료: 여러 회의");
}
