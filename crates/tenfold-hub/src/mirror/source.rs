//! A connection that is told everything that another hub needs to have the same.
//!
//! What is sent is read for one connection: from the tail as long as that has it, else from the files. A mirror holds up
//! nobody, and one that takes nothing for two minutes is cut.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Weak};
use std::time::SystemTime;

use tenfold::protocol::{
    ChannelName, Code, Following, HeadingKind, MAX_COUNTS, MirrorLine, Pattern, Position, Refusal,
};
use tenfold_log::{ReadError, Start};
use tokio::sync::OwnedSemaphorePermit;

use crate::admission::{denied, revoked};
use crate::audit::AuditResult;
use crate::block::Block;
use crate::change::Change;
use crate::channel::{Channel, Role};
use crate::connection::Connection;
use crate::frames::{after, first, framed};
use crate::idle::Idle;
use crate::intake::Intake;
use crate::ledger::{Count, Piece};
use crate::news::{Gone, News};
use crate::ready::{Mark, Ready};
use crate::task::spawn;
use crate::timing::milliseconds;

/// About how many bytes of one channel are sent before another one has its turn.
const PIECE: usize = 256 * 1024;

/// The channels on their way to a mirror.
pub(super) struct Mirroring {
    connection: Connection,
    news: Arc<News>,
    ready: Arc<Ready>,
    bell: Arc<Bell>,
    /// Those that the mirror was told.
    starts: Vec<Start>,
    channels: Vec<Option<Mirrored>>,
    /// Those that may have something, in the order of their turns.
    turn: VecDeque<u32>,
    /// Its place among the mirrors, and its share of what all followers may have.
    #[expect(dead_code, reason = "held for its drop")]
    held: (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>),
}

/// A channel on its way to a mirror.
struct Mirrored {
    channel: Arc<Channel>,
    /// The seq of the next message.
    seq: u64,
    mark: Arc<Mark>,
    counts: Told,
    has_turn: bool,
}

/// Whether the mirror knows the counts of producers at the seq that comes next.
enum Told {
    No,
    /// It is told these at this seq.
    At(u64, Vec<Count>),
    Yes,
}

/// Rings when a channel has something, or when one comes or goes.
#[derive(Debug, Default)]
struct Bell {
    rung: AtomicBool,
    change: Change,
}

impl Idle for Bell {
    fn serve(&self) -> bool {
        false
    }

    fn wake(&self) {
        self.rung.store(true, SeqCst);
        self.change.tell();
    }
}

/// Why it ends. The mirror asks again.
struct Over;

impl Connection {
    /// Receives the list of places, and finds all channels that fit.
    pub(crate) async fn mirror(
        &self,
        patterns: Vec<Pattern>,
        intake: Intake,
    ) -> Result<(), Refusal> {
        let shared = &self.shared;
        let Some(durable) = shared.registry.on_disk() else {
            let words = "this hub has no log, so its channels cannot be mirrored";
            return Err(Refusal::new(Code::Denied, words));
        };
        if shared
            .upstream
            .as_ref()
            .is_some_and(|upstream| !upstream.is_current())
        {
            let words = "this hub is a mirror that does not have all channels of its source yet";
            return Err(Refusal::new(Code::Busy, words));
        }
        let Ok(turn) = Arc::clone(&shared.mirroring).try_acquire_owned() else {
            let words = "the hub has too many mirrors";
            return Err(Refusal::new(Code::Busy, words));
        };
        let (places, share) = self.list_of_places(&patterns, intake).await?;
        let ready = Arc::new(Ready::default());
        let admission = self.stay.listed.admission().cloned();
        let news = Arc::new(News::new(patterns, admission, Arc::clone(&ready)));
        if let Some((_, (_, _, place))) = places.iter().find(|(name, _)| !news.may_read(name)) {
            return Err(denied().with("place", place));
        }
        let starts = durable.log.starts();
        let (channels, unread) = shared.registry.follow(&news, places.keys())?;
        if let Some(name) = unread.first() {
            let words = format!("channel {name} cannot be read from the disk");
            return Err(Refusal::new(Code::Storage, words));
        }
        let mut mirroring = Mirroring {
            connection: self.clone(),
            news,
            ready,
            bell: Arc::default(),
            starts,
            channels: Vec::new(),
            turn: VecDeque::new(),
            held: (turn, share),
        };
        let task: Arc<dyn Idle> = Arc::clone(&mirroring.bell) as Arc<dyn Idle>;
        mirroring.ready.set_task(Arc::downgrade(&task));
        let mut lines = vec![
            Following::new(channels.len() as u64).to_string(),
            starts_line(&mirroring.starts).to_string(),
        ];
        let mut left = places;
        for channel in channels {
            let from = match left.remove(channel.name()) {
                Some((epoch, seq, place)) => {
                    let begun = channel.begin(Position::Seq(seq), Some(epoch)).await;
                    let begun = begun.map_err(|refusal| refusal.with("place", place))?;
                    match begun.gap {
                        None => seq,
                        Some(HeadingKind::Epoch { first, .. } | HeadingKind::Trimmed { first }) => {
                            first
                        }
                        Some(_) => begun.cursor.seq() + begun.skip,
                    }
                }
                None => channel.extent().0,
            };
            lines.push(mirroring.enter(channel, from));
        }
        for (channel, _) in left {
            lines.push(MirrorLine::Deleted { channel }.to_string());
        }
        self.stay.asked.record(AuditResult::Ok);
        spawn(mirroring.run(framed(lines)));
        Ok(())
    }
}

impl Mirroring {
    /// Has a channel sent from a seq on. The line that says so.
    fn enter(&mut self, channel: Arc<Channel>, seq: u64) -> String {
        let number = u32::try_from(self.channels.len()).unwrap_or(u32::MAX);
        channel.count(Role::Follower).fetch_add(1, Relaxed);
        let mirrored = Mirrored {
            channel,
            seq,
            mark: Arc::new(Mark::new(number, Arc::clone(&self.ready))),
            counts: Told::No,
            has_turn: true,
        };
        let line = mirrored.place();
        self.channels.push(Some(mirrored));
        self.turn.push_back(number);
        line
    }

    async fn run(mut self, lines: Vec<u8>) {
        let admission = self.connection.stay.listed.admission().cloned();
        let told = async {
            self.connection.send(&lines).await.map_err(|_| Over)?;
            self.go_on().await
        };
        let ended = tokio::select! {
            biased;
            () = revoked(admission.as_deref()) => Err(Over),
            ended = told => ended,
        };
        match ended {
            Ok(()) => self.connection.socket.finish(false).await,
            // What has begun may be cut.
            Err(Over) => self.connection.socket.reset_on_close(),
        }
    }

    /// Sends what there is and what comes, until the hub ends.
    async fn go_on(&mut self) -> Result<(), Over> {
        loop {
            // Before the look at what there is, so that nothing comes after both.
            let is_closed = self.news.is_closed();
            self.hear().await?;
            let mut ready = Vec::new();
            self.ready.take(&mut ready);
            for number in ready {
                self.give_turn(number);
            }
            if let Some(number) = self.turn.pop_front() {
                if self.send_some(number).await? {
                    self.give_turn(number);
                }
                continue;
            }
            if is_closed {
                return Ok(());
            }
            let bell = Arc::clone(&self.bell);
            tokio::select! {
                () = bell.change.until(|| bell.rung.swap(false, SeqCst)) => {}
                _ = self.connection.peer_ends() => return Ok(()),
            }
        }
    }

    fn give_turn(&mut self, number: u32) {
        if let Some(Some(mirrored)) = self.channels.get_mut(number as usize)
            && !std::mem::replace(&mut mirrored.has_turn, true)
        {
            self.turn.push_back(number);
        }
    }

    /// Hears of channels that came and went.
    async fn hear(&mut self) -> Result<(), Over> {
        let mut lines = Vec::new();
        for (name, item) in self.news.take() {
            match item.gone {
                // Its epochs may have changed, which is told at the beginning only.
                Some(Gone::Kept) => return Err(Over),
                Some(Gone::Deleted(_)) => lines.extend(self.leave(name)),
                Some(Gone::Unused) => drop(self.leave(name)),
                None => {}
            }
            if let Some((channel, _)) = item.came {
                let log = self.connection.shared.registry.on_disk();
                if log.is_none_or(|durable| durable.log.starts() != self.starts) {
                    return Err(Over);
                }
                let first = channel.extent().0;
                lines.push(self.enter(channel, first));
            }
        }
        if !lines.is_empty() {
            let sent = self.connection.send(&framed(lines)).await;
            sent.map_err(|_| Over)?;
        }
        Ok(())
    }

    fn leave(&mut self, name: ChannelName) -> Option<String> {
        let is_of = |mirrored: &Option<Mirrored>| {
            let channel = mirrored.as_ref().map(|mirrored| mirrored.channel.name());
            channel == Some(&name)
        };
        let index = self.channels.iter().position(is_of)?;
        self.channels[index] = None;
        Some(MirrorLine::Deleted { channel: name }.to_string())
    }

    /// Sends what comes next of a channel. Whether there may be more.
    async fn send_some(&mut self, number: u32) -> Result<bool, Over> {
        let Some(Some(mirrored)) = self.channels.get_mut(number as usize) else {
            return Ok(false);
        };
        mirrored.has_turn = false;
        if mirrored.mark.lists() {
            // What comes after this look finds it on the list.
            let idle: Weak<Mark> = Arc::downgrade(&mirrored.mark);
            let idle: Weak<dyn Idle> = idle;
            mirrored.channel.tail().enlist(idle);
        }
        let bytes = mirrored.next().await?;
        for some in &bytes {
            let sent = self.connection.send(some).await;
            sent.map_err(|_| Over)?;
        }
        Ok(!bytes.is_empty())
    }
}

impl Mirrored {
    fn place(&self) -> String {
        let lineage = self
            .channel
            .history()
            .map(|history| history.channel.lineage());
        let lineage = lineage.as_ref();
        let links = lineage.map_or(&[][..], |lineage| &lineage.links);
        let line = MirrorLine::Place {
            channel: self.channel.name().clone(),
            birth: lineage.map_or(0, |lineage| lineage.birth),
            links: links.iter().map(|link| (link.start, link.first)).collect(),
            since: lineage.map_or(0, |lineage| lineage.since),
            from: self.seq,
            next: self.channel.tail().next_seq(),
        };
        line.to_string()
    }

    /// The bytes that come next, in parts; none if there is nothing.
    async fn next(&mut self) -> Result<Vec<Vec<u8>>, Over> {
        let tail = self.channel.tail();
        if let Told::No = self.counts {
            let (seq, counts) = tail.with(|ledger| (ledger.next_seq(), ledger.counts()));
            self.counts = Told::At(seq, counts);
            if seq == self.seq {
                return Ok(vec![self.run(Vec::new(), SystemTime::UNIX_EPOCH, &[])]);
            }
        }
        let before = match self.counts {
            Told::At(seq, _) => seq,
            _ => u64::MAX,
        };
        let found = tail.with(|ledger| ledger.piece(self.seq, before, PIECE));
        match found {
            Some(piece) if piece.messages == 0 => Ok(Vec::new()),
            Some(Piece {
                blocks,
                time,
                counts,
                ..
            }) => Ok(vec![self.run(blocks, time, &counts)]),
            None => self.next_from_files(before).await,
        }
    }

    async fn next_from_files(&mut self, before: u64) -> Result<Vec<Vec<u8>>, Over> {
        if let Told::Yes = self.counts {
            // The files do not say whose their messages are.
            self.counts = Told::No;
            // Nothing is sent, and it is looked at again.
            return Ok(vec![Vec::new()]);
        }
        let Some(history) = self.channel.history().cloned() else {
            return Err(Over);
        };
        let (_, read) = history.read(history.channel.reader(self.seq)).await;
        let read = match read {
            Ok(read) => read,
            Err(ReadError::Corrupt { next: seq, .. } | ReadError::Trimmed { first: seq }) => {
                self.seq = seq;
                self.counts = Told::No;
                return Ok(vec![framed([self.place()])]);
            }
            Err(_) => return Err(Over),
        };
        let times = history.times(self.seq).await.map_err(|_| Over)?;
        let mut block = Block::new(read.frames.bytes, read.frames.messages);
        if block.messages() > before - self.seq {
            block = first(&block, before - self.seq);
        }
        let mut parts = Vec::new();
        for (_, messages, time) in times {
            let messages = messages.min(block.messages());
            if messages == 0 {
                break;
            }
            let of_time = first(&block, messages);
            block = after(&block, messages);
            parts.push(self.run(vec![of_time], time, &[]));
        }
        // Each message has a time, and the times go on from here: what has none is read again.
        if parts.is_empty() {
            Err(Over)
        } else {
            Ok(parts)
        }
    }

    /// A run, with the counts that follow from it.
    fn run(&mut self, blocks: Vec<Block>, time: SystemTime, counts: &[Count]) -> Vec<u8> {
        let count: u64 = blocks.iter().map(Block::messages).sum();
        let from = self.seq;
        self.seq += count;
        let mut lines = Vec::new();
        match std::mem::replace(&mut self.counts, Told::Yes) {
            Told::At(seq, all) if seq == self.seq => {
                lines.push(self.counts_line(&[]));
                lines.extend(all.chunks(MAX_COUNTS).map(|some| self.counts_line(some)));
            }
            told => {
                self.counts = told;
                lines.extend(counts.chunks(MAX_COUNTS).map(|some| self.counts_line(some)));
            }
        }
        let run = MirrorLine::Run {
            channel: self.channel.name().clone(),
            from,
            count,
            time: milliseconds(time),
            next: self.channel.tail().next_seq(),
        };
        lines.push(run.to_string());
        let mut bytes = framed(lines);
        let more: usize = blocks.iter().map(|block| block.bytes().len()).sum();
        bytes.reserve_exact(more);
        for block in blocks {
            bytes.extend_from_slice(block.bytes());
        }
        bytes
    }

    fn counts_line(&self, counts: &[Count]) -> String {
        // The log has the same rules for their names.
        let counts = counts.iter();
        let counts = counts.filter_map(|(id, count)| Some((id.parse().ok()?, *count)));
        let line = MirrorLine::Counts {
            channel: self.channel.name().clone(),
            counts: counts.collect(),
        };
        line.to_string()
    }
}

impl Drop for Mirrored {
    fn drop(&mut self) {
        self.channel.count(Role::Follower).fetch_sub(1, Relaxed);
    }
}

fn starts_line(starts: &[Start]) -> MirrorLine {
    MirrorLine::Starts {
        oldest: starts.first().map_or(0, |oldest| oldest.number),
        random: starts.iter().map(|start| start.random).collect(),
    }
}
