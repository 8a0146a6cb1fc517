//! A program that sends: its stream is read, and the doctor says what is wrong with it.

use std::time::{Duration, Instant};

use serde_json::json;
use tenfold::{DecodeError, ErrorKind, Framing, Part};
use tenfold_doctor::{BEGINNING, Finding as Diagnosis, Found, Scene, Walker, diagnose};

use super::peer::Peer;
use super::report::Report;
use super::teacher::{Finding, sending};
use super::two;
use crate::failure::Failure;
use crate::flow::input::Input;
use crate::numbers::{counted, grouped};

/// How long bytes may take to come that explain a break.
const EXPLANATION: Duration = Duration::from_millis(500);

/// How a sending program is checked.
pub(super) struct Sender<'a> {
    pub(super) peer: Peer,
    pub(super) framing: &'a Framing,
    pub(super) max_message: u64,
    /// How many messages are enough.
    pub(super) enough: u64,
    pub(super) patience: Duration,
}

/// How the stream was left.
pub(super) enum Left {
    /// There were enough messages.
    Enough,
    /// The program has ended its side.
    Ended,
    /// Nothing came any more.
    Quiet,
}

impl Sender<'_> {
    pub(super) fn run(mut self, report: &Report) -> Result<(), Failure> {
        let stream = self.peer.connection()?;
        let (_, side) = self.peer.sides(self.framing);
        let mut walker = Walker::new(side, self.max_message);
        let mut input = Input::stream(stream, format!("the {}", self.peer.name()));
        let read = read(&mut input, &mut walker, self.enough, self.patience);
        let (findings, tried) = match read {
            Ok(left) => {
                let (finding, says) = self.judge(&walker, &left);
                row(&walker, &says, finding.is_some(), report)?;
                let is_there = !matches!(left, Left::Ended);
                let second = if finding.is_none() && is_there && self.peer.is_server() {
                    let first = (&mut input, &mut walker);
                    two::of_sender(&mut self.peer, self.framing, first, self.patience, report)?
                } else {
                    None
                };
                (finding.into_iter().chain(second).collect(), says)
            }
            Err(Unread::Broken(error)) => {
                look_further(&mut input, &mut walker);
                let says =
                    counted(walker.index(), "whole message") + ", and then bytes that are not one";
                row(&walker, &says, true, report)?;
                (vec![broken(&walker, &error)], says)
            }
            Err(Unread::Failed(failure)) => return Err(failure),
        };
        report.end(&findings, &tried)
    }

    /// What a stream without a broken frame lacks.
    fn judge(&self, walker: &Walker, left: &Left) -> (Option<Finding>, String) {
        let messages = messages(walker);
        let begun = walker.excerpt().end() - walker.at();
        let time = format!("nothing came for {:?} (--timeout)", self.patience);
        match left {
            Left::Enough => (None, format!("{messages}, which is enough (--count)")),
            Left::Quiet if begun > 0 => {
                let mut finding = Finding::new(sending("unfinished"));
                finding.seen.push(format!(
                    "{} of message {}, which begins at offset {}; then {time}",
                    counted(begun, "byte"),
                    walker.index(),
                    grouped(walker.at())
                ));
                (
                    Some(finding),
                    format!("{messages}, and the beginning of another"),
                )
            }
            Left::Quiet | Left::Ended if walker.index() == 0 => {
                let says = match left {
                    Left::Quiet => time,
                    _ => format!("the {} ended the connection", self.peer.name()),
                };
                let mut finding = Finding::new(sending("nothing-sent"));
                finding.seen.push(says);
                (Some(finding), messages)
            }
            Left::Quiet => (None, format!("{messages}; then {time}")),
            Left::Ended => (None, format!("{messages}, and the end of the stream")),
        }
    }
}

/// Reads until there is enough, or no more.
pub(super) fn read(
    input: &mut Input,
    walker: &mut Walker,
    enough: u64,
    patience: Duration,
) -> Result<Left, Unread> {
    let mut space = vec![0; 64 * 1024];
    let mut each = |_: &_, _: Found<'_>| {};
    while walker.index() < enough {
        if !input.is_ready_within(patience)? {
            return Ok(Left::Quiet);
        }
        // A program that was ended, or has unread bytes, resets its connection: that is an end, too.
        let n = input.read(&mut space).unwrap_or(0);
        if n == 0 {
            walker.end(&mut each)?;
            return Ok(Left::Ended);
        }
        walker.take(&space[..n], &mut each)?;
    }
    Ok(Left::Enough)
}

/// The row of the stream.
fn row(walker: &Walker, says: &str, is_wrong: bool, report: &Report) -> Result<(), Failure> {
    let object = json!({"stream": {"messages": walker.index(), "bytes": walker.excerpt().end()},
                        "passed": !is_wrong, "says": says});
    let problem = is_wrong.then(|| match walker.last() {
        Some(last) => format!(
            "the last good one is message {} at offset {}, {}",
            last.index,
            grouped(last.offset),
            counted(last.length, "byte")
        ),
        None => "not even the first one is whole".to_owned(),
    });
    report.row("stream", says, problem, object)
}

fn messages(walker: &Walker) -> String {
    match walker.index() {
        0 => "not one whole message".to_owned(),
        n => counted(n, "whole message"),
    }
}

/// Why reading ended.
pub(super) enum Unread {
    Broken(DecodeError),
    Failed(Failure),
}

impl From<DecodeError> for Unread {
    fn from(error: DecodeError) -> Self {
        Self::Broken(error)
    }
}

impl From<Failure> for Unread {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Reads what follows the break, because it can tell why.
fn look_further(input: &mut Input, walker: &mut Walker) {
    let end = Instant::now() + EXPLANATION;
    let mut space = vec![0; BEGINNING];
    let mut left = BEGINNING;
    while left > 0 && !walker.has_ended() {
        let patience = end.saturating_duration_since(Instant::now());
        match input.is_ready_within(patience) {
            Ok(true) => {}
            _ => return,
        }
        let n = input.read(&mut space[..left]).unwrap_or(0);
        walker.look_further(&space[..n], n == 0);
        left -= n;
    }
}

/// The mistake that explains a broken stream.
fn broken(walker: &Walker, error: &DecodeError) -> Finding {
    let diagnoses = diagnose(Scene::of(walker, error));
    let kind = kind(walker, error, &diagnoses);
    let mut finding = Finding::new(sending(kind));
    finding.seen.push(error.to_string());
    // What the doctor says of a mistake that has a lesson, the lesson says in more words.
    if finding.lesson.why.is_empty() || kind == "other-width" {
        finding
            .seen
            .extend(diagnoses.first().map(|first| first.says.clone()));
    }
    let works = diagnoses
        .iter()
        .find_map(|diagnosis| diagnosis.works.as_ref());
    // A width of one digit reads a length without padding, and would be no help.
    if let Some(works) = works.filter(|_| kind != "unpadded") {
        finding.seen.push(format!(
            "--framing '{}' would read {}",
            works.side,
            counted(works.messages, "message")
        ));
    }
    finding
}

/// The name of the mistake: the doctor's, unless it can be said more plainly for this framing.
fn kind(walker: &Walker, error: &DecodeError, diagnoses: &[Diagnosis]) -> &'static str {
    let first = diagnoses.first();
    let certainty = first.map_or(0, |first| first.certainty);
    let kind = first.map_or("unknown", |first| first.kind);
    if let ErrorKind::Truncated {
        part: Part::Payload,
        have: 0,
        ..
    } = error.kind()
    {
        return "header-only";
    }
    let (_, bytes) = walker.excerpt().from(error.offset());
    let digits = bytes
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let is_text = |bytes: &[u8]| bytes.iter().all(|byte| !byte.is_ascii_control());
    match bytes.get(digits) {
        // One that is padded with something else has a name of its own.
        Some(next) if digits > 0 && *next != b' ' && (kind == "other-width" || certainty < 60) => {
            "unpadded"
        }
        Some(_)
            if digits == 0
                && error.index() == 0
                && certainty < 60
                && bytes[0] != b' '
                && is_text(bytes) =>
        {
            "no-header"
        }
        _ => kind,
    }
}
