//! The head of a request: its first line and its headers.

use crate::problem::Problem;
use crate::status::Status;

/// The largest head, in bytes. Browsers send one to two KiB; what is larger has cookies of somebody else in it.
pub const MAX_HEAD: usize = 8 * 1024;
/// The most headers.
pub const MAX_HEADERS: usize = 64;

/// The method of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Method {
    /// `GET`
    Get,
    /// `HEAD`
    Head,
    /// `POST`
    Post,
    /// `OPTIONS`
    Options,
    /// One that this door knows nothing about.
    Other,
}

/// The version of HTTP in which a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Version {
    /// HTTP/1.0, which knows neither chunks nor upgrades.
    Http10,
    /// HTTP/1.1
    Http11,
    /// HTTP/2, where a stream says by itself how long a body is.
    Http2 {
        /// Something follows the head.
        has_body: bool,
    },
}

/// The first line of a request and its headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    method: Method,
    path: String,
    query: String,
    version: Version,
    /// Names are in lower case.
    headers: Vec<(String, String)>,
}

impl Head {
    /// Reads a head from the beginning of what was received, and says how long it is; `None` as long as it is not whole.
    ///
    /// What two readers could understand in two ways is an error, at its first byte: a line that does not end with CRLF, a
    /// control character, a folded header, a space before a colon.
    pub fn read(received: &[u8]) -> Result<Option<(Self, usize)>, Problem> {
        let seen = &received[..received.len().min(MAX_HEAD)];
        let Some(length) = whole(seen)? else {
            if received.len() >= MAX_HEAD {
                let words = format!("the head of a request has at most {MAX_HEAD} bytes");
                return Err(Problem::new(Status::HEAD_TOO_LARGE, words));
            }
            return Ok(None);
        };
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(&received[..length]) {
            Ok(httparse::Status::Complete(read)) if read == length => {}
            Err(httparse::Error::TooManyHeaders) => {
                let words = format!("a request has at most {MAX_HEADERS} headers");
                return Err(Problem::new(Status::HEAD_TOO_LARGE, words));
            }
            Err(error) => return Err(Problem::bad(error.to_string())),
            Ok(_) => return Err(Problem::bad("not the head of a request")),
        }
        let version = match request.version {
            Some(1) => Version::Http11,
            _ => Version::Http10,
        };
        let header = |header: &httparse::Header<'_>| {
            let value = String::from_utf8_lossy(header.value).into_owned();
            (header.name.to_ascii_lowercase(), value)
        };
        let (method, target) = (request.method.unwrap_or(""), request.path.unwrap_or(""));
        let headers = request.headers.iter().map(header).collect();
        Self::of(method, target, version, headers).map(|head| Some((head, length)))
    }

    /// The head with these parts. Names of headers are in lower case.
    pub(crate) fn of(
        method: &str,
        target: &str,
        version: Version,
        headers: Vec<(String, String)>,
    ) -> Result<Self, Problem> {
        if !target.starts_with('/') || target.contains('#') || !target.is_ascii() {
            return Err(Problem::bad("the target of a request is a path"));
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Ok(Self {
            method: match method {
                "GET" => Method::Get,
                "HEAD" => Method::Head,
                "POST" => Method::Post,
                "OPTIONS" => Method::Options,
                _ => Method::Other,
            },
            path: path.to_owned(),
            query: query.to_owned(),
            version,
            headers,
        })
    }

    /// The method.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The path, as it is in the request.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is after the question mark.
    pub fn query(&self) -> &str {
        &self.query
    }

    /// What the client speaks.
    pub fn version(&self) -> Version {
        self.version
    }

    /// All values of a header, whose name is given in lower case.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.headers.iter().filter(move |(own, _)| own == name);
        named.map(|(_, value)| value.as_str())
    }

    /// The value of a header that a request has at most once.
    pub fn one<'a>(&'a self, name: &'a str) -> Result<Option<&'a str>, Problem> {
        let mut values = self.all(name);
        let value = values.next();
        match values.next() {
            None => Ok(value),
            Some(_) => Err(Problem::bad(format!("the header {name} comes twice"))),
        }
    }

    /// Whether a header that is a list of words has this one.
    pub fn lists(&self, name: &str, word: &str) -> bool {
        let mut words = self.all(name).flat_map(|value| value.split(','));
        words.any(|own| own.trim().eq_ignore_ascii_case(word))
    }

    /// Whether the client wants to go on with the connection after this request.
    pub fn keeps_alive(&self) -> bool {
        self.version == Version::Http11 && !self.lists("connection", "close")
    }
}

/// How long the head is, if all of it is there.
fn whole(received: &[u8]) -> Result<Option<usize>, Problem> {
    if received
        .first()
        .is_some_and(|byte| !byte.is_ascii_uppercase())
    {
        return Err(Problem::bad("this is not HTTP"));
    }
    let mut line_start = 0;
    let mut last = 0;
    for (at, &byte) in received.iter().enumerate() {
        match byte {
            b'\n' if last != b'\r' => return Err(Problem::bad("a line that ends with LF alone")),
            b'\n' if at == line_start + 1 => return Ok(Some(at + 1)),
            b'\n' => line_start = at + 1,
            _ if last == b'\r' => return Err(Problem::bad("a CR within a line")),
            b' ' | b'\t' if at == line_start => return Err(Problem::bad("a folded header")),
            b'\t' | b'\r' | b' '..=b'~' | 0x80.. => {}
            _ => return Err(Problem::bad("a control character in the head")),
        }
        last = byte;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WHOLE: &[u8] =
        b"GET /channels/ticks?from=0 HTTP/1.1\r\nHost: localhost\r\nAccept: a/b, c/d\r\n\r\n";

    #[test]
    fn a_head_is_whole_at_its_last_byte_and_not_before() {
        for length in 0..WHOLE.len() {
            assert_eq!(Head::read(&WHOLE[..length]), Ok(None), "{length}");
        }
        let followed = [WHOLE, b"GET / next"].concat();
        let (head, length) = Head::read(&followed).unwrap().unwrap();
        assert_eq!(length, WHOLE.len());
        assert_eq!(
            (head.method(), head.path(), head.query()),
            (Method::Get, "/channels/ticks", "from=0")
        );
        assert!(head.lists("accept", "C/D") && !head.lists("accept", "c"));
        assert!(head.keeps_alive());
    }

    #[test]
    fn what_two_readers_could_take_for_two_things_is_refused_before_the_head_is_whole() {
        for (wrong, why) in [
            (&b"GET / HTTP/1.1\nHost: localhost\n"[..], "LF alone"),
            (b"GET / HTTP/1.1\r\nHost: localhost\n", "LF alone"),
            (b"GET / HTTP/1.1\r\nHost: local\rhost", "CR within"),
            (b"GET / HTTP/1.1\r\nHost: local\0", "control"),
            (b"GET / HTTP/1.1\r\n folded", "folded"),
            (b"GET / HTTP/1.1\r\nHost: localhost\r\n\tfolded", "folded"),
            (b"\r\n", "not HTTP"),
            (b"26        SUBSCRIBE ticks", "not HTTP"),
            (b"\x16\x03\x01", "not HTTP"),
        ] {
            let problem = Head::read(wrong).unwrap_err();
            assert_eq!(problem.status(), Status::BAD_REQUEST);
            assert!(problem.to_string().contains(why), "{problem}");
        }
    }

    #[test]
    fn what_is_not_a_head_is_refused() {
        for wrong in [
            "GET / HTTP/1.1\r\nHost : localhost\r\n\r\n",
            "GET / HTTP/1.1\r\nHost\r\n\r\n",
            "GET / HTTP/1.1\r\n: localhost\r\n\r\n",
            "GET  / HTTP/1.1\r\n\r\n",
            "GET / HTTP/2.0\r\n\r\n",
            "GET /\r\n\r\n",
            "GET http://localhost/ HTTP/1.1\r\n\r\n",
            "GET /#a HTTP/1.1\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\n\r\n",
            "CONNECT localhost:1 HTTP/1.1\r\n\r\n",
        ] {
            let problem = Head::read(wrong.as_bytes()).expect_err(wrong);
            assert_eq!(problem.status(), Status::BAD_REQUEST, "{wrong}");
        }
    }

    #[test]
    fn a_large_head_is_refused_at_the_limit() {
        let mut head = b"GET / HTTP/1.1\r\na: ".to_vec();
        head.resize(MAX_HEAD - 1, b'a');
        assert_eq!(Head::read(&head), Ok(None));
        head.push(b'a');
        assert_eq!(
            Head::read(&head).unwrap_err().status(),
            Status::HEAD_TOO_LARGE
        );
        let mut head = b"GET / HTTP/1.1\r\n".to_vec();
        for _ in 0..=MAX_HEADERS {
            head.extend(b"a: b\r\n");
        }
        head.extend(b"\r\n");
        assert_eq!(
            Head::read(&head).unwrap_err().status(),
            Status::HEAD_TOO_LARGE
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_head_or_a_problem_and_more_of_them_change_nothing(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b' '), any::<u8>()], 0..200),
        ) {
            let mut bytes = [b"GET / HTTP/1.1\r\n", &bytes[..]].concat();
            let before = Head::read(&bytes);
            bytes.extend(b"more");
            match before {
                Ok(Some(read)) => prop_assert_eq!(Head::read(&bytes), Ok(Some(read))),
                Err(problem) => prop_assert_eq!(Head::read(&bytes), Err(problem)),
                Ok(None) => {}
            }
        }
    }
}
