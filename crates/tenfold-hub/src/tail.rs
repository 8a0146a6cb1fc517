//! The newest part of a channel, shared by those who append and those who read.

use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::cursor::{Cursor, Start};
use crate::window::Window;
use crate::{Block, WhenSlow};

/// A bounded deque of blocks. Clones are handles to the same tail.
///
/// Appending wakes the cursors that wait at the end once per block, not per message. How many
/// blocks are kept, and at whose cost, is decided in one place, by the capacity and
/// [`WhenSlow`].
#[derive(Clone, Debug)]
pub struct Tail {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    window: Mutex<Window>,
    appended: Notify,
    ending: Notify,
    room: Notify,
    /// The same as `room`, for those who append from a plain thread.
    room_for_threads: Condvar,
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

impl Tail {
    /// An empty tail that keeps at most `capacity` bytes, or one block if that alone is larger.
    /// Each block counts as its bytes and a fixed overhead.
    pub fn new(capacity: usize, when_slow: WhenSlow) -> Self {
        Self {
            shared: Arc::new(Shared {
                window: Mutex::new(Window::new(capacity, when_slow)),
                appended: Notify::new(),
                ending: Notify::new(),
                room: Notify::new(),
                room_for_threads: Condvar::new(),
            }),
        }
    }

    /// Appends a block and returns the seq of its first message. With [`WhenSlow::Wait`] this
    /// waits for slow cursors, with the other policies never.
    ///
    /// Cancel-safe: a call that is dropped before it is ready has appended nothing.
    pub async fn append(&self, mut block: Block) -> Result<u64, Closed> {
        let mut patience = Patience::default();
        loop {
            let mut room = pin!(self.shared.room.notified());
            room.as_mut().enable();
            let tried = self.with(|window| try_append(window, block, &mut patience))?;
            match tried {
                Ok(first_seq) => return Ok(first_seq),
                Err(refused) => block = refused,
            }
            // Whether room came or time ran out is seen at the next try.
            let _ = tokio::time::timeout(patience.left(), room).await;
        }
    }

    /// [`append`](Self::append) for a plain thread, such as one that reads a file. It blocks the
    /// thread, so it must not be called from a task.
    pub fn append_blocking(&self, mut block: Block) -> Result<u64, Closed> {
        let mut patience = Patience::default();
        let mut window = self.lock();
        loop {
            match try_append(&mut window, block, &mut patience)? {
                Ok(first_seq) => {
                    self.settle(window);
                    return Ok(first_seq);
                }
                Err(refused) => block = refused,
            }
            window = self
                .shared
                .room_for_threads
                .wait_timeout(window, patience.left())
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Says that the source has ended: nothing can be appended any more, and cursors end when
    /// they have taken what is kept.
    pub fn close(&self) {
        self.with(Window::close);
    }

    /// A new cursor.
    pub fn cursor(&self, start: Start) -> Cursor {
        Cursor::new(self.clone(), start)
    }

    /// How many messages were appended so far, which is the seq of the next one.
    pub fn next_seq(&self) -> u64 {
        self.lock().next_seq()
    }

    /// What the kept blocks take from the capacity, in bytes.
    pub fn kept(&self) -> usize {
        self.lock().cost()
    }

    /// Waits until `met` holds, looking again after each append and at the close.
    pub(crate) async fn until_appended(&self, met: impl Fn(&Window) -> bool) {
        until(&self.shared.appended, || met(&self.lock())).await;
    }

    /// Waits until `met` holds, looking again when a cursor is passed and at the close.
    pub(crate) async fn until_ending(&self, met: impl Fn(&Window) -> bool) {
        until(&self.shared.ending, || met(&self.lock())).await;
    }

    /// Changes the window under the lock, and does what follows from it after the lock.
    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut Window) -> T) -> T {
        let mut window = self.lock();
        let result = change(&mut window);
        self.settle(window);
        result
    }

    fn settle(&self, mut window: MutexGuard<'_, Window>) {
        let effects = window.take_effects();
        drop(window);
        if effects.appended {
            self.shared.appended.notify_waiters();
        }
        if effects.ending {
            self.shared.ending.notify_waiters();
        }
        if effects.room {
            self.shared.room.notify_waiters();
            self.shared.room_for_threads.notify_all();
        }
    }

    /// A panic while the lock is held is a bug in the bookkeeping; other subscribers are better
    /// served by going on than by panicking too.
    fn lock(&self) -> MutexGuard<'_, Window> {
        self.shared
            .window
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
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
    window: &mut Window,
    block: Block,
    patience: &mut Patience,
) -> Result<Result<u64, Block>, Closed> {
    if window.is_closed() {
        return Err(Closed);
    }
    let tried = window.append(block, !patience.is_over());
    if let (Err(_), WhenSlow::Wait(limit)) = (&tried, window.when_slow()) {
        patience.starts(limit);
    }
    Ok(tried)
}

/// Waits for a condition that only changes before `changed` is notified.
async fn until(changed: &Notify, met: impl Fn() -> bool) {
    let mut notified = pin!(changed.notified());
    loop {
        // Enlisted before looking, so that no change falls between the two.
        notified.as_mut().enable();
        if met() {
            return;
        }
        notified.as_mut().await;
        notified.set(changed.notified());
    }
}
