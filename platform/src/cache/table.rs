//! How long each kind of value is kept: `cache.json` at the top of the repository, and nowhere else.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use serde::Deserialize;

const FILE: &str = include_str!("../../../cache.json");

/// How values of one kind are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// About how long a value is kept in Redis.
    pub ttl: Duration,
    /// Whether values that are read often are kept in the process too. For what changes seldom, and
    /// what nobody is refused by: another process's change is seen there a moment later.
    pub near: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Table {
    default_ttl_seconds: u64,
    kinds: BTreeMap<String, Row>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Row {
    ttl_seconds: u64,
    #[serde(default)]
    near: bool,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    serde_json::from_str(FILE).expect("cache.json is part of the program, and a test reads it")
});

impl Policy {
    /// The policy of a kind; for one that the table doesn't name, its default lifetime.
    #[must_use]
    pub fn of(kind: &str) -> Self {
        match TABLE.kinds.get(kind) {
            Some(row) => Self { ttl: Duration::from_secs(row.ttl_seconds), near: row.near },
            None => Self { ttl: Duration::from_secs(TABLE.default_ttl_seconds), near: false },
        }
    }
}

/// The kinds that the table names, with their policies, by name.
pub fn kinds() -> impl Iterator<Item = (&'static str, Policy)> {
    TABLE.kinds.keys().map(|kind| (kind.as_str(), Policy::of(kind)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_lifetime_and_a_name_that_fits_into_keys() {
        assert!(kinds().count() >= 8);
        for (kind, policy) in kinds() {
            assert!(policy.ttl >= Duration::from_secs(60), "{kind}");
            let plain = |c: char| c.is_ascii_lowercase() || c == '.' || c == '_';
            assert!(kind.chars().all(plain), "{kind}");
        }
    }

    #[test]
    fn a_kind_outside_the_table_has_the_default() {
        let policy = Policy::of("no.such.kind");
        assert_eq!(policy, Policy { ttl: Duration::from_secs(30 * 60), near: false });
    }
}
