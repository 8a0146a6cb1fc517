//! Measures what a subscriber costs that gets nothing: the server's resident memory with N of
//! them, less that with the first 100, so that what a server takes once is not counted.
//!
//! ```text
//! idle [--clients 10000] [--rounds 3] [--servers hub,redis,nats] [--reference redis]
//!      [--tenfold-bin PATH]
//! ```
//!
//! It is read twice: half a second after the last has subscribed, and when it no longer changes.
//! Redis, for one, gives back most of what it keeps for a client that has been idle for 5 s.
//! What the system keeps for a socket is the same for every server, and no part of this.

use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use tenfold_benches::Result;
use tenfold_benches::options::Options;
use tenfold_benches::process::Process;
use tenfold_benches::servers::{Server, Setup, start};
use tenfold_benches::table::median;

const SERVERS: &str = "hub,redis,nats";
/// Those that are there before the first reading.
const FIRST: usize = 100;
/// Files of a process beside its subscribers' sockets.
const SPARE: u64 = 100;

/// Resident bytes per subscriber: at once, and settled.
type Round = [f64; 2];

fn main() -> Result<()> {
    let mut defaults = Options::new(SERVERS);
    defaults.clients = vec![10_000];
    defaults.rounds = 3;
    let options = defaults.parse(std::env::args().skip(1), &[])?;
    let files = tenfold_hub::raise_fd_limit()?;
    let place = tempfile::tempdir()?;
    for &clients in &options.clients {
        if clients <= FIRST {
            return Err(format!("--clients must be over {FIRST}").into());
        }
        if files.is_some_and(|files| files < clients as u64 + SPARE) {
            return Err(format!("{clients} subscribers need a hard limit of more files").into());
        }
        let setup = options.setup(clients, place.path());
        let mut rounds: Vec<Vec<Round>> = options.servers.iter().map(|_| Vec::new()).collect();
        for round in 0..options.rounds {
            for (name, rounds) in options.servers.iter().zip(&mut rounds) {
                let bytes = measure(name, &setup).map_err(|error| format!("{name}: {error}"))?;
                let [at_once, settled] = bytes;
                eprintln!(
                    "round {round}, {name}: {at_once:.0}, then {settled:.0} bytes per subscriber"
                );
                rounds.push(bytes);
            }
        }
        println!(
            "\n{clients} idle subscribers, medians of {} rounds\n",
            options.rounds
        );
        print(&options.servers, options.reference("redis"), &rounds);
    }
    Ok(())
}

fn measure(name: &str, setup: &Setup) -> Result<Round> {
    let server = start(name, setup)?;
    let mut subscribers = subscribe(&*server, FIRST)?;
    let before = settled(server.process())?;
    let more = setup.clients - FIRST;
    subscribers.append(&mut subscribe(&*server, more)?);
    sleep(Duration::from_millis(500));
    let readings = [server.process().resident()?, settled(server.process())?];
    Ok(readings.map(|bytes| (bytes as f64 - before as f64) / more as f64))
}

fn subscribe(server: &dyn Server, count: usize) -> Result<Vec<TcpStream>> {
    (0..count).map(|_| server.subscribe()).collect()
}

/// Resident memory once it has been the same for a second, which is looked for from 8 s to 18 s.
fn settled(process: &Process) -> Result<usize> {
    sleep(Duration::from_secs(7));
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut last = process.resident()?;
    loop {
        sleep(Duration::from_secs(1));
        let now = process.resident()?;
        if now == last || Instant::now() > deadline {
            return Ok(now);
        }
        last = now;
    }
}

fn print(servers: &[String], reference: &str, rounds: &[Vec<Round>]) {
    let medians = |n: usize| -> Vec<f64> {
        let column = |rounds: &Vec<Round>| median(rounds.iter().map(|round| round[n]));
        rounds.iter().map(column).collect()
    };
    let (at_once, settled) = (medians(0), medians(1));
    let to = servers.iter().position(|name| name == reference);
    let ratio = |column: &[f64], n: usize| {
        to.map_or_else(String::new, |to| format!("{:.2}", column[n] / column[to]))
    };
    println!(
        "| server | resident bytes per subscriber, at once | to {reference}'s | settled \
         | to {reference}'s |"
    );
    println!("|---|---|---|---|---|");
    for (n, name) in servers.iter().enumerate() {
        println!(
            "| {name} | {:.0} | {} | {:.0} | {} |",
            at_once[n],
            ratio(&at_once, n),
            settled[n],
            ratio(&settled, n),
        );
    }
}
