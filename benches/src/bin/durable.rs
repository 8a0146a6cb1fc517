//! Measures durable publishing: one publisher on one channel with so many messages in flight, and
//! how many per second are acknowledged. The same client for every server, one server after the
//! other, in several rounds.
//!
//! ```text
//! durable [--window 1,1000,3000,10000,30000,100000] [--size 128] [--rounds 5] [--seconds 4]
//!         [--servers hub,bare,bare:2,disk,redis,jetstream] [--reference hub] [--dir DIR]
//!         [--tenfold-bin PATH] [--args-hub "..."] [--args-redis "..."]
//! ```
//!
//! `bare` is a loop with the writes and syncs of the hub's log behind a socket, `bare:2` the same
//! with a second thread that reads meanwhile, and `disk` the same without a socket: each commit has
//! as many messages as the window, up to 4 MiB.

use std::time::{Duration, Instant};

use tenfold_benches::Result;
use tenfold_benches::bare_log::{BareLog, JOURNAL, MOST};
use tenfold_benches::disk::Disk;
use tenfold_benches::frames::frame;
use tenfold_benches::options::Options;
use tenfold_benches::process::cpu_of;
use tenfold_benches::servers::{CHANNEL, Setup, kind};
use tenfold_benches::stores::{empty_data, jetstream, start};
use tenfold_benches::table::{human, known, median, print_cells};
use tenfold_benches::windows::Windows;

const SERVERS: &str = "hub,bare,bare:2,disk,redis,jetstream";
const WINDOWS: &str = "1,1000,3000,10000,30000,100000";
const OWN: [&str; 2] = ["--window", "--dir"];
const WARM_UP: Duration = Duration::from_secs(1);

struct Durable {
    options: Options,
    windows: Vec<usize>,
    disk: Disk,
}

/// What one server has shown with one window.
struct Row {
    size: usize,
    window: usize,
    name: String,
    rounds: Vec<Round>,
}

#[derive(Clone, Copy)]
struct Round {
    /// Messages acknowledged per second.
    rate: f64,
    /// Syncs that the server tells of, and flushes of the device, per 1,000 messages.
    batches: Option<f64>,
    flushes: Option<f64>,
    /// CPU seconds of the server per million.
    cpu: f64,
}

fn main() -> Result<()> {
    let defaults = Options::new(SERVERS).with_args("bare:2", "--threads 2");
    let options = defaults.parse(std::env::args().skip(1), &OWN)?;
    let mut durable = Durable {
        windows: options.own_numbers("--window", WINDOWS)?,
        disk: Disk::new(options.own("--dir"))?,
        options,
    };
    let note = durable.add_synced_jetstream()?;
    durable.check_servers()?;
    let (rows, failures) = durable.measure();
    durable.print(&rows, &note);
    match failures {
        0 => Ok(()),
        failures => Err(format!("{failures} measurements failed").into()),
    }
}

impl Durable {
    fn setup(&self) -> Setup {
        self.options.setup(1, self.disk.path())
    }

    /// Adds JetStream with `sync_interval: always` where the installed one has it, and tells.
    fn add_synced_jetstream(&mut self) -> Result<String> {
        let names = &mut self.options.servers;
        if !names.iter().any(|name| kind(name) == "jetstream") {
            return Ok(String::new());
        }
        let version = jetstream::version()?;
        let knows = jetstream::knows_sync(&self.options.setup(1, self.disk.path()))?;
        let name = "jetstream:sync".to_owned();
        if knows && !self.options.servers.contains(&name) {
            self.options.servers.push(name);
        }
        let has = if knows { "has" } else { "has no" };
        Ok(format!(
            "\n`jetstream` acknowledges before any sync. {version} {has} `sync_interval: always`."
        ))
    }

    /// Starts each server once, so that a missing one is known now and not in an hour.
    fn check_servers(&self) -> Result<()> {
        for name in &self.options.servers {
            if name != "disk" {
                start(name, &self.setup()).map_err(|error| format!("{name}: {error}"))?;
            }
        }
        Ok(())
    }

    /// All servers at all points. One that fails is said and counted, and the rest goes on.
    fn measure(&self) -> (Vec<Row>, usize) {
        let (mut rows, mut failures) = (Vec::new(), 0);
        for &size in &self.options.sizes {
            for &window in &self.windows {
                let mut point = self.rows(size, window);
                for round in 0..self.options.rounds {
                    for row in &mut point {
                        let result = match row.name.as_str() {
                            "disk" => self.loop_on_disk(size, window),
                            name => self.publish(name, size, window),
                        };
                        failures += usize::from(result.is_err());
                        tell(round, row, &result);
                        row.rounds.extend(result.ok());
                    }
                }
                rows.append(&mut point);
            }
        }
        (rows, failures)
    }

    fn rows(&self, size: usize, window: usize) -> Vec<Row> {
        let row = |name: &String| Row {
            size,
            window,
            name: name.clone(),
            rounds: Vec::new(),
        };
        self.options.servers.iter().map(row).collect()
    }

    /// Publishes for a while, and counts after warming up.
    fn publish(&self, name: &str, size: usize, window: usize) -> Result<Round> {
        let server = start(name, &self.setup())?;
        let mut load = Windows::new()?;
        load.add(&*server, CHANNEL, size, window)?;
        load.run(WARM_UP)?;
        let read = |load: &Windows| -> Result<Reading> {
            Ok(Reading {
                time: Instant::now(),
                messages: load.acked(),
                batches: server.batches()?,
                flushes: self.disk.flushes(),
                cpu: server.process().cpu()?,
            })
        };
        let before = read(&load)?;
        load.run(self.options.window())?;
        let after = read(&load)?;
        load.settle()?;
        round(&before, &after)
    }

    /// The same writes and syncs in this process, without anybody to read from or to answer.
    fn loop_on_disk(&self, size: usize, window: usize) -> Result<Round> {
        let data = empty_data("disk", &self.setup())?;
        let mut log = BareLog::create(&data, JOURNAL)?;
        let frame = frame(size);
        let count = window.clamp(1, (MOST / frame.len()).max(1));
        let frames = frame.repeat(count);
        let (mut messages, mut batches) = (0, 0);
        let mut run = |time: Duration| -> Result<Reading> {
            let end = Instant::now() + time;
            while Instant::now() < end {
                log.commit(&frames)?;
                log.keep(&frames)?;
                messages += count as u64;
                batches += 1;
            }
            Ok(Reading {
                time: Instant::now(),
                messages,
                batches: Some(batches),
                flushes: self.disk.flushes(),
                cpu: cpu_of("self")?,
            })
        };
        let before = run(WARM_UP)?;
        let after = run(self.options.window())?;
        round(&before, &after)
    }

    fn print(&self, rows: &[Row], note: &str) {
        let reference = self.options.reference("hub");
        let title = format!(
            "durable publishing, {}, medians of {} rounds of {} s",
            self.disk.describe(),
            self.options.rounds,
            self.options.window().as_secs(),
        );
        let to = format!("{reference} to it");
        let heads = [
            "bytes",
            "in flight",
            "server",
            "acknowledged/s",
            "lowest - highest",
            "syncs per 1,000, as it tells",
            "device flushes per 1,000",
            "CPU s per million",
            &to,
            "to bare",
        ];
        let ratio = |row: &Row, to: Option<&Row>, turned: bool| {
            let to = to.filter(|other| other.name != row.name && !other.rounds.is_empty());
            known(
                to.map(|other| {
                    let ratio = row.rate() / other.rate();
                    if turned { 1.0 / ratio } else { ratio }
                }),
                2,
            )
        };
        let line = |row: &Row, with: &[&Row]| {
            let find = |name: &str| with.iter().copied().find(|other| other.name == name);
            let mut cells = row.cells();
            cells.push(ratio(row, find(reference), true));
            cells.push(ratio(row, find("bare"), false));
            cells
        };
        let lines: Vec<_> = rows
            .iter()
            .map(|row| {
                let is_same = |other: &&Row| (other.size, other.window) == (row.size, row.window);
                line(row, &rows.iter().filter(is_same).collect::<Vec<_>>())
            })
            .collect();
        print_cells(&title, &heads, &lines);
        if self.windows.len() > 1 {
            let mut lines = Vec::new();
            for &size in &self.options.sizes {
                let best = self.best(rows, size);
                lines.extend(best.iter().map(|row| line(row, &best)));
            }
            print_cells("each server with its best window", &heads, &lines);
        }
        println!("{note}");
    }

    /// For each server the row with the highest rate.
    fn best<'a>(&self, rows: &'a [Row], size: usize) -> Vec<&'a Row> {
        let of_server = |name: &String| {
            let own = rows
                .iter()
                .filter(|row| (row.size, &row.name) == (size, name));
            own.max_by(|a, b| a.rate().total_cmp(&b.rate()))
        };
        self.options.servers.iter().filter_map(of_server).collect()
    }
}

/// The counters at one moment.
struct Reading {
    time: Instant,
    messages: u64,
    batches: Option<u64>,
    flushes: Option<u64>,
    cpu: f64,
}

fn round(before: &Reading, after: &Reading) -> Result<Round> {
    let messages = (after.messages - before.messages) as f64;
    if messages == 0.0 {
        return Err("nothing is acknowledged".into());
    }
    let per_1000 = |before: Option<u64>, after: Option<u64>| {
        let count = after?.checked_sub(before?)?;
        Some(count as f64 / messages * 1e3)
    };
    Ok(Round {
        rate: messages / (after.time - before.time).as_secs_f64(),
        batches: per_1000(before.batches, after.batches),
        flushes: per_1000(before.flushes, after.flushes),
        cpu: (after.cpu - before.cpu) / messages * 1e6,
    })
}

impl Row {
    fn rate(&self) -> f64 {
        median(self.rounds.iter().map(|round| round.rate))
    }

    /// The cells that are about this row alone.
    fn cells(&self) -> Vec<String> {
        let mut cells = vec![
            self.size.to_string(),
            self.window.to_string(),
            self.name.clone(),
        ];
        if self.rounds.is_empty() {
            cells.extend(["failed", "", "", "", ""].map(str::to_owned));
            return cells;
        }
        let rounds = || self.rounds.iter();
        let some = |values: Vec<Option<f64>>| {
            let values: Option<Vec<f64>> = values.into_iter().collect();
            known(values.map(|values| median(values.into_iter())), 3)
        };
        let rates = || rounds().map(|round| round.rate);
        cells.extend([
            human(self.rate()),
            format!(
                "{} - {}",
                human(rates().fold(f64::INFINITY, f64::min)),
                human(rates().fold(0.0, f64::max))
            ),
            some(rounds().map(|round| round.batches).collect()),
            some(rounds().map(|round| round.flushes).collect()),
            format!("{:.3}", median(rounds().map(|round| round.cpu))),
        ]);
        cells
    }
}

fn tell(round: usize, row: &Row, result: &Result<Round>) {
    let Row {
        size, window, name, ..
    } = row;
    let result = match result {
        Ok(result) => format!(
            "{}/s, {} device flushes per 1,000",
            human(result.rate),
            known(result.flushes, 2)
        ),
        Err(error) => error.to_string(),
    };
    eprintln!("{size} B, {window} in flight, round {round}, {name}: {result}");
}
