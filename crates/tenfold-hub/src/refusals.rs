//! What clients are refused with, in the words of the protocol.

use std::fmt::Display;

use tenfold::protocol::{Code, Refusal};
use tenfold::{DecodeError, ErrorKind};
use tenfold_log::{Fault, Progress, Refused};

use crate::claim::Fenced;

/// What the hub says to connections that could still ask or publish when it ends.
pub(crate) fn shutdown() -> Refusal {
    Refusal::new(Code::Shutdown, "the hub ends")
}

/// What everybody is told whose hub has not opened its log yet, and how far it is to whoever may know how many
/// channels there are.
pub(crate) fn starting(progress: Option<Progress>) -> Refusal {
    let progress = progress.map_or_else(String::new, |progress| format!(": {progress}"));
    Refusal::new(Code::Busy, format!("starting{progress}"))
}

/// What whoever is connected to a channel is told when it is deleted, and who comes back later.
pub(crate) fn deleted() -> Refusal {
    Refusal::new(Code::Deleted, "the channel was deleted")
}

/// What the publishers of a channel are told that was to be deleted, and is still there.
pub(crate) fn kept() -> Refusal {
    let words = "the channel was to be deleted, and that has failed: it is still there";
    Refusal::new(Code::Busy, words)
}

/// What a client is told that has not asked yet, and whose place is needed.
pub(crate) fn gave_way() -> Refusal {
    let words = "too many connections have sent no request yet, and this one was the first: send it at once";
    Refusal::new(Code::Busy, words)
}

/// What a client is told, as plain frames are, that does not speak TLS at a port that does.
pub(crate) fn speaks_tls() -> Refusal {
    Refusal::new(Code::Proto, "this port speaks TLS: connect to tls://")
}

/// What a client is told that speaks TLS at a port that does not.
pub(crate) fn speaks_no_tls() -> Refusal {
    let words = "this port does not speak TLS: connect to tcp://, or to a port that is tls://";
    Refusal::new(Code::Proto, words)
}

/// What is noted of a client that began to speak TLS, and did not go on.
pub(crate) fn late_handshake() -> Refusal {
    Refusal::new(Code::Timeout, "the TLS handshake was not done in time")
}

/// Why a handshake failed. TLS has words of its own for the client, so this is for the log.
pub(crate) fn no_handshake(error: &rustls::Error) -> Refusal {
    let words = format!("the TLS handshake failed: {}", printable(error));
    Refusal::new(Code::Proto, words)
}

pub(crate) fn fenced() -> Refusal {
    Refusal::new(Code::Fenced, Fenced.to_string())
}

pub(crate) fn busy() -> Refusal {
    Refusal::new(Code::Busy, "the hub receives as much as it can")
}

/// What a publisher is told that begins one channel after the other.
pub(crate) fn too_many_names(per_second: u64) -> Refusal {
    let words = format!(
        "channels begin too fast, and yours may be {per_second} in a second: wait, or publish to a channel that there is"
    );
    Refusal::new(Code::Busy, words)
}

/// What a publisher is told whose messages are not kept, and what the reason is, if it is known.
pub(crate) fn not_stored(why: Refused, fault: Option<&Fault>) -> Refusal {
    let (code, words) = match why {
        Refused::Full => {
            return Refusal::new(Code::Full, "there is no space left on the hub's disk");
        }
        Refused::Busy => (Code::Busy, "the hub cannot write at the moment"),
        Refused::Hindered => (Code::Storage, "the channel cannot be written to"),
        _ => (
            Code::Storage,
            "the hub's disk has failed, and it is read-only",
        ),
    };
    let reason = fault.map_or_else(String::new, |fault| format!(": {}", printable(fault)));
    Refusal::new(code, format!("{words}{reason}"))
}

/// What everybody is told who wants a channel that could not be read since the start.
pub(crate) fn unread(fault: &Fault) -> Refusal {
    let words = format!("the channel cannot be read: {}", printable(fault));
    Refusal::new(Code::Storage, words)
}

/// An answer is of printable characters.
fn printable(what: &impl Display) -> String {
    let words = what.to_string();
    words.replace(|c: char| c != ' ' && !c.is_ascii_graphic(), "?")
}

/// What a publisher is told whose message is larger than the limit.
pub(crate) fn too_large(length: u64, limit: u64) -> Refusal {
    Refusal::new(Code::TooLarge, "that is more than the hub accepts")
        .with("length", length)
        .with("limit", limit)
}

/// What is wrong with a frame, in the words of the protocol. `origin` is the offset at which the
/// error's own begin to count. The bytes are not shown: input is never echoed.
pub(crate) fn bad_frame(error: &DecodeError, origin: u64) -> Refusal {
    let at = |refusal: Refusal| {
        refusal
            .with("offset", origin + error.offset())
            .with("message", error.index())
    };
    match error.kind() {
        ErrorKind::TooLarge {
            declared: Some(declared),
            limit,
        } => at(Refusal::new(
            Code::TooLarge,
            "that is more than the hub accepts",
        ))
        .with("length", declared)
        .with("limit", limit),
        ErrorKind::Truncated { have, missing, .. } => {
            let missing = missing.map_or_else(String::new, |n| format!(", {n} missing"));
            let words = format!("the stream ended inside a frame: {have} bytes there{missing}");
            at(Refusal::new(Code::Header, words))
        }
        _ => {
            let guess = error
                .looks_like()
                .map_or_else(String::new, |guess| format!("; {guess}"));
            at(Refusal::new(Code::Header, format!("not a length{guess}")))
        }
    }
}
