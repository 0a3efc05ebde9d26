//! Another view of a supergraph, for what the planner finds no way through the
//! first. Plans made on it are as good for the real one.
//!
//! On the way to a concrete type the planner may stop at an interface object of
//! another subgraph and find no way on, though the subgraph of the interface itself
//! was as near: here, interface objects cannot be entered.

use graphql_tools::{parser::schema::Value, static_graphql::schema};

/// The supergraph whose interface objects cannot be entered by their keys; None
/// where there is none.
pub(super) fn without_interface_objects(supergraph: &schema::Document) -> Option<schema::Document> {
    let mut document = supergraph.clone();
    let mut found = false;
    for definition in &mut document.definitions {
        let schema::Definition::TypeDefinition(schema::TypeDefinition::Interface(it)) = definition
        else {
            continue;
        };
        for directive in it.directives.iter_mut().filter(|it| it.name == "join__type") {
            let yes = ("isInterfaceObject".to_owned(), Value::Boolean(true));
            if directive.arguments.contains(&yes) {
                directive.arguments.retain(|(name, _)| name != "resolvable");
                directive.arguments.push(("resolvable".to_owned(), Value::Boolean(false)));
                found = true;
            }
        }
    }
    found.then_some(document)
}
