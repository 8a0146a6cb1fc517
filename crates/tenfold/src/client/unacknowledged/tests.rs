//! The messages that are kept against the list of all messages.

use proptest::prelude::*;

use super::*;

/// Takes what the kept messages have to write, up to `limit` bytes.
fn write(kept: &mut Unacknowledged, mut limit: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(unwritten) = kept.unwritten() {
        let n = unwritten.rest().len().min(limit);
        out.extend_from_slice(&unwritten.rest()[..n]);
        kept.wrote(n);
        limit -= n;
        if limit == 0 {
            break;
        }
    }
    out
}

fn wire(messages: &[Vec<u8>]) -> Vec<u8> {
    let frame = |m: &Vec<u8>| [format!("{:<10}", m.len()).as_bytes(), m].concat();
    messages.iter().flat_map(frame).collect()
}

#[derive(Clone, Debug)]
enum Op {
    Accept(usize),
    Write(usize),
    Release(u64),
    Rewind(u64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => prop_oneof![9 => 0..40_usize, 1 => 60_000..140_000_usize].prop_map(Op::Accept),
        4 => prop_oneof![9 => 1..200_usize, 1 => 1..200_000_usize].prop_map(Op::Write),
        1 => any::<u64>().prop_map(Op::Release),
        1 => any::<u64>().prop_map(Op::Rewind),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// What is kept against the list of all messages, of which everything is computed again.
    #[test]
    fn agrees_with_the_list_of_all_messages(ops in prop::collection::vec(op(), 1..80)) {
        let mut kept = Unacknowledged::new();
        let mut messages: Vec<Vec<u8>> = Vec::new();
        let (mut released, mut from, mut written) = (0, 0, 0);
        for op in ops {
            match op {
                Op::Accept(len) => {
                    messages.push(vec![b'x'; len]);
                    kept.accept(&messages[messages.len() - 1]).unwrap();
                }
                Op::Write(limit) => {
                    let bytes = write(&mut kept, limit);
                    let expected = wire(&messages[from..]);
                    let end = (written + limit).min(expected.len());
                    prop_assert_eq!(&bytes, &expected[written..end]);
                    written = end;
                }
                Op::Release(random) => {
                    let until = kept.written();
                    released += usize::try_from(random % (until - released as u64 + 1)).unwrap();
                    kept.release(released as u64);
                }
                Op::Rewind(random) => {
                    kept.note_sent();
                    // The hub has what was acknowledged, and at most what was ever sent.
                    let in_doubt = kept.sent() - released as u64;
                    released += usize::try_from(random % (in_doubt + 1)).unwrap();
                    from = released;
                    kept.release(from as u64);
                    kept.rewind(from as u64);
                    written = 0;
                }
            }
            let mut whole = from as u64;
            let mut left = written;
            for message in &messages[from..] {
                match left.checked_sub(native::HEADER + message.len()) {
                    Some(less) => left = less,
                    None => break,
                }
                whole += 1;
            }
            prop_assert_eq!(kept.written(), whole);
            prop_assert!(kept.has_written(whole) && !kept.has_written(whole + 1));
            let expected = messages[released..].iter().map(|m| native::HEADER + m.len());
            prop_assert_eq!(kept.bytes(), expected.sum::<usize>());
            prop_assert_eq!(kept.accepted(), messages.len() as u64);
            prop_assert_eq!(kept.is_empty(), released == messages.len());
        }
    }
}
