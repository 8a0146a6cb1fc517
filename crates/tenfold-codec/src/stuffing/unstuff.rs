//! Byte stuffing, undone in place: what comes out is never longer than what went in.

use super::{COBS_FULL, END, ESC, ESC_END, ESC_ESC, ESCAPE, FLAG, FLIP};
use crate::decoder::BodyTurn;
use crate::framing::Stuffing;

/// Undoes the stuffing of one frame.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own about the frame"
)]
pub(crate) struct Unstuffer {
    stuffing: Stuffing,
    /// A byte of the frame was seen.
    begun: bool,
    /// The frame is broken, and only its end is looked for.
    broken: bool,
    /// HDLC: a flag was seen, so that a frame can be told from noise. True in the other kinds.
    flagged: bool,
    /// SLIP and HDLC: the byte before was an escape.
    escaped: bool,
    /// COBS: bytes left of the block.
    left: u8,
    /// COBS: a zero stands between this block and the next.
    zero: bool,
}

impl Unstuffer {
    pub(crate) fn new(stuffing: Stuffing, flagged: bool) -> Self {
        Self {
            stuffing,
            begun: false,
            broken: false,
            flagged,
            escaped: false,
            left: 0,
            zero: false,
        }
    }

    pub(crate) fn is_untouched(&self) -> bool {
        !self.begun
    }

    /// Goes on at `*read`, and puts what comes out at `*end`.
    pub(crate) fn advance(
        &mut self,
        window: &mut [u8],
        read: &mut usize,
        end: &mut usize,
    ) -> BodyTurn {
        if self.broken {
            return self.find_end(window, read);
        }
        let turn = match self.stuffing {
            Stuffing::Cobs => self.cobs(window, read, end),
            Stuffing::Slip => self.slip(window, read, end),
            Stuffing::Hdlc => self.hdlc(window, read, end),
        };
        self.broken = matches!(turn, BodyTurn::Broken(_));
        turn
    }

    /// Reads past the end of a broken frame.
    fn find_end(&mut self, window: &[u8], read: &mut usize) -> BodyTurn {
        let end = match self.stuffing {
            Stuffing::Cobs => 0,
            Stuffing::Slip => END,
            Stuffing::Hdlc => FLAG,
        };
        if let Some(at) = memchr::memchr(end, &window[*read..]) {
            *read += at + 1;
            return BodyTurn::Done;
        }
        *read = window.len();
        BodyTurn::More
    }

    fn cobs(&mut self, window: &mut [u8], read: &mut usize, end: &mut usize) -> BodyTurn {
        while let Some(&code) = window.get(*read) {
            if self.left > 0 {
                let ready = window.len() - *read;
                let n = ready.min(usize::from(self.left));
                let zero = memchr::memchr(0, &window[*read..*read + n]);
                let n = zero.unwrap_or(n);
                window.copy_within(*read..*read + n, *end);
                *read += n;
                *end += n;
                if zero.is_some() {
                    return BodyTurn::Broken("it ends inside a block");
                }
                self.left -= u8::try_from(n).unwrap_or(self.left);
                continue;
            }
            *read += 1;
            if code == 0 {
                return if self.begun {
                    BodyTurn::Done
                } else {
                    BodyTurn::Nothing
                };
            }
            if self.zero {
                window[*end] = 0;
                *end += 1;
            }
            self.begun = true;
            self.left = code - 1;
            self.zero = self.left < COBS_FULL;
        }
        BodyTurn::More
    }

    fn slip(&mut self, window: &mut [u8], read: &mut usize, end: &mut usize) -> BodyTurn {
        self.escaping((END, ESC), window, read, end, |byte| match byte {
            ESC_END => Ok(END),
            ESC_ESC => Ok(ESC),
            _ => Err("an ESC is followed by neither ESC_END nor ESC_ESC"),
        })
    }

    fn hdlc(&mut self, window: &mut [u8], read: &mut usize, end: &mut usize) -> BodyTurn {
        if !self.flagged {
            match window.get(*read) {
                None => return BodyTurn::More,
                Some(&FLAG) => {
                    *read += 1;
                    self.flagged = true;
                    return BodyTurn::Nothing;
                }
                Some(_) => {
                    self.begun = true;
                    return BodyTurn::Broken("there are bytes before the first flag");
                }
            }
        }
        self.escaping((FLAG, ESCAPE), window, read, end, |byte| match byte {
            FLAG => Err("it was aborted: an escape comes before the flag"),
            _ => Ok(byte ^ FLIP),
        })
    }

    /// A frame that ends at one special byte, and in which the other changes the byte after it as
    /// `original` says.
    fn escaping(
        &mut self,
        (stop, escape): (u8, u8),
        window: &mut [u8],
        read: &mut usize,
        end: &mut usize,
        original: impl Fn(u8) -> Result<u8, &'static str>,
    ) -> BodyTurn {
        while let Some(&byte) = window.get(*read) {
            if self.escaped {
                window[*end] = match original(byte) {
                    Ok(byte) => byte,
                    Err(problem) => return BodyTurn::Broken(problem),
                };
                self.escaped = false;
                *read += 1;
                *end += 1;
                continue;
            }
            self.copy_until(stop, escape, window, read, end);
            match window.get(*read) {
                Some(&special) if special == stop => {
                    *read += 1;
                    return if self.begun {
                        BodyTurn::Done
                    } else {
                        BodyTurn::Nothing
                    };
                }
                Some(_) => {
                    *read += 1;
                    self.begun = true;
                    self.escaped = true;
                }
                None => {}
            }
        }
        BodyTurn::More
    }

    /// Copies ordinary bytes, up to one of two special ones.
    fn copy_until(&mut self, a: u8, b: u8, window: &mut [u8], read: &mut usize, end: &mut usize) {
        let n = memchr::memchr2(a, b, &window[*read..]).unwrap_or(window.len() - *read);
        window.copy_within(*read..*read + n, *end);
        self.begun |= n > 0;
        *read += n;
        *end += n;
    }
}
