//! The process is killed with -9 in the middle of what is done for many: an announcement, and leaving many meetings.

use super::oracle::Oracle;
use crate::kit::{
    client::Client,
    eventually,
    instance::Place,
    story::{self, PASSWORD},
};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

/// How many are told: the work of many transactions, so that the process is killed between two of them.
const PEOPLE: usize = 3_000;
/// How many meetings are asked for at once: the most that may be.
const MEETINGS: usize = 100;
/// How long the work for many may take.
const WORK: Duration = Duration::from_secs(90);

/// Waits until the work is under way: something of it is there, and something isn't. `count` says how much is there.
async fn in_the_middle<R: Future<Output = usize>>(what: &str, all: usize, count: impl Fn() -> R) {
    eventually(what, WORK, || async { (count().await > 0).then_some(()) }).await;
    let there = count().await;
    assert!((1..all).contains(&there), "{what}: {there} of {all} before it could be killed");
}

/// Fills the address book with people of whom nothing else is known.
async fn address_book(oracle: &Oracle) -> Vec<Uuid> {
    let people: Vec<Uuid> = (0..PEOPLE).map(|_| Uuid::now_v7()).collect();
    sqlx::query(
        "INSERT INTO recipient (user_id, email, name, locale, time_zone)
         SELECT id, id || '@example.org', 'P', 'ko', 'Asia/Seoul' FROM unnest($1::uuid[]) AS id",
    )
    .bind(&people)
    .execute(oracle.database("notification"))
    .await
    .expect("an address book");
    people
}

/// The same person with a token that says what they may do since.
async fn log_in_again(anybody: &Client, email: &str) -> Client {
    let login = "mutation ($input: LoginInput!) { login(input: $input) {
        accessToken userErrors { code } } }";
    let input = json!({ "email": email, "password": PASSWORD });
    let answer = anybody.send(login, json!({ "input": input })).await.ok();
    anybody.with_token(&answer.text("/login/accessToken"))
}

/// Given an announcement that some have been told and others not, when the process is killed and started again, then
/// everybody finds it in their inbox once, and was told of it once.
#[tokio::test]
async fn an_announcement_to_many_goes_on_after_a_kill() {
    let place = Place::new();
    let moim = place.up().await;
    let oracle = Oracle::of(&place).await;
    let ada = story::register(&moim.client(), "ada").await;
    place.run(&["user", "grant", &ada.email, "admin"]).await.expect("granted");
    let admin = log_in_again(&moim.client(), &ada.email).await;
    let people = address_book(&oracle).await;

    let announce = "mutation ($input: AnnounceInput!) { announce(input: $input) {
        announcement { id toldCount } userErrors { code } } }";
    let input = json!({ "title": "Maintenance", "body": "Tonight.", "idempotencyKey": "once" });
    let variables = json!({ "input": input });
    let asked = admin.send(announce, variables.clone()).await.ok();
    let announcement = asked.text("/announce/announcement/id");
    let told = || async { oracle.told_of(&announcement).await.len() };
    in_the_middle("some are told", people.len(), told).await;
    moim.kill().await;
    let there = told().await;
    assert!((1..people.len()).contains(&there), "killed in the middle: {there}");

    let moim = place.up().await;
    let admin = admin.at(&moim.base);
    let again = admin.send(announce, variables).await.ok();
    assert_eq!(again.text("/announce/announcement/id"), announcement, "it is the same one");
    let query = "query ($id: ID!) { announcement(id: $id) { toldCount completedAt } }";
    let seen = eventually("everybody was told", WORK, || async {
        let seen = admin.send(query, json!({ "id": announcement })).await.ok();
        seen.data("/announcement/completedAt").is_string().then_some(seen)
    })
    .await;
    assert_eq!(*seen.data("/announcement/toldCount"), json!(people.len()));
    oracle.settled().await;
    oracle.everybody_was_told_once(&announcement, &people).await;
}

/// Plans as many meetings as go at once; gives their ids.
async fn plan_many(host: &Client, oracle: &Oracle, guests: &[&str], key: &str) -> Vec<Uuid> {
    let create = "mutation ($input: CreateMeetingsInput!) { createMeetings(input: $input) {
        task { id } userErrors { code } } }";
    let plan = |number| json!({ "title": format!("{key} {number}"), "participantIds": guests });
    let plans: Vec<Value> = (0..MEETINGS).map(plan).collect();
    let input = json!({ "meetings": plans, "idempotencyKey": key });
    host.send(create, json!({ "input": input })).await.ok();
    eventually("the meetings are there", WORK, || async {
        let ids = oracle.meetings_called(key).await;
        (ids.len() == MEETINGS).then_some(ids)
    })
    .await
}

/// Given somebody who leads many meetings, some of them alone, and deletes the account, when the process is killed while
/// they are out of some and not of others, then they leave each of them once, whoever is left leads it, the others are
/// called off, and no service has anything of them left.
#[tokio::test]
async fn leaving_many_meetings_goes_on_after_a_kill() {
    let place = Place::new();
    let moim = place.up().await;
    let oracle = Oracle::of(&place).await;
    let heir = story::register(&moim.client(), "heir").await;
    let host = story::register(&moim.client(), "host").await;
    let alone = plan_many(&host.client, &oracle, &[], "alone").await;
    let mut shared = plan_many(&host.client, &oracle, &[&heir.id], "together").await;
    shared.extend(plan_many(&host.client, &oracle, &[&heir.id], "again").await);
    oracle.settled().await;

    let all = alone.len() + shared.len();
    let delete = "mutation ($input: DeleteAccountInput!) { deleteAccount(input: $input) {
        userErrors { code } } }";
    host.client.send(delete, json!({ "input": { "password": PASSWORD } })).await.ok();
    let out_of = || async { all - oracle.meetings_of(&host.id).await };
    in_the_middle("they are out of some", all, out_of).await;
    moim.kill().await;
    let there = out_of().await;
    assert!((1..all).contains(&there), "killed in the middle: {there}");

    let moim = place.up().await;
    eventually("they are out of all", WORK, || async {
        (oracle.meetings_of(&host.id).await == 0).then_some(())
    })
    .await;
    oracle.settled().await;
    oracle.left_each_once(&host.id, &alone, &shared).await;
    let led =
        "{ meetings(first: 100) { nodes { host { id } participants { role user { id } } } } }";
    let seen = heir.client.at(&moim.base).send(led, Value::Null).await.ok();
    let only = json!({ "host": { "id": heir.id },
        "participants": [{ "role": "HOST", "user": { "id": heir.id } }] });
    let nodes = seen.data("/meetings/nodes").as_array().expect("a list");
    assert_eq!(nodes.len(), 100);
    assert!(nodes.iter().all(|node| *node == only), "{nodes:?}");
}
