//! Messages over [`Read`](std::io::Read) and [`Write`](std::io::Write), and clients of a hub.

mod bell;
mod follower;
mod publisher;
mod pump;
mod reader;
mod receiving;
mod stopper;
mod subscriber;
mod timekeeper;
mod writer;

pub use follower::Follower;
pub use publisher::Publisher;
pub use reader::Reader;
pub use stopper::Stopper;
pub use subscriber::Subscriber;
pub use timekeeper::Timekeeper;
pub use writer::Writer;
