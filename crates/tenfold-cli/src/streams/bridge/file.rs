//! A file as an end of a bridge: to be read, or to be appended to.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use tokio::{fs, task};

use crate::failure::Failure;

/// A file from its beginning. To open a FIFO waits for whoever writes to it.
pub(super) async fn to_read(path: PathBuf) -> Result<fs::File, Failure> {
    opened(path, |path| File::open(path)).await
}

/// A file to which messages are appended; it is made if it is not there. What two sessions wrote to it at once would be
/// mixed, so there is one at a time.
pub(super) async fn to_append(path: PathBuf) -> Result<fs::File, Failure> {
    opened(path, |path| {
        let file = File::options().append(true).create(true).open(path)?;
        if file.metadata()?.is_file() {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK) => {
                    return Err(io::Error::other("somebody else writes to it"));
                }
                locked => locked?,
            }
        }
        Ok(file)
    })
    .await
}

/// Opens a file, which can take a while.
async fn opened(
    path: PathBuf,
    open: impl FnOnce(&Path) -> io::Result<File> + Send + 'static,
) -> Result<fs::File, Failure> {
    let name = path.display().to_string();
    let cannot = |error: io::Error| Failure::Other(format!("cannot open {name}: {error}"));
    let opening = task::spawn_blocking(move || {
        let file = open(&path)?;
        if file.metadata()?.is_dir() {
            return Err(io::Error::other("it is a directory"));
        }
        Ok(file)
    });
    let file = opening
        .await
        .map_err(io::Error::other)
        .and_then(|file| file);
    file.map(fs::File::from_std).map_err(cannot)
}
