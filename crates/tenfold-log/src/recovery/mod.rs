//! What a start makes of the files that the last hub has left: `docs/log-format.md`, section 7.
//!
//! ```text
//!   look   channels: names, snapshots --> journal: scan both files --> replay, into drafts
//!   write  drafts --> new files, synced, renamed --> snapshots --> journal: begin again
//! ```
//!
//! To look changes nothing, so `tenfold log verify` and `stats` do it as well. Nothing is deleted that a second
//! recovery would need, so all of it can be repeated after a crash, or when a full disk has space again.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use crate::carry::{records_of, with_births};
use crate::directory::sync_dir;
use crate::fault::Fault;
use crate::format::{self, Version};
use crate::journal::{End, Journal, NotWritten, not_there};
use crate::names;
use crate::opening::{Opening, Step};
use crate::options::{Opens, Options};
use crate::report::Report;
use crate::scan::scan;
use crate::side_by_side::each;
use crate::starts::{Start, Starts};
use crate::storage::Storage;
use crate::whole::{is_full, is_momentary, uninterrupted};

mod channel;
mod journal;
mod records;
mod rescue;
mod there;
mod unread;
mod unwritten;

use channel::Recovering;
use journal::{Remains, Torn};
use records::Records;

pub(crate) use journal::older_first;
pub(crate) use unread::Unread;
pub(crate) use unwritten::Unwritten;

/// What a look at the files has shown.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) channels: Vec<Unwritten>,
    /// Channels that cannot be read, and why.
    unread: Vec<(Unread, io::Error)>,
    pub(crate) report: Report,
    /// Channels whose deletion was carried out, and of which something is left.
    pub(crate) deleted: Vec<Arc<str>>,
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
    /// Channels that cannot be written to, and why.
    failed: BTreeMap<Arc<str>, io::Error>,
    /// What the journal has of these stays there.
    unread: Vec<Arc<str>>,
    are_names_due: bool,
    end: Option<End>,
    begun: Begun,
}

/// The starts of the log with the one that begins.
#[derive(Clone, Debug)]
struct Begun {
    starts: Arc<Starts>,
    /// What `FORMAT` says.
    version: Version,
}

/// What was being done when the storage failed, and its error.
pub(crate) type Failed = (&'static str, io::Error);

pub(crate) fn doing(what: &'static str) -> impl Fn(io::Error) -> Failed {
    move |error| (what, error)
}

/// Looks at everything, and changes nothing. The caller has the lock, or has locked `CHECKPOINT`.
pub(crate) fn look(
    storage: &Arc<dyn Storage>,
    opens: Opens,
    opening: &Opening,
) -> Result<Found, Failed> {
    opening.go_on().map_err(doing("looking at the channels"))?;
    let mut report = Report::default();
    let names = channel_names(&**storage, &mut report).map_err(doing("listing the channels"))?;
    let version = format::version(&**storage).map_err(doing("reading FORMAT"))?;
    let starts = starts(&**storage, version, !names.is_empty(), &mut report)
        .map_err(doing("reading STARTS"))?;
    let There {
        mut channels,
        deleted,
    } = look_at_each(storage, names, &starts, opening, &mut report)?;
    let remains = Remains::read(&**storage, !channels.is_empty(), &mut report)
        .map_err(doing("reading the journal"))?;
    let mut records = Records::default();
    let (mut end, mut torn) = (remains.end, Vec::from_iter(remains.torn));
    for step in remains.steps {
        opening.go_on().map_err(doing("reading the journal"))?;
        if let Some(cut) = records
            .take(&**storage, step)
            .map_err(doing("reading what segments have of the journal's frames"))?
        {
            end = end.map(|end| cut.cut(end));
            torn.push(cut);
            break;
        }
    }
    let waiting_bytes = records.bytes;
    report.replayed = records.batches;
    for name in records.channels() {
        let channel = channels.entry(Arc::clone(name));
        channel.or_insert_with_key(|name| Ok(Recovering::new(storage, name, &starts)));
    }
    let mut recovered = Vec::new();
    let mut unread = Vec::new();
    opening.begin(Step::Replaying, channels.len());
    for (name, channel) in channels {
        opening.go_on().map_err(doing("recovering a channel"))?;
        let of_channel = records.of(&name);
        let birth = records.birth_of(&name);
        let bytes = unread::bytes_of(&of_channel);
        let replayed = channel.and_then(|mut channel| {
            channel.carried_birth = birth;
            attempt(&mut report, |report| {
                channel.replay_all(of_channel, &records, report)?;
                channel.conclude(report)
            })?;
            Ok(channel)
        });
        match replayed {
            Ok(channel) => recovered.push(channel),
            Err(error) if is_momentary(&error) => return Err(doing("recovering a channel")(error)),
            Err(error) => {
                let text = format!("it cannot be read: {}", Fault::of(&error));
                report.push(true, Some(&name), None, text);
                let starts = Arc::clone(&starts);
                let is_uncertain = records.are_lost(0, usize::MAX);
                let channel = Unread {
                    name,
                    starts,
                    is_uncertain,
                    bytes,
                };
                unread.push((channel, error));
            }
        }
        opening.count();
    }
    let begun = Begun {
        starts: match opens {
            #[cfg(feature = "planted")]
            Opens::Start(_)
                if crate::planted::is(crate::planted::Mistake::KeepEpoch)
                    && starts.newest().is_some() =>
            {
                starts
            }
            Opens::Start(random) => Arc::new(starts.and(random())),
            Opens::Mirror(_) | Opens::Looks => starts,
        },
        version,
    };
    let channels = recovered.into_iter();
    Ok(Found {
        channels: channels
            .filter_map(|channel| channel.into_unwritten(opens, &begun.starts))
            .collect(),
        unread,
        report,
        deleted,
        waiting_bytes,
        torn,
        end,
        begun,
    })
}

/// What the directories of channels are.
#[derive(Default)]
struct There {
    channels: BTreeMap<Arc<str>, io::Result<Recovering>>,
    /// Channels whose deletion was carried out, and of which something is left.
    deleted: Vec<Arc<str>>,
}

fn look_at_each(
    storage: &Arc<dyn Storage>,
    names: Vec<Arc<str>>,
    starts: &Arc<Starts>,
    opening: &Opening,
    report: &mut Report,
) -> Result<There, Failed> {
    let mut there = There::default();
    opening.begin(Step::Looking, names.len());
    for name in names {
        opening.go_on().map_err(doing("looking at the channels"))?;
        let channel = attempt(report, |report| {
            Recovering::look(storage, &name, starts, report)
        });
        match channel {
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => report.note(format!(
                "channels/{name} is not a directory, and is left alone"
            )),
            Err(error) if is_momentary(&error) => return Err(doing("looking at a channel")(error)),
            Ok(None) => {
                let text = "it was deleted, and what is left of it is removed";
                report.push(false, Some(&name), None, text);
                there.deleted.push(name);
            }
            Ok(Some(channel)) => drop(there.channels.insert(name, Ok(channel))),
            Err(error) => drop(there.channels.insert(name, Err(error))),
        }
        opening.count();
    }
    Ok(there)
}

/// Writes what a journal, which is of a start, has of some channels once more, to its end. Returns whether there is
/// anything.
fn carry(
    journal: &mut Journal,
    start: Option<Start>,
    is_left: impl Fn(&str) -> bool,
) -> io::Result<bool> {
    let number = journal.number();
    let carried = records_of(&journal.files, number, is_left)?;
    let carried = with_births(carried, start);
    if carried.is_empty() {
        return Ok(false);
    }
    journal.hear_of_old_errors();
    journal.carry(&carried).map_err(NotWritten::into_error)?;
    // Their batches are given up with it, so it is not enough that the sync says so.
    for file in &journal.files {
        let last = scan(file)?.batches.pop();
        if last.is_some_and(|last| last.batch.head.number == number && last.is_whole()) {
            return Ok(true);
        }
    }
    Err(not_there())
}

/// Does something that reports what it finds, if it succeeds.
fn attempt<T>(
    report: &mut Report,
    work: impl FnOnce(&mut Report) -> io::Result<T>,
) -> io::Result<T> {
    let mut found = Report::default();
    let done = work(&mut found)?;
    report.findings.append(&mut found.findings);
    Ok(done)
}

/// The starts before this one.
fn starts(
    storage: &dyn Storage,
    version: Version,
    has_channels: bool,
    report: &mut Report,
) -> io::Result<Arc<Starts>> {
    if version == Version::Uncounted {
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

    /// The journal as it is to be begun again.
    pub(crate) fn journal(
        &self,
        storage: &dyn Storage,
        options: &Options,
    ) -> Result<Journal, Failed> {
        Journal::open(storage, options.journal, self.end, options.random)
            .map_err(doing("opening the journal"))
    }

    /// The channels that cannot be read, and why.
    pub(crate) fn take_unread(&mut self) -> Vec<(Unread, io::Error)> {
        std::mem::take(&mut self.unread)
    }

    /// What is to be written down. What the journal has of the channels that are `unread` is to stay there.
    pub(crate) fn unfinished(self, unread: Vec<Arc<str>>) -> (Unfinished, Report) {
        let unfinished = Unfinished {
            channels: self.channels,
            failed: BTreeMap::new(),
            unread,
            are_names_due: false,
            end: self.end,
            begun: self.begun,
        };
        (unfinished, self.report)
    }
}

impl Unfinished {
    /// Writes everything down, and begins the journal again. After an error, such as that there is no space, it
    /// can be tried again.
    pub(crate) fn finish(
        &mut self,
        storage: &dyn Storage,
        journal: &mut Journal,
        report: &mut Report,
        opening: &Opening,
    ) -> Result<(), Failed> {
        if self.begun.version != Version::Newest {
            format::upgrade(storage, self.begun.version).map_err(doing("writing FORMAT"))?;
            self.begun.version = Version::Newest;
        }
        opening.begin(Step::Writing, self.channels.len());
        let written = each(
            self.channels.iter_mut(),
            storage.flushes_at_once(),
            |channel| {
                let mut report = Report::default();
                opening.go_on()?;
                let has_written = channel.write(storage, &mut report);
                opening.count();
                Ok((has_written, report))
            },
        )
        .map_err(doing("writing the journal's frames to segments"))?;
        self.failed.clear();
        let mut want = None;
        let names = self.channels.iter().map(|channel| &channel.channel.name);
        for (name, (has_written, found)) in names.zip(written) {
            report.findings.extend(found.findings);
            match has_written {
                Ok(has_written) => self.are_names_due |= has_written,
                Err(error) if is_full(&error) || is_momentary(&error) => {
                    want = want.or(Some(error));
                }
                Err(error) => drop(self.failed.insert(Arc::clone(name), error)),
            }
        }
        if let Some(error) = want {
            return Err(doing("writing the journal's frames to segments")(error));
        }
        if self.are_names_due {
            sync_dir(storage, names::CHANNELS)
                .map_err(doing("syncing the directory of the channels"))?;
        }
        let is_left = |name: &str| {
            self.failed.contains_key(name) || self.unread.iter().any(|unread| **unread == *name)
        };
        let mut fresh = journal.clone();
        let mut has_carried = false;
        if !(self.failed.is_empty() && self.unread.is_empty()) {
            let of_journal = self.begun.starts.of_journal();
            has_carried = carry(&mut fresh, of_journal, is_left).map_err(doing(
                "keeping what cannot be written to segments in the journal",
            ))?;
        }
        *journal = fresh
            .begun(storage, self.end.is_some(), has_carried)
            .map_err(doing("beginning the journal"))?;
        // From here on the journal's records are those of this start.
        let starts = self.begun.starts.begun();
        starts.save(storage).map_err(doing("writing STARTS"))
    }

    /// The channels that could not be written to, and why. What the journal has of them is still there.
    pub(crate) fn into_failed(mut self) -> Vec<(Unwritten, io::Error)> {
        let channels = self.channels.into_iter();
        let failed = channels.filter_map(|channel| {
            let error = self.failed.remove(&channel.channel.name)?;
            Some((channel, error))
        });
        failed.collect()
    }

    /// Writes down that there is this start, although there is no space for the rest: its epochs are told from now
    /// on. False: there is no space for that either.
    pub(crate) fn note_start(&self, storage: &dyn Storage) -> Result<bool, Failed> {
        if self.begun.version == Version::Uncounted {
            return Ok(false);
        }
        match self.begun.starts.save(storage) {
            Err(error) if is_full(&error) => Ok(false),
            result => result.map(|()| true).map_err(doing("writing STARTS")),
        }
    }
}

/// The directories of the channels. What a channel cannot have for a name is left alone.
fn channel_names(storage: &dyn Storage, report: &mut Report) -> io::Result<Vec<Arc<str>>> {
    let mut found = Vec::new();
    for name in uninterrupted(|| storage.list(names::CHANNELS))? {
        if names::is_channel(&name) {
            found.push(name.into());
        } else if let Some(channel) = names::before_renamed(&name) {
            report.note(format!(
                "channels/{name} is the directory of {channel}, whose name a start was writing once more: the journal has the channel"
            ));
        } else {
            report.note(format!(
                "channels/{name} is not a name of a channel, and is left alone"
            ));
        }
    }
    Ok(found)
}
