//! The tokio clients over virtual links, in virtual time: pauses, time-outs, cancelled calls.

use std::time::Duration;

use futures_util::future::{FutureExt, poll_immediate};
use tenfold::asynchronous::{Publisher, Subscriber, Timekeeper, Transport};
use tenfold::client::{Error, Publish, Retry, Subscribe, SubscriberEvent, Times};
use tenfold::protocol::Position;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::time::{Instant, advance, sleep};

const ANSWER: &[u8] = b"47        OK epoch=0123456789abcdef from=0 first=0 next=2";
const LEAVE: &[u8] = b"44        OK epoch=0123456789abcdef next=0 acks=memory";

/// Connections as a client makes them, and their other ends.
fn links(
    size: usize,
) -> (
    impl tenfold::asynchronous::Connect + 'static,
    mpsc::UnboundedReceiver<DuplexStream>,
) {
    let (give, accept) = mpsc::unbounded_channel();
    let connect = move || {
        let (hub, client) = duplex(size);
        let given = give.send(hub);
        async move {
            given.map_err(|_| std::io::ErrorKind::ConnectionRefused)?;
            Ok(Box::new(client) as Box<dyn Transport>)
        }
    };
    (connect, accept)
}

fn subscribe() -> Subscribe {
    Subscribe::new("ticks".parse().unwrap())
        .from(Position::First)
        .seed(3)
}

fn publish() -> Publish {
    Publish::new("ticks".parse().unwrap())
        .producer("meter7".parse().unwrap())
        .seed(3)
}

async fn read_frame(link: &mut DuplexStream) -> String {
    let mut header = [0; 10];
    link.read_exact(&mut header).await.unwrap();
    let length = str::from_utf8(&header).unwrap().trim_end();
    let mut payload = vec![0; length.parse().unwrap()];
    link.read_exact(&mut payload).await.unwrap();
    String::from_utf8(payload).unwrap()
}

#[tokio::test(start_paused = true)]
async fn pauses_grow_to_five_seconds_while_nobody_is_there() {
    let refuse = || async { Err(std::io::ErrorKind::ConnectionRefused.into()) };
    let options = subscribe().until_connected(Retry::For(Duration::from_secs(60)));
    let mut subscriber = Subscriber::new(refuse, options);
    let started = Instant::now();
    let mut longest = Duration::ZERO;
    loop {
        match subscriber.next_event().await {
            Ok(Some(SubscriberEvent::Disconnected(cut))) => longest = longest.max(cut.retry_in),
            Err(Error::GaveUp { .. }) => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(longest > Duration::from_secs(3) && longest <= Duration::from_secs(5));
    assert!(started.elapsed().abs_diff(Duration::from_secs(60)) < Duration::from_millis(50));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_never_made_is_given_up() {
    let never = || std::future::pending::<std::io::Result<Box<dyn Transport>>>();
    let mut subscriber = Subscriber::new(never, subscribe());
    let Err(Error::Connect {
        error,
        address: None,
    }) = subscriber.message().await
    else {
        panic!();
    };
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);

    let mut publisher = Publisher::new(never, publish());
    assert!(matches!(
        publisher.committed().await,
        Err(Error::Connect { .. })
    ));

    let options = Times::new("ticks".parse().unwrap()).connect_timeout(Duration::from_secs(3));
    let mut timekeeper = Timekeeper::new(never, options.answer_timeout(Duration::from_secs(1)));
    let started = Instant::now();
    assert!(matches!(timekeeper.of(0).await, Err(Error::Connect { .. })));
    assert_eq!(started.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_does_not_answer_is_given_up() {
    let (connect, mut accept) = links(1000);
    let mut subscriber = Subscriber::new(connect, subscribe());
    let started = Instant::now();
    let result = subscriber.message().await;
    assert!(matches!(result, Err(Error::NoAnswer { .. })));
    assert_eq!(started.elapsed().as_secs(), 5);
    assert!(accept.recv().now_or_never().is_some());

    let (connect, _accept) = links(1000);
    let mut publisher = Publisher::new(connect, publish());
    assert!(matches!(
        publisher.committed().await,
        Err(Error::NoAnswer { .. })
    ));
}

#[tokio::test(start_paused = true)]
async fn an_idle_subscription_is_left_alone() {
    let (connect, mut accept) = links(1000);
    let mut subscriber = Subscriber::new(connect, subscribe());
    let hub = tokio::spawn(async move {
        let mut link = accept.recv().await.unwrap();
        link.write_all(ANSWER).await.unwrap();
        tokio::time::sleep(Duration::from_secs(86_400)).await;
        link.write_all(b"3         day").await.unwrap();
        link
    });
    assert_eq!(subscriber.message().await.unwrap().unwrap().bytes, b"day");
    drop(hub);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_cancelled_anywhere_loses_nothing() {
    let (connect, mut accept) = links(7);
    let mut subscriber = Subscriber::new(connect, subscribe());
    tokio::spawn(async move {
        let mut from = 0;
        while let Some(mut link) = accept.recv().await {
            read_frame(&mut link).await;
            let answer = format!("OK epoch=0123456789abcdef from={from} first=0 next=99");
            let frame = format!("{:<10}{answer}", answer.len());
            link.write_all(frame.as_bytes()).await.unwrap();
            for seq in from..from + 10 {
                let text = format!("{:<10}{seq}", seq.to_string().len());
                link.write_all(text.as_bytes()).await.unwrap();
            }
            from += 10;
        }
    });
    let mut expected = 0;
    while expected < 50 {
        // A call that is not ready when it is polled once is dropped.
        match poll_immediate(subscriber.message()).await {
            Some(message) => {
                let message = message.unwrap().unwrap();
                assert_eq!(message.seq, expected);
                assert_eq!(message.bytes, expected.to_string().as_bytes());
                expected += 1;
            }
            None => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_send_that_is_cancelled_has_sent_nothing() {
    let (connect, mut accept) = links(64);
    let mut publisher = Publisher::new(connect, publish().window(1 << 20, 1));
    publisher.send(b"first").await.unwrap();
    assert!(poll_immediate(publisher.send(b"cancelled")).await.is_none());
    assert_eq!(publisher.sent(), 1);
    let mut link = accept.recv().await.unwrap();
    read_frame(&mut link).await;
    link.write_all(LEAVE).await.unwrap();
    assert_eq!(read_frame(&mut link).await, "first");
    link.write_all(b"5         ACK 1").await.unwrap();
    publisher.send(b"second").await.unwrap();
    assert_eq!(read_frame(&mut link).await, "second");
}

#[tokio::test(start_paused = true)]
async fn closing_does_not_wait_for_ever_for_the_hub_to_end() {
    let (connect, mut accept) = links(1000);
    let mut publisher = Publisher::new(connect, publish());
    publisher.send(b"first").await.unwrap();
    let mut link = accept.recv().await.unwrap();
    read_frame(&mut link).await;
    link.write_all(LEAVE).await.unwrap();
    assert_eq!(read_frame(&mut link).await, "first");
    link.write_all(b"5         ACK 1").await.unwrap();
    let started = Instant::now();
    publisher.close().await.unwrap();
    assert_eq!(started.elapsed().as_secs(), 1);
    assert_eq!(link.read(&mut [0; 10]).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_never_sends_the_last_acknowledgement_is_asked_again() {
    let (connect, mut accept) = links(1000);
    let mut publisher = Publisher::new(connect, publish());
    publisher.send(b"first").await.unwrap();
    let closing = tokio::spawn(async move { publisher.close().await });
    let mut link = accept.recv().await.unwrap();
    read_frame(&mut link).await;
    link.write_all(LEAVE).await.unwrap();
    let mut again = accept.recv().await.unwrap();
    assert_eq!(
        read_frame(&mut again).await,
        "PUBLISH ticks producer=meter7"
    );
    again
        .write_all(b"44        OK epoch=0123456789abcdef next=1 acks=memory")
        .await
        .unwrap();
    closing.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_dropped_publisher_lets_go_of_its_connection() {
    let (connect, mut accept) = links(1000);
    let publisher = Publisher::new(connect, publish());
    let mut link = accept.recv().await.unwrap();
    read_frame(&mut link).await;
    drop(publisher);
    assert_eq!(link.read(&mut [0; 10]).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_of_connect_that_is_cancelled_loses_no_event() {
    let (connect, mut accept) = links(7);
    let mut subscriber = Subscriber::new(connect, subscribe());
    let hub = tokio::spawn(async move {
        let mut link = accept.recv().await.unwrap();
        read_frame(&mut link).await;
        link.write_all(ANSWER).await.unwrap();
        link
    });
    let answer = loop {
        match poll_immediate(subscriber.connect()).await {
            Some(answer) => break answer.unwrap(),
            None => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    };
    assert_eq!((answer.from, answer.next), (0, 2));
    let event = subscriber.next_event().await.unwrap();
    assert!(
        matches!(event, Some(SubscriberEvent::Connected(_))),
        "{event:?}"
    );
    drop(hub);
}

/// The process is stopped, goes on long after its deadlines, and has a moment.
async fn pause_and_a_moment() {
    advance(Duration::from_secs(600)).await;
    tokio::task::yield_now().await;
    sleep(Duration::from_millis(500)).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_hub_answers_after_a_pause_of_the_process_came_in_time() {
    let (connect, mut accept) = links(1000);
    let mut subscriber = Subscriber::new(connect, subscribe());
    tokio::spawn(async move {
        let mut link = accept.recv().await.unwrap();
        read_frame(&mut link).await;
        pause_and_a_moment().await;
        link.write_all(ANSWER).await.unwrap();
        std::future::pending::<()>().await;
    });
    assert_eq!(subscriber.connect().await.unwrap().next, 2);

    let (connect, mut accept) = links(1000);
    let mut publisher = Publisher::new(connect, publish());
    tokio::spawn(async move {
        let mut link = accept.recv().await.unwrap();
        read_frame(&mut link).await;
        pause_and_a_moment().await;
        link.write_all(LEAVE).await.unwrap();
        assert_eq!(read_frame(&mut link).await, "first");
        pause_and_a_moment().await;
        link.write_all(b"5         ACK 1").await.unwrap();
        std::future::pending::<()>().await;
    });
    assert_eq!(publisher.committed().await.unwrap(), 0);
    publisher.send(b"first").await.unwrap();
    publisher.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_made_after_a_pause_of_the_process_is_made_in_time() {
    let made = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&made);
    let connect = move || {
        let counted = std::sync::Arc::clone(&counted);
        async move {
            pause_and_a_moment().await;
            counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let (mut hub, client) = duplex(1000);
            tokio::spawn(async move {
                let request = read_frame(&mut hub).await;
                let is_publish = request.starts_with("PUBLISH");
                let answer = if is_publish { LEAVE } else { ANSWER };
                hub.write_all(answer).await.unwrap();
                std::future::pending::<()>().await;
            });
            Ok(Box::new(client) as Box<dyn Transport>)
        }
    };
    let mut subscriber = Subscriber::new(connect.clone(), subscribe());
    subscriber.connect().await.unwrap();
    let mut publisher = Publisher::new(connect, publish());
    assert_eq!(publisher.committed().await.unwrap(), 0);
    assert_eq!(made.load(std::sync::atomic::Ordering::Relaxed), 2);
}
