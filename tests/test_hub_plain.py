"""Plain ports: no request, one channel, and nothing but messages is ever written."""

import signal

import pytest

from hub import numbered
from support import frame, frames, read_to_end, wait_until

BAD = [b"x", b"GET / HTTP/1.1\r\n\r\n", b"9999999999", b"01        ", b"+5", b"\x16\x03\x01\x02\x00", b"ERROR", b"5     6"]


def subscribers(hub, count: int, channel: str = "ticks"):
    """Returns when so many subscribe to the channel."""

    def there() -> bool:
        with hub.connect() as client:
            client.request("CHANNELS")
            rows = client.rest()
        return any(b'"channel":"%s"' % channel.encode() in row and b'"subscribers":%d,' % count in row for row in rows)

    wait_until(there, what=f"{count} subscribers")


def at(hub, index: int = 0, **options):
    return hub.connect(hub.plain[index], **options)


def test_an_out_port_gives_the_messages_from_next_on(hub):
    hub = hub("--plain", "127.0.0.1:0=ticks")
    hub.publish("ticks", [b"before"])
    client, same = at(hub), at(hub)
    subscribers(hub, 2)
    hub.publish("ticks", [b"hello", b"", b"world"])
    for one in (client, same):
        assert [one.frame() for _ in range(3)] == [b"hello", b"", b"world"]


def test_plain_ports_stand_in_the_port_file_in_their_order(hub):
    hub = hub("--plain", "127.0.0.1:0=first:in", "--plain", "127.0.0.1:0=second:out", "--plain", "127.0.0.1:0=third:both")
    assert len(hub.ports) == 4
    at(hub, 0).send(frame(b"one"))
    both = at(hub, 2)
    both.send(frame(b"three"))
    assert hub.subscribe("first", " from=0")[0].frame() == b"one"
    assert both.frame() == b"three"
    second = at(hub, 1)
    subscribers(hub, 1, "second")
    hub.publish("second", [b"two"])
    assert second.frame() == b"two"


@pytest.mark.parametrize("replay, start", [(1, 9), (3, 7), (10, 0), (1000, 0)])
def test_replay_gives_the_last_messages_first(hub, replay, start):
    hub = hub("--plain", "127.0.0.1:0=ticks:out", "--replay", str(replay))
    hub.publish("ticks", numbered(10))
    client = at(hub)
    assert [client.frame() for _ in range(10 - start)] == numbered(10 - start, start)
    hub.publish("ticks", [b"next"])
    assert client.frame() == b"next"


def test_a_welcome_comes_first_and_is_not_in_the_channel(hub):
    hub = hub("--plain", "127.0.0.1:0=ticks", "--welcome", "grüß dich", "--replay", "2")
    hub.publish("ticks", numbered(5))
    client = at(hub)
    assert [client.frame() for _ in range(3)] == ["grüß dich".encode(), b"3", b"4"]
    assert hub.messages("ticks", 5) == numbered(5)
    assert hub.subscribe("ticks")[1]["next"] == "5"


def test_a_welcome_stands_before_the_next_message(hub):
    hub = hub("--plain", "127.0.0.1:0=ticks", "--welcome", "hello")
    clients = [at(hub) for _ in range(20)]
    assert [client.frame() for client in clients] == [b"hello"] * 20
    hub.publish("ticks", [b"one"])
    assert [client.frame() for client in clients] == [b"one"] * 20


@pytest.mark.parametrize("noise", [*BAD, frames([b"SUBSCRIBE other", b"evil"]), b"\0" * 200_000])
def test_what_is_sent_to_an_out_port_is_thrown_away(hub, noise):
    hub = hub("--plain", "127.0.0.1:0=ticks:out", "--welcome", "hello")
    client = at(hub)
    client.send(noise)
    client.half_close()
    assert client.frame() == b"hello"
    subscribers(hub, 1)
    hub.publish("ticks", [b"one"])
    assert client.frame() == b"one"
    assert hub.messages("ticks", 1) == [b"one"]


def test_an_in_port_takes_messages_and_writes_nothing(hub):
    ports = ["--plain", "127.0.0.1:0=ticks:in", "--plain", "127.0.0.1:0=other"]
    hub = hub(*ports, "--welcome", "never", "--replay", "10")
    reader, _ = hub.subscribe("ticks")
    messages = [b"hello", b"", b"PUBLISH other", b"x" * 100_000]
    client = at(hub)
    for message in messages:
        client.send(frame(message))
        assert reader.frame() == message
    client.half_close()
    assert read_to_end(client.sock) == b""


@pytest.mark.parametrize("bad", [*BAD, b"100       cut", b"12", b"16777217  "])
@pytest.mark.parametrize("count", [0, 2])
def test_bad_input_just_closes_an_in_port(hub, bad, count):
    hub = hub("--plain", "127.0.0.1:0=ticks:in")
    client = at(hub)
    client.send(frames(numbered(count)) + bad)
    client.half_close()
    assert read_to_end(client.sock) == b""
    hub.publish("ticks", [b"end"])
    assert hub.messages("ticks", count + 1) == [*numbered(count), b"end"]


def test_who_uses_a_both_port_sees_its_own_messages_among_the_others(hub):
    hub = hub("--plain", "127.0.0.1:0=ticks:both", "--welcome", "hello")
    one, two = at(hub), at(hub)
    assert [one.frame(), two.frame()] == [b"hello", b"hello"]
    for number in range(20):
        (one, two)[number % 2].send(frame(b"%d" % number))
        assert [one.frame(), two.frame()] == [b"%d" % number] * 2
    assert hub.messages("ticks", 20) == numbered(20)


@pytest.mark.parametrize("bad", [*BAD, b"16777217  "])
def test_bad_input_closes_a_both_port_between_two_frames(hub, bad):
    hub = hub("--plain", "127.0.0.1:0=ticks:both")
    client = at(hub)
    client.send(frames(numbered(3)))
    assert [client.frame() for _ in range(3)] == numbered(3)
    client.send(frame(b"last") + bad)
    assert client.rest() in ([], [b"last"])
    assert hub.messages("ticks", 4) == [*numbered(3), b"last"]


@pytest.mark.parametrize("direction", ["out", "in", "both"])
def test_a_request_is_not_waited_for_and_so_never_late(hub, direction):
    hub = hub("--plain", f"127.0.0.1:0=ticks:{direction}", "--request-timeout", "100ms")
    plain, asking = at(hub), hub.connect()
    assert asking.only().startswith(b"ERROR TIMEOUT ")  # came later and is gone already
    if direction == "in":
        plain.send(frame(b"hello"))
        assert hub.messages("ticks", 1) == [b"hello"]
    else:
        hub.publish("ticks", [b"hello"])
        assert plain.frame() == b"hello"


@pytest.mark.parametrize("direction", ["in", "both"])
@pytest.mark.parametrize("part", [b"12", b"100       half"])
def test_a_slow_sender_is_just_closed(hub, direction, part):
    hub = hub("--plain", f"127.0.0.1:0=ticks:{direction}", "--header-timeout", "100ms", "--stall-timeout", "100ms")
    client = at(hub)
    client.send(part)
    assert read_to_end(client.sock) == b""


def test_one_connection_too_many_is_just_closed(hub):
    hub = hub("--plain", "127.0.0.1:0=ticks:both", "--max-connections", "2")
    kept = [hub.subscribe("ticks")[0], at(hub)]
    for number in range(20):
        # Both are served, so both are counted.
        kept[1].send(frame(b"%d" % number))
        assert [one.frame() for one in kept] == [b"%d" % number] * 2
        assert read_to_end(at(hub).sock) == b""


def test_a_plain_port_and_the_protocol_share_a_channel(hub):
    hub = hub("--plain", "127.0.0.1:0=ticks:both")
    reader, _ = hub.subscribe("ticks", " from=first")
    device = at(hub)
    device.send(frame(b"from the device"))
    assert device.frame() == reader.frame() == b"from the device"
    hub.publish("ticks", [b"from a client"])
    assert device.frame() == reader.frame() == b"from a client"


@pytest.mark.parametrize("plain", ["127.0.0.1:0", "127.0.0.1:0=", "127.0.0.1:0=Ticks", "127.0.0.1:0=ticks:", "127.0.0.1:0=ticks:up", "=ticks"])
def test_a_plain_port_without_a_channel_is_wrong_usage(tenfold, plain):
    process = tenfold("serve", "--plain", plain, listen=True)
    assert process.wait() == 2, process.err


def test_a_half_close_on_an_in_port_is_answered_by_the_end(hub):
    hub = hub("--plain", "127.0.0.1:0=ticks:in")
    for _ in range(50):
        client = at(hub)
        client.send(frame(b"x"))
        client.half_close()
        assert client.rest() == []
    assert hub.messages("ticks", 50) == [b"x"] * 50


@pytest.mark.parametrize("end", ["drain", "bad input"])
def test_who_sends_and_gets_on_one_port_gets_everything_before_its_end(hub, end):
    """Once the rest was not delivered when the hub ended, and destroyed by a reset after bad input."""
    hub = hub("--plain", "127.0.0.1:0=ticks:both", "--replay", "1000")
    messages = [b"%d " % number + b"x" * 20_000 for number in range(200)]
    hub.publish("ticks", messages)
    client = at(hub, receive_buffer=4096)
    subscribers(hub, 1)
    if end == "drain":
        hub.may_die()
        hub.process.signal(signal.SIGTERM)
        assert read_to_end(client.sock) == frames(messages)
    else:
        assert [client.frame() for _ in range(200)] == messages
        client.send(b"x" + b"y" * 100_000)
        assert read_to_end(client.sock) == b""


def test_who_sends_and_gets_is_one_connection(hub):
    hub = hub("--plain", "127.0.0.1:0=ticks:both")
    with at(hub):
        subscribers(hub, 1)
        wait_until(lambda: hub.health()["connections"] == "2", what="one client and who asks")


# What a first program on a microcontroller sends, and words of the hub's log that name what is wrong with it.
MISTAKES = {
    "println": (b"5         hello\r\n5         world\r\n", "message=1", "print, not println"),
    "a newline": (b"5         hello\n5         world\n", "message=1", "print, not println"),
    "no padding": (b"5hello5world", "message=0", "without padding"),
    "zeros": (b"0000000005hello", "message=0", "zero-padded"),
    "spaces first": (b"         5hello", "message=0", "right-aligned"),
    "lines": (b"hello\nworld\n", "message=0", "lines of text"),
    "HTTP": (b"POST /ticks HTTP/1.1\r\nHost: hub\r\n\r\nhello", "message=0", "HTTP"),
    "MQTT": (b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x3c\x00\x03abc", "message=0", "MQTT"),
    "a binary length": (b"\x00\x00\x00\x05hello", "message=0", "4-byte binary length"),
    "characters counted": ("5         café!2         ok".encode(), "message=1", "bytes, not characters"),
    "cut": (b"5         hel", "message=0", "2 missing"),
    "too large": (b"9999999999", "message=0", "TOO_LARGE"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_log_names_the_mistake_of_a_client_that_is_told_nothing(hub, mistake):
    data, place, words = MISTAKES[mistake]
    hub = hub("--plain", "127.0.0.1:0=sensors:in")
    client = at(hub)
    client.send(data)
    client.half_close()
    assert read_to_end(client.sock) == b""

    def line() -> str | None:
        return next((line for line in hub.process.err.splitlines() if "a client's mistake" in line), None)

    said = wait_until(line, what="a line about the mistake")
    for part in ("WARN", "sensors", place, words, "127.0.0.1:%d" % client.sock.getsockname()[1]):
        assert part in said, said


def test_a_client_that_makes_a_mistake_again_and_again_is_named_once_in_a_minute(hub):
    hub = hub("--plain", "127.0.0.1:0=sensors:in")
    for _ in range(20):
        client = at(hub)
        client.send(b"5hello")
        assert read_to_end(client.sock) == b""
    with hub.connect() as client:
        client.request("HELLO")
        assert client.answer().startswith(b"ERROR PROTO")
    hub.process.signal(signal.SIGTERM)
    assert hub.process.wait() == 0
    assert hub.process.err.count("a client's mistake") == 1
