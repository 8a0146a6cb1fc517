//! WebSocket (RFC 6455): how it begins, and what is sent over it.

mod frames;
mod handshake;
mod messages;
mod tunnel;

pub use frames::{Frame, Frames, Wrong};
pub use handshake::{Protocol, Upgrade};
pub(crate) use handshake::{is_upgrade, upgrade};
