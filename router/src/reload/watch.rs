//! Looks for changes of the supergraph's file.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Weak},
    time::{Duration, SystemTime},
};

use super::{Assembly, Reloads};
use crate::{builder::BuildError, gateway::Gateway};

/// What can be told of a file without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
}

async fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = tokio::fs::metadata(path).await.ok()?;
    Some(Stamp { modified: metadata.modified().ok(), bytes: metadata.len() })
}

/// Follows the file until the gateway is gone. A file that cannot be served is told
/// once in the log; the router goes on with what it has.
pub(crate) async fn watch(
    path: PathBuf,
    every: Duration,
    assembly: Arc<Assembly>,
    gateway: Weak<Gateway>,
) {
    let (mut done, mut last) = (None, None);
    loop {
        tokio::time::sleep(every).await;
        let Some(gateway) = gateway.upgrade() else {
            return;
        };
        let now = stamp(&path).await;
        // Somebody may be writing it: it must look the same twice.
        let settled = now == std::mem::replace(&mut last, now);
        if now.is_none() || now == done || !settled {
            continue;
        }
        done = now;
        match tokio::fs::read_to_string(&path).await {
            Ok(sdl) => take(&path, sdl, &assembly, &gateway).await,
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "the supergraph can't be read");
                gateway.reloads.send_modify(|reloads| refuse(reloads, &error));
            }
        }
    }
}

async fn take(path: &Path, sdl: String, assembly: &Assembly, gateway: &Gateway) {
    if sdl == gateway.engine().supergraph().sdl() {
        // A bad change was taken back.
        gateway.reloads.send_modify(|reloads| reloads.problem = None);
        return;
    }
    match reload(sdl, assembly, gateway).await {
        Ok(()) => tracing::info!(path = %path.display(), "the supergraph was replaced"),
        Err(error) => tracing::error!(
            path = %path.display(),
            error = chain(&error),
            "the changed supergraph can't be used, the old one stays"
        ),
    }
}

/// The error with its causes: the operator has to mend the file.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Makes what serves the supergraph and puts it in the place of what did.
pub(crate) async fn reload(
    sdl: String,
    assembly: &Assembly,
    gateway: &Gateway,
) -> Result<(), BuildError> {
    match assembly.make(sdl).await {
        Ok(current) => {
            gateway.live.replace(current);
            gateway.reloads.send_modify(|reloads| {
                reloads.taken += 1;
                reloads.problem = None;
            });
            Ok(())
        }
        Err(error) => {
            gateway.reloads.send_modify(|reloads| refuse(reloads, &error));
            Err(error)
        }
    }
}

fn refuse(reloads: &mut Reloads, error: &dyn std::error::Error) {
    reloads.refused += 1;
    reloads.problem = Some(chain(error).into());
}
