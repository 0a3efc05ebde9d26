//! docs/router.md tells every setting and every error code, docs/federation.md tests that exist.

use std::{collections::BTreeSet, path::Path};

use router::Config;
use serde_json::Value;

const REFERENCE: &str = include_str!("../../docs/router.md");
const FEDERATION: &str = include_str!("../../docs/federation.md");

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

/// Values of the code's constants that look like `extensions.code`.
fn codes_in(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            codes_in(&path, found);
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("text");
        let codes = text.lines().filter_map(|line| {
            let (before, value) = line.trim().split_once(": &str = \"")?;
            let value = value.strip_suffix("\";")?;
            let is_code = value.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
            (before.contains("const ") && is_code && value.len() > 4).then(|| value.to_owned())
        });
        found.extend(codes);
    }
}

#[test]
fn every_error_code_is_in_the_reference() {
    let mut codes = BTreeSet::new();
    codes_in(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut codes);
    for known in ["SUBSCRIPTION_GAP", "DEPTH_LIMIT_EXCEEDED", "UNAUTHENTICATED"] {
        assert!(codes.contains(known), "{known} isn't found any more");
    }
    for other in ["INPUT_OBJECT", "SNAPSHOT"] {
        codes.remove(other);
    }
    let missing: Vec<_> =
        codes.iter().filter(|code| !REFERENCE.contains(&format!("`{code}`"))).collect();
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

/// The names of all tests here, each with its module's: `key::lists_of_lists_keep_their_shape`.
fn tests_in(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            tests_in(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            let module = path.file_stem().expect("a name").to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).expect("text");
            let tests = text.split("test]\n").skip(1).filter_map(|after| {
                let (name, _) = after.split_once("fn ")?.1.split_once('(')?;
                Some(format!("{module}::{name}"))
            });
            found.extend(tests);
        }
    }
}

#[test]
fn every_item_of_federation_names_tests_that_exist() {
    let mut tests = BTreeSet::new();
    tests_in(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests")), &mut tests);
    assert!(tests.contains("reference::every_item_of_federation_names_tests_that_exist"));
    let named = |line: &str| {
        let names = line.split('`').filter(|it| it.contains("::") && !it.contains(' '));
        names.map(str::to_owned).collect::<Vec<_>>()
    };
    let missing: Vec<_> =
        FEDERATION.lines().flat_map(named).filter(|name| !tests.contains(name)).collect();
    assert!(missing.is_empty(), "docs/federation.md names tests that aren't there: {missing:#?}");
    // Each row of a table of what works has one.
    let (works, _) = FEDERATION.split_once("## Not supported").expect("what is not supported");
    let rows = works.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| item"));
    let bare: Vec<_> = rows.clone().filter(|row| named(row).is_empty()).collect();
    assert!(rows.count() > 50 && bare.is_empty(), "without a test: {bare:#?}");
}
