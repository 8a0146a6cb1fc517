//! Messages over tokio's [`AsyncRead`](::tokio::io::AsyncRead) and
//! [`AsyncWrite`](::tokio::io::AsyncWrite).

mod reader;
mod writer;

pub use reader::Reader;
pub use writer::Writer;
