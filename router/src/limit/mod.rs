//! Limits on what clients may ask for, all on by default.
//!
//! | module | idea |
//! |---|---|
//! | `token` | the text: lexical tokens, and how deep its brackets nest |
//! | `shape` | the document, before it is validated: depth, aliases, directives, fields |
//! | `cost` | the operation, before it is planned: how many objects it may ask for |
//! | `slicing` | which fields' arguments say how long a list is |
//!
//! Everything but the values of variables is looked at once per prepared operation.

mod cost;
mod shape;
mod slicing;
mod token;

use graphql_tools::static_graphql::query as ast;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{error::GraphQLError, schema::Schema};

pub(crate) use cost::Cost;
use shape::OfDocument;
use slicing::Slicing;

/// Deepest nesting of brackets in a document, in levels. The parser and all that
/// follows it recurse, so this is no setting.
pub(crate) const MAX_NESTING: u64 = 200;
/// Deepest selection below `__schema` and `__type`, in fields: what GraphiQL asks
/// for (14 levels) and a little more.
pub(crate) const MAX_INTROSPECTION_DEPTH: u64 = 20;
/// How often lists of the schema's members may stand inside each other below
/// `__schema` and `__type`: each level multiplies the answer by the schema's size.
pub(crate) const MAX_INTROSPECTION_LISTS: u64 = 2;

/// The `code` of each limit.
pub mod code {
    /// The document is too deep.
    pub const DEPTH: &str = "DEPTH_LIMIT_EXCEEDED";
    /// The operation costs too much.
    pub const COST: &str = "COST_LIMIT_EXCEEDED";
    /// The document has too many aliases.
    pub const ALIASES: &str = "ALIAS_LIMIT_EXCEEDED";
    /// The document has too many tokens.
    pub const TOKENS: &str = "TOKEN_LIMIT_EXCEEDED";
    /// The document has too many directives.
    pub const DIRECTIVES: &str = "DIRECTIVE_LIMIT_EXCEEDED";
    /// An operation has too many fields at its root.
    pub const ROOT_FIELDS: &str = "ROOT_FIELD_LIMIT_EXCEEDED";
    /// An operation selects too many fields.
    pub const FIELDS: &str = "FIELD_LIMIT_EXCEEDED";
    /// The request body is too large.
    pub const BODY: &str = "BODY_LIMIT_EXCEEDED";
    /// The batch has too many requests.
    pub const BATCH: &str = "BATCH_LIMIT_EXCEEDED";
}

/// Limits on documents, operations and batches. `null` switches a limit off.
#[derive(Debug, Clone, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Deepest field; a field of the root is at depth 1, `__typename` counts nothing.
    pub depth: Option<u64>,
    /// Highest cost of an operation, in objects that it may ask for.
    pub cost: Option<u64>,
    /// How long a list is taken to be where no `first` or `last` says it, in items.
    pub list_size: u64,
    /// Most aliases in a document.
    pub aliases: Option<u64>,
    /// Most lexical tokens in a document. The parser's own bound, 20,000, stays.
    pub tokens: Option<u64>,
    /// Most directives in a document.
    pub directives: Option<u64>,
    /// Most fields at the root of an operation.
    pub root_fields: Option<u64>,
    /// Most fields and fragments of an operation, once its fragments are spelled out.
    pub fields: Option<u64>,
    /// Most requests in one batch; 0 for no batches.
    pub batch: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            depth: Some(15),
            cost: Some(10_000),
            list_size: 5,
            aliases: Some(100),
            tokens: Some(15_000),
            directives: Some(100),
            root_fields: Some(50),
            fields: Some(5_000),
            batch: 10,
        }
    }
}

/// What operations are checked with.
#[derive(Debug)]
pub(crate) struct Limits {
    pub(crate) config: Config,
    slicing: Slicing,
}

impl Limits {
    /// Limits for a public schema.
    pub(crate) fn new(config: Config, schema: &Schema) -> Self {
        Self { config, slicing: Slicing::new(&schema.document) }
    }

    /// Reads the cost of a validated operation, and checks it if variables have no
    /// part in it.
    ///
    /// # Errors
    /// `COST_LIMIT_EXCEEDED`
    pub(crate) fn cost(
        &self,
        schema: &Schema,
        document: &ast::Document,
        operation: (&str, &[ast::VariableDefinition], &ast::SelectionSet),
    ) -> Result<Cost, GraphQLError> {
        let list_size = self.config.list_size;
        let cost = cost::compile(schema, &self.slicing, list_size, document, operation);
        self.config.check_cost(cost.known().unwrap_or(0))?;
        Ok(cost)
    }
}

/// The error that says which limit was passed and by what.
pub(crate) fn exceeded(code: &str, what: &str, value: u64, limit: u64) -> GraphQLError {
    let message = format!("{what} {value}; the limit is {limit}.");
    let mut error = GraphQLError::new(code, message);
    error.extensions.insert("value".to_owned(), value.into());
    error.extensions.insert("limit".to_owned(), limit.into());
    error
}

fn check(code: &str, what: &str, value: u64, limit: Option<u64>) -> Result<(), GraphQLError> {
    match limit {
        Some(limit) if value > limit => Err(exceeded(code, what, value, limit)),
        _ => Ok(()),
    }
}

impl Config {
    /// Checks a document's text, before anything reads it.
    ///
    /// # Errors
    /// `TOKEN_LIMIT_EXCEEDED`, or `DEPTH_LIMIT_EXCEEDED` for its brackets.
    pub(crate) fn check_text(&self, text: &str) -> Result<(), GraphQLError> {
        let (tokens, nesting) = token::count(text);
        check(code::TOKENS, "The document's tokens number", tokens, self.tokens)?;
        check(code::DEPTH, "The document's brackets nest to the level", nesting, Some(MAX_NESTING))
    }

    /// Checks a document's shape, before it is validated.
    ///
    /// # Errors
    /// The code of the first limit that it passes.
    pub(crate) fn check_shape(&self, document: &ast::Document) -> Result<(), GraphQLError> {
        let OfDocument { aliases, directives, operation } = &shape::measure(document);
        let nesting = "The document's selections nest to the level";
        check(code::DEPTH, nesting, operation.nesting, Some(MAX_NESTING))?;
        check(code::ALIASES, "The document's aliases number", *aliases, self.aliases)?;
        check(code::DIRECTIVES, "The document's directives number", *directives, self.directives)?;
        let root_fields = "The operation's fields at its root number";
        check(code::ROOT_FIELDS, root_fields, operation.level, self.root_fields)?;
        check(code::FIELDS, "The operation's fields number", operation.fields, self.fields)?;
        check(code::DEPTH, "The operation's depth is", operation.depth, self.depth)?;
        let (depth, lists) = (operation.introspection_depth, operation.introspection_lists);
        let what = "The introspection's depth is";
        check(code::DEPTH, what, depth, self.depth.map(|_| MAX_INTROSPECTION_DEPTH))?;
        let what = "The introspection's lists of members nest to the level";
        check(code::DEPTH, what, lists, self.depth.map(|_| MAX_INTROSPECTION_LISTS))
    }

    /// Checks an operation's cost.
    ///
    /// # Errors
    /// `COST_LIMIT_EXCEEDED`
    pub(crate) fn check_cost(&self, cost: u64) -> Result<(), GraphQLError> {
        check(code::COST, "The operation's cost is", cost, self.cost)
    }
}
