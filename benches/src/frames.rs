//! Frames of `decimal:10`: making a stream of equal ones, and cutting one into blocks.

use std::io::{self, Read, Write};

/// The size of a block, and of a publisher's batch.
pub const BLOCK: usize = 64 * 1024;

/// The header of a payload of this size.
pub fn header(size: usize) -> Vec<u8> {
    format!("{size:<10}").into_bytes()
}

/// One frame around a payload of this size.
pub fn frame(size: usize) -> Vec<u8> {
    let mut frame = header(size);
    frame.resize(frame.len() + size, b'x');
    frame
}

/// Reads one frame and not a byte more, so that what follows it stays in the socket.
pub fn read_frame(mut source: impl Read, limit: usize) -> io::Result<Vec<u8>> {
    let mut header = [0; 10];
    source.read_exact(&mut header)?;
    let length = length(&header).filter(|length| *length <= limit);
    let mut payload = vec![0; length.ok_or(io::ErrorKind::InvalidData)?];
    source.read_exact(&mut payload)?;
    Ok(payload)
}

/// As many whole copies of a message as make a block, and at least one. Returns how many.
pub fn batch(message: &[u8]) -> (Vec<u8>, usize) {
    let count = (BLOCK / message.len()).max(1);
    (message.repeat(count), count)
}

/// Writes equal frames until they are `bytes` or a little more; returns how many messages.
pub fn write_file(mut out: impl Write, size: usize, bytes: usize) -> io::Result<usize> {
    let (batch, count) = batch(&frame(size));
    let batches = bytes.div_ceil(batch.len());
    for _ in 0..batches {
        out.write_all(&batch)?;
    }
    out.flush()?;
    Ok(batches * count)
}

/// Reads a stream as blocks of whole frames.
pub struct Blocks<R> {
    source: R,
    carried: Vec<u8>,
}

impl<R: Read> Blocks<R> {
    pub fn new(source: R) -> Self {
        Self {
            source,
            carried: Vec::new(),
        }
    }

    /// The next block and how many messages it is, or `None` at the end of the stream.
    pub fn next_block(&mut self) -> io::Result<Option<(Vec<u8>, u64)>> {
        let mut block = Vec::with_capacity(BLOCK.max(self.carried.len() * 2));
        block.append(&mut self.carried);
        loop {
            let filled = block.len();
            block.resize(block.capacity(), 0);
            let read = self.source.read(&mut block[filled..])?;
            block.truncate(filled + read);
            if read == 0 {
                return if filled == 0 {
                    Ok(None)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                };
            }
            let (end, messages) = whole_frames(&block)?;
            if messages > 0 {
                self.carried.extend_from_slice(&block[end..]);
                block.truncate(end);
                return Ok(Some((block, messages)));
            }
            if block.len() == block.capacity() {
                block.reserve(block.len());
            }
        }
    }
}

/// Where the last whole frame ends, and how many there are.
pub fn whole_frames(bytes: &[u8]) -> io::Result<(usize, u64)> {
    let mut end = 0;
    let mut messages = 0;
    while let Some(header) = bytes.get(end..end + 10) {
        let length = length(header).ok_or(io::ErrorKind::InvalidData)?;
        if bytes.len() - end - 10 < length {
            break;
        }
        end += 10 + length;
        messages += 1;
    }
    Ok((end, messages))
}

/// What a header announces, if it is one.
pub fn length(header: &[u8]) -> Option<usize> {
    let digits = header
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let (digits, spaces) = header.split_at(digits);
    let canonical = !digits.is_empty() && (digits[0] != b'0' || digits.len() == 1);
    let value = digits
        .iter()
        .fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'));
    (canonical && spaces.iter().all(|byte| *byte == b' ')).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_frame_leaves_what_follows() {
        let mut stream: &[u8] = b"2         OKnext";
        assert_eq!(read_frame(&mut stream, 4096).unwrap(), b"OK");
        assert_eq!(stream, b"next");
    }

    #[test]
    fn read_frame_refuses_bad_headers_and_long_payloads() {
        for stream in ["HTTP/1.1 400 ", "02        OK", "4097      "] {
            assert!(read_frame(stream.as_bytes(), 4096).is_err(), "{stream}");
        }
    }
}
