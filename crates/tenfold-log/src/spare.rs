//! Space that is kept for retention on a full disk: it has to write a snapshot before it can delete.

use std::io;

use crate::directory::{self, remove, write};
use crate::names;
use crate::storage::Storage;
use crate::whole::{is_full, uninterrupted};

/// Bytes for a log with journal files of this size.
fn size(journal: u64) -> u64 {
    (journal / 64).clamp(4096, 1 << 20)
}

/// Makes a new file, if there is space. The old one is removed first: after a crash the same file may
/// also be a snapshot.
pub(crate) fn make(storage: &dyn Storage, journal: u64) -> io::Result<()> {
    remove(storage, names::SPARE)?;
    let reserve = || {
        let file = uninterrupted(|| storage.open(names::SPARE, true))?;
        uninterrupted(|| file.reserve(0, size(journal)))
    };
    match reserve() {
        Err(error) if is_full(&error) => remove(storage, names::SPARE),
        result => result,
    }
}

/// Makes a new file if it was used and there is space again.
pub(crate) fn restore(storage: &dyn Storage, journal: u64) -> io::Result<()> {
    match uninterrupted(|| storage.open(names::SPARE, false)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(storage, journal),
        result => result.map(drop),
    }
}

/// Writes a new file, as [`directory::replace`] does; on a full disk in this space.
pub(crate) fn replace_on_a_full_disk(
    storage: &dyn Storage,
    path: &str,
    bytes: &[u8],
) -> io::Result<()> {
    match directory::replace(storage, path, bytes) {
        Err(error) if is_full(&error) => {
            let is_replaced = replace(storage, path, bytes)?;
            if is_replaced { Ok(()) } else { Err(error) }
        }
        result => result,
    }
}

/// Writes a new file in this space, as [`directory::replace`] does elsewhere. False: the
/// space is used already, or too small.
fn replace(storage: &dyn Storage, path: &str, bytes: &[u8]) -> io::Result<bool> {
    let file = match uninterrupted(|| storage.open(names::SPARE, false)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        result => result?,
    };
    match write(&*file, bytes) {
        Err(error) if is_full(&error) => return Ok(false),
        result => result?,
    }
    uninterrupted(|| storage.rename(names::SPARE, path))?;
    Ok(true)
}
