//! What a framing is: the validated value that drives both directions.

mod side;
mod step;

use alloc::vec;
use core::fmt;

use crate::number::Number;

pub use side::Side;
pub(crate) use step::{Shape, Step, Stuffing};

/// The rule by which a byte stream is cut into frames, for both directions of a connection.
///
/// Made from one line of text and printed as one ([`FromStr`](core::str::FromStr) and
/// [`Display`](fmt::Display) are inverses on the canonical spelling); `docs/wire-format.md` is
/// its grammar. The default is the native framing, `decimal:10`.
///
/// ```
/// use tenfold_codec::Framing;
///
/// let framing: Framing = "netstring".parse().unwrap();
/// assert_eq!(framing.to_string(), r"decimal,end=:,close=\x2c");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Framing {
    client: Side,
    server: Side,
}

impl Framing {
    pub(crate) fn new(client: Side, server: Side) -> Self {
        Self { client, server }
    }

    /// How the bytes of the client (the side that connected) are framed.
    pub fn client(&self) -> &Side {
        &self.client
    }

    /// How the bytes of the server (the side that listened) are framed.
    pub fn server(&self) -> &Side {
        &self.server
    }

    /// Whether both directions are framed alike, so that a file or a pipe needs no word about
    /// whose bytes it holds.
    pub fn is_symmetric(&self) -> bool {
        self.client == self.server
    }
}

impl Default for Framing {
    fn default() -> Self {
        let native = Step::bare(Shape::Number {
            number: Number::NATIVE,
            add: 0,
            at: 0,
        });
        let side = Side::new(vec![native]);
        Self::new(side.clone(), side)
    }
}

impl fmt::Display for Framing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.client.fmt(f)?;
        if !self.is_symmetric() {
            write!(f, " // {}", self.server)?;
        }
        Ok(())
    }
}
