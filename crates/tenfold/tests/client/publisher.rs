//! Cases of publishers, for both kinds.

use std::io::{Read, Write};
use std::sync::mpsc;
use std::time::Duration;

use tenfold::Address;
use tenfold::client::{Error, Notice, Publish, Retry, Start};
use tenfold::protocol::{Acks, Code};

use crate::clients::Publisher;
use crate::fake_hub::{BOUND, EPOCH, Script};

const METER: &str = "PUBLISH ticks producer=meter7";

fn options() -> Publish {
    Publish::new("ticks".parse().unwrap()).seed(1)
}

fn meter() -> Publish {
    options().producer("meter7".parse().unwrap())
}

fn a_message_goes_out_by_itself<P: Publisher>() {
    let (got, has_it) = mpsc::channel();
    let script = Script::run(move |hub| {
        let mut connection = hub.accept(METER);
        connection.go_on(0);
        connection.expect(&["17.25"]);
        got.send(()).unwrap();
        connection.expect(&["17.5"]);
        connection.say("ACK 2");
        connection.wait_for_end();
    });
    let mut publisher = P::new(&script.address, meter());
    publisher.send(b"17.25").unwrap();
    has_it.recv_timeout(BOUND).unwrap();
    assert_eq!(publisher.counts(), (1, 0));
    publisher.send(b"17.5").unwrap();
    publisher.flush().unwrap();
    assert_eq!(publisher.counts(), (2, 2));
    drop(publisher);
    script.join();
}

fn nothing_is_sent_before_the_answer<P: Publisher>() {
    let (go, wait) = mpsc::channel();
    let script = Script::run(move |hub| {
        let mut connection = hub.accept(METER);
        wait.recv_timeout(BOUND).unwrap();
        connection.go_on(2);
        connection.expect(&["2", "3"]);
        connection.say("ACK 4");
        connection.expect_end();
        connection.end();
    });
    let mut publisher = P::new(&script.address, meter());
    publisher.send(b"2").unwrap();
    publisher.send(b"3").unwrap();
    go.send(()).unwrap();
    assert_eq!(publisher.committed().unwrap(), 2);
    publisher.close().unwrap();
    assert!(matches!(publisher.send(b"4"), Err(Error::Ended)));
    drop(publisher);
    script.join();
}

fn resends_exactly_what_is_missing<P: Publisher>() {
    let script = Script::run(|hub| {
        let mut connection = hub.accept(METER);
        connection.go_on(0);
        connection.expect(&["0", "1", "2"]);
        connection.say("ACK 1");
        connection.end();
        let mut connection = hub.accept(METER);
        connection.go_on(2);
        connection.expect(&["2"]);
        connection.say("ERROR SHUTDOWN the hub ends");
        connection.end();
        let mut connection = hub.accept(METER);
        connection.go_on(3);
        connection.expect_end();
        connection.say("ACK 3");
        connection.end();
    });
    let mut publisher = P::new(&script.address, meter());
    for message in ["0", "1", "2"] {
        publisher.send(message.as_bytes()).unwrap();
    }
    publisher.flush().unwrap();
    publisher.close().unwrap();
    assert_eq!(publisher.counts(), (3, 3));
    drop(publisher);
    script.join();
}

fn without_a_name_it_makes_one_up_and_keeps_it<P: Publisher>() {
    let script = Script::run(|hub| {
        let mut connection = hub.accept_any();
        let request = String::from_utf8(connection.frame()).unwrap();
        assert!(request.starts_with("PUBLISH ticks producer=_"), "{request}");
        connection.go_on(0);
        connection.expect(&["a"]);
        connection.end();
        let mut connection = hub.accept(&request);
        connection.go_on(0);
        connection.expect(&["a"]);
        connection.say("ACK 1");
        connection.wait_for_end();
    });
    let mut publisher = P::new(&script.address, options());
    publisher.send(b"a").unwrap();
    publisher.flush().unwrap();
    drop(publisher);
    script.join();
}

fn fenced_is_final<P: Publisher>() {
    let script = Script::run(|hub| {
        let mut connection = hub.accept(METER);
        connection.go_on(0);
        connection.expect(&["0"]);
        connection.say("ACK 1");
        connection.say("ERROR FENCED another connection publishes as this producer now");
        connection.end();
        assert!(hub.is_left_alone());
    });
    let mut publisher = P::new(&script.address, meter().until_connected(Retry::Forever));
    publisher.send(b"0").unwrap();
    for _ in 0..2 {
        let error = publisher.close().unwrap_err();
        assert!(matches!(&error, Error::Refused(r) if r.code == Some(Code::Fenced)));
    }
    assert!(matches!(publisher.send(b"1"), Err(Error::Refused(_))));
    drop(publisher);
    script.join();
}

fn a_lost_history_is_final<P: Publisher>() {
    let script = Script::run(|hub| {
        let mut connection = hub.accept(METER);
        connection.go_on(0);
        connection.expect(&["0"]);
        connection.say("ACK 1");
        connection.end();
        let mut connection = hub.accept(METER);
        connection.say("OK epoch=00000000000000ff next=0 acks=memory");
        connection.wait_for_end();
        assert!(hub.is_left_alone());
    });
    let mut publisher = P::new(&script.address, meter());
    publisher.send(b"0").unwrap();
    let error = loop {
        match publisher.send(b"1") {
            Ok(()) => std::thread::sleep(Duration::from_millis(1)),
            Err(error) => break error.to_string(),
        }
    };
    for part in ["meter7", EPOCH, "00000000000000ff", "has 0 messages"] {
        assert!(error.contains(part), "{error}");
    }
    drop(publisher);
    script.join();
}

fn a_full_window_waits_for_acknowledgements<P: Publisher>() {
    let (sender, sent) = mpsc::channel::<u32>();
    let script = Script::run(move |hub| {
        let mut connection = hub.accept(METER);
        connection.go_on(0);
        connection.expect(&["0", "1", "2"]);
        // The fourth waits. That it does not come while nothing is acknowledged cannot be waited
        // for, so it is asked when the third has come.
        assert_eq!(sent.try_iter().max().unwrap_or(2).max(2), 2);
        connection.say("ACK 1");
        connection.expect(&["3"]);
        connection.say("ACK 4");
        connection.expect_end();
        connection.say("ACK 4");
        connection.end();
    });
    let mut publisher = P::new(&script.address, meter().window(1000, 3));
    for n in 0..4_u32 {
        publisher.send(n.to_string().as_bytes()).unwrap();
        sender.send(n).unwrap();
    }
    publisher.close().unwrap();
    drop(publisher);
    script.join();
}

fn a_hub_that_never_acknowledges_does_not_keep_it_from_being_dropped<P: Publisher>() {
    let (got, has_it) = mpsc::channel();
    let script = Script::run(move |hub| {
        let mut connection = hub.accept(METER);
        connection.go_on(0);
        connection.expect(&["0"]);
        got.send(()).unwrap();
        connection.wait_for_end();
    });
    let mut publisher = P::new(&script.address, meter());
    publisher.send(b"0").unwrap();
    has_it.recv_timeout(BOUND).unwrap();
    drop(publisher);
    script.join();
}

fn a_hub_that_takes_nothing_does_not_keep_it_from_being_dropped<P: Publisher>() {
    let (dropped, is_dropped) = mpsc::channel();
    let script = Script::run(move |hub| {
        let mut connection = hub.accept(METER);
        connection.go_on(0);
        is_dropped.recv_timeout(BOUND).unwrap();
        connection.wait_for_end();
    });
    let mut publisher = P::new(&script.address, meter().window(64 << 20, 1000));
    publisher.send(&vec![b'x'; 32 << 20]).unwrap();
    assert_eq!(publisher.committed().unwrap(), 0);
    drop(publisher);
    dropped.send(()).unwrap();
    script.join();
}

fn a_history_leaves_out_what_the_hub_has<P: Publisher>() {
    let script = Script::run(|hub| {
        let mut connection = hub.accept(METER);
        connection.go_on(2);
        connection.expect(&["2", "3"]);
        connection.expect_end();
        connection.say("ACK 4");
        connection.end();
    });
    let mut publisher = P::new(&script.address, meter().start(Start::History));
    for n in 0..4 {
        publisher.send(n.to_string().as_bytes()).unwrap();
    }
    publisher.close().unwrap();
    assert_eq!(publisher.counts(), (4, 4));
    drop(publisher);
    script.join();
}

fn acks_none_are_known_at_the_end<P: Publisher>() {
    let script = Script::run(|hub| {
        let mut connection = hub.accept("PUBLISH ticks acks=none");
        connection.say(&format!("OK epoch={EPOCH} next=0 acks=none"));
        connection.expect(&["0", "1"]);
        connection.expect_end();
        connection.say("ACK 2");
        connection.end();
    });
    let mut publisher = P::new(&script.address, options().acks(Acks::None));
    publisher.send(b"0").unwrap();
    publisher.send(b"1").unwrap();
    publisher.flush().unwrap();
    assert_eq!(publisher.counts(), (2, 0));
    publisher.close().unwrap();
    assert_eq!(publisher.counts(), (2, 2));
    drop(publisher);
    script.join();
}

fn many_messages_arrive_in_order_over_many_connections<P: Publisher>() {
    const MESSAGES: u64 = 20_000;
    let script = Script::run(|hub| {
        let mut next = 0;
        while next < MESSAGES {
            let mut connection = hub.accept(METER);
            connection.go_on(next);
            let until = (next + 3_333).min(MESSAGES);
            while next < until {
                assert_eq!(connection.frame(), next.to_string().as_bytes());
                next += 1;
                if next % 100 == 0 {
                    connection.say(&format!("ACK {next}"));
                }
            }
            if next == MESSAGES {
                connection.expect_end();
                connection.say(&format!("ACK {next}"));
                connection.end();
            }
            // Otherwise it is cut with a reset, and acknowledgements may be lost.
        }
    });
    let mut publisher = P::new(&script.address, meter());
    for n in 0..MESSAGES {
        publisher.send(n.to_string().as_bytes()).unwrap();
    }
    publisher.close().unwrap();
    assert_eq!(publisher.counts(), (MESSAGES, MESSAGES));
    drop(publisher);
    script.join();
}

fn acknowledgements_are_read_while_it_writes<P: Publisher>() {
    // A hub that waits until its acknowledgements are taken would wait forever otherwise.
    const MESSAGES: u64 = 30_000;
    let script = Script::run(|hub| {
        let mut connection = hub.accept(METER);
        connection.go_on(0);
        for n in 1..=MESSAGES {
            connection.frame();
            for _ in 0..20 {
                connection.say(&format!("ACK {n}"));
            }
        }
        connection.expect_end();
        connection.end();
    });
    let mut publisher = P::new(&script.address, meter().window(1 << 20, 1_000_000));
    let message = [b'x'; 1000];
    for _ in 0..MESSAGES {
        publisher.send(&message).unwrap();
    }
    publisher.close().unwrap();
    drop(publisher);
    script.join();
}

fn the_observer_is_told<P: Publisher>() {
    let script = Script::run(|hub| {
        let mut connection = hub.accept(METER);
        connection.go_on(0);
        connection.expect(&["0"]);
        connection.end();
        let mut connection = hub.accept(METER);
        connection.go_on(1);
        connection.expect_end();
        connection.say("ACK 1");
        connection.end();
    });
    let (tell, told) = mpsc::channel();
    let options = meter().observer(move |notice| {
        let word = match notice {
            Notice::Connected(answer) => format!("connected at {}", answer.next),
            Notice::Disconnected(cut) => cut.reason.to_string(),
            other => panic!("{other:?}"),
        };
        let _ = tell.send(word);
    });
    let mut publisher = P::new(&script.address, options);
    publisher.send(b"0").unwrap();
    publisher.flush().unwrap();
    publisher.close().unwrap();
    drop(publisher);
    script.join();
    let told: Vec<String> = told.iter().collect();
    assert_eq!(
        told,
        [
            "connected at 0",
            "the hub closed the connection",
            "connected at 1"
        ]
    );
}

fn a_unix_socket_will_do<P: Publisher>() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let hub = std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let mut got = vec![0; METER.len() + 10];
        connection.read_exact(&mut got).unwrap();
        let leave = format!("44        OK epoch={EPOCH} next=0 acks=memory");
        connection.write_all(leave.as_bytes()).unwrap();
        got.clear();
        connection.read_to_end(&mut got).unwrap();
        connection.write_all(b"5         ACK 1").unwrap();
        got
    });
    let mut publisher = P::new(Address::Unix(path), meter());
    publisher.send(b"hello").unwrap();
    publisher.close().unwrap();
    assert_eq!(hub.join().unwrap(), b"5         hello");
}

fn a_first_connection_that_fails_is_an_error<P: Publisher>() {
    let script = Script::run(|_| {});
    let nobody = script.address.clone();
    script.join();
    let mut publisher = P::new(&nobody, meter());
    assert!(matches!(publisher.committed(), Err(Error::Connect { .. })));
    assert!(matches!(publisher.close(), Err(Error::Connect { .. })));
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
        instantiate! { blocking, tenfold::blocking::Publisher: $($case)* }
        #[cfg(feature = "tokio")]
        instantiate! { tokio, crate::clients::Tokio<tenfold::asynchronous::Publisher>: $($case)* }
    };
}

suite! {
    a_message_goes_out_by_itself
    nothing_is_sent_before_the_answer
    resends_exactly_what_is_missing
    without_a_name_it_makes_one_up_and_keeps_it
    fenced_is_final
    a_lost_history_is_final
    a_full_window_waits_for_acknowledgements
    a_hub_that_never_acknowledges_does_not_keep_it_from_being_dropped
    a_hub_that_takes_nothing_does_not_keep_it_from_being_dropped
    a_history_leaves_out_what_the_hub_has
    acks_none_are_known_at_the_end
    many_messages_arrive_in_order_over_many_connections
    acknowledgements_are_read_while_it_writes
    the_observer_is_told
    a_unix_socket_will_do
    a_first_connection_that_fails_is_an_error
}
