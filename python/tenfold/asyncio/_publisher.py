"""Messages into a channel of a hub, for programs with an event loop."""

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from .._address import Address
from .._options import way
from .._publisher import WINDOW, Observer
from .._tenfold import Publication
from ._link import Link, link_to

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from typing_extensions import Buffer, Self, Unpack

    from .._options import Options

# After so many bytes the other tasks get their turn, the publisher's own among them.
TURN = 64 * 1024


class Publisher:
    """Publishes messages to a channel of a hub: each is stored once and in order, over as many connections as it takes.

    A task of its own sends what was handed over, keeps it until it is acknowledged, and sends it again if need be.
    So an error is one of the publisher, and not of the message that it was raised for, and it stays.
    """

    def __init__(
        self,
        hub: str,
        channel: str,
        *,
        producer: str | None = None,
        start: Literal["append", "history", "fresh"] = "append",
        acks: Literal["durable", "memory", "none"] | None = None,
        window: tuple[int, int] = WINDOW,
        observer: Observer | None = None,
        **options: "Unpack[Options]",
    ) -> None:
        hubs, common = way(hub, options)
        self._core = Publication(channel, producer=producer, start=start, acks=acks, window=window, common=common)
        self._pump = Pump(hubs, self._core, observer)
        self._taken = 0
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._pump.run())

    async def send(self, message: "Buffer", timeout: float | None = None) -> None:
        """Sends a message, soon. Waits while the window is full; after a `TimeoutError` the message was not accepted."""
        if not self._core.accept(message):
            await self._pump.wait(lambda: self._core.accept(message), timeout)
        self._pump.ring()
        self._taken += len(message) if isinstance(message, bytes) else memoryview(message).nbytes
        if self._taken >= TURN:
            self._taken = 0
            await asyncio.sleep(0)

    async def send_all(self, messages: "Iterable[Buffer]") -> None:
        """Sends messages one after the other."""
        if isinstance(messages, (str, bytes, bytearray, memoryview)):
            raise TypeError("these are to be several messages, in a list or another iterable; this is a single one")
        for message in messages:
            await self.send(message)

    async def flush(self, timeout: float | None = None) -> None:
        """Waits until all messages are acknowledged. With `acks="none"`, until the system has taken them."""
        await self._pump.wait(lambda: self._core.check() or self._core.is_flushed, timeout)

    async def committed(self, timeout: float | None = None) -> int:
        """How many messages of the producer the hub had when it answered first. Waits for that."""
        await self._pump.wait(lambda: self._core.check() or self._core.committed is not None, timeout)
        return self._core.committed or 0

    @property
    def sent(self) -> int:
        """How many messages were given to `send`."""
        return self._core.sent

    @property
    def acknowledged(self) -> int:
        """How many of those are acknowledged."""
        return self._core.acknowledged

    async def close(self, timeout: float | None = None) -> None:
        """Waits until all messages have arrived, and ends the connection. After a `TimeoutError` it goes on meanwhile."""
        self._core.begin_close()
        self._pump.tell()
        await self._pump.wait(self._core.check, timeout)
        await self._task

    async def __aenter__(self) -> "Self":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        if error is None:
            await self.close()
        else:
            self._core.stop()
            self._task.cancel()

    def __del__(self) -> None:
        # If it was not made, there is nothing to end. Whoever forgets a publisher may be another thread.
        if hasattr(self, "_task") and not self._loop.is_closed():
            self._core.stop()
            self._loop.call_soon_threadsafe(self._task.cancel)


class Pump:
    """What a publisher's task does: makes connections and uses them, until there is nothing more to do."""

    def __init__(self, hubs: list[Address], core: Publication, observer: Observer | None) -> None:
        self._hubs = hubs
        core.set_hubs(len(hubs))
        self._core = core
        self._observer = observer
        # Set, and made again, when something has changed.
        self._changed = asyncio.Event()
        self._link: Link | None = None
        self._is_rung = False

    async def wait(self, is_so: Callable[[], bool], timeout: float | None) -> None:
        """Waits for a condition. `TimeoutError` after so many seconds."""
        async with asyncio.timeout(timeout):
            while not is_so():
                await self._changed.wait()

    def ring(self) -> None:
        """There may be something to write: soon, together with what is accepted until then."""
        if not self._is_rung:
            self._is_rung = True
            asyncio.get_running_loop().call_soon(self._write)

    async def run(self) -> None:
        """What the task does."""
        connect_at: float | None = 0.0
        try:
            while connect_at is not None and await self._pause_until(connect_at):
                patience = self._core.attempt(time.monotonic())
                try:
                    self._link = await link_to(self._hubs[self._core.hub], self, patience)
                except OSError as error:
                    self._core.lost(error)
                else:
                    self._link.write(self._core.connected(time.monotonic()))
                    await self._use()
                    self._let_go()
                connect_at = self._core.cut(time.monotonic())
                self.tell()
        finally:
            # Whatever happened here: nobody is to wait for it.
            self._let_go()
            self._core.stop()
            self.tell()

    async def _pause_until(self, connect_at: float) -> bool:
        """Whether there is something to connect for at that time."""
        while not self._core.has_ended:
            left = connect_at - time.monotonic()
            if left <= 0:
                return True
            await self._until_changed(left)
        return False

    async def _use(self) -> None:
        """Waits until the connection is of no use any more."""
        patience: tuple[float, int] | None = None
        by = 0.0
        while not self._core.is_cut and not self._core.has_ended:
            if self._core.patience != patience:
                # The clock starts again when something else is waited for.
                patience = self._core.patience
                by = time.monotonic() + (patience[0] if patience else 0.0)
            left = None if patience is None else max(0.0, by - time.monotonic())
            if not await self._until_changed(left):
                self._core.timed_out()

    async def _until_changed(self, left: float | None) -> bool:
        """Waits until something has changed. False if the time is over before."""
        try:
            async with asyncio.timeout(left):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def tell(self) -> None:
        """Something has changed."""
        while (event := self._core.take_event()) is not None:
            if self._observer is not None:
                self._observer(event)
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        self.ring()

    def _write(self) -> None:
        self._is_rung = False
        while self._link is not None and self._link.has_room:
            data = self._core.outgoing()
            if data is None:
                return
            if data:
                self._link.write(data)
                if self._core.wrote(len(data)):
                    self.tell()
            else:
                self._link.end_writing()
                # Now the hub has only so much time.
                self.tell()

    def _let_go(self) -> None:
        if self._link is not None:
            self._link.let_go()
            self._link = None

    # What the link calls.

    def _fed(self, data: bytes) -> None:
        self._core.feed(data)
        self.tell()

    def _ended(self) -> None:
        self._core.ended()
        self.tell()

    def _lost(self, error: BaseException) -> None:
        self._core.lost(error)
        self.tell()

    def _can_write(self) -> None:
        self._write()
