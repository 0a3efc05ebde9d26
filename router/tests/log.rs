//! What the router logs, for tests that look at it.

use std::{
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;

static TEXT: Mutex<Vec<u8>> = Mutex::new(Vec::new());

fn text() -> MutexGuard<'static, Vec<u8>> {
    TEXT.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Sink;

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        text().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps what is logged from now on, of all tests in the process: look for lines of one's own.
pub fn keep() {
    let subscriber = tracing_subscriber::fmt().json().flatten_event(true).with_writer(|| Sink);
    // It is kept already where this fails.
    let _ = subscriber.try_init();
}

/// The lines so far whose field has this value.
pub fn lines(field: &str, value: &str) -> Vec<Value> {
    let text = String::from_utf8(text().clone()).expect("text");
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    lines.filter(|line| line[field] == value).collect()
}
