//! A mirror's connection to its source.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use tenfold::asynchronous::{Connect, Transport};
use tenfold::protocol::{Answer, Code, Following, MirrorLine, Place, Request};
use tenfold::{Framing, native};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::taking::Taking;
use crate::block::Block;
use crate::deadline::within;
use crate::frames::framed;
use crate::intake::Intake;
use crate::shared::Shared;
use crate::upstream::Upstream;

/// How long connecting, and then the answer, may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The first and the longest pause after all hubs have failed.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));
/// A connection that lasted so long has worked.
const WORKED: Duration = Duration::from_secs(1);
/// The longest line, in bytes: starts and links of a channel are a thousand at the most.
const LINE: u64 = 64 * 1024;

/// Follows the source for as long as the hub runs.
pub(crate) async fn run(shared: Arc<Shared>, upstream: Arc<Upstream>) {
    let hubs = upstream.options.hubs.addresses().len();
    let (mut hub, mut failures, mut pause) = (0, 0_usize, PAUSES.0);
    let mut is_told = false;
    loop {
        let begun = Instant::now();
        let Err(why) = follow(&shared, &upstream, hub).await;
        let was_current = upstream.is_current();
        upstream.went();
        let address = &upstream.options.hubs.addresses()[hub];
        if was_current || !is_told {
            warn!(source = %address, "the mirror has no connection to its source: {why}");
        }
        is_told = true;
        if was_current && begun.elapsed() >= WORKED {
            (failures, pause) = (0, PAUSES.0);
        }
        failures += 1;
        hub = (hub + 1) % hubs;
        if failures.is_multiple_of(hubs) {
            sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }
}

/// Why a connection has ended, in words.
pub(super) type Why = String;

/// Takes what one hub tells, until that fails.
async fn follow(
    shared: &Arc<Shared>,
    upstream: &Arc<Upstream>,
    hub: usize,
) -> Result<Infallible, Why> {
    let transport = connect(upstream, hub)
        .await
        .map_err(|error| error.to_string())?;
    let mut lines = Lines::new(transport, shared.options.now().max_message);
    let mut taking = Taking::new(Arc::clone(shared), Arc::clone(upstream));
    let request = Request::mirror(upstream.options.patterns.clone());
    let mut asked = framed([request.with_token(upstream.options.token.as_ref())]);
    asked.append(&mut framed(taking.places().iter().map(Place::to_string)));
    asked.append(&mut framed([""]));
    let answered = within(PATIENCE * 2, async {
        lines.write(&asked).await?;
        lines.line().await
    });
    let line = answered
        .await
        .ok_or("it does not answer")?
        .map_err(|error| error.to_string())?;
    let left = match Answer::parse(&line) {
        Ok(Answer::Ok(keys)) => Following::try_from(&keys).map_err(|bad| bad.to_string())?,
        Ok(Answer::Error(refusal)) if refusal.code == Some(Code::Future) => {
            return Err(format!(
                "this mirror has more than the hub there ({refusal})"
            ));
        }
        Ok(Answer::Error(refusal)) => return Err(refusal.to_string()),
        Ok(_) => return Err("it answers what is not known".to_owned()),
        Err(bad) => return Err(bad.to_string()),
    };
    let taken = take(&mut lines, &mut taking, upstream, left.channels, hub).await;
    // What was taken is committed, or refused, before it is asked for again.
    taking.land().await;
    taken
}

async fn take(
    lines: &mut Lines,
    taking: &mut Taking,
    upstream: &Upstream,
    mut left: u64,
    hub: usize,
) -> Result<Infallible, Why> {
    let mut is_first = true;
    loop {
        if left == 0 && !is_first && !upstream.is_current() {
            upstream.came();
            info!(source = %upstream.options.hubs.addresses()[hub], "the mirror follows its source");
        }
        let line = lines.line().await.map_err(|error| error.to_string())?;
        let line = MirrorLine::parse(&line).ok_or("it says what a source does not say")?;
        if is_first != matches!(line, MirrorLine::Starts { .. }) {
            return Err("it does not begin with its starts".to_owned());
        }
        is_first = false;
        match line {
            MirrorLine::Place { .. } => {
                taking.place(line).await?;
                left = left.saturating_sub(1);
            }
            MirrorLine::Run {
                channel,
                from,
                count,
                time,
                next,
            } => {
                upstream.note(&channel, next);
                let mut run = taking.run(&channel, from, count, time)?;
                while run.left > 0 {
                    let block = lines
                        .frames(run.left)
                        .await
                        .map_err(|error| error.to_string())?;
                    taking.take(&mut run, block).await?;
                }
                taking.end_run(&run);
            }
            line => taking.hear(line).await?,
        }
    }
}

/// Makes a connection to one of the hubs.
pub(super) async fn connect(upstream: &Upstream, hub: usize) -> io::Result<Box<dyn Transport>> {
    let mut hubs = upstream.options.hubs.clone();
    hubs.turn_to(hub);
    let connecting = (upstream.options.connect)(&mut hubs);
    let made = within(PATIENCE, connecting).await;
    made.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
}

/// Lines and frames from the source.
struct Lines {
    transport: Box<dyn Transport>,
    intake: Option<Intake>,
    max_message: u64,
}

impl Lines {
    fn new(transport: Box<dyn Transport>, max_message: u64) -> Self {
        Self {
            transport,
            intake: Some(Intake::new(Framing::default().server(), LINE)),
            max_message,
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.transport.write_all(bytes).await?;
        self.transport.flush().await
    }

    /// The next line.
    async fn line(&mut self) -> io::Result<BytesMut> {
        let block = self.next(1, LINE).await?;
        Ok(BytesMut::from(&block.bytes()[native::HEADER..]))
    }

    /// The next messages: at least one, and at most so many.
    async fn frames(&mut self, most: u64) -> io::Result<Block> {
        self.next(most, self.max_message).await
    }

    async fn next(&mut self, most: u64, limit: u64) -> io::Result<Block> {
        let intake = self.intake.take().ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut intake = intake.switch_to(Framing::default().server(), limit);
        loop {
            let found = intake.scan(most).map_err(io::Error::other)?;
            if found > 0 {
                let block = intake.take_block();
                self.intake = Some(intake);
                return Ok(block);
            }
            let room = intake.room();
            let mut space = intake.space().limit(room);
            let read = self.transport.read_buf(&mut space).await?;
            if read == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the hub has closed the connection",
                ));
            }
        }
    }
}
