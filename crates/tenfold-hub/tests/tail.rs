//! The tail and its cursors without sockets: holding, passing, and agreement with a naive twin.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use proptest::prelude::*;
use tenfold_hub::{Block, Closed, Cursor, Look, Start, Tail, WhenSlow};

/// What a block costs beside its bytes.
const OVERHEAD: usize = 192;

fn block(bytes: usize, messages: u64) -> Block {
    Block::new(vec![b'x'; bytes], messages)
}

fn seqs(cursor: &mut Cursor) -> (Look, u64, Vec<u64>) {
    let mut blocks = Vec::new();
    let look = cursor.peek(&mut blocks);
    (
        look,
        cursor.seq(),
        blocks.iter().map(Block::messages).collect(),
    )
}

fn take_one(cursor: &mut Cursor) {
    let mut blocks = Vec::new();
    assert_eq!(cursor.peek(&mut blocks), Look::Blocks);
    cursor.advance(&blocks[..1]);
}

async fn is_pending(future: impl Future) -> bool {
    let mut future = pin!(future);
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}

#[tokio::test(start_paused = true)]
async fn an_append_is_held_until_the_slowest_cursor_moves() {
    let tail = Tail::new(
        2 * (100 + OVERHEAD),
        WhenSlow::Wait(Duration::from_secs(30)),
    );
    let mut cursor = tail.cursor(Start::Next);
    assert_eq!(tail.append(block(100, 3)).await, Ok(0));
    assert_eq!(tail.append(block(100, 4)).await, Ok(3));
    let mut held = pin!(tail.append(block(100, 5)));
    assert!(is_pending(held.as_mut()).await);
    take_one(&mut cursor);
    assert_eq!(held.await, Ok(7));
    assert_eq!(seqs(&mut cursor), (Look::Blocks, 3, vec![4, 5]));
}

#[tokio::test(start_paused = true)]
async fn an_append_is_held_no_longer_than_it_says_and_then_passes_the_cursor() {
    let tail = Tail::new(100 + OVERHEAD, WhenSlow::Wait(Duration::from_secs(30)));
    let mut slow = tail.cursor(Start::Next);
    tail.append(block(100, 1)).await.unwrap();
    let start = tokio::time::Instant::now();
    tail.append(block(100, 1)).await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(30));
    assert!(start.elapsed() < Duration::from_secs(31));
    slow.ending().await;
    assert_eq!(seqs(&mut slow).0, Look::Passed);
    // It is not in the way any more.
    assert_eq!(tail.kept(), 0);
    tail.append(block(100, 1)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_held_append_goes_on_when_the_cursor_in_the_way_is_dropped() {
    let tail = Tail::new(100 + OVERHEAD, WhenSlow::default());
    let cursor = tail.cursor(Start::Next);
    tail.append(block(100, 1)).await.unwrap();
    let mut held = pin!(tail.append(block(100, 1)));
    assert!(is_pending(held.as_mut()).await);
    drop(cursor);
    assert_eq!(held.await, Ok(1));
}

#[tokio::test]
async fn a_held_append_in_a_thread_goes_on_when_the_tail_is_closed() {
    let tail = Tail::new(100 + OVERHEAD, WhenSlow::default());
    let _cursor = tail.cursor(Start::Next);
    tail.append(block(100, 1)).await.unwrap();
    let other = tail.clone();
    let held = std::thread::spawn(move || other.append_blocking(block(100, 1)));
    tail.close();
    assert_eq!(held.join().unwrap(), Err(Closed::default()));
}

#[tokio::test]
async fn a_closed_tail_is_read_to_its_end() {
    let tail = Tail::new(1000, WhenSlow::Close);
    let mut cursor = tail.cursor(Start::Next);
    assert_eq!(seqs(&mut cursor).0, Look::CaughtUp);
    assert!(is_pending(cursor.ready()).await);
    tail.append(block(10, 2)).await.unwrap();
    tail.close();
    assert!(tail.append(block(10, 2)).await.is_err());
    cursor.ready().await;
    assert_eq!(seqs(&mut cursor), (Look::Blocks, 0, vec![2]));
    take_one(&mut cursor);
    assert_eq!(seqs(&mut cursor).0, Look::Ended);
}

#[test]
fn tiny_blocks_are_bounded_too() {
    let tail = Tail::new(100_000, WhenSlow::Skip);
    let mut cursor = tail.cursor(Start::Next);
    for _ in 0..100_000 {
        tail.append_blocking(block(1, 1)).unwrap();
    }
    assert!(tail.kept() <= 100_000);
    let (_, seq, _) = seqs(&mut cursor);
    assert_eq!(seq, cursor.skipped());
    assert!(100_000 - seq < 100_000 / OVERHEAD as u64);
}

#[test]
fn a_peek_is_bounded_in_bytes_and_in_blocks() {
    let tail = Tail::new(usize::MAX, WhenSlow::Close);
    let mut small = tail.cursor(Start::Next);
    for _ in 0..1000 {
        tail.append_blocking(block(1, 1)).unwrap();
    }
    let mut large = tail.cursor(Start::Next);
    for _ in 0..1000 {
        tail.append_blocking(block(100 * 1024, 1)).unwrap();
    }
    let mut blocks = Vec::new();
    small.peek(&mut blocks);
    assert_eq!(blocks.len(), 64);
    large.peek(&mut blocks);
    assert_eq!(blocks.len(), 6);
}

#[test]
fn a_cursor_that_got_a_block_before_it_was_passed_does_not_skip_it() {
    let tail = Tail::new(100 + OVERHEAD, WhenSlow::Skip);
    let mut cursor = tail.cursor(Start::Next);
    tail.append_blocking(block(100, 1)).unwrap();
    let mut blocks = Vec::new();
    cursor.peek(&mut blocks);
    tail.append_blocking(block(100, 1)).unwrap();
    cursor.advance(&blocks);
    assert_eq!(seqs(&mut cursor), (Look::Blocks, 1, vec![1]));
    assert_eq!(cursor.skipped(), 0);
}

/// What happens to the twins.
#[derive(Clone, Debug)]
enum Step {
    Append { bytes: usize, messages: u64 },
    Enter { first: bool },
    Leave(prop::sample::Index),
    Take(prop::sample::Index, usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..600_usize, 0..5_u64).prop_map(|(bytes, messages)| Step::Append { bytes, messages }),
        1 => any::<bool>().prop_map(|first| Step::Enter { first }),
        1 => any::<prop::sample::Index>().prop_map(Step::Leave),
        4 => (any::<prop::sample::Index>(), 0..4_usize).prop_map(|(who, count)| Step::Take(who, count)),
    ];
    prop::collection::vec(step, 0..200)
}

/// The obviously right tail: every block there ever was, and every cursor by its number.
struct Naive {
    blocks: Vec<(usize, u64)>,
    first: usize,
    cursors: Vec<NaiveCursor>,
    capacity: usize,
    skip: bool,
}

#[derive(Clone, Copy)]
struct NaiveCursor {
    next: usize,
    skipped: u64,
    passed: bool,
}

impl Naive {
    fn kept(&self) -> usize {
        self.blocks[self.first..]
            .iter()
            .map(|(bytes, _)| bytes + OVERHEAD)
            .sum()
    }

    fn append(&mut self, bytes: usize, messages: u64) {
        while self.first < self.blocks.len() && self.kept() + bytes + OVERHEAD > self.capacity {
            for cursor in &mut self.cursors {
                if cursor.next == self.first && !cursor.passed {
                    if self.skip {
                        cursor.skipped += self.blocks[self.first].1;
                        cursor.next += 1;
                    } else {
                        cursor.passed = true;
                    }
                }
            }
            self.first += 1;
        }
        self.blocks.push((bytes, messages));
    }

    fn free(&mut self) {
        let needed = self
            .cursors
            .iter()
            .filter(|cursor| !cursor.passed)
            .map(|cursor| cursor.next)
            .min();
        self.first = self.first.max(needed.unwrap_or(self.blocks.len()));
    }

    fn seq(&self, block: usize) -> u64 {
        self.blocks[..block]
            .iter()
            .map(|(_, messages)| messages)
            .sum()
    }
}

proptest! {
    #[test]
    fn agrees_with_its_naive_twin(steps in steps(), capacity in 0..3000_usize, skip: bool) {
        let tail = Tail::new(capacity, if skip { WhenSlow::Skip } else { WhenSlow::Close });
        let mut naive = Naive { blocks: Vec::new(), first: 0, cursors: Vec::new(), capacity, skip };
        let mut cursors: Vec<Cursor> = Vec::new();
        for step in steps {
            match step {
                Step::Append { bytes, messages } => {
                    let seq = tail.append_blocking(block(bytes, messages)).unwrap();
                    prop_assert_eq!(seq, naive.seq(naive.blocks.len()));
                    if bytes > 0 {
                        naive.append(bytes, messages);
                    }
                }
                Step::Enter { first } => {
                    cursors.push(tail.cursor(if first { Start::First } else { Start::Next }));
                    let next = if first { naive.first } else { naive.blocks.len() };
                    naive.cursors.push(NaiveCursor { next, skipped: 0, passed: false });
                }
                Step::Leave(who) if !cursors.is_empty() => {
                    let who = who.index(cursors.len());
                    cursors.swap_remove(who);
                    naive.cursors.swap_remove(who);
                }
                Step::Take(who, count) if !cursors.is_empty() => {
                    let who = who.index(cursors.len());
                    let mut blocks = Vec::new();
                    cursors[who].peek(&mut blocks);
                    let count = count.min(blocks.len());
                    cursors[who].advance(&blocks[..count]);
                    naive.cursors[who].next += count;
                }
                Step::Leave(_) | Step::Take(..) => {}
            }
            naive.free();
            prop_assert_eq!(tail.kept(), naive.kept());
            for (cursor, twin) in cursors.iter_mut().zip(&naive.cursors) {
                let (look, seq, messages) = seqs(cursor);
                prop_assert_eq!(look == Look::Passed, twin.passed);
                if !twin.passed {
                    prop_assert_eq!(seq, naive.seq(twin.next));
                    prop_assert_eq!(cursor.skipped(), twin.skipped);
                    let expected: Vec<u64> = naive.blocks[twin.next..].iter().take(64).map(|block| block.1).collect();
                    prop_assert_eq!(messages, expected);
                }
            }
        }
    }
}
