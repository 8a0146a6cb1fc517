//! The part of the Python package `tenfold` that is written in Rust: module `tenfold._tenfold`.
//!
//! It has the codec, and nothing that waits: sockets, time and threads belong to Python.

mod decoder;
mod encoder;
mod errors;
mod framing;
mod message;

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
}
