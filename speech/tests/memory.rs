//! Recordings of hours in the memory of minutes.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use speech::decode::{Decoder, SAMPLE_RATE_HZ};
use tempfile::TempDir;

use crate::fixture;

/// As long as the longest meetings.
const LONG_S: usize = 3 * 60 * 60;
/// Long enough to fill every buffer.
const SHORT_S: usize = 120;
/// What the long one may take beyond the short one, in KiB: three hours of samples are 675,000 of them.
const MORE_MAX_KIB: u64 = 16 * 1_024;
/// As the engine reads: a window at a time.
const WINDOW_SAMPLES: usize = 30 * SAMPLE_RATE_HZ as usize;

/// The most memory that this process has had, in KiB. (Tests run in processes of their own.)
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Decodes window by window; gives the length in seconds.
fn length_s(path: &Path) -> usize {
    let mut decoder = Decoder::open(path).unwrap();
    let mut window = Vec::with_capacity(WINDOW_SAMPLES);
    while decoder.read(&mut window, WINDOW_SAMPLES).unwrap() > 0 {
        window.clear();
    }
    usize::try_from(decoder.position_ms() / 1_000).unwrap()
}

/// Decodes a short recording, then one of three hours, and looks what it took.
fn takes_no_more_for_three_hours(make: impl Fn(&TempDir, usize) -> PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    // Where pieces meet, a frame may be lost.
    let near = |length: usize, wanted: usize| length.abs_diff(wanted) <= wanted / 20;
    let short = length_s(&make(&folder, SHORT_S));
    assert!(near(short, SHORT_S), "{short} s");
    let before = peak_kib();
    let long = length_s(&make(&folder, LONG_S));
    assert!(near(long, LONG_S), "{long} s");
    let more = peak_kib() - before;
    eprintln!("{before} KiB for {short} s, {more} KiB more for {long} s");
    assert!(more <= MORE_MAX_KIB, "{more} KiB more than {before}");
}

/// Some bytes, then others again and again.
fn repeated(folder: &TempDir, head: &[u8], body: &[u8], times: usize) -> PathBuf {
    let path = folder.path().join("long");
    let mut file = File::create(&path).unwrap();
    file.write_all(head).unwrap();
    for _ in 0..times {
        file.write_all(body).unwrap();
    }
    path
}

#[test]
fn three_hours_of_wav() {
    takes_no_more_for_three_hours(|folder, seconds| {
        let second = vec![0; SAMPLE_RATE_HZ as usize * 2];
        let mut head = fixture::wav([]);
        let bytes = u32::try_from(second.len() * seconds).unwrap();
        head[4..8].copy_from_slice(&(bytes + 36).to_le_bytes());
        head[40..44].copy_from_slice(&bytes.to_le_bytes());
        repeated(folder, &head, &second, seconds)
    });
}

#[test]
fn three_hours_of_mp3() {
    let mut piece = fs::read(fixture::recording("speech.mp3")).unwrap();
    // Its first frame states how many there are.
    let at = piece.windows(4).position(|bytes| bytes == b"Info" || bytes == b"Xing").unwrap();
    piece[at..at + 4].fill(0);
    takes_no_more_for_three_hours(|folder, seconds| repeated(folder, &[], &piece, seconds / 5));
}

#[test]
fn three_hours_of_live_webm() {
    let piece = fs::read(fixture::recording("live.webm")).unwrap();
    let cluster = [0x1f, 0x43, 0xb6, 0x75];
    let at = piece.windows(4).position(|bytes| bytes == cluster).unwrap();
    takes_no_more_for_three_hours(|folder, seconds| {
        repeated(folder, &piece[..at], &piece[at..], seconds / 5)
    });
}
