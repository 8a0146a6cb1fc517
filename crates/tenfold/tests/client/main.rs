//! The clients of a hub, blocking and tokio, against scripted hubs on real sockets.

mod clients;
mod fake_hub;
mod follower;
mod paused;
mod publisher;
mod several_hubs;
mod stopping;
mod subscriber;
mod timekeeper;
#[cfg(feature = "tokio")]
mod virtual_time;
