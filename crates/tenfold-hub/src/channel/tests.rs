//! What a channel answers, and what it lets whom append.

use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::cursor::Look;
use crate::producers::AllProducers;
use crate::when_slow::WhenSlow;

const EPOCH: Epoch = Epoch(0x0123_4567_89ab_cdef);
const PATIENCE: Duration = Duration::from_secs(30);

fn channel(memory: usize, when_slow: WhenSlow) -> Channel {
    let tail = Tail::keeping(memory, when_slow, Arc::default());
    let all = Arc::new(AllProducers::new(10));
    Channel::new(
        "ticks".parse().unwrap(),
        EPOCH,
        tail,
        Producers::new(2, all),
    )
}

fn empty() -> Channel {
    channel(1 << 20, WhenSlow::Close)
}

fn frames(payloads: &[&str]) -> String {
    let frame = |payload: &&str| format!("{:<10}{payload}", payload.len());
    payloads.iter().map(frame).collect()
}

async fn append_at(
    seconds: u64,
    channel: &Channel,
    claim: &Claim,
    payloads: &[&str],
) -> Result<(), NotAppended> {
    let block = Block::new(frames(payloads), payloads.len() as u64);
    let time = UNIX_EPOCH + Duration::from_secs(seconds);
    channel.append(claim, block, time).await
}

async fn publish(channel: &Channel, payload: &str) -> Result<(), NotAppended> {
    append_at(0, channel, &Claim::default(), &[payload]).await
}

/// A channel with `a b c` committed at 10 s and `d` at 20 s.
async fn abcd() -> Channel {
    let channel = empty();
    let claim = Claim::default();
    let first = append_at(10, &channel, &claim, &["a", "b", "c"]).await;
    let second = append_at(20, &channel, &claim, &["d"]).await;
    assert_eq!((first, second), (Ok(()), Ok(())));
    channel
}

/// The answer to `SUBSCRIBE ticks from=...`, and the messages that follow.
fn subscribe(channel: &Channel, from: &str) -> Result<(String, String), String> {
    let from = from.parse().unwrap();
    let subscription = channel.subscribe(from, None);
    let mut subscription = subscription.map_err(|refusal| refusal.to_string())?;
    let mut bytes = subscription.head.bytes().to_vec();
    let head = subscription.head.messages();
    assert_eq!(
        subscription.cursor.seq(),
        subscription.answer.from + head,
        "the cursor goes on behind the head"
    );
    let mut blocks = Vec::new();
    let _ = subscription.cursor.peek(&mut blocks);
    for block in blocks {
        bytes.extend_from_slice(block.bytes());
    }
    let answer = subscription.answer.to_string();
    Ok((answer, String::from_utf8(bytes).unwrap()))
}

#[tokio::test]
async fn each_place_has_its_answer_and_its_messages() {
    let channel = abcd().await;
    let all = ["a", "b", "c", "d"];
    for (from, seq) in [
        ("first", 0),
        ("next", 4),
        ("last", 3),
        ("0", 0),
        ("1", 1),
        ("2", 2),
        ("3", 3),
        ("4", 4),
        ("-1", 3),
        ("-3", 1),
        ("-100", 0),
        ("@0", 0),
        ("@10", 0),
        ("@10.000000001", 3),
        ("@20", 3),
        ("@21", 4),
    ] {
        let answer = format!("OK epoch=0123456789abcdef from={seq} first=0 next=4");
        let expected = Ok((answer, frames(&all[seq..])));
        assert_eq!(subscribe(&channel, from), expected, "{from}");
    }
    let future = "ERROR FUTURE next=4 that seq has not been reached";
    for from in ["5", "18446744073709551615"] {
        assert_eq!(subscribe(&channel, from), Err(future.to_owned()));
    }
}

#[tokio::test]
async fn a_place_that_is_not_kept_is_an_error_and_never_another_place() {
    let channel = abcd().await;
    channel.tail().trim(1);
    let trimmed = "ERROR TRIMMED first=3 that is no longer kept";
    for from in ["0", "1", "2", "@0", "@10"] {
        assert_eq!(subscribe(&channel, from), Err(trimmed.to_owned()), "{from}");
    }
    let answer = "OK epoch=0123456789abcdef from=3 first=3 next=4";
    for from in ["first", "3", "last", "-1", "-4", "@11", "@20"] {
        let expected = Ok((answer.to_owned(), frames(&["d"])));
        assert_eq!(subscribe(&channel, from), expected, "{from}");
    }
}

#[tokio::test]
async fn the_epoch_is_looked_at_before_the_place() {
    let channel = abcd().await;
    let ask = |from: &str, epoch| {
        let subscription = channel.subscribe(from.parse().unwrap(), Some(Epoch(epoch)));
        subscription
            .map(drop)
            .map_err(|refusal| refusal.to_string())
    };
    let another = "ERROR EPOCH epoch=0123456789abcdef first=0 the channel has another history";
    assert_eq!(ask("first", 1), Err(another.to_owned()));
    assert_eq!(ask("99", 1), Err(another.to_owned()));
    assert_eq!(ask("first", EPOCH.0), Ok(()));
    let future = ask("99", EPOCH.0).unwrap_err();
    assert!(future.starts_with("ERROR FUTURE "));
}

#[tokio::test]
async fn a_channel_is_new_until_a_publisher_connects() {
    let channel = empty();
    let is_new = || {
        let subscription = channel.subscribe(Position::Next, None);
        subscription.unwrap().answer.to_string().ends_with(" new=1")
    };
    assert!(is_new());
    channel.count(Role::Publisher).fetch_add(1, Relaxed);
    assert!(!is_new());
    channel.count(Role::Publisher).fetch_sub(1, Relaxed);
    assert!(is_new());
    publish(&channel, "a").await.unwrap();
    assert!(!is_new());
}

#[test]
fn an_empty_channel_has_one_place() {
    let channel = empty();
    let answer = "OK epoch=0123456789abcdef from=0 first=0 next=0 new=1";
    for from in ["first", "last", "next", "0", "-5", "@5"] {
        let expected = Ok((answer.to_owned(), String::new()));
        assert_eq!(subscribe(&channel, from), expected, "{from}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_subscription_holds_up_no_publisher() {
    let channel = channel(500, WhenSlow::Wait(PATIENCE));
    publish(&channel, "a").await.unwrap();
    assert!(channel.subscribe(Position::Seq(9), None).is_err());
    assert!(channel.subscribe(Position::First, Some(Epoch(1))).is_err());
    drop(channel.subscribe(Position::First, None));
    let start = tokio::time::Instant::now();
    for _ in 0..10 {
        publish(&channel, "a").await.unwrap();
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
}

fn claim(channel: &Channel, producer: Option<&str>) -> Result<Arc<Claim>, TooMany> {
    let id = producer.map(|id| id.parse().unwrap());
    channel.claim(id.as_ref(), UNIX_EPOCH)
}

#[tokio::test]
async fn without_a_name_each_connection_counts_from_zero() {
    let channel = empty();
    for _ in 0..3 {
        let claim = claim(&channel, None).unwrap();
        append_at(0, &channel, &claim, &["a", "b"]).await.unwrap();
        assert_eq!(claim.committed(), 2);
    }
    assert_eq!(channel.tail().next_seq(), 6);
}

#[tokio::test]
async fn a_producer_goes_on_where_its_last_connection_was() {
    let channel = empty();
    let first = claim(&channel, Some("p")).unwrap();
    append_at(0, &channel, &first, &["a", "b"]).await.unwrap();
    channel.leave(&"p".parse().unwrap(), &first, UNIX_EPOCH);
    let second = claim(&channel, Some("p")).unwrap();
    assert_eq!(second.committed(), 2);
    append_at(0, &channel, &second, &["c"]).await.unwrap();
    assert_eq!(second.committed(), 3);
}

#[tokio::test]
async fn a_fenced_claim_appends_nothing_any_more() {
    let channel = empty();
    let first = claim(&channel, Some("p")).unwrap();
    append_at(0, &channel, &first, &["a"]).await.unwrap();
    let second = claim(&channel, Some("p")).unwrap();
    let late = append_at(0, &channel, &first, &["b"]).await;
    assert_eq!(late, Err(NotAppended::Fenced));
    first.fenced().await;
    assert_eq!((first.committed(), second.committed()), (1, 1));
    assert_eq!(channel.tail().next_seq(), 1);
}

#[test]
fn a_channel_has_so_many_producers_and_anybody_without_a_name() {
    let channel = empty();
    let _one = claim(&channel, Some("one")).unwrap();
    let _two = claim(&channel, Some("two")).unwrap();
    assert_eq!(
        claim(&channel, Some("three")).unwrap_err(),
        TooMany::OfChannel
    );
    assert!(claim(&channel, Some("two")).is_ok());
    assert!(claim(&channel, None).is_ok());
}

#[tokio::test]
async fn nothing_is_appended_to_a_closed_channel_and_what_is_there_can_be_read() {
    let channel = abcd().await;
    channel.tail().close();
    assert_eq!(publish(&channel, "e").await, Err(NotAppended::Closed));
    let (_, messages) = subscribe(&channel, "first").unwrap();
    assert_eq!(messages, frames(&["a", "b", "c", "d"]));
}

/// A channel that is full, with a subscriber at its front that publishers wait for.
async fn full() -> (Channel, Cursor) {
    let channel = channel(500, WhenSlow::Wait(PATIENCE));
    for payload in ["a", "b"] {
        publish(&channel, payload).await.unwrap();
    }
    let slow = channel.subscribe(Position::First, None).unwrap().cursor;
    (channel, slow)
}

#[tokio::test(start_paused = true)]
async fn publishers_lose_their_patience_with_a_slow_subscriber_only_once() {
    let (channel, mut slow) = full().await;
    let start = tokio::time::Instant::now();
    let (c, d, e) = tokio::join!(
        publish(&channel, "c"),
        publish(&channel, "d"),
        publish(&channel, "e")
    );
    assert_eq!((c, d, e), (Ok(()), Ok(()), Ok(())));
    assert!((PATIENCE..PATIENCE * 2).contains(&start.elapsed()));
    assert_eq!(slow.peek(&mut Vec::new()), Look::Passed);
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_waits_goes_on_as_soon_as_there_is_room() {
    let (channel, mut slow) = full().await;
    let start = tokio::time::Instant::now();
    let read = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        let mut blocks = Vec::new();
        assert_eq!(slow.peek(&mut blocks), Look::Blocks);
        slow.advance(&blocks[..1]);
    };
    let (published, ()) = tokio::join!(publish(&channel, "c"), read);
    assert_eq!((published, start.elapsed().as_secs()), (Ok(()), 5));
    assert_eq!(slow.peek(&mut Vec::new()), Look::Blocks);
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_is_dropped_while_it_waits_has_appended_nothing() {
    let (channel, slow) = full().await;
    let given_up = tokio::time::timeout(PATIENCE / 2, publish(&channel, "c"));
    assert!(given_up.await.is_err());
    assert_eq!(channel.tail().next_seq(), 2);
    drop(slow);
    publish(&channel, "d").await.unwrap();
    assert_eq!(subscribe(&channel, "last").unwrap().1, frames(&["d"]));
}
