"""TLS between a socket and a connection. It does no I/O: bytes of either side in, and bytes for the other side out.

Python's `SSLSocket` cannot say its end and still be read, and takes an end that nobody has said for one. Here both
directions end on their own, as on a plain socket, and a connection that is cut is an error.
"""

import ssl
import threading

# At most so many bytes are decrypted or encrypted in one call.
PIECE = 64 * 1024

CUT = "the connection was cut: it ended without the close_notify that ends a stream over TLS"


class Tls:
    """One side of a TLS connection. Threads may use it at the same time."""

    def __init__(self, context: ssl.SSLContext, host: str | None, is_server: bool = False) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._in, self._out, server_side=is_server, server_hostname=host)
        # OpenSSL does not allow two threads in one connection.
        self._turn = threading.Lock()
        self._has_agreed = False
        # Written before both sides have agreed.
        self._early = bytearray()
        self._ends = False
        # What was decrypted, and whether the peer has said its end, or was cut, after it.
        self._read: list[bytes] = []
        self._at_end = self._cut = False

    def shake_hands(self) -> bool:
        """Goes on with the handshake. Whether it is done."""
        with self._turn:
            try:
                self._object.do_handshake()
            except ssl.SSLWantReadError:
                return False
            self._has_agreed = True
            self._encrypt(bytes(self._early))
            self._early.clear()
            if self._ends:
                self._say_end()
            return True

    def received(self, data: bytes) -> None:
        """These bytes have come from the socket; none is its end."""
        with self._turn:
            if data:
                self._in.write(data)
            else:
                self._in.write_eof()

    def read(self) -> bytes | None:
        """What was received: `None` for now, no bytes at the end that the peer has said. An error if it is cut."""
        with self._turn:
            self._decrypt()
            if self._read:
                data = b"".join(self._read)
                self._read.clear()
                return data
        if self._cut:
            raise ConnectionAbortedError(CUT)
        return b"" if self._at_end else None

    def _decrypt(self) -> None:
        try:
            while piece := self._object.read(PIECE):
                self._read.append(piece)
            self._at_end = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self._at_end = True
        except ssl.SSLEOFError:
            self._cut = True

    def write(self, data: "bytes | memoryview") -> None:
        """Encrypts these bytes: at once, or when both sides have agreed."""
        with self._turn:
            if self._has_agreed:
                self._encrypt(data)
            else:
                self._early += data

    def _encrypt(self, data: "bytes | memoryview") -> None:
        left = memoryview(data)
        while left:
            left = left[self._object.write(left) :]

    def end(self) -> None:
        """Says that nothing more will be written."""
        with self._turn:
            if not self._ends:
                self._ends = True
                if self._has_agreed:
                    self._say_end()

    def _say_end(self) -> None:
        try:
            # OpenSSL throws away what it finds when it says the end.
            self._decrypt()
            self._object.unwrap()
        except ssl.SSLError:
            # The peer has not ended as well, which is not waited for; or something is wrong, which reading tells.
            pass

    @property
    def early(self) -> int:
        """How many bytes wait until both sides have agreed."""
        return len(self._early)

    def outgoing(self) -> bytes:
        """What is to be written to the socket."""
        with self._turn:
            return self._out.read()
