//! Measures what a log does for all of its channels at once, and what a quiet channel waits meanwhile.
//!
//! ```text
//! many_channels [--channels 10000] [--files N] [--flush 0] [--rounds 5] [--dir DIR]
//! ```
//!
//! The log is Tenfold's crate, in this process, with no more than so many files open (half of what the system allows). Each flush takes
//! so many milliseconds longer than the disk needs.
//!
//! | step | is |
//! |---|---|
//! | fill | a message to each channel, which makes its directory and its files, until all are acknowledged |
//! | checkpoint | until all of that is synced, from when another channel begins to fill the journal |
//! | stop | after another message to each channel |
//! | start | of a log that was stopped |
//! | backup | while it runs, after another message to each channel |
//! | after a kill | the start of a copy of the files of a log that runs, after another message to each channel |
//! | retention | until nothing is left, from when every message is too old. The log looks once a second |

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit};
use tenfold_benches::Result;
use tenfold_benches::disk::{Disk, files_in};
use tenfold_benches::fill::random;
use tenfold_benches::frames::frame;
use tenfold_benches::options::Options;
use tenfold_benches::slow_flush::SlowFlush;
use tenfold_benches::table::{known, median, print_cells};
use tenfold_log::storage::{self, FewFiles};
use tenfold_log::{
    Channel, Commit, Log, Receipt, Refused, Retention, Storage, Submission, Threads, backup, open,
};

const OWN: [&str; 4] = ["--channels", "--files", "--flush", "--dir"];
/// Small, so that the other channel has filled it at once.
const JOURNAL: u64 = 16 << 20;
/// The other channel's messages.
const LARGE: usize = 1 << 20;
/// A log that does nothing for so long has failed.
const STALLED: Duration = Duration::from_secs(600);
/// How often the quiet channel has a message, and how often is looked whether a step is over.
const EVERY: Duration = Duration::from_millis(5);

/// What is measured with.
struct Bench {
    disk: Disk,
    channels: usize,
    files: usize,
    flush: Duration,
}

/// A log that runs.
struct Running {
    log: Log,
    threads: Threads,
    quiet: Arc<Channel>,
    /// All messages are too old.
    forgets: Arc<AtomicBool>,
}

/// One step: its name, its seconds, and the milliseconds of the quiet channel's slowest acknowledgement, if it had any.
type Step = (&'static str, f64, Option<f64>);

fn main() -> Result<()> {
    let options = Options::new("log").parse(std::env::args().skip(1), &OWN)?;
    let bench = Bench {
        disk: Disk::new(options.own("--dir"))?,
        channels: options.own_number("--channels", 10_000)?.max(1),
        files: options.own_number("--files", half_of_the_files())?,
        flush: Duration::from_millis(options.own_number("--flush", 0)? as u64),
    };
    let mut rounds = Vec::new();
    for round in 0..options.rounds {
        rounds.push(bench.round(round)?);
    }
    bench.print(&rounds);
    Ok(())
}

impl Bench {
    fn round(&self, round: usize) -> Result<Vec<Step>> {
        let place = tempfile::tempdir_in(self.disk.path())?;
        let [data, copy, killed] = ["log", "copy", "killed"].map(|name| place.path().join(name));
        let mut steps = Vec::new();
        let mut done = |(name, seconds, slowest): Step| {
            eprintln!("round {round}, {name}: {seconds:.3} s");
            steps.push((name, seconds, slowest));
        };

        let running = self.open(&data)?;
        let begin = Instant::now();
        running.touch(self.channels)?;
        done(("fill", begin.elapsed().as_secs_f64(), None));
        done(running.beside("checkpoint", || running.checkpoint())?);

        running.touch(self.channels)?;
        let begin = Instant::now();
        running.stop()?;
        done(("stop", begin.elapsed().as_secs_f64(), None));
        let begin = Instant::now();
        let running = self.open(&data)?;
        done(("start", begin.elapsed().as_secs_f64(), None));

        running.touch(self.channels)?;
        let (from, to) = (self.storage(&data)?, self.storage(&copy)?);
        done(running.beside("backup", || {
            backup(
                &from,
                &to,
                tenfold_log::Options::new(random),
                &mut |_, _| {},
            )?;
            Ok(())
        })?);

        copy_files(&data, &killed)?;
        let begin = Instant::now();
        let recovered = self.open(&killed)?;
        done(("after a kill", begin.elapsed().as_secs_f64(), None));
        if recovered.log.channels().len() <= self.channels {
            return Err("not all channels were recovered".into());
        }
        recovered.stop()?;

        done(running.beside("retention", || running.forget(self.channels))?);
        running.stop()?;
        Ok(steps)
    }

    fn storage(&self, path: &Path) -> Result<Arc<dyn Storage>> {
        let disk = SlowFlush::new(storage::Disk::create(path)?, self.flush);
        let disk: Arc<dyn Storage> = Arc::new(disk);
        Ok(Arc::new(FewFiles::new(disk, self.files)))
    }

    fn open(&self, path: &Path) -> Result<Running> {
        let forgets = Arc::new(AtomicBool::new(false));
        let mut options = tenfold_log::Options::new(random);
        options.journal = JOURNAL;
        let is_forgotten = Arc::clone(&forgets);
        options.retention = Arc::new(move |_| {
            let mut retention = Retention::default();
            retention.max_age = is_forgotten.load(Relaxed).then_some(Duration::ZERO);
            retention
        });
        let (log, _, threads) = open(self.storage(path)?, options)?.start()?;
        Ok(Running {
            quiet: log.channel("quiet", random()),
            log,
            threads,
            forgets,
        })
    }

    fn print(&self, rounds: &[Vec<Step>]) {
        let Self {
            channels,
            files,
            flush,
            ..
        } = self;
        let title = format!(
            "{channels} channels, at most {files} files open, {} ms more for each flush; {}",
            flush.as_millis(),
            self.disk.describe()
        );
        let steps = rounds.first().into_iter().flatten().enumerate();
        let lines = steps.map(|(number, (name, _, _))| {
            let of = |value: fn(&Step) -> Option<f64>| {
                let values: Vec<_> = rounds.iter().filter_map(|it| value(&it[number])).collect();
                (!values.is_empty()).then(|| median(values.into_iter()))
            };
            vec![
                (*name).to_owned(),
                known(of(|step| Some(step.1)), 3),
                known(of(|step| step.2), 1),
            ]
        });
        let heads = ["step", "seconds", "slowest acknowledgement beside it, ms"];
        print_cells(&title, &heads, &lines.collect::<Vec<_>>());
    }
}

impl Running {
    /// A message to each channel, until all are acknowledged.
    fn touch(&self, channels: usize) -> Result<()> {
        let (teller, told) = channel();
        for number in 0..channels {
            let channel = self.log.channel(&format!("c.{number}"), random());
            let submission = Submission::new(frame(128), 1, Told(teller.clone()));
            self.log.submit(&channel, submission);
        }
        drop(teller);
        for _ in 0..channels {
            told.recv_timeout(STALLED)??;
        }
        Ok(())
    }

    fn commit(&self, channel: &Arc<Channel>, size: usize) -> Result<()> {
        let (teller, told) = std::sync::mpsc::channel();
        let submission = Submission::new(frame(size), 1, Told(teller));
        self.log.submit(channel, submission);
        Ok(told.recv_timeout(STALLED)??)
    }

    /// Fills the journal, until a checkpoint has been made.
    fn checkpoint(&self) -> Result<()> {
        let before = self.log.numbers().checkpoints;
        let other = self.log.channel("other", random());
        for _ in 0..=JOURNAL / LARGE as u64 {
            self.commit(&other, LARGE)?;
        }
        self.until(|log| log.numbers().checkpoints > before)
    }

    /// Has all messages be too old, until they are gone.
    fn forget(&self, channels: usize) -> Result<()> {
        self.forgets.store(true, Relaxed);
        self.until(|log| log.numbers().removed >= channels as u64)
    }

    fn until(&self, is_over: impl Fn(&Log) -> bool) -> Result<()> {
        let begin = Instant::now();
        while !is_over(&self.log) {
            if begin.elapsed() > STALLED {
                return Err(format!("nothing happens; the log is {:?}", self.log.health()).into());
            }
            sleep(EVERY);
        }
        Ok(())
    }

    /// Does a step while the quiet channel goes on.
    fn beside(&self, name: &'static str, step: impl FnOnce() -> Result<()>) -> Result<Step> {
        let is_over = OnceLock::new();
        thread::scope(|scope| {
            let quiet = scope.spawn(|| {
                let mut slowest = Duration::ZERO;
                while is_over.get().is_none() {
                    let begin = Instant::now();
                    self.commit(&self.quiet, 128)
                        .map_err(|error| format!("{name}: {error}"))?;
                    slowest = slowest.max(begin.elapsed());
                    sleep(EVERY);
                }
                Ok::<_, String>(slowest)
            });
            let begin = Instant::now();
            let result = step();
            let seconds = begin.elapsed().as_secs_f64();
            is_over.get_or_init(|| ());
            let slowest = quiet.join().map_err(|_| "the quiet channel panicked")??;
            result?;
            Ok((name, seconds, Some(slowest.as_secs_f64() * 1e3)))
        })
    }

    fn stop(self) -> Result<()> {
        if self.threads.stop() {
            Ok(())
        } else {
            Err("the log was not closed".into())
        }
    }
}

/// Is told when a message is acknowledged.
struct Told(Sender<std::result::Result<(), String>>);

impl Receipt for Told {
    fn committed(&mut self, _: Commit) {
        let _ = self.0.send(Ok(()));
    }

    fn written(self: Box<Self>) {}

    fn refused(self: Box<Self>, why: Refused) {
        let _ = self.0.send(Err(format!("the log refuses: {why:?}")));
    }
}

/// A channel has more than one file open, and whoever has many channels must not be refused for that.
fn half_of_the_files() -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    limit.map_or(usize::MAX, |files| files as usize / 2)
}

/// What a process has left that was killed.
fn copy_files(from: &Path, to: &Path) -> Result<()> {
    for file in files_in(from)? {
        let copy = to.join(file.strip_prefix(from)?);
        fs::create_dir_all(copy.parent().ok_or("a file without a directory")?)?;
        fs::copy(file, copy)?;
    }
    Ok(())
}
