//! A payload as it arrives: found in the window of received bytes, and where it was stuffed,
//! unstuffed in place.

use crate::framing::{Shape, Step};
use crate::stuffing::unstuff::Unstuffer;

/// The payload of the frame under way. Positions count from the start of the decoder's window.
///
/// Invariant: `start <= end <= read`; the payload found so far and not yet given stands from
/// `start` to `end`, and the bytes before `read` need not be looked at again.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) read: usize,
    ending: Ending,
    /// Bytes of the closing constant that were there.
    pub(crate) closed: usize,
}

/// What ends a payload.
#[derive(Debug)]
enum Ending {
    /// It has this many more bytes.
    Count(u64),
    /// It ends at the step's delimiter.
    Delim,
    /// It has this many more characters.
    Chars(u64, Utf8),
    /// It is stuffed.
    Stuffed(Unstuffer),
    /// Nothing: it is complete, but for its closing constant.
    Complete,
}

/// How far a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyTurn {
    /// All bytes were looked at, and the frame goes on.
    More,
    /// The frame is complete.
    Done,
    /// It was an empty stuffed frame, which is not a message.
    Nothing,
    /// A stuffed frame is broken; reading on finds its end.
    Broken(&'static str),
    /// The byte at `read` is not UTF-8.
    BadUtf8,
    /// The byte at `read` is not that of the closing constant.
    BadClose,
}

impl Body {
    /// The body of a step whose payload begins at `start`, and is looked at from `read` on.
    /// `number` is the bytes or characters to come, where the head tells.
    pub(crate) fn new(step: &Step, start: usize, read: usize, number: u64, flagged: bool) -> Self {
        let ending = match &step.shape {
            Shape::Number { .. } if step.chars => Ending::Chars(number, Utf8::default()),
            Shape::Number { .. } | Shape::Fixed(_) | Shape::ContentLength => Ending::Count(number),
            Shape::Delim(_) => Ending::Delim,
            Shape::Stuffed(stuffing) => Ending::Stuffed(Unstuffer::new(*stuffing, flagged)),
        };
        Self {
            start,
            end: read,
            read,
            ending,
            closed: 0,
        }
    }

    /// Bytes found and not yet given.
    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    /// Bytes of payload still to come, where that is known.
    pub(crate) fn left(&self) -> Option<u64> {
        match self.ending {
            Ending::Count(left) => Some(left),
            Ending::Complete => Some(0),
            _ => None,
        }
    }

    /// Whether the payload is complete, and only the closing constant can be missing.
    pub(crate) fn is_complete(&self) -> bool {
        matches!(self.ending, Ending::Complete)
    }

    /// Whether nothing of a stuffed frame was seen, so that the stream can end here.
    pub(crate) fn is_untouched(&self) -> bool {
        matches!(&self.ending, Ending::Stuffed(unstuffer) if unstuffer.is_untouched())
    }

    /// Forgets what was found, after the caller got it or if the message is left out. Returns how
    /// many bytes at the start of the window are not needed any more.
    pub(crate) fn give(&mut self) -> usize {
        self.start = self.read;
        self.end = self.read;
        self.read
    }

    /// The window lost its first `n` bytes.
    pub(crate) fn shift(&mut self, n: usize) {
        self.start = self.start.saturating_sub(n);
        self.end = self.end.saturating_sub(n);
        self.read -= n;
    }

    /// Goes on in `window`.
    pub(crate) fn advance(&mut self, step: &Step, window: &mut [u8]) -> BodyTurn {
        match &mut self.ending {
            Ending::Complete => {}
            Ending::Count(left) => {
                let ready = window.len() - self.read;
                let n = usize::try_from(*left).map_or(ready, |left| left.min(ready));
                self.read += n;
                self.end = self.read;
                *left -= n as u64;
                if *left > 0 {
                    return BodyTurn::More;
                }
            }
            Ending::Delim => {
                if !self.search(step, window) {
                    return BodyTurn::More;
                }
            }
            Ending::Chars(left, utf8) => {
                while *left > 0 || utf8.is_inside() {
                    let Some(&byte) = window.get(self.read) else {
                        return BodyTurn::More;
                    };
                    match utf8.push(byte) {
                        Some(ends_character) => *left -= u64::from(ends_character),
                        None => return BodyTurn::BadUtf8,
                    }
                    self.read += 1;
                    self.end = self.read;
                }
            }
            Ending::Stuffed(unstuffer) => {
                let turn = unstuffer.advance(window, &mut self.read, &mut self.end);
                if turn == BodyTurn::Done {
                    self.ending = Ending::Complete;
                }
                return turn;
            }
        }
        self.ending = Ending::Complete;
        self.close(step, window)
    }

    /// Looks for the delimiter; on success the payload ends before it and `read` is after it.
    fn search(&mut self, step: &Step, window: &[u8]) -> bool {
        let Shape::Delim(delim) = &step.shape else {
            return true;
        };
        let found = match **delim {
            [byte] => memchr::memchr(byte, &window[self.read..]),
            _ => memchr::memmem::find(&window[self.read..], delim),
        };
        if let Some(at) = found {
            self.end = self.read + at;
            self.read = self.end + delim.len();
            return true;
        }
        // The window's last bytes can be the delimiter's first.
        self.read = (window.len() + 1)
            .saturating_sub(delim.len())
            .max(self.read);
        self.end = self.read;
        false
    }

    fn close(&mut self, step: &Step, window: &[u8]) -> BodyTurn {
        for expected in &step.close[self.closed..] {
            match window.get(self.read) {
                None => return BodyTurn::More,
                Some(byte) if byte != expected => return BodyTurn::BadClose,
                Some(_) => {
                    self.read += 1;
                    self.closed += 1;
                }
            }
        }
        BodyTurn::Done
    }
}

/// Checks UTF-8 a byte at a time (RFC 3629: no surrogates, nothing overlong or over U+10FFFF).
#[derive(Clone, Copy, Debug, Default)]
struct Utf8 {
    /// Continuation bytes still to come.
    left: u8,
    /// What the next one must be between.
    range: (u8, u8),
}

impl Utf8 {
    fn is_inside(self) -> bool {
        self.left > 0
    }

    /// Whether `byte` ends a character; `None` if it is not UTF-8 here.
    fn push(&mut self, byte: u8) -> Option<bool> {
        if self.left > 0 {
            if byte < self.range.0 || byte > self.range.1 {
                return None;
            }
            self.left -= 1;
            self.range = (0x80, 0xbf);
            return Some(self.left == 0);
        }
        (self.left, self.range) = match byte {
            0..=0x7f => return Some(true),
            0xc2..=0xdf => (1, (0x80, 0xbf)),
            0xe0 => (2, (0xa0, 0xbf)),
            0xed => (2, (0x80, 0x9f)),
            0xe1..=0xef => (2, (0x80, 0xbf)),
            0xf0 => (3, (0x90, 0xbf)),
            0xf1..=0xf3 => (3, (0x80, 0xbf)),
            0xf4 => (3, (0x80, 0x8f)),
            _ => return None,
        };
        Some(false)
    }
}
