"""Clients that mean it badly, very many at once: the hub answers all others, holds little for them, and is as before when they have gone."""

import contextlib
import os
import struct

import pytest
from door import Raw, RawWebSocket, ask, lines, post
from hub import KIB, MIB
from support import BOUND, FULL, wait_until

COUNT = 1500 if FULL else 100
#: What the hub may hold for each: its task and its socket (5 KiB), the head that was read (8 KiB), and a piece of 64 KiB that it reads or writes next.
EACH = 80 * KIB
#: What is not for each of them: tables that grow by doubling, and what the allocator keeps for the next ones.
BESIDE = 64 * MIB
MESSAGE = b"x" * 100_000
HEAD = "Host: localhost\r\n"


def slow_head(hub):
    client = Raw(hub)
    # The hub may have ended it already: of those that have not asked yet it keeps 512, and the oldest one gives way.
    with contextlib.suppress(ConnectionError):
        client.send(f"GET /channels/ticks HTTP/1.1\r\n{HEAD}A: ")
        client.send("a")
    return client


def slow_body(hub):
    client = Raw(hub)
    client.send(f"POST /channels/slow HTTP/1.1\r\n{HEAD}Tenfold: 1\r\nContent-Length: {1 << 20}\r\n\r\nx")
    return client


def slow_body_of_many(hub):
    client = Raw(hub)
    client.send(f"POST /channels/slow HTTP/1.1\r\n{HEAD}Tenfold: 1\r\nContent-Type: application/vnd.tenfold\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n1048576   x\r\n")
    return client


def slow_reader(hub):
    """It takes nothing of 10 MB but what the system takes for it."""
    client = Raw(hub, receive_buffer=4096)
    client.send(f"GET /channels/large?from=first HTTP/1.1\r\n{HEAD}\r\n")
    return client


def slow_websocket(hub):
    return RawWebSocket(hub, "tenfold.messages", "/channels/large?from=first", receive_buffer=4096)


def ping_flood(hub):
    """Pings of which it takes no answer."""
    client = RawWebSocket(hub, "tenfold.messages", receive_buffer=4096)
    client.sock.setblocking(False)
    ping = b"\x89\xfd" + bytes(4) + b"x" * 125
    with contextlib.suppress(BlockingIOError):
        client.sock.send(ping * 200)
    return client


def endless_pieces(hub):
    client = RawWebSocket(hub, "tenfold.messages")
    client.send_frame(0x02, b"x" * 100)
    for _ in range(20):
        client.send_frame(0x00, b"x" * 100)
    return client


def endless_frame(hub):
    client = RawWebSocket(hub, "tenfold.messages")
    client.send(b"\x82\xff" + struct.pack(">Q", (1 << 63) - 1) + bytes(4) + b"1")
    return client


def refused_frame(first: bytes):
    """A frame after which the hub closes."""

    def start(hub):
        client = RawWebSocket(hub, "tenfold.messages", "/channels/none")
        client.send(first)
        assert client.closed() == 1002
        return client

    return start


KINDS = {
    "slow head": slow_head,
    "slow body": slow_body,
    "slow body of many messages": slow_body_of_many,
    "slow reader": slow_reader,
    "slow reader by WebSocket": slow_websocket,
    "ping flood": ping_flood,
    "pieces without an end": endless_pieces,
    "a frame without an end": endless_frame,
    "a frame that is not masked": refused_frame(b"\x82\x01a"),
    "a length over 2^63": refused_frame(b"\x82\xff" + b"\xff" * 8 + bytes(4)),
    "a control frame that is long": refused_frame(b"\x89\xfe\x40\x00" + bytes(4)),
}


def descriptors(hub) -> int:
    return len(os.listdir(f"/proc/{hub.process.process.pid}/fd"))


@pytest.mark.parametrize("kind", KINDS)
def test_so_many_of_them_keep_nobody_away_and_leave_nothing(door, kind):
    hub = door("--max-connections", str(COUNT + 100))
    hub.publish("large", [MESSAGE] * 100)
    post(hub, "ticks", b"before")
    # Whoever has just asked has gone.
    wait_until(lambda: hub.health()["connections"] == "1", what="a hub without clients")
    before, files = hub.resident(), descriptors(hub)
    clients = []
    for number in range(COUNT):
        clients.append(KINDS[kind](hub))
        if number % 1000 == 999:
            assert ask(hub, "GET", "/health")[0] == 200
    assert post(hub, "ticks", b"meanwhile")[0] == 200
    assert [message["text"] for message in lines(hub, "ticks")] == ["before", "meanwhile"]
    assert hub.messages("large", 3) == [MESSAGE] * 3
    grown = hub.resident() - before
    assert grown < COUNT * EACH + BESIDE, f"{grown / MIB:.1f} MiB for {COUNT} clients"
    print(f"{kind}: {grown / COUNT / KIB:.1f} KiB for each of {COUNT}")
    for number, client in enumerate(clients):
        client.reset() if number % 2 else client.close()
    wait_until(lambda: hub.health()["connections"] == "1", 4 * BOUND, "the end of all of them")
    wait_until(lambda: descriptors(hub) <= files, BOUND, "the end of their descriptors")
    # The memory for messages that had begun is there for others.
    assert post(hub, "ticks", b"x" * (8 * MIB))[0] == 200
    assert ask(hub, "GET", "/channels")[0] == 200


@pytest.mark.parametrize("kind", ["slow head", "slow body"] if FULL else ["slow head"])
def test_who_does_not_go_on_is_ended_by_the_hub(door, kind):
    hub = door("--max-connections", str(COUNT + 100))
    hub.publish("large", [MESSAGE] * 100)
    clients = [KINDS[kind](hub) for _ in range(COUNT)]
    # A head has 5 s, and a piece of a body 30 s. A slow reader is what a slow subscriber is: it keeps its place as long as there is one.
    wait_until(lambda: hub.health()["connections"] == "1", 3 * BOUND, "the end of all of them")
    assert len(clients) == COUNT
