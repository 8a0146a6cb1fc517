//! A channel that is published to, deleted, and begun again, by one program that waits for each answer.
//!
//! Each life of it has its own messages and epochs. Whatever happens to the hub and its disk, a deletion that was
//! answered with `OK` is done for good, and one that was not has left all of the channel or nothing.

use std::sync::Arc;
use std::time::Duration;

use tenfold::asynchronous::Publisher;
use tenfold::client::{Error, Publish, Retry};
use tenfold::protocol::ChannelName;
use tokio::time::sleep;

use super::asking::{ask, value};
use super::clients::connect;
use super::record::Shared;
use crate::simulation::link::Weather;
use crate::simulation::random::Random;

/// The channel's name.
pub(super) const NAME: &str = "gone";

/// It is deleted no more often than this.
pub(super) const MOST: u64 = 3;

/// What the channel has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Life {
    /// How often it was deleted before.
    pub(super) number: u64,
    pub(super) messages: u64,
}

struct Deleter {
    shared: Arc<Shared>,
    weather: Weather,
    random: Random,
    life: Life,
}

/// Publishes to the channel and deletes it, some times; the last life goes on.
pub(super) async fn delete(shared: Arc<Shared>, weather: Weather, random: Random) {
    let mut deleter = Deleter {
        shared,
        weather,
        random,
        life: Life::default(),
    };
    for _ in 0..deleter.random.below(MOST + 1) {
        sleep(Duration::from_millis(deleter.random.below(2000))).await;
        if let Err(error) = deleter.live().await {
            let words = format!("the publisher of {NAME} has failed: {error}");
            return deleter.shared.problem(words);
        }
        if deleter.random.one_in(4) {
            continue;
        }
        deleter.die().await;
    }
}

impl Deleter {
    /// Publishes some messages.
    async fn live(&mut self) -> Result<(), Error> {
        let name: ChannelName = NAME.parse().expect("it is a name");
        let options = Publish::new(name)
            .producer("g".parse().expect("it is a name"))
            .until_connected(Retry::Forever)
            .seed(self.random.next());
        let connect = connect(&self.shared, self.weather, self.random.fork());
        let mut publisher = Publisher::new(connect, options);
        let committed = publisher.committed().await?;
        if committed != self.life.messages {
            let words = format!(
                "{:?} of {NAME}, and its producer has {committed}",
                self.life
            );
            self.shared.problem(words);
        }
        for _ in 0..=self.random.below(12) {
            let Life { number, messages } = self.life;
            let message = message(number, messages);
            publisher.send(message.as_bytes()).await?;
            self.life.messages += 1;
        }
        publisher.close().await?;
        self.keep();
        let life = self.life;
        self.shared.note(format_args!("{NAME} has {life:?}"));
        Ok(())
    }

    /// Deletes the channel, and tries that until it is known to be done.
    async fn die(&mut self) {
        // An answer that does not come can have been an `OK`.
        let mut is_unsure = false;
        loop {
            let request = format!("DELETE {NAME}");
            let answer = ask(&self.shared, &mut self.random, &request, 1).await;
            let answer = answer.ok().and_then(|answer| answer.into_iter().next());
            self.shared.note(format_args!("{request}: {answer:?}"));
            let answer = answer.unwrap_or_default();
            if answer.starts_with("OK ") {
                if value(&answer, "next") != Some(self.life.messages) {
                    let words = format!("{:?} of {NAME}, and deleted was {answer}", self.life);
                    self.shared.problem(words);
                }
                break;
            }
            if answer.starts_with("ERROR NO_CHANNEL") {
                if is_unsure {
                    break;
                }
                let words = format!("{:?} of {NAME}, and there is none: {answer}", self.life);
                return self.shared.problem(words);
            }
            is_unsure = true;
            sleep(Duration::from_millis(self.random.below(2000))).await;
        }
        self.life = Life {
            number: self.life.number + 1,
            messages: 0,
        };
        self.keep();
        self.shared.count(|counts| counts.deletions += 1);
        self.look().await;
    }

    /// Nothing of it is there any more.
    async fn look(&mut self) {
        let request = format!("SUBSCRIBE {NAME} from=first");
        let Ok(answer) = ask(&self.shared, &mut self.random, &request, 1).await else {
            return;
        };
        let Some(answer) = answer.first().filter(|answer| answer.starts_with("OK ")) else {
            return;
        };
        if value(answer, "next") != Some(0) {
            let words = format!("{NAME} was deleted, and {request} says {answer}");
            self.shared.problem(words);
        }
    }

    fn keep(&self) {
        self.shared.record().gone = self.life;
    }
}

/// A message of a life.
pub(super) fn message(life: u64, number: u64) -> String {
    format!("{life} {number} of those that are deleted")
}

impl Shared {
    /// What is read of the channel at the end is what its last life has.
    pub(super) fn check_gone(&self, from: u64, messages: &[Vec<u8>]) {
        let life = self.record().gone;
        let expected = (from..life.messages).map(|number| message(life.number, number));
        if !expected.eq(messages.iter().map(|bytes| String::from_utf8_lossy(bytes))) {
            let got = messages.len();
            let words = format!("{life:?} of {NAME}, and there are {got} messages from {from} on");
            self.problem(words);
        }
    }
}
