//! A cold copy of the directory, which is put in its place at the end.

use tenfold::protocol::Epoch;
use tenfold_log::Log;
use tenfold_log::storage::Memory;

use super::asking::ask;
use super::record::Shared;
use super::server::{Server, Setup};
use crate::simulation::disk::Disk;
use crate::simulation::random::Random;

/// The end of each channel, as subscribers know it. A channel without messages has none.
pub(super) type Places = Vec<Option<(Epoch, u64)>>;

/// What was in the directory between a clean end and the next start.
#[derive(Debug)]
pub(super) struct ColdCopy {
    pub(super) memory: Memory,
    /// What was told before it was made.
    pub(super) places: Places,
}

/// Where the channels of a run end.
pub(super) fn places(shared: &Shared, log: &Log) -> Places {
    let place = |name: &str| {
        let channel = log.find(name)?;
        Some((Epoch(channel.epoch()), channel.next()))
    };
    let names = shared.channels.iter();
    names.map(|name| place(name.as_str())).collect()
}

impl ColdCopy {
    /// Starts a hub on the copy. What was told before it was made is a place there, and what was told later is one in
    /// another history, however far this one is.
    pub(super) async fn restore(
        self,
        (shared, setup): (&Shared, &Setup),
        disk: &Disk,
        later: &Places,
        random: &mut Random,
    ) {
        let (server, doors) = match Server::start(disk.after(self.memory), setup, random) {
            Ok(started) => started,
            Err(error) => return shared.problem(format!("a copy cannot be started on: {error}")),
        };
        shared.note(format_args!("a copy is put in the place of the directory"));
        shared.open(Some(doors));
        for (index, (before, later)) in self.places.into_iter().zip(later).enumerate() {
            for (place, expected) in [(before, "OK "), (*later, "ERROR EPOCH ")] {
                let Some((epoch, next)) = place else {
                    continue;
                };
                let name = shared.name(index);
                let request = format!("SUBSCRIBE {name} from={next} epoch={epoch}");
                let answer = ask(shared, random, &request, 1).await.unwrap_or_default();
                if !answer
                    .first()
                    .is_some_and(|answer| answer.starts_with(expected))
                {
                    shared.problem(format!("on a copy {request} is answered with {answer:?}"));
                }
                shared.count(|counts| counts.asked_copies += 1);
            }
        }
        shared.open(None);
        server.kill(false, random).await;
    }
}
