//! `tenfold demo`: messages streaming, both sides shown.
//!
//! It is the real engine at a real socket, and two receivers that read as those of any program would.
//! What is shown is what was sent and received, not a script.

mod receiver;
mod scene;

use std::net::TcpListener;
use std::sync::mpsc::{self, Receiver as Channel};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use tenfold::{Encoder, Framing};
use tenfold_hub::{Block, Broadcast, Options};
use tokio::runtime::Runtime;

use crate::failure::Failure;
use crate::flow::output::Stdout;
use crate::flow::source::fill_in;
use crate::signals;
use crate::units;
use crate::words::Color;
use receiver::{Receiver, Report};
use scene::{ROUNDS, Round, Stage};

/// Show messages streaming: one broadcast and two receivers on this machine
#[derive(Args, Debug)]
pub(crate) struct Demo {
    /// How many times to send something
    #[arg(long, short = 'n', value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u16).range(1..))]
    count: u16,

    /// The time between two sendings
    #[arg(long, value_name = "T", default_value = "1.2s", value_parser = units::duration)]
    every: Duration,
}

/// How long a message may take from here to here before something must be wrong.
const PATIENCE: Duration = Duration::from_secs(10);

impl Demo {
    pub(crate) fn run(&self, color: Color) -> Result<(), Failure> {
        let stage = Stage::new(Stdout::open()?, color);
        signals::end_between_writes()?;
        let runtime = Runtime::new().map_err(cannot)?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let start = async { Broadcast::start([listener.into()], Options::default()) };
        let broadcast = runtime.block_on(start).map_err(cannot)?;

        stage.opening(address)?;
        let (report, reports) = mpsc::channel();
        let receivers = [Receiver::greedy(report.clone()), Receiver::small(report)];
        for receiver in receivers {
            receiver.connect(address).map_err(cannot)?;
        }
        runtime.block_on(broadcast.wait_clients(2));

        let mut next = Instant::now();
        for round in ROUNDS.iter().cycle().take(self.count.into()) {
            thread::sleep(next.saturating_duration_since(Instant::now()));
            next += self.every;
            send(round, &broadcast, &stage)?;
            show_arrivals(round.texts.len(), &reports, &stage)?;
        }
        thread::sleep(next.saturating_duration_since(Instant::now()));
        runtime.block_on(broadcast.drain());
        show_ends(&reports, &stage)
    }
}

/// Appends the frames of one round to the engine's tail, as one block.
fn send(round: &Round, broadcast: &Broadcast, stage: &Stage) -> Result<(), Failure> {
    let mut encoder = Encoder::new(Framing::default().server());
    let mut wire = Vec::new();
    stage.remark(round)?;
    for text in round.texts {
        let message = fill_in(text);
        let start = wire.len();
        encoder
            .encode(message.as_bytes(), &mut wire)
            .map_err(cannot)?;
        stage.sent(&message, &wire[start..])?;
    }
    let block = Block::new(wire, round.texts.len() as u64);
    broadcast.tail().append_blocking(block).map_err(cannot)?;
    Ok(())
}

/// Shows what both receivers got, one after the other.
fn show_arrivals(messages: usize, reports: &Channel<Report>, stage: &Stage) -> Result<(), Failure> {
    let mut arrivals = Vec::new();
    while arrivals.len() < 2 * messages {
        match next(reports)? {
            Report::Message(arrival) => arrivals.push(arrival),
            Report::Ended(name, end) => return Err(unexpected(name, end)),
        }
    }
    arrivals.sort_by_key(|arrival| arrival.receiver);
    for arrival in &arrivals {
        stage.received(arrival)?;
    }
    Ok(())
}

fn show_ends(reports: &Channel<Report>, stage: &Stage) -> Result<(), Failure> {
    for _ in 0..2 {
        match next(reports)? {
            Report::Ended(_, Ok(())) => {}
            Report::Ended(name, end) => return Err(unexpected(name, end)),
            Report::Message(_) => return Err(cannot("a message came that was not sent")),
        }
    }
    stage.ending()
}

fn next(reports: &Channel<Report>) -> Result<Report, Failure> {
    reports
        .recv_timeout(PATIENCE)
        .map_err(|_| Failure::TimedOut(format!("nothing was received for {PATIENCE:?}")))
}

fn unexpected(name: char, end: Result<(), String>) -> Failure {
    let reason = end
        .err()
        .unwrap_or_else(|| "the stream ended too early".to_owned());
    Failure::Other(format!("receiver {name}: {reason}"))
}

fn cannot(reason: impl std::fmt::Display) -> Failure {
    Failure::Other(format!("the demo cannot go on: {reason}"))
}
