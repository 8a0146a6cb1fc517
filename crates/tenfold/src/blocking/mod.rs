//! Messages over [`Read`](std::io::Read) and [`Write`](std::io::Write).

mod reader;
mod writer;

pub use reader::Reader;
pub use writer::Writer;
