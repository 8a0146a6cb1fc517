"""What clients that receive from a hub have in common, whether they wait or have an event loop."""

from collections import deque
from itertools import chain
from typing import Any, Generic, TypeVar

from ._events import ChannelMessage, Message, Place
from ._tenfold import Receiving

M = TypeVar("M", bytes, ChannelMessage)
Told = TypeVar("Told", Message, ChannelMessage)


class Received(Generic[M, Told]):
    """The messages that have come and were not given yet, and what there is after them."""

    def __init__(self, core: Receiving) -> None:
        self._core = core
        self._messages: deque[M] = deque()
        self._failure: Exception | None = None
        # What there is, as long as it is not given on.
        self._there: deque[Any] = deque()

    def _advance(self) -> str:
        """Goes on to what there is. Call it when all messages are given."""
        if self._failure is not None:
            raise self._failure
        # Each is one step, between which Ctrl-C loses nothing.
        if not self._there:
            self._there.extend(map(Receiving.advance, (self._core,)))
        if isinstance(self._there[0], str):
            return str(self._there.popleft())
        self._messages.extend(chain.from_iterable(map(deque.popleft, (self._there,))))
        return "messages"

    def _cut(self, now: float) -> float:
        """The connection is gone. When to make the next one."""
        try:
            return self._core.cut(now)
        except Exception as error:
            self._failure = error
            raise

    def _take(self) -> list[M]:
        batch = list(self._messages)
        self._messages.clear()
        return batch

    def _tell(self) -> Told:
        """The next message, as an event."""
        raise NotImplementedError


class OfChannel(Received[bytes, Message]):
    """Of a subscriber."""

    @property
    def next_seq(self) -> int | None:
        """The seq of the next message, where to go on in another run. `None` while it is not known."""
        seq = self._core.next_seq
        return None if seq is None else seq - len(self._messages)

    @property
    def epoch(self) -> str | None:
        """The history that this seq is in. `None` while it is not known."""
        return self._core.epoch

    @property
    def end(self) -> int | None:
        """The seq that the hub was going to commit next when it answered last. `None` before."""
        return self._core.end

    def _tell(self) -> Message:
        seq = self.next_seq
        assert seq is not None, "there is a message"
        return Message(seq, self._messages.popleft())


class OfChannels(Received[ChannelMessage, ChannelMessage]):
    """Of a follower."""

    @property
    def places(self) -> list[Place] | None:
        """Where it is in each channel, for `resume` in another run. `None` before the hub has told of all channels."""
        places = self._core.places
        if places is None:
            return None
        found = {place.channel: place for place in places}
        for message in reversed(self._messages):
            if place := found.get(message.channel):
                found[message.channel] = place._replace(seq=message.seq)
        return list(found.values())

    def _tell(self) -> ChannelMessage:
        return self._messages.popleft()
