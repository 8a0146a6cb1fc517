"""Messages into a channel of a hub, for programs that wait."""

import os
import select
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Literal

from ._address import Address
from ._dialling import dialling
from ._events import Connected, Disconnected
from ._options import way
from ._tenfold import Publication
from ._transport import CallTimeout, Deadline, NotYet, Socket

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Buffer, Self, Unpack

    from ._options import Options

Observer = Callable[[Connected | Disconnected], object]

# Messages that are not acknowledged: their frames in bytes, and how many they are.
WINDOW = (8 * 1024 * 1024, 256 * 1024)


class Publisher:
    """Publishes messages to a channel of a hub: each is stored once and in order, over as many connections as it takes.

    A thread of its own sends what was handed over, keeps it until it is acknowledged, and sends it again if need be.
    So an error is one of the publisher, and not of the message that it was raised for, and it stays.
    """

    def __init__(
        self,
        hub: str,
        channel: str,
        *,
        producer: str | None = None,
        start: Literal["append", "history", "fresh"] = "append",
        acks: Literal["durable", "memory", "none"] | None = None,
        window: tuple[int, int] = WINDOW,
        observer: Observer | None = None,
        **options: "Unpack[Options]",
    ) -> None:
        hubs, common = way(hub, options)
        self._core = Publication(channel, producer=producer, start=start, acks=acks, window=window, common=common)
        self._pump = Pump(hubs, self._core, observer)
        self._process = os.getpid()
        threading.Thread(target=self._pump.run, name="tenfold-publisher", daemon=True).start()

    def send(self, message: "Buffer", timeout: float | None = None) -> None:
        """Sends a message, soon. Waits while the window is full; after a `TimeoutError` the message was not accepted."""
        self._check_process()
        if not self._core.accept(message):
            self._pump.wait(lambda: self._core.accept(message), timeout)
        self._pump.ring()

    def send_all(self, messages: "Iterable[Buffer]") -> None:
        """Sends messages one after the other."""
        if isinstance(messages, (str, bytes, bytearray, memoryview)):
            raise TypeError("these are to be several messages, in a list or another iterable; this is a single one")
        for message in messages:
            self.send(message)

    def flush(self, timeout: float | None = None) -> None:
        """Waits until all messages are acknowledged. With `acks="none"`, until the system has taken them."""
        self._check_process()
        self._pump.wait(lambda: self._core.check() or self._core.is_flushed, timeout)

    def committed(self, timeout: float | None = None) -> int:
        """How many messages of the producer the hub had when it answered first. Waits for that."""
        self._check_process()
        self._pump.wait(lambda: self._core.check() or self._core.committed is not None, timeout)
        return self._core.committed or 0

    @property
    def sent(self) -> int:
        """How many messages were given to `send`."""
        return self._core.sent

    @property
    def acknowledged(self) -> int:
        """How many of those are acknowledged."""
        return self._core.acknowledged

    def close(self, timeout: float | None = None) -> None:
        """Waits until all messages have arrived, and ends the connection. After a `TimeoutError` it goes on meanwhile."""
        self._check_process()
        self._core.begin_close()
        self._pump.wait(self._core.check, timeout)

    def __enter__(self) -> "Self":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        if error is None:
            self.close()
        else:
            self._pump.stop()

    def __del__(self) -> None:
        # If it was not made, there is nothing to end.
        if hasattr(self, "_process"):
            self._pump.stop()

    def _check_process(self) -> None:
        if os.getpid() != self._process:
            raise RuntimeError("this publisher belongs to the process that has forked: make one after the fork")


class Pump:
    """What a publisher's thread does: makes connections and uses them, until there is nothing more to do."""

    def __init__(self, hubs: list[Address], core: Publication, observer: Observer | None) -> None:
        self._hubs = hubs
        core.set_hubs(len(hubs))
        self._core = core
        self._observer = observer
        # The caller waits here for room, acknowledgements and the end.
        self._changed = threading.Condition()
        # The thread waits here and for its socket. It says that it waits, so that a bell is not rung for every message.
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._is_idle = False
        self._unsent = memoryview(b"")
        self._is_request = False
        self._patience: tuple[float, int] | None = None
        self._by = 0.0

    def __del__(self) -> None:
        os.close(self._bell)

    def wait(self, is_so: Callable[[], bool], timeout: float | None) -> None:
        """Waits for a condition. `TimeoutError` after so many seconds."""
        deadline = Deadline(timeout)
        self.ring()
        with self._changed:
            while not is_so():
                left = deadline.left()
                if left == 0:
                    raise CallTimeout("timed out")
                self._changed.wait(left)

    def ring(self) -> None:
        """There may be something to do for the thread."""
        if self._is_idle:
            self._is_idle = False
            os.eventfd_write(self._bell, 1)

    def stop(self) -> None:
        """Ends it now, without regard to what is not acknowledged."""
        self._core.stop()
        os.eventfd_write(self._bell, 1)

    def run(self) -> None:
        """What the thread does."""
        connect_at: float | None = 0.0
        try:
            while connect_at is not None and self._pause_until(connect_at):
                try:
                    link = self._dial()
                except OSError as error:
                    self._core.lost(error)
                else:
                    if link is None:
                        return
                    self._exchange(link)
                connect_at = self._core.cut(time.monotonic())
                self._tell()
        finally:
            # Whatever happened here: nobody is to wait for it.
            self._core.stop()
            self._tell()

    def _tell(self) -> None:
        while (event := self._core.take_event()) is not None:
            if self._observer is not None:
                self._observer(event)
        with self._changed:
            self._changed.notify_all()

    def _pause_until(self, connect_at: float) -> bool:
        """Whether there is something to connect for at that time."""
        while not self._core.has_ended:
            left = connect_at - time.monotonic()
            if left <= 0:
                return True
            self._is_idle = True
            if self._core.has_ended:
                break
            self._wait(NotYet(None, 0), left)
        return False

    def _dial(self) -> Socket | None:
        """Makes a connection, unless the publisher has ended before there is one."""
        now = time.monotonic()
        by = now + self._core.attempt(now)
        attempt = dialling(self._hubs[self._core.hub])
        while not self._core.has_ended:
            try:
                there = next(attempt)
            except StopIteration as made:
                link: Socket = made.value
                return link
            left = by - time.monotonic()
            if left <= 0:
                raise TimeoutError("connecting took too long")
            self._wait(there, left)
        return None

    def _exchange(self, link: Socket) -> None:
        """Uses a connection, for as long as it is of use."""
        self._unsent, self._is_request = memoryview(self._core.connected(time.monotonic())), True
        self._patience = None
        try:
            while not self._core.is_cut and not self._core.has_ended:
                try:
                    self._move(link)
                except OSError as error:
                    self._core.lost(error)
        finally:
            link.close()

    def _move(self, link: Socket) -> None:
        """Writes what there is, reads what there is, or else waits."""
        wanted, has_written = select.POLLIN, False
        if not self._unsent:
            # It says so before it looks, so what is accepted after that rings the bell.
            self._is_idle = True
            outgoing = self._core.outgoing()
            if outgoing == b"":
                link.end_writing()
            elif outgoing is not None:
                self._unsent, self._is_request = memoryview(outgoing), False
        if self._unsent:
            self._is_idle = False
            try:
                count = link.write_now(self._unsent)
            except NotYet as there:
                wanted |= there.event
            else:
                has_written = True
                self._unsent = self._unsent[count:]
                if not self._is_request and self._core.wrote(count):
                    self._tell()
        try:
            data = link.read_now()
        except NotYet as there:
            # After a write there may be more, and it has not said that it waits.
            if not has_written:
                self._wait_for_hub(NotYet(there.socket, there.event | wanted))
            return
        if data:
            self._core.feed(data)
        else:
            self._core.ended()
        self._tell()

    def _wait_for_hub(self, there: NotYet) -> None:
        patience = self._core.patience
        if patience != self._patience:
            # The clock starts again when something else is waited for.
            self._patience = patience
            self._by = time.monotonic() + (patience[0] if patience else 0.0)
        if patience is None:
            self._wait(there, None)
        elif not self._wait(there, max(0.0, self._by - time.monotonic())):
            self._core.timed_out()

    def _wait(self, there: NotYet, left: float | None) -> bool:
        is_there = there.wait(left, self._bell)
        try:
            os.eventfd_read(self._bell)
        except BlockingIOError:
            pass
        return is_there
