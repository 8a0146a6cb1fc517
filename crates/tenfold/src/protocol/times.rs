//! What a hub tells of when messages were committed.

use std::fmt;
use std::str::FromStr;

use super::{BadAnswer, number};

/// Messages that were committed in the same millisecond: a frame after the answer to `TIMES`. Displays as the line on
/// the wire.
///
/// ```
/// use tenfold::protocol::Committed;
///
/// let committed: Committed = "7 2 1795718642053".parse()?;
/// assert_eq!((committed.from, committed.end()), (7, 9));
/// assert_eq!(committed.to_string(), "7 2 1795718642053");
/// # Ok::<(), tenfold::protocol::BadAnswer>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Committed {
    /// The seq of the first of them.
    pub from: u64,
    /// How many they are.
    pub count: u64,
    /// When: unix milliseconds, by the clock of the hub.
    pub time: u64,
}

impl Committed {
    /// Messages from a seq on that were committed at a time.
    pub fn new(from: u64, count: u64, time: u64) -> Self {
        Self { from, count, time }
    }

    /// The seq after the last of them.
    pub fn end(&self) -> u64 {
        self.from.saturating_add(self.count)
    }
}

impl fmt::Display for Committed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.from, self.count, self.time)
    }
}

impl FromStr for Committed {
    type Err = BadAnswer;

    /// What is after a third space is passed over: a later hub may say more.
    fn from_str(text: &str) -> Result<Self, BadAnswer> {
        let mut fields = text.splitn(4, ' ');
        let mut next = || {
            fields
                .next()
                .and_then(number)
                .ok_or_else(BadAnswer::default)
        };
        let (from, count, time) = (next()?, next()?, next()?);
        if count == 0 || from.checked_add(count).is_none() {
            return Err(BadAnswer::default());
        }
        Ok(Self { from, count, time })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_three_numbers_and_may_have_more() {
        let read = |text: &str| text.parse::<Committed>().ok();
        assert_eq!(read("0 1 5"), Some(Committed::new(0, 1, 5)));
        assert_eq!(read("0 1 5 node=a b"), Some(Committed::new(0, 1, 5)));
        for wrong in [
            "",
            "0 1",
            "0 0 5",
            "0 1 5x",
            "00 1 5",
            "0  1 5",
            "-1 1 5",
            "18446744073709551615 1 5",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
