//! docs/api.md is a conversation with a running Moim: this holds it.

use crate::kit::{SOON, TRANSCRIBED, client::Client, instance::Place, sse::Stream, story};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// One operation of the page, and what is answered.
#[derive(Debug, Default)]
struct Step {
    operation: String,
    variables: Value,
    answer: Value,
    /// Of a stream: the answer is the last event, not the first.
    last: bool,
}

/// The page's operations, in its order: each with the variables and the answer that follow it.
fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for block in page.split("\n```").skip(1).step_by(2) {
        let (language, text) = block.split_once('\n').expect("a block has lines");
        let json = || serde_json::from_str(text).unwrap_or_else(|e| panic!("{e} in {text}"));
        match language {
            "graphql" => steps.push(Step { operation: text.to_owned(), ..Step::default() }),
            "json variables" => steps.last_mut().expect("an operation before").variables = json(),
            "json answer" | "json answer last" => {
                let step = steps.last_mut().expect("an operation before");
                (step.answer, step.last) = (json(), language.ends_with("last"));
            }
            other => panic!("what is {other:?}?"),
        }
    }
    steps
}

/// What stands for `<name>`.
type Known = BTreeMap<String, Value>;

fn name(text: &str) -> Option<&str> {
    text.strip_prefix('<')?.strip_suffix('>')
}

/// The variables with what is known in the places of names.
fn filled(value: &Value, known: &Known) -> Value {
    match value {
        Value::String(text) => match name(text) {
            Some(name) => known.get(name).unwrap_or_else(|| panic!("nobody said {name}")).clone(),
            None => value.clone(),
        },
        Value::Array(items) => items.iter().map(|item| filled(item, known)).collect(),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| (key.clone(), filled(value, known)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        _ => value.clone(),
    }
}

/// Holds an answer against the page's: the same fields and values, but that a name that is new stands for
/// any, `…` for any text, and a number of milliseconds or of unread ones for any number.
fn compare(path: &str, page: &Value, answer: &Value, known: &mut Known) {
    match (page, answer) {
        (Value::String(text), _) if name(text).is_some() => {
            assert!(answer.is_string(), "{path}: {answer} is no text");
            let name = name(text).expect("just seen").to_owned();
            // Tokens are new each time; whatever else has a name keeps its value.
            let changes = ["token", "refresh", "cursor"].contains(&name.as_str());
            let before = known.insert(name, answer.clone());
            assert!(changes || before.is_none_or(|before| before == *answer), "{path}: {answer}");
        }
        (Value::String(text), Value::String(_)) if text == "…" => {}
        (Value::Number(_), Value::Number(_)) if path.ends_with("Ms") || path.ends_with("Count") => {
        }
        (Value::Object(page), Value::Object(answer)) => {
            let keys = |map: &Map<String, Value>| map.keys().cloned().collect::<BTreeSet<_>>();
            assert_eq!(keys(page), keys(answer), "{path}");
            for (key, value) in page {
                compare(&format!("{path}.{key}"), value, &answer[key], known);
            }
        }
        (Value::Array(page), Value::Array(answer)) => {
            let open = page.last() == Some(&json!("…"));
            let page = if open { &page[..page.len() - 1] } else { &page[..] };
            let enough = if open { answer.len() >= page.len() } else { answer.len() == page.len() };
            assert!(enough, "{path}: {answer:?}");
            for (index, (page, answer)) in page.iter().zip(answer).enumerate() {
                compare(&format!("{path}[{index}]"), page, answer, known);
            }
        }
        _ => assert_eq!(page, answer, "{path}"),
    }
}

/// The first event of a subscription, or the last before it ends.
async fn pushed(client: &Client, step: &Step, variables: Value) -> Value {
    let mut stream = Stream::open(client, &step.operation, variables, None).await;
    let (_, mut event) = stream.next_data(SOON).await;
    if step.last {
        loop {
            let next = stream.next(TRANSCRIBED).await.expect("an event or the end");
            if next.kind == "complete" {
                break;
            }
            event = next.data;
        }
    }
    event["data"].clone()
}

/// Given docs/api.md, when its operations are sent one after the other, then the answers are as it says.
#[tokio::test]
async fn the_page_is_true() {
    let page = include_str!("../docs/api.md");
    let steps = steps(page);
    assert!(steps.len() >= 10, "{}", steps.len());
    let place = Place::new();
    let moim = place.up().await;
    let recording = story::few_words();
    let mut known = Known::new();
    known.insert("size".to_owned(), json!(recording.len()));
    for step in &steps {
        let token = known.get("token").and_then(Value::as_str);
        let client = token.map_or_else(|| moim.client(), |token| moim.client().with_token(token));
        // What the page says in words.
        if step.operation.starts_with("mutation End") {
            let url = known["upload"].as_str().expect("a URL");
            let sent = client.put(url, "audio/mpeg", recording.clone()).await;
            assert!(sent.status.is_success(), "{sent:?}");
        }
        if step.operation.starts_with("query Page") {
            let meeting = known["meeting"].as_str().expect("an id");
            story::minutes(&client, meeting).await;
        }
        let variables = filled(&step.variables, &known);
        let what = step.operation.lines().next().expect("a line");
        if step.operation.starts_with("subscription") {
            let event = pushed(&client, step, variables).await;
            compare(what, &step.answer, &event, &mut known);
            continue;
        }
        let answer = client.send(&step.operation, variables.clone()).await;
        assert!(answer.body.get("errors").is_none(), "{what}: {}", answer.body);
        compare(what, &step.answer, &answer.body["data"], &mut known);
    }
}
