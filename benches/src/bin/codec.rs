//! The codec alone, in memory: Tenfold beside `tokio_util` and beside loops written by hand, over
//! the same bytes in the same 64 KiB chunks, several rounds in turn; medians and ratios.
//!
//! `cargo run --release --bin codec [-- --rounds N --bytes N --framing LINE --size S]`

use std::hint::black_box;
use std::time::Instant;

use bytes::{Buf, BytesMut};
use tenfold_codec::{Decoder, Encoder, Event, Framing};
use tokio_util::codec::{Decoder as _, Encoder as _, LengthDelimitedCodec, LinesCodec};

const CHUNK: usize = 64 * 1024;

fn main() {
    let rounds = argument("--rounds").map_or(9, |n| n.parse().unwrap());
    let total = argument("--bytes").map_or(32 << 20, |n| n.parse().unwrap());
    let only = argument("--framing");
    decoding(rounds, total, only.as_deref());
    if only.is_none() {
        encoding(rounds, total);
    }
}

/// What follows `name` on the command line.
fn argument(name: &str) -> Option<String> {
    std::env::args().skip_while(|arg| arg != name).nth(1)
}

/// The sizes of messages: all equal, or mixed.
fn sizes(name: &str, total: usize) -> Vec<usize> {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut sizes = Vec::new();
    let mut sum = 0;
    while sum < total {
        let size = match name {
            "mixed 1-300" => {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                1 + (seed % 300) as usize
            }
            name => name.parse().unwrap(),
        };
        sizes.push(size);
        sum += size + 10;
    }
    sizes
}

fn encoded(framing: &str, sizes: &[usize]) -> Vec<u8> {
    let framing: Framing = framing.parse().unwrap();
    let mut encoder = Encoder::new(framing.client());
    let message = vec![b'x'; 1 << 20];
    let mut out = Vec::new();
    for &size in sizes {
        encoder.encode(&message[..size], &mut out).unwrap();
    }
    out
}

type Run<'a> = (&'static str, Box<dyn FnMut() -> usize + 'a>);

/// Millions of messages per second of each run, the median of the rounds taken in turn.
fn race(rounds: usize, runs: &mut [Run<'_>]) -> Vec<f64> {
    let mut times = vec![Vec::new(); runs.len()];
    let mut counts = vec![0; runs.len()];
    for round in 0..=rounds {
        for (n, (_, run)) in runs.iter_mut().enumerate() {
            let start = Instant::now();
            counts[n] = run();
            let time = start.elapsed();
            if round > 0 {
                times[n].push(time);
            }
        }
    }
    assert!(counts.iter().all(|count| *count == counts[0]), "{counts:?}");
    times
        .iter_mut()
        .zip(counts)
        .map(|(times, count)| {
            let seconds = {
                times.sort();
                times[times.len() / 2].as_secs_f64()
            };
            count as f64 / seconds / 1e6
        })
        .collect()
}

fn decoding(rounds: usize, total: usize, only: Option<&str>) {
    println!("Decode, 64 KiB chunks, million messages/s (and Tenfold's ratio to each)\n");
    for (framing, peer) in [
        ("decimal:10", None),
        ("u32be", Some("LengthDelimitedCodec")),
        ("u16be", Some("LengthDelimitedCodec")),
        ("varint", Some("LengthDelimitedCodec")),
        ("hex:8", Some("LengthDelimitedCodec")),
        ("netstring", Some("LengthDelimitedCodec")),
        ("u32be-4@1", Some("LengthDelimitedCodec")),
        ("varint@1", Some("LengthDelimitedCodec")),
        ("line", Some("LinesCodec")),
    ] {
        if only.is_some_and(|only| only != framing) {
            continue;
        }
        let hand = match framing {
            "decimal:10" => " hand loop, bytes | hand loop, words |",
            "u32be" | "line" => " hand loop |",
            _ => "",
        };
        let peer = peer.unwrap_or("LengthDelimitedCodec (u32be)");
        println!("| {framing} | Tenfold, slices | Tenfold, lent space | {peer} |{hand}");
        println!(
            "|---|---|---|---|{}",
            "---|".repeat(hand.matches('|').count())
        );
        for size in ["16", "128", "1024", "16384", "mixed 1-300"] {
            if argument("--size").is_some_and(|only| only != size) {
                continue;
            }
            let sizes = sizes(size, total);
            let wire = encoded(framing, &sizes);
            let lengths = encoded("u32be", &sizes);
            let mut runs: Vec<Run<'_>> = vec![
                ("slices", Box::new(|| tenfold_slices(framing, &wire))),
                ("space", Box::new(|| tenfold_space(framing, &wire))),
            ];
            if framing == "line" {
                runs.push(("peer", Box::new(|| lines_codec(&wire))));
            } else {
                runs.push(("peer", Box::new(|| length_delimited(&lengths))));
            }
            match framing {
                "decimal:10" => {
                    runs.push(("bytes", Box::new(|| by_hand(&wire, 10, header_by_bytes))));
                    runs.push(("words", Box::new(|| by_hand(&wire, 10, header_by_words))));
                }
                "u32be" => {
                    runs.push((
                        "bytes",
                        Box::new(|| {
                            by_hand(&wire, 4, |h| {
                                Some(u32::from_be_bytes(*h.first_chunk()?) as usize)
                            })
                        }),
                    ));
                }
                "line" => runs.push(("bytes", Box::new(|| lines_by_hand(&wire)))),
                _ => {}
            }
            let speeds = race(rounds, &mut runs);
            let row: Vec<String> = speeds
                .iter()
                .enumerate()
                .map(|(n, speed)| match n {
                    0 => format!("{speed:.1}"),
                    _ => format!("{speed:.1} ({:.2})", speeds[0] / speed),
                })
                .collect();
            println!("| {size} | {} |", row.join(" | "));
        }
        println!();
    }
}

fn tenfold_slices(framing: &str, wire: &[u8]) -> usize {
    let framing: Framing = framing.parse().unwrap();
    let mut decoder = Decoder::new(framing.client());
    let mut count = 0;
    for bytes in wire.chunks(CHUNK) {
        let mut chunk = decoder.chunk(bytes);
        while let Some(event) = chunk.next_event().unwrap() {
            if let Event::Message(message) = event {
                black_box(message);
                count += 1;
            }
        }
    }
    count
}

/// The chunk is copied into the decoder's space, as a read from a socket would.
fn tenfold_space(framing: &str, wire: &[u8]) -> usize {
    let framing: Framing = framing.parse().unwrap();
    let mut decoder = Decoder::new(framing.client());
    let mut count = 0;
    let mut rest = wire;
    while !rest.is_empty() {
        let space = decoder.space();
        let n = space.len().min(rest.len()).min(CHUNK);
        space[..n].copy_from_slice(&rest[..n]);
        decoder.advance(n);
        rest = &rest[n..];
        while let Some(event) = decoder.next_event().unwrap() {
            if let Event::Message(message) = event {
                black_box(message);
                count += 1;
            }
        }
    }
    count
}

fn length_delimited(wire: &[u8]) -> usize {
    let mut codec = LengthDelimitedCodec::builder()
        .max_frame_length(1 << 30)
        .new_codec();
    let mut buffer = BytesMut::with_capacity(2 * CHUNK);
    let mut count = 0;
    for chunk in wire.chunks(CHUNK) {
        buffer.extend_from_slice(chunk);
        while let Some(message) = codec.decode(&mut buffer).unwrap() {
            black_box(&message);
            count += 1;
        }
    }
    assert!(!buffer.has_remaining());
    count
}

fn lines_codec(wire: &[u8]) -> usize {
    let mut codec = LinesCodec::new();
    let mut buffer = BytesMut::with_capacity(2 * CHUNK);
    let mut count = 0;
    for chunk in wire.chunks(CHUNK) {
        buffer.extend_from_slice(chunk);
        while let Some(message) = codec.decode(&mut buffer).unwrap() {
            black_box(&message);
            count += 1;
        }
    }
    count
}

/// The bare loop: whole frames from the chunk as it is, and what is cut carried over.
#[inline(always)]
fn by_hand(wire: &[u8], header: usize, parse: impl Fn(&[u8]) -> Option<usize>) -> usize {
    let mut carry: Vec<u8> = Vec::new();
    let mut count = 0;
    for mut rest in wire.chunks(CHUNK) {
        if !carry.is_empty() {
            if carry.len() < header {
                let n = (header - carry.len()).min(rest.len());
                carry.extend_from_slice(&rest[..n]);
                rest = &rest[n..];
                if carry.len() < header {
                    continue;
                }
            }
            let total = header + parse(&carry).unwrap();
            let n = (total - carry.len()).min(rest.len());
            carry.extend_from_slice(&rest[..n]);
            rest = &rest[n..];
            if carry.len() < total {
                continue;
            }
            black_box(&carry[header..]);
            count += 1;
            carry.clear();
        }
        while rest.len() >= header {
            let length = parse(rest).unwrap();
            if rest.len() - header < length {
                break;
            }
            black_box(&rest[header..header + length]);
            count += 1;
            rest = &rest[header + length..];
        }
        carry.extend_from_slice(rest);
    }
    count
}

/// Digits, then spaces, one byte after the other.
#[inline(always)]
fn header_by_bytes(bytes: &[u8]) -> Option<usize> {
    let header: &[u8; 10] = bytes.first_chunk()?;
    let mut value = 0;
    let mut at = 0;
    while at < 10 && header[at].is_ascii_digit() {
        value = value * 10 + usize::from(header[at] - b'0');
        at += 1;
    }
    if at == 0 || (header[0] == b'0' && at > 1) || header[at..].iter().any(|&b| b != b' ') {
        return None;
    }
    Some(value)
}

/// Eight bytes at once.
#[inline(always)]
fn header_by_words(bytes: &[u8]) -> Option<usize> {
    let header: &[u8; 10] = bytes.first_chunk()?;
    let word = u64::from_le_bytes(*header.first_chunk()?);
    let digits = (!word & 0x1010_1010_1010_1010).trailing_zeros() / 8;
    if digits == 0 || digits > 7 || header[8..] != *b"  " {
        return header_by_bytes(bytes);
    }
    let zeros = 0x3030_3030_3030_3030_u64;
    let spaces = 0x2020_2020_2020_2020_u64;
    let text = word << (64 - 8 * digits) | zeros & (u64::MAX >> (8 * digits));
    let low = text.wrapping_sub(zeros);
    let bad = (low | text.wrapping_add(0x4646_4646_4646_4646)) & 0x8080_8080_8080_8080;
    if bad != 0
        || word >> (8 * digits) != spaces >> (8 * digits)
        || (header[0] == b'0' && digits > 1)
    {
        return None;
    }
    let pairs = low.wrapping_mul(10).wrapping_add(low >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    Some((fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff) as usize)
}

fn lines_by_hand(wire: &[u8]) -> usize {
    let mut carry: Vec<u8> = Vec::new();
    let mut count = 0;
    for mut rest in wire.chunks(CHUNK) {
        while let Some(at) = memchr::memchr(b'\n', rest) {
            if carry.is_empty() {
                black_box(&rest[..at]);
            } else {
                carry.extend_from_slice(&rest[..at]);
                black_box(&carry);
                carry.clear();
            }
            count += 1;
            rest = &rest[at + 1..];
        }
        carry.extend_from_slice(rest);
    }
    count
}

fn encoding(rounds: usize, total: usize) {
    println!("Encode in batches of 64 KiB, million messages/s (and Tenfold's ratio to each)\n");
    println!(
        "| size | Tenfold decimal:10 | Tenfold u32be | LengthDelimitedCodec | by hand, decimal:10 |"
    );
    println!("|---|---|---|---|---|");
    for size in ["16", "128", "1024", "16384", "mixed 1-300"] {
        let sizes = sizes(size, total);
        let mut runs: Vec<Run<'_>> = vec![
            ("decimal", Box::new(|| encode_tenfold("decimal:10", &sizes))),
            ("u32be", Box::new(|| encode_tenfold("u32be", &sizes))),
            ("peer", Box::new(|| encode_length_delimited(&sizes))),
            ("hand", Box::new(|| encode_by_hand(&sizes))),
        ];
        let speeds = race(rounds, &mut runs);
        println!(
            "| {size} | {:.1} | {:.1} | {:.1} ({:.2}) | {:.1} ({:.2}) |",
            speeds[0],
            speeds[1],
            speeds[2],
            speeds[0] / speeds[2],
            speeds[3],
            speeds[0] / speeds[3],
        );
    }
}

fn encode_tenfold(framing: &str, sizes: &[usize]) -> usize {
    let framing: Framing = framing.parse().unwrap();
    let mut encoder = Encoder::new(framing.client());
    let message = vec![b'x'; 1 << 16];
    let mut out = Vec::with_capacity(2 * CHUNK);
    for &size in sizes {
        encoder
            .encode(black_box(&message[..size]), &mut out)
            .unwrap();
        if out.len() >= CHUNK {
            black_box(&out);
            out.clear();
        }
    }
    sizes.len()
}

fn encode_length_delimited(sizes: &[usize]) -> usize {
    let mut codec = LengthDelimitedCodec::new();
    let message = bytes::Bytes::from(vec![b'x'; 1 << 16]);
    let mut out = BytesMut::with_capacity(2 * CHUNK);
    for &size in sizes {
        codec
            .encode(black_box(message.slice(..size)), &mut out)
            .unwrap();
        if out.len() >= CHUNK {
            black_box(&out);
            out.clear();
        }
    }
    sizes.len()
}

fn encode_by_hand(sizes: &[usize]) -> usize {
    let message = vec![b'x'; 1 << 16];
    let mut out = Vec::with_capacity(2 * CHUNK);
    for &size in sizes {
        let message = black_box(&message[..size]);
        let mut header = [b' '; 10];
        let mut digits = 1;
        let mut value = message.len();
        while value >= 10 {
            value /= 10;
            digits += 1;
        }
        value = message.len();
        for at in (0..digits).rev() {
            header[at] = b'0' + (value % 10) as u8;
            value /= 10;
        }
        out.extend_from_slice(&header);
        out.extend_from_slice(message);
        if out.len() >= CHUNK {
            black_box(&out);
            out.clear();
        }
    }
    sizes.len()
}
