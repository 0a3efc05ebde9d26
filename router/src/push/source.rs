//! `@eventSource`: where the events of a subscription field come from, read from
//! the supergraph.

use std::{collections::HashMap, sync::Arc};

use graphql_tools::static_graphql::{query, schema};
use hive_router_query_planner::utils::parsing::{safe_parse_operation, safe_parse_schema};
use serde_json::{Map, Value};

use super::{
    payload::Types,
    subject::{Template, TemplateError},
};

const DIRECTIVE: &str = "eventSource";
/// What the push plane itself writes into every event.
const OWN_FIELDS: [&str; 4] = ["__typename", "cursor", "type", "occurredAt"];

/// What a subscription without a cursor begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// The state now, as the guard answers it.
    Snapshot,
    /// Every event that the stream still holds.
    Retained,
}

/// One subscription field that is fed by the event stream.
#[derive(Debug)]
pub struct EventSource {
    /// Name of the field.
    pub field: String,
    /// Name of the object type that it gives.
    pub event_type: String,
    /// What to listen to.
    pub subjects: Vec<Template>,
    /// What makes the guard be asked again.
    pub recheck: Vec<Template>,
    /// The argument whose value names the group that all of the events belong to. Where there is one,
    /// subscribers may share what an event brings.
    pub group: Option<String>,
    /// The query that decides whether the viewer may listen.
    pub guard: String,
    /// The variables that the guard declares.
    pub guard_variables: Vec<String>,
    /// Fields of the guard's answer that must not be null.
    pub required: Vec<String>,
    /// Fields that the guard asks for in several ways.
    pub alternatives: Vec<String>,
    /// How it begins without a cursor.
    pub start: Start,
    /// The path whose first value that is not null marks the last event.
    pub until: Option<Vec<String>>,
}

/// An `@eventSource` that can't work. Found when the supergraph is loaded.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The supergraph is no SDL.
    #[error("the supergraph can't be read: {0}")]
    Schema(String),
    /// A wrong subject template.
    #[error("@eventSource of field {field:?}")]
    Subject {
        /// The field.
        field: String,
        /// What is wrong with the template.
        #[source]
        source: TemplateError,
    },
    /// Anything else that is wrong with the directive.
    #[error("@eventSource of field {field:?}: {reason}")]
    Invalid {
        /// The field.
        field: String,
        /// What is wrong.
        reason: String,
    },
}

/// All event sources of a supergraph.
#[derive(Debug, Default)]
pub struct Sources {
    by_field: HashMap<String, Arc<EventSource>>,
    pub(super) types: Types,
}

impl Sources {
    /// Reads the event sources from a supergraph's SDL. A supergraph without any is fine.
    ///
    /// # Errors
    /// [`SourceError`] names the field and what is wrong with its directive.
    pub fn read(supergraph: &str) -> Result<Self, SourceError> {
        let document =
            safe_parse_schema(supergraph).map_err(|e| SourceError::Schema(e.to_string()))?;
        let mut objects = HashMap::new();
        let mut types = Types::default();
        for definition in &document.definitions {
            match definition {
                schema::Definition::TypeDefinition(schema::TypeDefinition::Object(object)) => {
                    for interface in &object.implements_interfaces {
                        types.add(&object.name, interface);
                    }
                    objects.insert(object.name.as_str(), object);
                }
                schema::Definition::TypeDefinition(schema::TypeDefinition::Union(union)) => {
                    for member in &union.types {
                        types.add(member, &union.name);
                    }
                }
                _ => {}
            }
        }
        let root = document.subscription_type_name().and_then(|name| objects.get(name.as_str()));
        let mut by_field = HashMap::new();
        for field in root.iter().flat_map(|root| &root.fields) {
            if let Some(directive) = field.directives.iter().find(|d| d.name == DIRECTIVE) {
                let source = EventSource::read(field, directive, &objects)?;
                by_field.insert(field.name.clone(), Arc::new(source));
            }
        }
        Ok(Self { by_field, types })
    }

    /// The source of a subscription field, if it is fed by the event stream.
    pub fn get(&self, field: &str) -> Option<&Arc<EventSource>> {
        self.by_field.get(field)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<EventSource>> {
        self.by_field.values()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_field.is_empty()
    }
}

type Objects<'a> = HashMap<&'a str, &'a schema::ObjectType>;

impl EventSource {
    fn read(
        field: &schema::Field,
        directive: &schema::Directive,
        objects: &Objects<'_>,
    ) -> Result<Self, SourceError> {
        let invalid = |reason: String| SourceError::Invalid { field: field.name.clone(), reason };
        let subjects = read_subjects(field, argument(directive, "subject"))?;
        let recheck = match argument(directive, "recheck") {
            None => Vec::new(),
            given => read_subjects(field, given)?,
        };
        for name in subjects.iter().chain(&recheck).flat_map(Template::arguments) {
            if !field.arguments.iter().any(|a| a.name == *name) {
                return Err(invalid(format!("the field has no argument {name:?}")));
            }
        }
        let guard = text(argument(directive, "guard"))
            .ok_or_else(|| invalid("it needs a guard".to_owned()))?;
        let (guard_variables, response_keys) = read_guard(&guard).map_err(&invalid)?;
        let (guard_keys, alternatives) = group(&response_keys);
        let event_type = field.field_type.inner();
        let declared = objects
            .get(event_type)
            .ok_or_else(|| invalid(format!("{event_type} is no object type")))?;
        let source = Self {
            field: field.name.clone(),
            event_type: event_type.to_owned(),
            group: text(argument(directive, "group")),
            subjects,
            recheck,
            guard,
            guard_variables,
            required: required(&guard_keys, declared),
            alternatives,
            start: match argument(directive, "start") {
                None => Start::Snapshot,
                Some(schema::Value::Enum(name)) if name == "SNAPSHOT" => Start::Snapshot,
                Some(schema::Value::Enum(name)) if name == "RETAINED" => Start::Retained,
                Some(_) => return Err(invalid("start is SNAPSHOT or RETAINED".to_owned())),
            },
            until: text(argument(directive, "until"))
                .map(|path| path.split('.').map(str::to_owned).collect()),
        };
        source.check(declared, &guard_keys).map_err(&invalid)?;
        source.check_group().map_err(invalid)?;
        Ok(source)
    }

    /// A snapshot must be able to fill what the event type promises.
    fn check(&self, declared: &schema::ObjectType, keys: &[String]) -> Result<(), String> {
        if let Some(first) = self.until.as_ref().and_then(|path| path.first())
            && !declared.fields.iter().any(|f| f.name == *first)
        {
            return Err(format!("until: {} has no field {first:?}", declared.name));
        }
        let missing = declared.fields.iter().find(|f| {
            is_non_null(&f.field_type)
                && !OWN_FIELDS.contains(&f.name.as_str())
                && !keys.contains(&f.name)
        });
        match missing {
            Some(field) if self.start == Start::Snapshot => Err(format!(
                "the guard doesn't answer {:?}, which {} never lets be null",
                field.name, declared.name
            )),
            _ => Ok(()),
        }
    }

    /// Where subscribers share, nothing but the guard keeps others out: it must ask about the group, what is
    /// listened to must be the group's, and who is removed from it must be found out.
    fn check_group(&self) -> Result<(), String> {
        let Some(group) = &self.group else { return Ok(()) };
        let names = |template: &Template| template.arguments().any(|name| name == group);
        if !self.subjects.iter().all(names) {
            return Err(format!("group: not every subject has {{args.{group}}}"));
        }
        if !self.guard_variables.contains(group) {
            return Err(format!("group: the guard doesn't ask about ${group}"));
        }
        if !self.recheck.iter().any(Template::needs_viewer) {
            return Err("group: it needs a recheck with {viewer.id}".to_owned());
        }
        Ok(())
    }

    /// Whether an event with this payload is the last one.
    pub fn is_last(&self, payload: &Map<String, Value>) -> bool {
        let Some((first, rest)) = self.until.as_ref().and_then(|path| path.split_first()) else {
            return false;
        };
        let value = rest
            .iter()
            .try_fold(payload.get(first).unwrap_or(&Value::Null), |value, step| value.get(step));
        value.is_some_and(|value| !value.is_null())
    }
}

/// The field that a response key of the guard answers: `task__2` is another way to `task`.
pub(super) fn answered(key: &str) -> &str {
    match key.split_once("__") {
        Some((field, _)) if !field.is_empty() => field,
        _ => key,
    }
}

/// The fields that the guard answers, each once, and those of them that it asks for in several ways.
fn group(keys: &[String]) -> (Vec<String>, Vec<String>) {
    let (mut fields, mut several) = (Vec::<String>::new(), Vec::<String>::new());
    for key in keys {
        let field = answered(key).to_owned();
        if !fields.contains(&field) {
            fields.push(field);
        } else if !several.contains(&field) {
            several.push(field);
        }
    }
    (fields, several)
}

/// Guard fields that must have a value: all but those that the event type declares
/// as nullable. One that the event type doesn't know at all is there only to guard.
fn required(keys: &[String], declared: &schema::ObjectType) -> Vec<String> {
    let nullable = |key: &String| {
        let field = declared.fields.iter().find(|f| f.name == *key);
        field.is_some_and(|f| !is_non_null(&f.field_type))
    };
    keys.iter().filter(|key| !nullable(key)).cloned().collect()
}

fn read_subjects(
    field: &schema::Field,
    value: Option<&schema::Value>,
) -> Result<Vec<Template>, SourceError> {
    // A list of one may be written without brackets.
    let texts: Vec<Option<String>> = match value {
        Some(schema::Value::List(items)) => items.iter().map(|item| text(Some(item))).collect(),
        other => vec![text(other)],
    };
    if texts.is_empty() || texts.iter().any(Option::is_none) {
        return Err(SourceError::Invalid {
            field: field.name.clone(),
            reason: "it needs at least one subject, and all of them texts".to_owned(),
        });
    }
    let parsed = texts.into_iter().flatten().map(|text| Template::parse(&text));
    parsed
        .collect::<Result<_, _>>()
        .map_err(|source| SourceError::Subject { field: field.name.clone(), source })
}

/// The variables and the root response keys of a guard.
fn read_guard(guard: &str) -> Result<(Vec<String>, Vec<String>), String> {
    let document = safe_parse_operation(guard).map_err(|e| format!("the guard: {e}"))?;
    let [query::Definition::Operation(operation)] = document.definitions.as_slice() else {
        return Err("the guard must be one query without fragments".to_owned());
    };
    let (variables, set): (&[query::VariableDefinition], _) = match operation {
        query::OperationDefinition::Query(query) => {
            (&query.variable_definitions, &query.selection_set)
        }
        query::OperationDefinition::SelectionSet(set) => (&[], set),
        _ => return Err("the guard must be a query".to_owned()),
    };
    let mut keys = Vec::new();
    for item in &set.items {
        let query::Selection::Field(field) = item else {
            return Err("the guard must be one query without fragments".to_owned());
        };
        keys.push(field.alias.as_ref().unwrap_or(&field.name).clone());
    }
    Ok((variables.iter().map(|v| v.name.clone()).collect(), keys))
}

fn argument<'a>(directive: &'a schema::Directive, name: &str) -> Option<&'a schema::Value> {
    let found = directive.arguments.iter().find(|(n, _)| n == name);
    found.map(|(_, value)| value).filter(|value| **value != schema::Value::Null)
}

fn text(value: Option<&schema::Value>) -> Option<String> {
    match value {
        Some(schema::Value::String(text)) => Some(text.clone()),
        _ => None,
    }
}

fn is_non_null(of: &schema::Type) -> bool {
    matches!(of, schema::Type::NonNullType(_))
}

trait Inner {
    fn inner(&self) -> &str;
}

impl Inner for schema::Type {
    fn inner(&self) -> &str {
        match self {
            Self::NamedType(name) => name,
            Self::ListType(inner) | Self::NonNullType(inner) => inner.inner(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SUPERGRAPH: &str = include_str!("../../tests/push/fixture/supergraph.graphql");

    fn sdl(directive: &str) -> String {
        format!(
            "type Query {{ room(id: ID!): Room }} type Room {{ id: ID! }}
             type Subscription {{ changed(id: ID!): Changed! {directive} plain: Int }}
             type Changed {{ cursor: String! room: Room! other: Room }}"
        )
    }

    #[test]
    fn a_composed_supergraph_keeps_the_directive() {
        let sources = Sources::read(SUPERGRAPH).expect("readable");
        let job = sources.get("jobUpdated").expect("a source");
        assert_eq!(job.event_type, "JobEvent");
        assert_eq!(job.guard_variables, ["jobId"]);
        assert_eq!(job.required, ["job"]);
        assert_eq!(job.start, Start::Snapshot);
        assert!(job.is_last(json!({"job": {"completedAt": "t"}}).as_object().expect("object")));
        assert!(!job.is_last(json!({"job": {"completedAt": null}}).as_object().expect("object")));
        assert!(!job.is_last(json!({"job": null}).as_object().expect("object")));
        let room = sources.get("roomUpdated").expect("a source");
        assert_eq!(room.required, ["room"], "the nullable job isn't required");
        let lines = sources.get("lines").expect("a source");
        assert_eq!((lines.start, lines.required[0].as_str()), (Start::Retained, "room"));
        assert_eq!(sources.iter().count(), 4);
    }

    #[test]
    fn a_guard_may_know_several_ways_to_a_field() {
        let directive = r#"@eventSource(subject: "a.{args.id}", recheck: ["b.{viewer.id}"], guard: "query($id: ID!) { room(id: $id) { id } room__2: hall(id: $id) { id } __typename }")"#;
        let sources = Sources::read(&sdl(directive)).expect("readable");
        let source = sources.get("changed").expect("a source");
        assert_eq!(source.required, ["room", "__typename"]);
        assert_eq!(source.alternatives, ["room"]);
        assert!(source.recheck[0].needs_viewer());
    }

    #[test]
    fn wrong_directives_are_refused() {
        for (wrong, why) in [
            (r#"@eventSource(guard: "{ room }")"#, "no subject"),
            (r#"@eventSource(subject: [], guard: "{ room }")"#, "no subject"),
            (r#"@eventSource(subject: "a.{args.no}", guard: "{ room }")"#, "unknown argument"),
            (r#"@eventSource(subject: "a..b", guard: "{ room }")"#, "a wrong template"),
            (r#"@eventSource(subject: "a")"#, "no guard"),
            (r#"@eventSource(subject: "a", guard: "mutation { room }")"#, "no query"),
            (r#"@eventSource(subject: "a", guard: "{ other }")"#, "the snapshot lacks room"),
            (r#"@eventSource(subject: "a", guard: "{ room }", start: LATER)"#, "unknown start"),
            (r#"@eventSource(subject: "a", guard: "{ room }", until: "x.y")"#, "unknown path"),
        ] {
            assert!(Sources::read(&sdl(wrong)).is_err(), "{why} was taken");
        }
        let group = |subject: &str, guard: &str, recheck: &str| {
            let guard = format!(r#"guard: "{guard}", recheck: ["{recheck}"], group: "id""#);
            Sources::read(&sdl(&format!(r#"@eventSource(subject: ["{subject}"], {guard})"#)))
        };
        let (asks, tells) = ("query($id: ID!) { room(id: $id) { id } }", "b.{viewer.id}");
        assert!(group("a.{args.id}", asks, tells).is_ok());
        assert!(group("a.all", asks, tells).is_err(), "events of others");
        assert!(group("a.{args.id}", "{ room { id } }", tells).is_err(), "no question");
        assert!(group("a.{args.id}", asks, "b.all").is_err(), "nobody is ever removed");
        let fine = sdl(r#"@eventSource(subject: "a.{args.id}", guard: "{ room }")"#);
        assert_eq!(Sources::read(&fine).expect("fine").iter().count(), 1);
        assert!(Sources::read("type Query { a: Int }").expect("fine").is_empty());
    }
}
