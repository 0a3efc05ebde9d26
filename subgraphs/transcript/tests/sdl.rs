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
        "requestVerification(",
        "union TranscriptTaskResult = Transcript | TranscriptVerification",
        "sharedTranscript(",
        "type SharedTranscript ",
        "shareTranscript(",
        "createShareLink(",
        "revokeShareLink(",
        "exportTranscript(",
        "searchTranscripts(",
        "updateSection(",
        "verifySection(",
        "reopenSection(",
        "editSegment(",
        "addSpeaker(",
        "renameSpeaker(",
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

#[tokio::test]
async fn everything_is_described() {
    let schema = transcript::schema::builder().finish();
    assert_eq!(platform::testing::undescribed(&schema).await, Vec::<String>::new());
}
