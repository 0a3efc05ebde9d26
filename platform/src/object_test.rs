use futures::stream;
use proptest::prelude::*;

use super::*;

fn objects() -> (tempfile::TempDir, Objects) {
    let folder = tempfile::tempdir().unwrap();
    let url = Url::from_directory_path(folder.path().join("new")).unwrap().to_string();
    let objects = Objects::open(&config::Objects { url, s3: Vec::new() }).unwrap();
    (folder, objects)
}

fn pieces(sizes: &[usize]) -> Vec<Result<Bytes, std::io::Error>> {
    sizes.iter().map(|size| Ok(Bytes::from(vec![7; *size]))).collect()
}

/// All files below a folder, finished or not.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found
}

async fn until_nothing_is_left(folder: &Path) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
    while !files(folder).is_empty() {
        assert!(std::time::Instant::now() < deadline, "left: {:?}", files(folder));
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_stream_of_many_parts_comes_back_whole() {
    let (folder, objects) = objects();
    let sizes = [1, PART_BYTES - 1, PART_BYTES, 3 * PART_BYTES + 5, 0, 10];
    let total: usize = sizes.iter().sum();
    let key = "recordings/a/b.wav";
    let size = objects.put_stream(key, stream::iter(pieces(&sizes)), total as u64).await.unwrap();
    assert_eq!(size, total as u64);
    assert_eq!(objects.size(key).await.unwrap(), Some(size));

    let file = folder.path().join("copy");
    assert_eq!(objects.get_to_file(key, &file).await.unwrap(), size);
    assert_eq!(std::fs::read(&file).unwrap(), vec![7; total]);
    let local = objects.local_path(key).unwrap().unwrap();
    assert_eq!(std::fs::metadata(local).unwrap().len(), size);
}

#[tokio::test]
async fn one_byte_too_many_leaves_nothing() {
    let (folder, objects) = objects();
    let max = (PART_BYTES + 10) as u64;
    let stream = stream::iter(pieces(&[PART_BYTES, 11]));
    let error = objects.put_stream("a", stream, max).await.unwrap_err();
    assert!(matches!(error, ObjectError::TooLarge(limit) if limit == max));
    assert_eq!(objects.size("a").await.unwrap(), None);
    until_nothing_is_left(folder.path()).await;
}

#[tokio::test]
async fn a_source_that_breaks_off_leaves_nothing() {
    let (folder, objects) = objects();
    let mut pieces = pieces(&[PART_BYTES, 3]);
    pieces.push(Err(std::io::Error::other("gone")));
    let error = objects.put_stream("a/b", stream::iter(pieces), u64::MAX).await.unwrap_err();
    assert!(matches!(error, ObjectError::Source(_)));
    assert_eq!(objects.size("a/b").await.unwrap(), None);
    until_nothing_is_left(folder.path()).await;
}

#[tokio::test]
async fn an_abandoned_upload_leaves_nothing() {
    let (folder, objects) = objects();
    let (sender, receiver) = futures::channel::mpsc::unbounded();
    sender.unbounded_send(Ok::<_, std::io::Error>(Bytes::from(vec![1; PART_BYTES]))).unwrap();
    let upload = objects.clone();
    let task = tokio::spawn(async move { upload.put_stream("a", receiver, u64::MAX).await });
    // Given: a part of it is on the disk.
    while !files(folder.path()).iter().any(|file| file.metadata().is_ok_and(|meta| meta.len() > 0))
    {
        tokio::task::yield_now().await;
    }
    // When the client goes away, then nothing of it stays.
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    until_nothing_is_left(folder.path()).await;
    assert_eq!(objects.size("a").await.unwrap(), None);
}

#[tokio::test]
async fn objects_are_never_changed() {
    let (_folder, objects) = objects();
    objects.put("a", "first").await.unwrap();
    assert!(matches!(objects.put("a", "second").await, Err(ObjectError::Exists(_))));
    let stream = stream::iter(pieces(&[1]));
    assert!(matches!(objects.put_stream("a", stream, 9).await, Err(ObjectError::Exists(_))));
    assert_eq!(objects.get("a", 5).await.unwrap(), "first");
    assert!(matches!(objects.get("a", 4).await, Err(ObjectError::TooLarge(4))));
    objects.delete("a").await.unwrap();
    objects.delete("a").await.unwrap();
    assert!(matches!(objects.get("a", 9).await, Err(ObjectError::NotFound(_))));
    assert!(matches!(objects.get_stream("a").await.err(), Some(ObjectError::NotFound(_))));
}

#[tokio::test]
async fn no_half_file_stays_when_an_object_is_missing() {
    let (folder, objects) = objects();
    let file = folder.path().join("copy");
    assert!(objects.get_to_file("none", &file).await.is_err());
    assert!(!file.exists());
}

#[test]
fn keys_lead_nowhere_else() {
    let long = "a".repeat(KEY_MAX_BYTES + 1);
    for key in
        ["", "/", "/a", "a/", "a//b", "..", "a/../b", ".hidden", "a b", "a#1", "a\\b", "é", &long]
    {
        assert!(matches!(path(key), Err(ObjectError::InvalidKey(_))), "{key}");
    }
    assert!(path("recordings/0198-x/part_1.webm").is_ok());
}

#[test]
fn only_folders_and_buckets_can_be_opened() {
    for url in ["s3:///x", "http://h/x"] {
        let opened = Objects::open(&config::Objects { url: url.into(), s3: Vec::new() });
        assert!(matches!(opened, Err(ObjectError::Open { .. })), "{url}");
    }
}

proptest! {
    #[test]
    fn every_accepted_key_stays_in_the_folder(key in "[a-zA-Z0-9./_ #%-]{0,40}") {
        let (_folder, objects) = objects();
        if let Ok(Some(file)) = objects.local_path(&key) {
            let root = objects.local_path("x").unwrap().unwrap();
            prop_assert!(file.starts_with(root.parent().unwrap()));
            prop_assert!(!file.components().any(|c| c == std::path::Component::ParentDir));
        }
    }
}
