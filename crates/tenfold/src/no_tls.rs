//! What stands in the place of `tls` in a program that is built without it.

/// Nobody has one.
#[derive(Clone, Debug)]
pub(crate) enum Client {}
