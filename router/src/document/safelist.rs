//! The documents of a file. Either `{"<sha256>": "<document>", …}`, or a manifest
//! as Apollo's tools write it: `{"operations": [{"id": "<sha256>", "body": …}]}`.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Deserialize;

use super::hash_of;

/// Documents by hash.
#[derive(Debug)]
pub(super) struct Safelist(HashMap<String, Arc<str>>);

/// Why a safelist cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SafelistError {
    /// There is no such file, or it may not be read.
    #[error("documents.safelist: {path} cannot be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Not JSON of one of the two forms.
    #[error("documents.safelist: {path} is neither a map from hash to document nor a manifest")]
    Json {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A key that is not the document's SHA-256.
    #[error("documents.safelist: \"{0}\" is not the SHA-256 of its document, in hexadecimal")]
    Hash(String),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum File {
    Manifest { operations: Vec<Operation> },
    Map(BTreeMap<String, String>),
}

#[derive(Deserialize)]
struct Operation {
    id: String,
    body: String,
}

impl Safelist {
    /// Reads a file.
    pub(super) fn read(path: &Path) -> Result<Self, SafelistError> {
        let text = std::fs::read(path)
            .map_err(|source| SafelistError::Read { path: path.to_owned(), source })?;
        let file: File = serde_json::from_slice(&text)
            .map_err(|source| SafelistError::Json { path: path.to_owned(), source })?;
        let documents: Vec<_> = match file {
            File::Map(documents) => documents.into_iter().collect(),
            File::Manifest { operations } => {
                operations.into_iter().map(|operation| (operation.id, operation.body)).collect()
            }
        };
        let mut listed = HashMap::with_capacity(documents.len());
        for (id, document) in documents {
            let hash = hash_of(&document);
            if !id.eq_ignore_ascii_case(&hash) {
                return Err(SafelistError::Hash(id));
            }
            listed.insert(hash, Arc::from(document));
        }
        Ok(Self(listed))
    }

    /// The document with a hash.
    pub(super) fn get(&self, hash: &str) -> Option<Arc<str>> {
        self.0.get(hash).cloned()
    }
}
