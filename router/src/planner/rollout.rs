//! Progressive overrides: which requests already take a field from its new
//! subgraph (`@override(from: …, label: …)`).

use std::{
    collections::{BTreeMap, HashSet},
    hash::{BuildHasher as _, RandomState},
};

use hive_router_query_planner::graph::{PERCENTAGE_SCALE_FACTOR, PlannerOverrideContext};
use schemars::JsonSchema;
use serde::Deserialize;

use super::Planner;

/// Progressive overrides. Labels of the form `percent(5)` need no setting.
#[derive(Debug, Clone, Default, Deserialize, PartialEq, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// By label, the share of requests for which it is on, in percent. A label
    /// that is not here is off.
    pub labels: BTreeMap<String, f64>,
}

/// The labels of a supergraph and their shares, in the planner's unit.
#[derive(Debug, Default)]
pub(crate) struct Rollout {
    labels: Vec<(String, u64)>,
    /// Shares that the supergraph itself states, ascending.
    percentages: Vec<u64>,
}

/// Which overrides are on. Requests of one variant share plans.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Variant {
    labels: Vec<String>,
    percentage: u64,
}

impl Rollout {
    /// What a supergraph has to decide.
    pub(crate) fn new(planner: &Planner, config: &Config) -> Self {
        let overrides = &planner.hive.supergraph.progressive_overrides;
        let share = |label: &String| {
            let share = config.labels.get(label).map_or(0.0, |share| share.clamp(0.0, 100.0));
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100")]
            #[expect(clippy::cast_precision_loss, reason = "a power of ten")]
            let share = (share * PERCENTAGE_SCALE_FACTOR as f64) as u64;
            (label.clone(), share)
        };
        let mut labels: Vec<_> = overrides.flags.iter().map(share).collect();
        let mut percentages: Vec<_> = overrides.percentages.iter().copied().collect();
        labels.sort();
        percentages.sort_unstable();
        Self { labels, percentages }
    }

    /// Decides for one request.
    pub(crate) fn draw(&self) -> Variant {
        if self.labels.is_empty() && self.percentages.is_empty() {
            return Variant::default();
        }
        // Freshly keyed each time, so that the hash of nothing is a random number.
        self.at(RandomState::new().hash_one(()) % (100 * PERCENTAGE_SCALE_FACTOR))
    }

    /// The variant of the request that drew this number.
    fn at(&self, drawn: u64) -> Variant {
        let on = self.labels.iter().filter(|(_, share)| drawn < *share);
        let below = self.percentages.iter().rev().find(|share| **share <= drawn);
        Variant {
            labels: on.map(|(label, _)| label.clone()).collect(),
            percentage: below.copied().unwrap_or(0),
        }
    }
}

impl Variant {
    pub(super) fn context(&self) -> PlannerOverrideContext {
        let labels: HashSet<_> = self.labels.iter().cloned().collect();
        PlannerOverrideContext::new(labels, self.percentage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_between_two_shares_are_alike() {
        let percent = |number: u64| number * PERCENTAGE_SCALE_FACTOR;
        let rollout = Rollout {
            labels: vec![("a".to_owned(), percent(50)), ("off".to_owned(), 0)],
            percentages: vec![percent(10), percent(100)],
        };
        assert_eq!(rollout.at(0), rollout.at(percent(10) - 1));
        assert_ne!(rollout.at(percent(10)), rollout.at(percent(10) - 1));
        assert_eq!(rollout.at(percent(10)), rollout.at(percent(50) - 1));
        assert_eq!(rollout.at(0).labels, ["a"]);
        assert_eq!(rollout.at(percent(50)).labels, Vec::<String>::new());
        assert_eq!(rollout.at(percent(99)).percentage, percent(10));
    }
}
