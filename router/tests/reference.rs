//! docs/router.md tells every setting and every error code.

use std::collections::BTreeSet;

use router::Config;
use serde_json::Value;

const REFERENCE: &str = include_str!("../../docs/router.md");

/// Every key that a value may stand under, such as `http.cors.origins`; `NAME` for names of the user's.
fn keys(schema: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    walk(schema, schema, "", &mut found);
    found
}

fn walk(root: &Value, schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let pointer = reference.trim_start_matches('#');
        return walk(root, root.pointer(pointer).expect("a definition"), path, found);
    }
    let parts = ["anyOf", "oneOf", "allOf"].iter().filter_map(|name| schema[*name].as_array());
    for part in parts.flatten() {
        walk(root, part, path, found);
    }
    if let Some(items) = schema["items"].as_object() {
        walk(root, &Value::Object(items.clone()), &format!("{path}[]"), found);
        if items.contains_key("$ref") {
            return;
        }
    }
    let dot = if path.is_empty() { "" } else { "." };
    if let Some(values) = schema["additionalProperties"].as_object() {
        let values = Value::Object(values.clone());
        walk(root, &values, &format!("{path}{dot}NAME"), found);
    }
    match schema["properties"].as_object() {
        None if !path.is_empty() && !path.ends_with("[]") => {
            let is_leaf = schema["type"] != "null" && schema["type"] != Value::Null;
            if is_leaf && schema["additionalProperties"].as_object().is_none() {
                found.insert(path.to_owned());
            }
        }
        None => {}
        Some(properties) => {
            for (name, inner) in properties {
                walk(root, inner, &format!("{path}{dot}{name}"), found);
            }
        }
    }
}

#[test]
fn every_setting_is_in_the_reference() {
    let keys = keys(&Config::json_schema());
    assert!(keys.contains("http.cors.origins") && keys.contains("subgraphs.NAME.url"), "{keys:?}");
    // Sections that may be said again for one subgraph are told once.
    let told = |key: &&String| {
        let key = key
            .strip_prefix("subgraphs.NAME.")
            .filter(|it| it.starts_with("fetch."))
            .unwrap_or(key);
        REFERENCE.contains(&format!("`{key}`"))
    };
    let missing: Vec<_> = keys.iter().filter(|key| !told(key)).collect();
    assert!(missing.is_empty(), "docs/router.md doesn't tell of {missing:#?}");
}

#[test]
fn every_error_code_is_in_the_reference() {
    let codes = include_str!("../src/error.rs").lines().filter_map(|line| {
        let (_, value) = line.trim().strip_prefix("pub const ")?.split_once("&str = \"")?;
        value.strip_suffix("\";")
    });
    let missing: Vec<_> = codes.filter(|code| !REFERENCE.contains(&format!("`{code}`"))).collect();
    assert!(missing.is_empty(), "docs/router.md doesn't tell of {missing:#?}");
}

/// The examples in the reference are configurations.
#[test]
fn the_examples_are_accepted() {
    let examples: Vec<_> = REFERENCE.split("```yaml\n").skip(1).collect();
    assert!(!examples.is_empty());
    for example in examples {
        let (text, _) = example.split_once("```").unwrap();
        Config::from_yaml(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    }
}

#[test]
fn the_schema_refuses_what_the_configuration_refuses() {
    let schema = Config::json_schema();
    assert_eq!(schema["additionalProperties"], false);
    assert!(schema["properties"]["rate_limit"].is_object());
}
