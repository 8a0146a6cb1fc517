//! The ways from a writer to a reader.

use std::io::Write;
use std::thread;
use std::time::Duration;

use tenfold::{Address, Decoder, Side, Stream};

use crate::choppy::{Choppy, Cut};
use crate::drivers::Driver;
use crate::script::{Seen, Step};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Wire {
    Memory(Cut),
    Tcp,
    Unix,
}

impl Wire {
    /// Whether megabytes take too long for a quick test.
    pub(crate) fn is_slow(self) -> bool {
        matches!(self, Self::Memory(Cut::OneByte))
    }
}

/// Long enough for any machine; nothing waits for it when all is well.
pub(crate) const PATIENT: Duration = Duration::from_secs(30);

/// What the reader sees of what the writer is given.
pub(crate) fn carry<W: Driver, R: Driver>(
    wire: Wire,
    side: &Side,
    steps: &[Step],
    to: Decoder,
) -> Seen {
    match wire {
        Wire::Memory(cut) => {
            let written = W::write_choppy(Choppy::new(cut, Vec::new()), side, steps);
            R::read_choppy(Choppy::new(cut, written.bytes), to)
        }
        Wire::Tcp | Wire::Unix => {
            let (near, far) = pair(wire);
            thread::scope(|scope| {
                scope.spawn(|| W::write_stream(near, side, steps));
                R::read_stream(far, to)
            })
        }
    }
}

/// What the reader sees of raw bytes.
pub(crate) fn receive<R: Driver>(wire: Wire, bytes: &[u8], decoder: Decoder) -> Seen {
    match wire {
        Wire::Memory(cut) => R::read_choppy(Choppy::new(cut, bytes.to_vec()), decoder),
        Wire::Tcp | Wire::Unix => {
            let (mut near, far) = pair(wire);
            thread::scope(|scope| {
                scope.spawn(move || near.write_all(bytes));
                R::read_stream(far, decoder)
            })
        }
    }
}

/// Two connected sockets.
pub(crate) fn pair(wire: Wire) -> (Stream, Stream) {
    let directory = tempfile::tempdir().unwrap();
    let address = match wire {
        Wire::Unix => Address::Unix(directory.path().join("socket")),
        _ => ":0".parse().unwrap(),
    };
    let listener = address.listen().unwrap();
    let near = listener.local_address().unwrap();
    let near = near.connect_blocking(Some(PATIENT)).unwrap();
    (near, listener.accept().unwrap())
}
