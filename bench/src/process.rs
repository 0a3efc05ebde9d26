//! What a process and its children cost, by the kernel's own accounting (Linux).

use std::os::unix::process::CommandExt as _;
use std::{
    collections::HashMap,
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

/// Microseconds of one tick in `/proc/PID/stat`; Linux shows 100 ticks a second to every program.
const TICK_US: u64 = 10_000;
/// How long a process may take to end after it was asked to, in milliseconds.
const END_WITHIN_MS: u64 = 5_000;

/// A program that runs until this is dropped, with all that it started.
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts a program in a process group of its own; what it prints goes to `log`.
    ///
    /// # Errors
    /// When it can't be started.
    pub(crate) fn start(mut command: Command, log: &Path) -> Result<Self> {
        let out =
            fs::File::create(log).with_context(|| format!("can't write {}", log.display()))?;
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command
            .stdin(Stdio::null())
            .stderr(out.try_clone()?)
            .stdout(out)
            .process_group(0)
            .spawn()
            .with_context(|| format!("can't start {program}"))?;
        Ok(Self { child })
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// CPU time so far of the process and its descendants, in microseconds.
    ///
    /// # Errors
    /// When the kernel doesn't say.
    pub(crate) fn cpu_us(&self) -> Result<u64> {
        let mut ticks = 0;
        for pid in self.tree()? {
            // A child that has just ended is in its parent's numbers.
            if let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) {
                ticks += cpu_ticks(&stat).context("no CPU time in /proc")?;
            }
        }
        Ok(ticks * TICK_US)
    }

    /// Peak memory (VmHWM) of the process and its descendants, in KiB.
    ///
    /// # Errors
    /// When the kernel doesn't say.
    pub(crate) fn peak_memory_kib(&self) -> Result<u64> {
        self.memory("VmHWM:")
    }

    /// Memory (VmRSS) of the process and its descendants now, in KiB.
    ///
    /// # Errors
    /// When the kernel doesn't say.
    pub(crate) fn memory_kib(&self) -> Result<u64> {
        self.memory("VmRSS:")
    }

    fn memory(&self, what: &str) -> Result<u64> {
        let of = |pid: &u32| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            let line = status.lines().find_map(|line| line.strip_prefix(what))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        Ok(self.tree()?.iter().filter_map(of).sum())
    }

    /// The process and all that descend from it.
    fn tree(&self) -> Result<Vec<u32>> {
        let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
        for entry in fs::read_dir("/proc")? {
            let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            if let Some(parent) = fields(&stat).and_then(|mut fields| fields.nth(1)?.parse().ok()) {
                children.entry(parent).or_default().push(pid);
            }
        }
        let mut tree = vec![self.child.id()];
        let mut next = 0;
        while let Some(pid) = tree.get(next) {
            tree.extend(children.get(pid).into_iter().flatten().copied().collect::<Vec<_>>());
            next += 1;
        }
        Ok(tree)
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(group) = pid {
            // It may have ended by itself.
            let _ = rustix::process::kill_process_group(group, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(rustix::process::Signal::TERM);
        let deadline = Instant::now() + Duration::from_millis(END_WITHIN_MS);
        while self.runs() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(20));
        }
        self.signal(rustix::process::Signal::KILL);
        let _ = self.child.wait();
    }
}

/// The fields of `/proc/PID/stat` from the third on: the second, the name, may hold anything.
fn fields(stat: &str) -> Option<std::str::SplitWhitespace<'_>> {
    Some(stat.rsplit_once(')')?.1.split_whitespace())
}

/// utime, stime, and those of children that were waited for.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let times: Vec<u64> = fields(stat)?.skip(11).take(4).flat_map(str::parse).collect();
    (times.len() == 4).then(|| times.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_program_does_not_confuse_the_numbers() {
        let stat = "7 (a ) 1 (b) S 3 7 7 0 -1 4194560 1 2 3 4 100 20 3 4 20 0 1 0 55";
        assert_eq!(cpu_ticks(stat), Some(127));
        assert_eq!(fields(stat).unwrap().nth(1), Some("3"));
    }

    #[test]
    fn work_is_seen_in_the_process_that_does_it() {
        let log = std::env::temp_dir().join(format!("moim-bench-{}.log", std::process::id()));
        let mut command = Command::new("sh");
        command.args(["-c", "while :; do :; done"]);
        let process = Process::start(command, &log).unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while process.cpu_us().unwrap() == 0 {
            assert!(Instant::now() < deadline, "no CPU time was counted");
            thread::yield_now();
        }
        assert!(process.peak_memory_kib().unwrap() > 0);
        drop(process);
        fs::remove_file(log).unwrap();
    }
}
