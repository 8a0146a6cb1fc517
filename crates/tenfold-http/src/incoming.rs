//! The body of a request that is being answered, however it comes.

use bytes::Bytes;

use crate::failure::Failure;

/// The body of a request, as it comes.
pub(crate) trait Incoming: Send {
    /// Tells a client that waits for that to send the body.
    fn invite(&mut self) -> impl Future<Output = Result<(), Failure>> + Send;

    /// The next bytes; nothing once the body has ended.
    fn piece(&mut self) -> impl Future<Output = Result<Option<Bytes>, Failure>> + Send;
}
