"""The programs that most people have learned the framing from, as they are, with the commands: each pair that a person would try."""

import pickle
import socket
import sys

import pytest

from support import ROOT, wait_until

LESSON = ROOT / "tests" / "lesson"
SIZES = pytest.mark.parametrize("size", [10, 64])


@pytest.fixture
def client(run):
    """Starts a client of the lesson."""

    def start(name, port, size):
        return run(sys.executable, "-u", LESSON / name, "127.0.0.1", str(port), str(size))

    return start


@pytest.fixture
def server(run):
    """Starts a server of the lesson, and gives its address. It is for one client, so nobody else looks whether it listens."""

    def start(name, *arguments):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        run(sys.executable, LESSON / name, str(port), *map(str, arguments))
        return f"127.0.0.1:{port}"

    return start


@SIZES
def test_a_broadcast_is_understood_by_the_client_of_part_2(tenfold, client, size):
    options = ("--framing", f"decimal:{size}", "--every", "100ms", "--message", "Welcome to the server!")
    broadcast = tenfold("broadcast", *options, listen=True)
    program = client("client_2.py", broadcast.port, size)
    wait_until(lambda: program.out.count(b"\nWelcome to the server!\n") >= 3, what="three messages")


@SIZES
def test_a_pickle_that_is_sent_is_understood_by_the_client_of_part_3(tenfold, client, size):
    things = {1: "hi", 2: "there"}
    sender = tenfold(
        "send", "--framing", f"decimal:{size}", "--in", "whole", stdin=pickle.dumps(things), listen=True
    )
    program = client("client_3.py", sender.port, size)
    wait_until(lambda: repr(things).encode() in program.out, what="the object")


def test_a_plain_port_of_a_hub_is_understood_by_the_client_of_part_2(hub, client):
    place = hub("--plain", "127.0.0.1:0=ticks", "--replay", "1")
    place.publish("ticks", [b"Welcome to the server!"])
    program = client("client_2.py", place.plain[0], 10)
    wait_until(lambda: b"\nWelcome to the server!\n" in program.out, what="the message that is kept")
    place.publish("ticks", [b"The time is now"])
    wait_until(lambda: b"\nThe time is now\n" in program.out, what="a new message")


@SIZES
def test_the_server_of_part_2_is_understood(tenfold, server, size):
    address = server("server_2.py", size, 0.01)
    receiver = tenfold("recv", address, "--retry", "--framing", f"decimal:{size}", "--count", "3")
    assert receiver.wait() == 0, receiver.err
    first, *times = receiver.out.decode().splitlines()
    assert "elcome" in first and len(times) == 2, receiver.out


@SIZES
def test_the_pickle_of_the_server_of_part_3_is_shown(tenfold, server, size):
    address = server("server_3.py", size)
    receiver = tenfold("recv", address, "--retry", "--framing", f"decimal:{size}", "--payload", "pickle", "--count", "1")
    assert receiver.wait() == 0, receiver.err
    assert b'"hi"' in receiver.out and b'"there"' in receiver.out


def test_the_server_of_part_1_has_no_header_and_that_is_said(tenfold, server):
    receiver = tenfold("recv", server("server_1.py"), "--retry")
    assert receiver.wait() == 4
    assert "bad header at offset 0" in receiver.err and receiver.out == b""


def test_another_headersize_is_found_at_the_second_header_at_the_latest(tenfold, server):
    """The first 10 of 64 characters are a header, too: the message that it announces is made of the other spaces."""
    receiver = tenfold("recv", server("server_2.py", 64, 0.01), "--retry")
    assert receiver.wait() == 4, receiver.err
    assert receiver.out.strip() == b"" and "message 1" in receiver.err, (receiver.out, receiver.err)
