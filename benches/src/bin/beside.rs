//! Measures how long a quiet channel waits for its acknowledgements while another channel is flooded.
//!
//! ```text
//! beside [--every 5] [--flood 1000] [--publishers 4] [--channels 1] [--size 128] [--rounds 5] [--seconds 4]
//!        [--servers hub,hub:memory,redis,redis:memory] [--dir DIR] [--tenfold-bin PATH] [--args-hub "..."]
//! ```
//!
//! The quiet publisher has a thread of its own and sends one message every so many milliseconds, each when the
//! one before is acknowledged; the times are from the write to the acknowledgement. It does so for `--seconds`
//! alone, and then for as long beside `--publishers` that each have `--flood` messages in flight on one of
//! `--channels` others. `--size 0 --flood 100000000 --publishers 20 --channels 20` is who wants to be in the way:
//! empty messages, as many as the server takes. `hub:memory` and `redis:memory` keep nothing on disk.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use tenfold_benches::Result;
use tenfold_benches::acks::Acks;
use tenfold_benches::disk::Disk;
use tenfold_benches::options::Options;
use tenfold_benches::stores::{Store, start};
use tenfold_benches::table::{human, median, print_cells};
use tenfold_benches::windows::Windows;

const OWN: [&str; 5] = ["--every", "--flood", "--publishers", "--channels", "--dir"];
const SERVERS: &str = "hub,hub:memory,redis,redis:memory";
const WARM_UP: Duration = Duration::from_secs(1);
/// A message that is not acknowledged for so long is an error.
const LOST: Duration = Duration::from_secs(60);

struct Beside {
    options: Options,
    disk: Disk,
    every: Duration,
    flood: usize,
    publishers: usize,
    channels: usize,
}

/// One server with messages of one size.
struct Row {
    name: String,
    size: usize,
    rounds: Vec<Round>,
}

struct Round {
    alone: Times,
    beside: Times,
    /// What of the flood was acknowledged per second.
    flood: f64,
}

/// Times from the write to the acknowledgement, in microseconds.
struct Times {
    p50: f64,
    p99: f64,
    most: f64,
}

/// The publisher of the quiet channel.
struct Quiet {
    socket: TcpStream,
    acks: Acks,
    message: Vec<u8>,
    every: Duration,
    sent: u64,
}

fn main() -> Result<()> {
    let options = Options::new(SERVERS).parse(std::env::args().skip(1), &OWN)?;
    tenfold_hub::raise_fd_limit()?;
    let bench = Beside {
        disk: Disk::new(options.own("--dir"))?,
        every: Duration::from_millis(options.own_number("--every", 5)? as u64),
        flood: options.own_number("--flood", 1000)?,
        publishers: options.own_number("--publishers", 4)?,
        channels: options.own_number("--channels", 1)?.max(1),
        options,
    };
    let sizes = bench.options.sizes.iter();
    let mut rows: Vec<Row> = sizes
        .flat_map(|&size| {
            bench.options.servers.iter().map(move |name| Row {
                name: name.clone(),
                size,
                rounds: Vec::new(),
            })
        })
        .collect();
    let mut failures = 0;
    for round in 0..bench.options.rounds {
        for row in &mut rows {
            let result = bench.round(row);
            failures += usize::from(result.is_err());
            let shown = match &result {
                Ok(Round { alone, beside, .. }) => {
                    format!("p99 {:.0} us alone, {:.0} us beside", alone.p99, beside.p99)
                }
                Err(error) => error.to_string(),
            };
            eprintln!("round {round}, {}, {} bytes: {shown}", row.name, row.size);
            row.rounds.extend(result.ok());
        }
    }
    bench.print(&rows);
    match failures {
        0 => Ok(()),
        failures => Err(format!("{failures} measurements failed").into()),
    }
}

impl Beside {
    fn round(&self, row: &Row) -> Result<Round> {
        let setup = self.options.setup(self.publishers + 1, self.disk.path());
        let server = start(&row.name, &setup)?;
        let mut quiet = Quiet::new(&*server, row.size, self.every)?;
        quiet.run(until(WARM_UP))?;
        let alone = quiet.run(until(self.options.window()))?;
        let mut load = Windows::new()?;
        for number in 0..self.publishers {
            let channel = format!("flood{}", number % self.channels);
            load.add(&*server, &channel, row.size, self.flood)?;
        }
        load.run(WARM_UP)?;
        let (begin, before) = (Instant::now(), load.acked());
        let is_over = AtomicBool::new(false);
        let beside = thread::scope(|scope| -> Result<_> {
            let measuring = scope.spawn(|| {
                quiet
                    .run(|| is_over.load(Relaxed))
                    .map_err(|error| error.to_string())
            });
            let flooded = load.run(self.options.window());
            is_over.store(true, Relaxed);
            // The flood goes on until the quiet one has its last acknowledgement.
            while flooded.is_ok() && !measuring.is_finished() {
                load.turn(true)?;
            }
            let measured = measuring
                .join()
                .map_err(|_| "the quiet publisher panicked")?;
            flooded?;
            Ok(measured?)
        })?;
        let flood = (load.acked() - before) as f64 / begin.elapsed().as_secs_f64();
        load.settle()?;
        Ok(Round {
            alone,
            beside,
            flood,
        })
    }

    fn print(&self, rows: &[Row]) {
        let title = format!(
            "A message every {} ms on a quiet channel beside {} publishers with {} in flight each on {}, {}, \
             medians of {} rounds of {} s",
            self.every.as_millis(),
            self.publishers,
            self.flood,
            match self.channels {
                1 => "another".to_owned(),
                channels => format!("{channels} others"),
            },
            self.disk.describe(),
            self.options.rounds,
            self.options.window().as_secs(),
        );
        let heads = [
            "bytes",
            "server",
            "alone p50 us",
            "p99",
            "most",
            "beside p50 us",
            "p99",
            "most",
            "flood/s",
        ];
        let lines: Vec<_> = rows.iter().map(Row::cells).collect();
        print_cells(&title, &heads, &lines);
    }
}

/// Whether so much time has passed from now on.
fn until(time: Duration) -> impl Fn() -> bool {
    let end = Instant::now() + time;
    move || Instant::now() >= end
}

impl Quiet {
    fn new(server: &dyn Store, size: usize, every: Duration) -> Result<Self> {
        let socket = server.publish("quiet")?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(LOST))?;
        Ok(Self {
            socket,
            acks: Acks::new(server.acks()),
            message: server.sent("quiet", size).around(&vec![b'x'; size]),
            every,
            sent: 0,
        })
    }

    /// Publishes one message after the other until it is over.
    fn run(&mut self, is_over: impl Fn() -> bool) -> Result<Times> {
        let mut times = Vec::new();
        let mut buffer = [0; 4096];
        while !is_over() {
            let begin = Instant::now();
            self.socket.write_all(&self.message)?;
            self.sent += 1;
            while self.acks.total() < self.sent {
                match self.socket.read(&mut buffer)? {
                    0 => return Err("the server has closed the quiet publisher".into()),
                    read => self.acks.take(&buffer[..read])?,
                }
            }
            let time = begin.elapsed();
            times.push(time.as_secs_f64() * 1e6);
            thread::sleep(self.every.saturating_sub(time));
        }
        Times::of(times)
    }
}

impl Times {
    fn of(mut times: Vec<f64>) -> Result<Self> {
        times.sort_by(f64::total_cmp);
        let most = *times.last().ok_or("nothing was acknowledged")?;
        let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
        Ok(Self {
            p50: at(50),
            p99: at(99),
            most,
        })
    }
}

impl Row {
    fn cells(&self) -> Vec<String> {
        let mut cells = vec![self.size.to_string(), self.name.clone()];
        if self.rounds.is_empty() {
            cells.extend(["failed", "", "", "", "", "", ""].map(str::to_owned));
            return cells;
        }
        let of = |of: fn(&Round) -> f64| median(self.rounds.iter().map(of));
        let times = [
            of(|round| round.alone.p50),
            of(|round| round.alone.p99),
            of(|round| round.alone.most),
            of(|round| round.beside.p50),
            of(|round| round.beside.p99),
            of(|round| round.beside.most),
        ];
        cells.extend(times.map(|time| format!("{time:.0}")));
        cells.push(human(of(|round| round.flood)));
        cells
    }
}
