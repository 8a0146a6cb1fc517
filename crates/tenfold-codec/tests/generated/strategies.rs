//! Framings over the whole grammar, messages that sit at their edges, and streams that are nearly
//! right.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::naive::model::{Model, Number, Shape, Step};
use crate::naive::{Event, Settings, write};
use crate::properties::fuzzed;

/// A framing with up to four steps on either side.
pub(crate) fn model() -> impl Strategy<Value = Model> {
    let side = || vec(step(), 1..=4);
    prop_oneof![
        side().prop_map(Model::alike),
        (side(), side()).prop_map(|(client, server)| Model { client, server }),
    ]
}

/// One side, most often with one step.
pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop_oneof![
        3 => step().prop_map(|step| vec![step]),
        1 => vec(step(), 2..=4),
    ]
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => counted(),
        1 => (number_in_digits(), constant(), constant()).prop_map(|(number, open, close)| Step {
            chars: true,
            open,
            close,
            ..Step::of(Shape::Number { number, add: 0, at: 0 })
        }),
        1 => (whole_number(), -20_i64..0).prop_map(|(number, add)| Step {
            marks: true,
            ..Step::of(Shape::Number { number, add, at: 0 })
        }),
        2 => (delimiter(), constant(), constant()).prop_map(|(delim, open, close)| Step {
            open,
            close,
            ..Step::of(Shape::Delim(delim))
        }),
        1 => (1_u64..20, constant(), constant()).prop_map(|(size, open, close)| Step {
            open,
            close,
            ..Step::of(Shape::Fixed(size))
        }),
        2 => select(vec![Shape::ContentLength, Shape::Cobs, Shape::Slip, Shape::Hdlc])
            .prop_map(Step::of),
    ]
}

fn counted() -> impl Strategy<Value = Step> {
    let add = prop_oneof![
        3 => Just(0),
        3 => -12_i64..12,
        1 => select(vec![4_294_967_295_i64, -4_294_967_295, 300, -300]),
    ];
    let at = prop_oneof![2 => Just(0), 2 => 0_usize..6, 1 => select(vec![70, 300])];
    (number(), add, at, any::<bool>(), constant(), constant()).prop_map(
        |(number, add, at, lax, open, close)| Step {
            lax: lax && matches!(number, Number::Padded { .. } | Number::Zeroed { .. }),
            open,
            close,
            ..Step::of(Shape::Number { number, add, at })
        },
    )
}

fn number() -> impl Strategy<Value = Number> {
    prop_oneof![
        2 => (1_usize..=64, any::<bool>()).prop_map(|(bits, little)| Number::Bits {
            bits,
            little: little && bits > 8,
        }),
        5 => whole_number(),
    ]
}

/// Numbers of whole bytes.
fn whole_number() -> impl Strategy<Value = Number> {
    prop_oneof![
        2 => (1_usize..=8, any::<bool>()).prop_map(|(bytes, little)| Number::Bits {
            bits: 8 * bytes,
            little: little && bytes > 1,
        }),
        1 => Just(Number::Varint),
        1 => Just(Number::Ber),
        1 => width().prop_map(|width| Number::Hex { width }),
        1 => end(u8::is_ascii_hexdigit).prop_map(|end| Number::Ended { radix: 16, end }),
        3 => number_in_digits(),
    ]
}

fn number_in_digits() -> impl Strategy<Value = Number> {
    prop_oneof![
        2 => width().prop_map(|width| Number::Padded { width }),
        1 => width().prop_map(|width| Number::Zeroed { width }),
        1 => end(u8::is_ascii_digit).prop_map(|end| Number::Ended { radix: 10, end }),
    ]
}

fn width() -> impl Strategy<Value = usize> {
    prop_oneof![Just(10), 1_usize..=6, 1_usize..=64]
}

/// The bytes after a number, of which the first is not a digit of it.
fn end(is_digit: fn(&u8) -> bool) -> impl Strategy<Value = Vec<u8>> {
    vec(constant_byte(), 1..=3).prop_filter("begins with a digit", move |end| !is_digit(&end[0]))
}

fn constant() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![4 => Just(Vec::new()), 1 => vec(constant_byte(), 1..=3)]
}

fn delimiter() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(constant_byte(), 1..=2),
        vec(select(b"ab".to_vec()), 1..=5),
    ]
}

fn constant_byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        3 => select(b"ab0:\r\n\t\0 ,/\\~\x7f\xff".to_vec()),
        1 => any::<u8>(),
    ]
}

/// Bytes that mean something to some framing, and any others.
fn payload_byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        3 => select(b"ab\0\n\r0123 :,\x7e\x7d\x5e\x5d\xc0\xdb\xdc\xdd\x01\x02\xff\x80".to_vec()),
        1 => any::<u8>(),
    ]
}

/// A message: short, or as long as where numbers and blocks change their form.
pub(crate) fn message() -> impl Strategy<Value = Vec<u8>> {
    let edge = select(vec![
        126_usize, 127, 128, 129, 253, 254, 255, 256, 257, 508, 509, 700,
    ]);
    prop_oneof![
        6 => vec(payload_byte(), 0..24),
        2 => vec(select(b"ab".to_vec()), 0..12),
        2 => "[a-b0é漢😀]{0,10}".prop_map(String::into_bytes),
        1 => (edge, any::<u8>()).prop_map(|(length, byte)| vec![byte; length]),
    ]
}

pub(crate) fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        9 => message().prop_map(Event::Message),
        1 => (0_u64..20).prop_map(Event::Mark),
    ]
}

/// Messages that these steps can frame, or nearly: of the right size where that is fixed, long
/// enough for what stands in the head, and with the length's bits clear.
pub(crate) fn fitting(steps: &[Step], events: Vec<Event>) -> Vec<Event> {
    let mut fitted = Vec::new();
    for event in events {
        let step = &steps[fitted.len().min(steps.len() - 1)];
        let event = match event {
            Event::Message(mut message) => {
                match &step.shape {
                    Shape::Fixed(size) => message.resize(usize::try_from(*size).unwrap(), b'f'),
                    Shape::Number { add, at, number } => {
                        let most = i64::try_from(step.bytes_in_head()).unwrap() + (*add).max(0);
                        if most < 1000 && message.len() < usize::try_from(most).unwrap() {
                            message.resize(usize::try_from(most).unwrap(), b'm');
                        }
                        let kept = number.kept();
                        if let Some(number) = message.get_mut(*at..at + kept) {
                            number.fill(0);
                        }
                    }
                    _ => {}
                }
                Event::Message(message)
            }
            event => event,
        };
        let is_framed = match &event {
            Event::Message(message) => write::frame(step, message).is_ok(),
            Event::Mark(number) => write::mark(step, *number).is_ok(),
            Event::Skipped(_) => false,
        };
        if is_framed {
            fitted.push(event);
        }
    }
    fitted
}

/// The stream of such messages.
pub(crate) fn stream_of(steps: &[Step], events: &[Event]) -> Vec<u8> {
    let mut stream = Vec::new();
    for (n, event) in events.iter().enumerate() {
        let step = &steps[n.min(steps.len() - 1)];
        stream.extend(match event {
            Event::Message(message) => write::frame(step, message).unwrap(),
            Event::Mark(number) => write::mark(step, *number).unwrap(),
            Event::Skipped(_) => unreachable!(),
        });
    }
    stream
}

/// A side and a stream of its frames.
pub(crate) fn steps_and_stream() -> impl Strategy<Value = (Vec<Step>, Vec<u8>)> {
    (steps(), vec(event(), 0..8)).prop_map(|(steps, events)| {
        let events = fitting(&steps, events);
        let stream = stream_of(&steps, &events);
        (steps, stream)
    })
}

/// What can happen to a stream on its way.
#[derive(Clone, Debug)]
pub(crate) enum Mutation {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Cut(Index),
    Append(Vec<u8>),
    Repeat(Index, usize),
}

pub(crate) fn mutation() -> impl Strategy<Value = Mutation> {
    let place = any::<Index>;
    prop_oneof![
        3 => (place(), payload_byte()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        1 => (place(), vec(payload_byte(), 1..4)).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        1 => (place(), 1_usize..4).prop_map(|(at, n)| Mutation::Remove(at, n)),
        2 => place().prop_map(Mutation::Cut),
        2 => vec(payload_byte(), 1..30).prop_map(Mutation::Append),
        1 => (place(), 1_usize..8).prop_map(|(at, n)| Mutation::Repeat(at, n)),
    ]
}

impl Mutation {
    pub(crate) fn apply(&self, stream: &mut Vec<u8>) {
        let length = stream.len();
        match self {
            Self::Append(bytes) => stream.extend(bytes),
            _ if length == 0 => {}
            Self::Set(at, byte) => stream[at.index(length)] = *byte,
            Self::Insert(at, bytes) => {
                let at = at.index(length);
                stream.splice(at..at, bytes.iter().copied());
            }
            Self::Remove(at, n) => {
                let at = at.index(length);
                stream.drain(at..(at + n).min(length));
            }
            Self::Cut(at) => stream.truncate(at.index(length)),
            Self::Repeat(at, n) => {
                let at = at.index(length);
                let part = stream[at..(at + n).min(length)].to_vec();
                stream.splice(at..at, part);
            }
        }
    }
}

/// Bytes without any order, from few of them so that some of it is legal.
pub(crate) fn noise() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(payload_byte(), 0..100),
        vec(select(b"0123 ".to_vec()), 0..60),
        vec(select(b"ab".to_vec()), 0..60),
        vec(select(vec![0_u8, 1, 2, 3, 0x80, 0x81, 0xff]), 0..60),
        vec(
            select(b"a\x7e\x7d\xc0\xdb\xdc\xdd\0\x01\x02".to_vec()),
            0..60
        ),
        vec(
            select(vec![
                "Content-Length:",
                " 1",
                "2",
                "\r\n",
                "X-y",
                ": ",
                "\r\n\r\n",
                "{}",
                "transfer-encoding"
            ]),
            0..12,
        )
        .prop_map(|parts| parts.concat().into_bytes()),
        vec(any::<u8>(), 0..100),
        (0_usize..200).prop_map(|n| vec![0; n]),
    ]
}

pub(crate) fn settings() -> impl Strategy<Value = Settings> {
    prop_oneof![
        any::<u8>().prop_map(fuzzed::settings),
        (0_u64..40, proptest::option::of(0_u64..30), any::<bool>()).prop_map(
            |(limit, pieces_above, skip)| Settings {
                limit,
                pieces_above,
                skip,
            }
        ),
        any::<bool>().prop_map(|skip| Settings {
            limit: 1 << 24,
            pieces_above: None,
            skip,
        }),
    ]
}

/// How a stream is cut and handed over; see the property that takes it.
pub(crate) fn plan() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        1 => Just(vec![]),
        1 => select(vec![vec![0], vec![1], vec![2]]),
        4 => vec(any::<u8>(), 1..8),
        2 => vec(0_u8..32, 1..8),
    ]
}
