//! A file that is open while it is used.

use std::fmt;
use std::io::{self, ErrorKind, IoSlice};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::super::{Failed, File};
use super::Shared;

/// A file that is open while it is used.
pub(super) struct FileOnDemand {
    shared: Arc<Shared>,
    entry: Arc<Entry>,
}

/// What is known of a file that someone has.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) number: u64,
    slot: Mutex<Slot>,
    /// Since it was its turn to be closed.
    was_used: AtomicBool,
    /// How many calls have changed the file, and how many of them are durable.
    changes: AtomicU64,
    durable: AtomicU64,
    /// When it is closed; 0: it has no turn. It changes while the files that are open are locked.
    pub(super) turn: AtomicU64,
}

/// The file itself. It is locked while it is opened, closed, or given another name.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) path: String,
    file: Option<Arc<dyn File>>,
    /// It can be opened by its path. False: it was removed, or another one has the name.
    pub(super) has_name: bool,
}

/// What becomes of a file that was to be closed.
pub(super) enum Closing {
    /// It is closed as soon as this is dropped.
    Closed(Arc<dyn File>),
    /// Someone uses it.
    IsUsed,
    /// What was written is not synced, or it cannot be opened again.
    HasToStay,
}

impl Entry {
    pub(super) fn new(number: u64, path: &str) -> Self {
        Self {
            number,
            slot: Mutex::new(Slot {
                path: path.to_owned(),
                file: None,
                has_name: true,
            }),
            was_used: AtomicBool::new(false),
            changes: AtomicU64::new(0),
            durable: AtomicU64::new(0),
            turn: AtomicU64::new(0),
        }
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks several, in an order that keeps two threads from waiting for each other.
    pub(super) fn lock_all(
        entries: &mut Vec<Arc<Self>>,
    ) -> Vec<(&Arc<Self>, MutexGuard<'_, Slot>)> {
        entries.sort_unstable_by_key(|entry| entry.number);
        entries.dedup_by_key(|entry| entry.number);
        entries.iter().map(|entry| (entry, entry.slot())).collect()
    }

    /// Whether something was changed since the last sync that has succeeded.
    fn is_changed(&self) -> bool {
        #[cfg(feature = "planted")]
        if crate::planted::is(crate::planted::Mistake::CloseUnsynced) {
            return false;
        }
        self.changes.load(SeqCst) != self.durable.load(SeqCst)
    }

    /// Closes it, if it may be closed.
    pub(super) fn close(&self) -> Closing {
        if self.was_used.swap(false, Relaxed) {
            return Closing::IsUsed;
        }
        // Who holds it may wait for the list of open files, which the caller has.
        let Ok(mut slot) = self.slot.try_lock() else {
            return Closing::IsUsed;
        };
        // Whoever changes it has it until the change is counted.
        if slot.file.as_mut().and_then(Arc::get_mut).is_none() {
            return Closing::IsUsed;
        }
        if !slot.has_name || self.is_changed() {
            return Closing::HasToStay;
        }
        slot.file.take().map_or(Closing::HasToStay, Closing::Closed)
    }
}

impl Slot {
    /// The file, open.
    fn open(
        &mut self,
        shared: &Shared,
        entry: &Arc<Entry>,
        create: bool,
    ) -> io::Result<Arc<dyn File>> {
        if let Some(file) = &self.file {
            return Ok(Arc::clone(file));
        }
        if !self.has_name {
            let shown = Path::new(&self.path);
            return Err(Failed::error(
                "open",
                &self.path,
                shown,
                ErrorKind::NotFound,
            ));
        }
        let file = shared.with_room(|| shared.storage.open(&self.path, create))?;
        self.file = Some(Arc::clone(&file));
        shared.opened(entry);
        Ok(file)
    }

    /// Opens it for those who have it, before its name goes. If that fails, they do not find it any more.
    pub(super) fn open_while_it_has_a_name(&mut self, shared: &Shared, entry: &Arc<Entry>) {
        if self.has_name {
            let _ = self.open(shared, entry, false);
        }
    }
}

impl FileOnDemand {
    /// Opens a file.
    pub(super) fn open(shared: &Arc<Shared>, path: &str, create: bool) -> io::Result<Self> {
        // It is known before it is open, so that it follows a name that changes meanwhile.
        let entry = shared.names().add(path);
        let file = Self {
            shared: Arc::clone(shared),
            entry,
        };
        file.entry.slot().open(shared, &file.entry, create)?;
        Ok(file)
    }

    /// The file, which is open and stays so for as long as someone has what is returned.
    fn file(&self) -> io::Result<Arc<dyn File>> {
        self.entry.was_used.store(true, Relaxed);
        self.entry.slot().open(&self.shared, &self.entry, false)
    }

    /// Does what changes the file.
    fn change<T>(&self, call: impl FnOnce(&dyn File) -> io::Result<T>) -> io::Result<T> {
        let file = self.file()?;
        let result = call(&*file);
        // Also after an error, which may have changed something. A sync that has begun before does not count.
        self.entry.changes.fetch_add(1, SeqCst);
        result
    }
}

impl File for FileOnDemand {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file()?.read_at(buffer, offset)
    }

    /// To open a file may take the disk, so one that is closed, or is being opened, is `WouldBlock`.
    fn read_cached_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.entry.was_used.store(true, Relaxed);
        let slot = self.entry.slot.try_lock();
        let file = slot.ok().and_then(|slot| slot.file.clone());
        let file = file.ok_or(ErrorKind::WouldBlock)?;
        file.read_cached_at(buffer, offset)
    }

    fn read_durable_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file()?.read_durable_at(buffer, offset)
    }

    fn write_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        self.change(|file| file.write_at(slices, offset))
    }

    fn sync(&self) -> io::Result<()> {
        let file = self.file()?;
        let changes = self.entry.changes.load(SeqCst);
        file.sync()?;
        self.entry.durable.fetch_max(changes, SeqCst);
        self.shared.give_turn_again(&self.entry);
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        self.file()?.length()
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.change(|file| file.set_length(length))
    }

    fn reserve(&self, offset: u64, length: u64) -> io::Result<()> {
        self.file()?.reserve(offset, length)
    }

    fn keep_open(&self) -> io::Result<Option<Arc<dyn File>>> {
        self.file().map(Some)
    }
}

impl Drop for FileOnDemand {
    fn drop(&mut self) {
        let mut slot = self.entry.slot();
        self.shared.names().remove(self.entry.number, &slot);
        // Who changes names may still look at it.
        slot.has_name = false;
        let file = slot.file.take();
        if file.is_some() {
            self.shared.closed(&self.entry);
        }
    }
}

impl fmt::Debug for FileOnDemand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slot = self.entry.slot();
        f.debug_struct("FileOnDemand")
            .field("path", &slot.path)
            .field("is_open", &slot.file.is_some())
            .finish_non_exhaustive()
    }
}
