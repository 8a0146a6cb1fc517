//! The codec's behaviour: compared with a naive twin over generated framings and streams, and
//! held against vectors made by hand and captured from programs of others.

mod generated;
mod naive;
mod properties;
mod vectors;
