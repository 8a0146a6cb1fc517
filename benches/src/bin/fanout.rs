//! Measures fan-out: the same client for every server, one server after the other, in several
//! rounds, at one point or at all points of a matrix.
//!
//! ```text
//! fanout [--clients 1,10,100] [--size 16,128] [--rounds 5] [--seconds 4] [--shape file|publish]
//!        [--servers hub,relay,redis,zmq,nats] [--reference hub] [--file-mib 256]
//!        [--tenfold-bin PATH] [--args-hub "..."] [--args-redis "..."]
//! ```
//!
//! In the shape `publish` this process publishes batches of 64 KiB, and a window of some seconds
//! is counted after a second of warming up. In the shape `file` the servers `engine`, `relay` and
//! `tenfold` send a file to the subscribers, and the time runs from the first byte to the last;
//! the others get a publisher.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tenfold_benches::Result;
use tenfold_benches::drain::Drain;
use tenfold_benches::frames::write_file;
use tenfold_benches::options::Options;
use tenfold_benches::publish::Publisher;
use tenfold_benches::servers::{Setup, broadcast, start};
use tenfold_benches::table::{Round, Row, congestion_control, print};

/// The servers of either shape, where nothing is said.
const FILE: &str = "engine,relay,nats";
const PUBLISH: &str = "hub,relay,redis,zmq,nats";
const WARM_UP: Duration = Duration::from_secs(1);

struct Fanout {
    options: Options,
    /// The size of the files that are sent, or nothing where all servers get a publisher.
    file_bytes: Option<usize>,
    place: tempfile::TempDir,
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let own = ["--shape", "--file-mib"];
    let mut options = Options::new(FILE).parse(args.clone(), &own)?;
    let file_bytes = match options.own("--shape").unwrap_or("file") {
        "file" => Some(options.own_number("--file-mib", 256)? << 20),
        "publish" => {
            options = Options::new(PUBLISH).parse(args, &own)?;
            None
        }
        shape => return Err(format!("there is no shape {shape:?}").into()),
    };
    tenfold_hub::raise_fd_limit()?;
    let fanout = Fanout {
        options,
        file_bytes,
        place: tempfile::tempdir()?,
    };
    fanout.check_servers()?;
    let (rows, failures) = fanout.measure()?;
    fanout.print(&rows);
    match failures {
        0 => Ok(()),
        failures => Err(format!("{failures} measurements failed").into()),
    }
}

impl Fanout {
    /// Starts each server once, so that a missing one is known now and not in an hour.
    fn check_servers(&self) -> Result<()> {
        let setup = self.options.setup(1, self.place.path());
        for name in &self.options.servers {
            if !self.sends_file(name) {
                start(name, &setup).map_err(|error| format!("{name}: {error}"))?;
            }
        }
        Ok(())
    }

    fn sends_file(&self, name: &str) -> bool {
        self.file_bytes.is_some() && broadcast::sends_files(name)
    }

    /// All servers at all points. One that fails is said and counted, and the rest goes on.
    fn measure(&self) -> Result<(Vec<Row>, usize)> {
        let (mut rows, mut failures) = (Vec::new(), 0);
        for &size in &self.options.sizes {
            let file = self.file(size)?;
            for &clients in &self.options.clients {
                let mut point = self.rows(clients, size);
                let setup = self.options.setup(clients, self.place.path());
                for round in 0..self.options.rounds {
                    for row in &mut point {
                        let result = match &file {
                            Some(file) if self.sends_file(&row.name) => {
                                send_file(&row.name, &setup, file)
                            }
                            _ => self.publish(&row.name, &setup, size),
                        };
                        failures += usize::from(result.is_err());
                        tell(round, row, &result);
                        row.rounds.extend(result.ok());
                    }
                }
                rows.append(&mut point);
            }
        }
        Ok((rows, failures))
    }

    fn rows(&self, clients: usize, size: usize) -> Vec<Row> {
        let row = |name: &String| Row {
            clients,
            size,
            name: name.clone(),
            rounds: Vec::new(),
        };
        self.options.servers.iter().map(row).collect()
    }

    /// The file that is sent, and how many messages it holds.
    fn file(&self, size: usize) -> Result<Option<(PathBuf, usize)>> {
        let Some(bytes) = self.file_bytes else {
            return Ok(None);
        };
        let path = self.place.path().join("frames");
        let messages = write_file(File::create(&path)?, size, bytes)?;
        Ok(Some((path, messages)))
    }

    /// Publishes and receives for a while, and counts after warming up.
    fn publish(&self, name: &str, setup: &Setup, size: usize) -> Result<Round> {
        let server = start(name, setup)?;
        let mut drain = Drain::new()?;
        for _ in 0..setup.clients {
            drain.add(server.subscribe()?)?;
        }
        let mut publisher = Publisher::new(&*server, size)?;
        drain.ignore_answers(publisher.socket())?;
        let mut run = |time: Duration| -> Result<(u64, Duration)> {
            let (start, before) = (Instant::now(), drain.total());
            while start.elapsed() < time {
                publisher.turn(drain.least())?;
                drain.turn(Duration::from_millis(1))?;
                if drain.open() < drain.len() {
                    return Err("the server has closed a subscriber".into());
                }
            }
            Ok((drain.total() - before, start.elapsed()))
        };
        run(WARM_UP)?;
        let cpu = server.process().cpu()?;
        let (bytes, time) = run(self.options.window())?;
        if bytes == 0 {
            return Err("nothing arrives".into());
        }
        // With each message that is lost the publisher falls behind forever; this is the reverse.
        let most = publisher.most_received() * setup.clients as u64;
        if drain.total() > most && !server.has_headings() {
            return Err("more arrived than was published".into());
        }
        let messages = bytes as f64 / server.delivered(size).len(size) as f64;
        Ok(round(messages, time, server.process().cpu()? - cpu))
    }

    fn print(&self, rows: &[Row]) {
        let source = match self.file_bytes {
            None => "a publisher",
            Some(_) => "a file where a server takes one, else a publisher",
        };
        let title = format!(
            "source: {source}, congestion control: {}, medians of {} rounds of {} s",
            congestion_control(),
            self.options.rounds,
            self.options.window().as_secs(),
        );
        print(&title, self.options.reference("hub"), rows);
    }
}

/// Lets a server send a file to all, and counts from the first byte to the last.
fn send_file(name: &str, setup: &Setup, (file, messages): &(PathBuf, usize)) -> Result<Round> {
    let (process, address) = broadcast::start_with_file(name, setup, file)?;
    let mut drain = Drain::new()?;
    let cpu = process.cpu()?;
    for _ in 0..setup.clients {
        drain.connect(address)?;
    }
    let mut start = Instant::now();
    let expected = setup.clients as u64 * length(file)?;
    while drain.total() < expected && drain.open() > 0 {
        let first = drain.total() == 0;
        drain.turn(Duration::from_secs(1))?;
        if first {
            start = Instant::now();
        }
    }
    let (time, cpu) = (start.elapsed(), process.cpu()? - cpu);
    if drain.total() != expected {
        return Err(format!("{} bytes arrived, not {expected}", drain.total()).into());
    }
    Ok(round(*messages as f64 * setup.clients as f64, time, cpu))
}

fn length(file: &Path) -> Result<u64> {
    Ok(std::fs::metadata(file)?.len())
}

fn round(messages: f64, time: Duration, cpu: f64) -> Round {
    Round {
        rate: messages / time.as_secs_f64(),
        cpu: cpu / messages * 1e6,
    }
}

fn tell(round: usize, row: &Row, result: &Result<Round>) {
    let result = match result {
        Ok(result) => format!(
            "{:.2} M/s, {:.4} CPU s per million",
            result.rate / 1e6,
            result.cpu
        ),
        Err(error) => error.to_string(),
    };
    let Row {
        clients,
        size,
        name,
        ..
    } = row;
    eprintln!("{clients} subscribers, {size} B, round {round}, {name}: {result}");
}
