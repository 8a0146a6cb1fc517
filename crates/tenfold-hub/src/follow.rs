//! What goes to one client that follows many channels, without waiting.
//!
//! ```text
//!   ready --> turn: 7 3 9 ...        a run of each: heading, blocks --> one write --> rest
//!                   ^___________________ what has more goes to the end _____|
//! ```
//!
//! A run is planned from what its channel has, and counts only when its first byte is taken by the socket.
//! Those that were not begun are planned again. So a client that takes nothing holds the rest of one run
//! at the most, and its places. Once nobody else keeps what is left of the run, it lets all of it go but the frame that
//! was begun, and goes on with the run when the socket takes something.

mod keeping;
mod limit;
mod plan;

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, IoSlice};
use std::sync::{Arc, Weak};

use tenfold::protocol::{ChannelName, Epoch, Heading, HeadingKind, Position};
use tenfold_log::{ReadError, Reader};

use crate::block::Block;
use crate::channel::{Begun, Channel};
use crate::deliver::{Attempt, COSTLY, Deliver, attempt_after};
use crate::file_reads::{FileReads, began};
use crate::followed::{Followed, Found, RUN, Told};
use crate::frames::framed;
use crate::history::{FromFile, History};
use crate::idle::Idle;
use crate::memory::Rests;
use crate::news::{Gone, News};
use crate::peer::Peer;
use crate::ready::{Mark, Ready};
use crate::rest::Rest;
use crate::socket::Socket;
use crate::stats::{ClientReport, Counters, End};

pub(crate) use limit::Limit;
use plan::{Run, SLICES, Source, line};

/// How many bytes of lines are made at once.
const LINES: usize = 64 * 1024;

/// A client's places in many channels, and what is left of the run that was begun.
#[derive(Debug)]
pub(crate) struct Follow {
    socket: Arc<Socket>,
    /// Whether publishers may have to wait for the client.
    holds: bool,
    news: Arc<News>,
    ready: Arc<Ready>,
    /// The channels, by their numbers, and numbers that are free.
    channels: Vec<Option<Followed>>,
    free: Vec<u32>,
    numbers: BTreeMap<ChannelName, u32>,
    /// Places in channels that could not be read at the hub's start, and come when they can be.
    awaited: BTreeMap<ChannelName, (Epoch, u64)>,
    limit: Limit,
    /// What is said before any other run.
    lines: VecDeque<Line>,
    /// The channels that have something, in the order of their turns.
    turn: VecDeque<u32>,
    /// Those that wait until another one has read from its files.
    waiting: VecDeque<u32>,
    reads: FileReads,
    /// What is left of what was begun: lines, or a run of `current`. The first one was begun, or comes next.
    rest: VecDeque<Rest>,
    current: Option<Current>,
    /// How many bytes of the next message of `current` are sent, if the rest of it is to be had again.
    sent_of_next: Option<usize>,
    /// Memory for rests that no tail keeps.
    rests: Arc<Rests>,
    /// The run that was begun cannot be ended.
    broken: Option<End>,
    counters: Arc<Counters>,
    report: ClientReport,
}

/// Something to be said.
#[derive(Debug)]
pub(crate) enum Line {
    /// Where it stands in the channel of this number.
    Place(u32),
    Text(String),
}

/// The channel whose run was begun, and how many of its messages are neither written nor in the rest.
#[derive(Clone, Copy, Debug)]
struct Current {
    number: u32,
    left: u64,
    /// The channel is no longer followed: what is left of it is nowhere else.
    is_gone: bool,
}

/// How far a follower is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) channels: usize,
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    pub(crate) lag: u64,
    pub(crate) lag_bytes: u64,
}

impl Follow {
    /// Follows no channel yet.
    pub(crate) fn new(
        (socket, peer): (Arc<Socket>, Peer),
        (news, ready): (Arc<News>, Arc<Ready>),
        limit: Limit,
        (rests, counters): (Arc<Rests>, Arc<Counters>),
    ) -> Self {
        Self {
            socket,
            holds: true,
            news,
            reads: FileReads::new(Arc::clone(&ready)),
            ready,
            channels: Vec::new(),
            free: Vec::new(),
            numbers: BTreeMap::new(),
            awaited: BTreeMap::new(),
            limit,
            lines: VecDeque::new(),
            turn: VecDeque::new(),
            waiting: VecDeque::new(),
            rest: VecDeque::new(),
            current: None,
            sent_of_next: None,
            rests,
            broken: None,
            counters,
            report: ClientReport {
                peer,
                end: End::Complete,
                messages: 0,
                bytes: 0,
                skipped: 0,
                torn: false,
            },
        }
    }

    /// Says a line before anything else.
    pub(crate) fn say(&mut self, line: String) {
        self.lines.push_back(Line::Text(line));
    }

    /// Has publishers never wait for this client.
    #[must_use]
    pub(crate) fn holding(mut self, holds: bool) -> Self {
        self.holds = holds;
        self
    }

    /// Follows a channel from a place on, which is said first.
    pub(crate) fn begin(&mut self, channel: Arc<Channel>, begun: Begun) {
        let number = self.enter(channel, begun);
        if let Some(followed) = &mut self.channels[number as usize] {
            followed.told = Told::Promised;
        }
        self.lines.push_back(Line::Place(number));
    }

    /// Waits for a channel that could not be read at the hub's start, with a place in it. It has its share already.
    pub(crate) fn await_channel(&mut self, name: ChannelName, place: (Epoch, u64)) {
        self.say(Heading::new(&name, HeadingKind::Unreadable).to_string());
        self.awaited.insert(name, place);
    }

    /// How far it is, in all channels together.
    pub(crate) fn standing(&self) -> Standing {
        let mut standing = Standing {
            channels: self.numbers.len(),
            messages: self.report.messages,
            bytes: self.report.bytes,
            lag: 0,
            lag_bytes: self.rest_bytes() as u64,
        };
        for channel in self.channels.iter().flatten() {
            let (messages, bytes) = channel.lag();
            standing.lag += messages;
            standing.lag_bytes += bytes;
        }
        standing
    }

    /// How many committed messages of each channel are still to be sent.
    pub(crate) fn lags(&self, mut each: impl FnMut(&Arc<Channel>, u64)) {
        for followed in self.channels.iter().flatten() {
            each(&followed.channel, followed.lag().0);
        }
    }

    fn enter(&mut self, channel: Arc<Channel>, mut begun: Begun) -> u32 {
        if !self.holds {
            begun.cursor.hold_no_more();
        }
        // A number that lines are still to be said of must not mean another channel.
        let is_free = self.lines.is_empty();
        let free = is_free.then(|| self.free.pop()).flatten();
        let number = free.unwrap_or_else(|| {
            self.channels.push(None);
            u32::try_from(self.channels.len() - 1).unwrap_or(u32::MAX)
        });
        let name = channel.name().clone();
        let mark = Mark::new(number, Arc::clone(&self.ready));
        let mut followed = Followed::new(channel, begun, mark);
        followed.has_turn = true;
        self.turn.push_back(number);
        self.numbers.insert(name, number);
        self.channels[number as usize] = Some(followed);
        number
    }

    /// Hears of channels that came and went.
    fn hear(&mut self) -> Result<(), End> {
        for (name, item) in self.news.take() {
            if let Some(how) = item.gone {
                self.leave(&name, how);
            }
            let Some((channel, cursor)) = item.came else {
                continue;
            };
            // It may be one that it has found by itself.
            if self.numbers.contains_key(&name) {
                continue;
            }
            let begun = if let Some((epoch, seq)) = self.awaited.remove(&name) {
                // To a client that asks again it is told what is wrong with its place.
                let begun = channel.begin_at(Position::Seq(seq), Some(epoch));
                begun.map_err(|_| End::Damaged)?
            } else if self.limit.grow(self.numbers.len() + self.awaited.len()) {
                Begun {
                    cursor,
                    skip: 0,
                    gap: None,
                }
            } else {
                return Err(End::TooManyChannels);
            };
            self.enter(channel, begun);
        }
        Ok(())
    }

    fn leave(&mut self, name: &ChannelName, how: Gone) {
        let Some(number) = self.numbers.remove(name) else {
            return;
        };
        let Some(mut followed) = self.channels[number as usize].take() else {
            return;
        };
        self.free.push(number);
        if let Some(current) = &mut self.current
            && current.number == number
        {
            current.is_gone = true;
            if current.left > 0 {
                self.broken = Some(End::Slow);
            }
        }
        if followed.told == Told::Promised {
            self.say(followed.place());
        }
        if how == Gone::Kept {
            let place = (followed.channel.epoch(), followed.seq());
            self.awaited.insert(name.clone(), place);
            return;
        }
        self.limit.shrink();
        if let Gone::Deleted(next) = how {
            self.bid_farewell(&mut followed, number, next);
            self.say(followed.line(HeadingKind::Deleted { next: Some(next) }));
        }
    }

    /// What is left of a channel that was deleted before its seq `next`, if that is one run, and a client that takes
    /// something: it may have been on its way.
    fn bid_farewell(&mut self, followed: &mut Followed, number: u32, next: u64) {
        let is_within_run = self.current.is_some_and(|current| current.left > 0);
        let is_from_file = self.rest.iter().any(|rest| rest.kept_for().is_some());
        if is_within_run || is_from_file || !self.lines.is_empty() {
            return;
        }
        let Found::Blocks(mut blocks) = followed.look(RUN) else {
            return;
        };
        let step = followed.cut(&mut blocks, u64::MAX);
        let bytes: usize = blocks.iter().map(|block| block.bytes().len()).sum();
        if step.from + step.messages == next && self.rest_bytes() + bytes <= LINES {
            let heading = followed.heading(step.from, step.messages);
            self.rest.push_back(line(&heading));
            self.rest.extend(blocks.into_iter().map(Rest::only));
            followed.advance(step);
            // What comes after it is of another channel, and what comes before it cannot be had after it.
            for rest in &mut self.rest {
                rest.keep_whole();
            }
            self.current.get_or_insert(Current {
                number,
                left: 0,
                is_gone: true,
            });
        }
    }

    /// Makes frames of the lines that are to be said, if nothing else has begun.
    fn speak(&mut self) {
        if !self.rest.is_empty() || self.current.is_some() {
            return;
        }
        let mut text = Vec::new();
        while text.len() < LINES
            && let Some(line) = self.lines.pop_front()
        {
            match line {
                Line::Text(line) => text.append(&mut framed([line])),
                Line::Place(number) => {
                    if let Some(followed) = &mut self.channels[number as usize] {
                        let notice = followed.notice.take();
                        let notice = notice.map(|kind| followed.line(kind));
                        text.append(&mut framed(notice.into_iter().chain([followed.place()])));
                        followed.told = Told::Yes;
                    }
                }
            }
        }
        if !text.is_empty() {
            self.rest.push_back(Rest::only(Block::new(text, 0)));
        }
    }

    /// Notes how far a write got: through the rest, and through some of the runs.
    fn wrote(&mut self, written: usize, runs: Vec<Run>) {
        let before = self.report.messages;
        let mut left = self.pass(written);
        let mut unbegun = Vec::new();
        for run in runs {
            if left > 0 {
                self.enter_run(run);
                left = self.pass(left);
            } else if !run.continues {
                unbegun.push(run.number);
            }
        }
        for number in unbegun.into_iter().rev() {
            self.turn.push_front(number);
        }
        self.report.bytes += written as u64;
        let messages = self.report.messages - before;
        self.counters.sent(messages, written as u64);
    }

    /// The first byte of a run was written: it is the rest now.
    fn enter_run(&mut self, run: Run) {
        let number = run.number;
        let Some(Some(followed)) = self.channels.get_mut(number as usize) else {
            return;
        };
        match run.of {
            Source::Notice => followed.notice = None,
            Source::Tail(step) => followed.advance(step),
            Source::Files => followed.go_to(followed.seq() + run.messages),
        }
        followed.told = Told::Yes;
        let mut current = Current {
            number,
            left: 0,
            is_gone: false,
        };
        if let Some(begun) = self.current.filter(|_| run.continues) {
            current.left = begun.left - run.messages;
            self.sent_of_next = None;
        } else {
            self.turn.push_back(number);
        }
        self.current = Some(current);
        self.rest.extend(run.pieces);
        if let Source::Files = run.of
            && let Some(rest) = self.rest.back_mut()
        {
            rest.set_memory(self.reads.take(number).and_then(|fetched| fetched.memory));
        }
    }

    /// Takes up to so many bytes of the rest; returns how many are left over.
    fn pass(&mut self, mut bytes: usize) -> usize {
        while let Some(front) = self.rest.front_mut() {
            let (taken, messages) = front.take(bytes);
            if !front.is_empty() {
                return 0;
            }
            bytes -= taken;
            self.report.messages += messages;
            if let Some(memory) = self.rest.pop_front().and_then(Rest::into_memory) {
                self.reads.reuse(memory);
            }
        }
        if self.current.is_some_and(|current| current.left == 0) {
            self.current = None;
        }
        bytes
    }

    fn rest_bytes(&self) -> usize {
        self.rest.iter().map(Rest::len).sum()
    }

    /// The channel of the run that was begun, if it is still followed.
    fn begun(&self) -> Option<&Followed> {
        self.channels.get(self.number_of_begun()?)?.as_ref()
    }

    fn begun_mut(&mut self) -> Option<&mut Followed> {
        let number = self.number_of_begun()?;
        self.channels.get_mut(number)?.as_mut()
    }

    fn number_of_begun(&self) -> Option<usize> {
        let current = self.current.filter(|current| !current.is_gone)?;
        Some(current.number as usize)
    }

    fn write(&mut self, runs: &[Run]) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut used = 0;
        let pieces = runs.iter().flat_map(|run| &run.pieces);
        for piece in self.rest.iter().chain(pieces).take(SLICES) {
            slices[used] = IoSlice::new(piece.bytes());
            used += 1;
        }
        self.socket.try_write_vectored(&slices[..used])
    }
}

impl Deliver for Follow {
    fn attempt(&mut self) -> io::Result<Attempt> {
        if !self.socket.flush()? {
            return Ok(Attempt::Blocked);
        }
        // Before the look at what there is, so that nothing comes after both.
        let is_closed = self.news.is_closed();
        if let Err(end) = self.hear() {
            return Ok(Attempt::Done(end));
        }
        self.reads.large = None;
        self.give_turns();
        self.speak();
        let mut runs = Vec::new();
        if self.lines.is_empty() {
            runs = self.plan();
        }
        if let Some(end) = self.broken {
            return Ok(Attempt::Done(end));
        }
        if self.rest.is_empty() && runs.is_empty() {
            if self.reads.large.is_some() {
                return Ok(Attempt::Unread);
            }
            self.reads.rest();
            let is_done = is_closed && self.waiting.is_empty() && self.reads.is_free();
            return Ok(if is_done {
                Attempt::Done(End::Complete)
            } else {
                Attempt::CaughtUp
            });
        }
        match self.write(&runs) {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                self.wrote(written, runs);
                Ok(Attempt::Wrote)
            }
            Err(e) => {
                self.wrote(0, runs);
                attempt_after(e)
            }
        }
    }

    fn write_rest(&mut self) -> io::Result<Attempt> {
        if !self.socket.flush()? {
            return Ok(Attempt::Blocked);
        }
        if self.rest.is_empty() {
            return Ok(Attempt::Done(End::Revoked));
        }
        self.write(&[]).map_or_else(attempt_after, |written| {
            self.wrote(written, Vec::new());
            Ok(Attempt::Wrote)
        })
    }

    fn enlist(&self, idle: Weak<dyn Idle>) {
        self.ready.set_task(idle);
    }

    /// Of a large message. Other reads go on beside.
    fn unread(&mut self) -> Option<(Arc<History>, Reader)> {
        let number = self.reads.large?;
        self.reads.forget();
        let followed = self.channels.get(number as usize)?.as_ref()?;
        let history = Arc::clone(followed.channel.history()?);
        let reader = self.reads.reader_of(number, followed.seq(), &history);
        Some((history, reader))
    }

    fn read(&mut self, reader: Reader, result: Result<FromFile, ReadError>) -> Attempt {
        // It is no longer wanted of a channel that has gone.
        if let Some(number) = self.reads.large.take() {
            self.was_brought(number, began(&reader, &result), result);
        }
        Attempt::Wrote
    }

    fn let_go(&self) -> impl Future<Output = ()> + Send + use<> {
        self.to_be_let_go()
    }

    fn keep_rest(&mut self) -> bool {
        self.reads.forget();
        self.keep_what_was_begun()
    }

    fn ending(&self) -> impl Future<Output = ()> + Send + use<> {
        let news = Arc::clone(&self.news);
        let is_costly = self.rest_bytes() > COSTLY;
        let passed = self.begun().filter(|_| is_costly).map(Followed::ending);
        async move {
            let passed = async {
                match passed {
                    Some(passed) => passed.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = news.closed() => {}
                () = passed => {}
            }
        }
    }

    fn is_passed(&mut self) -> bool {
        // What is missing in one channel is told, and the others go on.
        false
    }

    fn is_costly(&mut self) -> bool {
        self.rest_bytes() > COSTLY && self.begun_mut().is_some_and(Followed::is_passed)
    }

    fn report(&mut self, end: End) -> ClientReport {
        self.report.end = end;
        // A run that is cut between two frames is not torn.
        self.report.torn = !self.rest.is_empty() || self.sent_of_next.is_some();
        self.counters.ended(end);
        self.report
    }
}

/// What is said of a channel that the client knows and the hub does not.
pub(crate) fn not_there(name: &ChannelName) -> String {
    Heading::new(name, HeadingKind::Deleted { next: None }).to_string()
}
