//! Servers that an earlier run left behind when it was killed. They are known
//! by their command line, which names the program and the data folder: there
//! is no pid file that could be out of date.

use std::{
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::{error::StackError, server::StopSignal};

/// How long a process that was left has to end by itself.
const STOP_WAIT_MS: u64 = 10_000;
/// How long it has after that, killed.
const KILL_WAIT_MS: u64 = 5_000;
const RETRY_MS: u64 = 20;

/// What to look for: a server of this data folder.
pub(crate) struct Trace {
    pub(crate) server: &'static str,
    /// The file name of its program.
    pub(crate) program: &'static str,
    /// An argument that only this data folder's server has.
    pub(crate) mark: PathBuf,
    pub(crate) stop: StopSignal,
}

/// Ends every process that `trace` fits, by force if need be.
pub(crate) fn stop(trace: &Trace) -> Result<(), StackError> {
    for pid in find(trace) {
        tracing::warn!(server = trace.server, "stopping what an earlier run left");
        // Errors here mean that it has just ended, or show below.
        let _ = kill_process(pid, trace.stop.signal());
        if !is_gone(pid, trace, STOP_WAIT_MS) {
            let _ = kill_process(pid, Signal::KILL);
        }
        if !is_gone(pid, trace, KILL_WAIT_MS) {
            let pid = pid.as_raw_nonzero().get();
            return Err(StackError::Leftover { server: trace.server, pid });
        }
    }
    Ok(())
}

fn is_gone(pid: Pid, trace: &Trace, wait_ms: u64) -> bool {
    let deadline = Instant::now() + Duration::from_millis(wait_ms);
    loop {
        if test_kill_process(pid).is_err() || !fits(pid, trace) {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(RETRY_MS));
    }
}

#[cfg(target_os = "linux")]
fn find(trace: &Trace) -> Vec<Pid> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(Pid::from_raw)
        .filter(|pid| fits(*pid, trace))
        .collect()
}

#[cfg(target_os = "linux")]
fn fits(pid: Pid, trace: &Trace) -> bool {
    let path = format!("/proc/{}/cmdline", pid.as_raw_nonzero());
    let line = std::fs::read(path).unwrap_or_default();
    let line = String::from_utf8_lossy(&line);
    is_line_of(line.split('\0'), trace)
}

/// The processes that `ps` shows.
#[cfg(not(target_os = "linux"))]
fn find(trace: &Trace) -> Vec<Pid> {
    let list = std::process::Command::new("ps").args(["-axo", "pid=,command="]).output();
    let list = list.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&list)
        .lines()
        .filter_map(|line| line.trim_start().split_once(' '))
        .filter(|(_, command)| is_line_of(command.trim_start().split(' '), trace))
        .filter_map(|(pid, _)| Pid::from_raw(pid.parse().ok()?))
        .collect()
}

#[cfg(not(target_os = "linux"))]
fn fits(pid: Pid, trace: &Trace) -> bool {
    find(trace).contains(&pid)
}

/// Whether this is the command line of the server, and not of an editor that
/// has its configuration open.
fn is_line_of<'a>(mut line: impl Iterator<Item = &'a str>, trace: &Trace) -> bool {
    let program = line.next().and_then(|program| Path::new(program).file_name());
    program.is_some_and(|program| program == trace.program)
        && line.any(|argument| Path::new(argument) == trace.mark)
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn only_the_server_itself_fits() {
        let trace = Trace {
            server: "nats",
            program: "nats-server",
            mark: "/data/nats.conf".into(),
            stop: StopSignal::Terminate,
        };
        let fits = |line: &str| is_line_of(line.split(' '), &trace);
        assert!(fits("/cache/bin/nats-server --config /data/nats.conf"));
        assert!(!fits("/cache/bin/nats-server --config /data/nats.conf.old"));
        assert!(!fits("/cache/bin/nats-server --config /other/data/nats.conf"));
        assert!(!fits("vi /data/nats.conf"));
        assert!(!fits(""));
    }
}
