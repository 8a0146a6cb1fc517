//! Measures whether one sync is enough for many channels: publishers on so many durable channels,
//! the messages that are acknowledged per second, and the batches that the hub's `HEALTH` counts,
//! each of which is one sync of the journal.
//!
//! ```text
//! channels [--channels 1,10,100,500] [--publishers 500] [--window 1,10,100] [--size 128]
//!          [--rounds 5] [--seconds 4] [--servers hub] [--dir DIR] [--tenfold-bin PATH]
//!          [--args-hub "..."]
//! ```
//!
//! The number of publishers is always the same; they share the channels evenly. `redis` can be
//! named too; its streams are in one append-only file.

use std::time::{Duration, Instant};

use tenfold_benches::Result;
use tenfold_benches::disk::Disk;
use tenfold_benches::options::Options;
use tenfold_benches::servers::kind;
use tenfold_benches::stores::start;
use tenfold_benches::table::{human, known, median, print_cells};
use tenfold_benches::windows::Windows;

const OWN: [&str; 4] = ["--channels", "--publishers", "--window", "--dir"];
const WARM_UP: Duration = Duration::from_secs(1);

struct Channels {
    options: Options,
    disk: Disk,
    publishers: usize,
}

/// One server with so many channels, and so many messages in flight per publisher.
struct Row {
    name: String,
    size: usize,
    channels: usize,
    window: usize,
    rounds: Vec<Round>,
}

/// Per second.
#[derive(Clone, Copy)]
struct Round {
    messages: f64,
    batches: Option<f64>,
    flushes: Option<f64>,
    cpu: f64,
}

fn main() -> Result<()> {
    let options = Options::new("hub").parse(std::env::args().skip(1), &OWN)?;
    let channels = options.own_numbers("--channels", "1,10,100,500")?;
    let windows = options.own_numbers("--window", "1,10,100")?;
    let publishers = options.own_number("--publishers", 500)?;
    if channels
        .iter()
        .any(|&channels| channels == 0 || channels > publishers)
    {
        return Err("each channel needs a publisher: --publishers is less than --channels".into());
    }
    tenfold_hub::raise_fd_limit()?;
    let bench = Channels {
        disk: Disk::new(options.own("--dir"))?,
        options,
        publishers,
    };
    let mut rows = Vec::new();
    for &size in &bench.options.sizes {
        for &window in &windows {
            for &channels in &channels {
                for name in bench.options.servers.clone() {
                    let rounds = Vec::new();
                    rows.push(Row {
                        name,
                        size,
                        channels,
                        window,
                        rounds,
                    });
                }
            }
        }
    }
    let mut failures = 0;
    for round in 0..bench.options.rounds {
        for row in &mut rows {
            let result = bench.round(row);
            failures += usize::from(result.is_err());
            let Row {
                name,
                channels,
                window,
                ..
            } = &row;
            let shown = match &result {
                Ok(round) => format!("{}/s", human(round.messages)),
                Err(error) => error.to_string(),
            };
            eprintln!("round {round}, {name}, {channels} channels, {window} in flight: {shown}");
            row.rounds.extend(result.ok());
        }
    }
    bench.print(&rows);
    match failures {
        0 => Ok(()),
        failures => Err(format!("{failures} measurements failed").into()),
    }
}

impl Channels {
    fn round(&self, row: &Row) -> Result<Round> {
        let server = start(
            &row.name,
            &self.options.setup(self.publishers, self.disk.path()),
        )?;
        let mut load = Windows::new()?;
        for number in 0..self.publishers {
            let channel = format!("c.{}", number % row.channels);
            load.add(&*server, &channel, row.size, row.window)?;
        }
        load.run(WARM_UP)?;
        let begin = Instant::now();
        let read = |load: &Windows| -> Result<_> {
            let cpu = server.process().cpu()?;
            Ok((load.acked(), server.batches()?, self.disk.flushes(), cpu))
        };
        let before = read(&load)?;
        load.run(self.options.window())?;
        let (time, after) = (begin.elapsed().as_secs_f64(), read(&load)?);
        load.settle()?;
        if before.1.is_none() && kind(&row.name) == "hub" {
            return Err("the hub's HEALTH tells no batches".into());
        }
        if after.0 == before.0 {
            return Err("nothing is acknowledged".into());
        }
        let rate = |before: Option<u64>, after: Option<u64>| {
            Some(after?.checked_sub(before?)? as f64 / time)
        };
        Ok(Round {
            messages: (after.0 - before.0) as f64 / time,
            batches: rate(before.1, after.1),
            flushes: rate(before.2, after.2),
            cpu: (after.3 - before.3) / (after.0 - before.0) as f64 * 1e6,
        })
    }

    fn print(&self, rows: &[Row]) {
        let title = format!(
            "{} durable publishers, {}, medians of {} rounds of {} s",
            self.publishers,
            self.disk.describe(),
            self.options.rounds,
            self.options.window().as_secs(),
        );
        let heads = [
            "bytes",
            "server",
            "in flight each",
            "channels",
            "acknowledged/s",
            "batches/s",
            "device flushes/s",
            "messages per batch",
            "device flushes per batch",
            "CPU s per million",
            "to the fewest channels",
        ];
        let lines: Vec<_> = rows
            .iter()
            .map(|row| {
                let is_same = |other: &&Row| {
                    (&other.name, other.size, other.window) == (&row.name, row.size, row.window)
                };
                let fewest = rows
                    .iter()
                    .filter(is_same)
                    .min_by_key(|other| other.channels);
                row.cells(fewest.unwrap_or(row))
            })
            .collect();
        print_cells(&title, &heads, &lines);
    }
}

impl Row {
    fn messages(&self) -> f64 {
        median(self.rounds.iter().map(|round| round.messages))
    }

    fn cells(&self, fewest: &Self) -> Vec<String> {
        let mut cells = vec![
            self.size.to_string(),
            self.name.clone(),
            self.window.to_string(),
            self.channels.to_string(),
        ];
        if self.rounds.is_empty() {
            cells.extend(["failed", "", "", "", "", "", ""].map(str::to_owned));
            return cells;
        }
        let over = |of: fn(&Round) -> Option<f64>| -> Option<f64> {
            let values: Option<Vec<f64>> = self.rounds.iter().map(of).collect();
            values.map(|values| median(values.into_iter()))
        };
        let ratio = (fewest.channels != self.channels && !fewest.rounds.is_empty())
            .then(|| self.messages() / fewest.messages());
        cells.extend([
            human(self.messages()),
            known(over(|round| round.batches), 0),
            known(over(|round| round.flushes), 0),
            known(over(|round| Some(round.messages / round.batches?)), 1),
            known(over(|round| Some(round.flushes? / round.batches?)), 2),
            known(over(|round| Some(round.cpu)), 2),
            known(ratio, 2),
        ]);
        cells
    }
}
