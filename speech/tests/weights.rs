//! The fetched and converted files.

use std::fs;

use sha2::{Digest, Sha256};
use speech::weights::{MODEL_BYTES, WeightsError, convert, ensure};

#[test]
fn the_converted_weights_are_always_the_same() {
    let weights = ensure(&mut |_| {}).unwrap();
    let model = fs::read(&weights.model).unwrap();
    assert_eq!(model.len() as u64, MODEL_BYTES);
    let hash: String = Sha256::digest(&model).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hash, "7ba6c9ee2a02bfe37090ab9f5b8816bccd0a9d811dda28028bfdf7fef769e956");
}

#[test]
fn other_files_are_not_converted() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("vocabulary.txt"), "a\nb\n").unwrap();
    for bytes in [&b""[..], b"ggml", &[6, 0, 0, 0, 255, 255], &[7; 64]] {
        fs::write(path("model.bin"), bytes).unwrap();
        let converted = convert(&path("model.bin"), &path("vocabulary.txt"), &path("target"));
        assert!(converted.is_err());
    }
}

#[test]
fn what_is_being_fetched_is_told_to_a_person() {
    let progress = speech::weights::Progress {
        what: "voice activity model",
        done_bytes: 2_400_000,
        total_bytes: 5_011_142,
    };
    assert_eq!(progress.to_string(), "voice activity model: 2 of 5 MB");
    assert!(WeightsError::NoCache.to_string().contains("MOIM_CACHE_DIR"));
}
