//! Cases of subscribers, for both kinds.

use std::time::Duration;

use tenfold::client::{Error, OnGap, Retry, Subscribe};
use tenfold::protocol::{Code, Position};

use crate::clients::{Seen, Subscriber};
use crate::fake_hub::{EPOCH, Script};

fn first() -> Subscribe {
    Subscribe::new("ticks".parse().unwrap())
        .from(Position::First)
        .seed(1)
}

fn message<S: Subscriber>(subscriber: &mut S, seq: u64, text: &str) {
    assert_eq!(
        subscriber.message().unwrap(),
        Some((seq, text.to_owned())),
        "message {seq}"
    );
}

fn resumed(next: u64) -> String {
    format!("SUBSCRIBE ticks from={next} epoch={EPOCH}")
}

fn events_tell_where_it_stands<S: Subscriber>() {
    let script = Script::run(|hub| {
        let mut connection = hub.accept("SUBSCRIBE ticks from=first");
        connection.bytes(format!("47        OK epoch={EPOCH} from=0 first=0 next=2").as_bytes());
        connection.bytes(b"5         hello5         world");
        connection.wait_for_end();
    });
    let mut subscriber = S::new(&script.address, first());
    assert_eq!(subscriber.buffered(), None, "it does not connect for that");
    let connected = Seen::Connected {
        from: 0,
        first: 0,
        next: 2,
    };
    assert_eq!(subscriber.next().unwrap(), connected);
    assert_eq!(
        subscriber.place(),
        (Some(0), Some(EPOCH.parse().unwrap()), Some(2))
    );
    message(&mut subscriber, 0, "hello");
    message(&mut subscriber, 1, "world");
    assert_eq!(subscriber.buffered(), None);
    assert_eq!(subscriber.place().0, Some(2));
    drop(subscriber);
    script.join();
}

fn resumes_behind_the_last_whole_message<S: Subscriber>() {
    // Cut between frames, in a header, in a payload, behind a header, and by garbage.
    for rest in [
        &b""[..],
        b"5    ",
        b"5         wor",
        b"5         ",
        b"GET / HTTP/1.1",
    ] {
        let script = Script::run(move |hub| {
            let mut connection = hub.accept("SUBSCRIBE ticks from=first");
            connection.streams(7, 7, 9);
            connection.say("hello");
            connection.bytes(rest);
            connection.end();
            let mut connection = hub.accept(&resumed(8));
            connection.streams(8, 7, 9);
            connection.say("world");
            connection.wait_for_end();
        });
        let mut subscriber = S::new(&script.address, first());
        message(&mut subscriber, 7, "hello");
        assert_eq!(subscriber.next().unwrap(), Seen::Disconnected);
        message(&mut subscriber, 8, "world");
        drop(subscriber);
        script.join();
    }
}

fn takes_bytes_one_by_one<S: Subscriber>() {
    let script = Script::run(|hub| {
        let mut connection = hub.accept("SUBSCRIBE ticks from=first");
        let answer = format!("47        OK epoch={EPOCH} from=0 first=0 next=2");
        let stream = [answer.as_bytes(), b"5         hello0         "].concat();
        for byte in stream {
            connection.bytes(&[byte]);
            std::thread::yield_now();
        }
        connection.wait_for_end();
    });
    let mut subscriber = S::new(&script.address, first());
    message(&mut subscriber, 0, "hello");
    message(&mut subscriber, 1, "");
    drop(subscriber);
    script.join();
}

fn gives_owned_messages<S: Subscriber>() {
    let large = "x".repeat(300_000);
    let sent = large.clone();
    let script = Script::run(move |hub| {
        let mut connection = hub.accept("SUBSCRIBE ticks from=first");
        connection.streams(3, 3, 5);
        connection.say("small");
        connection.say(&sent);
        connection.wait_for_end();
    });
    let mut subscriber = S::new(&script.address, first().until_end());
    assert_eq!(subscriber.owned().unwrap().unwrap(), (3, b"small".to_vec()));
    assert_eq!(
        subscriber.owned().unwrap().unwrap(),
        (4, large.into_bytes())
    );
    assert!(subscriber.owned().is_none());
    drop(subscriber);
    script.join();
}

fn stops_at_a_gap<S: Subscriber>() {
    let script = Script::run(|hub| {
        let mut connection = hub.accept("SUBSCRIBE ticks from=5");
        connection.say("ERROR TRIMMED first=9 that is no longer kept");
        connection.end();
        assert!(hub.is_left_alone());
    });
    let mut subscriber = S::new(&script.address, first().from(Position::Seq(5)));
    let error = subscriber.next().unwrap_err();
    assert_eq!(
        error.to_string(),
        "messages 5 to 8 are no longer kept; the next one is 9"
    );
    assert_eq!(subscriber.next().unwrap(), Seen::End);
    drop(subscriber);
    script.join();
}

fn goes_on_behind_a_gap<S: Subscriber>() {
    let script = Script::run(|hub| {
        let mut connection = hub.accept("SUBSCRIBE ticks from=5");
        connection.say("ERROR TRIMMED first=9 that is no longer kept");
        connection.end();
        let mut connection = hub.accept("SUBSCRIBE ticks from=first");
        connection.streams(10, 10, 11);
        connection.say("ten");
        connection.end();
        let mut connection = hub.accept(&resumed(11));
        connection.say("ERROR CORRUPT first=10 next=13 damaged");
        connection.end();
        let mut connection = hub.accept(&resumed(13));
        connection.streams(13, 10, 20);
        connection.end();
        let mut connection = hub.accept(&resumed(13));
        connection.say("ERROR EPOCH epoch=00000000000000ff first=0 another history");
        connection.end();
        let mut connection = hub.accept("SUBSCRIBE ticks from=first");
        connection.say("OK epoch=00000000000000ff from=0 first=0 next=0");
        connection.say("again");
        connection.wait_for_end();
    });
    let options = first().from(Position::Seq(5)).on_gap(OnGap::Continue);
    let mut subscriber = S::new(&script.address, options);
    let mut told = Vec::new();
    while told.len() < 4 {
        match subscriber.next().unwrap() {
            Seen::Gap(text) => told.push(text),
            Seen::Message(seq, text) => told.push(format!("{seq} {text}")),
            _ => {}
        }
    }
    assert_eq!(
        told,
        [
            "messages 5 to 9 are no longer kept; the next one is 10",
            "10 ten",
            "messages 11 to 12 are damaged on the hub's disk; the next one is 13",
            "the hub has another history of the channel (epoch 00000000000000ff, and \
             0123456789abcdef was asked for); message 13 was to come next; its first message is 0",
        ]
    );
    message(&mut subscriber, 0, "again");
    drop(subscriber);
    script.join();
}

fn a_final_refusal_is_not_tried_again<S: Subscriber>() {
    let script = Script::run(|hub| {
        let mut connection = hub.accept("SUBSCRIBE ticks from=9");
        connection.say("ERROR FUTURE next=2 that seq has not been reached");
        connection.end();
        assert!(hub.is_left_alone());
    });
    let options = first()
        .from(Position::Seq(9))
        .until_connected(Retry::Forever);
    let mut subscriber = S::new(&script.address, options);
    let error = subscriber.next().unwrap_err();
    assert!(matches!(&error, Error::Refused(r) if r.code == Some(Code::Future)));
    assert!(error.to_string().contains("FUTURE next=2 that seq"));
    drop(subscriber);
    script.join();
}

fn a_temporary_refusal_is_tried_again<S: Subscriber>() {
    let script = Script::run(|hub| {
        for code in ["BUSY", "SHUTDOWN", "TIMEOUT"] {
            let mut connection = hub.accept("SUBSCRIBE ticks from=first");
            connection.say(&format!("ERROR {code} words"));
            connection.end();
        }
        let mut connection = hub.accept("SUBSCRIBE ticks from=first");
        connection.streams(0, 0, 0);
        connection.wait_for_end();
    });
    let options = first().until_connected(Retry::Forever);
    let mut subscriber = S::new(&script.address, options);
    for _ in 0..3 {
        assert_eq!(subscriber.next().unwrap(), Seen::Disconnected);
    }
    assert!(matches!(subscriber.next().unwrap(), Seen::Connected { .. }));
    drop(subscriber);
    script.join();
}

fn what_is_not_a_hub_is_an_error<S: Subscriber>() {
    for answer in ["HTTP/1.1 400 Bad Request\r\n\r\n", "5         hello"] {
        let script = Script::run(move |hub| {
            let mut connection = hub.accept("SUBSCRIBE ticks from=first");
            connection.bytes(answer.as_bytes());
            connection.wait_for_end();
            assert!(hub.is_left_alone());
        });
        let options = first().until_connected(Retry::Forever);
        let mut subscriber = S::new(&script.address, options);
        let error = subscriber.next().unwrap_err();
        assert!(matches!(error, Error::Frame(_) | Error::Protocol(_)));
        drop(subscriber);
        script.join();
    }
}

fn a_first_connection_that_fails_is_an_error<S: Subscriber>() {
    let script = Script::run(|_| {});
    let nobody = script.address.clone();
    script.join();
    let error = S::new(&nobody, first()).next().unwrap_err();
    assert!(matches!(error, Error::Connect { .. }), "{error}");
    let words = format!("could not connect to {nobody}: Connection refused");
    assert!(error.to_string().starts_with(&words), "{error}");

    let time = Duration::from_millis(120);
    let options = first().until_connected(Retry::For(time));
    let error = S::new(&nobody, options).message().unwrap_err();
    assert!(matches!(error, Error::GaveUp { .. }), "{error}");
    assert!(matches!(error.root(), Error::Connect { .. }), "{error}");
}

fn a_hub_that_does_not_answer_in_time_is_an_error<S: Subscriber>() {
    let script = Script::run(|hub| {
        let mut connection = hub.accept("SUBSCRIBE ticks from=first");
        connection.bytes(b"47        OK");
        connection.wait_for_end();
    });
    let options = first().answer_timeout(Duration::from_millis(100));
    let mut subscriber = S::new(&script.address, options);
    let error = subscriber.next().unwrap_err();
    assert!(matches!(error, Error::NoAnswer { .. }), "{error}");
    drop(subscriber);
    script.join();
}

fn connect_returns_when_the_hub_has_answered<S: Subscriber>() {
    let script = Script::run(|hub| {
        hub.accept("SUBSCRIBE ticks from=first").end();
        let mut connection = hub.accept("SUBSCRIBE ticks from=first");
        connection.streams(7, 7, 8);
        connection.say("hello");
        connection.wait_for_end();
    });
    let mut subscriber = S::new(&script.address, first().until_connected(Retry::Forever));
    assert_eq!(subscriber.connect().unwrap(), 7);
    assert_eq!(subscriber.connect().unwrap(), 7);
    let connected = Seen::Connected {
        from: 7,
        first: 7,
        next: 8,
    };
    assert_eq!(subscriber.next().unwrap(), connected);
    message(&mut subscriber, 7, "hello");
    drop(subscriber);
    script.join();
}

fn connect_fails_as_any_call_does<S: Subscriber>() {
    let script = Script::run(|hub| {
        let mut connection = hub.accept("SUBSCRIBE ticks from=first");
        connection.say("ERROR DENIED not for you");
        connection.end();
    });
    let mut subscriber = S::new(&script.address, first());
    assert!(matches!(subscriber.connect(), Err(Error::Refused(_))));
    assert!(matches!(subscriber.connect(), Err(Error::Ended)));
    drop(subscriber);
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
        instantiate! { blocking, tenfold::blocking::Subscriber: $($case)* }
        #[cfg(feature = "tokio")]
        instantiate! { tokio, crate::clients::Tokio<tenfold::asynchronous::Subscriber>: $($case)* }
    };
}

suite! {
    events_tell_where_it_stands
    resumes_behind_the_last_whole_message
    takes_bytes_one_by_one
    gives_owned_messages
    stops_at_a_gap
    goes_on_behind_a_gap
    a_final_refusal_is_not_tried_again
    a_temporary_refusal_is_tried_again
    what_is_not_a_hub_is_an_error
    a_first_connection_that_fails_is_an_error
    a_hub_that_does_not_answer_in_time_is_an_error
    connect_returns_when_the_hub_has_answered
    connect_fails_as_any_call_does
}
