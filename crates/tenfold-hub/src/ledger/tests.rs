//! Every spot in a ledger against a list of messages, and which cursor a publisher waits for.

use std::ops::Range;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// A block of messages that say their seqs.
fn block(seqs: Range<u64>) -> Block {
    let messages = seqs.end - seqs.start;
    let frames: Vec<String> = seqs.map(|seq| format!("8         {seq:08}")).collect();
    Block::new(frames.concat(), messages)
}

fn seqs(block: &Block) -> Vec<u64> {
    let frames = block.bytes().chunks(18);
    frames
        .map(|frame| str::from_utf8(&frame[10..]).unwrap().parse().unwrap())
        .collect()
}

/// The obviously right version: every message there ever was, and how many are gone.
#[derive(Default)]
struct Model {
    /// When each was committed, and how many there are in its block.
    messages: Vec<(SystemTime, u64)>,
    first: usize,
}

impl Model {
    fn append(&mut self, messages: u64, time: SystemTime) {
        let newest = self.messages.last().map_or(time, |(newest, _)| *newest);
        for _ in 0..messages {
            self.messages.push((time.max(newest), messages));
        }
    }

    /// What a kept block of so many messages takes.
    fn cost(messages: u64) -> usize {
        18 * usize::try_from(messages).unwrap() + Block::OVERHEAD
    }

    /// The sizes of the kept blocks.
    fn blocks(&self) -> Vec<u64> {
        let mut blocks = Vec::new();
        let mut next = self.first;
        while let Some((_, messages)) = self.messages.get(next) {
            blocks.push(*messages);
            next += usize::try_from(*messages).unwrap();
        }
        blocks
    }

    fn kept(&self) -> usize {
        self.blocks().into_iter().map(Self::cost).sum()
    }

    /// Drops blocks until so much is kept at the most.
    fn keep(&mut self, most: usize) {
        while self.kept() > most {
            self.first += usize::try_from(self.blocks()[0]).unwrap();
        }
    }

    fn find(&self, from: Position) -> Result<u64, NotThere> {
        let (first, next) = (self.first as u64, self.messages.len() as u64);
        let seq = match from {
            Position::First => first,
            Position::Next => next,
            Position::Last if next == 0 => 0,
            Position::Last => next - 1,
            Position::Newest(count) => next - count.min(next - first),
            Position::Seq(seq) => seq,
            Position::At(time) => {
                let found = self.messages.iter().position(|(then, _)| *then >= time);
                found.map_or(next, |found| found as u64)
            }
            other => panic!("{other}"),
        };
        match seq {
            _ if seq < first => Err(NotThere::Trimmed),
            _ if seq > next => Err(NotThere::Future),
            _ => Ok(seq),
        }
    }
}

/// All messages from a position on, as a subscriber would get them.
fn read(ledger: &Ledger, from: Position) -> Result<Vec<u64>, NotThere> {
    let Entry { from, place, head } = ledger.find(from)?;
    let mut all = Vec::new();
    if let Some((block, before)) = head {
        let messages = seqs(&block);
        assert!(before > 0 && before < block.messages(), "a part of a block");
        all.extend_from_slice(&messages[usize::try_from(before).unwrap()..]);
    }
    assert_eq!(place.seq, from + all.len() as u64);
    assert!(!ledger.has_passed(place));
    all.extend(ledger.blocks_from(place).flat_map(seqs));
    Ok(all)
}

fn agree(ledger: &Ledger, model: &Model) {
    let next = model.messages.len() as u64;
    assert_eq!(ledger.first_seq(), model.first as u64);
    assert_eq!(ledger.next_seq(), next);
    assert_eq!(ledger.cost(), model.kept());
    assert_eq!(
        ledger.bytes(),
        (model.kept() - model.blocks().len() * Block::OVERHEAD) as u64
    );
    let fixed = [Position::First, Position::Next, Position::Last];
    let seqs = (0..next + 2)
        .chain([u64::MAX])
        .flat_map(|n| [Position::Seq(n), Position::Newest(n.max(1))]);
    let times = (0..60).map(|time| Position::At(at(time)));
    for from in fixed.into_iter().chain(seqs).chain(times) {
        let expected = model.find(from).map(|from| (from..next).collect());
        assert_eq!(read(ledger, from), expected, "{from:?}");
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Append(u64, u64),
    Trim(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        // Any time: the clock may be set back.
        5 => (1..9_u64, 0..60_u64).prop_map(|(messages, time)| Step::Append(messages, time)),
        1 => (0..1500_usize).prop_map(Step::Trim),
    ];
    prop::collection::vec(step, 0..25)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_position_is_where_a_list_of_messages_has_it(
        capacity in prop_oneof![Just(0), 200..3000_usize, Just(usize::MAX)],
        steps in steps(),
    ) {
        let mut ledger = Ledger::new(capacity, WhenSlow::Close, Keep::All);
        let mut model = Model::default();
        agree(&ledger, &model);
        for step in steps {
            match step {
                Step::Append(messages, time) => {
                    let next = ledger.next_seq();
                    let block = block(next..next + messages);
                    prop_assert_eq!(ledger.append(block, at(time), true).ok(), Some(next));
                    // A block that is larger than the capacity stands alone.
                    model.keep(capacity.saturating_sub(Model::cost(messages)));
                    model.append(messages, at(time));
                }
                Step::Trim(bytes) => {
                    ledger.trim(bytes);
                    model.keep(model.kept().saturating_sub(bytes));
                }
            }
            agree(&ledger, &model);
        }
    }

    #[test]
    fn the_changes_of_the_cost_add_up_to_the_cost(capacity in 0..3000_usize, steps in steps()) {
        let mut ledger = Ledger::new(capacity, WhenSlow::Close, Keep::All);
        let mut sum = 0;
        for step in steps {
            match step {
                Step::Append(messages, time) => {
                    let next = ledger.next_seq();
                    let _ = ledger.append(block(next..next + messages), at(time), true);
                }
                Step::Trim(bytes) => ledger.trim(bytes),
            }
            sum += ledger.take_effects().cost;
            prop_assert_eq!(sum, ledger.cost().cast_signed());
        }
    }
}

#[test]
fn an_empty_ledger_has_a_place_at_its_end_only() {
    let ledger = Ledger::new(1000, WhenSlow::Close, Keep::All);
    agree(&ledger, &Model::default());
    assert_eq!(read(&ledger, Position::Last), Ok(vec![]));
    assert_eq!(read(&ledger, Position::Seq(1)), Err(NotThere::Future));
}

#[test]
fn what_was_trimmed_to_the_last_message_is_no_longer_there() {
    let mut ledger = Ledger::new(1000, WhenSlow::Close, Keep::All);
    let _ = ledger.append(block(0..3), at(5), true);
    ledger.trim(usize::MAX);
    assert_eq!((ledger.first_seq(), ledger.next_seq()), (3, 3));
    assert_eq!(read(&ledger, Position::Last), Err(NotThere::Trimmed));
    assert_eq!(read(&ledger, Position::At(at(5))), Err(NotThere::Trimmed));
    for from in [
        Position::First,
        Position::Next,
        Position::Newest(9),
        Position::Seq(3),
        Position::At(at(6)),
    ] {
        assert_eq!(read(&ledger, from), Ok(vec![]), "{from:?}");
    }
}

#[test]
fn a_clock_that_is_set_back_does_not_make_a_commit_earlier() {
    let mut ledger = Ledger::new(usize::MAX, WhenSlow::Close, Keep::All);
    for (seq, time) in [(0, 10), (1, 3), (2, 12)] {
        let _ = ledger.append(block(seq..seq + 1), at(time), true);
    }
    assert_eq!(read(&ledger, Position::At(at(3))), Ok(vec![0, 1, 2]));
    assert_eq!(read(&ledger, Position::At(at(10))), Ok(vec![0, 1, 2]));
    assert_eq!(read(&ledger, Position::At(at(11))), Ok(vec![2]));
}

/// A full ledger that keeps everything, and in which an append waits for the cursor at its front.
fn full() -> (Ledger, Spot) {
    let waits = WhenSlow::Wait(Duration::from_secs(1));
    let mut ledger = Ledger::new(2 * Model::cost(1), waits, Keep::All);
    for seq in 0..2 {
        assert!(ledger.append(block(seq..seq + 1), at(0), true).is_ok());
    }
    let place = ledger.find(Position::First).unwrap().place;
    ledger.enter_at(place);
    assert!(ledger.append(block(2..3), at(0), true).is_err());
    assert!(!ledger.take_effects().room);
    (ledger, place)
}

#[test]
fn a_publisher_that_waits_for_the_front_is_woken_when_its_reader_moves_on() {
    let (mut ledger, mut place) = full();
    let begun: Vec<Block> = ledger.blocks_from(place).take(1).cloned().collect();
    ledger.advance(&mut place, &begun);
    assert!(ledger.take_effects().room);
    assert_eq!(ledger.append(block(2..3), at(0), true).ok(), Some(2));
    assert!(!ledger.has_passed(place));
    assert!(
        ledger.append(block(3..4), at(0), true).is_err(),
        "now it stands at the next"
    );
}

#[test]
fn a_publisher_that_waits_for_the_front_is_woken_when_its_reader_leaves() {
    let (mut ledger, place) = full();
    ledger.leave(place);
    assert!(ledger.take_effects().room);
    assert!(ledger.append(block(2..3), at(0), true).is_ok());
}

#[test]
fn a_publisher_that_waits_for_the_front_is_woken_when_it_is_trimmed() {
    let (mut ledger, place) = full();
    ledger.trim(1);
    let effects = ledger.take_effects();
    assert!(effects.room && effects.ending);
    assert!(ledger.has_passed(place));
    assert!(ledger.append(block(2..3), at(0), true).is_ok());
    ledger.leave(place);
}

#[test]
fn a_publisher_that_waits_for_the_front_is_woken_at_the_close() {
    let (mut ledger, _) = full();
    ledger.close();
    assert!(ledger.take_effects().room);
}

#[test]
fn a_publisher_that_waits_for_the_front_is_not_woken_by_a_reader_after_it() {
    let (mut ledger, _) = full();
    let other = ledger.find(Position::Last).unwrap().place;
    ledger.enter_at(other);
    ledger.leave(other);
    assert!(!ledger.take_effects().room);
}

#[test]
fn without_patience_the_reader_in_the_way_is_passed() {
    let (mut ledger, place) = full();
    assert_eq!(ledger.append(block(2..3), at(0), false).ok(), Some(2));
    assert!(ledger.take_effects().ending);
    assert!(ledger.has_passed(place));
    // It counts nowhere any more.
    ledger.leave(place);
    assert!(ledger.append(block(3..4), at(0), true).is_ok());
}

#[test]
fn a_reader_inside_a_block_stands_after_it() {
    let waits = WhenSlow::Wait(Duration::from_secs(1));
    let mut ledger = Ledger::new(Model::cost(4), waits, Keep::All);
    let _ = ledger.append(block(0..4), at(0), true);
    let entry = ledger.find(Position::Seq(1)).unwrap();
    ledger.enter_at(entry.place);
    // It has its part of the block already, so the block need not be kept for it.
    assert_eq!(ledger.append(block(4..5), at(0), true).ok(), Some(4));
    assert!(!ledger.has_passed(entry.place));
    let blocks: Vec<u64> = ledger.blocks_from(entry.place).flat_map(seqs).collect();
    assert_eq!(blocks, [4]);
}

#[test]
fn what_the_files_do_not_have_yet_is_kept_over_the_capacity_and_against_every_trim() {
    let two = 2 * Model::cost(1);
    let mut ledger = Ledger::new(two, WhenSlow::Close, Keep::All);
    ledger.begin_at(10, at(0));
    for seq in 10..15 {
        ledger.append(block(seq..seq + 1), at(1), false).unwrap();
    }
    ledger.trim(usize::MAX);
    assert_eq!((ledger.first_seq(), ledger.next_seq()), (10, 15));
    assert_eq!(ledger.trimmable(), 0);
    // The files go as far as 12: two more blocks may go, and the rest stays although it is too much.
    ledger.written(12);
    assert_eq!(
        (ledger.first_seq(), ledger.cost()),
        (12, 3 * Model::cost(1))
    );
    ledger.written(15);
    assert_eq!((ledger.first_seq(), ledger.cost()), (13, two));
    assert_eq!(ledger.trimmable(), two);
    assert_eq!(ledger.bytes_from(14), 18);
    ledger.trim(1);
    assert_eq!(ledger.first_seq(), 14);
}

#[test]
fn a_cursor_that_holds_no_more_is_passed_and_one_beside_it_is_waited_for() {
    let wait = WhenSlow::Wait(Duration::from_secs(1));
    let mut ledger = Ledger::new(3 * Model::cost(1), wait, Keep::All);
    let append = |ledger: &mut Ledger| {
        let seq = ledger.next_seq();
        ledger.append(block(seq..seq + 1), at(seq), true).is_ok()
    };
    let mut slow = ledger.enter(false);
    let mut holder = ledger.enter(false);
    ledger.hold_no_more(&mut slow);
    assert!((0..3).all(|_| append(&mut ledger)));
    assert!(!append(&mut ledger), "the holder is in the way");
    ledger.take_effects();
    ledger.advance_by(&mut holder, 2, 2);
    assert!(ledger.take_effects().room, "only the holder was in the way");
    assert!(append(&mut ledger) && append(&mut ledger));
    assert!(ledger.has_passed(slow) && !ledger.has_passed(holder));
    assert!(!append(&mut ledger));
    // The last one that holds does so no more, and whoever waits is told.
    ledger.take_effects();
    ledger.hold_no_more(&mut holder);
    assert!(ledger.take_effects().room);
    assert!(append(&mut ledger));
    ledger.leave(slow);
    ledger.leave(holder);
}

/// Encodes a block of the ledger for whoever wants it, and notes what that takes.
fn encode(ledger: &mut Ledger, index: usize) -> usize {
    use crate::encoding::{Encoding, Form};
    use tenfold::protocol::Epoch;

    let start = Spot {
        index: ledger.first,
        seq: ledger.first_seq(),
        holds: false,
    };
    let shown = ledger.shown_from(start).nth(index).unwrap();
    let form = Form::of(Encoding::JsonLines).chunked();
    let make = || form.encoded(Epoch(1), shown.first, &shown.block);
    let (encoded, more) = shown.encodings.get(form, make);
    assert!(encoded.bytes.starts_with(b"0000"));
    ledger.has_encoded(&shown, more);
    more
}

#[test]
fn encodings_are_made_once_count_as_long_as_the_block_is_kept_and_go_with_it() {
    let mut ledger = Ledger::new(100_000, WhenSlow::Close, Keep::All);
    for first in [0, 10, 20] {
        ledger
            .append(block(first..first + 10), at(1), true)
            .unwrap();
    }
    let frames = ledger.cost();
    let taken = encode(&mut ledger, 1);
    assert!(taken > 0);
    assert_eq!(ledger.cost(), frames + taken);
    assert_eq!(encode(&mut ledger, 1), 0, "it is there");
    assert_eq!(ledger.cost(), frames + taken);
    assert_eq!(ledger.take_effects().cost, (frames + taken).cast_signed());
    // Both older blocks go, and the encoding with the second.
    ledger.trim(frames / 3 + 1);
    assert_eq!((ledger.first_seq(), ledger.cost()), (20, frames / 3));
    let gone = (2 * (frames / 3) + taken).cast_signed();
    assert_eq!(ledger.take_effects().cost, -gone);
}

#[test]
fn encodings_have_a_part_of_the_capacity_and_the_oldest_are_dropped_first() {
    let capacity = 64_000;
    let mut ledger = Ledger::new(capacity, WhenSlow::Close, Keep::All);
    for first in 0..50 {
        ledger
            .append(block(10 * first..10 * (first + 1)), at(1), true)
            .unwrap();
    }
    let frames = ledger.cost();
    let taken = encode(&mut ledger, 49);
    for index in 0..49 {
        encode(&mut ledger, index);
    }
    assert!(ledger.cost() - frames <= capacity / ENCODED_SHARE);
    assert_eq!(ledger.first_seq(), 0, "whoever reads takes nothing away");
    assert_eq!(encode(&mut ledger, 49), 0, "those at the end stay");
    assert!(encode(&mut ledger, 0) > 0, "the oldest do not");
    // One block has its encoding, however large that is.
    let mut small = Ledger::new(1000, WhenSlow::Close, Keep::All);
    small.append(block(0..100), at(1), true).unwrap();
    assert!(encode(&mut small, 0) > 1000 / ENCODED_SHARE && taken > 0);
    assert_eq!(encode(&mut small, 0), 0);
}
