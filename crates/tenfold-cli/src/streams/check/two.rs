//! Two clients of a server at once: whether it serves both, and keeps their bytes apart.

use std::io::Write;
use std::time::Duration;

use serde_json::json;
use tenfold::{Encoder, Framing, Side, Stream};
use tenfold_doctor::Walker;

use super::peer::{self, Peer};
use super::report::Report;
use super::sender::{Left, Unread, read};
use super::teacher::{Finding, IN_TURN, MIXED};
use crate::failure::Failure;
use crate::flow::input::Input;

/// What two clients were given.
enum Both {
    Good(String),
    /// The second was not served while the first was there.
    InTurn(String),
    Mixed(String),
}

/// A server that sends: the first client stays, and a second one comes. `first` is what the first has got so far.
pub(super) fn of_sender(
    peer: &mut Peer,
    framing: &Framing,
    (input, walker): (&mut Input, &mut Walker),
    patience: Duration,
    report: &Report,
) -> Result<Option<Finding>, Failure> {
    let second = match peer.connection() {
        Ok(stream) => stream,
        Err(failure) => return tell(Both::InTurn(failure.to_string()), report),
    };
    let (_, side) = peer.sides(framing);
    let mut other = Walker::new(side, u64::MAX);
    let name = "the server for a second client".to_owned();
    let both = match read(&mut Input::stream(second, name), &mut other, 1, patience) {
        Ok(Left::Enough) => match rest(input, walker) {
            Ok(()) => {
                Both::Good("a second client got messages while the first was there".to_owned())
            }
            Err(Unread::Broken(error)) => Both::Mixed(format!(
                "when a second client came, the stream of the first one broke: {error}"
            )),
            Err(Unread::Failed(failure)) => return Err(failure),
        },
        Ok(Left::Ended) => {
            Both::InTurn("the second connection was ended without a message".to_owned())
        }
        Ok(Left::Quiet) => Both::InTurn(format!(
            "a second client got nothing for {patience:?} (--timeout), while the first was connected"
        )),
        Err(Unread::Broken(error)) => Both::Mixed(format!(
            "the first client's stream is good, and that of a second client at the same time is not: {error}"
        )),
        Err(Unread::Failed(failure)) => return Err(failure),
    };
    tell(both, report)
}

/// Takes what has come for a client meanwhile.
fn rest(input: &mut Input, walker: &mut Walker) -> Result<(), Unread> {
    let enough = walker.index() + 1;
    read(input, walker, enough, Duration::from_millis(100)).map(drop)
}

/// A server that sends back what it gets: one client's message comes in two parts, and another client's between them.
pub(super) fn of_receiver(
    peer: &mut Peer,
    framing: &Framing,
    message: impl Fn(&str) -> Vec<u8>,
    patience: Duration,
    report: &Report,
) -> Result<Option<Finding>, Failure> {
    let (written, read) = peer.sides(framing);
    let frame = |side: &Side, text: &str| {
        let mut bytes = Vec::new();
        let encoded = Encoder::new(side).encode(&message(text), &mut bytes);
        encoded.map(|()| bytes)
    };
    let texts = ["one client's message", "another client's"];
    let [one, one_back, other, other_back] =
        [(written, 0), (read, 0), (written, 1), (read, 1)].map(|(side, at)| frame(side, texts[at]));
    let (Ok(one), Ok(one_back), Ok(other), Ok(other_back)) = (one, one_back, other, other_back)
    else {
        // A framing that has no place for such texts was tried with others.
        return Ok(None);
    };
    let (begun, ended) = one.split_at(one.len() / 2);
    let both = match (peer.connection(), peer.connection()) {
        (Ok(first), Ok(second)) => {
            let (mut first, mut second) = (Client::new(first)?, Client::new(second)?);
            first.send(begun);
            // A server that mixes the two has nothing to mix before it has this.
            peer::until_received(&first.0, patience);
            second.send(&other);
            match second.hear(&other_back, patience)? {
                Heard::It => {
                    first.send(ended);
                    match first.hear(&one_back, patience)? {
                        Heard::It => Both::Good(
                            "a client's message came back whole, with another client's between its parts"
                                .to_owned(),
                        ),
                        heard @ Heard::Bytes(_) => Both::Mixed(heard.says("the first client", &one_back)),
                    }
                }
                Heard::Bytes(bytes) if !bytes.is_empty() => {
                    Both::Mixed(Heard::Bytes(bytes).says("the second client", &other_back))
                }
                Heard::Bytes(_) => Both::InTurn(format!(
                    "a second client got nothing back for {patience:?} (--timeout), while the first was connected"
                )),
            }
        }
        (Err(failure), _) | (_, Err(failure)) => Both::InTurn(failure.to_string()),
    };
    tell(both, report)
}

/// One of the two.
struct Client(Stream, Input);

enum Heard {
    It,
    /// Something else, or not all.
    Bytes(Vec<u8>),
}

impl Client {
    fn new(stream: Stream) -> Result<Self, Failure> {
        let reading = stream.try_clone().map_err(|error| {
            Failure::Other(format!("cannot use the connection to the server: {error}"))
        })?;
        Ok(Self(
            stream,
            Input::stream(reading, "the server".to_owned()),
        ))
    }

    /// What a server does that takes nothing is seen by what comes back.
    fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes);
    }

    /// Reads as many bytes as are expected, if they come.
    fn hear(&mut self, expected: &[u8], patience: Duration) -> Result<Heard, Failure> {
        let mut heard = vec![0; expected.len()];
        let mut have = 0;
        while have < heard.len() && self.1.is_ready_within(patience)? {
            // A reset is an end, too.
            match self.1.read(&mut heard[have..]).unwrap_or(0) {
                0 => break,
                n => have += n,
            }
        }
        heard.truncate(have);
        Ok(if heard == expected {
            Heard::It
        } else {
            Heard::Bytes(heard)
        })
    }
}

impl Heard {
    fn says(&self, who: &str, expected: &[u8]) -> String {
        let shown = match self {
            Self::Bytes(bytes) => bytes.escape_ascii().to_string(),
            Self::It => String::new(),
        };
        format!(
            "{who} was to get \"{}\" back, and got \"{shown}\"",
            expected.escape_ascii()
        )
    }
}

/// The row of the report, and what is found.
fn tell(both: Both, report: &Report) -> Result<Option<Finding>, Failure> {
    let (says, lesson) = match both {
        Both::Good(says) => (says, None),
        Both::InTurn(says) => (says, Some(&IN_TURN)),
        Both::Mixed(says) => (says, Some(&MIXED)),
    };
    let finding = lesson.map(|lesson| {
        let mut finding = Finding::new(lesson);
        finding.seen.push(says.clone());
        finding
    });
    // One after the other is how many a server is meant to work.
    let is_wrong = finding
        .as_ref()
        .is_some_and(|finding| finding.lesson.is_mistake);
    let object = json!({"case": "two-at-once", "passed": !is_wrong, "says": says});
    let (says, problem) = if is_wrong {
        ("two clients at once".to_owned(), Some(says))
    } else {
        (says, None)
    };
    report.row("two at once", &says, problem, object)?;
    Ok(finding)
}
