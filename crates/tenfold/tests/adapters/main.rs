//! One suite of cases over every reader, writer and transport, and what each has beside it.

mod cancel;
mod cases;
mod choppy;
mod closing;
mod drivers;
mod failures;
mod memory;
mod roles;
mod script;
mod suite;
mod time_outs;
#[cfg(feature = "tokio-util")]
mod traits;
mod wires;
