//! A storage that has few files open, however many are in use.
//!
//! A log has two files for each channel that is written to, and more for those that are read; a process may
//! have some hundreds or thousands open. So a file is opened when it is used, and the one that was not used for
//! the longest time is closed when another one needs its place.
//!
//! ```text
//!               a call                a write                       a sync that succeeds
//!   closed  -------------->  open  -------------->  open, and stays  -------------->  open
//!           <--------------
//!            another one needs its place
//! ```
//!
//! A file that was written stays open until a sync of it succeeds. The system tells of a write that failed to
//! those who have the file open; whoever opens it afterwards may be told that all is well.
//!
//! | what | where |
//! |---|---|
//! | the storage, and names that change | this file |
//! | a file, and when it is open | `file` |
//! | which files are open, and which one is closed next | `open` |

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::file::{Entry, FileOnDemand, Slot};
use self::open::OpenOnes;
use super::{File, Sharing, Storage};
use crate::names;

mod file;
mod open;

/// A storage that has no more than so many files of another one open at the same time, as far as that is
/// possible: those that were written and not synced stay open, and so does the journal.
/// [`files_at_once`](Storage::files_at_once) lets a log sync before these are too many.
///
/// ```
/// use std::sync::Arc;
/// use tenfold_log::storage::{Disk, FewFiles, Storage};
///
/// # let directory = tempfile::tempdir()?;
/// let disk = Arc::new(Disk::open(directory.path())?);
/// let few = FewFiles::new(disk, 100);
/// let files: Vec<_> = (0..1000).map(|number| few.open(&number.to_string(), true)).collect();
/// for file in files {
///     assert_eq!(file?.length()?, 0);
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct FewFiles {
    shared: Arc<Shared>,
}

/// What the storage and its files have in common.
#[derive(Debug)]
struct Shared {
    storage: Arc<dyn Storage>,
    most: usize,
    names: Mutex<Names>,
    open: Mutex<OpenOnes>,
}

/// The files that someone has, by their paths and their numbers.
#[derive(Debug, Default)]
struct Names {
    entries: BTreeMap<(String, u64), Arc<Entry>>,
    /// The number of the file that was opened last.
    newest: u64,
}

impl FewFiles {
    /// Has at most so many files of a storage open.
    pub fn new(storage: Arc<dyn Storage>, most: usize) -> Self {
        let shared = Shared {
            storage,
            most: most.max(1),
            names: Mutex::default(),
            open: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Makes a call on the storage that may open something.
    fn call<T>(&self, call: impl Fn(&dyn Storage) -> io::Result<T>) -> io::Result<T> {
        self.shared.with_room(|| call(&*self.shared.storage))
    }
}

impl Storage for FewFiles {
    fn open(&self, path: &str, create: bool) -> io::Result<Arc<dyn File>> {
        if names::is_always_open(path) {
            return self.call(|storage| storage.open(path, create));
        }
        Ok(Arc::new(FileOnDemand::open(&self.shared, path, create)?))
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        self.call(|storage| storage.list(path))
    }

    fn create_dir(&self, path: &str) -> io::Result<()> {
        self.call(|storage| storage.create_dir(path))
    }

    /// Files that are in use follow it. One whose name is taken stays open for those who have it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let shared = &self.shared;
        let mut entries = shared.names().at_or_below(from);
        entries.extend(shared.names().at(to).cloned());
        let mut slots = Entry::lock_all(&mut entries);
        for (entry, slot) in slots.iter_mut().filter(|(_, slot)| slot.path == to) {
            slot.open_while_it_has_a_name(shared, entry);
        }
        shared.storage.rename(from, to)?;
        for (entry, slot) in &mut slots {
            if slot.path == to {
                slot.has_name &= from == to;
            } else {
                shared.names().follow(entry.number, slot, from, to);
            }
        }
        Ok(())
    }

    /// Whoever has the file keeps it, open.
    fn remove(&self, path: &str) -> io::Result<()> {
        let shared = &self.shared;
        let mut entries: Vec<_> = shared.names().at(path).cloned().collect();
        let mut slots = Entry::lock_all(&mut entries);
        slots.retain(|(_, slot)| slot.path == path);
        for (entry, slot) in &mut slots {
            slot.open_while_it_has_a_name(shared, entry);
        }
        shared.storage.remove(path)?;
        for (_, slot) in &mut slots {
            slot.has_name = false;
        }
        Ok(())
    }

    fn remove_dir(&self, path: &str) -> io::Result<()> {
        self.shared.storage.remove_dir(path)
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        self.call(|storage| storage.sync_dir(path))
    }

    fn has_space(&self, bytes: u64) -> io::Result<()> {
        self.shared.storage.has_space(bytes)
    }

    /// Each flush may have a file open beside those that are kept.
    fn flushes_at_once(&self) -> usize {
        let flushes = self.shared.storage.flushes_at_once();
        flushes.min(self.shared.most / 16).max(1)
    }

    fn files_at_once(&self) -> usize {
        self.shared.most
    }

    fn lock(&self, path: &str, sharing: Sharing) -> io::Result<Box<dyn Debug + Send + Sync>> {
        self.call(|storage| storage.lock(path, sharing))
    }
}

impl Shared {
    /// To be locked after a file's slot, if both are needed.
    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Names {
    /// The files of this path: one for each time that it was opened.
    fn at(&self, path: &str) -> impl Iterator<Item = &Arc<Entry>> {
        let range = (path.to_owned(), 0)..=(path.to_owned(), u64::MAX);
        self.entries.range(range).map(|(_, entry)| entry)
    }

    /// The same, and those of all paths within a directory of this path.
    fn at_or_below(&self, path: &str) -> Vec<Arc<Entry>> {
        let directory = format!("{path}/");
        let below = self.entries.range((directory.clone(), 0)..);
        let below = below.take_while(|((path, _), _)| path.starts_with(&directory));
        self.at(path)
            .chain(below.map(|(_, entry)| entry))
            .cloned()
            .collect()
    }

    /// A file that someone gets, which has this path.
    fn add(&mut self, path: &str) -> Arc<Entry> {
        self.newest += 1;
        let entry = Arc::new(Entry::new(self.newest, path));
        let key = (path.to_owned(), self.newest);
        self.entries.insert(key, Arc::clone(&entry));
        entry
    }

    fn remove(&mut self, number: u64, slot: &Slot) {
        self.entries.remove(&(slot.path.clone(), number));
    }

    /// The path of a file, or that of a directory above it, is another one now.
    fn follow(&mut self, number: u64, slot: &mut Slot, from: &str, to: &str) {
        let Some(below) = slot.path.strip_prefix(from) else {
            return;
        };
        let path = format!("{to}{below}");
        // It is not there if nobody has the file any more.
        if let Some(entry) = self.entries.remove(&(slot.path.clone(), number)) {
            self.entries.insert((path.clone(), number), entry);
        }
        slot.path = path;
    }
}

#[cfg(test)]
mod tests;
