//! What the threads that read have seen, for the one that waits.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::seen::Seen;

/// What is watched while a case runs: by the threads that read, and by the one that waits.
#[derive(Debug, Default)]
pub(super) struct Watch {
    state: Mutex<State>,
    changed: Condvar,
}

/// Bytes that a program may print beside what it prints for each message.
const BESIDE: u64 = 256 << 10;

/// What is known of the case that runs.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) seen: Seen,
    /// The program's output has ended.
    pub(super) output_ended: bool,
    /// The program has closed its side of the connection.
    pub(super) peer_ended: bool,
    /// Why what came over the connection could not be read.
    pub(super) bad_stream: Option<String>,
    /// Bytes that came in this case, from anywhere.
    pub(super) progress: u64,
    /// How much had come when the program had received all of the case.
    received_at: Option<u64>,
    /// Which start of the program it is, and which connection: what earlier ones still have to say is late.
    run: u64,
    connection: u64,
}

impl State {
    /// Whether more came than any program has to say.
    pub(super) fn floods(&self) -> bool {
        self.progress > self.received_at.unwrap_or_else(|| self.seen.most()) + BESIDE
    }
}

impl Watch {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A case begins.
    pub(super) fn begin(&self, seen: Seen) {
        let mut state = self.state();
        state.seen = seen;
        state.progress = 0;
        state.bad_stream = None;
        state.received_at = None;
    }

    /// The program has received all of the case.
    pub(super) fn all_is_received(&self) {
        let mut state = self.state();
        state.received_at = Some(state.progress);
    }

    /// The program is started; gives the number of this start.
    pub(super) fn begin_run(&self) -> u64 {
        let mut state = self.state();
        state.run += 1;
        state.output_ended = false;
        state.run
    }

    /// There is a new connection; gives its number.
    pub(super) fn begin_connection(&self) -> u64 {
        let mut state = self.state();
        state.connection += 1;
        state.peer_ended = false;
        state.connection
    }

    /// Changes what is known, if it is told by the program that runs now, and wakes the one that waits.
    pub(super) fn of_run(&self, run: u64, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        if state.run == run {
            change(&mut state);
            self.changed.notify_all();
        }
    }

    /// The same for what comes over the connection.
    pub(super) fn of_connection(&self, connection: u64, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        if state.connection == connection {
            change(&mut state);
            self.changed.notify_all();
        }
    }

    /// Waits until the condition holds; false if nothing has come for as long as `patience`, or much more
    /// has than any program has to say.
    pub(super) fn wait(&self, patience: Duration, is_done: impl Fn(&State) -> bool) -> bool {
        let mut state = self.state();
        let mut progress = state.progress;
        let mut since = Instant::now();
        let end = since + patience * LONGEST;
        loop {
            if is_done(&state) {
                return true;
            }
            if state.progress != progress {
                progress = state.progress;
                since = Instant::now();
            }
            let left = (since + patience)
                .min(end)
                .saturating_duration_since(Instant::now());
            if left.is_zero() || state.floods() {
                return false;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// A program that goes on printing gets this many times the patience, and no more.
const LONGEST: u32 = 10;
