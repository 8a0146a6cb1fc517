//! The body of a request: how long it is, and its bytes.

use bytes::{Bytes, BytesMut};

use crate::head::{Head, Version};
use crate::problem::Problem;

/// The body of a request, as it is received. Tell it what has come, and it takes its bytes from that, and nothing of
/// what follows the request.
///
/// ```
/// use bytes::BytesMut;
/// use tenfold_http::{Body, Head, Piece};
///
/// let bytes = b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhelloGET /";
/// let (head, length) = Head::read(bytes)?.expect("it is whole");
/// let mut body = Body::of(&head)?;
/// let mut received = BytesMut::from(&bytes[length..]);
/// assert_eq!(body.take(&mut received)?, Piece::Bytes("hello".into()));
/// assert_eq!(body.take(&mut received)?, Piece::End);
/// assert_eq!(received, "GET /");
/// # Ok::<(), tenfold_http::Problem>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Body(State);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// So many bytes, and then the end.
    Exactly(u64),
    /// The line with the length of a chunk.
    Size,
    /// The rest of a chunk.
    Chunk(u64),
    /// The CRLF after a chunk.
    ChunkEnd,
    /// The CRLF after the last chunk.
    LastEnd,
    /// Whatever comes, until the stream ends that carries it.
    Open,
    End,
}

/// What was taken of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Piece {
    /// Some of its bytes.
    Bytes(Bytes),
    /// Nothing: more has to come first.
    Incomplete,
    /// The body has ended.
    End,
}

/// The most digits of the length of a chunk: all that a number of 64 bits can have.
const DIGITS: usize = 16;

impl Body {
    /// The body of the request with this head.
    pub fn of(head: &Head) -> Result<Self, Problem> {
        let length = head.one("content-length")?;
        let coding = head.one("transfer-encoding")?;
        match (coding, length) {
            (None, None) if head.version() == (Version::Http2 { has_body: true }) => {
                Ok(Self(State::Open))
            }
            (None, None) => Ok(Self(State::End)),
            (None, Some(length)) => {
                let bad = || Problem::bad("Content-Length is not a number");
                let digits = length.bytes().all(|byte| byte.is_ascii_digit());
                let length = digits.then(|| length.parse().ok()).flatten();
                Ok(Self::exactly(length.ok_or_else(bad)?))
            }
            (Some(_), Some(_)) => Err(Problem::bad("Content-Length beside Transfer-Encoding")),
            (Some(_), None) if head.version() != Version::Http11 => {
                Err(Problem::bad("Transfer-Encoding is only in HTTP/1.1"))
            }
            (Some(coding), None) if coding.eq_ignore_ascii_case("chunked") => Ok(Self(State::Size)),
            (Some(_), None) => Err(Problem::bad("the only Transfer-Encoding here is chunked")),
        }
    }

    fn exactly(length: u64) -> Self {
        Self(match length {
            0 => State::End,
            length => State::Exactly(length),
        })
    }

    /// Whether there is nothing more to come.
    pub fn is_ended(&self) -> bool {
        self.0 == State::End
    }

    /// How many bytes come yet, where that was said before them.
    pub fn left(&self) -> Option<u64> {
        match self.0 {
            State::Exactly(left) => Some(left),
            State::End => Some(0),
            _ => None,
        }
    }

    /// Takes what is there of the body from the front of what was received.
    pub fn take(&mut self, received: &mut BytesMut) -> Result<Piece, Problem> {
        loop {
            match self.0 {
                State::End => return Ok(Piece::End),
                _ if received.is_empty() => return Ok(Piece::Incomplete),
                State::Open => return Ok(Piece::Bytes(received.split().freeze())),
                State::Exactly(left) => {
                    let (bytes, left) = split(received, left);
                    *self = Self::exactly(left);
                    return Ok(Piece::Bytes(bytes));
                }
                State::Chunk(left) => {
                    let (bytes, left) = split(received, left);
                    self.0 = match left {
                        0 => State::ChunkEnd,
                        left => State::Chunk(left),
                    };
                    return Ok(Piece::Bytes(bytes));
                }
                State::Size => match size(received)? {
                    None => return Ok(Piece::Incomplete),
                    Some((0, length)) => self.pass(received, length, State::LastEnd),
                    Some((size, length)) => self.pass(received, length, State::Chunk(size)),
                },
                State::ChunkEnd | State::LastEnd => {
                    let seen = &received[..received.len().min(2)];
                    if !b"\r\n".starts_with(seen) {
                        return Err(Problem::bad(match self.0 {
                            State::LastEnd => "a body has no trailers here",
                            _ => "a chunk that is longer than it says",
                        }));
                    }
                    if seen.len() < 2 {
                        return Ok(Piece::Incomplete);
                    }
                    let next = match self.0 {
                        State::LastEnd => State::End,
                        _ => State::Size,
                    };
                    self.pass(received, 2, next);
                }
            }
        }
    }

    fn pass(&mut self, received: &mut BytesMut, bytes: usize, next: State) {
        let _ = received.split_to(bytes);
        self.0 = next;
    }
}

/// Takes at most so many bytes, and says how many are left of them.
fn split(received: &mut BytesMut, most: u64) -> (Bytes, u64) {
    let taken = usize::try_from(most)
        .unwrap_or(usize::MAX)
        .min(received.len());
    (received.split_to(taken).freeze(), most - taken as u64)
}

/// The length of a chunk and of the line that says it; `None` if the line is not whole.
fn size(received: &[u8]) -> Result<Option<(u64, usize)>, Problem> {
    let bad = || Problem::bad("the length of a chunk is 1 to 16 hexadecimal digits and CRLF");
    let is_digit = |byte: &&u8| byte.is_ascii_hexdigit();
    let digits = received.iter().take_while(is_digit).count();
    let rest = &received[digits..];
    if digits > DIGITS || (digits == 0 && !rest.is_empty()) {
        return Err(bad());
    }
    match rest {
        [] | [b'\r'] => Ok(None),
        [b'\r', b'\n', ..] => {
            let text = str::from_utf8(&received[..digits]).map_err(|_| bad())?;
            let size = u64::from_str_radix(text, 16).map_err(|_| bad())?;
            Ok(Some((size, digits + 2)))
        }
        _ => Err(bad()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn body(headers: &str) -> Result<Body, Problem> {
        let head = format!("POST / HTTP/1.1\r\n{headers}\r\n");
        Body::of(&Head::read(head.as_bytes())?.unwrap().0)
    }

    fn all(
        body: &mut Body,
        received: &[u8],
        step: usize,
    ) -> Result<(Vec<u8>, Vec<u8>, bool), Problem> {
        let (mut buffer, mut bytes) = (BytesMut::new(), Vec::new());
        let mut parts = received.chunks(step);
        loop {
            match body.take(&mut buffer)? {
                Piece::Bytes(piece) => bytes.extend(piece),
                Piece::End => {
                    let rest = parts.flatten().copied();
                    return Ok((bytes, buffer.iter().copied().chain(rest).collect(), true));
                }
                Piece::Incomplete => match parts.next() {
                    Some(part) => buffer.extend_from_slice(part),
                    None => return Ok((bytes, buffer.to_vec(), false)),
                },
            }
        }
    }

    #[test]
    fn a_length_is_one_number_or_chunks() {
        for (headers, ok) in [
            ("", true),
            ("Content-Length: 5\r\n", true),
            ("Content-Length: 18446744073709551615\r\n", true),
            ("Transfer-Encoding: chunked\r\n", true),
            ("Transfer-Encoding: CHUNKED\r\n", true),
            ("Content-Length: 5\r\nContent-Length: 5\r\n", false),
            ("Content-Length: 5\r\nContent-Length: 6\r\n", false),
            ("Content-Length: 5, 5\r\n", false),
            ("Content-Length: +5\r\n", false),
            ("Content-Length: -5\r\n", false),
            ("Content-Length: 0x5\r\n", false),
            ("Content-Length:\r\n", false),
            ("Content-Length: 18446744073709551616\r\n", false),
            ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", false),
            ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", false),
            (
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                false,
            ),
            ("Transfer-Encoding: gzip, chunked\r\n", false),
            ("Transfer-Encoding: identity\r\n", false),
            ("Transfer-Encoding: xchunked\r\n", false),
        ] {
            assert_eq!(body(headers).is_ok(), ok, "{headers}");
        }
    }

    #[test]
    fn chunks_that_are_not_are_refused() {
        for wrong in [
            "\r\n",
            "g\r\n",
            "5;a=b\r\n",
            "5 \r\n",
            " 5\r\n",
            "5\n",
            "5\rx",
            "-5\r\n",
            "0x5\r\n",
            "11111111111111111\r\n",
            "1\r\nab",
            "1\r\na\n",
            "0\r\nTrailer: a\r\n\r\n",
        ] {
            let mut body = body("Transfer-Encoding: chunked\r\n").unwrap();
            assert!(all(&mut body, wrong.as_bytes(), 1).is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn a_body_is_the_same_however_it_is_cut_and_takes_nothing_after_it(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..6),
            step in 1_usize..50,
        ) {
            let whole = chunks.concat();
            let mut chunked = Vec::new();
            for chunk in &chunks {
                chunked.extend(format!("{:X}\r\n", chunk.len()).into_bytes());
                chunked.extend(chunk);
                chunked.extend(b"\r\n");
            }
            chunked.extend(b"0\r\n\r\nGET /");
            let mut chunks = body("Transfer-Encoding: chunked\r\n").unwrap();
            prop_assert_eq!(all(&mut chunks, &chunked, step), Ok((whole.clone(), b"GET /".to_vec(), true)));
            let mut exactly = body(&format!("Content-Length: {}\r\n", whole.len())).unwrap();
            let followed = [&whole[..], b"GET /"].concat();
            prop_assert_eq!(all(&mut exactly, &followed, step), Ok((whole, b"GET /".to_vec(), true)));
        }

        #[test]
        fn any_bytes_are_a_body_or_a_problem(bytes in proptest::collection::vec(any::<u8>(), 0..100), step in 1_usize..20) {
            let mut chunks = body("Transfer-Encoding: chunked\r\n").unwrap();
            let _ = all(&mut chunks, &bytes, step);
        }
    }
}
