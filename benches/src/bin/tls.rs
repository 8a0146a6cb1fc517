//! Measures what TLS costs where nothing else is done: a session of rustls that encrypts in memory, which is the limit
//! for a hub; and handshakes of a hub, with what a plain subscriber waits meanwhile.
//!
//! ```text
//! tls [--size 128] [--clients 10] [--rate 1000] [--handshakes 500] [--rounds 5] [--seconds 4] [--tenfold-bin PATH]
//! ```
//!
//! `--handshakes` a second are begun, or as many as one thread can. `fanout`, `latency` and `idle` have a server `tls`.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};
use tenfold_benches::Result;
use tenfold_benches::open_loop::OpenLoop;
use tenfold_benches::options::Options;
use tenfold_benches::servers::Server;
use tenfold_benches::servers::tls::{Tls, connect};
use tenfold_benches::table::{median, print_cells};

const WARM_UP: Duration = Duration::from_secs(1);
/// What is encrypted at a time: a record.
const RECORD: usize = 16 << 10;

/// One round: microseconds of a plain subscriber, and the handshakes beside it.
struct Round {
    p50: f64,
    p99: f64,
    handshakes: f64,
    cpu: f64,
}

fn main() -> Result<()> {
    let mut defaults = Options::new("tls");
    defaults.clients = vec![10];
    let own = ["--rate", "--handshakes"];
    let options = defaults.parse(std::env::args().skip(1), &own)?;
    let rate = options.own_number("--rate", 1000)?;
    let handshakes = options.own_number("--handshakes", 500)?;
    tenfold_hub::raise_fd_limit()?;
    let place = tempfile::tempdir()?;
    let (clients, size) = (options.clients[0], options.sizes[0]);
    let setup = options.setup(clients, place.path());
    let (mut alone, mut beside, mut speeds) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..options.rounds {
        let hub = Tls::start("tls", &setup)?;
        speeds.push(in_memory(
            &hub,
            &setup.file("certificates"),
            options.window(),
        )?);
        for (rate_of_handshakes, rounds) in [(0, &mut alone), (handshakes, &mut beside)] {
            let load = OpenLoop::new(hub.without_tls(), clients, size, rate)?;
            let it = measure(&hub, load, rate_of_handshakes, options.window())?;
            eprintln!(
                "round {round}: p50 {:.0}, p99 {:.0} us beside {:.0} handshakes/s",
                it.p50, it.p99, it.handshakes
            );
            rounds.push(it);
        }
    }
    let title = format!(
        "rustls in memory: {:.2} GB per CPU second, in records of {RECORD} bytes; medians of {} rounds",
        median(speeds.into_iter()) / 1e9,
        options.rounds
    );
    print(&title, &[("alone", alone), ("beside handshakes", beside)]);
    Ok(())
}

/// Bytes per second of a session that encrypts for a client, all in one thread.
fn in_memory(hub: &Tls, certificates: &Path, time: Duration) -> Result<f64> {
    let chain: std::result::Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(certificates.join("server.pem"))?.collect();
    let key = PrivateKeyDer::from_pem_slice(&fs::read(certificates.join("server.key"))?)?;
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain?, key)?;
    let mut server = ServerConnection::new(Arc::new(config))?;
    let mut client = connect(hub.config())?;
    let mut bytes = Vec::new();
    while server.is_handshaking() || client.is_handshaking() {
        bytes.clear();
        client.write_tls(&mut bytes)?;
        server.read_tls(&mut &*bytes)?;
        server.process_new_packets()?;
        bytes.clear();
        server.write_tls(&mut bytes)?;
        client.read_tls(&mut &*bytes)?;
        client.process_new_packets()?;
    }
    let record = [b'x'; RECORD];
    let (begin, mut done) = (Instant::now(), 0);
    while begin.elapsed() < time {
        for _ in 0..64 {
            server.writer().write_all(&record)?;
            bytes.clear();
            while server.wants_write() {
                server.write_tls(&mut bytes)?;
            }
            done += RECORD;
        }
    }
    Ok(done as f64 / begin.elapsed().as_secs_f64())
}

/// A load of plain subscribers, beside so many handshakes a second.
fn measure(hub: &Tls, mut load: OpenLoop, handshakes: usize, time: Duration) -> Result<Round> {
    let (ends, count) = (AtomicBool::new(false), AtomicU64::new(0));
    let (spent, result, of_others) = thread::scope(|scope| -> Result<_> {
        let others = scope.spawn(|| shake_hands(hub, handshakes, &ends, &count));
        let mut run = || -> Result<f64> {
            load.run(WARM_UP)?;
            load.forget();
            count.store(0, Relaxed);
            let cpu = hub.process().cpu()?;
            load.run(time)?;
            Ok(hub.process().cpu()? - cpu)
        };
        let spent = run();
        let result = count.load(Relaxed);
        ends.store(true, Relaxed);
        Ok((spent?, result, others.join()))
    })?;
    of_others.map_err(|_| "a thread has panicked")??;
    load.settle()?;
    let mut latencies = load.into_latencies();
    latencies.sort_unstable();
    let last = latencies.len().checked_sub(1).ok_or("nothing arrives")?;
    let at = |part: f64| latencies[(last as f64 * part) as usize] as f64 / 1e3;
    Ok(Round {
        p50: at(0.5),
        p99: at(0.99),
        handshakes: result as f64 / time.as_secs_f64(),
        cpu: spent,
    })
}

/// Connections that say hello, and nothing afterwards.
fn shake_hands(
    hub: &Tls,
    rate: usize,
    ends: &AtomicBool,
    count: &AtomicU64,
) -> std::result::Result<(), String> {
    let Some(every) = Duration::from_secs(1).checked_div(rate as u32) else {
        return Ok(());
    };
    let mut next = Instant::now();
    while !ends.load(Relaxed) {
        thread::sleep(next.saturating_duration_since(Instant::now()));
        next += every;
        let shaken = || -> Result<()> {
            let mut socket = TcpStream::connect(hub.address())?;
            let mut session = connect(hub.config())?;
            while session.is_handshaking() {
                session.complete_io(&mut socket)?;
            }
            session.send_close_notify();
            Stream::new(&mut session, &mut socket).flush()?;
            Ok(())
        };
        shaken().map_err(|error| format!("a handshake: {error}"))?;
        count.fetch_add(1, Relaxed);
    }
    Ok(())
}

fn print(title: &str, rows: &[(&str, Vec<Round>)]) {
    let of = |rounds: &[Round], value: fn(&Round) -> f64| median(rounds.iter().map(value));
    let lines = rows.iter().map(|(name, rounds)| {
        vec![
            (*name).to_owned(),
            format!("{:.0}", of(rounds, |it| it.handshakes)),
            format!("{:.0}", of(rounds, |it| it.p50)),
            format!("{:.0}", of(rounds, |it| it.p99)),
            format!("{:.2}", of(rounds, |it| it.cpu)),
        ]
    });
    let heads = [
        "plain subscribers",
        "handshakes/s",
        "p50 us",
        "p99 us",
        "CPU s of the hub",
    ];
    print_cells(title, &heads, &lines.collect::<Vec<_>>());
}
