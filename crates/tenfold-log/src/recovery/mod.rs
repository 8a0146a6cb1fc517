//! What a start makes of the files that the last hub has left: `docs/log-format.md`, section 7.
//!
//! ```text
//!   look   channels: names, snapshots --> journal: scan both files --> replay, into drafts
//!   write  drafts --> new files, synced, renamed --> snapshots --> journal: begin anew
//! ```
//!
//! To look changes nothing, so `tenfold log verify` and `stats` do it as well. Nothing is deleted that a second
//! recovery would need, so all of it can be repeated after a crash, or when a full disk has space again.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use crate::directory::sync_dir;
use crate::format;
use crate::journal::{End, Journal};
use crate::names;
use crate::options::Options;
use crate::report::Report;
use crate::side_by_side::each;
use crate::starts::Starts;
use crate::storage::Storage;
use crate::whole::uninterrupted;

mod channel;
mod journal;
mod rescue;
mod unwritten;

use channel::Recovering;
use journal::{Remains, Step, Torn};

pub(crate) use journal::older_first;
pub(crate) use unwritten::Unwritten;

/// What a look at the files has shown.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) channels: Vec<Unwritten>,
    pub(crate) report: Report,
    /// Bytes of the frames that the journal has and segments may not have.
    pub(crate) waiting_bytes: u64,
    torn: Vec<Torn>,
    end: Option<End>,
    begun: Begun,
}

/// A recovery that is not written down: until it is, nothing can be committed.
#[derive(Debug)]
pub(crate) struct Unfinished {
    channels: Vec<Unwritten>,
    are_names_due: bool,
    end: Option<End>,
    begun: Begun,
}

/// The starts of the log with the one that begins.
#[derive(Clone, Debug)]
struct Begun {
    starts: Arc<Starts>,
    /// `FORMAT` is that of a version that counted no starts.
    is_uncounted: bool,
}

/// What was being done when the storage failed, and its error.
pub(crate) type Failed = (&'static str, io::Error);

pub(crate) fn doing(what: &'static str) -> impl Fn(io::Error) -> Failed {
    move |error| (what, error)
}

/// Looks at everything, and changes nothing. The caller has the lock, or has locked `CHECKPOINT`. With a
/// source of random numbers a start begins; without one the epochs are those of the last start.
pub(crate) fn look(
    storage: &Arc<dyn Storage>,
    random: Option<fn() -> u64>,
) -> Result<Found, Failed> {
    let mut report = Report::default();
    let names = channel_names(&**storage, &mut report).map_err(doing("listing the channels"))?;
    let is_uncounted = format::is_uncounted(&**storage).map_err(doing("reading FORMAT"))?;
    let starts = starts(&**storage, is_uncounted, !names.is_empty(), &mut report)
        .map_err(doing("reading STARTS"))?;
    let mut channels = BTreeMap::new();
    for name in names {
        match Recovering::look(storage, &name, &starts, &mut report) {
            Ok(channel) => drop(channels.insert(name, channel)),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => report.note(format!(
                "channels/{name} is not a directory, and is left alone"
            )),
            Err(error) => return Err(doing("looking at a channel")(error)),
        }
    }
    let remains = Remains::read(&**storage, !channels.is_empty(), &mut report)
        .map_err(doing("reading the journal"))?;
    let mut replay = Replay {
        storage,
        starts: &starts,
        channels,
        waiting_bytes: 0,
        report: &mut report,
    };
    let (mut end, mut torn) = (remains.end, Vec::from_iter(remains.torn));
    for step in remains.steps {
        if let Some(cut) = replay
            .step(step)
            .map_err(doing("reading what segments have of the journal's frames"))?
        {
            end = end.map(|end| cut.cut(end));
            torn.push(cut);
            break;
        }
    }
    let waiting_bytes = replay.waiting_bytes;
    let mut channels = replay.channels;
    for channel in channels.values_mut() {
        channel
            .conclude(&mut report)
            .map_err(doing("recovering a channel"))?;
    }
    let begun = Begun {
        starts: match random {
            Some(random) => Arc::new(starts.and(random())),
            None => starts,
        },
        is_uncounted,
    };
    let channels = channels.into_values();
    Ok(Found {
        channels: channels
            .filter_map(|channel| channel.into_unwritten(random, &begun.starts))
            .collect(),
        report,
        waiting_bytes,
        torn,
        end,
        begun,
    })
}

/// The starts before this one.
fn starts(
    storage: &dyn Storage,
    is_uncounted: bool,
    has_channels: bool,
    report: &mut Report,
) -> io::Result<Arc<Starts>> {
    if is_uncounted {
        return Ok(Arc::new(Starts::uncounted()));
    }
    let starts = Starts::read(storage)?;
    if starts.is_none() && has_channels {
        report.damage("STARTS is missing or damaged: all channels get new epochs, which do not go back to earlier ones");
    }
    Ok(Arc::new(starts.unwrap_or_default()))
}

impl Found {
    /// The starts of the log with this one.
    pub(crate) fn starts(&self) -> &Arc<Starts> {
        &self.begun.starts
    }

    /// What a batch that is not whole is, in words.
    pub(crate) fn torn(&self) -> impl Iterator<Item = String> {
        self.torn.iter().map(Torn::words)
    }

    /// Keeps copies of batches that are not whole.
    pub(crate) fn put_aside(&mut self, storage: &dyn Storage) -> Result<(), Failed> {
        for torn in std::mem::take(&mut self.torn) {
            torn.put_aside(storage, &mut self.report)
                .map_err(doing("putting a batch aside"))?;
        }
        Ok(())
    }

    /// The journal as it is to be begun anew.
    pub(crate) fn journal(
        &self,
        storage: &dyn Storage,
        options: &Options,
    ) -> Result<Journal, Failed> {
        Journal::open(storage, options.journal, self.end, options.random)
            .map_err(doing("opening the journal"))
    }

    /// What is to be written down.
    pub(crate) fn unfinished(self) -> (Unfinished, Report) {
        let unfinished = Unfinished {
            channels: self.channels,
            are_names_due: false,
            end: self.end,
            begun: self.begun,
        };
        (unfinished, self.report)
    }
}

impl Unfinished {
    /// Writes everything down, and begins the journal anew. After an error, such as that there is no space, it
    /// can be tried again.
    pub(crate) fn finish(
        &mut self,
        storage: &dyn Storage,
        journal: &mut Journal,
        report: &mut Report,
    ) -> Result<(), Failed> {
        if self.begun.is_uncounted {
            format::upgrade(storage).map_err(doing("writing FORMAT"))?;
            self.begun.is_uncounted = false;
        }
        let written = each(
            self.channels.iter_mut(),
            storage.flushes_at_once(),
            |channel| {
                let mut report = Report::default();
                let has_written = channel.write(storage, &mut report);
                Ok::<_, Infallible>((has_written, report))
            },
        );
        let mut result = Ok(());
        for (has_written, found) in written.unwrap_or_else(|never| match never {}) {
            report.findings.extend(found.findings);
            match has_written {
                Ok(has_written) => self.are_names_due |= has_written,
                Err(error) => result = result.and(Err(error)),
            }
        }
        result.map_err(doing("writing the journal's frames to segments"))?;
        if self.are_names_due {
            sync_dir(storage, names::CHANNELS)
                .map_err(doing("syncing the directory of the channels"))?;
        }
        *journal = journal
            .begun(storage, self.end.is_some())
            .map_err(doing("beginning the journal"))?;
        // From here on the journal's records are those of this start.
        let starts = &self.begun.starts;
        starts.save(storage).map_err(doing("writing STARTS"))
    }
}

/// The directories of the channels. What a channel cannot have for a name is left alone.
fn channel_names(storage: &dyn Storage, report: &mut Report) -> io::Result<Vec<Arc<str>>> {
    let mut found = Vec::new();
    for name in uninterrupted(|| storage.list(names::CHANNELS))? {
        if names::is_channel(&name) {
            found.push(name.into());
        } else {
            report.note(format!(
                "channels/{name} is not a name of a channel, and is left alone"
            ));
        }
    }
    Ok(found)
}

/// The journal's frames on their way into segments.
struct Replay<'a> {
    storage: &'a Arc<dyn Storage>,
    starts: &'a Arc<Starts>,
    channels: BTreeMap<Arc<str>, Recovering>,
    waiting_bytes: u64,
    report: &'a mut Report,
}

impl Replay<'_> {
    /// Takes one step. Returns the last batch if it is torn: it was never acknowledged.
    fn step(&mut self, step: Step) -> io::Result<Option<Torn>> {
        let (found, is_last) = match step {
            Step::Lost => {
                for channel in self.channels.values_mut() {
                    channel.is_uncertain = true;
                }
                return Ok(None);
            }
            Step::Batch { found, is_last } => (found, is_last),
        };
        if is_last && !found.is_whole() && !self.was_acknowledged(&found)? {
            return Ok(Some(Torn::new(&found)));
        }
        for ((record, range), is_sound) in found.batch.records_with_ranges().zip(&found.are_sound) {
            let channel = self.channels.entry(Arc::clone(&record.channel));
            let channel =
                channel.or_insert_with_key(|name| Recovering::new(self.storage, name, self.starts));
            let frames = is_sound.then(|| found.batch.frames.slice(range));
            channel.replay(record, frames, self.report)?;
        }
        self.waiting_bytes += found.batch.head.frames;
        self.report.replayed += u64::from(!found.batch.records.is_empty());
        Ok(None)
    }

    /// Whether a segment has bytes that only this batch can have brought. A segment is written after the
    /// batch is synced, so the batch may have been acknowledged.
    fn was_acknowledged(&self, found: &crate::scan::Scanned) -> io::Result<bool> {
        for record in &found.batch.records {
            if channel::segment_has(&**self.storage, record)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
