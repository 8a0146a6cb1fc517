//! `--data`: channels on disk.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, mpsc};
use std::thread;
use std::time::Duration;

use clap::Args;
use tenfold::protocol::ChannelName;
use tenfold_hub::{BadPattern, Pattern};
use tenfold_log::storage::Disk;
use tenfold_log::{Notice, Options, Progress, Report, Retention, Threads, open};
use tokio::sync::oneshot;
use tracing::{info, warn};

use super::settings::{Setting, Settings};
use crate::descriptors::Descriptors;
use crate::failure::Failure;
use crate::random::random;
use crate::units;

/// Where channels are kept, and how much of them.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Channels on disk")]
pub(super) struct DataOptions {
    /// Keep channels in this directory, which is made if it is not there. Without it they are in memory,
    /// and gone when the hub ends
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// What a channel keeps; what is beyond is deleted, the oldest first, in segments of at most an eighth of
    /// the limit: a channel has at most a quarter more than that, and in a flood what the journal holds on
    /// top (twice --journal). Bytes are what `du` counts, with indexes and reserved space. Messages that are too old go without any traffic. For the channels that fit
    /// PATTERN (a name, or the start of one and `*`): of each limit the first that fits counts; may be given
    /// several times (with semicolons between in the environment) [default: max-bytes=1GiB]
    #[arg(
        long,
        value_name = "[PATTERN:]max-bytes=SIZE,max-age=T,max-messages=N",
        value_parser = retain,
        value_delimiter = ';'
    )]
    retain: Vec<Retain>,

    /// What all channels take on disk together, as `du` counts it. Beyond that, the oldest is deleted first,
    /// whatever channel it is in; nobody is refused. The journal comes on top of it
    #[arg(long, value_name = "SIZE", default_value = "10GiB", value_parser = units::size)]
    max_disk: u64,

    /// The size of each of the journal's two files. A larger one means fewer checkpoints, and a longer
    /// start after a crash
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = journal)]
    journal: u64,
}

/// Limits of the channels that fit a pattern.
#[derive(Clone, Debug)]
struct Retain {
    pattern: Pattern,
    max_bytes: Option<u64>,
    max_age: Option<Duration>,
    max_messages: Option<u64>,
}

/// The limits of what channels keep, which can be replaced while the log runs.
type Rules = Arc<RwLock<Vec<Retain>>>;

/// A log that is being opened, on a thread of its own.
#[derive(Debug)]
pub(super) struct Opening {
    log: Arc<tenfold_log::Opening>,
    opened: oneshot::Receiver<Result<Running, Failure>>,
}

/// A log that runs.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) log: tenfold_log::Log,
    rules: Rules,
    threads: Threads,
    place: String,
}

impl DataOptions {
    /// Where channels are kept, if not in memory.
    pub(super) fn directory(&self) -> Option<&Path> {
        self.data.as_deref()
    }

    /// The options about what is kept on disk need `--data`, which says where.
    pub(super) fn check(&self, settings: &Settings) -> Result<(), Failure> {
        if self.data.is_some() || self.retain.is_empty() {
            return Ok(());
        }
        let place = settings.given("retain").map(Setting::place);
        Err(Failure::Usage(format!(
            "{} is for channels on disk, and there is no --data",
            place.unwrap_or_default()
        )))
    }

    /// Whether channels are kept on disk.
    pub(super) fn is_given(&self) -> bool {
        self.data.is_some()
    }

    /// Begins to open the directory, if there is to be one; as that of a mirror, or of a hub with epochs of its own.
    pub(super) fn open(&self, is_mirror: bool) -> io::Result<Option<Opening>> {
        let Some(path) = self.data.clone() else {
            return Ok(None);
        };
        let rules = Rules::new(RwLock::new(self.retain.clone()));
        let mut options = self.options(&rules);
        options.is_mirror = is_mirror;
        let log = Arc::clone(&options.opening);
        let (done, opened) = oneshot::channel();
        let spawn = thread::Builder::new().name("tenfold-open".to_owned());
        // Who does not want it any more has it opened again by the next start.
        spawn.spawn(move || drop(done.send(start(&path, options, rules))))?;
        Ok(Some(Opening { log, opened }))
    }

    fn options(&self, rules: &Rules) -> Options {
        let mut options = Options::new(random);
        options.journal = self.journal;
        options.max_disk = self.max_disk;
        options.notice = Arc::new(tell_notice);
        let rules = Arc::clone(rules);
        options.retention = Arc::new(move |name| {
            let rules = rules.read().unwrap_or_else(PoisonError::into_inner);
            retention(&rules, name)
        });
        options
    }
}

/// Opens the directory, and tells what was found in it.
fn start(path: &Path, options: Options, rules: Rules) -> Result<Running, Failure> {
    let place = path.display().to_string();
    let cannot = |error: &dyn std::fmt::Display| {
        Failure::Other(format!("cannot keep channels in {place}: {error}"))
    };
    let disk = Disk::create(path).map_err(|error| cannot(&error))?;
    let storage = Descriptors::raised().few(disk);
    let opened = open(storage, options).map_err(|error| cannot(&error))?;
    let (log, report, threads) = opened.start().map_err(|error| cannot(&error))?;
    tell(&report, &place);
    Ok(Running {
        log,
        rules,
        threads,
        place,
    })
}

fn tell_notice(notice: &Notice) {
    if let Notice::Trimmed {
        channel,
        first,
        segments,
        ..
    } = notice
    {
        info!(%channel, first, segments, "retention has deleted the oldest messages");
    } else {
        warn!("{notice}");
    }
}

impl Opening {
    /// Waits until it is over. A wait that is given up loses nothing.
    pub(super) async fn over(&mut self) -> Result<Running, Failure> {
        let panicked = |_| Failure::Other("the thread that opens the log has panicked".to_owned());
        (&mut self.opened).await.map_err(panicked)?
    }

    /// What shows how far it is.
    pub(super) fn log(&self) -> Arc<tenfold_log::Opening> {
        Arc::clone(&self.log)
    }

    /// How far it is.
    pub(super) fn progress(&self) -> Progress {
        self.log.progress()
    }

    /// Has it end before it is over.
    pub(super) fn end(&self) {
        self.log.end();
    }
}

impl Running {
    /// Keeps to the limits of other options from now on.
    pub(super) fn change_limits(&self, to: &DataOptions) {
        let mut rules = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        rules.clone_from(&to.retain);
        drop(rules);
        self.log.set_max_disk(to.max_disk);
    }

    /// Ends the log. What is committed is safe whether that succeeds or not.
    pub(super) fn stop(self) {
        let (done, stopped) = mpsc::channel();
        let threads = self.threads;
        // Nobody can know how long a disk takes that is full or does not answer.
        thread::spawn(move || done.send(threads.stop()));
        if !stopped.recv_timeout(PATIENCE).unwrap_or(false) {
            warn!(
                data = self.place,
                "the log could not be closed; the next start recovers what is committed"
            );
        }
    }
}

/// How long the last checkpoint may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What recovery has found. Damage is a warning, because a person has to look at it.
fn tell(report: &Report, data: &str) {
    for finding in &report.findings {
        if finding.is_damage {
            warn!(data, "{finding}");
        } else {
            info!(data, "{finding}");
        }
    }
    if report.is_damaged() {
        warn!(
            data,
            "messages are damaged or lost; the rest is served (`tenfold log verify` says more)"
        );
    }
    info!(data, replayed = report.replayed, "the log is open");
}

fn retention(rules: &[Retain], name: &str) -> Retention {
    let mut retention = Retention::default();
    let Ok(name) = name.parse::<ChannelName>() else {
        return retention;
    };
    let fitting = || rules.iter().filter(|rule| rule.pattern.fits(&name));
    if let Some(bytes) = fitting().find_map(|rule| rule.max_bytes) {
        retention.max_bytes = bytes;
    }
    retention.max_age = fitting().find_map(|rule| rule.max_age);
    retention.max_messages = fitting().find_map(|rule| rule.max_messages);
    retention
}

/// Reads `max-bytes=1GiB` or `log.*:max-age=7d,max-messages=1000`.
fn retain(text: &str) -> Result<Retain, String> {
    let (pattern, limits) = text.split_once(':').unwrap_or(("*", text));
    let pattern = pattern
        .parse()
        .map_err(|error: BadPattern| format!("{error}, before the colon"))?;
    let mut rule = Retain {
        pattern,
        max_bytes: None,
        max_age: None,
        max_messages: None,
    };
    for limit in limits.split(',') {
        let (key, value) = limit.split_once('=').unwrap_or((limit, ""));
        let is_new = match key {
            "max-bytes" => rule.max_bytes.replace(units::size(value)?).is_none(),
            "max-age" => rule.max_age.replace(age(value)?).is_none(),
            "max-messages" => rule.max_messages.replace(units::count(value)?).is_none(),
            _ => return Err("write max-bytes=SIZE, max-age=T or max-messages=N".to_owned()),
        };
        if !is_new {
            return Err(format!("{key} is there twice"));
        }
    }
    Ok(rule)
}

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Reads a time, which may be in days.
fn age(text: &str) -> Result<Duration, String> {
    let days = text.strip_suffix('d').map(str::parse::<u32>);
    match days {
        Some(Ok(days)) if days > 0 => Ok(DAY * days),
        _ => units::duration(text)
            .map_err(|_| "write a number with a unit: 90s, 15m, 12h, 7d".to_owned()),
    }
}

/// A journal that is too small would be turned over all the time.
fn journal(text: &str) -> Result<u64, String> {
    const LEAST: u64 = 64 * 1024;
    match units::size(text)? {
        size if size < LEAST => Err("write 64KiB or more".to_owned()),
        size => Ok(size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_limit_the_first_that_fits_counts() {
        let rules = [
            "ticks:max-age=7d",
            "t*:max-bytes=1MiB,max-age=12h",
            "max-messages=5",
        ];
        let rules: Vec<Retain> = rules.iter().map(|rule| retain(rule).unwrap()).collect();
        let ticks = retention(&rules, "ticks");
        assert_eq!(ticks.max_age, Some(7 * DAY));
        assert_eq!((ticks.max_bytes, ticks.max_messages), (1 << 20, Some(5)));
        let other = retention(&rules, "other");
        assert_eq!((other.max_bytes, other.max_age), (1 << 30, None));
        assert_eq!(other.max_messages, Some(5));
    }

    #[test]
    fn a_rule_that_says_nothing_or_something_twice_is_refused() {
        for wrong in [
            "",
            "ticks:",
            "A:max-bytes=1",
            "max-bytes=0",
            "max-bytes",
            "max-age=-7",
            "max-age=0d",
            "max-messages=-1",
            "max-bytes=1,max-bytes=2",
            "most=1",
        ] {
            assert!(retain(wrong).is_err(), "{wrong}");
        }
    }
}
