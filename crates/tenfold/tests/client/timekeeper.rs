//! Timekeepers: when messages were committed, from scripted hubs.

use std::time::Duration;

use tenfold::client::{Error, Times};
use tenfold::protocol::{Code, Committed, Epoch};
use tenfold::{Address, blocking};

use crate::fake_hub::{BOUND, Connection, EPOCH, Hub, Script};

/// Either kind of timekeeper.
trait Timekeeper {
    fn made(hub: &Address, options: Times) -> Self;
    fn of(&mut self, seq: u64) -> Result<Committed, Error>;
    fn go_on_in(&mut self, epoch: Option<Epoch>);
}

impl Timekeeper for blocking::Timekeeper {
    fn made(hub: &Address, options: Times) -> Self {
        Self::new(hub, options)
    }

    fn of(&mut self, seq: u64) -> Result<Committed, Error> {
        self.of(seq)
    }

    fn go_on_in(&mut self, epoch: Option<Epoch>) {
        self.go_on_in(epoch);
    }
}

#[cfg(feature = "tokio")]
struct OnTokio(tenfold::asynchronous::Timekeeper, tokio::runtime::Runtime);

#[cfg(feature = "tokio")]
impl Timekeeper for OnTokio {
    fn made(hub: &Address, options: Times) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        Self(
            tenfold::asynchronous::Timekeeper::new(hub.clone(), options),
            runtime,
        )
    }

    fn of(&mut self, seq: u64) -> Result<Committed, Error> {
        self.1.block_on(self.0.of(seq))
    }

    fn go_on_in(&mut self, epoch: Option<Epoch>) {
        self.0.go_on_in(epoch);
    }
}

fn ticks() -> Times {
    Times::new("ticks".parse().unwrap()).answer_timeout(BOUND)
}

fn accept(hub: &Hub, request: &str) -> Connection {
    let mut connection = hub.accept(request);
    connection.say(&format!("OK epoch={EPOCH} from=5 first=0 next=20"));
    connection
}

/// The times of messages in their order are told over one connection; of an earlier one, over another.
fn asks_once_for_what_comes_in_order<T: Timekeeper>() {
    let script = Script::run(|hub| {
        let mut connection = accept(hub, "TIMES ticks from=5");
        connection.say("5 2 1000");
        connection.say("7 1 1001");
        connection.say("8 4 1002 and=more");
        connection.wait_for_end();
        let mut connection = accept(hub, "TIMES ticks from=6");
        connection.say("6 1 1000");
        connection.wait_for_end();
        assert!(hub.is_left_alone());
    });
    let mut times = T::made(&script.address, ticks());
    assert_eq!(times.of(5).unwrap(), Committed::new(5, 2, 1000));
    assert_eq!(times.of(6).unwrap(), Committed::new(5, 2, 1000));
    assert_eq!(times.of(10).unwrap(), Committed::new(8, 4, 1002));
    assert_eq!(times.of(6).unwrap(), Committed::new(6, 1, 1000));
    drop(times);
    script.join();
}

/// A connection that has broken since, also inside a line, is made again.
fn asks_again_where_a_connection_has_broken<T: Timekeeper>() {
    let script = Script::run(|hub| {
        let mut connection = accept(hub, "TIMES ticks from=5");
        connection.say("5 1 1000");
        connection.bytes(b"8         6 1 ");
        connection.end();
        let mut connection = accept(hub, "TIMES ticks from=6");
        connection.say("6 1 1001");
        connection.wait_for_end();
        let connection = accept(hub, "TIMES ticks from=7 epoch=0123456789abcdef");
        connection.end();
        hub.accept("TIMES ticks from=7")
            .say("ERROR TRIMMED first=9 gone");
    });
    let mut times = T::made(&script.address, ticks());
    assert_eq!(times.of(5).unwrap().time, 1000);
    assert_eq!(times.of(6).unwrap().time, 1001);
    times.go_on_in(Some(EPOCH.parse().unwrap()));
    // A connection that is new and breaks is not made a second time by itself.
    assert!(matches!(times.of(7), Err(Error::Closed)));
    times.go_on_in(None);
    match times.of(7) {
        Err(Error::Refused(refusal)) => assert_eq!(refusal.code, Some(Code::Trimmed)),
        other => panic!("{other:?}"),
    }
    script.join();
}

fn says_what_a_peer_is_that_is_not_a_hub<T: Timekeeper>() {
    let script = Script::run(|hub| {
        hub.accept_any().say("hello");
        let mut connection = accept(hub, "TIMES ticks from=5");
        connection.say("5 0 1000");
        let mut connection = accept(hub, "TIMES ticks from=5");
        connection.bytes(b"4097      ");
        // It says nothing, and is let go of.
        let mut silent = accept(hub, "TIMES ticks from=5");
        silent.wait_for_end();
    });
    let mut times = T::made(&script.address, ticks());
    assert!(matches!(times.of(5), Err(Error::Protocol(_))));
    assert!(matches!(times.of(5), Err(Error::Protocol(_))));
    assert!(matches!(times.of(5), Err(Error::Frame(_))));
    let time = Duration::from_millis(50);
    let mut times = T::made(&script.address, ticks().answer_timeout(time));
    assert!(matches!(times.of(5), Err(Error::NoAnswer { waited }) if waited == time));
    drop(times);
    script.join();
}

/// Retention has passed a connection: what it tells is later than what was asked for, and a new one is told so.
fn asks_again_where_a_connection_does_not_have_a_message_any_more<T: Timekeeper>() {
    let script = Script::run(|hub| {
        let mut connection = accept(hub, "TIMES ticks from=5");
        connection.say("5 1 1000");
        connection.say("9 1 1001");
        hub.accept("TIMES ticks from=6")
            .say("ERROR TRIMMED first=9 gone");
        let mut connection = accept(hub, "TIMES ticks from=7");
        connection.say("9 1 1001");
        connection.wait_for_end();
    });
    let mut times = T::made(&script.address, ticks());
    assert_eq!(times.of(5).unwrap().time, 1000);
    match times.of(6) {
        Err(Error::Refused(refusal)) => assert_eq!(refusal.code, Some(Code::Trimmed)),
        other => panic!("{other:?}"),
    }
    // A new connection is not asked a second time.
    assert!(matches!(times.of(7), Err(Error::Protocol(_))));
    drop(times);
    script.join();
}

/// A peer that tells of earlier messages, again and again, is let go of in time.
fn is_not_held_by_a_peer_that_comes_to_no_end<T: Timekeeper>() {
    let script = Script::run(|hub| {
        let mut connection = accept(hub, "TIMES ticks from=5");
        while connection.try_say("4 1 1000") {}
    });
    let time = Duration::from_millis(50);
    let mut times = T::made(&script.address, ticks().answer_timeout(time));
    assert!(matches!(times.of(5), Err(Error::NoAnswer { waited }) if waited == time));
    drop(times);
    script.join();
}

macro_rules! suite {
    ($module:ident, $timekeeper:ty) => {
        mod $module {
            use super::*;

            #[test]
            fn asks_once_for_what_comes_in_order() {
                super::asks_once_for_what_comes_in_order::<$timekeeper>();
            }

            #[test]
            fn asks_again_where_a_connection_has_broken() {
                super::asks_again_where_a_connection_has_broken::<$timekeeper>();
            }

            #[test]
            fn asks_again_where_a_connection_does_not_have_a_message_any_more() {
                super::asks_again_where_a_connection_does_not_have_a_message_any_more::<$timekeeper>();
            }

            #[test]
            fn is_not_held_by_a_peer_that_comes_to_no_end() {
                super::is_not_held_by_a_peer_that_comes_to_no_end::<$timekeeper>();
            }

            #[test]
            fn says_what_a_peer_is_that_is_not_a_hub() {
                super::says_what_a_peer_is_that_is_not_a_hub::<$timekeeper>();
            }
        }
    };
}

suite!(that_wait, blocking::Timekeeper);
#[cfg(feature = "tokio")]
suite!(on_tokio, OnTokio);
