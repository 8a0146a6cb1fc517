"""What a connection reads from and writes to. Each call does what can be done now, or waits until its deadline."""

import os
import select
import socket
import ssl
import time
from collections.abc import Callable
from typing import BinaryIO, Protocol, TypeVar

T = TypeVar("T")

# Read at once: from here on a larger read makes no message cheaper.
READ = 64 * 1024
# What `close` reads and throws away at most.
DISCARD = 16 * 1024 * 1024


class CallTimeout(TimeoutError):
    """A call's time is over. (The system has a `TimeoutError` of its own, for a peer that does not answer any more.)"""


class Deadline:
    """When a call's time is over. Without a time it never is."""

    def __init__(self, timeout: float | None) -> None:
        if timeout is not None and timeout < 0:
            raise ValueError("a time-out is at least 0")
        self._at = None if timeout is None else time.monotonic() + timeout

    def left(self) -> float | None:
        return None if self._at is None else max(0.0, self._at - time.monotonic())


class Transport(Protocol):
    """A way to a peer."""

    def read(self, deadline: Deadline) -> bytes:
        """The next bytes; none is the end."""

    def write(self, data: memoryview, deadline: Deadline) -> int:
        """Writes some bytes. How many."""

    def end_writing(self) -> None:
        """Tells the peer that nothing more will come."""

    def close(self) -> None:
        """Lets go of it."""


class Socket:
    """A socket of any kind, also one with TLS.

    It does not wait by itself, because its own time-out would hold for a thread that reads and one that writes.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            # Small messages are not kept back: whoever has many gives them at once.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = sock

    def read(self, deadline: Deadline) -> bytes:
        return self._retry(lambda: self.socket.recv(READ), select.POLLIN, deadline)

    def write(self, data: memoryview, deadline: Deadline) -> int:
        return self._retry(lambda: self.socket.send(data), select.POLLOUT, deadline)

    def end_writing(self) -> None:
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            # It has ended already.
            pass

    def close(self) -> None:
        self.socket.close()

    def _retry(self, call: Callable[[], T], wanted: int, deadline: Deadline) -> T:
        while True:
            try:
                return call()
            except ssl.SSLWantReadError:
                event = select.POLLIN
            except ssl.SSLWantWriteError:
                event = select.POLLOUT
            except BlockingIOError:
                event = wanted
            self._wait(event, deadline)

    def _wait(self, event: int, deadline: Deadline) -> None:
        poll = select.poll()
        poll.register(self.socket, event)
        left = deadline.left()
        if not poll.poll(None if left is None else left * 1000):
            raise CallTimeout("timed out")


class Files:
    """A pair of binary files, such as the pipes of a program. They wait for as long as it takes."""

    def __init__(self, reader: BinaryIO, writer: BinaryIO) -> None:
        for file in (reader, writer):
            # What it has not got yet would look like its end.
            if not waits(file):
                raise ValueError(f"{file!r} does not wait (O_NONBLOCK): os.set_blocking(file.fileno(), True)")
        self._read: Callable[[int], bytes] = getattr(reader, "read1", reader.read)
        self._files = (reader, writer)

    def read(self, deadline: Deadline) -> bytes:
        self._refuse(deadline)
        return self._read(READ)

    def write(self, data: memoryview, deadline: Deadline) -> int:
        self._refuse(deadline)
        writer = self._files[1]
        count = writer.write(data)
        writer.flush()
        return count

    def end_writing(self) -> None:
        self._files[1].close()

    def close(self) -> None:
        for file in self._files:
            file.close()

    def _refuse(self, deadline: Deadline) -> None:
        if deadline.left() is not None:
            raise ValueError("reading and writing files cannot be given a time-out")


def waits(file: BinaryIO) -> bool:
    """Whether reading and writing the file waits until it is possible."""
    try:
        return os.get_blocking(file.fileno())
    except OSError:
        # It has no descriptor, as a BytesIO.
        return True
