//! Messages into a [`Write`].

use std::io::{self, IoSlice, Write};

use tenfold_codec::{Encoder, Framing, Side};

use crate::error::WriteError;
use crate::outbox::Outbox;

/// Writes messages for one side of a connection into any [`Write`]. It buffers, so the transport
/// should not.
///
/// `Err` means that the message was **not accepted**: nothing of it will ever be sent. `Ok` means
/// that it goes out **whole**, at the latest with [`flush`](Self::flush); only a broken connection
/// (every later call then fails) or a writer that is dropped before it was flushed ends it.
///
/// So a time-out or `WouldBlock` of the transport is harmless. The call that meets it before its
/// message is accepted returns it, and can be repeated; met later, the rest is kept and goes out
/// with the next call. At most [`HIGH_WATER`](crate::HIGH_WATER) bytes and one message are kept.
///
/// Small messages go out in batches, large ones from where they are.
///
/// ```
/// use tenfold::{Framing, blocking::Writer};
///
/// let mut wire = Vec::new();
/// let mut writer = Writer::connecting(&mut wire, &Framing::default());
/// writer.write(b"hello")?;
/// writer.flush()?;
/// assert_eq!(wire, b"5         hello");
/// # Ok::<(), tenfold::WriteError>(())
/// ```
#[derive(Debug)]
pub struct Writer<W> {
    inner: W,
    outbox: Outbox,
}

impl<W: Write> Writer<W> {
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
    pub fn write(&mut self, message: &[u8]) -> Result<(), WriteError> {
        if self.outbox.batches(message) {
            return self.outbox.batch(message);
        }
        self.outbox.message(message, to(&mut self.inner))
    }

    /// Sends a mark, in a framing that has them.
    pub fn mark(&mut self, number: u64) -> Result<(), WriteError> {
        self.outbox.append(to(&mut self.inner), |encoder, out| {
            encoder.mark(number, out)
        })
    }

    /// Begins a message that is written in pieces. Where the framing puts the length first it must
    /// be given; where it is given, it is checked.
    pub fn begin(&mut self, length: Option<u64>) -> Result<(), WriteError> {
        self.outbox.append(to(&mut self.inner), |encoder, out| {
            encoder.begin(length, out)
        })
    }

    /// Sends the next bytes of the message that was begun; all of them or, on an error, none. They
    /// are copied, so a giant goes through in pieces of some 64 KiB.
    pub fn data(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.outbox
            .append(to(&mut self.inner), |encoder, out| encoder.data(bytes, out))
    }

    /// Ends the message that was begun.
    pub fn end(&mut self) -> Result<(), WriteError> {
        self.outbox.append(to(&mut self.inner), Encoder::end)
    }

    /// Writes all that was accepted, and flushes the transport. After a time-out, call it again.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        self.outbox.drain(to(&mut self.inner))?;
        self.outbox.release();
        loop {
            match self.inner.flush() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return Ok(result.map_err(|error| self.outbox.note(error))?),
            }
        }
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
}

fn to<W: Write>(inner: &mut W) -> impl FnMut(&[IoSlice<'_>]) -> io::Result<usize> {
    |slices| match slices {
        // A plain write of a socket does not raise SIGPIPE, and a vectored one does.
        [slice] => inner.write(slice),
        _ => inner.write_vectored(slices),
    }
}
