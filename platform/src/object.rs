//! Object storage: recordings and texts, written once under a key and never changed.
//!
//! In a folder of this machine, or in a bucket of any server that speaks S3, through the
//! `object_store` crate.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _, pin_mut};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::local::LocalFileSystem;
use object_store::prefix::PrefixStore;
use object_store::{
    ClientOptions, MultipartUpload, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions,
    PutPayload, RetryConfig,
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::io::AsyncWriteExt as _;
use url::Url;

use crate::config;
use crate::subgraph::Cause;

/// How much of an upload is gathered before it is written: buckets take no smaller parts.
pub const PART_BYTES: usize = 5 * 1024 * 1024;
/// Longest wait for a connection to a bucket's server.
pub const CONNECT_TIMEOUT_MS: u64 = 5_000;
/// Longest silence of a bucket's server in the middle of a request or an answer.
pub const SILENCE_MAX_MS: u64 = 30_000;
/// How often a request to a bucket's server is tried again, and for how long.
pub const RETRIES_MAX: usize = 5;
/// See [`RETRIES_MAX`].
pub const RETRY_WITHIN_MS: u64 = 30_000;
/// Longest key.
pub const KEY_MAX_BYTES: usize = 512;

/// Why an object can't be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// The address of the storage can't be used.
    #[error("{url} can't be used as object storage")]
    Open {
        /// The address as configured.
        url: String,
        /// What is wrong with it.
        #[source]
        source: Cause,
    },
    /// A key that isn't made of plain names with `/` between.
    #[error("{0:?} isn't a key of an object")]
    InvalidKey(String),
    /// There is no such object.
    #[error("there is no object {0}")]
    NotFound(String),
    /// There is such an object already, and objects are never changed.
    #[error("there is an object {0} already")]
    Exists(String),
    /// More bytes than allowed.
    #[error("larger than {0} bytes")]
    TooLarge(u64),
    /// What was to be written broke off.
    #[error("the source of the bytes failed")]
    Source(#[source] Cause),
    /// The storage failed.
    #[error("object storage failed")]
    Store(#[source] object_store::Error),
    /// The file that an object was to be written to, or read from, failed.
    #[error("{} failed", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: std::io::Error,
    },
}

/// The object storage. Cheap to clone.
#[derive(Clone)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    local: Option<Arc<LocalFileSystem>>,
    folder: Option<Arc<Path>>,
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Objects({})", self.store)
    }
}

impl Objects {
    /// Opens the storage; makes the folder when it is missing.
    ///
    /// # Errors
    /// [`ObjectError::Open`].
    pub fn open(config: &config::Objects) -> Result<Self, ObjectError> {
        let url = &config.url;
        let failed = |source: Cause| ObjectError::Open { url: url.clone(), source };
        let folder = match Url::parse(url) {
            Ok(parsed) if parsed.scheme() == "file" => {
                parsed.to_file_path().map_err(|()| failed("not a path of this machine".into()))?
            }
            Ok(parsed) if parsed.scheme() == "s3" => {
                let store = bucket(&parsed, &config.s3).map_err(failed)?;
                return Ok(Self { store, local: None, folder: None });
            }
            _ if url.contains("://") => return Err(failed("only file:// and s3:// are".into())),
            _ => PathBuf::from(url),
        };
        std::fs::create_dir_all(&folder).map_err(|error| failed(error.into()))?;
        // A recording that was acknowledged must survive a power cut.
        let store = LocalFileSystem::new_with_prefix(&folder)
            .map_err(|error| failed(error.into()))?
            .with_fsync(true);
        let store = Arc::new(store);
        Ok(Self {
            store: Arc::clone(&store) as Arc<dyn ObjectStore>,
            local: Some(store),
            folder: Some(folder.into()),
        })
    }

    /// The folder that they are in, if they are files of this machine.
    #[must_use]
    pub fn folder(&self) -> Option<Arc<Path>> {
        self.folder.clone()
    }

    /// Writes an object as its bytes come, at most `max_bytes` of them; gives their number. Until all
    /// is written there is no object: one that fails or is dropped on the way leaves nothing.
    ///
    /// # Errors
    /// [`ObjectError::TooLarge`], [`ObjectError::Source`] when the stream fails,
    /// [`ObjectError::Exists`], and what the storage has.
    pub async fn put_stream<E: Into<Cause>>(
        &self,
        key: &str,
        stream: impl Stream<Item = Result<Bytes, E>> + Send,
        max_bytes: u64,
    ) -> Result<u64, ObjectError> {
        let path = path(key)?;
        self.refuse_existing(key).await?;
        pin_mut!(stream);
        let mut upload = Upload::new(self.store.put_multipart(&path).await.map_err(storage(key))?);
        match upload.write_all(stream, max_bytes).await {
            Ok(size) => {
                upload.complete(key).await?;
                Ok(size)
            }
            Err(error) => {
                upload.abort().await;
                Err(error)
            }
        }
    }

    /// Writes a small object at once.
    ///
    /// # Errors
    /// [`ObjectError::Exists`], and what the storage has.
    pub async fn put(&self, key: &str, bytes: impl Into<Bytes>) -> Result<(), ObjectError> {
        let payload = PutPayload::from_bytes(bytes.into());
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let put = self.store.put_opts(&path(key)?, payload, options).await;
        put.map(|_| ()).map_err(storage(key))
    }

    /// Reads an object of at most `max_bytes` into memory.
    ///
    /// # Errors
    /// [`ObjectError::NotFound`], [`ObjectError::TooLarge`], and what the storage has.
    pub async fn get(&self, key: &str, max_bytes: u64) -> Result<Bytes, ObjectError> {
        let found = self.store.get(&path(key)?).await.map_err(storage(key))?;
        if found.meta.size > max_bytes {
            return Err(ObjectError::TooLarge(max_bytes));
        }
        found.bytes().await.map_err(storage(key))
    }

    /// Reads an object piece by piece.
    ///
    /// # Errors
    /// [`ObjectError::NotFound`], and what the storage has.
    pub async fn get_stream(
        &self,
        key: &str,
    ) -> Result<BoxStream<'static, Result<Bytes, ObjectError>>, ObjectError> {
        let found = self.store.get(&path(key)?).await.map_err(storage(key))?;
        Ok(found.into_stream().map(|piece| piece.map_err(ObjectError::Store)).boxed())
    }

    /// Copies an object into a file, which is made or replaced; gives its size in bytes. No half
    /// file stays when it fails.
    ///
    /// # Errors
    /// [`ObjectError::NotFound`], [`ObjectError::File`], and what the storage has.
    pub async fn get_to_file(&self, key: &str, file: &Path) -> Result<u64, ObjectError> {
        let stream = self.get_stream(key).await?;
        let copied = copy(stream, file).await;
        if copied.is_err() {
            // The first failure is the one worth telling.
            let _ = tokio::fs::remove_file(file).await;
        }
        copied
    }

    /// The size of an object in bytes, or `None` when there is none.
    ///
    /// # Errors
    /// What the storage has.
    pub async fn size(&self, key: &str) -> Result<Option<u64>, ObjectError> {
        match self.store.head(&path(key)?).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(ObjectError::Store(error)),
        }
    }

    /// Whether the storage answers.
    ///
    /// # Errors
    /// What the storage has: it can't be reached, or doesn't let us in.
    pub async fn probe(&self) -> Result<(), ObjectError> {
        self.size("probe").await.map(drop)
    }

    /// Deletes an object; one that isn't there is fine.
    ///
    /// # Errors
    /// What the storage has.
    pub async fn delete(&self, key: &str) -> Result<(), ObjectError> {
        match self.store.delete(&path(key)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(ObjectError::Store(error)),
        }
    }

    /// The file that holds an object, if objects are files of this machine: for programs that read
    /// files. It must not be changed. Whether it exists isn't looked at.
    ///
    /// # Errors
    /// [`ObjectError::InvalidKey`].
    pub fn local_path(&self, key: &str) -> Result<Option<PathBuf>, ObjectError> {
        let path = path(key)?;
        let Some(local) = &self.local else { return Ok(None) };
        local.path_to_filesystem(&path).map(Some).map_err(ObjectError::Store)
    }

    async fn refuse_existing(&self, key: &str) -> Result<(), ObjectError> {
        match self.size(key).await? {
            None => Ok(()),
            Some(_) => Err(ObjectError::Exists(key.to_owned())),
        }
    }
}

/// A bucket, or a folder in it.
fn bucket(
    url: &Url,
    settings: &[(&'static str, SecretString)],
) -> Result<Arc<dyn ObjectStore>, Cause> {
    let retries = RetryConfig {
        max_retries: RETRIES_MAX,
        retry_timeout: Duration::from_millis(RETRY_WITHIN_MS),
        ..RetryConfig::default()
    };
    // Whole requests have no time limit: a long recording on a slow line takes its time.
    let client = ClientOptions::new()
        .with_connect_timeout(Duration::from_millis(CONNECT_TIMEOUT_MS))
        .with_read_timeout(Duration::from_millis(SILENCE_MAX_MS))
        .with_timeout_disabled();
    let name = url.host_str().ok_or("it names no bucket")?;
    crate::tls::choose();
    let mut builder = AmazonS3Builder::new()
        .with_client_options(client)
        .with_retry(retries)
        .with_bucket_name(name);
    for (variable, value) in settings {
        let key = variable.to_ascii_lowercase().parse::<AmazonS3ConfigKey>()?;
        builder = builder.with_config(key, value.expose_secret());
    }
    let store = builder.build()?;
    let folder = object_store::path::Path::from_url_path(url.path())?;
    Ok(match folder.as_ref() {
        "" => Arc::new(store),
        _ => Arc::new(PrefixStore::new(store, folder)),
    })
}

/// Names of plain characters with `/` between: the same in a folder, a bucket and a URL, and no way
/// out of the folder.
fn path(key: &str) -> Result<object_store::path::Path, ObjectError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let name = |name: &str| !name.is_empty() && !name.starts_with('.') && name.bytes().all(plain);
    if key.len() > KEY_MAX_BYTES || !key.split('/').all(name) {
        return Err(ObjectError::InvalidKey(key.to_owned()));
    }
    object_store::path::Path::parse(key).map_err(|_| ObjectError::InvalidKey(key.to_owned()))
}

fn storage(key: &str) -> impl FnOnce(object_store::Error) -> ObjectError {
    move |error| match error {
        object_store::Error::NotFound { .. } => ObjectError::NotFound(key.to_owned()),
        object_store::Error::AlreadyExists { .. } => ObjectError::Exists(key.to_owned()),
        error => ObjectError::Store(error),
    }
}

/// An upload on its way. Dropped before its end (its client is gone), it clears up behind itself.
struct Upload {
    parts: Option<Box<dyn MultipartUpload>>,
}

impl Upload {
    fn new(parts: Box<dyn MultipartUpload>) -> Self {
        Self { parts: Some(parts) }
    }

    async fn write_all<E: Into<Cause>>(
        &mut self,
        mut stream: impl Stream<Item = Result<Bytes, E>> + Unpin,
        max_bytes: u64,
    ) -> Result<u64, ObjectError> {
        let mut size = 0_u64;
        let mut part = BytesMut::new();
        while let Some(piece) = stream.next().await {
            let mut piece = piece.map_err(|error| ObjectError::Source(error.into()))?;
            size = size.saturating_add(piece.len() as u64);
            if size > max_bytes {
                return Err(ObjectError::TooLarge(max_bytes));
            }
            while !piece.is_empty() {
                let room = PART_BYTES - part.len();
                part.extend_from_slice(&piece.split_to(room.min(piece.len())));
                if part.len() == PART_BYTES {
                    self.put(part.split().freeze()).await?;
                }
            }
        }
        if !part.is_empty() {
            self.put(part.freeze()).await?;
        }
        Ok(size)
    }

    /// One part at a time: the memory of an upload is that of one part.
    async fn put(&mut self, part: Bytes) -> Result<(), ObjectError> {
        match &mut self.parts {
            Some(parts) => parts.put_part(part.into()).await.map_err(ObjectError::Store),
            None => Ok(()),
        }
    }

    async fn complete(mut self, key: &str) -> Result<(), ObjectError> {
        let Some(parts) = &mut self.parts else { return Ok(()) };
        match parts.complete().await {
            Ok(_) => {
                self.parts = None;
                Ok(())
            }
            Err(error) => {
                self.abort().await;
                Err(storage(key)(error))
            }
        }
    }

    async fn abort(mut self) {
        if let Some(mut parts) = self.parts.take()
            && let Err(error) = parts.abort().await
        {
            tracing::warn!(error = crate::error::chain(&error), "leftovers of an upload stay");
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(mut parts) = self.parts.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move {
                if let Err(error) = parts.abort().await {
                    let error = crate::error::chain(&error);
                    tracing::warn!(error, "leftovers of an abandoned upload stay");
                }
            });
        }
    }
}

async fn copy(
    mut stream: BoxStream<'static, Result<Bytes, ObjectError>>,
    file: &Path,
) -> Result<u64, ObjectError> {
    let failed = |source| ObjectError::File { path: file.to_owned(), source };
    let mut target = tokio::fs::File::create(file).await.map_err(failed)?;
    let mut size = 0;
    while let Some(piece) = stream.next().await {
        let piece = piece?;
        target.write_all(&piece).await.map_err(failed)?;
        size += piece.len() as u64;
    }
    target.flush().await.map_err(failed)?;
    Ok(size)
}

#[cfg(test)]
#[path = "object_test.rs"]
mod tests;
