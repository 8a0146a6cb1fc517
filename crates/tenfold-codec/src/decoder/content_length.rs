//! The header block of LSP and DAP: lines of `Name: value`, a blank line, and one of the names is
//! `Content-Length`.

/// The most bytes a header block may have: some thousand times what protocols send, and little
/// memory for a peer that is not known.
pub(crate) const MAX_BLOCK: usize = 16 * 1024;

const LENGTH: &[u8] = b"content-length";
const TRANSFER: &[u8] = b"transfer-encoding";

/// Where in the block the reader is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    LineStart,
    Name,
    /// After the colon of `Content-Length`.
    Blanks,
    Digits,
    /// In the value of any other header.
    Value,
    LineEnd,
    BlockEnd,
}

/// What one more byte makes of the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockTurn {
    More,
    /// The blank line is complete; `None` where the length is over a u64.
    Done(Option<u64>),
    Bad,
}

/// Reads a header block, a byte at a time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BlockReader {
    state: State,
    seen: usize,
    /// Bytes of this line's name.
    name: usize,
    /// The name so far could be `Content-Length`, or `Transfer-Encoding`.
    is_length: bool,
    is_transfer: bool,
    /// Digits of this line's value, and the value: 20 digits can be over a u64.
    digits: u8,
    value: u128,
    /// The block's length, once it has one.
    length: Option<u128>,
}

impl BlockReader {
    pub(crate) fn push(&mut self, byte: u8) -> BlockTurn {
        self.seen += 1;
        if self.seen > MAX_BLOCK {
            return BlockTurn::Bad;
        }
        match self.next(byte) {
            Some(State::BlockEnd) if self.state == State::BlockEnd => self.done(),
            Some(state) => {
                self.state = state;
                BlockTurn::More
            }
            None => BlockTurn::Bad,
        }
    }

    /// The state after `byte`, or nothing where no legal block goes on so.
    fn next(&mut self, byte: u8) -> Option<State> {
        match (self.state, byte) {
            // A block without a length is refused at its last byte but one: it can't be mended.
            (State::LineStart, b'\r') => self.length.map(|_| State::BlockEnd),
            (State::BlockEnd, b'\n') => Some(State::BlockEnd),
            (State::LineEnd, b'\n') => Some(State::LineStart),
            (State::LineStart, _) => {
                self.name = 0;
                self.is_length = true;
                self.is_transfer = true;
                self.push_name(byte)
            }
            (State::Name, b':') => self.end_name(),
            (State::Name, _) => self.push_name(byte),
            (State::Blanks, b' ' | b'\t') => Some(State::Blanks),
            (State::Blanks | State::Digits, b'0'..=b'9') => self.push_digit(byte),
            (State::Digits, b'\r') => self.end_length(),
            (State::Value, b'\r') => Some(State::LineEnd),
            (State::Value, b'\t' | b' '..=b'~' | 0x80..) => Some(State::Value),
            _ => None,
        }
    }

    fn push_name(&mut self, byte: u8) -> Option<State> {
        let is_token = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let lower = byte.to_ascii_lowercase();
        self.is_length &= LENGTH.get(self.name) == Some(&lower);
        self.is_transfer &= TRANSFER.get(self.name) == Some(&lower);
        self.name += 1;
        is_token.then_some(State::Name)
    }

    fn end_name(&mut self) -> Option<State> {
        if self.is_transfer && self.name == TRANSFER.len() {
            return None;
        }
        if self.is_length && self.name == LENGTH.len() {
            self.digits = 0;
            self.value = 0;
            return Some(State::Blanks);
        }
        Some(State::Value)
    }

    fn push_digit(&mut self, byte: u8) -> Option<State> {
        // No leading zero, and no more digits than a u64 has.
        if self.digits > 0 && self.value == 0 || self.digits == 20 {
            return None;
        }
        self.digits += 1;
        self.value = self.value * 10 + u128::from(byte - b'0');
        Some(State::Digits)
    }

    fn end_length(&mut self) -> Option<State> {
        let length = *self.length.get_or_insert(self.value);
        (length == self.value).then_some(State::LineEnd)
    }

    fn done(&self) -> BlockTurn {
        BlockTurn::Done(self.length.and_then(|length| u64::try_from(length).ok()))
    }
}
