//! Clients of a hub over TLS.

use std::io::{Read, Write};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tenfold::client::{Error, Publish, Retry, Subscribe, SubscriberEvent};
use tenfold::protocol::Position;
use tenfold::tls::Server;
use tenfold::{Address, Stream, asynchronous, blocking, closing};

use crate::authority::trusting;

const EPOCH: &str = "0123456789abcdef";

/// A hub that does what a test tells it, over TLS.
fn hub(
    server: &Server,
    script: impl FnOnce(&dyn Fn() -> Stream) + Send + 'static,
) -> (Address, JoinHandle<()>) {
    let listener = "tls://127.0.0.1:0"
        .parse::<Address>()
        .unwrap()
        .listen_as(server)
        .unwrap();
    let address = listener.local_address().unwrap();
    let accept = move || {
        let stream = listener.accept().unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        stream
    };
    (address, thread::spawn(move || script(&accept)))
}

fn frame(stream: &mut Stream) -> String {
    let mut header = [0; 10];
    stream.read_exact(&mut header).unwrap();
    let length = str::from_utf8(&header).unwrap().trim_end();
    let mut payload = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut payload).unwrap();
    String::from_utf8(payload).unwrap()
}

fn say(stream: &mut Stream, payload: &str) {
    write!(stream, "{:<10}{payload}", payload.len()).unwrap();
}

/// Ends TCP, and says nothing of that over TLS.
fn cut(stream: Stream) {
    use std::os::fd::AsFd;

    socket2::SockRef::from(&stream.as_fd())
        .shutdown(std::net::Shutdown::Write)
        .unwrap();
    drop(stream);
}

fn endless() -> Subscribe {
    Subscribe::new("ticks".parse().unwrap()).from(Position::First)
}

fn until_end() -> Subscribe {
    endless().until_end()
}

/// A subscriber's stream that is cut after its first message, and goes on in the next connection.
fn cut_and_again(accept: &dyn Fn() -> Stream) {
    let mut stream = accept();
    assert_eq!(frame(&mut stream), "SUBSCRIBE ticks from=first");
    say(
        &mut stream,
        &format!("OK epoch={EPOCH} from=0 first=0 next=2"),
    );
    say(&mut stream, "hello");
    cut(stream);
    let mut stream = accept();
    assert_eq!(
        frame(&mut stream),
        format!("SUBSCRIBE ticks from=1 epoch={EPOCH}")
    );
    say(
        &mut stream,
        &format!("OK epoch={EPOCH} from=1 first=0 next=2"),
    );
    say(&mut stream, "world");
    let _ = closing::finish(&stream);
}

/// A message, or that the connection was cut.
fn what_is_seen(event: SubscriberEvent<'_>) -> Option<String> {
    match event {
        SubscriberEvent::Message(message) => {
            Some(String::from_utf8(message.bytes.to_vec()).unwrap())
        }
        SubscriberEvent::Disconnected(why) => {
            assert!(matches!(why.reason, Error::Cut), "{why}");
            Some("cut".to_owned())
        }
        _ => None,
    }
}

#[test]
fn a_subscriber_that_waits_says_cut_and_goes_on_where_it_was() {
    let (server, client) = trusting();
    let (address, thread) = hub(&server, cut_and_again);
    let mut subscriber = blocking::Subscriber::new(&address, until_end().tls(client)).unwrap();
    let mut seen = Vec::new();
    while let Some(event) = subscriber.next_event().unwrap() {
        seen.extend(what_is_seen(event));
    }
    assert_eq!(seen, ["hello", "cut", "world"]);
    thread.join().unwrap();
}

#[tokio::test]
async fn a_subscriber_in_a_runtime_says_cut_and_goes_on_where_it_was() {
    let (server, client) = trusting();
    let (address, thread) = hub(&server, cut_and_again);
    let mut subscriber = asynchronous::Subscriber::new(address, until_end().tls(client));
    let mut seen = Vec::new();
    while let Some(event) = subscriber.next_event().await.unwrap() {
        seen.extend(what_is_seen(event));
    }
    assert_eq!(seen, ["hello", "cut", "world"]);
    thread.join().unwrap();
}

/// A hub that sends one message, and goes on until its subscriber ends.
fn sends_one(accept: &dyn Fn() -> Stream) {
    let mut stream = accept();
    frame(&mut stream);
    say(
        &mut stream,
        &format!("OK epoch={EPOCH} from=0 first=0 next=1"),
    );
    say(&mut stream, "hello");
    assert_eq!(stream.read(&mut [0; 10]).unwrap(), 0, "the end is said");
}

#[test]
fn a_subscriber_that_waits_says_the_end_when_it_has_what_it_wanted() {
    let (server, client) = trusting();
    let (address, thread) = hub(&server, sends_one);
    let mut subscriber = blocking::Subscriber::new(&address, until_end().tls(client)).unwrap();
    assert_eq!(subscriber.message().unwrap().unwrap().bytes, b"hello");
    assert!(subscriber.message().unwrap().is_none());
    thread.join().unwrap();
}

#[tokio::test]
async fn a_subscriber_in_a_runtime_says_the_end_when_it_has_what_it_wanted() {
    let (server, client) = trusting();
    let (address, thread) = hub(&server, sends_one);
    let mut subscriber = asynchronous::Subscriber::new(address, until_end().tls(client));
    assert_eq!(subscriber.message().await.unwrap().unwrap().bytes, b"hello");
    assert!(subscriber.message().await.unwrap().is_none());
    thread.join().unwrap();
}

#[test]
fn a_subscriber_that_waits_says_the_end_when_it_is_dropped_or_stopped() {
    let (server, client) = trusting();
    for stops in [false, true] {
        let (address, thread) = hub(&server, sends_one);
        let options = endless().tls(client.clone());
        let mut subscriber = blocking::Subscriber::new(&address, options).unwrap();
        assert_eq!(subscriber.message().unwrap().unwrap().bytes, b"hello");
        if stops {
            subscriber.stopper().stop();
            assert!(matches!(subscriber.message(), Err(Error::Stopped)));
            thread.join().unwrap();
        } else {
            drop(subscriber);
            thread.join().unwrap();
        }
    }
}

/// So does one that outlives its runtime.
#[test]
fn a_subscriber_in_a_runtime_says_the_end_when_it_is_dropped() {
    let (server, client) = trusting();
    for outlives in [false, true] {
        let (address, thread) = hub(&server, sends_one);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let mut subscriber = asynchronous::Subscriber::new(address, endless().tls(client.clone()));
        let message = runtime.block_on(subscriber.message());
        assert_eq!(message.unwrap().unwrap().bytes, b"hello");
        if outlives {
            drop(runtime);
        }
        drop(subscriber);
        thread.join().unwrap();
    }
}

#[test]
fn a_cut_is_not_a_success_of_a_subscriber_that_reads_to_the_end() {
    let (server, client) = trusting();
    let (address, thread) = hub(&server, |accept| {
        let mut stream = accept();
        frame(&mut stream);
        say(
            &mut stream,
            &format!("OK epoch={EPOCH} from=0 first=0 next=2"),
        );
        say(&mut stream, "hello");
        cut(stream);
    });
    let options = until_end().tls(client).once_connected(Retry::Never);
    let mut subscriber = blocking::Subscriber::new(&address, options).unwrap();
    assert_eq!(subscriber.message().unwrap().unwrap().bytes, b"hello");
    let error = subscriber.message().unwrap_err();
    assert!(matches!(error.root(), Error::Cut), "{error}");
    thread.join().unwrap();
}

fn takes_a_publisher(accept: &dyn Fn() -> Stream) {
    let mut stream = accept();
    assert_eq!(frame(&mut stream), "PUBLISH ticks producer=meter7");
    say(&mut stream, &format!("OK epoch={EPOCH} next=0 acks=memory"));
    for n in 0..1000 {
        let message = frame(&mut stream);
        assert_eq!(message, format!("{n:>5000}"));
    }
    say(&mut stream, "ACK 1000");
    assert_eq!(stream.read(&mut [0; 10]).unwrap(), 0, "the end is said");
    let _ = closing::finish(&stream);
}

fn meter() -> Publish {
    Publish::new("ticks".parse().unwrap()).producer("meter7".parse().unwrap())
}

#[test]
fn a_publisher_that_waits_sends_everything_and_says_the_end() {
    let (server, client) = trusting();
    let (address, thread) = hub(&server, takes_a_publisher);
    let mut publisher = blocking::Publisher::new(&address, meter().tls(client)).unwrap();
    publisher.set_timeout(Some(Duration::from_secs(30)));
    for n in 0..1000 {
        publisher.send(format!("{n:>5000}").as_bytes()).unwrap();
    }
    publisher.close().unwrap();
    thread.join().unwrap();
}

#[tokio::test]
async fn a_publisher_in_a_runtime_sends_everything_and_says_the_end() {
    let (server, client) = trusting();
    let (address, thread) = hub(&server, takes_a_publisher);
    let mut publisher = asynchronous::Publisher::new(address, meter().tls(client));
    for n in 0..1000 {
        publisher
            .send(format!("{n:>5000}").as_bytes())
            .await
            .unwrap();
    }
    publisher.close().await.unwrap();
    thread.join().unwrap();
}
