//! A connection that follows many channels, until its first message.

use std::io;
use std::sync::Arc;

use tenfold::protocol::{Code, Following, HeadingKind, Pattern, Position, Refusal};
use tokio::io::Interest;
use tokio::sync::OwnedSemaphorePermit;

use crate::admission::denied;
use crate::audit::AuditResult;
use crate::channel::Channel;
use crate::connection::{Connection, Stay};
use crate::deadline::within;
use crate::follow::{Follow, Limit, not_there};
use crate::intake::Intake;
use crate::news::News;
use crate::place_list::{PlaceList, Places};
use crate::ready::Ready;
use crate::refusals::shutdown;
use crate::reports;
use crate::subscriber::{Drain, Subscriber};

/// The list may take so many times as long as the request.
const LIST_TIMES: u32 = 5;

/// Messages on their way from many channels to a peer.
pub(crate) struct FollowOutlet {
    subscriber: Subscriber<Follow>,
    stay: Arc<Stay>,
}

impl Connection {
    /// Receives the list of places, and finds all channels that fit.
    pub(crate) async fn follow(
        &self,
        patterns: Vec<Pattern>,
        from: Position,
        intake: Intake,
    ) -> Result<FollowOutlet, Refusal> {
        let shared = &self.shared;
        let (mut places, share) = self.list_of_places(&patterns, intake).await?;
        let ready = Arc::new(Ready::default());
        let news = Arc::new(News::new(
            patterns,
            self.stay.listed.admission().cloned(),
            Arc::clone(&ready),
        ));
        if let Some((_, (_, _, place))) = places.iter().find(|(name, _)| !news.may_read(name)) {
            return Err(denied().with("place", place));
        }
        let (channels, unread) = shared.registry.follow(&news, places.keys())?;
        let limit = self.limit(share, channels.len() + unread.len())?;
        let mut follow = Follow::new(
            (Arc::clone(&self.socket), self.peer),
            (Arc::clone(&news), ready),
            limit,
            (
                Arc::clone(shared.registry.rests()),
                Arc::clone(&shared.counters),
            ),
        )
        .holding(self.may_hold());
        follow.say(Following::new(channels.len() as u64).to_string());
        let count = channels.len();
        for channel in channels {
            self.begin(&mut follow, channel, from, &mut places).await?;
        }
        for name in unread {
            if let Some((epoch, seq, _)) = places.remove(&name) {
                follow.await_channel(name, (epoch, seq));
            }
        }
        // What is left in the list is not there.
        for (name, (epoch, seq, _)) in places {
            if seq > 0 {
                self.check_deleted(&name, epoch)?;
                follow.say(not_there(&name));
            }
        }
        let subscriber = Subscriber::of(
            Arc::clone(&self.socket),
            follow,
            // The rest of the time is for closing.
            Drain::Total(shared.options.now().drain.mul_f32(0.8)),
        )
        .giving_way(Arc::clone(&shared.giving_way))
        .admitted(self.stay.listed.admission());
        reports::follower_connected(self.peer, news.patterns(), count);
        self.stay.asked.record(AuditResult::Ok);
        self.stay.listed.follows(news, subscriber.watched());
        Ok(FollowOutlet {
            subscriber,
            stay: Arc::clone(&self.stay),
        })
    }

    async fn begin(
        &self,
        follow: &mut Follow,
        channel: Arc<Channel>,
        from: Position,
        places: &mut Places,
    ) -> Result<(), Refusal> {
        let begun = match places.remove(channel.name()) {
            Some((epoch, seq, place)) => {
                let begun = channel.begin(Position::Seq(seq), Some(epoch)).await;
                let begun = begun.map_err(|refusal| refusal.with("place", place))?;
                if let Some(HeadingKind::Epoch { .. }) = begun.gap {
                    self.check_current()?;
                }
                begun
            }
            None => channel.begin(from, None).await?,
        };
        follow.begin(channel, begun);
        // Looking at thousands of channels must not keep the thread.
        tokio::task::consume_budget().await;
        Ok(())
    }

    /// The list in time, and its share of what all followers may have.
    pub(crate) async fn list_of_places(
        &self,
        patterns: &[Pattern],
        intake: Intake,
    ) -> Result<(Places, Option<OwnedSemaphorePermit>), Refusal> {
        let shared = &self.shared;
        let list = self.receive_list(patterns, intake);
        let in_time = within(shared.options.now().request_timeout * LIST_TIMES, list);
        tokio::select! {
            received = in_time => received.unwrap_or_else(|| {
                let words = "the list of places did not come to its empty frame in time";
                Err(Refusal::new(Code::Timeout, words))
            }),
            () = shared.draining.raised() => Err(shutdown()),
        }
    }

    async fn receive_list(
        &self,
        patterns: &[Pattern],
        intake: Intake,
    ) -> Result<(Places, Option<OwnedSemaphorePermit>), Refusal> {
        let most = self.shared.options.now().max_followed;
        let mut list = PlaceList::new(intake, patterns, most);
        let mut share = None;
        let mut ended = false;
        while !list.received(ended)? {
            self.grow(&mut share, list.count())?;
            let (space, room) = list.space();
            match self.socket.try_read(space, room) {
                Ok(read) => ended = read == 0,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    let ready = self.socket.ready(Interest::READABLE).await;
                    ended = ready.is_err();
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => ended = true,
            }
        }
        self.grow(&mut share, list.count())?;
        Ok((list.into_places(), share))
    }

    /// The share of so many channels, at least, of what all followers may have.
    fn grow(&self, share: &mut Option<OwnedSemaphorePermit>, count: usize) -> Result<(), Refusal> {
        let has = share.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let missing = u32::try_from(count.saturating_sub(has)).unwrap_or(u32::MAX);
        if missing == 0 {
            return Ok(());
        }
        let more = Arc::clone(&self.shared.followed).try_acquire_many_owned(missing);
        let Ok(more) = more else {
            let words = "the hub's followers have too many channels together";
            return Err(Refusal::new(Code::Busy, words));
        };
        match share {
            Some(share) => share.merge(more),
            None => *share = Some(more),
        }
        Ok(())
    }

    fn limit(
        &self,
        mut share: Option<OwnedSemaphorePermit>,
        count: usize,
    ) -> Result<Limit, Refusal> {
        let each = self.shared.options.now().max_followed;
        if count > each {
            let words = format!("{count} channels fit, and a connection may follow {each}");
            return Err(Refusal::new(Code::Busy, words));
        }
        self.grow(&mut share, count)?;
        // Places of channels that are not there take no share any more.
        if let Some(share) = &mut share {
            drop(share.split(share.num_permits() - count));
        }
        Ok(Limit {
            each,
            all: Arc::clone(&self.shared.followed),
            share,
        })
    }
}

impl FollowOutlet {
    /// Sends until one side ends, and closes the connection.
    pub(crate) async fn run(self) {
        let Self { subscriber, stay } = self;
        let report = subscriber.run().await;
        reports::follower_disconnected(&report);
        stay.asked.record_end(report.messages, report.bytes);
        drop(stay);
    }
}
