//! Messages out of an [`AsyncRead`].

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tenfold_codec::{DecodeError, Decoder, Event, Framing, Side};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::timeout;

use crate::error::ReadError;
use crate::inbox::Inbox;

/// Reads the messages of one side of a connection from any [`AsyncRead`]. It buffers, so the
/// transport should not.
///
/// **Cancel-safe**: a call that is dropped before it is ready has lost nothing, so all of them can
/// stand in `select!`. What has been read is in the decoder, which is in the reader and not in the
/// future; and an event counts as given only when the call is ready with it.
///
/// While it waits with nothing buffered, it holds no memory for the stream.
///
/// ```
/// use tenfold::{Framing, asynchronous::Reader};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), tenfold::ReadError> {
/// let mut reader = Reader::connecting(&b"5         hello0         "[..], &Framing::default());
/// while let Some(message) = reader.message().await? {
///     println!("{}", message.escape_ascii());
/// }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Reader<R> {
    inner: R,
    inbox: Inbox,
    patience: Option<Duration>,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    /// For a program that connected: reads the server's messages, whole ones of at most
    /// [`DEFAULT_LIMIT`](tenfold_codec::DEFAULT_LIMIT) bytes.
    pub fn connecting(inner: R, framing: &Framing) -> Self {
        Self::with_decoder(inner, Decoder::connecting(framing))
    }

    /// For a program that listened: reads the client's messages, whole ones of at most
    /// [`DEFAULT_LIMIT`](tenfold_codec::DEFAULT_LIMIT) bytes.
    pub fn listening(inner: R, framing: &Framing) -> Self {
        Self::with_decoder(inner, Decoder::listening(framing))
    }

    /// For a file or a pipe, which holds the bytes of one side: reads whole messages of at most
    /// [`DEFAULT_LIMIT`](tenfold_codec::DEFAULT_LIMIT) bytes.
    pub fn new(inner: R, side: &Side) -> Self {
        Self::with_decoder(inner, Decoder::new(side))
    }

    /// Reads with a decoder's limit, pieces and recovery; bytes that it was fed come first.
    pub fn with_decoder(inner: R, decoder: Decoder) -> Self {
        Self {
            inner,
            inbox: Inbox::new(decoder),
            patience: None,
        }
    }

    /// After a bad header, waits up to `time` ([`PATIENCE`](crate::PATIENCE)) for some bytes more,
    /// so that the error can tell what the peer speaks; without this the error is described by the
    /// bytes that are there. Needs a runtime with time enabled.
    #[must_use]
    pub fn with_patience(mut self, time: Duration) -> Self {
        self.patience = Some(time);
        self
    }

    /// The next thing in the stream, lent until the next call; `None` is its clean end.
    #[inline]
    pub async fn next_event(&mut self) -> Result<Option<Event<'_>>, ReadError> {
        self.go_on().await?;
        Ok(self.inbox.event())
    }

    /// The next message, lent until the next call; `None` is the clean end of the stream. Marks,
    /// and messages that the decoder leaves out, are passed over.
    #[inline]
    pub async fn message(&mut self) -> Result<Option<&[u8]>, ReadError> {
        self.go_on_to_message().await?;
        Ok(self.inbox.message())
    }

    /// The next message, owned. A large one is not copied: it was read where it is.
    pub async fn message_owned(&mut self) -> Result<Option<Vec<u8>>, ReadError> {
        self.go_on_to_message().await?;
        Ok(self.inbox.take_message())
    }

    /// The next event, if it is complete in what was read already; does not read.
    pub fn buffered_event(&mut self) -> Result<Option<Event<'_>>, ReadError> {
        Ok(self.inbox.decoder.next_event()?)
    }

    /// Goes on in another framing, with the bytes after the last event. Offsets count from there.
    pub fn switch_to(&mut self, decoder: Decoder) {
        self.inbox.switch_to(decoder);
    }

    /// The decoder: where the stream stands, and what was received and not yet given.
    pub fn decoder(&self) -> &Decoder {
        &self.inbox.decoder
    }

    /// The transport.
    pub fn get_ref(&self) -> &R {
        &self.inner
    }

    /// The transport. What is read from it is missing here.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.inner
    }

    /// The transport and the decoder, whose [`rest`](Decoder::rest) was received and not yet given.
    pub fn into_parts(self) -> (R, Decoder) {
        (self.inner, self.inbox.decoder)
    }

    #[inline]
    async fn go_on(&mut self) -> Result<(), ReadError> {
        loop {
            match self.inbox.is_short() {
                Ok(false) => return Ok(()),
                Ok(true) => poll_fn(|cx| self.poll_fill(cx)).await?,
                Err(error) => return Err(self.described(error).await.into()),
            }
        }
    }

    #[inline]
    async fn go_on_to_message(&mut self) -> Result<(), ReadError> {
        loop {
            self.go_on().await?;
            if self.inbox.is_message_or_end()? {
                return Ok(());
            }
        }
    }

    /// Reads once.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut space = ReadBuf::new(self.inbox.decoder.space());
            let polled = Pin::new(&mut self.inner).poll_read(cx, &mut space);
            let n = space.filled().len();
            match polled {
                Poll::Ready(Ok(())) => {
                    self.inbox.advance(n);
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.inbox.decoder.release();
                    return Poll::Pending;
                }
            }
        }
    }

    /// The error, with the bytes that the transport has, or gets within the time that was allowed;
    /// waits for them once.
    #[cold]
    async fn described(&mut self, error: DecodeError) -> DecodeError {
        if let Some(time) = self.patience {
            let _ = timeout(time, self.read_evidence()).await;
        } else {
            let mut reading = pin!(self.read_evidence());
            poll_fn(|cx| {
                let _ = reading.as_mut().poll(cx);
                Poll::Ready(())
            })
            .await;
        }
        self.patience = None;
        self.inbox.is_short().err().unwrap_or(error)
    }

    async fn read_evidence(&mut self) -> io::Result<()> {
        while let Err(error) = self.inbox.is_short() {
            if error.wants_evidence() == 0 || self.inbox.ended {
                break;
            }
            poll_fn(|cx| self.poll_fill(cx)).await?;
        }
        Ok(())
    }
}
