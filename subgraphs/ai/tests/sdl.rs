//! The subgraph's SDL is what the composition and the clients rely on.

#[test]
fn it_names_the_entities_and_the_contract() {
    let sdl = ai::sdl();
    for part in [
        "type Summary @key(fields: \"id\")",
        "type ScheduleProposal @key(fields: \"id\")",
        "type MeetingAnalysis @key(fields: \"id\")",
        "type AiTask implements Task @key(fields: \"id\")",
        "type Meeting @key(fields: \"id\")",
        "union AiResult",
        "aiTask(",
        "aiTasks(",
        "meetingAnalysis(",
        "meetingAnalyses(",
        "requestSummary(",
        "requestSchedule(",
        "requestAnalysis(",
        "retryAiTask(",
        "cancelAiTask(",
    ] {
        assert!(sdl.contains(part), "{part:?} is missing in\n{sdl}");
    }
}

#[tokio::test]
async fn everything_is_described() {
    let schema = ai::schema::builder().finish();
    assert_eq!(platform::testing::undescribed(&schema).await, Vec::<String>::new());
}
