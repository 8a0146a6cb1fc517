//! SIGINT and SIGTERM: finish what is being written, then end.

use std::process;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use tenfold::SocketFile;
use tokio::sync::watch;

use crate::failure::Failure;

/// A signal that asks to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// SIGINT: a person pressed ctrl-c.
    Interrupt,
    /// SIGTERM: a supervisor wants an orderly end.
    Terminate,
}

/// Held while something is written that must not be torn.
static WRITING: Mutex<()> = Mutex::new(());

/// Files that a process would leave there if it ended without dropping anything.
static LEFT_BEHIND: Mutex<Vec<SocketFile>> = Mutex::new(Vec::new());

/// How long a signal waits for a write that does not end, because its reader takes no bytes.
const PATIENCE: Duration = Duration::from_secs(1);

/// The first signal, for a loop that looks and for a task that waits. The second one ends the process at
/// once.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Receiver<Option<Signal>>);

impl Stop {
    /// Begins to watch for signals.
    pub(crate) fn watch() -> Result<Self, Failure> {
        let (came, stop) = watch::channel(None);
        on_first(move |signal| {
            came.send_replace(Some(signal));
        })?;
        Ok(Self(stop))
    }

    /// The same for a command that may wait for what never comes: if it has not ended soon after the
    /// signal, the process ends.
    pub(crate) fn watch_and_end_soon() -> Result<Self, Failure> {
        let (came, stop) = watch::channel(None);
        on_first(move |signal| {
            came.send_replace(Some(signal));
            thread::sleep(PATIENCE);
            process::exit(match signal {
                Signal::Interrupt => i32::from(Failure::Interrupted.code()),
                Signal::Terminate => 1,
            })
        })?;
        Ok(Self(stop))
    }

    /// The signal that came, if one did.
    pub(crate) fn signal(&self) -> Option<Signal> {
        *self.0.borrow()
    }

    /// Whether a signal came.
    pub(crate) fn came(&self) -> bool {
        self.signal().is_some()
    }

    /// Waits for the signal. A wait that is given up loses nothing.
    pub(crate) async fn wait(&mut self) -> Signal {
        let came = self.0.wait_for(Option::is_some).await.map(|signal| *signal);
        match came {
            Ok(signal) => signal.unwrap_or(Signal::Terminate),
            // The thread that watches has gone without a signal: none will come.
            Err(_) => std::future::pending().await,
        }
    }

    /// How a command ends that has said everything: to be interrupted is a failure.
    pub(crate) fn outcome(&self) -> Result<(), Failure> {
        match self.signal() {
            Some(Signal::Interrupt) => Err(Failure::Interrupted),
            _ => Ok(()),
        }
    }
}

/// Calls `then` with the first signal, on a thread of its own. The second one ends the process
/// at once.
fn on_first(then: impl FnOnce(Signal) + Send + 'static) -> Result<(), Failure> {
    let failed = |error| Failure::Other(format!("cannot watch for signals: {error}"));
    let second = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&second))
            .map_err(failed)?;
        flag::register(signal, Arc::clone(&second)).map_err(failed)?;
    }
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(failed)?;
    thread::spawn(move || match signals.forever().next() {
        Some(SIGINT) => then(Signal::Interrupt),
        Some(_) => then(Signal::Terminate),
        None => {}
    });
    Ok(())
}

/// Calls `then` with each SIGHUP, on a thread of its own. A closed terminal and a program that rotates logs
/// send it, and neither wants a server to end without its last words.
pub(crate) fn on_hangup(then: impl Fn() + Send + 'static) -> Result<(), Failure> {
    let failed = |error| Failure::Other(format!("cannot watch for signals: {error}"));
    let mut signals = Signals::new([SIGHUP]).map_err(failed)?;
    thread::spawn(move || signals.forever().for_each(|_| then()));
    Ok(())
}

/// From now on a signal ends the process between two writes: with 130 if interrupted, with 0 if
/// terminated and nothing is left unwritten.
pub(crate) fn end_between_writes() -> Result<(), Failure> {
    on_first(|signal| {
        let free = wait_for_writes();
        LEFT_BEHIND
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        process::exit(match (signal, free) {
            (Signal::Interrupt, _) => i32::from(Failure::Interrupted.code()),
            (Signal::Terminate, true) => 0,
            (Signal::Terminate, false) => 1,
        })
    })
}

/// Has the file of a socket that listens to the end removed by the signal that ends the process.
pub(crate) fn remove_at_end(file: SocketFile) {
    LEFT_BEHIND
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(file);
}

/// No signal ends the process while this is held.
pub(crate) fn hold() -> MutexGuard<'static, ()> {
    WRITING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until nothing is being written, and makes sure that nothing more will be.
fn wait_for_writes() -> bool {
    let end = Instant::now() + PATIENCE;
    loop {
        match WRITING.try_lock() {
            Ok(guard) => {
                // Never released: the process ends now.
                std::mem::forget(guard);
                return true;
            }
            Err(TryLockError::Poisoned(_)) => return true,
            Err(TryLockError::WouldBlock) if Instant::now() >= end => return false,
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(5)),
        }
    }
}
