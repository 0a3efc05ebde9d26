//! docs/errors.md has every code that somebody can meet, and no other.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// What stands before the code of an error.
const BEFORE: [&str; 4] = ["UserError::new(", "Code(", "Self = Self(", "refused("];
/// Constants that are called like what they say, and aren't codes.
const NOT_ERRORS: [&str; 2] = ["SNAPSHOT", "DEAD_LETTERS"];

/// The sources of a folder, without tests.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_test = name.ends_with("test.rs") || name == "tests" || name == "testing.rs";
        if path.is_dir() && !is_test {
            sources(&path, found);
        } else if name.ends_with(".rs") && !is_test {
            found.push(path);
        }
    }
}

fn is_code(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    text.len() > 2 && text.starts_with(|c: char| c.is_ascii_uppercase()) && text.chars().all(plain)
}

/// The codes of errors in a source: what is given to an error, what a function called `code` answers, what stands beside
/// an HTTP status, and constants that say of themselves that they are one.
fn codes(source: &str) -> BTreeSet<String> {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    // A quote that doesn't begin or end a text.
    let source = source.replace("'\"'", "' '").replace("\\\"", "'");
    let mut found = BTreeSet::new();
    let parts: Vec<&str> = source.split('"').collect();
    let mut before = String::new();
    for (place, part) in parts.iter().enumerate() {
        if place % 2 == 1 && is_code(part) {
            let near = before.strip_suffix('"').unwrap_or(&before).trim_end();
            let beside = near.rsplit(['(', ';']).next().unwrap_or_default();
            let given = BEFORE.iter().any(|start| near.ends_with(start));
            let status = near.ends_with(',') && beside.trim_start().starts_with("StatusCode::");
            let in_code =
                near.rfind("fn code(").is_some_and(|at| !near[at..].contains("\n    }\n"));
            if given || status || in_code || is_constant(near, part) {
                found.insert((*part).to_owned());
            }
        }
        before.push_str(part);
        before.push('"');
    }
    found
}

/// Whether `near` ends with the beginning of a constant that is an error's code.
fn is_constant(near: &str, value: &str) -> bool {
    let Some(head) = near.strip_suffix(": &str =") else { return false };
    let Some((above, name)) = head.rsplit_once("const ") else { return false };
    let said = above.trim_end().trim_end_matches("pub").trim_end();
    let said = said.lines().last().unwrap_or_default().to_lowercase();
    let in_module = above.rfind("mod code {").is_some_and(|at| !above[at..].contains("\n}\n"));
    let names_itself = name == value && !NOT_ERRORS.contains(&value);
    names_itself || in_module || said.contains("error code of") || said.contains("/// code of")
}

#[test]
fn the_page_has_every_code_and_no_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in
        ["router/src", "platform/src", "contract/src", "llm/src", "speech/src", "text/src"]
    {
        sources(&root.join(folder), &mut files);
    }
    for service in std::fs::read_dir(root.join("subgraphs")).expect("services") {
        sources(&service.expect("an entry").path().join("src"), &mut files);
    }
    let mut of_code: BTreeMap<String, PathBuf> = BTreeMap::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("readable");
        of_code.extend(codes(&text).into_iter().map(|code| (code, file.clone())));
    }
    let page = std::fs::read_to_string(root.join("docs/errors.md")).expect("the page");
    let mut of_page = BTreeSet::new();
    for row in page.lines().filter_map(|line| line.strip_prefix("| `")) {
        let code = row.split('`').next().unwrap_or_default();
        if is_code(code) {
            assert!(of_page.insert(code.to_owned()), "{code} is on the page twice");
        }
    }
    let missing: Vec<_> = of_code.iter().filter(|(code, _)| !of_page.contains(*code)).collect();
    assert!(missing.is_empty(), "not on docs/errors.md: {missing:#?}");
    let stale: Vec<_> = of_page.iter().filter(|code| !of_code.contains_key(*code)).collect();
    assert!(stale.is_empty(), "on docs/errors.md, but nowhere in the sources: {stale:?}");
    assert!(of_code.len() > 100, "the sources were read: {}", of_code.len());
}

#[test]
fn codes_are_found_as_they_are_written() {
    let source = r#"
/// Error code of a thing.
const THING: &str = "A_THING";
const KIND: &str = "NO_CODE";
pub const ITSELF: &str = "ITSELF";
fn code(self) -> &'static str {
        match self { Self::A => "FROM_CODE" }
    }
fn other() -> (StatusCode, &'static str) { (StatusCode::GONE, "BESIDE_STATUS") }
fn user() { UserError::new(
    "GIVEN", message) }
#[cfg(test)]
mod tests { const IN_TEST: &str = "IN_TEST"; }
"#;
    let expected = ["A_THING", "BESIDE_STATUS", "FROM_CODE", "GIVEN", "ITSELF"];
    assert_eq!(codes(source), expected.map(str::to_owned).into());
}
