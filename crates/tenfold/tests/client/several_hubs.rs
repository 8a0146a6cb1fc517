//! Clients that have several hubs to go to, for both kinds.

use tenfold::client::{Error, Follow, Publish, Subscribe};
use tenfold::protocol::Position;
use tenfold::{Address, Hubs};

use crate::clients::{Follower, Publisher, Subscriber};
use crate::fake_hub::{EPOCH, Script};

/// An address at which nobody listens.
fn nobody() -> Address {
    let script = Script::run(|_| {});
    let address = script.address.clone();
    script.join();
    address
}

fn hubs(addresses: &[&Address]) -> Hubs {
    let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    texts.join(",").parse().unwrap()
}

fn a_subscriber_goes_on_at_the_next_hub<S: Subscriber>() {
    let first = Script::run(|hub| {
        let mut connection = hub.accept("SUBSCRIBE ticks from=first");
        connection.streams(0, 0, 2);
        connection.say("hello");
        connection.end();
    });
    let second = Script::run(|hub| {
        let mut connection = hub.accept(&format!("SUBSCRIBE ticks from=1 epoch={EPOCH}"));
        connection.streams(1, 0, 2);
        connection.say("world");
        connection.wait_for_end();
    });
    let hubs = hubs(&[&nobody(), &first.address, &second.address]);
    let options = Subscribe::new("ticks".parse().unwrap()).from(Position::First);
    let mut subscriber = S::new(&hubs, options);
    let hello = Some((0, "hello".to_owned()));
    assert_eq!(subscriber.message().unwrap(), hello);
    first.join();
    let world = Some((1, "world".to_owned()));
    assert_eq!(subscriber.message().unwrap(), world);
    drop(subscriber);
    second.join();
}

fn a_follower_goes_on_at_the_next_hub<F: Follower>() {
    let place =
        |from: u64, next: u64| format!("@ticks epoch={EPOCH} from={from} count=0 next={next}");
    let run = |from: u64| format!("@ticks epoch={EPOCH} from={from} count=1");
    let first = Script::run(move |hub| {
        let mut connection = hub.accept("FOLLOW tick* from=first");
        connection.expect(&[""]);
        connection.say("OK channels=1");
        connection.say(&place(0, 1));
        connection.say(&run(0));
        connection.say("hello");
        connection.end();
    });
    let second = Script::run(move |hub| {
        let mut connection = hub.accept("FOLLOW tick* from=first");
        connection.expect(&[&format!("ticks epoch={EPOCH} from=1"), ""]);
        connection.say("OK channels=1");
        connection.say(&place(1, 2));
        connection.say(&run(1));
        connection.say("world");
        connection.wait_for_end();
    });
    let options = Follow::new(["tick*".parse().unwrap()]).from(Position::First);
    let mut follower = F::new(hubs(&[&first.address, &second.address]), options);
    for expected in [
        "connected 1",
        "ticks 0 hello",
        "disconnected",
        "connected 1",
        "ticks 1 world",
    ] {
        assert_eq!(follower.next().unwrap(), expected);
    }
    drop(follower);
    first.join();
    second.join();
}

fn a_publisher_goes_on_at_the_next_hub<P: Publisher>() {
    let request = "PUBLISH ticks producer=meter7";
    let first = Script::run(move |hub| {
        let mut connection = hub.accept(request);
        connection.go_on(0);
        connection.expect(&["0", "1"]);
        connection.say("ACK 1");
        connection.end();
    });
    let second = Script::run(move |hub| {
        let mut connection = hub.accept(request);
        connection.go_on(1);
        connection.expect(&["1"]);
        connection.expect_end();
        connection.say("ACK 2");
        connection.end();
    });
    let options = Publish::new("ticks".parse().unwrap()).producer("meter7".parse().unwrap());
    let mut publisher = P::new(hubs(&[&first.address, &second.address]), options);
    publisher.send(b"0").unwrap();
    publisher.send(b"1").unwrap();
    publisher.close().unwrap();
    assert_eq!(publisher.counts(), (2, 2));
    first.join();
    second.join();
}

fn a_publisher_leaves_a_hub_that_acknowledges_nothing<P: Publisher>() {
    let request = "PUBLISH ticks producer=meter7";
    let silent = Script::run(move |hub| {
        let mut connection = hub.accept(request);
        connection.go_on(0);
        connection.expect(&["0"]);
        connection.wait_for_end();
    });
    let other = Script::run(move |hub| {
        let mut connection = hub.accept(request);
        connection.go_on(0);
        connection.expect(&["0"]);
        connection.say("ACK 1");
        connection.wait_for_end();
    });
    let options = Publish::new("ticks".parse().unwrap()).producer("meter7".parse().unwrap());
    let mut publisher = P::new(hubs(&[&silent.address, &other.address]), options);
    publisher.send(b"0").unwrap();
    publisher.flush().unwrap();
    drop(publisher);
    silent.join();
    other.join();
}

fn when_no_hub_is_there_the_last_one_is_told<S: Subscriber>() {
    let last = nobody();
    let options = Subscribe::new("ticks".parse().unwrap());
    let mut subscriber = S::new(hubs(&[&nobody(), &nobody(), &last]), options);
    match subscriber.connect() {
        Err(Error::Connect { address, .. }) => assert_eq!(address, Some(last)),
        other => panic!("{other:?}"),
    }
}

macro_rules! suite {
    ($($kind:ident { $($case:ident)* })*) => {
        mod blocking {
            $($(#[test]
            fn $case() {
                super::$case::<tenfold::blocking::$kind>();
            })*)*
        }
        #[cfg(feature = "tokio")]
        mod tokio {
            $($(#[test]
            fn $case() {
                super::$case::<crate::clients::Tokio<tenfold::asynchronous::$kind>>();
            })*)*
        }
    };
}

suite! {
    Subscriber {
        a_subscriber_goes_on_at_the_next_hub
        when_no_hub_is_there_the_last_one_is_told
    }
    Follower {
        a_follower_goes_on_at_the_next_hub
    }
    Publisher {
        a_publisher_goes_on_at_the_next_hub
        a_publisher_leaves_a_hub_that_acknowledges_nothing
    }
}
