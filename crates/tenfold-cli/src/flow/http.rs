//! HTTP requests at a port for lines.
//!
//! A page of any site can have a browser send a request to a port of this machine, and the body of it can have
//! lines of the page's choice. So a listener of lines must not take the lines of such a request for messages. (A
//! framing with a length refuses it at its first byte.)

use tenfold::{Event, Shape, Side, Step};

use crate::failure::Failure;

/// Looks at the first message of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Guard {
    is_on: bool,
}

impl Guard {
    /// For a connection that a stranger may have made, if all its messages end at a delimiter. A framing that goes on
    /// in another way after the first one, as HTTP itself does, is meant so.
    pub(crate) fn of(side: &Side) -> Self {
        let is_delimited = |step: &Step| matches!(step.shape(), Shape::Delim(_));
        let is_on = side.steps().iter().all(is_delimited);
        Self { is_on }
    }

    /// For what was chosen by whoever runs the command.
    pub(crate) fn off() -> Self {
        Self { is_on: false }
    }

    /// An error if the connection begins as a request of HTTP does.
    pub(crate) fn check(&mut self, event: Event<'_>) -> Result<(), Failure> {
        if !std::mem::take(&mut self.is_on) {
            return Ok(());
        }
        match event {
            Event::Message(bytes) | Event::Data(bytes) if is_request(bytes) => Err(Failure::Framing(
                "it begins as an HTTP request, which a page can have a browser send to any port: its lines are not \
                 taken for messages"
                    .to_owned(),
            )),
            // The announcement of a message that comes in pieces.
            Event::Begin { .. } => {
                self.is_on = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Whether the first line is `METHOD TARGET HTTP/VERSION`.
fn is_request(message: &[u8]) -> bool {
    let line = message.split(|byte| *byte == b'\n').next();
    let line = line.unwrap_or_default().trim_ascii_end();
    let mut words = line.split(|byte| *byte == b' ');
    let (Some(method), Some(version)) = (words.next(), words.next_back()) else {
        return false;
    };
    let is_method = |method: &[u8]| {
        !method.is_empty()
            && method
                .iter()
                .all(|byte| byte.is_ascii_alphabetic() || *byte == b'-')
    };
    is_method(method) && version.starts_with(b"HTTP/") && words.next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guarded(framing: &str, first: &[u8]) -> bool {
        let framing: tenfold::Framing = framing.parse().unwrap();
        let mut guard = Guard::of(framing.client());
        guard.check(Event::Message(first)).is_err()
    }

    #[test]
    fn requests_of_browsers_are_refused_where_messages_are_lines() {
        for line in [
            &b"GET / HTTP/1.1\r"[..],
            b"POST /a?b=c d HTTP/1.1",
            b"OPTIONS * HTTP/1.0\r",
            b"PRI * HTTP/2.0",
            b"post / HTTP/1.1\r\nHost: a",
        ] {
            assert!(guarded("line", line));
            assert!(guarded("delim:\\r\\n", line));
            assert!(guarded("delim:\\0", line));
            assert!(guarded("delim:\\x2f", line));
        }
    }

    #[test]
    fn other_lines_are_messages() {
        for line in [
            &b""[..],
            b"GET",
            b"GET HTTP/1.1",
            b"the method is GET / HTTP/1.1, he said",
            b"127.0.0.1 \"GET / HTTP/1.1\" 200",
            b"{\"a\": 1} x HTTP/1.1",
        ] {
            assert!(!guarded("line", line), "{line:?}");
        }
        assert!(!guarded("decimal:10", b"GET / HTTP/1.1"));
        // HTTP itself: a block of headers, and then chunks.
        let http = r"delim:\r\n\r\n/hex,end=\r\n,close=\r\n";
        assert!(!guarded(http, b"PUT / HTTP/1.1\r\nHost: a"));
    }

    #[test]
    fn only_the_first_message_is_looked_at() {
        let framing: tenfold::Framing = "line".parse().unwrap();
        let mut guard = Guard::of(framing.client());
        assert!(guard.check(Event::Message(b"hello")).is_ok());
        assert!(guard.check(Event::Message(b"GET / HTTP/1.1")).is_ok());
        let mut off = Guard::off();
        assert!(off.check(Event::Message(b"GET / HTTP/1.1")).is_ok());
    }
}
