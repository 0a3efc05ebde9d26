//! What can go wrong with the embedded stack.

use std::{io, path::PathBuf};

use crate::package::PackageError;

/// Why the stack could not be started. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// A server's package could not be had.
    #[error("{source}. To use a server of your own instead, set {instead}")]
    Package {
        /// The variable that names a server of one's own.
        instead: &'static str,
        /// Why the package could not be had.
        source: PackageError,
    },
    /// Another process has the data folder.
    #[error("{path} is in use by another process of moim: stop it first, or choose another folder")]
    InUse {
        /// The data folder.
        path: PathBuf,
    },
    /// A process of an earlier run of the same data folder doesn't end.
    #[error("process {pid} ({server}) of an earlier run still uses the data folder: stop it first")]
    Leftover {
        /// Which server it is.
        server: &'static str,
        /// Its process id.
        pid: i32,
    },
    /// The data was made by a version that the packaged server can't read.
    #[error(
        "{path} was made by Postgres {found}, this is {expected}: dump it with the old version and load it into a new folder"
    )]
    OtherVersion {
        /// The folder with Postgres's data.
        path: PathBuf,
        /// The major version that made it.
        found: String,
        /// The major version that we run.
        expected: &'static str,
    },
    /// A program that prepares or runs a server failed.
    #[error("{program} failed: {detail}")]
    Program {
        /// The program.
        program: &'static str,
        /// The end of what it wrote.
        detail: String,
    },
    /// A server ended, or didn't answer in time.
    #[error("{server} did not get ready ({reason}); the end of {log}: {detail}", log = log.display())]
    NotReady {
        /// Which server it is.
        server: &'static str,
        /// What was seen of it.
        reason: String,
        /// Its log.
        log: PathBuf,
        /// The end of its log.
        detail: String,
    },
    /// No free port was found.
    #[error("no free port on the loopback interface: {0}")]
    NoPort(#[source] io::Error),
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// What was read or written.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The thread that looks after the servers ended.
    #[error("the thread that looks after the servers ended without an answer")]
    ThreadEnded,
}

/// Adds the path to an input or output error.
pub(crate) fn at(path: &std::path::Path) -> impl FnOnce(io::Error) -> StackError + '_ {
    move |source| StackError::Io { path: path.to_path_buf(), source }
}
