//! Work is linear in the bytes, counted: bytes examined and bytes moved, over streams that come
//! a byte at a time and otherwise, for every shape.

use alloc::vec;
use alloc::vec::Vec;

use crate::framing::Shape;
use crate::{Decoder, Encoder, Framing};

/// A line, with messages that are awkward for it.
fn workloads() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let mixed = |size: usize| vec![vec![b'a'; size], Vec::new(), vec![b'b'; 3], vec![0; 200]];
    let lines = [
        "decimal:10",
        "decimal:064",
        "decimal:8,lax",
        r"decimal,end=:,close=\x2c",
        r"hex,end=\r\n,close=\r\n",
        "hex:8",
        "u32be",
        "u64le,open=abcd,close=abcd",
        "varint",
        "ber",
        r"delim:\n",
        "delim:aab",
        "delim:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
        r"delim:\x1c\r,open=\x0b",
        "content-length",
        "cobs",
        "slip",
        "hdlc",
        "decimal:10,chars",
        "u16be/u32be",
    ];
    let mut workloads: Vec<_> = lines.map(|line| (line, mixed(15_000))).into();
    workloads.push(("u32be@3", vec![vec![b'a'; 15_000], vec![0; 3]]));
    workloads.push(("u32be@4096", vec![vec![b'a'; 5000]]));
    workloads.push(("u31be", vec![vec![0; 4], vec![0; 15_000]]));
    workloads.push(("fixed:7", vec![vec![b'a'; 7]; 30]));
    workloads.push(("fixed:15000,open=x", vec![vec![b'a'; 15_000]]));
    workloads.push(("slip", vec![vec![0xc0; 20_000]]));
    workloads.push(("cobs", vec![vec![0; 20_000]]));
    workloads
}

fn stream(line: &str, messages: &[Vec<u8>], size: usize) -> Vec<u8> {
    let framing: Framing = line.parse().unwrap();
    let mut encoder = Encoder::new(framing.client());
    let mut stream = Vec::new();
    while stream.len() < size {
        let before = stream.len();
        for message in messages {
            // A message that the framing cannot carry never reaches its decoder.
            let _ = encoder.encode(message, &mut stream);
        }
        assert!(stream.len() > before, "{line} carries none of the messages");
    }
    stream
}

/// How a stream gets into a decoder.
#[derive(Clone, Copy, Debug)]
enum Input {
    Feed,
    Space,
    Chunk,
}

/// Bytes examined and moved, for the whole stream.
fn work(decoder: &mut Decoder, stream: &[u8], size: usize, input: Input) -> usize {
    for bytes in stream.chunks(size) {
        match input {
            Input::Feed => decoder.feed(bytes),
            Input::Space => {
                let mut rest = bytes;
                while !rest.is_empty() {
                    let room = decoder.space();
                    let n = room.len().min(rest.len());
                    room[..n].copy_from_slice(&rest[..n]);
                    decoder.advance(n);
                    rest = &rest[n..];
                    while decoder.next_event().unwrap().is_some() {}
                }
            }
            Input::Chunk => {
                let mut chunk = decoder.chunk(bytes);
                while chunk.next_event().unwrap().is_some() {}
            }
        }
        while decoder.next_event().unwrap().is_some() {}
    }
    assert!(decoder.is_idle());
    decoder.examined + decoder.buffer.moved
}

/// Three looks or moves a byte. A delimiter costs as many as it has bytes, and two: the last bytes
/// before the end of a read could be its start, and are looked at again with the next read. In
/// large reads the fast path may search a message twice before it leaves it to the slow one.
fn allowed(framing: &Framing, chunk: usize) -> usize {
    match &framing.client().step(0).shape {
        Shape::Delim(delim) if chunk == 1 => delim.len() + 2,
        Shape::Delim(delim) => (delim.len() + 2).max(5),
        _ => 3,
    }
}

#[test]
fn examined_and_moved_bytes_are_a_few_times_those_of_the_stream_for_any_chunks() {
    for (line, messages) in workloads() {
        let framing: Framing = line.parse().unwrap();
        for (chunk, size) in [
            (1, 20_000),
            (2, 20_000),
            (7, 20_000),
            (1000, 100_000),
            (65_536, 200_000),
        ] {
            let stream = stream(line, &messages, size);
            for input in [Input::Feed, Input::Space, Input::Chunk] {
                for above in [None, Some(0), Some(10_000)] {
                    let mut decoder = Decoder::new(framing.client());
                    decoder.pieces_above = above;
                    let work = work(&mut decoder, &stream, chunk, input);
                    let most = allowed(&framing, chunk) * stream.len();
                    assert!(
                        (1..=most).contains(&work),
                        "{line} in chunks of {chunk}, by {input:?}, pieces: {above:?}: \
                         {work} for {} bytes",
                        stream.len()
                    );
                }
            }
        }
    }
}
