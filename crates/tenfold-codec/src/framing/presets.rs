//! Presets: names that stand for a line, and the names that are refused with a reason.

/// A name for the framing of a protocol in use.
///
/// ```
/// use tenfold_codec::{Framing, PRESETS};
///
/// let git = PRESETS.iter().find(|preset| preset.name == "git").unwrap();
/// assert_eq!(git.line, "hex:4-4,marks");
/// assert_eq!(git.line.parse::<Framing>()?, "git".parse()?);
/// # Ok::<(), tenfold_codec::FramingError>(())
/// ```
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

const U16: u64 = u16::MAX as u64;
const U24: u64 = (1 << 24) - 1;
const U32: u64 = u32::MAX as u64;
const I32: u64 = i32::MAX as u64;

/// Every preset, in the order of the documentation. Maximums are of messages as Tenfold gives
/// them: the frame without its number.
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
        "f'{len(m):<10}', as a Python sockets lesson has it",
    ),
    preset(
        "py-64",
        "decimal:64",
        0,
        "f'{len(m):<64}', as a Python sockets lesson has it",
    ),
    preset("py-zfill", "decimal:08", 99_999_999, "str(len(m)).zfill(8)"),
    preset(
        "py-struct",
        "u32be",
        U32,
        "struct.pack('>I', len(m)); multiprocessing.connection up to 2 GiB",
    ),
    // Text and headers.
    preset(
        "line",
        r"delim:\n",
        0,
        "lines of text; RFC 6587, 3.4.2, for syslog",
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
        "RFC 6587, 3.4.1, octet counting",
    ),
    preset(
        "scgi",
        r"decimal,end=:,close=\x2c",
        0,
        "SCGI protocol, the headers of a request (its body has no frame)",
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
        "git",
        "hex:4-4,marks",
        65_516,
        "gitprotocol-common(5), pkt-line",
    ),
    preset(
        "adb",
        "hex:4 // fixed:4/hex:4",
        65_535,
        "Android Debug Bridge, OVERVIEW: client and server",
    ),
    preset(
        "mllp",
        r"delim:\x1c\r,open=\x0b",
        0,
        "HL7 Minimal Lower Layer Protocol, release 1",
    ),
    // Plain binary lengths.
    preset(
        "packet1",
        "u8",
        255,
        "Erlang/OTP inet:setopts/2, {packet, 1}",
    ),
    preset(
        "packet2",
        "u16be",
        U16,
        "Erlang/OTP inet:setopts/2, {packet, 2}",
    ),
    preset(
        "packet4",
        "u32be",
        I32,
        "Erlang/OTP inet:setopts/2, {packet, 4}",
    ),
    preset("dns", "u16be", U16, "RFC 7766, 8, DNS over TCP"),
    preset(
        "native-messaging",
        "u32le",
        67_108_864,
        "browsers' native messaging, on little-endian machines",
    ),
    preset(
        "kafka",
        "u32be",
        104_857_600,
        "Kafka protocol guide, with socket.request.max.bytes",
    ),
    preset(
        "ssh-agent",
        "u32be",
        262_144,
        "SSH agent protocol (draft-ietf-sshm-ssh-agent), 3",
    ),
    preset(
        "graphite-pickle",
        "u32be",
        1_048_576,
        "Graphite: feeding in your data, the pickle protocol",
    ),
    preset(
        "dnstap",
        "u32be",
        0,
        "Frame Streams: a control frame is an empty message and one more",
    ),
    preset(
        "mongodb",
        "u32le-4",
        48_000_000,
        "MongoDB wire protocol, standard message header",
    ),
    preset(
        "protobuf",
        "varint",
        I32,
        "Protocol Buffers, delimited streams",
    ),
    preset(
        "minecraft",
        "varint",
        2_097_151,
        "Minecraft Java Edition protocol, packet format without compression",
    ),
    // Lengths inside a header.
    preset(
        "grpc",
        "u32be@1",
        0,
        "gRPC over HTTP/2, Length-Prefixed-Message",
    ),
    preset(
        "docker",
        "u32be@4",
        U32 + 4,
        "Docker Engine API, attach: stream format",
    ),
    preset(
        "tls",
        "u16be@3",
        18_435,
        "RFC 8446, 5.1, and RFC 5246, 6.2.3",
    ),
    preset(
        "mysql",
        "u24le+1",
        U24 + 1,
        "MySQL client/server protocol, packets",
    ),
    preset(
        "mqtt",
        "varint@1",
        268_435_456,
        "MQTT 5.0, 2.1, fixed header",
    ),
    preset("ldap", "ber@1", 0, "RFC 4511, 5.1, with X.690 lengths"),
    preset("diameter", "u24be-4@1", U24 - 3, "RFC 6733, 3"),
    preset("bgp", "u16be-18@16", U16 - 2, "RFC 4271, 4.1; RFC 8654"),
    preset("bmp", "u32be-5@1", U32 - 4, "RFC 7854, 4.1"),
    preset("tpkt", "u16be-4@2", U16 - 2, "RFC 1006, 6"),
    preset("opcua", "u32le-8@4", U32 - 4, "OPC UA part 6, 7.1.2.2"),
    preset(
        "modbus",
        "u16be@4",
        258,
        "Modbus messaging on TCP/IP 1.0b, 3.1.3",
    ),
    preset("iec104", "u8@1", 254, "IEC 60870-5-104, 5: APDU"),
    preset(
        "zabbix",
        "u32le+4@1,open=ZBXD",
        1_073_741_829,
        "Zabbix header and data length, without the flag for large packets",
    ),
    preset(
        "gearman",
        "u32be@8",
        U32 + 8,
        "Gearman PROTOCOL, binary packets",
    ),
    preset(
        "bitcoin",
        "u32le+4@16",
        4_000_020,
        "Bitcoin developer reference, P2P message headers",
    ),
    preset("uwsgi", "u16le+1@1", U16 + 2, "The uwsgi protocol"),
    preset("nrpe", "fixed:1036", 1_036, "NRPE 2, query and response"),
    // First something else, then the rule.
    preset(
        "postgres",
        "u32be-4/u32be-4@1 // u32be-4@1",
        I32 + 1,
        "PostgreSQL frontend/backend protocol 3, without the encryption requests",
    ),
    preset(
        "amqp",
        r"fixed:8/u32be@3,close=\xce // u32be@3,close=\xce",
        U32 + 3,
        "AMQP 0-9-1, 4.2",
    ),
    preset(
        "http2",
        "fixed:24/u24be+6 // u24be+6",
        U24 + 6,
        "RFC 9113, 3.4 and 4.1",
    ),
    preset(
        "erldist",
        "u16be/u16be/u32be // u16be/u16be/u16be/u32be",
        U32,
        "Erlang distribution protocol, handshake and after",
    ),
    preset(
        "jdwp",
        "fixed:14/u32be-4",
        U32 - 4,
        "Java Debug Wire Protocol",
    ),
    preset(
        "sp",
        "fixed:8/u64be",
        0,
        "SP over TCP (nanomsg RFC sp-tcp-mapping-01)",
    ),
    preset(
        "bittorrent",
        "fixed:68/u32be",
        U32,
        "BitTorrent protocol (BEP 3), peer messages",
    ),
    // Files.
    preset(
        "pcap",
        "fixed:24/u32le+4@8",
        262_156,
        "pcap capture file format (little-endian)",
    ),
    preset(
        "deb",
        "fixed:8/decimal:10+2@48",
        0,
        "deb(5) and ar(5), where no member has an odd size",
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
        "redis",
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Framing;
    use alloc::string::ToString;

    #[test]
    fn every_preset_is_a_framing_in_its_canonical_spelling() {
        for preset in PRESETS {
            let framing: Framing = preset.line.parse().unwrap();
            assert_eq!(framing.to_string(), preset.line, "{}", preset.name);
            assert_eq!(preset.name.parse::<Framing>(), Ok(framing));
        }
    }

    #[test]
    fn names_are_unique_and_refused_ones_are_not_presets() {
        for (n, preset) in PRESETS.iter().enumerate() {
            assert!(
                PRESETS[n + 1..]
                    .iter()
                    .all(|other| other.name != preset.name)
            );
            assert!(refused(preset.name).is_none());
        }
    }

    #[test]
    fn refused_protocols_say_why() {
        for (name, reason) in REFUSED {
            let error = name.parse::<Framing>().unwrap_err();
            assert_eq!(error.problem(), *reason);
        }
    }
}
