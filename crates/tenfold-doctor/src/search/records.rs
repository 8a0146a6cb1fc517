//! Messages that are all of the same size, and messages between two marks.

use tenfold_codec::{FramingError, Side, Step};

use super::Candidate;
use super::shape::MADE;
use crate::trial::Sample;

/// The largest record that is looked for.
const LARGEST: usize = 4096;

/// Bytes that are compared with those of the record before.
const COMPARED: usize = 4096;

/// How many sizes are tried.
const SIZES: usize = 4;

/// Records of one size, and messages that begin and end with a byte that is not text.
pub(crate) fn records(sample: Sample<'_>) -> Vec<Candidate> {
    let mut candidates = fixed(sample);
    candidates.extend(between_marks(sample.bytes));
    candidates
}

/// The sizes at which most bytes are like the one that is as far before them.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts of a short sample, and a size"
)]
fn fixed(sample: Sample<'_>) -> Vec<Candidate> {
    let bytes = &sample.bytes[..sample.bytes.len().min(COMPARED + LARGEST)];
    let mut sizes: Vec<(f64, usize)> = (2..=LARGEST.min(bytes.len() / 3))
        .filter(|size| !sample.whole || sample.bytes.len().is_multiple_of(*size))
        .map(|size| {
            let pairs = bytes.iter().zip(&bytes[size..]).take(COMPARED);
            let alike = pairs.clone().filter(|(a, b)| a == b).count();
            (alike as f64 / pairs.count().max(1) as f64, size)
        })
        .collect();
    let most = sizes.iter().map(|(alike, _)| *alike).fold(0.0, f64::max);
    // Several records are as much alike as one, so the smallest sizes are tried.
    sizes.retain(|(alike, _)| *alike > 0.8 * most);
    let candidate = |(_, size): (f64, usize)| -> Result<Candidate, FramingError> {
        Ok(Candidate {
            side: Side::from(Step::fixed(size as u64)?),
            cost: MADE + 2.0 * (size as f64).log2(),
        })
    };
    sizes.into_iter().take(SIZES).flat_map(candidate).collect()
}

/// One byte before each message and another after it, as STX and ETX.
fn between_marks(bytes: &[u8]) -> Option<Candidate> {
    let (&open, &close) = (bytes.first()?, bytes.last()?);
    let is_mark = |byte: u8| !byte.is_ascii_graphic() && !matches!(byte, 0 | b' ');
    if !is_mark(open) || !is_mark(close) || open == close {
        return None;
    }
    let mut ends = 0;
    for pair in bytes.windows(2).filter(|pair| pair[0] == close) {
        if pair[1] != open {
            return None;
        }
        ends += 1;
    }
    let step = Step::delimited([close])
        .and_then(|step| step.with_open([open]))
        .ok()?;
    (ends > 1).then(|| Candidate {
        side: Side::from(step),
        cost: MADE,
    })
}
