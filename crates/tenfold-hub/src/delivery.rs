//! What goes to one client: from the cursor into the socket, without waiting.

use std::io::{self, IoSlice};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Weak};

use tenfold_log::{ReadError, Reader};
use tokio::time::sleep;

use crate::block::Block;
use crate::cursor::{Cursor, Look};
use crate::deliver::{Attempt, COSTLY, Deliver, attempt_after};
use crate::frames;
use crate::history::{FromFile, History};
use crate::holding::NextSeq;
use crate::idle::Idle;
use crate::ledger::Entry;
use crate::memory::Rests;
use crate::peer::Peer;
use crate::rest::Rest;
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
    /// What is left of the block that was begun (a welcome has no messages).
    rest: Rest,
    /// Where to go on when the tail has passed the cursor, if there is something.
    history: Option<Arc<History>>,
    /// What is kept for it, if publishers wait for slow subscribers.
    held: Option<NextSeq>,
    /// The place there, as long as it is used.
    reader: Option<Reader>,
    /// The block from a file before it, when all of that is sent: its memory is for the next read.
    spent: Option<Rest>,
    /// How many bytes of the next message are sent, if the rest of it is to be read again.
    sent_of_next: Option<usize>,
    /// Memory for rests that no tail keeps.
    rests: Option<Arc<Rests>>,
    counters: Arc<Counters>,
    report: ClientReport,
}

/// How far a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Messages given to the system in full.
    pub(crate) messages: u64,
    /// Messages that it does not get, because they were not kept.
    pub(crate) skipped: u64,
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
            rest: Rest::only(first),
            held: history
                .as_ref()
                .and_then(|history| history.enter(cursor.seq(), cursor.holds())),
            history,
            reader: None,
            spent: None,
            sent_of_next: None,
            rests: None,
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
        self.rest = std::mem::take(&mut self.rest).ends_with(head, first);
    }

    /// How far it is.
    pub(crate) fn sent(&self) -> Sent {
        Sent {
            messages: self.report.messages,
            skipped: self.report.skipped,
            bytes: self.report.bytes,
            rest: self.rest.len() as u64,
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
            self.rest = head.map_or_else(Rest::default, |(block, messages)| {
                Rest::of_tail(frames::after(&block, messages), seq)
            });
            return Attempt::Wrote;
        }
        let reader = self.reader.take().filter(|reader| reader.seq() == seq);
        let mut reader = reader.unwrap_or_else(|| history.channel.reader(seq));
        if let Some(memory) = spent.and_then(Rest::into_memory) {
            reader.reuse(memory);
        }
        let result = history.read_cached(&mut reader);
        self.read(reader, result)
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
        let mut first = self.cursor.seq();
        loop {
            let (taken, done) = self.rest.take(left);
            left -= taken;
            messages += done;
            if left == 0 {
                break;
            }
            let block = blocks[begun].clone();
            first += block.messages();
            self.rest = Rest::of_tail(block, first - blocks[begun].messages());
            begun += 1;
        }
        if self.rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            self.spent = (begun == 0).then_some(rest);
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
        if self.rest.is_empty() {
            match look {
                Look::Blocks => {}
                Look::CaughtUp => return Ok(Attempt::CaughtUp),
                Look::Ended => return Ok(Attempt::Done(End::Complete)),
                Look::Passed => return Ok(self.read_on()),
            }
        }
        let mut slices = [IoSlice::new(&[]); Cursor::MAX_BLOCKS + 1];
        let mut used = 0;
        let blocks_bytes = blocks.iter().map(Block::bytes);
        for bytes in std::iter::once(self.rest.bytes()).chain(blocks_bytes) {
            if !bytes.is_empty() {
                slices[used] = IoSlice::new(bytes);
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
        if self.rest.is_empty() {
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

    fn read(&mut self, reader: Reader, result: Result<FromFile, ReadError>) -> Attempt {
        let first = self.cursor.seq();
        match result {
            Ok(FromFile { frames, memory }) => {
                let block = self
                    .cursor
                    .up_to_the_end(Block::new(frames.bytes, frames.messages));
                let sent = self.sent_of_next.take().unwrap_or_default();
                self.rest = Rest::of_file(block, first, memory).after(sent);
                self.cursor.pass(self.rest.messages());
                self.note_place();
                self.reader = Some(reader);
                Attempt::Wrote
            }
            Err(ReadError::WouldBlock | ReadError::Large { .. }) => {
                self.reader = Some(reader);
                Attempt::Unread
            }
            Err(ReadError::Corrupt { .. } | ReadError::Io(_)) => Attempt::Done(End::Damaged),
            Err(_) => Attempt::Done(End::Slow),
        }
    }

    fn let_go(&self) -> impl Future<Output = ()> + Send + use<> {
        let is_kept = self.rests.is_none() || self.rest.is_kept();
        let (kept_for, passed) = (self.rest.kept_for(), self.cursor.passed());
        async move {
            match kept_for {
                _ if is_kept => std::future::pending().await,
                Some(time) => sleep(time).await,
                None => passed.await,
            }
        }
    }

    fn keep_rest(&mut self) -> bool {
        let Some(rests) = self.rests.clone().filter(|_| !self.rest.is_kept()) else {
            return true;
        };
        let is_in_files = self.history.is_some()
            && (self.rest.kept_for().is_some() || self.look().0 == Look::Passed);
        if is_in_files && let Some(let_go) = self.rest.let_go() {
            self.report.messages += let_go.sent;
            self.counters.sent(let_go.sent, 0);
            self.cursor.go_to(let_go.next);
            self.note_place();
        }
        if self.rest.keep(&rests) {
            return true;
        }
        // The rest of the message that was begun is read again when it is wanted.
        self.sent_of_next = self.rest.forget();
        if self.sent_of_next.is_some() {
            self.cursor.go_to(self.cursor.seq() - 1);
            self.note_place();
        }
        self.sent_of_next.is_some()
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
            && (self.rest.len() > COSTLY || self.history.is_none() && !self.keep_rest())
    }

    fn report(&mut self, end: End) -> ClientReport {
        self.report.end = end;
        self.report.torn = !self.rest.is_empty() || self.sent_of_next.is_some();
        self.counters.ended(end);
        self.report
    }

    fn enlist(&self, idle: Weak<dyn Idle>) {
        self.cursor.tail().enlist(idle);
    }
}
