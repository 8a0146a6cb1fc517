//! `--framing auto`: which framing a stream has, and why.

use std::cmp::Ordering;
use std::fmt::Write as _;

use tenfold_codec::{Framing, PRESETS, Shape, Side};

use crate::numbers::counted;
use crate::protocols;
use crate::search;
use crate::seen::seen;
use crate::sides;
use crate::signatures::{self, Signature};
use crate::surprise::Rarity;
use crate::trial::{Sample, Trial, TrialEnd};

/// Framings without a preset that are as common as those with one.
const OTHERS: &[&str] = &[
    "u16le",
    "u64be",
    "u64le",
    "u32be-4",
    "u16be-2",
    "u24be",
    "ber",
    "cobs",
    "slip",
    "hdlc",
    r"delim:\0",
    r"delim:\r\n",
    r"hex,end=\r\n,close=\r\n",
];

/// The least that makes a framing worth to be named: one chance in a thousand.
pub const WORTH_NAMING: f64 = 10.0;

/// How many of the likeliest framings have their messages described.
const DESCRIBED: usize = 3;

/// Where nothing explains more than this, the stream may begin inside a message.
const DOUBTFUL: f64 = 3.0 * WORTH_NAMING;

/// One framing, and what it makes of the stream.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Ranked {
    /// The presets that stand for it, the likeliest first; none for a framing without a name.
    pub presets: Vec<&'static str>,
    /// Whose frames they are, where the presets differ in that.
    pub whose: Option<&'static str>,
    /// The framing.
    pub side: Side,
    /// What it makes of the bytes.
    pub trial: Trial,
    says: Option<Says>,
    /// What its messages have in common, of the likeliest ones.
    saw: Option<String>,
}

/// What the messages show of a protocol, beside its framing.
#[derive(Clone, Copy, Debug)]
struct Says {
    words: &'static str,
    /// It is about the first message.
    once: bool,
}

impl Ranked {
    /// What to call it: its first preset, or the line.
    pub fn name(&self) -> String {
        match (self.presets.first(), self.whose) {
            (Some(name), None) => (*name).to_owned(),
            (Some(name), Some(whose)) => format!("{name} ({whose})"),
            (None, _) => self.side.to_string(),
        }
    }

    /// How many bytes the stream has of a message that began before it did.
    pub(crate) fn begins_inside(&self) -> Option<u64> {
        match self.side.steps() {
            [first, _] if self.presets.is_empty() => match first.shape() {
                Shape::Fixed(size) => Some(*size),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether bytes of a size that was found by chance, maybe, are the messages or the first one.
    pub(crate) fn has_records(&self) -> bool {
        self.presets.is_empty() && matches!(self.side.steps()[0].shape(), Shape::Fixed(_))
    }

    /// Whether more bytes would hardly say anything else: several messages were seen, and not by chance.
    pub fn is_sure(&self) -> bool {
        self.trial.messages > 3 && self.trial.score() > DOUBTFUL
    }

    /// Why it stands where it does.
    pub fn why(&self) -> String {
        let trial = &self.trial;
        let mut why = match &trial.end {
            TrialEnd::Exact => format!("all bytes, in {}", counted(trial.messages, "message")),
            TrialEnd::Open => format!("{} so far", counted(trial.messages, "message")),
            TrialEnd::Broken(error) => format!(
                "{}, then it breaks at offset {}",
                counted(trial.messages, "message"),
                error.offset()
            ),
        };
        if trial.marks > 0 {
            let _ = write!(why, " and {}", counted(trial.marks, "mark"));
        }
        if let (Some(Says { words, once }), 1..) = (self.says, trial.typical) {
            let which = match trial.untypical {
                0 if trial.messages > 1 && !once => "each",
                0 => "it",
                _ => "not each",
            };
            let _ = write!(why, "; {which} {words}");
        }
        if let Some(saw) = self.saw.as_ref().filter(|_| self.says.is_none()) {
            let _ = write!(why, "; {saw}");
        }
        if let Some(size) = self.begins_inside() {
            let _ = write!(
                why,
                "; the stream begins inside a message, of which it has the last {}",
                counted(size, "byte")
            );
        }
        if trial.score() < WORTH_NAMING {
            why += "; that could be chance";
        }
        why
    }
}

/// All presets, and all framings with a number near the beginning of their messages, tried on the first bytes of a stream, the likeliest first.
///
/// `whole` says that the stream ends with these bytes.
///
/// ```
/// let ranked = tenfold_doctor::rank(b"5         hello3         abc", true);
/// assert_eq!(ranked[0].side.to_string(), "decimal:10");
/// assert_eq!(ranked[0].trial.messages, 2);
/// ```
pub fn rank(bytes: &[u8], whole: bool) -> Vec<Ranked> {
    let rarity = Rarity::of(bytes);
    let sample = Sample {
        bytes,
        whole,
        rarity: &rarity,
    };
    let mut ranked: Vec<Ranked> = Vec::new();
    for preset in PRESETS {
        let Ok(framing) = preset.line.parse::<Framing>() else {
            continue;
        };
        if framing.is_symmetric() {
            let signature = signatures::of(preset.name, true);
            add(
                &mut ranked,
                Some(preset.name),
                None,
                framing.client(),
                sample,
                signature,
            );
            continue;
        }
        for (whose, side) in [("client", framing.client()), ("server", framing.server())] {
            let signature = signatures::of(preset.name, whose == "client");
            add(
                &mut ranked,
                Some(preset.name),
                Some(whose),
                side,
                sample,
                signature,
            );
        }
    }
    for line in OTHERS {
        if let Ok(framing) = line.parse::<Framing>() {
            let signature = signatures::of(line, true);
            add(&mut ranked, None, None, framing.client(), sample, signature);
        }
    }
    let lines = ranked
        .iter()
        .find(|known| known.side.is_lines() && known.trial.is_text())
        .map(|lines| lines.trial.messages);
    let searched = search::candidates(sample)
        .into_iter()
        .map(|found| found.tried(sample));
    // A number in each line is a part of the line.
    for (side, trial) in searched.filter(|(_, trial)| lines != Some(trial.messages)) {
        add_best(&mut ranked, &side, trial);
    }
    for candidate in search::records(sample) {
        let (side, trial) = candidate.tried(sample);
        add_best(&mut ranked, &side, trial);
    }
    let best = ranked.iter().map(|known| known.trial.score());
    if best.fold(0.0, f64::max) < DOUBTFUL {
        let inside = search::from_inside(sample)
            .into_iter()
            .map(|found| found.tried(sample));
        let best = inside.max_by(|(_, a), (_, b)| a.score().total_cmp(&b.score()));
        if let Some((side, trial)) = best {
            put(&mut ranked, None, None, &side, trial, None);
        }
    }
    if protocols::of(bytes).is_some() {
        // Each of its lines is one, and none of its messages.
        let lines = ranked.iter_mut().filter(|one| sides::is_lines(&one.side));
        lines.for_each(|lines| lines.trial.bits = 0.0);
    }
    ranked.sort_by(|a, b| {
        let longer = || match a.trial.score() {
            // Of two delimiters that end all messages, the longer one is the whole of it.
            0.1.. => sides::delimiter(&b.side).cmp(&sides::delimiter(&a.side)),
            _ => Ordering::Equal,
        };
        b.trial
            .score()
            .total_cmp(&a.trial.score())
            .then_with(longer)
    });
    let worthy = ranked.iter_mut().take(DESCRIBED);
    for one in worthy.filter(|one| one.trial.score() >= WORTH_NAMING && one.trial.is_complete()) {
        one.saw = seen(&one.side, bytes);
    }
    ranked
}

/// Whether more bytes of a stream would say more: a length in these leads past them.
///
/// ```
/// assert!(tenfold_doctor::leads_past(b"\0\x01\0\0the beginning of 64 KiB", 1 << 20));
/// assert!(!tenfold_doctor::leads_past(b"text, which has no length anywhere", 1 << 20));
/// ```
///
/// `most` is how far it may lead past the end of these.
pub fn leads_past(bytes: &[u8], most: usize) -> bool {
    search::leads_past(bytes, most)
}

/// Adds a framing, or a further name for one that is there.
fn add(
    ranked: &mut Vec<Ranked>,
    preset: Option<&'static str>,
    whose: Option<&'static str>,
    side: &Side,
    sample: Sample<'_>,
    signature: Option<Signature>,
) {
    let known = ranked.iter_mut().find(|known| known.side == *side);
    let (Some(known), None) = (known, &signature) else {
        let trial = Trial::run(side, sample, signature.as_ref());
        let says = signature.map(|signature| Says {
            words: signature.says,
            once: signature.is_greeting(),
        });
        return put(ranked, preset, whose, side, trial, says);
    };
    known.presets.extend(preset);
}

/// Adds a framing that was searched for, unless a preset of it has messages of its protocol.
fn add_best(ranked: &mut Vec<Ranked>, side: &Side, trial: Trial) {
    if let Some(known) = ranked.iter().position(|known| known.side == *side) {
        if ranked[known].trial.score() >= trial.score() {
            return;
        }
        ranked.remove(known);
    }
    put(ranked, None, None, side, trial, None);
}

fn put(
    ranked: &mut Vec<Ranked>,
    preset: Option<&'static str>,
    whose: Option<&'static str>,
    side: &Side,
    trial: Trial,
    says: Option<Says>,
) {
    let Some(known) = ranked.iter_mut().find(|known| known.side == *side) else {
        ranked.push(Ranked {
            presets: preset.into_iter().collect(),
            whose,
            side: side.clone(),
            trial,
            says,
            saw: None,
        });
        return;
    };
    if trial.score() > known.trial.score() {
        // The messages are those of this protocol.
        known.presets.splice(0..0, preset);
        (known.whose, known.trial, known.says) = (whose, trial, says);
    } else if trial.untypical == 0 || trial.typical > 0 {
        known.presets.extend(preset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_has_no_framing() {
        let mut state = 7_u32;
        let noise: Vec<u8> = (0..300_000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_be_bytes()[0]
            })
            .collect();
        for (noise, whole) in [
            (&noise[..4000], true),
            (&noise[..4000], false),
            (&noise[..], false),
        ] {
            let first = &rank(noise, whole)[0];
            assert!(first.trial.score() < WORTH_NAMING, "{first:?}");
        }
    }
}
