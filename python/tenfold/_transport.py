"""What a connection reads from and writes to. Each call does what can be done now, or waits until its deadline."""

import os
import select
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, Protocol, TypeVar

if TYPE_CHECKING:
    from ._tls import Tls

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


class NotYet(Exception):
    """Something that cannot be done before a socket is ready, or some time is over."""

    def __init__(self, sock: socket.socket | None, event: int, pause: float | None = None) -> None:
        self.socket = sock
        self.event = event
        self.pause = pause

    def wait(self, left: float | None, bell: int | None = None) -> bool:
        """Waits until it can be tried again, or a bell rings: a descriptor that gets readable. False if the time is over before."""
        poll = select.poll()
        if self.socket is not None:
            poll.register(self.socket, self.event)
        if bell is not None:
            poll.register(bell, select.POLLIN)
        if self.pause is not None and (left is None or self.pause < left):
            poll.poll(self.pause * 1000)
            return True
        return bool(poll.poll(None if left is None else max(0.0, left) * 1000))


# How a way to a peer says that it cannot be read or written for now.
BLOCKED = (BlockingIOError, NotYet)


class Transport(Protocol):
    """A way to a peer."""

    #: Whether it can end while the peer still sends.
    ends: bool
    #: Gives the next bytes; none is the end. `BLOCKED` if there are none for now.
    take: Callable[[], bytes]
    #: Writes what goes now of these bytes. How many; `BLOCKED` if none, and then it is called with the same bytes again.
    give: Callable[[memoryview], int]

    def check(self, deadline: Deadline) -> None:
        """An error if it cannot keep to a deadline."""

    def wait(self, blocked: BlockingIOError | NotYet, event: int, deadline: Deadline) -> None:
        """Waits until it can be read or written again."""

    def end_writing(self) -> None:
        """Tells the peer that nothing more will come."""

    def close(self) -> None:
        """Lets go of it."""


class Socket:
    """A socket.

    It does not wait by itself, because its own time-out would hold for a thread that reads and one that writes.
    """

    ends = True

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            # Small messages are not kept back: whoever has many gives them at once.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = sock
        # Nothing of Python's runs in these, so Ctrl-C comes before or after them.
        self.take: Callable[[], bytes] = partial(sock.recv, READ)
        self.give: Callable[[memoryview], int] = sock.send

    def check(self, deadline: Deadline) -> None:
        pass

    def wait(self, blocked: BlockingIOError | NotYet, event: int, deadline: Deadline) -> None:
        there = blocked if isinstance(blocked, NotYet) else NotYet(self.socket, event)
        if not there.wait(deadline.left()):
            raise CallTimeout("timed out")

    def read_now(self) -> bytes:
        """The next bytes; none is the end. `NotYet` if there are none for now."""
        try:
            return self.socket.recv(READ)
        except BlockingIOError:
            raise NotYet(self.socket, select.POLLIN) from None

    def write_now(self, data: memoryview) -> int:
        """Writes what goes now. How many bytes; `NotYet` if none."""
        try:
            return self.socket.send(data)
        except BlockingIOError:
            raise NotYet(self.socket, select.POLLOUT) from None

    def end_writing(self) -> None:
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            # It has ended already.
            pass

    def close(self) -> None:
        self.socket.close()


class Layered(Socket):
    """A socket with something of Python's above it, where Ctrl-C can come between two steps. Then it is of no use any more."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self._is_torn = False
        self.take = self._take
        self.give = self._give

    def _take(self) -> bytes:
        return self._whole(self.read_now)

    def _give(self, data: memoryview) -> int:
        return self._whole(lambda: self.write_now(data))

    def _whole(self, call: Callable[[], T]) -> T:
        if self._is_torn:
            raise ConnectionAbortedError("a call was interrupted while bytes were received or sent, which may be lost")
        try:
            return call()
        except Exception:
            raise
        except BaseException:
            self._is_torn = True
            raise


class SecureSocket(Layered):
    """A socket, and TLS over it."""

    def __init__(self, sock: socket.socket, tls: "Tls") -> None:
        super().__init__(sock)
        self._tls = tls
        self._has_agreed = False
        # Bytes of the caller's that are encrypted, and are not written yet.
        self._taken = 0
        self._owed = memoryview(b"")
        # What is received or sent goes through TLS and the socket in the same order, also with two threads.
        self._receiving, self._sending = threading.Lock(), threading.Lock()

    def agree(self) -> None:
        """Goes on with the handshake. `NotYet` as long as both sides do not agree."""
        while not self._has_agreed:
            self._has_agreed = self._tls.shake_hands()
            is_flushed = self._flush()
            if not self._has_agreed:
                self._receive(is_flushed)

    def read_now(self) -> bytes:
        self.agree()
        is_flushed = self._flush()
        while (data := self._tls.read()) is None:
            self._receive(is_flushed)
        return data

    def write_now(self, data: memoryview) -> int:
        """As above; after `NotYet` it is called with the same bytes again."""
        self.agree()
        if not self._taken:
            self._tls.write(data[:READ])
            self._taken = len(data[:READ])
        if not self._flush():
            raise NotYet(self.socket, select.POLLOUT)
        taken, self._taken = self._taken, 0
        return taken

    def end_writing(self) -> None:
        self._tls.end()
        # What does not go now goes with the next read.
        self._flush()

    def close(self) -> None:
        try:
            self.end_writing()
        except OSError:
            # The peer has gone.
            pass
        super().close()

    def _receive(self, is_flushed: bool) -> None:
        with self._receiving:
            try:
                self._tls.received(self.socket.recv(READ))
            except BlockingIOError:
                event = select.POLLIN if is_flushed else select.POLLIN | select.POLLOUT
                raise NotYet(self.socket, event) from None

    def _flush(self) -> bool:
        """Writes what TLS has for the socket. Whether all of it went."""
        with self._sending:
            while self._owed or (owed := self._tls.outgoing()):
                self._owed = self._owed or memoryview(owed)
                try:
                    self._owed = self._owed[self.socket.send(self._owed) :]
                except BlockingIOError:
                    return False
            return True


class Files:
    """A pair of binary files, such as the pipes of a program. They wait for as long as it takes."""

    ends = False

    def __init__(self, reader: BinaryIO, writer: BinaryIO) -> None:
        for file in (reader, writer):
            # What it has not got yet would look like its end.
            if not waits(file):
                raise ValueError(f"{file!r} does not wait (O_NONBLOCK): os.set_blocking(file.fileno(), True)")
        self.take: Callable[[], bytes] = partial(getattr(reader, "read1", reader.read), READ)
        self.give: Callable[[memoryview], int] = self._give
        self._files = (reader, writer)

    def check(self, deadline: Deadline) -> None:
        if deadline.left() is not None:
            raise ValueError("reading and writing files cannot be given a time-out")

    def wait(self, blocked: BlockingIOError | NotYet, event: int, deadline: Deadline) -> None:
        """They have waited already: this is an error of theirs."""
        raise blocked

    def _give(self, data: memoryview) -> int:
        writer = self._files[1]
        count = writer.write(data)
        writer.flush()
        return count

    def end_writing(self) -> None:
        self._files[1].close()

    def close(self) -> None:
        for file in self._files:
            file.close()


def waits(file: BinaryIO) -> bool:
    """Whether reading and writing the file waits until it is possible."""
    try:
        return os.get_blocking(file.fileno())
    except OSError:
        # It has no descriptor, as a BytesIO.
        return True
