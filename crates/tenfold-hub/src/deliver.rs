//! What every delivery to a client can do, of one channel or of many.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Weak};

use bytes::Buf;
use tenfold_log::{ReadError, Reader};

use crate::block::Block;
use crate::history::{FromFile, History};
use crate::idle::Idle;
use crate::stats::{ClientReport, End};

/// A block beyond this is not kept for a client that was passed, in bytes.
pub(crate) const COSTLY: usize = 1024 * 1024;

/// What goes to one client, as the task that waits for its socket sees it.
pub(crate) trait Deliver: fmt::Debug + Send + 'static {
    /// Writes once.
    fn attempt(&mut self) -> io::Result<Attempt>;

    /// Writes once, and nothing after what was begun: the client may not have more.
    fn write_rest(&mut self) -> io::Result<Attempt>;

    /// Has the next append serve or wake this client, once it is caught up.
    fn enlist(&self, idle: Weak<dyn Idle>);

    /// A read that waits for the disk or for memory: what it needs. Nothing that was read before is kept then.
    fn unread(&mut self) -> Option<(Arc<History>, Reader)>;

    /// Takes what was read.
    fn read(&mut self, reader: Reader, result: Result<FromFile, ReadError>) -> Attempt;

    /// Waits until what was begun should not be kept as it is: no tail keeps it, and no memory is taken for it.
    fn let_go(&self) -> impl Future<Output = ()> + Send + use<Self>;

    /// Keeps only the frame that was begun, and takes memory for it. Where there is none, what can be read again is not
    /// kept either. False: it cannot be.
    fn keep_rest(&mut self) -> bool;

    /// Waits until an end is in sight.
    fn ending(&self) -> impl Future<Output = ()> + Send + use<Self>;

    /// Whether retention has passed the client.
    fn is_passed(&mut self) -> bool;

    /// Whether finishing what was begun would keep much memory that the tail has given up, or more than there is for
    /// that. Otherwise the memory is taken.
    fn is_costly(&mut self) -> bool;

    /// While the client is idle: waits until it is to be sent something that is not a message.
    fn stirs(&self) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        None
    }

    /// That is the case.
    fn stir(&mut self) {}

    /// What has become of it, once the client's connection has come to this end.
    fn report(&mut self, end: End) -> ClientReport;
}

/// What one attempt to write has led to.
pub(crate) enum Attempt {
    Wrote,
    CaughtUp,
    Blocked,
    /// What comes next has to be read from the disk, or with memory that has to be waited for.
    Unread,
    Done(End),
}

/// What an attempt has led to whose write has failed.
pub(crate) fn attempt_after(error: io::Error) -> io::Result<Attempt> {
    match error.kind() {
        io::ErrorKind::WouldBlock => Ok(Attempt::Blocked),
        io::ErrorKind::Interrupted => Ok(Attempt::Wrote),
        _ => Err(error),
    }
}

/// Takes up to `bytes` from the front of a block; returns how many, and its messages if that was
/// all of it.
pub(crate) fn take(rest: &mut Block, bytes: usize) -> (usize, u64) {
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
