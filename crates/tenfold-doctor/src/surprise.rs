//! Bits of surprise: what bytes cost that nothing is known of, and what they cost once something is.
//!
//! The unit is the bit: what is one chance in a thousand has 10 of them. A model that learns from what it
//! has seen says each next byte in fewer bits, if there is something to learn; otherwise it needs more.

/// How rare each byte is in a stream.
#[derive(Clone, Debug)]
pub(crate) struct Rarity([f32; 256]);

impl Rarity {
    /// Counts bytes, beginning from the belief that each is as likely as any other.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut counts = [1_u32; 256];
        for byte in bytes {
            counts[usize::from(*byte)] += 1;
        }
        #[expect(clippy::cast_precision_loss, reason = "counts of a short sample")]
        let total = (bytes.len() + 256) as f32;
        #[expect(clippy::cast_precision_loss, reason = "counts of a short sample")]
        let bits = counts.map(|count| (total / count as f32).log2());
        Self(bits)
    }

    /// Bits of surprise in these bytes.
    pub(crate) fn bits(&self, bytes: &[u8]) -> f64 {
        bytes.iter().map(|byte| self.bit(*byte)).sum()
    }

    fn bit(&self, byte: u8) -> f64 {
        f64::from(self.0[usize::from(byte)])
    }
}

/// Symbols of a few bits, each the likelier the more often it came before.
#[derive(Clone, Debug, Default)]
struct Learned {
    /// A stream has few symbols in one place, or there is nothing to learn.
    seen: Vec<(u8, u32)>,
    total: u32,
    bits: f64,
}

impl Learned {
    /// What a symbol is believed to have been seen before it was.
    const BELIEF: f64 = 1.0 / 64.0;

    fn learn(&mut self, symbol: u8, symbols: f64) {
        let known = self.seen.iter().position(|(seen, _)| *seen == symbol);
        let count = known.map_or(0, |at| self.seen[at].1);
        self.bits += ((f64::from(self.total) + symbols * Self::BELIEF)
            / (f64::from(count) + Self::BELIEF))
            .log2();
        self.total += 1;
        match known {
            Some(at) => self.seen[at].1 += 1,
            None => self.seen.push((symbol, 1)),
        }
    }
}

/// What it costs to say the lengths of messages one after the other: short ones are likelier, and so is a
/// length as long as those before.
#[derive(Clone, Debug, Default)]
pub(crate) struct LengthCost(Learned);

impl LengthCost {
    /// Bits of this length, which is at most `left`.
    #[expect(clippy::cast_precision_loss, reason = "the logarithm of a length")]
    pub(crate) fn of(&mut self, length: u64, left: u64) -> f64 {
        let digits = u8::try_from(64 - length.leading_zeros()).unwrap_or(64);
        let before = self.0.bits;
        self.0.learn(digits, f64::from(65 - left.leading_zeros()));
        let bits = self.0.bits - before + f64::from(digits.saturating_sub(1));
        bits.min(((left + 1) as f64).log2().max(1.0))
    }
}

/// Bytes at the beginning of messages that are looked at in columns.
const COLUMNS: usize = 16;

/// What columns can show at most: that messages begin here, and no more than that.
const MOST_SHOWN: f64 = 60.0;

/// What it costs to say which columns have something to learn, and what.
const CHOICE: f64 = 3.0;

/// The first bytes of the messages, one under the other. Where messages begin in truth, columns have types,
/// counters, names and zeros, and so they surprise less than the stream does. Where they do not, a column
/// is like the stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Columns {
    columns: Vec<Column>,
}

#[derive(Clone, Debug, Default)]
struct Column {
    /// What the bytes of the column cost by their rarity in the stream.
    rarity: f64,
    /// What they cost if one is like the others.
    same: Learned,
    /// What they cost if the step from each to the next is like the others.
    steps: Learned,
    before: u8,
}

impl Columns {
    pub(crate) fn add(&mut self, message: &[u8], rarity: &Rarity) {
        self.add_parts(message, &[], rarity);
    }

    /// The same of a message that is in two parts.
    pub(crate) fn add_parts(&mut self, first: &[u8], second: &[u8], rarity: &Rarity) {
        let width = (first.len() + second.len()).min(COLUMNS);
        if self.columns.len() < width {
            self.columns.resize_with(width, Column::default);
        }
        for (column, byte) in self.columns.iter_mut().zip(first.iter().chain(second)) {
            column.rarity += rarity.bit(*byte);
            column.same.learn(*byte, 256.0);
            column.steps.learn(byte.wrapping_sub(column.before), 256.0);
            column.before = *byte;
        }
    }

    /// Bits that the columns save, together with those that `others` save which are alike in each message.
    pub(crate) fn saved(&self, others: f64) -> f64 {
        let saved = |column: &Column| {
            let learned = column.same.bits.min(column.steps.bits) + CHOICE;
            (column.rarity - learned).max(0.0)
        };
        let all: f64 = self.columns.iter().map(saved).sum::<f64>() + others;
        all.min(MOST_SHOWN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(seed: &mut u32) -> u8 {
        *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        seed.to_be_bytes()[0]
    }

    #[test]
    fn a_column_of_types_or_counters_saves_bits_and_one_of_noise_saves_none() {
        let mut seed = 1;
        let messages: Vec<[u8; 3]> = (0..50)
            .map(|n| [[1, 7][usize::from(n % 2)], n, noise(&mut seed)])
            .collect();
        let rarity = Rarity::of(&messages.concat());
        let saved = |at: usize| {
            let mut columns = Columns::default();
            for message in &messages {
                columns.add(&message[at..=at], &rarity);
            }
            columns.saved(0.0)
        };
        assert!(
            saved(0) > 20.0 && saved(1) > 50.0,
            "{} {}",
            saved(0),
            saved(1)
        );
        assert!(saved(2).abs() < f64::EPSILON, "{}", saved(2));
    }

    #[test]
    fn a_length_like_those_before_costs_less() {
        let mut cost = LengthCost::default();
        let first = cost.of(200, 10_000);
        let mut last = first;
        for _ in 0..20 {
            last = cost.of(201, 10_000);
        }
        assert!(last < 8.0 && last < first - 1.0, "{first} {last}");
    }
}
