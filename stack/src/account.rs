//! The user that the servers run as. Postgres refuses to run as root, so root
//! runs all of them as somebody else.

use std::{
    fs, io,
    os::unix::{
        fs::{MetadataExt as _, chown},
        process::CommandExt as _,
    },
    path::Path,
    process::Command,
};

/// The user `nobody` and its group, as on every Linux.
const NOBODY: Ids = Ids { uid: 65534, gid: 65534 };

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ids {
    uid: u32,
    gid: u32,
}

/// Who the servers run as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Account(Option<Ids>);

impl Account {
    /// For servers with data below `folder`, which need not exist: whoever we
    /// are, or if we are root, the owner of the folder, or if that is root
    /// too, nobody.
    pub(crate) fn for_folder(folder: &Path) -> Self {
        if !rustix::process::geteuid().is_root() {
            return Self(None);
        }
        let owner = folder
            .ancestors()
            .find_map(|path| fs::metadata(path).ok())
            .map(|meta| Ids { uid: meta.uid(), gid: meta.gid() })
            .filter(|ids| ids.uid != 0);
        Self(Some(owner.unwrap_or(NOBODY)))
    }

    /// Lets `command` run as this user.
    pub(crate) fn apply(self, command: &mut Command) {
        if let Self(Some(ids)) = self {
            // Being root, this also drops the supplementary groups.
            command.uid(ids.uid).gid(ids.gid);
        }
    }

    /// Gives `path` to this user.
    pub(crate) fn own(self, path: &Path) -> io::Result<()> {
        match self.0 {
            Some(ids) => chown(path, Some(ids.uid), Some(ids.gid)),
            None => Ok(()),
        }
    }

    /// Whether this user may enter the existing folder `folder` and all those
    /// above it.
    pub(crate) fn reaches(self, folder: &Path) -> bool {
        let Self(Some(ids)) = self else { return true };
        let Ok(folder) = folder.canonicalize() else { return false };
        folder.ancestors().all(|path| {
            fs::metadata(path).is_ok_and(|meta| {
                let enter = if meta.uid() == ids.uid {
                    0o100
                } else if meta.gid() == ids.gid {
                    0o010
                } else {
                    0o001
                };
                meta.mode() & enter != 0
            })
        })
    }
}

#[cfg(test)]
mod test {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_closed_folder_above_is_seen() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let inner = home.path().join("inner");
        fs::create_dir(&inner).expect("a folder");
        let stranger = Account(Some(Ids { uid: 12_345, gid: 12_345 }));

        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).expect("chmod");
        assert!(!stranger.reaches(&inner));
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o711)).expect("chmod");
        assert!(stranger.reaches(&inner));
        assert!(Account(None).reaches(&inner));
    }
}
