//! Messages that end at bytes of their own, and stuffed ones.

use super::{Row, encoded, row};
use crate::seeds::Random;

pub(super) fn delimited(random: &mut Random) -> Vec<Row> {
    let texts = random.texts(15);
    let mut rows: Vec<Row> = [
        ("line", &b"\n"[..]),
        (r"delim:\r\n", b"\r\n"),
        (r"delim:\0", b"\0"),
    ]
    .into_iter()
    .map(|(line, end)| row("texts", line, &["right"], each(b"", end, &texts)))
    .collect();
    rows.push(
        row(
            "lines",
            r"delim:\r\n",
            &["other-framing", "other-end"],
            each(b"", b"\n", &texts),
        )
        .works(&["line"]),
    );
    rows.push(
        row(
            "lines",
            r"delim:\0",
            &["other-framing", "other-end"],
            each(b"", b"\n", &texts),
        )
        .works(&["line"]),
    );
    rows.push(
        row(
            "lines",
            r"delim:\x1e",
            &["other-framing", "never-ends"],
            each(b"", b"\n", &texts),
        )
        .works(&["line"]),
    );
    rows.push(row(
        "lines that end with CR LF",
        "line",
        &["returns"],
        each(b"", b"\r\n", &texts),
    ));
    let frames = encoded("u32be", &random.noises(20));
    rows.push(row("binary frames", "line", &["not-text"], frames));
    let laid_out: Vec<u8> = (0..9)
        .flat_map(|n| format!("{{\n  \"id\": {n},\n  \"ok\": true\n}}\n").into_bytes())
        .collect();
    rows.push(row("JSON for people", "line", &["json-parts"], laid_out));
    let blocks = encoded("lsp", &random.objects(8));
    rows.push(row("header blocks", "line", &["not-lines"], blocks));
    rows.push(row(
        "RESP",
        "line",
        &["not-lines"],
        b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n".repeat(6),
    ));
    rows
}

/// MLLP and its variants.
pub(super) fn hl7(random: &mut Random) -> Vec<Row> {
    let hl7: Vec<Vec<u8>> = (0..6)
        .map(|n| {
            let id = random.below(90_000);
            format!("MSH|^~\\&|A|B|C|D|202611270800{n:02}||ADT^A01|{id}|P|2.5\rPID|1||{id}\r")
                .into_bytes()
        })
        .collect();
    let mut rows = Vec::new();
    for (name, kinds, open, end, works) in [
        (
            "right",
            &["right"][..],
            &b"\x0b"[..],
            &b"\x1c\r"[..],
            "mllp",
        ),
        (
            "a newline after each",
            &["trailing-bytes"],
            b"\x0b",
            b"\x1c\r\n",
            r"delim:\x1c\r\n,open=\x0b",
        ),
        (
            "without CR",
            &["other-end"],
            b"\x0b",
            b"\x1c",
            r"delim:\x1c,open=\x0b",
        ),
        (
            "LF for CR",
            &["other-end"],
            b"\x0b",
            b"\x1c\n",
            r"delim:\x1c\n,open=\x0b",
        ),
        (
            "without VT",
            &["not-opened"],
            b"",
            b"\x1c\r",
            r"delim:\x1c\r",
        ),
        ("without FS and CR", &["never-ends"], b"\x0b", b"", "mllp"),
        ("without a frame", &["never-begins"], b"", b"", "mllp"),
        (
            "STX and ETX",
            &["other-framing"],
            b"\x02",
            b"\x03",
            r"delim:\x03,open=\x02",
        ),
    ] {
        rows.push(
            row(&format!("HL7 {name}"), "mllp", kinds, each(open, end, &hl7)).works(&[works]),
        );
    }
    let joined = [
        each(b"\x0b", b"\x1c\r", &hl7[..2]),
        each(b"\x0b", b"", &hl7[2..3]),
        each(b"\x0b", b"\x1c\r", &hl7[3..]),
    ];
    rows.push(row(
        "HL7 one end missing",
        "mllp",
        &["run-together"],
        joined.concat(),
    ));
    rows
}

/// These messages between the bytes that begin and end each.
fn each(open: &[u8], end: &[u8], messages: &[Vec<u8>]) -> Vec<u8> {
    let frames = messages.iter().map(|message| [open, message, end].concat());
    frames.collect::<Vec<_>>().concat()
}

pub(super) fn syslog(random: &mut Random) -> Vec<Row> {
    let messages: Vec<Vec<u8>> = (0..9)
        .map(|n| {
            format!(
                "<34>1 2026-11-27T08:00:{n:02}Z host app {} - - it is {n}",
                random.below(5000)
            )
            .into_bytes()
        })
        .collect();
    let counted = encoded("syslog", &messages);
    let ended = |end: &[u8]| -> Vec<u8> {
        messages
            .iter()
            .flat_map(|message| [message, end].concat())
            .collect()
    };
    let mut mixed = counted.clone();
    mixed.extend(ended(b"\n"));
    vec![
        row("syslog right", "syslog", &["right"], counted.clone()),
        row("syslog in lines", "syslog", &["syslog-lines"], ended(b"\n")).works(&["line"]),
        row("syslog in lines", "u32be", &["syslog-lines"], ended(b"\n")).works(&["line"]),
        row(
            "syslog that ends with NUL",
            "syslog",
            &["syslog-lines"],
            ended(b"\n  and more\0"),
        )
        .works(&[r"delim:\0"]),
        row(
            "syslog that ends with NUL",
            "line",
            &["ends-with-nul"],
            ended(b"\n  and more\0"),
        ),
        row("syslog mixed", "syslog", &["syslog-mixed"], mixed),
        row("syslog counted", "line", &["octet-counted"], counted),
    ]
}

pub(super) fn stuffed(random: &mut Random) -> Vec<Row> {
    let noises = random.noises(15);
    let mut rows: Vec<Row> = ["cobs", "slip", "hdlc"]
        .iter()
        .map(|line| row("stuffed", line, &["right"], encoded(line, &noises)))
        .collect();
    rows.push(
        row(
            "u32be of noise",
            "cobs",
            &["other-framing"],
            encoded("u32be", &noises),
        )
        .works(&["u32be"]),
    );
    rows
}
