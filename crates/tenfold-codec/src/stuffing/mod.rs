//! Byte stuffing: the bytes that mean something, and each direction in a file.

pub(crate) mod stuff;
pub(crate) mod unstuff;

/// HDLC's flag and escape (RFC 1662, section 4).
const FLAG: u8 = 0x7e;
const ESCAPE: u8 = 0x7d;
/// What an escaped octet is xored with.
const FLIP: u8 = 0x20;
/// SLIP's END and ESC, and what stands for them after an ESC (RFC 1055).
const END: u8 = 0xc0;
const ESC: u8 = 0xdb;
const ESC_END: u8 = 0xdc;
const ESC_ESC: u8 = 0xdd;
/// The bytes that a full COBS block has after its code.
const COBS_FULL: u8 = 254;
