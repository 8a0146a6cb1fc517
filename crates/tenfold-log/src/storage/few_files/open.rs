//! Which files are open, and which one is closed next.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, MutexGuard, PoisonError};

use super::super::{Failed, is_out_of_files};
use super::Shared;
use super::file::{Closing, Entry};

/// The files that are open.
///
/// Those that may be closed wait in turn. One whose turn has come gets another turn if it was used since. One
/// that was written leaves the turns, until it is synced.
#[derive(Debug, Default)]
pub(super) struct OpenOnes {
    count: usize,
    turns: BTreeMap<u64, Arc<Entry>>,
    /// The last turn that was given. The first one is 1: 0 stands for none.
    last: u64,
}

impl OpenOnes {
    fn give_turn(&mut self, entry: &Arc<Entry>) {
        self.last += 1;
        entry.turn.store(self.last, Relaxed);
        self.turns.insert(self.last, Arc::clone(entry));
    }

    fn take_next(&mut self) -> Option<Arc<Entry>> {
        let (_, entry) = self.turns.pop_first()?;
        entry.turn.store(0, Relaxed);
        Some(entry)
    }
}

impl Shared {
    /// To be locked after a file's slot, if both are needed.
    fn open_ones(&self) -> MutexGuard<'_, OpenOnes> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a file is open.
    pub(super) fn opened(&self, entry: &Arc<Entry>) {
        let mut open = self.open_ones();
        open.count += 1;
        open.give_turn(entry);
    }

    /// Notes that a file that was open is closed.
    pub(super) fn closed(&self, entry: &Entry) {
        let mut open = self.open_ones();
        open.count -= 1;
        open.turns.remove(&entry.turn.load(Relaxed));
    }

    /// Lets a file be closed again that has left the turns. It is open.
    pub(super) fn give_turn_again(&self, entry: &Arc<Entry>) {
        let mut open = self.open_ones();
        if entry.turn.load(Relaxed) == 0 {
            open.give_turn(entry);
        }
    }

    /// Makes a call that opens a file or a directory, and closes others for it: those that are too many, and
    /// those for whose descriptors the system has none left.
    pub(super) fn with_room<T>(&self, call: impl Fn() -> io::Result<T>) -> io::Result<T> {
        while self.open_ones().count >= self.most && self.close_one() {}
        loop {
            match call() {
                Err(error) if has_opened_nothing(&error) && self.close_one() => {}
                result => return result,
            }
        }
    }

    /// Closes the file that was not used for about the longest time. False: none may be closed.
    fn close_one(&self) -> bool {
        let mut open = self.open_ones();
        // In the second round none was used since the first, but for those that are in use right now.
        for _ in 0..2 * open.turns.len() {
            let Some(entry) = open.take_next() else {
                break;
            };
            match entry.close() {
                Closing::Closed(file) => {
                    open.count -= 1;
                    drop(open);
                    drop(file);
                    return true;
                }
                Closing::IsUsed => open.give_turn(&entry),
                Closing::HasToStay => {}
            }
        }
        false
    }
}

/// Whether a call could not even begin, because the process or the system has too many files open. A sync that
/// has failed is never repeated, whatever the number of its error says.
fn has_opened_nothing(error: &io::Error) -> bool {
    let is_sync = |failed: &Failed| matches!(failed.call, "fsync" | "fdatasync");
    is_out_of_files(error) && !Failed::of(error).is_some_and(is_sync)
}
