//! Messages out of a [`Read`].

use std::io::{self, Read};
use std::time::{Duration, Instant};

use tenfold_codec::{DecodeError, Decoder, Event, Framing, Side};

use crate::error::ReadError;
use crate::inbox::Inbox;

/// Reads the messages of one side of a connection from any [`Read`]. It buffers, so the transport
/// should not.
///
/// ```
/// use tenfold::{Framing, blocking::Reader};
///
/// let mut reader = Reader::connecting(&b"5         hello0         "[..], &Framing::default());
/// while let Some(message) = reader.message()? {
///     println!("{}", message.escape_ascii());
/// }
/// # Ok::<(), tenfold::ReadError>(())
/// ```
///
/// A time-out of the transport loses nothing: it is returned as [`ReadError::Io`], and the next
/// call goes on where this one stopped, in the middle of a header if need be. Interrupted reads are
/// repeated.
#[derive(Debug)]
pub struct Reader<R> {
    inner: R,
    inbox: Inbox,
    patience: Option<Patience<R>>,
}

/// How long to wait for what makes an error clearer, and how to bound a read of the transport.
#[derive(Debug)]
struct Patience<R> {
    time: Duration,
    set_time_out: fn(&R, Option<Duration>) -> io::Result<()>,
}

impl<R: Read> Reader<R> {
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
    /// bytes that came with it. The reader sets time-outs with the function it is given, and in the
    /// end sets none:
    ///
    /// ```
    /// use std::net::TcpStream;
    /// use tenfold::{Framing, PATIENCE, blocking::Reader};
    ///
    /// # fn example(socket: TcpStream) {
    /// let reader = Reader::connecting(socket, &Framing::default())
    ///     .with_patience(PATIENCE, TcpStream::set_read_timeout);
    /// # }
    /// ```
    #[must_use]
    pub fn with_patience(
        mut self,
        time: Duration,
        set_time_out: fn(&R, Option<Duration>) -> io::Result<()>,
    ) -> Self {
        self.patience = Some(Patience { time, set_time_out });
        self
    }

    /// The next thing in the stream, lent until the next call; `None` is its clean end.
    #[inline]
    pub fn next_event(&mut self) -> Result<Option<Event<'_>>, ReadError> {
        self.go_on()?;
        Ok(self.inbox.event())
    }

    /// The next message, lent until the next call; `None` is the clean end of the stream. Marks,
    /// and messages that the decoder leaves out, are passed over.
    #[inline]
    pub fn message(&mut self) -> Result<Option<&[u8]>, ReadError> {
        self.go_on_to_message()?;
        Ok(self.inbox.message())
    }

    /// The next message, owned. A large one is not copied: it was read where it is.
    pub fn message_owned(&mut self) -> Result<Option<Vec<u8>>, ReadError> {
        self.go_on_to_message()?;
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
    fn go_on(&mut self) -> Result<(), ReadError> {
        loop {
            match self.inbox.is_short() {
                Ok(false) => return Ok(()),
                Ok(true) => self.fill()?,
                Err(error) => return Err(self.described(error).into()),
            }
        }
    }

    #[inline]
    fn go_on_to_message(&mut self) -> Result<(), ReadError> {
        loop {
            self.go_on()?;
            if self.inbox.is_message_or_end()? {
                return Ok(());
            }
        }
    }

    /// Reads once.
    fn fill(&mut self) -> io::Result<()> {
        loop {
            match self.inner.read(self.inbox.decoder.space()) {
                Ok(n) => {
                    self.inbox.advance(n);
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The error, with the bytes that follow within a moment; waits for them once.
    #[cold]
    fn described(&mut self, mut error: DecodeError) -> DecodeError {
        let Some(patience) = self.patience.take() else {
            return error;
        };
        let deadline = Instant::now() + patience.time;
        while error.wants_evidence() > 0 && !self.inbox.ended {
            let left = deadline.saturating_duration_since(Instant::now());
            let may_read =
                !left.is_zero() && (patience.set_time_out)(&self.inner, Some(left)).is_ok();
            if !may_read || self.fill().is_err() {
                break;
            }
            if let Err(better) = self.inbox.is_short() {
                error = better;
            }
        }
        let _ = (patience.set_time_out)(&self.inner, None);
        error
    }
}
