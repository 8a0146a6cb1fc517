//! The client's first frame.

use std::fmt;
use std::str::FromStr;

use super::{ChannelName, Epoch, MAX_PATTERNS, Pattern, Position, ProducerId, Token, number};

/// The largest request, in bytes of payload.
pub const MAX_REQUEST: usize = 4096;

/// What a client asks of a hub. Displays as the line on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request {
    /// Messages of a channel, from a position on.
    #[non_exhaustive]
    Subscribe {
        /// The channel.
        channel: ChannelName,
        /// Where to start.
        from: Position,
        /// The history that the position is in, where the client knows it.
        epoch: Option<Epoch>,
    },
    /// Messages of all channels that fit one of the patterns. After it the client says where it is in
    /// each that it knows, and then an empty frame.
    #[non_exhaustive]
    Follow {
        /// The patterns: at least one, and at most [`MAX_PATTERNS`].
        patterns: Vec<Pattern>,
        /// Where to start in channels that the client does not know; not a seq.
        from: Position,
    },
    /// Everything that another hub needs to have the same: messages, times, counts and epochs of all channels that fit
    /// one of the patterns. After it the client says where it is in each that it has, and then an empty frame.
    #[non_exhaustive]
    Mirror {
        /// The patterns: at least one, and at most [`MAX_PATTERNS`].
        patterns: Vec<Pattern>,
    },
    /// Leave to append messages to a channel.
    #[non_exhaustive]
    Publish {
        /// The channel.
        channel: ChannelName,
        /// The producer's name, if each message is to be stored exactly once.
        producer: Option<ProducerId>,
        /// What an acknowledgement is to mean; the channel's default if not given.
        acks: Option<Acks>,
    },
    /// When messages of a channel were committed.
    #[non_exhaustive]
    Times {
        /// The channel.
        channel: ChannelName,
        /// The seq of the first message.
        from: u64,
        /// The seq after the last message; what is committed later is told as well if it is not said.
        to: Option<u64>,
        /// The history that these are in, where the client knows it.
        epoch: Option<Epoch>,
    },
    /// That a channel ends, with everything that is kept of it.
    #[non_exhaustive]
    Delete {
        /// The channel.
        channel: ChannelName,
    },
    /// What channels there are.
    Channels,
    /// Who is connected.
    Clients,
    /// How the hub is.
    Health,
}

/// `acks=`: what an acknowledgement means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Acks {
    /// The message is on disk.
    Durable,
    /// The message is accepted and ordered.
    Memory,
    /// Nothing is acknowledged before the end.
    None,
}

/// Why a line is not a request: which field, and what was expected there. Displays the latter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadRequest {
    /// The number of the field, from 1.
    pub field: usize,
    /// Its key, where it has a known one.
    pub key: Option<&'static str>,
    expected: &'static str,
}

impl Request {
    /// Asks for the messages of a channel from a position on, which may belong to one history.
    ///
    /// ```
    /// use tenfold::protocol::{Position, Request};
    ///
    /// let request = Request::subscribe("ticks".parse()?, Position::First, None);
    /// assert_eq!(request.to_string(), "SUBSCRIBE ticks from=first");
    /// assert_eq!(Request::parse(b"SUBSCRIBE ticks from=first"), Ok(request));
    /// # Ok::<(), tenfold::protocol::BadName>(())
    /// ```
    pub fn subscribe(channel: ChannelName, from: Position, epoch: Option<Epoch>) -> Self {
        Self::Subscribe {
            channel,
            from,
            epoch,
        }
    }

    /// Asks for the messages of all channels that fit one of the patterns.
    ///
    /// ```
    /// use tenfold::protocol::{Position, Request};
    ///
    /// let request = Request::follow(vec!["quotes.*".parse()?, "ticks".parse()?], Position::Next);
    /// assert_eq!(request.to_string(), "FOLLOW quotes.* ticks from=next");
    /// # Ok::<(), tenfold::protocol::BadPattern>(())
    /// ```
    pub fn follow(patterns: Vec<Pattern>, from: Position) -> Self {
        Self::Follow { patterns, from }
    }

    /// Asks for everything that a mirror needs of all channels that fit one of the patterns.
    ///
    /// ```
    /// use tenfold::protocol::Request;
    ///
    /// let request = Request::mirror(vec!["*".parse()?]);
    /// assert_eq!(request.to_string(), "MIRROR *");
    /// assert_eq!(Request::parse(b"MIRROR *"), Ok(request));
    /// # Ok::<(), tenfold::protocol::BadPattern>(())
    /// ```
    pub fn mirror(patterns: Vec<Pattern>) -> Self {
        Self::Mirror { patterns }
    }

    /// Asks for leave to append messages to a channel.
    ///
    /// ```
    /// use tenfold::protocol::{Acks, Request};
    ///
    /// let request = Request::publish("ticks".parse()?, Some("meter7".parse()?), Some(Acks::Memory));
    /// assert_eq!(request.to_string(), "PUBLISH ticks producer=meter7 acks=memory");
    /// # Ok::<(), tenfold::protocol::BadName>(())
    /// ```
    pub fn publish(channel: ChannelName, producer: Option<ProducerId>, acks: Option<Acks>) -> Self {
        Self::Publish {
            channel,
            producer,
            acks,
        }
    }

    /// Asks when the messages of a channel were committed, from a seq on, and up to another one or as they come.
    ///
    /// ```
    /// use tenfold::protocol::Request;
    ///
    /// let request = Request::times("ticks".parse()?, 7, Some(9), None);
    /// assert_eq!(request.to_string(), "TIMES ticks from=7 to=9");
    /// # Ok::<(), tenfold::protocol::BadName>(())
    /// ```
    pub fn times(channel: ChannelName, from: u64, to: Option<u64>, epoch: Option<Epoch>) -> Self {
        Self::Times {
            channel,
            from,
            to,
            epoch,
        }
    }

    /// Asks that a channel ends, with everything that is kept of it.
    ///
    /// ```
    /// use tenfold::protocol::Request;
    ///
    /// let request = Request::delete("ticks".parse()?);
    /// assert_eq!(request.to_string(), "DELETE ticks");
    /// # Ok::<(), tenfold::protocol::BadName>(())
    /// ```
    pub fn delete(channel: ChannelName) -> Self {
        Self::Delete { channel }
    }

    /// Reads the payload of a client's first frame. A token that goes with it is checked for its shape, and dropped.
    pub fn parse(line: &[u8]) -> Result<Self, BadRequest> {
        Self::parse_with_token(line).map(|(request, _)| request)
    }

    /// Reads the payload of a client's first frame, and the token that goes with it, if one does.
    ///
    /// ```
    /// use tenfold::protocol::Request;
    ///
    /// let line = format!("CHANNELS token=tf_8c1f2d9a_{}", "x".repeat(43));
    /// let (request, token) = Request::parse_with_token(line.as_bytes())?;
    /// assert_eq!(request, Request::Channels);
    /// assert_eq!(request.with_token(token.as_ref()), line);
    /// # Ok::<(), tenfold::protocol::BadRequest>(())
    /// ```
    pub fn parse_with_token(line: &[u8]) -> Result<(Self, Option<Token>), BadRequest> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let printable = |byte: &u8| (0x20..0x7f).contains(byte);
        let legal = line.iter().position(|byte| !printable(byte));
        // What follows an illegal byte is not looked at; what is before it is ASCII.
        let text = str::from_utf8(&line[..legal.unwrap_or(line.len())]).unwrap_or_default();
        let mut fields = Fields::new(text);
        if legal.is_some() {
            fields.number = text.split(' ').count();
            return Err(fields.bad(None, "printable ASCII only"));
        }
        let request = match fields.next()?.unwrap_or_default() {
            "SUBSCRIBE" => Self::read_subscribe(&mut fields)?,
            "FOLLOW" => Self::read_follow(&mut fields)?,
            "MIRROR" => Self::read_mirror(&mut fields)?,
            "PUBLISH" => Self::read_publish(&mut fields)?,
            "TIMES" => Self::read_times(&mut fields)?,
            "DELETE" => Self::Delete {
                channel: fields.channel()?,
            },
            "CHANNELS" => Self::Channels,
            "CLIENTS" => Self::Clients,
            "HEALTH" => Self::Health,
            _ => {
                let verbs = "SUBSCRIBE, FOLLOW, MIRROR, PUBLISH, TIMES, DELETE, CHANNELS, CLIENTS or HEALTH";
                return Err(fields.bad(None, verbs));
            }
        };
        match fields.next()? {
            None => Ok((request, fields.token)),
            Some(_) => Err(fields.bad(None, "nothing more, or token=")),
        }
    }

    /// The line on the wire, with the token that says whose request it is.
    pub fn with_token(&self, token: Option<&Token>) -> String {
        match token {
            None => self.to_string(),
            Some(token) => format!("{self} token={}", token.secret()),
        }
    }

    fn read_subscribe(fields: &mut Fields<'_>) -> Result<Self, BadRequest> {
        let channel = fields.channel()?;
        let (mut from, mut epoch) = (None, None);
        while let Some(field) = fields.next()? {
            match field.split_once('=') {
                Some(("from", value)) => fields.read(&mut from, value, "from", Position::RULE)?,
                Some(("epoch", value)) => fields.read(&mut epoch, value, "epoch", Epoch::RULE)?,
                _ => return Err(fields.bad(None, "from=, epoch= or token=")),
            }
        }
        Ok(Self::Subscribe {
            channel,
            from: from.unwrap_or_default(),
            epoch,
        })
    }

    fn read_follow(fields: &mut Fields<'_>) -> Result<Self, BadRequest> {
        let (mut patterns, mut from) = (Vec::new(), None);
        while let Some(field) = fields.next()? {
            match field.split_once('=') {
                Some(("from", value)) => {
                    fields.read(&mut from, value, "from", Position::RULE_OF_MANY)?;
                    if let Some(Position::Seq(_)) = from {
                        return Err(fields.bad(Some("from"), Position::RULE_OF_MANY));
                    }
                }
                Some(_) => return Err(fields.bad(None, "patterns, from= or token=")),
                None if from.is_some() => return Err(fields.bad(None, "the patterns before from=")),
                None if patterns.len() == MAX_PATTERNS => {
                    return Err(fields.bad(None, "at most 64 patterns"));
                }
                None => {
                    let pattern = field.parse();
                    patterns.push(pattern.map_err(|_| fields.bad(None, Pattern::RULE))?);
                }
            }
        }
        if patterns.is_empty() {
            fields.number += usize::from(from.is_none());
            return Err(fields.bad(None, Pattern::RULE));
        }
        Ok(Self::Follow {
            patterns,
            from: from.unwrap_or_default(),
        })
    }

    fn read_mirror(fields: &mut Fields<'_>) -> Result<Self, BadRequest> {
        let mut patterns = Vec::new();
        while let Some(field) = fields.next()? {
            if patterns.len() == MAX_PATTERNS {
                return Err(fields.bad(None, "at most 64 patterns"));
            }
            let pattern = field.parse();
            patterns.push(pattern.map_err(|_| fields.bad(None, Pattern::RULE))?);
        }
        if patterns.is_empty() {
            fields.number += 1;
            return Err(fields.bad(None, Pattern::RULE));
        }
        Ok(Self::Mirror { patterns })
    }

    fn read_publish(fields: &mut Fields<'_>) -> Result<Self, BadRequest> {
        let channel = fields.channel()?;
        let (mut producer, mut acks) = (None, None);
        while let Some(field) = fields.next()? {
            match field.split_once('=') {
                Some(("producer", value)) => {
                    fields.read(&mut producer, value, "producer", ProducerId::RULE)?;
                }
                Some(("acks", value)) => fields.read(&mut acks, value, "acks", Acks::RULE)?,
                _ => return Err(fields.bad(None, "producer=, acks= or token=")),
            }
        }
        Ok(Self::Publish {
            channel,
            producer,
            acks,
        })
    }
}

impl Request {
    fn read_times(fields: &mut Fields<'_>) -> Result<Self, BadRequest> {
        const SEQ: &str = "a seq";
        let channel = fields.channel()?;
        let (mut from, mut to, mut epoch) = (None, None, None);
        while let Some(field) = fields.next()? {
            match field.split_once('=') {
                Some(("from", value)) => fields.read_seq(&mut from, value, "from", SEQ)?,
                Some(("to", value)) => fields.read_seq(&mut to, value, "to", SEQ)?,
                Some(("epoch", value)) => fields.read(&mut epoch, value, "epoch", Epoch::RULE)?,
                _ => return Err(fields.bad(None, "from=, to=, epoch= or token=")),
            }
        }
        let Some(from) = from else {
            fields.number += 1;
            return Err(fields.bad(Some("from"), "from= and a seq"));
        };
        if to.is_some_and(|to| to < from) {
            return Err(fields.bad(Some("to"), "a seq that is not before from="));
        }
        Ok(Self::Times {
            channel,
            from,
            to,
            epoch,
        })
    }
}

impl BadRequest {
    pub(super) fn of_field(
        field: usize,
        key: Option<&'static str>,
        expected: &'static str,
    ) -> Self {
        Self {
            field,
            key,
            expected,
        }
    }
}

/// The fields of a line, one after the other, and how many there were.
///
/// The one that every request may have is taken out on the way.
struct Fields<'a> {
    rest: std::str::Split<'a, char>,
    number: usize,
    token: Option<Token>,
}

impl<'a> Fields<'a> {
    fn new(line: &'a str) -> Self {
        Self {
            rest: line.split(' '),
            number: 0,
            token: None,
        }
    }

    /// The next field but a token, which may be at any place after the first field.
    fn next(&mut self) -> Result<Option<&'a str>, BadRequest> {
        loop {
            let Some(field) = self.rest.next() else {
                return Ok(None);
            };
            self.number += 1;
            match field.strip_prefix("token=") {
                Some(value) if self.number > 1 => {
                    let mut token = self.token.take();
                    self.read(&mut token, value, "token", Token::RULE)?;
                    self.token = token;
                }
                _ => return Ok(Some(field)),
            }
        }
    }

    /// What is wrong with the last field.
    fn bad(&self, key: Option<&'static str>, expected: &'static str) -> BadRequest {
        BadRequest {
            field: self.number,
            key,
            expected,
        }
    }

    fn channel(&mut self) -> Result<ChannelName, BadRequest> {
        let Some(name) = self.next()? else {
            self.number += 1;
            return Err(self.bad(None, ChannelName::RULE));
        };
        let rule = |_| self.bad(None, ChannelName::rule_for(name));
        name.parse().map_err(rule)
    }

    /// Reads the seq of a key that may stand once.
    fn read_seq(
        &self,
        into: &mut Option<u64>,
        value: &str,
        key: &'static str,
        rule: &'static str,
    ) -> Result<(), BadRequest> {
        if into.is_some() {
            return Err(self.bad(Some(key), "each key once"));
        }
        let seq = number(value).ok_or_else(|| self.bad(Some(key), rule))?;
        *into = Some(seq);
        Ok(())
    }

    /// Reads the value of a key that may stand once.
    fn read<T: FromStr>(
        &self,
        into: &mut Option<T>,
        value: &str,
        key: &'static str,
        rule: &'static str,
    ) -> Result<(), BadRequest> {
        if into.is_some() {
            return Err(self.bad(Some(key), "each key once"));
        }
        let value = value.parse().map_err(|_| self.bad(Some(key), rule))?;
        *into = Some(value);
        Ok(())
    }
}

impl Acks {
    const RULE: &str = "durable, memory or none";

    /// As it is on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Durable => "durable",
            Self::Memory => "memory",
            Self::None => "none",
        }
    }
}

impl FromStr for Acks {
    type Err = BadAcks;

    fn from_str(text: &str) -> Result<Self, BadAcks> {
        [Self::Durable, Self::Memory, Self::None]
            .into_iter()
            .find(|acks| acks.as_str() == text)
            .ok_or(BadAcks)
    }
}

/// A text that is not a value of `acks`. Displays what the values are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BadAcks;

impl fmt::Display for BadAcks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}", Acks::RULE)
    }
}

impl std::error::Error for BadAcks {}

impl fmt::Display for Acks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subscribe {
                channel,
                from,
                epoch,
            } => {
                write!(f, "SUBSCRIBE {channel} from={from}")?;
                epoch.map_or(Ok(()), |epoch| write!(f, " epoch={epoch}"))
            }
            Self::Follow { patterns, from } => {
                f.write_str("FOLLOW")?;
                for pattern in patterns {
                    write!(f, " {pattern}")?;
                }
                write!(f, " from={from}")
            }
            Self::Mirror { patterns } => {
                f.write_str("MIRROR")?;
                let mut patterns = patterns.iter();
                patterns.try_for_each(|pattern| write!(f, " {pattern}"))
            }
            Self::Publish {
                channel,
                producer,
                acks,
            } => {
                write!(f, "PUBLISH {channel}")?;
                if let Some(producer) = producer {
                    write!(f, " producer={producer}")?;
                }
                acks.map_or(Ok(()), |acks| write!(f, " acks={acks}"))
            }
            Self::Times {
                channel,
                from,
                to,
                epoch,
            } => {
                write!(f, "TIMES {channel} from={from}")?;
                if let Some(to) = to {
                    write!(f, " to={to}")?;
                }
                epoch.map_or(Ok(()), |epoch| write!(f, " epoch={epoch}"))
            }
            Self::Delete { channel } => write!(f, "DELETE {channel}"),
            Self::Channels => f.write_str("CHANNELS"),
            Self::Clients => f.write_str("CLIENTS"),
            Self::Health => f.write_str("HEALTH"),
        }
    }
}

impl fmt::Display for BadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}", self.expected)
    }
}

impl std::error::Error for BadRequest {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_written_as_it_is_read() {
        for line in [
            "SUBSCRIBE ticks from=next",
            "SUBSCRIBE a.b_c-9 from=17 epoch=00000000000000ff",
            "FOLLOW * from=next",
            "FOLLOW quotes.* a b from=-7",
            "PUBLISH ticks",
            "PUBLISH ticks producer=Meter.7_x-y acks=durable",
            "PUBLISH ticks acks=none",
            "TIMES ticks from=7",
            "TIMES ticks from=7 to=7 epoch=00000000000000ff",
            "DELETE ticks",
            "CHANNELS",
            "CLIENTS",
            "HEALTH",
        ] {
            assert_eq!(Request::parse(line.as_bytes()).unwrap().to_string(), line);
            let with_lf = format!("{line}\n");
            assert_eq!(
                Request::parse(with_lf.as_bytes()),
                Request::parse(line.as_bytes())
            );
        }
        assert_eq!(
            Request::parse(b"SUBSCRIBE x epoch=0000000000000001 from=-5"),
            Request::parse(b"SUBSCRIBE x from=-5 epoch=0000000000000001")
        );
        assert_eq!(
            Request::parse(b"SUBSCRIBE x"),
            Request::parse(b"SUBSCRIBE x from=next")
        );
    }

    #[test]
    fn the_first_wrong_field_is_named() {
        let cases: &[(&[u8], usize, Option<&str>)] = &[
            (b"", 1, None),
            (b"subscribe x", 1, None),
            (b" SUBSCRIBE x", 1, None),
            (b"SUBSCRIBE", 2, None),
            (b"SUBSCRIBE ", 2, None),
            (b"SUBSCRIBE  x", 2, None),
            (b"SUBSCRIBE X", 2, None),
            (b"SUBSCRIBE .x", 2, None),
            (b"SUBSCRIBE x ", 3, None),
            (b"SUBSCRIBE x from", 3, None),
            (b"SUBSCRIBE x from=", 3, Some("from")),
            (b"SUBSCRIBE x from=01 colour=red", 3, Some("from")),
            (b"SUBSCRIBE x colour=red from=01", 3, None),
            (b"SUBSCRIBE x from=1 from=1", 4, Some("from")),
            (b"SUBSCRIBE x epoch=1", 3, Some("epoch")),
            (b"SUBSCRIBE x epoch=00000000000000FF", 3, Some("epoch")),
            (b"SUBSCRIBE x producer=a", 3, None),
            (b"SUBSCRIBE x\n\n", 2, None),
            (b"SUBSCRIBE x\r\n", 2, None),
            (b"SUBSCRIBE x\tfrom=1", 2, None),
            (b"SUBSCRIBE x from=\xc3\xa9", 3, None),
            (b"FOLLOW", 2, None),
            (b"FOLLOW from=next", 2, None),
            (b"FOLLOW a* *b", 3, None),
            (b"FOLLOW a*  b", 3, None),
            (b"FOLLOW a* from=7", 3, Some("from")),
            (b"FOLLOW a* from=first from=first", 4, Some("from")),
            (b"FOLLOW a* from=first b", 4, None),
            (b"FOLLOW a* epoch=0000000000000001", 3, None),
            (b"PUBLISH x from=1", 3, None),
            (b"PUBLISH x producer=", 3, Some("producer")),
            (b"PUBLISH x producer=a/b", 3, Some("producer")),
            (b"PUBLISH x acks=disk", 3, Some("acks")),
            (b"PUBLISH x acks=none acks=none", 4, Some("acks")),
            (b"TIMES", 2, None),
            (b"TIMES x", 3, Some("from")),
            (b"TIMES x to=3", 4, Some("from")),
            (b"TIMES x from=first", 3, Some("from")),
            (b"TIMES x from=-1", 3, Some("from")),
            (b"TIMES x from=1 to=01", 4, Some("to")),
            (b"TIMES x from=2 to=1", 4, Some("to")),
            (b"TIMES x from=1 from=1", 4, Some("from")),
            (b"TIMES x from=1 acks=none", 4, None),
            (b"DELETE", 2, None),
            (b"DELETE X", 2, None),
            (b"DELETE x y", 3, None),
            (b"CHANNELS x", 2, None),
            (b"CLIENTS x", 2, None),
            (b"HEALTH ", 2, None),
        ];
        for (line, field, key) in cases {
            let bad = Request::parse(line).unwrap_err();
            assert_eq!(
                (bad.field, bad.key),
                (*field, *key),
                "{}",
                line.escape_ascii()
            );
        }
    }

    #[test]
    fn a_token_goes_with_every_request_at_any_place_after_the_verb() {
        let secret = format!("tf_8c1f2d9a_{}", "x".repeat(43));
        for line in [
            "SUBSCRIBE ticks from=first",
            "FOLLOW a* b from=next",
            "PUBLISH ticks producer=p acks=none",
            "DELETE ticks",
            "CHANNELS",
            "CLIENTS",
            "HEALTH",
        ] {
            let fields: Vec<_> = line.split(' ').collect();
            for place in 1..=fields.len() {
                let field = format!("token={secret}");
                let mut fields = fields.clone();
                fields.insert(place, &field);
                let with_token = fields.join(" ");
                let (request, token) = Request::parse_with_token(with_token.as_bytes()).unwrap();
                assert_eq!(
                    request.to_string(),
                    line,
                    "the token is not a part of the request"
                );
                assert_eq!(token.unwrap().secret(), secret);
            }
        }
        let (_, token) = Request::parse_with_token(b"CHANNELS").unwrap();
        assert!(token.is_none());
        for line in [
            "CHANNELS token=".to_owned(),
            "CHANNELS token=tf_8c1f2d9a".to_owned(),
            format!("CHANNELS token={secret}x"),
        ] {
            let bad = Request::parse(line.as_bytes()).unwrap_err();
            assert_eq!((bad.field, bad.key), (2, Some("token")), "{line}");
            assert!(!bad.to_string().contains("8c1f2d9a"));
        }
        let twice = format!("CHANNELS token={secret} token={secret}");
        let bad = Request::parse(twice.as_bytes()).unwrap_err();
        assert_eq!((bad.field, bad.key), (3, Some("token")));
        assert!(Request::parse(format!("token={secret} CHANNELS").as_bytes()).is_err());
    }

    #[test]
    fn there_are_not_too_many_patterns() {
        let follow = |count| Request::parse(["FOLLOW", &" x*".repeat(count)].concat().as_bytes());
        assert!(follow(MAX_PATTERNS).is_ok());
        assert_eq!(follow(MAX_PATTERNS + 1).unwrap_err().field, 66);
    }

    #[test]
    fn names_have_their_lengths() {
        let channel = |length| Request::parse(format!("PUBLISH {}", "x".repeat(length)).as_bytes());
        assert!(channel(128).is_ok() && channel(129).is_err());
        let producer = |length| {
            Request::parse(format!("PUBLISH x producer={}", "x".repeat(length)).as_bytes())
        };
        assert!(producer(64).is_ok() && producer(65).is_err());
    }
}
