//! Objects in a bucket of a real S3 server.

use futures::stream;
use platform::config;
use platform::object::{ObjectError, Objects, PART_BYTES};
use secrecy::SecretString;
use stack::bucket::Bucket;

fn config(bucket: &Bucket) -> config::Objects {
    let values = bucket.variables().into_iter();
    config::Objects::from(
        &values.fold(config::Values::new(), |all, (name, value)| all.with(name, value)),
    )
    .unwrap()
}

fn pieces(sizes: &[usize]) -> Vec<Result<bytes::Bytes, std::io::Error>> {
    sizes.iter().map(|size| Ok(vec![7; *size].into())).collect()
}

/// Given a bucket, when objects are written, read and deleted there, then all is as in a folder: whole or not at all,
/// never changed, and what isn't there is said.
#[tokio::test]
async fn a_bucket_is_as_good_as_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let bucket = Bucket::start(folder.path()).unwrap();
    let objects = Objects::open(&config(&bucket)).unwrap();
    objects.probe().await.unwrap();
    assert_eq!(objects.folder(), None);
    assert_eq!(objects.local_path("a").unwrap(), None);

    // A stream of many parts comes back whole.
    let sizes = [1, PART_BYTES - 1, PART_BYTES, 5, 0, 10];
    let total = sizes.iter().sum::<usize>() as u64;
    let put =
        async |key: &str, max| objects.put_stream(key, stream::iter(pieces(&sizes)), max).await;
    assert_eq!(put("recordings/a/b.wav", total).await.unwrap(), total);
    assert_eq!(objects.size("recordings/a/b.wav").await.unwrap(), Some(total));
    let file = folder.path().join("copy");
    assert_eq!(objects.get_to_file("recordings/a/b.wav", &file).await.unwrap(), total);
    assert_eq!(std::fs::read(&file).unwrap(), vec![7; usize::try_from(total).unwrap()]);

    // One byte too many leaves nothing.
    let error = put("large", total - 1).await.unwrap_err();
    assert!(matches!(error, ObjectError::TooLarge(_)), "{error:?}");
    assert_eq!(objects.size("large").await.unwrap(), None);

    // What is there is never changed.
    objects.put("text", "one").await.unwrap();
    let error = objects.put("text", "two").await.unwrap_err();
    assert!(matches!(error, ObjectError::Exists(_)), "{error:?}");
    let error = put("text", total).await.unwrap_err();
    assert!(matches!(error, ObjectError::Exists(_)), "{error:?}");
    assert_eq!(objects.get("text", 3).await.unwrap(), "one");
    let error = objects.get("text", 2).await.unwrap_err();
    assert!(matches!(error, ObjectError::TooLarge(2)), "{error:?}");

    // What is gone is gone, and may go again.
    objects.delete("text").await.unwrap();
    objects.delete("text").await.unwrap();
    let error = objects.get("text", 3).await.unwrap_err();
    assert!(matches!(error, ObjectError::NotFound(_)), "{error:?}");

    // Whoever has another key is told so, and learns nothing.
    let mut stranger = config(&bucket);
    for (name, value) in &mut stranger.s3 {
        if *name == "AWS_SECRET_ACCESS_KEY" {
            *value = SecretString::from("another");
        }
    }
    let error = Objects::open(&stranger).unwrap().probe().await.unwrap_err();
    assert!(matches!(error, ObjectError::Store(_)), "{error:?}");
}
