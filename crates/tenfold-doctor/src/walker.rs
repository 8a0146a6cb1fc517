//! Goes through a stream frame by frame, and knows where each one is.

use tenfold_codec::{DecodeError, Decoder, Event, Recovery, Side, Skipped};

use crate::excerpt::Excerpt;

/// Messages up to this are looked at as a whole; of larger ones only the first bytes are kept.
pub const WHOLE: u64 = 64 * 1024;

/// Bytes of a message that are kept to be shown.
pub const SHOWN: usize = 256;

/// Where a frame stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Index of the message, from 0.
    pub index: u64,
    /// Offset in the stream of the frame's first byte.
    pub offset: u64,
    /// Bytes of the frame.
    pub size: u64,
    /// Bytes of the message in it.
    pub length: u64,
}

/// What is found in a stream.
#[derive(Clone, Copy, Debug)]
pub enum Found<'a> {
    /// A message, and its first bytes.
    Message(Frame, &'a [u8]),
    /// A number that is not a length, at this offset.
    Mark(u64, u64),
    /// A broken frame, after which the next one was found.
    LeftOut(&'a Skipped),
}

/// Decodes one direction of a stream: [`take`](Self::take) its bytes as they come, and say where it
/// [`end`](Self::end)s. After an error only [`look_further`](Self::look_further) helps. It holds the bytes around the place where it is, and never
/// what a header only announces.
#[derive(Debug)]
pub struct Walker {
    side: Side,
    decoder: Decoder,
    excerpt: Excerpt,
    /// Messages found.
    index: u64,
    /// Offset of the end of the last event.
    at: u64,
    /// The message that comes in pieces.
    pieces: Option<Pieces>,
    last: Option<Frame>,
    /// Broken frames that were left out, and why the first one was.
    left_out: u64,
    first_left_out: Option<DecodeError>,
    ended: bool,
}

#[derive(Debug, Default)]
struct Pieces {
    length: u64,
    head: Vec<u8>,
}

impl Walker {
    /// A walker at the beginning of a stream. A message of more than `max_message` bytes breaks it.
    pub fn new(side: &Side, max_message: u64) -> Self {
        let mut decoder = Decoder::new(side)
            .with_limit(max_message)
            .with_pieces_above(WHOLE);
        // A broken frame says nothing about the next one.
        if side.is_stuffed() {
            decoder = decoder.with_recovery(Recovery::Skip);
        }
        Self {
            side: side.clone(),
            decoder,
            excerpt: Excerpt::default(),
            index: 0,
            at: 0,
            pieces: None,
            last: None,
            left_out: 0,
            first_left_out: None,
            ended: false,
        }
    }

    /// What the stream is read as.
    pub fn side(&self) -> &Side {
        &self.side
    }

    /// The bytes around the place where it is.
    pub fn excerpt(&self) -> &Excerpt {
        &self.excerpt
    }

    /// Messages so far.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Where the frame under way begins.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// The last whole frame.
    pub fn last(&self) -> Option<Frame> {
        self.last
    }

    /// Broken frames that were left out.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Whether the end of the stream was seen.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Takes the stream's next bytes, and tells what is found in them.
    pub fn take(
        &mut self,
        bytes: &[u8],
        each: &mut impl FnMut(&Excerpt, Found<'_>),
    ) -> Result<(), DecodeError> {
        self.excerpt.push(bytes);
        self.decoder.feed(bytes);
        self.walk(each)
    }

    /// The stream has ended. Lines of text may end without a newline; a stuffed stream of which most frames
    /// were left out is broken.
    pub fn end(&mut self, each: &mut impl FnMut(&Excerpt, Found<'_>)) -> Result<(), DecodeError> {
        self.ended = true;
        if self.side.is_lines() {
            let rest = self.decoder.rest();
            if self.pieces.is_some() || !rest.is_empty() {
                let pieces = self.pieces.take().unwrap_or_default();
                let head = [&pieces.head, &rest[..rest.len().min(SHOWN)]].concat();
                let frame = Frame {
                    index: self.index,
                    offset: self.at,
                    size: self.excerpt.end() - self.at,
                    length: self.excerpt.end() - self.at,
                };
                each(&self.excerpt, Found::Message(frame, &head));
                self.last = Some(frame);
            }
            return Ok(());
        }
        self.decoder.finish();
        let ended = self.walk(each);
        // A stream of which most frames are broken has another framing.
        match self.first_left_out.take() {
            Some(first) if self.left_out * 2 > self.index => Err(first),
            _ => ended,
        }
    }

    /// More bytes of a stream that is already broken, because they can explain the break.
    pub fn look_further(&mut self, bytes: &[u8], ended: bool) {
        self.excerpt.push(bytes);
        self.ended |= ended;
    }

    fn walk(&mut self, each: &mut impl FnMut(&Excerpt, Found<'_>)) -> Result<(), DecodeError> {
        // Where a message ends is known only after it, so it is borrowed twice.
        while let Some(event) = self.decoder.next_event()? {
            match event {
                Event::Mark(number) => {
                    each(&self.excerpt, Found::Mark(self.at, number));
                    self.at = self.decoder.offset();
                    continue;
                }
                Event::Begin { .. } => {
                    self.pieces = Some(Pieces::default());
                    continue;
                }
                Event::Data(piece) => {
                    if let Some(pieces) = &mut self.pieces {
                        let room = SHOWN - pieces.head.len();
                        pieces.length += piece.len() as u64;
                        pieces
                            .head
                            .extend_from_slice(&piece[..room.min(piece.len())]);
                    }
                    continue;
                }
                Event::Skipped(skipped) => {
                    each(&self.excerpt, Found::LeftOut(skipped));
                    self.left_out += 1;
                    if self.first_left_out.is_none() {
                        self.first_left_out = Some(skipped.reason().clone());
                    }
                    self.pieces = None;
                    self.index += 1;
                    self.at = self.decoder.offset();
                    continue;
                }
                // A whole message, or the end of one in pieces.
                _ => {}
            }
            let behind = self.decoder.offset();
            let pieces = self.pieces.take();
            let (length, head) = match (&pieces, self.decoder.last_event()) {
                (Some(pieces), _) => (pieces.length, pieces.head.as_slice()),
                (None, Some(Event::Message(message))) => (message.len() as u64, message),
                _ => continue,
            };
            let frame = Frame {
                index: self.index,
                offset: self.at,
                size: behind - self.at,
                length,
            };
            self.index += 1;
            self.at = behind;
            self.last = Some(frame);
            each(&self.excerpt, Found::Message(frame, head));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenfold_codec::Framing;

    fn walk(line: &str, stream: &[u8], chunk: usize) -> (Vec<Frame>, Option<DecodeError>) {
        let framing: Framing = line.parse().unwrap();
        let mut walker = Walker::new(framing.client(), 1 << 30);
        let mut frames = Vec::new();
        let mut each = |_: &Excerpt, found: Found<'_>| {
            if let Found::Message(frame, _) = found {
                frames.push(frame);
            }
        };
        for bytes in stream.chunks(chunk) {
            if let Err(error) = walker.take(bytes, &mut each) {
                return (frames, Some(error));
            }
        }
        let error = walker.end(&mut each).err();
        (frames, error)
    }

    #[test]
    fn frames_stand_where_they_are_however_they_come() {
        for (line, stream) in [
            (
                "decimal:10",
                b"5         hello0         3         abc".as_slice(),
            ),
            ("u32be-4@1", b"Q\0\0\0\x09helloX\0\0\0\x04Z\0\0\0\x05a"),
            ("netstring", b"5:hello,0:,3:abc,"),
            ("line", b"hello\n\nabc"),
        ] {
            let (frames, error) = walk(line, stream, stream.len());
            assert_eq!(error, None, "{line}");
            assert_eq!(frames.len(), 3, "{line}");
            assert_eq!(
                frames.iter().map(|f| f.size).sum::<u64>(),
                stream.len() as u64
            );
            let mut at = 0;
            for (n, frame) in frames.iter().enumerate() {
                assert_eq!((frame.index, frame.offset), (n as u64, at), "{line}");
                at += frame.size;
            }
            for chunk in 1..stream.len() {
                assert_eq!(walk(line, stream, chunk).0, frames, "{line} by {chunk}");
            }
        }
    }

    #[test]
    fn a_large_message_is_one_frame_and_its_bytes_are_not_kept() {
        let mut stream = b"200000    ".to_vec();
        stream.resize(200_010, b'x');
        stream.extend_from_slice(b"1         y");
        let (frames, error) = walk("decimal:10", &stream, 4096);
        assert_eq!(error, None);
        let places: Vec<_> = frames
            .iter()
            .map(|f| (f.offset, f.size, f.length))
            .collect();
        assert_eq!(places, [(0, 200_010, 200_000), (200_010, 11, 1)]);
    }

    #[test]
    fn a_broken_stuffed_frame_is_left_out_and_the_next_is_found() {
        let (frames, error) = walk("cobs", b"\x03ab\0\x09a\0\x02c\0", 3);
        assert_eq!(error, None);
        assert_eq!(frames.len(), 2);
        assert_eq!((frames[1].index, frames[1].length), (2, 1));
    }
}
