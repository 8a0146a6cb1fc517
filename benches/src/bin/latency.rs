//! Measures latency at a fixed rate: one publisher sends on time whatever arrives (an open loop),
//! the stamp in each payload says when, and every subscriber reads every stamp. The same client
//! for every server, one server after the other, in several rounds.
//!
//! ```text
//! latency [--clients 1,100] [--size 128] [--rate 1000] [--rounds 5] [--seconds 4]
//!         [--servers hub,relay,redis,nats] [--reference redis] [--tenfold-bin PATH]
//! ```

use std::time::Duration;

use tenfold_benches::Result;
use tenfold_benches::open_loop::OpenLoop;
use tenfold_benches::options::Options;
use tenfold_benches::servers::{Setup, start};
use tenfold_benches::table::median;

const SERVERS: &str = "hub,relay,redis,nats";
const WARM_UP: Duration = Duration::from_secs(1);
const PERCENTILES: [f64; 3] = [0.50, 0.90, 0.99];

/// Microseconds over all deliveries of one round.
struct Round {
    percentiles: [f64; PERCENTILES.len()],
    max: f64,
}

fn main() -> Result<()> {
    let mut defaults = Options::new(SERVERS);
    defaults.clients = vec![1, 100];
    let options = defaults.parse(std::env::args().skip(1), &["--rate"])?;
    let rate = options.own_number("--rate", 1000)?;
    tenfold_hub::raise_fd_limit()?;
    let place = tempfile::tempdir()?;
    for &size in &options.sizes {
        for &clients in &options.clients {
            let setup = options.setup(clients, place.path());
            let mut rounds: Vec<Vec<Round>> = options.servers.iter().map(|_| Vec::new()).collect();
            for round in 0..options.rounds {
                for (name, rounds) in options.servers.iter().zip(&mut rounds) {
                    let result = measure(name, &setup, size, rate, options.window())
                        .map_err(|error| format!("{name}: {error}"))?;
                    let [p50, p90, p99] = result.percentiles;
                    eprintln!("round {round}, {name}: p50 {p50:.0}, p90 {p90:.0}, p99 {p99:.0} us");
                    rounds.push(result);
                }
            }
            println!(
                "\n{clients} subscribers, {size} bytes, {rate}/s, medians of {} rounds of {} s\n",
                options.rounds,
                options.window().as_secs()
            );
            print(&options.servers, options.reference("redis"), &rounds);
        }
    }
    Ok(())
}

fn measure(name: &str, setup: &Setup, size: usize, rate: usize, time: Duration) -> Result<Round> {
    let server = start(name, setup)?;
    let mut load = OpenLoop::new(&*server, setup.clients, size, rate)?;
    load.run(WARM_UP)?;
    load.forget();
    load.run(time)?;
    load.settle()?;
    let mut latencies = load.into_latencies();
    latencies.sort_unstable();
    let last = latencies.len().checked_sub(1).ok_or("nothing arrives")?;
    let at = |part: f64| latencies[(last as f64 * part) as usize] as f64 / 1e3;
    Ok(Round {
        percentiles: PERCENTILES.map(at),
        max: at(1.0),
    })
}

/// Microseconds: percentiles as medians of the rounds, and the largest of all rounds.
fn print(servers: &[String], reference: &str, rounds: &[Vec<Round>]) {
    let p50 = |rounds: &[Round]| median(rounds.iter().map(|round| round.percentiles[0]));
    let to = servers.iter().position(|name| name == reference);
    println!("| server | p50 us | p90 us | p99 us | max us | p50 to {reference}'s |");
    println!("|---|---|---|---|---|---|");
    for (name, own) in servers.iter().zip(rounds) {
        let percentiles: String = (0..PERCENTILES.len())
            .map(|n| median(own.iter().map(|round| round.percentiles[n])))
            .map(|value| format!(" {value:.0} |"))
            .collect();
        let max = own.iter().map(|round| round.max).fold(0.0, f64::max);
        let ratio = to.map_or_else(String::new, |to| {
            format!("{:.2}", p50(own) / p50(&rounds[to]))
        });
        println!("| {name} |{percentiles} {max:.0} | {ratio} |");
    }
}
