"""HTTP/2 at the HTTP door: what docs/http.md says of it beyond what is the same over HTTP/1.1, and whoever means no good."""

import contextlib
import http.client
import json
import signal
import socket
import ssl
import struct
import subprocess

import pytest
from door import OPENING, ask, events, problem
from http2 import Http2
from support import BOUND, FULL, wait_until

PROTOCOL_ERROR, REFUSED_STREAM, CANCEL, ENHANCE_YOUR_CALM = 1, 7, 8, 11
#: What a connection may cost that floods the hub, in bytes: far more than it should, and far less than it sends.
FLOODED = 64 << 20


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def is_well(hub):
    """The hub answers others."""
    assert ask(hub, "GET", "/health")[0] == 200


# What is the same

def test_curl_speaks_http_2_by_itself_and_every_route_answers(https_door, authority, tmp_path):
    hub = https_door()
    large = tmp_path / "large"
    large.write_bytes(bytes(range(256)) * 4000)
    base = ["curl", "-sS", "--cacert", authority.certificate, "-o", tmp_path / "got", "-w", "%{http_version} %{http_code} %{content_type}"]

    def curl(path, *arguments):
        done = subprocess.run([*base, *arguments, f"{hub.origin}{path}"], capture_output=True, text=True, check=True, timeout=BOUND)
        return done.stdout, (tmp_path / "got").read_bytes()

    json_ = "application/json"
    for path, arguments, media_type in [
        ("/", [], "text/plain; charset=utf-8"), ("/", ["-H", "Accept: text/html"], "text/html; charset=utf-8"), ("/health", [], json_),
        ("/channels", [], json_), ("/clients", [], json_), ("/page/main.js", [], "text/javascript; charset=utf-8"),
        ("/channels/files", ["-H", "Tenfold: 1", "--data-binary", f"@{large}"], json_),
        ("/channels/files?from=first&count=1&as=text", [], "text/plain; charset=utf-8"),
    ]:
        said, got = curl(path, *arguments)
        assert said == f"2 200 {media_type}", path
    assert got == large.read_bytes() + b"\n"
    assert curl("/channels/files", "-I")[0] == "2 200 application/x-ndjson"
    assert curl("/nothing")[0] == "2 404 application/problem+json"


def test_what_is_spoken_is_what_the_client_offers(https_door):
    hub = https_door()

    def agreed(*names):
        context = hub.authority.client()
        if names:
            context.set_alpn_protocols(list(names))
        with socket.create_connection(("127.0.0.1", hub.http), timeout=BOUND) as plain, context.wrap_socket(plain, server_hostname="localhost") as sock:
            return sock.selected_alpn_protocol()

    assert [agreed("h2", "http/1.1"), agreed("http/1.1", "h2"), agreed("http/1.1"), agreed()] == ["h2", "h2", "http/1.1", None]
    with pytest.raises(ssl.SSLError):
        agreed("tenfold/1")
    old = http.client.HTTPSConnection("127.0.0.1", hub.http, context=hub.authority.client(), timeout=BOUND)
    assert ask(hub, "GET", "/health")[0] == 200
    old.request("GET", "/health")
    assert old.getresponse().status == 200
    old.close()


def test_the_host_is_the_authority(https_door):
    client = Http2(https_door())
    assert client.ask("GET", "/health", headers={"host": client.authority})[0] == 200
    problem(client.ask("GET", "/health", headers={"host": "localhost"}), 400)
    problem(client.ask("GET", "/health", headers={"Host": "evil.example"}), 421)
    assert client.ask("GET", "/health")[0] == 200


def test_a_body_of_unknown_length_is_published_and_trailers_are_not_looked_at(https_door):
    hub = https_door()
    client = Http2(hub)
    number = client.open("POST", "/channels/ticks", OPENING, ends=False)
    for part in (b"hel", b"lo"):
        client.put(number, part, ends=False)
    client.h2.send_headers(number, [("a", "b")], end_stream=True)
    client.flush()
    assert client.answer(number)[0] == 200
    assert hub.messages("ticks", 1) == [b"hello"]


def test_a_client_that_waits_for_leave_is_told_to_send(https_door):
    hub = https_door()
    client = Http2(hub)
    told = []
    client.take = lambda event, take=client.take: told.append(event) or take(event)
    number = client.open("POST", "/channels/ticks", OPENING | {"Expect": "100-continue"}, ends=False)
    assert client.until(lambda: any(type(event).__name__ == "InformationalResponseReceived" for event in told))
    client.put(number, b"hello")
    assert client.answer(number)[0] == 200
    assert hub.messages("ticks", 1) == [b"hello"]


def test_a_body_that_is_shorter_than_it_says_is_not_published(https_door):
    hub = https_door()
    client = Http2(hub)
    number = client.open("POST", "/channels/ticks", OPENING | {"Content-Length": "6"}, ends=False)
    client.put(number, b"hello")
    assert client.until(lambda: client.streams[number].ended is not None)
    assert client.streams[number].ended == PROTOCOL_ERROR
    assert not any(channel["next"] for channel in json.loads(client.ask("GET", "/channels")[2]))


def test_after_a_message_that_is_too_large_the_connection_goes_on(https_door):
    hub = https_door("--max-message", "1KiB")
    client = Http2(hub)
    for headers in [OPENING, OPENING | {"Content-Length": "1000000"}]:
        number = client.open("POST", "/channels/ticks", headers, ends=False)
        client.put(number, b"x" * 1_000_000)
        assert client.until(lambda number=number: client.streams[number].ended is not None)
        assert (client.streams[number].status, json.loads(client.streams[number].body)["code"]) == (413, "TOO_LARGE")
    assert client.ask("POST", "/channels/ticks", b"small", OPENING)[0] == 200


# Many streams

def test_fifty_streams_of_events_share_a_connection(https_door):
    hub = https_door()
    client = Http2(hub)
    readers = [client.open("GET", f"/channels/ticks.{number % 5}?as=sse") for number in range(50)]
    assert client.until(lambda: all(client.streams[number].status == 200 for number in readers))
    for number in range(5):
        assert client.ask("POST", f"/channels/ticks.{number}", b"to all", OPENING)[0] == 200
    for number in readers:
        client.body_until(number, b"to all\n\n")
    listed = [one for one in json.loads(client.ask("GET", "/clients")[2]) if one["kind"] == "http-reader"]
    assert len(listed) == 50 and len({one["peer"] for one in listed}) == 1
    client.reset(readers[0])
    wait_until(lambda: sum(one["kind"] == "http-reader" for one in json.loads(ask(hub, "GET", "/clients")[2])) == 49, what="one reader less")


def test_streams_beyond_the_limit_are_refused_and_others_go_on(https_door):
    client = Http2(https_door())
    # Before the hub has said its limit, a client may not know it.
    numbers = [client.open("GET", "/channels/ticks?as=sse") for _ in range(130)]
    assert client.until(lambda: all(client.streams[number].status or client.streams[number].ended is not None for number in numbers))
    refused = [number for number in numbers if client.streams[number].ended == REFUSED_STREAM]
    assert refused == numbers[100:]
    for number in numbers[:30]:
        client.reset(number)
    assert client.ask("POST", "/channels/ticks", b"hello", OPENING)[0] == 200
    for number in numbers[30:100]:
        client.body_until(number, b"data: hello\n\n")


def test_a_stream_that_is_not_read_holds_up_no_other(https_door):
    hub = https_door()
    hub.publish("large", [bytes(20_000)] * 100)
    client = Http2(hub)
    # The connection's window is not what the stream waits for.
    client.h2.increment_flow_control_window(1 << 24)
    stalled = client.open("GET", "/channels/large?from=first&count=100&as=frames")
    client.held.add(stalled)
    client.until(lambda: len(client.streams[stalled].body) == 65_535)
    reader = client.open("GET", "/channels/ticks?as=sse")
    assert client.until(lambda: client.streams[reader].status == 200)
    for number in range(20):
        assert client.ask("POST", "/channels/ticks", b"%d" % number, OPENING)[0] == 200
        client.body_until(reader, b"data: %d\n\n" % number)
    assert len(client.streams[stalled].body) == 65_535
    # It goes on where it was.
    client.held.clear()
    client.h2.acknowledge_received_data(65_535, stalled)
    client.flush()
    _, _, body = client.answer(stalled)
    assert body == (b"20000     " + bytes(20_000)) * 100


def test_each_stream_takes_a_place(https_door):
    hub = https_door("--max-connections", "3")
    client = Http2(hub)
    readers = [client.open("GET", "/channels/ticks") for _ in range(3)]
    assert client.until(lambda: all(client.streams[number].status == 200 for number in readers))
    problem(client.ask("GET", "/channels/ticks"), 503, "BUSY")
    # To ask for something else needs none.
    assert client.ask("GET", "/health")[0] == 200
    client.reset(readers[0])
    wait_until(lambda: client.ask("POST", "/channels/ticks", b"a", OPENING)[0] == 200, what="a place")


def test_a_connection_keeps_a_place_until_it_ends(https_door):
    hub = https_door("--max-connections", "2")
    clients = [Http2(hub, INITIAL_WINDOW_SIZE=0) for _ in range(2)]
    for client in clients:
        # An answer that is not taken keeps the connection, on which nobody publishes any more.
        health = client.open("GET", "/health")
        number = client.open("POST", "/channels/ticks", OPENING, ends=False)
        client.put(number, b"a")
        client.h2.increment_flow_control_window(1 << 16, number)
        assert client.answer(number)[0] == 200
        assert client.until(lambda stream=client.streams[health]: stream.status == 200)
    refused = Http2(hub)
    problem(refused.ask("POST", "/channels/ticks", b"a", OPENING), 503, "BUSY")
    clients[0].close()
    wait_until(lambda: refused.ask("POST", "/channels/ticks", b"a", OPENING)[0] == 200, what="a place")


# Ends

def test_a_hub_that_ends_says_so_and_gives_all_readers_what_is_committed(https_door):
    hub = https_door()
    client = Http2(hub)
    readers = [client.open("GET", f"/channels/ticks?as={form}") for form in ("sse", "ndjson", "frames", "text")]
    assert client.until(lambda: all(client.streams[number].status == 200 for number in readers))
    hub.publish("ticks", [b"last words"])
    hub.process.signal(signal.SIGTERM)
    client.to_the_end()
    for number in readers:
        assert client.streams[number].ended == "end" and b"last words" in client.streams[number].body
    assert client.goaway == 0
    hub.process.wait()


def test_a_hub_ends_in_its_time_with_a_client_that_takes_nothing(https_door):
    hub = https_door("--drain", "1s")
    hub.publish("ticks", [b"a"])
    client = Http2(hub, INITIAL_WINDOW_SIZE=0)
    number = client.open("GET", "/channels/ticks?from=first")
    assert client.until(lambda: client.streams[number].status == 200)
    # It says by its status that somebody did not take the end.
    hub.may_die()
    hub.process.signal(signal.SIGTERM)
    hub.process.wait()
    client.to_the_end()
    assert client.streams[number].ended != "end"


def test_a_reader_whose_right_is_taken_away_is_cut_and_the_connection_goes_on(https_door, tmp_path, binary):
    policy = tmp_path / "policy.toml"
    policy.write_text('[anonymous]\nsubscribe = ["*"]\n')
    hub = https_door("--auth", policy)
    client = Http2(hub)
    number = client.open("GET", "/channels/ticks")
    assert client.until(lambda: client.streams[number].status == 200)
    policy.write_text('[anonymous]\nsubscribe = ["other"]\n')
    hub.process.signal(signal.SIGHUP)
    assert client.until(lambda: client.streams[number].ended is not None)
    assert client.streams[number].ended == CANCEL
    problem(client.ask("GET", "/channels/ticks"), 401, "AUTH")
    assert client.ask("GET", "/channels/other?until=end")[0] == 200


def test_curl_sees_that_a_killed_hub_has_ended_no_body(https_door, authority):
    hub = https_door()
    hub.publish("ticks", [b"a"])
    curl = subprocess.Popen(["curl", "-sN", "--cacert", authority.certificate, f"{hub.origin}/channels/ticks?from=first"], stdout=subprocess.PIPE)
    assert b'"a"' in curl.stdout.readline()
    hub.may_die()
    hub.process.signal(signal.SIGKILL)
    # The stream has not ended, or the system of the hub has reset the connection.
    assert curl.wait(BOUND) in (18, 56)


@pytest.mark.skipif(not FULL, reason="takes 5 s")
def test_a_connection_without_requests_is_ended(https_door):
    client = Http2(https_door())
    assert client.ask("GET", "/health")[0] == 200
    client.to_the_end()
    assert client.goaway == 0


# Whoever means no good

def flood(client, data, most: int):
    """Sends until the hub takes no more for a moment, has ended the connection, or has got so many bytes. What it says is not read."""
    sent = 0
    # A time-out says that the hub does not read what it cannot answer.
    client.sock.settimeout(2)
    with contextlib.suppress(OSError):
        for some in data:
            if sent >= most:
                break
            client.sock.sendall(some)
            sent += len(some)
    client.sock.settimeout(BOUND)


class Flooded:
    """A hub, and a client whose flood has to cost little."""

    def __init__(self, hub):
        self.hub = hub
        is_well(hub)
        self.before = hub.resident()
        self.client = Http2(hub)

    def survives(self):
        is_well(self.hub)
        assert self.hub.resident() - self.before < FLOODED

    def is_ended(self) -> int:
        """With which code the hub has ended the connection."""
        goaways = [payload for kind, _, payload in self.client.raw_rest() if kind == 7]
        return struct.unpack(">I", goaways[-1][4:8])[0]


@pytest.fixture
def flooded(https_door):
    return Flooded(https_door())


def test_requests_that_are_reset_at_once_end_the_connection_and_cost_nothing(flooded):
    client = flooded.client
    first = client.open("GET", "/channels/ticks?as=sse")
    assert client.until(lambda: client.streams[first].status == 200)
    head = [(":method", "GET"), (":scheme", "https"), (":authority", client.authority), (":path", "/channels/ticks?as=sse")]
    block = client.h2.encoder.encode(head)

    def pairs():
        for number in range(first + 2, first + 400_000, 200):
            yield b"".join(frame(1, 0x5, at, block) + frame(3, 0, at, struct.pack(">I", CANCEL)) for at in range(number, number + 200, 2))

    flood(client, pairs(), 1 << 30)
    flooded.survives()


SMALL = {
    "settings": frame(4, 0, 0, struct.pack(">HI", 3, 100)), "pings": frame(6, 0, 0, bytes(8)), "priorities": frame(2, 0, 1, struct.pack(">IB", 3, 16)),
    "windows": frame(8, 0, 0, struct.pack(">I", 1)), "unknown frames": frame(0xBE, 0, 0, bytes(100)),
}


@pytest.mark.parametrize("data", SMALL.values(), ids=SMALL)
def test_a_flood_of_small_frames_costs_nothing(flooded, data):
    flood(flooded.client, (data * 500 for _ in iter(int, 1)), 64 << 20 if FULL else 4 << 20)
    flooded.survives()


def test_a_head_without_end_ends_the_connection(flooded):
    # A literal field of 16 kB that no table keeps, again and again.
    field = b"\x00\x01a" + b"\x7f\x81\x7d" + b"a" * 16_128
    flood(flooded.client, (frame(1, 0x1, 1) if number == 0 else frame(9, 0, 1, field) for number in range(4000)), 64 << 20)
    flooded.survives()
    flooded.client.raw_rest()


def test_parts_of_a_head_without_bytes_end_the_connection(flooded):
    flood(flooded.client, (frame(1, 0x1, 1) if number == 0 else frame(9, 0, 1) * 100 for number in range(10_000)), 1 << 24)
    flooded.survives()
    flooded.client.raw_rest()


def test_a_small_head_that_becomes_a_large_one_is_refused(flooded):
    # One field of 4,000 bytes, which the table keeps, and references to it.
    large = b"\x40\x01a" + b"\x7f\xa1\x1e" + b"b" * 4000
    for number in range(1, 41, 2):
        flood(flooded.client, [frame(1, 0x5, number, large + b"\xbe" * 12_000)], 1 << 24)
    flooded.survives()
    flooded.client.raw_rest()


def test_a_large_head_is_told_so(https_door):
    client = Http2(https_door())
    for headers in [{"a": "a" * 9000}, {f"a{number}": "a" for number in range(65)}]:
        assert client.ask("GET", "/health", headers=headers)[0] == 431
    assert client.ask("GET", "/health", headers={"a": "a" * 4000})[0] == 200


def test_data_without_bytes_ends_the_connection(flooded):
    number = flooded.client.open("POST", "/channels/ticks", OPENING, ends=False)
    flood(flooded.client, (frame(0, 0, number) * 500 for _ in range(2000)), 1 << 24)
    flooded.survives()
    assert flooded.is_ended() == ENHANCE_YOUR_CALM


def test_a_body_may_come_in_bits(https_door):
    hub = https_door()
    client = Http2(hub)
    number = client.open("POST", "/channels/ticks", OPENING, ends=False)
    for _ in range(1000):
        client.put(number, b"x", ends=False)
    client.put(number, b"")
    assert client.answer(number)[0] == 200
    assert hub.messages("ticks", 1) == [b"x" * 1000]


def test_more_data_than_there_is_room_for_ends_the_connection(flooded):
    number = flooded.client.open("POST", "/channels/ticks", OPENING, ends=False)
    # 100 times the window of the connection, without looking at what the hub allows.
    flood(flooded.client, (frame(0, 0, number, bytes(16_384)) for _ in range(6400)), 100 << 20)
    flooded.survives()


@pytest.mark.parametrize("name, value", [("connection", "keep-alive"), ("transfer-encoding", "chunked"), ("upgrade", "websocket"), ("te", "gzip"), ("Upper", "case")])
def test_a_request_with_what_http_2_does_not_have_is_reset(https_door, name, value):
    client = Http2(https_door())
    head = [(":method", "GET"), (":scheme", "https"), (":authority", client.authority), (":path", "/health")]
    number = client.open_as_it_is([*head, (name, value)])
    client.until(lambda: client.streams[number].ended is not None or client.goaway is not None)
    assert PROTOCOL_ERROR in (client.streams[number].ended, client.goaway)
    assert client.streams[number].status is None


def test_a_window_of_nothing_is_waited_for(https_door):
    hub = https_door()
    hub.publish("ticks", [b"a", b"b"])
    client = Http2(hub, INITIAL_WINDOW_SIZE=0)
    streams = [client.open("GET", path) for path in ["/health", "/channels/ticks?from=first&until=end&as=sse"] * 20]
    assert client.until(lambda: all(client.streams[number].status == 200 for number in streams))
    is_well(hub)
    assert not any(client.streams[number].body for number in streams)
    for number in streams:
        client.h2.increment_flow_control_window(1 << 16, number)
    client.flush()
    for number in streams[1::2]:
        assert [data for _, _, data in events(client.answer(number)[2])] == ["a", "b"]
    for number in streams[::2]:
        assert json.loads(client.answer(number)[2])["status"] == "ok"
