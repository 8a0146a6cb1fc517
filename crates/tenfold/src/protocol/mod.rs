//! What a hub and its clients say to each other, as values: `docs/hub-protocol.md` in types.
//!
//! Each of these is the payload of one frame, one line of printable ASCII. [`Request`] is the
//! client's first frame, [`Answer`] the hub's: [`Subscribed`], [`Following`], [`Publishing`], [`Deleted`]
//! or a [`Refusal`]. A client that follows many channels also says its [`Place`] in each, and the hub writes a
//! [`Heading`] before the messages of each. When messages were [`Committed`] is told apart from them. A [`Token`]
//! goes with a request where the hub asks who its client is.
//! Nothing here knows a socket or a clock, and hub and clients share it.

mod answer;
mod follow;
mod mirroring;
mod name;
mod pattern;
mod position;
mod request;
mod times;
mod token;

pub use answer::{
    Answer, BadAnswer, Code, Deleted, Keys, Publishing, Refusal, Subscribed, ack, read_ack,
};
pub use follow::{Following, Heading, HeadingKind, MAX_PATTERNS, Place};
pub use mirroring::{MAX_COUNTS, MirrorLine};
pub use name::{BadName, ChannelName, Epoch, ProducerId};
pub use pattern::{BadPattern, Pattern};
pub use position::{BadPosition, Position};
pub use request::{Acks, BadAcks, BadRequest, MAX_REQUEST, Request};
pub use times::Committed;
pub use token::{BadToken, Token};

/// A canonical decimal number: digits without a leading zero, at most 2^64-1.
fn number(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with('0');
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (canonical && digits).then(|| text.parse().ok()).flatten()
}
