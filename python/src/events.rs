//! What a client of a hub tells, as objects. Their classes are written in Python (`tenfold/_events.py`).

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyModule};
use tenfold::client::{
    ChannelMessage, Disconnected, FollowerEvent, Gap, GapReason, Message, Notice, SubscriberEvent,
};
use tenfold::protocol::{ChannelName, Epoch, Place};

use crate::errors;

static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();

type Made<'py> = PyResult<Bound<'py, PyAny>>;

pub(crate) fn of_subscriber<'py>(py: Python<'py>, event: &SubscriberEvent<'_>) -> Made<'py> {
    match event {
        SubscriberEvent::Connected(answer) => {
            let epoch = answer.epoch.to_string();
            let arguments = (epoch, answer.from, answer.first, answer.next, answer.is_new);
            connected(py, "Subscribed", arguments)
        }
        SubscriberEvent::Message(message) => of_message(py, message),
        SubscriberEvent::Gap(gap) => of_gap(py, gap, None),
        SubscriberEvent::Disconnected(notice) => disconnected(py, notice),
        other => unknown(other),
    }
}

pub(crate) fn of_follower<'py>(py: Python<'py>, event: &FollowerEvent<'_>) -> Made<'py> {
    match event {
        FollowerEvent::Connected(answer) => connected(py, "Following", (answer.channels,)),
        FollowerEvent::Message(message) => of_channel_message(py, message),
        FollowerEvent::Gap(channel, gap) => of_gap(py, gap, Some(channel)),
        FollowerEvent::Deleted(channel) => make(py, "Deleted", (channel.as_str(),)),
        FollowerEvent::Unreadable(channel) => make(py, "Unreadable", (channel.as_str(),)),
        FollowerEvent::Disconnected(notice) => disconnected(py, notice),
        other => unknown(other),
    }
}

pub(crate) fn of_publisher<'py>(py: Python<'py>, notice: &Notice) -> Made<'py> {
    match notice {
        Notice::Connected(answer) => {
            let arguments = (answer.epoch.to_string(), answer.next, answer.acks.as_str());
            connected(py, "Publishing", arguments)
        }
        Notice::Disconnected(notice) => disconnected(py, notice),
        other => unknown(other),
    }
}

fn of_message<'py>(py: Python<'py>, message: &Message<&[u8]>) -> Made<'py> {
    make(
        py,
        "Message",
        (message.seq, PyBytes::new(py, message.bytes)),
    )
}

pub(crate) fn of_channel_message<'py>(
    py: Python<'py>,
    message: &ChannelMessage<&ChannelName, &[u8]>,
) -> Made<'py> {
    let bytes = PyBytes::new(py, message.bytes);
    make(
        py,
        "ChannelMessage",
        (message.channel.as_str(), message.seq, bytes),
    )
}

pub(crate) fn of_gap<'py>(py: Python<'py>, gap: &Gap, channel: Option<&ChannelName>) -> Made<'py> {
    let reason = match gap.reason {
        GapReason::Trimmed => "trimmed",
        GapReason::Epoch => "epoch",
        GapReason::Corrupt => "corrupt",
        GapReason::Deleted => "deleted",
        other => return unknown(&other),
    };
    let text = |epoch: Option<Epoch>| epoch.map(|epoch| epoch.to_string());
    let arguments = (
        reason,
        gap.expected,
        gap.available,
        text(gap.known),
        text(gap.epoch),
        channel.map(ChannelName::as_str),
    );
    make(py, "Gap", arguments)
}

pub(crate) fn of_place<'py>(py: Python<'py>, place: &Place) -> Made<'py> {
    let arguments = (place.channel.as_str(), place.epoch.to_string(), place.from);
    make(py, "Place", arguments)
}

fn connected<'py>(
    py: Python<'py>,
    class: &str,
    arguments: impl pyo3::call::PyCallArgs<'py>,
) -> Made<'py> {
    let answer = make(py, class, arguments)?;
    make(py, "Connected", (answer,))
}

fn disconnected<'py>(py: Python<'py>, notice: &Disconnected) -> Made<'py> {
    let reason = errors::of_client(py, &notice.reason);
    let arguments = (reason.into_value(py), notice.retry_in.as_secs_f64());
    make(py, "Disconnected", arguments)
}

/// Crate and package are of one version, so there is nothing that one has and the other has not.
fn unknown<'py>(what: &impl std::fmt::Debug) -> Made<'py> {
    Err(pyo3::exceptions::PyNotImplementedError::new_err(format!(
        "the package does not know of {what:?}"
    )))
}

fn make<'py>(
    py: Python<'py>,
    class: &str,
    arguments: impl pyo3::call::PyCallArgs<'py>,
) -> Made<'py> {
    let module = MODULE.get_or_try_init(py, || py.import("tenfold._events").map(Bound::unbind))?;
    module.bind(py).getattr(class)?.call1(arguments)
}
