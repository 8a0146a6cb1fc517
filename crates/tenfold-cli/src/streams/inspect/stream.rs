//! One direction: a file, stdin, or a connection.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use tenfold::Side;
use tenfold_doctor::{
    BEGINNING, Excerpt, Found, Frame, Ranked, WORTH_NAMING, known, leads_past, pasted, rank,
};

use super::Reading;
use super::dump::Dump;
use super::report;
use super::rows::Stamp;
use super::sheet::Sheet;
use super::track::Track;
use crate::failure::Failure;
use crate::flow::format::hex;
use crate::flow::input::Input;
use crate::numbers::{counted, size};
use crate::signals::Stop;
use crate::words::{Level, ProgressLine, Words};

/// How long a signal can go unnoticed.
const TICK: Duration = Duration::from_millis(100);

/// How long bytes of a connection may take to come that would explain it: those after the break, or
/// enough to guess the framing.
const PATIENCE: Duration = Duration::from_millis(500);

/// Bytes of one message that are shown as a dump.
const DUMPED: usize = 64 * 1024;

/// Bytes that are read at once.
const CHUNK: usize = 64 * 1024;

/// Bytes that are looked at at most before the framing is guessed.
const LONGEST_LOOK: usize = 16 << 20;

/// Bytes of pasted text that are read at most.
const MOST_PASTED: usize = 1 << 20;

/// Framings that are listed unless all are asked for.
const LISTED: usize = 5;

/// The first bytes of a stream, of which the framing is guessed.
#[derive(Debug, Default)]
struct Sample {
    bytes: Vec<u8>,
    /// What each read has brought ends here, and when it came if the stream is live.
    reads: Vec<(usize, Option<Stamp>)>,
    /// The stream ends with them.
    ended: bool,
}

/// Bytes to look at.
#[derive(Debug)]
pub(super) struct Stream {
    input: Input,
    live: bool,
    /// The one message to show.
    wanted: Option<u64>,
    /// Text is not taken for bytes that were pasted as text.
    is_raw: bool,
    /// The first bytes of its frame.
    captured: Vec<u8>,
    found: Option<Frame>,
    space: Vec<u8>,
}

impl Stream {
    pub(super) fn new(input: Input, live: bool, wanted: Option<u64>, is_raw: bool) -> Self {
        Self {
            input,
            live,
            wanted,
            is_raw,
            captured: Vec::new(),
            found: None,
            space: vec![0; CHUNK],
        }
    }

    pub(super) fn run(
        mut self,
        reading: Reading,
        max_message: u64,
        mut sheet: Sheet,
        words: &Words,
    ) -> Result<(), Failure> {
        let stop = Stop::watch()?;
        let first = self.first(&reading, max_message, words, &stop)?;
        let (side, sample) = match reading {
            Reading::By(side) => (side, first),
            Reading::Auto => {
                let (sample, ranked) = self.ranked(first, &stop)?;
                let side = guess(&sample, ranked, &mut sheet, self.wanted.is_none(), words)?;
                (side, sample)
            }
        };
        let mut track = Track::new(&side, max_message, None);
        if self.wanted.is_none() {
            sheet.title();
        }
        let read = self.walk(&mut track, &sample, &mut sheet, &stop, words);
        if self.found.is_some() || self.wanted.is_none() || track.is_broken() || read.is_err() {
            self.finish(&mut track, &mut sheet)?;
        }
        read?;
        stop.outcome()?;
        match self.wanted {
            _ if track.is_broken() && self.found.is_none() => Err(Failure::Diagnosed),
            Some(wanted) if self.found.is_none() => Err(Failure::Other(format!(
                "there is no message {wanted}: the stream has {}",
                counted(track.lengths().messages(), "message")
            ))),
            _ => Ok(()),
        }
    }

    /// What the first read of a file brings; and all of it, if it is bytes that were pasted as text.
    fn first(
        &mut self,
        reading: &Reading,
        max_message: u64,
        words: &Words,
        stop: &Stop,
    ) -> Result<Sample, Failure> {
        let mut sample = Sample::default();
        if self.live || self.is_raw {
            return Ok(sample);
        }
        self.read_once(&mut sample, stop)?;
        while self.is_pasted(&sample)? && !stop.came() {
            self.read_once(&mut sample, stop)?;
        }
        let Some(pasted) = pasted(&sample.bytes).filter(|_| sample.ended) else {
            return Ok(sample);
        };
        let is_meant = !pasted.is_doubtful
            || !reading.fits(&sample.bytes, max_message)
                && reading.fits(&pasted.bytes, max_message);
        if !is_meant {
            return Ok(sample);
        }
        words.note(format_args!(
            "these are {} of {} as text: --raw reads the text itself",
            counted(pasted.bytes.len() as u64, "byte"),
            pasted.written
        ));
        Ok(Sample {
            reads: vec![(pasted.bytes.len(), None)],
            bytes: pasted.bytes,
            ended: true,
        })
    }

    /// Whether this is the beginning of bytes that were pasted as text, and more of it is to come.
    fn is_pasted(&self, sample: &Sample) -> Result<bool, Failure> {
        if sample.ended || sample.bytes.len() >= MOST_PASTED {
            return Ok(false);
        }
        let lines = match sample.bytes.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => &sample.bytes[..end],
            None => &sample.bytes,
        };
        match pasted(lines) {
            None => Ok(false),
            // A program that writes digits line by line is not kept waiting for.
            Some(pasted) if pasted.is_doubtful && self.input.length().is_none() => {
                self.input.is_ready_within(PATIENCE)
            }
            Some(_) => Ok(true),
        }
    }

    /// Waits for bytes, and reads what is there.
    fn read_once(&mut self, sample: &mut Sample, stop: &Stop) -> Result<(), Failure> {
        let waiting = Instant::now();
        while !stop.came() && !self.input.is_ready_within(TICK)? {
            if let Some(failure) = self.input.overdue(waiting) {
                return Err(failure);
            }
        }
        if !stop.came() {
            let n = self.input.read(&mut self.space)?;
            sample.bytes.extend_from_slice(&self.space[..n]);
            sample.reads.push((sample.bytes.len(), None));
            sample.ended = n == 0;
        }
        Ok(())
    }

    /// The first bytes, as many as it takes to guess, and which framings explain them.
    ///
    /// Messages can be longer than the first look. Then there are more bytes to look at, if they come.
    fn ranked(
        &mut self,
        mut sample: Sample,
        stop: &Stop,
    ) -> Result<(Sample, Vec<Ranked>), Failure> {
        let mut most = BEGINNING;
        loop {
            self.sample(&mut sample, most, stop)?;
            let ranked = rank(&sample.bytes, sample.ended);
            let has_all = sample.ended || sample.bytes.len() < most || most >= LONGEST_LOOK;
            let is_sure = ranked.first().is_some_and(Ranked::is_sure);
            if has_all || stop.came() || is_sure || !leads_past(&sample.bytes, LONGEST_LOOK) {
                return Ok((sample, ranked));
            }
            most *= 4;
        }
    }

    /// Reads on until there are so many bytes, or no more come.
    fn sample(&mut self, sample: &mut Sample, most: usize, stop: &Stop) -> Result<(), Failure> {
        let (mut have, mut waiting) = (sample.bytes.len(), Instant::now());
        sample.bytes.resize(most.max(have), 0);
        while have < most && !sample.ended && !stop.came() {
            if self.live && have > 0 && !self.input.is_ready_within(PATIENCE)? {
                break;
            }
            if self.input.is_ready_within(TICK)? {
                let n = self.input.read(&mut sample.bytes[have..])?;
                have += n;
                sample.reads.push((have, self.live.then(Stamp::now)));
                sample.ended = n == 0;
                waiting = Instant::now();
            } else if let Some(failure) = self.input.overdue(waiting) {
                return Err(failure);
            }
        }
        sample.bytes.truncate(have);
        Ok(())
    }

    /// Goes through the stream until it ends, breaks, has shown what was wanted, or a signal comes.
    fn walk(
        &mut self,
        track: &mut Track,
        sample: &Sample,
        sheet: &mut Sheet,
        stop: &Stop,
        words: &Words,
    ) -> Result<(), Failure> {
        // Rows on a terminal are progress enough.
        let is_hidden = sheet.quiet || !sheet.is_terminal();
        let mut progress = is_hidden.then(|| ProgressLine::new(words));
        let mut taken = 0;
        for (end, stamp) in &sample.reads {
            self.take(track, &sample.bytes[taken..*end], stamp.as_ref(), sheet);
            taken = *end;
        }
        let mut ended = sample.ended;
        while !ended && !track.is_broken() && self.found.is_none() {
            sheet.flush_if_full()?;
            if !self.is_ready(sheet, stop, track, &mut progress)? {
                return Ok(());
            }
            let mut space = std::mem::take(&mut self.space);
            let read = self.input.read(&mut space);
            if let Ok(n @ 1..) = read {
                let stamp = self.live.then(Stamp::now);
                self.take(track, &space[..n], stamp.as_ref(), sheet);
            }
            self.space = space;
            ended = read? == 0;
            show(&mut progress, track);
        }
        if track.is_broken() {
            self.look_further(track)?;
        } else if ended {
            self.end(track, sheet);
        }
        Ok(())
    }

    /// Waits for bytes; false if a signal came first.
    fn is_ready(
        &mut self,
        sheet: &mut Sheet,
        stop: &Stop,
        track: &Track,
        progress: &mut Option<ProgressLine<'_>>,
    ) -> Result<bool, Failure> {
        if stop.came() {
            return Ok(false);
        }
        if self.input.is_ready_within(Duration::ZERO)? {
            return Ok(true);
        }
        sheet.flush()?;
        let start = Instant::now();
        while !self.input.is_ready_within(TICK)? {
            show(progress, track);
            if stop.came() {
                return Ok(false);
            }
            if let Some(failure) = self.input.overdue(start) {
                return Err(failure);
            }
        }
        Ok(true)
    }

    fn take(&mut self, track: &mut Track, bytes: &[u8], stamp: Option<&Stamp>, sheet: &mut Sheet) {
        let rows = (!sheet.quiet && self.wanted.is_none()).then_some(&sheet.rows);
        let (wanted, found, captured) = (self.wanted, &mut self.found, &mut self.captured);
        track.take(bytes, stamp, rows, &mut sheet.batch, |excerpt, what| {
            capture(wanted, excerpt, what, found, captured);
        });
        self.capture_beginning(track);
    }

    fn end(&mut self, track: &mut Track, sheet: &mut Sheet) {
        let rows = (!sheet.quiet && self.wanted.is_none()).then_some(&sheet.rows);
        let (wanted, found, captured) = (self.wanted, &mut self.found, &mut self.captured);
        track.end(None, rows, &mut sheet.batch, |excerpt, what| {
            capture(wanted, excerpt, what, found, captured);
        });
    }

    /// Keeps the first bytes of the frame that is wanted, while the rest of it is still to come.
    fn capture_beginning(&mut self, track: &Track) {
        let walker = track.walker();
        if self.wanted != Some(walker.index()) || self.found.is_some() {
            return;
        }
        let (_, bytes) = walker
            .excerpt()
            .from(walker.at() + self.captured.len() as u64);
        let room = DUMPED - self.captured.len();
        self.captured
            .extend_from_slice(&bytes[..room.min(bytes.len())]);
    }

    /// Reads what follows the break, because it can tell why.
    fn look_further(&mut self, track: &mut Track) -> Result<(), Failure> {
        let end = Instant::now() + PATIENCE;
        let mut left = BEGINNING;
        loop {
            let patience = end.saturating_duration_since(Instant::now());
            if left == 0 || !self.input.is_ready_within(patience)? {
                break;
            }
            let room = left.min(self.space.len());
            let n = self.input.read(&mut self.space[..room])?;
            track.look_further(&self.space[..n], n == 0);
            left -= n;
            if n == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Writes the summary, or the one message that was wanted.
    fn finish(&self, track: &mut Track, sheet: &mut Sheet) -> Result<(), Failure> {
        match self.found {
            Some(frame) => {
                let text = self.dump(frame, track, sheet);
                sheet.text(&text);
            }
            None if sheet.rows.json => {
                sheet.report(track);
                let summary = track.summary(&sheet.rows);
                sheet.text(&summary);
            }
            None => {
                if self.wanted.is_none() {
                    let summary = track.summary(&sheet.rows);
                    sheet.text(&format!("\n{summary}"));
                }
                sheet.report(track);
            }
        }
        sheet.flush()
    }

    /// One frame as it is on the wire.
    fn dump(&self, frame: Frame, track: &Track, sheet: &Sheet) -> String {
        let size = usize::try_from(frame.size).unwrap_or(usize::MAX);
        let bytes = &self.captured[..self.captured.len().min(size)];
        if sheet.rows.json {
            let hex = hex(bytes);
            let object = serde_json::json!({
                "index": frame.index, "offset": frame.offset, "size": frame.size, "length": frame.length,
                "frame": hex, "cut": bytes.len() < size,
            });
            return object.to_string() + "\n";
        }
        let overhead = frame.size.saturating_sub(frame.length);
        let mut text = format!(
            "message {} at offset {}: {}, in a frame of {} ({})\n\n",
            frame.index,
            frame.offset,
            counted(frame.length, "byte"),
            counted(frame.size, "byte"),
            track.walker().side(),
        );
        text += &Dump {
            bytes,
            offset: frame.offset,
            mark: None,
            header: frame.offset..frame.offset + overhead,
            paint: sheet.rows.paint,
            width: sheet.rows.width,
        }
        .text();
        if bytes.len() < size {
            let _ = writeln!(
                text,
                "  and {} more",
                counted((size - bytes.len()) as u64, "byte")
            );
        }
        text
    }
}

/// Takes the frame that is wanted out of the bytes at hand.
fn capture(
    wanted: Option<u64>,
    excerpt: &Excerpt,
    what: Found<'_>,
    found: &mut Option<Frame>,
    captured: &mut Vec<u8>,
) {
    if let Found::Message(frame, _) = what
        && wanted == Some(frame.index)
    {
        *found = Some(frame);
        let have = captured.len();
        let missing = excerpt.between(frame.offset + have as u64, frame.offset + frame.size);
        let room = DUMPED - have;
        captured.extend_from_slice(&missing[..room.min(missing.len())]);
    }
}

/// Finds out the framing, and says why.
fn guess(
    sample: &Sample,
    ranked: Vec<Ranked>,
    sheet: &mut Sheet,
    tell: bool,
    words: &Words,
) -> Result<Side, Failure> {
    if sheet.rows.json && tell {
        let object = report::ranking_object(&ranked).to_string() + "\n";
        sheet.text(&object);
    } else if tell {
        let most = if words.level() >= Level::Detailed {
            ranked.len()
        } else {
            LISTED
        };
        let text = report::ranking(&ranked, most, sheet.rows.paint) + "\n";
        sheet.text(&text);
    }
    match ranked.into_iter().next() {
        Some(first) if first.trial.score() >= WORTH_NAMING => Ok(first.side),
        _ => {
            sheet.flush()?;
            let known = known(&sample.bytes).map_or_else(String::new, |known| format!("; {known}"));
            Err(Failure::Framing(format!(
                "no preset, and no framing with a length near the beginning of its messages, explains the first {} of this stream better than chance would{known} (--framing names one to try)",
                counted(sample.bytes.len() as u64, "byte")
            )))
        }
    }
}

/// Says how far it is.
fn show(progress: &mut Option<ProgressLine<'_>>, track: &Track) {
    if let Some(progress) = progress {
        progress.show(|| {
            let messages = counted(track.lengths().messages(), "message");
            format!("{messages}, {}", size(track.bytes()))
        });
    }
}
