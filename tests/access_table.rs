//! Who gets in where: one row for every field of the API's roots. A field that the table doesn't know makes it fail.

use crate::kit::{SOON, client::Client, eventually, instance::Place, sse::Stream, story};
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
            minutes {{ sections {{ id }} }} transcriptTasks {{ id }}
            aiTasks {{ id status }} todoTasks {{ id status }} }}
          me {{ notifications {{ nodes {{ id }} }} }} }}"
    );
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
}

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
