//! What `--between` shows, on its way to stdout. The threads that pass bytes on never wait for the
//! reader of stdout.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::failure::Failure;
use crate::flow::output::Stdout;
use crate::numbers::counted;

/// How many bytes may wait for the reader of stdout. Rows that come while there are more are counted, and
/// not shown.
const MOST: usize = 16 << 20;

/// How long the end of the command waits for the reader of stdout.
const PATIENCE: Duration = Duration::from_secs(2);

/// A queue of text, and the thread that writes it.
#[derive(Debug)]
pub(super) struct Shown {
    handover: Arc<Handover>,
    json: bool,
}

#[derive(Debug, Default)]
struct Handover {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Vec<u8>,
    is_writing: bool,
    /// Reads whose rows had no place, since the last that had.
    missed: u64,
    failed: Option<Failure>,
    /// The last has been queued.
    is_closed: bool,
}

impl Shown {
    /// Starts the thread.
    pub(super) fn start(stdout: Stdout, json: bool) -> Result<Self, Failure> {
        let handover = Arc::new(Handover::default());
        let writer = Arc::clone(&handover);
        thread::Builder::new()
            .name("tenfold-shown".to_owned())
            .spawn(move || writer.write(&stdout))
            .map_err(|error| Failure::Other(format!("cannot start a thread: {error}")))?;
        Ok(Self { handover, json })
    }

    /// Queues the rows of one read, and leaves them empty. Never waits for the reader.
    pub(super) fn put(&self, rows: &mut Vec<u8>) {
        let mut queue = self.handover.lock();
        if queue.waiting.len() + rows.len() > MOST {
            queue.missed += u64::from(!rows.is_empty());
        } else if !rows.is_empty() && !queue.is_closed {
            self.append(&mut queue, rows);
        }
        drop(queue);
        rows.clear();
    }

    /// Queues the last rows, whatever waits already. None come after them.
    pub(super) fn close(&self, rows: &mut Vec<u8>) {
        let mut queue = self.handover.lock();
        self.append(&mut queue, rows);
        queue.is_closed = true;
    }

    fn append(&self, queue: &mut Queue, rows: &mut Vec<u8>) {
        let notice = self.notice(std::mem::take(&mut queue.missed));
        queue.waiting.extend_from_slice(notice.as_bytes());
        queue.waiting.append(rows);
        self.handover.changed.notify_all();
    }

    /// Whether stdout has failed, so that nothing can be shown any more.
    pub(super) fn has_failed(&self) -> bool {
        self.handover.lock().failed.is_some()
    }

    /// Waits until everything is written, but not for long.
    pub(super) fn finish(&self) -> Result<(), Failure> {
        let queue = self.handover.lock();
        let is_busy = |queue: &mut Queue| {
            queue.failed.is_none() && (queue.is_writing || !queue.waiting.is_empty())
        };
        let waited = self
            .handover
            .changed
            .wait_timeout_while(queue, PATIENCE, is_busy);
        let (mut queue, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        match queue.failed.take() {
            Some(failure) => Err(failure),
            None if timeout.timed_out() => Err(Failure::Other(
                "not everything was shown: nobody takes what is written to stdout".to_owned(),
            )),
            None => Ok(()),
        }
    }

    /// Says that something is missing here.
    fn notice(&self, missed: u64) -> String {
        match missed {
            0 => String::new(),
            _ if self.json => format!("{}\n", json!({ "not_shown": { "reads": missed } })),
            _ => format!(
                "  (what {} brought was passed on and is not shown: nobody took the rows)\n",
                counted(missed, "read")
            ),
        }
    }
}

impl Handover {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes whatever is queued, until that fails.
    fn write(&self, stdout: &Stdout) {
        loop {
            let queue = self.lock();
            let waited = self
                .changed
                .wait_while(queue, |queue| queue.waiting.is_empty());
            let mut queue = waited.unwrap_or_else(PoisonError::into_inner);
            let batch = std::mem::take(&mut queue.waiting);
            queue.is_writing = true;
            drop(queue);
            let written = stdout.write(&batch);
            let mut queue = self.lock();
            queue.is_writing = false;
            queue.failed = written.err();
            let is_over = queue.failed.is_some();
            drop(queue);
            self.changed.notify_all();
            if is_over {
                return;
            }
        }
    }
}
