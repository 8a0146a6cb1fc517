//! Where a subscription starts.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::number;

/// `from=`: where a subscription starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Position {
    /// The oldest message that is kept.
    First,
    /// The next message to be committed.
    #[default]
    Next,
    /// The newest message.
    Last,
    /// The message with this seq.
    Seq(u64),
    /// So many messages before the end; never 0.
    Newest(u64),
    /// The first message of the first commit at or after this time (not before 1970).
    At(SystemTime),
}

/// A text that is not a position. Displays what a position is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BadPosition;

impl Position {
    /// What a position is, in words.
    pub(super) const RULE: &str = "first, next, last, a seq, -N or @TIME (seconds, or RFC 3339)";
    /// The same for many channels, which have no seq in common.
    pub(super) const RULE_OF_MANY: &str =
        "first, next, last, -N or @TIME (many channels have no seq in common)";

    /// The seq that this position means in a channel that keeps the messages from `first` up to
    /// `next`, without regard to whether there is such a message. `at_time` finds the first message
    /// of a time, which only the channel knows.
    ///
    /// ```
    /// use tenfold::protocol::Position;
    ///
    /// let no_times = |_| Err("this channel keeps no times");
    /// let newest: Position = "-3".parse()?;
    /// assert_eq!(newest.seq(2, 9, no_times), Ok(6));
    /// assert_eq!(Position::Last.seq(2, 9, no_times), Ok(8));
    /// # Ok::<(), tenfold::protocol::BadPosition>(())
    /// ```
    pub fn seq<E>(
        self,
        first: u64,
        next: u64,
        at_time: impl FnOnce(SystemTime) -> Result<u64, E>,
    ) -> Result<u64, E> {
        match self {
            Self::First => Ok(first),
            Self::Next => Ok(next),
            Self::Last => Ok(next.saturating_sub(1)),
            Self::Seq(seq) => Ok(seq),
            Self::Newest(count) => Ok(next.saturating_sub(count).max(first)),
            Self::At(time) => at_time(time),
        }
    }
}

impl FromStr for Position {
    type Err = BadPosition;

    fn from_str(text: &str) -> Result<Self, BadPosition> {
        let position = match text {
            "first" => Some(Self::First),
            "next" => Some(Self::Next),
            "last" => Some(Self::Last),
            _ => match (text.strip_prefix('-'), text.strip_prefix('@')) {
                (Some(count), _) => number(count).filter(|count| *count > 0).map(Self::Newest),
                (_, Some(time)) => unix_seconds(time).or_else(|| rfc3339(time)).map(Self::At),
                _ => number(text).map(Self::Seq),
            },
        };
        position.ok_or(BadPosition)
    }
}

/// Seconds since 1970, with up to nine digits of fraction.
fn unix_seconds(text: &str) -> Option<SystemTime> {
    let (seconds, fraction) = match text.split_once('.') {
        Some((seconds, fraction)) => (seconds, nanoseconds(fraction)?),
        None => (text, 0),
    };
    UNIX_EPOCH.checked_add(Duration::new(number(seconds)?, fraction))
}

fn nanoseconds(fraction: &str) -> Option<u32> {
    let legal = (1..=9).contains(&fraction.len()) && fraction.bytes().all(|b| b.is_ascii_digit());
    legal
        .then(|| format!("{fraction:0<9}").parse().ok())
        .flatten()
}

/// A time like `2026-11-24T08:30:00.5+01:00`. The library reads more than that, so the shape is
/// looked at first.
fn rfc3339(text: &str) -> Option<SystemTime> {
    const SHAPE: &[u8] = b"0000-00-00T00:00:00";
    let (head, tail) = text.split_at_checked(SHAPE.len())?;
    let fits = |byte: u8, shape: u8| match shape {
        b'0' => byte.is_ascii_digit(),
        _ => byte == shape,
    };
    let shaped = |text: &str, shape: &[u8]| {
        text.len() == shape.len()
            && text
                .bytes()
                .zip(shape)
                .all(|(byte, shape)| fits(byte, *shape))
    };
    let zone = match tail.strip_prefix('.') {
        Some(tail) => {
            let (fraction, zone) = tail.split_at(tail.find(|c: char| !c.is_ascii_digit())?);
            nanoseconds(fraction)?;
            zone
        }
        None => tail,
    };
    let zoned = zone == "Z" || shaped(zone, b"+00:00") || shaped(zone, b"-00:00");
    if !shaped(head, SHAPE) || !zoned {
        return None;
    }
    let time: jiff::Timestamp = text.parse().ok()?;
    let since = time.duration_since(jiff::Timestamp::UNIX_EPOCH);
    UNIX_EPOCH.checked_add(since.try_into().ok()?)
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::First => f.write_str("first"),
            Self::Next => f.write_str("next"),
            Self::Last => f.write_str("last"),
            Self::Seq(seq) => seq.fmt(f),
            Self::Newest(count) => write!(f, "-{count}"),
            Self::At(time) => {
                let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
                match since.subsec_nanos() {
                    0 => write!(f, "@{}", since.as_secs()),
                    nanos => write!(f, "@{}.{nanos:09}", since.as_secs()),
                }
            }
        }
    }
}

impl fmt::Display for BadPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}", Position::RULE)
    }
}

impl std::error::Error for BadPosition {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_written_as_it_is_read() {
        for text in [
            "first",
            "next",
            "last",
            "0",
            "18446744073709551615",
            "-1",
            "@0",
            "@17.000000001",
        ] {
            assert_eq!(text.parse::<Position>().unwrap().to_string(), text);
        }
        for (text, same) in [
            ("@2026-11-24T08:30:00Z", "@1795509000"),
            ("@2026-11-24T08:30:00.25+01:00", "@1795505400.250000000"),
            ("@1.5", "@1.500000000"),
        ] {
            assert_eq!(text.parse::<Position>().unwrap().to_string(), same);
        }
    }

    #[test]
    fn what_is_not_a_position_is_refused() {
        for text in [
            "",
            "First",
            "00",
            "01",
            "+1",
            "18446744073709551616",
            "-",
            "-0",
            "-01",
            "--1",
            "@",
            "@-1",
            "@1.",
            "@1.0000000001",
            "@2026-11-24",
            "@2026-11-24T08:30Z",
            "@2026-11-24T08:30:00",
            "@2026-11-24t08:30:00z",
            "@2026-13-24T08:30:00Z",
            "@1969-12-31T23:59:59Z",
            "@2026-11-24T08:30:00.Z",
            "@2026-11-24T08:30:00,5Z",
            "@18446744073709551615",
        ] {
            assert!(text.parse::<Position>().is_err(), "{text}");
        }
    }
}
