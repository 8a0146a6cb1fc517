//! What a log must hold after it was opened again.

use std::collections::BTreeMap;

use tenfold_log::{Opened, Refused};

use crate::script::Run;
use crate::support::{Fate, Read, read};

/// One channel's history, as its publishers know it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expected {
    /// All messages that it may have, in order, with their producers.
    pub(crate) messages: Vec<(Vec<u8>, Option<String>)>,
    /// How many of them were acknowledged: it has these.
    pub(crate) acknowledged: u64,
    /// The name of its history, as it was told.
    pub(crate) epoch: u64,
}

/// What each channel must hold.
pub(crate) fn expected(run: &Run) -> BTreeMap<String, Expected> {
    let mut channels: BTreeMap<String, Expected> = BTreeMap::new();
    for sent in &run.sent {
        // Of what was refused before it was written nothing is kept. When the disk has failed, it is not known.
        if matches!(sent.fate(), Fate::Refused(why) if why != Refused::Storage) {
            continue;
        }
        let expected = channels.entry(sent.channel.clone()).or_default();
        expected.epoch = sent.epoch;
        let before = expected.messages.len() as u64;
        let messages = sent
            .messages
            .iter()
            .map(|message| (message.clone(), sent.producer.clone()));
        expected.messages.extend(messages);
        if let Fate::Committed { first, total } | Fate::Written { first, total } = sent.fate() {
            assert_eq!(first, before, "{}: seqs without a gap", sent.channel);
            assert_eq!(
                expected.acknowledged, before,
                "{}: acknowledged in order",
                sent.channel
            );
            expected.acknowledged = expected.messages.len() as u64;
            assert_eq!(
                total,
                expected.count_of(sent.producer.as_deref(), first + sent.messages.len() as u64)
            );
        }
    }
    channels
}

impl Expected {
    /// How many of the first messages are of a producer; 0 for none.
    pub(crate) fn count_of(&self, producer: Option<&str>, upto: u64) -> u64 {
        let Some(producer) = producer else { return 0 };
        let upto = usize::try_from(upto).unwrap();
        let of = self.messages[..upto].iter();
        of.filter(|(_, id)| id.as_deref() == Some(producer)).count() as u64
    }

    fn producers(&self, upto: u64) -> BTreeMap<String, u64> {
        let upto_index = usize::try_from(upto).unwrap();
        let ids = self.messages[..upto_index]
            .iter()
            .filter_map(|(_, id)| id.clone());
        ids.map(|id| (id.clone(), self.count_of(Some(&id), upto)))
            .collect()
    }
}

/// The messages of `b` that retention leaves at the least.
const KEPT_OF_B: u64 = 8;

/// Looks whether an opened log has everything that it must have, and nothing else, where nothing but
/// crashes and failing calls has happened to it.
pub(crate) fn check(opened: &Opened, channels: &BTreeMap<String, Expected>) {
    assert!(!opened.report.is_damaged(), "{:#?}", opened.report);
    let found: BTreeMap<String, _> = opened
        .log
        .channels()
        .into_iter()
        .map(|channel| (channel.name().to_owned(), channel))
        .collect();
    for name in found.keys() {
        assert!(
            channels.contains_key(name),
            "channel {name} came out of nothing"
        );
    }
    for (name, expected) in channels {
        let Some(channel) = found.get(name) else {
            assert_eq!(expected.acknowledged, 0, "channel {name} is gone");
            continue;
        };
        let Read {
            first,
            next,
            messages,
            damaged,
        } = read(channel);
        assert_eq!(damaged, [], "channel {name}");
        assert!(
            next >= expected.acknowledged,
            "channel {name}: {next} of {}",
            expected.acknowledged
        );
        assert!(
            next <= expected.messages.len() as u64,
            "channel {name} has {next}"
        );
        let kept = if name == "b" { KEPT_OF_B } else { u64::MAX };
        assert!(
            next - first >= kept.min(next),
            "channel {name}: {first} to {next}"
        );
        assert_eq!(messages.len() as u64, next - first, "channel {name}");
        for (seq, message) in &messages {
            let index = usize::try_from(*seq).unwrap();
            assert_eq!(
                *message, expected.messages[index].0,
                "channel {name}, message {seq}"
            );
        }
        let producers = channel
            .producers()
            .into_iter()
            .map(|producer| (producer.id.to_string(), producer.messages));
        let producers: BTreeMap<String, u64> = producers.collect();
        assert_eq!(producers, expected.producers(next), "channel {name}");
        // A subscriber that has seen everything goes on; after a start no epoch before goes further than that.
        let end = channel.end_of(expected.epoch);
        let is_of_now = channel.epoch() == expected.epoch;
        let expected = if is_of_now { u64::MAX } else { next };
        assert_eq!(end, Some(expected), "channel {name}");
    }
}
