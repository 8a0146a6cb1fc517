//! A transport in memory that cuts reads and writes everywhere.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::script::Random;

/// How much a transport carries at once.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    /// All that it is given, always.
    Whole,
    /// One byte, and before each it is not ready.
    OneByte,
    /// A few bytes or many, from this seed, and often it is not ready.
    Random(u64),
}

/// Reads from, or writes to, a vector.
#[derive(Debug)]
pub(crate) struct Choppy {
    pub(crate) bytes: Vec<u8>,
    read: usize,
    cut: Cut,
    random: Random,
    was_ready: bool,
    /// After so many bytes every write fails.
    pub(crate) breaks_at: Option<usize>,
}

impl Choppy {
    pub(crate) fn new(cut: Cut, bytes: Vec<u8>) -> Self {
        let seed = if let Cut::Random(seed) = cut { seed } else { 0 };
        Self {
            bytes,
            read: 0,
            cut,
            random: Random(seed),
            was_ready: true,
            breaks_at: None,
        }
    }

    /// How many of `wanted` bytes to carry now; nothing when not ready.
    fn turn(&mut self, wanted: usize) -> Option<usize> {
        let (ready, most) = match self.cut {
            Cut::Whole => (true, wanted),
            Cut::OneByte => (!self.was_ready, 1),
            Cut::Random(_) => {
                let most = 1 << self.random.below(17);
                (!self.was_ready || self.random.below(3) > 0, most)
            }
        };
        self.was_ready = ready;
        ready.then_some(most.min(wanted))
    }

    fn carry_to(&mut self, out: &mut [u8]) -> Option<usize> {
        let n = self.turn(out.len().min(self.bytes.len() - self.read))?;
        out[..n].copy_from_slice(&self.bytes[self.read..self.read + n]);
        self.read += n;
        Some(n)
    }

    fn carry_from(&mut self, slices: &[IoSlice<'_>]) -> io::Result<Option<usize>> {
        let all: usize = slices.iter().map(|slice| slice.len()).sum();
        let room = self.breaks_at.map_or(all, |at| at - self.bytes.len());
        if room == 0 {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let Some(n) = self.turn(all.min(room)) else {
            return Ok(None);
        };
        let mut left = n;
        for slice in slices {
            let part = left.min(slice.len());
            self.bytes.extend_from_slice(&slice[..part]);
            left -= part;
        }
        Ok(Some(n))
    }

    /// Not ready, in one of the ways in which transports say so.
    fn excuse(&mut self) -> io::Error {
        let kinds = [
            ErrorKind::WouldBlock,
            ErrorKind::TimedOut,
            ErrorKind::Interrupted,
        ];
        kinds[self.random.below(3)].into()
    }
}

impl Read for Choppy {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.carry_to(buffer).ok_or_else(|| self.excuse())
    }
}

impl Write for Choppy {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.carry_from(slices)?.ok_or_else(|| self.excuse())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Choppy {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(n) = self.carry_to(buffer.initialize_unfilled()) else {
            return pending(cx);
        };
        buffer.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Choppy {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.carry_from(slices)? {
            Some(n) => Poll::Ready(Ok(n)),
            None => pending(cx),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn pending<T>(cx: &Context<'_>) -> Poll<T> {
    cx.waker().wake_by_ref();
    Poll::Pending
}
