//! What goes to one client: from the cursor into the socket, without waiting.

use std::io::{self, IoSlice};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use tenfold_log::{Frames, ReadError, Reader};
use tokio::sync::OwnedSemaphorePermit;

use crate::block::Block;
use crate::cursor::{Cursor, Look};
use crate::deliver::{Attempt, COSTLY, Deliver, attempt_after, take};
use crate::durable::READ_SIZE;
use crate::file_block::{FileBlock, Parked};
use crate::frames::{self, after};
use crate::history::History;
use crate::holding::NextSeq;
use crate::idle::Idle;
use crate::ledger::Entry;
use crate::memory::Rests;
use crate::peer::Peer;
use crate::socket::Socket;
use crate::stats::{ClientReport, Counters, End};

/// A client's place, and what is left of the block that was begun.
///
/// Between two writes it holds the rest of one block at the most, whose frames have to be
/// finished.
#[derive(Debug)]
pub(crate) struct Delivery {
    socket: Arc<Socket>,
    cursor: Cursor,
    /// What is left of the block that was begun, and its messages (none for a welcome).
    rest: Block,
    /// Where to go on when the tail has passed the cursor, if there is something.
    history: Option<Arc<History>>,
    /// What is kept for it, if publishers wait for slow subscribers.
    held: Option<NextSeq>,
    /// The place there, as long as it is used.
    reader: Option<Reader>,
    /// What was read there, if the rest is of it.
    file_block: Option<FileBlock>,
    /// The one before, when all of it is sent: its memory is for the next read.
    spent: Option<FileBlock>,
    /// The block of the tail that the rest is of, and the seq of its first message.
    tail_block: Option<(Block, u64)>,
    /// How many bytes the frame has that the rest is of, once nothing else is kept.
    begun: Option<usize>,
    /// How many bytes of the next message are sent, if the rest of it is to be read again.
    sent_of_next: Option<usize>,
    /// Memory for rests that no tail keeps, and what is taken of it for this one.
    rests: Option<Arc<Rests>>,
    kept: Option<OwnedSemaphorePermit>,
    counters: Arc<Counters>,
    report: ClientReport,
}

/// How far a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Messages given to the system in full.
    pub(crate) messages: u64,
    /// Bytes given to the system.
    pub(crate) bytes: u64,
    /// Bytes that are left of what was begun.
    pub(crate) rest: u64,
    /// The seq of the message after that.
    pub(crate) next: u64,
}

impl Delivery {
    /// Sends `first`, and then what is after the cursor.
    pub(crate) fn new(
        (socket, peer): (Arc<Socket>, Peer),
        first: Block,
        cursor: Cursor,
        history: Option<Arc<History>>,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            socket,
            rest: first,
            held: history
                .as_ref()
                .and_then(|history| history.enter(cursor.seq(), cursor.holds())),
            history,
            reader: None,
            file_block: None,
            spent: None,
            tail_block: None,
            begun: None,
            sent_of_next: None,
            rests: None,
            kept: None,
            cursor,
            counters,
            report: ClientReport {
                peer,
                end: End::Complete,
                messages: 0,
                bytes: 0,
                skipped: 0,
                torn: false,
            },
        }
    }

    /// Has it take memory for what it holds beside the tail. `head` is what its first block has of the tail.
    pub(crate) fn keep_within(&mut self, rests: Arc<Rests>, head: Block) {
        self.rests = Some(rests);
        let first = self.cursor.seq().saturating_sub(head.messages());
        self.tail_block = Some((head, first));
    }

    /// How far it is.
    pub(crate) fn sent(&self) -> Sent {
        Sent {
            messages: self.report.messages,
            bytes: self.report.bytes,
            rest: self.rest.bytes().len() as u64,
            next: self.cursor.seq(),
        }
    }

    /// Goes on where the tail has no more, or again where it has.
    fn read_on(&mut self) -> Attempt {
        let Some(history) = &self.history else {
            return Attempt::Done(End::Slow);
        };
        let (spent, seq) = (self.spent.take(), self.cursor.seq());
        // What was begun of the next message goes on in the files.
        let is_whole = self.sent_of_next.is_none();
        if is_whole && let Some(Entry { head, .. }) = self.cursor.rejoin() {
            self.reader = None;
            self.rest =
                head.map_or_else(Block::default, |(block, messages)| after(&block, messages));
            self.tail_block = Some((self.rest.clone(), seq));
            return Attempt::Wrote;
        }
        let reader = self.reader.take().filter(|reader| reader.seq() == seq);
        let mut reader = reader.unwrap_or_else(|| history.channel.reader(seq));
        if let Some(memory) = spent.and_then(FileBlock::into_memory) {
            reader.reuse(memory);
        }
        let result = reader.read_cached(READ_SIZE);
        self.read(reader, result)
    }

    /// Takes memory for so many bytes beside the tail.
    fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        self.rests.as_ref()?.take(bytes)
    }

    /// Has the rest of the message that was begun be read again when it is wanted, if it can be.
    fn forget_rest(&mut self) -> bool {
        let (Some(length), true) = (self.begun.take(), self.history.is_some()) else {
            return false;
        };
        self.sent_of_next = Some(length - self.rest.bytes().len());
        // Those before it are sent.
        let before = self.rest.messages() - 1;
        self.report.messages += before;
        self.counters.sent(before, 0);
        self.rest = Block::default();
        self.cursor.go_to(self.cursor.seq() - 1);
        self.note_place();
        true
    }

    fn note_place(&self) {
        if let Some(held) = &self.held {
            held.store(self.cursor.seq(), SeqCst);
        }
    }

    fn look(&mut self) -> (Look, Vec<Block>) {
        let mut blocks = Vec::new();
        let look = self.cursor.peek(&mut blocks);
        let skipped = self.cursor.skipped();
        self.counters.skipped(skipped - self.report.skipped);
        self.report.skipped = skipped;
        (look, blocks)
    }

    /// Notes how far a write got: through the rest of a block, and through some of `blocks`.
    fn wrote(&mut self, written: usize, blocks: &[Block]) {
        let mut left = written;
        let mut messages = 0;
        let mut begun = 0;
        loop {
            let (taken, done) = take(&mut self.rest, left);
            left -= taken;
            messages += done;
            if left == 0 {
                break;
            }
            self.rest = blocks[begun].clone();
            begun += 1;
        }
        if begun > 0 {
            self.file_block = None;
        } else if self.rest.bytes().is_empty() {
            self.spent = self.file_block.take();
        }
        if self.rest.bytes().is_empty() {
            self.rest = Block::default();
            (self.tail_block, self.begun, self.kept) = (None, None, None);
        } else if begun > 0 {
            let before = blocks[..begun - 1].iter().map(Block::messages);
            let first = self.cursor.seq() + before.sum::<u64>();
            self.tail_block = Some((blocks[begun - 1].clone(), first));
            (self.begun, self.kept) = (None, None);
        }
        self.cursor.advance(&blocks[..begun]);
        self.note_place();
        self.report.messages += messages;
        self.report.bytes += written as u64;
        self.counters.sent(messages, written as u64);
    }
}

impl Deliver for Delivery {
    fn attempt(&mut self) -> io::Result<Attempt> {
        if !self.socket.flush()? {
            return Ok(Attempt::Blocked);
        }
        let (look, blocks) = self.look();
        if self.rest.bytes().is_empty() {
            match look {
                Look::Blocks => {}
                Look::CaughtUp => return Ok(Attempt::CaughtUp),
                Look::Ended => return Ok(Attempt::Done(End::Complete)),
                Look::Passed => return Ok(self.read_on()),
            }
        }
        let mut slices = [IoSlice::new(&[]); Cursor::MAX_BLOCKS + 1];
        let mut used = 0;
        for block in std::iter::once(&self.rest).chain(&blocks) {
            if !block.bytes().is_empty() {
                slices[used] = IoSlice::new(block.bytes());
                used += 1;
            }
        }
        // A plain write costs the system less than a vectored one.
        let tried = match &slices[..used] {
            [slice] => self.socket.try_write(slice),
            slices => self.socket.try_write_vectored(slices),
        };
        match tried {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                self.wrote(written, &blocks);
                Ok(Attempt::Wrote)
            }
            Err(e) => attempt_after(e),
        }
    }

    fn write_rest(&mut self) -> io::Result<Attempt> {
        if !self.socket.flush()? {
            return Ok(Attempt::Blocked);
        }
        if self.rest.bytes().is_empty() {
            return Ok(Attempt::Done(End::Revoked));
        }
        let tried = self.socket.try_write(self.rest.bytes());
        tried.map_or_else(attempt_after, |written| {
            self.wrote(written, &[]);
            Ok(Attempt::Wrote)
        })
    }

    fn unread(&mut self) -> Option<(Arc<History>, Reader)> {
        let history = self.history.clone()?;
        let reader = self.reader.take();
        let reader = reader.unwrap_or_else(|| history.channel.reader(self.cursor.seq()));
        Some((history, reader))
    }

    fn read(&mut self, reader: Reader, result: Result<Frames, ReadError>) -> Attempt {
        let first = self.cursor.seq();
        match result {
            Ok(frames) => {
                let messages = frames.messages;
                let mut block = Block::new(frames.bytes, messages);
                // A tail that is closed ends before what is still committed then.
                let most = self.cursor.tail().next_seq().saturating_sub(first);
                if messages > most {
                    block = frames::first(&block, most);
                }
                let history = self.history.as_ref();
                let place = if block.bytes().len() <= READ_SIZE {
                    history.and_then(|history| history.durable.keep())
                } else {
                    self.kept = self.take(block.bytes().len());
                    None
                };
                self.file_block = Some(FileBlock::new(block.clone(), first, place));
                self.rest = match self.sent_of_next.take() {
                    None => block,
                    Some(sent) => {
                        let sent = sent.min(block.bytes().len());
                        Block::new(block.bytes().slice(sent..), messages)
                    }
                };
                self.cursor.pass(self.rest.messages());
                self.note_place();
                self.reader = Some(reader);
                Attempt::Wrote
            }
            Err(ReadError::WouldBlock) => {
                self.reader = Some(reader);
                Attempt::Unread
            }
            Err(ReadError::Corrupt { .. } | ReadError::Io(_)) => Attempt::Done(End::Damaged),
            Err(_) => Attempt::Done(End::Slow),
        }
    }

    fn kept_for(&self) -> Option<Duration> {
        let file_block = self.file_block.as_ref();
        file_block
            .filter(|_| self.kept.is_none())
            .map(FileBlock::kept_for)
    }

    fn park(&mut self) {
        if let Some(file_block) = self.file_block.take() {
            let Parked {
                rest,
                messages,
                next,
                length,
            } = file_block.park(self.rest.bytes().len());
            let left = if rest.is_empty() { 0 } else { messages };
            self.begun = (!rest.is_empty()).then_some(length);
            self.report.messages += messages - left;
            self.counters.sent(messages - left, 0);
            self.rest = Block::new(rest, left);
            self.cursor.go_to(next);
            self.note_place();
        }
    }

    fn let_go(&self) -> impl Future<Output = ()> + Send + use<> {
        let is_kept = self.rest.bytes().is_empty() || self.kept.is_some();
        let passed = (self.rests.is_some() && !is_kept).then(|| self.cursor.passed());
        async move {
            match passed {
                Some(passed) => passed.await,
                None => std::future::pending().await,
            }
        }
    }

    fn keep_rest(&mut self) -> bool {
        if self.kept.is_some() || self.rests.is_none() {
            return true;
        }
        let tail_block = self.tail_block.take();
        if self.history.is_some() && self.look().0 == Look::Passed {
            let unsent = self.rest.bytes().len();
            // What comes before the block may not be sent yet.
            let of_block = tail_block.filter(|(block, _)| unsent <= block.bytes().len());
            if let Some((block, first)) = of_block {
                self.file_block = Some(FileBlock::new(block, first, None));
            }
            self.park();
        }
        let mut rest = self.rest.bytes().clone();
        if rest.is_empty() {
            return true;
        }
        // A part of a block or of a large message keeps all of it in memory, so it is copied. A large message that can be
        // read again is not, and neither is a block of which next to nothing is sent.
        let bytes = match self.begun {
            Some(length) if length > READ_SIZE => length,
            None if rest.len() > COSTLY => rest.len(),
            _ => {
                rest = Bytes::copy_from_slice(&rest);
                rest.len()
            }
        };
        self.kept = self.take(bytes);
        if self.kept.is_some() {
            self.rest = Block::new(rest, self.rest.messages());
            return true;
        }
        self.forget_rest()
    }

    fn ending(&self) -> impl Future<Output = ()> + Send + use<> {
        let trimmed = self.history.clone().map(|history| {
            let closing = self.cursor.closing();
            let seq = self.cursor.seq();
            async move {
                tokio::select! {
                    () = closing => {}
                    () = history.trimmed(seq) => {}
                }
            }
        });
        let passed = self.history.is_none().then(|| self.cursor.ending());
        async move {
            if let Some(trimmed) = trimmed {
                trimmed.await;
            }
            if let Some(passed) = passed {
                passed.await;
            }
        }
    }

    fn is_passed(&mut self) -> bool {
        match &self.history {
            Some(history) => history.channel.first() > self.cursor.seq(),
            None => self.look().0 == Look::Passed,
        }
    }

    fn is_costly(&mut self) -> bool {
        self.is_passed()
            && (self.rest.bytes().len() > COSTLY || self.history.is_none() && !self.keep_rest())
    }

    fn report(&mut self, end: End) -> ClientReport {
        self.report.end = end;
        self.report.torn = !self.rest.bytes().is_empty() || self.sent_of_next.is_some();
        self.counters.ended(end);
        self.report
    }

    fn enlist(&self, idle: Weak<dyn Idle>) {
        self.cursor.tail().enlist(idle);
    }
}
