//! How well a framing explains bytes: how many of them, and how unlikely that would be by chance.
//!
//! A framing that fits any bytes explains nothing. `u8` goes through every stream, and 8-byte
//! records through every eighth one. So what counts is surprise: the bytes that hold the framing
//! (numbers, delimiters) are weighed by how rare they are in this stream, less what a number needs
//! that could as well be any other. The unit is the bit: 10 bits are one chance in a thousand.

use tenfold_codec::{DEFAULT_LIMIT, DecodeError, Decoder, Event, Side};

use crate::sides::{self, ends_anywhere, is_in_digits};
use crate::signatures::Signature;
use crate::surprise::{Columns, LengthCost, Rarity};

/// The largest length that is believed where it is written in digits: 1 TiB.
const MOST_IN_DIGITS: u64 = 1 << 40;

/// What a framing makes of the first bytes of a stream.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Trial {
    /// Messages that it finds.
    pub messages: u64,
    /// Marks that it finds: numbers that are not lengths.
    pub marks: u64,
    /// Bytes in whole frames.
    pub explained: u64,
    /// Bytes that it was tried on.
    pub total: u64,
    /// How unlikely it is that this happens by chance.
    pub bits: f64,
    /// How it ended.
    pub end: TrialEnd,
    /// Messages that look like those of the protocol.
    pub typical: u64,
    /// Messages that do not.
    pub untypical: u64,
    /// Frames begin and end anywhere, so that no single one is a surprise.
    anywhere: bool,
    /// Each number is so small that it never leads far.
    is_small: bool,
    empty: u64,
    /// Messages of which the number says nothing.
    nothing: u64,
}

/// How a trial ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrialEnd {
    /// The last frame ends with the stream.
    Exact,
    /// The bytes at hand end inside a frame, and the stream goes on.
    Open,
    /// Here no frame could be found.
    Broken(DecodeError),
}

/// A stretch of a stream to try framings on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample<'a> {
    pub(crate) bytes: &'a [u8],
    /// Whether the stream ends with these bytes.
    pub(crate) whole: bool,
    pub(crate) rarity: &'a Rarity,
}

impl Trial {
    /// Goes through the sample by this framing, as long as it lasts.
    pub(crate) fn run(side: &Side, sample: Sample<'_>, signature: Option<&Signature>) -> Self {
        Self::run_at_most(side, sample, signature, u64::MAX)
    }

    /// The same, but stops after this many messages; what follows counts as open.
    pub(crate) fn run_at_most(
        side: &Side,
        sample: Sample<'_>,
        signature: Option<&Signature>,
        most: u64,
    ) -> Self {
        let mut trial = Self {
            messages: 0,
            marks: 0,
            explained: 0,
            total: sample.bytes.len() as u64,
            bits: 0.0,
            end: TrialEnd::Open,
            typical: 0,
            untypical: 0,
            anywhere: ends_anywhere(side),
            is_small: sides::is_small(side),
            empty: 0,
            nothing: 0,
        };
        let mut decoder = Decoder::new(side).with_limit(limit(side));
        if is_in_digits(side) && !sample.whole {
            // The header of a message that goes on after the sample is evidence, too.
            decoder = decoder.with_pieces_above(sample.bytes.len() as u64);
        }
        decoder.feed(sample.bytes);
        if sample.whole {
            decoder.finish();
        }
        let mut before: Vec<u8> = Vec::new();
        let shortest = sides::shortest(side);
        let has_more = sides::has_more(side);
        let mut announces = shortest.is_none();
        let constants = sides::constants(side).map_or(0.0, |bytes| sample.rarity.bits(&bytes));
        let (mut lengths, mut columns) = (LengthCost::default(), Columns::default());
        while trial.messages < most {
            let message = match decoder.next_event() {
                Ok(Some(Event::Message(message))) => message,
                Ok(Some(Event::Mark(_))) => {
                    trial.marks += 1;
                    // A mark is four digits that are not a length: as good as a short number.
                    trial.bits += 4.0;
                    trial.explained = decoder.offset();
                    continue;
                }
                Ok(Some(Event::Begin {
                    length: Some(length),
                })) => {
                    let begun = match decoder.next_event() {
                        Ok(Some(Event::Data(begun))) => begun.len() as u64,
                        _ => 0,
                    };
                    let header = slice(sample.bytes, trial.explained, trial.total - begun);
                    if !is_padded(header) {
                        break;
                    }
                    trial.bits += sample.rarity.bits(header) - number_bits(length, MOST_IN_DIGITS);
                    trial.messages += 1;
                    trial.explained = trial.total;
                    break;
                }
                Ok(Some(_)) => continue,
                Ok(None) if sample.whole => {
                    trial.end = TrialEnd::Exact;
                    break;
                }
                Ok(None) => break,
                Err(error) => {
                    trial.end = TrialEnd::Broken(error);
                    break;
                }
            };
            let length = message.len();
            announces |= shortest.is_some_and(|shortest| length as u64 > shortest);
            trial.nothing += u64::from(shortest == Some(length as u64));
            let payload_bits = sample.rarity.bits(message);
            if let Some(signature) = signature {
                trial.compare(signature, message, &before);
                before.clear();
                before.extend_from_slice(&message[..length.min(8)]);
            }
            let behind = decoder.offset();
            if !is_one_byte(slice(sample.bytes, trial.explained, behind))
                && let Some(Event::Message(message)) = decoder.last_event()
            {
                columns.add(message, sample.rarity);
            }
            // Nothing, and bytes that no number counts: any zeros would do.
            let is_nothing = has_more && shortest == Some(length as u64);
            let lengths = (!is_nothing).then_some(&mut lengths);
            trial.weigh(sample, behind, length, payload_bits + constants, lengths);
        }
        trial.conclude(&columns, constants, announces);
        trial
    }

    /// What all messages together show. Around each are `constants` bits that are alike; whether any number
    /// `announces` something.
    #[expect(clippy::cast_precision_loss, reason = "counts of a short sample")]
    fn conclude(&mut self, columns: &Columns, constants: f64, announces: bool) {
        // What stands after a byte that may stand anywhere is not a column, unless it is text as it should be.
        let is_text = self.typical > 2 && self.untypical == 0 && !self.cuts_anything();
        let lasts = !matches!(self.end, TrialEnd::Broken(_)) || !self.is_small;
        if lasts && (is_text || !self.anywhere) {
            self.bits += columns.saved(constants * self.messages as f64);
        }
        if self.cuts_anything() {
            self.bits = self.bits.min(0.0);
        } else if self.is_small && self.nothing > 1 && self.nothing * 3 > self.messages {
            // Each zero of a larger number is an empty message to a small one.
            self.bits = self.bits.min(0.0);
        } else if !announces && self.messages > 1 {
            // Numbers that are all zero are as well a part of the messages.
            self.bits = 0.0;
        } else if self.end == TrialEnd::Exact {
            self.bits += last_frame_bits(self);
        }
    }

    /// The worth of one framing against another: what it explains, weighed by how unlikely it is.
    #[expect(clippy::cast_precision_loss, reason = "a share of a short sample")]
    pub fn score(&self) -> f64 {
        if self.total == 0 || self.messages + self.marks == 0 {
            return 0.0;
        }
        // A long frame that goes on after the sample contradicts nothing.
        let share = match self.end {
            TrialEnd::Open if self.messages > 1 => 1.0,
            _ => self.explained as f64 / self.total as f64,
        };
        if self.bits > 0.0 {
            self.bits * share
        } else {
            self.bits
        }
    }

    /// Whether everything is explained, as far as the bytes go.
    pub(crate) fn is_complete(&self) -> bool {
        match self.end {
            TrialEnd::Exact => true,
            TrialEnd::Open => {
                self.messages > 1 || (self.messages > 0 && self.explained == self.total)
            }
            TrialEnd::Broken(_) => false,
        }
    }

    /// Whether this is a delimiter that cuts bytes of any sort, and most of what it cuts is not
    /// what stands between such delimiters, or is nothing.
    pub(crate) fn cuts_anything(&self) -> bool {
        self.anywhere && (self.untypical > self.typical || self.empty * 2 > self.messages + 1)
    }

    /// Whether everything is lines of text.
    pub(crate) fn is_text(&self) -> bool {
        self.end == TrialEnd::Exact && self.typical > 1 && self.untypical == 0
    }

    /// Whether any bytes are frames, as long as the last byte is the right one.
    pub(crate) fn is_anywhere(&self) -> bool {
        self.anywhere
    }

    fn compare(&mut self, signature: &Signature, message: &[u8], before: &[u8]) {
        let Some(fits) = signature.fits(message, self.messages, before) else {
            return;
        };
        // What ten messages show, a thousand do not show better.
        let counts = self.typical + self.untypical < 10;
        if fits {
            self.typical += 1;
            if counts {
                self.bits += signature.bits(self.messages);
            }
        } else {
            self.untypical += 1;
            if counts {
                self.bits -= 2.0 * signature.bits(self.messages);
            }
        }
    }

    fn weigh(
        &mut self,
        sample: Sample<'_>,
        behind: u64,
        length: usize,
        payload_bits: f64,
        lengths: Option<&mut LengthCost>,
    ) {
        let frame = slice(sample.bytes, self.explained, behind);
        // A zero is a length of nothing to most binary numbers, and a part of any larger one; so is any
        // other byte that fills a file.
        if let Some(lengths) = lengths
            && frame.len() > length
            && !self.anywhere
            && !is_one_byte(frame)
        {
            let framing_bits = sample.rarity.bits(frame) - payload_bits;
            let left = self.total - self.explained;
            let surprise = framing_bits - lengths.of(length as u64, left);
            // Of numbers that lead anywhere each costs what it costs. Of others a long one is not against them.
            self.bits += if self.is_small {
                surprise
            } else {
                surprise.max(-2.0)
            };
        }
        self.messages += 1;
        self.empty += u64::from(length == 0);
        self.explained = behind;
    }
}

/// Digits are not a length by chance, however large it is.
fn limit(side: &Side) -> u64 {
    if is_in_digits(side) {
        MOST_IN_DIGITS
    } else {
        DEFAULT_LIMIT
    }
}

/// Whether a header in digits is one also if nothing is known of where it leads: text can begin with a
/// date, and hardly with a number and two bytes that pad it.
pub(crate) fn is_padded(header: &[u8]) -> bool {
    header.ends_with(b"  ") || header.starts_with(b"00")
}

/// Whether a frame is one byte again and again.
fn is_one_byte(frame: &[u8]) -> bool {
    frame.windows(2).all(|pair| pair[0] == pair[1])
}

fn slice(bytes: &[u8], from: u64, to: u64) -> &[u8] {
    let place = |offset: u64| usize::try_from(offset).map_or(bytes.len(), |n| n.min(bytes.len()));
    &bytes[place(from)..place(to)]
}

/// Bits that it takes to say a length: small ones are more likely, and none is longer than what is
/// left of the stream.
#[expect(clippy::cast_precision_loss, reason = "the logarithm of a length")]
fn number_bits(length: u64, left: u64) -> f64 {
    let log = ((length + 1) as f64).log2();
    let universal = log + 2.0 * (log + 1.0).log2() + 1.0;
    universal.min(((left + 1) as f64).log2())
}

/// A chain of frames that ends exactly with the stream would do so by chance once in as many
/// times as a frame is long; and a byte that may stand anywhere is the last one once in 256 times.
#[expect(clippy::cast_precision_loss, reason = "the logarithm of a length")]
fn last_frame_bits(trial: &Trial) -> f64 {
    match trial.messages {
        0 => 0.0,
        _ if trial.anywhere => 8.0,
        messages => ((trial.explained / messages + 1) as f64).log2(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenfold_codec::Framing;

    fn trial(line: &str, bytes: &[u8]) -> Trial {
        let framing: Framing = line.parse().unwrap();
        let rarity = Rarity::of(bytes);
        let sample = Sample {
            bytes,
            whole: true,
            rarity: &rarity,
        };
        Trial::run(framing.client(), sample, None)
    }

    #[test]
    fn the_framing_of_a_stream_scores_higher_than_one_that_fits_anything() {
        let stream = b"5         hello0         3         abc";
        let right = trial("decimal:10", stream);
        assert_eq!(
            (right.messages, right.explained, &right.end),
            (3, 38, &TrialEnd::Exact)
        );
        for wrong in [
            "u8",
            "varint",
            "line",
            "netstring",
            "u32be",
            "fixed:2",
            "fixed:19",
        ] {
            assert!(
                trial(wrong, stream).score() < right.score() / 3.0,
                "{wrong}"
            );
        }
    }

    #[test]
    fn what_breaks_explains_only_what_came_before() {
        let broken = trial("decimal:10", b"5         helloGET / HTTP/1.1");
        assert_eq!((broken.messages, broken.explained), (1, 15));
        assert!(matches!(broken.end, TrialEnd::Broken(_)));
        assert!(!broken.is_complete());
    }
}
