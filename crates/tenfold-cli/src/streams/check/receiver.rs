//! A program that receives: it is sent each case, and what it prints or sends back is compared.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde_json::json;
use tenfold::{Decoder, Encoder, Event, Framing, Stream, closing};

use super::case::{Case, cases, header_of};
use super::cause::Causes;
use super::outcome::{End, Outcome};
use super::payload::Payload;
use super::peer::{self, Peer, Role};
use super::program::bad_end;
use super::report::Report;
use super::seen::{Around, As, Seen};
use super::two;
use super::watch::State;
use crate::failure::Failure;
use crate::numbers::counted;

/// How a receiving program is checked.
pub(super) struct Receiver<'a> {
    pub(super) peer: Peer,
    pub(super) framing: &'a Framing,
    pub(super) max_message: u64,
    pub(super) payload: Payload,
    pub(super) form: As,
    /// Compare what it sends back, and not what it prints.
    pub(super) echoes: bool,
    pub(super) patience: Duration,
    /// Bytes of the large message.
    pub(super) large: u64,
}

/// What earlier cases have led to.
#[derive(Default)]
struct Progress {
    /// What the program prints around each message.
    around: Around,
    /// The connection that several cases share, and how far its encoder is.
    shared: Option<(Stream, Encoder)>,
    /// It is known that the program does not notice the end of a stream.
    never_ends: bool,
    /// Cases so far.
    cases: usize,
}

impl Receiver<'_> {
    /// Tries every case, and tells of each.
    pub(super) fn run(mut self, report: &Report) -> Result<(), Failure> {
        let cases = self.cases()?;
        let mut progress = Progress::default();
        let mut seen = Causes::new(self.echoes);
        for case in &cases {
            let outcome = self.try_case(case, &mut progress)?;
            progress.cases += 1;
            let is_good = outcome.is_good();
            let object = json!({"case": case.name, "says": case.says, "passed": is_good,
                                "expected": outcome.expected, "missing": outcome.missing});
            let problem = (!is_good).then(|| outcome.problem(self.peer.name()));
            report.row(case.name, &case.says, problem, object)?;
            seen.outcomes.push(outcome);
            if progress.cases == 1 && !is_good {
                report.note("the other cases were not tried: this one comes first")?;
                break;
            }
        }
        let tried = counted(progress.cases as u64, "case");
        let mut findings = seen.findings();
        let is_good = seen.outcomes.iter().all(Outcome::is_good);
        if self.echoes && self.peer.is_server() && is_good {
            drop(progress);
            let message = |text: &str| self.payload.message(text);
            let patience = self.patience;
            let found = two::of_receiver(&mut self.peer, self.framing, message, patience, report)?;
            findings.extend(found);
        }
        report.end(&findings, &tried)
    }

    /// The cases that this framing can have.
    fn cases(&self) -> Result<Vec<Case>, Failure> {
        let (written, _) = self.peer.sides(self.framing);
        let frame = |text: &str| {
            let message = self.payload.message(text);
            let mut bytes = Vec::new();
            let encoded = Encoder::new(written).encode(&message, &mut bytes);
            encoded.map(|()| (bytes, message))
        };
        let (bytes, message) = frame("hello, world").map_err(|error| {
            Failure::Framing(format!(
                "a text cannot be sent in {}: {error}",
                self.framing
            ))
        })?;
        // As large as it shall be, or as a length of two bytes or one can say, with room for a payload that
        // is longer than its text.
        let limit = usize::try_from(self.max_message).unwrap_or(usize::MAX);
        let large = usize::try_from(self.large).unwrap_or(usize::MAX);
        let sizes = [large, 60_000, 200].into_iter();
        let longest = sizes
            .filter(|size| *size < limit)
            .find(|size| frame(&"0".repeat(*size)).is_ok());
        let all = cases(header_of(&bytes, &message), longest.unwrap_or(12));
        let fits = |case: &Case| case.messages.iter().all(|text| frame(text).is_ok());
        // A program that sends back what it gets has nothing to send back for half a message.
        let is_seen = |case: &Case| case.half.is_none() || !self.echoes;
        Ok(all
            .into_iter()
            .filter(|case| fits(case) && is_seen(case))
            .collect())
    }

    fn try_case(&mut self, case: &Case, progress: &mut Progress) -> Result<Outcome, Failure> {
        let (stream, mut encoder) = match self.connection(progress) {
            Ok(connection) => connection,
            // Without a first connection nothing is known; without a later one, that is what happened.
            Err(failure) if progress.cases == 0 => return Err(failure),
            Err(failure) => return Ok(Outcome::unreachable(case, &failure)),
        };
        // Not before: the program of the case before may have been in the middle of a line.
        let seen = Seen::new(case, self.form, &progress.around);
        self.peer.watch.begin(seen);
        let parts = case.writes(&mut encoder, |text| self.payload.message(text));
        self.send(
            &stream,
            &parts.map_err(|error| Failure::Framing(error.to_string()))?,
        );
        let gives_many = self.peer.gives_many();
        if gives_many {
            // What cannot be ended any more has ended already.
            let _ = closing::end_writing(&stream);
        }
        let outcome = self.wait(case, progress);
        if gives_many {
            let _ = stream.shutdown(Shutdown::Both);
        } else if outcome.is_good() && outcome.end == End::Done {
            progress.shared = Some((stream, encoder));
        } else {
            // What is left of a case that went wrong would spoil the next one.
            let _ = closing::finish(&stream);
        }
        Ok(outcome)
    }

    /// The connection of the cases before, or another one.
    fn connection(&mut self, progress: &mut Progress) -> Result<(Stream, Encoder), Failure> {
        if let Some(shared) = progress.shared.take() {
            return Ok(shared);
        }
        if !self.peer.gives_many() && progress.cases > 0 {
            let words = "the connection has ended: start the client again for the next case";
            self.peer.words.note(words);
        }
        let failed =
            |error: std::io::Error| Failure::Other(format!("cannot use the connection: {error}"));
        let stream = self.peer.connection()?;
        stream
            .set_write_timeout(Some(self.patience))
            .map_err(failed)?;
        self.read(stream.try_clone().map_err(failed)?);
        let (written, _) = self.peer.sides(self.framing);
        Ok((stream, Encoder::new(written)))
    }

    /// Reads what comes back, to compare it, or else so that it is out of the way.
    fn read(&self, mut stream: Stream) {
        let watch = Arc::clone(&self.peer.watch);
        let connection = watch.begin_connection();
        let (_, side) = self.peer.sides(self.framing);
        let limit = self.max_message;
        let mut decoder = self.echoes.then(|| Decoder::new(side).with_limit(limit));
        thread::spawn(move || {
            let mut bytes = vec![0; 64 * 1024];
            while let Ok(n @ 1..) = stream.read(&mut bytes) {
                watch.of_connection(connection, |state| {
                    state.progress += n as u64;
                    if let Some(decoder) = &mut decoder {
                        decoder.feed(&bytes[..n]);
                        take(decoder, state);
                    }
                });
            }
            watch.of_connection(connection, |state| {
                if let Some(decoder) = &mut decoder {
                    decoder.finish();
                    take(decoder, state);
                }
                state.peer_ended = true;
            });
        });
    }

    /// Writes each part, and the next one when the program has received it.
    fn send(&self, mut stream: &Stream, parts: &[Vec<u8>]) {
        let mut is_received = None;
        for part in parts {
            // A program that has gone is seen to be gone by the one that reads.
            if is_received == Some(false) || stream.write_all(part).is_err() {
                return;
            }
            is_received = peer::until_received(stream, self.patience);
        }
        if is_received == Some(true) {
            self.peer.watch.all_is_received();
        }
    }

    /// Waits for what the program makes of it.
    fn wait(&mut self, case: &Case, progress: &mut Progress) -> Outcome {
        let is_client = matches!(self.peer.role, Role::Client(_));
        let prints = !self.echoes;
        let is_shared = !self.peer.gives_many();
        let never_ends = progress.never_ends;
        let watch = Arc::clone(&self.peer.watch);
        watch.wait(self.patience, |state: &State| {
            let is_complete = state.seen.is_complete();
            let has_ended = match (prints, is_client) {
                (false, _) => state.peer_ended || state.bad_stream.is_some(),
                (true, true) => state.peer_ended && state.output_ended,
                (true, false) => state.output_ended || state.peer_ended && is_complete,
            };
            has_ended || is_complete && (is_shared || never_ends)
        });
        let mut outcome = Outcome::of(case, &watch.state(), is_shared);
        if let Some(around) = outcome.take_around(progress.cases == 0) {
            progress.around = around;
        }
        progress.never_ends |= outcome.end == End::Stays;
        if let Some(program) = &mut self.peer.program {
            // The exit code of a program whose output has ended is there in a moment.
            let has_ended = watch.state().output_ended;
            let patience = Duration::from_secs(u64::from(has_ended));
            outcome.bad_end = program.ended_within(patience).and_then(bad_end);
            outcome.last_words = program.last_words();
        }
        outcome
    }
}

/// Takes the messages that came back.
fn take(decoder: &mut Decoder, state: &mut State) {
    loop {
        match decoder.next_event() {
            Ok(Some(Event::Message(message))) => state.seen.message(message),
            Ok(Some(_)) => {}
            Ok(None) => return,
            Err(error) => {
                state.bad_stream.get_or_insert_with(|| error.to_string());
                return;
            }
        }
    }
}
