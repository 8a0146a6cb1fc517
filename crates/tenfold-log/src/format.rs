//! The versions of the formats in a directory.

use std::io;

use crate::directory::{replace, sync_dir};
use crate::error::OpenError;
use crate::names;
use crate::spare;
use crate::starts::Starts;
use crate::storage::Storage;
use crate::whole::{WAITING, read_all, uninterrupted};

/// The formats that this version writes.
const TEXT: &str = "tenfold-log 1\njournal 1\nindex 1\nsnapshot 2\nstarts 1\n";

/// Those of the version before, which counted no starts. This one reads them, too.
const UNCOUNTED: &str = "tenfold-log 1\njournal 1\nindex 1\nsnapshot 1\n";

/// A `FORMAT` of more bytes was not written by any version.
const MOST: u64 = 4096;

/// Names that may be in a directory that counts as empty: files of a first start that ended early, and
/// what a new file system has.
const NOTHING: [&str; 3] = [names::LOCK, "FORMAT.new", "lost+found"];

/// Whether the directory is a log that this version can read. False: it is empty.
pub(crate) fn check(storage: &dyn Storage) -> Result<bool, OpenError> {
    let file = match uninterrupted(|| storage.open(names::FORMAT, false)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let names = uninterrupted(|| storage.list(""))
                .map_err(OpenError::io("listing the directory"))?;
            let is_empty = names.iter().all(|name| NOTHING.contains(&&name[..]));
            return if is_empty {
                Ok(false)
            } else {
                Err(OpenError::NotALog)
            };
        }
        Err(error) => return Err(OpenError::io("opening FORMAT")(error)),
    };
    let reading = OpenError::io("reading FORMAT");
    let Some(bytes) = read_all(&*file, MOST, WAITING).map_err(&reading)? else {
        return Err(OpenError::Format("a long text".to_owned()));
    };
    if bytes == TEXT.as_bytes() || bytes == UNCOUNTED.as_bytes() {
        return Ok(true);
    }
    let text = String::from_utf8_lossy(&bytes);
    let unknown = text.lines().find(|line| {
        !TEXT
            .lines()
            .chain(UNCOUNTED.lines())
            .any(|known| known == *line)
    });
    Err(OpenError::Format(
        unknown.unwrap_or("an incomplete FORMAT").to_owned(),
    ))
}

/// Makes sure that the directory is a log that can be looked at as it is.
pub(crate) fn check_whole(storage: &dyn Storage) -> Result<(), OpenError> {
    if !check(storage)? {
        return Err(OpenError::Empty);
    }
    let is_missing = has_no_channels(storage).map_err(OpenError::io("listing the channels"))?;
    if is_missing {
        let was_open = has_starts(storage).map_err(OpenError::io("opening STARTS"))?;
        return Err(OpenError::NoChannels { was_open });
    }
    Ok(())
}

/// Whether the directory of the channels is missing.
fn has_no_channels(storage: &dyn Storage) -> io::Result<bool> {
    match uninterrupted(|| storage.list(names::CHANNELS)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        result => result.map(|_| false),
    }
}

/// Whether the directory of the channels is missing, and not because a first start has ended early.
pub(crate) fn has_lost_channels(storage: &dyn Storage) -> io::Result<bool> {
    Ok(has_no_channels(storage)? && has_starts(storage)?)
}

/// Whether a hub has had it open.
fn has_starts(storage: &dyn Storage) -> io::Result<bool> {
    match uninterrupted(|| storage.open(names::STARTS, false)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        result => result.map(|_| true),
    }
}

/// Makes an empty directory a log.
pub(crate) fn create(storage: &dyn Storage) -> io::Result<()> {
    replace(storage, names::FORMAT, TEXT.as_bytes())?;
    sync_dir(storage, "")
}

/// Whether the log has the formats of the version before, which counted no starts.
pub(crate) fn is_uncounted(storage: &dyn Storage) -> io::Result<bool> {
    let file = uninterrupted(|| storage.open(names::FORMAT, false))?;
    Ok(read_all(&*file, MOST, WAITING)?.is_some_and(|bytes| bytes == UNCOUNTED.as_bytes()))
}

/// Makes a log of the version before one of this version, before anything is written that the other one
/// cannot read.
pub(crate) fn upgrade(storage: &dyn Storage) -> io::Result<()> {
    Starts::uncounted().save(storage)?;
    spare::replace_on_a_full_disk(storage, names::FORMAT, TEXT.as_bytes())?;
    sync_dir(storage, "")
}

/// Makes a copy of a log a log of the same version.
pub(crate) fn copy(from: &dyn Storage, to: &dyn Storage) -> io::Result<()> {
    let text = if is_uncounted(from)? { UNCOUNTED } else { TEXT };
    replace(to, names::FORMAT, text.as_bytes())?;
    sync_dir(to, "")
}
