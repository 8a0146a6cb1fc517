//! What a fuzzer's bytes mean: a framing, how it is read, how the stream is cut, and the stream.

use crate::naive::model::{Model, Step};
use crate::naive::{Event, Settings};

use super::{decoding, encoding, line, native};

/// Framings that begin with a number, one of each kind and every option.
const PREFIXED: &[&str] = &[
    "decimal:10",
    "decimal:3",
    "decimal:30",
    "decimal:04",
    "decimal:064",
    "decimal:8,lax",
    "decimal:05,lax",
    "decimal:4,chars",
    r"decimal,end=:,close=\x2c",
    r"decimal,end=\x20",
    r"decimal,end=\r\n,chars",
    r"hex,end=\r\n,close=\r\n",
    "hex:4-4,marks",
    "hex:4-4",
    "hex:40",
    "u8",
    "u8-1",
    "u8@1",
    "u8+2@3,open=ab,close=c",
    "u16be",
    "u16le+1@1",
    "u16be-18@16",
    "u24le+1",
    "u24be+6",
    "u32be-4@1",
    "u32le+4@8",
    "u64be",
    "u64le+4294967295",
    "u40be",
    "u1be",
    "u7be@2",
    "u12le-2",
    "u31be",
    "u63le",
    "varint",
    "varint@1",
    "varint+4294967295",
    "ber",
    "ber@1",
    "ber-3,marks",
    "u32be-4/u32be-4@1",
    "fixed:2/u8/varint",
    "u8/u8-1@1/hex:2",
    "fixed:3",
    "fixed:5,open=<,close=>",
];

const DELIMITED: &[&str] = &[
    r"delim:\n",
    r"delim:\r\n",
    "delim:aa",
    "delim:aab",
    "delim:abab",
    r"delim:\x1c\r,open=\x0b",
    r"delim:\n,close=\r",
    "delim:ab,open=ba,close=ab",
    r"delim:\0/delim:\n",
];

const STUFFED: &[&str] = &[
    "cobs",
    "slip",
    "hdlc",
    "cobs/slip",
    "hdlc/u8/hdlc",
    "slip/hdlc/cobs",
    "u8/hdlc",
];

pub(crate) fn prefixed(data: &[u8]) {
    native::walks_as_a_decoder_reads(data);
    of_family(PREFIXED, data);
}

pub(crate) fn delimited(data: &[u8]) {
    of_family(DELIMITED, data);
}

pub(crate) fn content_length(data: &[u8]) {
    of_family(&["content-length", "content-length/u8"], data);
}

pub(crate) fn stuffed(data: &[u8]) {
    of_family(STUFFED, data);
}

/// Any text as a line.
pub(crate) fn framing(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        line::parses_or_is_refused(text);
    }
}

/// A line, and after it settings, a plan and a stream.
pub(crate) fn differential(data: &[u8]) {
    if let Some((steps, data)) = line_and_rest(data) {
        decode(&steps, data);
    }
}

/// A line, and after it a plan and messages.
pub(crate) fn encode(data: &[u8]) {
    let Some((steps, data)) = line_and_rest(data) else {
        return;
    };
    let (plan, mut data) = plan_and_rest(data);
    let mut events = Vec::new();
    while let Some((&kind, rest)) = data.split_first() {
        if kind == 0xff {
            let (number, rest) = rest.split_at(rest.len().min(2));
            let number = number.iter().fold(0, |n, b| n << 8 | u64::from(*b));
            events.push(Event::Mark(number));
            data = rest;
            continue;
        }
        let (message, rest) = rest.split_at(rest.len().min(kind.into()));
        // A long message is a short one several times, so that it need not be found byte by byte.
        let repeat = if kind == 0xfe { 3 } else { 1 };
        events.push(Event::Message(message.repeat(repeat)));
        data = rest;
    }
    encoding::agrees_with_the_naive_encoder(&steps, &events, plan);
}

fn of_family(lines: &[&str], data: &[u8]) {
    let Some((&choice, data)) = data.split_first() else {
        return;
    };
    let line = lines[usize::from(choice) % lines.len()];
    let model = Model::read(line).unwrap_or_else(|| panic!("{line} is not canonical"));
    decode(&model.client, data);
}

fn decode(steps: &[Step], data: &[u8]) {
    let Some((&choice, data)) = data.split_first() else {
        return;
    };
    let (plan, stream) = plan_and_rest(data);
    let settings = settings(choice);
    decoding::agrees_with_the_naive_decoder(steps, settings, stream, plan);
}

/// Settings of the values that make a difference, by number.
pub(crate) fn settings(choice: u8) -> Settings {
    Settings {
        skip: choice & 1 != 0,
        pieces_above: [None, Some(0), Some(5), Some(u64::MAX)][usize::from(choice >> 1 & 3)],
        limit: [u64::MAX, 0, 1, 3, 8, 40, 300, 1 << 24][usize::from(choice >> 3 & 7)],
    }
}

fn line_and_rest(data: &[u8]) -> Option<(Vec<Step>, &[u8])> {
    let at = data.iter().position(|byte| *byte == b'\n')?;
    let framing: tenfold_codec::Framing = std::str::from_utf8(&data[..at]).ok()?.parse().ok()?;
    let line = framing.to_string();
    let model = Model::read(&line).unwrap_or_else(|| panic!("{line} is not canonical"));
    Some((model.client, &data[at + 1..]))
}

/// A length of up to 15, and a plan of so many bytes.
fn plan_and_rest(data: &[u8]) -> (&[u8], &[u8]) {
    match data.split_first() {
        None => (&[], &[]),
        Some((length, rest)) => rest.split_at(usize::from(length & 15).min(rest.len())),
    }
}
