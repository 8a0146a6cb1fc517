//! What the messages of a protocol look like, beside their framing: a type byte, a version, a word.
//!
//! Many protocols share a framing, and short streams fit several. Each rule here is from the
//! document that the preset names as its source.

/// What to expect of the messages of a preset's protocol.
#[derive(Clone, Copy)]
pub(crate) struct Signature {
    /// What a message that fits does: "begins with 0x68".
    pub(crate) says: &'static str,
    /// Whether message `index` fits; the last argument are the first bytes of the one before.
    rule: fn(&[u8], u64, &[u8]) -> bool,
    /// Messages that say nothing either way.
    silent: fn(&[u8]) -> bool,
    /// How unlikely the first one is by chance, and each other one.
    bits: (f64, f64),
}

impl std::fmt::Debug for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.says)
    }
}

impl Signature {
    /// Whether a message fits; nothing, if it says nothing.
    pub(crate) fn fits(&self, message: &[u8], index: u64, before: &[u8]) -> Option<bool> {
        // Nothing is text, too, and shows nothing; but it is not a greeting.
        let is_greeted = index == 0 && self.is_greeting();
        let is_silent = !is_greeted && (message.is_empty() || (self.silent)(message));
        (!is_silent).then(|| (self.rule)(message, index, before))
    }

    /// Whether it is about the first message only.
    pub(crate) fn is_greeting(&self) -> bool {
        self.bits.1 == 0.0
    }

    pub(crate) fn bits(&self, index: u64) -> f64 {
        if index == 0 { self.bits.0 } else { self.bits.1 }
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "each arm of the tables is the answer as it is"
)]
const fn signature(
    bits: (f64, f64),
    says: &'static str,
    rule: fn(&[u8], u64, &[u8]) -> bool,
) -> Option<Signature> {
    let silent = |_: &[u8]| false;
    Some(Signature {
        says,
        rule,
        silent,
        bits,
    })
}

/// What the messages of the client or the server look like in the protocol of this preset, where
/// that can be told by a few bytes.
pub(crate) fn of(preset: &str, client: bool) -> Option<Signature> {
    text(preset, client)
        .or_else(|| greeting(preset, client))
        .or_else(|| header(preset))
        .or_else(|| later(preset, client))
}

fn text(preset: &str, client: bool) -> Option<Signature> {
    match preset {
        "line" | r"delim:\0" | r"delim:\r\n" => {
            signature((3.0, 3.0), "is text", |m, _, _| is_text(m) && !is_a_part(m))
        }
        "lsp" | "dap" | "native-messaging" => {
            signature((4.0, 4.0), "is a JSON object", |m, _, _| {
                m.starts_with(b"{") && m.ends_with(b"}")
            })
        }
        "syslog" => signature((8.0, 8.0), "begins with <priority>", |m, _, _| {
            matches!(m, [b'<', b'0'..=b'9', ..])
        }),
        "scgi" => signature((40.0, 0.0), "begins with CONTENT_LENGTH", |m, n, _| {
            n > 0 || m.starts_with(b"CONTENT_LENGTH\0")
        }),
        "mllp" => signature((20.0, 20.0), "begins with MSH|", |m, _, _| {
            m.starts_with(b"MSH|")
        }),
        "adb" if !client => signature((20.0, 0.0), "begins with OKAY or FAIL", |m, n, _| {
            n > 0 || m == b"OKAY" || m == b"FAIL"
        }),
        "adb" => signature((20.0, 8.0), "is a request to the adb server", |m, n, _| {
            n > 0 || m.starts_with(b"host")
        }),
        _ => None,
    }
}

/// Protocols that begin with a word of their own.
fn greeting(preset: &str, client: bool) -> Option<Signature> {
    match preset {
        "http2" if client => signature(
            (60.0, 5.0),
            "is an HTTP/2 frame after its preface",
            |m, n, _| {
                if n == 0 {
                    m.starts_with(b"PRI * HTTP/2")
                } else {
                    is_http2(m)
                }
            },
        ),
        "http2" => signature(
            (12.0, 5.0),
            "is an HTTP/2 frame, SETTINGS first",
            |m, n, _| is_http2(m) && (n > 0 || m.first() == Some(&4)),
        ),
        "amqp" if client => signature(
            (32.0, 5.0),
            "is an AMQP frame after AMQP's greeting",
            |m, n, _| {
                if n == 0 {
                    m.starts_with(b"AMQP")
                } else {
                    is_amqp(m)
                }
            },
        ),
        "amqp" => signature((5.0, 5.0), "is an AMQP frame", |m, _, _| is_amqp(m)),
        "jdwp" => signature((60.0, 2.0), "begins with JDWP-Handshake", |m, n, _| {
            n > 0 || m == b"JDWP-Handshake"
        }),
        "sp" => signature((30.0, 0.0), "begins with the greeting of SP", |m, n, _| {
            n > 0 || m.starts_with(b"\0SP\0")
        }),
        "bittorrent" => signature(
            (60.0, 0.0),
            "begins with BitTorrent's greeting",
            |m, n, _| n > 0 || m.starts_with(b"\x13BitTorrent protocol"),
        ),
        "pcap" => signature(
            (32.0, 0.0),
            "begins with the header of a pcap file",
            |m, n, _| {
                n > 0 || m.starts_with(b"\xd4\xc3\xb2\xa1") || m.starts_with(b"\x4d\x3c\xb2\xa1")
            },
        ),
        "deb" => signature((60.0, 16.0), "is a member of an ar archive", |m, n, _| {
            if n == 0 {
                m == b"!<arch>\n"
            } else {
                m.get(48..50) == Some(b"`\n")
            }
        }),
        "erldist" if client => signature((16.0, 0.0), "begins with a node's name", |m, n, _| {
            n > 0 || matches!(m.first(), Some(b'n' | b'N')) && m.contains(&b'@')
        }),
        "erldist" => signature((16.0, 0.0), "begins with a status", |m, n, _| {
            let statuses: [&[u8]; 5] = [b"sok", b"snok", b"snot_allowed", b"salive", b"snamed:"];
            n > 0 || statuses.iter().any(|status| m.starts_with(status))
        }),
        _ => None,
    }
}

/// Protocols whose messages have a fixed byte or two in their header.
fn header(preset: &str) -> Option<Signature> {
    match preset {
        "dns" => signature((10.0, 10.0), "is a DNS query or answer", |m, _, _| {
            m.len() >= 12 && m[2] & 0x78 == 0 && m[3] & 0x40 == 0 && m[4..6] == [0, 1]
        }),
        "graphite-pickle" => signature((14.0, 14.0), "is a pickle", |m, _, _| {
            matches!(m, [0x80, 2..=5, .., b'.'])
        }),
        "mongodb" => signature((16.0, 16.0), "has an opcode of MongoDB", |m, _, _| {
            matches!(m.get(8..12), Some([1, 0, 0, 0] | [0xd1..=0xdd, 7, 0, 0]))
        }),
        "protobuf" => signature((0.5, 0.5), "begins with a field", |m, _, _| {
            m.first()
                .is_none_or(|tag| matches!(tag & 7, 0 | 1 | 2 | 5) && tag >> 3 > 0)
        }),
        "grpc" => signature((7.0, 7.0), "begins with 0 or 1", |m, _, _| {
            matches!(m.first(), Some(0 | 1))
        }),
        "docker" => signature((12.0, 12.0), "names stdin, stdout or stderr", |m, _, _| {
            matches!(m, [0..=2, 0, 0, 0, ..])
        }),
        "tls" => signature((16.0, 16.0), "is a TLS record", |m, _, _| {
            matches!(m, [20..=24, 3, 0..=4, ..])
        }),
        "mysql" => signature(
            (5.0, 5.0),
            "counts on from the one before",
            |m, _, before| match (m.first(), before.first()) {
                (Some(now), Some(before)) => *now == before.wrapping_add(1),
                _ => false,
            },
        )
        // Where it begins again, it does not count.
        .map(|signature| Signature {
            silent: |m| m[0] == 0,
            ..signature
        }),
        "mqtt" => signature((12.0, 4.0), "is an MQTT packet", |m, n, _| {
            let first = m.first().copied().unwrap_or(0);
            if n == 0 {
                matches!(first, 0x10 | 0x20)
            } else {
                match first >> 4 {
                    3 => true,
                    6 | 8 | 10 => first & 15 == 2,
                    1 | 2 | 4 | 5 | 7 | 9 | 11..=15 => first.trailing_zeros() >= 4,
                    _ => false,
                }
            }
        }),
        "ldap" => signature(
            (14.0, 14.0),
            "is a sequence with a message id",
            |m, _, _| matches!(m, [0x30, 2, 1..=4, ..]),
        ),
        "diameter" => signature((8.0, 8.0), "has version 1", |m, _, _| m.first() == Some(&1)),
        "bgp" => signature((40.0, 40.0), "begins with 16 bytes of 0xff", |m, _, _| {
            m.starts_with(&[0xff; 16])
        }),
        "bmp" => signature((8.0, 8.0), "has version 3", |m, _, _| {
            matches!(m, [3, 0..=6, ..])
        }),
        "tpkt" => signature((12.0, 12.0), "has version 3", |m, _, _| {
            matches!(m, [3, 0, ..])
        }),
        _ => None,
    }
}

/// The other half of them.
fn later(preset: &str, client: bool) -> Option<Signature> {
    match preset {
        "opcua" => signature((20.0, 20.0), "has a type of OPC UA", |m, _, _| {
            matches!(
                m.get(..3),
                Some(b"MSG" | b"OPN" | b"CLO" | b"HEL" | b"ACK" | b"ERR")
            )
        }),
        "modbus" => signature(
            (10.0, 10.0),
            "has protocol 0",
            |m, _, _| matches!(m, [_, _, 0, 0, _, function, ..] if function & 0x7f > 0),
        ),
        "iec104" => signature((8.0, 8.0), "begins with 0x68", |m, _, _| {
            m.first() == Some(&0x68)
        }),
        "gearman" => signature((24.0, 24.0), "begins with \\0REQ or \\0RES", |m, _, _| {
            m.starts_with(b"\0REQ") || m.starts_with(b"\0RES")
        }),
        "bitcoin" => signature((30.0, 30.0), "names a command", |m, _, _| {
            m.get(4..16).is_some_and(|name| {
                let letters = name.iter().take_while(|b| b.is_ascii_lowercase()).count();
                letters > 0 && name[letters..].iter().all(|b| *b == 0)
            })
        }),
        "uwsgi" => signature(
            (30.0, 30.0),
            "is a block of names and values",
            |m, _, _| matches!(m, [0, 0, rest @ ..] if is_full_of_strings(rest)),
        ),
        "nrpe" => signature((24.0, 24.0), "has version 2", |m, _, _| {
            matches!(m, [0, 2, 0, 1 | 2, ..])
        }),
        "postgres" if client => signature(
            (24.0, 2.0),
            "begins with a letter, after a start",
            |m, n, _| {
                if n == 0 {
                    matches!(m, [0, 3, 0, _, ..] | [4, 0xd2, 0x16, 0x2e..=0x30])
                } else {
                    m.first().is_some_and(u8::is_ascii_alphabetic)
                }
            },
        ),
        "postgres" => signature((8.0, 3.0), "begins with a letter or digit", |m, n, _| {
            let first = m.first().copied().unwrap_or(0);
            match n {
                0 => matches!(first, b'R' | b'E' | b'v'),
                _ => first.is_ascii_alphabetic() || matches!(first, b'1'..=b'3'),
            }
        }),
        _ => None,
    }
}

fn is_amqp(message: &[u8]) -> bool {
    matches!(message, [1..=3 | 8, _, _, ..])
}

fn is_http2(message: &[u8]) -> bool {
    matches!(message, [0..=9 | 0x10, _, stream, _, _, _, ..] if stream & 0x80 == 0)
}

/// Whether strings, each after its length as `u16le`, fill these bytes.
fn is_full_of_strings(mut bytes: &[u8]) -> bool {
    while let [low, high, rest @ ..] = bytes {
        let Some(after) = rest.get(usize::from(u16::from_le_bytes([*low, *high]))..) else {
            return false;
        };
        bytes = after;
    }
    bytes.is_empty()
}

/// Whether a line is a part of something that has several, as JSON that is laid out for people.
pub(crate) fn is_a_part(line: &[u8]) -> bool {
    matches!(
        line,
        [b' ' | b'\t', ..] | [b'{' | b'}' | b'[' | b']'] | [b'}' | b']', b',']
    )
}

pub(crate) fn is_text(message: &[u8]) -> bool {
    std::str::from_utf8(message).is_ok_and(|text| {
        !text
            .chars()
            .any(|c| c.is_control() && !matches!(c, '\t' | '\r' | '\x1b'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenfold_codec::PRESETS;

    #[test]
    fn every_rule_takes_any_bytes_without_a_panic() {
        for preset in PRESETS {
            for client in [true, false] {
                let Some(signature) = of(preset.name, client) else {
                    continue;
                };
                for length in 0..40 {
                    for fill in [0, 2, 0x30, 0xff] {
                        signature.fits(&vec![fill; length], 0, &[]);
                        signature.fits(&vec![fill; length], 1, &[fill]);
                    }
                }
            }
        }
    }
}
