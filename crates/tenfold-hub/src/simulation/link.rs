//! A connection without a network: two streams of bytes on the runtime's clock, which hold, cut up
//! and lose what a seed says.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::BufMut;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};
use tokio::sync::Notify;
use tokio::time::sleep;

use super::random::Random;

/// One end of a connection. The hub uses it like a socket, a client as an
/// [`AsyncRead`] and [`AsyncWrite`].
#[derive(Debug)]
pub(crate) struct Link {
    line: Arc<Mutex<Line>>,
    /// 0 is the side that listens, 1 the side that connects.
    side: usize,
}

/// What is between the two ends.
#[derive(Debug)]
struct Line {
    /// What each side has sent.
    ways: [Way; 2],
    /// The task that waits at each side.
    wakers: [Vec<Waker>; 2],
    /// Wakes the task that carries what a side sends.
    work: [Arc<Notify>; 2],
    /// The connection has broken.
    reset: bool,
    random: Random,
}

#[derive(Debug, Default)]
struct Way {
    /// Sent, and on the way.
    sent: VecDeque<u8>,
    /// Arrived, and not read.
    arrived: VecDeque<u8>,
    /// The sender sends nothing more; the receiver has heard of it.
    ended: bool,
    end_arrived: bool,
}

/// How a connection behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    /// What each way holds, in bytes.
    pub(crate) capacity: usize,
    /// The longest that a part takes on its way.
    pub(crate) delay: Duration,
    /// One in so many bytes breaks the connection; 0: none does.
    pub(crate) cut_one_in: u64,
}

/// A connection: the listener's end and the client's.
pub(crate) fn link(weather: Weather, mut random: Random) -> (Link, Link) {
    let line = Arc::new(Mutex::new(Line {
        ways: Default::default(),
        wakers: Default::default(),
        work: Default::default(),
        reset: false,
        random: random.fork(),
    }));
    for side in 0..2 {
        tokio::spawn(carry(Arc::downgrade(&line), side, weather, random.fork()));
    }
    let end = |side| Link {
        line: Arc::clone(&line),
        side,
    };
    (end(0), end(1))
}

/// Takes what one side sends to the other, in parts.
async fn carry(
    line: std::sync::Weak<Mutex<Line>>,
    side: usize,
    weather: Weather,
    mut random: Random,
) {
    let Some(work) = line
        .upgrade()
        .map(|line| Arc::clone(&line.lock().unwrap().work[side]))
    else {
        return;
    };
    loop {
        work.notified().await;
        sleep(random.time(weather.delay)).await;
        let Some(line) = line.upgrade() else {
            return;
        };
        let mut line = line.lock().unwrap_or_else(PoisonError::into_inner);
        let way = &mut line.ways[side];
        let room = weather.capacity.saturating_sub(way.arrived.len());
        let most = way.sent.len().min(room);
        if most > 0 {
            let part = random.length(most);
            way.arrived.extend(way.sent.drain(..part));
            if weather.cut_one_in > 0 && random.below(weather.cut_one_in) < part as u64 {
                line.reset = true;
            }
            // There may be more.
            work.notify_one();
            line.wake();
        } else if way.ended && way.sent.is_empty() && !way.end_arrived {
            way.end_arrived = true;
            line.wake();
        }
        if line.reset {
            line.wake();
            return;
        }
    }
}

/// What a way takes before it has been carried, in bytes.
const SEND_BUFFER: usize = 4096;

impl Line {
    fn wake(&mut self) {
        for waker in self.wakers.iter_mut().flat_map(|wakers| wakers.drain(..)) {
            waker.wake();
        }
    }

    fn broken(&self) -> io::Result<()> {
        if self.reset {
            Err(io::ErrorKind::ConnectionReset.into())
        } else {
            Ok(())
        }
    }

    fn read(&mut self, side: usize, into: &mut [u8]) -> io::Result<usize> {
        let way = &mut self.ways[1 - side];
        if way.arrived.is_empty() {
            if way.end_arrived && !self.reset {
                return Ok(0);
            }
            self.broken()?;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let most = way.arrived.len().min(into.len());
        let n = if self.random.below(4) == 0 && most > 0 {
            self.random.length(most)
        } else {
            most
        };
        for (to, from) in into.iter_mut().zip(way.arrived.drain(..n)) {
            *to = from;
        }
        self.work[1 - side].notify_one();
        Ok(n)
    }

    fn write(&mut self, side: usize, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.broken()?;
        let way = &mut self.ways[side];
        if way.ended {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let room = SEND_BUFFER.saturating_sub(way.sent.len());
        if room == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut left = self.random.length(room);
        let mut written = 0;
        for slice in slices {
            let n = slice.len().min(left);
            way.sent.extend(&slice[..n]);
            left -= n;
            written += n;
        }
        self.work[side].notify_one();
        Ok(written)
    }

    fn readiness(&self, side: usize) -> Ready {
        let (out, back) = (&self.ways[side], &self.ways[1 - side]);
        let mut ready = Ready::EMPTY;
        if self.reset {
            return Ready::ERROR | Ready::READABLE | Ready::WRITABLE;
        }
        if !back.arrived.is_empty() || back.end_arrived {
            ready |= Ready::READABLE;
        }
        if out.sent.len() < SEND_BUFFER {
            ready |= Ready::WRITABLE;
        }
        ready
    }
}

impl Link {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        poll_fn(|cx| {
            let mut line = self.line();
            let mut ready = line.readiness(self.side);
            if !interest.is_readable() {
                ready = ready - Ready::READABLE;
            }
            if !interest.is_writable() {
                ready = ready - Ready::WRITABLE;
            }
            if ready.is_empty() {
                line.wakers[self.side].push(cx.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(Ok(ready))
        })
        .await
    }

    pub(crate) fn try_read(&self, into: &mut [u8]) -> io::Result<usize> {
        self.line().read(self.side, into)
    }

    pub(crate) fn try_read_buf(&self, into: &mut impl BufMut) -> io::Result<usize> {
        let mut part = vec![0; into.remaining_mut().min(4096)];
        let n = self.try_read(&mut part)?;
        into.put_slice(&part[..n]);
        Ok(n)
    }

    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.try_write_vectored(&[IoSlice::new(bytes)])
    }

    pub(crate) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.line().write(self.side, slices)
    }

    pub(crate) fn shut_down_writing(&self) -> io::Result<()> {
        let mut line = self.line();
        line.broken()?;
        line.ways[self.side].ended = true;
        line.work[self.side].notify_one();
        Ok(())
    }

    /// Breaks the connection for both.
    pub(crate) fn reset(&self) {
        let mut line = self.line();
        line.reset = true;
        line.work.iter().for_each(|work| work.notify_one());
        line.wake();
    }

    /// Whether something that was sent, or the end, has not arrived.
    pub(crate) fn has_unacknowledged(&self) -> bool {
        let line = self.line();
        !line.reset && !line.ways[self.side].end_arrived
    }

    pub(crate) fn noted_error(&self) -> Option<io::Error> {
        self.line().broken().err()
    }
}

/// Closing with unread input resets, as it does on Linux.
impl Drop for Link {
    fn drop(&mut self) {
        let mut line = self.line();
        let side = self.side;
        line.ways[side].ended = true;
        line.work[side].notify_one();
        line.work[1 - side].notify_one();
        line.reset |= !line.ways[1 - side].arrived.is_empty();
        line.wake();
    }
}

impl AsyncRead for Link {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.try_read(into.initialize_unfilled()) {
            Ok(n) => {
                into.advance(n);
                Poll::Ready(Ok(()))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.line().wakers[self.side].push(cx.waker().clone());
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl AsyncWrite for Link {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.try_write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.line().wakers[self.side].push(cx.waker().clone());
                Poll::Pending
            }
            result => Poll::Ready(result),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.shut_down_writing())
    }
}
