//! The frames of a WebSocket, as a client sends them and as a server does.

use bytes::{Buf, BytesMut};

/// Reads the frames that a client sends. Tell it what has come, and it takes them from the front of that.
///
/// Messages are handed on in the pieces in which they come, so a frame may be as long as it likes and costs nothing.
#[derive(Clone, Debug, Default)]
pub struct Frames {
    /// A frame that has begun.
    frame: Option<Begun>,
    /// A message that has begun and has further frames.
    in_message: bool,
}

/// Something that a client has sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Frame {
    /// Bytes of a message. Where messages begin and end does not matter.
    Bytes(BytesMut),
    /// Bytes of a message that is text.
    Text(BytesMut),
    /// The client asks whether somebody is there, and wants these bytes back.
    Ping(BytesMut),
    /// It has answered.
    Pong,
    /// It has nothing more to say.
    Close,
}

/// Why bytes are not a frame. Displays what is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wrong(&'static str);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Begun {
    kind: Kind,
    left: u64,
    mask: [u8; 4],
    /// How many bytes of it have come.
    done: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Bytes,
    Text,
    Ping,
    Pong,
    Close,
}

/// The most that a frame about the connection itself has.
const CONTROL: u64 = 125;
const FINAL: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;

impl Frames {
    /// The next that was sent; `None` if more has to come first.
    pub fn take(&mut self, received: &mut BytesMut) -> Result<Option<Frame>, Wrong> {
        loop {
            let Some(mut frame) = self.frame else {
                match self.head(received)? {
                    None => return Ok(None),
                    Some(frame) => self.frame = Some(frame),
                }
                continue;
            };
            let is_about_connection = !matches!(frame.kind, Kind::Bytes | Kind::Text);
            let there = (received.len() as u64).min(frame.left);
            if (is_about_connection && there < frame.left) || (there == 0 && frame.left > 0) {
                return Ok(None);
            }
            // It is no more than what was received.
            let mut bytes = received.split_to(usize::try_from(there).unwrap_or(received.len()));
            frame.unmask(&mut bytes);
            self.frame = (frame.left > 0).then_some(frame);
            return Ok(Some(match frame.kind {
                Kind::Bytes if bytes.is_empty() => continue,
                Kind::Bytes => Frame::Bytes(bytes),
                Kind::Text => Frame::Text(bytes),
                Kind::Ping => Frame::Ping(bytes),
                Kind::Pong => Frame::Pong,
                Kind::Close => Frame::Close,
            }));
        }
    }

    /// Begins a frame; `None` if its head is not whole.
    fn head(&mut self, received: &mut BytesMut) -> Result<Option<Begun>, Wrong> {
        let Some((&[first, second], rest)) = received.split_first_chunk::<2>() else {
            return Ok(None);
        };
        if first & RESERVED != 0 {
            return Err(Wrong("there are no extensions"));
        }
        if second & MASKED == 0 {
            return Err(Wrong("what a client sends is masked"));
        }
        let (length, rest) = match second & !MASKED {
            126 => match rest.split_first_chunk::<2>() {
                None => return Ok(None),
                Some((length, rest)) => (u64::from(u16::from_be_bytes(*length)), rest),
            },
            127 => match rest.split_first_chunk::<8>() {
                None => return Ok(None),
                Some((length, rest)) => (u64::from_be_bytes(*length), rest),
            },
            length => (u64::from(length), rest),
        };
        let least = match second & !MASKED {
            126 => CONTROL + 1,
            127 => u64::from(u16::MAX) + 1,
            _ => 0,
        };
        if length < least || length > i64::MAX as u64 {
            return Err(Wrong("a length that could be shorter, or is none"));
        }
        let (is_final, is_about_connection) = (first & FINAL != 0, first & 8 != 0);
        if is_about_connection && (!is_final || length > CONTROL) {
            return Err(Wrong("a control frame that is long or in pieces"));
        }
        let kind = match first & 15 {
            0 if self.in_message => Kind::Bytes,
            2 if !self.in_message => Kind::Bytes,
            1 if !self.in_message => Kind::Text,
            8 => Kind::Close,
            9 => Kind::Ping,
            10 => Kind::Pong,
            _ => {
                return Err(Wrong(
                    "a frame of a kind that is not known, or not expected",
                ));
            }
        };
        let Some((mask, _)) = rest.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let mask = *mask;
        if !is_about_connection {
            self.in_message = !is_final;
        }
        let head = received.len() - rest.len() + mask.len();
        received.advance(head);
        Ok(Some(Begun {
            kind,
            left: length,
            mask,
            done: 0,
        }))
    }
}

impl Begun {
    /// Takes the mask off the next bytes.
    fn unmask(&mut self, bytes: &mut [u8]) {
        let start = usize::try_from(self.done % 4).unwrap_or(0);
        let mask = self.mask.iter().cycle().skip(start);
        for (byte, mask) in bytes.iter_mut().zip(mask) {
            *byte ^= mask;
        }
        self.done += bytes.len() as u64;
        self.left -= bytes.len() as u64;
    }
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Wrong {}

/// What a frame of a server begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Opcode {
    Text = 0x81,
    Binary = 0x82,
    Close = 0x88,
    Ping = 0x89,
    Pong = 0x8a,
}

/// Why a server closes.
pub(crate) const NORMAL: u16 = 1000;
pub(crate) const WRONG: u16 = 1002;
pub(crate) const NOT_BINARY: u16 = 1003;
pub(crate) const REFUSED: u16 = 1008;

/// The head of a frame that a server sends.
pub(crate) fn head(opcode: Opcode, length: usize) -> Vec<u8> {
    let mut head = vec![opcode as u8];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if u64::from(short) <= CONTROL => head.push(short),
        (_, Ok(length)) => {
            head.push(126);
            head.extend(length.to_be_bytes());
        }
        _ => {
            head.push(127);
            head.extend((length as u64).to_be_bytes());
        }
    }
    head
}

/// A frame that a server sends.
pub(crate) fn frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut frame = head(opcode, payload.len());
    frame.extend_from_slice(payload);
    frame
}

/// The last frame that a server sends.
pub(crate) fn close(code: u16) -> Vec<u8> {
    frame(Opcode::Close, &code.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MASK: [u8; 4] = [1, 2, 3, 4];

    fn sent(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = head(Opcode::Binary, payload.len());
        frame[0] = first;
        frame[1] |= MASKED;
        frame.extend(MASK);
        frame.extend(
            payload
                .iter()
                .zip(MASK.iter().cycle())
                .map(|(byte, mask)| byte ^ mask),
        );
        frame
    }

    fn all(bytes: &[u8], step: usize) -> Result<(Vec<u8>, Vec<Frame>), Wrong> {
        let (mut frames, mut buffer) = (Frames::default(), BytesMut::new());
        let (mut data, mut others) = (Vec::new(), Vec::new());
        for part in bytes.chunks(step) {
            buffer.extend_from_slice(part);
            while let Some(frame) = frames.take(&mut buffer)? {
                match frame {
                    Frame::Bytes(bytes) => data.extend(bytes),
                    other => others.push(other),
                }
            }
        }
        Ok((data, others))
    }

    #[test]
    fn frames_of_another_kind_are_refused() {
        for (wrong, bytes) in [
            ("not masked", vec![0x82, 1, b'a']),
            ("compressed", sent(0xc2, b"a")),
            ("an unknown kind", sent(0x83, b"a")),
            ("goes on with nothing", sent(0x80, b"a")),
            (
                "a message within a message",
                [sent(2, b"a"), sent(0x82, b"b")].concat(),
            ),
            ("a ping in pieces", sent(9, b"a")),
            ("a long ping", sent(0x89, &[0; 126])),
            (
                "a length that could be shorter",
                vec![0x82, 0xfe, 0, 125, 0, 0, 0, 0],
            ),
            (
                "a longer one that could be shorter",
                vec![0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff],
            ),
            (
                "a negative length",
                vec![0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0],
            ),
        ] {
            assert!(all(&bytes, 1).is_err(), "{wrong}");
            assert!(all(&bytes, 100).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_ping_comes_between_the_pieces_of_a_message() {
        let bytes = [
            sent(2, b"ab"),
            sent(0x89, b"there?"),
            sent(0, b""),
            sent(0x80, b"c"),
            sent(0x88, b""),
        ]
        .concat();
        for step in 1..bytes.len() {
            let (data, others) = all(&bytes, step).unwrap();
            assert_eq!(data, b"abc");
            assert_eq!(
                others,
                [Frame::Ping(BytesMut::from("there?")), Frame::Close],
                "{step}"
            );
        }
    }

    proptest! {
        #[test]
        fn messages_are_the_same_however_they_are_cut(
            messages in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..300), any::<bool>()), 0..8),
            step in 1_usize..400,
        ) {
            let (mut bytes, mut in_message) = (Vec::new(), false);
            for (message, is_final) in &messages {
                let opcode = if in_message { 0 } else { 2 };
                bytes.extend(sent(opcode | if *is_final { FINAL } else { 0 }, message));
                in_message = !is_final;
            }
            let whole: Vec<u8> = messages.into_iter().flat_map(|(message, _)| message).collect();
            prop_assert_eq!(all(&bytes, step), Ok((whole, Vec::new())));
        }

        #[test]
        fn any_bytes_are_frames_or_wrong(bytes in proptest::collection::vec(any::<u8>(), 0..200), step in 1_usize..50) {
            let _ = all(&bytes, step);
        }
    }
}
