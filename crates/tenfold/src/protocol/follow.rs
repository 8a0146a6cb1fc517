//! What goes over a connection that follows many channels: its list of places, and the headings of
//! its stream.

use std::fmt;

use super::{BadRequest, ChannelName, Epoch, number};

/// The most patterns of one `FOLLOW`.
pub const MAX_PATTERNS: usize = 64;

/// Where a client stands in a channel that it follows: a frame of the list after `FOLLOW`. Displays as
/// the line on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The channel.
    pub channel: ChannelName,
    /// The history that the seq is in.
    pub epoch: Epoch,
    /// The seq of the next message.
    pub from: u64,
}

/// The answer to `FOLLOW`. Displays as the line on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Following {
    /// How many channels there are that fit: the stream begins with the place of each.
    pub channels: u64,
}

/// A line of the stream that is not a message: what follows, or what does not. Displays as it is
/// on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heading<'a> {
    /// The channel that it is about.
    pub channel: &'a str,
    /// What it says of it.
    pub kind: HeadingKind,
}

/// What a [`Heading`] says of its channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeadingKind {
    /// So many messages of the channel follow.
    Run {
        /// The channel's history.
        epoch: Epoch,
        /// The seq of the first message.
        from: u64,
        /// How many they are; none in the place of a channel at the beginning of the stream.
        count: u64,
        /// The seq of the next message to be committed, in the place of a channel.
        next: Option<u64>,
    },
    /// The place is no longer kept.
    Trimmed {
        /// The seq that it goes on with.
        first: u64,
    },
    /// The channel has another history than the one that was asked for.
    Epoch {
        /// The channel's history.
        epoch: Epoch,
        /// The seq that it goes on with.
        first: u64,
    },
    /// The place is damaged on disk.
    Corrupt {
        /// The seq that it goes on with.
        next: u64,
    },
    /// The place cannot be read from the disk at the moment; it is tried again.
    Unreadable,
    /// The channel is not there any more.
    Deleted {
        /// The seq that would have been next, where the hub knows it.
        next: Option<u64>,
    },
}

impl Place {
    /// A place in a channel.
    ///
    /// ```
    /// use tenfold::protocol::{Epoch, Place};
    ///
    /// let place = Place::new("ticks".parse()?, Epoch(255), 7);
    /// assert_eq!(place.to_string(), "ticks epoch=00000000000000ff from=7");
    /// assert_eq!(Place::parse(b"ticks epoch=00000000000000ff from=7"), Ok(place));
    /// # Ok::<(), tenfold::protocol::BadName>(())
    /// ```
    pub fn new(channel: ChannelName, epoch: Epoch, from: u64) -> Self {
        Self {
            channel,
            epoch,
            from,
        }
    }

    /// Reads the payload of a frame of the list.
    pub fn parse(line: &[u8]) -> Result<Self, BadRequest> {
        let bad = BadRequest::of_field;
        let text = str::from_utf8(line).map_err(|_| bad(1, None, ChannelName::RULE))?;
        let mut fields = text.split(' ');
        let name = fields.next().unwrap_or_default();
        let channel = name.parse().map_err(|_| bad(1, None, ChannelName::RULE))?;
        let (mut epoch, mut from) = (None, None);
        let mut last = 1;
        for field in fields {
            last += 1;
            match field.split_once('=') {
                Some(("epoch", value)) if epoch.is_none() => {
                    let value = value.parse();
                    epoch = Some(value.map_err(|_| bad(last, Some("epoch"), Epoch::RULE))?);
                }
                Some(("from", value)) if from.is_none() => {
                    let value = number(value).ok_or_else(|| bad(last, Some("from"), "a seq"))?;
                    from = Some(value);
                }
                _ => return Err(bad(last, None, "epoch= and from=, each once")),
            }
        }
        match (epoch, from) {
            (Some(epoch), Some(from)) => Ok(Self::new(channel, epoch, from)),
            _ => Err(bad(last + 1, None, "epoch= and from=, each once")),
        }
    }
}

impl Following {
    /// The answer where so many channels fit.
    pub fn new(channels: u64) -> Self {
        Self { channels }
    }
}

impl<'a> Heading<'a> {
    /// A heading of a channel.
    pub fn new(channel: &'a ChannelName, kind: HeadingKind) -> Self {
        Self {
            channel: channel.as_str(),
            kind,
        }
    }

    /// Reads the payload of a frame that is not a message. Keys that are not known are passed over;
    /// `None` is a heading that is not known, or none.
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let text = str::from_utf8(line).ok()?.strip_prefix('@')?;
        let mut fields = text.split(' ');
        let channel = fields.next().filter(|name| !name.is_empty())?;
        let (mut word, mut epoch) = (None, None);
        let (mut from, mut count, mut first, mut next) = (None, None, None, None);
        for field in fields {
            match field.split_once('=') {
                None => word = Some(word.map_or(field, |_| "")),
                Some(("epoch", value)) => epoch = Some(value.parse().ok()?),
                Some(("from", value)) => from = Some(number(value)?),
                Some(("count", value)) => count = Some(number(value)?),
                Some(("first", value)) => first = Some(number(value)?),
                Some(("next", value)) => next = Some(number(value)?),
                Some(_) => {}
            }
        }
        let kind = match word {
            None => match (epoch?, from, count, first) {
                (epoch, Some(from), Some(count), _) => HeadingKind::Run {
                    epoch,
                    from,
                    count,
                    next,
                },
                (epoch, _, _, Some(first)) => HeadingKind::Epoch { epoch, first },
                _ => return None,
            },
            Some("trimmed") => HeadingKind::Trimmed { first: first? },
            Some("corrupt") => HeadingKind::Corrupt { next: next? },
            Some("unreadable") => HeadingKind::Unreadable,
            Some("deleted") => HeadingKind::Deleted { next },
            Some(_) => return None,
        };
        Some(Self { channel, kind })
    }
}

impl HeadingKind {
    /// A run of messages.
    pub fn run(epoch: Epoch, from: u64, count: u64) -> Self {
        Self::Run {
            epoch,
            from,
            count,
            next: None,
        }
    }

    /// The place of a channel.
    pub fn place(epoch: Epoch, from: u64, next: u64) -> Self {
        Self::Run {
            epoch,
            from,
            count: 0,
            next: Some(next),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            channel,
            epoch,
            from,
        } = self;
        write!(f, "{channel} epoch={epoch} from={from}")
    }
}

impl fmt::Display for Following {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OK channels={}", self.channels)
    }
}

impl fmt::Display for Heading<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{} ", self.channel)?;
        match self.kind {
            HeadingKind::Run {
                epoch,
                from,
                count,
                next,
            } => {
                write!(f, "epoch={epoch} from={from} count={count}")?;
                next.map_or(Ok(()), |next| write!(f, " next={next}"))
            }
            HeadingKind::Trimmed { first } => write!(f, "trimmed first={first}"),
            HeadingKind::Epoch { epoch, first } => write!(f, "epoch={epoch} first={first}"),
            HeadingKind::Corrupt { next } => write!(f, "corrupt next={next}"),
            HeadingKind::Unreadable => f.write_str("unreadable"),
            HeadingKind::Deleted { next } => {
                f.write_str("deleted")?;
                next.map_or(Ok(()), |next| write!(f, " next={next}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heading_is_written_as_it_is_read() {
        for line in [
            "@ticks epoch=00000000000000ff from=3 count=17",
            "@ticks epoch=00000000000000ff from=3 count=0 next=9",
            "@a.b trimmed first=9",
            "@a.b epoch=0000000000000001 first=0",
            "@a.b corrupt next=18446744073709551615",
            "@a.b unreadable",
            "@a.b deleted",
            "@a.b deleted next=4",
        ] {
            let heading = Heading::parse(line.as_bytes()).unwrap();
            assert_eq!(heading.to_string(), line);
        }
        let known = "@ticks epoch=00000000000000ff colour=red from=3 count=17";
        assert!(Heading::parse(known.as_bytes()).is_some());
    }

    #[test]
    fn other_lines_are_not_headings() {
        for line in [
            "",
            "@",
            "ticks deleted",
            "@ticks",
            "@ deleted",
            "@ticks gone",
            "@ticks deleted deleted",
            "@ticks trimmed",
            "@ticks trimmed first=x",
            "@ticks epoch=00000000000000ff from=3",
            "@ticks epoch=ff from=3 count=4",
            "@ticks from=3 count=4",
        ] {
            assert_eq!(Heading::parse(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn the_first_wrong_field_of_a_place_is_named() {
        let cases: &[(&str, usize, Option<&str>)] = &[
            ("", 1, None),
            ("Ticks epoch=00000000000000ff from=1", 1, None),
            ("ticks", 2, None),
            ("ticks from=1", 3, None),
            ("ticks epoch=ff from=1", 2, Some("epoch")),
            ("ticks epoch=00000000000000ff from=first", 3, Some("from")),
            ("ticks epoch=00000000000000ff from=-1", 3, Some("from")),
            ("ticks from=1 from=1", 3, None),
            ("ticks from=1 epoch=00000000000000ff ", 4, None),
        ];
        for (line, field, key) in cases {
            let bad = Place::parse(line.as_bytes()).unwrap_err();
            assert_eq!((bad.field, bad.key), (*field, *key), "{line}");
        }
        let place = Place::parse(b"ticks from=1 epoch=00000000000000ff").unwrap();
        assert_eq!(place, Place::new("ticks".parse().unwrap(), Epoch(255), 1));
    }
}
