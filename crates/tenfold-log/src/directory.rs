//! What changes in a directory: names become durable, files take the place of others, and files go.

use std::io;

use crate::names;
use crate::storage::{File, Storage};
use crate::whole::{synced, uninterrupted, write_all_at};

/// Makes the names in a directory durable.
pub(crate) fn sync_dir(storage: &dyn Storage, path: &str) -> io::Result<()> {
    #[cfg(feature = "planted")]
    if crate::planted::is(crate::planted::Mistake::SkipDirectorySync) {
        return Ok(());
    }
    synced(storage.sync_dir(path))
}

/// Writes a new file, and gives it its name when it is durable. The name is, when the directory is
/// synced.
pub(crate) fn replace(storage: &dyn Storage, path: &str, bytes: &[u8]) -> io::Result<()> {
    let new = names::new(path);
    // What could not be written before is not written on.
    remove(storage, &new)?;
    let file = uninterrupted(|| storage.open(&new, true))?;
    write(&*file, bytes)?;
    uninterrupted(|| storage.rename(&new, path))
}

/// Makes some bytes the contents of a file, and gives back what else is reserved for it.
pub(crate) fn write(file: &dyn File, bytes: &[u8]) -> io::Result<()> {
    write_all_at(file, &[bytes], 0)?;
    uninterrupted(|| file.set_length(bytes.len() as u64))?;
    synced(file.sync())
}

/// Removes a file, if it is there.
pub(crate) fn remove(storage: &dyn Storage, path: &str) -> io::Result<()> {
    match uninterrupted(|| storage.remove(path)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
