//! The file of a policy, as it is changed: all of it, or nothing.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use tenfold_gate::{BadPolicy, PolicyFile};

use crate::failure::Failure;
use crate::flow::credential::{exists, read_private};
use crate::random;

/// A policy, and where it is kept.
pub(super) struct File {
    path: PathBuf,
    pub(super) policy: PolicyFile,
}

impl File {
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let text = read_private(path, "a policy", 0o022).map_err(Failure::Usage)?;
        let bad = |bad: BadPolicy| Failure::Usage(format!("{}, {bad}", path.display()));
        Ok(Self {
            path: path.to_owned(),
            policy: PolicyFile::parse(&text).map_err(bad)?,
        })
    }

    /// One that is there, or an empty one.
    pub(super) fn read_or_new(path: &Path) -> Result<Self, Failure> {
        if exists(path) {
            return Self::read(path);
        }
        Ok(Self {
            path: path.to_owned(),
            policy: PolicyFile::new(),
        })
    }

    /// Takes the place of what is there. The owner stays, and only the owner can read it.
    pub(super) fn write(&self) -> Result<(), Failure> {
        let path = &self.path;
        self.replace()
            .map_err(|error| Failure::Other(format!("cannot write {}: {error}", path.display())))
    }

    fn replace(&self) -> io::Result<()> {
        // What a link leads to is replaced, and not the link.
        let path = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{:016x}", random::random()));
        let temporary = path.with_file_name(name);
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)?;
        let written = (|| {
            if let Ok(before) = fs::metadata(&path) {
                let now = file.metadata()?;
                if (before.uid(), before.gid()) != (now.uid(), now.gid()) {
                    fchown(&file, Some(before.uid()), Some(before.gid()))?;
                }
            }
            file.write_all(self.policy.to_string().as_bytes())?;
            file.sync_all()?;
            fs::rename(&temporary, &path)?;
            let directory = path
                .parent()
                .filter(|parent| !parent.as_os_str().is_empty());
            fs::File::open(directory.unwrap_or_else(|| Path::new(".")))?.sync_all()
        })();
        if written.is_err() {
            // It is of no use to anybody.
            let _ = fs::remove_file(&temporary);
        }
        written
    }
}
