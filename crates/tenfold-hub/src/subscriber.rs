//! One client's connection: from the cursor to the socket.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::Duration;

use bytes::Buf;
use tokio::io::{Interest, Ready};
use tokio::time::{Instant, sleep_until};

use crate::Block;
use crate::cursor::{Cursor, Look};
use crate::socket::{Discarded, INPUT_PER_TURN, Peer, Socket};
use crate::stats::{ClientReport, Counters, End};

/// Writes the blocks after its cursor as fast as the socket takes them, until the tail ends, the
/// cursor is passed, or the client goes away.
///
/// ```text
///   state        waits for                                       then
///   writing      nothing                                         caught up, blocked or done
///   caught up    a block, the end of the tail; input             writing
///   blocked      room in the socket, an end in sight; input      writing
///   blocked at   room in the socket, the drain time              writing, or cut
///     the end
///   done         the client's end, for a moment                  closed
/// ```
///
/// While it waits it holds the rest of one block at the most, whose frames it has to finish.
#[derive(Debug)]
pub(crate) struct Subscriber {
    socket: Arc<Socket>,
    cursor: Cursor,
    /// What is left of the block that was begun, and its messages (none for a welcome).
    rest: Block,
    /// The peer has said that it will send nothing more.
    half_closed: bool,
    /// Set once an end is in sight.
    deadline: Option<Instant>,
    drain: Drain,
    counters: Arc<Counters>,
    report: ClientReport,
}

/// What one attempt to write has led to.
enum Step {
    Wrote,
    CaughtUp,
    Blocked,
    Done(End),
}

/// How long a client has to take what is left, once an end is in sight.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Drain {
    /// As long as it takes, if it does not take nothing for so long.
    Silence(Duration),
    /// So long in all.
    Total(Duration),
}

impl Subscriber {
    /// A client that gets `first`, and then what is behind the cursor.
    pub(crate) fn new(
        (socket, peer): (impl Into<Arc<Socket>>, Peer),
        first: Block,
        cursor: Cursor,
        drain: Drain,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            socket: socket.into(),
            cursor,
            rest: first,
            half_closed: false,
            deadline: None,
            drain,
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

    /// Leaves the client's input to somebody else.
    #[must_use]
    pub(crate) fn without_input(mut self) -> Self {
        self.half_closed = true;
        self
    }

    /// Serves the client to its end, and closes the connection.
    pub(crate) async fn run(mut self) -> ClientReport {
        self.deliver().await;
        let (socket, half_closed, report) = self.into_parts();
        if report.torn {
            socket.reset_on_close();
        } else if !matches!(report.end, End::Gone(_)) {
            socket.finish(half_closed).await;
        }
        report
    }

    /// Serves the client to its end. Dropped before, it can be called again.
    pub(crate) async fn deliver(&mut self) {
        let end = self.write_all().await;
        self.report.end = end.unwrap_or_else(|error| End::Gone(error.kind()));
        self.counters.ended(self.report.end);
    }

    /// What has become of it. Its place holds nobody any more, even if closing takes its time.
    pub(crate) fn into_parts(mut self) -> (Arc<Socket>, bool, ClientReport) {
        self.report.torn = !self.rest.bytes().is_empty();
        (self.socket, self.half_closed, self.report)
    }

    async fn write_all(&mut self) -> io::Result<End> {
        loop {
            match self.step()? {
                Step::Wrote => {
                    // A client that takes everything at once must not keep the thread.
                    tokio::task::consume_budget().await;
                }
                Step::CaughtUp => {
                    tokio::select! {
                        biased;
                        () = self.cursor.ready() => {}
                        ready = self.socket.ready(self.input()) => self.listen(ready?)?,
                    }
                }
                Step::Blocked => {
                    if let Some(end) = self.wait_for_room().await? {
                        return Ok(end);
                    }
                }
                Step::Done(end) => return Ok(end),
            }
        }
    }

    /// Waits until the socket may take something, and no longer than the drain time once the end
    /// is in sight.
    async fn wait_for_room(&mut self) -> io::Result<Option<End>> {
        let interest = self.input() | Interest::WRITABLE;
        let Some(deadline) = self.deadline else {
            tokio::select! {
                        biased;
                ready = self.socket.ready(interest) => self.listen(ready?)?,
                () = self.cursor.ending() => {
                    let (Drain::Silence(time) | Drain::Total(time)) = self.drain;
                    self.deadline = Some(Instant::now() + time);
                }
            }
            return Ok(None);
        };
        tokio::select! {
                        biased;
            ready = self.socket.ready(interest) => self.listen(ready?)?,
            () = sleep_until(deadline) => {
                return Ok(Some(if self.look().0 == Look::Passed { End::Slow } else { End::Stalled }));
            }
        }
        Ok(None)
    }

    /// Writes once.
    fn step(&mut self) -> io::Result<Step> {
        let (look, blocks) = self.look();
        if self.rest.bytes().is_empty() {
            match look {
                Look::Blocks => {}
                Look::CaughtUp => return Ok(Step::CaughtUp),
                Look::Ended => return Ok(Step::Done(End::Complete)),
                Look::Passed => return Ok(Step::Done(End::Slow)),
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
                Ok(Step::Wrote)
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(Step::Blocked),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Ok(Step::Wrote),
            Err(e) => Err(e),
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
        self.cursor.advance(&blocks[..begun]);
        self.report.messages += messages;
        self.report.bytes += written as u64;
        self.counters.sent(messages, written as u64);
        if let (Some(deadline), Drain::Silence(time)) = (&mut self.deadline, self.drain) {
            *deadline = Instant::now() + time;
        }
    }

    /// What to wait for on the receiving side. After a half-close that side is always ready to
    /// say so again; what can still come from there is an error.
    fn input(&self) -> Interest {
        if self.half_closed {
            Interest::ERROR
        } else {
            Interest::READABLE
        }
    }

    /// Throws away input, and notices a peer that has vanished. The end of its input may be a
    /// half-close: a unix socket tells whether it still receives, of TCP the next write does.
    fn listen(&mut self, ready: Ready) -> io::Result<()> {
        if ready.is_error() {
            return self.socket.noted_error().map_or(Ok(()), Err);
        }
        if !self.half_closed && self.socket.discard(INPUT_PER_TURN)? == Discarded::End {
            self.half_closed = true;
            if self.socket.is_hung_up() {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
        }
        Ok(())
    }
}

/// Takes up to `bytes` from the front of a block; returns how many, and its messages if that was
/// all of it.
fn take(rest: &mut Block, bytes: usize) -> (usize, u64) {
    let mut left = rest.bytes().clone();
    let taken = bytes.min(left.len());
    left.advance(taken);
    let (done, messages) = if left.is_empty() {
        (rest.messages(), 0)
    } else {
        (0, rest.messages())
    };
    *rest = Block::new(left, messages);
    (taken, done)
}
