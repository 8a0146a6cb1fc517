//! The lines of the stream after `MIRROR`.

use std::fmt::{self, Write as _};

use super::{ChannelName, ProducerId, number};

/// A line of the stream that a hub sends to its mirror, between the messages. Displays as it is on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MirrorLine {
    /// The starts of the hub on its log: the number of the oldest, and the random number of each.
    Starts {
        /// The number of the oldest start that is told.
        oldest: u64,
        /// Their random numbers, the oldest first.
        random: Vec<u64>,
    },
    /// Where a channel goes on, and what its epochs are made of.
    Place {
        /// The channel.
        channel: ChannelName,
        /// The number that its epochs are made of, with those of the starts.
        birth: u64,
        /// Starts in which something was committed, by their numbers, and the first seq of each.
        links: Vec<(u64, u64)>,
        /// The seq of the first message that is committed in the newest start.
        since: u64,
        /// The seq of the next message that is sent.
        from: u64,
        /// The seq of the next message to be committed.
        next: u64,
    },
    /// How many messages of producers are committed, after the run that follows. Without a producer: none is known
    /// but those that are told before that run.
    Counts {
        /// The channel.
        channel: ChannelName,
        /// The producers, and how many messages each has.
        counts: Vec<(ProducerId, u64)>,
    },
    /// So many messages of the channel follow.
    Run {
        /// The channel.
        channel: ChannelName,
        /// The seq of the first.
        from: u64,
        /// How many they are; there may be none, so that counts are told.
        count: u64,
        /// When they were committed, in unix milliseconds.
        time: u64,
        /// The seq of the next message to be committed.
        next: u64,
    },
    /// The channel is not there any more.
    Deleted {
        /// The channel.
        channel: ChannelName,
    },
}

/// The most producers of one line.
pub const MAX_COUNTS: usize = 500;

impl MirrorLine {
    /// Reads the payload of a frame; `None` if it is not a line that is known.
    pub fn parse(line: &[u8]) -> Option<Self> {
        let text = str::from_utf8(line).ok()?;
        if text.ends_with(' ') {
            return None;
        }
        let Some(of_channel) = text.strip_prefix('@') else {
            return Self::parse_starts(text.strip_prefix("starts ")?);
        };
        let (name, rest) = of_channel.split_once(' ')?;
        let channel = name.parse().ok()?;
        match rest.split_once(' ').map_or((rest, ""), |parts| parts) {
            ("deleted", "") => Some(Self::Deleted { channel }),
            ("counts", counts) => Some(Self::Counts {
                channel,
                counts: pairs(counts, ' ', |id| id.parse().ok())?,
            }),
            ("place", keys) => {
                let [birth, links, since, from, next] =
                    values(keys, ["birth", "links", "since", "from", "next"])?;
                Some(Self::Place {
                    channel,
                    birth: hexadecimal(birth)?,
                    links: pairs(links, ',', number)?,
                    since: number(since)?,
                    from: number(from)?,
                    next: number(next)?,
                })
            }
            ("run", keys) => {
                let [from, count, time, next] = values(keys, ["from", "count", "time", "next"])?;
                Some(Self::Run {
                    channel,
                    from: number(from)?,
                    count: number(count)?,
                    time: number(time)?,
                    next: number(next)?,
                })
            }
            _ => None,
        }
    }

    fn parse_starts(text: &str) -> Option<Self> {
        let mut fields = text.split(' ');
        Some(Self::Starts {
            oldest: number(fields.next()?)?,
            random: fields.map(hexadecimal).collect::<Option<_>>()?,
        })
    }
}

/// The values of these keys, which stand in this order.
fn values<'a, const N: usize>(text: &'a str, keys: [&str; N]) -> Option<[&'a str; N]> {
    let mut found = [""; N];
    let mut fields = text.split(' ');
    for (value, key) in found.iter_mut().zip(keys) {
        *value = fields.next()?.strip_prefix(key)?.strip_prefix('=')?;
    }
    fields.next().is_none().then_some(found)
}

/// `A:1` and more of them with something between them, or nothing.
fn pairs<T>(text: &str, between: char, first: impl Fn(&str) -> Option<T>) -> Option<Vec<(T, u64)>> {
    let some = text.split(between).filter(|_| !text.is_empty());
    some.map(|pair| {
        let (id, count) = pair.split_once(':')?;
        Some((first(id)?, number(count)?))
    })
    .collect()
}

fn hexadecimal(text: &str) -> Option<u64> {
    let is_hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let is_one = text.len() == 16 && text.bytes().all(is_hexadecimal);
    is_one.then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

impl fmt::Display for MirrorLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starts { oldest, random } => {
                write!(f, "starts {oldest}")?;
                random
                    .iter()
                    .try_for_each(|random| write!(f, " {random:016x}"))
            }
            Self::Place {
                channel,
                birth,
                links,
                since,
                from,
                next,
            } => {
                write!(f, "@{channel} place birth={birth:016x} links=")?;
                for (index, (start, first)) in links.iter().enumerate() {
                    if index > 0 {
                        f.write_char(',')?;
                    }
                    write!(f, "{start}:{first}")?;
                }
                write!(f, " since={since} from={from} next={next}")
            }
            Self::Counts { channel, counts } => {
                write!(f, "@{channel} counts")?;
                let mut counts = counts.iter();
                counts.try_for_each(|(id, count)| write!(f, " {id}:{count}"))
            }
            Self::Run {
                channel,
                from,
                count,
                time,
                next,
            } => write!(
                f,
                "@{channel} run from={from} count={count} time={time} next={next}"
            ),
            Self::Deleted { channel } => write!(f, "@{channel} deleted"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_written_as_it_is_read() {
        for line in [
            "starts 0",
            "starts 16 0b2f6f2f4e0d9a11 89ab0123cdef4567",
            "@ticks place birth=0123456789abcdef links= since=0 from=0 next=0",
            "@ticks place birth=0123456789abcdef links=3:0,17:56990 since=57000 from=120 next=57001",
            "@ticks counts",
            "@ticks counts meter7:56880 _x:1",
            "@a.b run from=7 count=3 time=1795718642053 next=10",
            "@a.b deleted",
        ] {
            let parsed = MirrorLine::parse(line.as_bytes()).unwrap();
            assert_eq!(parsed.to_string(), line);
        }
    }

    #[test]
    fn other_lines_are_not_known() {
        for line in [
            "",
            "@",
            "starts",
            "starts 1 abc",
            "starts 1 0123456789ABCDEF",
            "@Ticks deleted",
            "@ticks deleted ",
            "@ticks deleted x",
            "@ticks counts x",
            "@ticks counts x:",
            "@ticks counts x:1 ",
            "@ticks place birth=0123456789abcdef links=3 since=0 from=0 next=0",
            "@ticks place birth=0123456789abcdef since=0 from=0 next=0",
            "@ticks run from=7 count=3 time=1 next=10 more=1",
            "@ticks run from=-7 count=3 time=1 next=10",
            "@ticks epoch=0123456789abcdef from=0 count=1",
        ] {
            assert_eq!(MirrorLine::parse(line.as_bytes()), None, "{line}");
        }
    }
}
