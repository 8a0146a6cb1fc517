"""A hub that is killed again and again, under load: nothing acknowledged is lost, nothing comes twice, nothing changes places."""

import random
import signal
import socket
import threading
import time

import pytest

from hub import ack, ok
from support import BOUND, FULL, frame, frames, read_exactly, wait_until

KILLS = 2000 if FULL else 200
LIFE = 0.3
WINDOW = 400


class Crowd:
    """What all clients of the test share: where the hub is, whether to publish more, whether all is over, and what was wrong."""

    def __init__(self, path):
        self.path = path
        self.ending = threading.Event()
        self.is_over = threading.Event()
        self.wrong: list[str] = []

    def connect(self) -> socket.socket:
        """A connection, as soon as there is a hub."""
        end = time.monotonic() + BOUND
        while time.monotonic() < end:
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(BOUND)
            try:
                sock.connect(str(self.path))
                return sock
            except OSError:
                sock.close()
                time.sleep(0.005)
        raise AssertionError("there was no hub")

    def start(self, work) -> threading.Thread:
        def run():
            try:
                work()
            except Exception as error:
                self.wrong.append(f"{work.__self__}: {error!r}")

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread


def read_frame(sock) -> bytes | None:
    """The next frame of a socket or its stream; None at the end, also one inside a frame: the hub was killed."""
    try:
        if isinstance(sock, socket.socket):
            return read_exactly(sock, int(read_exactly(sock, 10)))
        header = sock.read(10)
        if len(header) < 10:
            return None
        message = sock.read(int(header))
        return message if len(message) == int(header) else None
    except (EOFError, ConnectionError):
        return None


class Producer:
    """Publishes `ID:0`, `ID:1`, ... until it is told to end, whatever happens to the hub."""

    def __init__(self, crowd: Crowd, channel: str, name: str, most: int, window: int = WINDOW):
        self.crowd, self.channel, self.name, self.most, self.window = crowd, channel, name, most, window
        self.random = random.Random(name)
        self.sent = self.acknowledged = 0
        self.connections = 0
        self.thread = crowd.start(self.work)

    def __repr__(self):
        return f"producer {self.name} of {self.channel}"

    def message(self, number: int) -> bytes:
        size = random.Random(number).randrange(self.most)
        return b"%s:%d:%s" % (self.name.encode(), number, b"x" * size)

    def work(self):
        while not self.crowd.ending.is_set() or self.acknowledged < self.sent:
            self.connect()

    def connect(self):
        with self.crowd.connect() as sock:
            try:
                sock.sendall(frame(f"PUBLISH {self.channel} producer={self.name}".encode()))
                answer = read_frame(sock)
                if answer is None:
                    return
                keys = ok(answer)
                assert keys["acks"] == "durable"
                next = int(keys["next"])
                assert self.acknowledged <= next <= self.sent, (self.acknowledged, next, self.sent)
                self.connections += 1
                self.acknowledged = next
                self.publish(sock, next)
            except (ConnectionError, EOFError):
                pass

    def publish(self, sock, next: int):
        while True:
            if self.crowd.ending.is_set() and next == self.sent:
                sock.shutdown(socket.SHUT_WR)
                while (answer := read_frame(sock)) is not None:
                    self.take(answer)
                return
            count = self.random.randrange(self.window) + 1
            if self.crowd.ending.is_set():
                count = self.sent - next
            block = frames(self.message(number) for number in range(next, next + count))
            next += count
            # Whatever becomes of the block, the hub may have it.
            self.sent = max(self.sent, next)
            sock.sendall(block)
            while self.acknowledged <= next - self.window:
                answer = read_frame(sock)
                if answer is None:
                    return
                self.take(answer)

    def take(self, answer: bytes):
        number = ack(answer)
        is_last = self.crowd.ending.is_set() and number == self.sent
        assert self.acknowledged < number <= self.sent or is_last, (self.acknowledged, number, self.sent)
        self.acknowledged = number


class Subscriber:
    """Reads a channel from its first message on, and goes on after each kill where it was."""

    def __init__(self, crowd: Crowd, channel: str, trimmed: bool = False):
        self.crowd, self.channel, self.trimmed = crowd, channel, trimmed
        self.seq = 0
        self.epoch: str | None = None
        self.counts: dict[bytes, int] = {}
        self.thread = crowd.start(self.work)

    def __repr__(self):
        return f"subscriber of {self.channel}"

    def work(self):
        while not self.crowd.is_over.is_set():
            self.connect()

    def connect(self):
        with self.crowd.connect() as sock:
            epoch = f" epoch={self.epoch}" if self.epoch else ""
            try:
                sock.sendall(frame(f"SUBSCRIBE {self.channel} from={self.seq}{epoch}".encode()))
                answer = read_frame(sock)
            except ConnectionError:
                return
            if answer is None:
                return
            if self.trimmed and answer.startswith(b"ERROR TRIMMED first="):
                self.seq = int(answer.split(b" ")[2].removeprefix(b"first="))
                self.counts = {}
                return
            keys = ok(answer)
            assert int(keys["from"]) == self.seq
            # A channel without messages is none yet, and its name is given again.
            if "new" not in keys:
                self.epoch = keys["epoch"]
            stream = sock.makefile("rb", 1 << 18)
            while (message := read_frame(stream)) is not None:
                self.take(message)

    def take(self, message: bytes):
        name, number, _ = message.split(b":", 2)
        expected = self.counts.get(name)
        assert expected is None and (self.trimmed or number == b"0") or int(number) == expected, (name, number, expected)
        self.counts[name] = int(number) + 1
        self.seq += 1


@pytest.fixture
def start(tenfold, tmp_path):
    """Starts a hub at a socket, on what the last one has left."""
    lives = 0

    def start(path):
        nonlocal lives
        lives += 1
        port_file = tmp_path / f"life-{lives}"
        arguments = ["--data", tmp_path / "data", "--journal", "256KiB", "--channel-memory", "1MiB"]
        # Of the others, everything is looked at in the end.
        arguments += ["--retain", "trimmed:max-bytes=2MiB", "--retain", "max-bytes=100GiB", "--max-disk", "100GiB"]
        arguments += ["--listen", f"unix:{path}", "--port-file", port_file]
        hub = tenfold("serve", *arguments)
        hub.port_file = port_file
        assert hub.addresses
        return hub

    return start


def kill(hub):
    hub.process.send_signal(signal.SIGKILL)
    hub.process.wait(BOUND)


def test_nothing_is_lost_repeated_or_reordered_by_a_hub_that_is_killed_again_and_again(tenfold, start, tmp_path, capfd):
    path = tmp_path / "hub.sock"
    hub = start(path)
    crowd = Crowd(path)
    producers = [Producer(crowd, channel, name, most) for channel, name, most in PRODUCERS]
    subscribers = [Subscriber(crowd, channel, channel == "trimmed") for channel in ("one", "one", "two", "trimmed")]
    lines = tenfold("pub", "lines", "--producer", "cli", "--server", f"unix:{path}", "--retry=60s", "-q", stdin="open")
    printed = tenfold("sub", "lines", "--from", "first", "--server", f"unix:{path}", "--retry=60s", "-q")
    written = 0
    chance = random.Random(7)
    for _ in range(KILLS):
        until = time.monotonic() + LIFE * chance.uniform(0.3, 1.7)
        while time.monotonic() < until:
            lines.write(b"".join(b"%d\n" % number for number in range(written, written + 20)))
            written += 20
            time.sleep(0.01)
        kill(hub)
        assert not crowd.wrong, crowd.wrong
        assert lines.process.poll() is None and printed.process.poll() is None, (lines.err, printed.err)
        hub = start(path)
    lines.stdin.close()
    assert lines.wait() == 0, lines.err
    expected = b"".join(b"%d\n" % number for number in range(written))
    wait_until(lambda: len(printed.out) >= len(expected), what="the last line")
    assert printed.out == expected
    printed.end()
    wait_for_all(crowd, producers, subscribers)
    look(crowd, producers)
    crowd.is_over.set()
    hub.signal(signal.SIGTERM)
    assert hub.wait() == 0, hub.err
    assert "panicked" not in hub.err
    with capfd.disabled():
        total = sum(producer.sent for producer in producers) + written
        print(f"\n{KILLS} kills, {total} messages, {sum(producer.connections for producer in producers)} connections of producers")


def test_nothing_is_lost_either_of_a_producer_that_is_alone_with_the_hub_and_waits_for_each_message(start, tmp_path, capfd):
    """Then it is another thread that commits."""
    path = tmp_path / "hub.sock"
    hub = start(path)
    crowd = Crowd(path)
    producer = Producer(crowd, "one", "a", 300, window=1)
    subscriber = Subscriber(crowd, "one")
    chance = random.Random(8)
    for _ in range(KILLS // 4):
        # Killed where it is at work, and not as it starts.
        behind = producer.acknowledged + chance.randrange(1, 400)
        wait_until(lambda: producer.acknowledged >= behind or crowd.wrong, what="some messages")
        kill(hub)
        assert not crowd.wrong, crowd.wrong
        hub = start(path)
    wait_for_all(crowd, [producer], [subscriber])
    look(crowd, [producer], ["one"])
    crowd.is_over.set()
    hub.signal(signal.SIGTERM)
    assert hub.wait() == 0, hub.err
    assert "panicked" not in hub.err
    with capfd.disabled():
        print(f"\n{KILLS // 4} kills, {producer.sent} messages")


PRODUCERS = [("one", "a", 300), ("one", "b", 2000), ("two", "a", 20), ("trimmed", "c", 1000), ("trimmed", "d", 10)]


def wait_for_all(crowd, producers, subscribers):
    crowd.ending.set()
    for producer in producers:
        producer.thread.join(BOUND)
        assert not producer.thread.is_alive(), f"{producer} has {producer.acknowledged} of {producer.sent}"
    assert not crowd.wrong, crowd.wrong

    def complete(subscriber) -> bool:
        mine = [producer for producer in producers if producer.channel == subscriber.channel]
        return all(subscriber.counts.get(producer.name.encode()) == producer.sent for producer in mine)

    for subscriber in subscribers:
        wait_for_end(crowd, subscriber, complete)
    assert not crowd.wrong, crowd.wrong


def wait_for_end(crowd, subscriber, complete):
    """As long as it gets on it may take its time."""
    before = -1
    while not complete(subscriber) and not crowd.wrong:
        assert before < subscriber.seq, (subscriber, subscriber.counts)
        before = subscriber.seq
        end = time.monotonic() + 10
        while time.monotonic() < end and not complete(subscriber):
            time.sleep(0.01)


def look(crowd, producers, channels=("one", "two")):
    """Each channel from its first message on: every message of every producer once, byte by byte."""
    for channel in channels:
        mine = {producer.name.encode(): producer for producer in producers if producer.channel == channel}
        total = sum(producer.sent for producer in mine.values())
        counts = dict.fromkeys(mine, 0)
        with crowd.connect() as sock:
            sock.sendall(frame(f"SUBSCRIBE {channel} from=first".encode()))
            keys = ok(read_frame(sock))
            assert (keys["from"], keys["next"]) == ("0", str(total))
            stream = sock.makefile("rb", 1 << 20)
            for _ in range(total):
                message = stream.read(int(stream.read(10)))
                name = message[: message.index(b":")]
                assert message == mine[name].message(counts[name])
                counts[name] += 1
        assert counts == {name: producer.sent for name, producer in mine.items()}
    for producer in producers:
        with crowd.connect() as sock:
            sock.sendall(frame(f"PUBLISH {producer.channel} producer={producer.name}".encode()))
            assert ok(read_frame(sock))["next"] == str(producer.sent)
