//! Bytes that recovery takes out of their place are kept in `aside/`, where an operator can look at them.

use std::io;

use crate::directory::{replace, sync_dir};
use crate::names;
use crate::storage::Storage;
use crate::whole::uninterrupted;

/// Copies bytes to `aside/NAME`, durably. Returns the path.
pub(crate) fn put(storage: &dyn Storage, name: &str, bytes: &[u8]) -> io::Result<String> {
    uninterrupted(|| storage.create_dir(names::ASIDE))?;
    sync_dir(storage, "")?;
    let path = format!("{}/{name}", names::ASIDE);
    replace(storage, &path, bytes)?;
    sync_dir(storage, names::ASIDE)?;
    Ok(path)
}

/// Where a file of a channel is moved to.
pub(crate) fn path_of(channel: &str, file: &str) -> String {
    format!("{}/{channel}-{file}", names::ASIDE)
}

/// Moves a file of a channel to `aside/`, durably. If it is not there, it was moved before.
pub(crate) fn move_file(storage: &dyn Storage, channel: &str, file: &str) -> io::Result<()> {
    uninterrupted(|| storage.create_dir(names::ASIDE))?;
    sync_dir(storage, "")?;
    let from = format!("{}/{file}", names::channel(channel));
    match uninterrupted(|| storage.rename(&from, &path_of(channel, file))) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        result => result?,
    }
    sync_dir(storage, names::ASIDE)?;
    sync_dir(storage, &names::channel(channel))
}
