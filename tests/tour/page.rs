//! README.md as what can be walked: sections, tables, steps and blocks.

use std::collections::BTreeMap;

/// What stands in a fence.
#[derive(Debug)]
pub(super) struct Block<'a> {
    pub(super) language: &'a str,
    pub(super) text: &'a str,
}

/// One step of a tour.
#[derive(Debug)]
pub(super) struct Step<'a> {
    pub(super) title: &'a str,
    prose: String,
    pub(super) blocks: Vec<Block<'a>>,
}

impl Step<'_> {
    /// Fails the test unless the step promises this, in these words.
    pub(super) fn promises(&self, words: &str) {
        assert!(self.prose.contains(words), "{} doesn't say {words:?}: {}", self.title, self.prose);
    }

    /// The operations, in their order.
    pub(super) fn operations<const N: usize>(&self) -> [&str; N] {
        let operations = self.blocks.iter().filter(|block| block.language == "graphql");
        let operations: Vec<&str> = operations.map(|block| block.text).collect();
        let found = operations.len();
        operations
            .try_into()
            .unwrap_or_else(|_| panic!("{} has {found} operations, not {N}", self.title))
    }

    /// The one thing to paste into a shell.
    pub(super) fn shell(&self) -> &str {
        shell(&self.blocks)
    }
}

/// What is to be pasted into a shell, of blocks of which one is that.
pub(super) fn shell<'a>(blocks: &[Block<'a>]) -> &'a str {
    let mut found = blocks.iter().filter(|block| block.language == "bash");
    let (Some(only), None) = (found.next(), found.next()) else {
        panic!("not one block for a shell: {blocks:?}")
    };
    only.text
}

/// What stands below a heading of the page, until the next one.
pub(super) fn below<'a>(page: &'a str, heading: &str) -> &'a str {
    let start = format!("\n## {heading}\n");
    let at = page.find(&start).unwrap_or_else(|| panic!("no heading {heading:?}"));
    let section = &page[at + start.len()..];
    &section[..section.find("\n## ").unwrap_or(section.len())]
}

/// The blocks of a part of the page.
pub(super) fn blocks(part: &str) -> Vec<Block<'_>> {
    let fenced = part.split("```").skip(1).step_by(2);
    fenced
        .map(|fenced| {
            let (language, text) = fenced.split_once('\n').expect("a block has lines");
            Block { language, text }
        })
        .collect()
}

/// What a part of the page says beside its blocks, on one line.
pub(super) fn prose(part: &str) -> String {
    let beside: String = part.split("```").step_by(2).collect();
    beside.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The rows of a part's table by what their first cell has in backticks: the other cells.
pub(super) fn rows(part: &str) -> BTreeMap<&str, Vec<&str>> {
    part.lines()
        .filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |")?.split_once("` | "))
        .map(|(first, rest)| (first, rest.split(" | ").collect()))
        .collect()
}

/// The steps of a tour: each begins a line with its number and title, in bold.
pub(super) fn steps(section: &str) -> Vec<Step<'_>> {
    let parts = section.split("\n**").skip(1);
    parts
        .enumerate()
        .map(|(place, part)| {
            let (head, _) = part.split_once("**").expect("bold ends");
            let number = format!("{}. ", place + 1);
            let title = head.strip_prefix(&number).unwrap_or_else(|| panic!("no {number}{head}"));
            let title = title.trim_end_matches('.');
            Step { title, prose: prose(part), blocks: blocks(part) }
        })
        .collect()
}
