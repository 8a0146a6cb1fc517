//! Calls of the blocking clients that are ended from outside: by another thread, and by time.

use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use tenfold::blocking::{Publisher, Stopper, Subscriber};
use tenfold::client::{Error, Publish, Retry, Subscribe};

use crate::fake_hub::{BOUND, Script};

fn subscribe() -> Subscribe {
    Subscribe::new("ticks".parse().unwrap()).until_connected(Retry::Forever)
}

fn publish() -> Publish {
    Publish::new("ticks".parse().unwrap())
        .producer("meter7".parse().unwrap())
        .until_connected(Retry::Forever)
}

const PUBLISH: &str = "PUBLISH ticks producer=meter7";

/// Makes a call in a thread, and waits until the system says that the thread sleeps in it.
fn blocked<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> Receiver<T> {
    let (give_thread, thread) = mpsc::channel();
    let (give, result) = mpsc::channel();
    std::thread::spawn(move || {
        let of_this_thread = std::fs::read_link("/proc/thread-self").unwrap();
        give_thread.send(of_this_thread).unwrap();
        give.send(call()).unwrap();
    });
    let stat = std::path::Path::new("/proc")
        .join(thread.recv().unwrap())
        .join("stat");
    let bound = Instant::now() + BOUND;
    loop {
        let stat = std::fs::read_to_string(&stat).unwrap();
        let (_, state) = stat.rsplit_once(") ").unwrap();
        if state.starts_with('S') {
            return result;
        }
        assert!(Instant::now() < bound, "the thread does not wait: {state}");
        std::thread::yield_now();
    }
}

/// Stops a client; its call must return [`Error::Stopped`].
fn stop<T: std::fmt::Debug>(stopper: &Stopper, result: &Receiver<Result<T, Error>>) {
    stopper.stop();
    let result = result.recv_timeout(BOUND).unwrap();
    assert!(matches!(result, Err(Error::Stopped)), "{result:?}");
}

#[test]
fn a_subscriber_that_waits_for_a_message_is_stopped() {
    let script = Script::run(|hub| {
        let mut connection = hub.accept("SUBSCRIBE ticks from=next");
        connection.streams(7, 7, 7);
        connection.say("hello");
        connection.wait_for_end();
    });
    let mut subscriber = Subscriber::new(&script.address, subscribe()).unwrap();
    assert_eq!(subscriber.message().unwrap().unwrap().seq, 7);
    let stopper = subscriber.stopper();
    let result = blocked(move || {
        let result = subscriber.message().map(drop);
        assert_eq!(subscriber.message().unwrap(), None, "it has ended");
        assert_eq!(subscriber.next_seq(), Some(8), "where to go on is known");
        result
    });
    stop(&stopper, &result);
    script.join();
}

#[test]
fn a_subscriber_that_waits_to_try_again_is_stopped() {
    let script = Script::run(|_| {});
    let nobody = script.address.clone();
    script.join();
    let mut subscriber = Subscriber::new(&nobody, subscribe()).unwrap();
    let stopper = subscriber.stopper();
    stop(&stopper, &blocked(move || subscriber.connect()));
}

/// A unix socket that nobody accepts at, with no room for another connection to wait.
fn full(folder: &tempfile::TempDir) -> (std::os::fd::OwnedFd, Vec<UnixStream>, tenfold::Address) {
    let path = folder.path().join("hub");
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    socket
        .bind(&socket2::SockAddr::unix(&path).unwrap())
        .unwrap();
    socket.listen(0).unwrap();
    let waiting = vec![UnixStream::connect(&path).unwrap()];
    let address = format!("unix:{}", path.display()).parse().unwrap();
    (socket.into(), waiting, address)
}

#[test]
fn clients_that_wait_for_a_connection_are_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let (_listener, _waiting, hub) = full(&folder);
    let forever = Duration::MAX;
    let options = subscribe().connect_timeout(forever);
    let mut subscriber = Subscriber::new(&hub, options).unwrap();
    let stopper = subscriber.stopper();
    stop(&stopper, &blocked(move || subscriber.connect()));

    let options = publish().connect_timeout(forever);
    let mut publisher = Publisher::new(&hub, options).unwrap();
    let stopper = publisher.stopper();
    stop(&stopper, &blocked(move || publisher.committed()));
}

#[test]
fn a_publisher_that_waits_for_room_or_acknowledgements_is_stopped() {
    type Call = fn(&mut Publisher) -> Result<(), Error>;
    let calls: [Call; 3] = [
        |publisher| publisher.send(b"no room"),
        Publisher::flush,
        Publisher::close,
    ];
    for call in calls {
        let (give, has_arrived) = mpsc::channel();
        let script = Script::run(move |hub| {
            let mut connection = hub.accept(PUBLISH);
            connection.go_on(0);
            connection.expect(&["hello"]);
            give.send(()).unwrap();
            connection.wait_for_end();
        });
        let options = publish().window(1, 1);
        let mut publisher = Publisher::new(&script.address, options).unwrap();
        publisher.send(b"hello").unwrap();
        has_arrived.recv().unwrap();
        let stopper = publisher.stopper();
        let result = blocked(move || {
            let result = call(&mut publisher);
            assert!(matches!(publisher.send(b"more"), Err(Error::Stopped)));
            result
        });
        stop(&stopper, &result);
        script.join();
    }
}

#[test]
fn a_client_that_was_stopped_before_its_first_call_makes_no_connection() {
    let script = Script::run(|hub| assert!(hub.is_left_alone()));
    let mut subscriber = Subscriber::new(&script.address, subscribe()).unwrap();
    subscriber.stopper().stop();
    assert!(matches!(subscriber.message(), Err(Error::Stopped)));
    assert_eq!(subscriber.message().unwrap(), None);
    script.join();
}

#[test]
fn a_subscriber_goes_on_after_a_call_that_took_too_long() {
    let (late, is_late) = mpsc::channel();
    let script = Script::run(move |hub| {
        let mut connection = hub.accept("SUBSCRIBE ticks from=next");
        is_late.recv().unwrap();
        connection.streams(7, 7, 7);
        connection.bytes(b"5         hel");
        is_late.recv().unwrap();
        connection.bytes(b"lo");
        connection.wait_for_end();
    });
    let short = Some(Duration::from_millis(1));
    let mut subscriber = Subscriber::new(&script.address, subscribe()).unwrap();
    subscriber.set_timeout(short);
    let result = subscriber.connect();
    assert!(matches!(result, Err(Error::TimedOut { .. })), "{result:?}");
    late.send(()).unwrap();
    subscriber.set_timeout(None);
    assert_eq!(subscriber.connect().unwrap().from, 7);
    subscriber.set_timeout(short);
    let result = subscriber.message();
    assert!(matches!(result, Err(Error::TimedOut { .. })), "{result:?}");
    late.send(()).unwrap();
    subscriber.set_timeout(None);
    assert_eq!(subscriber.message().unwrap().unwrap().bytes, b"hello");
    drop(subscriber);
    script.join();
}

#[test]
fn a_publisher_goes_on_after_a_call_that_took_too_long() {
    let (late, is_late) = mpsc::channel();
    let script = Script::run(move |hub| {
        let mut connection = hub.accept(PUBLISH);
        connection.go_on(0);
        connection.expect(&["first"]);
        is_late.recv().unwrap();
        connection.say("ACK 1");
        connection.expect(&["second"]);
        is_late.recv().unwrap();
        connection.say("ACK 2");
        connection.end();
    });
    let short = Some(Duration::from_millis(1));
    let options = publish().window(1, 1);
    let mut publisher = Publisher::new(&script.address, options).unwrap();
    publisher.send(b"first").unwrap();
    publisher.set_timeout(short);
    let result = publisher.send(b"cancelled");
    assert!(matches!(result, Err(Error::TimedOut { .. })), "{result:?}");
    assert_eq!(publisher.sent(), 1, "a message that timed out is not taken");
    late.send(()).unwrap();
    publisher.set_timeout(None);
    publisher.send(b"second").unwrap();
    publisher.set_timeout(short);
    let result = publisher.close();
    assert!(matches!(result, Err(Error::TimedOut { .. })), "{result:?}");
    late.send(()).unwrap();
    publisher.set_timeout(None);
    publisher.close().unwrap();
    drop(publisher);
    script.join();
}
