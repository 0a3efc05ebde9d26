//! The subgraph's SDL is what the composition and the clients rely on.

#[test]
fn it_names_the_entities_and_the_contract() {
    let sdl = transcript::sdl();
    for part in [
        "type Meeting @key(fields: \"id\")",
        "type Transcript @key(fields: \"id\")",
        "type Segment @key(fields: \"id\")",
        "type Minutes @key(fields: \"id\")",
        "type MinutesSection @key(fields: \"id\")",
        "type TranscriptTask implements Task @key(fields: \"id\")",
        "interface Task",
        "transcriptTask(",
        "transcriptTasks(",
        "latestTranscriptTask(",
        "retryTranscriptTask(",
        "cancelTranscriptTask(",
        "type UserError @shareable",
        "type PageInfo @shareable",
        "type TaskError @shareable",
        "scalar DateTime",
    ] {
        assert!(sdl.contains(part), "{part:?} is missing in\n{sdl}");
    }
    // What is shared in code has no place of its own in the schema.
    assert!(!sdl.contains("TaskFields"), "{sdl}");
}

#[test]
fn everything_is_described() {
    let schema = transcript::schema::builder().finish();
    let request = r"{ __schema { types { name description fields { name description args { name description } } inputFields { name description } enumValues { name description } } } }";
    let answer = futures::executor::block_on(schema.execute(request));
    let data = answer.data.into_json().unwrap();
    let mut bare = Vec::new();
    for kind in data["__schema"]["types"].as_array().unwrap() {
        let name = kind["name"].as_str().unwrap();
        let builtin = ["Boolean", "Float", "ID", "Int", "String", "Query", "Mutation"];
        if name.starts_with('_') {
            continue;
        }
        if kind["description"].is_null() && !builtin.contains(&name) {
            bare.push(name.to_owned());
        }
        for list in ["fields", "inputFields", "enumValues"] {
            for item in kind[list].as_array().into_iter().flatten() {
                let field = item["name"].as_str().unwrap();
                if field.starts_with('_') {
                    continue;
                }
                if item["description"].is_null() {
                    bare.push(format!("{name}.{field}"));
                }
                for argument in item["args"].as_array().into_iter().flatten() {
                    if argument["description"].is_null() {
                        bare.push(format!("{name}.{field}({})", argument["name"]));
                    }
                }
            }
        }
    }
    // Those of the kernel's connection types are described there.
    bare.retain(|name| !name.contains("Connection") && !name.contains("Edge"));
    assert!(bare.is_empty(), "without a description: {bare:?}");
}
