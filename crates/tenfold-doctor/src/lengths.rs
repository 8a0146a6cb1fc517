//! The lengths of messages: over time, and how many of each size. In constant memory.

use std::fmt::Write as _;

use crate::numbers::{counted, grouped};
use crate::walker::Found;

/// Columns of the sparkline.
const COLUMNS: usize = 64;

/// Characters of the longest bar, where there is room.
const BAR: usize = 40;

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Statistics of lengths.
#[derive(Clone, Debug)]
pub struct Lengths {
    messages: u64,
    bytes: u64,
    shortest: u64,
    longest: u64,
    /// How many have 0 bytes, 1, 2 to 3, 4 to 7 ...
    sizes: [u64; 65],
    /// The longest of so many messages in a row each.
    columns: Vec<u64>,
    each: u64,
    in_last: u64,
}

impl Default for Lengths {
    fn default() -> Self {
        Self {
            messages: 0,
            bytes: 0,
            shortest: u64::MAX,
            longest: 0,
            sizes: [0; 65],
            columns: Vec::new(),
            each: 1,
            in_last: 0,
        }
    }
}

impl Lengths {
    /// Counts this, if it is a message.
    pub fn note(&mut self, found: Found<'_>) {
        if let Found::Message(frame, _) = found {
            self.add(frame.length);
        }
    }

    /// Counts a message of this length.
    pub fn add(&mut self, length: u64) {
        self.messages += 1;
        self.bytes = self.bytes.saturating_add(length);
        self.shortest = self.shortest.min(length);
        self.longest = self.longest.max(length);
        self.sizes[(64 - length.leading_zeros()) as usize] += 1;
        if self.columns.is_empty() || self.in_last == self.each {
            if self.columns.len() == COLUMNS {
                self.halve();
            }
            self.columns.push(0);
            self.in_last = 0;
        }
        self.in_last += 1;
        if let Some(last) = self.columns.last_mut() {
            *last = (*last).max(length);
        }
    }

    /// Makes room: each two columns become one.
    fn halve(&mut self) {
        self.columns = self
            .columns
            .chunks(2)
            .map(|pair| pair.iter().copied().max().unwrap_or(0))
            .collect();
        self.each *= 2;
    }

    /// How many messages there are.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Bytes in all messages together.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The shortest and the longest length, as soon as there is a message.
    pub fn range(&self) -> Option<(u64, u64)> {
        (self.messages > 0).then_some((self.shortest, self.longest))
    }

    /// `7 messages, 12,430 bytes in them, 0 to 12,345 bytes each`.
    pub fn sentence(&self) -> String {
        let messages = counted(self.messages, "message");
        match self.messages {
            0 => messages,
            1 => format!("{messages} of {}", counted(self.bytes, "byte")),
            _ if self.shortest == self.longest => {
                format!("{messages} of {} each", counted(self.longest, "byte"))
            }
            _ => format!(
                "{messages} of {} to {} ({} together)",
                grouped(self.shortest),
                counted(self.longest, "byte"),
                grouped(self.bytes)
            ),
        }
    }

    /// The longest message of each stretch, from the first to the last, in so many characters.
    pub fn sparkline(&self, room: usize) -> String {
        let top = self.longest.max(1);
        let together = self.columns.len().div_ceil(room.max(8)).max(1);
        let block = |lengths: &[u64]| {
            let length = lengths.iter().copied().max().unwrap_or(0);
            let step = (u128::from(length) * 8 / u128::from(top)).min(7);
            BLOCKS[usize::try_from(step).unwrap_or(7)]
        };
        self.columns.chunks(together).map(block).collect()
    }

    /// A bar for each size there is, in powers of two, in lines of so many characters.
    pub fn histogram(&self, columns: usize) -> String {
        let most = self.sizes.iter().copied().max().unwrap_or(0).max(1);
        let used = |size: &usize| self.sizes[*size] > 0;
        let (Some(first), Some(last)) = ((0..65).find(used), (0..65).rfind(used)) else {
            return String::new();
        };
        let names: Vec<String> = (first..=last).map(named).collect();
        let width = names.iter().map(String::len).max().unwrap_or(0);
        let beside = width + grouped(most).len() + 6;
        let longest = columns.saturating_sub(beside).clamp(8, BAR);
        let mut text = String::new();
        for (size, name) in (first..=last).zip(&names) {
            let count = self.sizes[size];
            if count == 0 {
                // Many sizes in a row that do not occur are one line.
                if size > first && self.sizes[size - 1] > 0 {
                    let _ = writeln!(text, "  {:>width$}", "...");
                }
                continue;
            }
            let bar = (u128::from(count) * longest as u128).div_ceil(u128::from(most));
            let bar = "█".repeat(usize::try_from(bar).unwrap_or(0));
            let line = format!("  {name:>width$}  {bar:<longest$}  {}", grouped(count));
            text += line.trim_end();
            text.push('\n');
        }
        text
    }
}

/// The lengths that a size stands for.
fn named(size: usize) -> String {
    match size {
        0 => "0".to_owned(),
        1 => "1".to_owned(),
        _ => {
            let low = 1_u64 << (size - 1);
            format!("{} to {}", grouped(low), grouped(low - 1 + low))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(all: impl IntoIterator<Item = u64>) -> Lengths {
        let mut lengths = Lengths::default();
        for length in all {
            lengths.add(length);
        }
        lengths
    }

    #[test]
    fn a_sparkline_shows_where_the_long_ones_are() {
        assert_eq!(lengths([0, 50, 100]).sparkline(80), "▁▅█");
        let long = lengths((0..1_000_000).map(|n| if n == 500_000 { 80 } else { 10 }));
        for room in [80, 30] {
            let line = long.sparkline(room);
            assert!(line.chars().count() <= room.min(COLUMNS));
            assert_eq!(line.chars().filter(|c| *c == '█').count(), 1);
        }
    }

    #[test]
    fn a_histogram_counts_by_powers_of_two() {
        let text = lengths([0, 5, 6, 7, 9, u64::MAX]).histogram(80);
        let rows: Vec<&str> = text.lines().collect();
        assert!(rows[0].trim().starts_with("0 "), "{text}");
        assert!(
            rows[2].trim().starts_with("4 to 7 ") && rows[2].ends_with(" 3"),
            "{text}"
        );
        assert_eq!(rows.len(), 6);
        let narrow = lengths([0, 5, 6, 7, 9]).histogram(30);
        assert!(
            narrow.lines().all(|row| row.chars().count() <= 30),
            "{narrow}"
        );
        assert_eq!(lengths([]).histogram(80), "");
    }
}
