//! Messages over tokio's [`AsyncRead`](tokio::io::AsyncRead) and
//! [`AsyncWrite`](tokio::io::AsyncWrite), and clients of a hub.

mod connect;
mod follower;
mod publisher;
mod pump;
mod reader;
mod receiving;
mod subscriber;
mod timekeeper;
#[cfg(feature = "_tls")]
mod tls;
mod writer;

pub use connect::{Connect, Connecting, Transport};
pub use follower::Follower;
pub use publisher::Publisher;
pub use reader::Reader;
pub use subscriber::Subscriber;
pub use timekeeper::Timekeeper;
#[cfg(feature = "_tls")]
pub use tls::TlsStream;
pub use writer::Writer;
