//! The cases of the suite: each goes from any writer over any transport to any reader.

use tenfold::{
    DecodeError, Decoder, ErrorKind, Framing, HIGH_WATER, LooksLike, Part, ReadError, Recovery,
    Side,
};

use crate::choppy::Cut;
use crate::drivers::Driver;
use crate::script::{Step, bytes, messages};
use crate::wires::{Wire, carry, receive};

/// What comes out is what went in.
fn survives<W: Driver, R: Driver>(wire: Wire, framing: &str, steps: &[Step]) {
    let framing: Framing = framing.parse().unwrap();
    for side in [framing.client(), framing.server()] {
        let seen = carry::<W, R>(wire, side, steps, Decoder::new(side));
        assert!(seen.expect_clean() == steps, "{side} over {wire:?}");
    }
}

pub(crate) fn a_small_batch<W: Driver, R: Driver>(wire: Wire) {
    let steps = messages(["hello", "", "12        not a header", "\n"]);
    for framing in [
        "decimal:10",
        "u32be",
        "varint",
        "hex:4",
        "netstring",
        "lsp",
        "cobs",
    ] {
        survives::<W, R>(wire, framing, &steps);
    }
}

pub(crate) fn no_message_at_all<W: Driver, R: Driver>(wire: Wire) {
    survives::<W, R>(wire, "decimal:10", &[]);
}

pub(crate) fn empty_messages<W: Driver, R: Driver>(wire: Wire) {
    let steps = messages([""; 300]);
    for framing in ["decimal:10", "u8", "delim:\\r\\n", "cobs"] {
        survives::<W, R>(wire, framing, &steps);
    }
}

pub(crate) fn a_thousand_messages_in_one_segment<W: Driver, R: Driver>(wire: Wire) {
    let steps = messages((0..1000).map(|n| n.to_string()));
    survives::<W, R>(wire, "decimal:10", &steps);
    survives::<W, R>(wire, "line", &steps);
}

pub(crate) fn more_than_the_high_water_mark<W: Driver, R: Driver>(wire: Wire) {
    let steps = messages((0..300).map(|n| bytes(n * 3 % 1000)));
    survives::<W, R>(wire, "decimal:10", &steps);
}

pub(crate) fn large_messages_between_small_ones<W: Driver, R: Driver>(wire: Wire) {
    let half = HIGH_WATER / 2;
    let sizes = [3, half - 1, half, half + 1, 1, 2 * HIGH_WATER, 40_000, 7];
    let sizes = if wire.is_slow() {
        &sizes[1..5]
    } else {
        &sizes[..]
    };
    let steps = messages(sizes.iter().map(|size| bytes(*size)));
    for framing in ["decimal:10", "u32be-4@1", "content-length"] {
        survives::<W, R>(wire, framing, &steps);
    }
}

pub(crate) fn large_stuffed_and_delimited_messages<W: Driver, R: Driver>(wire: Wire) {
    let clean = |len| {
        let bytes = bytes(len).into_iter();
        bytes.map(|byte| byte | 0x80).collect::<Vec<u8>>()
    };
    let large = if wire.is_slow() { 5_000 } else { 70_000 };
    let steps = messages([clean(large), clean(3), clean(33_000)]);
    for framing in ["cobs", "slip", "hdlc", "delim:\\0", "netstring"] {
        survives::<W, R>(wire, framing, &steps);
    }
}

pub(crate) fn marks<W: Driver, R: Driver>(wire: Wire) {
    let mut steps = messages(["want", ""]);
    steps.insert(1, Step::Mark(0));
    steps.push(Step::Mark(1));
    survives::<W, R>(wire, "git", &steps);
}

pub(crate) fn sides_and_steps<W: Driver, R: Driver>(wire: Wire) {
    let framing: Framing = "u32be-4/u32be-4@1 // u32be-4@1".parse().unwrap();
    let steps = messages(["startup", "Qselect 1", "X"]);
    for side in [framing.client(), framing.server()] {
        let seen = carry::<W, R>(wire, side, &steps, Decoder::new(side));
        assert_eq!(seen.expect_clean(), steps);
    }
}

pub(crate) fn a_message_in_pieces<W: Driver, R: Driver>(wire: Wire) {
    let message = bytes(if wire.is_slow() { 10_000 } else { 150_000 });
    for framing in ["decimal:10", "varint@1", "lsp", "cobs", "hdlc"] {
        let framing: Framing = framing.parse().unwrap();
        let side = framing.client();
        let length = Some(message.len() as u64);
        let mut steps = vec![Step::Message(b"small".to_vec()), Step::Begin(length)];
        steps.extend(
            message
                .chunks(40_000)
                .map(|piece| Step::Data(piece.to_vec())),
        );
        steps.extend([Step::End, Step::Message(b"small again".to_vec())]);

        let whole = carry::<W, R>(wire, side, &steps, Decoder::new(side)).expect_clean();
        let expected = messages([&b"small"[..], &message, b"small again"]);
        assert!(whole == expected, "{side} whole over {wire:?}");

        let decoder = Decoder::new(side).with_pieces_above(1000);
        let pieces = carry::<W, R>(wire, side, &steps, decoder).expect_clean();
        let announced = length.filter(|_| side.announces_length());
        let expected = [
            Step::Message(b"small".to_vec()),
            Step::Begin(announced),
            Step::Data(message.clone()),
            Step::End,
            Step::Message(b"small again".to_vec()),
        ];
        assert!(pieces == expected, "{side} in pieces over {wire:?}");
    }
}

pub(crate) fn a_message_over_the_limit_is_left_out<W: Driver, R: Driver>(wire: Wire) {
    let side = native();
    let steps = messages([bytes(10), bytes(70_000), bytes(11)]);
    let decoder = Decoder::new(&side)
        .with_limit(100)
        .with_recovery(Recovery::Skip);
    let seen = carry::<W, R>(wire, &side, &steps, decoder).expect_clean();
    assert_eq!(seen[1], Step::Skipped);
    assert_eq!((&seen[0], &seen[2]), (&steps[0], &steps[2]));
}

pub(crate) fn a_stream_cut_in_a_header<R: Driver>(wire: Wire) {
    let error = fails::<R>(wire, b"2         hi5  ", 1);
    let truncated = ErrorKind::Truncated {
        part: Part::Header,
        have: 3,
        missing: Some(7),
    };
    assert_eq!(error.kind(), &truncated);
    assert_eq!((error.offset(), error.index()), (12, 1));
}

pub(crate) fn a_stream_cut_behind_a_header<R: Driver>(wire: Wire) {
    let error = fails::<R>(wire, b"5         ", 0);
    assert!(error.is_truncated());
}

pub(crate) fn a_stream_cut_in_a_payload<R: Driver>(wire: Wire) {
    let mut stream = b"100000    ".to_vec();
    stream.extend(bytes(99_990));
    let error = fails::<R>(wire, &stream, 0);
    let truncated = ErrorKind::Truncated {
        part: Part::Payload,
        have: 99_990,
        missing: Some(10),
    };
    assert_eq!(error.kind(), &truncated);
}

pub(crate) fn a_message_over_the_limit<R: Driver>(wire: Wire) {
    let error = fails::<R>(wire, b"2         hi9999999999", 1);
    let declared = Some(9_999_999_999);
    assert!(matches!(error.kind(), ErrorKind::TooLarge { declared: d, .. } if *d == declared));
}

pub(crate) fn a_bad_header_behind_good_messages<R: Driver>(wire: Wire) {
    let error = fails::<R>(wire, b"2         hi0         x", 2);
    assert_eq!(error.kind(), &ErrorKind::BadHeader { at: 22 });
}

pub(crate) fn what_another_protocol_says_first<R: Driver>(wire: Wire) {
    let error = fails::<R>(wire, b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", 0);
    assert_eq!(error.kind(), &ErrorKind::BadHeader { at: 0 });
    // In small parts the verdict is as early, and nothing else is there to describe it by.
    if !matches!(wire, Wire::Memory(Cut::OneByte | Cut::Random(_))) {
        assert_eq!(error.looks_like(), Some(LooksLike::Http));
    }
}

/// The error after so many messages.
fn fails<R: Driver>(wire: Wire, stream: &[u8], messages: usize) -> DecodeError {
    let seen = receive::<R>(wire, stream, Decoder::new(&native()));
    assert_eq!(seen.steps.len(), messages);
    match seen.end {
        Err(ReadError::Decode(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn native() -> Side {
    Framing::default().client().clone()
}
