//! Measures fan-out: the same client for every server, one server after the other, in several
//! rounds.
//!
//! ```text
//! fanout [--clients 100] [--size 128] [--rounds 5] [--shape file|publish] [--servers a,b,c]
//!        [--seconds 4] [--file-mib 256] [--tenfold-bin PATH] [--args-engine "..."] [--args-relay "..."]
//! ```
//!
//! In the shape `file` the servers `engine`, `relay` and `tenfold` send a file to the subscribers,
//! and the time runs from the first byte to the last. In the shape `publish`, and always for
//! `nats`, this process publishes batches of 64 KiB, and a window of some seconds is counted after
//! a second of warming up.

use std::error::Error;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tenfold_benches::drain::Drain;
use tenfold_benches::frames::{batch, frame, write_file};
use tenfold_benches::process::Server;
use tenfold_benches::publish::Publisher;
use tenfold_benches::server_args::number;
use tenfold_benches::table::{Round, Row, print};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

struct Plan {
    clients: usize,
    size: usize,
    rounds: usize,
    seconds: usize,
    file_mib: usize,
    publish: bool,
    servers: Vec<String>,
    tenfold: PathBuf,
    args: Vec<(String, String)>,
}

fn main() -> Result<()> {
    let plan = Plan::parse()?;
    let place = tempfile::tempdir()?;
    let file = place.path().join("frames");
    let messages = write_file(File::create(&file)?, plan.size, plan.file_mib << 20)?;
    let mut rows: Vec<Row> = plan
        .servers
        .iter()
        .map(|name| Row {
            name: name.clone(),
            rounds: Vec::new(),
        })
        .collect();
    for round in 0..plan.rounds {
        for row in &mut rows {
            let result = match row.name.as_str() {
                "nats" => plan.nats(place.path())?,
                name if plan.publish => plan.publish(name, place.path())?,
                name => plan.file(name, place.path(), &file, messages)?,
            };
            eprintln!(
                "round {round} {}: {:.2} M/s, {:.4} CPU s per million",
                row.name,
                result.rate / 1e6,
                result.cpu
            );
            row.rounds.push(result);
        }
    }
    let congestion = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_congestion_control")?;
    print(
        &format!(
            "{} subscribers, {} bytes, source: {}, congestion control: {}, medians of {} rounds",
            plan.clients,
            plan.size,
            if plan.publish {
                "a publisher"
            } else {
                "a file (nats: a publisher)"
            },
            congestion.trim(),
            plan.rounds
        ),
        &rows,
    );
    Ok(())
}

impl Plan {
    fn parse() -> io::Result<Self> {
        let mut plan = Self {
            clients: 100,
            size: 128,
            rounds: 5,
            seconds: 4,
            file_mib: 256,
            publish: false,
            servers: vec!["engine".into(), "relay".into(), "nats".into()],
            tenfold: "tenfold".into(),
            args: Vec::new(),
        };
        let mut args = std::env::args().skip(1);
        while let Some(name) = args.next() {
            let value = args.next().unwrap_or_default();
            match name.as_str() {
                "--clients" => plan.clients = number(&value)?,
                "--size" => plan.size = number(&value)?,
                "--rounds" => plan.rounds = number(&value)?,
                "--seconds" => plan.seconds = number(&value)?,
                "--file-mib" => plan.file_mib = number(&value)?,
                "--shape" => plan.publish = value == "publish",
                "--servers" => plan.servers = value.split(',').map(str::to_owned).collect(),
                "--tenfold-bin" => plan.tenfold = value.into(),
                _ => match name.strip_prefix("--args-") {
                    Some(server) => plan.args.push((server.to_owned(), value)),
                    None => {
                        return Err(io::Error::new(
                            io::ErrorKind::InvalidInput,
                            format!("what is {name}?"),
                        ));
                    }
                },
            }
        }
        Ok(plan)
    }

    /// The command of a server that has the flags of `tenfold broadcast`. A name like `engine:x`
    /// is the engine with the flags of `--args-engine:x`.
    fn command(&self, name: &str) -> Result<Command> {
        let program = name.split(':').next().unwrap_or(name);
        let mut command = if program == "tenfold" {
            let mut command = Command::new(&self.tenfold);
            command.args(["broadcast", "--in", "frames", "-q"]);
            command
        } else {
            Command::new(std::env::current_exe()?.with_file_name(program))
        };
        command
            .args(["--listen", "127.0.0.1:0", "--wait-clients"])
            .arg(self.clients.to_string());
        for (_, args) in self.args.iter().filter(|(server, _)| server == name) {
            command.args(args.split_whitespace());
        }
        Ok(command)
    }

    /// Lets a server send a file to all, and counts from the first byte to the last.
    fn file(&self, name: &str, place: &Path, file: &Path, messages: usize) -> Result<Round> {
        let (server, addresses) = start(self.command(name)?.arg(file), place)?;
        let mut drain = Drain::new()?;
        let cpu = server.cpu()?;
        for _ in 0..self.clients {
            drain.connect(addresses[0])?;
        }
        let mut start = Instant::now();
        let expected = self.clients as u64 * std::fs::metadata(file)?.len();
        while drain.total() < expected && drain.open() > 0 {
            let first = drain.total() == 0;
            drain.turn(Duration::from_secs(1))?;
            if first {
                start = Instant::now();
            }
        }
        let (time, cpu) = (start.elapsed(), server.cpu()? - cpu);
        if drain.total() != expected {
            return Err(format!("{name}: {} bytes arrived, not {expected}", drain.total()).into());
        }
        Ok(round(messages as f64 * self.clients as f64, time, cpu))
    }

    fn publish(&self, name: &str, place: &Path) -> Result<Round> {
        let (server, addresses) = start(self.command(name)?.arg("--publisher"), place)?;
        let mut drain = Drain::new()?;
        for _ in 0..self.clients {
            drain.connect(addresses[0])?;
        }
        let message = frame(self.size);
        let (batch, count) = batch(&message);
        let publisher = Publisher::new(
            TcpStream::connect(addresses[1])?,
            batch,
            count,
            message.len(),
        )?;
        self.count(&server, drain, publisher, message.len())
    }

    fn nats(&self, place: &Path) -> Result<Round> {
        let address = free_address()?;
        let server = Server::start(
            Command::new("nats-server")
                .args(["-a", "127.0.0.1", "-p", &address.port().to_string(), "-l"])
                .arg(place.join("nats.log")),
        )?;
        let mut drain = Drain::new()?;
        for _ in 0..self.clients {
            let mut subscriber = nats_connect(address)?;
            nats_command(&mut subscriber, "SUB ticks 1\r\n")?;
            drain.add(subscriber)?;
        }
        let payload = vec![b'x'; self.size];
        let head = format!("PUB ticks {}\r\n", self.size);
        let message = [head.as_bytes(), &payload, b"\r\n"].concat();
        let arrives = format!("MSG ticks 1 {}\r\n", self.size).len() + self.size + 2;
        let (batch, count) = batch(&message);
        let publisher = Publisher::new(nats_connect(address)?, batch, count, arrives)?;
        self.count(&server, drain, publisher, arrives)
    }

    /// Publishes and receives for a while, and counts after the first second.
    fn count(
        &self,
        server: &Server,
        mut drain: Drain,
        mut publisher: Publisher,
        message: usize,
    ) -> Result<Round> {
        let mut run = |time: Duration| -> Result<(u64, Duration)> {
            let (start, before) = (Instant::now(), drain.total());
            while start.elapsed() < time {
                publisher.turn(drain.least())?;
                drain.turn(Duration::from_millis(1))?;
                if drain.open() < drain.len() {
                    return Err("the server has closed a connection".into());
                }
            }
            Ok((drain.total() - before, start.elapsed()))
        };
        run(Duration::from_secs(1))?;
        let cpu = server.cpu()?;
        let (bytes, time) = run(Duration::from_secs(self.seconds as u64))?;
        Ok(round(
            bytes as f64 / message as f64,
            time,
            server.cpu()? - cpu,
        ))
    }
}

fn start(command: &mut Command, place: &Path) -> Result<(Server, Vec<SocketAddr>)> {
    let file = place.join("ports");
    let _ = std::fs::remove_file(&file);
    Ok(Server::start_with_port_file(command, &file)?)
}

fn round(messages: f64, time: Duration, cpu: f64) -> Round {
    Round {
        rate: messages / time.as_secs_f64(),
        cpu: cpu / messages * 1e6,
    }
}

fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

/// Connects once the server is there, and exchanges the greeting.
fn nats_connect(address: SocketAddr) -> Result<TcpStream> {
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut socket = loop {
        match TcpStream::connect(address) {
            Ok(socket) => break socket,
            Err(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(10)),
            Err(error) => return Err(error.into()),
        }
    };
    let mut info = String::new();
    BufReader::with_capacity(1, socket.try_clone()?).read_line(&mut info)?;
    nats_command(
        &mut socket,
        "CONNECT {\"verbose\":false,\"pedantic\":false}\r\n",
    )?;
    Ok(socket)
}

/// Sends a command and waits until it has taken effect.
fn nats_command(socket: &mut TcpStream, command: &str) -> Result<()> {
    socket.write_all(command.as_bytes())?;
    socket.write_all(b"PING\r\n")?;
    let mut answer = String::new();
    BufReader::with_capacity(1, socket.try_clone()?).read_line(&mut answer)?;
    if answer == "PONG\r\n" {
        Ok(())
    } else {
        Err(format!("nats answered {answer:?}").into())
    }
}
