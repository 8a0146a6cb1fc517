"""The messages of a hub, for programs with an event loop."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Literal

from .._address import Address
from .._connection import LIMIT
from .._core import M, OfChannel, OfChannels, Received, Told
from .._events import ChannelMessage, Connected, Deleted, Disconnected, Gap, Message, Unreadable
from .._options import way
from .._tenfold import Receiving
from ._connection import HELD
from ._link import Link, link_to

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from typing_extensions import Self, Unpack

    from .._options import Options


class Receiver(Received[M, Told]):
    """Receives each message once and in order, over as many connections as it takes.

    It connects when it is first asked for something. Leaving a loop, a time-out and cancelling lose nothing: the next
    call goes on there.
    """

    def __init__(self, hubs: list[Address], core: Receiving) -> None:
        super().__init__(core)
        self._hubs = hubs
        core.set_hubs(len(hubs))
        # Goes on when a call that waits for it is cancelled.
        self._linking: asyncio.Task[Link] | None = None
        self._link: Link | None = None
        self._held = 0
        self._connect_at = 0.0
        self._answer_by = 0.0
        self._receiver: asyncio.Future[None] | None = None
        self._is_receiving = False

    async def recv(self, timeout: float | None = None) -> M | None:
        """The next message; `None` at the end that was asked for. `TimeoutError` after so many seconds."""
        while not self._messages:
            async with asyncio.timeout(timeout):
                if not await self._go_on():
                    return None
        return self._messages.popleft()

    async def __aiter__(self) -> AsyncIterator[M]:
        messages, pop = self._messages, self._messages.popleft
        while messages or await self._go_on():
            while messages:
                yield pop()

    async def batches(self) -> AsyncIterator[list[M]]:
        """The messages in lists, as they come: many at once when much is coming."""
        while self._messages or await self._go_on():
            if self._messages:
                yield self._take()

    async def events(self) -> AsyncIterator[Told | Connected | Gap | Disconnected | Deleted | Unreadable]:
        """The messages with their numbers, and between them what happens to the connection."""
        while True:
            if self._messages:
                yield self._tell()
                continue
            there = await self._step()
            if there == "done":
                return
            if there == "event" and (event := self._core.take_event()) is not None:
                yield event

    async def connect(self, timeout: float | None = None) -> None:
        """Waits until the hub has answered: from here on no message is missed."""
        async with asyncio.timeout(timeout):
            while not self._messages and not self._core.has_answer:
                there = await self._step()
                if there == "done":
                    return
                if there == "event" and not self._core.has_answer:
                    self._core.take_event()

    async def close(self) -> None:
        """Ends it. What has come and was not given is still given."""
        self._core.stop()
        self._let_go()
        self._wake()

    async def __aenter__(self) -> "Self":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        await self.close()

    async def _go_on(self) -> bool:
        """Goes on to messages or to something that is passed over. False at the end."""
        there = await self._step()
        if there == "event":
            self._core.take_event()
        return there != "done"

    async def _step(self) -> str:
        """Goes on to messages, an event or the end."""
        if self._is_receiving:
            raise RuntimeError("two tasks receive from one client at the same time: each would miss what the other gets")
        self._is_receiving = True
        try:
            while True:
                there = self._advance()
                if there == "bytes":
                    await self._wait_for_bytes()
                elif there == "connection":
                    await self._connect()
                elif there == "cut":
                    self._let_go()
                    self._connect_at = self._cut(time.monotonic())
                else:
                    if there == "done":
                        self._let_go()
                    return there
        finally:
            self._is_receiving = False

    async def _connect(self) -> None:
        """Makes a connection, or goes on with it."""
        if self._linking is None:
            await asyncio.sleep(max(0.0, self._connect_at - time.monotonic()))
            patience = self._core.attempt(time.monotonic())
            self._linking = asyncio.create_task(link_to(self._hubs[self._core.hub], self, patience))
        await asyncio.wait([self._linking])
        linking, self._linking = self._linking, None
        if linking is None or linking.cancelled():
            # It was closed meanwhile.
            return
        try:
            link = linking.result()
        except OSError as error:
            self._core.lost(error)
            return
        now = time.monotonic()
        self._held = 0
        self._answer_by = now + self._core.answer_timeout
        self._link = link
        link.write(self._core.connected(now))

    async def _wait_for_bytes(self) -> None:
        if self._link is None:
            self._core.lost(ConnectionAbortedError("the connection was let go of"))
            return
        self._held = 0
        self._link.resume()
        self._receiver = asyncio.get_running_loop().create_future()
        left = max(0.0, self._answer_by - time.monotonic()) if self._core.awaits_answer else None
        try:
            done, _ = await asyncio.wait([self._receiver], timeout=left)
        finally:
            self._receiver = None
        if not done:
            self._core.timed_out()

    def _wake(self) -> None:
        if self._receiver is not None and not self._receiver.done():
            self._receiver.set_result(None)

    def _let_go(self) -> None:
        if self._linking is not None:
            self._linking.cancel()
            self._linking = None
        if self._link is not None:
            self._link.let_go()
            self._link = None

    # What the link calls.

    def _fed(self, data: bytes) -> None:
        self._core.feed(data)
        self._held += len(data)
        if self._held >= HELD and self._link is not None:
            self._link.pause()
        self._wake()

    def _ended(self) -> None:
        self._core.ended()
        self._wake()

    def _lost(self, error: BaseException) -> None:
        self._core.lost(error)
        self._wake()

    def _can_write(self) -> None:
        # A receiver sends one request.
        pass


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
