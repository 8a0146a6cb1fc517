"""The messages of a hub, for programs that wait."""

import time
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Literal

from ._address import Address
from ._connection import LIMIT
from ._core import M, OfChannel, OfChannels, Received, Told
from ._dialling import dialling
from ._events import ChannelMessage, Connected, Deleted, Disconnected, Gap, Message, Unreadable
from ._options import way
from ._tenfold import Receiving
from ._transport import CallTimeout, Deadline, NotYet, Socket

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from typing_extensions import Self, Unpack

    from ._options import Options


class Receiver(Received[M, Told]):
    """Receives each message once and in order, over as many connections as it takes.

    It connects when it is first asked for something. Leaving a loop, a time-out and Ctrl-C lose nothing: the next call
    goes on there.
    """

    def __init__(self, hubs: list[Address], core: Receiving) -> None:
        super().__init__(core)
        self._hubs = hubs
        core.set_hubs(len(hubs))
        self._dialling: Generator[NotYet, None, Socket] | None = None
        self._link: Socket | None = None
        self._unsent = memoryview(b"")
        # Until when the pause lasts, and until when the hub must have taken the connection, or answered.
        self._connect_at = 0.0
        self._by = 0.0
        self._is_receiving = False

    def recv(self, timeout: float | None = None) -> M | None:
        """The next message; `None` at the end that was asked for. `TimeoutError` after so many seconds."""
        deadline = Deadline(timeout)
        while not self._messages:
            if not self._go_on(deadline):
                return None
        return self._messages.popleft()

    def __iter__(self) -> Iterator[M]:
        messages, pop = self._messages, self._messages.popleft
        while messages or self._go_on(Deadline(None)):
            while messages:
                yield pop()

    def batches(self) -> Iterator[list[M]]:
        """The messages in lists, as they come: many at once when much is coming."""
        while self._messages or self._go_on(Deadline(None)):
            if self._messages:
                yield self._take()

    def events(self) -> Iterator[Told | Connected | Gap | Disconnected | Deleted | Unreadable]:
        """The messages with their numbers, and between them what happens to the connection."""
        while True:
            if self._messages:
                yield self._tell()
                continue
            there = self._step(Deadline(None))
            if there == "done":
                return
            if there == "event" and (event := self._core.take_event()) is not None:
                yield event

    def connect(self, timeout: float | None = None) -> None:
        """Waits until the hub has answered: from here on no message is missed."""
        deadline = Deadline(timeout)
        while not self._messages and not self._core.has_answer:
            there = self._step(deadline)
            if there == "done":
                return
            if there == "event" and not self._core.has_answer:
                self._core.take_event()

    def close(self) -> None:
        """Ends it. What has come and was not given is still given."""
        self._core.stop()
        self._let_go()

    def __enter__(self) -> "Self":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        self.close()

    def _go_on(self, deadline: Deadline) -> bool:
        """Goes on to messages or to something that is passed over. False at the end."""
        there = self._step(deadline)
        if there == "event":
            self._core.take_event()
        return there != "done"

    def _step(self, deadline: Deadline) -> str:
        """Goes on to messages, an event or the end."""
        if self._is_receiving:
            raise RuntimeError("two threads receive from one client at the same time: each would miss what the other gets")
        self._is_receiving = True
        try:
            while True:
                there = self._advance()
                if there == "bytes":
                    self._read(deadline)
                elif there == "connection":
                    self._connect(deadline)
                elif there == "cut":
                    self._let_go()
                    self._connect_at = self._cut(time.monotonic())
                else:
                    if there == "done":
                        self._let_go()
                    return there
        finally:
            self._is_receiving = False

    def _connect(self, deadline: Deadline) -> None:
        """Goes on with making a connection."""
        if self._dialling is None:
            self._pause(deadline)
            now = time.monotonic()
            self._by = now + self._core.attempt(now)
            self._dialling = dialling(self._hubs[self._core.hub])
        try:
            there = next(self._dialling)
        except StopIteration as made:
            self._dialling = None
            self._open(made.value)
        except OSError as error:
            self._dialling = None
            self._core.lost(error)
        except BaseException:
            # It cannot be gone on with.
            self._dialling = None
            raise
        else:
            if not self._wait(there, deadline, self._by):
                self._let_go()
                self._core.lost(TimeoutError("connecting took too long"))

    def _pause(self, deadline: Deadline) -> None:
        pause, left = self._connect_at - time.monotonic(), deadline.left()
        if left is not None and left < pause:
            time.sleep(left)
            raise CallTimeout("timed out")
        time.sleep(max(0.0, pause))

    def _open(self, link: Socket) -> None:
        now = time.monotonic()
        self._unsent = memoryview(self._core.connected(now))
        self._by = now + self._core.answer_timeout
        self._link = link

    def _read(self, deadline: Deadline) -> None:
        """Reads once, or waits until there is something to read."""
        link, self._link = self._link, None
        if link is None:
            self._core.lost(ConnectionAbortedError("the connection was let go of"))
            return
        # Ctrl-C after a read loses what was read. Then there is no connection, and the next one begins with the same message.
        try:
            while self._unsent:
                self._unsent = self._unsent[link.write_now(self._unsent) :]
            if data := link.read_now():
                self._core.feed(data)
            else:
                self._core.ended()
        except NotYet as there:
            self._link = link
            if not self._wait(there, deadline, self._by if self._core.awaits_answer else None):
                self._core.timed_out()
        except OSError as error:
            self._link = link
            self._core.lost(error)
        else:
            self._link = link

    def _wait(self, there: NotYet, deadline: Deadline, by: float | None) -> bool:
        """Waits until it can be tried again. False if that took until `by`; an error if the call's time is over before."""
        left = deadline.left()
        if by is not None and (left is None or by - time.monotonic() < left):
            return there.wait(by - time.monotonic())
        if not there.wait(left):
            raise CallTimeout("timed out")
        return True

    def _let_go(self) -> None:
        if self._dialling is not None:
            self._dialling.close()
            self._dialling = None
        if self._link is not None:
            self._link.close()
            self._link = None


class Subscriber(OfChannel, Receiver[bytes, Message]):
    """Receives the messages of a channel of a hub."""

    def __init__(
        self,
        hub: str,
        channel: str,
        *,
        start: str | int = "next",
        epoch: str | None = None,
        on_gap: Literal["stop", "continue"] = "stop",
        until_end: bool = False,
        limit: int = LIMIT,
        **options: "Unpack[Options]",
    ) -> None:
        hubs, common = way(hub, options)
        core = Receiving.subscription(
            channel, start=str(start), epoch=epoch, on_gap=on_gap, until_end=until_end, limit=limit, common=common
        )
        Receiver.__init__(self, hubs, core)


class Follower(OfChannels, Receiver[ChannelMessage, ChannelMessage]):
    """Receives the messages of all channels of a hub whose names fit a pattern."""

    def __init__(
        self,
        hub: str,
        patterns: "str | Iterable[str]",
        *,
        start: str = "next",
        resume: "Iterable[tuple[str, str, int]] | None" = None,
        on_gap: Literal["stop", "continue"] = "stop",
        until_end: bool = False,
        limit: int = LIMIT,
        **options: "Unpack[Options]",
    ) -> None:
        hubs, common = way(hub, options)
        core = Receiving.following(
            [patterns] if isinstance(patterns, str) else list(patterns),
            start=start,
            resume=None if resume is None else list(resume),
            on_gap=on_gap,
            until_end=until_end,
            limit=limit,
            common=common,
        )
        Receiver.__init__(self, hubs, core)
