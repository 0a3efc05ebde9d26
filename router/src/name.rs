//! Sets of names that every request looks something up in.

use std::collections::HashSet;

/// Hashes short texts quickly, with a key of this process.
pub(crate) type Hasher = foldhash::fast::RandomState;

/// Names of types, fields or enum values.
pub(crate) type Names = HashSet<Box<str>, Hasher>;
