//! `@include` and `@skip`: decided once per request, then looked up by number.

use std::sync::Arc;

use super::variable::{Coerced, Declaration};

/// The boolean variables that an operation's conditions use.
#[derive(Debug, Default)]
pub(crate) struct Flags {
    names: Vec<String>,
}

/// The values of an operation's flags in one request.
#[derive(Debug, Default)]
pub(crate) struct FlagValues(Vec<bool>);

impl Flags {
    /// The number of a variable.
    pub(crate) fn index(&mut self, name: &str) -> usize {
        let known = self.names.iter().position(|known| known == name);
        known.unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        })
    }

    /// What the conditions come to in this request: sent, or by default, or false.
    pub(crate) fn decision(&self, coerced: &Coerced, declarations: &[Declaration]) -> Decision {
        let value = |name: &String| match coerced.get(name) {
            Some(text) => text == "true",
            None => declarations
                .iter()
                .find(|declaration| declaration.name == *name)
                .and_then(|declaration| declaration.default.as_ref())
                .is_some_and(|default| *default == true),
        };
        Decision(self.names.iter().map(|name| (name.clone(), value(name))).collect())
    }
}

/// The values of the variables that an operation's conditions use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Decision(Vec<(String, bool)>);

impl Decision {
    /// Whether there is nothing to decide.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A variable's value; false where it is unknown.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.0.iter().any(|(known, is)| known == name && *is)
    }
}

/// All of these flags must have these values.
pub(crate) type All = Vec<(usize, bool)>;

/// Any of these must hold. The empty list never holds; an empty member always does.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Condition {
    Always,
    Any(Arc<[All]>),
}

impl Condition {
    /// Whether it holds in this request.
    pub(crate) fn holds(&self, values: &FlagValues) -> bool {
        match self {
            Self::Always => true,
            Self::Any(any) => any.iter().any(|all| holds(all, values)),
        }
    }

    /// The condition of something that is asked for in several places.
    pub(crate) fn any(places: Vec<All>) -> Self {
        match places.iter().any(Vec::is_empty) {
            true => Self::Always,
            false => Self::Any(places.into()),
        }
    }
}

/// Whether all of the flags have the values.
pub(crate) fn holds(all: &[(usize, bool)], values: &FlagValues) -> bool {
    all.iter().all(|(flag, expected)| values.0.get(*flag).copied().unwrap_or(false) == *expected)
}
