//! One connection of a hub, from its first byte to its last.

use std::fmt::Display;
use std::io;
use std::sync::Arc;

use tenfold::protocol::{
    Acks, ChannelName, Code, Epoch, Position, ProducerId, Publishing as Answer, Refusal, Request,
};
use tenfold::{Encoder, Framing, closing};
use tokio::io::Interest;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, timeout};
use tracing::info;

use crate::appender::Appender;
use crate::channel::{Role, Subscription};
use crate::hub::{Direction, Plain, Shared};
use crate::publisher::{Finish, Published, Publisher, fenced, shutdown};
use crate::publishing::{Publishing, Timeouts, Voice};
use crate::registry::Visit;
use crate::request::{FirstFrame, Received};
use crate::socket::{Peer, Socket};
use crate::stats::ClientReport;
use crate::subscriber::{Drain, Subscriber};
use crate::{Block, End, Intake};

/// A connection, until it is known what it is for.
pub(crate) struct Connection {
    shared: Arc<Shared>,
    socket: Arc<Socket>,
    peer: Peer,
    stay: Arc<Stay>,
}

/// A connection, as long as anything of it is there.
struct Stay {
    /// Among the connections that are served; `None`: it is one too many.
    place: Option<OwnedSemaphorePermit>,
    #[expect(dead_code, reason = "held for its drop")]
    presence: Presence,
}

impl Connection {
    pub(crate) fn new(shared: Arc<Shared>, socket: Socket, peer: Peer) -> Self {
        shared.counters.accepted();
        // Taken here, and not by the task of the connection: places go by the order of accepting.
        let place = Arc::clone(&shared.places).try_acquire_owned().ok();
        Self {
            stay: Arc::new(Stay {
                place,
                presence: Presence::new(&shared, |shared| &shared.connections),
            }),
            shared,
            socket: Arc::new(socket),
            peer,
        }
    }

    /// Serves a connection that says what it wants. `pending` is its place among those who have not
    /// said it yet.
    pub(crate) async fn serve(self, pending: Option<OwnedSemaphorePermit>) {
        if self.stay.place.is_none() {
            let refusal = Refusal::new(Code::Busy, "the hub has too many connections");
            return self.refuse(&refusal, false).await;
        }
        let received = self.first_frame().await;
        match received {
            // What is only looked up keeps its place among those who have not got what they want.
            Ok(Received::Request(request, intake)) => self.obey(request, intake, pending).await,
            Ok(Received::Refused(refusal)) => {
                drop(pending);
                self.refuse(&refusal, false).await;
            }
            // It has gone, or it has said nothing and ended: nobody listens.
            Ok(Received::Part(_) | Received::Nothing) | Err(_) => {}
        }
    }

    async fn first_frame(&self) -> io::Result<Received> {
        let limit = self.shared.options.request_timeout;
        let reading = timeout(limit, self.read_first_frame());
        tokio::select! {
            biased;
            received = reading => received.unwrap_or_else(|_| {
                let words = "the request did not come in time";
                Ok(Received::Refused(Refusal::new(Code::Timeout, words)))
            }),
            () = self.shared.draining.raised() => Ok(Received::Refused(shutdown())),
        }
    }

    async fn read_first_frame(&self) -> io::Result<Received> {
        let mut frame = FirstFrame::new();
        loop {
            let (space, room) = frame.space();
            let read = match self.socket.try_read(space, room) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    self.socket.ready(Interest::READABLE).await?;
                    continue;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            match frame.received(read == 0) {
                Received::Part(more) => frame = more,
                received => return Ok(received),
            }
        }
    }

    /// What goes on from here is a task of its own, so that an idle connection takes no more memory
    /// than what it is doing needs.
    async fn obey(self, request: Request, intake: Intake, pending: Option<OwnedSemaphorePermit>) {
        match request {
            Request::Subscribe {
                channel,
                from,
                epoch,
            } => match self.subscribe(&channel, from, epoch).await {
                Ok(outlet) => drop(tokio::spawn(outlet.run())),
                Err(refusal) => {
                    drop(pending);
                    self.refuse(&refusal, false).await;
                }
            },
            Request::Publish {
                channel,
                producer,
                acks,
            } => match self.publish(&channel, producer, acks, intake).await {
                Ok(inlet) => drop(tokio::spawn(inlet.run())),
                Err(refusal) => {
                    drop(pending);
                    self.refuse(&refusal, false).await;
                }
            },
            Request::Channels => {
                let channels = self.shared.registry.channels();
                let lines = framed(channels.iter().map(|channel| channel.describe()));
                self.say(&lines, false).await;
            }
            Request::Health => self.say(&framed([self.shared.health()]), false).await,
        }
    }

    async fn subscribe(
        &self,
        channel: &ChannelName,
        from: Position,
        epoch: Option<Epoch>,
    ) -> Result<Outlet, Refusal> {
        let visit = self.shared.registry.enter(channel, Role::Subscriber)?;
        let subscription = visit.channel().find(from, epoch).await?;
        let answer = framed([subscription.answer]);
        Ok(self.outlet(visit, subscription, &answer))
    }

    /// The messages of a channel, on their way to the peer; `before` comes first.
    fn outlet(&self, visit: Visit, subscription: Subscription, before: &[u8]) -> Outlet {
        let Subscription {
            answer,
            head,
            cursor,
        } = subscription;
        let first = if before.is_empty() {
            head
        } else {
            Block::new([before, head.bytes()].concat(), head.messages())
        };
        let name = visit.channel().name();
        info!(peer = %self.peer, channel = %name, from = answer.from, "subscriber connected");
        Outlet {
            subscriber: Subscriber::new(
                (Arc::clone(&self.socket), self.peer),
                first,
                (cursor, visit.channel().history().cloned()),
                // The rest of the time is for closing.
                Drain::Total(self.shared.options.drain.mul_f32(0.8)),
                Arc::clone(&self.shared.counters),
            ),
            visit,
            from: answer.from,
            stay: Arc::clone(&self.stay),
        }
    }

    async fn publish(
        &self,
        channel: &ChannelName,
        producer: Option<ProducerId>,
        acks: Option<Acks>,
        intake: Intake,
    ) -> Result<Inlet, Refusal> {
        let default = match self.shared.registry.on_disk() {
            Some(_) => Acks::Durable,
            None => Acks::Memory,
        };
        let acks = acks.unwrap_or(default);
        if (acks, default) == (Acks::Durable, Acks::Memory) {
            let words = "the channel has no log: acks=memory is what there is";
            return Err(Refusal::new(Code::Denied, words));
        }
        self.inlet(channel, producer, Voice::Protocol(acks), intake)
            .await
    }

    /// Messages from the peer, on their way to a channel.
    async fn inlet(
        &self,
        channel: &ChannelName,
        producer: Option<ProducerId>,
        voice: Voice,
        intake: Intake,
    ) -> Result<Inlet, Refusal> {
        let shared = &self.shared;
        if let Some(durable) = shared.registry.on_disk() {
            durable.may_publish().await?;
        }
        let visit = shared.registry.enter(channel, Role::Publisher)?;
        let id = producer.clone();
        let appender = Appender::new(visit, producer, shared.options.clock)?;
        appender.settled().await.map_err(|_| fenced())?;
        let timeouts = Timeouts {
            header: shared.options.header_timeout,
            stall: shared.options.stall_timeout,
        };
        let mut session = Publishing::new(intake, shared.options.max_message, voice, timeouts);
        let committed = appender.committed();
        if let Voice::Protocol(acks) = voice {
            let answer = Answer {
                epoch: appender.channel().epoch(),
                next: committed,
                acks,
            };
            session.begin(committed, &answer.to_string(), Instant::now().into_std());
        }
        let id = id.as_ref().map_or("", ProducerId::as_str);
        info!(peer = %self.peer, channel = %channel, producer = id, next = committed, "publisher connected");
        let publisher = Publisher::new(
            Arc::clone(&self.socket),
            session,
            appender,
            Arc::clone(&shared.means),
            Arc::clone(&shared.draining),
        );
        Ok(Inlet {
            publisher,
            peer: self.peer,
            appending: Presence::new(shared, |shared| &shared.appending),
            stay: Arc::clone(&self.stay),
        })
    }

    /// Serves a connection of a plain port.
    pub(crate) async fn serve_plain(self, plain: Arc<Plain>) {
        if self.stay.place.is_none() {
            return;
        }
        let plain = &*plain;
        let mut outlet = None;
        if plain.direction != Direction::In {
            outlet = Some(self.plain_outlet(plain).await);
        }
        let mut inlet = None;
        if plain.direction != Direction::Out {
            let intake = Intake::new(Framing::default().client(), self.shared.options.max_message);
            let voice = Voice::Silent;
            inlet = Some(self.inlet(&plain.channel, None, voice, intake).await);
        }
        // Nothing is ever said on a plain port: who cannot be served is closed.
        drop(match (outlet, inlet) {
            (Some(Ok(outlet)), None) => tokio::spawn(outlet.run()),
            (None, Some(Ok(inlet))) => tokio::spawn(inlet.run()),
            (Some(Ok(outlet)), Some(Ok(inlet))) => tokio::spawn(both(outlet, inlet)),
            _ => return,
        });
    }

    async fn plain_outlet(&self, plain: &Plain) -> Result<Outlet, Refusal> {
        let visit = self
            .shared
            .registry
            .enter(&plain.channel, Role::Subscriber)?;
        let from = plain.replay.map_or(Position::Next, Position::Newest);
        let subscription = visit.channel().find(from, None).await?;
        Ok(self.outlet(visit, subscription, &plain.welcome))
    }

    async fn refuse(&self, refusal: &Refusal, half_closed: bool) {
        let code = refusal.code.map_or("", Code::as_str);
        info!(peer = %self.peer, code, "refused");
        self.say(&framed([refusal]), half_closed).await;
    }

    /// Says something short, and closes. It fits into the system's buffer, so a peer that takes
    /// nothing is no reason to wait for long.
    async fn say(&self, bytes: &[u8], half_closed: bool) {
        let time = self.shared.options.request_timeout.max(closing::WAIT);
        if let Ok(Ok(())) = timeout(time, self.socket.write_all(bytes)).await {
            self.socket.finish(half_closed).await;
        } else {
            // Nobody is to take a part for the whole.
            self.socket.reset_on_close();
        }
    }
}

/// Messages on their way from a channel to a peer.
struct Outlet {
    subscriber: Subscriber,
    visit: Visit,
    /// The seq of the first message.
    from: u64,
    stay: Arc<Stay>,
}

impl Outlet {
    async fn run(self) {
        let Self {
            subscriber,
            visit,
            from,
            stay,
        } = self;
        let report = subscriber.run().await;
        disconnected(&report, &visit, from);
        drop(stay);
    }
}

/// Messages on their way from a peer to a channel.
struct Inlet {
    publisher: Publisher,
    peer: Peer,
    appending: Presence,
    stay: Arc<Stay>,
}

impl Inlet {
    async fn run(self) {
        let Self {
            mut publisher,
            peer,
            appending,
            stay,
        } = self;
        let published = publisher.run().await;
        drop(appending);
        ended(&published, peer, publisher.channel().name());
        let (socket, half_closed) = publisher.into_parts();
        if !matches!(published.end, Finish::Gone(_)) {
            socket.finish(half_closed).await;
        }
        drop(stay);
    }
}

/// Both directions of one connection. The peer's half-close ends one of them, bad input both.
async fn both(outlet: Outlet, inlet: Inlet) {
    let mut subscriber = outlet.subscriber.without_input();
    let mut publisher = inlet.publisher;
    let received = tokio::select! {
        biased;
        received = publisher.run() => Some(received),
        () = subscriber.deliver() => None,
    };
    let mut half_closed = publisher.is_half_closed();
    if let Some(received) = received {
        // The hub's end is none of the other direction before it has delivered everything.
        let goes_on = matches!(
            received.end,
            Finish::Complete | Finish::Refused(Some(Code::Shutdown))
        );
        ended(&received, inlet.peer, publisher.channel().name());
        half_closed = publisher.into_parts().1;
        drop(inlet.appending);
        if goes_on {
            subscriber.deliver().await;
        }
    }
    let (socket, _, report) = subscriber.into_parts();
    disconnected(&report, &outlet.visit, outlet.from);
    if report.torn {
        socket.reset_on_close();
    } else {
        socket.finish(half_closed).await;
    }
    drop((inlet.stay, outlet.stay));
}

/// What became of a publisher, for people.
fn ended(published: &Published, peer: Peer, channel: &ChannelName) {
    let Published {
        end,
        committed,
        bytes,
    } = published;
    info!(%peer, %channel, reason = %end, committed, bytes, "publisher disconnected");
}

/// What became of a subscriber, for people.
fn disconnected(report: &ClientReport, visit: &Visit, from: u64) {
    let reason: &dyn Display = match &report.end {
        End::Complete => &"complete",
        End::Slow => &"too slow",
        End::Damaged => &"damaged",
        End::Stalled => &"stalled",
        End::Gone(kind) => kind,
    };
    let committed = visit.channel().tail().next_seq();
    info!(
        peer = %report.peer,
        channel = %visit.channel().name(),
        %reason,
        messages = report.messages,
        bytes = report.bytes,
        lag = committed.saturating_sub(from + report.messages),
        torn = report.torn,
        "subscriber disconnected"
    );
}

/// Lines as frames.
fn framed(lines: impl IntoIterator<Item = impl Display>) -> Vec<u8> {
    let mut encoder = Encoder::new(Framing::default().server());
    let mut frames = Vec::new();
    for line in lines {
        // A line is far from the length that would not fit a header.
        let _ = encoder.encode(line.to_string().as_bytes(), &mut frames);
    }
    frames
}

/// Counts somebody as long as he is there, however his task ends.
pub(crate) struct Presence {
    shared: Arc<Shared>,
    count: fn(&Shared) -> &watch::Sender<usize>,
}

impl Presence {
    fn new(shared: &Arc<Shared>, count: fn(&Shared) -> &watch::Sender<usize>) -> Self {
        count(shared).send_modify(|count| *count += 1);
        Self {
            shared: Arc::clone(shared),
            count,
        }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        (self.count)(&self.shared).send_modify(|count| *count -= 1);
    }
}
