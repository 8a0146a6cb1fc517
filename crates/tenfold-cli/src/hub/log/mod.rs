//! `tenfold log`: checks, mends and copies what a hub has kept on disk.

mod findings;
mod table;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use tenfold::protocol::ChannelName;
use tenfold_log::storage::Disk;
use tenfold_log::{Options, Report, Storage};

use crate::descriptors::Descriptors;
use crate::failure::Failure;
use crate::flow::confirm::confirm;
use crate::flow::output::Stdout;
use crate::numbers::size;
use crate::random::random;
use crate::words::{ProgressLine, Words};

/// Check, repair, copy and count what a hub keeps with --data
#[derive(Args, Debug)]
#[command(after_help = "\
Exit code 1 says that something is damaged, or that it could not be done.

Examples:
  tenfold log stats /var/lib/tenfold
  tenfold log verify /var/lib/tenfold && echo all is well
  tenfold log backup /var/lib/tenfold /backup/tenfold-monday")]
pub(crate) struct Log {
    #[command(subcommand)]
    what: What,
}

/// What to do with a log.
#[derive(Debug, Subcommand)]
enum What {
    /// Read everything and check it; changes nothing, also while a hub uses it
    Verify {
        #[command(flatten)]
        at: At,
    },
    /// Make good what can be made good without guessing; no hub may use it
    ///
    /// The log is recovered as the next start of a hub would do it. Then entries of an index that are
    /// damaged are made again, where the frames between their neighbours are exactly the messages that are
    /// missing. What is left is damaged: a hub says so to those who ask for it, and serves the rest.
    Repair {
        #[command(flatten)]
        at: At,
    },
    /// Count channels, messages, bytes and segments; changes nothing, also while a hub uses it
    Stats {
        #[command(flatten)]
        at: At,
    },
    /// Copy it to a new directory, also while a hub uses it
    ///
    /// The copy is what was committed when the copying began, or a little more. A hub that runs on the copy
    /// knows the places that subscribers have reached by then. Whoever has seen more is told so.
    Backup {
        #[command(flatten)]
        at: At,

        /// The new directory
        #[arg(value_name = "COPY")]
        to: PathBuf,
    },
    /// Delete a channel with everything that is kept of it; no hub may use it
    ///
    /// Its messages cannot be had back. The log is recovered first, as the next start of a hub would do it. A
    /// channel that gets the name later is another history, with another epoch.
    Delete {
        /// The hub's directory
        #[arg(value_name = "DIR")]
        data: PathBuf,

        /// The channel
        #[arg(value_name = "CHANNEL")]
        channel: ChannelName,

        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

/// Where, and for whom.
#[derive(Args, Debug)]
struct At {
    /// The hub's directory
    #[arg(value_name = "DIR")]
    data: PathBuf,

    /// One JSON object in each line, for each finding or channel
    #[arg(long)]
    json: bool,
}

impl Log {
    pub(crate) fn run(&self, words: &Words) -> Result<(), Failure> {
        let stdout = Stdout::open()?;
        match &self.what {
            What::Verify { at } => {
                let mut progress = ProgressLine::new(words);
                let mut told = |done, all| {
                    progress.show(|| format!("checked {} of {}", size(done), size(all)));
                };
                let report = tenfold_log::verify(&at.open()?, &mut told);
                at.tell(
                    &report.map_err(|error| at.cannot("verify", &error))?,
                    &stdout,
                    words,
                )
            }
            What::Repair { at } => {
                let report = tenfold_log::repair(&at.open()?, Options::new(random));
                at.tell(
                    &report.map_err(|error| at.cannot("repair", &error))?,
                    &stdout,
                    words,
                )
            }
            What::Stats { at } => {
                let stats = tenfold_log::stats(&at.open()?);
                let stats = stats.map_err(|error| at.cannot("count", &error))?;
                stdout.write(table::text(&stats, at.json).as_bytes())?;
                if !at.json {
                    table::note(&stats, words);
                }
                Ok(())
            }
            What::Backup { at, to } => {
                let from = at.open()?;
                let to = Disk::create(to).map_err(|error| cannot("copy to", to, &error))?;
                let to = Descriptors::raised().few(to);
                let mut progress = ProgressLine::new(words);
                let mut told = |done, all| {
                    progress.show(|| format!("copied {} of {}", size(done), size(all)));
                };
                let report = tenfold_log::backup(&from, &to, Options::new(random), &mut told);
                at.tell(
                    &report.map_err(|error| at.cannot("copy", &error))?,
                    &stdout,
                    words,
                )
            }
            What::Delete { data, channel, yes } => delete(data, channel, *yes, words),
        }
    }
}

impl At {
    fn open(&self) -> Result<Arc<dyn Storage>, Failure> {
        let disk = Disk::open(&self.data).map_err(|error| self.cannot("open", &error))?;
        Ok(Descriptors::raised().few(disk))
    }

    fn cannot(&self, what: &str, error: &dyn std::fmt::Display) -> Failure {
        cannot(what, &self.data, error)
    }

    /// Prints what was found. Damage is a failure.
    fn tell(&self, report: &Report, stdout: &Stdout, words: &Words) -> Result<(), Failure> {
        stdout.write(findings::text(report, self.json).as_bytes())?;
        match findings::damages(report) {
            0 if self.json => Ok(()),
            0 => {
                words.note(format_args!("{}: nothing is damaged", self.data.display()));
                Ok(())
            }
            damages => Err(Failure::Other(format!(
                "{}: damaged in {damages} place{}; the rest can be served",
                self.data.display(),
                if damages == 1 { "" } else { "s" },
            ))),
        }
    }
}

fn delete(data: &Path, channel: &ChannelName, yes: bool, words: &Words) -> Result<(), Failure> {
    let shown = data.display();
    confirm(
        &format!("delete channel {channel} of {shown} and all its messages"),
        yes,
    )?;
    let doing = format!("delete channel {channel} of");
    let disk = Disk::open(data).map_err(|error| cannot("open", data, &error))?;
    let storage = Descriptors::raised().few(disk);
    match tenfold_log::delete(&storage, channel.as_str(), Options::new(random)) {
        Ok(true) => {
            words.note(format_args!("{shown}: channel {channel} is deleted"));
            Ok(())
        }
        Ok(false) => Err(Failure::Other(format!("{shown} has no channel {channel}"))),
        Err(error) => Err(cannot(&doing, data, &error)),
    }
}

fn cannot(what: &str, data: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::Other(format!("cannot {what} {}: {error}", data.display()))
}
