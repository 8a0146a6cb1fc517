"""One to many, for programs with an event loop."""

import asyncio
import ssl
from typing import TYPE_CHECKING, cast

from .._address import Address, written
from .._connection import CLOSE, WAITING
from .._listener import close_listening, listening_socket
from .._tenfold import Encoder, Framing
from ._dialling import adopt

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from typing_extensions import Buffer, Self

# After so many bytes the event loop gets its turn, to write them.
TURN = 64 * 1024


class Broadcast:
    """Sends each message to everybody who is connected, and waits for nobody.

    A client that does not take what it is sent is let go of when more than `waiting` bytes wait for it. What clients send
    is not read by anybody.
    """

    def __init__(
        self,
        address: str,
        framing: str | Framing = "decimal:10",
        *,
        welcome: "Buffer | None" = None,
        waiting: int = WAITING,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._framing = framing
        # What is wrong with framing or welcome is told at once, and not when somebody comes.
        encoder = self._new_encoder()
        if welcome is not None:
            encoder.encode(welcome)
        self._welcome = welcome
        self._waiting = waiting
        self._tls = tls
        self._clients: set[Client] = set()
        self._let_go = 0
        self._taken = 0
        # Set, and made again, when clients come or go.
        self._changed = asyncio.Event()
        self._socket = listening_socket(Address.to_listen(address, tls))
        self._socket.setblocking(False)
        self.address: str = ("tls://" if tls else "") + written(self._socket.getsockname())
        self._accepting = asyncio.get_running_loop().create_task(self._accept())

    @property
    def clients(self) -> int:
        """How many are connected."""
        return len(self._clients)

    @property
    def let_go(self) -> int:
        """How many were let go of because they were too slow."""
        return self._let_go

    async def send(self, message: "Buffer") -> None:
        """Sends a message to everybody who is connected."""
        clients = list(self._clients)
        # A framing can begin a stream in another way than it goes on, so each client has its own frame.
        frames = [client.encoder.encode(message) for client in clients]
        if not clients:
            self._new_encoder().encode(message)
        for client, frame in zip(clients, frames, strict=True):
            if not client.give(frame, self._waiting):
                self._let_go += 1
            self._taken += len(frame)
        if self._taken >= TURN:
            self._taken = 0
            await asyncio.sleep(0)

    async def send_all(self, messages: "Iterable[Buffer]") -> None:
        """Sends messages one after the other."""
        if isinstance(messages, (str, bytes, bytearray, memoryview)):
            raise TypeError("these are to be several messages, in a list or another iterable; this is a single one")
        for message in messages:
            await self.send(message)

    async def wait_for(self, clients: int, timeout: float | None = None) -> None:
        """Waits until so many are connected. `TimeoutError` after so many seconds."""
        async with asyncio.timeout(timeout):
            while len(self._clients) < clients:
                await self._changed.wait()

    async def close(self) -> None:
        """Ends all connections. What was sent is on its way: it waits a second at most for the clients to have read it."""
        self._accepting.cancel()
        close_listening(self._socket)
        for client in list(self._clients):
            client.end()
        try:
            async with asyncio.timeout(CLOSE):
                while self._clients:
                    await self._changed.wait()
        except TimeoutError:
            for client in list(self._clients):
                client.abort()

    async def __aenter__(self) -> "Self":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        await self.close()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                peer, _ = await loop.sock_accept(self._socket)
            except ConnectionError:
                # It has gone before it was accepted.
                continue
            except OSError:
                # There are no descriptors left: those who wait are accepted when others have gone.
                await asyncio.sleep(CLOSE)
                continue
            try:
                await adopt(peer, lambda: Client(self, self._new_encoder()), self._tls)
            except OSError:
                peer.close()

    def _new_encoder(self) -> Encoder:
        return Encoder(self._framing, side="server")

    def _come(self, client: "Client") -> None:
        self._clients.add(client)
        if self._welcome is not None:
            client.give(client.encoder.encode(self._welcome), self._waiting)
        self._tell()

    def _gone(self, client: "Client") -> None:
        self._clients.discard(client)
        self._tell()

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


class Client(asyncio.Protocol):
    """Somebody who is connected."""

    def __init__(self, broadcast: Broadcast, encoder: Encoder) -> None:
        self._broadcast = broadcast
        self.encoder = encoder
        self._transport: asyncio.Transport

    def give(self, frame: bytes, waiting: int) -> bool:
        """Sends a frame. Whether the client is fast enough."""
        if (before := self._transport.get_write_buffer_size()) and before + len(frame) > waiting:
            self.abort()
            return False
        self._transport.write(frame)
        return True

    def end(self) -> None:
        self._transport.write_eof()

    def abort(self) -> None:
        self._transport.abort()
        self._broadcast._gone(self)

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._broadcast._come(self)

    def eof_received(self) -> bool:
        # A client need not send anything, and can say so.
        return True

    def connection_lost(self, error: Exception | None) -> None:
        self._broadcast._gone(self)
