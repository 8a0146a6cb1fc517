//! The head of an answer.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::SystemTime;

use jiff::Timestamp;

use crate::problem::Problem;
use crate::status::Status;

/// The head of an answer, with what all answers have.
///
/// ```
/// use std::time::SystemTime;
/// use tenfold_http::{Answer, Length, Status};
///
/// let answer = Answer::new(Status::OK).with("Content-Type", "text/plain");
/// let head = answer.head(Length::Exactly(5), true, SystemTime::UNIX_EPOCH);
/// assert!(head.starts_with("HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"));
/// assert!(head.ends_with("Content-Length: 5\r\n\r\n"));
/// ```
#[derive(Clone, Debug)]
pub struct Answer {
    status: Status,
    headers: Vec<(&'static str, String)>,
    origin: Option<String>,
    policy: &'static str,
}

/// How long the body of an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Length {
    /// So many bytes.
    Exactly(u64),
    /// As long as chunks come.
    Chunked,
    /// To the end of the connection, for clients that do not know chunks.
    ToTheEnd,
    /// There is no body, and nothing says how long one would be.
    None,
}

/// The headers that pages of an allowed origin may read.
const EXPOSED: &str = "Tenfold-Epoch, Tenfold-From, Tenfold-First, Tenfold-Next, Retry-After";

impl Answer {
    /// An answer with this status.
    pub fn new(status: Status) -> Self {
        Self {
            status,
            headers: Vec::new(),
            origin: None,
            policy: "default-src 'none'; frame-ancestors 'none'",
        }
    }

    /// What is allowed to pages of an allowed origin.
    pub fn preflight() -> Self {
        Self::new(Status::NO_CONTENT)
            .with("Access-Control-Allow-Methods", "GET, HEAD, POST")
            .with(
                "Access-Control-Allow-Headers",
                "Authorization, Content-Type, Last-Event-ID, Tenfold, Tenfold-Producer, Tenfold-First",
            )
            .with("Access-Control-Max-Age", "600")
    }

    /// Adds a header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// What a browser that shows the answer may do. Without this: nothing.
    #[must_use]
    pub(crate) fn with_policy(mut self, policy: &'static str) -> Self {
        self.policy = policy;
        self
    }

    /// Lets pages of this origin read the answer.
    #[must_use]
    pub fn to_origin(mut self, origin: Option<&str>) -> Self {
        self.origin = origin.map(str::to_owned);
        self
    }

    /// Its status.
    pub(crate) fn status(&self) -> Status {
        self.status
    }

    /// Its headers, but for what says how long the body is.
    pub(crate) fn fields(&self, now: SystemTime) -> Vec<(&'static str, Cow<'_, str>)> {
        let mut fields = vec![("Date", Cow::from(date(now)))];
        let own = self.headers.iter();
        fields.extend(own.map(|(name, value)| (*name, Cow::from(value))));
        fields.push(("Cache-Control", "no-store".into()));
        fields.push(("X-Content-Type-Options", "nosniff".into()));
        fields.push(("Content-Security-Policy", self.policy.into()));
        match &self.origin {
            Some(origin) => {
                fields.push(("Access-Control-Allow-Origin", origin.into()));
                fields.push(("Access-Control-Expose-Headers", EXPOSED.into()));
                fields.push(("Cross-Origin-Resource-Policy", "cross-origin".into()));
                fields.push(("Vary", "Origin".into()));
            }
            None => fields.push(("Cross-Origin-Resource-Policy", "same-origin".into())),
        }
        fields
    }

    /// The bytes of the head of HTTP/1.1. `goes_on`: the connection is not closed after it.
    pub fn head(&self, length: Length, goes_on: bool, now: SystemTime) -> String {
        let mut head = format!("HTTP/1.1 {}\r\n", self.status);
        let mut put = |name: &str, value: &str| {
            // Writing to a String does not fail.
            let _ = write!(head, "{name}: {value}\r\n");
        };
        for (name, value) in self.fields(now) {
            put(name, &value);
        }
        if !goes_on {
            put("Connection", "close");
        }
        match length {
            Length::Exactly(length) => put("Content-Length", &length.to_string()),
            Length::Chunked => put("Transfer-Encoding", "chunked"),
            Length::ToTheEnd | Length::None => {}
        }
        head += "\r\n";
        head
    }
}

impl From<&Problem> for Answer {
    fn from(problem: &Problem) -> Self {
        let answer = Self::new(problem.status()).with("Content-Type", "application/problem+json");
        let headers = problem.headers().iter();
        headers.fold(answer, |answer, (name, value)| {
            answer.with(name, value.as_str())
        })
    }
}

/// RFC 9110, section 5.6.7.
fn date(now: SystemTime) -> String {
    let now = Timestamp::try_from(now).unwrap_or(Timestamp::UNIX_EPOCH);
    now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_to_another_origin_says_who_may_read_it() {
        let answer = Answer::new(Status::OK).to_origin(Some("https://app.example"));
        let head = answer.head(Length::Chunked, false, SystemTime::UNIX_EPOCH);
        for line in [
            "Access-Control-Allow-Origin: https://app.example",
            "Vary: Origin",
            "Cross-Origin-Resource-Policy: cross-origin",
            "Connection: close",
            "Transfer-Encoding: chunked",
        ] {
            assert!(head.contains(&format!("\r\n{line}\r\n")), "{line}");
        }
        let own = Answer::new(Status::OK).head(Length::None, true, SystemTime::UNIX_EPOCH);
        assert!(!own.contains("Access-Control") && !own.contains("Connection"));
        assert!(own.contains("Cross-Origin-Resource-Policy: same-origin"));
    }
}
