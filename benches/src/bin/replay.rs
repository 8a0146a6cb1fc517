//! Measures a replay: a channel that is on disk, from the first message to the last, with the files
//! in the system's cache. The same bytes from the same files by bare loops beside it, and as much
//! as one likes from JetStream.
//!
//! ```text
//! replay [--bytes 4294967296] [--jetstream-bytes 536870912] [--clients 1] [--size 128]
//!        [--rounds 5] [--servers hub,bare:read,bare:sendfile,jetstream] [--reference hub]
//!        [--dir DIR] [--tenfold-bin PATH] [--args-hub "..."]
//! ```
//!
//! The log is filled once, with Tenfold's own crate. Subscribers are drained with
//! `recv(MSG_TRUNC)`, so that nothing is copied out; only JetStream's are read, because the length
//! of its messages' heads changes. Each server is started again in each round, but JetStream, which
//! has been filled through its socket, goes on.

use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use tenfold_benches::Result;
use tenfold_benches::acks::Acks;
use tenfold_benches::disk::{Disk, warm};
use tenfold_benches::drain::Drain;
use tenfold_benches::fill::fill;
use tenfold_benches::options::Options;
use tenfold_benches::poll::Poll;
use tenfold_benches::process::Process;
use tenfold_benches::servers::{CHANNEL, Setup, kind};
use tenfold_benches::stores::hub::Hub;
use tenfold_benches::stores::jetstream::JetStream;
use tenfold_benches::stores::{Store, empty_data, start};
use tenfold_benches::table::{congestion_control, human, median, print_cells};
use tenfold_benches::windows::Windows;

const SERVERS: &str = "hub,bare:read,bare:sendfile,jetstream";
const OWN: [&str; 3] = ["--bytes", "--jetstream-bytes", "--dir"];
/// Messages in flight while JetStream is filled.
const FILLING: usize = 10_000;
/// A replay in which nothing arrives for so long has failed.
const STALLED: Duration = Duration::from_secs(30);

struct Replay {
    options: Options,
    disk: Disk,
    size: usize,
    /// The log, how many messages it has, and how many bytes their frames are.
    data: PathBuf,
    messages: u64,
    bytes: u64,
    jetstream: Option<Filled>,
    /// How many consumers JetStream has had.
    consumers: usize,
}

/// JetStream with as many messages.
struct Filled {
    server: JetStream,
    messages: u64,
}

#[derive(Clone, Copy)]
struct Round {
    /// Bytes and messages per second, all subscribers together.
    bytes: f64,
    messages: f64,
    /// CPU seconds of the server per GB.
    cpu: f64,
    /// By how many bytes the server's resident memory has grown, at the most.
    grown: f64,
}

struct Row {
    clients: usize,
    name: String,
    rounds: Vec<Round>,
}

fn main() -> Result<()> {
    let mut defaults = Options::new(SERVERS);
    defaults.clients = vec![1];
    let options = defaults.parse(std::env::args().skip(1), &OWN)?;
    let [size] = options.sizes[..] else {
        return Err("one --size at a time".into());
    };
    tenfold_hub::raise_fd_limit()?;
    let disk = Disk::new(options.own("--dir"))?;
    let setup = options.setup(1, disk.path());
    // What is wrong with a server is known now, and not when the log is full.
    if let Some(name) = options.servers.iter().find(|name| kind(name) == "hub") {
        start(name, &setup)?;
    }
    let jetstream = fill_jetstream(&options, &setup, size)?;
    let data = empty_data("log", &setup)?;
    let bytes = options.own_number("--bytes", 4 << 30)? as u64;
    eprintln!("filling {} with {bytes} bytes", data.display());
    let messages = fill(&data, &[CHANNEL.to_owned()], size, bytes)?;
    let mut replay = Replay {
        bytes: messages * (size as u64 + 10),
        jetstream,
        options,
        disk,
        size,
        data,
        messages,
        consumers: 0,
    };
    let (rows, failures) = replay.measure();
    replay.print(&rows);
    match failures {
        0 => Ok(()),
        failures => Err(format!("{failures} measurements failed").into()),
    }
}

/// Starts JetStream, if it is asked for, and publishes to it until it has enough.
fn fill_jetstream(options: &Options, setup: &Setup, size: usize) -> Result<Option<Filled>> {
    let mut names = options.servers.iter();
    let Some(name) = names.find(|name| kind(name) == "jetstream") else {
        return Ok(None);
    };
    let bytes = options.own_number("--jetstream-bytes", 512 << 20)?;
    eprintln!("filling {name} with {bytes} bytes");
    let server = JetStream::start(name, setup, &empty_data(name, setup)?)?;
    let mut load = Windows::new()?;
    load.add(&server, CHANNEL, size, FILLING)?;
    load.run_until((bytes / (size + 10)) as u64)?;
    load.settle()?;
    Ok(Some(Filled {
        server,
        messages: load.acked(),
    }))
}

impl Replay {
    /// All servers with all numbers of subscribers. One that fails is said and counted, and the
    /// rest goes on.
    fn measure(&mut self) -> (Vec<Row>, usize) {
        let (mut rows, mut failures) = (Vec::new(), 0);
        for clients in self.options.clients.clone() {
            let mut point: Vec<Row> = self
                .options
                .servers
                .iter()
                .map(|name| Row::new(clients, name))
                .collect();
            for round in 0..self.options.rounds {
                for row in &mut point {
                    let result = self.round(&row.name, clients);
                    failures += usize::from(result.is_err());
                    match &result {
                        Ok(result) => eprintln!(
                            "{clients} subscribers, round {round}, {}: {:.2} GB/s, {:.1} MB more memory",
                            row.name,
                            result.bytes / 1e9,
                            result.grown / 1e6
                        ),
                        Err(error) => eprintln!("round {round}, {}: {error}", row.name),
                    }
                    row.rounds.extend(result.ok());
                }
            }
            rows.append(&mut point);
        }
        (rows, failures)
    }

    fn round(&mut self, name: &str, clients: usize) -> Result<Round> {
        let setup = self.options.setup(clients, self.disk.path());
        warm(&self.data)?;
        match kind(name) {
            "hub" => self.hub(name, &setup),
            "bare" => self.bare(name, &setup),
            "jetstream" => self.jetstream(clients),
            _ => Err(format!("there is no server {name:?} that replays").into()),
        }
    }

    fn hub(&self, name: &str, setup: &Setup) -> Result<Round> {
        // Nothing may be deleted while it is measured.
        let keep = Hub::keeping(self.bytes * 2 + (1 << 30));
        let server = Hub::start_keeping(name, setup, &self.data, &keep)?;
        self.drain(server.process(), setup.clients, || server.replay(CHANNEL))
    }

    fn bare(&self, name: &str, setup: &Setup) -> Result<Round> {
        let how = name.split_once(':').map_or("read", |(_, how)| how);
        let mut command = Command::new(std::env::current_exe()?.with_file_name("bare_replay"));
        command
            .args(["--how", how])
            .args(setup.args(name))
            .arg(self.data.join("channels").join(CHANNEL));
        let (process, addresses) = Process::start_with_port_file(&mut command, &setup.port_file())?;
        let address: SocketAddr = *addresses.first().ok_or("the port file is empty")?;
        self.drain(&process, setup.clients, || Ok(TcpStream::connect(address)?))
    }

    /// Counts from the first request to the last byte.
    fn drain(
        &self,
        process: &Process,
        clients: usize,
        connect: impl Fn() -> Result<TcpStream>,
    ) -> Result<Round> {
        let mut drain = Drain::new()?;
        let expected = self.bytes * clients as u64;
        let before = Before::new(process)?;
        for _ in 0..clients {
            drain.add(connect()?)?;
        }
        let mut since = Instant::now();
        let mut total = 0;
        while drain.total() < expected && drain.open() > 0 {
            drain.turn(Duration::from_secs(1))?;
            if drain.total() > total {
                (since, total) = (Instant::now(), drain.total());
            } else if since.elapsed() > STALLED {
                break;
            }
        }
        if drain.total() != expected {
            return Err(format!("{} bytes arrived, not {expected}", drain.total()).into());
        }
        before.round(process, expected, self.messages * clients as u64)
    }

    /// Reads until each subscriber has had each message.
    fn jetstream(&mut self, clients: usize) -> Result<Round> {
        let Some(Filled { server, messages }) = &self.jetstream else {
            return Err("it is not filled".into());
        };
        let mut poll = Poll::new()?;
        let (mut ready, mut scratch) = (Vec::new(), vec![0; 1 << 20]);
        let mut subscribers = Vec::new();
        let before = Before::new(server.process())?;
        for number in 0..clients {
            let socket = server.replay(self.consumers)?;
            self.consumers += 1;
            socket.set_nonblocking(true)?;
            poll.add(&socket, number as u64)?;
            subscribers.push((socket, Acks::new(server.acks())));
        }
        let (mut bytes, mut complete) = (0, 0);
        let mut since = Instant::now();
        while complete < clients {
            poll.wait(Duration::from_secs(1), &mut ready)?;
            for &number in &ready {
                let (socket, seen) = &mut subscribers[number as usize];
                let read = match socket.read(&mut scratch) {
                    Ok(0) => return Err("jetstream has closed a subscriber".into()),
                    Ok(read) => read,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                    Err(error) => return Err(error.into()),
                };
                let is_new = seen.total() < *messages;
                seen.take(&scratch[..read])?;
                bytes += read as u64;
                complete += usize::from(is_new && seen.total() >= *messages);
                since = Instant::now();
            }
            if since.elapsed() > STALLED {
                let total = subscribers
                    .iter()
                    .map(|(_, seen)| seen.total())
                    .sum::<u64>();
                return Err(format!("{total} messages arrived, not {messages} each").into());
            }
        }
        before.round(server.process(), bytes, messages * clients as u64)
    }

    fn print(&self, rows: &[Row]) {
        let reference = self.options.reference("hub");
        let filled = self.jetstream.as_ref().map_or_else(String::new, |filled| {
            format!("; JetStream has {} messages", filled.messages)
        });
        let title = format!(
            "replay of {} messages of {} B, {:.2} GB, from a warm cache{filled}; {}, congestion control: {}, \
             medians of {} rounds",
            self.messages,
            self.size,
            self.bytes as f64 / 1e9,
            self.disk.describe(),
            congestion_control(),
            self.options.rounds,
        );
        let to = format!("{reference} to it, messages/s");
        let heads = [
            "subscribers",
            "server",
            "GB/s",
            "lowest - highest",
            "messages/s",
            "CPU s per GB",
            "memory grows by MB, median - most",
            &to,
        ];
        let lines: Vec<_> = rows
            .iter()
            .map(|row| {
                let is_reference =
                    |other: &&Row| other.name == reference && other.clients == row.clients;
                row.cells(rows.iter().find(is_reference))
            })
            .collect();
        print_cells(&title, &heads, &lines);
    }
}

/// A server before a replay.
struct Before {
    time: Instant,
    cpu: f64,
    resident: usize,
}

impl Before {
    fn new(process: &Process) -> Result<Self> {
        process.reset_peak()?;
        Ok(Self {
            time: Instant::now(),
            cpu: process.cpu()?,
            resident: process.resident()?,
        })
    }

    fn round(&self, process: &Process, bytes: u64, messages: u64) -> Result<Round> {
        let time = self.time.elapsed().as_secs_f64();
        Ok(Round {
            bytes: bytes as f64 / time,
            messages: messages as f64 / time,
            cpu: (process.cpu()? - self.cpu) / bytes as f64 * 1e9,
            grown: process.peak()? as f64 - self.resident as f64,
        })
    }
}

impl Row {
    fn new(clients: usize, name: &str) -> Self {
        Self {
            clients,
            name: name.to_owned(),
            rounds: Vec::new(),
        }
    }

    fn median(&self, of: fn(&Round) -> f64) -> f64 {
        median(self.rounds.iter().map(of))
    }

    fn cells(&self, reference: Option<&Self>) -> Vec<String> {
        let mut cells = vec![self.clients.to_string(), self.name.clone()];
        if self.rounds.is_empty() {
            cells.extend(["failed", "", "", "", "", ""].map(str::to_owned));
            return cells;
        }
        let all = |of: fn(&Round) -> f64| self.rounds.iter().map(of);
        let reference = reference
            .filter(|other| other.name != self.name && !other.rounds.is_empty())
            .map(|other| {
                other.median(|round| round.messages) / self.median(|round| round.messages)
            });
        cells.extend([
            format!("{:.2}", self.median(|round| round.bytes) / 1e9),
            format!(
                "{:.2} - {:.2}",
                all(|round| round.bytes).fold(f64::INFINITY, f64::min) / 1e9,
                all(|round| round.bytes).fold(0.0, f64::max) / 1e9
            ),
            human(self.median(|round| round.messages)),
            format!("{:.2}", self.median(|round| round.cpu)),
            format!(
                "{:.1} - {:.1}",
                self.median(|round| round.grown) / 1e6,
                all(|round| round.grown).fold(0.0, f64::max) / 1e6
            ),
            reference.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}")),
        ]);
        cells
    }
}
