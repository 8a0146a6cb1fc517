//! Modbus as it is on a serial line: an address, a function, data, and a checksum; no length.

use tenfold_codec::{Framing, Side};

use super::{Finding, Scene};

/// The longest frame of Modbus RTU.
const LONGEST: usize = 256;

pub(super) fn find(scene: Scene<'_>) -> Option<Finding> {
    (is_modbus(scene.side) && is_rtu(scene.excerpt.beginning(), scene.ended)).then(finding)
}

pub(crate) fn finding() -> Finding {
    Finding::new(
        "modbus-rtu",
        96,
        "this is Modbus RTU, as on a serial line, with its checksum and without a length: the gateway passes the bytes \
         on as they are (set it to Modbus TCP, or talk RTU over TCP to it)",
    )
}

pub(crate) fn is_modbus(side: &Side) -> bool {
    "modbus"
        .parse::<Framing>()
        .is_ok_and(|modbus| modbus.client() == side)
}

/// Whether these bytes are frames, each with the right checksum.
pub(crate) fn is_rtu(bytes: &[u8], whole: bool) -> bool {
    let (mut rest, mut frames) = (bytes, 0);
    while let Some(size) = frame(rest) {
        rest = &rest[size..];
        frames += 1;
    }
    frames > 0 && rest.is_empty() || frames > 2 && !whole
}

/// Bytes of the frame at the beginning of these.
fn frame(bytes: &[u8]) -> Option<usize> {
    let [0..=247, function, ..] = bytes else {
        return None;
    };
    if matches!(function, 0 | 0x80) {
        return None;
    }
    let mut crc = 0xffff_u16;
    for (at, byte) in bytes.iter().take(LONGEST).enumerate() {
        crc = (0..8).fold(crc ^ u16::from(*byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0xa001 } else { 0 }
        });
        // With its checksum a frame has the checksum 0.
        if crc == 0 && at >= 3 {
            return Some(at + 1);
        }
    }
    None
}
