"""Who may do what at the HTTP door: each way in, each request, each identity (docs/security.md, section 4)."""

import contextlib
import http.client
import itertools
import json
import ssl

import pytest
from http2 import Http2
from hub import ok
from identities import WHO, address
from support import BOUND, frame, unframe
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidMessage
from websockets.sync.client import connect

STATUS = {"OK": 200, "AUTH": 401, "DENIED": 403}
NOBODY_BUT = {"anonymous": "AUTH", "a": "DENIED", "b": "DENIED", "admin": "DENIED", "expired": "AUTH", "revoked": "AUTH"}
ANYBODY = dict.fromkeys(WHO, "OK") | {"expired": "AUTH", "revoked": "AUTH"}


def only(*names: str, but=NOBODY_BUT) -> dict[str, str]:
    return but | dict.fromkeys(names, "OK")


READ = {"a.x": only("a", "admin"), "b.x": only("b", "admin"), "public.x": only("anonymous", "admin"), "never": only("admin")}
PUBLISH = {"a.x": only("a"), "public.x": only("admin")}
#: Who may publish to a.x under which producer's name.
PRODUCER = {"a": only("a"), "a.2": only("a"), "b": only(), "_0123456789abcdef": only("a")}

#: Each request of HTTP: its method, its path, its headers, and who is told what.
REQUESTS = (
    {("GET", f"/channels/{name}?from=first&until=end&as={form}", ""): told for name, told in READ.items() for form in ("ndjson", "sse")}
    | {("HEAD", f"/channels/{name}", ""): told for name, told in READ.items()}
    | {("POST", f"/channels/{name}", ""): told for name, told in PUBLISH.items()}
    | {("POST", "/channels/a.x", name): told for name, told in PRODUCER.items()}
    | {("GET", path, ""): ANYBODY for path in ("/channels", "/health")}
    | {("GET", "/clients", ""): ANYBODY | {"anonymous": "AUTH"}}
    | {("GET", "/metrics", ""): only("admin")}
    # They tell nothing of the hub.
    | {("GET", path, ""): dict.fromkeys(WHO, "OK") for path in ("/", "/page/main.js")}
)

#: Each request of the hub's protocol, which goes through a WebSocket.
LINES = (
    {f"SUBSCRIBE {name}": told for name, told in READ.items()}
    | {"TIMES a.x from=0": READ["a.x"], "TIMES none from=0": only() | {"admin": "NO_CHANNEL"}}
    | {"FOLLOW a.x": READ["a.x"], "FOLLOW a.* b.*": only("admin"), "FOLLOW *": ANYBODY}
    | {f"PUBLISH {name}": told for name, told in PUBLISH.items()}
    | {f"PUBLISH a.x producer={name}": told for name, told in PRODUCER.items()}
    | {"CHANNELS": ANYBODY, "HEALTH": ANYBODY, "CLIENTS": ANYBODY | {"anonymous": "AUTH"}, "DELETE none": only() | {"admin": "NO_CHANNEL"}}
)

#: Each way in: whether it is over TLS, and what a client shows there.
DOORS = {
    "http": (False, ()),
    "http, token": (False, ("token",)),
    "https": (True, ()),
    "https, token": (True, ("token",)),
    "mTLS": (True, ("certificate",)),
    "mTLS, token": (True, ("certificate", "token")),
    "h2, token": (True, ("token",)),
    "h2, mTLS": (True, ("certificate",)),
}

#: WebSockets are spoken over HTTP/1.1.
BY_WEBSOCKET = [door for door in DOORS if not door.startswith("h2")]


def expected(door: str, told: dict[str, str], who: str) -> str:
    _, shows = DOORS[door]
    if not shows:
        return told["anonymous"]
    # TLS lets nobody in whose certificate is revoked.
    return "TLS" if "certificate" in shows and who == "revoked" else told[who]


class World:
    """A hub with both doors, and who asks there."""

    def __init__(self, hub, everybody):
        self.everybody = everybody
        self.hub = everybody.start(hub, "--http", "127.0.0.1:0", "--https", "127.0.0.1:0")
        self.ports = dict(zip((False, True), self.hub.plain, strict=True))
        self.hub.http = self.ports[True]
        for who, name in [("a", "a.x"), ("b", "b.x"), ("admin", "public.x")]:
            ok(self.hub.publish(name, [b"kept"], f" token={everybody.tokens[who]}"))

    def token(self, door: str, who: str) -> str | None:
        return self.everybody.tokens.get(who) if "token" in DOORS[door][1] else None

    def context(self, door: str, who: str) -> ssl.SSLContext | None:
        over_tls, shows = DOORS[door]
        return self.everybody.authority.client(self.everybody.certificates.get(who) if "certificate" in shows else None) if over_tls else None

    def ask(self, door: str, who: str, number: int, method: str, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
        if door.startswith("h2"):
            return self.ask_by_http2(door, who, number, method, path, headers)
        options = {"timeout": BOUND, "source_address": (address(who, number), 0)}
        context, port = self.context(door, who), self.ports[DOORS[door][0]]
        connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, **options) if context else http.client.HTTPConnection("127.0.0.1", port, **options)
        if token := self.token(door, who):
            headers = headers | {"Authorization": f"Bearer {token}"}
        try:
            connection.request(method, path, b"x" if path.startswith("/channels/") and method == "POST" else None, {"Tenfold": "1"} | headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def ask_by_http2(self, door: str, who: str, number: int, method: str, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
        headers = {"Tenfold": "1"} | headers
        if token := self.token(door, who):
            headers["Authorization"] = f"Bearer {token}"
        client = Http2(self.hub, context=self.context(door, who), source=address(who, number))
        with contextlib.closing(client):
            status, _, body = client.ask(method, path, b"x" if path.startswith("/channels/") and method == "POST" else None, headers)
            return status, body

    def code(self, door: str, who: str, number: int, method: str, path: str, producer: str = "") -> str:
        headers = {"Tenfold-Producer": producer, "Tenfold-First": "0"} if producer else {}
        status, body = self.ask(door, who, number, method, path, headers)
        code = next(code for code, known in STATUS.items() if known == status)
        if code != "OK" and method != "HEAD":
            assert json.loads(body)["code"] == code, body
        return code

    def open(self, door: str, who: str, number: int, path: str, *protocols: str):
        context = self.context(door, who)
        return connect(f"{'wss' if context else 'ws'}://127.0.0.1:{self.ports[context is not None]}{path}", ssl=context, subprotocols=list(protocols),
                       source_address=(address(who, number), 0), open_timeout=BOUND, close_timeout=BOUND)


@pytest.fixture
def world(hub, everybody):
    return World(hub, everybody)


def compare(rows, cell_of, doors=DOORS):
    """Asks for every cell of the table, and compares all of them."""
    wrong, seen = [], 0
    for door, row, who in itertools.product(doors, rows, WHO):
        seen += 1
        wanted = expected(door, rows[row], who)
        try:
            got = cell_of(door, row, who, seen)
        # What the system or TLS says of a connection that the hub does not let in.
        except (ssl.SSLError, ConnectionError, InvalidMessage, ConnectionClosedError):
            got = "TLS"
        if got != wanted:
            wrong.append((door, row, who, got, wanted))
    assert not wrong, wrong
    assert seen == len(doors) * len(rows) * len(WHO)


def code_of(line: str) -> str:
    words = line.split(" ")
    return words[1] if words[0] == "ERROR" else "OK"


def test_each_request_of_each_identity_has_its_status(world):
    compare(REQUESTS, lambda door, row, who, number: world.code(door, who, number, *row))


def test_each_reader_by_websocket_is_told_what_it_may(world):
    def cell(door, name, who, number):
        token = world.token(door, who)
        with world.open(door, who, number, f"/channels/{name}?from=first", "tenfold.messages", *([f"bearer.{token}"] if token else [])) as client:
            code = code_of(client.recv(BOUND))
            if code == "OK" and name == "b.x":
                assert client.recv(BOUND) == b"kept"
            return code

    compare(READ, cell, BY_WEBSOCKET)


def test_each_request_of_the_hubs_protocol_is_answered_through_a_websocket_as_at_the_hubs_own_port(world):
    def cell(door, line, who, number):
        token = world.token(door, who)
        with world.open(door, who, number, "/channels", "tenfold") as client:
            request = frame((line + (f" token={token}" if token else "")).encode())
            client.send(request + (frame(b"") if line.startswith("FOLLOW") else b""))
            got = b""
            try:
                while len(got) < 10 or len(got) < 10 + int(got[:10]):
                    got += client.recv(BOUND)
            except ConnectionClosed:
                # A list with nothing in it.
                assert got == b"" and line == "CHANNELS", (line, got)
                return "OK"
            return code_of(unframe(got[:10 + int(got[:10])])[0].decode())

    compare(LINES, cell, BY_WEBSOCKET)


def test_a_ticket_is_made_for_a_token_and_not_for_a_certificate(world):
    def cell(door, path, who, number):
        return world.code(door, who, number, "POST", path)

    with_token = [door for door, (_, shows) in DOORS.items() if "token" in shows]
    compare({"/tickets": ANYBODY | {"anonymous": "AUTH"}}, cell, with_token)
    compare({"/tickets": dict.fromkeys(WHO, "AUTH")}, cell, [door for door in DOORS if door not in with_token])


@pytest.mark.parametrize("over_tls", [False, True], ids=["http", "https"])
def test_a_ticket_is_the_token_that_it_was_made_for(world, over_tls):
    for number, (name, who) in enumerate(itertools.product(READ, ("a", "b", "admin"))):
        with_token, without = ("https, token", "https") if over_tls else ("http, token", "http")
        status, body = world.ask(with_token, who, number, "POST", "/tickets", {})
        assert status == 200, body
        status, _ = world.ask(without, who, number, "GET", f"/channels/{name}?from=first&until=end&ticket={json.loads(body)['ticket']}", {})
        assert status == STATUS[READ[name][who]], (name, who)
