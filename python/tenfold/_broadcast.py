"""One to many, for programs that wait."""

import os
import threading
from collections.abc import Callable, Coroutine
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from ._connection import GROUP, WAITING
from ._tenfold import Framing

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable
    from types import TracebackType

    from typing_extensions import Buffer, Self

T = TypeVar("T")


class Broadcast:
    """Sends each message to everybody who is connected, and waits for nobody.

    A client that does not take what it is sent is let go of when more than `waiting` bytes wait for it. What clients send
    is not read by anybody. A thread of its own accepts clients and writes to them.
    """

    def __init__(
        self,
        address: str,
        framing: str | Framing = "decimal:10",
        *,
        welcome: "Buffer | None" = None,
        waiting: int = WAITING,
        tls: "ssl.SSLContext | None" = None,
    ) -> None:
        # Programs without a broadcast need not load asyncio.
        import asyncio

        from .asyncio import Broadcast as Inner

        async def make() -> Inner:
            return Inner(address, framing, welcome=welcome, waiting=waiting, tls=tls)

        self._process = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tenfold-broadcast", daemon=True)
        self._thread.start()
        try:
            self._inner = self._do(make)
        except BaseException:
            self._stop()
            raise
        self.address = self._inner.address

    @property
    def clients(self) -> int:
        """How many are connected."""
        return self._inner.clients

    @property
    def let_go(self) -> int:
        """How many were let go of because they were too slow."""
        return self._inner.let_go

    def send(self, message: "Buffer") -> None:
        """Sends a message to everybody who is connected."""
        self._do(lambda: self._inner.send(message))

    def send_all(self, messages: "Iterable[Buffer]") -> None:
        """Sends messages one after the other."""
        if isinstance(messages, (str, bytes, bytearray, memoryview)):
            raise TypeError("these are to be several messages, in a list or another iterable; this is a single one")
        iterator = iter(messages)
        while group := list(islice(iterator, GROUP)):
            self._do(lambda group=group: self._inner.send_all(group))  # type: ignore[misc]

    def wait_for(self, clients: int, timeout: float | None = None) -> None:
        """Waits until so many are connected. `TimeoutError` after so many seconds."""
        self._do(lambda: self._inner.wait_for(clients, timeout))

    def close(self) -> None:
        """Ends all connections. What was sent is on its way: it waits a second at most for the clients to have read it."""
        if not self._loop.is_closed():
            self._do(self._inner.close)
            self._stop()

    def __enter__(self) -> "Self":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        self.close()

    def _do(self, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Has the thread do it, and waits for that."""
        if os.getpid() != self._process:
            raise RuntimeError("this broadcast belongs to the process that has forked: make one after the fork")
        if self._loop.is_closed():
            raise ValueError("this broadcast is closed")
        from asyncio import run_coroutine_threadsafe

        return run_coroutine_threadsafe(call(), self._loop).result()

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
