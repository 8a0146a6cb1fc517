//! The vectors made by hand, one file for each kind of framing.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::Value;
use tenfold_codec::EncodeError;

use super::{INPUTS, Input, PLANS, cuts, read_json, run, run_open, steps_of, unhex};
use crate::naive::model::Step;
use crate::naive::{Event, Kind, Part, Settings, Verdict};
use crate::properties::decoding::agrees_with_the_naive_decoder;
use crate::properties::encoding::{encoded, encoder_of};

struct Case {
    name: String,
    steps: Vec<Step>,
    settings: Settings,
    bytes: Vec<u8>,
    events: Vec<Event>,
    verdict: Option<Verdict>,
    /// What a decoder finds that leaves out what it cannot have; of what is left out, the kind.
    recovered: Option<Vec<Result<Event, Value>>>,
    round_trip: bool,
    /// The byte that decided, where one did.
    byte: Option<usize>,
}

#[test]
fn cobs_is_as_its_vectors_have_it() {
    hold("cobs.json");
}

#[test]
fn slip_is_as_its_vectors_have_it() {
    hold("slip.json");
}

#[test]
fn hdlc_is_as_its_vectors_have_it() {
    hold("hdlc.json");
}

#[test]
fn ber_is_as_its_vectors_have_it() {
    hold("ber.json");
}

#[test]
fn bit_widths_are_as_their_vectors_have_them() {
    hold("bits.json");
}

#[test]
fn chars_is_as_its_vectors_have_it() {
    hold("chars.json");
}

#[test]
fn marks_are_as_their_vectors_have_them() {
    hold("marks.json");
}

#[test]
fn lax_is_as_its_vectors_have_it() {
    hold("lax.json");
}

#[test]
fn varint_is_as_its_vectors_have_it() {
    hold("varint.json");
}

#[test]
fn content_length_is_as_its_vectors_have_it() {
    hold("content-length.json");
}

#[test]
fn delimiters_and_fixed_sizes_are_as_their_vectors_have_them() {
    hold("delim.json");
}

fn hold(file: &str) {
    let vectors = read_json(file);
    for case in vectors["cases"].as_array().unwrap() {
        let case = Case::read(case);
        let held = catch_unwind(AssertUnwindSafe(|| case.holds()));
        assert!(held.is_ok(), "{file}: {} does not hold", case.name);
    }
    for refused in vectors["refused"].as_array().into_iter().flatten() {
        let held = catch_unwind(|| is_refused(refused));
        assert!(held.is_ok(), "{file}: {refused} does not hold");
    }
}

impl Case {
    fn read(case: &Value) -> Self {
        let number = |name: &str| case[name].as_u64();
        let limit = number("limit").unwrap_or(1 << 24);
        let events = &case["events"];
        let events: Vec<Event> = events.as_array().unwrap().iter().map(event).collect();
        let is_message = |event: &&Event| matches!(event, Event::Message(_));
        let kind = kind(case, limit);
        Self {
            name: case["name"].as_str().unwrap().to_owned(),
            steps: steps_of(case["framing"].as_str().unwrap()),
            settings: Settings {
                limit,
                pieces_above: None,
                skip: false,
            },
            bytes: unhex(case["hex"].as_str().unwrap()),
            verdict: kind.map(|kind| Verdict {
                kind,
                offset: number("offset").unwrap(),
                index: events.iter().filter(is_message).count() as u64,
            }),
            events,
            recovered: case["recovered"].as_array().map(|events| {
                let read = |value: &Value| match value.get("skipped") {
                    Some(kind) => Err(kind.clone()),
                    None => Ok(event(value)),
                };
                events.iter().map(read).collect()
            }),
            round_trip: case["round_trip"].as_bool().unwrap_or(false),
            byte: number("byte").map(|byte| usize::try_from(byte).unwrap()),
        }
    }

    fn holds(&self) {
        for input in INPUTS {
            self.gives_what_it_should(&[&self.bytes], input);
            let bytes: Vec<&[u8]> = self.bytes.chunks(1).collect();
            let fed = self.gives_what_it_should(&bytes, input);
            if let Some(byte) = self.byte {
                assert_eq!(fed, byte + 1, "decided at another byte");
            }
        }
        for cut in cuts(self.bytes.len(), &[]) {
            let (a, b) = self.bytes.split_at(cut);
            self.gives_what_it_should(&[a, b], Input::Feed);
            self.gives_what_it_should(&[a, b], Input::Chunk);
        }
        for plan in PLANS {
            for choice in 0..8 {
                let settings = Settings {
                    limit: self.settings.limit,
                    ..crate::properties::fuzzed::settings(choice)
                };
                agrees_with_the_naive_decoder(&self.steps, settings, &self.bytes, plan);
            }
        }
        self.keeps_what_is_behind();
        self.comes_in_pieces();
        self.is_recovered_from();
        if self.round_trip {
            assert_eq!(encoded(&self.steps, &self.events), self.bytes);
        } else if self.verdict.is_none() {
            assert_ne!(encoded(&self.steps, &self.events), self.bytes);
        }
    }

    fn gives_what_it_should(&self, parts: &[&[u8]], input: Input) -> usize {
        let outcome = run(&self.steps, self.settings, parts, input);
        assert_eq!(outcome.events, self.events);
        assert_eq!(outcome.verdict, self.verdict);
        outcome.fed
    }

    fn keeps_what_is_behind(&self) {
        const BEHIND: &[u8] = b"*behind*";
        let is_truncated = matches!(
            self.verdict,
            Some(Verdict {
                kind: Kind::Truncated { .. },
                ..
            })
        );
        if self.verdict.is_none() || is_truncated {
            return;
        }
        for input in [Input::Feed, Input::Chunk] {
            let stream = [&self.bytes, BEHIND].concat();
            let outcome = run_open(&self.steps, self.settings, &[&stream], input);
            assert_eq!(outcome.events, self.events);
            assert_eq!(outcome.verdict, self.verdict);
            assert!(outcome.decoder.rest().ends_with(BEHIND));
        }
    }

    fn comes_in_pieces(&self) {
        let settings = Settings {
            pieces_above: Some(0),
            ..self.settings
        };
        let bytes: Vec<&[u8]> = self.bytes.chunks(1).collect();
        for parts in [&[&self.bytes[..]][..], &bytes] {
            let outcome = run(&self.steps, settings, parts, Input::Feed);
            assert_eq!(outcome.events, self.events);
            assert_eq!(outcome.verdict, self.verdict);
        }
    }

    fn is_recovered_from(&self) {
        let Some(recovered) = &self.recovered else {
            return;
        };
        let settings = Settings {
            skip: true,
            ..self.settings
        };
        let bytes: Vec<&[u8]> = self.bytes.chunks(1).collect();
        for parts in [&[&self.bytes[..]][..], &bytes] {
            let outcome = run_open(&self.steps, settings, parts, Input::Feed);
            assert_eq!(outcome.verdict, None);
            let found = outcome.events.into_iter().map(|event| match event {
                Event::Skipped(verdict) => Err(Value::from(name_of(&verdict.kind))),
                event => Ok(event),
            });
            let found: Vec<_> = found.collect();
            let complete = recovered.len().min(found.len());
            assert_eq!(found[..], recovered[..complete]);
            // What is left out is reported when all of it has passed.
            assert!(recovered.len() - complete <= 1);
        }
    }
}

fn event(value: &Value) -> Event {
    match value.get("mark") {
        Some(mark) => Event::Mark(mark.as_u64().unwrap()),
        None => Event::Message(unhex(value.as_str().unwrap())),
    }
}

fn kind(case: &Value, limit: u64) -> Option<Kind> {
    let number = |name: &str| case[name].as_u64();
    let at = || number("byte").unwrap();
    Some(match case["verdict"].as_str().unwrap() {
        "clean" => return None,
        "bad_header" => Kind::BadHeader { at: at() },
        "bad_close" => Kind::BadClose { at: at() },
        "bad_utf8" => Kind::BadUtf8 { at: at() },
        "broken_frame" => Kind::BrokenFrame,
        "too_large" => Kind::TooLarge {
            declared: number("declared"),
            limit,
        },
        "too_small" => Kind::TooSmall {
            number: number("number").unwrap(),
            minimum: number("minimum").unwrap(),
        },
        "truncated" => Kind::Truncated {
            part: match case["part"].as_str().unwrap() {
                "header" => Part::Header,
                "payload" => Part::Payload,
                "close" => Part::Close,
                part => panic!("{part}"),
            },
            have: number("have").unwrap(),
            missing: number("missing"),
        },
        verdict => panic!("{verdict}"),
    })
}

fn name_of(kind: &Kind) -> &'static str {
    match kind {
        Kind::BadHeader { .. } => "bad_header",
        Kind::TooLarge { .. } => "too_large",
        Kind::TooSmall { .. } => "too_small",
        Kind::BadClose { .. } => "bad_close",
        Kind::BadUtf8 { .. } => "bad_utf8",
        Kind::BrokenFrame => "broken_frame",
        Kind::Truncated { .. } => "truncated",
    }
}

fn is_refused(refused: &Value) {
    let mut encoder = encoder_of(&steps_of(refused["framing"].as_str().unwrap()));
    let mut out = b"before".to_vec();
    let result = match refused["mark"].as_u64() {
        Some(mark) => encoder.mark(mark, &mut out),
        None => encoder.encode(&unhex(refused["message"].as_str().unwrap()), &mut out),
    };
    let (why, at) = match result.unwrap_err() {
        EncodeError::TooLong { .. } => ("too_long", None),
        EncodeError::TooShort { .. } => ("too_short", None),
        EncodeError::WrongSize { .. } => ("wrong_size", None),
        EncodeError::Delimiter { at } => ("delimiter", Some(at)),
        EncodeError::Empty => ("empty", None),
        EncodeError::LengthBits => ("length_bits", None),
        EncodeError::NotUtf8 { at } => ("not_utf8", Some(at)),
        EncodeError::NotAMark { .. } => ("not_a_mark", None),
        error => panic!("{error}"),
    };
    assert_eq!(why, refused["why"]);
    assert_eq!(at, refused["at"].as_u64());
    assert_eq!(out, b"before");
}
