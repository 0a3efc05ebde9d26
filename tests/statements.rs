//! How many SQL statements a page costs: all that the process sends while it answers, as it logs them itself.

use crate::kit::{
    SOON, TRANSCRIBED,
    client::Client,
    eventually,
    instance::Place,
    story::{self, PAGE},
};
use platform::{config::Postgres, database};
use serde_json::{Value, json};
use std::{collections::BTreeMap, path::Path};
use uuid::Uuid;

/// Tables that the page's own reads touch; relays, consumers and sweepers mostly look at others.
const TABLES: [&str; 9] = [
    "meetings",
    "participants",
    "membership",
    "transcript",
    "segment",
    "minutes",
    "minutes_section",
    "insight",
    "todo",
];
/// Statements that the page costs when nothing is cached: meeting and participants; who takes part, for each of
/// transcript, ai and todo; the transcript's id, its text and its segments; minutes and their sections; the summary; the
/// todos.
const COLD: usize = 12;
/// The same when what is cached is there: without meeting, participants, text and sections.
const WARM: usize = 8;
/// Things of each kind on the page.
const MANY: i32 = 20;

/// The statements that read one of the tables, of the log from `start` on, and how often each was sent.
fn statements(log: &Path, start: usize) -> BTreeMap<String, usize> {
    let text = std::fs::read_to_string(log).expect("the log is there");
    let lines = text[start..].lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let sent = lines.filter(|line| line["target"] == "sqlx::query").filter_map(|line| {
        let whole = line["db.statement"].as_str().filter(|text| !text.is_empty());
        Some(whole.or_else(|| line["summary"].as_str())?.to_owned())
    });
    let of_page = |sql: &String| {
        let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
        let mut words = sql.split(word).map(str::to_lowercase);
        words.any(|word| TABLES.contains(&word.as_str()))
    };
    let mut found = BTreeMap::new();
    for sql in sent.filter(of_page) {
        let sql = sql.split_whitespace().collect::<Vec<_>>().join(" ");
        *found.entry(sql).or_default() += 1;
    }
    found
}

/// Gives the meeting more segments and todos than were found in its few words.
async fn fill(place: &Place, host: &Client, meeting: &str) {
    let postgres = Postgres::from(place).expect("settings");
    let pool = database::connect(&postgres, "transcript").await.expect("database");
    let id = Uuid::parse_str(meeting).expect("an id");
    sqlx::query(
        "INSERT INTO segment (id, transcript_id, ordinal, start_ms, end_ms, text)
         SELECT gen_random_uuid(), t.id, 1000 + n, 1000000 + n, 1000001 + n, 'More.'
         FROM transcript t, generate_series(1, $2) AS n WHERE t.meeting_id = $1",
    )
    .bind(id)
    .bind(MANY)
    .execute(&pool)
    .await
    .expect("segments");
    pool.close().await;
    for number in 0..MANY {
        let input = json!({ "meetingId": meeting, "title": format!("Todo {number}") });
        let create = "mutation ($input: CreateTodoInput!) { createTodo(input: $input) {
            todo { id } userErrors { code } } }";
        host.send(create, json!({ "input": input })).await.ok();
    }
}

/// Given a meeting with minutes, a summary and many segments and todos, when a participant opens its page, then each kind
/// of thing costs one statement however many there are, and the next time what is cached costs none.
#[tokio::test]
async fn the_page_of_a_meeting_costs_a_statement_for_each_kind_of_thing() {
    let mut place = Place::new();
    place.set("MOIM_LOG", "warn,sqlx::query=debug");
    place.set("MOIM_LOG_FORMAT", "json");
    let log = place.log_to_file();
    let moim = place.up().await;
    let host = story::register(&moim.client(), "host").await;
    let meeting = story::started_meeting(&host.client, &[]).await;
    let recording = story::upload(&host.client, &meeting, "audio/mpeg", story::few_words()).await;
    story::end_meeting(&host.client, &meeting, &recording).await;
    eventually("minutes and summary are there", TRANSCRIBED, || async {
        let answer = host.client.send(PAGE, json!({ "id": meeting })).await.ok();
        (!answer.data("/meeting/summary").is_null()).then_some(())
    })
    .await;
    fill(&place, &host.client, &meeting).await;
    let page = async || {
        let start = std::fs::read_to_string(&log).expect("the log is there").len();
        let answer = host.client.send(PAGE, json!({ "id": meeting })).await.ok();
        let many = |path: &str, least: i32| {
            let things = answer.data(path).as_array().expect("a list").len();
            assert!(i32::try_from(things).is_ok_and(|things| things >= least), "{path}: {things}");
        };
        many("/meeting/transcript/segments/nodes", MANY);
        many("/meeting/minutes/sections", 2);
        many("/meeting/todos/nodes", MANY);
        statements(&log, start)
    };
    let costs = async |expected: usize, cold: bool| {
        let deadline = tokio::time::Instant::now() + SOON;
        loop {
            if cold {
                place.run(&["cache", "evict", "all"]).await.expect("evicted");
            }
            let sent = page().await;
            // Others may read at the same moment (a consumer, or a reader past a Redis that is slow): look again.
            if sent.values().sum::<usize>() == expected {
                return sent;
            }
            assert!(tokio::time::Instant::now() < deadline, "not {expected}: {sent:#?}");
        }
    };
    // When nothing is cached, then no statement is sent twice, but the one that each service asks its own database.
    for (sql, times) in costs(COLD, true).await {
        let most = if sql.contains("membership") { 3 } else { 1 };
        assert!(times <= most, "{times} times: {sql}");
    }
    // When it is opened again, then what can be cached is.
    costs(WARM, false).await;
}
