//! What must hold for every framing and every input. The tests call these with generated values,
//! the fuzz targets with bytes that a fuzzer makes up; a failure is a panic.

pub(crate) mod decoding;
pub(crate) mod encoding;
pub(crate) mod fuzzed;
pub(crate) mod line;
pub(crate) mod native;
#[cfg(test)]
mod replayed;
