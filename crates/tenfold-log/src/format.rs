//! The versions of the formats in a directory.

use std::io;

use crate::directory::{replace, sync_dir};
use crate::error::OpenError;
use crate::names;
use crate::spare;
use crate::starts::Starts;
use crate::storage::Storage;
use crate::whole::{WAITING, read_all, uninterrupted};

/// The versions of a log that are read. The newest is written; a start makes an older one the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// It counts no starts.
    Uncounted,
    /// Its journal tells no births: it would take the record of one for the epoch of a start.
    Birthless,
    Newest,
}

impl Version {
    const ALL: [Self; 3] = [Self::Uncounted, Self::Birthless, Self::Newest];

    /// The formats, as `FORMAT` has them.
    fn text(self) -> &'static str {
        match self {
            Self::Uncounted => "tenfold-log 1\njournal 1\nindex 1\nsnapshot 1\n",
            Self::Birthless => "tenfold-log 1\njournal 1\nindex 1\nsnapshot 2\nstarts 1\n",
            Self::Newest => "tenfold-log 1\njournal 2\nindex 1\nsnapshot 2\nstarts 1\n",
        }
    }

    /// The version whose text this is.
    fn of(text: &[u8]) -> Option<Self> {
        let mut versions = Self::ALL.into_iter();
        versions.find(|version| version.text().as_bytes() == text)
    }
}

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
    if Version::of(&bytes).is_some() {
        return Ok(true);
    }
    let text = String::from_utf8_lossy(&bytes);
    let unknown = text.lines().find(|line| {
        let mut known = Version::ALL
            .iter()
            .flat_map(|version| version.text().lines());
        !known.any(|known| known == *line)
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
    replace(storage, names::FORMAT, Version::Newest.text().as_bytes())?;
    sync_dir(storage, "")
}

/// The version of a log that was [checked](check).
pub(crate) fn version(storage: &dyn Storage) -> io::Result<Version> {
    let file = uninterrupted(|| storage.open(names::FORMAT, false))?;
    let version = read_all(&*file, MOST, WAITING)?.and_then(|bytes| Version::of(&bytes));
    version.ok_or_else(|| io::Error::other("FORMAT has changed"))
}

/// Makes a log of an older version one of the newest, before anything is written that the other one cannot read.
pub(crate) fn upgrade(storage: &dyn Storage, from: Version) -> io::Result<()> {
    if from == Version::Uncounted {
        Starts::uncounted().save(storage)?;
    }
    let text = Version::Newest.text();
    spare::replace_on_a_full_disk(storage, names::FORMAT, text.as_bytes())?;
    sync_dir(storage, "")
}

/// Makes a copy of a log a log of the same version.
pub(crate) fn copy(from: &dyn Storage, to: &dyn Storage) -> io::Result<()> {
    replace(to, names::FORMAT, version(from)?.text().as_bytes())?;
    sync_dir(to, "")
}
