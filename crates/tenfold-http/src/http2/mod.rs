//! HTTP/2: many requests beside each other on one connection.

mod connection;
mod exchange;
mod head;
mod stream;

pub(crate) use connection::serve;
