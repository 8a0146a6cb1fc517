//! Vectors: made by hand from specifications, and captured from programs of others. Every stream
//! is fed whole, byte by byte and cut at every place, in all three ways, and with bytes after it.

mod captures;
mod cases;
mod framings;
mod headers;

use tenfold_codec::Decoder;

use crate::naive::model::{Model, Step};
use crate::naive::{Event, Settings, Verdict};
use crate::properties::decoding::{Found, decoder_of};

/// A file of the vectors.
fn read(name: &str) -> Vec<u8> {
    let path = format!("{}/../../vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn read_json(name: &str) -> serde_json::Value {
    serde_json::from_slice(&read(name)).unwrap()
}

fn unhex(text: &str) -> Vec<u8> {
    assert_eq!(text.len() % 2, 0, "{text}");
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

/// The client's side of a line.
fn steps_of(line: &str) -> Vec<Step> {
    let framing: tenfold_codec::Framing = line.parse().unwrap();
    Model::read(&framing.to_string()).unwrap().client
}

/// How a stream gets into a decoder.
#[derive(Clone, Copy, Debug)]
enum Input {
    Feed,
    Space,
    Chunk,
}

const INPUTS: [Input; 3] = [Input::Feed, Input::Space, Input::Chunk];

/// What a stream came to, and how much of it had to be fed for that.
struct Outcome {
    events: Vec<Event>,
    verdict: Option<Verdict>,
    /// Bytes fed when the verdict came; all of them, where it came at the end.
    fed: usize,
    decoder: Decoder,
}

/// Feeds a stream in parts, and then its end.
fn run(steps: &[Step], settings: Settings, parts: &[&[u8]], input: Input) -> Outcome {
    let mut outcome = run_open(steps, settings, parts, input);
    if outcome.verdict.is_none() {
        outcome.decoder.finish();
        let mut found = Found::new(steps, settings);
        assert!(found.take_from(&mut outcome.decoder));
        outcome.verdict = found.verdict;
    }
    outcome
}

/// Feeds a stream in parts, and leaves its end open.
fn run_open(steps: &[Step], settings: Settings, parts: &[&[u8]], input: Input) -> Outcome {
    let mut decoder = decoder_of(steps, settings);
    let mut found = Found::new(steps, settings);
    let mut fed = 0;
    for part in parts {
        fed += part.len();
        match input {
            Input::Feed => {
                decoder.feed(part);
                while !found.take_from(&mut decoder) {}
            }
            Input::Space => {
                let mut rest = *part;
                while !rest.is_empty() && found.verdict.is_none() {
                    let room = decoder.space();
                    let n = room.len().min(rest.len());
                    room[..n].copy_from_slice(&rest[..n]);
                    decoder.advance(n);
                    rest = &rest[n..];
                    while !found.take_from(&mut decoder) {}
                }
            }
            Input::Chunk => {
                found.take_from_chunk(&mut decoder, part, usize::MAX);
            }
        }
        if found.verdict.is_some() {
            break;
        }
    }
    Outcome {
        events: found.events,
        verdict: found.verdict,
        fed,
        decoder,
    }
}

/// Where to cut a stream in two: everywhere, or in a long one near its frames' ends and at a
/// thousand other places, always the same.
fn cuts(length: usize, frame_ends: &[usize]) -> Vec<usize> {
    if length <= 4096 {
        return (0..=length).collect();
    }
    let near = frame_ends
        .iter()
        .flat_map(|end| end.saturating_sub(32)..=(end + 32).min(length));
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let others = (0..1000).map(|_| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % length as u64).unwrap()
    });
    let mut cuts: Vec<usize> = near.chain(others).collect();
    cuts.sort_unstable();
    cuts.dedup();
    cuts
}

/// Ways to hand a stream over that a cut in two is not: in small chunks, with events asked for
/// late. See the property.
const PLANS: &[&[u8]] = &[
    &[],
    &[0],
    &[1],
    &[2],
    &[0x0a, 0x17, 0x25],
    &[0x5c, 0x06],
    &[0xf6],
];
