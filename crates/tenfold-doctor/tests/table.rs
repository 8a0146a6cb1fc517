//! Streams of known framings, made from seeds, and what the doctor says of each.

#![expect(
    clippy::cast_precision_loss,
    reason = "small numbers that a seed gives"
)]

mod seeds;

use std::fmt::Write as _;

use seeds::Random;
use tenfold_codec::{Encoder, Framing};
use tenfold_doctor::{WORTH_NAMING, rank};

impl Random {
    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }
}

const WORDS: &[&str] = &[
    "temperature",
    "is",
    "the",
    "a",
    "hello",
    "no",
    "yes",
    "and",
    "sensor",
    "kitchen",
    "of",
    "7",
    "21.5",
    "message",
    "I",
    "you",
    "there",
    "Python",
    "socket",
    "please",
    "what",
    "ok",
];

/// What is in the messages of a stream.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Content {
    Json,
    Chat,
    Floats,
    Records,
    Noise,
    Csv,
}

const CONTENTS: &[Content] = &[
    Content::Json,
    Content::Chat,
    Content::Floats,
    Content::Records,
    Content::Noise,
    Content::Csv,
];

fn message(content: Content, index: u64, random: &mut Random) -> Vec<u8> {
    match content {
        Content::Json => {
            let id = random.below(100_000);
            let name = random.one_of(WORDS);
            let value = random.below(4000) as f64 / 100.0;
            format!("{{\"id\":{id},\"name\":\"{name}\",\"value\":{value}}}").into_bytes()
        }
        Content::Chat => {
            let mut text = String::new();
            for n in 0..=random.below(12) {
                let word = random.one_of(WORDS);
                let _ = write!(text, "{}{word}", if n == 0 { "" } else { " " });
            }
            text.into_bytes()
        }
        Content::Floats => (0..=random.below(20))
            .flat_map(|_| (random.below(100_000) as f64 / 1000.0).to_le_bytes())
            .collect(),
        Content::Records => {
            let mut record = vec![random.one_of(&[1, 2, 7])];
            record.extend_from_slice(&(0x1a2b_3cf0 + u32::try_from(index).unwrap()).to_be_bytes());
            record.extend((0..12 + random.below(30)).map(|_| random.next().to_le_bytes()[3]));
            record
        }
        Content::Noise => (0..=random.below(200))
            .map(|_| random.next().to_le_bytes()[4])
            .collect(),
        Content::Csv => {
            let fields = [random.below(1000), random.below(100), random.below(9)];
            format!(
                "2026-11-27T08:{:02}:{:02}Z,{},{},{}",
                index / 60 % 60,
                index % 60,
                fields[0],
                fields[1],
                fields[2]
            )
            .into_bytes()
        }
    }
}

fn stream(line: &str, content: Content, count: u64, seed: u64) -> Vec<u8> {
    let framing: Framing = line.parse().unwrap();
    let mut random = Random(seed);
    let mut encoder = Encoder::new(framing.client());
    let mut bytes = Vec::new();
    for index in 0..count {
        encoder
            .encode(&message(content, index, &mut random), &mut bytes)
            .unwrap();
    }
    bytes
}

/// Framings that people make, as our grammar writes them.
const MADE: &[&str] = &[
    "decimal:10",
    "decimal:5",
    "decimal:8",
    "decimal:20",
    "decimal:4",
    "decimal:16",
    "decimal:64",
    "decimal:04",
    "decimal:08",
    "decimal:06",
    "decimal:010",
    "hex:8",
    "hex:4",
    "hex:6",
    "u32be",
    "u32le",
    "u16be",
    "u16le",
    "u64be",
    "u64le",
    "u24be",
    "u32be-4",
    "u32le-4",
    "u16be-2",
    "u16le-2",
    "u32le-8",
    r"decimal,end=\n",
    r"decimal,end=:",
    r"decimal,end=|",
    r"decimal,end=\x20",
    r"decimal,end=\r\n",
    r"hex,end=\n",
    r"decimal,end=:,close=\x2c",
    r"decimal,end=#",
    r"decimal,end=;",
    r"u32be,open=\xaaU",
    r"u16le,open=\xb5b",
    r"u16be,open=\xca\xfe",
    r"u32be,close=\n",
    r"u16le,close=\r\n",
    r"decimal:10,close=\n",
    "varint",
];

/// The same, with something before the length: only for messages that begin with something.
const AFTER: &[&str] = &[
    "u32le@1",
    "u32be@1",
    "u16be@1",
    "u16le@4",
    "u32be@4",
    "u32be-5@1",
    "u32le-12@8",
    "u16be+2@2",
];

#[test]
fn the_first_answer_is_the_framing() {
    let (mut right, mut wrong) = (0, Vec::new());
    for (lines, contents) in [(MADE, CONTENTS), (AFTER, &[Content::Records][..])] {
        for line in lines {
            for content in contents {
                for (count, whole) in [(3, true), (12, true), (60, true), (60, false)] {
                    let seed = count * 31 + line.len() as u64;
                    let mut bytes = stream(line, *content, count, seed);
                    if !whole {
                        bytes.truncate(bytes.len() - 3);
                    }
                    let ranked = rank(&bytes, whole);
                    let first = &ranked[0];
                    let side = first.side.to_string();
                    // A length below 128 is the same as a byte.
                    let is_same =
                        *line == "varint" && side == "u8" && first.trial.messages >= count - 1;
                    if (side == *line || is_same) && first.trial.score() >= WORTH_NAMING {
                        right += 1;
                    } else {
                        let place = ranked.iter().position(|r| r.side.to_string() == *line);
                        wrong.push(format!(
                            "{line} {content:?} {count} {whole}: {side} {:?} {:.0} (right at {place:?} {:.0})",
                            first.presets,
                            first.trial.score(),
                            place.map_or(0.0, |p| ranked[p].trial.score()),
                        ));
                    }
                }
            }
        }
    }
    let all = right + wrong.len();
    assert!(
        wrong.len() * 20 < all,
        "{right} of {all} are right\n{}",
        wrong.join("\n")
    );
}

fn first(bytes: &[u8]) -> (String, f64) {
    let ranked = rank(bytes, true);
    (ranked[0].side.to_string(), ranked[0].trial.score())
}

#[test]
fn a_stream_that_begins_inside_a_message_is_read_from_the_next_one_on() {
    for (line, cut) in [
        ("decimal:10", 25),
        ("u32be", 7),
        ("decimal:06", 40),
        ("hex:8", 3),
    ] {
        let bytes = stream(line, Content::Json, 30, 4);
        let (side, bits) = first(&bytes[cut..]);
        assert!(
            side.starts_with("fixed:")
                && side.ends_with(&format!("/{line}"))
                && bits > WORTH_NAMING,
            "{line}: {side} {bits}"
        );
    }
}

#[test]
fn records_and_messages_between_marks_are_found() {
    let mut random = Random(9);
    let records: Vec<u8> = (0..40_u32)
        .flat_map(|n| [&n.to_le_bytes()[..], &[7, 0], &random.next().to_le_bytes()].concat())
        .collect();
    assert_eq!(first(&records).0, "fixed:14");
    let marked = stream(r"delim:\x03,open=\x02", Content::Chat, 20, 3);
    assert_eq!(first(&marked).0, r"delim:\x03,open=\x02");
    let ended = stream(r"delim:\r\n", Content::Chat, 20, 3);
    assert_eq!(first(&ended).0, r"delim:\r\n");
}

#[test]
fn json_that_is_laid_out_for_people_has_no_framing() {
    let mut random = Random(2);
    let mut laid_out = String::new();
    for _ in 0..40 {
        let (id, name) = (random.below(90_000), random.one_of(WORDS));
        let _ = write!(
            laid_out,
            "{{\n  \"id\": {id},\n  \"name\": \"{name}\"\n}}\n"
        );
    }
    let (side, bits) = first(laid_out.as_bytes());
    assert!(bits < WORTH_NAMING, "{side} {bits}");
}
