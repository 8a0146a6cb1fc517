"""What the tests of the HTTP door share: requests over HTTP/1.1 and HTTP/2, and connections byte by byte."""

import base64
import contextlib
import http.client
import json
import os
import re
import socket
import struct

from http2 import Http2
from hub import Hub
from support import BOUND
from websockets.sync.client import connect

OPENING = {"Tenfold": "1"}

class Raw:
    """One connection, byte by byte. It is closed with its hub."""

    def __init__(self, hub: Hub, *, receive_buffer: int | None = None):
        self.sock = socket.socket()
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(BOUND)
        self.sock.connect(("127.0.0.1", hub.http))
        self.got = b""
        hub.closes(self)

    def send(self, data: bytes | str):
        self.sock.sendall(data.encode() if isinstance(data, str) else data)

    def more(self) -> bytes:
        """What comes next; nothing at the end."""
        return self.sock.recv(65536)

    def until(self, end: bytes) -> bytes:
        """Everything up to `end`."""
        while end not in self.got:
            more = self.more()
            assert more, self.got
            self.got += more
        taken, end, self.got = self.got.partition(end)
        return taken + end

    def exactly(self, count: int) -> bytes:
        while len(self.got) < count:
            more = self.more()
            if not more:
                raise EOFError(self.got)
            self.got += more
        taken, self.got = self.got[:count], self.got[count:]
        return taken

    def rest(self) -> bytes:
        while more := self.more():
            self.got += more
        taken, self.got = self.got, b""
        return taken

    def reset(self):
        """Ends the connection with a reset instead of an end."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        self.sock.close()


class RawWebSocket(Raw):
    """A WebSocket of which every byte is the test's."""

    def __init__(self, hub: Hub, protocol: str, path: str = "/channels/ticks", headers: str = "", **options):
        super().__init__(hub, **options)
        key = base64.b64encode(os.urandom(16)).decode()
        self.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                  f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: {protocol}\r\n{headers}\r\n")
        self.head = self.until(b"\r\n\r\n")

    def send_frame(self, first: int, payload: bytes = b"", masked=True):
        length = len(payload)
        size = bytes([length]) if length < 126 else b"\x7e" + struct.pack(">H", length) if length < 65536 else b"\x7f" + struct.pack(">Q", length)
        if not masked:
            self.send(bytes([first]) + size + payload)
            return
        mask = os.urandom(4)
        self.send(bytes([first, size[0] | 0x80]) + size[1:] + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload)))

    def frame(self) -> tuple[int, bytes]:
        """A frame that the hub has sent: its first byte, and its payload."""
        first, length = self.exactly(2)
        if length == 126:
            (length,) = struct.unpack(">H", self.exactly(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", self.exactly(8))
        return first, self.exactly(length)

    def closed(self) -> int:
        """The code with which the hub closes, at the latest after what it has begun to say."""
        while True:
            first, payload = self.frame()
            if first == 0x88:
                assert self.rest() == b"", "the hub says more after its close"
                return struct.unpack(">H", payload[:2])[0]


def open_at(hub, path: str, *protocols: str, **options):
    """A WebSocket of the library `websockets`."""
    return connect(f"ws://127.0.0.1:{hub.http}{path}", subprotocols=list(protocols), open_timeout=BOUND, close_timeout=BOUND, **options)


def ask(door, method: str, path: str, body=None, headers=None, connection=None):
    """An answer: its status, its headers and its body."""
    if door.speaks == "h2":
        with contextlib.closing(Http2(door)) as client:
            return client.ask(method, path, body, headers)
    own = connection or http.client.HTTPConnection("127.0.0.1", door.http, timeout=BOUND)
    own.request(method, path, body, headers or {})
    answer = own.getresponse()
    got = answer.status, answer.headers, answer.read()
    if not connection:
        own.close()
    return got


def post(door, channel: str, body=b"", **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    status, _, said = ask(door, "POST", f"/channels/{channel}", body, OPENING | headers)
    return status, json.loads(said)


def lines(door, channel: str, query: str = "from=first&until=end"):
    status, _, body = ask(door, "GET", f"/channels/{channel}?{query}")
    assert status == 200, body
    return [json.loads(line) for line in body.splitlines() if line]


def problem(answer, status: int, code: str | None = None) -> dict:
    """That an answer is a problem with this status and code."""
    got, headers, body = answer
    assert (got, headers["Content-Type"]) == (status, "application/problem+json"), body
    said = json.loads(body)
    assert (said["status"], said.get("code")) == (status, code), said
    return said


def events(stream: bytes) -> list[tuple[str, str | None, str]]:
    """A reader of server-sent events, written after the WHATWG standard: type, last id and data of each."""
    text = stream.decode("utf-8", "replace").removeprefix("\ufeff")
    found, kind, data, last = [], "", [], None
    for line in re.split("\r\n|\n|\r", text):
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                found.append((kind or "message", last, "\n".join(data)))
            kind, data = "", []
        elif name == "data":
            data.append(value)
        elif name == "event":
            kind = value
        elif name == "id" and "\0" not in value:
            last = value
    return found
