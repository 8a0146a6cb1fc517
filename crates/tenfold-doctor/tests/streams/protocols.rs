//! Streams of one framing that are read as another, and those of protocols that have none.

use super::{Row, encoded, row};
use crate::seeds::Random;

/// Streams of one framing that are read as another one.
pub(super) fn others(random: &mut Random) -> Vec<Row> {
    const PAIRS: &[(&str, &str, &str)] = &[
        ("u32be", "decimal:10", "other-framing"),
        ("u32le", "decimal:10", "other-framing"),
        ("u16be", "decimal:10", "other-framing"),
        ("decimal:10", "u32be", "other-framing"),
        ("decimal:10", "u16be", "other-framing"),
        ("netstring", "decimal:10", "other-framing"),
        ("netstring", "u32be", "other-framing"),
        ("hex:8", "u32be", "other-framing"),
        ("lsp", "u32be", "other-framing"),
        ("decimal:8", "decimal:10", "other-width"),
        ("decimal:64", "decimal:10", "other-width"),
        ("decimal:010", "decimal:10", "zero-padded"),
        ("u16be", "u32be", "other-width"),
        ("u64be", "u32be", "every-other-empty"),
        ("u64le", "u32le", "other-width"),
        ("u32be", "cobs", "other-framing"),
        ("u32be", "slip", "other-framing"),
        ("decimal:10", "hdlc", "other-framing"),
    ];
    PAIRS
        .iter()
        .map(|(line, read_as, kind)| {
            let bytes = encoded(line, &random.objects(20));
            row(&format!("{line} of JSON"), read_as, &[kind], bytes).works(&[line])
        })
        .collect()
}

pub(super) fn protocols() -> Vec<Row> {
    let rtu = |n: u8| -> Vec<u8> {
        let bytes = [1, 3, 0, n * 10, 0, 2];
        let crc = bytes.iter().fold(0xffff_u16, |crc, byte| {
            (0..8).fold(crc ^ u16::from(*byte), |crc, _| {
                (crc >> 1) ^ if crc & 1 == 1 { 0xa001 } else { 0 }
            })
        });
        [&bytes[..], &crc.to_le_bytes()].concat()
    };
    let query = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x07example\x03com\0\0\x01\0\x01";
    let payments: Vec<Vec<u8>> = (0..4_u32)
        .map(|n| {
            format!("0200723405412{}000016{:019}", n * 37, n * 7_654_321)
                .repeat(1 + n as usize)
                .into_bytes()
        })
        .collect();
    let packed: Vec<u8> = payments
        .iter()
        .flat_map(|message| {
            let digits = format!("{:04}", message.len());
            let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
            [&[byte(0), byte(2)][..], message].concat()
        })
        .collect();
    vec![
        row(
            "Modbus RTU",
            "modbus",
            &["modbus-rtu"],
            (0..6).flat_map(rtu).collect(),
        ),
        row("Modbus RTU once", "modbus", &["modbus-rtu"], rtu(7)),
        row("DNS as in a datagram", "dns", &["dns"], query.to_vec()),
        row(
            "ISO 8583 in four digits",
            "u16be",
            &["other-width"],
            encoded("decimal:04", &payments),
        )
        .works(&["decimal:04"]),
        row(
            "ISO 8583 in packed digits",
            "u16be",
            &["packed-digits"],
            packed,
        ),
        row(
            "HTTP",
            "u32be",
            &["http"],
            b"GET / HTTP/1.1\r\nHost: example.test\r\n\r\n".to_vec(),
        ),
        row(
            "gzip",
            "decimal:10",
            &["gzip"],
            b"\x1f\x8b\x08\0\0\0\0\0\0\x03abcdefgh".to_vec(),
        ),
    ]
}
