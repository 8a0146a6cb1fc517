//! What is said about a stream as a whole: where it breaks and why, how long its messages are, and
//! which framings were thought of.

use std::fmt::Write as _;

use serde_json::{Value, json};
use tenfold::{DecodeError, Decoder, ErrorKind, Event};
use tenfold_doctor::{Finding, Frame, Lengths, Ranked, SHOWN, Scene, Works, diagnose};

use super::dump::Dump;
use super::preview;
use super::rows::Rows;
use crate::flow::format::hex;
use crate::flow::layout::wrapped;
use crate::flow::paint::Paint;
use crate::numbers::{counted, grouped};

/// Bytes that are shown before and after the break.
const AROUND: (u64, u64) = (32, 48);

/// A broken stream and its diagnosis.
#[derive(Debug)]
pub(crate) struct Broken<'a> {
    scene: Scene<'a>,
    findings: Vec<Finding>,
}

impl<'a> Broken<'a> {
    pub(crate) fn new(scene: Scene<'a>) -> Self {
        Self {
            findings: diagnose(scene),
            scene,
        }
    }

    /// For people.
    pub(crate) fn text(&self, paint: Paint, width: usize) -> String {
        let mut text = paint.red("broken: ") + &wrapped(&verdict(self.scene.error), 8, width);
        if let Some(last) = self.scene.last {
            let _ = writeln!(text, "  last good    {}", self.last(last, width));
        }
        let dump = self.dump(paint, width).text();
        if !dump.is_empty() {
            let _ = write!(text, "\n{dump}\n");
        }
        for (n, finding) in self.findings.iter().enumerate() {
            let name = if n == 0 { "cause" } else { "or" };
            let _ = write!(text, "  {}", paint.bold(&format!("{name:<11}")));
            text += "  ";
            text += &wrapped(&finding.says, 15, width);
        }
        if let Some(works) = self.works() {
            let _ = write!(text, "  {}  ", paint.green("would work "));
            text += &wrapped(&sentence(works), 15, width);
        }
        text
    }

    fn works(&self) -> Option<&Works> {
        self.findings
            .iter()
            .find_map(|finding| finding.works.as_ref())
    }

    fn last(&self, last: Frame, width: usize) -> String {
        let mut text = format!(
            "message {} at offset {}, {}",
            last.index,
            last.offset,
            counted(last.length, "byte")
        );
        let head = self.head(last);
        if !head.is_empty() {
            text += ": ";
            let room = width.saturating_sub(text.len() + 15).max(16);
            preview::put(&head, last.length > head.len() as u64, room, &mut text);
        }
        text
    }

    /// The first bytes of a message, without the bytes of its frame that follow it.
    fn head(&self, last: Frame) -> Vec<u8> {
        let excerpt = self.scene.excerpt;
        let frame = excerpt.between(last.offset, last.offset + last.size);
        let mut decoder = Decoder::new(&self.scene.steady());
        decoder.feed(frame);
        if let Ok(Some(Event::Message(message))) = decoder.next_event()
            && message.len() as u64 == last.length
        {
            return message[..message.len().min(SHOWN)].to_vec();
        }
        // The message is framed by one of the first steps, or begins before the bytes at hand.
        let start = last.offset + last.size - last.length.min(last.size);
        let end = start + last.length.min(SHOWN as u64);
        excerpt.between(start, end).to_vec()
    }

    fn dump(&self, paint: Paint, width: usize) -> Dump<'a> {
        let error = self.scene.error;
        let place = match error.kind() {
            ErrorKind::BadHeader { at }
            | ErrorKind::BadClose { at }
            | ErrorKind::BadUtf8 { at } => *at,
            _ => error.offset(),
        };
        let from = place.saturating_sub(AROUND.0) / 16 * 16;
        let header = self.scene.last.map_or(0..0, |last| {
            last.offset..last.offset + last.size.saturating_sub(last.length)
        });
        let (offset, _) = self.scene.excerpt.from(from);
        Dump {
            bytes: self.scene.excerpt.between(offset, place + AROUND.1),
            offset,
            mark: Some(place),
            header,
            paint,
            width,
        }
    }

    /// For programs.
    pub(crate) fn object(&self) -> Value {
        let error = self.scene.error;
        let dump = self.dump(Paint(false), usize::MAX);
        let hex = hex(dump.bytes);
        let last = self.scene.last.map(
            |last| json!({"index": last.index, "offset": last.offset, "size": last.size, "length": last.length}),
        );
        let finding = |finding: &Finding| json!({"kind": finding.kind, "says": finding.says, "certainty": finding.certainty});
        json!({
            "offset": error.offset(),
            "index": error.index(),
            "error": verdict(error),
            "last": last,
            "around": {"offset": dump.offset, "hex": hex},
            "findings": self.findings.iter().map(finding).collect::<Vec<_>>(),
            "works": self.works().map(|works| json!({
                "framing": works.side.to_string(),
                "messages": works.messages,
                "bytes": works.bytes,
                "of": works.of,
            })),
        })
    }
}

/// What is wrong, without the guess, which the diagnosis says better.
fn verdict(error: &DecodeError) -> String {
    let words = error.to_string();
    let guess = error.looks_like().map(|guess| format!("; {guess}"));
    let verdict = guess.and_then(|guess| words.strip_suffix(&guess).map(str::to_owned));
    let hint = match error.kind() {
        ErrorKind::TooLarge { .. } => " (--max-message raises it)",
        _ => "",
    };
    verdict.unwrap_or(words) + hint
}

fn sentence(works: &Works) -> String {
    let of = if works.is_whole {
        counted(works.of, "byte")
    } else {
        format!("the first {}", counted(works.of, "byte"))
    };
    let bytes = match (works.bytes == works.of, works.is_whole) {
        (true, true) => format!("all {of}"),
        (true, false) => of,
        (false, _) => format!("{} of {of}", grouped(works.bytes)),
    };
    format!(
        "--framing '{}' reads {bytes}, as {}",
        works.side,
        counted(works.messages, "message")
    )
}

/// Why a stream that did not break is hardly framed so.
pub(crate) fn doubt(doubt: &Finding, rows: &Rows) -> String {
    if rows.json {
        return json!({ "doubt": {"kind": doubt.kind, "says": doubt.says} }).to_string() + "\n";
    }
    let name = rows.paint.bold(&format!("{:<11}", "doubt"));
    format!("\n  {name}  {}", wrapped(&doubt.says, 15, rows.width))
}

/// Lengths over time, and how many of each size. `read` says how many bytes of what.
pub(crate) fn summary(lengths: &Lengths, framing: &str, read: &str, rows: &Rows) -> String {
    const OVER_TIME: &str = "lengths over time";
    let sentence = format!("{}; framing {framing}{read}", lengths.sentence());
    let mut text = wrapped(&sentence, 2, rows.width);
    if lengths.messages() > 1 {
        let room = rows.width.saturating_sub(OVER_TIME.len() + 4);
        let _ = writeln!(
            text,
            "  {}  {}",
            rows.paint.dim(OVER_TIME),
            lengths.sparkline(room)
        );
        text += &lengths.histogram(rows.width);
    }
    text
}

/// The lengths for programs.
pub(crate) fn lengths(lengths: &Lengths) -> Value {
    json!({
        "messages": lengths.messages(),
        "bytes": lengths.bytes(),
        "shortest": lengths.range().map(|(shortest, _)| shortest),
        "longest": lengths.range().map(|(_, longest)| longest),
    })
}

/// Which framings explain a stream, the likeliest first.
pub(crate) fn ranking(ranked: &[Ranked], most: usize, paint: Paint) -> String {
    let title = format!("{:<28}  {:>8}  WHY", "FRAMING", "EXPLAINS");
    let mut text = paint.bold(&title) + "\n";
    for one in ranked.iter().take(most) {
        let percent = one.trial.explained * 100 / one.trial.total.max(1);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{:<28}  {percent:>7}%  {}", one.name(), one.why());
    }
    if ranked.len() > most {
        let _ = writeln!(
            text,
            "and {} more, which explain less (-v lists them)",
            ranked.len() - most
        );
    }
    text
}

/// The same for programs.
pub(crate) fn ranking_object(ranked: &[Ranked]) -> Value {
    let object = |one: &Ranked| {
        json!({
            "presets": one.presets,
            "line": one.side.to_string(),
            "side": one.whose,
            "explains": one.trial.explained,
            "of": one.trial.total,
            "messages": one.trial.messages,
            "bits": (one.trial.bits * 10.0).round() / 10.0,
            "why": one.why(),
        })
    };
    json!({ "framings": ranked.iter().map(object).collect::<Vec<_>>() })
}
