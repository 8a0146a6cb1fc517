//! `tenfold chat`: people who write to each other over a channel of a hub.

use std::collections::VecDeque;
use std::str::FromStr;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use clap::Args;
use tenfold::Hubs;
use tenfold::blocking::{Publisher, Subscriber};
use tenfold::client::{Error, OnGap, Publish, Subscribe, SubscriberEvent};
use tenfold::protocol::{ChannelName, Position};

use crate::failure::Failure;
use crate::flow::console::{Console, Screen, Typed};
use crate::flow::hub_client::{self, Outages};
use crate::flow::options::HubPeer;
use crate::numbers::counted;
use crate::signals::Stop;
use crate::words::Words;

/// Write to the people on a channel of a hub, and read what they write
#[derive(Args, Debug)]
#[command(after_help = "\
A line is the message `NAME: TEXT`, so `tenfold sub` shows it and `tenfold pub` can say something,
too. Your own lines are not shown again. It begins with the last messages of the channel, goes on
when the hub was away, and says so. Ctrl-D ends, when the hub has everything.

Examples:
  tenfold chat lobby
  tenfold chat lobby --name ann -s 192.168.1.5:10010
  tenfold chat lobby --last 100")]
pub(crate) struct Chat {
    /// The channel; the first message creates it
    #[arg(value_name = "CHANNEL")]
    channel: ChannelName,

    /// What to call you
    #[arg(long, value_name = "NAME", env = "USER", default_value = "somebody")]
    name: Name,

    /// How many of the last messages to show first
    #[arg(long, value_name = "N", default_value_t = 10)]
    last: u64,

    /// The largest message to accept
    #[arg(long, value_name = "SIZE", default_value = "64KiB", value_parser = crate::units::size)]
    max_message: u64,

    #[command(flatten)]
    hub: HubPeer,
}

/// What a person is called: it is before the colon, so it has none.
#[derive(Clone, Debug)]
struct Name(String);

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const LONGEST: usize = 40;
        let is_bad = |char: char| char == ':' || char.is_control();
        let length = text.chars().count();
        if length == 0 || length > LONGEST || text.contains(is_bad) || text.trim() != text {
            return Err(format!(
                "write a name of 1 to {LONGEST} characters, without a colon and without spaces around it"
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

/// Why it ends.
#[derive(Debug)]
enum Over {
    /// Everything that was typed has arrived.
    Typed,
    Failed(Failure),
}

/// How long a signal can go unnoticed.
const TICK: Duration = Duration::from_millis(100);

/// How long the hub may take for the last lines.
const PATIENCE: Duration = Duration::from_secs(5);

impl Chat {
    pub(crate) fn run(&self, words: &Words) -> Result<(), Failure> {
        let server = &self.hub.server;
        let failed = |error: &Error| hub_client::failure(error, server);
        let mut subscriber =
            Subscriber::new(server, self.subscription()?).map_err(|error| failed(&error))?;
        subscriber.connect().map_err(|error| failed(&error))?;
        let publisher =
            Publisher::new(server, self.publication()).map_err(|error| failed(&error))?;
        let stop = Stop::watch()?;
        let (over, ends) = mpsc::channel();
        let own = Own::default();
        let speaking = Speaking {
            publisher,
            name: self.name.0.clone(),
            own: own.clone(),
            server: server.clone(),
            over: over.clone(),
        };
        let prompt = format!("{}: ", self.name.0);
        let console = Console::open(prompt, self.max_message, speaking.on_line())?;
        words.note(format_args!(
            "you are {} on {} at {server}{}",
            self.name.0,
            self.channel,
            if console.is_edited() {
                "; Ctrl-D ends"
            } else {
                ""
            }
        ));
        let hearing = Hearing {
            subscriber,
            own,
            screen: console.screen(),
            outages: Outages::new(server, words),
            server: server.clone(),
            words: words.clone(),
        };
        thread::spawn(move || {
            // Nobody may be left to hear it.
            let _ = over.send(hearing.run().map_or_else(Over::Failed, |()| Over::Typed));
        });
        let result = until_over(&ends, &stop);
        drop(console);
        result
    }

    fn subscription(&self) -> Result<Subscribe, Failure> {
        let from = match self.last {
            0 => Position::Next,
            n => format!("-{n}")
                .parse()
                .map_err(|error| Failure::Usage(format!("--last: {error}")))?,
        };
        Ok(Subscribe::new(self.channel.clone())
            .token(self.hub.credential.token())
            .tls(self.hub.credential.tls())
            .from(from)
            .limit(self.max_message)
            .on_gap(OnGap::Continue)
            .until_connected(self.hub.until_connected())
            .once_connected(self.hub.once_connected()))
    }

    fn publication(&self) -> Publish {
        Publish::new(self.channel.clone())
            .token(self.hub.credential.token())
            .tls(self.hub.credential.tls())
            .until_connected(self.hub.until_connected())
            .once_connected(self.hub.once_connected())
    }
}

/// From the keyboard to the hub.
struct Speaking {
    publisher: Publisher,
    name: String,
    own: Own,
    server: Hubs,
    over: mpsc::Sender<Over>,
}

impl Speaking {
    /// Takes what is typed. A hub that is away holds up this only when very much was typed.
    fn on_line(mut self) -> impl FnMut(Typed) -> bool + Send + 'static {
        move |typed| {
            let over = match typed {
                Typed::Line(line) => match self.say(&line) {
                    Ok(()) => return true,
                    Err(error) => Over::Failed(hub_client::failure(&error, &self.server)),
                },
                Typed::End => self.end().map_or_else(Over::Failed, |()| Over::Typed),
                Typed::Failed(failure) => Over::Failed(failure),
            };
            // Nobody may be left to hear it.
            let _ = self.over.send(over);
            false
        }
    }

    fn say(&mut self, line: &[u8]) -> Result<(), Error> {
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        let message = [self.name.as_bytes(), b": ", line].concat();
        self.own.add(&message);
        self.publisher.send(&message)
    }

    fn end(&mut self) -> Result<(), Failure> {
        self.publisher.set_timeout(Some(PATIENCE));
        self.publisher.close().map_err(|error| {
            let missing = self.publisher.sent() - self.publisher.acknowledged();
            let missing = counted(missing, "line");
            hub_client::failure(&error, &self.server)
                .map(|words| format!("{words}; the hub has not acknowledged {missing}"))
        })
    }
}

/// From the hub to the screen.
struct Hearing {
    subscriber: Subscriber,
    own: Own,
    screen: Screen,
    outages: Outages,
    server: Hubs,
    words: Words,
}

impl Hearing {
    fn run(mut self) -> Result<(), Failure> {
        loop {
            let event = self.subscriber.next_event();
            let event = event.map_err(|error| hub_client::failure(&error, &self.server))?;
            match event {
                None => return Ok(()),
                Some(SubscriberEvent::Message(message)) => {
                    if !self.own.take(message.bytes) {
                        self.screen.line(message.bytes)?;
                    }
                }
                Some(SubscriberEvent::Connected(_)) => self.outages.connected("go on writing"),
                Some(SubscriberEvent::Disconnected(notice)) => self.outages.disconnected(&notice),
                Some(SubscriberEvent::Gap(gap)) => self.words.warning(gap),
                Some(_) => {}
            }
        }
    }
}

/// Own messages that have not come back from the hub yet, in their order. What somebody else says in the
/// same words, under the same name, cannot be told from them; one of the two is shown, as it is for everybody.
#[derive(Clone, Debug, Default)]
struct Own(Arc<Mutex<VecDeque<Vec<u8>>>>);

impl Own {
    /// More than that are never on their way, unless the hub loses them.
    const MOST: usize = 1000;

    fn add(&self, message: &[u8]) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() == Self::MOST {
            waiting.pop_front();
        }
        waiting.push_back(message.to_vec());
    }

    /// Whether a message is an own one. What was said before it does not come any more: a hub without a log
    /// forgets it when it restarts.
    fn take(&self, message: &[u8]) -> bool {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(at) = waiting.iter().position(|own| own == message) else {
            return false;
        };
        waiting.drain(..=at);
        true
    }
}

fn until_over(ends: &mpsc::Receiver<Over>, stop: &Stop) -> Result<(), Failure> {
    loop {
        match ends.recv_timeout(TICK) {
            Ok(Over::Typed) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Ok(Over::Failed(failure)) => return Err(failure),
            Err(RecvTimeoutError::Timeout) if stop.came() => return stop.outcome(),
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_own_message_comes_back_once() {
        let own = Own::default();
        for line in ["ann: lost", "ann: hi", "ann: hi"] {
            own.add(line.as_bytes());
        }
        assert!(!own.take(b"bob: hi"));
        assert!(own.take(b"ann: hi"));
        assert!(own.take(b"ann: hi"));
        assert!(!own.take(b"ann: hi"), "the third is somebody else's");
        assert!(!own.take(b"ann: lost"));
    }

    #[test]
    fn a_name_has_no_colon() {
        for bad in ["", "a:b", " ann", "ann\n", &"x".repeat(41)] {
            assert!(bad.parse::<Name>().is_err(), "{bad:?}");
        }
        assert_eq!("Ann Lee".parse::<Name>().unwrap().0, "Ann Lee");
    }
}
