//! The half of a timekeeper that does no I/O and reads no clock.

use tenfold_codec::{Decoder, Encoder, ErrorKind, Framing};

use super::Error;
use super::options::Times;
use crate::error::ReadError;
use crate::protocol::{Answer, BadAnswer, Committed, Epoch, Request};

/// Bytes of the longest line that is accepted.
const LONGEST: u64 = 4096;

/// What is asked and what was told, over one connection after another. A connection tells the times of messages in
/// their order, so one that is past a message is of no use for it.
#[derive(Debug)]
pub(crate) struct Timeline {
    options: Times,
    /// What was told last over the connection that there is.
    known: Option<Committed>,
}

impl Timeline {
    pub(crate) fn new(options: Times) -> Self {
        Self {
            options,
            known: None,
        }
    }

    pub(crate) fn options(&self) -> &Times {
        &self.options
    }

    /// Goes on in this history, or in whichever there is. The connection is of no use any more.
    pub(crate) fn go_on_in(&mut self, epoch: Option<Epoch>) {
        self.options.epoch = epoch;
        self.known = None;
    }

    /// What is known of a message.
    pub(crate) fn of(&self, seq: u64) -> Option<Committed> {
        self.known
            .filter(|known| (known.from..known.end()).contains(&seq))
    }

    /// Whether the connection has told of later messages, and will not tell of this one.
    pub(crate) fn is_past(&self, seq: u64) -> bool {
        self.known.is_some_and(|known| known.from > seq)
    }

    /// What a new connection begins with, to be told of a message and those after it; and how its answers are read.
    pub(crate) fn begin(&mut self, seq: u64) -> Result<(Vec<u8>, Decoder), Error> {
        self.known = None;
        let Times {
            channel,
            epoch,
            common,
        } = &self.options;
        let request = Request::times(channel.clone(), seq, None, *epoch);
        let line = request.with_token(common.token.as_ref());
        let mut frame = Vec::new();
        Encoder::connecting(&Framing::default()).encode(line.as_bytes(), &mut frame)?;
        let decoder = Decoder::connecting(&Framing::default()).with_limit(LONGEST);
        Ok((frame, decoder))
    }

    /// Takes a line after the answer. It tells of this message, or of earlier ones, and there are more lines.
    pub(crate) fn told(&mut self, line: Line<'_>, seq: u64) -> Result<Option<Committed>, Error> {
        let line = str::from_utf8(there(line)?);
        let told = line.map_err(|_| BadAnswer::default()).and_then(str::parse);
        self.known = Some(told.map_err(|bad: BadAnswer| Error::protocol(bad.to_string()))?);
        if self.is_past(seq) {
            return Err(Error::protocol(format!(
                "the hub told when later messages than {seq} were committed, and not when that was"
            )));
        }
        Ok(self.of(seq))
    }

    /// Whether a connection has failed in such a way that another one, of this hub or of another, may do better: there
    /// is none, it has broken, or the hub does not have on it any more what was asked for.
    pub(crate) fn is_worth_another(&self, error: &Error, seq: u64) -> bool {
        is_break(error) || self.is_past(seq)
    }
}

/// Takes the answer to the request.
pub(crate) fn answered(line: Line<'_>) -> Result<(), Error> {
    match Answer::parse(there(line)?) {
        Ok(Answer::Ok(_)) => Ok(()),
        Ok(Answer::Error(refusal)) => Err(Error::Refused(refusal)),
        Err(bad) => Err(Error::protocol(bad.to_string())),
    }
}

/// What a reader has of a connection.
pub(crate) type Line<'a> = Result<Option<&'a [u8]>, ReadError>;

/// The line, if it has come.
fn there(line: Line<'_>) -> Result<&[u8], Error> {
    match line {
        Ok(line) => line.ok_or(Error::Closed),
        Err(ReadError::Io(error)) => Err(Error::io(error)),
        Err(ReadError::Decode(error)) => Err(Error::Frame(error)),
        Err(error @ ReadError::InPieces) => Err(Error::protocol(error.to_string())),
    }
}

/// Whether a connection has broken.
fn is_break(error: &Error) -> bool {
    match error {
        Error::Frame(error) => matches!(error.kind(), ErrorKind::Truncated { .. }),
        error => matches!(
            error,
            Error::Connect { .. } | Error::Io(_) | Error::Closed | Error::Cut
        ),
    }
}
