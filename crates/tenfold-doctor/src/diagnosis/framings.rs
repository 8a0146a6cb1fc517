//! The whole stream by another framing.

use tenfold_codec::{Framing, Side};

use super::near::{Near, near};
use super::{Finding, Scene, Works, looks};
use crate::numbers::counted;
use crate::rank::{self, WORTH_NAMING};
use crate::sides::{self, field, is_delimited};
use crate::surprise::Rarity;
use crate::trial::{Sample, Trial, TrialEnd};

/// What clients of `PostgreSQL` ask first unless they are told not to, and what it answers.
const ENCRYPTION: &[(&str, &str)] = &[
    ("u32be-4@1", "fixed:1/u32be-4@1"),
    ("u32be-4/u32be-4@1", "u32be-4/u32be-4/u32be-4@1"),
    ("u32be-4/u32be-4@1", "u32be-4/u32be-4/u32be-4/u32be-4@1"),
];

/// How sure a framing is without a name, by which the last frame would be cut.
pub(super) const GUESS: u8 = 55;

pub(super) fn find(scene: Scene<'_>) -> Vec<Finding> {
    let rarity = Rarity::of(scene.excerpt.beginning());
    let Some(sample) = scene.beginning(&rarity) else {
        return Vec::new();
    };
    let before = Trial::run(scene.side, sample, None);
    let as_it_was = before.score();
    // A framing that explains less than the one at hand is not better.
    let near = best_near(scene, sample).filter(|near| near.1 > as_it_was);
    let far = best_far(scene, sample).filter(|far| {
        // A delimiter may stand anywhere. So it counts less than the frames that were right before the
        // break, which is not chance, however much of the stream follows it.
        if far.2 && far.1 < before.bits {
            return false;
        }
        // Nor does a delimiter, or a small number, beat a mistake that explains everything.
        if (far.2 || far.3) && near.as_ref().is_some_and(|near| near.2) {
            return false;
        }
        // The mistake that people make is likelier than a framing that fits as well.
        let needed = near
            .as_ref()
            .map_or(as_it_was, |near| as_it_was.max(near.1 * 1.5));
        far.1 > needed.max(WORTH_NAMING)
    });
    let encryption = encryption(scene, sample);
    match (encryption, far, near) {
        (Some(finding), _, _)
        | (None, Some((finding, ..)), _)
        | (None, None, Some((finding, ..))) => {
            vec![finding]
        }
        (None, None, None) => unpadded(scene, sample).into_iter().collect(),
    }
}

/// Whether a trial gets past the break, and to the end of what is there, but for a last frame that
/// may be cut.
fn gets_through(scene: Scene<'_>, trial: &Trial) -> bool {
    let past = trial.explained > scene.broken();
    let cut_at_the_end = matches!(&trial.end, TrialEnd::Broken(error) if error.is_truncated())
        && trial.messages > 1
        && trial.explained * 10 >= trial.total * 8;
    past && (trial.is_complete() || cut_at_the_end) && !trial.cuts_anything()
}

/// The finding, what it is worth, and whether it explains everything.
fn best_near(scene: Scene<'_>, sample: Sample<'_>) -> Option<(Finding, f64, bool)> {
    let [step] = scene.side.steps() else {
        return None;
    };
    let mut best: Option<(Near, Trial)> = None;
    for near in near(step) {
        let trial = Trial::run(&near.side, sample, None);
        // A few more bits for one that comes later would be chance.
        let enough = best
            .as_ref()
            .map_or(4.0, |(_, best)| best.score().max(6.0) * 1.3);
        if gets_through(scene, &trial) && trial.score() > enough {
            best = Some((near, trial));
        }
    }
    let (near, trial) = best?;
    let works = works(near.side, &trial, sample);
    // What the end cuts is a weaker proof than what ends with it.
    let certainty = if trial.is_complete() { 92 } else { 86 };
    let finding = Finding {
        works: Some(works),
        ..Finding::new(near.kind, certainty, near.says)
    };
    let is_whole = trial.is_complete() && !trial.is_anywhere();
    Some((finding, trial.score(), is_whole))
}

/// The finding, what it is worth, whether any bytes are its frames, and whether it is a guess that a few small
/// numbers in a row can bring about.
fn best_far(scene: Scene<'_>, sample: Sample<'_>) -> Option<(Finding, f64, bool, bool)> {
    let ranked = rank::rank(sample.bytes, sample.whole);
    let first = ranked.into_iter().find(|ranked| {
        ranked.side != *scene.side && !ranked.has_records() && gets_through(scene, &ranked.trial)
    })?;
    // Any letter of a text is a length of one byte.
    if first.presets.is_empty()
        && sides::is_byte(&first.side)
        && looks::is_mostly_text(sample.bytes)
    {
        return None;
    }
    // A block of headers has lines, and is not a stream of lines.
    let is_guess = is_delimited(&first.side) || first.presets.is_empty();
    if looks::is_block(scene) && is_guess && looks::has_block(sample.bytes) {
        return None;
    }
    let name = match first.presets.as_slice() {
        [] => String::new(),
        _ => format!(" ({})", first.name()),
    };
    let score = first.trial.score();
    // A framing that somebody would have made for themselves, and a last frame that would be cut.
    let is_doubtful = first.presets.is_empty() && matches!(first.trial.end, TrialEnd::Broken(_));
    let is_small = first.presets.is_empty() && sides::is_small(&first.side);
    let certainty = match score {
        _ if is_doubtful => GUESS,
        _ if is_small => 60,
        20.0.. => 85,
        _ => 60,
    };
    let finding = Finding {
        works: Some(works(first.side.clone(), &first.trial, sample)),
        ..Finding::new(
            "other-framing",
            certainty,
            format!(
                "the stream is framed as {}{name}, not as {}",
                first.side, scene.side
            ),
        )
    };
    Some((finding, score, first.trial.is_anywhere(), is_small))
}

pub(super) fn works(side: Side, trial: &Trial, sample: Sample<'_>) -> Works {
    Works {
        side,
        messages: trial.messages,
        bytes: trial.explained,
        of: trial.total,
        is_whole: sample.whole,
    }
}

fn encryption(scene: Scene<'_>, sample: Sample<'_>) -> Option<Finding> {
    let side = |line: &str| {
        let framing = line.parse::<Framing>().ok()?;
        Some(framing.client().clone())
    };
    let (trial, with) = ENCRYPTION
        .iter()
        .filter(|(of, _)| side(of).as_ref() == Some(scene.side))
        .find_map(|(_, with)| {
            let with = side(with)?;
            let trial = Trial::run(&with, sample, None);
            gets_through(scene, &trial).then_some((trial, with))
        })?;
    Some(Finding {
        works: Some(works(with, &trial, sample)),
        ..Finding::new(
            "encryption-request",
            96,
            "PostgreSQL's client asks for encryption first, and the answer is one byte without a frame \
             (connect with sslmode=disable gssencmode=disable, or use a framing that has these steps)",
        )
    })
}

/// A number in front of the message, and nothing that ends it: no framing can read that.
fn unpadded(scene: Scene<'_>, sample: Sample<'_>) -> Option<Finding> {
    let width = field(scene.side)?;
    let mut rest = sample.bytes;
    let mut frames = 0;
    while !rest.is_empty() {
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let number = std::str::from_utf8(&rest[..digits]).ok()?;
        let length: usize = number.parse().ok()?;
        rest = rest.get(digits + length..)?;
        frames += 1;
    }
    (frames > 0 && sample.whole).then(|| {
        Finding::new(
            "unpadded",
            90,
            format!(
                "the sender writes the length and does not pad it: {} can be told only as long as no message \
                 begins with a digit (pad the length to {width} characters)",
                counted(frames, "frame")
            ),
        )
    })
}
