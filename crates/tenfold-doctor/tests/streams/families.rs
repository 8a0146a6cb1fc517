//! Framings with a length in front, right and with each mistake in it.

use tenfold_codec::Framing;

use super::{Row, encoded};
use crate::seeds::Random;

/// All of them.
pub(super) fn families() -> Vec<Row> {
    let mut rows = Vec::new();
    for (seed, family) in FAMILIES.iter().enumerate() {
        let mut random = Random(seed as u64 + 1);
        rows.extend(right(family, &mut random));
        rows.extend(wrong_numbers(family, &mut random));
        rows.extend(not_bytes(family, &mut random));
        rows.extend(beside(family, &mut random));
    }
    rows
}

/// A framing with a length in front, as a program writes it by hand.
struct Family {
    line: &'static str,
    header: fn(usize) -> Vec<u8>,
    close: &'static [u8],
    /// Bytes of the header, where they are always as many.
    size: Option<usize>,
    is_binary: bool,
}

const fn family(
    line: &'static str,
    header: fn(usize) -> Vec<u8>,
    size: usize,
    is_binary: bool,
) -> Family {
    Family {
        line,
        header,
        close: b"",
        size: if size == 0 { None } else { Some(size) },
        is_binary,
    }
}

fn narrow(number: usize) -> u16 {
    u16::try_from(number).unwrap()
}

fn word(number: usize) -> u32 {
    u32::try_from(number).unwrap()
}

const FAMILIES: &[Family] = &[
    family("decimal:10", |n| format!("{n:<10}").into_bytes(), 10, false),
    family("decimal:5", |n| format!("{n:<5}").into_bytes(), 5, false),
    family("decimal:08", |n| format!("{n:08}").into_bytes(), 8, false),
    family("hex:8", |n| format!("{n:08x}").into_bytes(), 8, false),
    family("u16be", |n| narrow(n).to_be_bytes().to_vec(), 2, true),
    family("u16le", |n| narrow(n).to_le_bytes().to_vec(), 2, true),
    family("u32be", |n| word(n).to_be_bytes().to_vec(), 4, true),
    family("u32le", |n| word(n).to_le_bytes().to_vec(), 4, true),
    family("u64be", |n| (n as u64).to_be_bytes().to_vec(), 8, true),
    family("u64le", |n| (n as u64).to_le_bytes().to_vec(), 8, true),
    family(
        r"decimal,end=\n",
        |n| format!("{n}\n").into_bytes(),
        0,
        false,
    ),
    family(
        r"decimal,end=\x20",
        |n| format!("{n} ").into_bytes(),
        0,
        false,
    ),
    family(
        "content-length",
        |n| format!("Content-Length: {n}\r\n\r\n").into_bytes(),
        0,
        false,
    ),
    Family {
        line: r"decimal,end=:,close=\x2c",
        header: |n| format!("{n}:").into_bytes(),
        close: b",",
        size: None,
        is_binary: false,
    },
];

impl Family {
    /// A frame whose header says this number.
    fn frame(&self, message: &[u8], number: usize) -> Vec<u8> {
        [&(self.header)(number), message, self.close].concat()
    }

    fn stream(&self, messages: &[Vec<u8>], number: impl Fn(&[u8]) -> usize) -> Vec<u8> {
        let frames = messages
            .iter()
            .map(|message| self.frame(message, number(message)));
        frames.collect::<Vec<_>>().concat()
    }

    fn right(&self, messages: &[Vec<u8>]) -> Vec<u8> {
        self.stream(messages, <[u8]>::len)
    }

    fn row(&self, name: &str, kinds: &[&'static str], bytes: Vec<u8>) -> Row {
        Row {
            name: name.to_owned(),
            read_as: self.line.to_owned(),
            bytes,
            kinds: kinds.to_vec(),
            works: Vec::new(),
        }
    }
}

fn right(family: &Family, random: &mut Random) -> Vec<Row> {
    let json = family.right(&random.objects(14));
    let cut = json[..json.len() - 4].to_vec();
    vec![
        family.row("JSON", &["right"], json),
        family.row("text", &["right"], family.right(&random.texts(20))),
        family.row("bytes", &["right"], family.right(&random.noises(12))),
        family.row("cut", &["cut"], cut),
    ]
}

fn wrong_numbers(family: &Family, random: &mut Random) -> Vec<Row> {
    let messages = random.objects(14);
    let line = family.line;
    let mut rows = Vec::new();
    let more = family.stream(&messages, |message| message.len() + 1);
    let more = family.row("one more", &["off-by"], more);
    rows.push(more.works(&[&with_sum(line, -1)]));
    if let Some(size) = family.size {
        let size_off = -i64::try_from(size).unwrap();
        let counted = family.stream(&messages, |message| message.len() + size);
        let row = family.row("header counted", &["header-counted"], counted);
        rows.push(row.works(&[&with_sum(line, size_off)]));
    } else if line != "content-length" {
        let counted = messages.iter().map(|message| {
            let size = (family.header)(message.len()).len();
            family.frame(message, message.len() + size)
        });
        let counted: Vec<u8> = counted.collect::<Vec<_>>().concat();
        rows.push(family.row("header counted", &["header-counted"], counted));
    }
    let swapped = match line.split_at_checked(3) {
        Some((bits, "be")) => format!("{bits}le"),
        Some((bits, "le")) => format!("{bits}be"),
        _ => return rows,
    };
    let row = family.row("swapped", &["byte-order"], encoded(&swapped, &messages));
    rows.push(row.works(&[&swapped]));
    rows
}

/// `line` with this added to its number, where the grammar can say that.
fn with_sum(line: &str, add: i64) -> String {
    let (number, options) = line
        .split_once(',')
        .map_or((line, ""), |(number, rest)| (number, rest));
    let sum = format!("{number}{add:+}");
    let with_sum = if options.is_empty() {
        sum
    } else {
        format!("{sum},{options}")
    };
    match with_sum.parse::<Framing>() {
        Ok(framing) => framing.client().to_string(),
        Err(_) => line.to_owned(),
    }
}

/// Numbers that count characters, and bytes that were changed.
fn not_bytes(family: &Family, random: &mut Random) -> Vec<Row> {
    let as_text = |message: &[u8]| String::from_utf8(message.to_vec()).unwrap();
    let characters = family.stream(&random.words_with("\u{e9}\u{20ac}", 12), |message| {
        as_text(message).chars().count()
    });
    let line = format!("{},chars", family.line);
    let line = if line.parse::<Framing>().is_ok() {
        &line
    } else {
        family.line
    };
    let characters = family.row("characters", &["characters"], characters);
    let mut rows = vec![characters.works(&[line])];
    let units = family.stream(&random.words_with("\u{1f600}\u{1f680}", 12), |message| {
        as_text(message).encode_utf16().count()
    });
    rows.push(family.row("UTF-16 units", &["utf-16-units"], units));
    let wide: Vec<Vec<u8>> = random
        .texts(12)
        .iter()
        .map(|text| {
            as_text(text)
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect()
        })
        .collect();
    let wide = family.stream(&wide, |message| message.len() / 2);
    rows.push(family.row("UTF-16", &["utf-16-units", "utf-16"], wide));
    let printed: Vec<Vec<u8>> = random
        .objects(10)
        .iter()
        .map(|object| [b"b'", &object[..], b"'"].concat())
        .collect();
    let printed = family.stream(&printed, |message| message.len() - 3);
    rows.push(family.row("b'...'", &["repr"], printed));
    let marked: Vec<Vec<u8>> = random
        .objects(10)
        .iter()
        .map(|object| [b"\xef\xbb\xbf", &object[..]].concat())
        .collect();
    let marked = family.stream(&marked, |message| message.len() - 3);
    rows.push(family.row("byte order marks", &["byte-order-mark"], marked));
    if !family.line.contains(r"\n") && family.line != "content-length" {
        let lines = family.right(&random.with_newlines(12));
        rows.push(family.row("newlines translated", &["newlines"], translated(&lines)));
    }
    if family.is_binary {
        let long = family.right(&random.long_texts(12));
        let text: String = long.iter().map(|byte| char::from(*byte)).collect();
        rows.push(family.row("through an encoder", &["text-encoded"], text.into_bytes()));
    }
    rows
}

fn translated(bytes: &[u8]) -> Vec<u8> {
    let mut translated = Vec::new();
    for byte in bytes {
        if *byte == b'\n' {
            translated.push(b'\r');
        }
        translated.push(*byte);
    }
    translated
}

/// Bytes that are in no frame.
fn beside(family: &Family, random: &mut Random) -> Vec<Row> {
    let messages = random.objects(14);
    let (first, second) = messages.split_at(5);
    let log = b"2026-11-27 08:00:00 WARNING queue is nearly full\n";
    let before = [&log[..], &family.right(&messages)].concat();
    let between = [&family.right(first)[..], log, &family.right(second)].concat();
    let trailing: Vec<u8> = messages
        .iter()
        .flat_map(|message| [&family.frame(message, message.len())[..], b"\n"].concat())
        .collect();
    let closed = match family.close {
        [] => format!(r"{},close=\n", family.line),
        _ => r"decimal,end=:,close=\x2c\n".to_owned(),
    };
    let closed = if closed.parse::<Framing>().is_ok() {
        closed
    } else {
        family.line.to_owned()
    };
    let mut rows = vec![
        family.row("a log line between", &["log-line"], between),
        family
            .row("a newline after each", &["trailing-bytes"], trailing)
            .works(&[&closed, &with_sum(family.line, 1)]),
    ];
    // A date begins with a number.
    if family.is_binary {
        rows.push(family.row("a log line before", &["log-line"], before));
    }
    rows
}
