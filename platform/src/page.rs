//! Relay connections by keyset: lists are ordered by a UUIDv7 id, and a cursor is the id of an item,
//! so that a page stays where it is while items are added.

use std::borrow::Cow;

use async_graphql::{Object, OutputType, SimpleObject, TypeName};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::error::ApiError;

/// Items on a page when `first` isn't given.
pub const FIRST_DEFAULT: usize = 20;
/// Most items on a page.
pub const FIRST_MAX: usize = 100;

/// First byte of a cursor, so that another kind of cursor is told apart.
const CURSOR_VERSION: u8 = 1;

/// Which part of a list is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Most items on the page.
    pub first: usize,
    /// The id of the last item before the page.
    pub after: Option<Uuid>,
}

impl Page {
    /// Reads the arguments of a connection.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` when `first` is below 0 or above [`FIRST_MAX`], or `after` isn't a cursor of ours.
    pub fn new(first: Option<i32>, after: Option<&str>) -> Result<Self, async_graphql::Error> {
        let first = match first {
            None => FIRST_DEFAULT,
            Some(first) => usize::try_from(first)
                .ok()
                .filter(|first| *first <= FIRST_MAX)
                .ok_or_else(|| {
                    let message = format!("`first` must be from 0 to {FIRST_MAX}");
                    ApiError::bad_input(message).into_graphql()
                })?,
        };
        let after = match after {
            None => None,
            Some(cursor) => Some(decode(cursor).ok_or_else(|| {
                let message = "`after` isn't a cursor of this list";
                ApiError::bad_input(message).into_graphql()
            })?),
        };
        Ok(Self { first, after })
    }

    /// How many rows to read: one more than are shown, to know whether there is a next page.
    #[must_use]
    pub fn limit(&self) -> i64 {
        // At most FIRST_MAX + 1.
        self.first as i64 + 1
    }
}

/// The cursor of an item.
#[must_use]
pub fn encode(id: Uuid) -> String {
    let mut bytes = [CURSOR_VERSION; 17];
    bytes[1..].copy_from_slice(id.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The id that a cursor stands for; `None` when it isn't a cursor of ours.
#[must_use]
pub fn decode(cursor: &str) -> Option<Uuid> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (version, id) = bytes.split_first()?;
    (*version == CURSOR_VERSION).then(|| Uuid::from_slice(id).ok())?
}

/// Where a page lies in its list.
#[derive(Debug, Clone, PartialEq, Eq, SimpleObject)]
#[graphql(shareable)]
pub struct PageInfo {
    /// Whether there are items after this page.
    pub has_next_page: bool,
    /// Whether there are items before this page.
    pub has_previous_page: bool,
    /// Cursor of the first item on this page.
    pub start_cursor: Option<String>,
    /// Cursor of the last item on this page: give it as `after` to get the next page.
    pub end_cursor: Option<String>,
}

/// A page of a list of `N`. In GraphQL its name is that of `N` with `Connection` after it.
#[derive(Debug, Clone)]
pub struct Connection<N> {
    edges: Vec<Edge<N>>,
    has_next_page: bool,
    has_previous_page: bool,
}

/// An item of a list, and where it is there. In GraphQL its name is that of `N` with `Edge` after it.
#[derive(Debug, Clone)]
pub struct Edge<N> {
    id: Uuid,
    node: N,
}

impl<N> Connection<N> {
    /// Makes a page of up to [`Page::limit`] rows in the list's order, the last of which is only the
    /// sign that there is a next page; `id` gives the id that the list is ordered by.
    pub fn new(page: Page, mut rows: Vec<N>, id: impl Fn(&N) -> Uuid) -> Self {
        let has_next_page = rows.len() > page.first;
        rows.truncate(page.first);
        let edges = rows.into_iter().map(|node| Edge { id: id(&node), node }).collect();
        // With a keyset the rows before are not looked at: there is at least the one named.
        Self { edges, has_next_page, has_previous_page: page.after.is_some() }
    }

    /// A page without items.
    #[must_use]
    pub fn empty() -> Self {
        Self { edges: Vec::new(), has_next_page: false, has_previous_page: false }
    }

    /// The items on the page.
    pub fn items(&self) -> impl Iterator<Item = &N> {
        self.edges.iter().map(|edge| &edge.node)
    }
}

/// One page of a list.
#[Object(name_type)]
impl<N: OutputType> Connection<N> {
    /// The items on this page.
    async fn nodes(&self) -> Vec<&N> {
        self.items().collect()
    }

    /// The items on this page, each with its cursor.
    async fn edges(&self) -> &[Edge<N>] {
        &self.edges
    }

    /// Where this page lies in the list.
    async fn page_info(&self) -> PageInfo {
        PageInfo {
            has_next_page: self.has_next_page,
            has_previous_page: self.has_previous_page,
            start_cursor: self.edges.first().map(|edge| encode(edge.id)),
            end_cursor: self.edges.last().map(|edge| encode(edge.id)),
        }
    }
}

impl<N: OutputType> TypeName for Connection<N> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Connection", N::type_name()).into()
    }
}

/// One item of a list, and where it is there.
#[Object(name_type)]
impl<N: OutputType> Edge<N> {
    /// Where the item is in the list: give it as `after` to get what follows.
    async fn cursor(&self) -> String {
        encode(self.id)
    }

    /// The item.
    async fn node(&self) -> &N {
        &self.node
    }
}

impl<N: OutputType> TypeName for Edge<N> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Edge", N::type_name()).into()
    }
}

#[cfg(test)]
#[path = "page_test.rs"]
mod tests;
