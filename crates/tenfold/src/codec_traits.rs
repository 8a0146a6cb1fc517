//! The framings as codecs of `tokio_util`, for programs that have a `Framed` already.
//!
//! The readers and writers of [`asynchronous`](crate::asynchronous) lend messages instead of allocating each,
//! and are several times faster; these are for programs that are made of streams and sinks.

use bytes::{Bytes, BytesMut};
use tenfold_codec::{Decoder, Encoder, Event, Framing, Side, Skipped};
use tokio_util::codec;

use crate::error::{ReadError, WriteError};

/// Whole messages: a decoder to [`Bytes`], and an encoder of anything that is bytes. Marks, and
/// messages that the decoder leaves out, are passed over.
///
/// It takes all that `Framed` has read into its own buffer. Where the stream changes its framing,
/// what was received and not yet given is in [`rest`](Self::rest), not in `Framed`.
///
/// ```
/// use tenfold::{Framing, codec_traits::FramedCodec};
/// use tokio_util::{bytes::BytesMut, codec::{Decoder, Encoder}};
///
/// let mut codec = FramedCodec::connecting(&Framing::default());
/// let mut buffer = BytesMut::new();
/// codec.encode("hello", &mut buffer)?;
/// assert_eq!(codec.decode(&mut buffer)?.as_deref(), Some(&b"hello"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FramedCodec(EventCodec);

/// Everything that a stream holds: marks and messages in pieces, too.
#[derive(Debug)]
pub struct EventCodec {
    decoder: Decoder,
    encoder: Encoder,
    /// A frame that must be made before it can be copied.
    frame: Vec<u8>,
}

/// An [`Event`] that owns its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OwnedEvent {
    /// A whole message.
    Message(Bytes),
    /// A number that is not a length, in a framing with `marks`.
    Mark(u64),
    /// A message begins that comes in pieces.
    Begin {
        /// Bytes of the whole message, where they are announced.
        length: Option<u64>,
    },
    /// The next bytes of a message that comes in pieces.
    Data(Bytes),
    /// The message that came in pieces is complete.
    End,
    /// A message was left out. Written, it is nothing.
    Skipped(Skipped),
}

impl FramedCodec {
    /// For a file or a pipe, which holds the bytes of one side, or where both sides frame alike.
    pub fn new(side: &Side) -> Self {
        EventCodec::new(side).messages()
    }

    /// For a program that connected: reads the server's bytes and writes the client's.
    pub fn connecting(framing: &Framing) -> Self {
        EventCodec::connecting(framing).messages()
    }

    /// For a program that listened: reads the client's bytes and writes the server's.
    pub fn listening(framing: &Framing) -> Self {
        EventCodec::listening(framing).messages()
    }

    /// The bytes that were received and not yet given.
    pub fn rest(&self) -> &[u8] {
        self.0.rest()
    }
}

impl EventCodec {
    /// For a file or a pipe, which holds the bytes of one side, or where both sides frame alike.
    pub fn new(side: &Side) -> Self {
        Self::from_parts(Decoder::new(side), Encoder::new(side))
    }

    /// For a program that connected: reads the server's bytes and writes the client's.
    pub fn connecting(framing: &Framing) -> Self {
        Self::from_parts(Decoder::connecting(framing), Encoder::connecting(framing))
    }

    /// For a program that listened: reads the client's bytes and writes the server's.
    pub fn listening(framing: &Framing) -> Self {
        Self::from_parts(Decoder::listening(framing), Encoder::listening(framing))
    }

    /// With a decoder's limit, pieces and recovery.
    pub fn from_parts(decoder: Decoder, encoder: Encoder) -> Self {
        Self {
            decoder,
            encoder,
            frame: Vec::new(),
        }
    }

    /// The same for whole messages only.
    pub fn messages(self) -> FramedCodec {
        FramedCodec(self)
    }

    /// The bytes that were received and not yet given.
    pub fn rest(&self) -> &[u8] {
        self.decoder.rest()
    }

    /// The next event in what the decoder has.
    fn next_event(&mut self) -> Result<Option<OwnedEvent>, ReadError> {
        let event = match self.decoder.next_event()? {
            None => return Ok(None),
            Some(Event::Message(_)) => {
                let message = self.decoder.take_message();
                return Ok(message.map(|message| OwnedEvent::Message(message.into())));
            }
            Some(Event::Mark(number)) => OwnedEvent::Mark(number),
            Some(Event::Begin { length }) => OwnedEvent::Begin { length },
            Some(Event::Data(bytes)) => OwnedEvent::Data(Bytes::copy_from_slice(bytes)),
            Some(Event::Skipped(skipped)) => OwnedEvent::Skipped(skipped.clone()),
            Some(_) => OwnedEvent::End,
        };
        Ok(Some(event))
    }

    fn message(&mut self, message: &[u8], out: &mut BytesMut) -> Result<(), WriteError> {
        if let Some(frame) = self.encoder.frame(message)? {
            out.reserve(frame.len());
            for slice in frame.slices() {
                out.extend_from_slice(slice);
            }
            return Ok(());
        }
        self.encoder.encode(message, &mut self.frame)?;
        self.append(out);
        Ok(())
    }

    fn append(&mut self, out: &mut BytesMut) {
        out.extend_from_slice(&self.frame);
        self.frame.clear();
    }
}

impl codec::Decoder for EventCodec {
    type Item = OwnedEvent;
    type Error = ReadError;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<OwnedEvent>, ReadError> {
        loop {
            match self.next_event() {
                Ok(None) if !buffer.is_empty() => {
                    self.decoder.feed(buffer);
                    buffer.clear();
                }
                result => return result,
            }
        }
    }

    fn decode_eof(&mut self, buffer: &mut BytesMut) -> Result<Option<OwnedEvent>, ReadError> {
        // What came before the end comes first; only then is the end known to be one.
        if let Some(event) = self.decode(buffer)? {
            return Ok(Some(event));
        }
        self.decoder.finish();
        self.next_event()
    }
}

impl codec::Encoder<OwnedEvent> for EventCodec {
    type Error = WriteError;

    fn encode(&mut self, event: OwnedEvent, out: &mut BytesMut) -> Result<(), WriteError> {
        match event {
            OwnedEvent::Message(message) => return self.message(&message, out),
            OwnedEvent::Mark(number) => self.encoder.mark(number, &mut self.frame)?,
            OwnedEvent::Begin { length } => self.encoder.begin(length, &mut self.frame)?,
            OwnedEvent::Data(bytes) => self.encoder.data(&bytes, &mut self.frame)?,
            OwnedEvent::End => self.encoder.end(&mut self.frame)?,
            OwnedEvent::Skipped(_) => {}
        }
        self.append(out);
        Ok(())
    }
}

impl codec::Decoder for FramedCodec {
    type Item = Bytes;
    type Error = ReadError;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Bytes>, ReadError> {
        next_message(|| self.0.decode(buffer))
    }

    fn decode_eof(&mut self, buffer: &mut BytesMut) -> Result<Option<Bytes>, ReadError> {
        next_message(|| self.0.decode_eof(buffer))
    }
}

fn next_message(
    mut next: impl FnMut() -> Result<Option<OwnedEvent>, ReadError>,
) -> Result<Option<Bytes>, ReadError> {
    loop {
        match next()? {
            None => return Ok(None),
            Some(OwnedEvent::Message(message)) => return Ok(Some(message)),
            Some(OwnedEvent::Mark(_) | OwnedEvent::Skipped(_)) => {}
            Some(OwnedEvent::Begin { .. } | OwnedEvent::Data(_) | OwnedEvent::End) => {
                return Err(ReadError::InPieces);
            }
        }
    }
}

impl<M: AsRef<[u8]>> codec::Encoder<M> for FramedCodec {
    type Error = WriteError;

    fn encode(&mut self, message: M, out: &mut BytesMut) -> Result<(), WriteError> {
        self.0.message(message.as_ref(), out)
    }
}
