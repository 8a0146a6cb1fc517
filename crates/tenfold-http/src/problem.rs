//! What a client is told that cannot have what it has asked for.

use std::fmt;

use serde_json::{Value, json};
use tenfold::protocol::{Code, Refusal};

use crate::status::Status;

/// Why a request is not done: RFC 9457. Displays as the JSON of the body, without the newline after it.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    status: Status,
    code: Option<&'static str>,
    detail: String,
    members: Vec<(String, Value)>,
    line: Option<String>,
    headers: Vec<(&'static str, String)>,
}

/// The keys of an `ERROR` whose values are members of a problem, too.
const KEYS: &[&str] = &[
    "epoch", "first", "next", "message", "offset", "length", "limit", "key",
];

impl Problem {
    /// A problem for which the hub's protocol has no code.
    pub fn new(status: Status, detail: impl Into<String>) -> Self {
        Self {
            status,
            code: None,
            detail: detail.into(),
            members: Vec::new(),
            line: None,
            headers: Vec::new(),
        }
    }

    /// A request that cannot be read.
    pub(crate) fn bad(detail: impl Into<String>) -> Self {
        Self::new(Status::BAD_REQUEST, detail)
    }

    /// A parameter or a header with a value that is not one.
    pub(crate) fn value(key: &str, detail: impl Into<String>) -> Self {
        Self::from(&Refusal::new(Code::Proto, detail).with("key", key))
    }

    /// Messages of a producer are missing: it has only `next`.
    pub fn gap(next: u64) -> Self {
        let words = "messages of this producer are missing before the first one of this request";
        let mut problem = Self::new(Status::CONFLICT, words);
        problem.code = Some("GAP");
        problem.with("next", next)
    }

    /// Adds a member.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.members.retain(|(name, _)| name != member);
        self.members.push((member.to_owned(), value.into()));
        self
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The status of the answer.
    pub fn status(&self) -> Status {
        self.status
    }

    /// The code of the hub's protocol, or `GAP`.
    pub fn code(&self) -> Option<&'static str> {
        self.code
    }

    /// The headers that the answer has for this problem.
    pub fn headers(&self) -> &[(&'static str, String)] {
        &self.headers
    }
}

impl From<&Refusal> for Problem {
    fn from(refusal: &Refusal) -> Self {
        let member = |(key, value): (&str, &str)| {
            let value = match value.parse::<u64>() {
                Ok(number) if key != "epoch" => json!(number),
                _ => json!(value),
            };
            (key.to_owned(), value)
        };
        let keys = refusal.keys.iter().filter(|(key, _)| KEYS.contains(key));
        let status = refusal.code.map_or(Status::UNAVAILABLE, status_of);
        let headers = match status {
            Status::UNAUTHORIZED => vec![("WWW-Authenticate", "Bearer realm=\"tenfold\"".into())],
            Status::UNAVAILABLE => vec![("Retry-After", "1".into())],
            _ => Vec::new(),
        };
        Self {
            status,
            code: refusal.code.map(Code::as_str),
            detail: refusal.words.clone(),
            members: keys.map(member).collect(),
            line: Some(refusal.to_string()),
            headers,
        }
    }
}

fn status_of(code: Code) -> Status {
    match code {
        Code::Header | Code::Proto => Status::BAD_REQUEST,
        Code::Auth => Status::UNAUTHORIZED,
        Code::Denied => Status::FORBIDDEN,
        Code::NoChannel => Status::NOT_FOUND,
        Code::Timeout => Status::TIMEOUT,
        Code::Epoch | Code::Fenced => Status::CONFLICT,
        Code::Trimmed | Code::Deleted => Status::GONE,
        Code::TooLarge => Status::TOO_LARGE,
        Code::Future => Status::RANGE,
        Code::Corrupt => Status::UNPROCESSABLE,
        Code::Full => Status::NO_SPACE,
        // Busy, Storage, Shutdown, and what comes later: try again.
        _ => Status::UNAVAILABLE,
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let title = self.status.title();
        write!(
            f,
            "{{\"status\":{},\"title\":{}",
            self.status.code(),
            json!(title)
        )?;
        if let Some(code) = self.code {
            write!(f, ",\"code\":{}", json!(code))?;
        }
        write!(f, ",\"detail\":{}", json!(self.detail))?;
        for (member, value) in &self.members {
            write!(f, ",{}:{value}", json!(member))?;
        }
        if let Some(line) = &self.line {
            write!(f, ",\"line\":{}", json!(line))?;
        }
        f.write_str("}")
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_becomes_the_problem_of_the_page() {
        let refusal =
            Refusal::new(Code::Trimmed, "that message is no longer kept").with("first", 40);
        assert_eq!(
            Problem::from(&refusal).to_string(),
            "{\"status\":410,\"title\":\"Gone\",\"code\":\"TRIMMED\",\"detail\":\"that message is no longer kept\",\
             \"first\":40,\"line\":\"ERROR TRIMMED first=40 that message is no longer kept\"}"
        );
    }

    #[test]
    fn every_code_has_a_status_and_what_passes_by_itself_can_be_tried_again() {
        for code in Code::ALL {
            let problem = Problem::from(&Refusal::new(*code, "words"));
            assert!(problem.status().code() >= 400, "{code}");
            assert!(!problem.status().title().is_empty(), "{code}");
            let tells_when = problem
                .headers()
                .iter()
                .any(|(name, _)| *name == "Retry-After");
            assert_eq!(
                tells_when,
                problem.status() == Status::UNAVAILABLE,
                "{code}"
            );
        }
    }

    #[test]
    fn an_epoch_of_digits_stays_a_text() {
        let refusal =
            Refusal::new(Code::Epoch, "another history").with("epoch", "0000000000000017");
        let json: Value = serde_json::from_str(&Problem::from(&refusal).to_string()).unwrap();
        assert_eq!(json["epoch"], "0000000000000017");
    }
}
