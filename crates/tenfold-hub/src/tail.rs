//! The newest part of a channel, shared by publishers and subscribers.

use std::fmt;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tenfold_log::Refused;
use tokio::time::Instant;

use crate::block::Block;
use crate::change::Change;
use crate::claim::{Claim, Fenced};
use crate::idle::{Idle, IdleList};
use crate::ledger::{Count, Keep, Ledger};
use crate::when_slow::WhenSlow;

/// A bounded deque of blocks. Clones are handles to the same tail.
///
/// Appending wakes the cursors that wait at the end once per block, not per message. How many
/// blocks are kept, and at whose cost, is decided in one place, by the capacity and
/// [`WhenSlow`].
///
/// ```
/// use tenfold_hub::{Block, Look, Start, Tail, WhenSlow};
///
/// let tail = Tail::new(1024 * 1024, WhenSlow::Skip);
/// let mut cursor = tail.cursor(Start::Next);
/// tail.append_blocking(Block::new("5         hello", 1))?;
///
/// let mut blocks = Vec::new();
/// assert_eq!(cursor.peek(&mut blocks), Look::Blocks);
/// assert_eq!(&blocks[0].bytes()[..], b"5         hello");
/// cursor.advance(&blocks);
/// assert_eq!(cursor.peek(&mut blocks), Look::CaughtUp);
/// # Ok::<(), tenfold_hub::Closed>(())
/// ```
#[derive(Clone, Debug)]
pub struct Tail {
    state: Arc<TailState>,
}

#[derive(Debug)]
struct TailState {
    ledger: Mutex<Ledger>,
    appended: Change,
    idle: IdleList,
    ending: Change,
    room: Change,
    /// The same as `room`, for appending from a plain thread.
    room_for_threads: Condvar,
    /// What all tails of a hub keep together, in bytes.
    total: Arc<AtomicUsize>,
}

/// The tail was closed: nothing can be appended any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the tail is closed")
    }
}

impl std::error::Error for Closed {}

/// Why a block was not appended for a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotAppended {
    /// Another connection has the claim now.
    Fenced,
    /// Something before it could not be kept.
    Refused(Refused),
    /// The channel is being deleted.
    Deleted,
    /// The tail was closed.
    Closed,
}

impl From<Fenced> for NotAppended {
    fn from(_: Fenced) -> Self {
        Self::Fenced
    }
}

impl From<Closed> for NotAppended {
    fn from(_: Closed) -> Self {
        Self::Closed
    }
}

impl Drop for TailState {
    fn drop(&mut self) {
        let ledger = self.ledger.get_mut();
        let kept = ledger.unwrap_or_else(PoisonError::into_inner).cost();
        self.total.fetch_sub(kept, Relaxed);
    }
}

impl Tail {
    /// An empty tail that keeps at most `capacity` bytes, or one block if that alone is larger.
    /// Each block counts as its bytes and a fixed overhead.
    ///
    /// Blocks that every cursor has begun to send are not kept.
    pub fn new(capacity: usize, when_slow: WhenSlow) -> Self {
        Self::with_ledger(
            Ledger::new(capacity, when_slow, Keep::Unsent),
            Arc::default(),
        )
    }

    /// A tail that keeps what it can, also for cursors to come, and adds what it keeps to `total`.
    pub(crate) fn keeping(capacity: usize, when_slow: WhenSlow, total: Arc<AtomicUsize>) -> Self {
        Self::with_ledger(Ledger::new(capacity, when_slow, Keep::All), total)
    }

    /// [`keeping`](Self::keeping), after messages that are kept elsewhere: up to `next`, the last of
    /// them from `newest`, with so many of each producer. It never waits, because a cursor that is passed goes on there.
    pub(crate) fn following(
        next: u64,
        newest: SystemTime,
        counts: Box<[Count]>,
        capacity: usize,
        total: Arc<AtomicUsize>,
    ) -> Self {
        let mut ledger = Ledger::new(capacity, WhenSlow::Close, Keep::All);
        ledger.begin_at(next, newest);
        ledger.note_counts(counts);
        Self::with_ledger(ledger, total)
    }

    fn with_ledger(ledger: Ledger, total: Arc<AtomicUsize>) -> Self {
        Self {
            state: Arc::new(TailState {
                ledger: Mutex::new(ledger),
                appended: Change::default(),
                idle: IdleList::default(),
                ending: Change::default(),
                room: Change::default(),
                room_for_threads: Condvar::new(),
                total,
            }),
        }
    }

    /// Appends a block and returns the seq of its first message. With [`WhenSlow::Wait`] this
    /// waits for slow cursors, with the other policies never.
    ///
    /// Cancel-safe: a call that is dropped before it is ready has appended nothing.
    pub async fn append(&self, block: Block) -> Result<u64, Closed> {
        let first_seq = self
            .append_with(block, |ledger, block, patience| {
                try_append(ledger, block, UNIX_EPOCH, patience)
            })
            .await?;
        self.state.idle.wake_all();
        Ok(first_seq)
    }

    /// Appends for a claim, which is looked at and counted in one step with appending. Subscribers
    /// that wait at the end are left to [`deliver`](Self::deliver), so that the publisher's task can
    /// send the acknowledgement first.
    pub(crate) async fn append_for(
        &self,
        claim: &Claim,
        block: Block,
        time: SystemTime,
    ) -> Result<u64, NotAppended> {
        self.append_with(block, |ledger, block, patience| {
            claim.check()?;
            let (messages, bytes) = (block.messages(), block.bytes().len());
            let tried = try_append(ledger, block, time, patience)?;
            if tried.is_ok() {
                claim.count_bytes(bytes);
                claim.commit(messages);
            }
            Ok(tried)
        })
        .await
    }

    /// Appends what was committed elsewhere, and what may not be dropped before it is
    /// [written](Self::written). A tail that is closed is left as it is. Subscribers that wait at the
    /// end are left to [`wake`](Self::wake).
    pub(crate) fn show(&self, block: Block, time: SystemTime, counts: Box<[Count]>) {
        self.change(Woken::ByAppender, |ledger| {
            if !ledger.is_closed() {
                // Not being patient, it does not refuse.
                let _ = ledger.append(block, time, false);
                ledger.note_counts(counts);
            }
        });
    }

    /// Wakes the subscribers that wait at the end.
    pub(crate) fn wake(&self) {
        self.state.idle.wake_all();
    }

    /// Notes that the channel's files have the messages up to a seq.
    pub(crate) fn written(&self, seq: u64) {
        self.with(|ledger| ledger.written(seq));
    }

    async fn append_with<E>(
        &self,
        mut block: Block,
        mut attempt: impl FnMut(&mut Ledger, Block, &mut Patience) -> Result<Result<u64, Block>, E>,
    ) -> Result<u64, E> {
        let mut patience = Patience::default();
        let once = || {
            let given = mem::take(&mut block);
            let tried = self.change(Woken::ByAppender, |ledger| {
                attempt(ledger, given, &mut patience)
            });
            match tried {
                Ok(Ok(first_seq)) => Ok(Ok(first_seq)),
                Ok(Err(refused)) => {
                    block = refused;
                    Err(patience.left())
                }
                Err(error) => Ok(Err(error)),
            }
        };
        self.state.room.attempt(once).await
    }

    /// [`append`](Self::append) for a plain thread, such as one that reads a file. It blocks the
    /// thread, so it must not be called from a task.
    pub fn append_blocking(&self, mut block: Block) -> Result<u64, Closed> {
        let mut patience = Patience::default();
        let mut ledger = self.lock();
        loop {
            match try_append(&mut ledger, block, UNIX_EPOCH, &mut patience)? {
                Ok(first_seq) => {
                    self.settle(ledger, Woken::Now);
                    return Ok(first_seq);
                }
                Err(refused) => block = refused,
            }
            ledger = self
                .state
                .room_for_threads
                .wait_timeout(ledger, patience.left())
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Says that the source has ended: nothing can be appended any more, and cursors end when
    /// they have taken what is kept.
    pub fn close(&self) {
        self.with(Ledger::close);
    }

    /// How many messages were appended so far, which is the seq of the next one.
    pub fn next_seq(&self) -> u64 {
        self.lock().next_seq()
    }

    /// Frees at least so many bytes of the oldest blocks, under whatever cursors stand at them.
    pub(crate) fn trim(&self, bytes: usize) {
        self.with(|ledger| ledger.trim(bytes));
    }

    /// How much [`trim`](Self::trim) could free, in bytes.
    pub(crate) fn trimmable(&self) -> usize {
        self.lock().trimmable()
    }

    /// What the kept blocks take from the capacity, in bytes.
    pub fn kept(&self) -> usize {
        self.lock().cost()
    }

    /// Waits until `met` holds, looking again after each append and at the close.
    pub(crate) async fn until_appended(&self, met: impl Fn(&Ledger) -> bool) {
        self.state.appended.until(|| met(&self.lock())).await;
    }

    /// Waits, without a cursor, until there is a message from a seq on; false if there will be none.
    pub(crate) async fn until_after(&self, seq: u64) -> bool {
        let has = || self.lock().has_after(seq);
        self.state.appended.until(has).await;
        self.next_seq() > seq
    }

    /// Waits until `met` holds, looking again when a cursor is passed and at the close.
    pub(crate) async fn until_ending(&self, met: impl Fn(&Ledger) -> bool) {
        self.state.ending.until(|| met(&self.lock())).await;
    }

    /// Changes the ledger under the lock, and does what follows from it after the lock.
    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut Ledger) -> T) -> T {
        self.change(Woken::Now, change)
    }

    fn change<T>(&self, woken: Woken, change: impl FnOnce(&mut Ledger) -> T) -> T {
        let mut ledger = self.lock();
        let result = change(&mut ledger);
        self.settle(ledger, woken);
        result
    }

    /// Notes a subscriber that waits at the end: the next append serves it, or wakes it.
    pub(crate) fn enlist(&self, idle: Weak<dyn Idle>) {
        self.state.idle.enlist(idle);
    }

    /// Brings what was appended, the last block of so many bytes, to the subscribers that wait at the
    /// end.
    pub(crate) fn deliver(&self, bytes: usize) {
        self.state.idle.deliver(bytes, || self.lock().end());
    }

    fn settle(&self, mut ledger: MutexGuard<'_, Ledger>, woken: Woken) {
        let effects = ledger.take_effects();
        if effects.cost != 0 {
            // Adding the two's complement is how an unsigned counter goes down; under the lock, so
            // that nothing is taken off before it was added.
            let change = effects.cost.cast_unsigned();
            self.state.total.fetch_add(change, Relaxed);
        }
        drop(ledger);
        if effects.appended {
            self.state.appended.tell();
            if woken == Woken::Now {
                self.state.idle.wake_all();
            }
        }
        if effects.ending {
            self.state.ending.tell();
        }
        if effects.room {
            self.state.room.tell();
            self.state.room_for_threads.notify_all();
        }
    }

    /// A panic while the lock is held is a bug in the bookkeeping; other subscribers are better
    /// served by going on than by panicking too.
    fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.state
            .ledger
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// When the subscribers that wait at the end are woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Woken {
    Now,
    /// By the task that appends, after it has sent its acknowledgement.
    ByAppender,
}

/// When an append stops waiting for slow cursors. The clock starts when it first has to.
#[derive(Default)]
struct Patience {
    until: Option<Instant>,
}

impl Patience {
    fn is_over(&self) -> bool {
        self.until.is_some_and(|until| until <= Instant::now())
    }

    fn starts(&mut self, limit: Duration) {
        self.until.get_or_insert_with(|| Instant::now() + limit);
    }

    fn left(&self) -> Duration {
        self.until.map_or(Duration::ZERO, |until| {
            until.saturating_duration_since(Instant::now())
        })
    }
}

fn try_append(
    ledger: &mut Ledger,
    block: Block,
    time: SystemTime,
    patience: &mut Patience,
) -> Result<Result<u64, Block>, Closed> {
    if ledger.is_closed() {
        return Err(Closed);
    }
    let tried = ledger.append(block, time, !patience.is_over());
    if let (Err(_), WhenSlow::Wait(limit)) = (&tried, ledger.when_slow()) {
        patience.starts(limit);
    }
    Ok(tried)
}
