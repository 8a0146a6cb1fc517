"""Waiting for connections."""

import os
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ._address import Address, written
from ._connection import LIMIT, Connection, codec
from ._tenfold import Framing
from ._transport import CallTimeout, Deadline, SecureSocket, Socket

if TYPE_CHECKING:
    import ssl
    from types import TracebackType

    from typing_extensions import Self

# Connections that wait until they are accepted.
BACKLOG = 1024


class Listener:
    """Accepts connections. As an iterator it gives one after the other."""

    def __init__(self, sock: socket.socket, framing: str | Framing, limit: int, tls: "ssl.SSLContext | None") -> None:
        codec(framing, "server", limit)  # A framing that is wrong is told at once.
        self._socket = sock
        self._framing = framing
        self._limit = limit
        self._tls = tls
        self.address: str = ("tls://" if tls else "") + written(sock.getsockname())

    def accept(self, timeout: float | None = None) -> Connection:
        """The next connection. `TimeoutError` after so many seconds."""
        self._socket.settimeout(Deadline(timeout).left())
        try:
            peer, _ = self._socket.accept()
        except BlockingIOError:
            raise CallTimeout("timed out") from None
        return Connection(self._transport(peer), *codec(self._framing, "server", self._limit))

    def _transport(self, peer: socket.socket) -> Socket:
        if self._tls is None:
            return Socket(peer)
        from ._tls import Tls

        # The two sides agree when something is sent or received.
        return SecureSocket(peer, Tls(self._tls, None, is_server=True))

    def __iter__(self) -> Iterator[Connection]:
        while True:
            yield self.accept()

    def close(self) -> None:
        """Accepts no more connections; those that there are go on. The file of a unix socket is removed."""
        close_listening(self._socket)

    def __enter__(self) -> "Self":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        self.close()


def listen(
    address: str, framing: str | Framing = "decimal:10", *, limit: int = LIMIT, tls: "ssl.SSLContext | None" = None
) -> Listener:
    """Listens at an address. With port 0 the system chooses a free one; the listener's `address` tells it.

    A `tls://` address needs `tls`, a context that has a certificate.
    """
    sock = listening_socket(Address.to_listen(address, tls))
    try:
        return Listener(sock, framing, limit, tls)
    except BaseException:
        sock.close()
        raise


def listening_socket(address: Address) -> socket.socket:
    """A socket that listens."""
    sock = socket.socket(address.family)
    try:
        if address.family != socket.AF_UNIX:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address.place)
        sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock


def close_listening(sock: socket.socket) -> None:
    """Closes a socket that listens, once or again. A file of it is removed."""
    place = sock.getsockname() if sock.fileno() >= 0 else None
    sock.close()
    if isinstance(place, str) and place and os.path.exists(place):
        os.unlink(place)
