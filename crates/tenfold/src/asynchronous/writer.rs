//! Messages into an [`AsyncWrite`].

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tenfold_codec::{Encoder, Framing, Side};
use tokio::io::AsyncWrite;

use crate::error::WriteError;
use crate::outbox::Outbox;

/// Writes messages for one side of a connection into any [`AsyncWrite`]. It buffers, so the
/// transport should not.
///
/// `Err` means that the message was **not accepted**: nothing of it will ever be sent. `Ok` means
/// that it goes out **whole**, at the latest with [`flush`](Self::flush); only a broken connection
/// (every later call then fails) or a writer that is dropped before it was flushed ends it.
///
/// **Cancel-safe**: a call that is dropped before it is ready has not accepted its message, and no
/// frame is torn. For a call waits in one place only, *before* it accepts: until there is room.
/// From there on it does not wait again; what the transport does not take at once is copied into
/// the writer, which knows how far each frame has gone, and goes out with the next call. At most
/// [`HIGH_WATER`](crate::HIGH_WATER) bytes and one message are kept.
///
/// Small messages go out in batches, large ones from where they are.
///
/// ```
/// use tenfold::{Framing, asynchronous::Writer};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), tenfold::WriteError> {
/// let mut writer = Writer::connecting(Vec::new(), &Framing::default());
/// writer.write(b"hello").await?;
/// writer.flush().await?;
/// assert_eq!(writer.get_ref(), b"5         hello");
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Writer<W> {
    inner: W,
    outbox: Outbox,
}

impl<W: AsyncWrite + Unpin> Writer<W> {
    /// For a program that connected: writes messages as the client's.
    pub fn connecting(inner: W, framing: &Framing) -> Self {
        Self::with_encoder(inner, Encoder::connecting(framing))
    }

    /// For a program that listened: writes messages as the server's.
    pub fn listening(inner: W, framing: &Framing) -> Self {
        Self::with_encoder(inner, Encoder::listening(framing))
    }

    /// For a file or a pipe, which holds the bytes of one side.
    pub fn new(inner: W, side: &Side) -> Self {
        Self::with_encoder(inner, Encoder::new(side))
    }

    /// Goes on with an encoder.
    pub fn with_encoder(inner: W, encoder: Encoder) -> Self {
        Self {
            inner,
            outbox: Outbox::new(encoder),
        }
    }

    /// Sends a message, soon.
    #[inline]
    pub async fn write(&mut self, message: &[u8]) -> Result<(), WriteError> {
        if self.try_write(message)? {
            return Ok(());
        }
        poll_fn(|cx| when_ready(self.outbox.message(message, to(&mut self.inner, cx)))).await
    }

    /// Accepts a small message if nothing has to be written before, without being a future: the fast
    /// way for one message after the other. False: it was not accepted, and [`write`](Self::write)
    /// takes it.
    #[inline]
    pub fn try_write(&mut self, message: &[u8]) -> Result<bool, WriteError> {
        if !self.outbox.batches(message) {
            return Ok(false);
        }
        self.outbox.batch(message)?;
        Ok(true)
    }

    /// Sends a mark, in a framing that has them.
    pub async fn mark(&mut self, number: u64) -> Result<(), WriteError> {
        self.append(|encoder, out| encoder.mark(number, out)).await
    }

    /// Begins a message that is written in pieces. Where the framing puts the length first it must
    /// be given; where it is given, it is checked.
    pub async fn begin(&mut self, length: Option<u64>) -> Result<(), WriteError> {
        self.append(|encoder, out| encoder.begin(length, out)).await
    }

    /// Sends the next bytes of the message that was begun; all of them or, on an error, none. They
    /// are copied, so a giant goes through in pieces of some 64 KiB.
    pub async fn data(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.append(|encoder, out| encoder.data(bytes, out)).await
    }

    /// Ends the message that was begun.
    pub async fn end(&mut self) -> Result<(), WriteError> {
        self.append(Encoder::end).await
    }

    /// Writes all that was accepted, and flushes the transport. Dropped, it can be called again.
    pub async fn flush(&mut self) -> Result<(), WriteError> {
        poll_fn(|cx| when_ready(self.outbox.drain(to(&mut self.inner, cx)))).await?;
        self.outbox.release();
        poll_fn(|cx| Pin::new(&mut self.inner).poll_flush(cx))
            .await
            .map_err(|error| self.outbox.note(error).into())
    }

    /// Writes all that was accepted and shuts the transport down for writing: the peer sees a clean
    /// end.
    pub async fn shutdown(&mut self) -> Result<(), WriteError> {
        self.flush().await?;
        poll_fn(|cx| Pin::new(&mut self.inner).poll_shutdown(cx))
            .await
            .map_err(|error| self.outbox.note(error).into())
    }

    /// Bytes that were accepted and not yet written.
    pub fn pending(&self) -> usize {
        self.outbox.len()
    }

    /// The encoder: whether a message is under way.
    pub fn encoder(&self) -> &Encoder {
        self.outbox.encoder()
    }

    /// The transport.
    pub fn get_ref(&self) -> &W {
        &self.inner
    }

    /// The transport. What is written to it overtakes what is pending.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.inner
    }

    /// The transport. What is pending is lost: [`flush`](Self::flush) before.
    pub fn into_inner(self) -> W {
        self.inner
    }

    async fn append(
        &mut self,
        encode: impl Fn(&mut Encoder, &mut Vec<u8>) -> Result<(), tenfold_codec::EncodeError>,
    ) -> Result<(), WriteError> {
        poll_fn(|cx| when_ready(self.outbox.append(to(&mut self.inner, cx), &encode))).await
    }
}

/// The transport as the outbox knows it: not ready is `WouldBlock`, and `cx` is woken when it is.
fn to<W: AsyncWrite + Unpin>(
    inner: &mut W,
    cx: &mut Context<'_>,
) -> impl FnMut(&[IoSlice<'_>]) -> io::Result<usize> {
    |slices| {
        let inner = Pin::new(&mut *inner);
        let polled = match slices {
            // A plain write of a socket does not raise SIGPIPE, and a vectored one does.
            [slice] => inner.poll_write(cx, slice),
            _ => inner.poll_write_vectored(cx, slices),
        };
        match polled {
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
            // It has promised no wake-up, so a task that waited for one would wait forever.
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                Err(io::Error::other(error))
            }
            Poll::Ready(result) => result,
        }
    }
}

fn when_ready(result: Result<(), WriteError>) -> Poll<Result<(), WriteError>> {
    match result {
        Err(WriteError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
        result => Poll::Ready(result),
    }
}
