//! `recv --keep`: many senders at once, one output.

use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tenfold::{Listener, Side, Stream};
use tenfold_hub::raise_fd_limit;

use crate::failure::Failure;
use crate::flow::budget::Budget;
use crate::flow::connect;
use crate::flow::format::Origin;
use crate::flow::goal::Goal;
use crate::flow::input::Input;
use crate::flow::output::Output;
use crate::flow::printing::{PrintOptions, Printer};
use crate::flow::pump::{Sink, pump};
use crate::flow::source::{Decoded, Limits};
use crate::signals;
use crate::words::Words;

/// The options that hold for all senders.
#[derive(Clone, Debug)]
pub(crate) struct Senders {
    pub(crate) side: Side,
    pub(crate) limits: Limits,
    pub(crate) budget: Arc<Budget>,
    pub(crate) printing: PrintOptions,
    pub(crate) printer: Printer,
    pub(crate) timeout: Option<Duration>,
    pub(crate) goal: Goal,
    pub(crate) words: Words,
}

/// How many senders are served at once; each has a thread and a buffer. More have to wait.
const MAX_SENDERS: usize = 1024;

/// What the threads report.
enum Report {
    /// A sender's stream ended, well or not.
    Ended(String, Result<(), Failure>),
    /// As many messages as `--count` asks for were written.
    CountReached,
}

impl Senders {
    /// Serves every sender that connects. Each one's messages are handed over in batches of whole
    /// ones, so messages of different senders come one after the other, and never one inside another.
    pub(crate) fn serve(self, mut listener: Listener) -> Result<(), Failure> {
        // Hundreds of senders are more than the usual limit may allow. With less it works as well.
        let _ = raise_fd_limit();
        if let Some(file) = listener.take_socket_file() {
            signals::remove_at_end(file);
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
        let slots = Arc::new(Slots::default());
        loop {
            let slot = Slots::take(&slots);
            let Some(stream) = connect::accept_or_pause(listener, &self.words) else {
                continue;
            };
            let peer = connect::peer_name(&stream);
            self.words.detail(format_args!("{peer} connected"));
            let (senders, report) = (self.clone(), report.clone());
            thread::spawn(move || {
                let ended = senders.receive(stream, &report);
                // It fails when the count is reached, because the main thread has ended.
                let _ = report.send(Report::Ended(peer, ended));
                drop(slot);
            });
        }
    }

    fn receive(&self, stream: Stream, report: &Sender<Report>) -> Result<(), Failure> {
        let input = Input::stream(stream, "the sender".to_owned())
            .only_read()
            .with_timeout(self.timeout);
        let mut source = Decoded::frames(input, &self.side, self.limits)
            .guarded()
            .within(self.budget.share());
        let format = self.printing.format(&self.side, &self.printer);
        let output = Counted {
            printer: self.printer.clone(),
            goal: self.goal.clone(),
            report: report.clone(),
        };
        let told = self.printing.told(&format, true);
        let mut sink = Sink::new(format, output, &self.words)
            .telling(told)
            .on_bad(self.printing.on_bad());
        pump(&mut source, &mut sink, &self.goal, &self.words)
    }
}

/// The printer, and a word to the main thread when the last message of the count is written.
struct Counted {
    printer: Printer,
    goal: Goal,
    report: Sender<Report>,
}

impl Counted {
    fn hand_over(&self, messages: u64) {
        if self.goal.hand_over(messages) {
            let _ = self.report.send(Report::CountReached);
        }
    }
}

impl Output for Counted {
    fn take(&mut self, bytes: &mut Vec<u8>, messages: u64) -> Result<(), Failure> {
        self.printer.take(bytes, messages)?;
        self.hand_over(messages);
        Ok(())
    }

    fn comes_from(&mut self, origin: Origin<'_>) {
        self.printer.comes_from(origin);
    }

    fn leave_out(&mut self) {
        self.printer.leave_out();
        self.hand_over(1);
    }

    fn takes_one(&self) -> bool {
        self.printer.takes_one()
    }
}

/// How many slots are taken.
#[derive(Debug, Default)]
struct Slots {
    taken: Mutex<usize>,
    freed: Condvar,
}

struct Slot(Arc<Slots>);

impl Slots {
    /// Waits for a free slot.
    fn take(slots: &Arc<Self>) -> Slot {
        let taken = slots.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = slots
            .freed
            .wait_while(taken, |taken| *taken >= MAX_SENDERS)
            .unwrap_or_else(PoisonError::into_inner);
        *taken += 1;
        Slot(Arc::clone(slots))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        *self.0.taken.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.freed.notify_one();
    }
}
