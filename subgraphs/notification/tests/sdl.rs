//! The subgraph's SDL is what the composition and the clients rely on.

#[test]
fn it_names_the_entities_and_the_contract() {
    let sdl = notification::sdl();
    for part in [
        "type Notification @key(fields: \"id\")",
        "type User @key(fields: \"id\")",
        "notifications(",
        "unreadNotificationCount",
        "markNotificationsRead(",
    ] {
        assert!(sdl.contains(part), "{part:?} is missing in\n{sdl}");
    }
}

#[tokio::test]
async fn everything_is_described() {
    let schema = notification::schema::builder().finish();
    assert_eq!(platform::testing::undescribed(&schema).await, Vec::<String>::new());
}
