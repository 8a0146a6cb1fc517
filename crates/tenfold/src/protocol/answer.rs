//! The hub's first frame, and what it says to publishers later.

use std::fmt::{self, Display};
use std::str::FromStr;

use super::{Acks, BadRequest, Epoch, Following, number};

/// What a hub answers to a request for messages, or for leave to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// Yes, and what there is to know.
    Ok(Keys),
    /// No. The connection ends.
    Error(Refusal),
}

/// The keys of an answer and their values, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys(Vec<(String, String)>);

/// A frame that is not an answer: the peer is not a hub, or a later one than this client knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BadAnswer;

/// The answer to `SUBSCRIBE`. Displays as the line on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Subscribed {
    /// The channel's history.
    pub epoch: Epoch,
    /// The seq of the first message that follows.
    pub from: u64,
    /// The seq of the oldest message that is kept.
    pub first: u64,
    /// The seq of the next message to be committed.
    pub next: u64,
    /// Whether the channel has neither messages nor publishers.
    pub is_new: bool,
}

/// The answer to `PUBLISH`. Displays as the line on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Publishing {
    /// The channel's history.
    pub epoch: Epoch,
    /// How many messages of this producer are committed.
    pub next: u64,
    /// What an acknowledgement means on this connection.
    pub acks: Acks,
}

/// The answer to `DELETE`: what was deleted. Displays as the line that is on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deleted {
    /// The history that has ended.
    pub epoch: Epoch,
    /// The seq of the oldest message that was kept.
    pub first: u64,
    /// The seq after its last message.
    pub next: u64,
    /// What the messages that were kept took, in bytes.
    pub bytes: u64,
}

/// An `ERROR`: why a hub does not do it, or ends the connection. Displays as the line that stands
/// on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The code; `None` for one that this client does not know.
    pub code: Option<Code>,
    /// What there is to know.
    pub keys: Keys,
    /// Words for people.
    pub words: String,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Why, for programs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// As it is on the wire.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

codes! {
    /// Bytes that are not a frame, or a frame that the end of the stream cuts.
    Header = "HEADER",
    /// A frame larger than the limit.
    TooLarge = "TOO_LARGE",
    /// A first frame that is not a request.
    Proto = "PROTO",
    /// Not authorised.
    Auth = "AUTH",
    /// No client is allowed to do this.
    Denied = "DENIED",
    /// The client was too slow with what it has begun.
    Timeout = "TIMEOUT",
    /// Too many connections, channels or producers.
    Busy = "BUSY",
    /// There is no channel of this name.
    NoChannel = "NO_CHANNEL",
    /// The channel was deleted.
    Deleted = "DELETED",
    /// Another connection publishes as this producer.
    Fenced = "FENCED",
    /// No space on disk.
    Full = "FULL",
    /// The disk has failed.
    Storage = "STORAGE",
    /// The place is damaged on disk.
    Corrupt = "CORRUPT",
    /// The place is no longer kept.
    Trimmed = "TRIMMED",
    /// Another history than the one that was asked for.
    Epoch = "EPOCH",
    /// The place is not reached yet.
    Future = "FUTURE",
    /// The hub ends.
    Shutdown = "SHUTDOWN",
}

impl Code {
    /// Whether the same request may succeed later, although neither client nor hub is changed.
    pub fn is_temporary(self) -> bool {
        matches!(
            self,
            Self::Timeout | Self::Busy | Self::Full | Self::Storage | Self::Shutdown
        )
    }
}

impl FromStr for Code {
    type Err = BadAnswer;

    fn from_str(text: &str) -> Result<Self, BadAnswer> {
        let found = Self::ALL.iter().find(|code| code.as_str() == text);
        found.copied().ok_or(BadAnswer)
    }
}

impl Answer {
    /// Reads the payload of a hub's first frame. Keys that are not known are kept.
    pub fn parse(line: &[u8]) -> Result<Self, BadAnswer> {
        let line = printable(line).ok_or(BadAnswer)?;
        match line.split_once(' ') {
            Some(("OK", fields)) => match Keys::split(fields) {
                (keys, "") => Ok(Self::Ok(keys)),
                _ => Err(BadAnswer),
            },
            None if line == "OK" => Ok(Self::Ok(Keys::default())),
            _ => Refusal::parse(line).map(Self::Error).ok_or(BadAnswer),
        }
    }
}

/// An answer as text: a hub says nothing but printable ASCII, so what else comes is not from a hub, and could
/// steer the terminal of whoever reads it.
fn printable(line: &[u8]) -> Option<&str> {
    let is_printable = |byte: &u8| *byte == b' ' || byte.is_ascii_graphic();
    let text = str::from_utf8(line).ok()?;
    line.iter().all(is_printable).then_some(text)
}

impl Keys {
    /// The value of a key, as text.
    pub fn get(&self, key: &str) -> Option<&str> {
        let found = self.0.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.as_str())
    }

    /// The value of a key, as a number.
    pub fn number(&self, key: &str) -> Option<u64> {
        number(self.get(key)?)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (&**key, &**value))
    }

    /// Takes fields of the form `key=value` from the front of a text; the rest is words.
    fn split(text: &str) -> (Self, &str) {
        let mut keys = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (field, behind) = rest.split_once(' ').unwrap_or((rest, ""));
            let is_key = |key: &str| {
                !key.is_empty() && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
            };
            match field.split_once('=') {
                Some((key, value)) if is_key(key) => keys.push((key.to_owned(), value.to_owned())),
                _ => break,
            }
            rest = behind;
        }
        (Self(keys), rest)
    }

    fn parsed<T: FromStr>(&self, key: &str) -> Result<T, BadAnswer> {
        let value = self.get(key).ok_or(BadAnswer)?;
        value.parse().map_err(|_| BadAnswer)
    }

    fn count(&self, key: &str) -> Result<u64, BadAnswer> {
        self.number(key).ok_or(BadAnswer)
    }
}

impl Subscribed {
    /// The answer for a channel that has had messages or publishers.
    ///
    /// ```
    /// use tenfold::protocol::{Epoch, Subscribed};
    ///
    /// let answer = Subscribed::new(Epoch(255), 3, 1, 9);
    /// assert_eq!(answer.to_string(), "OK epoch=00000000000000ff from=3 first=1 next=9");
    /// ```
    pub fn new(epoch: Epoch, from: u64, first: u64, next: u64) -> Self {
        Self {
            epoch,
            from,
            first,
            next,
            is_new: false,
        }
    }

    /// Says whether the channel has neither messages nor publishers.
    #[must_use]
    pub fn with_new(mut self, is_new: bool) -> Self {
        self.is_new = is_new;
        self
    }
}

impl Publishing {
    /// The answer to a producer of which `next` messages are committed.
    ///
    /// ```
    /// use tenfold::protocol::{Acks, Epoch, Publishing};
    ///
    /// let answer = Publishing::new(Epoch(255), 7, Acks::Durable);
    /// assert_eq!(answer.to_string(), "OK epoch=00000000000000ff next=7 acks=durable");
    /// ```
    pub fn new(epoch: Epoch, next: u64, acks: Acks) -> Self {
        Self { epoch, next, acks }
    }
}

impl Deleted {
    /// What was deleted: messages from `first` up to but not including `next`, and their bytes.
    ///
    /// ```
    /// use tenfold::protocol::{Deleted, Epoch};
    ///
    /// let answer = Deleted::new(Epoch(255), 3, 7, 60);
    /// assert_eq!(answer.to_string(), "OK epoch=00000000000000ff first=3 next=7 bytes=60");
    /// ```
    pub fn new(epoch: Epoch, first: u64, next: u64, bytes: u64) -> Self {
        Self {
            epoch,
            first,
            next,
            bytes,
        }
    }
}

impl TryFrom<&Keys> for Deleted {
    type Error = BadAnswer;

    fn try_from(keys: &Keys) -> Result<Self, BadAnswer> {
        Ok(Self {
            epoch: keys.parsed("epoch")?,
            first: keys.count("first")?,
            next: keys.count("next")?,
            bytes: keys.count("bytes")?,
        })
    }
}

impl TryFrom<&Keys> for Subscribed {
    type Error = BadAnswer;

    fn try_from(keys: &Keys) -> Result<Self, BadAnswer> {
        Ok(Self {
            epoch: keys.parsed("epoch")?,
            from: keys.count("from")?,
            first: keys.count("first")?,
            next: keys.count("next")?,
            is_new: keys.get("new") == Some("1"),
        })
    }
}

impl TryFrom<&Keys> for Following {
    type Error = BadAnswer;

    fn try_from(keys: &Keys) -> Result<Self, BadAnswer> {
        Ok(Self::new(keys.count("channels")?))
    }
}

impl TryFrom<&Keys> for Publishing {
    type Error = BadAnswer;

    fn try_from(keys: &Keys) -> Result<Self, BadAnswer> {
        Ok(Self {
            epoch: keys.parsed("epoch")?,
            next: keys.count("next")?,
            acks: keys.parsed("acks")?,
        })
    }
}

impl Refusal {
    /// A refusal, with words for people: one line of printable ASCII that does not begin like a key.
    pub fn new(code: Code, words: impl Into<String>) -> Self {
        Self {
            code: Some(code),
            keys: Keys::default(),
            words: words.into(),
        }
    }

    /// What a hub says to a connection that has not asked for anything in time. Who only listens, as at a
    /// plain port, gets this as its first message.
    pub fn no_request() -> Self {
        Self::new(Code::Timeout, "the request did not come in time")
    }

    /// Adds a key.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Display) -> Self {
        self.keys.0.push((key.to_owned(), value.to_string()));
        self
    }

    /// Reads the line of an `ERROR`; `None` if the line is not an `ERROR` of printable ASCII.
    pub fn parse(line: &str) -> Option<Self> {
        let rest = printable(line.as_bytes())?.strip_prefix("ERROR ")?;
        let (code, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let (keys, words) = Keys::split(rest);
        Some(Self {
            code: code.parse().ok(),
            keys,
            words: words.to_owned(),
        })
    }
}

impl From<BadRequest> for Refusal {
    fn from(bad: BadRequest) -> Self {
        let refusal = Self::new(Code::Proto, bad.to_string()).with("field", bad.field);
        match bad.key {
            Some(key) => refusal.with("key", key),
            None => refusal,
        }
    }
}

/// `ACK n`, as it is on the wire.
pub fn ack(messages: u64) -> String {
    format!("ACK {messages}")
}

/// The number of an `ACK`; `None` if the line is not an `ACK`.
pub fn read_ack(line: &[u8]) -> Option<u64> {
    number(str::from_utf8(line).ok()?.strip_prefix("ACK ")?)
}

impl Display for Subscribed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            epoch,
            from,
            first,
            next,
            is_new,
        } = self;
        write!(f, "OK epoch={epoch} from={from} first={first} next={next}")?;
        f.write_str(if *is_new { " new=1" } else { "" })
    }
}

impl Display for Publishing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { epoch, next, acks } = self;
        write!(f, "OK epoch={epoch} next={next} acks={acks}")
    }
}

impl Display for Deleted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            epoch,
            first,
            next,
            bytes,
        } = self;
        write!(
            f,
            "OK epoch={epoch} first={first} next={next} bytes={bytes}"
        )
    }
}

impl Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ERROR {}", self.code.map_or("UNKNOWN", Code::as_str))?;
        for (key, value) in self.keys.iter() {
            write!(f, " {key}={value}")?;
        }
        write!(f, " {}", self.words)
    }
}

impl std::error::Error for Refusal {}

impl Display for BadAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the answer is not one of a hub")
    }
}

impl std::error::Error for BadAnswer {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_printable_ascii_is_not_an_answer() {
        for line in [
            "OK a=\x1b[2J",
            "ERROR DENIED \x1b]0;owned\x07",
            "ERROR BUSY \u{9b}2J",
            "OK a=\u{202e}",
        ] {
            assert_eq!(Answer::parse(line.as_bytes()), Err(BadAnswer), "{line:?}");
            assert_eq!(Refusal::parse(line), None, "{line:?}");
        }
        assert_eq!(Answer::parse(b"OK a=\xff"), Err(BadAnswer));
    }

    #[test]
    fn answers_are_read_as_they_are_written() {
        let subscribed = Subscribed {
            epoch: Epoch(255),
            from: 3,
            first: 1,
            next: u64::MAX,
            is_new: true,
        };
        let Ok(Answer::Ok(keys)) = Answer::parse(subscribed.to_string().as_bytes()) else {
            panic!("{subscribed}");
        };
        assert_eq!(Subscribed::try_from(&keys), Ok(subscribed));
        let publishing = Publishing {
            epoch: Epoch(0),
            next: 7,
            acks: Acks::Memory,
        };
        let Ok(Answer::Ok(keys)) = Answer::parse(publishing.to_string().as_bytes()) else {
            panic!("{publishing}");
        };
        assert_eq!(Publishing::try_from(&keys), Ok(publishing));
        assert_eq!(Subscribed::try_from(&keys), Err(BadAnswer));
        let deleted = Deleted::new(Epoch(7), 1, 3, 60);
        let Ok(Answer::Ok(keys)) = Answer::parse(deleted.to_string().as_bytes()) else {
            panic!("{deleted}");
        };
        assert_eq!(Deleted::try_from(&keys), Ok(deleted));
    }

    #[test]
    fn a_refusal_is_read_as_it_is_written() {
        for code in Code::ALL {
            let refusal = Refusal::new(*code, "some words, a=b among them").with("first", 3);
            assert_eq!(
                Answer::parse(refusal.to_string().as_bytes()),
                Ok(Answer::Error(refusal))
            );
        }
    }

    #[test]
    fn unknown_keys_and_codes_are_not_mistakes() {
        let Ok(Answer::Ok(keys)) = Answer::parse(b"OK colour=red epoch=x") else {
            panic!();
        };
        assert_eq!(keys.get("colour"), Some("red"));
        let Ok(Answer::Error(refusal)) = Answer::parse(b"ERROR TIRED a=1 of it") else {
            panic!();
        };
        assert_eq!((refusal.code, refusal.words.as_str()), (None, "of it"));
    }

    #[test]
    fn other_lines_are_not_answers() {
        for line in [
            &b""[..],
            b"OK ",
            b"OKAY",
            b"OK words",
            b"ok",
            b"ERROR",
            b"HTTP/1.1 200 OK",
            b"\xff",
        ] {
            assert!(
                !matches!(Answer::parse(line), Ok(Answer::Ok(keys)) if keys != Keys::default()),
                "{}",
                line.escape_ascii()
            );
        }
        for line in [
            &b"OKAY"[..],
            b"OK words",
            b"ok",
            b"ERROR",
            b"HTTP/1.1 200 OK",
            b"\xff",
        ] {
            assert_eq!(
                Answer::parse(line),
                Err(BadAnswer),
                "{}",
                line.escape_ascii()
            );
        }
    }

    #[test]
    fn an_ack_has_a_canonical_number() {
        assert_eq!(read_ack(ack(57).as_bytes()), Some(57));
        for line in [
            &b"ACK"[..],
            b"ACK ",
            b"ACK 057",
            b"ACK +1",
            b"ACK 1 ",
            b"OK 1",
            b"ack 1",
        ] {
            assert_eq!(read_ack(line), None);
        }
    }
}
