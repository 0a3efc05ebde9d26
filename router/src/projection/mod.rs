//! How the merged tree becomes the client's response.
//!
//! `compile` turns an operation into shapes once; `write` follows them once per
//! request and writes bytes.

mod compile;
mod scalar;
mod write;

use std::{collections::HashMap, sync::Arc};

use crate::{
    engine::{Condition, Key},
    name::{Hasher, Names},
};

pub(crate) use compile::compile;
pub(crate) use scalar::Scalar;
pub(crate) use write::{Context, write};

/// What the response to an operation looks like.
#[derive(Debug)]
pub(crate) struct Projection {
    pub(crate) root: Arc<Fields>,
}

/// The fields of an object of one type, in the client's order.
#[derive(Debug)]
pub(crate) struct Fields {
    /// The object's type.
    pub(crate) type_name: Box<str>,
    /// Whether that is an interface or union: the object's own type is not known.
    pub(crate) is_abstract: bool,
    /// Whether the viewer may not see such objects at all.
    pub(crate) denied: bool,
    pub(crate) list: Vec<Field>,
}

/// One response key.
#[derive(Debug)]
pub(crate) struct Field {
    /// The key in the response.
    pub(crate) key: Box<str>,
    /// The key in the tree.
    pub(crate) slot: Key,
    /// A comma and the key as JSON with its colon: `,"name":`.
    pub(crate) prefix: Box<[u8]>,
    /// The field's name in the schema.
    pub(crate) name: Box<str>,
    pub(crate) condition: Condition,
    pub(crate) ty: Type,
    /// Arguments, kept only for introspection.
    pub(crate) arguments: Vec<(String, graphql_tools::static_graphql::query::Value)>,
}

/// A type as the response must keep it.
#[derive(Debug, Clone)]
pub(crate) struct Type {
    pub(crate) nullable: bool,
    pub(crate) kind: Kind,
}

/// What stands inside the nullability.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// The name of the object's type.
    Typename,
    /// Something that the viewer may not see.
    Denied,
    /// A custom scalar, written as it came.
    Leaf,
    /// A built-in scalar.
    Scalar(Scalar),
    /// One of these names.
    Enum(Arc<Names>),
    List(Box<Type>),
    /// An object whose type the schema alone tells.
    Object(Arc<Fields>),
    /// An object that says its type itself.
    Abstract(Arc<Abstract>),
}

/// The shapes of the possible types of an interface or union.
#[derive(Debug)]
pub(crate) struct Abstract {
    pub(crate) by_type: HashMap<Box<str>, Arc<Fields>, Hasher>,
    /// Where the object does not tell a public concrete type but the interface's
    /// own name (`@interfaceObject`).
    pub(crate) own: Arc<Fields>,
}
