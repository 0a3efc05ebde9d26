//! README.md promises what a fresh Moim has to show: this follows it as a newcomer does, with the page's own operations.
//!
//! | file | what is in it |
//! |---|---|
//! | `page` | the page as what can be walked |
//! | `shell` | what it has people paste into a shell |

mod page;
mod shell;

use crate::kit::{SOON, client::Client, eventually, instance::Place, story, websocket::Socket};
use chrono::{DateTime, Utc};
use page::{Step, below, blocks, prose, rows, steps};
use serde_json::{Value, json};
use std::{collections::BTreeSet, path::Path};

const PAGE: &str = include_str!("../../README.md");
/// The explorer's tabs, of which the first one logs in.
const TABS: &str = include_str!("../../explorer/src/tab.js");
/// Whom the first tab logs in.
const DEMO: &str = "demo@moim.local";

/// Logs somebody in as the explorer's first tab does.
async fn log_in(anybody: &Client, email: &str) -> Client {
    let tab = TABS.split('`').nth(1).expect("a first tab");
    let answer = anybody.send(&tab.replace(DEMO, email), Value::Null).await.ok();
    anybody.with_token(&answer.text("/login/accessToken"))
}

/// The list at a JSON pointer.
#[track_caller]
fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    let found = value.pointer(pointer).and_then(Value::as_array);
    found.unwrap_or_else(|| panic!("no list {pointer} in {value}"))
}

/// The same, of which there must be something.
#[track_caller]
fn some<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    let found = list(value, pointer);
    assert!(!found.is_empty(), "nothing at {pointer} in {value}");
    found
}

/// The texts that a field has in the items of a list.
fn texts<'a>(items: &'a [Value], pointer: &str) -> Vec<&'a str> {
    items.iter().filter_map(|item| item.pointer(pointer)?.as_str()).collect()
}

fn is_hangul(text: &str) -> bool {
    text.chars().any(|c| ('가'..='힣').contains(&c))
}

/// Sends what must be answered without errors; gives its data.
async fn ask(client: &Client, operation: &str, variables: Value) -> Value {
    client.send(operation, variables).await.ok().body["data"].take()
}

/// The demo's meetings by their titles, as the first step shows them.
struct Meetings(Vec<Value>);

impl Meetings {
    fn id(&self, title: &str) -> &str {
        let found = self.0.iter().find(|meeting| meeting["title"] == title);
        let found = found.unwrap_or_else(|| panic!("no {title} in {:?}", self.0));
        found["id"].as_str().expect("an id")
    }
}

/// Given a fresh Moim with the demo's data, when a newcomer walks README's tour in its order, then each step shows what
/// the page promises. A step that is added, renamed or promises other things has to be walked here too.
#[tokio::test]
async fn a_newcomer_sees_what_the_page_promises() {
    let mut place = Place::new();
    place.set("MOIM_DEMO", "true");
    place.set("MOIM_RATE_LIMIT", "true");
    let before = Utc::now();
    let moim = place.up().await;
    let anybody = moim.client();

    let printed = blocks(below(PAGE, "Start")).pop().expect("what make up ends with").text;
    for line in printed.lines().map(|line| line.replace("http://127.0.0.1:4000", &moim.base)) {
        eventually(&line, SOON, || async { moim.has_said(&line).then_some(()) }).await;
    }
    let section = below(PAGE, "Ten minutes of looking around");
    people(section, &anybody).await;
    let demo = log_in(&anybody, DEMO).await;
    let steps = steps(section);
    let [around, page, both, search, live, edit, share, own, other, voice] = &steps[..] else {
        panic!("ten steps: {steps:#?}")
    };
    let meetings = look_around(around, &demo).await;
    times_make_sense(&demo, before).await;
    see_a_page(page, &demo, meetings.id("Product review")).await;
    see_both(both, &demo).await;
    find(search, &demo).await;
    watch(live, &demo, meetings.id("Design sync")).await;
    edit_together(edit, &demo, meetings.id("주간 회의")).await;
    share_it(share, &demo, meetings.id("Product review"), place.data()).await;
    see_ones_own(own, &anybody).await;
    be_another(other, page, &anybody, meetings.id("Product review")).await;
    assert_eq!(voice.title, "With your own voice");
    voice.promises("the main job above");

    let job = blocks(below(PAGE, "The main job, to paste"));
    let sample = place.data().join("sample.wav");
    std::fs::write(sample, story::speech_recording()).expect("a recording beside it");
    let shown = shell::main_job(page::shell(&job), &moim.base, place.data()).await;
    let meeting = &shown["data"]["meeting"];
    assert_eq!(meeting["host"]["name"], "Demo", "{shown}");
    let text = meeting["transcript"]["text"].as_str().expect("a text");
    assert!(story::known_words(text) >= 8, "{text}");
    some(meeting, "/minutes/sections");
    assert!(meeting["summary"]["overview"].is_string(), "{shown}");
    assert!(list(meeting, "/todos/nodes").is_empty(), "nobody says what is to be done");
    assert!(moim.stop().await, "it stops cleanly");
}

/// Everybody on the page can log in with its password, and has what it says.
async fn people(section: &str, anybody: &Client) {
    assert!(prose(section).contains("All of them have the password `moim-demo-2026`"));
    let people = rows(section);
    assert_eq!(people.len(), 4, "{people:?}");
    for (email, cells) in people {
        let [who, what] = cells[..] else { panic!("{cells:?}") };
        let client = log_in(anybody, email).await;
        let query = "{ me { name locale todos(first: 1) { nodes { title } } }
            meetings(first: 10) { nodes { title status host { name } } }
            transcriptsSharedWithMe { nodes { meetingTitle } } }";
        let found = ask(&client, query, Value::Null).await;
        let language = if found["me"]["locale"] == "ko" { "Korean" } else { "English" };
        assert_eq!(format!("{} ({language})", found["me"]["name"].as_str().unwrap()), who);
        let meetings = list(&found, "/meetings/nodes");
        let has = |title: &str, status: &str, host: &str| {
            let fits =
                |it: &&Value| (&it["title"], &it["status"]) == (&json!(title), &json!(status));
            let found = meetings.iter().find(fits).unwrap_or_else(|| panic!("{email}: no {title}"));
            assert_eq!(found["host"]["name"], host, "{email}: {title}");
        };
        match what {
            "led \"Product review\", leads \"Design sync\" right now" => {
                has("Product review", "MINUTES_READY", "Demo");
                has("Design sync", "IN_PROGRESS", "Demo");
            }
            "led \"주간 회의\", and was in \"Product review\"" => {
                has("주간 회의", "MINUTES_READY", "김민지");
                has("Product review", "MINUTES_READY", "Demo");
            }
            "takes part, has todos" => {
                has("Product review", "MINUTES_READY", "Demo");
                some(&found, "/me/todos/nodes");
            }
            "takes part; the \"Product review\" is shared with them" => {
                has("주간 회의", "MINUTES_READY", "김민지");
                let shared = some(&found, "/transcriptsSharedWithMe/nodes");
                assert_eq!(texts(shared, "/meetingTitle"), ["Product review"]);
            }
            other => panic!("does {email} have this? {other}"),
        }
    }
}

async fn look_around(step: &Step<'_>, demo: &Client) -> Meetings {
    assert_eq!(step.title, "What is there");
    step.promises("One meeting runs, two are to come, two have minutes.");
    let [meetings] = step.operations();
    let found = ask(demo, meetings, Value::Null).await;
    let meetings = list(&found, "/meetings/nodes");
    let of = |status: &str| meetings.iter().filter(|it| it["status"] == status).count();
    assert_eq!((of("IN_PROGRESS"), of("SCHEDULED"), of("MINUTES_READY")), (1, 2, 2), "{found}");
    assert_eq!(meetings.len(), 5, "{found}");
    assert!(texts(meetings, "/title").iter().any(|title| is_hangul(title)), "{found}");
    Meetings(meetings.to_vec())
}

/// What is over was over before the data was loaded, and took as long as what was said; what runs has begun; what is
/// to come lies ahead; and what was said to be done by some day is to be done after the meeting.
async fn times_make_sense(demo: &Client, before: DateTime<Utc>) {
    let query = "{ meetings(first: 10) { nodes { title status scheduledAt startedAt endedAt
        transcript { durationMs } schedule { items { date at } } } } }";
    let found = ask(demo, query, Value::Null).await;
    let now = Utc::now();
    for meeting in list(&found, "/meetings/nodes") {
        let at = |field: &str| {
            let time = meeting[field].as_str()?;
            Some(time.parse::<DateTime<Utc>>().expect("a time"))
        };
        let scheduled = at("scheduledAt").unwrap_or_else(|| panic!("no plan: {meeting}"));
        match (meeting["status"].as_str(), at("startedAt"), at("endedAt")) {
            (Some("SCHEDULED"), None, None) => assert!(scheduled > now, "{meeting}"),
            (Some("IN_PROGRESS"), Some(started), None) => {
                assert!(scheduled <= started && started <= now, "{meeting}");
            }
            (Some("MINUTES_READY"), Some(started), Some(ended)) => {
                assert!(scheduled <= started && started < ended && ended < before, "{meeting}");
                let spoken = meeting["transcript"]["durationMs"].as_i64().expect("a length");
                assert!((ended - started).num_milliseconds() >= spoken, "{meeting}");
                let day = ended.date_naive().to_string();
                for item in some(meeting, "/schedule/items") {
                    let when = item["date"].as_str().or(item["at"].as_str()).expect("a day");
                    assert!(when > day.as_str(), "{when} in {meeting}");
                }
            }
            other => panic!("{other:?} in {meeting}"),
        }
    }
}

async fn see_a_page(step: &Step<'_>, demo: &Client, review: &str) {
    assert_eq!(step.title, "A meeting's page");
    step.promises(
        "final minutes, a summary whose decisions cite what was said, a schedule with days, \
         todos in every state",
    );
    let [page] = step.operations();
    let found = ask(demo, page, json!({ "id": review })).await;
    let meeting = &found["meeting"];
    assert_eq!(meeting["minutes"]["status"], "FINAL");
    for section in some(meeting, "/minutes/sections") {
        assert_eq!(section["verifiedBy"]["name"], "Demo", "{section}");
    }
    let speakers = texts(list(meeting, "/transcript/speakers"), "/label");
    assert_eq!(BTreeSet::from_iter(speakers), BTreeSet::from(["Alex", "Demo", "Minji"]));
    some(meeting, "/transcript/segments/nodes");
    assert!(meeting["summary"]["overview"].as_str().is_some_and(|text| !text.is_empty()));
    for decision in some(meeting, "/summary/decisions") {
        some(decision, "/segments");
    }
    for item in some(meeting, "/schedule/items") {
        assert!(item["date"].is_string() || item["at"].is_string(), "{item}");
    }
    let todos = list(meeting, "/todos/nodes");
    let states = BTreeSet::from_iter(texts(todos, "/status"));
    let all = BTreeSet::from(["PROPOSED", "OPEN", "IN_PROGRESS", "DONE", "CANCELLED"]);
    assert_eq!(states, all, "{todos:?}");
    assert!(todos.iter().any(|todo| !list(todo, "/evidence").is_empty()), "{todos:?}");
}

async fn see_both(step: &Step<'_>, demo: &Client) {
    assert_eq!(step.title, "Both meetings together");
    step.promises(
        "topics, who spoke for how long, decisions and what is open, each with its meeting",
    );
    let [analyses] = step.operations();
    let found = ask(demo, analyses, Value::Null).await;
    let analysis = &some(&found, "/meetingAnalyses/nodes")[0];
    let both = BTreeSet::from(["Product review", "주간 회의"]);
    assert_eq!(BTreeSet::from_iter(texts(list(analysis, "/meetings"), "/title")), both);
    for topic in some(analysis, "/topics") {
        some(topic, "/citations");
    }
    for voice in some(analysis, "/talkTime") {
        assert!(voice["durationMs"].as_i64() > Some(0), "{voice}");
    }
    for kind in ["/decisions", "/openTodos"] {
        let of = BTreeSet::from_iter(texts(some(analysis, kind), "/meeting/title"));
        assert_eq!(of, both, "{kind} of both in {analysis}");
    }
}

async fn find(step: &Step<'_>, demo: &Client) {
    assert_eq!(step.title, "Search");
    step.promises("in both languages, by parts of words");
    let [search] = step.operations();
    let found = ask(demo, search, Value::Null).await;
    let korean = texts(some(&found, "/ko/nodes"), "/segment/text");
    assert!(korean.iter().all(|text| text.contains("예산")), "{korean:?}");
    assert!(korean.iter().any(|text| text.contains("예산은")), "a part of a word: {korean:?}");
    let english = texts(some(&found, "/en/nodes"), "/segment/text");
    assert!(english.iter().any(|text| text.contains("release date")), "{english:?}");
}

/// As the explorer does it: the subscription over a WebSocket.
async fn watch(step: &Step<'_>, demo: &Client, running: &str) {
    assert_eq!(step.title, "Live");
    step.promises("an event comes at once");
    step.promises("the same key gives the same todo, and no second event");
    let [live, todo] = step.operations();
    let mut socket = Socket::open(&demo.base, demo.token.as_deref().expect("logged in")).await;
    socket.subscribe("live", live, json!({ "id": running })).await;
    let mut socket = socket.read_along();
    let mut next = async || {
        let message = socket.next(SOON).await.expect("it goes on");
        assert_eq!(message["type"], "next", "{message}");
        message["payload"]["data"]["meetingUpdated"].clone()
    };
    let now = next().await;
    assert_eq!(
        (&now["type"], &now["meeting"]["status"]),
        (&json!("SNAPSHOT"), &json!("IN_PROGRESS"))
    );

    let made = ask(demo, todo, json!({ "id": running })).await;
    let again = ask(demo, todo, json!({ "id": running })).await;
    assert_eq!(made, again);
    // What comes behind shows that nothing comes between.
    let another = todo.replace("Try Moim", "Another").replace("\"try\"", "\"another\"");
    ask(demo, &another, json!({ "id": running })).await;
    let mut created = Vec::new();
    while created.last().is_none_or(|title| title != "Another") {
        let event = next().await;
        if event["type"] == "TODO_CREATED" {
            created.push(event["todo"]["title"].as_str().expect("a title").to_owned());
        }
    }
    assert_eq!(created, ["Try Moim", "Another"]);
}

async fn edit_together(step: &Step<'_>, demo: &Client, weekly: &str) {
    assert_eq!(step.title, "Edit together");
    step.promises("The Korean minutes are a draft.");
    step.promises("told `VERSION_CONFLICT` and shown what the first one left");
    let [draft, mend] = step.operations();
    let found = ask(demo, draft, json!({ "id": weekly })).await;
    let meeting = &found["meeting"];
    assert_eq!(meeting["minutes"]["status"], "DRAFT");
    let sections = some(meeting, "/minutes/sections");
    assert!(sections.iter().any(|section| section["verifiedBy"]["name"] == "김민지"), "{found}");
    let segments = some(meeting, "/transcript/segments/nodes");
    let mended = segments.iter().any(|segment| {
        let before = texts(list(segment, "/revisions/nodes"), "/text");
        segment["editedBy"]["name"] == "김민지" && before.iter().any(|it| segment["text"] != **it)
    });
    assert!(mended, "somebody has mended what was heard: {segments:?}");
    let tasks = list(meeting, "/transcriptTasks").iter();
    let findings: Vec<_> =
        tasks.filter_map(|task| task["result"]["findingCount"].as_i64()).collect();
    assert!(matches!(findings[..], [count] if count > 0), "{found}");

    let open = |section: &&Value| section["version"] == 1 && section["verifiedBy"].is_null();
    let section = sections.iter().find(open).expect("one that nobody has touched");
    let variables = json!({ "section": section["id"] });
    let first = ask(demo, mend, variables.clone()).await;
    assert_eq!(first["updateSection"]["section"]["version"], 2, "{first}");
    let second = demo.send(mend, variables).await;
    assert_eq!(second.user_error_codes(), ["VERSION_CONFLICT"]);
    assert_eq!(*second.data("/updateSection/section"), first["updateSection"]["section"]);
}

async fn share_it(step: &Step<'_>, demo: &Client, review: &str, folder: &Path) {
    assert_eq!(step.title, "Share");
    step.promises("\"Product review\" has a link.");
    let links = "query ($id: ID!) { shareLinks(meetingId: $id) { nodes { isActive } } }";
    let found = ask(demo, links, json!({ "id": review })).await;
    assert_eq!(list(&found, "/shareLinks/nodes"), [json!({ "isActive": true })]);
    let [link] = step.operations();
    let made = ask(demo, link, json!({ "id": review })).await;
    assert_eq!(made["createShareLink"]["link"]["isActive"], true, "{made}");
    let token = made["createShareLink"]["token"].as_str().expect("a token");
    let opened = shell::run(&step.shell().replace("TOKEN", token), &demo.base, folder).await;
    let opened: Value = serde_json::from_str(&opened).expect("JSON");
    let shared = &opened["data"]["sharedTranscript"];
    assert_eq!(shared["meetingTitle"], "Product review", "{opened}");
    some(shared, "/sections");
}

/// In the language of each.
async fn see_ones_own(step: &Step<'_>, anybody: &Client) {
    assert_eq!(step.title, "One's own page");
    step.promises("todos by state, the inbox with what is read and unread");
    let [own] = step.operations();
    let found = ask(&log_in(anybody, DEMO).await, own, Value::Null).await;
    let me = &found["me"];
    let states = BTreeSet::from_iter(texts(some(me, "/todos/nodes"), "/status"));
    assert!(states.len() >= 3, "{found}");
    let [open, running, done] =
        ["open", "inProgress", "done"].map(|field| me["todoStatistics"][field].as_i64());
    assert!(open > Some(0) && running > Some(0) && done > Some(0), "{found}");
    let inbox = some(me, "/notifications/nodes");
    assert!(me["unreadNotificationCount"].as_i64() > Some(0), "{found}");
    let read = inbox.iter().filter(|it| it["readAt"].is_string()).count();
    assert!((1..inbox.len()).contains(&read), "{read} are read: {found}");
    assert!(texts(inbox, "/title").iter().any(|title| !is_hangul(title)), "{found}");

    let found = ask(&log_in(anybody, "minji@moim.local").await, own, Value::Null).await;
    let todos = texts(some(&found, "/me/todos/nodes"), "/title");
    assert!(todos.iter().all(|title| is_hangul(title)), "{found}");
    let titles = texts(some(&found, "/me/notifications/nodes"), "/title");
    assert!(titles.iter().all(|title| is_hangul(title)), "{found}");
}

async fn be_another(step: &Step<'_>, page: &Step<'_>, anybody: &Client, review: &str) {
    assert_eq!(step.title, "As somebody else");
    step.promises("Log in as `haneul@moim.local`");
    step.promises("the meeting of step 2 is `null` for them, and yet they read what was shared");
    let haneul = log_in(anybody, "haneul@moim.local").await;
    let [page] = page.operations();
    let found = ask(&haneul, page, json!({ "id": review })).await;
    assert_eq!(found, json!({ "meeting": null }));
    let [shared] = step.operations();
    let found = ask(&haneul, shared, Value::Null).await;
    let [shared] = list(&found, "/transcriptsSharedWithMe/nodes") else { panic!("{found}") };
    assert_eq!(shared["meetingTitle"], "Product review");
    some(shared, "/sections");
}
