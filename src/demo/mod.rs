//! Demo data: four people, what they have met about, what runs and what is to come.
//!
//! All of it is made through the public API as a client would, but for the texts of the past meetings, of which
//! there is no recording ([`recognition`]), and for when those were held. Loading is idempotent: who is registered already is logged in, each step
//! looks at what is there, so a start that died half-way is completed by the next one. The last step is the mark
//! that all is there.

mod api;
mod recognition;
mod story;

use anyhow::{Context as _, Result};
use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use meeting::meeting::{End, Meetings};
use platform::{
    idempotency::Once,
    kernel::Kernel,
    page::{FIRST_MAX, Page},
    task::{List, Task},
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use uuid::Uuid;

use api::Api;
use story::{
    ALEX, DEMO, DUE, HANEUL, MINJI, PLANNED, Past, Person, REVIEW, REVIEW_TODOS, RUNNING, WEEKLY,
    WEEKLY_TODOS, Written,
};

/// E-mail address of the demo login.
pub(crate) const EMAIL: &str = "demo@moim.local";
/// Password of the demo logins, on machines for trying only.
pub(crate) const PASSWORD: &str = "moim-demo-2026";
/// How long is waited for what the workers find in the past meetings, in all.
const WORK_TIMEOUT: Duration = Duration::from_secs(60);
/// Less than this the recogniser wasn't sure of what it heard.
const UNSURE: f32 = 0.5;
/// How often is looked whether they are done.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The services whose work is waited for, or done here.
pub(crate) struct Services {
    pub(crate) meetings: Meetings,
    pub(crate) transcript: Kernel,
    pub(crate) ai: Kernel,
    pub(crate) todo: Kernel,
}

/// Somebody who is logged in.
struct Account {
    api: Api,
    id: Value,
}

impl Account {
    async fn of(anybody: &Api, person: &Person) -> Result<Self> {
        let (api, id) = anybody.log_in(person.email, person.name, person.locale).await?;
        Ok(Self { api, id })
    }
}

/// Loads the demo data if it isn't there yet.
///
/// # Errors
/// When the API refuses or doesn't answer.
pub(crate) async fn load(base: &str, services: &Services) -> Result<()> {
    let anybody = Api::new(base);
    let demo = Account::of(&anybody, &DEMO).await?;
    let there =
        demo.api.send("{ meetingAnalyses(first: 1) { nodes { id } } }", Value::Null).await?;
    if there["meetingAnalyses"]["nodes"].get(0).is_some() {
        return Ok(());
    }
    let minji = Account::of(&anybody, &MINJI).await?;
    let alex = Account::of(&anybody, &ALEX).await?;
    let haneul = Account::of(&anybody, &HANEUL).await?;

    let until = Instant::now() + WORK_TIMEOUT;
    let review = held(&demo, &[&minji, &alex], &REVIEW, services, until).await?;
    let weekly = held(&minji, &[&demo, &haneul], &WEEKLY, services, until).await?;
    look_over(&demo, review).await?;
    share(&demo, &haneul, review).await?;
    mend(&minji, weekly).await?;
    write_down(&demo, &alex, review, &REVIEW_TODOS).await?;
    write_down(&minji, &haneul, weekly, &WEEKLY_TODOS).await?;

    let (title, agenda) = RUNNING;
    let now = Utc::now();
    let quarter = now.duration_trunc(TimeDelta::minutes(15))?;
    let plan = json!({
        "title": title, "agenda": agenda, "participantIds": [minji.id, alex.id],
        "scheduledAt": quarter });
    let running = meeting(&demo, plan).await?;
    if running["status"] == "SCHEDULED" {
        let input = json!({ "meetingId": running["id"] });
        demo.api.mutate("startMeeting", "meeting { id }", input).await?;
    }
    for (host, (title, agenda, at)) in [&demo, &minji].into_iter().zip(PLANNED) {
        let everybody = [&demo, &minji, &alex, &haneul];
        let others = everybody.iter().filter(|who| who.id != host.id).map(|who| &who.id);
        let others: Vec<&Value> = others.collect();
        let plan = json!({
            "title": title, "agenda": agenda, "participantIds": others,
            "scheduledAt": at.seen_from(now) });
        meeting(host, plan).await?;
    }
    read_some(&demo).await?;
    // The last one: where it is, all else is.
    let input = json!({ "meetingIds": [review, weekly], "idempotencyKey": "demo" });
    let asked = demo.api.mutate("requestAnalysis", "task { id }", input).await?;
    let task: Uuid = serde_json::from_value(asked["task"]["id"].clone())?;
    ended(&services.ai, |tasks| tasks.iter().any(|one| one.id == task), None, until).await
}

/// A meeting of this host's with this title: the one that is there, or a new one.
async fn meeting(host: &Account, mut plan: Value) -> Result<Value> {
    let query = "{ meetings(first: 100) { nodes { id title status scheduledAt } } }";
    let there = host.api.send(query, Value::Null).await?;
    let nodes = there["meetings"]["nodes"].as_array().cloned().unwrap_or_default();
    if let Some(known) = nodes.into_iter().find(|node| node["title"] == plan["title"]) {
        return Ok(known);
    }
    plan["idempotencyKey"] = json!(format!("demo {}", plan["title"]));
    const FIELDS: &str = "meeting { id title status scheduledAt }";
    let made = host.api.mutate("createMeeting", FIELDS, plan).await?;
    Ok(made["meeting"].clone())
}

/// A meeting that is over, with its text, and all that the workers found in it.
async fn held(
    host: &Account,
    guests: &[&Account],
    past: &'static Past,
    services: &Services,
    until: Instant,
) -> Result<Uuid> {
    let guests: Vec<&Value> = guests.iter().map(|guest| &guest.id).collect();
    let plan = json!({
        "title": past.title, "agenda": past.agenda, "participantIds": guests,
        "language": past.language, "scheduledAt": past.began.seen_from(Utc::now()) });
    let known = meeting(host, plan).await?;
    let id: Uuid = serde_json::from_value(known["id"].clone())?;
    if known["status"] == "SCHEDULED" || known["status"] == "IN_PROGRESS" {
        let began: DateTime<Utc> = serde_json::from_value(known["scheduledAt"].clone())?;
        let leader: Uuid = serde_json::from_value(host.id.clone())?;
        let (meetings, named) = (&services.meetings, id.to_string());
        let once = |mutation| Once::new(leader, mutation, None);
        meetings.start_at(once("startMeeting")?, &named, began).await?;
        let end = End { at: Some(began + recognition::length(past)), ..End::default() };
        meetings.end(once("endMeeting")?, &named, end).await?;
    }
    recognition::transcribe(&services.transcript, id, past).await?;
    name_speakers(host, id, past).await?;
    let of = |tasks: &[Task], kind: &str| tasks.iter().any(|one| one.kind == kind);
    let both = |tasks: &[_]| of(tasks, "SUMMARY") && of(tasks, "ANALYSIS");
    ended(&services.ai, both, Some(id), until).await?;
    ended(&services.todo, |tasks| of(tasks, "EXTRACTION"), Some(id), until).await?;
    let input = json!({ "meetingId": id, "idempotencyKey": "demo" });
    host.api.mutate("requestSchedule", "task { id }", input).await?;
    ended(&services.ai, |tasks| of(tasks, "SCHEDULE"), Some(id), until).await?;
    Ok(id)
}

/// Waits until a service's tasks (of this meeting) are ended, `these` being among them; or until it has taken too
/// long: an engine may be slow, or away. What it finds comes later then.
async fn ended(
    kernel: &Kernel,
    these: impl Fn(&[Task]) -> bool,
    meeting: Option<Uuid>,
    until: Instant,
) -> Result<()> {
    let tasks = kernel.tasks();
    while Instant::now() < until {
        let typename = if kernel.service == todo::NAME { "TodoTask" } else { "AiTask" };
        let list = List { typename, group: meeting, ..List::default() };
        let page = Page { first: FIRST_MAX, after: None };
        let found = tasks.list(page, &list).await?;
        if these(&found) && found.iter().all(|task| task.status.is_final()) {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    tracing::warn!(service = kernel.service, "the demo's work goes on in the background");
    Ok(())
}

/// Says who speaks in each segment.
async fn name_speakers(host: &Account, meeting: Uuid, past: &'static Past) -> Result<()> {
    let query = "query ($id: ID!) { meeting(id: $id) { transcript {
        id speakers { id label } segments(first: 100) { nodes { id revision speaker { id } } } } } }";
    let found = host.api.send(query, json!({ "id": meeting })).await?;
    let transcript = &found["meeting"]["transcript"];
    let mut speakers: Vec<Value> = Vec::new();
    for label in past.speakers {
        let known = transcript["speakers"].as_array().into_iter().flatten();
        let known = known.into_iter().find(|speaker| speaker["label"] == *label);
        speakers.push(match known {
            Some(speaker) => speaker["id"].clone(),
            None => {
                let input = json!({ "transcriptId": transcript["id"], "label": label });
                let added = host.api.mutate("addSpeaker", "speaker { id }", input).await?;
                added["speaker"]["id"].clone()
            }
        });
    }
    let segments = transcript["segments"]["nodes"].as_array().cloned().unwrap_or_default();
    for (segment, line) in segments.iter().zip(past.lines) {
        // What was hardly understood is left as it is, for people to find.
        if segment["speaker"].is_null() && line.confidence > UNSURE {
            let input = json!({
                "segmentId": segment["id"], "revision": segment["revision"],
                "speakerId": speakers[line.speaker] });
            host.api.mutate("editSegment", "segment { id }", input).await?;
        }
    }
    Ok(())
}

/// The sections of a meeting's minutes.
async fn sections(who: &Account, meeting: Uuid) -> Result<Vec<Value>> {
    let query = "query ($id: ID!) { meeting(id: $id) { minutes {
        sections { id version verifiedAt body } } } }";
    let found = who.api.send(query, json!({ "id": meeting })).await?;
    let sections = found["meeting"]["minutes"]["sections"].as_array();
    sections.cloned().context("the minutes have no sections")
}

/// Verifies all sections: the minutes are final.
async fn look_over(host: &Account, meeting: Uuid) -> Result<()> {
    for section in sections(host, meeting).await? {
        if section["verifiedAt"].is_null() {
            let input = json!({ "sectionId": section["id"], "version": section["version"] });
            host.api.mutate("verifySection", "section { id }", input).await?;
        }
    }
    Ok(())
}

/// Mends a segment and a section, verifies another one, and asks where to look: the minutes stay a draft.
async fn mend(host: &Account, meeting: Uuid) -> Result<()> {
    const HEARD: &str = "출시 발표 자료는 누가 맞나요?";
    const SAID: &str = "출시 발표 자료는 누가 맡나요?";
    let query = "query ($id: ID!) { meeting(id: $id) { transcriptTasks { kind }
        transcript { segments(first: 100) { nodes { id revision text } } } } }";
    let found = host.api.send(query, json!({ "id": meeting })).await?;
    let found = &found["meeting"];
    let segments = found["transcript"]["segments"]["nodes"].as_array().cloned().unwrap_or_default();
    if let Some(heard) = segments.into_iter().find(|segment| segment["text"] == HEARD) {
        let input =
            json!({ "segmentId": heard["id"], "revision": heard["revision"], "text": SAID });
        host.api.mutate("editSegment", "segment { id }", input).await?;
    }
    let sections = sections(host, meeting).await?;
    if let [first, .., last] = &sections[..]
        && first["verifiedAt"].is_null()
    {
        let body = format!("{}\n(민지가 고침)", last["body"].as_str().unwrap_or_default());
        let input = json!({ "sectionId": last["id"], "version": last["version"], "body": body });
        host.api.mutate("updateSection", "section { id }", input).await?;
        let input = json!({ "sectionId": first["id"], "version": first["version"] });
        host.api.mutate("verifySection", "section { id }", input).await?;
    }
    let asked = found["transcriptTasks"].as_array().into_iter().flatten();
    if !asked.into_iter().any(|task| task["kind"] == "VERIFICATION") {
        let input = json!({ "meetingId": meeting });
        host.api.mutate("requestVerification", "task { id }", input).await?;
    }
    Ok(())
}

/// A link for anybody, and somebody by name who wasn't there.
async fn share(host: &Account, reader: &Account, meeting: Uuid) -> Result<()> {
    let query = "query ($id: ID!) { shareLinks(meetingId: $id, first: 1) { nodes { id } } }";
    let found = host.api.send(query, json!({ "id": meeting })).await?;
    if found["shareLinks"]["nodes"].get(0).is_none() {
        let input = json!({ "meetingId": meeting });
        host.api.mutate("createShareLink", "link { id }", input).await?;
    }
    let input = json!({ "meetingId": meeting, "userIds": [reader.id] });
    host.api.mutate("shareTranscript", "meetingId", input).await?;
    Ok(())
}

/// Todos in each state: those that people write down, beside what was found in the text.
async fn write_down(
    host: &Account,
    guest: &Account,
    meeting: Uuid,
    written: &[Written],
) -> Result<()> {
    let query =
        "query ($id: ID!) { meeting(id: $id) { todos(first: 100) { nodes { id title status } } } }";
    let found = host.api.send(query, json!({ "id": meeting })).await?;
    let todos = found["meeting"]["todos"]["nodes"].as_array().cloned().unwrap_or_default();
    // The first of those that were found is taken up; the others wait as proposals.
    if let Some(first) = todos.iter().find(|todo| todo["status"] == "PROPOSED")
        && !todos.iter().any(|todo| todo["title"] == written[0].title)
    {
        let input = json!({ "todoId": first["id"], "status": "OPEN" });
        host.api.mutate("setTodoStatus", "todo { id }", input).await?;
    }
    for written in written {
        let todo = match todos.iter().find(|todo| todo["title"] == written.title) {
            Some(todo) => todo.clone(),
            None => {
                let who = if written.is_for_guest { &guest.id } else { &host.id };
                let input = json!({
                    "title": written.title, "meetingId": meeting, "assigneeId": who,
                    "priority": written.priority, "dueAt": DUE.seen_from(Utc::now()) });
                let made = host.api.mutate("createTodo", "todo { id title status }", input).await?;
                made["todo"].clone()
            }
        };
        let done = written.states.iter().position(|state| todo["status"] == *state);
        for state in written.states.iter().skip(done.map_or(0, |done| done + 1)) {
            let input = json!({ "todoId": todo["id"], "status": state });
            host.api.mutate("setTodoStatus", "todo { id }", input).await?;
        }
    }
    Ok(())
}

/// Reads some of the notifications that have come, and leaves the others unread.
async fn read_some(who: &Account) -> Result<()> {
    let query = "{ me { notifications(first: 100) { nodes { id } } } }";
    let found = who.api.send(query, Value::Null).await?;
    let nodes = found["me"]["notifications"]["nodes"].as_array().cloned().unwrap_or_default();
    // The older half.
    let older: Vec<&Value> = nodes.iter().skip(nodes.len() / 2).map(|node| &node["id"]).collect();
    let input = json!({ "notificationIds": older });
    who.api.mutate("markNotificationsRead", "me { id }", input).await?;
    Ok(())
}
