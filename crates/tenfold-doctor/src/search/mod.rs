//! The grammar is searched: every number at every place near the beginning of a frame, off by every
//! small amount. Most of these framings die within a few frames, so ten thousand of them cost little.

mod chain;
mod number;
mod shape;

use tenfold_codec::Side;

use crate::trial::Sample;
use chain::Chain;
use number::numbers;
use shape::Shape;

/// The last place in a message where a number is looked for.
const LAST_AT: usize = 16;

/// The most by which a number differs from what follows it.
const MOST_OFF: i64 = 20;

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
    for at in 0..=LAST_AT {
        for number in numbers(sample.bytes.get(at..).unwrap_or_default()) {
            for add in -MOST_OFF..=MOST_OFF {
                let shape = Shape { number, at, add };
                if let Some(chain) = shape.follow(sample) {
                    found.push((shape, chain));
                }
            }
        }
    }
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
