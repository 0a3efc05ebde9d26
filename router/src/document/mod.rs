//! Which document a request means: the one that it sends, one that was persisted
//! automatically under its hash, or, in safelist mode, only one that is listed.
//!
//! | module | idea |
//! |---|---|
//! | `store` | where persisted documents are kept |
//! | `safelist` | the documents of a file, by hash |

mod safelist;
mod store;

use std::{ops::Deref, path::PathBuf, sync::Arc, time::Duration};

use platform::cache::Cache;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::{
    config::Redis,
    error::{GraphQLError, code},
};

use safelist::Safelist;
pub use safelist::SafelistError;
pub use store::Store;
use store::{Memory, Shared};

/// The `version` of persisted queries that there is.
const VERSION: u64 = 1;
/// Memory for automatically persisted documents unless configured, in bytes.
pub const AUTOMATIC_MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Largest document that is persisted unless configured, in bytes.
pub const DOCUMENT_MAX_BYTES: usize = 128 * 1024;
/// How long documents stay in Redis unless configured, in seconds.
pub const TTL_S: u64 = 24 * 60 * 60;

/// Where documents come from.
#[derive(Debug, Clone, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Whether clients may persist documents and then send only their hash.
    pub automatic: bool,
    /// Memory for such documents, in bytes.
    pub automatic_max_bytes: u64,
    /// Largest document that is persisted, in bytes; larger ones are executed all the same.
    pub document_max_bytes: usize,
    /// Where all routers keep such documents; without it each keeps its own.
    pub redis: Option<Redis>,
    /// How long they stay there, in seconds.
    pub ttl_s: u64,
    /// A JSON file with the only documents that are allowed.
    pub safelist: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            automatic: true,
            automatic_max_bytes: AUTOMATIC_MAX_BYTES,
            document_max_bytes: DOCUMENT_MAX_BYTES,
            redis: None,
            ttl_s: TTL_S,
            safelist: None,
        }
    }
}

/// Finds documents. Shared by all transports.
pub struct Documents {
    automatic: Option<Arc<dyn Store>>,
    document_max_bytes: usize,
    safelist: Option<Safelist>,
}

/// What a request says about its document.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    query: Option<String>,
    /// Lower-case hexadecimal, as far as it is hexadecimal.
    hash: Option<String>,
}

/// A document.
#[derive(Debug)]
pub(crate) struct Document {
    text: Text,
    /// The hash under which it is to be kept.
    new: Option<String>,
}

#[derive(Debug)]
enum Text {
    Sent(String),
    Kept(Arc<str>),
}

impl Asked {
    /// Reads a request's `query` and `extensions`.
    ///
    /// # Errors
    /// `BAD_REQUEST` where neither names a document.
    pub(crate) fn new(
        query: Option<String>,
        extensions: &Map<String, Value>,
    ) -> Result<Self, GraphQLError> {
        let query = query.filter(|query| !query.is_empty());
        let bad = |message: &str| Err(GraphQLError::new(code::BAD_REQUEST, message));
        let hash = match extensions.get("persistedQuery") {
            None | Some(Value::Null) => None,
            Some(persisted) => {
                if persisted.get("version").and_then(Value::as_u64) != Some(VERSION) {
                    return bad("Only version 1 of persisted queries is supported.");
                }
                match persisted.get("sha256Hash").and_then(Value::as_str) {
                    Some(hash) => Some(hash.to_ascii_lowercase()),
                    None => return bad("`persistedQuery` has no `sha256Hash`."),
                }
            }
        };
        match (&query, &hash) {
            (None, None) => bad("The request has no `query`."),
            _ => Ok(Self { query, hash }),
        }
    }
}

impl Deref for Document {
    type Target = str;

    fn deref(&self) -> &str {
        match &self.text {
            Text::Sent(text) => text,
            Text::Kept(text) => text,
        }
    }
}

impl Document {
    /// Whether the client wants it to be kept.
    pub(crate) fn is_new(&self) -> bool {
        self.new.is_some()
    }

    /// The text.
    pub(crate) fn into_text(self) -> String {
        match self.text {
            Text::Sent(text) => text,
            Text::Kept(text) => text.to_string(),
        }
    }

    fn kept(text: Arc<str>) -> Self {
        Self { text: Text::Kept(text), new: None }
    }
}

impl Documents {
    /// Reads the safelist, if there is one. With `shared`, persisted documents are known to all
    /// who use that Redis.
    ///
    /// # Errors
    /// Where the safelist cannot be used.
    pub fn new(config: &Config, shared: Option<&Cache>) -> Result<Self, SafelistError> {
        let store = || -> Arc<dyn Store> {
            let memory = Memory::new(config.automatic_max_bytes);
            match shared {
                None => Arc::new(memory),
                Some(redis) => {
                    Arc::new(Shared::new(memory, redis, Duration::from_secs(config.ttl_s)))
                }
            }
        };
        Ok(Self {
            automatic: config.automatic.then(store),
            document_max_bytes: config.document_max_bytes,
            safelist: config.safelist.as_deref().map(Safelist::read).transpose()?,
        })
    }

    /// The document that a request means.
    ///
    /// # Errors
    /// `PERSISTED_QUERY_NOT_FOUND` where the client is to send the document along,
    /// `PERSISTED_QUERY_NOT_SUPPORTED` where that would not help,
    /// `DOCUMENT_NOT_ALLOWED` in safelist mode, `BAD_REQUEST` for a wrong hash.
    pub(crate) async fn find(&self, asked: Asked) -> Result<Document, GraphQLError> {
        if let (Some(query), Some(hash)) = (&asked.query, &asked.hash)
            && hash_of(query) != *hash
        {
            let message = "The given `sha256Hash` is not that of the `query`.";
            return Err(GraphQLError::new(code::BAD_REQUEST, message));
        }
        if let Some(safelist) = &self.safelist {
            return listed(safelist, &asked);
        }
        match (asked.query, asked.hash, &self.automatic) {
            (Some(query), hash, automatic) => {
                let new = hash.filter(|_| automatic.is_some());
                Ok(Document { text: Text::Sent(query), new })
            }
            (None, Some(hash), Some(store)) => match store.get(&hash).await {
                Some(text) => Ok(Document::kept(text)),
                // The texts are what clients look for beside the codes.
                None => Err(GraphQLError::new(
                    code::PERSISTED_QUERY_NOT_FOUND,
                    "PersistedQueryNotFound",
                )),
            },
            (None, ..) => Err(GraphQLError::new(
                code::PERSISTED_QUERY_NOT_SUPPORTED,
                "PersistedQueryNotSupported",
            )),
        }
    }

    /// Keeps a document that turned out to be good, if the client wanted that.
    pub(crate) async fn keep(&self, document: &Document) {
        if let (Some(store), Some(hash)) = (&self.automatic, &document.new)
            && document.len() <= self.document_max_bytes
        {
            store.put(hash, Arc::from(&**document)).await;
        }
    }
}

fn listed(safelist: &Safelist, asked: &Asked) -> Result<Document, GraphQLError> {
    let hash = match (&asked.hash, &asked.query) {
        (Some(hash), _) => hash.clone(),
        (None, query) => hash_of(query.as_deref().unwrap_or_default()),
    };
    safelist.get(&hash).map(Document::kept).ok_or_else(|| {
        let message = "Only listed documents are allowed, and this one is not listed.";
        GraphQLError::new(code::DOCUMENT_NOT_ALLOWED, message)
    })
}

/// SHA-256 of a document in lower-case hexadecimal.
fn hash_of(text: &str) -> String {
    use std::fmt::Write as _;
    let mut hash = String::with_capacity(64);
    for byte in Sha256::digest(text.as_bytes()) {
        // Writing to a string doesn't fail.
        let _ = write!(hash, "{byte:02x}");
    }
    hash
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const QUERY: &str = "{__typename}";
    /// The example of Apollo's documentation.
    const HASH: &str = "ecf4edb46db40b5132295c0291d62fb65d6759a9eedfa4d5d612dd5ec54a6b38";

    fn asked(query: Option<&str>, hash: Option<&str>) -> Asked {
        let extensions = match hash {
            Some(hash) => json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } }),
            None => json!({}),
        };
        let Value::Object(extensions) = extensions else { unreachable!() };
        Asked::new(query.map(str::to_owned), &extensions).expect("a document is named")
    }

    async fn find(documents: &Documents, asked: Asked) -> Result<String, String> {
        match documents.find(asked).await {
            Ok(document) => {
                documents.keep(&document).await;
                Ok(document.into_text())
            }
            Err(error) => Err(error.code().to_owned()),
        }
    }

    #[tokio::test]
    async fn a_document_is_persisted_by_its_hash() {
        let documents = Documents::new(&Config::default(), None).unwrap();
        let not_found = Err("PERSISTED_QUERY_NOT_FOUND".to_owned());
        assert_eq!(find(&documents, asked(None, Some(HASH))).await, not_found);
        assert_eq!(find(&documents, asked(Some(QUERY), None)).await, Ok(QUERY.to_owned()));
        assert_eq!(find(&documents, asked(None, Some(HASH))).await, not_found);
        assert_eq!(find(&documents, asked(Some(QUERY), Some(HASH))).await, Ok(QUERY.to_owned()));
        assert_eq!(find(&documents, asked(None, Some(HASH))).await, Ok(QUERY.to_owned()));
        let upper = HASH.to_ascii_uppercase();
        assert_eq!(find(&documents, asked(None, Some(&upper))).await, Ok(QUERY.to_owned()));
    }

    #[tokio::test]
    async fn a_wrong_hash_persists_nothing() {
        let documents = Documents::new(&Config::default(), None).unwrap();
        let refused = find(&documents, asked(Some("{ other }"), Some(HASH))).await;
        assert_eq!(refused, Err("BAD_REQUEST".to_owned()));
        let refused = find(&documents, asked(None, Some(HASH))).await;
        assert_eq!(refused, Err("PERSISTED_QUERY_NOT_FOUND".to_owned()));
    }

    #[tokio::test]
    async fn switched_off_it_says_so() {
        let config = Config { automatic: false, ..Config::default() };
        let documents = Documents::new(&config, None).unwrap();
        assert_eq!(find(&documents, asked(Some(QUERY), Some(HASH))).await, Ok(QUERY.to_owned()));
        let refused = find(&documents, asked(None, Some(HASH))).await;
        assert_eq!(refused, Err("PERSISTED_QUERY_NOT_SUPPORTED".to_owned()));
    }

    #[test]
    fn what_names_no_document_is_refused() {
        for extensions in [
            json!({}),
            json!({ "persistedQuery": {} }),
            json!({ "persistedQuery": { "version": 2, "sha256Hash": HASH } }),
            json!({ "persistedQuery": { "version": 1 } }),
            json!({ "persistedQuery": "x" }),
        ] {
            let Value::Object(extensions) = extensions else { unreachable!() };
            let error = Asked::new(None, &extensions).expect_err("no document");
            assert_eq!(error.code(), "BAD_REQUEST");
        }
    }

    #[tokio::test]
    async fn what_is_too_large_is_not_kept() {
        let config = Config { document_max_bytes: QUERY.len() - 1, ..Config::default() };
        let documents = Documents::new(&config, None).unwrap();
        assert_eq!(find(&documents, asked(Some(QUERY), Some(HASH))).await, Ok(QUERY.to_owned()));
        let refused = find(&documents, asked(None, Some(HASH))).await;
        assert_eq!(refused, Err("PERSISTED_QUERY_NOT_FOUND".to_owned()));
    }

    #[tokio::test]
    async fn memory_is_bounded() {
        let store = Memory::new(100_000);
        let document: Arc<str> = Arc::from("x".repeat(186));
        for n in 0..5_000 {
            store.put(&format!("{n:064}"), Arc::clone(&document)).await;
        }
        let mut kept = 0;
        for n in 0..5_000 {
            kept += usize::from(store.get(&format!("{n:064}")).await.is_some());
        }
        assert!((100..=400).contains(&kept), "{kept}");
    }
}
