//! Commands for streams: what goes through one connection, one file, or one pipe.

pub(crate) mod bridge;
pub(crate) mod broadcast;
pub(crate) mod check;
pub(crate) mod convert;
pub(crate) mod demo;
pub(crate) mod inspect;
pub(crate) mod recv;
pub(crate) mod send;
pub(crate) mod talk;
