"""A connection that is being made, without waiting for it."""

import errno
import os
import select
import socket
from collections.abc import Generator

from ._address import Address
from ._transport import CallTimeout, Deadline, NotYet, SecureSocket, Socket

# A unix socket whose backlog is full says so at once, and is tried again after this time.
BACKLOG_PAUSE = 0.01


def dialling(address: Address) -> Generator[NotYet, None, Socket]:
    """Makes a connection. It yields what to wait for, and can be left alone meanwhile. (To look up a name does wait.)"""
    failure: OSError | None = None
    for family, place in _places(address):
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            yield from _connecting(sock, place)
            if address.tls is None:
                return Socket(sock)
            # Programs without TLS need not load it.
            from ._tls import Tls

            secure = SecureSocket(sock, Tls(address.tls, address.host))
            yield from _agreeing(secure)
            return secure
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
    raise failure or OSError(errno.EADDRNOTAVAIL, "the name has no addresses")


def dial(address: Address, deadline: Deadline) -> Socket:
    """Makes a connection, and waits for it."""
    attempt = dialling(address)
    while True:
        try:
            there = next(attempt)
        except StopIteration as made:
            link: Socket = made.value
            return link
        if not there.wait(deadline.left()):
            attempt.close()
            raise CallTimeout("timed out")


def _places(address: Address) -> list[tuple[socket.AddressFamily, object]]:
    if isinstance(address.place, str):
        return [(address.family, address.place)]
    found = socket.getaddrinfo(*address.place, type=socket.SOCK_STREAM)
    return [(family, place) for family, _, _, _, place in found]


def _connecting(sock: socket.socket, place: object) -> Generator[NotYet, None, None]:
    while True:
        code = sock.connect_ex(place)  # type: ignore[arg-type]
        if code in (0, errno.EISCONN):
            return
        if code == errno.EAGAIN:
            yield NotYet(None, 0, BACKLOG_PAUSE)
        elif code in (errno.EINPROGRESS, errno.EALREADY):
            yield NotYet(sock, select.POLLOUT)
        else:
            raise OSError(code, os.strerror(code))


def _agreeing(secure: SecureSocket) -> Generator[NotYet, None, None]:
    while True:
        try:
            return secure.agree()
        except NotYet as there:
            yield there
