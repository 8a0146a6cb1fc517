//! Streams that can be read as they were said to be framed, and hardly are framed so.

use tenfold_codec::{Decoder, Event, Framing, PRESETS, Shape, Side};

use crate::diagnosis::serial;
use crate::diagnosis::syslog::begins_with_priority;
use crate::numbers::{counted, grouped};
use crate::protocols;
use crate::sides;
use crate::signatures::{self, Signature};
use crate::surprise::Rarity;
use crate::trial::{Sample, Trial, TrialEnd};
use crate::{Excerpt, Finding};

/// Messages that are looked at.
const LOOKED_AT: u64 = 1000;

/// Why a stream that did not break is hardly framed as it was read; nothing for most streams.
///
/// ```
/// use tenfold_codec::Framing;
/// use tenfold_doctor::{Excerpt, doubt};
///
/// let lines: Framing = "line".parse()?;
/// let mut excerpt = Excerpt::default();
/// excerpt.push(b"\0\0\0\x03a\nb\0\0\0\x02c\n");
/// assert!(doubt(lines.client(), &excerpt, true).is_some());
/// # Ok::<(), tenfold_codec::FramingError>(())
/// ```
pub fn doubt(side: &Side, excerpt: &Excerpt, ended: bool) -> Option<Finding> {
    let bytes = excerpt.beginning();
    let rarity = Rarity::of(bytes);
    let sample = Sample {
        bytes,
        whole: ended && excerpt.end() == bytes.len() as u64,
        rarity: &rarity,
    };
    let (kind, says) = if serial::is_modbus(side) && serial::is_rtu(bytes, sample.whole) {
        return Some(serial::finding());
    } else if sides::is_lines(side) {
        of_lines(side, sample)?
    } else {
        run_together(side, bytes)
            .or_else(|| of_preset(side, sample))
            .or_else(|| every_other_empty(side, sample))
            .or_else(|| all_text(side, sample))?
    };
    Some(Finding::new(kind, 50, says))
}

type Doubt = (&'static str, String);

/// What the messages are that a framing gives.
#[derive(Debug, Default)]
struct Seen {
    messages: u64,
    not_text: u64,
    with_nul: u64,
    parts: u64,
    after_returns: u64,
}

impl Seen {
    fn of(side: &Side, bytes: &[u8]) -> Self {
        let mut seen = Self::default();
        each(side, bytes, |message| {
            seen.messages += 1;
            seen.not_text += u64::from(!signatures::is_text(message));
            seen.with_nul += u64::from(message.contains(&0));
            seen.parts += u64::from(signatures::is_a_part(message));
            seen.after_returns += u64::from(message.ends_with(b"\r"));
        });
        seen
    }
}

fn of_lines(side: &Side, sample: Sample<'_>) -> Option<Doubt> {
    let seen = Seen::of(side, sample.bytes);
    let (messages, half) = (seen.messages, seen.messages / 2);
    let fits = |line: &str| {
        let framing: Framing = line.parse().ok()?;
        let trial = Trial::run(framing.client(), sample, None);
        let is_right = trial.messages > 0 && !matches!(trial.end, TrialEnd::Broken(_));
        is_right.then_some(trial.messages)
    };
    if let Some(name) = protocols::of(sample.bytes) {
        let says = format!("this looks like {name}: a line is not a message of it");
        return Some(("not-lines", says));
    }
    if is_counted_syslog(sample.bytes) && fits("syslog").is_some() {
        let says =
            "a count stands before each message of syslog: this is octet counting (framing syslog)";
        return Some(("octet-counted", says.to_owned()));
    }
    if seen.with_nul > half
        && let Some(strings) = fits(r"delim:\0").filter(|strings| *strings > 1)
        && seen.not_text == seen.with_nul
    {
        let says = format!(
            "{} of {} have a NUL in them: as delim:\\0 the stream is {}",
            grouped(seen.with_nul),
            counted(messages, "message"),
            counted(strings, "message")
        );
        return Some(("ends-with-nul", says));
    }
    if seen.not_text > half {
        let says = match messages {
            1 => "the message is not text".to_owned(),
            _ => format!(
                "{} of {} messages are not text",
                grouped(seen.not_text),
                grouped(messages)
            ),
        };
        let says = says + ": each newline ends one, whatever it stands for";
        return Some(("not-text", says));
    }
    if seen.parts > half && messages > 3 {
        let says = format!(
            "{} of {} messages are parts of JSON that is laid out over several lines: one value is several messages",
            grouped(seen.parts),
            grouped(messages)
        );
        return Some(("json-parts", says));
    }
    let has_returns = seen.after_returns == messages && messages > 1;
    let is_bare = matches!(side.steps()[0].shape(), Shape::Delim(end) if **end == *b"\n");
    (has_returns && is_bare).then(|| {
        let says = "each line ends with a carriage return, which is a part of the message so: delim:\\r\\n takes it off";
        ("returns", says.to_owned())
    })
}

/// The beginning of a message inside another one.
fn run_together(side: &Side, bytes: &[u8]) -> Option<Doubt> {
    let [step] = side.steps() else { return None };
    let open = step.open();
    if !matches!(step.shape(), Shape::Delim(_)) || open.is_empty() {
        return None;
    }
    let (mut at, mut found) = (0_u64, None);
    each(side, bytes, |message| {
        if message.windows(open.len()).any(|bytes| bytes == open) {
            found.get_or_insert(at);
        }
        at += 1;
    });
    found.map(|index| {
        let says = format!(
            "message {index} has \"{}\" in it, which begins a message: the end of the one before is missing, and two \
             are one",
            open.escape_ascii()
        );
        ("run-together", says)
    })
}

/// No message is one of the protocol that has this framing for itself.
fn of_preset(side: &Side, sample: Sample<'_>) -> Option<Doubt> {
    let (name, signature) = only_preset(side)?;
    let trial = Trial::run(side, sample, Some(&signature));
    // Digits are hardly a length by luck.
    (sides::is_binary(side) && trial.typical == 0 && trial.untypical > 1).then(|| {
        let says = format!(
            "this is the framing of {name}, and no message {}, as there",
            signature.says
        );
        ("untypical", says)
    })
}

/// The one preset that has this framing, if its messages can be told.
fn only_preset(side: &Side) -> Option<(&'static str, Signature)> {
    let mut found = None;
    for preset in PRESETS {
        let framing: Framing = preset.line.parse().ok()?;
        let is_client = framing.client() == side;
        if !is_client && framing.server() != side {
            continue;
        }
        if found.is_some() {
            return None;
        }
        found = Some((preset.name, signatures::of(preset.name, is_client)));
    }
    let (name, signature) = found?;
    let signature =
        signature.filter(|signature| !signature.is_greeting() && signature.bits(1) > 6.0)?;
    Some((name, signature))
}

/// The upper half of each number as a number of its own.
fn every_other_empty(side: &Side, sample: Sample<'_>) -> Option<Doubt> {
    let wider = ["u16be", "u32be", "u64be"].windows(2).find(|pair| {
        pair[0]
            .parse::<Framing>()
            .is_ok_and(|framing| framing.client() == side)
    })?[1];
    let (mut messages, mut full) = (0_u64, 0_u64);
    each(side, sample.bytes, |message| {
        full += u64::from(messages % 2 == 0 && !message.is_empty());
        messages += 1;
    });
    let framing: Framing = wider.parse().ok()?;
    let trial = Trial::run(framing.client(), sample, None);
    let is_right = trial.messages > 2 && !matches!(trial.end, TrialEnd::Broken(_));
    (messages > 5 && full == 0 && is_right).then(|| {
        let says =
            format!("every other message is empty: as {wider} the stream has the others alone");
        ("every-other-empty", says)
    })
}

/// Numbers that are letters, in a stream of nothing but text.
fn all_text(side: &Side, sample: Sample<'_>) -> Option<Doubt> {
    let is_text = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n' | b'\r' | b'\t');
    let is_all = sample.bytes.len() > 15 && sample.bytes.iter().all(is_text);
    (is_all && sides::is_binary(side)).then(|| {
        let says = "all bytes are text, and the lengths are letters in it: this framing fits it by luck, if it is text";
        ("all-text", says.to_owned())
    })
}

/// Gives the messages in the first bytes of a stream.
fn each(side: &Side, bytes: &[u8], mut to: impl FnMut(&[u8])) {
    let mut decoder = Decoder::new(side);
    decoder.feed(bytes);
    for _ in 0..LOOKED_AT {
        match decoder.next_event() {
            Ok(Some(Event::Message(message))) => to(message),
            Ok(Some(_)) => {}
            _ => return to_rest(side, decoder.rest(), to),
        }
    }
}

/// Text may end without a newline.
fn to_rest(side: &Side, rest: &[u8], mut to: impl FnMut(&[u8])) {
    if side.is_lines() && !rest.is_empty() {
        to(rest);
    }
}

/// `123 <34>`, as octet counting has it.
fn is_counted_syslog(bytes: &[u8]) -> bool {
    let digits = bytes
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let after = bytes.get(digits + 1..).unwrap_or_default();
    digits > 0 && bytes.get(digits) == Some(&b' ') && begins_with_priority(after)
}
