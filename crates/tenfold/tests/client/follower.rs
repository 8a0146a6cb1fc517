//! Cases of followers of many channels, for both kinds.

use std::time::Duration;

use tenfold::client::{Error, Follow, OnGap};
use tenfold::protocol::{Pattern, Position};

use crate::clients::Follower;
use crate::fake_hub::{BOUND, EPOCH, Script};

fn first() -> Follow {
    let patterns = ["quotes.*", "ticks"].map(|text| text.parse::<Pattern>().unwrap());
    Follow::new(patterns).from(Position::First).seed(1)
}

const REQUEST: &str = "FOLLOW quotes.* ticks from=first";

fn place(name: &str, from: u64, next: u64) -> String {
    format!("@{name} epoch={EPOCH} from={from} count=0 next={next}")
}

fn run(name: &str, from: u64, count: u64) -> String {
    format!("@{name} epoch={EPOCH} from={from} count={count}")
}

fn nexts<F: Follower>(follower: &mut F, lines: &[&str]) {
    for line in lines {
        assert_eq!(follower.next().unwrap(), **line);
    }
}

fn each_channel_goes_on_where_it_was<F: Follower>() {
    let script = Script::run(|hub| {
        let mut connection = hub.accept(REQUEST);
        connection.expect(&[""]);
        connection.say("OK channels=2");
        connection.say(&place("quotes.a", 0, 1));
        connection.say(&place("ticks", 7, 9));
        connection.say(&run("ticks", 7, 2));
        // Cut between the messages of a run.
        connection.say("tick");
        connection.end();
        let mut connection = hub.accept(REQUEST);
        let quotes = format!("quotes.a epoch={EPOCH} from=0");
        let ticks = format!("ticks epoch={EPOCH} from=8");
        connection.expect(&[&quotes, &ticks, ""]);
        connection.say("OK channels=3");
        connection.say(&place("quotes.a", 0, 1));
        connection.say(&place("quotes.b", 0, 1));
        connection.say("@ticks trimmed first=9");
        connection.say(&place("ticks", 9, 9));
        connection.say(&run("quotes.b", 0, 1));
        connection.say("@quote");
        connection.wait_for_end();
    });
    let mut follower = F::new(&script.address, first().on_gap(OnGap::Continue));
    assert_eq!(follower.buffered(), None, "it does not connect for that");
    assert_eq!(follower.places(), None);
    assert_eq!(follower.connect().unwrap(), 2);
    nexts(
        &mut follower,
        &["connected 2", "ticks 7 tick", "disconnected", "connected 3"],
    );
    nexts(
        &mut follower,
        &[
            "ticks: message 8 is no longer kept; the next one is 9",
            "quotes.b 0 @quote",
        ],
    );
    let places = [("quotes.a", 0), ("ticks", 9), ("quotes.b", 1)];
    let places = places.map(|(name, from)| format!("{name} epoch={EPOCH} from={from}"));
    assert_eq!(follower.places().unwrap(), places);
    drop(follower);
    script.join();
}

fn gives_owned_messages_to_the_end<F: Follower>() {
    let script = Script::run(|hub| {
        let mut connection = hub.accept(REQUEST);
        connection.expect(&[""]);
        connection.say("OK channels=1");
        connection.say(&place("ticks", 0, 2));
        connection.say(&run("ticks", 0, 2));
        for byte in b"5         hello5         world" {
            connection.bytes(&[*byte]);
        }
        connection.wait_for_end();
    });
    let mut follower = F::new(&script.address, first().until_end());
    assert_eq!(follower.owned().unwrap().unwrap(), "ticks 0");
    assert_eq!(follower.owned().unwrap().unwrap(), "ticks 1");
    assert!(follower.owned().is_none());
    assert_eq!(follower.next().unwrap(), "end");
    drop(follower);
    script.join();
}

fn stops_at_a_gap_of_one_channel<F: Follower>() {
    let script = Script::run(|hub| {
        let mut connection = hub.accept(REQUEST);
        connection.expect(&[""]);
        connection.say("OK channels=1");
        connection.say(&place("ticks", 0, 2));
        connection.say("@ticks corrupt next=4");
        connection.wait_for_end();
    });
    let mut follower = F::new(&script.address, first());
    nexts(&mut follower, &["connected 1"]);
    let error = follower.next().unwrap_err();
    assert!(matches!(error, Error::InChannel { .. }));
    assert_eq!(follower.next().unwrap(), "end");
    drop(follower);
    script.join();
}

/// The places are part of the answer: until they are there the hub has not answered.
fn places_that_do_not_come_in_time_are_an_error<F: Follower>() {
    let script = Script::run(|hub| {
        let mut connection = hub.accept(REQUEST);
        connection.expect(&[""]);
        connection.say("OK channels=2");
        connection.say(&place("ticks", 0, 2));
        connection.wait_for_end();
    });
    let options = first().answer_timeout(Duration::from_millis(50));
    let mut follower = F::new(
        &script.address,
        options.once_connected(tenfold::client::Retry::Never),
    );
    assert!(matches!(follower.next(), Err(Error::NoAnswer { .. })));
    drop(follower);
    script.join();
}

/// The list of a client that knows many channels is longer than what the system takes at once.
fn a_long_list_is_sent_whole<F: Follower>() {
    let known = |n: u64| format!("quotes.{n} epoch={EPOCH} from={n}");
    let script = Script::run(move |hub| {
        let mut connection = hub.accept(REQUEST);
        for n in 0..50_000 {
            connection.expect(&[&known(n)]);
        }
        connection.expect(&[""]);
        connection.say("OK channels=0");
        connection.wait_for_end();
    });
    let places = (0..50_000).map(|n| tenfold::protocol::Place::parse(known(n).as_bytes()).unwrap());
    let mut follower = F::new(
        &script.address,
        first().resume(places).answer_timeout(BOUND),
    );
    nexts(&mut follower, &["connected 0"]);
    drop(follower);
    script.join();
}

macro_rules! instantiate {
    ($name:ident, $kind:ty: $($case:ident)*) => {
        mod $name {
            $(#[test]
            fn $case() {
                super::$case::<$kind>();
            })*
        }
    };
}

macro_rules! suite {
    ($($case:ident)*) => {
        instantiate! { blocking, tenfold::blocking::Follower: $($case)* }
        #[cfg(feature = "tokio")]
        instantiate! { tokio, crate::clients::Tokio<tenfold::asynchronous::Follower>: $($case)* }
    };
}

suite! {
    each_channel_goes_on_where_it_was
    gives_owned_messages_to_the_end
    stops_at_a_gap_of_one_channel
    places_that_do_not_come_in_time_are_an_error
    a_long_list_is_sent_whole
}
