//! What commands print: columns for people, JSON for programs.

use anyhow::Result;
use serde_json::Value;
use std::io::Write;

/// Rows under headings, each column as wide as its widest cell.
pub(crate) struct Table<const N: usize> {
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    pub(crate) fn new(headings: [&str; N]) -> Self {
        Self { rows: vec![headings.map(str::to_uppercase)] }
    }

    pub(crate) fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells);
    }

    fn lines(&self) -> impl Iterator<Item = String> {
        let mut widths = [0; N];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        self.rows.iter().map(move |row| {
            let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        })
    }

    /// Writes it to standard output.
    pub(crate) fn print(&self) -> Result<()> {
        let mut out = std::io::stdout();
        for line in self.lines() {
            writeln!(out, "{line}")?;
        }
        Ok(())
    }
}

/// Writes a value to standard output as JSON.
pub(crate) fn json(value: &Value) -> Result<()> {
    writeln!(std::io::stdout(), "{value:#}")?;
    Ok(())
}

/// A length of time for people: `840 ms`, `12 s`, `5 min`, `3 h`, `2 d`.
pub(crate) fn age(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..120_000 => format!("{} s", ms / 1_000),
        120_000..7_200_000 => format!("{} min", ms / 60_000),
        7_200_000..172_800_000 => format!("{} h", ms / 3_600_000),
        _ => format!("{} d", ms / 86_400_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["id", "name"]);
        table.row(["1".to_owned(), "one".to_owned()]);
        table.row(["1000".to_owned(), String::new()]);
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines, ["ID    NAME", "1     one", "1000"]);
    }

    #[test]
    fn ages_are_short() {
        let ages = [999, 1_000, 119_999, 120_000, 7_200_000, 172_800_000].map(age);
        assert_eq!(ages, ["999 ms", "1 s", "119 s", "2 min", "2 h", "2 d"]);
    }
}
