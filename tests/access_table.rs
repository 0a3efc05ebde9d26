//! Who gets in where: one row for every field of the API's roots, and one for every entity of each subgraph, asked
//! there as the router asks. A field or an entity that the table doesn't know makes it fail.

use crate::kit::{SOON, client::Client, eventually, instance::Place, sse::Stream, story};
use platform::{
    config::Postgres,
    database,
    identity::{Identity, Viewer},
    signature::Keys,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What somebody gets.
#[derive(Debug, Clone, Copy)]
enum Gets {
    /// An answer without errors.
    In,
    /// `null` in place of what isn't there, or isn't theirs.
    Null,
    /// A list with nothing in it.
    Empty,
    /// A user error with this code.
    Refused(&'static str),
    /// An error with this code.
    Error(&'static str),
}

use Gets::{Empty, Error, In, Null, Refused};

/// A field of a root, and who gets what. `<name>` in the arguments is an id of the host's.
struct Row {
    field: &'static str,
    /// Arguments, as GraphQL.
    arguments: &'static str,
    /// What is selected of a query or subscription.
    selected: &'static str,
    /// Somebody who hasn't logged in.
    anonymous: Gets,
    /// Somebody who has nothing to do with the meeting.
    outsider: Gets,
    /// Somebody who takes part, but doesn't lead it.
    attendee: Gets,
}

const fn row(
    field: &'static str,
    arguments: &'static str,
    selected: &'static str,
    outsider: Gets,
    attendee: Gets,
) -> Row {
    Row { field, arguments, selected, anonymous: Error("UNAUTHENTICATED"), outsider, attendee }
}

/// A change of one's own, for everybody who has logged in.
const fn own(field: &'static str, arguments: &'static str) -> Row {
    row(field, arguments, "", In, In)
}

/// Something for administrators alone: the router asks no subgraph for who isn't one.
const fn admin(field: &'static str, arguments: &'static str, selected: &'static str) -> Row {
    let denied = Error("UNAUTHORIZED_FIELD_OR_TYPE");
    Row { field, arguments, selected, anonymous: denied, outsider: denied, attendee: denied }
}

/// A change of the host's alone.
const fn host(field: &'static str, arguments: &'static str) -> Row {
    row(field, arguments, "", Refused("MEETING_NOT_FOUND"), Refused("NOT_HOST"))
}

/// Something that needs no log-in.
const fn public(field: &'static str, arguments: &'static str, gets: Gets) -> Row {
    Row { field, arguments, selected: "", anonymous: gets, outsider: gets, attendee: gets }
}

/// The same, of a query.
const fn public_query(
    field: &'static str,
    arguments: &'static str,
    selected: &'static str,
    gets: Gets,
) -> Row {
    Row { selected, ..public(field, arguments, gets) }
}

const QUERIES: &[Row] = &[
    row("me", "", "{ id }", In, In),
    row("user", "(id: \"<host>\")", "{ name }", In, In),
    row("users", "(search: \"host\")", "{ nodes { id } }", In, In),
    admin("accounts", "", "{ nodes { email } }"),
    row("meeting", "(id: \"<meeting>\")", "{ title }", Null, In),
    row("meetings", "", "{ nodes { id } }", In, In),
    row("meetingTemplates", "", "{ id }", In, In),
    // A bulk creation is of whoever asked for it.
    row("meetingTask", "(id: \"<meetingTask>\")", "{ id }", Null, Null),
    row("meetingTasks", "", "{ nodes { id } }", In, In),
    row("transcriptTask", "(id: \"<transcriptTask>\")", "{ id }", Null, In),
    row("latestTranscriptTask", "(meetingId: \"<meeting>\")", "{ id }", Null, In),
    row("transcriptTasks", "", "{ nodes { id } }", In, In),
    row("transcript", "(id: \"<transcript>\")", "{ text }", Null, In),
    row("exportTranscript", "(meetingId: \"<meeting>\", format: SRT)", "{ content }", Null, In),
    row("searchTranscripts", "(query: \"times\")", "{ nodes { meetingId } }", Empty, In),
    row("transcriptsSharedWithMe", "", "{ nodes { id } }", In, In),
    row("shareLinks", "(meetingId: \"<meeting>\")", "{ nodes { id } }", Empty, Empty),
    row(
        "transcriptReaders",
        "(meetingId: \"<meeting>\")",
        "{ nodes { user { id } } }",
        Empty,
        Empty,
    ),
    public_query("sharedTranscript", "(token: \"<link>\")", "{ text }", In),
    row("aiTask", "(id: \"<aiTask>\")", "{ id }", Null, In),
    row("aiTasks", "(filter: { meetingId: \"<meeting>\" })", "{ nodes { id } }", Empty, In),
    row("meetingAnalysis", "(id: \"<analysis>\")", "{ id }", Null, In),
    // An analysis over several meetings is of whoever asked for it.
    row("meetingAnalyses", "", "{ nodes { id } }", Empty, Empty),
    row("todoTasks", "(filter: { meetingId: \"<meeting>\" })", "{ nodes { id } }", Empty, In),
    row("todoTask", "(id: \"<todoTask>\")", "{ id }", Null, In),
    row("todo", "(id: \"<todo>\")", "{ title }", Null, In),
    // One sees what one announced oneself.
    row("announcement", "(id: \"<notification>\")", "{ id }", Null, Null),
    row("notification", "(id: \"<notification>\")", "{ id }", Null, Null),
];

const MUTATIONS: &[Row] = &[
    public("register", "email: \"x\", password: \"x\", name: \"x\"", Refused("INVALID_EMAIL")),
    public("login", "email: \"x\", password: \"x\"", Refused("INVALID_CREDENTIALS")),
    public("refresh", "refreshToken: \"x\"", Refused("INVALID_REFRESH_TOKEN")),
    public("logout", "refreshToken: \"x\"", In),
    own("updateProfile", ""),
    row("changePassword", "currentPassword: \"x\", newPassword: \"y\"", "", WRONG, WRONG),
    row("deleteAccount", "password: \"x\"", "", WRONG, WRONG),
    admin("grantRole", "userId: \"<host>\", role: ADMIN", ""),
    admin("revokeRole", "userId: \"<host>\", role: ADMIN", ""),
    admin("disableAccount", "userId: \"<host>\"", ""),
    admin("enableAccount", "userId: \"<host>\"", ""),
    admin("evictCache", "kind: \"all\"", ""),
    own("createMeeting", "title: \"Mine\""),
    own("createMeetings", "meetings: [{ title: \"Mine\" }]"),
    row("retryMeetingTask", "taskId: \"<meetingTask>\"", "", NO_TASK, NO_TASK),
    row("cancelMeetingTask", "taskId: \"<meetingTask>\"", "", NO_TASK, NO_TASK),
    host("updateMeeting", "meetingId: \"<meeting>\", title: \"Theirs\""),
    own("createMeetingTemplate", "name: \"Mine\", sections: [{ title: \"All\" }]"),
    row(
        "updateMeetingTemplate",
        "templateId: \"<template>\", version: 1",
        "",
        NO_TEMPLATE,
        NO_TEMPLATE,
    ),
    row("deleteMeetingTemplate", "templateId: \"<template>\"", "", NO_TEMPLATE, NO_TEMPLATE),
    host("startMeeting", "meetingId: \"<meeting>\""),
    host("endMeeting", "meetingId: \"<meeting>\""),
    host("cancelMeeting", "meetingId: \"<meeting>\""),
    host("addParticipants", "meetingId: \"<meeting>\", participantIds: []"),
    host("removeParticipant", "meetingId: \"<meeting>\", userId: \"<host>\""),
    // Too late: this meeting has ended.
    row(
        "respondToInvitation",
        "meetingId: \"<meeting>\", response: ACCEPTED",
        "",
        NO_MEETING,
        Refused("ILLEGAL_STATUS"),
    ),
    // Whoever takes part may bring the recording; this meeting has one.
    row(
        "requestRecordingUpload",
        "meetingId: \"<meeting>\", contentType: \"audio/wav\", sizeBytes: 9",
        "",
        NO_MEETING,
        Refused("ILLEGAL_STATUS"),
    ),
    row(
        "requestRecordingPartUpload",
        "meetingId: \"<meeting>\", sequence: 0, contentType: \"audio/wav\", sizeBytes: 9",
        "",
        NO_MEETING,
        Refused("ILLEGAL_STATUS"),
    ),
    host("setRecordingRetention", "meetingId: \"<meeting>\", days: 30"),
    row(
        "retryTranscriptTask",
        "taskId: \"<transcriptTask>\"",
        "",
        NO_TASK,
        Refused("TASK_NOT_RETRYABLE"),
    ),
    row(
        "cancelTranscriptTask",
        "taskId: \"<transcriptTask>\"",
        "",
        NO_TASK,
        Refused("ILLEGAL_STATUS"),
    ),
    row(
        "updateSection",
        "sectionId: \"<section>\", version: 9, title: \"T\"",
        "",
        NO_SECTION,
        STALE,
    ),
    row("verifySection", "sectionId: \"<section>\", version: 9", "", NO_SECTION, STALE),
    row(
        "reopenSection",
        "sectionId: \"<section>\", version: 9",
        "",
        NO_SECTION,
        Refused("NOT_HOST"),
    ),
    row(
        "editSegment",
        "segmentId: \"<segment>\", revision: 9, text: \"T\"",
        "",
        Refused("SEGMENT_NOT_FOUND"),
        STALE,
    ),
    row(
        "addSpeaker",
        "transcriptId: \"<transcript>\", label: \"\"",
        "",
        Refused("TRANSCRIPT_NOT_FOUND"),
        Refused("INVALID_LABEL"),
    ),
    row(
        "renameSpeaker",
        "speakerId: \"<speaker>\", label: \"\"",
        "",
        Refused("SPEAKER_NOT_FOUND"),
        Refused("INVALID_LABEL"),
    ),
    row("requestVerification", "meetingId: \"<meeting>\"", "", NO_MEETING, In),
    host("shareTranscript", "meetingId: \"<meeting>\", userIds: [\"<host>\"]"),
    host("unshareTranscript", "meetingId: \"<meeting>\", userId: \"<host>\""),
    host("createShareLink", "meetingId: \"<meeting>\""),
    row(
        "revokeShareLink",
        "linkId: \"<linkId>\"",
        "",
        Refused("SHARE_LINK_NOT_FOUND"),
        Refused("NOT_HOST"),
    ),
    row("requestSummary", "meetingId: \"<meeting>\"", "", NO_MEETING, In),
    row("requestSchedule", "meetingId: \"<meeting>\"", "", NO_MEETING, In),
    row("requestAnalysis", "meetingId: \"<meeting>\"", "", NO_MEETING, In),
    row("retryAiTask", "taskId: \"<aiTask>\"", "", NO_TASK, Refused("TASK_NOT_RETRYABLE")),
    row("cancelAiTask", "taskId: \"<aiTask>\"", "", NO_TASK, Refused("ILLEGAL_STATUS")),
    row("createTodo", "meetingId: \"<meeting>\", title: \"Theirs\"", "", NO_MEETING, In),
    row("updateTodo", "todoId: \"<todo>\", version: 9", "", NO_TODO, STALE),
    row("setTodoStatus", "todoId: \"<todo>\", status: DONE, version: 9", "", NO_TODO, STALE),
    row("retryTodoTask", "taskId: \"<todoTask>\"", "", NO_TASK, Refused("TASK_NOT_RETRYABLE")),
    row("cancelTodoTask", "taskId: \"<todoTask>\"", "", NO_TASK, Refused("ILLEGAL_STATUS")),
    // Whoever names what isn't theirs changes nothing: nobody is told that it is there.
    own("markNotificationsRead", "notificationIds: [\"<notification>\"]"),
    own("setNotificationPreferences", "preferences: []"),
    row(
        "setWebhook",
        "url: \"http://10.0.0.1/\"",
        "",
        Refused("INVALID_URL"),
        Refused("INVALID_URL"),
    ),
    row(
        "removeWebhook",
        "url: \"x\"",
        "",
        Refused("WEBHOOK_NOT_FOUND"),
        Refused("WEBHOOK_NOT_FOUND"),
    ),
    admin("announce", "title: \"T\", body: \"B\"", ""),
    host("announceToMeeting", "meetingId: \"<meeting>\", title: \"T\", body: \"B\""),
    row("sendTestNotification", "channel: SMS", "", NO_CHANNEL, NO_CHANNEL),
];

const WRONG: Gets = Refused("WRONG_PASSWORD");
const NO_TASK: Gets = Refused("TASK_NOT_FOUND");
const NO_SECTION: Gets = Refused("SECTION_NOT_FOUND");
const NO_MEETING: Gets = Refused("MEETING_NOT_FOUND");
const NO_TEMPLATE: Gets = Refused("TEMPLATE_NOT_FOUND");
const NO_TODO: Gets = Refused("TODO_NOT_FOUND");
const NO_CHANNEL: Gets = Refused("CHANNEL_UNAVAILABLE");
/// They get in, and are told that what they saw isn't the latest.
const STALE: Gets = Refused("VERSION_CONFLICT");

const SUBSCRIPTIONS: &[Row] = &[
    row("meetingUpdated", "(meetingId: \"<meeting>\")", "{ cursor }", Error("NOT_FOUND"), In),
    row("transcriptSegments", "(meetingId: \"<meeting>\")", "{ cursor }", Error("NOT_FOUND"), In),
    row("taskUpdated", "(taskId: \"<aiTask>\")", "{ cursor }", Error("NOT_FOUND"), In),
    row("todosUpdated", "", "{ cursor }", In, In),
    row("notificationReceived", "", "{ cursor }", In, In),
];

/// An entity of a subgraph, asked there by its key, and who gets what.
struct Entity {
    subgraph: &'static str,
    typename: &'static str,
    /// The name of its id in [`Ids`].
    id: &'static str,
    /// What is selected.
    selected: &'static str,
    /// Somebody who has nothing to do with the meeting.
    outsider: Gets,
    /// Somebody who takes part, but doesn't lead it.
    attendee: Gets,
}

const fn entity(
    subgraph: &'static str,
    (typename, id): (&'static str, &'static str),
    selected: &'static str,
    outsider: Gets,
    attendee: Gets,
) -> Entity {
    Entity { subgraph, typename, id, selected, outsider, attendee }
}

const ENTITIES: &[Entity] = &[
    // Whoever has logged in may know who somebody is; the rest of them is their own.
    entity("user", ("User", "host"), "only: name", In, In),
    entity("user", ("User", "host"), "only: email", Null, Null),
    entity("meeting", ("Meeting", "meeting"), "title", Null, In),
    entity("meeting", ("MeetingTask", "meetingTask"), "id", Null, Null),
    entity("transcript", ("Meeting", "meeting"), "transcript { text }", Null, In),
    entity("transcript", ("Transcript", "transcript"), "text", Null, In),
    entity("transcript", ("Segment", "segment"), "text", Null, In),
    entity("transcript", ("Minutes", "minutes"), "status", Null, In),
    entity("transcript", ("MinutesSection", "section"), "body", Null, In),
    entity("transcript", ("TranscriptTask", "transcriptTask"), "id", Null, In),
    entity("ai", ("Meeting", "meeting"), "summary { overview }", Null, In),
    entity("ai", ("Summary", "summary"), "overview", Null, In),
    entity("ai", ("ScheduleProposal", "schedule"), "items { text }", Null, In),
    entity("ai", ("MeetingAnalysis", "analysis"), "decisions { text }", Null, In),
    entity("ai", ("AiTask", "aiTask"), "id", Null, In),
    // Those over several meetings are of whoever asked for them.
    entity("ai", ("MeetingAnalysis", "across"), "decisions { text }", Null, Null),
    entity("ai", ("AiTask", "acrossTask"), "id", Null, Null),
    entity("todo", ("Meeting", "meeting"), "todos { nodes { title } }", Null, In),
    entity("todo", ("Todo", "todo"), "title", Null, In),
    entity("todo", ("TodoTask", "todoTask"), "id", Null, In),
    entity("todo", ("User", "host"), "only: todos { nodes { title } }", Null, Null),
    entity("notification", ("Notification", "notification"), "title", Null, Null),
    entity("notification", ("User", "host"), "only: notifications { nodes { title } }", Null, Null),
];

impl Entity {
    fn query(&self) -> String {
        format!(
            "query ($r: [_Any!]!) {{ _entities(representations: $r) {{ ... on {} {{ {} }} }} }}",
            self.typename, self.selected
        )
    }

    /// Holds an answer against what somebody should get.
    fn judge(&self, who: &str, gets: Gets, answer: &Value) {
        let what = format!("{who}: {}: {}: {answer}", self.subgraph, self.typename);
        let found = &answer["data"]["_entities"][0];
        // What is the only thing that is asked for may be refused by itself.
        let found = if self.selected.starts_with("only: ") { &found["only"] } else { found };
        let code = answer["errors"][0]["extensions"]["code"].as_str();
        match gets {
            Error(expected) => assert_eq!(code, Some(expected), "{what}"),
            Null => assert!(found.is_null(), "{what}"),
            In => assert!(code.is_none() && !found.is_null(), "{what}"),
            Empty | Refused(_) => panic!("{what}: no entity is that"),
        }
    }
}

/// Asks each subgraph for each of its entities as somebody, in the router's name.
async fn walk_entities(
    who: (&str, &Identity),
    doors: &BTreeMap<&str, Client>,
    keys: &Keys,
    ids: &Ids,
    gets: impl Fn(&Entity) -> Gets,
) {
    let (name, identity) = who;
    for row in ENTITIES {
        let door = &doors[row.subgraph];
        let id = ids.get(row.id).unwrap_or_else(|| panic!("no id is called {}", row.id));
        let asked = json!({ "r": [{ "__typename": row.typename, "id": id }] });
        let asking = (keys, row.subgraph, identity);
        let answer = door.send_signed(asking, &row.query(), asked).await;
        row.judge(name, gets(row), &answer.body);
    }
}

/// The host's ids by the names in the table.
type Ids = BTreeMap<&'static str, String>;

impl Row {
    fn operation(&self, root: &str, ids: &Ids) -> String {
        let mut arguments = self.arguments.to_owned();
        for (name, id) in ids {
            arguments = arguments.replace(&format!("<{name}>"), id);
        }
        assert!(!arguments.contains("\"<"), "{}: an id is missing in {arguments}", self.field);
        match root {
            "mutation" => format!(
                "mutation {{ {}(input: {{ {arguments} }}) {{ userErrors {{ code }} }} }}",
                self.field
            ),
            root => format!("{root} {{ {}{arguments} {} }}", self.field, self.selected),
        }
    }

    /// Holds an answer against what somebody should get.
    fn judge(&self, who: &str, gets: Gets, answer: &Value) {
        let what = format!("{who}: {}: {answer}", self.field);
        let code = answer["errors"][0]["extensions"]["code"].as_str();
        let data = &answer["data"][self.field];
        let refused = data["userErrors"][0]["code"].as_str();
        match gets {
            Error(expected) => assert_eq!(code, Some(expected), "{what}"),
            Refused(expected) => assert_eq!((code, refused), (None, Some(expected)), "{what}"),
            Null => assert!(code.is_none() && data.is_null(), "{what}"),
            Empty => assert_eq!((code, &data["nodes"]), (None, &json!([])), "{what}"),
            In => {
                assert_eq!((code, refused), (None, None), "{what}");
                assert!(!data.is_null(), "{what}");
            }
        }
    }
}

/// Tries each row as somebody.
async fn walk(who: &str, client: &Client, ids: &Ids, gets: impl Fn(&Row) -> Gets) {
    for (root, rows) in [("query", QUERIES), ("mutation", MUTATIONS)] {
        for row in rows {
            let answer = client.send(&row.operation(root, ids), Value::Null).await;
            row.judge(who, gets(row), &answer.body);
        }
    }
    for row in SUBSCRIPTIONS {
        let operation = row.operation("subscription", ids);
        let mut stream = Stream::open(client, &operation, Value::Null, None).await;
        let first = match gets(row) {
            // A stream of one's own may have nothing to say yet.
            In if row.arguments.is_empty() => continue,
            _ => stream.next(SOON).await.expect("an answer").data,
        };
        row.judge(who, gets(row), &first);
    }
}

/// The host's meeting with all that belongs to it.
async fn all_of_a_meeting(host: &story::Person, guests: &[&str]) -> Ids {
    let client = &host.client;
    let meeting = story::started_meeting(client, guests).await;
    let recording = story::upload(client, &meeting, "audio/mpeg", story::few_words()).await;
    story::end_meeting(client, &meeting, &recording).await;
    story::minutes(client, &meeting).await;
    let bulk =
        "mutation { createMeetings(input: { meetings: [{ title: \"M\" }] }) { task { id } } }";
    let task = client.send(bulk, Value::Null).await.ok().text("/createMeetings/task/id");
    let template = "mutation { createMeetingTemplate(input: {
        name: \"T\", sections: [{ title: \"S\" }] }) { template { id } userErrors { code } } }";
    let template = client.send(template, Value::Null).await.ok();
    let template = template.text("/createMeetingTemplate/template/id");
    let todo = format!(
        "mutation {{ createTodo(input: {{ title: \"T\", meetingId: \"{meeting}\" }}) {{
            todo {{ id }} userErrors {{ code }} }} }}"
    );
    let todo = client.send(&todo, Value::Null).await.ok().text("/createTodo/todo/id");
    let query = format!(
        "{{ meeting(id: \"{meeting}\") {{
            transcript {{ id segments(first: 1) {{ nodes {{ id }} }} }}
            minutes {{ id sections {{ id }} }} transcriptTasks {{ id }}
            summary {{ id }} analysis {{ id }} schedule {{ id }}
            aiTasks {{ id status }} todoTasks {{ id status }} }}
          me {{ notifications {{ nodes {{ id }} }} }} }}"
    );
    let schedule = format!(
        "mutation {{ requestSchedule(input: {{ meetingId: \"{meeting}\" }}) {{ task {{ id }} }} }}"
    );
    client.send(&schedule, Value::Null).await.ok();
    let found = eventually("everything is worked out", SOON, || async {
        let answer = client.send(&query, Value::Null).await.ok();
        let done = |tasks: &Value| {
            let tasks = tasks.as_array().expect("tasks");
            !tasks.is_empty() && tasks.iter().all(|task| task["status"] == "COMPLETED")
        };
        let meeting = answer.data("/meeting");
        (done(&meeting["aiTasks"]) && done(&meeting["todoTasks"])).then_some(answer)
    })
    .await;
    let across = format!(
        "mutation {{ requestAnalysis(input: {{ meetingIds: [\"{meeting}\"] }}) {{ task {{ id }} }} }}"
    );
    let across_task = client.send(&across, Value::Null).await.ok().text("/requestAnalysis/task/id");
    let across = eventually("the analysis is there", SOON, || async {
        let query = "{ meetingAnalyses { nodes { id } } }";
        let answer = client.send(query, Value::Null).await.ok();
        answer.data("/meetingAnalyses/nodes").get(0).map(|node| node["id"].clone())
    })
    .await;
    let transcript = found.text("/meeting/transcript/id");
    let speaker = format!(
        "mutation {{ addSpeaker(input: {{ transcriptId: \"{transcript}\", label: \"A\" }}) {{
            speaker {{ id }} userErrors {{ code }} }} }}"
    );
    let speaker = client.send(&speaker, Value::Null).await.ok().text("/addSpeaker/speaker/id");
    let link = format!(
        "mutation {{ createShareLink(input: {{ meetingId: \"{meeting}\" }}) {{
            link {{ id }} token userErrors {{ code }} }} }}"
    );
    let link = client.send(&link, Value::Null).await.ok();
    BTreeMap::from([
        ("host", host.id.clone()),
        ("link", link.text("/createShareLink/token")),
        ("linkId", link.text("/createShareLink/link/id")),
        ("meeting", meeting),
        ("meetingTask", task),
        ("template", template),
        ("todo", todo),
        ("transcript", transcript),
        ("speaker", speaker),
        ("segment", found.text("/meeting/transcript/segments/nodes/0/id")),
        ("section", found.text("/meeting/minutes/sections/0/id")),
        ("transcriptTask", found.text("/meeting/transcriptTasks/0/id")),
        ("aiTask", found.text("/meeting/aiTasks/0/id")),
        ("todoTask", found.text("/meeting/todoTasks/0/id")),
        ("notification", found.text("/me/notifications/nodes/0/id")),
        ("minutes", found.text("/meeting/minutes/id")),
        ("summary", found.text("/meeting/summary/id")),
        ("analysis", found.text("/meeting/analysis/id")),
        ("schedule", found.text("/meeting/schedule/id")),
        ("acrossTask", across_task),
        ("across", across.as_str().expect("an id").to_owned()),
    ])
}

/// Given somebody's meeting, when anonymous people, outsiders, attendees and a removed participant try every field of
/// every root, then each gets what the table says.
#[tokio::test]
async fn everybody_gets_what_the_table_says() {
    let mut place = Place::new();
    // Wrong passwords are part of the table.
    place.set("MOIM_USER_FAILURES_PER_ACCOUNT", "0");
    place.set("MOIM_USER_FAILURES_PER_ADDRESS", "0");
    place.set("MOIM_SIGNATURE_KEY", SIGNATURE_KEY);
    let moim = place.up().await;
    let host = story::register(&moim.client(), "host").await;
    let attendee = story::register(&moim.client(), "attendee").await;
    let removed = story::register(&moim.client(), "removed").await;
    let outsider = story::register(&moim.client(), "outsider").await;
    let ids = all_of_a_meeting(&host, &[&attendee.id, &removed.id]).await;
    let remove = json!({ "input": { "meetingId": ids["meeting"], "userId": removed.id } });
    let query = "mutation ($input: RemoveParticipantInput!) { removeParticipant(input: $input) {
        userErrors { code } } }";
    host.client.send(query, remove).await.ok();
    let meeting = format!("{{ meeting(id: \"{}\") {{ title }} }}", ids["meeting"]);
    eventually("the removed one is out", SOON, || async {
        let answer = removed.client.send(&meeting, Value::Null).await;
        answer.body["data"]["meeting"].is_null().then_some(())
    })
    .await;

    walk("anonymous", &moim.client(), &ids, |row| row.anonymous).await;
    walk("outsider", &outsider.client, &ids, |row| row.outsider).await;
    walk("removed", &removed.client, &ids, |row| row.outsider).await;
    walk("attendee", &attendee.client, &ids, |row| row.attendee).await;

    // The same at the subgraphs' own doors, where the router asks for entities.
    let mut doors = BTreeMap::new();
    let mut subgraphs = Vec::new();
    let asked: BTreeSet<&str> = ENTITIES.iter().map(|row| row.subgraph).collect();
    for name in asked {
        let subgraph = place.start(&["subgraph", name]).await;
        doors.insert(name, subgraph.client());
        subgraphs.push(subgraph);
    }
    let keys = Keys::new(SIGNATURE_KEY.as_bytes(), None);
    let viewer = |id: &str| {
        let id = id.parse().expect("an id");
        let (scopes, roles) = (Vec::new(), Vec::new());
        Identity::Viewer(Viewer { id, scopes, roles, expires_at: i64::MAX })
    };
    let (removed_client, host_client) = (removed.client.clone(), host.client.clone());
    let (outsider, removed) = (viewer(&outsider.id), viewer(&removed.id));
    let no_one = Error("UNAUTHENTICATED");
    let nobody = ("anonymous", &Identity::Anonymous);
    walk_entities(nobody, &doors, &keys, &ids, |_| no_one).await;
    walk_entities(("outsider", &outsider), &doors, &keys, &ids, |row| row.outsider).await;
    walk_entities(("removed", &removed), &doors, &keys, &ids, |row| row.outsider).await;
    let attendee = ("attendee", &viewer(&attendee.id));
    walk_entities(attendee, &doors, &keys, &ids, |row| row.attendee).await;
    let host = ("host", &viewer(&host.id));
    walk_entities(host, &doors, &keys, &ids, |_| In).await;
    // Another meeting's members as one are outsiders too.
    let others = Identity::Group { id: uuid::Uuid::now_v7() };
    for row in ENTITIES.iter().filter(|row| row.typename == "Meeting" || row.subgraph == "ai") {
        let asked = json!({ "r": [{ "__typename": row.typename, "id": ids[row.id] }] });
        let asking = (&keys, row.subgraph, &others);
        let answer = doors[row.subgraph].send_signed(asking, &row.query(), asked).await;
        row.judge("another group", Null, &answer.body);
    }

    // A link that has ended leads nowhere, for nobody.
    let postgres = Postgres::from(&place).expect("settings");
    let pool = database::connect(&postgres, "transcript").await.expect("the database");
    sqlx::query("UPDATE share_link SET expires_at = now()").execute(&pool).await.expect("ended");
    let query = format!("{{ sharedTranscript(token: \"{}\") {{ text }} }}", ids["link"]);
    for client in [moim.client(), removed_client, host_client] {
        let answer = client.send(&query, Value::Null).await;
        assert_eq!(answer.error_code(), Some("SHARE_LINK_INVALID"), "{answer:?}");
    }
}

/// The table has every entity of every subgraph that others may ask for, and no other.
#[test]
fn the_table_of_entities_is_whole() {
    let known: BTreeSet<(&str, &str)> =
        ENTITIES.iter().map(|row| (row.subgraph, row.typename)).collect();
    let mut there = BTreeSet::new();
    for (subgraph, sdl) in SUBGRAPHS {
        for line in sdl.lines().filter(|line| line.contains(" @key(")) {
            let mut words = line.split_whitespace();
            let kind = words.next().expect("a word");
            assert!(["type", "interface"].contains(&kind), "{subgraph}: {line}");
            if !line.contains("resolvable: false") {
                there.insert((*subgraph, words.next().expect("a name")));
            }
        }
    }
    assert_eq!(known, there, "the table is on the left");
}

/// The subgraphs' schemas.
const SUBGRAPHS: &[(&str, &str)] = &[
    ("user", include_str!("../schema/user.graphql")),
    ("meeting", include_str!("../schema/meeting.graphql")),
    ("transcript", include_str!("../schema/transcript.graphql")),
    ("ai", include_str!("../schema/ai.graphql")),
    ("todo", include_str!("../schema/todo.graphql")),
    ("notification", include_str!("../schema/notification.graphql")),
];
/// What requests between router and subgraphs are signed with.
const SIGNATURE_KEY: &str = "a key of sixty-four characters, which only this test's place has";

/// The table has every field of every root, and no other.
#[test]
fn the_table_is_whole() {
    let api = include_str!("../schema/api.graphql");
    for (root, rows) in
        [("Query", QUERIES), ("Mutation", MUTATIONS), ("Subscription", SUBSCRIPTIONS)]
    {
        let known: BTreeSet<&str> = rows.iter().map(|row| row.field).collect();
        assert_eq!(known, fields(api, root), "{root}: the table is on the left");
    }
}

/// The fields of a type of a printed schema.
fn fields<'a>(sdl: &'a str, name: &str) -> BTreeSet<&'a str> {
    let mut fields = BTreeSet::new();
    let mut described = false;
    let from = format!("type {name} {{");
    let lines = sdl.lines().skip_while(|line| *line != from).skip(1);
    for line in lines.take_while(|line| *line != "}") {
        // Descriptions are lines between quotes, or one line with both.
        if line.matches("\"\"\"").count() == 1 {
            described = !described;
        } else if !described && line.starts_with("  ") && !line.starts_with("   ") {
            let word = line.trim_start();
            let end = word.find(|letter: char| !letter.is_ascii_alphanumeric());
            if let Some(end) = end.filter(|end| *end > 0) {
                fields.insert(&word[..end]);
            }
        }
    }
    fields
}
