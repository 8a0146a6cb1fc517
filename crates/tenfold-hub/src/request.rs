//! The first frame of a connection, without its socket.

use bytes::BytesMut;
use tenfold::protocol::{MAX_REQUEST, Refusal, Request, Token};
use tenfold::{Framing, native};

use crate::intake::Intake;
use crate::refusals::{bad_frame, speaks_no_tls};

/// The first byte of a client that speaks TLS.
const CLIENT_HELLO: u8 = 22;

/// Receives the request of a connection, byte by byte if need be.
///
/// To drive it: receive into [`space`](Self::space), then ask [`received`](Self::received).
#[derive(Debug)]
pub(crate) struct FirstFrame {
    intake: Intake,
}

/// What the bytes so far are.
#[derive(Debug)]
pub(crate) enum Received {
    /// Not enough yet.
    Incomplete(FirstFrame),
    /// A request, the token that came with it, and what was received after it.
    Request(Request, Option<Token>, Intake),
    /// None.
    Refused(Refusal),
    /// The client has gone without a byte.
    Nothing,
}

impl FirstFrame {
    pub(crate) fn new() -> Self {
        let framing = Framing::default();
        Self {
            intake: Intake::new(framing.client(), MAX_REQUEST as u64),
        }
    }

    pub(crate) fn space(&mut self) -> (&mut BytesMut, usize) {
        let room = self.intake.room();
        (self.intake.space(), room)
    }

    /// Understands what was received; `ended`: nothing more will come.
    pub(crate) fn received(mut self, ended: bool) -> Received {
        if ended {
            if self.intake.held() == 0 {
                return Received::Nothing;
            }
            self.intake.finish();
        }
        match self.intake.scan(1) {
            Ok(0) => Received::Incomplete(self),
            Ok(_) => {
                let frame = self.intake.take_block();
                match Request::parse_with_token(&frame.bytes()[native::HEADER..]) {
                    Ok((request, token)) => Received::Request(request, token, self.intake),
                    Err(bad) => Received::Refused(bad.into()),
                }
            }
            Err(_) if self.intake.space().first() == Some(&CLIENT_HELLO) => {
                Received::Refused(speaks_no_tls())
            }
            Err(error) => Received::Refused(bad_frame(&error, 0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use tenfold::protocol::Code;

    use super::*;

    fn receive(parts: &[&[u8]], ended: bool) -> Received {
        let mut frame = FirstFrame::new();
        for (index, part) in parts.iter().enumerate() {
            frame.space().0.extend_from_slice(part);
            match frame.received(ended && index + 1 == parts.len()) {
                Received::Incomplete(more) => frame = more,
                other => return other,
            }
        }
        Received::Incomplete(frame)
    }

    #[test]
    fn a_request_is_the_same_at_every_split() {
        let bytes = b"26        SUBSCRIBE ticks from=first5         hello";
        for split in 1..bytes.len() {
            let received = receive(&[&bytes[..split], &bytes[split..]], false);
            let Received::Request(request, None, intake) = received else {
                panic!("split at {split}");
            };
            assert_eq!(request.to_string(), "SUBSCRIBE ticks from=first");
            assert_eq!(intake.held(), if split >= 36 { split - 36 } else { 15 });
        }
    }

    #[test]
    fn the_first_byte_that_cannot_be_refuses() {
        for (bytes, words) in [
            (&b"G"[..], "not a length"),
            (b"GET / HTTP/1.1\r\n", "not a length; this looks like HTTP"),
            (
                b"1x",
                "not a length; this looks like a number without padding (fill it with spaces up to the width of the header)",
            ),
        ] {
            let Received::Refused(refusal) = receive(&[bytes], false) else {
                panic!("{}", bytes.escape_ascii());
            };
            assert_eq!(
                refusal.to_string(),
                format!("ERROR HEADER offset=0 message=0 {words}")
            );
        }
    }

    #[test]
    fn a_client_that_speaks_tls_is_told_where_to_connect() {
        for hello in [&b"\x16"[..], b"\x16\x03\x01\x02\x00\x01"] {
            let Received::Refused(refusal) = receive(&[hello], false) else {
                panic!("{}", hello.escape_ascii());
            };
            assert_eq!(
                refusal.to_string(),
                "ERROR PROTO this port does not speak TLS: connect to tcp://, or to a port that is tls://"
            );
        }
    }

    #[test]
    fn a_request_is_limited_by_its_header() {
        let Received::Refused(refusal) = receive(&[b"4097      "], false) else {
            panic!();
        };
        assert!(
            refusal
                .to_string()
                .starts_with("ERROR TOO_LARGE offset=0 message=0 length=4097 limit=4096 ")
        );
    }

    #[test]
    fn the_end_inside_a_request_is_told_from_the_end_before_it() {
        assert!(matches!(receive(&[b""], true), Received::Nothing));
        let Received::Refused(refusal) = receive(&[b"8         CHAN"], true) else {
            panic!();
        };
        assert_eq!(refusal.code, Some(Code::Header));
    }
}
