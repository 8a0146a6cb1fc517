//! What messages look like to clients that do not speak the hub's protocol.

mod event_stream;
mod json_lines;

use std::fmt;

use bytes::Bytes;
use tenfold::native;
use tenfold::protocol::Epoch;

use crate::block::Block;

/// What messages look like to a client that does not speak the hub's protocol.
///
/// ```
/// use tenfold_hub::{Block, Encoding, Form};
///
/// let block = Block::new("5         hello3         abc", 2);
/// let lines = Form::of(Encoding::JsonLines).encode(tenfold::protocol::Epoch(255), 17, &block);
/// assert_eq!(&lines[..], b"{\"seq\":17,\"text\":\"hello\"}\n{\"seq\":18,\"text\":\"abc\"}\n");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Encoding {
    /// Frames, as they are in the hub's protocol: `application/vnd.tenfold`.
    Frames,
    /// An object on a line for each message, with its seq and its `text`, or `base64` where that is not UTF-8:
    /// `application/x-ndjson`.
    JsonLines,
    /// An event for each message, with the id `EPOCH.SEQ`. A message that has a carriage return or is not UTF-8 is in
    /// base64, and its event is of the type `base64`: `text/event-stream`.
    EventStream,
    /// Each message and a newline: `text/plain`.
    Lines,
    /// Each message as a binary message of WebSocket.
    WebSocket,
}

/// An encoding, and whether it is in the chunks of HTTP/1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Form {
    encoding: Encoding,
    is_chunked: bool,
}

/// Why a client does not get the next message of its channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// What of the channel is there in the place of the message, for programs.
    pub reason: GapReason,
    /// The seq of the message that the client should get.
    pub expected: u64,
    /// The seq of the one that it gets.
    pub first: u64,
    /// The channel's history now.
    pub epoch: Epoch,
}

/// Why there is a [`Gap`]. Displays as the word for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GapReason {
    /// The messages in between are not kept any more.
    Trimmed,
    /// The channel has another history than the one of which the client knows.
    Epoch,
    /// The client knows of messages that the channel has not had.
    Future,
    /// The messages in between are damaged on disk.
    Corrupt,
    /// The channel that the client knows was deleted, and this is another one of its name.
    Deleted,
}

/// Messages in a [`Form`].
///
/// A piece is a few messages that a client gets whole if it has got the beginning: a slow client holds the rest of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Encoded {
    pub(crate) bytes: Bytes,
    /// Where pieces end.
    pub(crate) cuts: Box<[Cut]>,
}

/// The end of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// The offset after its last byte.
    pub(crate) end: usize,
    /// How many messages end before that.
    pub(crate) messages: u64,
}

/// A piece has no further message once it has so many bytes. It is what each slow client may hold anyway.
pub(crate) const PIECE: usize = 4 * 1024;

/// The size of a chunk: so many digits, and the end of the line.
const DIGITS: usize = 8;
const CHUNK_HEAD: usize = DIGITS + 2;
const CHUNK_END: &[u8] = b"\r\n";
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// The first byte of a frame of WebSocket: that is all of the message, which is binary.
const BINARY: u8 = 0x82;
/// That it is still there is asked of a peer with no bytes.
const PING: &[u8] = &[0x89, 0];
/// The peer is told that this is the end, and that nothing is wrong (1000).
const CLOSE: &[u8] = &[0x88, 2, 0x03, 0xe8];

impl Form {
    /// The encoding as it is.
    pub fn of(encoding: Encoding) -> Self {
        Self {
            encoding,
            is_chunked: false,
        }
    }

    /// In the chunks of HTTP/1.1 (`Transfer-Encoding: chunked`).
    #[must_use]
    pub fn chunked(self) -> Self {
        Self {
            is_chunked: true,
            ..self
        }
    }

    /// The messages of a block, the first of which has this seq.
    pub fn encode(self, epoch: Epoch, first: u64, block: &Block) -> Bytes {
        self.encoded(epoch, first, block).bytes
    }

    /// What says that there is a gap; `None`: this encoding has no word for it, so the stream has to end.
    pub fn gap(self, gap: &Gap) -> Option<Bytes> {
        let said = match self.encoding {
            Encoding::EventStream => event_stream::gap(gap),
            _ => return None,
        };
        Some(self.wrapped(&said))
    }

    /// What a client is sent that is idle, so that it and what is on the way to it know that the stream goes on.
    pub fn heartbeat(self) -> Option<Bytes> {
        let beat: &'static [u8] = match self.encoding {
            Encoding::EventStream => b":\n\n",
            Encoding::JsonLines => b"\n",
            Encoding::WebSocket => PING,
            // Whatever is sent would be a message.
            Encoding::Frames | Encoding::Lines => return None,
        };
        Some(self.wrapped(beat))
    }

    /// What says that this is the end, and that nothing is missing.
    pub fn end(self) -> Bytes {
        Bytes::from_static(match (self.is_chunked, self.encoding) {
            (true, _) => LAST_CHUNK,
            (false, Encoding::WebSocket) => CLOSE,
            (false, _) => b"",
        })
    }

    /// Bytes that are not a message.
    pub(crate) fn wrapped(self, bytes: &[u8]) -> Bytes {
        let mut out = Vec::with_capacity(bytes.len() + CHUNK_HEAD + CHUNK_END.len());
        let start = self.open(&mut out);
        out.extend_from_slice(bytes);
        self.close(start, &mut out);
        out.into()
    }

    pub(crate) fn encoded(self, epoch: Epoch, first: u64, block: &Block) -> Encoded {
        let frames = block.bytes();
        let mut out = Vec::with_capacity(self.guess(block));
        let mut cuts = Vec::with_capacity(frames.len() / PIECE + 1);
        let (mut seq, mut start) = (first, self.open(&mut out));
        // A block is whole frames that were checked when they came in.
        let mut ranges = native::frames(frames).map_while(Result::ok).peekable();
        while let Some(range) = ranges.next() {
            self.put(epoch, seq, &frames[range], &mut out);
            seq += 1;
            let is_last = ranges.peek().is_none();
            if is_last || out.len() - start >= PIECE {
                self.close(start, &mut out);
                cuts.push(Cut {
                    end: out.len(),
                    messages: seq - first,
                });
                if !is_last {
                    start = self.open(&mut out);
                }
            }
        }
        if cuts.is_empty() {
            out.clear();
        }
        // What it takes is counted.
        out.shrink_to_fit();
        Encoded {
            bytes: out.into(),
            cuts: cuts.into(),
        }
    }

    /// About how many bytes it will be.
    fn guess(self, block: &Block) -> usize {
        let messages = usize::try_from(block.messages()).unwrap_or(0);
        let more = match self.encoding {
            Encoding::EventStream => 40,
            Encoding::JsonLines => 24,
            Encoding::Frames | Encoding::Lines | Encoding::WebSocket => 0,
        };
        let bytes = block.bytes().len();
        bytes + messages * more + (bytes / PIECE + 1) * (CHUNK_HEAD + CHUNK_END.len())
    }

    fn put(self, epoch: Epoch, seq: u64, frame: &[u8], out: &mut Vec<u8>) {
        let message = &frame[native::HEADER..];
        match self.encoding {
            Encoding::Frames => out.extend_from_slice(frame),
            Encoding::JsonLines => json_lines::put(seq, message, out),
            Encoding::EventStream => event_stream::put(epoch, seq, message, out),
            Encoding::Lines => {
                out.extend_from_slice(message);
                out.push(b'\n');
            }
            Encoding::WebSocket => {
                put_websocket_head(message.len(), out);
                out.extend_from_slice(message);
            }
        }
    }

    /// Begins a piece. Returns where.
    fn open(self, out: &mut Vec<u8>) -> usize {
        let start = out.len();
        if self.is_chunked {
            out.extend_from_slice(&[0; CHUNK_HEAD]);
        }
        start
    }

    /// Ends the piece that has begun there.
    fn close(self, start: usize, out: &mut Vec<u8>) {
        if !self.is_chunked {
            return;
        }
        let size = out.len() - start - CHUNK_HEAD;
        let head = format!("{size:0DIGITS$x}\r\n");
        // A size of more digits is one of more than four gigabytes.
        out.splice(start..start + CHUNK_HEAD, head.into_bytes());
        out.extend_from_slice(CHUNK_END);
    }
}

impl Encoded {
    /// How much memory it takes, in bytes.
    pub(crate) fn cost(&self) -> usize {
        self.bytes.len() + std::mem::size_of_val(&*self.cuts) + Self::OVERHEAD
    }

    /// Its entry, the headers of what is shared, and the allocator's share.
    const OVERHEAD: usize = 192;

    /// Where the messages after the first ones begin, if that is where a piece begins.
    pub(crate) fn offset_after(&self, messages: u64) -> Option<usize> {
        if messages == 0 {
            return Some(0);
        }
        let cuts = &self.cuts;
        let found = cuts.binary_search_by_key(&messages, |cut| cut.messages);
        found.ok().map(|index| cuts[index].end)
    }

    /// How many messages come before the piece that ends there.
    pub(crate) fn messages_before(&self, end: usize) -> u64 {
        let index = self.cuts.partition_point(|cut| cut.end < end);
        let before = index.checked_sub(1).and_then(|index| self.cuts.get(index));
        before.map_or(0, |cut| cut.messages)
    }

    /// The end of the piece that has the byte before an offset.
    pub(crate) fn piece_at(&self, offset: usize) -> Option<Cut> {
        let index = self.cuts.partition_point(|cut| cut.end < offset);
        self.cuts.get(index).copied()
    }
}

impl Gap {
    /// The message that was expected is not there; the next one that is has the seq `first`.
    pub fn new(reason: GapReason, expected: u64, first: u64, epoch: Epoch) -> Self {
        Self {
            reason,
            expected,
            first,
            epoch,
        }
    }
}

impl fmt::Display for GapReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Trimmed => "trimmed",
            Self::Epoch => "epoch",
            Self::Future => "future",
            Self::Corrupt => "corrupt",
            Self::Deleted => "deleted",
        })
    }
}

/// The head of a frame that a server sends, which is not masked.
fn put_websocket_head(length: usize, out: &mut Vec<u8>) {
    out.push(BINARY);
    if let Ok(length) = u8::try_from(length)
        && length < 126
    {
        out.push(length);
    } else if let Ok(length) = u16::try_from(length) {
        out.push(126);
        out.extend_from_slice(&length.to_be_bytes());
    } else {
        out.push(127);
        out.extend_from_slice(&(length as u64).to_be_bytes());
    }
}

#[cfg(test)]
mod tests;
