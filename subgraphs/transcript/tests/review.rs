//! People look minutes over: they mend sections, verify them, and the host reopens them.

use contract::testing::told;
use futures::future::join_all;
use platform::identity::Identity;
use platform::task::TaskStatus;
use platform::testing::{belongs, eventually};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stage::{DEADLINE, Ended, Stage, refusal, segment, viewer};

const SECTION: &str =
    "section { id title body version verifiedAt verifiedBy { id } editedAt editedBy { id } }
    minutes { id status version finalisedAt }";

/// A finished meeting, its host, a guest, and the ids of the sections of its minutes.
async fn drafted(stage: &Stage) -> (Ended, Uuid, Vec<String>) {
    let ended = stage.ended_meeting(Uuid::now_v7()).await;
    stage.task_when(ended.meeting, |task| task.status == TaskStatus::Completed).await;
    let guest = Uuid::now_v7();
    for who in [ended.host, guest] {
        stage.joins(ended.meeting, who);
    }
    let fields = "minutes { sections { id } }";
    let found = stage.entity(&viewer(ended.host), "Meeting", ended.meeting, fields).await;
    let sections = found["minutes"]["sections"].as_array().unwrap();
    let ids = sections.iter().map(|section| section["id"].as_str().unwrap().to_owned());
    (ended, guest, ids.collect())
}

fn spoken() -> Vec<crate::stage::Step> {
    vec![segment(0, 4_000, "We decided to ship in May.")]
}

async fn minutes(stage: &Stage, ended: Ended) -> Value {
    let fields =
        "minutes { status version finalisedAt sections { id title body version verifiedAt } }";
    stage.entity(&viewer(ended.host), "Meeting", ended.meeting, fields).await["minutes"].take()
}

#[tokio::test]
async fn of_two_who_edit_the_second_is_told_and_shown() {
    // Given two who look at the same section
    let stage = Stage::new([spoken()]).await;
    let (ended, guest, ids) = drafted(&stage).await;
    minutes(&stage, ended).await; // in the cache now
    // When one changes it
    let input =
        json!({ "sectionId": ids[0], "version": 1, "title": " 결정 ", "body": "- 5월\r\n" });
    let first = stage.mutate(guest, "updateSection", SECTION, input).await;
    assert_eq!(first["userErrors"], json!([]), "{first}");
    assert_eq!(first["section"]["title"], "결정");
    assert_eq!(first["section"]["body"], "- 5월");
    assert_eq!(first["section"]["version"], 2);
    assert_eq!(first["section"]["editedBy"]["id"], json!(guest));
    assert_eq!(
        (&first["minutes"]["status"], &first["minutes"]["version"]),
        (&json!("DRAFT"), &json!(2))
    );
    // and then the other, who saw it as it was before
    let late = json!({ "sectionId": ids[0], "version": 1, "body": "in June" });
    let second = stage.mutate(ended.host, "updateSection", SECTION, late).await;
    // Then he is told, sees what the first one wrote, and nothing of his was written
    assert_eq!(refusal(&second), ("VERSION_CONFLICT", "version"));
    assert_eq!(second["section"], first["section"]);
    let now = minutes(&stage, ended).await;
    assert_eq!(now["sections"][0]["body"], "- 5월", "the cached sections were dropped");
    // and what he writes after that is taken; what he leaves out stays
    let again = json!({ "sectionId": ids[0], "version": 2, "body": "in June" });
    let third = stage.mutate(ended.host, "updateSection", SECTION, again).await;
    assert_eq!(
        (&third["section"]["title"], &third["section"]["body"]),
        (&json!("결정"), &json!("in June"))
    );

    // And each change was told
    let told: Vec<(Value, Value)> = told(&stage.kernel)
        .await
        .into_iter()
        .filter(|(kind, _)| kind == "moim.section.changed.v1")
        .map(|(_, mut data)| (data["change"].take(), data["version"].take()))
        .collect();
    assert_eq!(told, [(json!("UPDATED"), json!(2)), (json!("UPDATED"), json!(3))]);
}

#[tokio::test]
async fn of_many_at_once_one_wins() {
    let stage = Stage::new([spoken()]).await;
    let (_, guest, ids) = drafted(&stage).await;
    let changes = (0..8).map(|turn| {
        let input = json!({ "sectionId": ids[0], "version": 1, "body": format!("{turn}") });
        stage.mutate(guest, "updateSection", SECTION, input)
    });
    let answers = join_all(changes).await;
    let won = answers.iter().filter(|answer| answer["userErrors"] == json!([])).count();
    assert_eq!(won, 1, "{answers:?}");
    assert!(answers.iter().all(|answer| answer["section"]["version"] == 2));
}

#[tokio::test]
async fn minutes_are_final_when_all_sections_are_verified() {
    let stage = Stage::new([spoken()]).await;
    let (ended, guest, ids) = drafted(&stage).await;
    let (last, others) = ids.split_last().unwrap();
    // Given all sections but one are verified
    for id in others {
        let input = json!({ "sectionId": id, "version": 1 });
        let verified = stage.mutate(guest, "verifySection", SECTION, input.clone()).await;
        assert_eq!(verified["userErrors"], json!([]));
        assert_eq!(verified["section"]["verifiedBy"]["id"], json!(guest));
        assert_eq!(verified["minutes"]["status"], "DRAFT");
        // said twice, by whoever saw the same words: as it is
        let again = stage.mutate(ended.host, "verifySection", SECTION, input).await;
        assert_eq!(again, verified);
    }
    // Then they are locked, whatever version is named
    let input = json!({ "sectionId": others[0], "version": 2, "body": "other" });
    let locked = stage.mutate(guest, "updateSection", SECTION, input).await;
    assert_eq!(refusal(&locked), ("SECTION_LOCKED", "sectionId"));
    // A section that changed since can't be verified by who hasn't seen that
    let input = json!({ "sectionId": last, "version": 1, "body": "A decision." });
    stage.mutate(guest, "updateSection", SECTION, input).await;
    let input = json!({ "sectionId": last, "version": 1 });
    let blind = stage.mutate(ended.host, "verifySection", SECTION, input).await;
    assert_eq!(refusal(&blind), ("VERSION_CONFLICT", "version"));
    assert_eq!(blind["section"]["body"], "A decision.");

    // When the last one is verified, then the minutes are final, and that is told
    let input = json!({ "sectionId": last, "version": 2 });
    let done = stage.mutate(ended.host, "verifySection", SECTION, input).await;
    assert_eq!(done["minutes"]["status"], "FINAL");
    assert!(done["minutes"]["finalisedAt"].is_string());
    let heard = stage.pushed(ended.meeting, "moim.transcript.verified.v1").await;
    let verified = heard.last().unwrap();
    crate::event_schema::assert_fits(&verified.kind, &verified.event);
    let mut by = vec![json!(ended.host), json!(guest)];
    by.sort_by_key(ToString::to_string);
    assert_eq!(verified.event["data"]["verifiedBy"], json!(by));
    assert_eq!(verified.changed["minutes"]["__typename"], "Minutes");

    // A guest can't reopen a section
    let input = json!({ "sectionId": last, "version": 3 });
    let refused = stage.mutate(guest, "reopenSection", SECTION, input.clone()).await;
    assert_eq!(refused["userErrors"][0]["code"], "NOT_HOST");
    assert_eq!(minutes(&stage, ended).await["status"], "FINAL");
    // The host can: they are a draft again, until it is verified anew
    let open = stage.mutate(ended.host, "reopenSection", SECTION, input.clone()).await;
    assert_eq!(
        (&open["section"]["verifiedAt"], &open["section"]["verifiedBy"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(
        (&open["minutes"]["status"], &open["minutes"]["finalisedAt"]),
        (&json!("DRAFT"), &Value::Null)
    );
    assert_eq!(stage.mutate(ended.host, "reopenSection", SECTION, input).await, open);
    let input = json!({ "sectionId": last, "version": 4, "body": "Another decision." });
    stage.mutate(guest, "updateSection", SECTION, input).await;
    let input = json!({ "sectionId": last, "version": 5 });
    let done = stage.mutate(guest, "verifySection", SECTION, input).await;
    assert_eq!(done["minutes"]["status"], "FINAL");
    let kinds: Vec<String> = told(&stage.kernel).await.into_iter().map(|(kind, _)| kind).collect();
    let finals = kinds.iter().filter(|kind| *kind == "moim.transcript.verified.v1").count();
    assert_eq!(finals, 2);
    // and what is cached is what was written
    let now = minutes(&stage, ended).await;
    assert!(
        now["sections"].as_array().unwrap().iter().all(|section| section["verifiedAt"].is_string())
    );
}

#[tokio::test]
async fn only_those_who_take_part_change_anything() {
    let stage = Stage::new([spoken()]).await;
    let (ended, _, ids) = drafted(&stage).await;
    let before = minutes(&stage, ended).await;
    let nowhere = Uuid::now_v7().to_string();
    // Given somebody who took part, and was removed
    let removed = Uuid::now_v7();
    let who = json!({ "userId": removed });
    stage.tell("moim.participant.added.v1", ended.meeting, who.clone()).await;
    eventually(DEADLINE, || belongs(&stage.kernel.pool, ended.meeting, removed)).await;
    stage.tell("moim.participant.removed.v1", ended.meeting, who).await;
    eventually(DEADLINE, || async { !belongs(&stage.kernel.pool, ended.meeting, removed).await })
        .await;
    for mutation in ["updateSection", "verifySection", "reopenSection"] {
        // Then he, and an outsider, get the answer that a section gets that doesn't exist
        for outsider in [removed, Uuid::now_v7()] {
            for id in [&ids[0], &nowhere, &"not even an id".to_owned()] {
                let input = json!({ "sectionId": id, "version": 1 });
                let answer = stage.mutate(outsider, mutation, SECTION, input).await;
                assert_eq!(refusal(&answer), ("SECTION_NOT_FOUND", "sectionId"));
                assert_eq!((&answer["section"], &answer["minutes"]), (&Value::Null, &Value::Null));
            }
        }
        // and nobody, a service, or all of them as one aren't anybody
        let mut of = mutation.to_owned();
        of[..1].make_ascii_uppercase();
        let query = format!(
            "mutation($input: {of}Input!) {{ {mutation}(input: $input) {{ section {{ id }} }} }}"
        );
        let service = Identity::Service { name: "ai".into() };
        for who in [Identity::Anonymous, service, Identity::Group { id: ended.meeting }] {
            let input = json!({ "input": { "sectionId": ids[0], "version": 1 } });
            let answer = stage.ask(&who, &query, input).await;
            assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
        }
    }
    assert_eq!(minutes(&stage, ended).await, before);
}

#[tokio::test]
async fn what_cannot_be_written_is_refused() {
    let stage = Stage::new([spoken()]).await;
    let (ended, _, ids) = drafted(&stage).await;
    for (change, expected) in [
        (json!({ "title": " " }), ("INVALID_TITLE", "title")),
        (json!({ "title": "a\nb" }), ("INVALID_TITLE", "title")),
        (json!({ "body": "a\u{0}b" }), ("INVALID_BODY", "body")),
        (json!({ "body": "b".repeat(64 * 1024 + 1) }), ("INVALID_BODY", "body")),
    ] {
        let mut input = json!({ "sectionId": ids[0], "version": 1 });
        input.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let answer = stage.mutate(ended.host, "updateSection", SECTION, input).await;
        assert_eq!(refusal(&answer), expected);
    }
}

#[tokio::test]
async fn who_leads_is_asked_when_it_was_not_heard() {
    let stage = Stage::new([spoken()]).await;
    let (ended, _, ids) = drafted(&stage).await;
    let input = json!({ "sectionId": ids[0], "version": 1 });
    stage.mutate(ended.host, "verifySection", SECTION, input).await;
    // Given a meeting of before hosts were noted
    let unknown =
        sqlx::query("UPDATE meeting SET host_id = NULL WHERE id = $1").bind(ended.meeting);
    unknown.execute(&stage.kernel.pool).await.unwrap();
    // Then the meeting service is asked
    let input = json!({ "sectionId": ids[0], "version": 2 });
    let open = stage.mutate(ended.host, "reopenSection", SECTION, input).await;
    assert_eq!(open["userErrors"], json!([]), "{open}");
    // and while it can't be asked, nobody leads it
    stage.meeting_service_leaves();
    let input = json!({ "sectionId": ids[0], "version": 3 });
    let refused = stage.mutate(ended.host, "reopenSection", SECTION, input).await;
    assert_eq!(refused["userErrors"][0]["code"], "NOT_HOST");
}

#[tokio::test]
async fn what_people_wrote_is_not_drafted_anew() {
    use transcript::store::minutes::{self as store, NewSection};
    let stage = Stage::new([spoken()]).await;
    let (ended, guest, ids) = drafted(&stage).await;
    let again = || async {
        let pool = &stage.kernel.pool;
        let row = store::by_meetings(pool, &[ended.meeting]).await.unwrap().remove(0);
        let transcript = sqlx::query_scalar("SELECT transcript_id FROM minutes WHERE id = $1");
        let transcript: Uuid = transcript.bind(row.id).fetch_one(pool).await.unwrap();
        let mut tx = pool.begin().await.unwrap();
        let drafted = [NewSection { key: "new", title: "New", body: "" }];
        store::replace(&mut tx, ended.meeting, transcript, &drafted).await.unwrap();
        tx.commit().await.unwrap();
        let rows = store::sections_of(pool, &[row.id]).await.unwrap();
        rows.into_iter().map(|row| row.title).collect::<Vec<String>>()
    };
    // Given a section that somebody has changed, when the minutes are drafted again, then they stay
    let input = json!({ "sectionId": ids[0], "version": 1, "title": "Mine" });
    stage.mutate(guest, "updateSection", SECTION, input).await;
    assert_eq!(again().await[0], "Mine");
    // but not what nobody has touched
    let fresh = sqlx::query("UPDATE minutes_section SET version = 1");
    fresh.execute(&stage.kernel.pool).await.unwrap();
    assert_eq!(again().await, ["New"]);
}

#[tokio::test]
async fn a_deleted_account_leaves_no_name() {
    let stage = Stage::new([spoken()]).await;
    let (ended, guest, ids) = drafted(&stage).await;
    let input = json!({ "sectionId": ids[0], "version": 1, "title": "Mine" });
    stage.mutate(guest, "updateSection", SECTION, input).await;
    let input = json!({ "sectionId": ids[0], "version": 2 });
    stage.mutate(guest, "verifySection", SECTION, input).await;
    contract::testing::tell(
        &stage.kernel,
        "moim.user.deleted.v1",
        guest,
        guest,
        json!({ "userId": guest }),
    )
    .await;
    let id: Uuid = ids[0].parse().unwrap();
    let fields = "title verifiedAt verifiedBy { id } editedBy { id }";
    eventually(DEADLINE, || async {
        let section = stage.entity(&viewer(ended.host), "MinutesSection", id, fields).await;
        assert_eq!(section["title"], "Mine");
        assert!(section["verifiedAt"].is_string());
        section["verifiedBy"].is_null() && section["editedBy"].is_null()
    })
    .await;
}
