//! What `/metrics` says.

use super::client::Client;
use std::collections::{BTreeMap, BTreeSet};

/// One scrape.
pub(crate) struct Scrape {
    /// Type of each family, by its name.
    pub(crate) families: BTreeMap<String, String>,
    series: Vec<(String, BTreeMap<String, String>, f64)>,
}

impl Scrape {
    /// Scrapes a process.
    pub(crate) async fn of(client: &Client) -> Self {
        let (status, text) = client.get_text("/metrics").await;
        assert_eq!(status, 200, "{text}");
        Self::read(&text)
    }

    fn read(text: &str) -> Self {
        let (mut families, mut series) = (BTreeMap::new(), Vec::new());
        for line in text.lines() {
            if let Some(family) = line.strip_prefix("# TYPE ") {
                let (name, kind) = family.split_once(' ').expect("a type");
                families.insert(name.to_owned(), kind.to_owned());
            } else if !line.starts_with('#') {
                let (one, value) = line.rsplit_once(' ').expect("a value");
                let (name, labels) = one.split_once('{').unwrap_or((one, "}"));
                let labels = labels.trim_end_matches('}');
                let pairs = labels.split("\",").filter(|pair| !pair.is_empty()).map(|pair| {
                    let (label, value) = pair.split_once("=\"").expect("a label");
                    (label.to_owned(), value.trim_end_matches('"').to_owned())
                });
                series.push((name.to_owned(), pairs.collect(), value.parse().expect("a number")));
            }
        }
        Self { families, series }
    }

    /// The sum of all series of a name whose labels have these values; a histogram's name stands for its count.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let count = format!("{name}_count");
        let matching = self.series.iter().filter(|(series, given, _)| {
            (series == name || *series == count)
                && labels
                    .iter()
                    .all(|(label, value)| given.get(*label).is_some_and(|it| it == value))
        });
        matching.map(|(_, _, value)| value).sum()
    }

    /// Labels that a family's series have, without a bucket's bound.
    pub(crate) fn labels(&self, family: &str) -> BTreeSet<&str> {
        let of_family = self.series.iter().filter(|(name, _, _)| {
            let rest = name.strip_prefix(family);
            rest.is_some_and(|rest| ["", "_bucket", "_sum", "_count"].contains(&rest))
        });
        let labels = of_family.flat_map(|(_, labels, _)| labels.keys());
        labels.map(String::as_str).filter(|label| *label != "le").collect()
    }

    /// All series without their values.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        self.series.iter().map(|(name, labels, _)| format!("{name}{labels:?}")).collect()
    }
}
