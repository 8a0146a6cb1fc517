//! What the messages of a check are: text, or a value that holds the text.

use clap::ValueEnum;
use tenfold_payload::WritableFormat;

/// `--payload`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Payload {
    /// Text in UTF-8
    #[default]
    Text,
    /// A text as Python's pickle
    Pickle,
    /// A text as JSON
    Json,
    /// A text as CBOR
    Cbor,
    #[value(help = "A text as MessagePack")]
    Msgpack,
}

impl Payload {
    /// The message for a text.
    pub(super) fn message(self, text: &str) -> Vec<u8> {
        let format = match self {
            Self::Text => return text.as_bytes().to_vec(),
            Self::Pickle => return pickle(text),
            Self::Json => WritableFormat::Json,
            Self::Cbor => WritableFormat::Cbor,
            Self::Msgpack => WritableFormat::Msgpack,
        };
        let value = serde_json::Value::from(text).to_string();
        // Each of these formats has texts.
        tenfold_payload::from_json(format, value.as_bytes()).unwrap_or_default()
    }
}

/// A string in protocol 2: its marker and version, BINUNICODE with a length of four bytes, STOP.
fn pickle(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    [
        b"\x80\x02X",
        &length.to_le_bytes()[..],
        text.as_bytes(),
        b".",
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenfold_payload::{ValueFormat, to_json};

    #[test]
    fn every_payload_holds_the_text() {
        for (payload, format) in [
            (Payload::Pickle, ValueFormat::Pickle),
            (Payload::Json, ValueFormat::Json),
            (Payload::Cbor, ValueFormat::Cbor),
            (Payload::Msgpack, ValueFormat::Msgpack),
        ] {
            for text in ["", "héllo"] {
                let json = to_json(format, &payload.message(text)).unwrap();
                assert_eq!(json, format!("\"{text}\""), "{payload:?}");
            }
        }
    }
}
