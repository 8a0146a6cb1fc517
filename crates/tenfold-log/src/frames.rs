//! Frames of `decimal:10`, where they begin and end.

use bytes::{Buf, Bytes};
use tenfold_codec::native;

use crate::crc;

/// Whole frames, one after the other, and how many messages they are.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Frames {
    /// The frames as they are on the wire.
    pub bytes: Bytes,
    /// How many messages they are.
    pub messages: u64,
}

impl Frames {
    /// Cuts whole frames so that each part has at most `most` bytes, or one larger frame.
    pub(crate) fn cut(bytes: Bytes, messages: u64, most: usize) -> Vec<Self> {
        Self::cut_to(bytes, messages, most, u64::MAX)
    }

    /// The same, and at most `most_messages` in each part.
    pub(crate) fn cut_to(
        bytes: Bytes,
        messages: u64,
        most: usize,
        most_messages: u64,
    ) -> Vec<Self> {
        if messages == 1 || bytes.len() <= most && messages <= most_messages {
            return vec![Self { bytes, messages }];
        }
        let mut all = Vec::new();
        let (mut rest, mut left) = (bytes, messages);
        while left > 0 {
            let found = whole(&rest, left.min(most_messages), most);
            if found.messages == 0 {
                // They are not frames: the caller has given something else.
                break;
            }
            all.push(Self {
                bytes: rest.split_to(found.bytes),
                messages: found.messages,
            });
            left -= found.messages;
        }
        all
    }

    pub(crate) fn crc(&self) -> u32 {
        crc::of(&self.bytes)
    }
}

/// What strict reading finds in some bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Whole messages from the beginning on.
    pub(crate) messages: u64,
    /// Bytes of their frames.
    pub(crate) bytes: usize,
}

/// The whole frames that the bytes begin with, up to the first one that is cut or bad: at most `messages`,
/// and none beyond `most` bytes but the first.
pub(crate) fn whole(bytes: &[u8], messages: u64, most: usize) -> Found {
    #[cfg(feature = "planted")]
    if crate::planted::is(crate::planted::Mistake::LenientHeader) {
        return leniently(bytes, messages);
    }
    let mut found = Found::default();
    for frame in native::frames(bytes).map_while(Result::ok) {
        if found.messages == messages || frame.end > most && found.messages > 0 {
            break;
        }
        found = Found {
            messages: found.messages + 1,
            bytes: frame.end,
        };
    }
    found
}

/// Takes anything for a header that a number can be read from.
#[cfg(feature = "planted")]
fn leniently(bytes: &[u8], messages: u64) -> Found {
    let mut found = Found::default();
    while found.messages < messages {
        let header = bytes.get(found.bytes..found.bytes + native::HEADER);
        let text = header.and_then(|header| std::str::from_utf8(header).ok());
        let Some(length) = text.and_then(|text| text.trim().parse::<usize>().ok()) else {
            break;
        };
        let end = found.bytes + native::HEADER + length;
        if end > bytes.len() {
            break;
        }
        found = Found {
            messages: found.messages + 1,
            bytes: end,
        };
    }
    found
}

/// Whether the bytes are exactly so many whole frames.
pub(crate) fn are(bytes: &[u8], messages: u64) -> bool {
    let count = native::frames(bytes).try_fold(0, |count, frame| frame.map(|_| count + 1));
    count == Ok(messages)
}

/// What stands after so many messages, in bytes that are whole frames.
pub(crate) fn after(frames: &Bytes, messages: u64) -> Bytes {
    let mut rest = frames.clone();
    rest.advance(native::frames(frames).end_after(messages));
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(payloads: &[&str]) -> Bytes {
        let frame = |payload: &&str| format!("{:<10}{payload}", payload.len());
        payloads.iter().map(frame).collect::<String>().into()
    }

    #[test]
    fn whole_frames_end_where_the_first_one_is_cut_or_bad() {
        let bytes = frames(&["a", "", "ccc"]);
        let all = Found {
            messages: 3,
            bytes: bytes.len(),
        };
        assert_eq!(whole(&bytes, u64::MAX, usize::MAX), all);
        let cut = whole(&bytes[..bytes.len() - 1], u64::MAX, usize::MAX);
        assert_eq!(
            cut,
            Found {
                messages: 2,
                bytes: 21
            }
        );
        let bad = [&bytes[..], b"012       "].concat();
        assert_eq!(whole(&bad, u64::MAX, usize::MAX), all);
        assert_eq!(whole(&bytes, 1, usize::MAX).bytes, 11);
    }

    #[test]
    fn only_exactly_so_many_whole_frames_are_frames() {
        let bytes = frames(&["a", "", "ccc"]);
        assert!(are(&bytes, 3));
        assert!(!are(&bytes, 2));
        assert!(!are(&bytes[..bytes.len() - 1], 3));
        assert!(!are(&bytes[..bytes.len() - 1], 2));
        assert!(!are(b"+1        a", 1));
        assert!(are(b"", 0));
    }

    #[test]
    fn frames_are_cut_between_two_of_them() {
        let bytes = frames(&["a", "bb", &"c".repeat(50), "d", ""]);
        let cut = Frames::cut(bytes.clone(), 5, 24);
        let lengths: Vec<_> = cut
            .iter()
            .map(|some| (some.bytes.len(), some.messages))
            .collect();
        assert_eq!(lengths, [(23, 2), (60, 1), (21, 2)]);
        let joined: Vec<u8> = cut.iter().flat_map(|some| some.bytes.to_vec()).collect();
        assert_eq!(joined, bytes);
        let pairs = Frames::cut_to(bytes, 5, usize::MAX, 2);
        let messages: Vec<_> = pairs.iter().map(|some| some.messages).collect();
        assert_eq!(messages, [2, 2, 1]);
    }

    #[test]
    fn after_so_many_messages_comes_the_rest() {
        let bytes = frames(&["a", "bb", "c"]);
        assert_eq!(after(&bytes, 2), frames(&["c"]));
        assert_eq!(after(&bytes, 0), bytes);
        assert_eq!(after(&bytes, 3), Bytes::new());
    }
}
