//! The only door to the disk.
//!
//! Everything that the log reads or writes goes through [`Storage`] and [`File`]. There is a real
//! one, [`Disk`], one that has few files of another one open, [`FewFiles`], and (feature `memory`) one in memory that fails on command and yields what a disk
//! could hold after a crash.
//!
//! ```
//! use tenfold_log::storage::{Disk, Storage};
//!
//! # let directory = tempfile::tempdir()?;
//! let disk = Disk::open(directory.path())?;
//! disk.create_dir("channels")?;
//! let file = disk.open("channels/note", true)?;
//! file.write_at(&[std::io::IoSlice::new(b"hello")], 0)?;
//! // The contents are durable after the file's sync, and its name after its directory's.
//! file.sync()?;
//! disk.sync_dir("channels")?;
//! assert_eq!(disk.list("channels")?, ["note"]);
//! # Ok::<(), std::io::Error>(())
//! ```

use std::fmt::Debug;
use std::io;
use std::io::IoSlice;
use std::sync::Arc;

mod disk;
mod failed;
mod few_files;
#[cfg(any(test, feature = "memory"))]
mod memory;

pub use disk::Disk;
pub(crate) use failed::{Failed, SyncFailed, is_out_of_files, number_of};
pub use few_files::FewFiles;
#[cfg(any(test, feature = "memory"))]
pub use memory::{Call, Fault, Keep, Kind, Memory};

/// A directory with everything in it. Paths are relative to it, with `/` between names.
///
/// What [`File::sync`] and [`sync_dir`](Self::sync_dir) have not made durable may be there after a
/// crash or not, in whole or in part, and in any order. `docs/log-format.md` says what is assumed.
pub trait Storage: Debug + Send + Sync {
    /// Opens a file. Without `create`, one that is not there is `NotFound`.
    fn open(&self, path: &str, create: bool) -> io::Result<Arc<dyn File>>;

    /// The names in a directory, sorted; a directory that is not there is `NotFound`.
    fn list(&self, path: &str) -> io::Result<Vec<String>>;

    /// Makes a directory and those above it. If it is there already, this succeeds.
    fn create_dir(&self, path: &str) -> io::Result<()>;

    /// Gives a file another name, in the place of whatever had it; or a directory one that is free.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &str) -> io::Result<()>;

    /// Removes an empty directory.
    fn remove_dir(&self, path: &str) -> io::Result<()>;

    /// Makes the entries of a directory durable: names that were made, changed or removed. `""` is
    /// the directory of the storage itself.
    fn sync_dir(&self, path: &str) -> io::Result<()>;

    /// Whether there is space for so many bytes more, as far as [`File::reserve`] does not promise it: an
    /// error that says that there is none, if there is not.
    fn has_space(&self, bytes: u64) -> io::Result<()> {
        let _ = bytes;
        Ok(())
    }

    /// How many files and directories may be synced at the same time. More than one makes the order of
    /// the calls a matter of chance.
    fn flushes_at_once(&self) -> usize {
        1
    }

    /// How many files can be open at the same time: a log syncs what it has written before these are too
    /// many.
    fn files_at_once(&self) -> usize {
        usize::MAX
    }

    /// Takes a lock on a file, which is made if it is not there, without waiting: `WouldBlock` if
    /// another holder keeps it. It lasts as long as what is returned, and not longer than the process.
    fn lock(&self, path: &str, sharing: Sharing) -> io::Result<Box<dyn Debug + Send + Sync>>;
}

/// How a lock is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sharing {
    /// By one holder alone.
    Exclusive,
    /// By any number of holders at once.
    Shared,
}

/// An open file. Reads and writes name their offset, so a file can be used by several threads.
pub trait File: Debug + Send + Sync {
    /// Reads into `buffer` from an offset; returns how much, 0 at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Like [`read_at`](Self::read_at), but only what is in memory already: `WouldBlock` if the disk
    /// has to be waited for, or if that cannot be told.
    fn read_cached_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.read_at(buffer, offset)
    }

    /// Reads what the disk holds, past what the system keeps of the file in memory: after a failed
    /// sync the two can differ.
    fn read_durable_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes the slices one after the other from an offset; returns how much, which may be less.
    fn write_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<usize>;

    /// Makes contents and length durable (`fdatasync`).
    fn sync(&self) -> io::Result<()>;

    /// The file's length in bytes.
    fn length(&self) -> io::Result<u64>;

    /// Cuts the file, or extends it with zeros. Space that was reserved after its end is given back.
    fn set_length(&self, length: u64) -> io::Result<()>;

    /// Reserves space on disk for a range without changing the file's length
    /// (`fallocate`, `KEEP_SIZE`).
    fn reserve(&self, offset: u64, length: u64) -> io::Result<()>;

    /// Opens it if it is [closed while nobody uses it](FewFiles), and keeps it open for as long as someone has
    /// what is returned. `None`: it is always open.
    fn keep_open(&self) -> io::Result<Option<Arc<dyn File>>> {
        Ok(None)
    }
}
