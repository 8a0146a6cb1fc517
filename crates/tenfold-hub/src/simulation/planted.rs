//! Mistakes on purpose, which the simulation must find.

use std::cell::Cell;

/// A mistake that a developer of this crate could make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// Messages are acknowledged when they are on disk, and shown when they are in the files.
    AckBeforeVisible,
    /// What was accepted after a block that was refused is committed.
    CommitBehindRefused,
    /// Messages that are refused get seqs in the tail, which the next ones get on the disk.
    CountRefused,
}

thread_local! {
    static MADE: Cell<Mistakes> = const { Cell::new(Mistakes { of_hub: None, of_log: None }) };
}

/// The mistakes that are made.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mistakes {
    pub(crate) of_hub: Option<Mistake>,
    pub(crate) of_log: Option<tenfold_log::planted::Mistake>,
}

/// Whether this mistake is made on this thread.
pub(crate) fn is(mistake: Mistake) -> bool {
    MADE.get().of_hub == Some(mistake)
}

/// The mistakes that are made on this thread.
pub(crate) fn made() -> Mistakes {
    MADE.get()
}

impl Mistakes {
    /// Makes the mistakes on this thread for as long as `run` takes.
    pub(crate) fn make<T>(self, run: impl FnOnce() -> T) -> T {
        struct End(Mistakes);
        impl Drop for End {
            fn drop(&mut self) {
                MADE.set(self.0);
            }
        }
        let _end = End(MADE.replace(self));
        match self.of_log {
            Some(mistake) => tenfold_log::planted::make(mistake, run),
            None => run(),
        }
    }
}
