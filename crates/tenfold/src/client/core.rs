//! What drives the halves of receiving clients that do no I/O.

use std::time::Duration;

use super::Error;

/// The half of a client that receives: it does no I/O and reads no clock.
///
/// A driver moves the bytes. It goes round like this:
///
/// 1. ask [`advance`](Self::advance) what there is;
/// 2. `Message` and `Notice`: give the core's event to the caller;
/// 3. `NeedsBytes`: read into [`space`](Self::space) and say how much came with
///    [`received`](Self::received) (nothing is the end), or tell the failure with
///    [`lost`](Self::lost);
/// 4. `Cut`: let go of the connection; [`cut`](Self::cut) says when to make the next one;
/// 5. `NeedsConnection`: make one, at that time, in no more than [`attempt`](Self::attempt) says; then send
///    what [`connected`](Self::connected) gives, or tell the failure.
///
/// Time is the time since any fixed moment.
pub(crate) trait Core {
    /// What the hub answers.
    type Answer;

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

    /// There is nothing to read for now.
    #[cfg(feature = "tokio")]
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
pub(crate) enum Advance {
    Message,
    Notice,
    NeedsConnection,
    NeedsBytes,
    Cut,
    Done,
}
