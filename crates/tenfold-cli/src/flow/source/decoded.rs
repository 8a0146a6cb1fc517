//! The messages in a stream of bytes.

use std::time::Duration;

use tenfold::{
    DEFAULT_LIMIT, DecodeError, Decoder, ErrorKind, Event, Framing, LooksLike, Recovery, Side,
};

use super::{Limits, Source};
use crate::failure::Failure;
use crate::flow::budget::Share;
use crate::flow::follow::{Origin, Place};
use crate::flow::http::Guard;
use crate::flow::input::Input;

/// Decodes what it reads.
#[derive(Debug)]
pub(crate) struct Decoded {
    input: Input,
    decoder: Decoder,
    /// The framing, for the next file where files follow each other.
    side: Side,
    limits: Limits,
    /// Bytes at the end without a delimiter are a message, too.
    keeps_rest: bool,
    /// A message has begun in pieces and not ended.
    inside: bool,
    end: Ending,
    /// Behind that end another file begins.
    is_break: bool,
    /// The bytes at the end without a delimiter.
    rest: Vec<u8>,
    /// The file that is being decoded, where files are followed.
    origin: Option<Origin>,
    /// Looks whether the peer speaks HTTP.
    guard: Guard,
    /// What it may hold, if many senders share that.
    share: Option<Share>,
}

/// How far the end of the input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    NotYet,
    /// The rest is to be given, as a message or as the last piece of one.
    Rest,
    /// The message in pieces, of which the rest was a piece, is to be ended.
    Inside,
    Reached,
}

/// Messages up to this come whole, or not at all if the stream ends inside of them. Larger ones,
/// where they are accepted, come in pieces.
const WHOLE: u64 = DEFAULT_LIMIT;

/// How long to wait for the bytes after a bad header that show which protocol they are of.
const EVIDENCE: Duration = Duration::from_millis(100);

impl Decoded {
    /// Frames. Text that consists of lines may end without a newline.
    pub(crate) fn frames(input: Input, side: &Side, limits: Limits) -> Self {
        Self {
            input,
            decoder: decoder(side, limits),
            side: side.clone(),
            limits,
            keeps_rest: side.is_lines(),
            inside: false,
            end: Ending::NotYet,
            is_break: false,
            rest: Vec::new(),
            origin: None,
            guard: Guard::off(),
            share: None,
        }
    }

    /// Holds no more of a message that is not whole than this leaves.
    pub(crate) fn within(mut self, share: Share) -> Self {
        self.share = Some(share);
        self
    }

    /// The same from a peer that has connected by itself: a browser may have been made to do so.
    pub(crate) fn guarded(mut self) -> Self {
        self.guard = Guard::of(&self.side);
        self
    }

    /// What was read and is in no event that was given.
    pub(crate) fn ahead(&self) -> &[u8] {
        self.decoder.rest()
    }

    /// Whether the stream ends here, as far as that can be seen within this time.
    pub(crate) fn ends_within(&mut self, patience: Duration) -> Result<bool, Failure> {
        if self.end == Ending::NotYet && self.input.is_ready_within(patience)? {
            self.wait()?;
        }
        Ok(self.end != Ending::NotYet)
    }

    /// Text that is cut at these bytes, of which there is at least one; the last ones may be missing.
    pub(super) fn delimited(input: Input, end: &[u8], limits: Limits) -> Self {
        let framing = Framing::delimited(end).expect("a delimiter has at least one byte");
        Self {
            keeps_rest: true,
            ..Self::frames(input, framing.client(), limits)
        }
    }

    fn finish(&mut self) {
        self.is_break = self.input.take_break();
        self.end = Ending::Reached;
        if self.keeps_rest && (self.inside || !self.decoder.rest().is_empty()) {
            self.rest = self.decoder.rest().to_vec();
            self.end = Ending::Rest;
        } else if self.is_break && !self.inside {
            // The next file has frames of its own, and does not go on with this one.
            if !self.decoder.is_idle() {
                self.input.warn_of_cut_frame();
            }
        } else {
            self.decoder.finish();
        }
    }

    /// Goes on with another file.
    fn begin_again(&mut self) {
        self.decoder = decoder(&self.side, self.limits);
        self.end = Ending::NotYet;
        self.inside = false;
        self.is_break = false;
        self.rest.clear();
        self.origin = None;
    }

    /// The last event, when the input has ended and the rest is kept.
    fn give_rest(&mut self) -> Option<Event<'_>> {
        let (event, end) = match (self.end, self.inside) {
            (Ending::Rest, false) => (Some(Event::Message(&self.rest)), Ending::Reached),
            (Ending::Rest, true) => (Some(Event::Data(&self.rest)), Ending::Inside),
            (Ending::Inside, _) => (Some(Event::End), Ending::Reached),
            (end, _) => (None, end),
        };
        self.end = end;
        event
    }
}

fn decoder(side: &Side, limits: Limits) -> Decoder {
    let decoder = Decoder::new(side).with_limit(limits.max_message);
    match (limits.skip_bad, limits.pieces) {
        (true, _) => decoder.with_recovery(Recovery::Skip),
        (false, true) => decoder.with_pieces_above(WHOLE),
        (false, false) => decoder,
    }
}

impl Source for Decoded {
    fn next(&mut self) -> Result<Option<Event<'_>>, Failure> {
        if self.end != Ending::NotYet && self.keeps_rest {
            return Ok(self.give_rest());
        }
        match self.decoder.next_event() {
            Ok(event) => {
                if let Some(event) = event {
                    self.inside = matches!(event, Event::Begin { .. } | Event::Data(_));
                    self.guard.check(event)?;
                }
                Ok(event)
            }
            Err(error) => Err(describe(&mut self.input, error)),
        }
    }

    fn wait(&mut self) -> Result<bool, Failure> {
        match self.end {
            Ending::Reached if self.is_break => self.begin_again(),
            Ending::Reached => return Ok(false),
            _ => {}
        }
        if let Some(share) = &mut self.share {
            share.hold(self.decoder.rest().len())?;
            share.wait_for(&self.input)?;
        }
        match self.input.read(self.decoder.space())? {
            0 => self.finish(),
            n => {
                self.decoder.advance(n);
                self.origin = self.input.origin().cloned();
            }
        }
        Ok(true)
    }

    fn place(&self) -> Option<Place> {
        let origin = self.origin.clone()?;
        let rest = match self.end {
            Ending::Reached => self.rest.len() as u64,
            _ => 0,
        };
        Some(Place {
            offset: origin.start + self.decoder.offset() + rest,
            origin,
        })
    }
}

/// What is wrong with the bytes of an input, described with those that follow.
pub(crate) fn describe(input: &mut Input, mut error: DecodeError) -> Failure {
    let wanted = error.wants_evidence();
    if wanted > 0 {
        error = error.with_evidence(&input.read_within(wanted, EVIDENCE));
    }
    let hint = match error.kind() {
        ErrorKind::TooLarge { .. } => " (--max-message raises it)",
        _ => "",
    };
    Failure::Framing(format!("{}{hint}", without_doubtful_guess(&error)))
}

/// What is wrong, and what the bytes look like where a few of them tell; the doctor sees more of them.
fn without_doubtful_guess(error: &DecodeError) -> String {
    let words = error.to_string();
    let Some(guess) = error.looks_like() else {
        return words;
    };
    let is_sure = matches!(
        guess,
        LooksLike::Http
            | LooksLike::Http2
            | LooksLike::Tls
            | LooksLike::Ssh
            | LooksLike::Json
            | LooksLike::Gzip
            | LooksLike::Nats
            | LooksLike::Proxy
            | LooksLike::Mqtt
            | LooksLike::Signed
            // Text of several bytes a character, in the place of a header, is hardly anything else.
            | LooksLike::CharacterCount
    );
    match words.strip_suffix(&format!("; {guess}")) {
        Some(words) if !is_sure => format!("{words}; `tenfold inspect` says why"),
        _ => words,
    }
}
