//! Finds the subscribers of a subject without asking each of them.

use std::collections::HashMap;

use super::subject::Filter;

/// Names a subscriber inside the hub.
pub(super) type SubscriberId = u64;

/// A tree of tokens. Looking up costs about the length of the subject (times two
/// for each `*` that lies on its way), whatever the number of subscribers.
#[derive(Debug, Default)]
pub(super) struct Index {
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    literal: HashMap<Box<str>, Node>,
    any: Option<Box<Node>>,
    /// Subscribers whose filter ends here.
    here: Vec<SubscriberId>,
    /// Subscribers whose filter goes on with `>`.
    rest: Vec<SubscriberId>,
}

impl Index {
    /// Lets `id` be found by the subjects that `filter` matches.
    pub(super) fn insert(&mut self, filter: &Filter, id: SubscriberId) {
        let mut node = &mut self.root;
        for token in filter.as_str().split('.') {
            node = match token {
                ">" => return node.rest.push(id),
                "*" => node.any.get_or_insert_default(),
                // A look-up first: most inserts walk where others walked before,
                // and `entry` would need an owned key each time.
                token if node.literal.contains_key(token) => {
                    node.literal.get_mut(token).expect("just found")
                }
                token => node.literal.entry(token.into()).or_default(),
            };
        }
        node.here.push(id);
    }

    /// Undoes an [`Index::insert`] with the same arguments, and frees its memory.
    pub(super) fn remove(&mut self, filter: &Filter, id: SubscriberId) {
        let tokens: Vec<&str> = filter.as_str().split('.').collect();
        self.root.remove(&tokens, id);
    }

    /// Collects the subscribers of `subject` into `found`, each once.
    pub(super) fn find(&self, subject: &str, found: &mut Vec<SubscriberId>) {
        found.clear();
        self.root.find(Some(subject), found);
        // A subscriber with two matching filters still gets one event.
        found.sort_unstable();
        found.dedup();
    }

    /// Whether nobody is listening to anything.
    #[cfg(test)]
    fn is_empty(&self) -> bool {
        self.root.is_empty()
    }
}

impl Node {
    fn find(&self, subject: Option<&str>, found: &mut Vec<SubscriberId>) {
        let Some(subject) = subject else {
            found.extend_from_slice(&self.here);
            return;
        };
        found.extend_from_slice(&self.rest);
        let (token, after) = match subject.split_once('.') {
            Some((token, after)) => (token, Some(after)),
            None => (subject, None),
        };
        if let Some(node) = self.literal.get(token) {
            node.find(after, found);
        }
        if let Some(node) = &self.any {
            node.find(after, found);
        }
    }

    fn remove(&mut self, tokens: &[&str], id: SubscriberId) {
        match tokens {
            [] => forget(&mut self.here, id),
            [">"] => forget(&mut self.rest, id),
            ["*", after @ ..] => {
                if let Some(node) = &mut self.any {
                    node.remove(after, id);
                    if node.is_empty() {
                        self.any = None;
                    }
                }
            }
            [token, after @ ..] => {
                if let Some(node) = self.literal.get_mut(*token) {
                    node.remove(after, id);
                    if node.is_empty() {
                        self.literal.remove(*token);
                    }
                }
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.literal.is_empty()
            && self.any.is_none()
            && self.here.is_empty()
            && self.rest.is_empty()
    }
}

fn forget(ids: &mut Vec<SubscriberId>, id: SubscriberId) {
    if let Some(at) = ids.iter().position(|other| *other == id) {
        ids.swap_remove(at);
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn it_finds_what_asking_each_filter_finds(
            filters in vec("([ab*])(\\.[abc*]){0,3}(\\.>)?|>", 0..24),
            removed in vec(any::<bool>(), 24),
            subjects in vec("[abc](\\.[abc]){0,4}", 1..12),
        ) {
            let filters: Vec<Filter> = filters.into_iter().map(Filter::new).collect();
            let mut index = Index::default();
            for (id, filter) in filters.iter().enumerate() {
                index.insert(filter, id as SubscriberId);
            }
            for (id, filter) in filters.iter().enumerate().filter(|(id, _)| removed[*id]) {
                index.remove(filter, id as SubscriberId);
            }
            let mut found = Vec::new();
            for subject in &subjects {
                index.find(subject, &mut found);
                let naive: Vec<SubscriberId> = (0..filters.len())
                    .filter(|id| !removed[*id] && filters[*id].matches(subject))
                    .map(|id| id as SubscriberId)
                    .collect();
                prop_assert_eq!(&found, &naive, "subject {}", subject);
            }
        }

        #[test]
        fn after_everyone_left_nothing_stays(filters in vec("([ab*])(\\.[ab*]){0,3}(\\.>)?|>", 0..16)) {
            let filters: Vec<Filter> = filters.into_iter().map(Filter::new).collect();
            let mut index = Index::default();
            for (id, filter) in filters.iter().enumerate() {
                index.insert(filter, id as SubscriberId);
            }
            for (id, filter) in filters.iter().enumerate() {
                index.remove(filter, id as SubscriberId);
            }
            prop_assert!(index.is_empty());
        }

        #[test]
        fn a_subscriber_with_two_matching_filters_is_found_once(subject in "[ab]\\.[ab]") {
            let mut index = Index::default();
            for filter in ["*.*", "a.>", "b.>", ">"] {
                index.insert(&Filter::new(filter), 7);
            }
            let mut found = Vec::new();
            index.find(&subject, &mut found);
            prop_assert_eq!(found, [7]);
        }
    }
}
