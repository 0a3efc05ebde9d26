//! The process itself.

use std::sync::{LazyLock, Once};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use prometheus::Counter;

use super::{Gauge, IntGauge};

/// Bytes of a page of memory where Linux doesn't tell: all of our platforms have this.
const PAGE_BYTES: i64 = 4_096;
/// Ticks of a second in /proc, fixed by Linux' interface.
const TICKS_PER_SECOND: f64 = 100.0;

struct Process {
    began: Instant,
    uptime: Gauge,
    cpu: Counter,
    memory: IntGauge,
    files: IntGauge,
}

static PROCESS: LazyLock<Process> = LazyLock::new(|| {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    super::fraction("process_start_time_seconds", "When the process began, in seconds since 1970.")
        .set(since_epoch.as_secs_f64());
    Process {
        began: Instant::now(),
        uptime: super::fraction("process_uptime_seconds", "How long the process has run."),
        cpu: {
            let name = "process_cpu_seconds_total";
            super::registered(name, Counter::new(name, "CPU time of the process."))
        },
        memory: super::gauge("process_resident_memory_bytes", "Memory of the process."),
        files: super::gauge("process_open_fds", "Open files and sockets of the process."),
    }
});

/// Tells what runs here: `target_info`, as OpenTelemetry's resources look in Prometheus.
pub fn started(role: &str, version: &str) {
    static ONCE: Once = Once::new();
    LazyLock::force(&PROCESS);
    ONCE.call_once(|| {
        super::gauges("target_info", "What runs here.", &["service_name", "service_version"])
            .with_label_values(&[role, version])
            .set(1);
    });
}

/// Looks at the process; cheap, and done at each scrape.
pub(super) fn update() {
    PROCESS.uptime.set(PROCESS.began.elapsed().as_secs_f64());
    if let Some((user, system)) = cpu_ticks() {
        let more = (user + system) / TICKS_PER_SECOND - PROCESS.cpu.get();
        PROCESS.cpu.inc_by(more.max(0.0));
    }
    if let Some(pages) = resident_pages() {
        PROCESS.memory.set(pages.saturating_mul(PAGE_BYTES));
    }
    if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
        PROCESS.files.set(i64::try_from(files.count()).unwrap_or(i64::MAX));
    }
}

fn cpu_ticks() -> Option<(f64, f64)> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name stands in brackets and may hold anything; the fields after it are numbered from 3.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

fn resident_pages() -> Option<i64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    statm.split_whitespace().nth(1)?.parse().ok()
}
