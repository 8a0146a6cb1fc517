//! What goes to one client that does not take frames: the encodings of the blocks after its cursor, without waiting.

use std::io::{self, IoSlice};
use std::mem;
use std::pin::Pin;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use tenfold::protocol::Epoch;
use tenfold_log::{ReadError, Reader};
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::sleep;

use crate::block::Block;
use crate::cursor::{Cursor, Look};
use crate::deliver::{Attempt, COSTLY, Deliver, attempt_after};
use crate::delivery::Sent;
use crate::encoding::{Form, Gap, GapReason};
use crate::frames::{after, first};
use crate::history::{FromFile, History};
use crate::holding::NextSeq;
use crate::idle::Idle;
use crate::ledger::Shown;
use crate::memory::Rests;
use crate::peer::Peer;
use crate::rest::{KEPT_FOR, kept_for};
use crate::run::Run;
use crate::sink::Part;
use crate::socket::Socket;
use crate::stats::{ClientReport, Counters, End};

/// A client's place, and what is left of the piece that was begun.
///
/// ```text
///   rest          stretch                                 blocks of the tail
///   [ rest of a  ][ pieces that are encoded for this     ][ encodings that all clients
///     piece      ]  client alone: from a file, or a part ]  of the form share
///                   of a block                           ^ cursor, and the first messages of its block that are
///                                                          not wanted (skip)
/// ```
///
/// A client that takes nothing for a while keeps the rest of one piece, and nothing else.
#[derive(Debug)]
pub(crate) struct EncodedDelivery {
    socket: Arc<Socket>,
    cursor: Cursor,
    epoch: Epoch,
    manner: Manner,
    /// What is left of the piece that was begun, and its messages (none for what is not a message).
    rest: Block,
    stretch: Option<Stretch>,
    /// How many messages of the cursor's next block were begun.
    skip: u64,
    /// The block at the cursor, so that it is not encoded again for each part of it that the client takes.
    current: Option<(u64, Run)>,
    /// No further block is encoded for one write once they are so many bytes: about what the client took last. What it does
    /// not take may have to be encoded again.
    appetite: usize,
    /// What is said between two pieces, and that there is something.
    aside: Vec<u8>,
    nudged: Arc<Notify>,
    /// Nothing comes after `rest`: it is the last that is said.
    is_last: bool,
    history: Option<Arc<History>>,
    held: Option<NextSeq>,
    reader: Option<Reader>,
    rests: Arc<Rests>,
    /// Memory for the rest, and whether that is this client's own, and no part of what others have.
    kept: Option<OwnedSemaphorePermit>,
    is_own: bool,
    counters: Arc<Counters>,
    report: ClientReport,
}

/// How a client is sent its messages.
#[derive(Clone, Debug)]
pub(crate) struct Manner {
    pub(crate) form: Form,
    /// The seq of the first message that it is not sent.
    pub(crate) until: u64,
    /// It is told of messages that it does not get, if the form has a word for that, and goes on after them.
    pub(crate) goes_on_after_gaps: bool,
    /// What it is sent at an orderly end.
    pub(crate) last: Bytes,
    /// How often it is sent something if nothing else comes.
    pub(crate) heartbeat: Duration,
}

/// Messages that are encoded for one client alone.
#[derive(Debug)]
struct Stretch {
    run: Run,
    /// The seq of the first of them.
    first: u64,
    /// The memory that is taken for what was read from a file.
    memory: Option<OwnedSemaphorePermit>,
    is_from_file: bool,
}

/// What a guest may say beside the messages and has not been sent, in bytes.
const MOST_ASIDE: usize = 4 * 1024;
/// The most blocks for one write, in bytes.
const MOST_AT_ONCE: usize = 256 * 1024;

impl EncodedDelivery {
    /// Sends `head`, then the messages of a block, and then what is after the cursor.
    pub(crate) fn new(
        (socket, peer): (Arc<Socket>, Peer),
        (head, before): (Bytes, Block),
        cursor: Cursor,
        history: Option<Arc<History>>,
        (epoch, manner): (Epoch, Manner),
        (rests, counters): (Arc<Rests>, Arc<Counters>),
    ) -> Self {
        let from = cursor.seq() - before.messages();
        let mut new = Self {
            socket,
            held: history
                .as_ref()
                .and_then(|history| history.enter(from, cursor.holds())),
            cursor,
            epoch,
            manner,
            rest: Block::new(head, 0),
            stretch: None,
            skip: 0,
            current: None,
            appetite: MOST_AT_ONCE,
            aside: Vec::new(),
            nudged: Arc::default(),
            is_last: false,
            history,
            reader: None,
            rests,
            kept: None,
            is_own: true,
            counters,
            report: ClientReport {
                peer,
                end: End::Complete,
                messages: 0,
                bytes: 0,
                skipped: 0,
                torn: false,
            },
        };
        if before.messages() > 0 {
            new.begin_stretch(before, from, None, false);
        }
        new
    }

    /// How far it is.
    pub(crate) fn sent(&self) -> Sent {
        let stretch = self
            .stretch
            .as_ref()
            .map_or(0, |stretch| stretch.run.left());
        Sent {
            messages: self.report.messages,
            skipped: self.report.skipped,
            bytes: self.report.bytes,
            rest: (self.rest.bytes().len() + stretch) as u64,
            next: self.cursor.seq(),
        }
    }

    /// Says something beside the messages, between two of them. False: too much is waiting.
    pub(crate) fn say_aside(&mut self, bytes: &[u8]) -> bool {
        let fits = self.aside.len() + bytes.len() <= MOST_ASIDE;
        if fits {
            self.aside.extend_from_slice(bytes);
            self.nudged.notify_one();
        }
        fits
    }

    /// Ends it after what was begun, in an orderly way.
    pub(crate) fn finish(&mut self) {
        self.manner.until = self.next_seq();
        self.nudged.notify_one();
    }

    /// The same, but these bytes are the last, in the place of what the form says at an orderly end.
    pub(crate) fn finish_with(&mut self, last: Bytes) {
        self.manner.last = last;
        self.finish();
    }

    /// The seq of the first message that was not begun.
    fn next_seq(&self) -> u64 {
        match &self.stretch {
            Some(stretch) => stretch.first + stretch.run.done(),
            None => self.cursor.seq() + self.skip,
        }
    }

    fn begin_stretch(
        &mut self,
        block: Block,
        seq: u64,
        memory: Option<OwnedSemaphorePermit>,
        is_from_file: bool,
    ) {
        let most = self.manner.until.saturating_sub(seq);
        let block = if block.messages() > most {
            first(&block, most)
        } else {
            block
        };
        let encoded = self.manner.form.encoded(self.epoch, seq, &block);
        self.stretch = Some(Stretch {
            run: Run::new(Arc::new(encoded)),
            first: seq,
            memory,
            is_from_file,
        });
    }

    /// What is to be sent of blocks of the tail.
    fn runs(&mut self, shown: &[Shown]) -> Vec<Run> {
        let mut runs = Vec::with_capacity(shown.len());
        for (index, shown) in shown.iter().enumerate() {
            let end = shown.first + shown.block.messages();
            let skip = if index == 0 { self.skip } else { 0 };
            let is_whole = end <= self.manner.until;
            let run = match self.current.take() {
                Some((of, run)) if of == shown.first && run.done() == skip && is_whole => Some(run),
                _ if is_whole => self.run_of(shown, skip),
                _ => None,
            };
            match run {
                Some(run) => runs.push(run),
                // A part of it is for this client alone, and comes when it is the next one.
                None if index == 0 => {
                    let seq = shown.first + skip;
                    self.begin_stretch(after(&shown.block, skip), seq, None, false);
                    self.cursor.advance_by(1, shown.block.messages());
                    self.skip = 0;
                    break;
                }
                None => break,
            }
        }
        runs
    }

    /// A block of the tail as all clients of the form share it, if it can begin there.
    fn run_of(&self, shown: &Shown, skip: u64) -> Option<Run> {
        let form = self.manner.form;
        let make = || form.encoded(self.epoch, shown.first, &shown.block);
        let (encoded, more) = shown.encodings.get(form, make);
        if more > 0 {
            let tail = self.cursor.tail();
            tail.with(|ledger| ledger.has_encoded(shown, more));
        }
        Run::after(encoded, skip)
    }

    /// Notes how far a write got: through the rest of a piece, the stretch, and some blocks.
    fn wrote(&mut self, written: usize, runs: Vec<Run>) {
        self.report.bytes += written as u64;
        let before = self.report.messages;
        let mut left = written;
        let taken = left.min(self.rest.bytes().len());
        left -= taken;
        let rest = self.rest.bytes().slice(taken..);
        if rest.is_empty() {
            self.report.messages += self.rest.messages();
            self.rest = Block::default();
            self.kept = None;
        } else {
            self.rest = Block::new(rest, self.rest.messages());
        }
        if let Some(stretch) = self.stretch.as_mut().filter(|_| left > 0) {
            let (taken, messages, rest) = stretch.run.take(left);
            left -= taken;
            self.report.messages += messages;
            self.rest = rest;
            self.is_own = false;
        }
        let is_begun = |stretch: &mut Stretch| stretch.run.left() == 0;
        if let Some(stretch) = self.stretch.take_if(is_begun)
            && !self.rest.bytes().is_empty()
        {
            // The rest is of it.
            self.kept = stretch.memory;
        }
        let mut gone = (0, 0);
        for mut run in runs {
            if left == 0 {
                self.keep_current(Some(run), self.cursor.seq() + gone.1);
                break;
            }
            let (taken, messages, rest) = run.take(left);
            left -= taken;
            self.report.messages += messages;
            self.rest = rest;
            self.is_own = false;
            if run.left() == 0 {
                gone = (gone.0 + 1, gone.1 + run.done());
                self.skip = 0;
            } else {
                self.skip = run.done();
                self.current = Some((self.cursor.seq() + gone.1, run));
            }
        }
        self.cursor.advance_by(gone.0, gone.1);
        self.note_place();
        let messages = self.report.messages - before;
        self.counters.sent(messages, written as u64);
    }

    fn keep_current(&mut self, run: Option<Run>, first: u64) {
        if self.current.is_none() {
            self.current = run.map(|run| (first, run));
        }
    }

    fn note_place(&self) {
        if let Some(held) = &self.held {
            held.store(self.next_seq(), SeqCst);
        }
    }

    /// Goes on where the tail has no more, or again where it has.
    fn read_on(&mut self) -> Attempt {
        let seq = self.next_seq();
        if let Some(skip) = self.cursor.rejoin_at(seq) {
            self.skip = skip;
            self.reader = None;
            return Attempt::Wrote;
        }
        self.skip = 0;
        self.cursor.go_to(seq);
        let Some(history) = &self.history else {
            return self.gap(seq);
        };
        let reader = self.reader.take().filter(|reader| reader.seq() == seq);
        let mut reader = reader.unwrap_or_else(|| history.channel.reader(seq));
        let result = history.read_cached(&mut reader);
        self.read(reader, result)
    }

    /// Retention has passed the client: the next message is not kept any more.
    fn gap(&mut self, expected: u64) -> Attempt {
        if !self.manner.goes_on_after_gaps {
            return Attempt::Done(End::Slow);
        }
        let next = match &self.history {
            Some(history) => {
                let next = history.channel.first().max(expected);
                self.cursor.go_to(next);
                next
            }
            None => self.cursor.restart(),
        };
        let gap = Gap::new(GapReason::Trimmed, expected, next, self.epoch);
        let Some(words) = self.manner.form.gap(&gap) else {
            return Attempt::Done(End::Slow);
        };
        self.report.skipped += next - expected;
        self.rest = Block::new(words, 0);
        self.is_own = true;
        self.note_place();
        Attempt::Wrote
    }

    /// The end of what there is, once the client was told so.
    fn complete(&mut self) -> Attempt {
        if self.is_last {
            return Attempt::Done(End::Complete);
        }
        self.is_last = true;
        self.rest = Block::new(self.manner.last.clone(), 0);
        self.is_own = true;
        Attempt::Wrote
    }

    /// What there is to be sent, if nothing of a piece is left: first what was said aside.
    fn next_rest(&mut self) {
        if self.rest.bytes().is_empty() && !self.aside.is_empty() && !self.is_last {
            self.rest = Block::new(mem::take(&mut self.aside), 0);
            self.is_own = true;
        }
    }

    /// The rest, and perhaps more, as parts of what others have, too.
    fn parts(&self, runs: &[Run], more: bool) -> impl Iterator<Item = Part> {
        let rest = Part {
            bytes: self.rest.bytes().clone(),
            // It may be the end of a large one.
            of: usize::MAX,
        };
        let stretch = self.stretch.as_ref().filter(|_| more);
        let stretch = stretch.map(|stretch| stretch.run.part());
        let runs = runs.iter().map(Run::part);
        [Some(rest), stretch].into_iter().flatten().chain(runs)
    }

    /// Writes once: the rest, and perhaps more.
    fn write(&mut self, runs: Vec<Run>, more: bool) -> io::Result<Attempt> {
        let mut slices = [IoSlice::new(&[]); Cursor::MAX_BLOCKS + 2];
        let mut used = 0;
        let stretch = self.stretch.as_ref().filter(|_| more);
        let stretch = stretch.map(|stretch| stretch.run.bytes());
        let all = [Some(&self.rest.bytes()[..]), stretch];
        for bytes in all.into_iter().flatten().chain(runs.iter().map(Run::bytes)) {
            if !bytes.is_empty() {
                slices[used] = IoSlice::new(bytes);
                used += 1;
            }
        }
        let offered: usize = slices[..used].iter().map(|slice| slice.len()).sum();
        let tried = match (self.socket.branch(), &slices[..used]) {
            (Some(branch), _) => branch.try_write_parts(offered, self.parts(&runs, more)),
            (None, [slice]) => self.socket.try_write(slice),
            (None, slices) => self.socket.try_write_vectored(slices),
        };
        match tried {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                self.appetite = match written {
                    all if all == offered => MOST_AT_ONCE.min(2 * self.appetite),
                    some => some,
                };
                self.wrote(written, runs);
                Ok(Attempt::Wrote)
            }
            Err(e) => {
                self.keep_current(runs.into_iter().next(), self.cursor.seq());
                attempt_after(e)
            }
        }
    }
}

impl Deliver for EncodedDelivery {
    fn attempt(&mut self) -> io::Result<Attempt> {
        if !self.socket.flush()? {
            return Ok(Attempt::Blocked);
        }
        self.next_rest();
        if self.is_last && self.rest.bytes().is_empty() {
            return Ok(self.complete());
        }
        if self.is_last || !self.aside.is_empty() {
            // Nothing comes between what was begun and that.
            return self.write(Vec::new(), false);
        }
        let is_over = self.next_seq() >= self.manner.until;
        let (look, shown) = match &self.stretch {
            None if !is_over => self.cursor.peek_shown(self.appetite),
            _ => (Look::CaughtUp, Vec::new()),
        };
        let runs = self.runs(&shown);
        if self.rest.bytes().is_empty() && self.stretch.is_none() && runs.is_empty() {
            return Ok(match look {
                _ if is_over => self.complete(),
                Look::CaughtUp => Attempt::CaughtUp,
                Look::Ended => self.complete(),
                Look::Passed => self.read_on(),
                // Blocks are never without messages.
                Look::Blocks => Attempt::Wrote,
            });
        }
        self.write(runs, true)
    }

    fn write_rest(&mut self) -> io::Result<Attempt> {
        if !self.socket.flush()? {
            return Ok(Attempt::Blocked);
        }
        if self.rest.bytes().is_empty() {
            return Ok(Attempt::Done(End::Revoked));
        }
        self.write(Vec::new(), false)
    }

    fn unread(&mut self) -> Option<(Arc<History>, Reader)> {
        let history = self.history.clone()?;
        let reader = self.reader.take();
        let reader = reader.unwrap_or_else(|| history.channel.reader(self.cursor.seq()));
        Some((history, reader))
    }

    fn read(&mut self, reader: Reader, result: Result<FromFile, ReadError>) -> Attempt {
        let seq = self.cursor.seq();
        match result {
            Ok(FromFile { frames, memory }) => {
                let block = self
                    .cursor
                    .up_to_the_end(Block::new(frames.bytes, frames.messages));
                let messages = block.messages();
                self.begin_stretch(block, seq, memory, true);
                self.cursor.pass(messages);
                self.note_place();
                self.reader = Some(reader);
                Attempt::Wrote
            }
            Err(ReadError::WouldBlock | ReadError::Large { .. }) => {
                self.reader = Some(reader);
                Attempt::Unread
            }
            Err(ReadError::Corrupt { .. } | ReadError::Io(_)) => Attempt::Done(End::Damaged),
            Err(ReadError::Trimmed { .. }) => self.gap(seq),
            Err(_) => Attempt::Done(End::Slow),
        }
    }

    fn let_go(&self) -> impl Future<Output = ()> + Send + use<> {
        let holds = self.stretch.is_some()
            || self.current.is_some()
            || !self.is_own && !self.rest.bytes().is_empty();
        let time = match &self.stretch {
            Some(stretch) if stretch.is_from_file => {
                kept_for(stretch.run.left(), stretch.memory.as_ref())
            }
            None if self.kept.is_some() => kept_for(self.rest.bytes().len(), self.kept.as_ref()),
            _ => KEPT_FOR,
        };
        async move {
            if holds {
                sleep(time).await;
            } else {
                std::future::pending::<()>().await;
            }
        }
    }

    fn keep_rest(&mut self) -> bool {
        self.current = None;
        if self.stretch.is_some() {
            let next = self.next_seq();
            self.stretch = None;
            self.skip = self.cursor.go_back(next);
        }
        let rest = self.rest.bytes();
        if self.is_own || rest.is_empty() {
            return true;
        }
        self.kept = self.rests.take(rest.len());
        self.is_own = self.kept.is_some();
        if self.is_own && rest.len() <= COSTLY {
            // It must not keep all that was encoded with it.
            self.rest = Block::new(Bytes::copy_from_slice(rest), self.rest.messages());
        }
        self.is_own
    }

    fn ending(&self) -> impl Future<Output = ()> + Send + use<> {
        let closing = self.cursor.closing();
        let goes_on = self.manner.goes_on_after_gaps;
        let trimmed = self.history.clone().filter(|_| !goes_on);
        let passed = (self.history.is_none() && !goes_on).then(|| self.cursor.ending());
        let seq = self.next_seq();
        async move {
            match (trimmed, passed) {
                (Some(history), _) => tokio::select! {
                    () = closing => {}
                    () = history.trimmed(seq) => {}
                },
                (None, Some(passed)) => passed.await,
                (None, None) => closing.await,
            }
        }
    }

    fn is_passed(&mut self) -> bool {
        let next = self.next_seq();
        match &self.history {
            Some(history) => history.channel.first() > next,
            None => self.cursor.tail().with(|ledger| ledger.first_seq()) > next,
        }
    }

    fn is_costly(&mut self) -> bool {
        false
    }

    fn stirs(&self) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        let nudged = Arc::clone(&self.nudged);
        let beats = self.manner.form.heartbeat().is_some();
        let time = self.manner.heartbeat;
        Some(Box::pin(async move {
            tokio::select! {
                () = nudged.notified() => {}
                () = sleep(time), if beats => {}
            }
        }))
    }

    fn stir(&mut self) {
        let says_nothing = self.aside.is_empty() && self.next_seq() < self.manner.until;
        if let Some(beat) = self.manner.form.heartbeat().filter(|_| says_nothing) {
            self.aside.extend_from_slice(&beat);
        }
    }

    fn report(&mut self, end: End) -> ClientReport {
        self.report.end = end;
        self.report.torn = !self.rest.bytes().is_empty();
        self.counters.ended(end);
        self.report
    }

    fn enlist(&self, idle: Weak<dyn Idle>) {
        self.cursor.tail().enlist(idle);
    }
}
