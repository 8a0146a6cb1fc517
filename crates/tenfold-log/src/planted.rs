//! Mistakes on purpose. Each of them must make a test fail: `tests/durability/planted.rs` of this crate says so, or the
//! simulation of the hub.

use std::cell::Cell;

/// A mistake that a developer of this crate could make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mistake {
    /// A batch is acknowledged without a sync of the journal.
    AckBeforeSync,
    /// Names are not made durable.
    SkipDirectorySync,
    /// A sync that failed is repeated, and believed.
    RetryFailedSync,
    /// The journal is written on after an error.
    AppendAfterError,
    /// Retention forgets the producers.
    DropProducerCounts,
    /// Bytes are served unchecked.
    SkipCrc,
    /// A batch is written without space reserved for its index entries.
    SkipIndexReservation,
    /// Recovery cuts the journal at a damaged batch, whatever stands after it.
    CutAtDamage,
    /// Recovery writes into the files that are there.
    ReplayInPlace,
    /// Recovery gives seqs again that were given before.
    ReuseSeq,
    /// An epoch of an earlier start is good however far it is.
    EndlessEpochs,
    /// Deleting a channel removes its files where they are.
    DeleteInPlace,
    /// A file that was written and not synced is closed, and opened again later.
    CloseUnsynced,
    /// The files of a deleted channel are removed without a mark.
    RemoveUnmarked,
    /// Recovery takes headers with leading zeros for headers.
    LenientHeader,
    /// A start has the epochs of the one before.
    KeepEpoch,
    /// A start forgets the producers.
    ForgetProducers,
}

thread_local! {
    static MADE: Cell<Option<Mistake>> = const { Cell::new(None) };
}

/// Whether this mistake is made on this thread.
pub(crate) fn is(mistake: Mistake) -> bool {
    MADE.get() == Some(mistake)
}

/// Makes a mistake on this thread for as long as `run` takes.
pub fn make<T>(mistake: Mistake, run: impl FnOnce() -> T) -> T {
    /// Ends it, also if `run` panics.
    struct End;
    impl Drop for End {
        fn drop(&mut self) {
            MADE.set(None);
        }
    }
    MADE.set(Some(mistake));
    let _end = End;
    run()
}
