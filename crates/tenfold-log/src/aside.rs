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

/// Moves a file of a channel to `aside/`, durably. Returns the path.
pub(crate) fn move_file(storage: &dyn Storage, channel: &str, file: &str) -> io::Result<String> {
    uninterrupted(|| storage.create_dir(names::ASIDE))?;
    sync_dir(storage, "")?;
    let path = format!("{}/{channel}-{file}", names::ASIDE);
    let from = format!("{}/{file}", names::channel(channel));
    uninterrupted(|| storage.rename(&from, &path))?;
    sync_dir(storage, names::ASIDE)?;
    sync_dir(storage, &names::channel(channel))?;
    Ok(path)
}
