//! Messages over [`Read`](std::io::Read) and [`Write`](std::io::Write), and clients of a hub.

mod bell;
mod dial;
mod publisher;
mod pump;
mod reader;
mod subscriber;
mod writer;

pub use publisher::Publisher;
pub use reader::Reader;
pub use subscriber::Subscriber;
pub use writer::Writer;
