//! Channels that are deleted and whose files are still there.

use std::io;

use crate::directory::sync_dir;
use crate::names;
use crate::storage::Storage;
use crate::whole::uninterrupted;

/// Deletes a channel of which the journal has nothing: moves its directory away, durably, and removes it there.
pub(crate) fn put_away(storage: &dyn Storage, name: &str) -> io::Result<()> {
    #[cfg(feature = "planted")]
    if crate::planted::is(crate::planted::Mistake::DeleteInPlace) {
        remove_directory(storage, &names::channel(name))?;
        return sync_dir(storage, names::CHANNELS);
    }
    move_away(storage, name)?;
    sync_move(storage)?;
    remove(storage)
}

/// Moves a channel's directory to `deleted/`. If this fails, it is where it was.
pub(crate) fn move_away(storage: &dyn Storage, name: &str) -> io::Result<()> {
    // What an earlier deletion could not remove may have the same name.
    sweep(storage)?;
    uninterrupted(|| storage.create_dir(names::DELETED))?;
    sync_dir(storage, "")?;
    let to = format!("{}/{name}", names::DELETED);
    uninterrupted(|| storage.rename(&names::channel(name), &to))
}

/// Makes durable what was moved. Only then may files be removed: otherwise a crash could bring back a channel
/// without them.
pub(crate) fn sync_move(storage: &dyn Storage) -> io::Result<()> {
    sync_dir(storage, names::DELETED)?;
    sync_dir(storage, names::CHANNELS)
}

/// Removes the files of all channels that are deleted, whoever has moved them away.
pub(crate) fn sweep(storage: &dyn Storage) -> io::Result<()> {
    match uninterrupted(|| storage.list(names::DELETED)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        channels => channels?,
    };
    sync_move(storage)?;
    remove(storage)
}

/// Removes the files of all channels that were moved away, durably.
pub(crate) fn remove(storage: &dyn Storage) -> io::Result<()> {
    for channel in uninterrupted(|| storage.list(names::DELETED))? {
        remove_directory(storage, &format!("{}/{channel}", names::DELETED))?;
    }
    uninterrupted(|| storage.remove_dir(names::DELETED))?;
    sync_dir(storage, "")
}

fn remove_directory(storage: &dyn Storage, directory: &str) -> io::Result<()> {
    for file in uninterrupted(|| storage.list(directory))? {
        uninterrupted(|| storage.remove(&format!("{directory}/{file}")))?;
    }
    uninterrupted(|| storage.remove_dir(directory))
}
