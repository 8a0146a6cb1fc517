//! Streams from seeds: each kind of framing, right and with each mistake.

mod delimited;
mod families;
mod messages;
mod protocols;

use crate::seeds::Random;
use tenfold_codec::{Encoder, Framing};

/// One stream, and what may be said of it.
pub(crate) struct Row {
    pub(crate) name: String,
    /// The framing that a person would try.
    pub(crate) read_as: String,
    pub(crate) bytes: Vec<u8>,
    /// The first finding is one of these.
    pub(crate) kinds: Vec<&'static str>,
    /// Framings that do read all bytes.
    pub(crate) works: Vec<String>,
}

impl Row {
    fn works(mut self, lines: &[&str]) -> Self {
        self.works.extend(lines.iter().map(|line| {
            let framing: Framing = line.parse().unwrap();
            framing.client().to_string()
        }));
        self
    }
}

/// All streams.
pub(crate) fn rows() -> Vec<Row> {
    let mut rows = families::families();
    let mut random = Random(99);
    rows.extend(protocols::others(&mut random));
    rows.extend(delimited::delimited(&mut random));
    rows.extend(delimited::hl7(&mut random));
    rows.extend(delimited::syslog(&mut random));
    rows.extend(delimited::stuffed(&mut random));
    rows.extend(protocols::protocols());
    rows
}

fn encoded(line: &str, messages: &[Vec<u8>]) -> Vec<u8> {
    let framing: Framing = line.parse().unwrap();
    let mut encoder = Encoder::new(framing.client());
    let mut bytes = Vec::new();
    for message in messages {
        encoder.encode(message, &mut bytes).unwrap();
    }
    bytes
}

fn row(name: &str, read_as: &str, kinds: &[&'static str], bytes: Vec<u8>) -> Row {
    Row {
        name: name.to_owned(),
        read_as: read_as.to_owned(),
        bytes,
        kinds: kinds.to_vec(),
        works: Vec::new(),
    }
}
