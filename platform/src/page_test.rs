use async_graphql::{
    EmptyMutation, EmptySubscription, Object, SDLExportOptions, Schema, SimpleObject,
};
use proptest::prelude::*;

use super::*;

/// A thing.
#[derive(Debug, Clone, SimpleObject)]
struct Thing {
    /// Its number.
    number: i32,
}

struct Query;

#[Object]
impl Query {
    async fn things(
        &self,
        first: Option<i32>,
        after: Option<String>,
    ) -> async_graphql::Result<Connection<Thing>> {
        let page = Page::new(first, after.as_deref())?;
        let from = page.after.map_or(0, |id| id.as_u128() + 1);
        let rows = (from..250).take(page.limit() as usize);
        let rows = rows.map(|number| Thing { number: number as i32 }).collect();
        Ok(Connection::new(page, rows, |thing| Uuid::from_u128(thing.number as u128)))
    }
}

fn schema() -> Schema<Query, EmptyMutation, EmptySubscription> {
    Schema::new(Query, EmptyMutation, EmptySubscription)
}

#[test]
fn each_list_has_types_of_its_own_and_page_info_is_shared() {
    let sdl = schema().sdl_with_options(SDLExportOptions::new().federation());
    assert!(sdl.contains("type ThingConnection {"), "{sdl}");
    assert!(sdl.contains("type ThingEdge {"), "{sdl}");
    assert!(sdl.contains("type PageInfo @shareable {"), "{sdl}");
    for described in ["One page of a list.", "One item of a list", "Where a page lies in its list."]
    {
        assert!(sdl.contains(described), "{described}: {sdl}");
    }
}

#[tokio::test]
async fn a_list_is_walked_to_its_end_page_by_page() {
    let query = "query($after: String) { things(first: 100, after: $after) {
        nodes { number } edges { cursor node { number } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";
    let (mut after, mut seen, mut pages) = (serde_json::Value::Null, Vec::new(), 0);
    loop {
        let variables = async_graphql::Variables::from_json(serde_json::json!({ "after": after }));
        let answer =
            schema().execute(async_graphql::Request::new(query).variables(variables)).await;
        let things = &answer.data.into_json().unwrap()["things"];
        let nodes = things["nodes"].as_array().unwrap();
        seen.extend(nodes.iter().map(|node| node["number"].as_u64().unwrap()));
        pages += 1;
        assert_eq!(things["pageInfo"]["hasPreviousPage"], pages > 1);
        let edges = things["edges"].as_array().unwrap();
        assert_eq!(edges.last().unwrap()["cursor"], things["pageInfo"]["endCursor"]);
        after = things["pageInfo"]["endCursor"].clone();
        if things["pageInfo"]["hasNextPage"] == false {
            break;
        }
    }
    assert_eq!(pages, 3);
    assert_eq!(seen, (0..250).collect::<Vec<_>>());
}

#[test]
fn arguments_out_of_range_are_bad_input() {
    let cases = [(Some(101), None), (Some(-1), None), (None, Some("garbage")), (None, Some(""))];
    for (first, after) in cases {
        let error = Page::new(first, after).unwrap_err();
        let code = error.extensions.unwrap().get("code").cloned();
        assert_eq!(code, Some("BAD_USER_INPUT".into()));
    }
    assert_eq!(Page::new(None, None).unwrap(), Page { first: FIRST_DEFAULT, after: None });
    assert_eq!(Page::new(Some(100), None).unwrap().limit(), 101);
    assert_eq!(Page::new(Some(0), None).unwrap().first, 0);
}

proptest! {
    #[test]
    fn cursors_come_back_as_they_went(id in any::<u128>()) {
        let id = Uuid::from_u128(id);
        prop_assert_eq!(decode(&encode(id)), Some(id));
    }

    #[test]
    fn garbage_is_never_a_panic(text in ".{0,60}") {
        if let Some(id) = decode(&text) {
            prop_assert_eq!(encode(id), text);
        }
    }
}
