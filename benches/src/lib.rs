//! Fan-out measured from outside: the load client, the servers it is pointed at, and what they
//! need. The binaries are `fanout` (measures), `engine` (the hub's engine behind the flags of
//! `tenfold broadcast`) and `relay` (the bare block relay that the engine is compared with).

pub mod drain;
pub mod frames;
pub mod process;
pub mod publish;
pub mod server_args;
pub mod table;
