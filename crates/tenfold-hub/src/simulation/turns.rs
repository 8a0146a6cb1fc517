//! Threads that take turns with the simulation's: while one runs, the other waits, so a run is still the same
//! each time. Such a thread can let time pass in the middle of a call.

use std::cell::RefCell;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::planted;
use super::random::{self, Random};
use super::time::{self, Moment};

/// A thread that takes turns.
#[derive(Debug)]
pub(crate) struct Turns {
    go: Option<Sender<Moment>>,
    back: Receiver<Turn>,
    thread: Option<JoinHandle<()>>,
}

/// How a turn has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Turn {
    /// The work was done once; what it has returned.
    Done(bool),
    /// It is in the middle of a call, which takes so long; whether other work of the log can be done meanwhile.
    Takes(Duration, bool),
}

/// The other side.
struct Side {
    go: Receiver<Moment>,
    back: Sender<Turn>,
}

thread_local! {
    static SIDE: RefCell<Option<Side>> = const { RefCell::new(None) };
}

impl Turns {
    /// A thread that does this work once each time it is asked.
    pub(crate) fn new(random: Random, mut work: impl FnMut() -> bool + Send + 'static) -> Self {
        let (go, asked) = channel();
        let (told, back) = channel();
        let mistakes = planted::made();
        let run = move || {
            random::begin(random);
            SIDE.set(Some(Side {
                go: asked,
                back: told,
            }));
            mistakes.make(|| {
                while next() {
                    let done = work();
                    tell(Turn::Done(done));
                }
            });
        };
        let thread = Builder::new().spawn(run).expect("a thread can be started");
        Self {
            go: Some(go),
            back,
            thread: Some(thread),
        }
    }

    /// Lets it have its turn.
    pub(crate) fn turn(&mut self) -> Turn {
        let go = self.go.as_ref().expect("it is there until it is dropped");
        let turn = go
            .send(time::now())
            .ok()
            .and_then(|()| self.back.recv().ok());
        turn.expect("a thread of the log has not panicked")
    }
}

impl Drop for Turns {
    fn drop(&mut self) {
        self.go = None;
        if let Some(thread) = self.thread.take() {
            // If it has panicked, the turn before has said so.
            let _ = thread.join();
        }
    }
}

/// Waits for the next turn of this thread. False: there is none.
fn next() -> bool {
    SIDE.with_borrow(|side| {
        let moment = side.as_ref().and_then(|side| side.go.recv().ok());
        moment.map(time::tell).is_some()
    })
}

fn tell(turn: Turn) {
    SIDE.with_borrow(|side| {
        if let Some(side) = side {
            // If nobody asks any more, there is no next turn.
            let _ = side.back.send(turn);
        }
    });
}

/// Lets time pass in the middle of a call. On the simulation's own thread it only counts as passed.
pub(crate) fn take(time: Duration, lets_others: bool) {
    if SIDE.with_borrow(Option::is_none) {
        return time::lag(time);
    }
    tell(Turn::Takes(time, lets_others));
    next();
}
