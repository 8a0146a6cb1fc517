//! A guest's messages on their way to a channel.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::BytesMut;
use tenfold::protocol::{Acks, ChannelName, Code, ProducerId, Publishing as Answer, Refusal};
use tenfold::{Framing, native};
use tenfold_gate::Visitor;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{sleep_until, timeout};

use crate::admission::{is_revoked, not_valid, revoked};
use crate::appender::Appender;
use crate::audit::AuditResult;
use crate::block::Block;
use crate::clients::Receiving;
use crate::connection::{Connection, Stay};
use crate::frames::after;
use crate::intake::Intake;
use crate::memory::Allowance;
use crate::presence::Presence;
use crate::publisher::{Finish, Published};
use crate::publishing::LARGE;
use crate::refusals::{bad_frame, busy, fenced, not_stored, shutdown, too_large};
use crate::reports;
use crate::shared::Shared;
use crate::shares::Pace;
use crate::tail::NotAppended;

/// How a guest wants to publish.
#[derive(Clone, Debug, Default)]
pub struct Publish {
    /// The producer's name, if each message is to be stored exactly once.
    pub producer: Option<ProducerId>,
    /// What an acknowledgement is to mean; the channel's default if not given.
    pub acks: Option<Acks>,
}

/// Leave to append messages to a channel, until it is [finished](Self::finish).
///
/// The calls wait while the hub has no memory for what they bring, or while slow subscribers are waited for: so whoever reads
/// the messages from somewhere should read on when the last call is done. A call that fails says what a publisher is told in
/// the hub's protocol, and nothing more is appended after it; what was appended before stays.
///
/// ```no_run
/// use tenfold_hub::{Guest, Publish};
///
/// # async fn answer(guest: Guest) -> Result<(), Box<dyn std::error::Error>> {
/// // Five messages from the producer's third on, of which the hub may have some already.
/// let how = Publish { producer: Some("meter7".parse()?), ..Publish::default() };
/// let mut publication = guest.call("post", None).publish(&"ticks".parse()?, how).await?;
/// let there = publication.answer().next;
/// assert!(there >= 3, "there is a gap");
/// publication.skip(there - 3);
/// for message in [b"a", b"b", b"c", b"d", b"e"] {
///     publication.message(message).await?;
/// }
/// let next = publication.finish().await?;
/// assert!(next >= 8);
/// # Ok(())
/// # }
/// ```
pub struct Publication {
    appender: Appender,
    shared: Arc<Shared>,
    stay: Arc<Stay>,
    acks: Acks,
    /// How many messages the producer had before, and how many there are to be at the end.
    base: u64,
    due: u64,
    /// So many of the next messages are there already.
    skip: u64,
    intake: Intake,
    /// The message that comes in pieces, after the room for its header.
    pieces: BytesMut,
    allowance: Allowance,
    place: Option<OwnedSemaphorePermit>,
    pace: Option<Arc<Pace>>,
    received: Arc<AtomicU64>,
    limit: u64,
    /// Why nothing more is received.
    end: Option<Finish>,
    #[expect(dead_code, reason = "held for its drop")]
    appending: Presence,
}

/// Whole frames that have come are appended at the latest once they are so many bytes.
const BLOCK: usize = Intake::MAX_ROOM;

impl Publication {
    pub(crate) async fn new(
        connection: &Connection,
        channel: &ChannelName,
        how: Publish,
    ) -> Result<Self, Refusal> {
        let Publish { producer, acks } = how;
        let acks = connection.acks(acks)?;
        connection.take_place().await?;
        let appender = connection.appender(channel, producer.clone()).await?;
        let shared = Arc::clone(&connection.shared);
        let base = appender.committed();
        let visitor = connection.stay.listed.admission();
        let visitor = visitor.map(|admission| admission.visitor());
        let pace = shared.shares.pace(visitor.as_ref().map(Visitor::identity));
        let received: Arc<AtomicU64> = Arc::default();
        reports::publisher_connected(connection.peer, channel, producer.as_ref(), base);
        connection.stay.asked.record(AuditResult::Ok);
        connection.stay.listed.receives(Receiving {
            channel: Arc::clone(appender.channel()),
            producer,
            claim: appender.claim(),
            base,
            bytes: Arc::clone(&received),
        });
        let limit = shared.options.now().max_message;
        Ok(Self {
            appender,
            stay: Arc::clone(&connection.stay),
            acks,
            base,
            due: base,
            skip: 0,
            intake: Intake::new(Framing::default().client(), limit),
            pieces: BytesMut::new(),
            allowance: Allowance::new(Arc::clone(&shared.receiving)),
            place: None,
            pace,
            received,
            limit,
            end: None,
            appending: shared.appending.enter(),
            shared,
        })
    }

    /// The channel's history, how many messages of the producer are committed (without a producer: none), and what an
    /// acknowledgement means.
    pub fn answer(&self) -> Answer {
        Answer::new(self.appender.channel().epoch(), self.base, self.acks)
    }

    /// Leaves out so many of the messages that come next: they are there already.
    pub fn skip(&mut self, messages: u64) {
        self.skip += messages;
    }

    /// Appends one message.
    pub async fn message(&mut self, message: &[u8]) -> Result<(), Refusal> {
        self.piece(message).await?;
        self.end_message().await
    }

    /// Takes a part of one message, which [ends](Self::end_message) after its last part.
    pub async fn piece(&mut self, piece: &[u8]) -> Result<(), Refusal> {
        let length = self.pieces.len().saturating_sub(native::HEADER) + piece.len();
        if length as u64 > self.limit {
            return Err(self.broken(too_large(length as u64, self.limit)));
        }
        self.hold(self.held() + piece.len() + native::HEADER, length as u64)
            .await?;
        if self.pieces.is_empty() {
            self.pieces.extend_from_slice(&[b' '; native::HEADER]);
        }
        self.pieces.extend_from_slice(piece);
        self.count(piece.len());
        Ok(())
    }

    /// Appends the message whose parts have come.
    pub async fn end_message(&mut self) -> Result<(), Refusal> {
        if self.pieces.is_empty() {
            self.piece(&[]).await?;
        }
        let mut frame = std::mem::take(&mut self.pieces);
        let length = (frame.len() - native::HEADER).to_string();
        frame[..length.len()].copy_from_slice(length.as_bytes());
        let buffer = frame.capacity();
        self.append(Block::new(frame.freeze(), 1).in_buffer(buffer))
            .await
    }

    /// Takes a part of a stream of frames, which can be cut anywhere, and appends those that are whole.
    pub async fn frames(&mut self, mut bytes: &[u8]) -> Result<(), Refusal> {
        while !bytes.is_empty() {
            let some = bytes.len().min(BLOCK);
            let large = self.intake.large().unwrap_or(0);
            self.hold(self.held() + some, large).await?;
            let (part, rest) = bytes.split_at(some);
            let space = self.intake.space();
            space.extend_from_slice(part);
            bytes = rest;
            self.count(some);
            let scanned = self.intake.scan(u64::MAX);
            let block = self.intake.take_block();
            if block.messages() > 0 {
                self.append(block).await?;
            }
            if let Err(error) = scanned {
                let refusal = bad_frame(&error, self.intake.origin());
                return Err(self.broken(refusal));
            }
        }
        Ok(())
    }

    /// Waits until nothing more would be appended, whatever comes, and says why. For whoever waits for the next bytes, which
    /// may never come.
    pub async fn stopped(&mut self) -> Refusal {
        let refusal = self.next_obstacle().await;
        self.broken(refusal)
    }

    async fn next_obstacle(&self) -> Refusal {
        let channel = Arc::clone(self.appender.channel());
        loop {
            let progress = self.appender.progress();
            if let Some(refusal) = self.obstacle() {
                return refusal;
            }
            tokio::select! {
                biased;
                () = self.shared.draining.raised() => return shutdown(),
                () = channel.deletion().raised() => return self.outlast_deletion().await,
                () = revoked(self.stay.listed.admission().map(AsRef::as_ref)) => return not_valid(),
                () = self.appender.moved(progress, false) => {}
            }
        }
    }

    /// Says that everything has come, and waits for the acknowledgement: how many messages of the producer there are now, or
    /// without a producer how many of this publication.
    pub async fn finish(mut self) -> Result<u64, Refusal> {
        self.intake.finish();
        if let Err(error) = self.intake.scan(u64::MAX) {
            let refusal = bad_frame(&error, self.intake.origin());
            return Err(self.broken(refusal));
        }
        if !self.pieces.is_empty() {
            self.end_message().await?;
        }
        match self.acknowledged().await {
            Ok(next) => {
                self.shared.tally.acknowledged(1);
                self.end = Some(Finish::Complete);
                Ok(next)
            }
            Err(refusal) => Err(self.broken(refusal)),
        }
    }

    /// Waits for the acknowledgement of what was appended, whole messages of a stream that is wrong after them included: so
    /// many messages of the producer there are then, or without a producer so many of this publication.
    pub async fn settle(&self) -> Result<u64, Refusal> {
        self.acknowledged().await
    }

    async fn acknowledged(&self) -> Result<u64, Refusal> {
        loop {
            let progress = self.appender.progress();
            if let Some(why) = progress.refused {
                return Err(self.not_stored(why));
            }
            let count = match self.acks {
                Acks::Durable => progress.committed,
                _ => progress.accepted,
            };
            if count >= self.due {
                return Ok(count);
            }
            if progress.is_fenced && progress.is_settled {
                return Err(fenced());
            }
            self.appender.moved(progress, true).await;
        }
    }

    /// Bytes that have come and are in no block yet.
    fn held(&self) -> usize {
        self.intake.held() + self.pieces.len()
    }

    fn count(&mut self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Relaxed);
        if let Some(pace) = &self.pace {
            pace.received(bytes);
        }
    }

    /// Waits for memory for so many bytes, of a message that is so long as far as is known, and until the guest's identity may
    /// publish more.
    async fn hold(&mut self, bytes: usize, message: u64) -> Result<(), Refusal> {
        let refusal = match self.obstacle() {
            Some(refusal) => Some(refusal),
            None if self.appender.channel().deletion().is_raised() => {
                Some(self.outlast_deletion().await)
            }
            None => self.wait_for_memory(bytes, message).await.err(),
        };
        refusal.map_or(Ok(()), |refusal| Err(self.broken(refusal)))
    }

    async fn wait_for_memory(&mut self, bytes: usize, message: u64) -> Result<(), Refusal> {
        let shared = Arc::clone(&self.shared);
        let (stay, channel) = (Arc::clone(&self.stay), Arc::clone(self.appender.channel()));
        let stall = shared.options.now().stall_timeout;
        tokio::select! {
            biased;
            got = self.get_memory(bytes, message, stall) => got,
            () = shared.draining.raised() => Err(shutdown()),
            () = channel.deletion().raised() => Err(self.outlast_deletion().await),
            () = revoked(stay.listed.admission().map(AsRef::as_ref)) => Err(not_valid()),
        }
    }

    async fn get_memory(
        &mut self,
        bytes: usize,
        message: u64,
        stall: Duration,
    ) -> Result<(), Refusal> {
        if let Some(until) = self.pace.as_ref().and_then(|pace| pace.waits_until()) {
            sleep_until(until).await;
        }
        if message > LARGE && self.place.is_none() {
            let place = self.shared.receiving.large().acquire_owned();
            let place = timeout(stall, place).await.map_err(|_| busy())?;
            self.place = place.ok();
        }
        if self.allowance.try_grow(bytes) {
            self.shared.registry.enforce_total();
        }
        while self.allowance.bytes() < bytes {
            let more = timeout(stall, self.allowance.one_more()).await;
            let more = more.map_err(|_| busy())?.map_err(|_| busy())?;
            self.allowance.add(more);
        }
        Ok(())
    }

    /// Why nothing more is received.
    fn obstacle(&self) -> Option<Refusal> {
        if self.end.is_some() {
            return Some(Refusal::new(Code::Proto, "an earlier message was refused"));
        }
        if self.shared.draining.is_raised() {
            return Some(shutdown());
        }
        let progress = self.appender.progress();
        let refused = progress.refused.map(|why| self.not_stored(why));
        if progress.is_fenced {
            return Some(refused.unwrap_or_else(fenced));
        }
        let admission = self.stay.listed.admission().map(AsRef::as_ref);
        refused.or_else(|| is_revoked(admission).then(not_valid))
    }

    async fn append(&mut self, block: Block) -> Result<(), Refusal> {
        let skip = self.skip.min(block.messages());
        self.skip -= skip;
        let block = if skip > 0 { after(&block, skip) } else { block };
        let (messages, bytes) = (block.messages(), block.bytes().len());
        if messages > 0 {
            let appended = self.appender.append(block).await;
            if let Err(why) = appended {
                let refusal = match why {
                    NotAppended::Fenced => fenced(),
                    NotAppended::Refused(why) => self.not_stored(why),
                    NotAppended::Deleted => self.outlast_deletion().await,
                    NotAppended::Closed => shutdown(),
                };
                return Err(self.broken(refusal));
            }
            self.due += messages;
            self.appender.deliver(bytes);
        }
        self.allowance.shrink(self.held());
        if self.intake.large().is_none_or(|length| length <= LARGE) {
            self.place = None;
        }
        Ok(())
    }

    /// Waits until it is known what has become of the channel's deletion, and so what the guest is told.
    async fn outlast_deletion(&self) -> Refusal {
        tokio::select! {
            biased;
            told = self.appender.outlast_deletion() => told,
            () = self.shared.draining.raised() => shutdown(),
        }
    }

    fn not_stored(&self, why: tenfold_log::Refused) -> Refusal {
        let name = self.appender.channel().name();
        let durable = self.shared.registry.on_disk();
        let fault = durable.and_then(|durable| durable.log.why_refused(name.as_str(), why));
        not_stored(why, fault.as_ref())
    }

    /// Nothing more is received, and it is noted why.
    fn broken(&mut self, refusal: Refusal) -> Refusal {
        if self.end.is_none() {
            self.end = Some(Finish::Refused(refusal.code));
            let place = self.appender.channel().name().as_str();
            let peer = self.stay.listed.peer();
            self.shared.mistakes.note(peer, place, &refusal);
            self.shared.tally.refused(&refusal);
        }
        refusal
    }
}

impl Drop for Publication {
    fn drop(&mut self) {
        let published = Published {
            end: self.end.unwrap_or(Finish::Abandoned),
            committed: self.appender.committed(),
            bytes: self.received.load(Relaxed),
        };
        let channel = self.appender.channel().name();
        reports::publisher_disconnected(&published, self.stay.listed.peer(), channel);
        let messages = published.committed.saturating_sub(self.base);
        self.stay.asked.record_end(messages, published.bytes);
    }
}

impl fmt::Debug for Publication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publication")
            .field("channel", self.appender.channel().name())
            .field("due", &self.due)
            .finish_non_exhaustive()
    }
}
