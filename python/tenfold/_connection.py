"""Whole messages over a connection, for programs that wait."""

import select
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TypeVar

from ._address import Address
from ._dialling import dial
from ._tenfold import Decoder, Encoder, Framing
from ._transport import BLOCKED, DISCARD, CallTimeout, Deadline, Files, Socket, Transport

if TYPE_CHECKING:
    import ssl
    from types import TracebackType

    from typing_extensions import Buffer, Self

T = TypeVar("T")

# The most bytes of a message, unless something else is said.
LIMIT = 16 * 1024 * 1024
# How many messages of an iterable are framed at once.
GROUP = 256
# A client of a broadcast for which more bytes than this wait is too slow.
WAITING = 1024 * 1024
# How long `close` takes at most.
CLOSE = 1.0


class Connection:
    """Sends and receives whole messages. One thread may receive while others send.

    Leaving a loop, a time-out, and Ctrl-C while a call waits lose nothing: what was received is kept, and the next call
    goes on there.
    """

    def __init__(self, transport: Transport, decoder: Decoder, encoder: Encoder) -> None:
        self._transport = transport
        self._decoder = decoder
        self._encoder = encoder
        self._messages: deque[bytes] = deque()
        self._is_receiving = False
        self._writing = threading.Lock()
        self._unwritten = Unwritten(b"")
        self._ended = False
        self._has_sent = False
        self._failure: OSError | None = None

    def recv(self, timeout: float | None = None) -> bytes | None:
        """The next message; `None` if the peer has ended. `TimeoutError` after so many seconds."""
        while True:
            try:
                return self._messages.popleft()
            except IndexError:
                if not self._receive(timeout):
                    return None

    def __iter__(self) -> Iterator[bytes]:
        messages, pop = self._messages, self._messages.popleft
        while messages or self._receive(None):
            yield pop()

    def batches(self) -> Iterator[list[bytes]]:
        """The messages in lists, as they come: many at once when much is coming."""
        while self._messages or self._receive(None):
            batch = list(self._messages)
            self._messages.clear()
            yield batch

    def send(self, message: "Buffer", timeout: float | None = None) -> None:
        """Sends a message.

        After a `TimeoutError` the message was not accepted, because earlier ones still wait. A message that was
        accepted goes whole: what the peer has not taken in time goes with the next call, `flush` or `close`.
        """
        with self._writing:
            deadline = Deadline(timeout)
            self._flush(deadline)
            self._write(self._encoder.encode(message), deadline)

    def send_text(self, text: str, timeout: float | None = None) -> None:
        """Sends a text, in UTF-8."""
        self.send(text.encode(), timeout)

    def send_json(self, value: Any, timeout: float | None = None) -> None:
        """Sends a value as JSON."""
        self.send(json_bytes(value), timeout)

    def send_all(self, messages: "Iterable[Buffer]") -> None:
        """Sends messages one after the other, many in each write."""
        if isinstance(messages, (str, bytes, bytearray, memoryview)):
            raise TypeError("these are to be several messages, in a list or another iterable; this is a single one")
        iterator = iter(messages)
        while group := list(islice(iterator, GROUP)):
            with self._writing:
                deadline = Deadline(None)
                self._flush(deadline)
                self._write(self._encoder.encode_all(group), deadline)

    def flush(self, timeout: float | None = None) -> None:
        """Waits until the system has taken everything that was sent. `TimeoutError` after so many seconds."""
        with self._writing:
            self._flush(Deadline(timeout))

    def finish(self) -> None:
        """Says that nothing more will be sent. The peer's messages can still be received."""
        self.flush()
        self._transport.end_writing()

    def close(self) -> None:
        """Ends the connection. What was sent is on its way: it waits a second at most for the peer to have read it."""
        try:
            if self._failure is None:
                self._end(Deadline(CLOSE))
        except OSError:
            # The peer has gone, or takes nothing.
            pass
        finally:
            self._transport.close()

    def __enter__(self) -> "Self":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        if error is None:
            self.close()
        else:
            self._transport.close()

    def _receive(self, timeout: float | None) -> bool:
        """Waits for messages. Whether there are any; there are none at the end."""
        if self._is_receiving:
            raise RuntimeError("two threads receive from one connection at the same time: each would miss what the other gets")
        # Not a lock: Ctrl-C between taking one and the next line would leave it taken.
        self._is_receiving = True
        try:
            deadline = Deadline(timeout)
            # What is wrong with the stream was found after messages that were given.
            self._messages.extend(self._decoder.feed(b""))
            while not self._messages and not self._ended:
                self._read(deadline)
            return bool(self._messages)
        finally:
            self._is_receiving = False

    def _read(self, deadline: Deadline) -> None:
        if self._failure is not None:
            raise self._failure
        self._transport.check(deadline)
        try:
            at_end = self._retry(lambda: self._decoder.feed_from(self._transport.take, self._messages), select.POLLIN, deadline)
        except OSError as error:
            self._note(error)
            raise
        if at_end:
            self._decoder.finish()
            self._ended = True

    def _flush(self, deadline: Deadline) -> None:
        if self._failure is not None:
            raise self._failure
        while self._unwritten.rest():
            self._transport.check(deadline)
            try:
                self._retry(lambda: self._unwritten.give(self._transport.give), select.POLLOUT, deadline)
            except OSError as error:
                self._note(error)
                raise

    def _retry(self, call: Callable[[], T], event: int, deadline: Deadline) -> T:
        """Calls, and waits if that is not possible now, until it is."""
        while True:
            try:
                return call()
            except BLOCKED as blocked:
                self._transport.wait(blocked, event, deadline)

    def _write(self, frames: bytes, deadline: Deadline) -> None:
        self._unwritten = Unwritten(frames)
        self._has_sent = True
        try:
            self._flush(deadline)
        except CallTimeout:
            # It was accepted, and goes with the next call.
            pass

    def _note(self, error: OSError) -> None:
        """Keeps a failure, which is told again by each later call, unless only this call's time is over."""
        if not isinstance(error, CallTimeout):
            self._failure = error

    def _end(self, deadline: Deadline) -> None:
        """Writes what is left, and reads until the peer's end: to close with unread bytes would destroy what is on its way."""
        if not self._has_sent or isinstance(self._transport, Files):
            return
        with self._writing:
            self._flush(deadline)
        if not self._transport.ends:
            return
        self._transport.end_writing()
        discarded = 0
        while not self._ended and discarded < DISCARD and (data := self._retry(self._transport.take, select.POLLIN, deadline)):
            discarded += len(data)


class Unwritten:
    """Frames that are being written."""

    def __init__(self, frames: bytes) -> None:
        self._frames = memoryview(frames)
        # What each write has taken. They are added up later, because Ctrl-C can come between a write and the next line.
        self._counts: list[int] = []

    def rest(self) -> memoryview:
        return self._frames[sum(self._counts) :]

    def give(self, write: Callable[[memoryview], int]) -> None:
        """Writes some of it. Nothing of Python's runs between the write and its place in the list."""
        self._counts.extend(map(write, (self.rest(),)))
        if len(self._counts) > 64:
            # One step, so that it cannot be done by half.
            self._frames, self._counts = self.rest(), []


def connect(
    to: str | socket.socket | tuple[BinaryIO, BinaryIO],
    framing: str | Framing = "decimal:10",
    *,
    side: Literal["client", "server"] = "client",
    limit: int = LIMIT,
    timeout: float | None = None,
    tls: "ssl.SSLContext | None" = None,
) -> Connection:
    """Connects to an address, or takes a socket that is connected, or a pair of files to read from and to write to.

    `side` is what this program is on the connection: the one that connected, unless something else is said.
    `timeout` bounds connecting, in seconds. `tls` says whom to trust at a `tls://` address.
    """
    decoder, encoder = codec(framing, side, limit)
    if isinstance(to, str):
        transport: Transport = dial(Address.parse(to, tls), Deadline(timeout))
    elif isinstance(to, socket.socket):
        transport = adopt(to)
    elif isinstance(to, tuple) and len(to) == 2:
        transport = Files(*to)
    else:
        raise TypeError("connect to an address such as \"127.0.0.1:5000\", a socket, or a pair of binary files")
    return Connection(transport, decoder, encoder)


def adopt(sock: socket.socket) -> Socket:
    """The transport of a socket that is connected."""
    # A program that has not loaded ssl has wrapped none, and need not load it.
    if "ssl" in sys.modules:
        import ssl

        if isinstance(sock, ssl.SSLSocket):
            from ._wrapped import WrappedSocket

            return WrappedSocket(sock)
    return Socket(sock)


def codec(framing: str | Framing, side: Literal["client", "server"], limit: int) -> tuple[Decoder, Encoder]:
    """How a program on this side of a connection reads the other side's bytes, and writes its own."""
    other: Literal["client", "server"] = "server" if side == "client" else "client"
    return Decoder(framing, side=other, limit=limit), Encoder(framing, side=side)


def json_bytes(value: Any) -> bytes:
    """A value as JSON: one line, UTF-8, and only what JSON has."""
    # Most programs send bytes, and need not load it.
    import json

    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
