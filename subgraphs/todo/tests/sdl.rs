//! The subgraph's SDL is what the composition and the clients rely on.

#[test]
fn it_names_the_entities_and_the_contract() {
    let sdl = todo::sdl();
    for part in [
        "type Todo @key(fields: \"id\")",
        "type TodoTask implements Task @key(fields: \"id\")",
        "type Meeting @key(fields: \"id\")",
        "type User @key(fields: \"id\")",
        "todo(",
        "todoTask(",
        "createTodo(",
        "updateTodo(",
        "setTodoStatus(",
        "retryTodoTask(",
        "cancelTodoTask(",
    ] {
        assert!(sdl.contains(part), "{part:?} is missing in\n{sdl}");
    }
}

#[tokio::test]
async fn everything_is_described() {
    let schema = todo::schema::builder().finish();
    assert_eq!(platform::testing::undescribed(&schema).await, Vec::<String>::new());
}
