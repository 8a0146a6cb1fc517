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

/// Removes what is left of a channel that was moved away, and has come back without all of its files, because a
/// sync had failed.
pub(crate) fn remove_marked(storage: &dyn Storage, name: &str) -> io::Result<()> {
    remove_directory(storage, &names::channel(name))?;
    sync_dir(storage, names::CHANNELS)
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
    let mark = mark(storage, directory)?;
    for file in uninterrupted(|| storage.list(directory))? {
        if Some(&file) != mark.as_ref() {
            uninterrupted(|| storage.remove(&format!("{directory}/{file}")))?;
        }
    }
    if let Some(mark) = mark {
        sync_dir(storage, directory)?;
        uninterrupted(|| storage.remove(&format!("{directory}/{mark}")))?;
    }
    uninterrupted(|| storage.remove_dir(directory))
}

/// Marks a directory, durably, as one whose channel is deleted. After a sync has failed, a later one says that the
/// move is durable, and it may not be: then a power cut brings the directory back. The mark comes back with it.
///
/// One of its files gets another name for that, which works on a full disk, too. One that has such a name already gets
/// the next one, so that there is something new of which the sync tells the truth. Returns its name; `None`: the
/// directory is empty.
fn mark(storage: &dyn Storage, directory: &str) -> io::Result<Option<String>> {
    #[cfg(feature = "planted")]
    if [
        crate::planted::Mistake::RemoveUnmarked,
        crate::planted::Mistake::DeleteInPlace,
    ]
    .into_iter()
    .any(crate::planted::is)
    {
        return Ok(None);
    }
    let files = uninterrupted(|| storage.list(directory))?;
    let (file, number) = match (mark_in(&files), files.first()) {
        (Some((file, number)), _) => (file, number.wrapping_add(1)),
        (None, Some(file)) => (file.as_str(), 0),
        (None, None) => return Ok(None),
    };
    let mark = format!("{}{number}", names::MARK);
    let [from, to] = [file, &mark].map(|file| format!("{directory}/{file}"));
    uninterrupted(|| storage.rename(&from, &to))?;
    sync_dir(storage, directory)?;
    Ok(Some(mark))
}

/// The file that marks a directory as one whose channel is deleted, and its number.
pub(crate) fn mark_in(files: &[String]) -> Option<(&str, u64)> {
    files.iter().find_map(|file| {
        let number = file.strip_prefix(names::MARK)?.parse().ok()?;
        Some((file.as_str(), number))
    })
}
