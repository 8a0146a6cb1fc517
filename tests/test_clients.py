"""The four tools against real processes: clients and servers in Python, shell and C, right ones, wrong ones and rude ones."""

import hashlib
import http.client
import multiprocessing.connection
import random
import signal
import socket
import ssl
import struct
import sys
import threading
import time
from pathlib import Path

import pytest

from support import (
    BOUND,
    FULL,
    accept,
    connect,
    frame,
    frames,
    listener,
    read_exactly,
    read_message,
    read_to_end,
    unframe,
    wait_until,
)

RECEIVERS = ["recv.py", "recv.sh", "recv.c"]
SENDERS = ["send.py", "send.sh", "send.c"]
LINES = [b"hello, world", b"", "café €".encode(), b"  spaces stay  ", b"raw \xff\xfe", b"x" * 3000, b"last\r"]
TEXT = b"".join(line + b"\n" for line in LINES)

MIB = 1 << 20


# The lesson's programs, in three languages, on either end.


@pytest.mark.parametrize("name", RECEIVERS)
def test_lesson_clients_receive_a_broadcast(tenfold, run, lesson, name):
    server = tenfold("broadcast", "--wait-clients", "1", listen=True, stdin=TEXT)
    client = run(*lesson[name], "127.0.0.1", str(server.port))
    assert client.wait() == 0, client.err
    assert client.out == TEXT
    assert server.wait() == 0, server.err
    assert server.out == b""


@pytest.mark.parametrize("name", SENDERS)
def test_lesson_clients_send_to_a_listening_recv(tenfold, run, lesson, name):
    receiver = tenfold("recv", listen=True)
    client = run(*lesson[name], "127.0.0.1", str(receiver.port), stdin=TEXT)
    assert client.wait() == 0, client.err
    assert receiver.wait() == 0, receiver.err
    assert receiver.out == TEXT


def test_recv_reads_a_lesson_server(tenfold, run, lesson):
    server = run(*lesson["serve.py"], "0", *[line for line in LINES])
    wait_until(lambda: b"\n" in server.out, what="the server's port")
    client = tenfold("recv", "127.0.0.1:%d" % int(server.out.split()[1]))
    assert client.wait() == 0, client.err
    assert client.out == TEXT


@pytest.mark.parametrize("name", RECEIVERS)
def test_lesson_clients_receive_from_a_listening_send(tenfold, run, lesson, name):
    sender = tenfold("send", "hello, world", "", "café €", listen=True)
    client = run(*lesson[name], "127.0.0.1", str(sender.port))
    assert client.wait() == 0, client.err
    assert client.out == "hello, world\n\ncafé €\n".encode()
    assert sender.wait() == 0, sender.err


def test_send_reaches_a_lesson_server(tenfold):
    server, address = listener()
    with server:
        client = tenfold("send", address, stdin=TEXT)
        with accept(server) as peer:
            assert unframe(read_to_end(peer)) == LINES
    assert client.wait() == 0, client.err


def test_several_clients_see_the_same_messages_in_the_same_order(tenfold, run, lesson):
    server = tenfold("broadcast", "--wait-clients", "6", listen=True, stdin=TEXT)
    clients = [run(*lesson[name], "127.0.0.1", str(server.port)) for name in RECEIVERS]
    clients += [tenfold("recv", server.address) for _ in range(3)]
    for client in clients:
        assert client.wait() == 0, client.err
        assert client.out == TEXT
    assert server.wait() == 0, server.err


def test_messages_are_printed_as_they_come(tenfold):
    server = tenfold("broadcast", "--wait-clients", "1", listen=True, stdin="open")
    client = tenfold("recv", server.address)
    for number in range(5):
        server.stdin.write(b"message %d\n" % number)
        wait_until(lambda: client.out.endswith(b"message %d\n" % number), what=f"message {number}")
    server.stdin.close()
    assert server.wait() == 0, server.err
    assert client.wait() == 0, client.err


# The usual mistakes.


@pytest.mark.parametrize(
    "name, before, words",
    [
        ("chars.py", "café \n".encode(), ["offset 16", "message 1", "character"]),
        ("right_aligned.py", b"", ["offset 0"]),
        ("zero_padded.py", b"", ["offset 0"]),
        ("unpadded.py", b"", ["offset 0"]),
        ("cut.py", b"whole\n", ["7"]),
        ("header_only.py", b"", ["12"]),
    ],
)
def test_broken_senders_are_refused_with_a_reason(tenfold, run, lesson, name, before, words):
    receiver = tenfold("recv", listen=True)
    run(*lesson[name], "127.0.0.1", str(receiver.port)).wait()
    assert receiver.wait() == 4, receiver.err
    assert receiver.out == before  # what came before the mistake is printed
    for word in words:
        assert word in receiver.err


def test_zero_padded_lengths_are_read_when_the_framing_says_so(tenfold, run, lesson):
    receiver = tenfold("recv", "--framing", "decimal:010", listen=True)
    run(*lesson["zero_padded.py"], "127.0.0.1", str(receiver.port)).wait()
    assert receiver.wait() == 0, receiver.err
    assert receiver.out == b"hello\nworld\n"


def test_right_aligned_lengths_are_read_with_lax(tenfold, run, lesson):
    receiver = tenfold("recv", "--framing", "decimal:10,lax", listen=True)
    run(*lesson["right_aligned.py"], "127.0.0.1", str(receiver.port)).wait()
    assert receiver.wait() == 0, receiver.err
    assert receiver.out == b"hello\nworld\n"


@pytest.mark.parametrize("name", ["chars.py", "right_aligned.py", "cut.py", "unpadded.py", "header_only.py"])
def test_a_kept_recv_outlives_broken_senders(tenfold, run, lesson, name):
    receiver = tenfold("recv", "--keep", listen=True)
    run(*lesson[name], "127.0.0.1", str(receiver.port)).wait()
    wait_until(lambda: "offset" in receiver.err, what="the report of the broken sender")
    good = run(*lesson["send.py"], "127.0.0.1", str(receiver.port), stdin=b"still here\n")
    assert good.wait() == 0, good.err
    wait_until(lambda: receiver.out.endswith(b"still here\n"), what="the next sender's message")
    assert receiver.process.poll() is None


def test_a_client_that_takes_one_recv_for_one_message_harms_only_itself(tenfold, run, lesson):
    server = tenfold("broadcast", "--wait-clients", "2", listen=True, stdin=TEXT)
    wrong = run(*lesson["one_recv.py"], "127.0.0.1", str(server.port))
    right = run(*lesson["recv.py"], "127.0.0.1", str(server.port))
    assert right.wait() == 0, right.err
    assert wrong.wait() == 0, wrong.err
    assert right.out == TEXT
    assert server.wait() == 0, server.err


@pytest.mark.parametrize(
    "stream, printed, words",
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"", ["offset 0", "HTTP"]),
        (frame(b"one") + b"HTTP/1.1 400 Bad Request\r\n\r\n", b"one\n", ["offset 13", "message 1", "HTTP"]),
        (b"5         hello12", b"hello\n", ["offset 15"]),
        (b"9999999999", b"", ["9999999999", "16777216"]),
        (b"\x00\x00\x00\x05hello", b"", ["offset 0"]),
    ],
)
def test_recv_says_what_is_wrong_with_a_server(tenfold, stream, printed, words):
    server, address = listener()
    with server:
        client = tenfold("recv", address)
        with accept(server) as peer:
            peer.sendall(stream)
            peer.shutdown(socket.SHUT_WR)
            assert client.wait() == 4, client.err
    assert client.out == printed
    for word in words:
        assert word in client.err


def test_a_hopeless_header_is_refused_without_waiting_for_ten_bytes(tenfold):
    server, address = listener()
    with server:
        client = tenfold("recv", address)
        with accept(server) as peer:
            peer.sendall(b"G")
            # The connection stays open: nothing but the first byte can tell.
            assert client.wait() == 4, client.err
    assert "offset 0" in client.err


# Programs that others wrote.


def test_logger_sends_octet_counted_syslog(tenfold, run):
    receiver = tenfold("recv", "--framing", "syslog", listen=True)
    sent = run("logger", "--octet-count", "-T", "-n", "127.0.0.1", "-P", str(receiver.port), "-t", "lesson", "grüße", stdin=None)
    assert sent.wait() == 0, sent.err
    assert receiver.wait() == 0, receiver.err
    lines = receiver.out.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(b"<") and "grüße".encode() in lines[0]


def test_multiprocessing_connection_sends_to_recv(tenfold):
    receiver = tenfold("recv", "--framing", "u32be", "--out", "hex", listen=True)
    messages = [b"hello", b"", bytes(range(256)) * 80, b"end"]
    with multiprocessing.connection.Client(("127.0.0.1", receiver.port)) as client:
        for message in messages:
            client.send_bytes(message)
    assert receiver.wait() == 0, receiver.err
    assert receiver.out.decode().split("\n")[:-1] == [message.hex() for message in messages]


def test_multiprocessing_connection_receives_a_broadcast(tenfold):
    server = tenfold("broadcast", "--framing", "u32be", "--wait-clients", "1", listen=True, stdin=TEXT)
    with multiprocessing.connection.Client(("127.0.0.1", server.port)) as client:
        for line in LINES:
            assert client.poll(BOUND) and client.recv_bytes() == line
        with pytest.raises(EOFError):
            client.recv_bytes()
    assert server.wait() == 0, server.err


def test_send_reaches_a_multiprocessing_listener(tenfold):
    with multiprocessing.connection.Listener(("127.0.0.1", 0)) as server:
        server._listener._socket.settimeout(BOUND)
        client = tenfold("send", "127.0.0.1:%d" % server.address[1], "--framing", "u32be", stdin=TEXT)
        with server.accept() as peer:
            for line in LINES:
                assert peer.poll(BOUND) and peer.recv_bytes() == line
            with pytest.raises(EOFError):
                peer.recv_bytes()
    assert client.wait() == 0, client.err


# How the bytes arrive must not matter.


def test_a_server_that_dribbles_one_byte_at_a_time(tenfold):
    messages = [b"hello, world", b"", b"abc", "€".encode(), b"x" * 150]
    server, address = listener()
    with server:
        client = tenfold("recv", address)
        with accept(server) as peer:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in frames(messages):
                peer.sendall(bytes([byte]))
                time.sleep(0.0005)  # a pace, so that most bytes travel alone
    assert client.wait() == 0, client.err
    assert client.out == b"".join(message + b"\n" for message in messages)


def test_nothing_is_printed_before_its_last_byte_and_then_at_once(tenfold):
    server, address = listener()
    with server:
        client = tenfold("recv", address)
        with accept(server) as peer:
            peer.sendall(frame(b"first") + frame(b"second")[:-1])
            wait_until(lambda: client.out == b"first\n", what="the first message")
            peer.sendall(b"d")
            wait_until(lambda: client.out == b"first\nsecond\n", what="the second message")
    assert client.wait() == 0, client.err


def test_a_thousand_messages_in_one_segment(tenfold):
    messages = [b"number %d" % number for number in range(1000)]
    server, address = listener()
    with server:
        client = tenfold("recv", address)
        with accept(server) as peer:
            peer.sendall(frames(messages))
    assert client.wait() == 0, client.err
    assert client.out == b"".join(message + b"\n" for message in messages)


def test_a_thousand_messages_in_one_segment_to_a_listening_recv(tenfold):
    messages = [b"number %d" % number for number in range(1000)]
    receiver = tenfold("recv", "--count", "1000", listen=True)
    with connect(receiver.port) as sock:
        sock.sendall(frames(messages))
        assert receiver.wait() == 0, receiver.err
    assert receiver.out == b"".join(message + b"\n" for message in messages)


def test_empty_messages_are_messages(tenfold):
    server = tenfold("broadcast", "--wait-clients", "2", listen=True, stdin=b"\n" * 100)
    printed = tenfold("recv", server.address)
    with connect(server.port) as raw:
        assert read_to_end(raw) == frame(b"") * 100
    assert printed.wait() == 0, printed.err
    assert printed.out == b"\n" * 100
    assert server.wait() == 0, server.err


def test_an_empty_source_is_a_clean_end(tenfold):
    server = tenfold("broadcast", "--wait-clients", "1", listen=True, stdin=b"")
    client = tenfold("recv", server.address)
    assert client.wait() == 0, client.err
    assert client.out == b""
    assert server.wait() == 0, server.err


# Clients that do not read, many clients, and peers that die.


def message_file(path, total: int):
    """Writes messages of many sizes as frames, about `total` bytes in all, and gives back the SHA-256 of the file."""
    dice = random.Random(10)
    pool = dice.randbytes(4 * MIB)
    sizes = [0, 1, 9, 10, 11, 127, 128, 1000, 1024, 4096, 65_535, 65_536, 65_537, 300_000, MIB]
    digest, written = hashlib.sha256(), 0
    with open(path, "wb") as file:
        while written < total:
            batch = []
            for size in dice.choices(sizes, weights=[20, 20, 20, 20, 20, 200, 200, 50, 50, 30, 5, 5, 5, 2, 1], k=500):
                at = dice.randrange(len(pool) - size)
                batch.append(frame(pool[at : at + size]))
            data = b"".join(batch)
            file.write(data)
            digest.update(data)
            written += len(data)
    return digest.hexdigest()


def never_reading(port: int) -> socket.socket:
    """A connection whose receiver takes as little as the kernel allows, and then nothing."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(BOUND)
    sock.connect(("127.0.0.1", port))
    return sock


def digest_of(sock: socket.socket) -> str:
    digest, room = hashlib.sha256(), bytearray(MIB)
    while n := sock.recv_into(room):
        digest.update(memoryview(room)[:n])
    return digest.hexdigest()


@pytest.mark.parametrize("when_slow", ["close", "skip", "wait=500ms"])
def test_a_client_that_never_reads_harms_nobody(tenfold, when_slow):
    server = tenfold(
        *("broadcast", "--wait-clients", "2", "--in", "frames", "--when-slow", when_slow, "--drain", "1s"),
        listen=True,
        stdin="open",
    )
    # The next batch is written when the reader has the one before: it is never slow, and must get everything.
    batch = frames([b"x" * 4086] * 256)
    with never_reading(server.port), connect(server.port) as reading:
        for _ in range(160):
            write = threading.Thread(target=server.write, args=(batch,), daemon=True)
            write.start()
            assert read_exactly(reading, len(batch)) == batch
            write.join(BOUND)
        server.stdin.close()
        assert read_to_end(reading) == b""
        assert server.wait() in (0, 1), server.err


def test_skip_leaves_out_whole_messages_only(tenfold, tmp_path):
    count = 40_000
    (tmp_path / "messages").write_bytes(frames(b"%d " % number + b"x" * 4096 for number in range(count)))
    server = tenfold(
        *("broadcast", "--wait-clients", "2", "--in", "frames", "--when-slow", "skip", tmp_path / "messages"), listen=True
    )
    with never_reading(server.port) as slow, connect(server.port) as reading:
        digest_of(reading)
        numbers = [int(message.split()[0]) for message in unframe(read_to_end(slow))]
    assert numbers == sorted(set(numbers))
    assert 0 < len(numbers) < count
    assert server.wait() == 0, server.err


def test_wait_holds_the_source_for_a_slow_reader(tenfold, tmp_path):
    expected = message_file(tmp_path / "messages", 96 * MIB)
    server = tenfold(
        *("broadcast", "--wait-clients", "2", "--in", "frames", "--when-slow", "wait", tmp_path / "messages"), listen=True
    )
    with connect(server.port) as slow, connect(server.port) as fast:
        quick = []
        reader = threading.Thread(target=lambda: quick.append(digest_of(fast)), daemon=True)
        reader.start()
        digest = hashlib.sha256()
        while piece := slow.recv(1 << 14):
            digest.update(piece)
        reader.join(BOUND)
    assert digest.hexdigest() == expected
    assert quick == [expected]
    assert server.wait() == 0, server.err


def test_two_thousand_clients(tenfold):
    count = 2000
    messages = [b"tick %d" % number for number in range(200)]
    stdin = b"".join(message + b"\n" for message in messages)
    server = tenfold("broadcast", "--wait-clients", str(count), listen=True, stdin=stdin)
    clients = [connect(server.port) for _ in range(count)]
    try:
        expected = frames(messages)
        assert all(read_to_end(client) == expected for client in clients)
    finally:
        for client in clients:
            client.close()
    assert server.wait() == 0, server.err


def test_clients_that_come_and_go_never_end_the_server(tenfold):
    server = tenfold("broadcast", "--wait-clients", "1", listen=True, stdin="open")
    with connect(server.port) as steady:
        for number in range(100):
            other = connect(server.port)
            if number % 2:
                # Resets the connection instead of ending it.
                other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            server.stdin.write(b"%d\n" % number)
            assert read_message(steady) == b"%d" % number
            other.close()
        server.stdin.close()
        assert read_to_end(steady) == b""
    assert server.wait() == 0, server.err


def test_a_client_killed_in_the_middle_of_a_message(tenfold, run):
    big = b"x" * (8 * MIB)
    code = "import socket, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1]))); s.recv(1000); print('half', flush=True); sys.stdin.read()"
    server = tenfold("broadcast", "--wait-clients", "2", "--in", "frames", listen=True, stdin=frames([big, b"after"]))
    victim = run(sys.executable, "-c", code, str(server.port), stdin="open")
    with connect(server.port) as steady:
        wait_until(lambda: victim.out == b"half\n", what="the victim's first bytes")
        victim.end()
        assert read_message(steady) == big
        assert read_message(steady) == b"after"
        assert read_to_end(steady) == b""
    assert server.wait() == 0, server.err


def test_a_receiving_tenfold_killed_in_the_middle_of_a_message(tenfold):
    big = b"x" * (8 * MIB)
    server = tenfold("broadcast", "--wait-clients", "2", "--in", "frames", listen=True, stdin=frames([big, big, b"after"]))
    victim = tenfold("recv", server.address, sink="held")
    with connect(server.port) as steady:
        assert victim.process.stdout.read(1) == b"x"
        victim.end()
        assert [read_message(steady) for _ in range(3)] == [big, big, b"after"]
        assert read_to_end(steady) == b""
    assert server.wait() == 0, server.err


def unsent(port: int) -> int:
    """Bytes that wait in the kernel to be sent from this local port."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(int(row[4].split(":")[0], 16) for row in rows if int(row[1].split(":")[1], 16) == port and row[3] == "01")


def test_a_server_killed_in_the_middle_of_a_message(tenfold):
    # The receiver's output is held and a message is larger than the kernel's buffers.
    # So when the first one is complete and more bytes wait to be sent, they are some of the second, and not all of it.
    big = b"x" * (15 * MIB)
    server = tenfold("broadcast", "--wait-clients", "1", "--in", "frames", listen=True, stdin=frames([big] * 3))
    client = tenfold("recv", server.address, sink="held")
    assert client.process.stdout.read(1) == b"x"
    wait_until(lambda: unsent(server.port) > 0, what="the second message")
    server.end()
    client.gather()
    assert client.wait() == 4, client.err
    assert "offset" in client.err
    assert len(client.out) + 1 == len(big) + 1  # the first byte was read above


def test_a_sender_killed_in_the_middle_of_a_message(tenfold, run):
    code = "import socket, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1]))); s.sendall(b'5         whole1000      half'); print('sent', flush=True); sys.stdin.read()"
    receiver = tenfold("recv", listen=True)
    victim = run(sys.executable, "-c", code, str(receiver.port), stdin="open")
    wait_until(lambda: victim.out == b"sent\n", what="the half message")
    victim.end()
    assert receiver.wait() == 4, receiver.err
    assert receiver.out == b"whole\n"
    assert "996" in receiver.err


def test_a_receiver_that_vanishes_ends_send_with_a_failure_and_no_signal(tenfold):
    server, address = listener()
    with server:
        client = tenfold("send", address, "--in", "frames", stdin=frames([b"x" * MIB] * 64))
        with accept(server) as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            read_exactly(peer, 1000)
    assert client.wait() == 1, client.err
    assert client.err != ""


# Strangers at every port.


def tls_hello() -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname="example.org").do_handshake()
    return outgoing.read()


STRANGERS = {
    "http": (b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "HTTP"),
    "tls": (tls_hello(), "TLS"),
    "random": (b"\x80" + random.Random(3).randbytes(100_000), ""),
    "zeros": (bytes(4096), ""),
    "spaces": (b" " * 4096, ""),
    "nines": (b"9" * 4096, ""),
}


@pytest.mark.parametrize("stranger", STRANGERS)
def test_strangers_at_a_broadcast(tenfold, stranger):
    stream, _ = STRANGERS[stranger]
    server = tenfold("broadcast", "--wait-clients", "1", listen=True, stdin="open")
    with connect(server.port) as steady, connect(server.port) as strange:
        strange.sendall(stream)
        strange.shutdown(socket.SHUT_WR)
        server.stdin.write(b"hello\n")
        assert read_message(steady) == b"hello"
        server.stdin.close()
        assert read_to_end(steady) == b""
    assert server.wait() == 0, server.err


def test_a_web_browser_at_a_broadcast_gets_no_http(tenfold):
    server = tenfold("broadcast", "--wait-clients", "1", listen=True, stdin=b"hello\n")
    browser = http.client.HTTPConnection("127.0.0.1", server.port, timeout=BOUND)
    browser.request("GET", "/")
    with pytest.raises(http.client.HTTPException):
        browser.getresponse()
    browser.close()
    assert server.wait() == 0, server.err


@pytest.mark.parametrize("stranger", STRANGERS)
def test_strangers_at_a_listening_recv(tenfold, stranger):
    stream, name = STRANGERS[stranger]
    receiver = tenfold("recv", listen=True)
    with connect(receiver.port) as strange:
        try:
            strange.sendall(stream)
        except ConnectionError:
            pass  # refused before everything was sent
        assert receiver.wait() == 4, receiver.err
    assert receiver.out == b""
    assert name in receiver.err


@pytest.mark.parametrize("stranger", STRANGERS)
def test_strangers_at_a_kept_recv(tenfold, stranger):
    stream, name = STRANGERS[stranger]
    receiver = tenfold("recv", "--keep", listen=True)
    with connect(receiver.port) as strange:
        try:
            strange.sendall(stream)
        except ConnectionError:
            pass
        wait_until(lambda: "offset" in receiver.err, what="the report")
    with connect(receiver.port) as good:
        good.sendall(frame(b"hello"))
        wait_until(lambda: receiver.out == b"hello\n", what="the good sender's message")
    assert name in receiver.err


@pytest.mark.parametrize("stranger", STRANGERS)
def test_strangers_at_a_listening_send(tenfold, stranger):
    stream, _ = STRANGERS[stranger]
    sender = tenfold("send", "hello", listen=True)
    with connect(sender.port) as strange:
        try:
            strange.sendall(stream)
            assert read_message(strange) == b"hello"
        except (ConnectionError, EOFError):
            pass
    assert sender.wait() in (0, 1), sender.err


# A large file, whole.


def test_a_large_file_reaches_three_clients_byte_for_byte(tenfold, tmp_path):
    total = 1024 * MIB if FULL else 64 * MIB
    expected = message_file(tmp_path / "messages", total)
    bound = 600 if FULL else 120
    server = tenfold("broadcast", "--wait-clients", "3", "--in", "frames", tmp_path / "messages", listen=True)
    digests = [hashlib.sha256() for _ in range(2)]
    clients = [tenfold("recv", server.address, "--out", "frames", sink=digest.update) for digest in digests]
    with connect(server.port) as raw:
        raw.settimeout(bound)
        assert digest_of(raw) == expected
    for client, digest in zip(clients, digests):
        assert client.wait(bound) == 0, client.err
        assert digest.hexdigest() == expected
    assert server.wait(bound) == 0, server.err


def test_a_large_file_passes_from_send_to_recv(tenfold, tmp_path):
    expected = message_file(tmp_path / "messages", (256 if FULL else 32) * MIB)
    digest = hashlib.sha256()
    receiver = tenfold("recv", "--out", "frames", listen=True, sink=digest.update)
    sender = tenfold("send", receiver.address, "--in", "frames", stdin=tmp_path / "messages")
    assert sender.wait(120) == 0, sender.err
    assert receiver.wait(120) == 0, receiver.err
    assert digest.hexdigest() == expected


# Ending.


def test_sigterm_ends_a_broadcast_on_a_frame_boundary(tenfold):
    server = tenfold("broadcast", "--every", "50ms", "--message", "tick", listen=True)
    with connect(server.port) as client:
        assert read_message(client) == b"tick"
        server.signal(signal.SIGTERM)
        assert set(unframe(read_to_end(client))) <= {b"tick"}
    assert server.wait() == 0, server.err
