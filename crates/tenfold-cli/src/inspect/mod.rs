//! `tenfold inspect`: the framing doctor.

mod diagnosis;
mod rank;
mod signatures;
mod trial;
mod walker;
mod window;
