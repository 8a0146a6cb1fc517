//! A channel whose directory is not durable: the sync of `channels/` has failed, and later ones succeed without making
//! that name durable.

use tenfold_log::storage::{Fault, Keep, Kind, Memory};
use tenfold_log::{Health, Opened};

use crate::support::{Fate, Sent, read, reopen, reset, send, settle, small};

/// Messages to a new channel that the journal has from the first one on, and a checkpoint that has failed to make the
/// channel's name durable.
fn left(channel: &str) -> (Memory, Vec<Sent>) {
    // The directory of the channel is synced some times before.
    let mut tries = (0..20).map(|before| left_by(channel, before));
    let left = tries.find_map(|left| left);
    left.expect("no checkpoint has failed at that")
}

fn left_by(channel: &str, before: u64) -> Option<(Memory, Vec<Sent>)> {
    reset();
    let memory = Memory::new();
    let mut opened = reopen(memory.clone(), small()).unwrap();
    memory.fail(Fault::next(Kind::SyncDir).on("channels").after(before));
    let mut sent = Vec::new();
    while opened.log.health() == Health::Ok {
        let message = format!("message {}", sent.len()).into_bytes();
        sent.push(send(&opened, channel, Some("p"), &[message]));
        settle(&mut opened);
    }
    sent.retain(|sent| matches!(sent.fate(), Fate::Written { .. }));
    let why = opened.log.why()?;
    (why.path == "channels").then(|| (memory.image_kept(), sent))
}

/// What was acknowledged is there, under an epoch that goes on, and its producer is known.
fn has_all(opened: &Opened, sent: &[Sent], what: &str) {
    assert!(!opened.report.is_damaged(), "{what}: {:?}", opened.report);
    let channel = opened.log.find(&sent[0].channel);
    let channel = channel.unwrap_or_else(|| panic!("{what}: there is no channel"));
    let read = read(&channel);
    assert_eq!(read.damaged, [], "{what}");
    assert!(read.next >= sent.len() as u64, "{what}: {read:?}");
    let end = channel.end_of(sent[0].epoch);
    assert!(end >= Some(sent.len() as u64), "{what}: {end:?}");
    for (seq, message) in &read.messages {
        let expected = format!("message {seq}").into_bytes();
        assert_eq!(*message, expected, "{what}");
    }
    let producers = channel.producers();
    let counts = producers
        .iter()
        .map(|producer| (&*producer.id, producer.messages));
    assert!(counts.eq([("p", read.next)]), "{what}: {producers:?}");
}

#[test]
fn a_start_makes_the_name_of_a_new_channel_durable_whatever_an_earlier_sync_has_left_undone() {
    // Retention trims `b`.
    for name in ["a", "b"] {
        let (memory, sent) = left(name);
        let opened = reopen(memory.clone(), small()).unwrap();
        has_all(&opened, &sent, "the start after the failure");
        let first = opened.log.find(name).unwrap().first();
        drop(opened);
        // The power fails. All that the second start has synced is there.
        let opened = reopen(memory.image(|_| Keep::None), small()).unwrap();
        has_all(&opened, &sent, "the start after the power cut");
        assert_eq!(opened.log.find(name).unwrap().first(), first);
        assert_eq!(opened.report.findings, []);
    }
}

#[test]
fn a_start_that_ends_while_it_writes_names_once_more_leaves_nothing_that_is_damage() {
    for name in ["a", "b"] {
        let (memory, sent) = left(name);
        let calls = {
            let copy = memory.image_kept();
            reopen(copy.clone(), small()).unwrap();
            copy.calls()
        };
        let mut renamed = 0;
        for call in 0..calls {
            let stopped = memory.image_kept();
            stopped.stop_at(call);
            let _ = reopen(stopped.clone(), small());
            let files = stopped.files();
            renamed += u64::from(files.iter().any(|(path, _)| path.contains(".RENAMED/")));
            for (how, image) in [
                ("all is kept", stopped.image_kept()),
                ("nothing is kept", stopped.image(|_| Keep::None)),
                ("by chance", stopped.image_random(call)),
            ] {
                let what = format!("{name}: call {call}, {how}");
                let opened = reopen(image.clone(), small()).unwrap();
                has_all(&opened, &sent, &what);
                drop(opened);
                let opened = reopen(image.image(|_| Keep::None), small()).unwrap();
                has_all(&opened, &sent, &format!("{what}, and the power fails"));
                let files = image.files();
                assert!(
                    !files.iter().any(|(path, _)| path.contains("RENAMED")),
                    "{what}"
                );
            }
        }
        assert!(renamed > 0, "no start has ended in the middle");
    }
}

/// The channel is shut until its directory can have its name back, and then it goes on.
#[test]
fn a_name_that_cannot_be_given_back_is_tried_again() {
    const EIO: i32 = 5;
    let (memory, sent) = left("a");
    memory.fail(
        Fault::next(Kind::Rename)
            .on("channels/a.RENAMED")
            .errno(EIO),
    );
    let mut opened = reopen(memory.clone(), small()).unwrap();
    assert_eq!(opened.log.health(), Health::Degraded);
    crate::support::advance(1000);
    settle(&mut opened);
    assert_eq!(opened.log.health(), Health::Ok);
    has_all(&opened, &sent, "after the fault");
    drop(opened);
    let opened = reopen(memory.image(|_| Keep::None), small()).unwrap();
    has_all(&opened, &sent, "after the power cut");
}
