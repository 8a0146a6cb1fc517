//! The part of the Python package `tenfold` that is written in Rust: module `tenfold._tenfold`.
//!
//! It has the codec and the hub's clients, and nothing that waits: sockets, time and threads belong to Python.

mod decoder;
mod encoder;
mod errors;
mod events;
mod framing;
mod message;
mod options;
mod payload;
mod publication;
mod receiving;

use pyo3::prelude::*;

/// What is written in Rust of package `tenfold`.
#[pymodule]
mod _tenfold {
    #[pymodule_export]
    use super::decoder::{Decoder, Mark};
    #[pymodule_export]
    use super::encoder::Encoder;
    #[pymodule_export]
    use super::framing::Framing;
    #[pymodule_export]
    use super::payload::{payload_from_json, payload_to_json};
    #[pymodule_export]
    use super::publication::Publication;
    #[pymodule_export]
    use super::receiving::Receiving;
}
