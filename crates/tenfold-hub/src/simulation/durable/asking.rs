//! Clients that speak the protocol byte by byte, and ask what a later one must see.

use std::io;
use std::time::Duration;

use tenfold::asynchronous::Transport;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::record::Shared;
use super::server::Door;
use crate::simulation::link::{Weather, link};
use crate::simulation::random::Random;

/// An answer takes no longer than this, whatever happens to the hub, or the connection ends.
pub(super) const PATIENCE: Duration = Duration::from_secs(90);

/// A connection.
pub(super) struct Connection(Box<dyn Transport>);

impl Connection {
    /// A connection that does not break by itself.
    pub(super) fn new(shared: &Shared, door: Door, random: &mut Random) -> io::Result<Self> {
        let weather = Weather {
            capacity: 1 << 16,
            delay: random.one_of(&[Duration::ZERO, Duration::from_millis(1)]),
            cut_one_in: 0,
        };
        let (theirs, ours) = link(weather, random.fork());
        shared.enter(door, theirs)?;
        Ok(Self(Box::new(ours)))
    }

    pub(super) async fn send(&mut self, message: &str) -> io::Result<()> {
        let frame = format!("{:<10}{message}", message.len());
        self.0.write_all(frame.as_bytes()).await
    }

    /// The peer is told that nothing more comes.
    pub(super) async fn finish(&mut self) -> io::Result<()> {
        self.0.shutdown().await
    }

    /// The next message; `None` at the end.
    pub(super) async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut header = [0; 10];
        if self.0.read(&mut header[..1]).await? == 0 {
            return Ok(None);
        }
        self.0.read_exact(&mut header[1..]).await?;
        let length = str::from_utf8(&header).ok().map(str::trim_end);
        let length = length.and_then(|length| length.parse().ok());
        let mut message = vec![0; length.ok_or(io::ErrorKind::InvalidData)?];
        self.0.read_exact(&mut message).await?;
        Ok(Some(message))
    }
}

/// Asks something, and returns up to so many frames of what comes. It fails if the hub goes away.
pub(super) async fn ask(
    shared: &Shared,
    random: &mut Random,
    request: &str,
    frames: usize,
) -> io::Result<Vec<String>> {
    let asked = async {
        let mut connection = Connection::new(shared, Door::Protocol, random)?;
        connection.send(request).await?;
        let mut answer = Vec::new();
        while answer.len() < frames
            && let Some(frame) = connection.next().await?
        {
            answer.push(String::from_utf8_lossy(&frame).into_owned());
        }
        Ok(answer)
    };
    let answer = timeout(PATIENCE, asked).await;
    answer.unwrap_or_else(|_| {
        shared.problem(format!("{request} is not answered within {PATIENCE:?}"));
        Err(io::ErrorKind::TimedOut.into())
    })
}

/// The value of a key in an answer.
pub(super) fn value<T: std::str::FromStr>(answer: &str, key: &str) -> Option<T> {
    let mut fields = answer.split(' ');
    let value = fields.find_map(|field| field.strip_prefix(key)?.strip_prefix('='));
    value?.parse().ok()
}

/// Asks in one of the ways that there are whether everything that is acknowledged is visible now.
pub(super) async fn look_for_acknowledged(shared: &Shared, random: &mut Random, channel: usize) {
    let name = shared.name(channel);
    let floor = shared.acknowledged(channel);
    let from = format!("{}", floor.saturating_sub(random.below(3)));
    let place = random.one_of(&["next", "first", "last", "-3", &from]);
    let requests = [
        format!("SUBSCRIBE {name} from={place}"),
        "CHANNELS".to_owned(),
    ];
    let request = &requests[random.index(4).min(1)];
    let frames = if request == "CHANNELS" { usize::MAX } else { 1 };
    let Ok(answer) = ask(shared, random, request, frames).await else {
        return;
    };
    let Some(first) = answer.first() else {
        return;
    };
    shared.note(format_args!("asked {request}: {first}"));
    shared.count(|counts| counts.asked += 1);
    let is_refused = first.starts_with("ERROR ") && !first.starts_with("ERROR FUTURE ");
    let next = if is_refused {
        return;
    } else if request == "CHANNELS" {
        next_of_channel(&answer, name)
    } else {
        value(first, "next")
    };
    if next.unwrap_or(0) < floor {
        let words =
            format!("{floor} messages of {name} were acknowledged, and {request} says {first}");
        shared.problem(words);
    }
}

/// What `CHANNELS` says of one channel.
fn next_of_channel(answer: &[String], name: &str) -> Option<u64> {
    let begins = format!(r#"{{"channel":"{name}","#);
    let line = answer.iter().find(|line| line.starts_with(&begins))?;
    let (_, next) = line.split_once(r#""next":"#)?;
    next.split(',').next()?.parse().ok()
}
