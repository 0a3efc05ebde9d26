//! What the page has people paste into a shell, pasted into one.

use crate::kit::TRANSCRIBED;
use serde_json::Value;
use std::{path::Path, process::Stdio};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, Command},
    time::timeout,
};

/// Where the page says that Moim is.
const BASE: &str = "http://127.0.0.1:4000";
/// What the last step begins with: it is to wait until the stream says so.
const LAST_STEP: &str = "# 6. ";

/// A shell in this folder, whose commands end it when they fail.
fn shell(folder: &Path) -> Child {
    Command::new("bash")
        .args(["-e", "-u", "-o", "pipefail"])
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("there is a bash")
}

/// Runs commands of the page with Moim being at `base`; gives what they write.
pub(super) async fn run(commands: &str, base: &str, folder: &Path) -> String {
    let mut shell = shell(folder);
    let mut input = shell.stdin.take().expect("piped");
    let commands = commands.replace(BASE, base);
    input.write_all(commands.as_bytes()).await.expect("it reads");
    drop(input);
    let output = timeout(TRANSCRIBED, shell.wait_with_output()).await.expect("it ends");
    let output = output.expect("it ran");
    assert!(output.status.success(), "{commands} failed");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Does the main job as the page has it, with the recording beside it; gives what the last step shows.
pub(super) async fn main_job(commands: &str, base: &str, folder: &Path) -> Value {
    let commands = commands.strip_prefix("make sample ").expect("it begins with the recording");
    let (_, commands) = commands.split_once('\n').expect("more lines");
    let (first, last) = commands.split_once(LAST_STEP).expect("a last step");
    let (when, _) = last.split_once('(').expect("what else may be said");
    let awaited: Vec<&str> = when
        .split(|c: char| !(c.is_ascii_uppercase() || c == '_'))
        .filter(|word| word.contains('_'))
        .collect();
    assert!(awaited.contains(&"MINUTES_READY"), "{when}");

    let mut shell = shell(folder);
    let mut input = shell.stdin.take().expect("piped");
    let mut output = BufReader::new(shell.stdout.take().expect("piped")).lines();
    input.write_all(first.replace(BASE, base).as_bytes()).await.expect("it reads");
    input.flush().await.expect("it reads");
    let mut said = String::new();
    let waiting = async {
        while !awaited.iter().all(|event| said.contains(event)) {
            let line = output.next_line().await.expect("UTF-8");
            said += &line.unwrap_or_else(|| panic!("it ended before it said all of {awaited:?}"));
        }
    };
    let waited = timeout(TRANSCRIBED, waiting).await;
    assert!(waited.is_ok(), "not all of {awaited:?}: {said}");
    // The stream goes on until it is told to end.
    let end = format!("\n{LAST_STEP}{last}\nkill $!\n");
    input.write_all(end.as_bytes()).await.expect("it reads");
    drop(input);
    let mut shown = String::new();
    let reading = async {
        while let Some(line) = output.next_line().await.expect("UTF-8") {
            shown += &line;
            shown.push('\n');
        }
    };
    timeout(TRANSCRIBED, reading).await.expect("it ends");
    assert!(!said.contains("\"errors\""), "{said}");
    // What the stream says may come before it and behind it.
    let at = shown.find("{\n    \"data\"").unwrap_or_else(|| panic!("no answer: {shown}"));
    let (answer, _) = shown[at..].split_once("\n}").expect("a whole answer");
    serde_json::from_str(&format!("{answer}\n}}")).expect("JSON")
}
