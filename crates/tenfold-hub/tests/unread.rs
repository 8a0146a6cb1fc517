//! A channel that cannot be read, when the hub starts or later, and can be read again: it is there all the time.

mod common;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use common::within;
use tenfold::Listener;
use tenfold_hub::{Hub, HubOptions, Port};
use tenfold_log::storage::{Fault, Kind, Memory};
use tenfold_log::{Options, Threads};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

struct Rig {
    hub: Hub,
    address: SocketAddr,
    threads: Threads,
}

/// What the epoch of every new channel is.
const RANDOM: u64 = 7;
const EAGAIN: i32 = 11;

impl Rig {
    fn start(memory: &Memory) -> Self {
        let opened = tenfold_log::open(Arc::new(memory.clone()), Options::new(|| RANDOM)).unwrap();
        let (log, _, threads) = opened.start().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let ports = [Port::protocol(Listener::from(listener))];
        Self {
            hub: Hub::with_log(ports, HubOptions::default(), log).unwrap(),
            address,
            threads,
        }
    }

    async fn end(self) {
        within(self.hub.drain()).await;
        assert!(self.threads.stop());
    }

    /// Connects, and sends some frames.
    async fn send(&self, frames: &[&str]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        for message in frames {
            let frame = format!("{:<10}{message}", message.len());
            stream.write_all(frame.as_bytes()).await.unwrap();
        }
        stream
    }

    async fn publish(&self, channel: &str, messages: &[&str]) {
        let request = format!("PUBLISH {channel} acks=durable");
        let mut stream = self.send(&[&[request.as_str()], messages].concat()).await;
        let all = format!("ACK {}", messages.len());
        while hear(&mut stream).await != all {}
    }

    /// The answer to a request, and the epoch in it.
    async fn epoch(&self, channel: &str) -> String {
        let answer = hear(&mut self.send(&[&format!("SUBSCRIBE {channel}")]).await).await;
        let epoch = answer.split(' ').find(|field| field.starts_with("epoch="));
        epoch.unwrap().to_owned()
    }
}

async fn hear(stream: &mut TcpStream) -> String {
    within(async {
        let mut header = [0; 10];
        stream.read_exact(&mut header).await.unwrap();
        let length = std::str::from_utf8(&header).unwrap().trim_end();
        let mut message = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut message).await.unwrap();
        String::from_utf8(message).unwrap()
    })
    .await
}

/// Channels `a` and `b` of two messages each, of which the next hub cannot read `a`; and the epoch of `a`.
async fn unread() -> (Memory, Rig, String) {
    let memory = Memory::new();
    let first = Rig::start(&memory);
    for channel in ["a", "b"] {
        first.publish(channel, &["one", "two"]).await;
    }
    let epoch = first.epoch("a").await;
    first.end().await;
    // The lock goes with the last of its tasks.
    let memory = memory.image_kept();
    memory.fail(Fault::next(Kind::Open).on("channels/a/").forever());
    let rig = Rig::start(&memory);
    (memory, rig, epoch)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_knows_a_channel_waits_for_it_and_goes_on_where_it_was() {
    let (memory, rig, epoch) = unread().await;
    let place = format!("a {epoch} from=1");
    let mut follower = rig.send(&["FOLLOW * from=first", &place, ""]).await;
    assert_eq!(hear(&mut follower).await, "OK channels=1");
    assert!(hear(&mut follower).await.starts_with("@b epoch="));
    // The simulation has found that it was told to be deleted.
    assert_eq!(hear(&mut follower).await, "@a unreadable");
    assert!(hear(&mut follower).await.ends_with("from=0 count=2"));
    assert_eq!(hear(&mut follower).await, "one");
    assert_eq!(hear(&mut follower).await, "two");
    memory.forget_faults();
    let heading = hear(&mut follower).await;
    assert!(heading.starts_with("@a epoch="), "{heading}");
    assert!(heading.ends_with("from=1 count=1"), "{heading}");
    assert_eq!(hear(&mut follower).await, "two");
    drop(follower);
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_does_not_know_a_channel_gets_all_of_it_when_it_can_be_read() {
    let (memory, rig, _) = unread().await;
    let mut follower = rig.send(&["FOLLOW a* from=first", ""]).await;
    assert_eq!(hear(&mut follower).await, "OK channels=0");
    memory.forget_faults();
    let heading = hear(&mut follower).await;
    assert!(heading.ends_with("from=0 count=2"), "{heading}");
    assert_eq!(hear(&mut follower).await, "one");
    drop(follower);
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_in_another_history_of_it_is_told_when_it_can_be_read() {
    let (memory, rig, _) = unread().await;
    let place = "a epoch=0123456789abcdef from=9";
    let mut follower = rig.send(&["FOLLOW a from=first", place, ""]).await;
    assert_eq!(hear(&mut follower).await, "OK channels=0");
    assert_eq!(hear(&mut follower).await, "@a unreadable");
    memory.forget_faults();
    let heading = hear(&mut follower).await;
    assert!(heading.ends_with("first=0"), "{heading}");
    assert!(hear(&mut follower).await.ends_with("from=0 count=2"));
    drop(follower);
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_deletes_it_is_told_that_it_cannot_be_read() {
    let (memory, rig, _) = unread().await;
    let answer = hear(&mut rig.send(&["DELETE a"]).await).await;
    let expected = "ERROR STORAGE the channel cannot be read: ";
    assert!(answer.starts_with(expected), "{answer}");
    memory.forget_faults();
    within(async {
        loop {
            let answer = hear(&mut rig.send(&["DELETE a"]).await).await;
            if answer.starts_with("OK ") {
                break assert!(answer.contains("next=2"), "{answer}");
            }
            // It is never told not to be there.
            assert!(answer.starts_with("ERROR STORAGE "), "{answer}");
        }
    })
    .await;
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_gets_each_message_once_after_its_channel_could_not_be_read_for_long() {
    let memory = Memory::new();
    let first = Rig::start(&memory);
    first.publish("a", &["one", "two"]).await;
    first.end().await;
    // The lock goes with the last of its tasks.
    let memory = memory.image_kept();
    let rig = Rig::start(&memory);
    let of_channel = |kind| Fault::next(kind).on("channels/a/").forever();
    memory.fail(of_channel(Kind::ReadCached).errno(EAGAIN));
    memory.fail(of_channel(Kind::Read));
    let mut follower = rig.send(&["FOLLOW a from=first", ""]).await;
    assert_eq!(hear(&mut follower).await, "OK channels=1");
    assert!(hear(&mut follower).await.ends_with("from=0 count=0 next=2"));
    assert_eq!(hear(&mut follower).await, "@a unreadable");
    // It is tried again, in vain. The channel had two turns from then on.
    let reads = || {
        let calls = memory.trace();
        let reads = calls.iter().filter(|call| call.kind == Kind::Read);
        reads
            .filter(|call| call.path.starts_with("channels/a/"))
            .count()
    };
    let before = reads();
    within(async {
        while reads() < before + 2 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await;
    memory.forget_faults();
    assert!(hear(&mut follower).await.ends_with("from=0 count=2"));
    assert_eq!(hear(&mut follower).await, "one");
    assert_eq!(hear(&mut follower).await, "two");
    rig.publish("a", &["three"]).await;
    assert!(hear(&mut follower).await.ends_with("from=2 count=1"));
    assert_eq!(hear(&mut follower).await, "three");
    drop(follower);
    rig.end().await;
}
