//! Messages as events of `text/event-stream`.

use tenfold::protocol::Epoch;

use super::Gap;
use super::json_lines::{put_base64, put_number};

/// Appends the event of a message.
///
/// A line of data begins with a space that readers take away, so one that the message has stays. A carriage return would
/// end a line, and bytes that are not UTF-8 would be replaced.
pub(super) fn put(epoch: Epoch, seq: u64, message: &[u8], out: &mut Vec<u8>) {
    let is_text = !message.contains(&b'\r') && str::from_utf8(message).is_ok();
    if !is_text {
        out.extend_from_slice(b"event: base64\n");
    }
    put_id(epoch, seq, out);
    if is_text {
        for line in message.split(|byte| *byte == b'\n') {
            out.extend_from_slice(b"data: ");
            out.extend_from_slice(line);
            out.push(b'\n');
        }
    } else {
        out.extend_from_slice(b"data: ");
        put_base64(message, out);
        out.push(b'\n');
    }
    out.push(b'\n');
}

/// The event of a gap. A client that comes back after it goes on with the message that comes next.
pub(super) fn gap(gap: &Gap) -> Vec<u8> {
    let mut out = b"event: gap\n".to_vec();
    if let Some(before) = gap.first.checked_sub(1) {
        put_id(gap.epoch, before, &mut out);
    }
    let Gap {
        reason,
        expected,
        first,
        epoch,
    } = gap;
    let data = format!(
        "data: {{\"reason\":\"{reason}\",\"expected\":{expected},\"first\":{first},\"epoch\":\"{epoch}\"}}\n\n"
    );
    out.extend_from_slice(data.as_bytes());
    out
}

fn put_id(epoch: Epoch, seq: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"id: ");
    for byte in epoch.0.to_be_bytes() {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        out.push(HEX[usize::from(byte >> 4)]);
        out.push(HEX[usize::from(byte & 15)]);
    }
    out.push(b'.');
    put_number(seq, out);
    out.push(b'\n');
}
