//! stderr, which may be slow, full or gone: what is said there never holds up what a command does.
//!
//! A command that ends soon writes directly. A command that serves others [detaches](detach) stderr
//! first: from then on a thread of its own does the writing, and a bounded queue is between the two. A
//! line that finds the queue full is dropped and counted. As soon as something can be written again, a
//! line says how many are missing.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

/// How much waits to be written, in bytes: some thousand lines, which is what a hub says in a burst.
const MOST: usize = 1 << 20;
/// How long the end of a command waits for what is still to be written.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a command that is ready waits for what it has said before.
const SETTLED_WITHIN: Duration = Duration::from_millis(100);

static DETACHED: OnceLock<Queue> = OnceLock::new();

/// Takes what would be written.
type Diversion = Box<dyn Fn(&str) + Send>;

static DIVERTED: Mutex<Option<Diversion>> = Mutex::new(None);

/// From now on `take` gets what would be written, until [`undivert`]: a line that is being typed on the same
/// terminal must not be torn.
pub(crate) fn divert(take: impl Fn(&str) + Send + 'static) {
    *DIVERTED.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(take));
}

/// The opposite of [`divert`].
pub(crate) fn undivert() {
    *DIVERTED.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// From now on no write to stderr is waited for.
pub(crate) fn detach() {
    if DETACHED.get().is_none() && DETACHED.set(Queue::new(MOST)).is_ok() {
        let write = || {
            if let Some(queue) = DETACHED.get() {
                queue.drain(&mut io::stderr());
            }
        };
        let spawned = thread::Builder::new()
            .name("stderr".to_owned())
            .spawn(write);
        // Without the thread nothing is said. The reason cannot be said either.
        drop(spawned);
    }
}

/// Writes text, in one piece, so that lines of several processes do not mix. If stderr is gone, there is
/// no place left to say so.
pub(crate) fn write(text: &str) {
    let diverted = DIVERTED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(take) = diverted.as_ref() {
        return take(text);
    }
    drop(diverted);
    match DETACHED.get() {
        Some(queue) => queue.push(text.as_bytes()),
        None => drop(io::stderr().write_all(text.as_bytes())),
    }
}

/// Waits a moment for what is still to be written. To be called at the end of the process.
pub(crate) fn flush() {
    if let Some(queue) = DETACHED.get() {
        queue.wait_until_empty(PATIENCE);
    }
}

/// Waits until what was said so far is written, but not for a stderr that is slow: whoever waits for a command to be
/// ready, and then reads what it has said, finds it there.
pub(crate) fn settle() {
    if let Some(queue) = DETACHED.get() {
        queue.wait_until_empty(SETTLED_WITHIN);
    }
}

/// Text that waits for a thread to write it.
#[derive(Debug)]
struct Queue {
    most: usize,
    state: Mutex<State>,
    /// Text has come.
    come: Condvar,
    /// Everything is written.
    empty: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Pieces of text that were dropped since the last one that was written.
    dropped: u64,
    is_writing: bool,
}

impl Queue {
    fn new(most: usize) -> Self {
        Self {
            most,
            state: Mutex::default(),
            come: Condvar::new(),
            empty: Condvar::new(),
        }
    }

    fn push(&self, text: &[u8]) {
        let mut state = self.lock();
        if state.bytes + text.len() > self.most {
            state.dropped += 1;
            return;
        }
        state.bytes += text.len();
        state.waiting.push_back(text.to_vec());
        drop(state);
        self.come.notify_one();
    }

    /// Writes what comes, forever.
    fn drain(&self, into: &mut impl Write) {
        loop {
            self.write_next(into);
        }
    }

    /// Waits for text and writes it, after a line that says what is missing.
    fn write_next(&self, into: &mut impl Write) {
        let waited = self
            .come
            .wait_while(self.lock(), |state| state.waiting.is_empty());
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        let dropped = std::mem::take(&mut state.dropped);
        let text = state.waiting.pop_front().unwrap_or_default();
        state.bytes -= text.len();
        state.is_writing = true;
        drop(state);
        let mut lost = 0;
        if dropped > 0 && into.write_all(missing(dropped).as_bytes()).is_err() {
            lost = dropped;
        }
        lost += u64::from(into.write_all(&text).is_err());
        let mut state = self.lock();
        state.dropped += lost;
        state.is_writing = false;
        if state.waiting.is_empty() {
            self.empty.notify_all();
        }
    }

    fn wait_until_empty(&self, patience: Duration) {
        let is_busy = |state: &mut State| !state.waiting.is_empty() || state.is_writing;
        drop(
            self.empty
                .wait_timeout_while(self.lock(), patience, is_busy),
        );
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn missing(lines: u64) -> String {
    format!("tenfold: warning: {lines} lines are missing here: stderr could not be written\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails as often as it is told to, and keeps the rest.
    #[derive(Default)]
    struct Sink {
        failures: usize,
        text: Vec<u8>,
    }

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.failures > 0 {
                self.failures -= 1;
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.text.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn text(sink: &Sink) -> &str {
        str::from_utf8(&sink.text).unwrap()
    }

    #[test]
    fn what_finds_no_place_is_dropped_and_its_number_is_said_first() {
        let (queue, mut sink) = (Queue::new(9), Sink::default());
        for line in ["one\n", "two\n", "three\n", "four\n"] {
            queue.push(line.as_bytes());
        }
        queue.write_next(&mut sink);
        assert_eq!(text(&sink), format!("{}one\n", missing(2)));
        queue.push(b"five\n");
        queue.write_next(&mut sink);
        queue.write_next(&mut sink);
        assert!(text(&sink).ends_with("one\ntwo\nfive\n"), "{}", text(&sink));
    }

    #[test]
    fn what_could_not_be_written_is_told_with_the_next_line() {
        let queue = Queue::new(100);
        let mut sink = Sink {
            failures: 1,
            ..Sink::default()
        };
        queue.push(b"lost\n");
        thread::scope(|scope| {
            scope.spawn(|| {
                queue.write_next(&mut sink);
                queue.write_next(&mut sink);
            });
            queue.wait_until_empty(Duration::from_secs(60));
            queue.push(b"seen\n");
        });
        assert_eq!(text(&sink), format!("{}seen\n", missing(1)));
    }
}
