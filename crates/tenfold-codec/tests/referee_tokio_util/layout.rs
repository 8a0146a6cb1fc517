//! Framings that both can say, and the referee made for them.

use bytes::{BufMut, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;
use tenfold_codec::Framing;
use tokio_util::codec::Encoder as _;
use tokio_util::codec::length_delimited::{Builder, LengthDelimitedCodec};

/// A framing `X±A@O` with a number of whole bytes, which both sides can say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// Bytes of the number.
    pub(crate) width: usize,
    pub(crate) little: bool,
    /// A: bytes after the number, less what the number says.
    pub(crate) add: i64,
    /// O: bytes of the message before the number.
    pub(crate) at: usize,
}

impl Layout {
    pub(crate) fn framing(self) -> Framing {
        let Self { width, add, at, .. } = self;
        let order = match (width, self.little) {
            (1, _) => "",
            (_, true) => "le",
            (_, false) => "be",
        };
        let line = format!("u{}{order}{add:+}@{at}", 8 * width);
        // The grammar has no zeros there.
        line.replace("+0@", "@")
            .trim_end_matches("@0")
            .parse()
            .unwrap()
    }

    fn largest_number(self) -> i64 {
        // 48 bits are more than enough for any message here, and leave room for the sums.
        (1 << (8 * self.width.min(6))) - 1
    }

    /// A message with about `follow` bytes after the number, all that the number allows.
    ///
    /// `LengthDelimitedCodec` compares the number itself, before it is adjusted, with the longest
    /// frame after adjusting; so with a negative adjustment the largest numbers are kept away from it.
    pub(crate) fn message(self, follow: usize, seed: u8) -> Vec<u8> {
        let largest = self.largest_number() + self.add.min(-self.add.abs());
        let number = (i64::try_from(follow).unwrap() - self.add).clamp(0, largest);
        let follow = usize::try_from((number + self.add).max(0)).unwrap();
        (0..self.at + follow)
            .map(|at| seed.wrapping_add(u8::try_from(at % 251).unwrap()))
            .collect()
    }

    /// A decoder that leaves out the first `skip` bytes of each frame and gives the rest.
    pub(crate) fn referee(self, skip: usize) -> LengthDelimitedCodec {
        let head = isize::try_from(self.at + self.width - skip).unwrap();
        self.builder(isize::try_from(self.add).unwrap() + head)
            .length_field_offset(self.at)
            .num_skip(skip)
            .new_codec()
    }

    pub(crate) fn builder(self, adjustment: isize) -> Builder {
        let mut builder = LengthDelimitedCodec::builder();
        builder
            .length_field_length(self.width)
            .length_adjustment(adjustment)
            .max_frame_length(usize::MAX >> 1);
        if self.little {
            builder.little_endian();
        }
        builder
    }

    /// What is left of a frame without its first `skip` bytes when the number is taken out of it.
    pub(crate) fn without_number(self, frame: &[u8], skip: usize) -> Vec<u8> {
        let before = self.at.saturating_sub(skip);
        let behind = self.at + self.width - skip;
        [&frame[..before], &frame[behind.max(before)..]].concat()
    }

    /// The frames as `LengthDelimitedCodec` writes them. It has no word for the bytes before the
    /// number when it writes, but they can be written by hand.
    pub(crate) fn written_by_the_referee(self, messages: &[Vec<u8>]) -> BytesMut {
        let mut codec = self.builder(isize::try_from(self.add).unwrap()).new_codec();
        let mut stream = BytesMut::new();
        for message in messages {
            let (before, rest) = message.split_at(self.at);
            stream.put_slice(before);
            codec.encode(rest, &mut stream).unwrap();
        }
        stream
    }
}

pub(crate) fn layout() -> impl Strategy<Value = Layout> {
    let add = prop_oneof![Just(0), -20..=20i64];
    let at = prop_oneof![Just(0), 0..=12usize];
    (1..=8usize, any::<bool>(), add, at).prop_map(|(width, little, add, at)| Layout {
        width,
        little,
        add,
        at,
    })
}

pub(crate) fn layout_and_messages() -> impl Strategy<Value = (Layout, Vec<Vec<u8>>)> {
    let follow = prop_oneof![
        8 => 0..=40usize,
        4 => 120..=135usize,
        4 => 230..=280usize,
        1 => 65_500..=65_560usize,
    ];
    (layout(), vec((follow, any::<u8>()), 0..12)).prop_map(|(layout, sizes)| {
        let messages = sizes
            .into_iter()
            .map(|(follow, seed)| layout.message(follow, seed))
            .collect();
        (layout, messages)
    })
}
