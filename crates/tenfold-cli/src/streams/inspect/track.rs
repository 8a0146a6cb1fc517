//! One direction of a stream under inspection: its walker, its numbers, and whether it broke.

use tenfold::{DecodeError, Side};
use tenfold_doctor::{Excerpt, Finding, Found, Lengths, Scene, Walker, doubt};

use super::report::{self, Broken};
use super::rows::{Rows, Stamp, Who};
use crate::numbers::counted;

/// Goes through a stream, and writes a row for each message.
#[derive(Debug)]
pub(crate) struct Track {
    walker: Walker,
    lengths: Lengths,
    who: Option<Who>,
    broken: Option<DecodeError>,
    /// Bytes of the stream.
    bytes: u64,
}

impl Track {
    pub(crate) fn new(side: &Side, max_message: u64, who: Option<Who>) -> Self {
        Self {
            walker: Walker::new(side, max_message),
            lengths: Lengths::default(),
            who,
            broken: None,
            bytes: 0,
        }
    }

    pub(crate) fn who(&self) -> Option<Who> {
        self.who
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    pub(crate) fn walker(&self) -> &Walker {
        &self.walker
    }

    pub(crate) fn lengths(&self) -> &Lengths {
        &self.lengths
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes the stream's next bytes; what is found in them is given to `rows` and `each`. A broken
    /// stream only counts them, and keeps those that can explain it.
    pub(crate) fn take(
        &mut self,
        bytes: &[u8],
        stamp: Option<&Stamp>,
        rows: Option<&Rows>,
        out: &mut Vec<u8>,
        mut each: impl FnMut(&Excerpt, Found<'_>),
    ) {
        self.bytes += bytes.len() as u64;
        if self.broken.is_some() {
            return;
        }
        let (lengths, who) = (&mut self.lengths, self.who);
        let taken = self.walker.take(bytes, &mut |excerpt, found| {
            lengths.note(found);
            if let Some(rows) = rows {
                rows.put(found, who, stamp, out);
            }
            each(excerpt, found);
        });
        self.broken = taken.err();
    }

    /// The stream has ended.
    pub(crate) fn end(
        &mut self,
        stamp: Option<&Stamp>,
        rows: Option<&Rows>,
        out: &mut Vec<u8>,
        mut each: impl FnMut(&Excerpt, Found<'_>),
    ) {
        if self.broken.is_some() {
            return;
        }
        let (lengths, who) = (&mut self.lengths, self.who);
        let ended = self.walker.end(&mut |excerpt, found| {
            lengths.note(found);
            if let Some(rows) = rows {
                rows.put(found, who, stamp, out);
            }
            each(excerpt, found);
        });
        self.broken = ended.err();
    }

    /// Bytes that follow the break, up to a few, and whether the stream ends with them.
    pub(crate) fn look_further(&mut self, bytes: &[u8], ended: bool) {
        self.bytes += bytes.len() as u64;
        self.walker.look_further(bytes, ended);
    }

    /// Why the stream is broken, if it is.
    pub(crate) fn report(&self) -> Option<Broken<'_>> {
        let error = self.broken.as_ref()?;
        Some(Broken::new(Scene::of(&self.walker, error)))
    }

    /// Why the stream is hardly framed as it was read, although it did not break.
    pub(crate) fn doubt(&self) -> Option<Finding> {
        let walker = &self.walker;
        let is_read = self.broken.is_none() && self.lengths.messages() > 0;
        is_read
            .then(|| doubt(walker.side(), walker.excerpt(), walker.has_ended()))
            .flatten()
    }

    /// The summary, as text or as an object.
    pub(crate) fn summary(&self, rows: &Rows) -> String {
        let side = self.walker.side().to_string();
        if !rows.json {
            let read = match (self.bytes, self.walker.has_ended()) {
                (0, _) => String::new(),
                (bytes, true) => format!(", {} in all", counted(bytes, "byte")),
                // It was given up, or interrupted.
                (bytes, false) => format!(", {} read", counted(bytes, "byte")),
            };
            return report::summary(&self.lengths, &side, &read, rows);
        }
        let mut object = report::lengths(&self.lengths);
        object["framing"] = side.into();
        object["stream"] = self.bytes.into();
        if let Some(who) = self.who {
            object["connection"] = who.connection.into();
            object["from"] = who.name().into();
        }
        serde_json::json!({ "summary": object }).to_string() + "\n"
    }
}
