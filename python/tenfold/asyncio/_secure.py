"""TLS for connections of an event loop.

The transports of asyncio cannot end one direction alone over TLS, and take a connection that was cut for one that has
ended. So TLS is put between the transport of a plain socket and a protocol, which both see nothing of it.
"""

import asyncio
import ssl
from typing import Any, cast

from .._tls import Tls


class Secure(asyncio.Protocol, asyncio.Transport):
    """The protocol of a plain transport, and the transport of a protocol above TLS.

    The protocol above can write at once; what it writes goes when both sides have agreed.
    """

    def __init__(self, above: asyncio.Protocol, context: ssl.SSLContext, host: str | None, is_server: bool) -> None:
        asyncio.Transport.__init__(self)
        self._above = above
        self._tls = Tls(context, host, is_server)
        self._below: asyncio.Transport
        self._has_agreed = False
        self._has_ended = False
        self._is_paused = False
        self._is_full = False
        self._is_lost = False
        # Both sides have agreed, or will not.
        self._decided = asyncio.Event()
        self._failure: Exception | None = None

    async def agree(self) -> None:
        """Waits until both sides have agreed."""
        await self._decided.wait()
        if self._failure is not None:
            raise self._failure

    # What the protocol above calls.

    def write(self, data: Any) -> None:
        self._tls.write(data)
        self._flush()
        if not self._has_agreed:
            self._above.pause_writing()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self._tls.end()
        self._flush()

    def pause_reading(self) -> None:
        self._is_paused = True
        self._below.pause_reading()

    def resume_reading(self) -> None:
        if self._is_paused:
            self._is_paused = False
            self._below.resume_reading()
            self._give()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._below.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        return self._below.get_write_buffer_size() + self._tls.early

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._below.get_extra_info(name, default)

    def is_closing(self) -> bool:
        return self._below.is_closing()

    def close(self) -> None:
        if not self._below.is_closing():
            self.write_eof()
        self._below.close()

    def abort(self) -> None:
        if not self._below.is_closing():
            # As much of it as the system takes.
            self.write_eof()
        self._below.abort()

    # What the transport below calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._below = cast(asyncio.Transport, transport)
        self._above.connection_made(self)
        self._go_on()

    def data_received(self, data: bytes) -> None:
        self._tls.received(data)
        self._go_on()

    def eof_received(self) -> bool:
        self._tls.received(b"")
        self._go_on()
        # What is to be sent still goes.
        return True

    def connection_lost(self, error: Exception | None) -> None:
        self._lose(error)

    def pause_writing(self) -> None:
        self._is_full = True
        self._above.pause_writing()

    def resume_writing(self) -> None:
        self._is_full = False
        if self._has_agreed:
            self._above.resume_writing()

    def _go_on(self) -> None:
        """Goes on with the handshake, and after that with what was received."""
        try:
            if not self._has_agreed and self._tls.shake_hands():
                self._has_agreed = True
                self._decided.set()
                if not self._is_full:
                    self._above.resume_writing()
        except OSError as error:
            self._break(error)
            return
        self._flush()
        if self._has_agreed:
            self._give()

    def _give(self) -> None:
        """Gives what was received, as long as it is wanted."""
        try:
            while not self._is_paused and not self._has_ended and (data := self._tls.read()) is not None:
                if data:
                    self._above.data_received(data)
                else:
                    self._has_ended = True
                    self._above.eof_received()
        except OSError as error:
            self._break(error)
            return
        self._flush()

    def _break(self, error: OSError) -> None:
        # The peer is told what is wrong, as far as TLS has words for it.
        self._flush()
        self._lose(error)
        self._below.close()

    def _lose(self, error: Exception | None) -> None:
        if self._is_lost:
            return
        self._is_lost = self._has_ended = True
        self._failure = error or ConnectionAbortedError("the connection was closed")
        self._decided.set()
        self._above.connection_lost(error)

    def _flush(self) -> None:
        if data := self._tls.outgoing():
            self._below.write(data)
