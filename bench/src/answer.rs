//! Answers an operation from the data: a GraphQL executor for what routers ask subgraphs, and for
//! the answer that is expected of the routers themselves.

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use graphql_tools::{
    parser::parse_query,
    static_graphql::query::{
        Definition, Document, Field, OperationDefinition, Selection, SelectionSet, TypeCondition,
        Value as Literal,
    },
};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::graph::Graph;

/// A GraphQL request.
#[derive(Deserialize)]
struct Request {
    query: String,
    #[serde(default)]
    variables: Map<String, Value>,
}

/// The JSON response to a GraphQL request.
///
/// # Errors
/// When the request asks for something that isn't there: the router's plan is wrong then.
pub(crate) fn answer(graph: &Graph, request: &[u8]) -> Result<Bytes> {
    let request: Request = serde_json::from_slice(request).context("no GraphQL request")?;
    let document: Document = parse_query::<String>(&request.query)?.into_static();
    let selection = document.definitions.iter().find_map(|definition| match definition {
        Definition::Operation(OperationDefinition::Query(query)) => Some(&query.selection_set),
        Definition::Operation(OperationDefinition::SelectionSet(selection)) => Some(selection),
        _ => None,
    });
    let selection = selection.context("no query")?;
    let walk = Walk { graph, document: &document, variables: &request.variables };
    let mut out = String::with_capacity(16 * 1024);
    out.push_str("{\"data\":");
    walk.object(graph.root(), &[selection], &mut out)?;
    out.push('}');
    Ok(out.into())
}

/// What is the same all over one operation.
struct Walk<'a> {
    graph: &'a Graph,
    document: &'a Document,
    variables: &'a Map<String, Value>,
}

impl<'a> Walk<'a> {
    fn object(
        &self,
        object: &Map<String, Value>,
        selections: &[&'a SelectionSet],
        out: &mut String,
    ) -> Result<()> {
        let typename = object.get("__typename").and_then(Value::as_str).unwrap_or_default();
        let mut fields: Vec<(&str, Vec<&Field>)> = Vec::new();
        for selection in selections {
            self.collect(typename, selection, &mut fields);
        }
        out.push('{');
        for (index, (key, fields)) in fields.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            out.push('"');
            out.push_str(key);
            out.push_str("\":");
            let selections: Vec<_> = fields.iter().map(|field| &field.selection_set).collect();
            self.field(object, typename, fields[0], &selections, out)?;
        }
        out.push('}');
        Ok(())
    }

    fn field(
        &self,
        object: &Map<String, Value>,
        typename: &str,
        field: &Field,
        selections: &[&'a SelectionSet],
        out: &mut String,
    ) -> Result<()> {
        if field.name == "_entities" {
            let representations = self.argument(field, "representations").unwrap_or(Value::Null);
            let entities = representations.as_array().context("no representations")?;
            let entities = entities.iter().map(|it| self.graph.entity(it).unwrap_or(&Value::Null));
            return self.list(entities, selections, out);
        }
        let Some(value) = object.get(&field.name) else {
            bail!("{typename} has no field {}", field.name);
        };
        match (value, self.argument(field, "first").and_then(|first| first.as_u64())) {
            (Value::Array(items), Some(first)) => {
                let first = usize::try_from(first).unwrap_or(usize::MAX);
                self.list(items.iter().take(first), selections, out)
            }
            _ => self.value(value, selections, out),
        }
    }

    fn value(
        &self,
        value: &Value,
        selections: &[&'a SelectionSet],
        out: &mut String,
    ) -> Result<()> {
        match value {
            Value::Object(object) => self.object(object, selections, out),
            Value::Array(items) => self.list(items.iter(), selections, out),
            scalar => {
                out.push_str(&scalar.to_string());
                Ok(())
            }
        }
    }

    fn list<'v>(
        &self,
        items: impl Iterator<Item = &'v Value>,
        selections: &[&'a SelectionSet],
        out: &mut String,
    ) -> Result<()> {
        out.push('[');
        for (index, item) in items.enumerate() {
            if index > 0 {
                out.push(',');
            }
            self.value(item, selections, out)?;
        }
        out.push(']');
        Ok(())
    }

    /// The fields of a selection by response key, those of fitting fragments included.
    fn collect(
        &self,
        typename: &str,
        selection: &'a SelectionSet,
        fields: &mut Vec<(&'a str, Vec<&'a Field>)>,
    ) {
        for item in &selection.items {
            match item {
                Selection::Field(field) => {
                    let key = field.alias.as_deref().unwrap_or(&field.name);
                    match fields.iter_mut().find(|(other, _)| *other == key) {
                        Some((_, same)) => same.push(field),
                        None => fields.push((key, vec![field])),
                    }
                }
                Selection::InlineFragment(fragment) => {
                    if fits(fragment.type_condition.as_ref(), typename) {
                        self.collect(typename, &fragment.selection_set, fields);
                    }
                }
                Selection::FragmentSpread(spread) => {
                    for definition in &self.document.definitions {
                        if let Definition::Fragment(fragment) = definition
                            && fragment.name == spread.fragment_name
                            && fits(Some(&fragment.type_condition), typename)
                        {
                            self.collect(typename, &fragment.selection_set, fields);
                        }
                    }
                }
            }
        }
    }

    fn argument(&self, field: &Field, name: &str) -> Option<Value> {
        let (_, literal) = field.arguments.iter().find(|(argument, _)| argument == name)?;
        self.literal(literal)
    }

    fn literal(&self, literal: &Literal) -> Option<Value> {
        Some(match literal {
            Literal::Variable(name) => self.variables.get(name)?.clone(),
            Literal::Int(number) => number.as_i64()?.into(),
            Literal::String(text) => text.as_str().into(),
            Literal::List(items) => {
                Value::Array(items.iter().map(|item| self.literal(item)).collect::<Option<_>>()?)
            }
            Literal::Object(entries) => Value::Object(
                entries
                    .iter()
                    .map(|(name, value)| Some((name.clone(), self.literal(value)?)))
                    .collect::<Option<_>>()?,
            ),
            _ => return None,
        })
    }
}

fn fits(condition: Option<&TypeCondition>, typename: &str) -> bool {
    let Some(TypeCondition::On(name)) = condition else { return true };
    name == typename || name == "_Entity"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(request: &Value) -> Value {
        let body = answer(&Graph::new(), request.to_string().as_bytes()).unwrap();
        serde_json::from_slice(&body).unwrap()
    }

    #[test]
    fn entities_come_in_the_order_of_their_representations_and_unknown_ones_are_null() {
        let answer = ask(&serde_json::json!({
            "query": "query($r: [_Any!]!) { _entities(representations: $r) { __typename ... on User { key: id } } }",
            "variables": { "r": [
                { "__typename": "User", "id": "user-000002" },
                { "__typename": "User", "id": "user-999999" },
                { "__typename": "User", "id": "user-000001" },
            ] },
        }));
        let user = |id| serde_json::json!({ "__typename": "User", "key": id });
        let expected = [user("user-000002"), Value::Null, user("user-000001")];
        assert_eq!(answer["data"]["_entities"], Value::from(expected.to_vec()));
    }

    #[test]
    fn fields_asked_for_twice_are_merged_and_unknown_ones_refused() {
        let answer = ask(&serde_json::json!({
            "query": "{ meetings(first: 1) { host { id } ...more } } fragment more on Meeting { host { name } }",
        }));
        let meetings = answer["data"]["meetings"].as_array().unwrap();
        assert_eq!(meetings.len(), 1);
        assert_eq!(meetings[0]["host"]["id"], "user-000000");
        assert!(meetings[0]["host"]["name"].is_string());
        let unknown = br#"{ "query": "{ nothing }" }"#;
        assert!(super::answer(&Graph::new(), unknown).is_err());
    }
}
