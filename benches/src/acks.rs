//! Counts the messages that a server has acknowledged, however the stream of its answers is cut
//! into reads.

use std::io;

/// What one answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// One message more is durable.
    One,
    /// So many messages of this connection are durable.
    Upto(u64),
    /// Nothing about messages.
    Other,
}

/// How long the first answer in some bytes is, and what it says; `None` if it is not whole.
pub type Parse = fn(&[u8]) -> io::Result<Option<(usize, Answer)>>;

pub struct Acks {
    parse: Parse,
    carried: Vec<u8>,
    total: u64,
}

impl Acks {
    pub fn new(parse: Parse) -> Self {
        Self {
            parse,
            carried: Vec::new(),
            total: 0,
        }
    }

    /// Takes what was read.
    pub fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.carried.extend_from_slice(bytes);
        let mut end = 0;
        while let Some((length, answer)) = (self.parse)(&self.carried[end..])? {
            match answer {
                Answer::One => self.total += 1,
                Answer::Upto(total) => self.total = total,
                Answer::Other => {}
            }
            end += length;
        }
        self.carried.drain(..end);
        Ok(())
    }

    /// How many messages are acknowledged.
    pub fn total(&self) -> u64 {
        self.total
    }
}

/// The first line, and how long it is with its end.
pub fn line(bytes: &[u8]) -> Option<(&str, usize)> {
    let end = memchr::memchr(b'\n', bytes)?;
    let line = std::str::from_utf8(&bytes[..end]).unwrap_or("(not UTF-8)");
    Some((line.trim_end_matches('\r'), end + 1))
}

/// What a server has answered that is not an acknowledgement.
pub fn refusal(server: &str, answer: &[u8]) -> io::Error {
    let answer = String::from_utf8_lossy(answer);
    io::Error::other(format!("{server} answered {answer:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_however_they_are_cut() {
        let parse: Parse = |bytes| {
            Ok(line(bytes).map(|(text, length)| {
                let answer = text.parse().map_or(Answer::One, Answer::Upto);
                (length, answer)
            }))
        };
        let stream = b"x\r\n7\r\nx\r\n";
        for size in 1..=stream.len() {
            let mut acks = Acks::new(parse);
            for part in stream.chunks(size) {
                acks.take(part).unwrap();
            }
            assert_eq!(acks.total(), 8, "in parts of {size}");
        }
    }
}
