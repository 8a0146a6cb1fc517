//! Streams captured from programs of others.

use tenfold_codec::{Decoder, Framing, LooksLike};

use super::{INPUTS, Input, PLANS, cuts, read, run, steps_of};
use crate::naive::model::Step;
use crate::naive::{Event, Settings, decode};
use crate::properties::decoding::agrees_with_the_naive_decoder;
use crate::properties::encoding::encoded;

const SETTINGS: Settings = Settings {
    limit: 1 << 24,
    pieces_above: None,
    skip: false,
};

struct Capture {
    file: String,
    steps: Vec<Step>,
    bytes: Vec<u8>,
    lengths: String,
    left: usize,
    round_trip: bool,
}

fn captures() -> Vec<Capture> {
    let table = String::from_utf8(read("captures/vectors.tsv")).unwrap();
    let captures: Vec<Capture> = table
        .lines()
        .skip(1)
        .map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            Capture {
                file: fields[0].to_owned(),
                steps: steps_of(fields[1]),
                bytes: read(&format!("captures/{}", fields[0])),
                lengths: fields[3].to_owned(),
                left: fields[4].parse().unwrap(),
                round_trip: fields[5] == "yes",
            }
        })
        .collect();
    assert!(captures.len() > 30);
    captures
}

fn lengths(events: &[Event]) -> String {
    let lengths = events.iter().map(|event| match event {
        Event::Message(message) => message.len().to_string(),
        Event::Mark(number) => format!("mark{number}"),
        Event::Skipped(_) => panic!("nothing is to be left out"),
    });
    lengths.collect::<Vec<_>>().join(",")
}

impl Capture {
    fn is_read_from(&self, parts: &[&[u8]], input: Input) -> Vec<Event> {
        let outcome = run(&self.steps, SETTINGS, parts, input);
        assert_eq!(lengths(&outcome.events), self.lengths, "{}", self.file);
        let left = self.bytes.len() as u64 - outcome.decoder.offset();
        assert_eq!(left, self.left as u64, "{}", self.file);
        assert_eq!(outcome.verdict.is_some(), self.left > 0, "{}", self.file);
        outcome.events
    }
}

#[test]
fn captures_hold_the_messages_that_the_table_says_whole_and_byte_by_byte() {
    for capture in captures() {
        let bytes: Vec<&[u8]> = capture.bytes.chunks(1).collect();
        for input in INPUTS {
            let whole = capture.is_read_from(&[&capture.bytes], input);
            assert_eq!(capture.is_read_from(&bytes, input), whole);
        }
    }
}

#[test]
fn captures_hold_the_same_messages_wherever_they_are_cut() {
    for capture in captures() {
        let found = decode(&capture.steps, SETTINGS, &capture.bytes, true);
        let ends: Vec<usize> = found
            .events
            .iter()
            .map(|(_, end)| usize::try_from(*end).unwrap())
            .collect();
        let events: Vec<Event> = found.events.into_iter().map(|(event, _)| event).collect();
        for cut in cuts(capture.bytes.len(), &ends) {
            let (a, b) = capture.bytes.split_at(cut);
            let input = INPUTS[cut % 3];
            assert_eq!(capture.is_read_from(&[a, b], input), events, "cut at {cut}");
        }
    }
}

#[test]
fn captures_are_read_as_by_the_naive_decoder() {
    for capture in captures() {
        for plan in PLANS {
            for pieces_above in [None, Some(0), Some(100)] {
                let settings = Settings {
                    pieces_above,
                    ..SETTINGS
                };
                agrees_with_the_naive_decoder(&capture.steps, settings, &capture.bytes, plan);
            }
        }
    }
}

#[test]
fn captures_that_are_minimal_are_the_same_after_decoding_and_encoding() {
    for capture in captures() {
        let events = capture.is_read_from(&[&capture.bytes], Input::Feed);
        let same = encoded(&capture.steps, &events) == capture.bytes;
        assert_eq!(same, capture.round_trip, "{}", capture.file);
    }
}

#[test]
fn a_length_in_characters_fails_behind_the_message_and_says_what_it_looks_like() {
    let bytes = read("captures/py-decimal10-charcount-bug.bin");
    let framing: Framing = "decimal:10".parse().unwrap();
    for size in [bytes.len(), 1] {
        let mut decoder = Decoder::new(framing.client());
        let mut failure = None;
        for chunk in bytes.chunks(size) {
            decoder.feed(chunk);
            // After the verdict, more bytes make the description better.
            while let Some(event) = decoder.next_event().unwrap_or_else(|error| {
                failure = Some(error);
                None
            }) {
                assert!(matches!(event, tenfold_codec::Event::Message(_)));
            }
        }
        let failure = failure.unwrap();
        assert_eq!(failure.offset(), 16);
        assert_eq!(failure.index(), 1);
        assert_eq!(failure.looks_like(), Some(LooksLike::CharacterCount));
        assert!(failure.to_string().contains("counted characters"));
    }
}
