//! What other services are asked when a job needs it: who is named as the speaker, and what isn't done yet.
//! They are asked for what is so now, and nothing of it is kept but what stands in the result.

use std::collections::HashMap;

use platform::kernel::Kernel;
use platform::page::FIRST_MAX;
use platform::subgraph::PeerError;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::domain::across::OpenTodo;

/// The service that knows speakers.
pub const TRANSCRIPT: &str = "transcript";
/// The service that knows todos.
pub const TODO: &str = "todo";
/// Most pages of [`FIRST_MAX`] segments whose speakers are asked for; what is said later is without.
pub const SEGMENT_PAGES_MAX: usize = 100;
/// Most pages of [`FIRST_MAX`] todos of a meeting that are looked at.
pub const TODO_PAGES_MAX: usize = 20;

const LABELS: &str = "query Labels($of: [_Any!]!, $first: Int!, $after: String) {
    found: _entities(representations: $of) { ... on Transcript {
        page: segments(first: $first, after: $after) {
            nodes { id speaker { label } } pageInfo { hasNextPage endCursor } } } } }";
const TODOS: &str = "query OpenTodos($of: [_Any!]!, $first: Int!, $after: String) {
    found: _entities(representations: $of) { ... on Meeting {
        page: todos(first: $first, after: $after) {
            nodes { id status evidence { id } } pageInfo { hasNextPage endCursor } } } } }";

#[derive(Deserialize)]
struct Answer<T> {
    found: Vec<Option<Entity<T>>>,
}

#[derive(Deserialize)]
struct Entity<T> {
    page: Page<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<T> {
    nodes: Vec<T>,
    page_info: PageInfo,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    has_next_page: bool,
    end_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Segment {
    id: Uuid,
    speaker: Option<Speaker>,
}

#[derive(Deserialize)]
struct Speaker {
    label: String,
}

#[derive(Deserialize)]
struct Todo {
    id: Uuid,
    status: String,
    evidence: Vec<Identified>,
}

#[derive(Deserialize)]
struct Identified {
    id: Uuid,
}

/// The labels of those who speak in a transcript, by segment: people give them after it was recognised.
///
/// # Errors
/// When the service can't be asked.
pub async fn labels(
    kernel: &Kernel,
    transcript: Uuid,
) -> Result<HashMap<Uuid, Option<String>>, PeerError> {
    let of = json!({ "__typename": "Transcript", "id": transcript });
    let segments: Vec<Segment> = pages(kernel, TRANSCRIPT, LABELS, of, SEGMENT_PAGES_MAX).await?;
    let label = |segment: Segment| (segment.id, segment.speaker.map(|speaker| speaker.label));
    Ok(segments.into_iter().map(label).collect())
}

/// The meeting's todos that aren't finished.
///
/// # Errors
/// When the service can't be asked.
pub async fn open_todos(kernel: &Kernel, meeting: Uuid) -> Result<Vec<OpenTodo>, PeerError> {
    let of = json!({ "__typename": "Meeting", "id": meeting });
    let todos: Vec<Todo> = pages(kernel, TODO, TODOS, of, TODO_PAGES_MAX).await?;
    let open = todos.into_iter().filter(|todo| todo.status != "DONE" && todo.status != "CANCELLED");
    let open = open.map(|todo| OpenTodo {
        todo_id: todo.id,
        segment_ids: todo.evidence.into_iter().map(|segment| segment.id).collect(),
    });
    Ok(open.collect())
}

/// The items of up to `pages_max` pages of an entity's list; of an entity that there isn't, none.
async fn pages<T: for<'de> Deserialize<'de>>(
    kernel: &Kernel,
    peer: &str,
    question: &str,
    of: Value,
    pages_max: usize,
) -> Result<Vec<T>, PeerError> {
    let mut items = Vec::new();
    let mut after = None;
    for _ in 0..pages_max {
        let asked = json!({ "of": [&of], "first": FIRST_MAX, "after": after });
        let answer = kernel.ask(peer, question, asked).await?;
        let malformed = |source| PeerError::Malformed { peer: peer.to_owned(), source };
        let answer: Answer<T> = serde_json::from_value(answer).map_err(malformed)?;
        let Some(entity) = answer.found.into_iter().flatten().next() else { break };
        items.extend(entity.page.nodes);
        let PageInfo { has_next_page, end_cursor } = entity.page.page_info;
        if !has_next_page {
            break;
        }
        after = end_cursor;
    }
    Ok(items)
}
