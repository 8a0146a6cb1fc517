"""The way from a client to a hub, for programs with an event loop."""

import asyncio
from typing import Protocol, cast

from .._address import Address
from ._dialling import dial


class Client(Protocol):
    """Whom a link tells what comes."""

    def _fed(self, data: bytes) -> None:
        """These bytes have come."""

    def _ended(self) -> None:
        """The hub has ended."""

    def _lost(self, error: BaseException) -> None:
        """The connection has failed."""

    def _can_write(self) -> None:
        """The system takes bytes again."""


class Link(asyncio.Protocol):
    """A connection to a hub. Once it is let go of it tells nothing more."""

    def __init__(self, client: Client) -> None:
        self._client: Client | None = client
        self._transport: asyncio.Transport
        self._has_ended = False
        # Whether the system takes bytes.
        self.has_room = True

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    def end_writing(self) -> None:
        if self._transport.can_write_eof():
            self._transport.write_eof()

    def pause(self) -> None:
        self._transport.pause_reading()

    def resume(self) -> None:
        self._transport.resume_reading()

    def let_go(self) -> None:
        """Ends the connection, and tells nothing more."""
        self._client = None
        self._transport.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=0)

    def data_received(self, data: bytes) -> None:
        if self._client is not None:
            self._client._fed(data)

    def eof_received(self) -> bool:
        self._has_ended = True
        if self._client is not None:
            self._client._ended()
        return True

    def connection_lost(self, error: Exception | None) -> None:
        if self._client is not None and not self._has_ended:
            self._client._lost(error or ConnectionAbortedError("the connection was closed"))

    def pause_writing(self) -> None:
        self.has_room = False

    def resume_writing(self) -> None:
        self.has_room = True
        if self._client is not None:
            self._client._can_write()


async def link_to(address: Address, client: Client, patience: float) -> Link:
    """Connects, within so many seconds."""
    async with asyncio.timeout(patience):
        return await dial(address, lambda: Link(client))
