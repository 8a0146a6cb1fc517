//! `tenfold inspect`: the framing doctor.

mod rank;
mod signatures;
mod trial;
mod walker;
mod window;
