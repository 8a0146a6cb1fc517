"""Requests and answers of the hub, byte by byte: every verb and field, its default, and what is refused."""

import json
import random
import re
import ssl

import pytest

from hub import Client, ok, refused
from support import frame, frames, read_to_end, unframe, wait_until

EPOCH = rb"[0-9a-f]{16}"
OTHER = "0123456789abcdef"
# Stands in what is sent. No answer may have it.
MARKER = "zqxjkv"


def matches(pattern: bytes, answer: bytes):
    assert re.fullmatch(pattern.replace(b"EPOCH", EPOCH), answer), answer


# What is right.


def test_a_subscription_to_an_unknown_channel_is_told_that_it_is_new(hub):
    _, answer = hub().ask("SUBSCRIBE ticks")
    matches(rb"OK epoch=EPOCH from=0 first=0 next=0 new=1", answer)


def test_a_channel_with_messages_or_a_publisher_is_not_new(hub):
    hub = hub()
    _, publishing = hub.ask("PUBLISH quiet")
    matches(rb"OK epoch=EPOCH next=0 acks=memory", publishing)
    _, answer = hub.ask("SUBSCRIBE quiet")
    assert answer == b"OK epoch=%s from=0 first=0 next=0" % ok(publishing)["epoch"].encode()
    epoch = ok(hub.publish("ticks", [b"hello", b"world"]))["epoch"].encode()
    _, answer = hub.ask("SUBSCRIBE ticks")
    assert answer == b"OK epoch=%s from=2 first=0 next=2" % epoch


@pytest.mark.parametrize(
    "fields, answer",
    [
        ("", rb"OK epoch=EPOCH next=0 acks=memory"),
        (" acks=memory", rb"OK epoch=EPOCH next=0 acks=memory"),
        (" acks=none", rb"OK epoch=EPOCH next=0 acks=none"),
        (" producer=meter7", rb"OK epoch=EPOCH next=0 acks=memory"),
        (" producer=_a.B-9 acks=none", rb"OK epoch=EPOCH next=0 acks=none"),
        (" acks=none producer=_a.B-9", rb"OK epoch=EPOCH next=0 acks=none"),
    ],
)
def test_each_form_of_publish_has_its_answer(hub, fields, answer):
    matches(answer, hub().ask("PUBLISH ticks" + fields)[1])


def test_the_fields_of_subscribe_stand_in_any_order(hub):
    hub = hub()
    epoch = ok(hub.publish("ticks", [b"a", b"b", b"c"]))["epoch"]
    for fields in (f"from=1 epoch={epoch}", f"epoch={epoch} from=1"):
        client, keys = hub.subscribe("ticks", " " + fields)
        assert keys == {"epoch": epoch, "from": "1", "first": "0", "next": "3"}
        assert [client.frame(), client.frame()] == [b"b", b"c"]


def test_the_longest_names_are_accepted(hub):
    hub = hub()
    for name in ("x" * 128, "0", "9-_.", "a" + "._-" * 42):
        assert hub.ask(f"SUBSCRIBE {name}")[1].startswith(b"OK ")
        assert hub.ask(f"PUBLISH {name} producer={'Z' * 64}")[1].startswith(b"OK ")


@pytest.mark.parametrize("line", ["SUBSCRIBE ticks", "PUBLISH ticks", "HEALTH", "PUBLISH ticks acks=none"])
def test_one_line_feed_at_the_end_of_a_request_is_tolerated(hub, line):
    assert hub().ask(line + "\n")[1].startswith(b"OK ")


def test_channels_are_listed_in_the_order_of_their_names(hub):
    hub = hub()
    names = ["b", "a", "a0", "a-z", "a_z", "a.z", "aa", "9", "ab", "z" * 128]
    epochs = {name: ok(hub.publish(name, [b"x" * size for size in range(index + 1)]))["epoch"] for index, name in enumerate(names)}
    reader, _ = hub.subscribe("aa")
    writer, _ = hub.ask("PUBLISH b")
    expected = [
        {
            "channel": name,
            "epoch": epochs[name],
            "first": 0,
            "next": (count := names.index(name) + 1),
            "bytes": 10 * count + count * (count - 1) // 2,
            "subscribers": int(name == "aa"),
            "publishers": int(name == "b"),
            "storage": "memory",
        }
        for name in sorted(names)
    ]

    def listed():
        with hub.connect() as client:
            client.request("CHANNELS")
            rows = client.rest()
        # The publishers that are done may still be on their way out.
        return rows == [json.dumps(row, separators=(",", ":")).encode() for row in expected]

    wait_until(listed, what=f"the list {expected}")


def test_a_hub_without_channels_lists_none(hub):
    client = hub().connect()
    client.request("CHANNELS")
    assert client.rest() == []


def test_a_subscription_to_nothing_leaves_nothing(hub):
    hub = hub()
    client, _ = hub.ask("SUBSCRIBE nobody")
    # A half-close does not end delivery, so a quiet channel cannot tell a close from it; a reset is the end at once.
    client.reset()
    wait_until(lambda: hub.health()["channels"] == "0", what="a hub without channels")


def test_a_subscriber_that_has_closed_is_let_go_with_the_next_message(hub):
    hub = hub()
    for _ in range(20):
        hub.ask("SUBSCRIBE ticks")[0].close()
    # The first message is answered by a reset, which the hub sees with the next one at the latest.
    for _ in range(2):
        hub.publish("ticks", [b"hello"])
    wait_until(lambda: hub.health()["connections"] == "1", what="the end of the subscribers")


def test_health_is_one_line_of_known_keys(hub):
    hub = hub()
    hub.publish("ticks", [b"hello", b""])
    hub.subscribe("ticks")
    client = hub.connect()
    client.request("HEALTH")
    line = client.only()
    matches(rb"OK status=ok version=\d+\.\d+\.\d+\S* uptime=\d+ connections=\d+ channels=1 messages=2 bytes=25", line)
    wait_until(lambda: hub.health()["connections"] == "2", what="the count of the subscriber and of the one who asks")


# How it arrives must not matter.


@pytest.mark.parametrize("line", ["SUBSCRIBE ticks from=first", "PUBLISH ticks producer=meter7"])
def test_a_request_may_be_split_at_every_byte(hub, line):
    hub = hub("--request-timeout", "1h")
    hub.publish("ticks", [b"hello"])
    whole = hub.ask(line)[1]
    data = frame(line.encode())
    for at in range(1, len(data)):
        with hub.connect() as client:
            client.send(data[:at])
            client.wait_taken()
            client.send(data[at:])
            assert client.answer() == whole, at
    with hub.connect() as client:
        for byte in data:
            client.send(bytes([byte]))
            client.wait_taken()
        assert client.answer() == whole


# What is not.


MALFORMED = [
    (b"", 1, None),
    (b"\n", 1, None),
    (b" ", 1, None),
    (b"zqxjkv", 1, None),
    (b"subscribe zqxjkv", 1, None),
    (b" SUBSCRIBE zqxjkv", 1, None),
    (b"SUBSCRIBEzqxjkv", 1, None),
    (b"zqxjkv\n\nSUBSCRIBE ticks", 1, None),
    (b"SUBSCRIBE", 2, None),
    (b"SUBSCRIBE ", 2, None),
    (b"SUBSCRIBE  zqxjkv", 2, None),
    (b"SUBSCRIBE Zqxjkv", 2, None),
    (b"SUBSCRIBE .zqxjkv", 2, None),
    (b"SUBSCRIBE -zqxjkv", 2, None),
    (b"SUBSCRIBE _zqxjkv", 2, None),
    (b"SUBSCRIBE zqxjkv/a", 2, None),
    (b"SUBSCRIBE zqxjkv\n\n", 2, None),
    (b"SUBSCRIBE zqxjkv\r\n", 2, None),
    (b"SUBSCRIBE zqxjkv\r", 2, None),
    (b"SUBSCRIBE zqxjkv\0", 2, None),
    (b"SUBSCRIBE\tzqxjkv", 1, None),
    (b"SUBSCRIBE zqxjkv\x7f", 2, None),
    (b"SUBSCRIBE " + b"x" * 129, 2, None),
    (b"SUBSCRIBE zqxjkv ", 3, None),
    (b"SUBSCRIBE zqxjkv  from=1", 3, None),
    (b"SUBSCRIBE ticks zqxjkv", 3, None),
    (b"SUBSCRIBE ticks zqxjkv=1", 3, None),
    (b"SUBSCRIBE ticks from", 3, None),
    (b"SUBSCRIBE ticks FROM=1", 3, None),
    (b"SUBSCRIBE ticks producer=zqxjkv", 3, None),
    (b"SUBSCRIBE ticks acks=none", 3, None),
    (b"SUBSCRIBE ticks from=\xc3\xa9zqxjkv", 3, None),
    (b"SUBSCRIBE ticks from=1 from=1", 4, "from"),
    (b"SUBSCRIBE ticks from=1 epoch=zqxjkv", 4, "epoch"),
    (b"SUBSCRIBE ticks epoch=", 3, "epoch"),
    (b"SUBSCRIBE ticks epoch=0123456789abcde", 3, "epoch"),
    (b"SUBSCRIBE ticks epoch=0123456789abcdef0", 3, "epoch"),
    (b"SUBSCRIBE ticks epoch=0123456789ABCDEF", 3, "epoch"),
    (b"SUBSCRIBE ticks epoch=0123456789abcdef epoch=0123456789abcdef", 4, "epoch"),
    (b"PUBLISH", 2, None),
    (b"PUBLISH zqxjkv ", 3, None),
    (b"PUBLISH ticks from=1", 3, None),
    (b"PUBLISH ticks epoch=0123456789abcdef", 3, None),
    (b"PUBLISH ticks producer=", 3, "producer"),
    (b"PUBLISH ticks producer=zqxjkv/", 3, "producer"),
    (b"PUBLISH ticks producer=" + b"x" * 65, 3, "producer"),
    (b"PUBLISH ticks producer=a producer=a", 4, "producer"),
    (b"PUBLISH ticks acks=", 3, "acks"),
    (b"PUBLISH ticks acks=zqxjkv", 3, "acks"),
    (b"PUBLISH ticks acks=none acks=none", 4, "acks"),
    (b"PUBLISH ticks acks=none producer=a zqxjkv=", 5, None),
    (b"CHANNELS zqxjkv", 2, None),
    (b"CHANNELS ", 2, None),
    (b"HEALTH zqxjkv", 2, None),
    (b"HEALTH\n\n", 1, None),
    (b"health", 1, None),
    *(
        (b"SUBSCRIBE ticks from=" + value, 3, "from")
        for value in b"|zqxjkv|First|-|-0|-01|--1|-zqxjkv|+1|01|00|1.5|18446744073709551616|@|@-1|@1.|@.5|@1.0000000001|@zqxjkv|"
        b"@2026-11-24|@2026-11-24T08:30Z|@2026-11-24T08:30:00|@2026-13-24T08:30:00Z|@2026-11-24T08:30:00.Z|"
        b"@2026-11-24T08:30:00.0000000001Z".split(b"|")
    ),
]


def test_a_malformed_request_is_answered_with_the_field_and_never_with_its_text(hub):
    hub = hub()
    for line, field, key in MALFORMED:
        answer = hub.refusal(line)
        try:
            refused(answer, "PROTO", **{"field": field, **({"key": key} if key else {})})
        except AssertionError:
            raise AssertionError(f"{line}: {answer}") from None
        assert MARKER not in answer.decode().lower(), line
    assert hub.health()["channels"] == "0"


def test_a_position_may_be_any_number_of_64_bits(hub):
    hub = hub()
    refused(hub.refusal("SUBSCRIBE ticks from=18446744073709551615"), "FUTURE", next=0)
    assert hub.subscribe("ticks", " from=-18446744073709551615")[1]["from"] == "0"


def test_a_request_is_at_most_4096_bytes_and_the_header_decides(hub):
    hub = hub()
    refused(hub.refusal("SUBSCRIBE ticks " + "x" * 4080), "PROTO", field=3)
    for length in (4097, 16 << 20, 9_999_999_999):
        client = hub.connect()
        client.send(b"%-10d" % length)
        refused(client.only(), "TOO_LARGE", offset=0, message=0, length=length, limit=4096)


@pytest.mark.parametrize("good", [b"12        ", b"4096      ", b"0         ", b"1234567890"])
def test_a_header_is_refused_at_its_first_illegal_byte(hub, good):
    hub = hub()
    for at in range(10):
        for bad in b"x-+,\n\0\xff" + (b"0" if at == 0 and good != b"0         " else b""):
            client = hub.connect()
            prefix = good[:at] + bytes([bad])
            if at == 0 and bad == ord("0"):
                prefix += b"1"
            client.send(prefix)
            # The rest of the ten is not waited for: the connection stays open on this side.
            refused(client.only(), "HEADER", offset=0, message=0)
            client.close()


def tls_hello() -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="example.org").do_handshake()
    return outgoing.read()


def test_a_client_that_speaks_tls_is_told_that_the_port_does_not(hub):
    client = hub().connect()
    client.send(tls_hello())
    answer = client.only()
    assert answer.startswith(b"ERROR PROTO ") and b"does not speak TLS" in answer, answer


@pytest.mark.parametrize(
    "stream, word",
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"HTTP"),
        (bytes(4096), b""),
        (b" " * 4096, b""),
        (b"\x80" + random.Random(3).randbytes(100_000), b""),
        (b"{\"verb\":\"zqxjkv\"}", b"JSON"),
        (b"PUBLISH zqxjkv\n", b""),
    ],
    ids=["http", "zeros", "spaces", "random", "json", "no header"],
)
def test_strangers_are_told_what_they_look_like(hub, stream, word):
    client = hub().connect()
    client.send(stream)
    answer = client.only()
    refused(answer, "HEADER", offset=0, message=0)
    assert word in answer and MARKER.encode() not in answer


@pytest.mark.parametrize("cut", [1, 9, 10, 11, 22])
def test_a_request_that_ends_early_is_not_a_frame(hub, cut):
    client = hub().connect()
    client.send(frame(b"PUBLISH ticks")[:cut])
    client.half_close()
    refused(client.only(), "HEADER", offset=0, message=0)


def test_a_connection_that_asks_nothing_is_let_go(hub):
    hub = hub()
    client = hub.connect()
    client.half_close()
    assert len(unframe(read_to_end(client.sock))) <= 1
    assert hub.health()["status"] == "ok"


@pytest.mark.parametrize(
    "start, code",
    [
        (b"x", "HEADER"),
        (b"4097      ", "TOO_LARGE"),
        (frame(b"PUBLISH evil bogus"), "PROTO"),
        (frame(b"PUBLISH evil acks=durable"), "DENIED"),
        (frame(b"SUBSCRIBE evil from=5"), "FUTURE"),
    ],
)
def test_nothing_behind_a_refused_request_is_interpreted(hub, start, code):
    hub = hub()
    client = hub.connect()
    client.send(start + frames([b"PUBLISH evil", b"message", b"HEALTH"]) * 50)
    client.half_close()
    assert client.only().startswith(b"ERROR %s " % code.encode())
    assert hub.health()["messages"] == "0"
    assert hub.health()["channels"] == "0"


def test_what_follows_a_question_is_thrown_away(hub):
    hub = hub()
    client = hub.connect()
    client.send(frames([b"HEALTH", b"HEALTH", b"PUBLISH evil", b"message"]) + b"garbage")
    assert client.only().startswith(b"OK status=ok")
    assert hub.health()["channels"] == "0"


def test_durable_acknowledgements_are_denied_without_a_log(hub):
    refused(hub().refusal("PUBLISH ticks acks=durable"), "DENIED")


def test_a_refused_request_leaves_a_channel_as_it_was(hub):
    hub = hub()
    hub.publish("ticks", [b"hello"])
    reader, _ = hub.subscribe("ticks", " from=first")
    refused(hub.refusal("SUBSCRIBE ticks from=2"), "FUTURE", next=1)
    refused(hub.refusal("PUBLISH ticks acks=durable"), "DENIED")
    refused(hub.refusal(f"SUBSCRIBE ticks from=9 epoch={OTHER}"), "EPOCH", epoch=hub.subscribe("ticks")[1]["epoch"], first=0)
    hub.publish("ticks", [b"world"])
    assert [reader.frame(), reader.frame()] == [b"hello", b"world"]


def test_many_rude_clients_leave_the_hub_as_it_was(hub):
    hub = hub()
    dice = random.Random(5)
    good = frame(b"PUBLISH ticks acks=none") + frames([b"x"] * 3)
    for _ in range(300):
        client = Client(hub.port)
        data = bytearray(good)
        data[dice.randrange(10)] = dice.choice(b"x+\0\xff")
        try:
            client.send(bytes(data[: dice.randrange(len(data))]))
        finally:
            client.reset() if dice.random() < 0.5 else client.close()
    wait_until(lambda: hub.health()["connections"] == "1", what="the end of all but the one who asks")
    assert hub.health()["messages"] == "0"
