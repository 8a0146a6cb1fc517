//! `tokio_util::codec` as the referee: where it can say the same framing, both must read and write
//! the same bytes, however the stream is cut.

mod layout;
mod stream;

use bytes::{BufMut, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;
use tenfold_codec::{Decoder, ErrorKind, Framing, Recovery};
use tokio_util::codec::{
    AnyDelimiterCodec, AnyDelimiterCodecError, Decoder as _, Encoder as _, LinesCodec,
    LinesCodecError,
};

use layout::{Layout, layout, layout_and_messages};
use stream::{Outcome, cuts, decode, delimited, encode, referee_decode};

proptest! {
    #[test]
    fn both_write_the_same_bytes((layout, messages) in layout_and_messages()) {
        let stream = encode(&layout.framing(), &messages);
        prop_assert_eq!(&stream[..], &layout.written_by_the_referee(&messages)[..]);
    }

    #[test]
    fn tenfold_reads_what_the_referee_writes(
        (layout, messages) in layout_and_messages(),
        cuts in cuts(),
    ) {
        let stream = layout.written_by_the_referee(&messages);
        let decoder = Decoder::new(layout.framing().client());
        prop_assert_eq!(decode(decoder, &stream, &cuts), Outcome::of(&messages));
    }

    #[test]
    fn the_referee_reads_what_tenfold_writes(
        (layout, messages) in layout_and_messages(),
        cuts in cuts(),
        skip in any::<prop::sample::Index>(),
    ) {
        let skip = skip.index(layout.at + layout.width + 1);
        let stream = encode(&layout.framing(), &messages);
        let outcome = referee_decode(layout.referee(skip), &stream, &cuts);
        let parts: Vec<_> = outcome.messages.into_iter().flatten().collect();
        prop_assert!(!outcome.failed);
        prop_assert_eq!(parts.len(), messages.len());
        for (part, message) in parts.iter().zip(&messages) {
            prop_assert_eq!(&layout.without_number(part, skip), &message[skip.min(layout.at)..]);
        }
    }

    /// The referee keeps the header in its buffer here, so that it notices, too, a stream that ends
    /// exactly after a header.
    #[test]
    fn both_call_the_same_ends_of_a_stream_clean(
        (layout, messages) in layout_and_messages(),
        cuts in cuts(),
        end in any::<prop::sample::Index>(),
    ) {
        let mut stream = encode(&layout.framing(), &messages);
        stream.truncate(end.index(stream.len() + 1));
        let mut expected = referee_decode(layout.referee(0), &stream, &cuts);
        for frame in expected.messages.iter_mut().flatten() {
            *frame = layout.without_number(frame, 0);
        }
        prop_assert_eq!(decode(Decoder::new(layout.framing().client()), &stream, &cuts), expected);
    }

    #[test]
    fn both_refuse_the_same_numbers_that_are_too_small(
        layout in layout(),
        number in 0..25i64,
        good in 0..3usize,
        cuts in cuts(),
    ) {
        let layout = Layout { add: -layout.add.abs(), ..layout };
        let mut stream = layout.written_by_the_referee(&vec![layout.message(3, 0); good]);
        stream.put_bytes(b'x', layout.at);
        if layout.little {
            stream.put_int_le(number, layout.width);
        } else {
            stream.put_int(number, layout.width);
        }
        stream.put_bytes(b'x', usize::try_from((number + layout.add).max(0)).unwrap());
        let whole = layout.at + layout.width;
        let expected = referee_decode(layout.referee(whole), &stream, &cuts);
        let outcome = decode(Decoder::new(layout.framing().client()), &stream, &cuts);
        prop_assert_eq!(outcome.failed, number + layout.add < 0);
        prop_assert_eq!(outcome.failed, expected.failed);
        prop_assert_eq!(outcome.messages.len(), expected.messages.len());
    }

    #[test]
    fn any_bytes_are_cut_alike_with_a_limit(
        width in 1..=3usize,
        little in any::<bool>(),
        limit in prop_oneof![0..8usize, 0..400usize],
        bytes in vec(prop_oneof![3 => Just(0), 2 => 0..6u8, 1 => any::<u8>()], 0..600),
        cuts in cuts(),
    ) {
        let layout = Layout { width, little, add: 0, at: 0 };
        let mut codec = layout.builder(0).max_frame_length(limit).num_skip(width).new_codec();
        codec.set_max_frame_length(limit);
        let mut expected = referee_decode(codec, &bytes, &cuts);
        let decoder = Decoder::new(layout.framing().client()).with_limit(limit as u64);
        let outcome = decode(decoder, &bytes, &cuts);
        // Behind a header the referee calls the end clean; Tenfold says that the payload is missing.
        if outcome.failed && !expected.failed {
            expected.failed = ends_behind_a_header(layout, &bytes);
        }
        prop_assert_eq!(outcome, expected);
    }

    #[test]
    fn lines_are_what_the_lines_codec_says(
        lines in vec(prop_oneof!["[a-z\r €\0]{0,20}", "[^\n]{0,300}"], 0..20),
        limit in prop_oneof![Just(usize::MAX), 1..40usize],
        cuts in cuts(),
    ) {
        // The referee takes a \r off the end of a line, which is its business and not the framing's.
        let lines: Vec<_> = lines.iter().map(|line| line.trim_end_matches('\r')).collect();
        let framing: Framing = r"delim:\n".parse().unwrap();
        let mut encoded = BytesMut::new();
        for line in &lines {
            LinesCodec::new().encode(line, &mut encoded).unwrap();
        }
        let messages: Vec<_> = lines.iter().map(|line| line.as_bytes().to_vec()).collect();
        prop_assert_eq!(&encode(&framing, &messages)[..], &encoded[..]);

        let mut codec = LinesCodec::new_with_max_length(limit);
        let expected = delimited(&encoded, &cuts, |buffer| match codec.decode(buffer) {
            Ok(line) => line.map(|line| Some(line.into_bytes())),
            Err(LinesCodecError::MaxLineLengthExceeded) => Some(None),
            Err(error) => panic!("{error}"),
        });
        let decoder = Decoder::new(framing.client())
            .with_limit(limit as u64)
            .with_recovery(Recovery::Skip);
        prop_assert_eq!(decode(decoder, &encoded, &cuts), expected);
    }

    #[test]
    fn one_byte_delimits_any_bytes_as_the_delimiter_codec_says(
        delimiter in any::<u8>(),
        mut bytes in vec(any::<u8>(), 0..2000),
        limit in prop_oneof![Just(usize::MAX), 1..300usize],
        cuts in cuts(),
    ) {
        bytes.push(delimiter);
        let framing: Framing = format!(r"delim:\x{delimiter:02x}").parse().unwrap();
        let mut codec = AnyDelimiterCodec::new_with_max_length(vec![delimiter], vec![delimiter], limit);
        let expected = delimited(&bytes, &cuts, |buffer| match codec.decode(buffer) {
            Ok(chunk) => chunk.map(|chunk| Some(chunk.to_vec())),
            Err(AnyDelimiterCodecError::MaxChunkLengthExceeded) => Some(None),
            Err(error) => panic!("{error}"),
        });
        let decoder = Decoder::new(framing.client())
            .with_limit(limit as u64)
            .with_recovery(Recovery::Skip);
        prop_assert_eq!(decode(decoder, &bytes, &cuts), expected);
    }
}

/// Whether the last thing in a stream of plain lengths is a header that announces something.
fn ends_behind_a_header(layout: Layout, bytes: &[u8]) -> bool {
    let mut decoder = Decoder::new(layout.framing().client());
    decoder.feed(bytes);
    while let Ok(Some(_)) = decoder.next_event() {}
    decoder.finish();
    let Err(error) = decoder.next_event() else {
        return false;
    };
    matches!(error.kind(), ErrorKind::Truncated { have: 0, .. })
        && error.offset() == (bytes.len() - layout.width) as u64
}
