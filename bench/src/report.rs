//! Results as a table and as JSON.

use std::fmt::Write as _;

use serde::Serialize;

/// One router in one round.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Round {
    /// Right answers per second.
    pub(crate) requests_per_second: f64,
    /// Latency that half of the answers didn't exceed, in milliseconds.
    pub(crate) p50_ms: f64,
    /// Latency that 99 of 100 answers didn't exceed, in milliseconds.
    pub(crate) p99_ms: f64,
    /// CPU time of the router's processes for one answer, in microseconds.
    pub(crate) cpu_us: f64,
    /// The same where each document is new.
    pub(crate) cpu_new_document_us: f64,
    /// Right answers that were counted.
    pub(crate) answers: u32,
    /// Wrong answers and none.
    pub(crate) failures: u32,
    /// Processes that wanted a core in the last minute, before the round.
    pub(crate) load_average: String,
}

/// A router's results.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Entry {
    /// The router.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// Peak memory of its processes, in MiB.
    pub(crate) peak_memory_mib: f64,
    /// Round by round.
    pub(crate) rounds: Vec<Round>,
}

/// What was measured where.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// When, UTC.
    pub(crate) date: String,
    /// Processor, cores, kernel.
    pub(crate) machine: String,
    /// Connections, each with one request under way.
    pub(crate) concurrency: usize,
    /// Time of one router in one round, in seconds.
    pub(crate) seconds: u64,
    /// Length of the answer, in bytes.
    pub(crate) answer_bytes: usize,
    /// The routers.
    pub(crate) entries: Vec<Entry>,
}

impl Report {
    /// The medians over all rounds as a Markdown table.
    pub(crate) fn table(&self) -> String {
        let mut table = format!(
            "{} · {} · {} connections · {} rounds of {} s · answer {:.1} KB\n\n",
            self.date,
            self.machine,
            self.concurrency,
            self.entries.first().map_or(0, |entry| entry.rounds.len()),
            self.seconds,
            kilo(self.answer_bytes),
        );
        table.push_str(
            "| router | requests/s | P50 ms | P99 ms | CPU µs/request (lowest–highest round) | \
             CPU µs/request, new document each time | peak memory MiB | failures |\n\
             |---|--:|--:|--:|--:|--:|--:|--:|\n",
        );
        for entry in &self.entries {
            let of = |figure: fn(&Round) -> f64| sorted(entry.rounds.iter().map(figure));
            let cpu = of(|round| round.cpu_us);
            let failures: u32 = entry.rounds.iter().map(|round| round.failures).sum();
            let _ = writeln!(
                table,
                "| {} ({}) | {:.0} | {:.1} | {:.1} | {:.0} ({:.0}–{:.0}) | {:.0} | {:.0} | {failures} |",
                entry.name,
                entry.version,
                median(&of(|round| round.requests_per_second)),
                median(&of(|round| round.p50_ms)),
                median(&of(|round| round.p99_ms)),
                median(&cpu),
                cpu.first().copied().unwrap_or_default(),
                cpu.last().copied().unwrap_or_default(),
                median(&of(|round| round.cpu_new_document_us)),
                entry.peak_memory_mib,
            );
        }
        table
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure to read")]
fn kilo(bytes: usize) -> f64 {
    bytes as f64 / 1_000.0
}

fn sorted(figures: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut figures: Vec<_> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures
}

fn median(sorted: &[f64]) -> f64 {
    match sorted.len() {
        0 => 0.0,
        length if length % 2 == 1 => sorted[length / 2],
        length => f64::midpoint(sorted[length / 2 - 1], sorted[length / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_between_the_two_middles() {
        assert!((median(&sorted([9.0, 1.0, 2.0].into_iter())) - 2.0).abs() < 1e-9);
        assert!((median(&sorted([4.0, 1.0, 2.0, 9.0].into_iter())) - 3.0).abs() < 1e-9);
    }
}
