"""Producers: each message once and in its order, wherever connections are cut and whoever publishes last."""

import random
import select

import pytest

from hub import ack, grown, ok, refused
from support import FULL, frame, frames, read_exactly, unframe

MESSAGES = [b"", b"1", b"hello", b"", b"12        ", b"x" * 37, b"7", b"0         ", b"last"]
STREAM = frames(MESSAGES)
# Where each message ends in the stream.
ENDS = [len(frames(MESSAGES[: count + 1])) for count in range(len(MESSAGES))]


def whole(length: int) -> int:
    """How many messages are whole in the stream's first bytes."""
    return sum(end <= length for end in ENDS)


def begin(hub, channel: str, producer: str = "meter7", fields: str = ""):
    client, answer = hub.ask(f"PUBLISH {channel} producer={producer}{fields}")
    return client, int(ok(answer)["next"])


def finish(client, messages) -> list[int]:
    client.send(frames(messages))
    client.half_close()
    return grown(client.rest())


@pytest.mark.parametrize("cut", ["end", "reset"])
def test_what_was_acknowledged_is_what_the_next_connection_is_told_after_a_cut_at_any_byte(hub, cut):
    hub = hub()
    for length in range(len(STREAM) + 1):
        channel = f"at-{length}"
        client, next = begin(hub, channel)
        assert next == 0
        client.send(STREAM[:length])
        count = whole(length)
        seen = 0
        while seen < count:
            seen = ack(client.answer())
        assert seen == count
        client.reset() if cut == "reset" else client.close()
        client, next = begin(hub, channel)
        assert next == count, length
        # Numbers go on where they were: they count over all connections.
        acks = finish(client, MESSAGES[next:])
        assert acks[-1] == len(MESSAGES) and all(number >= count for number in acks)
        reader, keys = hub.subscribe(channel, " from=first")
        assert keys["next"] == str(len(MESSAGES))
        assert read_exactly(reader.sock, len(STREAM)) == STREAM
        reader.close()


def test_a_half_close_at_any_byte_tells_the_exact_number(hub):
    hub = hub()
    for length in range(len(STREAM) + 1):
        client, _ = begin(hub, f"at-{length}", fields=" acks=none")
        client.send(STREAM[:length])
        client.half_close()
        frames = client.rest()
        between = length == 0 or length in ENDS
        if between:
            assert frames == [b"ACK %d" % whole(length)]
        else:
            assert frames[-1].startswith(b"ERROR HEADER ")
        client, next = begin(hub, f"at-{length}")
        assert next == whole(length)
        client.close()


@pytest.mark.parametrize("cut", ["end", "reset"])
def test_cuts_that_nobody_waits_for_lose_nothing_and_repeat_nothing(hub, cut):
    hub = hub()
    messages = [b"%d %s" % (number, b"x" * (number % 50)) for number in range(400)]
    ends = [0]
    for message in messages:
        ends.append(ends[-1] + 10 + len(message))
    stream = frames(messages)
    dice = random.Random(11)
    client, next = begin(hub, "ticks")
    connections = 0
    while next < len(messages):
        at = ends[next]
        length = dice.randrange(min(900, len(stream) - at) + 1)
        client.send(stream[at : at + length])
        client.reset() if cut == "reset" else client.close()
        sent = max(count for count in range(len(ends)) if ends[count] <= at + length)
        client, reached = begin(hub, "ticks")
        assert next <= reached <= sent
        next = reached
        connections += 1
        assert connections < 10_000
    assert finish(client, []) == [len(messages)]
    reader, keys = hub.subscribe("ticks", " from=first")
    assert keys["next"] == str(len(messages))
    assert read_exactly(reader.sock, len(stream)) == stream


def test_each_producer_of_each_channel_is_counted_alone(hub):
    hub = hub()
    for count, (channel, producer) in enumerate((c, p) for c in ("a", "b") for p in ("p", "P", "p_", "q")):
        client, next = begin(hub, channel, producer)
        assert next == 0
        assert finish(client, [b"x"] * (count + 1))[-1] == count + 1
    hub.publish("a", [b"y"] * 5)
    for count, (channel, producer) in enumerate((c, p) for c in ("a", "b") for p in ("p", "P", "p_", "q")):
        assert begin(hub, channel, producer)[1] == count + 1


def test_the_second_connection_of_a_producer_fences_the_first(hub):
    hub = hub()
    first, _ = begin(hub, "ticks")
    first.send(frame(b"17.25"))
    assert first.answer() == b"ACK 1"
    second, next = begin(hub, "ticks")
    assert next == 1
    assert first.only() == b"ERROR FENCED another connection publishes as this producer now"
    third, next = begin(hub, "ticks")
    assert next == 1
    refused(second.only(), "FENCED")
    assert finish(third, [b"more"])[-1] == 2
    assert hub.messages("ticks", 2) == [b"17.25", b"more"]


def test_fencing_has_no_respect_for_a_frame_that_has_begun(hub):
    hub = hub()
    first, _ = begin(hub, "ticks")
    first.send(frame(b"half")[:12])
    first.wait_taken()
    second, next = begin(hub, "ticks")
    assert next == 0
    first.send(b"lf" + frame(b"evil"))
    refused(first.only(), "FENCED")
    assert finish(second, [b"good"])[-1] == 1
    assert hub.messages("ticks", 1) == [b"good"]


def test_a_refused_second_connection_fences_nobody(hub):
    hub = hub()
    first, _ = begin(hub, "ticks")
    refused(hub.refusal("PUBLISH ticks producer=meter7 acks=durable"), "DENIED")
    refused(hub.refusal("PUBLISH ticks producer=meter7 bogus=1"), "PROTO", field=4)
    begin(hub, "other")[0].close()
    begin(hub, "ticks", "meter8")[0].close()
    assert finish(first, [b"still here"])[-1] == 1


def readable(client) -> bool:
    return bool(select.select([client.sock], [], [], 0)[0])


def race(hub, dice: random.Random, channel: str):
    """One connection publishes while a second one with the same producer comes in. Every byte of the first counts or none does."""
    first, next = begin(hub, channel)
    assert next == 0
    sent = 0

    def burst():
        nonlocal sent
        count = dice.choice([1, 1, 2, 10, 60])
        first.send(frames(b"a%d" % number for number in range(sent, sent + count)))
        sent += count

    for _ in range(dice.randrange(4)):
        burst()
    second = hub.connect()
    if dice.random() < 0.5:
        burst()
    second.request(f"PUBLISH {channel} producer=meter7")
    while not readable(second):
        burst()
        if sent > 100_000:
            break
    kept = int(ok(second.answer())["next"])
    assert kept <= sent
    # What the first still sends, and what of it is still on its way, must not be appended any more. The hub reads
    # and throws away 1 MiB of it, for 1 s; after that it resets the connection, and its last words may be lost.
    more = dice.randrange(1, 5)
    try:
        burst()
    except (BrokenPipeError, ConnectionResetError):
        pass
    second.send(frames(b"b%d" % number for number in range(kept, kept + more)))
    try:
        burst()
        *acks, last = first.rest()
    except (BrokenPipeError, ConnectionResetError):
        acks, last = [], None
    if last is not None:
        refused(last, "FENCED")
    if acks:
        assert grown(acks)[-1] <= kept
    second.half_close()
    assert grown(second.rest())[-1] == kept + more
    expected = frames([b"a%d" % number for number in range(kept)] + [b"b%d" % number for number in range(kept, kept + more)])
    reader, keys = hub.subscribe(channel, " from=first")
    assert keys["next"] == str(kept + more)
    stream = read_exactly(reader.sock, len(expected))
    assert stream == expected, (kept, unframe(stream))
    for client in (first, second, reader):
        client.close()
    return kept, sent


def test_no_byte_of_a_fenced_connection_is_appended_however_they_race(hub):
    hub = hub("--max-channels", "1000000")
    dice = random.Random(13)
    rounds = 20_000 if FULL else 2000
    cut = sum(0 < kept < sent for kept, sent in (race(hub, dice, f"race-{number}") for number in range(rounds)))
    # The second came in while the first was being read, often enough to mean something.
    assert cut > rounds // 10


def test_connections_that_take_a_producer_from_each_other_store_each_message_once(hub):
    """Eight at a time, each going on from what it is told; the channel is one sequence without a gap."""
    hub = hub()
    dice = random.Random(17)
    goal = 3000
    clients, told = [], []
    while not told or told[-1] < goal:
        client, next = begin(hub, "ticks")
        client.send(frames(b"%d" % number for number in range(next, next + dice.randrange(1, 40))))
        clients.append(client)
        told.append(next)
        if len(clients) > 8:
            clients.pop(0).close()
    assert told == sorted(told)
    client, next = begin(hub, "ticks")
    assert finish(client, [])[-1] == next
    expected = frames(b"%d" % number for number in range(next))
    reader, keys = hub.subscribe("ticks", " from=first")
    assert keys["next"] == str(next)
    assert read_exactly(reader.sock, len(expected)) == expected
