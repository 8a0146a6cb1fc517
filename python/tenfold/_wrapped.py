"""A socket that `ssl` has wrapped before it came here."""

import select
import ssl
import threading

from ._transport import READ, Layered, NotYet


class WrappedSocket(Layered):
    """One direction of it cannot end alone: what is received then would be thrown away."""

    ends = False

    def __init__(self, sock: ssl.SSLSocket) -> None:
        super().__init__(sock)
        self._wrapped = sock
        # OpenSSL does not allow two threads in one connection.
        self._turn = threading.Lock()

    def read_now(self) -> bytes:
        with self._turn:
            try:
                return self._wrapped.recv(READ)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
                raise self._not_yet(error) from None

    def write_now(self, data: memoryview) -> int:
        with self._turn:
            try:
                return self._wrapped.send(data)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
                raise self._not_yet(error) from None

    def end_writing(self) -> None:
        raise ValueError("a socket that ssl has wrapped cannot say its end and still be read: connect to tls://host:port")

    def close(self) -> None:
        try:
            with self._turn:
                # Says the end, and does not wait for the peer's.
                self._wrapped.unwrap()
        except (OSError, ValueError):
            pass
        super().close()

    def _not_yet(self, error: ssl.SSLError) -> NotYet:
        # What TLS waits for is not always what it was asked for.
        return NotYet(self.socket, select.POLLIN if isinstance(error, ssl.SSLWantReadError) else select.POLLOUT)
