//! Measures how long a hub takes to start on a large log: from its `exec` until it listens, and
//! until it has acknowledged a first durable message.
//!
//! ```text
//! restart [--bytes 4294967296] [--channels 8] [--full 85] [--size 128] [--rounds 5]
//!         [--after kill:warm,kill:cold,stop:warm] [--dir DIR] [--tenfold-bin PATH]
//!         [--args-hub "--journal 256MiB"]
//! ```
//!
//! The log is filled once, with Tenfold's own crate. In each round a hub is started on it and gets
//! a publisher, until its newer journal file is full to so many percent. Then it is killed in the
//! middle of that (`kill`) or ended in the ordinary way (`stop`), and started again, with its files
//! in the system's cache (`warm`) or out of it (`cold`). Afterwards every message that had been
//! acknowledged has to be there.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tenfold_benches::Result;
use tenfold_benches::disk::{Disk, cool, warm};
use tenfold_benches::fill::fill;
use tenfold_benches::journal::Journal;
use tenfold_benches::options::Options;
use tenfold_benches::servers::{CHANNEL, Setup};
use tenfold_benches::stores::hub::Hub;
use tenfold_benches::stores::{empty_data, start};
use tenfold_benches::table::{median, print_cells};
use tenfold_benches::windows::Windows;

const AFTER: &str = "kill:warm,kill:cold,stop:warm";
const OWN: [&str; 5] = ["--bytes", "--channels", "--full", "--after", "--dir"];
/// Messages in flight while the journal is filled.
const WINDOW: usize = 10_000;
/// How often the journal is looked at, and for how long at the most.
const LOOK: Duration = Duration::from_millis(20);
const FILLING: Duration = Duration::from_secs(120);

struct Restart {
    options: Options,
    disk: Disk,
    size: usize,
    data: PathBuf,
    bytes: u64,
    /// How full the newer journal file is to be, in percent.
    full: u64,
}

#[derive(Clone, Copy)]
struct Round {
    /// What the start had to write to segments.
    journal: Journal,
    /// Seconds until it listened, and until the first acknowledgement.
    listening: f64,
    acked: f64,
}

fn main() -> Result<()> {
    let options = Options::new("hub").parse(std::env::args().skip(1), &OWN)?;
    let ([size], [_]) = (&options.sizes[..], &options.servers[..]) else {
        return Err("one --size and one of --servers at a time".into());
    };
    let disk = Disk::new(options.own("--dir"))?;
    let data = empty_data("log", &options.setup(1, disk.path()))?;
    // What is wrong with the hub is known now, and not when the log is full.
    start(&options.servers[0], &options.setup(1, disk.path()))?;
    let channels = options.own_number("--channels", 8)?.max(1);
    let each = options.own_number("--bytes", 4 << 30)? / channels;
    let names: Vec<String> = (0..channels).map(|number| format!("c.{number}")).collect();
    eprintln!(
        "filling {channels} channels in {} with {each} bytes each",
        data.display()
    );
    let messages = fill(&data, &names, *size, each as u64)?;
    let restart = Restart {
        size: *size,
        bytes: messages * channels as u64 * (*size as u64 + 10),
        full: options.own_number("--full", 85)? as u64,
        disk,
        data,
        options,
    };
    let after: Vec<&str> = restart
        .options
        .own("--after")
        .unwrap_or(AFTER)
        .split(',')
        .collect();
    let mut rounds = vec![Vec::new(); after.len()];
    for round in 0..restart.options.rounds {
        for (after, rounds) in after.iter().zip(&mut rounds) {
            let result = restart
                .round(after)
                .map_err(|error| format!("{after}: {error}"))?;
            eprintln!(
                "round {round}, {after}: {:.0} ms, first ack after {:.0} ms, {} batches to recover",
                result.listening * 1e3,
                result.acked * 1e3,
                result.journal.batches
            );
            rounds.push(result);
        }
    }
    restart.print(&after, &rounds);
    Ok(())
}

impl Restart {
    fn round(&self, after: &str) -> Result<Round> {
        let (end, cache) = after.split_once(':').unwrap_or((after, "warm"));
        let setup = self.options.setup(1, self.disk.path());
        let server = self.start(&setup)?;
        let expected = self.publish(&server)?;
        match end {
            // A server ends with SIGKILL when it is dropped.
            "kill" => drop(server),
            "stop" => server.stop()?,
            _ => return Err("what comes before it is kill or stop".into()),
        }
        let journal = Journal::read(&self.data)?;
        match cache {
            "warm" => warm(&self.data)?,
            "cold" => cool(&self.data)?,
            _ => return Err("the cache is warm or cold".into()),
        }
        let begin = Instant::now();
        let server = self.start(&setup)?;
        let listening = begin.elapsed().as_secs_f64();
        let mut load = Windows::new()?;
        load.add(&server, CHANNEL, self.size, 1)?;
        load.run_until(1)?;
        let acked = begin.elapsed().as_secs_f64();
        let next = server.next(CHANNEL)?;
        if next < expected + 1 {
            return Err(format!("{} acknowledged messages are lost", expected + 1 - next).into());
        }
        Ok(Round {
            journal,
            listening,
            acked,
        })
    }

    fn start(&self, setup: &Setup) -> Result<Hub> {
        let name = &self.options.servers[0];
        let keep = Hub::keeping(self.bytes * 2 + (16 << 30));
        Hub::start_keeping(name, setup, &self.data, &keep)
    }

    /// Publishes until the newer journal file is full enough. Returns which seq has been reached at
    /// least: everything before it is acknowledged.
    fn publish(&self, server: &Hub) -> Result<u64> {
        let before = server.next(CHANNEL)?;
        let mut load = Windows::new()?;
        load.add(server, CHANNEL, self.size, WINDOW)?;
        let begin = Instant::now();
        loop {
            load.run(LOOK)?;
            let journal = Journal::read(&self.data)?;
            if journal.used * 100 >= journal.size * self.full {
                return Ok(before + load.acked());
            }
            if begin.elapsed() > FILLING {
                return Err(
                    format!("the journal is not full after {FILLING:?}: {journal:?}").into(),
                );
            }
        }
    }

    fn print(&self, after: &[&str], rounds: &[Vec<Round>]) {
        let title = format!(
            "start on a log of {:.2} GB and more; {}, medians of {} rounds",
            self.bytes as f64 / 1e9,
            self.disk.describe(),
            self.options.rounds,
        );
        let heads = [
            "after",
            "batches to recover",
            "MB to recover",
            "ms to listening",
            "lowest - highest",
            "ms to the first durable ack",
            "lowest - highest",
        ];
        let range = |rounds: &[Round], of: fn(&Round) -> f64| {
            let all = || rounds.iter().map(of);
            let (least, most) = (
                all().fold(f64::INFINITY, f64::min),
                all().fold(0.0, f64::max),
            );
            let middle = format!("{:.0}", median(all()) * 1e3);
            [middle, format!("{:.0} - {:.0}", least * 1e3, most * 1e3)]
        };
        let line = |(after, rounds): (&&str, &Vec<Round>)| {
            let batches = median(rounds.iter().map(|round| round.journal.batches as f64));
            let bytes = median(rounds.iter().map(|round| round.journal.frames as f64));
            let mut cells = vec![
                (*after).to_owned(),
                format!("{batches:.0}"),
                format!("{:.1}", bytes / 1e6),
            ];
            cells.extend(range(rounds, |round| round.listening));
            cells.extend(range(rounds, |round| round.acked));
            cells
        };
        let lines: Vec<_> = after.iter().zip(rounds).map(line).collect();
        print_cells(&title, &heads, &lines);
    }
}
