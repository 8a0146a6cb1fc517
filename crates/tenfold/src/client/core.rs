//! Clients of a hub without I/O, for programs that bring their own: an event loop, another language, a simulation.
//!
//! A core decides what a client asks, resends and reports, and when it tries again. It opens no socket and reads no
//! clock. Whoever drives it moves the bytes and tells it the time, as the time since any fixed moment.
//! The clients of [`blocking`](crate::blocking) and `tenfold::asynchronous` are such drivers, and most programs want
//! those.
//!
//! | core | receives or sends | driven as said by |
//! |---|---|---|
//! | [`Subscription`] | the messages of one channel | [`Core`] |
//! | [`Following`] | the messages of many channels | [`Core`] |
//! | [`Publication`] | messages for one channel | [`Publication`] |
//!
//! A whole driver of a subscriber, but for limits of time:
//!
//! ```
//! use std::io::{self, Read, Write};
//! use std::net::TcpStream;
//! use std::sync::Arc;
//! use std::thread::sleep;
//! use std::time::{Duration, Instant};
//!
//! use tenfold::client::core::{Advance, Core, Subscription};
//! use tenfold::client::{Error, Message, Subscribe};
//!
//! fn receive(
//!     hubs: &[&str],
//!     options: Subscribe,
//!     mut give: impl FnMut(Message<&[u8]>),
//! ) -> Result<(), Error> {
//!     let started = Instant::now();
//!     let mut core = Subscription::new(options);
//!     core.set_hubs(hubs.len());
//!     let mut socket: Option<TcpStream> = None;
//!     let mut connect_at = Duration::ZERO;
//!     loop {
//!         match core.advance() {
//!             Advance::Message => core.message().into_iter().for_each(&mut give),
//!             Advance::Notice => eprintln!("{:?}", core.take_event()),
//!             Advance::NeedsConnection => {
//!                 sleep(connect_at.saturating_sub(started.elapsed()));
//!                 core.attempt(started.elapsed());
//!                 match TcpStream::connect(hubs[core.hub()]) {
//!                     Ok(connected) => {
//!                         let request = core.connected(started.elapsed());
//!                         report(&mut core, (&connected).write_all(&request));
//!                         socket = Some(connected);
//!                     }
//!                     Err(error) => report(&mut core, Err(error)),
//!                 }
//!             }
//!             Advance::NeedsBytes => {
//!                 let socket = socket.as_mut().expect("there is a connection");
//!                 match socket.read(core.space()) {
//!                     Ok(n) => core.received(n),
//!                     Err(error) => report(&mut core, Err(error)),
//!                 }
//!             }
//!             Advance::Cut => {
//!                 socket = None;
//!                 connect_at = core.cut(started.elapsed())?;
//!             }
//!             Advance::Done => return Ok(()),
//!         }
//!     }
//! }
//!
//! /// Tells a failure of the connection.
//! fn report(core: &mut Subscription, result: io::Result<()>) {
//!     if let Err(error) = result {
//!         core.lost(Error::Io(Arc::new(error)));
//!     }
//! }
//! #
//! # // A hub that breaks after the first of two messages.
//! # let hub = std::net::TcpListener::bind("127.0.0.1:0")?;
//! # let address = hub.local_addr()?.to_string();
//! # let serving = std::thread::spawn(move || {
//! #     for (from, message) in [(0, "first"), (1, "next")] {
//! #         let (mut peer, _) = hub.accept().unwrap();
//! #         assert!(peer.read(&mut [0; 1000]).unwrap() > 0);
//! #         let answer = format!("OK epoch=0123456789abcdef from={from} first=0 next=2");
//! #         for line in [&*answer, message] {
//! #             write!(peer, "{:<10}{line}", line.len()).unwrap();
//! #         }
//! #     }
//! # });
//! # let options = Subscribe::new("ticks".parse()?).from(tenfold::protocol::Position::First);
//! # let mut seen = Vec::new();
//! # receive(&[&address], options.until_end(), |message| seen.push((message.seq, message.bytes.to_vec())))?;
//! # assert_eq!(seen, [(0, b"first".to_vec()), (1, b"next".to_vec())]);
//! # serving.join().unwrap();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::time::Duration;

use super::Error;

pub use super::following::Following;
pub use super::publication::{Outgoing, Patience, Publication};
pub use super::subscription::Subscription;
pub use super::unacknowledged::Unwritten;

/// A client that receives, without I/O. What drives it goes round like this:
///
/// 1. ask [`advance`](Self::advance) what there is;
/// 2. `Message` and `Notice`: give the core's event to the caller;
/// 3. `NeedsBytes`: read into [`space`](Self::space) and say how much came with
///    [`received`](Self::received) (nothing is the end), or tell the failure with
///    [`lost`](Self::lost). While the core [awaits the answer](Self::awaits_answer), do not wait longer than
///    [`answer_timeout`](Self::answer_timeout) says, and then tell [`Error::NoAnswer`];
/// 4. `Cut`: let go of the connection; [`cut`](Self::cut) says when to make the next one;
/// 5. `NeedsConnection`: make one, at that time, to the [`hub`](Self::hub) whose turn it is, in no more than
///    [`attempt`](Self::attempt) says; then send what [`connected`](Self::connected) gives, or tell the failure.
///
/// Time is the time since any fixed moment. The cores of this module are all there are.
pub trait Core: sealed::Sealed {
    /// What the hub answers.
    type Answer;

    /// There are so many hubs to connect to, which have the same channels; one if it is not said.
    fn set_hubs(&mut self, count: usize);

    /// Which of the hubs is to be connected to, counted from 0.
    fn hub(&self) -> usize;

    /// How long the hub's answer may take.
    fn answer_timeout(&self) -> Duration;

    /// Goes on to what there is.
    fn advance(&mut self) -> Advance;

    /// The answer of the connection that there is, once what follows it is known; `None` if there is none.
    fn current_answer(&self) -> Option<Self::Answer>;

    /// Leaves out the event that [`advance`](Self::advance) came to.
    fn pass_over(&mut self);

    /// Room for the next bytes.
    fn space(&mut self) -> &mut [u8];

    /// So many bytes were read into the space; none is the end.
    fn received(&mut self, n: usize);

    /// There is nothing to read for now, so memory that holds no bytes can be given back.
    fn release(&mut self);

    /// The connection could not be made, or failed.
    fn lost(&mut self, error: Error);

    /// The connection is let go of. When to make the next one, or why not.
    fn cut(&mut self, now: Duration) -> Result<Duration, Error>;

    /// A connection is to be made now. How long that may take.
    fn attempt(&mut self, now: Duration) -> Duration;

    /// A connection is there. The bytes to send.
    fn connected(&mut self, now: Duration) -> Vec<u8>;

    /// There is a connection, and no answer yet.
    fn awaits_answer(&self) -> bool;

    /// Ends it now. The driver closes the connection.
    fn stop(&mut self);
}

/// What there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advance {
    /// The next message, for `message` or `take_message`.
    Message,
    /// An event that is not a message, for `take_event`.
    Notice,
    /// A connection is to be made.
    NeedsConnection,
    /// Bytes are to be read.
    NeedsBytes,
    /// The connection is of no use any more.
    Cut,
    /// The end: nothing will follow.
    Done,
}

mod sealed {
    #[expect(unnameable_types, reason = "nobody else is to implement a core")]
    pub trait Sealed {}

    impl Sealed for super::Following {}
    impl Sealed for super::Subscription {}
}
