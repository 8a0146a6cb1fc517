//! A hub over real sockets, with the clients of crate `tenfold`.

mod common;

use std::net::TcpListener;

use common::within;
use tenfold::asynchronous::{Publisher, Subscriber};
use tenfold::client::{Publish, Subscribe};
use tenfold::protocol::Position;
use tenfold::{Address, Listener};
use tenfold_hub::{Hub, HubOptions, Port};

fn start(options: HubOptions) -> (Hub, Address) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().into();
    let port = Port::protocol(Listener::from(listener));
    (Hub::start([port], options).unwrap(), address)
}

/// A wake-up that got lost would be noticed only at the next message, and here there is none before
/// every subscriber has the last one.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_subscriber_that_waits_is_overlooked_when_two_append_at_once() {
    const ROUNDS: u64 = 1500;
    let (hub, address) = start(HubOptions::default());
    let channel = || "ticks".parse().unwrap();
    let options = || Subscribe::new(channel()).from(Position::First);
    let mut subscribers: Vec<Subscriber> = (0..20)
        .map(|_| Subscriber::new(address.clone(), options()))
        .collect();
    let mut publishers = [(); 2].map(|()| Publisher::new(address.clone(), Publish::new(channel())));
    for round in 0..ROUNDS {
        let [first, second] = &mut publishers;
        let (first, second) = tokio::join!(first.send(b"a"), second.send(b"b"));
        first.and(second).unwrap();
        for subscriber in &mut subscribers {
            for half in 0..2 {
                let message = within(subscriber.message()).await.unwrap().unwrap();
                assert_eq!(message.seq, 2 * round + half);
            }
        }
    }
    drop((publishers, subscribers));
    assert_eq!(hub.drain().await.messages, 2 * ROUNDS);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_channels_together_keep_no_more_than_they_may_and_the_largest_gives() {
    let mut options = HubOptions::default();
    options.memory = 4 << 20;
    let (hub, address) = start(options);
    let publish = |name: String, messages: usize| {
        let address = address.clone();
        async move {
            let options = Publish::new(name.parse().unwrap());
            let mut publisher = Publisher::new(address, options);
            for _ in 0..messages {
                publisher.send(&[b'x'; 10_000]).await.unwrap();
            }
            publisher.close().await.unwrap();
        }
    };
    publish("small".to_owned(), 10).await;
    publish("large".to_owned(), 2000).await;
    let stats = hub.stats();
    assert_eq!(stats.messages, 2010);
    assert!((2 << 20..=4 << 20).contains(&stats.bytes), "{stats:?}");
    let options = Subscribe::new("small".parse().unwrap()).from(Position::Seq(0));
    let mut subscriber = Subscriber::new(address.clone(), options);
    let message = within(subscriber.message()).await.unwrap().unwrap();
    assert_eq!((message.seq, message.bytes.len()), (0, 10_000));
}
