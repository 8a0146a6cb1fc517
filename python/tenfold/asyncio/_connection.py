"""Whole messages over a connection, for programs with an event loop."""

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Generator, Iterable
from contextlib import AbstractAsyncContextManager
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, cast

from .._address import Address, written
from .._connection import CLOSE, GROUP, LIMIT, codec, json_bytes
from .._errors import TenfoldError
from .._listener import close_listening, listening_socket
from .._tenfold import Decoder, Encoder, Framing
from ._dialling import adopt, dial

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Buffer, Self

T = TypeVar("T", bound="AbstractAsyncContextManager[Any]")

# A connection that holds so many bytes of messages reads no more before they are taken.
HELD = 1024 * 1024


class Connection(asyncio.Protocol):
    """Sends and receives whole messages. One task may receive while others send."""

    def __init__(self, decoder: Decoder, encoder: Encoder) -> None:
        self._decoder = decoder
        self._encoder = encoder
        self._transport: asyncio.Transport
        self._messages: deque[bytes] = deque()
        self._held = 0
        self._has_sent = False
        self._is_discarding = False
        self._ended = False
        self._at_end = asyncio.Event()
        self._lost = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._failure: Exception | None = None
        self._receiver: asyncio.Future[None] | None = None

    async def recv(self, timeout: float | None = None) -> bytes | None:
        """The next message; `None` if the peer has ended. `TimeoutError` after so many seconds."""
        while not self._messages:
            async with asyncio.timeout(timeout):
                if not await self._receive():
                    return None
        return self._messages.popleft()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        messages, pop = self._messages, self._messages.popleft
        while messages or await self._receive():
            yield pop()

    async def batches(self) -> AsyncIterator[list[bytes]]:
        """The messages in lists, as they come: many at once when much is coming."""
        while self._messages or await self._receive():
            batch = list(self._messages)
            self._messages.clear()
            yield batch

    async def send(self, message: "Buffer", timeout: float | None = None) -> None:
        """Sends a message. Waits for room before, and if that takes too long, the message was not accepted."""
        await self.flush(timeout)
        self._write(self._encoder.encode(message))

    async def send_text(self, text: str, timeout: float | None = None) -> None:
        """Sends a text, in UTF-8."""
        await self.send(text.encode(), timeout)

    async def send_json(self, value: Any, timeout: float | None = None) -> None:
        """Sends a value as JSON."""
        await self.send(json_bytes(value), timeout)

    async def send_all(self, messages: "Iterable[Buffer]") -> None:
        """Sends messages one after the other, many in each write."""
        if isinstance(messages, (str, bytes, bytearray, memoryview)):
            raise TypeError("these are to be several messages, in a list or another iterable; this is a single one")
        iterator = iter(messages)
        while group := list(islice(iterator, GROUP)):
            await self.flush()
            self._write(self._encoder.encode_all(group))

    async def flush(self, timeout: float | None = None) -> None:
        """Waits until the system has taken everything that was sent. `TimeoutError` after so many seconds."""
        if not self._has_room.is_set():
            async with asyncio.timeout(timeout):
                await self._has_room.wait()
        if self._failure is not None:
            raise self._failure

    async def finish(self) -> None:
        """Says that nothing more will be sent. The peer's messages can still be received."""
        await self.flush()
        if self._transport.can_write_eof():
            self._transport.write_eof()

    async def close(self) -> None:
        """Ends the connection. What was sent is on its way: it waits a second at most for the peer to have read it."""
        try:
            async with asyncio.timeout(CLOSE):
                await self._end()
                self._transport.close()
                await self._lost.wait()
        except (OSError, TimeoutError):
            # The peer has gone, or takes nothing.
            pass
        finally:
            self._transport.abort()

    async def __aenter__(self) -> "Self":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        if error is None:
            await self.close()
        else:
            self._transport.abort()

    async def _receive(self) -> bool:
        """Waits for messages. Whether there are any; there are none at the end."""
        if self._receiver is not None:
            raise RuntimeError("two tasks receive from one connection at the same time: each would miss what the other gets")
        self._held = 0
        while not self._messages:
            # What is wrong with the stream was found after messages that were given.
            self._decoder.feed(b"")
            if self._ended:
                return False
            if self._failure is not None:
                raise self._failure
            self._transport.resume_reading()
            self._receiver = asyncio.get_running_loop().create_future()
            try:
                await self._receiver
            finally:
                self._receiver = None
        return True

    def _wake(self) -> None:
        if self._receiver is not None and not self._receiver.done():
            self._receiver.set_result(None)

    def _write(self, frames: bytes) -> None:
        self._has_sent = True
        self._transport.write(frames)

    async def _end(self) -> None:
        """Writes what is left, and reads until the peer's end: to close with unread bytes would destroy what is on its way."""
        if not self._has_sent or self._failure is not None:
            return
        await self.finish()
        self._is_discarding = True
        self._transport.resume_reading()
        await self._at_end.wait()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        # So writing pauses while anything that was sent waits.
        self._transport.set_write_buffer_limits(high=0)

    def data_received(self, data: bytes) -> None:
        if self._is_discarding:
            return
        try:
            self._messages.extend(self._decoder.feed(data))
        except TenfoldError:
            # The decoder tells it to whoever receives.
            self._transport.pause_reading()
        if self._messages:
            self._held += len(data)
            if self._held >= HELD:
                self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        try:
            self._decoder.finish()
        except TenfoldError:
            pass
        self._ended = True
        self._at_end.set()
        self._wake()
        # What is to be sent still goes.
        return True

    def connection_lost(self, error: Exception | None) -> None:
        if self._failure is None and (error is not None or not self._ended):
            self._failure = error or ConnectionAbortedError("the connection was closed")
        self._has_room.set()
        self._at_end.set()
        self._lost.set()
        self._wake()

    def pause_writing(self) -> None:
        self._has_room.clear()

    def resume_writing(self) -> None:
        self._has_room.set()


class Listener:
    """Accepts connections. As an asynchronous iterator it gives one after the other."""

    def __init__(self, sock: socket.socket, framing: str | Framing, limit: int, tls: ssl.SSLContext | None) -> None:
        codec(framing, "server", limit)  # A framing that is wrong is told at once.
        sock.setblocking(False)
        self._socket = sock
        self._framing = framing
        self._limit = limit
        self._tls = tls
        self.address: str = ("tls://" if tls else "") + written(sock.getsockname())

    async def accept(self, timeout: float | None = None) -> Connection:
        """The next connection. `TimeoutError` after so many seconds."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(timeout):
            peer, _ = await loop.sock_accept(self._socket)
        return await adopt(peer, lambda: Connection(*codec(self._framing, "server", self._limit)), self._tls)

    async def __aiter__(self) -> AsyncIterator[Connection]:
        while True:
            yield await self.accept()

    async def close(self) -> None:
        """Accepts no more connections; those that there are go on. The file of a unix socket is removed."""
        close_listening(self._socket)

    async def __aenter__(self) -> "Self":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        await self.close()


class _Opening(Generic[T]):
    """What is being opened: to await, or to enter."""

    def __init__(self, opening: Coroutine[Any, Any, T]) -> None:
        self._opening = opening

    def __await__(self) -> Generator[Any, Any, T]:
        return self._opening.__await__()

    async def __aenter__(self) -> T:
        self._opened = await self._opening
        return self._opened

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        await self._opened.__aexit__(kind, error, trace)


def connect(
    to: str | socket.socket,
    framing: str | Framing = "decimal:10",
    *,
    side: Literal["client", "server"] = "client",
    limit: int = LIMIT,
    timeout: float | None = None,
    tls: ssl.SSLContext | None = None,
) -> _Opening[Connection]:
    """Connects to an address, or takes a socket that is connected. To be awaited, or entered with `async with`.

    `side` is what this program is on the connection: the one that connected, unless something else is said.
    `timeout` bounds connecting, in seconds. `tls` says whom to trust at a `tls://` address.
    """
    return _Opening(_connect(to, framing, side, limit, timeout, tls))


async def _connect(
    to: str | socket.socket,
    framing: str | Framing,
    side: Literal["client", "server"],
    limit: int,
    timeout: float | None,
    tls: ssl.SSLContext | None,
) -> Connection:
    codec(framing, side, limit)  # A framing that is wrong is told before anything is done.
    async with asyncio.timeout(timeout):
        if isinstance(to, socket.socket):
            return await adopt(to, lambda: Connection(*codec(framing, side, limit)))
        if not isinstance(to, str):
            raise TypeError('connect to an address such as "127.0.0.1:5000", or to a socket')
        return await dial(Address.parse(to, tls), lambda: Connection(*codec(framing, side, limit)))


def listen(
    address: str, framing: str | Framing = "decimal:10", *, limit: int = LIMIT, tls: ssl.SSLContext | None = None
) -> _Opening[Listener]:
    """Listens at an address. To be awaited, or entered with `async with`.

    With port 0 the system chooses a free port; the listener's `address` tells it. A `tls://` address needs `tls`, a
    context that has a certificate.
    """
    return _Opening(_listen(address, framing, limit, tls))


async def _listen(address: str, framing: str | Framing, limit: int, tls: ssl.SSLContext | None) -> Listener:
    sock = listening_socket(Address.to_listen(address, tls))
    try:
        return Listener(sock, framing, limit, tls)
    except BaseException:
        sock.close()
        raise
