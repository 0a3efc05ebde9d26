//! schema/events/: every event type has a JSON Schema and a stored example, every example fits its
//! schema, and what this service tells and hears fits them too.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use chrono::Utc;
use contract::event::kind::ALL;
use jsonschema::{Registry, Validator};
use platform::event::NewEvent;
use serde_json::Value;
use transcript::events::{Created, Recognised, segment_recognised, transcript_created};
use uuid::Uuid;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schema/events")
}

fn json(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The stored example of a type.
pub(crate) fn example(kind: &str) -> Value {
    json(&folder().join(format!("example/{kind}.json")))
}

fn with_validator(kind: &str, check: impl FnOnce(&Validator)) {
    let registry = Registry::new()
        .add("urn:moim:event:envelope", json(&folder().join("envelope.schema.json")))
        .unwrap()
        .prepare()
        .unwrap();
    let schema = json(&folder().join(format!("{kind}.schema.json")));
    assert_eq!(schema["$id"], format!("urn:moim:event:{kind}"));
    let validator = jsonschema::options()
        .with_registry(&registry)
        .should_validate_formats(true)
        .build(&schema)
        .unwrap();
    check(&validator);
}

fn complaints(validator: &Validator, event: &Value) -> Vec<String> {
    validator.iter_errors(event).map(|error| error.to_string()).collect()
}

/// Fails unless an event is as the schema of its type says.
pub(crate) fn assert_fits(kind: &str, event: &Value) {
    with_validator(kind, |validator| {
        assert_eq!(complaints(validator, event), Vec::<String>::new(), "{kind}: {event}");
    });
}

#[test]
fn every_type_has_a_schema_and_an_example_that_fits() {
    for kind in &ALL {
        let example = example(kind);
        assert_eq!(example["type"], *kind);
        assert_fits(kind, &example);
    }
}

#[test]
fn there_is_nothing_but_the_types() {
    let files = |path: PathBuf, end: &str| -> BTreeSet<String> {
        let entries = std::fs::read_dir(path).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter_map(|name| name.strip_suffix(end).map(str::to_owned)).collect()
    };
    let types: BTreeSet<String> = ALL.iter().map(|kind| (*kind).to_owned()).collect();
    let mut schemas = files(folder(), ".schema.json");
    assert!(schemas.remove("envelope"));
    assert_eq!(schemas, types);
    assert_eq!(files(folder().join("example"), ".json"), types);
}

#[test]
fn a_schema_refuses_what_does_not_fit() {
    for kind in &ALL {
        with_validator(kind, |validator| {
            let mut other = example(kind);
            other["type"] = "moim.other.happened.v1".into();
            assert!(!validator.is_valid(&other), "{kind}: another type");
            let mut empty = example(kind);
            empty["data"] = serde_json::json!({});
            assert!(!validator.is_valid(&empty), "{kind}: no data");
            let mut nameless = example(kind);
            nameless.as_object_mut().unwrap().remove("id");
            assert!(!validator.is_valid(&nameless), "{kind}: no id");
        });
    }
}

#[test]
fn what_this_service_tells_fits() {
    let id = Uuid::now_v7;
    let told: [NewEvent; 2] = [
        segment_recognised(Recognised {
            meeting_id: id(),
            transcript_id: id(),
            segment_id: id(),
            ordinal: 0,
            start_ms: 0,
            end_ms: 1,
        }),
        transcript_created(Created {
            meeting_id: id(),
            transcript_id: id(),
            minutes_id: id(),
            recording_id: id(),
            task_id: id(),
            language: "en",
            duration_ms: 44_400,
            segment_count: 9,
            object_key: &format!("transcripts/{}.json", id()),
            invalidates: Vec::new(),
        }),
    ];
    for event in told {
        let envelope = event.envelope(id(), Utc::now());
        assert_fits(event.kind, &envelope);
    }
}
