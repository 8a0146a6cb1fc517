"""What the hub's tests share: a hub in a process of its own, and connections that speak `docs/hub-protocol.md` byte by byte."""

import fcntl
import re
import signal
import socket
import ssl
import struct
import termios
from pathlib import Path

from support import BOUND, Running, frame, read_exactly, read_to_end, unframe, wait_until

KIB = 1 << 10
MIB = 1 << 20
PRINTABLE = re.compile(rb"[\x20-\x7e]*")


class Hub:
    """A running `tenfold serve`. `ports` are those of its port file, in its order: one to ask, then the plain ones."""

    #: What a test speaks at its port for HTTP.
    speaks = "http/1.1"

    def __init__(self, process: Running):
        self.process = process
        self.ports = [int(address.rpartition(":")[2]) for address in process.addresses]
        self.port, self.plain = self.ports[0], self.ports[1:]
        self._open = []

    def connect(self, port: int | None = None, **options) -> "Client":
        client = Client(port or self.port, **options)
        self.closes(client)
        return client

    def closes(self, client):
        """Has the client closed at the end of the test."""
        self._open.append(client)

    def ask(self, line: str | bytes, **options) -> tuple["Client", bytes]:
        """A new connection with this request, and the answer to it."""
        client = self.connect(**options)
        client.request(line)
        return client, client.answer()

    def refusal(self, line: str | bytes) -> bytes:
        """The answer to a request after which the hub must send nothing more, and end the connection."""
        client, answer = self.ask(line)
        assert client.rest() == []
        client.close()
        return answer

    def publish(self, channel: str, messages, fields: str = "") -> bytes:
        """Publishes everything, waits until it is committed, and gives back the answer."""
        messages = list(messages)
        with self.connect() as client:
            client.request(f"PUBLISH {channel}{fields}")
            client.send(b"".join(map(frame, messages)))
            client.half_close()
            answer, *acks = client.rest()
        start = int(ok(answer)["next"])
        assert grown(acks)[-1] == start + len(messages)
        return answer

    def subscribe(self, channel: str, fields: str = "", **options) -> tuple["Client", dict[str, str]]:
        client, answer = self.ask(f"SUBSCRIBE {channel}{fields}", **options)
        return client, ok(answer)

    def messages(self, channel: str, count: int) -> list[bytes]:
        """The first `count` messages that are kept."""
        client, _ = self.subscribe(channel, " from=first")
        with client:
            return [client.frame() for _ in range(count)]

    def health(self) -> dict[str, str]:
        with self.connect() as client:
            client.request("HEALTH")
            return ok(client.only())

    def listens(self) -> bool:
        """Whether a connection is accepted now."""
        try:
            self.connect().close()
        except ConnectionError:
            return False
        return True

    def resident(self) -> int:
        """Bytes of memory that the hub's process holds."""
        status = Path(f"/proc/{self.process.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * KIB

    def end(self):
        """Closes what is open; a hub that has panicked or died fails the test."""
        died = self.process.process.poll()
        for client in self._open:
            client.close()
        self.process.end()
        assert "panicked" not in self.process.err, self.process.err
        assert died in (None, 0) or self._may_die, f"the hub ended with {died}: {self.process.err}"

    _may_die = False

    def may_die(self):
        """For tests that end the hub by force."""
        self._may_die = True


class Kept:
    """Starts a hub with a log and a port for HTTP, and starts it again at the same addresses."""

    def __init__(self, tenfold, directory: Path):
        self._tenfold, self._directory, self._lives = tenfold, directory, 0

    def __call__(self, *arguments, addresses=("127.0.0.1:0", "127.0.0.1:0")) -> Hub:
        self._lives += 1
        self._arguments = arguments
        ports = self._directory / f"life-{self._lives}"
        where = ["--listen", addresses[0], "--http", addresses[1], "--port-file", ports]
        hub = Hub(self._tenfold("serve", "--data", self._directory / "data", *where, *arguments, port_file=ports))
        hub.http = hub.plain[-1]
        # Until it has read its log it refuses what asks for a channel.
        wait_until(lambda: hub.health()["status"] != "starting", BOUND, "the start of the hub")
        return hub

    def kill(self, hub: Hub):
        hub.process.signal(signal.SIGKILL)
        hub.process.process.wait(BOUND)

    def again(self, hub: Hub) -> Hub:
        return self(*self._arguments, addresses=[f"127.0.0.1:{port}" for port in hub.ports])


class Client:
    """One connection. Frames are read strictly: an end inside a frame is a failure."""

    def __init__(self, port: int, *, receive_buffer: int | None = None, source: str | None = None, bound: float = BOUND):
        self.sock = socket.socket()
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source:
            # Without the option a port is taken for all destinations at once, and they run out.
            self.sock.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
            self.sock.bind((source, 0))
        self.sock.settimeout(bound)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.connect(("127.0.0.1", port))

    def send(self, data: bytes):
        self.sock.sendall(data)

    def request(self, line: str | bytes):
        self.send(frame(line.encode() if isinstance(line, str) else line))

    def frame(self) -> bytes | None:
        """The next frame's payload; None at the end of the stream."""
        header = self.sock.recv(10)
        if not header:
            return None
        header += read_exactly(self.sock, 10 - len(header))
        digits = header.rstrip(b" ")
        assert digits.isdigit() and header == b"%-10d" % int(digits), header
        return read_exactly(self.sock, int(digits))

    def answer(self) -> bytes:
        answer = self.frame()
        assert answer is not None, "the connection ended without an answer"
        assert PRINTABLE.fullmatch(answer), answer
        return answer

    def only(self) -> bytes:
        """The one frame that is left, then the end."""
        (answer,) = self.rest()
        return answer

    def rest(self) -> list[bytes]:
        """All frames up to the end, which must come."""
        return unframe(read_to_end(self.sock))

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        """Ends the connection with a reset instead of an end."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        self.sock.close()

    def wait_taken(self):
        """Returns when the hub has read every byte that was sent here, so that what follows travels and is read apart."""
        local, remote = self.sock.getsockname()[1], self.sock.getpeername()[1]

        def taken() -> bool:
            if struct.unpack("i", fcntl.ioctl(self.sock, termios.TIOCOUTQ, b"\0" * 4))[0]:
                return False
            return unread(remote, local) == 0

        wait_until(taken, what="the hub's reading")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class TlsClient(Client):
    """One connection over TLS. An end that was not said is an error."""

    def __init__(self, port: int, context: ssl.SSLContext, *, name: str | None = "localhost", source: str | None = None):
        super().__init__(port, source=source)
        self.sock = context.wrap_socket(self.sock, server_hostname=name, suppress_ragged_eofs=False)


def unread(local: int, remote: int) -> int:
    """Bytes that the kernel holds for the program at this local port; 0 if there is no such connection (any more)."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        row = line.split()
        if int(row[1].rpartition(":")[2], 16) == local and int(row[2].rpartition(":")[2], 16) == remote:
            return int(row[4].rpartition(":")[2], 16)
    return 0


def ok(answer: bytes) -> dict[str, str]:
    """The keys of an `OK`."""
    assert re.fullmatch(rb"OK( [a-z_]+=[\x21-\x7e]+)*", answer), answer
    fields = [field.split("=", 1) for field in answer.decode().split(" ")[1:]]
    keys = dict(fields)
    assert len(keys) == len(fields), answer
    return keys


def refused(answer: bytes, code: str, **keys):
    """The answer must be this error with exactly these keys in this order, and have some words for people."""
    start = b"ERROR " + " ".join([code, *(f"{key}={value}" for key, value in keys.items())]).encode() + b" "
    words = answer.removeprefix(start)
    assert answer.startswith(start) and words and "=" not in words.decode().split(" ")[0], (answer, start)
    assert PRINTABLE.fullmatch(words), answer


def ack(frame: bytes) -> int:
    """The number of an `ACK`."""
    assert re.fullmatch(rb"ACK (0|[1-9][0-9]*)", frame), frame
    return int(frame[4:])


def grown(frames: list[bytes]) -> list[int]:
    """The numbers of acknowledgements, of which there must be one, and which must only grow."""
    numbers = [ack(frame) for frame in frames]
    assert numbers and all(one < next for one, next in zip(numbers, numbers[1:])), numbers
    return numbers


def numbered(count: int, start: int = 0, prefix: str = "") -> list[bytes]:
    return [b"%s%d" % (prefix.encode(), number) for number in range(start, start + count)]
