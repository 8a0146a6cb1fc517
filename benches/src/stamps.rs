//! Finds the time stamps in a subscriber's stream, which is equal messages whose payloads begin
//! with one, however the stream is cut into reads.

use std::io;

use crate::servers::Server;

/// The size of a time stamp.
pub const STAMP: usize = 8;

/// Where the stamps are in the stream of any subscriber of a server.
#[derive(Clone)]
pub struct Layout {
    message: usize,
    before: Vec<u8>,
    interjection: &'static [u8],
}

impl Layout {
    pub fn new(server: &dyn Server, size: usize) -> Self {
        let envelope = server.delivered(size);
        Self {
            message: envelope.len(size),
            before: envelope.before,
            interjection: server.interjection(),
        }
    }
}

/// How far a stream has been read.
#[derive(Default)]
pub struct Stamps {
    /// Bytes of the current message that have been seen.
    at: usize,
    stamp: [u8; STAMP],
    /// Bytes of an interjection that are still to come.
    skip: usize,
}

impl Stamps {
    /// Takes what was read, and hands on the stamp of each message that is complete with it.
    pub fn take(
        &mut self,
        layout: &Layout,
        mut bytes: &[u8],
        mut found: impl FnMut(u64),
    ) -> io::Result<()> {
        while let Some(&next) = bytes.first() {
            if self.at == 0 && self.skip == 0 && next != layout.before[0] {
                if layout.interjection.first() != Some(&next) {
                    return Err(io::Error::other(format!(
                        "a message begins with {:?}, not with {:?}",
                        char::from(next),
                        String::from_utf8_lossy(&layout.before)
                    )));
                }
                self.skip = layout.interjection.len();
            }
            if self.skip > 0 {
                let skipped = self.skip.min(bytes.len());
                self.skip -= skipped;
                bytes = &bytes[skipped..];
                continue;
            }
            let (part, rest) = bytes.split_at(bytes.len().min(layout.message - self.at));
            self.keep_stamp(part, layout.before.len());
            self.at += part.len();
            bytes = rest;
            if self.at == layout.message {
                self.at = 0;
                found(u64::from_le_bytes(self.stamp));
            }
        }
        Ok(())
    }

    /// Copies what of the stamp is in this part of a message, which begins at `self.at`.
    fn keep_stamp(&mut self, part: &[u8], begin: usize) {
        let first = begin.max(self.at);
        let end = (begin + STAMP).min(self.at + part.len());
        if first < end {
            self.stamp[first - begin..end - begin]
                .copy_from_slice(&part[first - self.at..end - self.at]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers::Envelope;

    fn layout(envelope: &Envelope) -> Layout {
        Layout {
            message: envelope.len(11),
            before: envelope.before.clone(),
            interjection: b"PING\r\n",
        }
    }

    #[test]
    fn finds_stamps_however_the_stream_is_cut() {
        let envelope = Envelope {
            before: b"MSG ticks 1 11\r\n".to_vec(),
            after: b"\r\n",
        };
        let layout = layout(&envelope);
        let message = |stamp: u64| envelope.around(&[&stamp.to_le_bytes()[..], b"abc"].concat());
        let stream = [
            &message(7),
            &b"PING\r\n"[..],
            &message(1 << 60),
            &message(9),
        ]
        .concat();
        for size in 1..=stream.len() {
            let (mut stamps, mut found) = (Stamps::default(), Vec::new());
            for part in stream.chunks(size) {
                stamps
                    .take(&layout, part, |stamp| found.push(stamp))
                    .unwrap();
            }
            assert_eq!(found, [7, 1 << 60, 9], "in parts of {size}");
        }
    }

    #[test]
    fn refuses_a_stream_out_of_step() {
        let envelope = Envelope {
            before: b"11        ".to_vec(),
            after: b"",
        };
        let taken = Stamps::default().take(&layout(&envelope), b"ERROR", |_| {});
        assert!(taken.is_err());
    }
}
