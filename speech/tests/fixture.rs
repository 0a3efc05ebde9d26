//! Files to feed the engine with.

use std::fs;
use std::path::{Path, PathBuf};

use speech::{Event, Segment};

/// Small recordings of the sample's first seconds, one per format.
pub(crate) fn recording(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// A 16 kHz mono wav of 16-bit samples.
pub(crate) fn wav(samples: impl IntoIterator<Item = i16>) -> Vec<u8> {
    let data: Vec<u8> = samples.into_iter().flat_map(i16::to_le_bytes).collect();
    let size = |extra: usize| u32::try_from(data.len() + extra).unwrap().to_le_bytes();
    let mut file = Vec::new();
    file.extend(b"RIFF");
    file.extend(size(36));
    file.extend(b"WAVEfmt ");
    file.extend(16_u32.to_le_bytes());
    file.extend(1_u16.to_le_bytes());
    file.extend(1_u16.to_le_bytes());
    file.extend(16_000_u32.to_le_bytes());
    file.extend(32_000_u32.to_le_bytes());
    file.extend(2_u16.to_le_bytes());
    file.extend(16_u16.to_le_bytes());
    file.extend(b"data");
    file.extend(size(0));
    file.extend(data);
    file
}

/// Puts bytes into a file of a folder that lives as long as the test.
pub(crate) fn file(folder: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// The first part of a file.
pub(crate) fn cut(folder: &tempfile::TempDir, whole: &Path, bytes: usize) -> PathBuf {
    let content = fs::read(whole).unwrap();
    file(folder, "cut", &content[..bytes])
}

/// The segments among events.
pub(crate) fn segments(events: &[Event]) -> Vec<Segment> {
    events
        .iter()
        .filter_map(|event| match event {
            Event::Segment(segment) => Some(segment.clone()),
            _ => None,
        })
        .collect()
}

/// Their words.
pub(crate) fn text(segments: &[Segment]) -> String {
    segments.iter().map(|segment| segment.text.as_str()).collect::<Vec<_>>().join(" ")
}
