//! What happens to a subscriber whose place the tail can no longer keep.

use std::time::Duration;

/// What to do when the tail is full and the slowest subscriber still stands at its oldest block.
///
/// ```
/// use std::time::Duration;
/// use tenfold_hub::{Options, WhenSlow};
///
/// let patient = Options::new(WhenSlow::Wait(Duration::from_secs(5)));
/// let live = Options::new(WhenSlow::Skip);
/// // A source that waits needs no long tail.
/// assert!(patient.capacity < live.capacity);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenSlow {
    /// Hold the source, at most for this long per block; then close the subscribers that stand
    /// in the way.
    Wait(Duration),
    /// Close the subscriber, on a frame boundary, and go on.
    Close,
    /// Drop whole messages for this subscriber only, and count them.
    Skip,
}

impl WhenSlow {
    /// The usual patience with a slow subscriber: longer than a pause for garbage collection, a
    /// Wi-Fi hand-over or a full disk being noticed, shorter than a person's before a dead screen.
    pub const PATIENCE: Duration = Duration::from_secs(30);
}

impl Default for WhenSlow {
    fn default() -> Self {
        Self::Wait(Self::PATIENCE)
    }
}
