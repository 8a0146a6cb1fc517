//! A capture of packets (pcap, pcapng): which conversations are in it, and one of them as `--between` shows what two
//! programs say.
//!
//! ```text
//!   packets        the TCP segments of the file
//!   conversation   the segments of each connection as two streams of bytes
//! ```

mod conversation;
mod packets;

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;
use tenfold::{Framing, Side};
use tenfold_doctor::{BEGINNING, Lengths, WORTH_NAMING, rank};

use super::rows::{Stamp, Who};
use super::sheet::Sheet;
use super::track::Track;
use super::{Choice, Inspect, line};
use crate::failure::Failure;
use crate::numbers::{counted, grouped};
use crate::signals::Stop;
use crate::words::Words;
use conversation::{Conversation, Conversations, Event};

/// Zeros that stand for missing bytes are given in pieces, as bytes of a file are.
const CHUNK: usize = 64 * 1024;

/// Whether this file is a capture.
pub(super) fn is_one(path: &Path) -> bool {
    let mut head = [0; 4];
    path.is_file()
        && File::open(path)
            .and_then(|mut file| file.read_exact(&mut head))
            .is_ok_and(|()| packets::is_capture(head))
}

/// Shows the conversation that is wanted, or the only one; or lists them.
pub(super) fn show(
    options: &Inspect,
    path: &Path,
    mut sheet: Sheet,
    words: &Words,
) -> Result<(), Failure> {
    let conversations = read(path, words)?;
    let has_bytes = |one: &Conversation| one.bytes(true) + one.bytes(false) > 0;
    let mut talking = (0..)
        .zip(&conversations.all)
        .filter(|(_, one)| has_bytes(one));
    let index = match (options.stream, talking.next(), talking.next()) {
        (Some(index), ..) => index,
        (None, Some((only, _)), None) => only,
        (None, None, _) => {
            return Err(Failure::Other(format!(
                "no bytes over TCP are in {}, which has {}",
                path.display(),
                counted(conversations.all.len() as u64, "connection")
            )));
        }
        (None, Some(_), Some(_)) => {
            list(&conversations.all, &mut sheet);
            sheet.flush()?;
            words.note("--stream N shows one of them");
            return Ok(());
        }
    };
    let conversation = usize::try_from(index)
        .ok()
        .and_then(|index| conversations.all.get(index));
    let conversation = conversation.ok_or_else(|| {
        Failure::Other(format!(
            "there is no stream {index}: the capture has {}",
            counted(conversations.all.len() as u64, "connection")
        ))
    })?;
    let sides = match &options.framing {
        Some(Choice::Auto) => guess(conversation)?,
        choice => {
            let framing = line(choice.as_ref());
            [framing.client().clone(), framing.server().clone()]
        }
    };
    words.note(format_args!(
        "{} -> {}",
        conversation.client, conversation.server
    ));
    Shown::new(index, conversation, sides, options.max_message).run(&mut sheet, words)
}

fn read(path: &Path, words: &Words) -> Result<Conversations, Failure> {
    let mut conversations = Conversations::default();
    let others = packets::each(path, |segment| conversations.take(segment))?;
    conversations.finish();
    if others.packets > 0 {
        words.detail(format_args!(
            "{} are not TCP",
            counted(others.packets, "packet")
        ));
    }
    if others.is_cut {
        words.warning(format_args!("{} ends inside a packet", path.display()));
    }
    if conversations.left_out > 0 {
        words.warning(format_args!(
            "{} of the capture are left out: it is larger than what is kept at once",
            counted(conversations.left_out, "byte")
        ));
    }
    Ok(conversations)
}

fn list(all: &[Conversation], sheet: &mut Sheet) {
    let mut text = String::new();
    if !sheet.rows.json {
        let title = format!(
            "{:>6}  {:<24}  {:<24}  {:>12}  {:>12}",
            "STREAM", "CLIENT", "SERVER", "FROM CLIENT", "FROM SERVER"
        );
        text = sheet.rows.paint.bold(&title) + "\n";
    }
    for (index, one) in all.iter().enumerate() {
        let (from_client, from_server) = (one.bytes(true), one.bytes(false));
        // Writing to a string cannot fail.
        let _ = if sheet.rows.json {
            let object = json!({
                "stream": index, "client": one.client.to_string(), "server": one.server.to_string(),
                "bytes": {"client": from_client, "server": from_server},
            });
            writeln!(text, "{object}")
        } else {
            writeln!(
                text,
                "{index:>6}  {:<24}  {:<24}  {:>12}  {:>12}",
                one.client.to_string(),
                one.server.to_string(),
                grouped(from_client),
                grouped(from_server)
            )
        };
    }
    sheet.text(&text);
}

/// The framing of each direction, as `--framing auto` finds it.
fn guess(conversation: &Conversation) -> Result<[Side; 2], Failure> {
    let best = |client: bool| {
        let bytes = conversation.beginning(client, BEGINNING);
        let whole = conversation.bytes(client) == bytes.len() as u64;
        let first = rank(&bytes, whole).into_iter().next()?;
        (first.trial.score() >= WORTH_NAMING).then_some(first.side)
    };
    match (best(true), best(false)) {
        (None, None) => Err(Failure::Framing(
            "no preset, and no framing with a length near the beginning of its messages, explains either direction \
             better than chance would (--framing names one to try)"
                .to_owned(),
        )),
        (Some(client), Some(server)) => Ok([client, server]),
        // What is not enough to tell is framed as the other direction, mostly.
        (Some(one), None) | (None, Some(one)) => Ok([one.clone(), one]),
    }
}

/// A conversation that is shown.
struct Shown<'a> {
    conversation: &'a Conversation,
    tracks: [Track; 2],
    sides: [Side; 2],
    lengths: [Lengths; 2],
    reported: [bool; 2],
}

impl<'a> Shown<'a> {
    fn new(index: u64, conversation: &'a Conversation, sides: [Side; 2], max_message: u64) -> Self {
        let track = |client: bool| {
            let who = Who {
                connection: index,
                client,
            };
            Track::new(&sides[usize::from(!client)], max_message, Some(who))
        };
        Self {
            conversation,
            tracks: [track(true), track(false)],
            sides,
            lengths: <[Lengths; 2]>::default(),
            reported: [false; 2],
        }
    }

    fn run(mut self, sheet: &mut Sheet, words: &Words) -> Result<(), Failure> {
        let stop = Stop::watch()?;
        sheet.title();
        let mut last = Stamp::now();
        for event in &self.conversation.events {
            if stop.came() {
                break;
            }
            last = stamp(event);
            self.take(event, &last, sheet, words);
            sheet.flush_if_full()?;
        }
        for client in [true, false] {
            if self.conversation.has_ended(client) {
                self.end(usize::from(!client), &last, sheet);
            }
        }
        let [client, server] = &self.sides;
        sheet.both(&self.lengths, [client, server]);
        sheet.flush()?;
        stop.outcome()?;
        if self.reported.contains(&true) {
            return Err(Failure::Diagnosed);
        }
        Ok(())
    }

    fn take(&mut self, event: &Event, stamp: &Stamp, sheet: &mut Sheet, words: &Words) {
        let which = usize::from(!event.client);
        let (track, lengths) = (&mut self.tracks[which], &mut self.lengths[which]);
        let rows = (!sheet.quiet).then_some(&sheet.rows);
        if event.missing > 0 {
            words.warning(format_args!(
                "{} of the {} at offset {} are not in the capture: zeros stand for them",
                counted(event.missing.into(), "byte"),
                if event.client { "client" } else { "server" },
                track.bytes()
            ));
        }
        let mut missing = usize::try_from(event.missing).unwrap_or(usize::MAX);
        let mut take = |bytes: &[u8]| {
            track.take(bytes, Some(stamp), rows, &mut sheet.batch, |_, found| {
                lengths.note(found);
            });
        };
        let zeros = vec![0; missing.min(CHUNK)];
        while missing > 0 {
            let piece = &zeros[..missing.min(CHUNK)];
            take(piece);
            missing -= piece.len();
        }
        take(&event.bytes);
        self.report(which, sheet);
    }

    fn end(&mut self, which: usize, stamp: &Stamp, sheet: &mut Sheet) {
        let (track, lengths) = (&mut self.tracks[which], &mut self.lengths[which]);
        let rows = (!sheet.quiet).then_some(&sheet.rows);
        track.end(Some(stamp), rows, &mut sheet.batch, |_, found| {
            lengths.note(found);
        });
        self.report(which, sheet);
    }

    /// Says once why a direction is broken.
    fn report(&mut self, which: usize, sheet: &mut Sheet) {
        if self.tracks[which].is_broken() && !self.reported[which] {
            self.reported[which] = true;
            sheet.report(&self.tracks[which]);
        }
    }
}

fn stamp(event: &Event) -> Stamp {
    let time = Timestamp::from_microsecond(event.micros).unwrap_or(Timestamp::UNIX_EPOCH);
    Stamp::of(&time.to_zoned_datetime(TimeZone::system()))
}

/// Whether a capture is to be read as what it is: frames of its own, which `--framing pcap` says.
pub(super) fn is_frames(choice: Option<&Choice>) -> bool {
    let pcap = "pcap".parse::<Framing>().ok();
    matches!(choice, Some(Choice::Line(framing)) if Some(framing) == pcap.as_ref())
}
