//! Presets: names that stand for a line, and the names that are refused with a reason.

/// A name for the framing of a protocol in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Preset {
    /// What to write instead of the line.
    pub name: &'static str,
    /// The framing in the canonical spelling.
    pub line: &'static str,
    /// The largest message, in bytes, that the protocol or its usual implementation allows,
    /// where one is fixed.
    pub maximum: Option<u64>,
    /// Where the rule is written down.
    pub source: &'static str,
}

const fn preset(
    name: &'static str,
    line: &'static str,
    maximum: u64,
    source: &'static str,
) -> Preset {
    Preset {
        name,
        line,
        maximum: if maximum == 0 { None } else { Some(maximum) },
        source,
    }
}

const U8: u64 = u8::MAX as u64;
const U16: u64 = u16::MAX as u64;
const U24: u64 = (1 << 24) - 1;
const U32: u64 = u32::MAX as u64;

/// Every preset, in the order of the documentation.
pub const PRESETS: &[Preset] = &[
    // What Tenfold and the lesson's programs speak.
    preset(
        "tenfold",
        "decimal:10",
        9_999_999_999,
        "docs/wire-format.md",
    ),
    preset(
        "py-10",
        "decimal:10",
        9_999_999_999,
        "f'{len(m):<10}', a Python sockets lesson",
    ),
    preset(
        "py-64",
        "decimal:64",
        0,
        "f'{len(m):<64}', a Python sockets lesson",
    ),
    preset("py-zfill", "decimal:08", 99_999_999, "str(len(m)).zfill(8)"),
    preset("py-struct", "u32be", U32, "struct.pack('>I', len(m))"),
    // Plain lengths.
    preset("packet1", "u8", U8, "Erlang/OTP inet:setopts, {packet, 1}"),
    preset(
        "packet2",
        "u16be",
        U16,
        "Erlang/OTP inet:setopts, {packet, 2}",
    ),
    preset(
        "packet4",
        "u32be",
        134_217_727,
        "Erlang/OTP inet:setopts, {packet, 4}",
    ),
    // Text.
    preset(
        "line",
        r"delim:\n",
        0,
        "lines of text; RFC 6587 3.4.2 for syslog",
    ),
    preset(
        "netstring",
        r"decimal,end=:,close=\x2c",
        0,
        "D. J. Bernstein, Netstrings (1997)",
    ),
    preset(
        "syslog",
        r"decimal,end=\x20",
        0,
        "RFC 6587 3.4.1, octet counting",
    ),
    preset(
        "lsp",
        "content-length",
        0,
        "Language Server Protocol 3.17, base protocol",
    ),
    preset(
        "dap",
        "content-length",
        0,
        "Debug Adapter Protocol, base protocol",
    ),
    preset(
        "scgi",
        r"decimal,end=:,close=\x2c",
        0,
        "SCGI: A Simple Common Gateway Interface alternative",
    ),
    preset(
        "bitcoin",
        "u32le+4@16",
        0,
        "Bitcoin protocol documentation, message structure",
    ),
    preset(
        "git",
        "hex:4-4,marks",
        65_516,
        "gitprotocol-common(5), pkt-line format",
    ),
];

/// Protocols whose boundaries cannot be described, and why.
const REFUSED: &[(&str, &str)] = &[
    (
        "websocket",
        "WebSocket has its length's width in the bits of another field, and masks what it carries: it needs a parser of its own",
    ),
    (
        "resp",
        "RESP values frame themselves, one inside the other: there is no length of the whole",
    ),
    (
        "nats",
        "NATS text commands announce the length of the payload that follows them: it needs a parser of its own",
    ),
    (
        "zmtp",
        "ZMTP has its length's width in a flag bit, after a greeting and a handshake: it needs a parser of its own",
    ),
    (
        "fastcgi",
        "FastCGI records have two lengths, of content and of padding",
    ),
];

/// The preset of this name.
pub(crate) fn find(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

/// Why the protocol of this name has no line.
pub(crate) fn refused(name: &str) -> Option<&'static str> {
    let (_, reason) = REFUSED.iter().find(|(refused, _)| *refused == name)?;
    Some(reason)
}

/// The names of all presets.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|preset| preset.name)
}
