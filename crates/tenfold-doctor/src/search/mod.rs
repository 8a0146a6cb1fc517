//! The grammar is searched: every number at every place near the beginning of a frame, off by every
//! small amount. Most of these framings die within a few frames, so ten thousand of them cost little.

mod chain;
mod number;
mod records;
mod shape;

use tenfold_codec::{Side, Step};

use crate::trial::{Sample, Trial};
use chain::Chain;
use number::numbers;
pub(crate) use records::records;
use shape::Shape;

/// The last place in a message where a number is looked for.
const LAST_AT: usize = 16;

/// The most by which a number differs from what follows it.
const MOST_OFF: i64 = 20;

/// The last offset at which the first frame is looked for, where a stream begins inside a message.
const LAST_START: usize = 4096;

/// How many of the best are tried on everything.
const BEST: usize = 24;

/// A framing that gets through the first frames, and what it takes to describe it.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) side: Side,
    /// Bits of its description: how many others were tried as well.
    pub(crate) cost: f64,
}

/// The likeliest framings with a number, the likeliest first.
pub(crate) fn candidates(sample: Sample<'_>) -> Vec<Candidate> {
    let mut found: Vec<(Shape, Chain)> = Vec::new();
    // Any letter of a text is a small number, too.
    let is_text = sample
        .bytes
        .iter()
        .all(|byte| matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r'));
    for at in 0..=LAST_AT {
        for number in numbers(sample.bytes.get(at..).unwrap_or_default()) {
            for add in -MOST_OFF..=MOST_OFF {
                if is_text && number.is_binary() && (at, add) != (0, 0) {
                    continue;
                }
                let shape = Shape { number, at, add };
                if let Some(chain) = shape.follow(sample) {
                    found.push((shape, chain));
                }
            }
        }
    }
    describe(found, sample)
}

/// The same of a stream that begins inside a message: the end of that one is a message, too.
pub(crate) fn from_inside(sample: Sample<'_>) -> Vec<Candidate> {
    let mut best: Vec<(f64, usize, Candidate)> = Vec::new();
    for start in 1..sample.bytes.len().min(LAST_START) {
        let rest = Sample {
            bytes: &sample.bytes[start..],
            ..sample
        };
        let mut found = Vec::new();
        for number in numbers(rest.bytes)
            .into_iter()
            .filter(|number| number.is_long(rest.bytes))
        {
            for shape in Shape::plain(number) {
                let chain = shape.follow(rest).filter(|chain| chain.frames > 2);
                found.extend(chain.map(|chain| (shape, chain)));
            }
        }
        let bits = found
            .iter()
            .map(|(_, chain)| chain.bits)
            .fold(0.0, f64::max);
        let candidates = describe(found, rest).into_iter().take(1);
        best.extend(candidates.map(|candidate| (bits, start, candidate)));
    }
    best.sort_by(|(a, ..), (b, ..)| b.total_cmp(a));
    best.into_iter()
        .take(BEST)
        .filter_map(|(_, start, candidate)| candidate.after(start))
        .collect()
}

/// Whether a number in the first frames leads past these bytes, but not by more than `most`.
pub(crate) fn leads_past(bytes: &[u8], most: usize) -> bool {
    (0..=LAST_AT.min(bytes.len())).any(|at| {
        let rest = &bytes[at..];
        let numbers = numbers(rest)
            .into_iter()
            .filter(|number| number.is_long(rest) || number.is_ended());
        numbers
            .map(|number| Shape { number, at, add: 0 })
            .any(|shape| shape.leads_past(bytes, most))
    })
}

/// What the grammar calls the best of these.
fn describe(mut found: Vec<(Shape, Chain)>, sample: Sample<'_>) -> Vec<Candidate> {
    found.sort_by(|(_, a), (_, b)| b.bits.total_cmp(&a.bits));
    let mut candidates = Vec::new();
    let lasting = found.into_iter().filter(|(shape, _)| shape.lasts(sample));
    for (shape, chain) in lasting.take(BEST) {
        for step in shape.steps(&chain) {
            let Ok((step, cost)) = step else { continue };
            let side = Side::from(step);
            if candidates
                .iter()
                .all(|known: &Candidate| known.side != side)
            {
                candidates.push(Candidate { side, cost });
            }
        }
    }
    candidates
}

impl Candidate {
    /// What it makes of the sample, less what it takes to describe it.
    pub(crate) fn tried(self, sample: Sample<'_>) -> (Side, Trial) {
        let mut trial = Trial::run(&self.side, sample, None);
        trial.bits -= self.cost;
        (self.side, trial)
    }

    /// This framing after as many bytes of a message that has begun before.
    #[expect(clippy::cast_precision_loss, reason = "the logarithm of an offset")]
    fn after(self, start: usize) -> Option<Self> {
        let first = Step::fixed(start as u64).ok()?;
        let side = Side::new([first].into_iter().chain(self.side.steps().iter().cloned())).ok()?;
        Some(Self {
            side,
            cost: self.cost + (start as f64 + 1.0).log2(),
        })
    }
}
