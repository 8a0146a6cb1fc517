//! `recv --keep`: many senders at once, one output.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tenfold::{Listener, Side, Stream};
use tenfold_hub::raise_fd_limit;

use crate::failure::Failure;
use crate::flow::connect;
use crate::flow::input::Input;
use crate::flow::output::Output;
use crate::flow::printing::{PrintOptions, Printer};
use crate::flow::pump::{Count, Sink, pump};
use crate::flow::source::{Decoded, Limits};
use crate::signals;
use crate::words::Words;

/// What is the same for all senders.
#[derive(Clone, Debug)]
pub(crate) struct Senders {
    pub(crate) side: Side,
    pub(crate) limits: Limits,
    pub(crate) printing: PrintOptions,
    pub(crate) printer: Printer,
    pub(crate) timeout: Option<Duration>,
    pub(crate) count: Option<u64>,
    pub(crate) words: Words,
}

/// How many senders are served at once; each has a thread and a buffer. More have to wait.
const MAX_SENDERS: usize = 1024;

/// After the system refused a connection, mostly for lack of file descriptors, the next attempt
/// comes after this time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the threads report.
enum Report {
    /// A sender's stream ended, well or not.
    Ended(String, Result<(), Failure>),
    /// As many messages as `--count` asks for were written.
    CountReached,
}

impl Senders {
    /// Serves everybody who connects. Each sender's messages are handed over in batches of whole
    /// ones, so those of different senders stand behind each other and never inside.
    pub(crate) fn serve(self, listener: Listener) -> Result<(), Failure> {
        // Hundreds of senders are more than the usual limit may allow. With less it works as well.
        let _ = raise_fd_limit();
        if let Listener::Unix(_, file) = &listener {
            signals::remove_at_end(file.clone());
        }
        let words = self.words.clone();
        let (report, reports) = mpsc::channel();
        thread::spawn(move || self.accept(&listener, &report));
        for report in reports {
            match report {
                Report::CountReached => break,
                Report::Ended(_, Err(Failure::OutputClosed)) => return Err(Failure::OutputClosed),
                Report::Ended(peer, Err(failure)) => {
                    words.warning(format_args!("{peer}: {failure}"));
                }
                Report::Ended(peer, Ok(())) => words.detail(format_args!("{peer} ended")),
            }
        }
        Ok(())
    }

    fn accept(&self, listener: &Listener, report: &Sender<Report>) {
        let places = Arc::new(Places::default());
        let tally = Arc::new(Tally::new(self.count));
        loop {
            let place = Places::take(&places);
            match listener.accept() {
                Ok(stream) => {
                    let peer = connect::peer_name(&stream);
                    self.words.detail(format_args!("{peer} connected"));
                    let (senders, tally) = (self.clone(), Arc::clone(&tally));
                    let report = report.clone();
                    thread::spawn(move || {
                        let ended = senders.receive(stream, tally, &report);
                        // Nobody listens any more when the count is reached.
                        let _ = report.send(Report::Ended(peer, ended));
                        drop(place);
                    });
                }
                Err(error) => {
                    self.words
                        .warning(format_args!("cannot accept a connection: {error}"));
                    thread::sleep(ACCEPT_PAUSE);
                }
            }
        }
    }

    fn receive(
        &self,
        stream: Stream,
        tally: Arc<Tally>,
        report: &Sender<Report>,
    ) -> Result<(), Failure> {
        let input = Input::stream(stream, "the sender".to_owned()).with_timeout(self.timeout);
        let mut source = Decoded::frames(input, &self.side, self.limits);
        let format = self.printing.format(&self.side, &self.printer);
        let mut quota = Quota(Arc::clone(&tally));
        let output = Counted {
            printer: self.printer.clone(),
            tally,
            report: report.clone(),
        };
        let mut sink = Sink::new(format, output);
        pump(&mut source, &mut sink, &mut quota, &self.words)
    }
}

/// `--count` over all senders: what may still be taken, and what is still to be written.
#[derive(Debug)]
struct Tally {
    to_take: AtomicU64,
    to_write: AtomicU64,
}

impl Tally {
    fn new(count: Option<u64>) -> Self {
        let count = count.unwrap_or(u64::MAX);
        Self {
            to_take: AtomicU64::new(count),
            to_write: AtomicU64::new(count),
        }
    }
}

struct Quota(Arc<Tally>);

impl Count for Quota {
    fn one_more(&mut self) -> bool {
        let take = |left: u64| left.checked_sub(1);
        self.0.to_take.fetch_update(SeqCst, SeqCst, take).is_ok()
    }

    fn is_reached(&self) -> bool {
        self.0.to_take.load(SeqCst) == 0
    }
}

/// The printer, and a word to the main thread when the last message of the count is written.
struct Counted {
    printer: Printer,
    tally: Arc<Tally>,
    report: Sender<Report>,
}

impl Output for Counted {
    fn take(&mut self, bytes: &mut Vec<u8>, messages: u64) -> Result<(), Failure> {
        self.printer.take(bytes, messages)?;
        if messages > 0 && self.tally.to_write.fetch_sub(messages, SeqCst) == messages {
            let _ = self.report.send(Report::CountReached);
        }
        Ok(())
    }

    fn takes_one(&self) -> bool {
        self.printer.takes_one()
    }
}

/// How many places are taken.
#[derive(Debug, Default)]
struct Places {
    taken: Mutex<usize>,
    freed: Condvar,
}

struct Place(Arc<Places>);

impl Places {
    /// Waits for a free place.
    fn take(places: &Arc<Self>) -> Place {
        let taken = places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = places
            .freed
            .wait_while(taken, |taken| *taken >= MAX_SENDERS)
            .unwrap_or_else(PoisonError::into_inner);
        *taken += 1;
        Place(Arc::clone(places))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *self.0.taken.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.freed.notify_one();
    }
}
