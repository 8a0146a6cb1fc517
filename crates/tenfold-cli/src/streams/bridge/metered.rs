//! Bytes of a connection that may hold only so much of a message that is not whole.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::giver::Bytes;
use crate::flow::budget::{Share, TICK};

/// Reads when there is memory for what is held already, and tells it apart from the rest.
pub(super) struct Metered {
    inner: Bytes,
    share: Option<Share>,
    /// What was read and is in no message that was given.
    held: usize,
    /// Since when nothing has come.
    since: Instant,
    /// The next look.
    tick: Option<Pin<Box<Sleep>>>,
}

impl Metered {
    /// Without a share, everything is read.
    pub(super) fn new(inner: Bytes, share: Option<Share>) -> Self {
        Self {
            inner,
            share,
            held: 0,
            since: Instant::now(),
            tick: None,
        }
    }

    /// So much of what was read is in no message that was given.
    pub(super) fn holds(&mut self, bytes: usize) {
        self.held = bytes;
    }

    /// Has the task look again in a while.
    fn look_again(&mut self, cx: &mut Context<'_>) {
        loop {
            let tick = self.tick.get_or_insert_with(|| Box::pin(sleep(TICK)));
            if tick.as_mut().poll(cx).is_pending() {
                return;
            }
            self.tick = None;
        }
    }
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let held = this.held;
        if let Some(share) = &mut this.share {
            if !share.try_hold(held) {
                share.wait_on().map_err(io::Error::other)?;
                this.look_again(cx);
                return Poll::Pending;
            }
            share.waited();
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut this.inner).poll_read(cx, buf);
        if read.is_ready() {
            ready!(read)?;
            this.held += buf.filled().len() - before;
            this.since = Instant::now();
            this.tick = None;
            return Poll::Ready(Ok(()));
        }
        if let Some(share) = this.share.as_ref().filter(|share| share.is_any()) {
            share.check(this.since).map_err(io::Error::other)?;
            this.look_again(cx);
        }
        Poll::Pending
    }
}
