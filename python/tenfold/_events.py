"""What a client of a hub tells: messages with their numbers, and what happens to the connection."""

from typing import NamedTuple


class Message(NamedTuple):
    """A message of a channel. `seq` counts the messages of the channel before it."""

    seq: int
    data: bytes


class ChannelMessage(NamedTuple):
    """A message of one of many channels."""

    channel: str
    seq: int
    data: bytes


class Place(NamedTuple):
    """Where a follower is in a channel: `seq` is that of the next message, in the history `epoch`."""

    channel: str
    epoch: str
    seq: int


class Subscribed(NamedTuple):
    """A hub's answer to a subscriber: the channel keeps messages `first` up to `next`, and `seq` follows."""

    epoch: str
    seq: int
    first: int
    next: int
    is_new: bool


class Following(NamedTuple):
    """A hub's answer to a follower: so many channels fit."""

    channels: int


class Publishing(NamedTuple):
    """A hub's answer to a publisher: it has `committed` messages of the producer."""

    epoch: str
    committed: int
    acks: str


class Connected(NamedTuple):
    """The hub has answered."""

    answer: Subscribed | Following | Publishing


class Disconnected(NamedTuple):
    """There is no connection. The client makes one in `retry_in` seconds."""

    reason: Exception
    retry_in: float


class Gap(NamedTuple):
    """Messages that cannot be had: `expected` was to come next, and `available` is the first that there is instead.

    `reason` is `"trimmed"`, `"epoch"`, `"corrupt"` or `"deleted"`. `known` is the epoch of `expected`, and `epoch` the hub's.
    """

    reason: str
    expected: int | None
    available: int
    known: str | None
    epoch: str | None
    channel: str | None


class Deleted(NamedTuple):
    """A channel was deleted, after its last message had come."""

    channel: str


class Unreadable(NamedTuple):
    """The hub cannot read the next message of a channel from its disk at the moment. It tries again."""

    channel: str


for _class in (
    Message, ChannelMessage, Place, Subscribed, Following, Publishing, Connected, Disconnected, Gap, Deleted, Unreadable
):  # fmt: skip
    _class.__module__ = "tenfold"
