//! Writes the response from the merged tree, in one pass.
//!
//! A null where none may be is found while writing: the text since the nearest
//! place that may be null is taken back, and null written there instead.

use super::{Abstract, Field, Fields, Kind, Projection, Type};
use crate::{
    authorization,
    engine::{FlagValues, Key, Object, Tree, Value},
    error::{GraphQLError, PathSegment, code},
};

/// Most errors that the projection itself adds to one response.
const MAX_PROJECTION_ERRORS: usize = 100;

/// What the writer knows beside tree and shape.
pub(crate) struct Context<'c> {
    pub(crate) flags: &'c FlagValues,
    /// The subgraphs' errors: a null that they explain needs no second one.
    pub(crate) errors: &'c [GraphQLError],
}

/// The value cannot be what its type says, and the type allows no null.
struct Bubble;

/// Writes `data` and answers which further errors it found.
pub(crate) fn write(
    projection: &Projection,
    tree: &Tree<'_>,
    context: &Context<'_>,
    out: &mut Vec<u8>,
) -> Vec<GraphQLError> {
    let mut writer = Writer { tree, out, context, errors: Vec::new() };
    let start = writer.out.len();
    let type_name = &projection.root.type_name;
    if let Err(Bubble) = writer.object(Tree::ROOT, &projection.root, type_name, &Path::Root) {
        writer.out.truncate(start);
        writer.out.extend_from_slice(b"null");
    }
    writer.errors
}

/// Where the writer is; lives on the stack and is only spelled out for errors.
enum Path<'p> {
    Root,
    Key(&'p Path<'p>, &'p str),
    Index(&'p Path<'p>, usize),
}

impl Path<'_> {
    fn segments(&self) -> Vec<PathSegment> {
        match self {
            Self::Root => Vec::new(),
            Self::Key(parent, key) => {
                let mut path = parent.segments();
                path.push(PathSegment::Key((*key).to_owned()));
                path
            }
            Self::Index(parent, index) => {
                let mut path = parent.segments();
                path.push(PathSegment::Index(*index));
                path
            }
        }
    }
}

struct Writer<'w, 'a> {
    tree: &'w Tree<'a>,
    out: &'w mut Vec<u8>,
    context: &'w Context<'w>,
    errors: Vec<GraphQLError>,
}

impl<'a> Writer<'_, 'a> {
    fn object(
        &mut self,
        object: Object,
        shape: &Fields,
        type_name: &str,
        path: &Path<'_>,
    ) -> Result<(), Bubble> {
        if shape.denied {
            return self.deny(path, &shape.type_name);
        }
        self.out.push(b'{');
        let object = self.tree.fields(object);
        let mut first = true;
        // Answers come in the order in which they were asked for, so the next
        // field is most often the next slot.
        let mut cursor = 0;
        for field in &shape.list {
            if !field.condition.holds(self.context.flags) {
                continue;
            }
            let prefix = &field.prefix[usize::from(first)..];
            first = false;
            self.out.extend_from_slice(prefix);
            if let Kind::Typename = field.ty.kind {
                if shape.is_abstract {
                    return self.mismatch((shape, field), &Path::Key(path, &field.key));
                }
                self.name(type_name);
                continue;
            }
            let value = lookup(object, field.slot, &mut cursor);
            let path = Path::Key(path, &field.key);
            self.value(value, &field.ty, (shape, field), &path)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    /// Type names need no escapes.
    fn name(&mut self, name: &str) {
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b'"');
    }

    fn value(
        &mut self,
        value: Option<Value<'a>>,
        ty: &Type,
        owner: (&Fields, &Field),
        path: &Path<'_>,
    ) -> Result<(), Bubble> {
        let start = self.out.len();
        let written = match value {
            _ if matches!(ty.kind, Kind::Denied) => {
                self.deny(path, &format!("{}.{}", owner.0.type_name, owner.1.name))
            }
            None | Some(Value::Null) => {
                if !ty.nullable {
                    self.report(path, || {
                        format!(
                            "Cannot return null for non-nullable field {}.{}.",
                            owner.0.type_name, owner.1.name
                        )
                    });
                }
                Err(Bubble)
            }
            Some(value) => self.present(value, ty, owner, path),
        };
        match written {
            Err(Bubble) if ty.nullable => {
                self.out.truncate(start);
                self.out.extend_from_slice(b"null");
                Ok(())
            }
            written => written,
        }
    }

    fn present(
        &mut self,
        value: Value<'a>,
        ty: &Type,
        owner: (&Fields, &Field),
        path: &Path<'_>,
    ) -> Result<(), Bubble> {
        match (&ty.kind, value) {
            (Kind::Scalar(scalar), Value::Leaf(text)) => {
                if !scalar.write(text, self.out) {
                    return self.mismatch(owner, path);
                }
            }
            (Kind::Leaf | Kind::Typename, value) => self.tree.write(value, self.out),
            (Kind::Enum(names), Value::Leaf(text)) => {
                let known = value.plain_str().is_some_and(|name| names.contains(name));
                if !known {
                    return self.mismatch(owner, path);
                }
                self.out.extend_from_slice(text.as_bytes());
            }
            (Kind::List(item), Value::List(items)) => {
                self.out.push(b'[');
                for (index, value) in self.tree.items(items).iter().enumerate() {
                    if index > 0 {
                        self.out.push(b',');
                    }
                    let path = Path::Index(path, index);
                    self.value(Some(*value), item, owner, &path)?;
                }
                self.out.push(b']');
            }
            (Kind::Object(shape), Value::Object(object)) => {
                self.object(object, shape, &shape.type_name, path)?;
            }
            (Kind::Abstract(shapes), Value::Object(object)) => {
                let Some(shape) = concrete(shapes, self.tree.typename(object)) else {
                    return self.mismatch(owner, path);
                };
                self.object(object, shape, &shape.type_name, path)?;
            }
            _ => return self.mismatch(owner, path),
        }
        Ok(())
    }

    fn deny(&mut self, path: &Path<'_>, place: &str) -> Result<(), Bubble> {
        if self.errors.len() < MAX_PROJECTION_ERRORS {
            self.errors.push(authorization::error(place).at(path.segments()));
        }
        Err(Bubble)
    }

    fn mismatch(&mut self, owner: (&Fields, &Field), path: &Path<'_>) -> Result<(), Bubble> {
        self.report(path, || {
            format!(
                "A subgraph's value for {}.{} does not fit its type.",
                owner.0.type_name, owner.1.name
            )
        });
        Err(Bubble)
    }

    /// Adds an error unless a subgraph's error explains the null already.
    fn report(&mut self, path: &Path<'_>, message: impl FnOnce() -> String) {
        if self.errors.len() >= MAX_PROJECTION_ERRORS {
            return;
        }
        let path = path.segments();
        let explained = self.context.errors.iter().any(|error| {
            error.path.as_ref().is_none_or(|known| known.iter().zip(&path).all(|(a, b)| a == b))
        });
        if !explained {
            let error = GraphQLError::new(code::INTERNAL_SERVER_ERROR, message());
            self.errors.push(error.at(path));
        }
    }
}

/// The shape for the type that an object says it is; None where that type is
/// not public or does not belong here.
fn concrete<'s>(shapes: &'s Abstract, typename: Option<&str>) -> Option<&'s Fields> {
    match typename {
        Some(name) if name == &*shapes.own.type_name => Some(&shapes.own),
        Some(name) => shapes.by_type.get(name).map(|shape| &**shape),
        // With a single member there is nothing to tell apart.
        None if shapes.by_type.len() == 1 => shapes.by_type.values().next().map(|shape| &**shape),
        // The planner asks for the type wherever something depends on it.
        None => Some(&shapes.own),
    }
}

fn lookup<'a>(object: &[(Key, Value<'a>)], key: Key, cursor: &mut usize) -> Option<Value<'a>> {
    if let Some((known, value)) = object.get(*cursor)
        && *known == key
    {
        *cursor += 1;
        return Some(*value);
    }
    let slot = object.iter().position(|(known, _)| *known == key)?;
    *cursor = slot + 1;
    Some(object[slot].1)
}
