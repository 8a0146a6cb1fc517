//! Byte stuffing, undone and done. To undo takes the bytes of a frame up to its end byte, `ended`
//! or as far as they have come; it gives the message so far, and whether the frame is broken.

pub(crate) fn uncobs(raw: &[u8], ended: bool) -> (Vec<u8>, bool) {
    let mut message = Vec::new();
    let mut at = 0;
    let mut zero = false;
    while at < raw.len() {
        if zero {
            message.push(0);
        }
        let code = usize::from(raw[at]);
        let block = &raw[at + 1..(at + code).min(raw.len())];
        message.extend(block);
        if block.len() < code - 1 {
            return (message, ended);
        }
        zero = code < 255;
        at += code;
    }
    (message, false)
}

pub(crate) fn unslip(raw: &[u8], ended: bool) -> (Vec<u8>, bool) {
    let mut message = Vec::new();
    let mut bytes = raw.iter();
    while let Some(byte) = bytes.next() {
        message.push(match (byte, (*byte == 0xdb).then(|| bytes.next())) {
            (byte, None) => *byte,
            (_, Some(Some(0xdc))) => 0xc0,
            (_, Some(Some(0xdd))) => 0xdb,
            (_, Some(Some(_))) => return (message, true),
            (_, Some(None)) => return (message, ended),
        });
    }
    (message, false)
}

pub(crate) fn unhdlc(raw: &[u8], ended: bool) -> (Vec<u8>, bool) {
    let mut message = Vec::new();
    let mut bytes = raw.iter();
    while let Some(byte) = bytes.next() {
        message.push(match (byte, (*byte == 0x7d).then(|| bytes.next())) {
            (byte, None) => *byte,
            (_, Some(Some(escaped))) => escaped ^ 0x20,
            (_, Some(None)) => return (message, ended),
        });
    }
    (message, false)
}

pub(crate) fn cobs(message: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    let mut rest = message;
    loop {
        let run = rest.iter().take_while(|byte| **byte != 0).count();
        let block = &rest[..run.min(254)];
        frame.push(u8::try_from(block.len()).unwrap() + 1);
        frame.extend(block);
        rest = &rest[block.len()..];
        match rest {
            [] => break,
            // A full block has no zero after it, so the zero gets a block of its own.
            [0, after @ ..] if block.len() < 254 => rest = after,
            _ => {}
        }
    }
    frame.push(0);
    frame
}

pub(crate) fn slip(message: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    for &byte in message {
        match byte {
            0xc0 => frame.extend([0xdb, 0xdc]),
            0xdb => frame.extend([0xdb, 0xdd]),
            byte => frame.push(byte),
        }
    }
    frame.push(0xc0);
    frame
}

pub(crate) fn hdlc(message: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x7e];
    for &byte in message {
        match byte {
            0x7e => frame.extend([0x7d, 0x5e]),
            0x7d => frame.extend([0x7d, 0x5d]),
            byte => frame.push(byte),
        }
    }
    frame.push(0x7e);
    frame
}
