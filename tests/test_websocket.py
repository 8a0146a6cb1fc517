"""WebSocket at the HTTP door (docs/http.md, section 8): with the library `websockets`, and byte by byte."""

import os
import socket
import struct
import subprocess

import pytest
from door import RawWebSocket, open_at
from hub import ok
from support import BOUND, frame, wait_until
from websockets.exceptions import ConnectionClosed, InvalidStatus


def test_each_message_of_a_channel_is_one_of_the_websocket(door):
    hub = door()
    messages = [b"hello", b"", b"\xff" * 300, b"x" * 70_000]
    hub.publish("ticks", messages)
    with open_at(hub, "/channels/ticks?from=first&count=5", "tenfold.messages") as client:
        assert client.subprotocol == "tenfold.messages"
        line = client.recv(BOUND)
        assert ok(line.encode())["next"] == "4"
        assert [client.recv(BOUND) for _ in messages] == messages
        hub.publish("ticks", [b"later", b"too late"])
        assert client.recv(BOUND) == b"later"
        with pytest.raises(ConnectionClosed) as end:
            client.recv(BOUND)
        assert end.value.rcvd.code == 1000


def test_a_place_that_cannot_be_had_is_told_to_the_page(door):
    hub = door()
    with open_at(hub, "/channels/ticks?from=9", "tenfold.messages") as client:
        assert client.recv(BOUND).startswith("ERROR FUTURE next=0 ")
        with pytest.raises(ConnectionClosed) as end:
            client.recv(BOUND)
        assert end.value.rcvd.code == 1008


@pytest.mark.parametrize("path", ["/channels", "/channels/anything"])
def test_the_hubs_own_protocol_goes_through_a_websocket(door, path):
    hub = door()
    with open_at(hub, path, "tenfold") as client:
        stream = frame(b"PUBLISH ticks producer=page") + b"".join(map(frame, [b"a", b"b"]))
        client.send(stream[:5])
        client.send(stream[5:40])
        client.send(stream[40:])
        got = b""
        while b"ACK 2" not in got:
            got += client.recv(BOUND)
        assert got.startswith(frame(got[10:10 + int(got[:10])]))
    with open_at(hub, path, "tenfold") as client:
        client.send(frame(b"SUBSCRIBE ticks from=first"))
        got = b""
        while not got.endswith(frame(b"a") + frame(b"b")):
            got += client.recv(BOUND)
    wait_until(lambda: hub.health()["connections"] == "1", what="the end of the tunnels")


def test_a_large_message_goes_through_in_both_directions(door):
    hub = door()
    large = os.urandom(3_000_000)
    with open_at(hub, "/channels", "tenfold") as client:
        client.send(frame(b"PUBLISH large") + frame(large))
        got = b""
        while not got.endswith(b"ACK 1"):
            got += client.recv(BOUND)
    with open_at(hub, "/channels", "tenfold") as client:
        client.send(frame(b"SUBSCRIBE large from=first"))
        got = b""
        while len(got) < len(large):
            got += client.recv(BOUND)
        assert got.endswith(frame(large))
    with open_at(hub, "/channels/large?from=first", "tenfold.messages", max_size=None) as client:
        client.recv(BOUND)
        assert client.recv(BOUND) == large


def test_an_error_of_the_hub_comes_through_and_then_the_end(door):
    hub = door()
    with open_at(hub, "/channels", "tenfold") as client:
        client.send(frame(b"NONSENSE"))
        assert b"ERROR PROTO field=1 " in client.recv(BOUND)
        with pytest.raises(ConnectionClosed) as end:
            client.recv(BOUND)
        assert end.value.rcvd.code == 1000


@pytest.mark.parametrize("protocol", ["tenfold", "tenfold.messages"])
def test_a_ping_is_answered_and_a_close_too(door, protocol):
    hub = door()
    client = RawWebSocket(hub, protocol)
    client.send_frame(0x89, b"there?")
    frames = [client.frame()]
    while frames[-1][0] != 0x8a:
        frames.append(client.frame())
    assert frames[-1] == (0x8a, b"there?")
    client.send_frame(0x88, struct.pack(">H", 1000))
    assert client.closed() == 1000


@pytest.mark.parametrize("protocol", ["tenfold", "tenfold.messages"])
@pytest.mark.parametrize("wrong", ["not masked", "compressed", "unknown", "goes on with nothing", "a long ping", "a ping in pieces"])
def test_frames_that_are_not_are_the_end(door, protocol, wrong):
    hub = door()
    client = RawWebSocket(hub, protocol)
    first, payload, masked = {
        "not masked": (0x82, b"a", False),
        "compressed": (0xC2, b"a", True),
        "unknown": (0x83, b"a", True),
        "goes on with nothing": (0x80, b"a", True),
        "a long ping": (0x89, b"a" * 126, True),
        "a ping in pieces": (0x09, b"a", True),
    }[wrong]
    client.send_frame(first, payload, masked)
    # A second close, of an end in order, came after this one.
    assert client.closed() == 1002
    assert hub.health()["status"] == "ok"


def test_pieces_without_end_cost_nothing(door):
    hub = door()
    hub.publish("ticks", [b"a"])
    client = RawWebSocket(hub, "tenfold.messages")
    before = hub.resident()
    client.send_frame(0x02, b"x" * 60_000)
    for _ in range(300):
        client.send_frame(0x00, b"x" * 60_000)
    client.send_frame(0x89, b"seen")
    while client.frame() != (0x8A, b"seen"):
        pass
    assert hub.resident() - before < 8 << 20


def test_text_is_not_the_hubs_protocol(door):
    client = RawWebSocket(door(), "tenfold")
    client.send_frame(0x81, b"26        SUBSCRIBE ticks from=first")
    assert client.closed() == 1003


def status_of(hub, **headers) -> int:
    with pytest.raises(InvalidStatus) as refused, open_at(hub, "/channels/ticks", "tenfold", **headers):
        pass
    return refused.value.response.status_code


def test_strangers_get_no_websocket(door):
    hub = door("--http-origin", "https://app.example")
    for origin in ["null", "https://evil.example", "http://localhost:1"]:
        assert status_of(hub, origin=origin) == 403
    for origin in [f"http://127.0.0.1:{hub.http}", "https://app.example"]:
        with open_at(hub, "/channels/ticks", "tenfold", origin=origin) as client:
            assert client.subprotocol == "tenfold"
    assert status_of(hub, additional_headers={"Sec-Fetch-Site": "cross-site"}) == 403


def test_what_is_not_a_websocket_of_ours_is_refused(door):
    hub = door()
    assert RawWebSocket(hub, "chat").head.startswith(b"HTTP/1.1 400 ")
    assert RawWebSocket(hub, "tenfold.messages", path="/channels").head.startswith(b"HTTP/1.1 400 ")
    assert RawWebSocket(hub, "tenfold", path="/health").head.startswith(b"HTTP/1.1 404 ")
    assert RawWebSocket(hub, "tenfold", headers="Sec-WebSocket-Version: 13\r\n").head.startswith(b"HTTP/1.1 400 ")
    with socket.create_connection(("127.0.0.1", hub.http), timeout=BOUND) as other:
        other.sendall(b"GET /channels HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\n\r\n")
        head = other.recv(65536)
    assert head.startswith(b"HTTP/1.1 426 ") and b"Sec-WebSocket-Version: 13\r\n" in head


def test_a_token_comes_beside_the_protocol(door, tmp_path, binary):
    policy = tmp_path / "hub.toml"
    token = subprocess.run([binary, "token", "new", "meter7", "--publish", "ticks", "--subscribe", "ticks", "--auth", policy],
                           capture_output=True, check=True, text=True).stdout.strip()
    hub = door("--auth", policy)
    with open_at(hub, "/channels/ticks?from=first", "tenfold.messages", f"bearer.{token}") as client:
        assert client.subprotocol == "tenfold.messages"
        assert client.recv(BOUND).startswith("OK ")
        with open_at(hub, "/channels", "tenfold") as publisher:
            publisher.send(frame(f"PUBLISH ticks token={token}".encode()) + frame(b"a"))
            assert client.recv(BOUND) == b"a"
    with open_at(hub, "/channels/ticks", "tenfold.messages") as client:
        assert client.recv(BOUND).startswith("ERROR AUTH ")


def test_a_hub_that_ends_says_so(door):
    hub = door()
    client = RawWebSocket(hub, "tenfold.messages")
    client.frame()
    hub.publish("ticks", [b"last words"])
    hub.process.signal(15)
    assert client.frame() == (0x82, b"last words")
    assert client.closed() == 1000
