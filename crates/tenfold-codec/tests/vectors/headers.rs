//! The ten characters of the native framing.

use std::panic::catch_unwind;

use serde_json::Value;

use super::{INPUTS, PLANS, cuts, read_json, run, run_open, steps_of, unhex};
use crate::naive::model::Step;
use crate::naive::{Event, Kind, Part, Settings, Verdict};
use crate::properties::decoding::agrees_with_the_naive_decoder;
use crate::properties::native::walks_as_a_decoder_reads;

const TRAILING: &[u8] = b"3         abc\0\xff";

#[test]
fn every_header_is_judged_at_its_first_wrong_byte() {
    hold("headers.json");
}

#[test]
fn headers_with_a_late_wrong_byte_or_an_end_are_judged_too() {
    hold("headers-more.json");
}

#[test]
fn a_stream_of_two_frames_has_three_clean_ends() {
    let steps = steps_of("decimal:10");
    let stream = b"3         abc2         de";
    let clean: Vec<usize> = (0..=stream.len())
        .filter(|cut| {
            let ends = INPUTS.map(|input| {
                let outcome = run(&steps, settings(1 << 24), &[&stream[..*cut]], input);
                outcome.verdict.is_none()
            });
            assert!(ends == [true; 3] || ends == [false; 3]);
            ends[0]
        })
        .collect();
    assert_eq!(clean, [0, 13, 25]);
}

fn settings(limit: u64) -> Settings {
    Settings {
        limit,
        pieces_above: None,
        skip: false,
    }
}

fn hold(file: &str) {
    let vectors = read_json(file);
    let steps = steps_of(vectors["framing"].as_str().unwrap());
    let cases = vectors["cases"].as_array().unwrap();
    assert!(!cases.is_empty());
    for case in cases {
        let held = catch_unwind(|| holds(&steps, &vectors, case));
        assert!(held.is_ok(), "{file}: {case} does not hold");
    }
}

fn holds(steps: &[Step], vectors: &Value, case: &Value) {
    let limit = case["limit"].as_u64().or_else(|| vectors["limit"].as_u64());
    let header = unhex(case["hex"].as_str().unwrap());
    let verdict = case["verdict"].as_str().unwrap();
    let limit = limit.unwrap();
    walks_as_a_decoder_reads(&header);
    walks_as_a_decoder_reads(&[&header, TRAILING].concat());
    for plan in PLANS {
        let stream = [&header, TRAILING].concat();
        agrees_with_the_naive_decoder(steps, settings(limit), &stream, plan);
    }
    match (verdict, verdict.strip_prefix("reject@")) {
        (_, Some(n)) => {
            let at = n.parse::<u64>().unwrap() - 1;
            is_refused(steps, limit, &header, &Kind::BadHeader { at }, at);
        }
        ("too_large", _) => {
            let text = std::str::from_utf8(&header).unwrap();
            let declared = text.trim_end().parse().unwrap();
            let kind = Kind::TooLarge {
                declared: Some(declared),
                limit,
            };
            is_refused(steps, limit, &header, &kind, 9);
        }
        ("accept", _) => is_accepted(steps, limit, &header, case),
        ("truncated", _) => {
            let kind = Kind::Truncated {
                part: Part::Header,
                have: case["have"].as_u64().unwrap(),
                missing: case["missing"].as_u64(),
            };
            ends_with(steps, limit, &header, &kind);
        }
        (verdict, _) => panic!("{verdict}"),
    }
}

/// Refused when the byte at `last` has come and not before, whatever comes after it.
fn is_refused(steps: &[Step], limit: u64, header: &[u8], kind: &Kind, last: u64) {
    let verdict = Some(Verdict {
        kind: kind.clone(),
        offset: 0,
        index: 0,
    });
    let decided = usize::try_from(last).unwrap() + 1;
    let stream = [header, TRAILING].concat();
    for input in INPUTS {
        for cut in cuts(stream.len(), &[]) {
            let (a, b) = stream.split_at(cut);
            let outcome = run_open(steps, settings(limit), &[a, b], input);
            assert_eq!(outcome.verdict, verdict);
            let first = if cut < decided { stream.len() } else { cut };
            assert_eq!(outcome.fed, first);
            assert_eq!(outcome.decoder.rest().len(), outcome.fed);
        }
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        let outcome = run_open(steps, settings(limit), &bytes, input);
        assert_eq!(outcome.verdict, verdict);
        assert_eq!(outcome.fed, decided);
        assert_eq!(outcome.events, []);
        assert_eq!(outcome.decoder.rest(), &stream[..decided]);
        assert_eq!(
            run(steps, settings(limit), &[&header[..decided - 1]], input).fed,
            decided - 1,
            "something was decided before its byte"
        );
    }
}

/// Accepted, with as many bytes after it as it says.
fn is_accepted(steps: &[Step], limit: u64, header: &[u8], case: &Value) {
    let length = case["length"].as_u64().unwrap();
    if length > 0 {
        let kind = Kind::Truncated {
            part: Part::Payload,
            have: 0,
            missing: Some(length),
        };
        ends_with(steps, limit, header, &kind);
    }
    if length > 1 << 24 {
        return;
    }
    let message = vec![b'm'; usize::try_from(length).unwrap()];
    let stream = [header, &message[..], TRAILING].concat();
    let first = header.len() + message.len();
    for end in [first - 1, first, stream.len()] {
        walks_as_a_decoder_reads(&stream[..end]);
    }
    for input in INPUTS {
        for part in [&stream[..first], &stream[..first + 13]] {
            let outcome = run(steps, settings(limit.max(3)), &[part], input);
            assert_eq!(outcome.verdict, None);
            assert_eq!(outcome.events[0], Event::Message(message.clone()));
            assert_eq!(
                outcome.events.len(),
                if part.len() == first { 1 } else { 2 }
            );
        }
        let early = run_open(steps, settings(limit), &[&stream[..first - 1]], input);
        assert_eq!(early.events, []);
        assert_eq!(early.verdict, None);
    }
}

/// Legal as far as it goes, and the stream ends there.
fn ends_with(steps: &[Step], limit: u64, bytes: &[u8], kind: &Kind) {
    for input in INPUTS {
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        for parts in [&[bytes][..], &single] {
            let open = run_open(steps, settings(limit), parts, input);
            assert_eq!(open.verdict, None);
            let outcome = run(steps, settings(limit), parts, input);
            assert_eq!(outcome.events, []);
            assert_eq!(
                outcome.verdict,
                Some(Verdict {
                    kind: kind.clone(),
                    offset: 0,
                    index: 0
                })
            );
        }
    }
}
