"""Publishing: acknowledgements that are never waited for, ends of every kind, and bad input after good messages."""

import threading

import pytest

from hub import KIB, MIB, ack, grown, numbered, ok, refused
from support import BOUND, frame, frames, wait_until

REQUEST = frame(b"PUBLISH ticks")
MESSAGES = [b"hello", b"", b"x", b"", b"12        ", b"\0\xff\n", b"y" * 300]


def stored(hub, count: int, channel: str = "ticks"):
    """The messages that the channel has, of which there must be `count`."""
    client, keys = hub.subscribe(channel, " from=first")
    with client:
        assert keys["next"] == str(count)
        return [client.frame() for _ in range(count)]


# Acknowledgements.


def test_acknowledgements_grow_up_to_what_was_sent(hub):
    hub = hub()
    client, answer = hub.ask("PUBLISH ticks")
    assert ok(answer)["next"] == "0"
    seen = 0
    for number in range(1, 200):
        client.send(frame(b"x" * number))
        last = seen
        while last < number:  # the hub need not be asked for an acknowledgement, nor pushed
            last = ack(client.answer())
            assert seen < last <= number
        seen = last
    client.half_close()
    assert [ack(line) for line in client.rest()] in ([], [199])


def test_one_acknowledgement_may_cover_everything_and_the_last_is_exact(hub):
    hub = hub()
    client, _ = hub.ask("PUBLISH ticks")
    client.send(frames(numbered(100_000)))
    client.half_close()
    assert grown(client.rest())[-1] == 100_000


@pytest.mark.parametrize("count", [0, 1, 500])
def test_without_acknowledgements_there_is_one_at_the_end(hub, count):
    hub = hub()
    client, answer = hub.ask("PUBLISH ticks acks=none")
    assert ok(answer)["acks"] == "none"
    for message in numbered(count):
        client.send(frame(message))
    client.half_close()
    assert client.rest() == [b"ACK %d" % count]
    assert stored(hub, count) == numbered(count)


def test_a_publisher_that_sends_nothing_is_told_that_nothing_is_stored(hub):
    hub = hub()
    client, _ = hub.ask("PUBLISH ticks")
    client.half_close()
    assert client.rest() == [b"ACK 0"]


def test_a_publisher_that_never_reads_is_never_held_up(hub):
    hub = hub()
    client = hub.connect(receive_buffer=65536)
    client.send(REQUEST)
    # One write for each message, so that there would be far more to acknowledge than any buffer takes.
    message, count = frame(b"x" * 6), 100_000
    for _ in range(count):
        client.sock.send(message)
    client.half_close()
    answer, *acks = client.rest()
    assert ok(answer)["next"] == "0"
    assert grown(acks)[-1] == count


def test_acknowledgements_count_one_connection(hub):
    hub = hub()
    for count in (3, 1, 4):
        hub.publish("ticks", numbered(count))  # looks at the last number
    assert len(stored(hub, 8)) == 8


# How it arrives.


def test_request_messages_and_end_may_come_in_one_write(hub):
    hub = hub()
    client = hub.connect()
    client.send(REQUEST + frames(MESSAGES))
    client.half_close()
    answer, *acks = client.rest()
    assert ok(answer)["next"] == "0"
    assert grown(acks)[-1] == len(MESSAGES)
    assert stored(hub, len(MESSAGES)) == MESSAGES


def test_messages_may_be_split_at_every_byte(hub):
    hub = hub("--request-timeout", "1h", "--header-timeout", "1h")
    messages = [b"hello", b"", b"12        x", b"world"]
    stream = REQUEST + frames(messages)
    rounds = 0
    for at in range(1, len(stream)):
        client = hub.connect()
        client.send(stream[:at])
        client.wait_taken()
        client.send(stream[at:])
        client.half_close()
        _, *acks = client.rest()
        assert grown(acks)[-1] == len(messages), at
        rounds += 1
    client = hub.connect()
    for byte in stream:
        client.send(bytes([byte]))
        client.wait_taken()
    client.half_close()
    assert grown(client.rest()[1:])[-1] == len(messages)
    assert stored(hub, len(messages) * (rounds + 1)) == messages * (rounds + 1)


def test_a_message_is_visible_with_its_last_byte_and_not_before(hub):
    hub = hub()
    reader, _ = hub.subscribe("ticks")
    writer, _ = hub.ask("PUBLISH ticks")
    writer.send(frames([b"first", b"second"])[:-1])
    assert ack(writer.answer()) == 1
    assert reader.frame() == b"first"
    assert hub.subscribe("ticks")[1]["next"] == "1"
    writer.send(b"d")
    assert ack(writer.answer()) == 2
    assert reader.frame() == b"second"


@pytest.mark.parametrize("size", [0, 1, 64 * KIB - 10, 64 * KIB, MIB, MIB + 1, 16 * MIB])
def test_a_message_of_any_legal_size_passes(hub, size):
    hub = hub()
    reader, _ = hub.subscribe("ticks")
    message = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    thread = threading.Thread(target=hub.publish, args=("ticks", [message, b"after"]), daemon=True)
    thread.start()
    assert reader.frame() == message
    assert reader.frame() == b"after"
    thread.join(BOUND)


# Ends.


def test_a_close_without_reading_stores_what_was_sent(hub):
    hub = hub()
    for number in range(20):
        # Nothing unread is left behind, so this close is an end and no reset.
        client, _ = hub.ask(f"PUBLISH end-{number} acks=none")
        messages = numbered(1000 * number)
        client.send(frames(messages))
        client.close()
        wait_until(lambda: len(messages) == int(hub.subscribe(f"end-{number}")[1]["next"]), what="the messages")
        assert hub.messages(f"end-{number}", len(messages)) == messages


def test_a_reset_leaves_whole_messages_in_their_order(hub):
    hub = hub()
    for number in range(50):
        client, _ = hub.ask(f"PUBLISH reset-{number}")
        messages = numbered(10 * number)
        client.send(frames(messages) + b"100       half")
        client.reset()
    wait_until(lambda: hub.health()["connections"] == "1", what="the end of the publishers")
    for number in range(50):
        client, keys = hub.subscribe(f"reset-{number}", " from=first")
        count = int(keys["next"])
        assert count <= 10 * number
        assert [client.frame() for _ in range(count)] == numbered(count)


@pytest.mark.parametrize("acks", ["memory", "none"])
@pytest.mark.parametrize("cut", [1, 9, 10, 11, 109])
def test_an_end_inside_a_frame_is_an_error_after_the_last_acknowledgement(hub, acks, cut):
    hub = hub()
    client, _ = hub.ask(f"PUBLISH ticks acks={acks}")
    good = frames(MESSAGES)
    client.send(good + frame(b"x" * 100)[:cut])
    client.half_close()
    *numbers, error = client.rest()
    assert grown(numbers)[-1] == len(MESSAGES)
    offset = len(frame(f"PUBLISH ticks acks={acks}".encode()) + good)
    refused(error, "HEADER", offset=offset, message=len(MESSAGES))
    assert stored(hub, len(MESSAGES)) == MESSAGES


@pytest.mark.parametrize("good", [b"12        ", b"0         ", b"16777216  "])
@pytest.mark.parametrize("count", [0, 3])
def test_a_bad_header_is_refused_at_each_of_its_bytes_and_what_came_before_is_stored(hub, good, count):
    hub = hub()
    messages = MESSAGES[:count]
    for at in range(10):
        channel = f"at-{at}"
        start = frame(b"PUBLISH %s" % channel.encode()) + frames(messages)
        client = hub.connect()
        # Legal frames follow the illegal byte; none of them may be stored.
        client.send(start + good[:at] + b"x" + frames([b"evil"] * 20))
        answer, *numbers, error = client.rest()
        ok(answer)
        if count:
            assert grown(numbers)[-1] == count
        refused(error, "HEADER", offset=len(start), message=count)
        assert stored(hub, count, channel) == messages


def test_a_bad_header_is_not_waited_for(hub):
    hub = hub()
    client, _ = hub.ask("PUBLISH ticks")
    client.send(b"G")
    *_, error = client.rest()
    refused(error, "HEADER", offset=len(REQUEST), message=0)


@pytest.mark.parametrize("limit, length", [(1024, 1025), (1024, 9_999_999_999), (None, 16 * MIB + 1), (None, 9_999_999_999)])
def test_a_message_over_the_limit_is_refused_on_its_header(hub, limit, length):
    hub = hub(*(("--max-message", str(limit)) if limit else ()))
    client = hub.connect()
    good = [b"a" * 1024, b"b"]
    client.send(REQUEST + frames(good) + b"%-10d" % length)
    answer, *numbers, error = client.rest()
    ok(answer)
    assert grown(numbers)[-1] == 2
    refused(error, "TOO_LARGE", offset=len(REQUEST + frames(good)), message=2, length=length, limit=limit or 16 * MIB)
    assert stored(hub, 2) == good


def test_subscribers_see_nothing_of_a_publishers_mistakes(hub):
    hub = hub()
    reader, _ = hub.subscribe("ticks")
    expected = []
    for mistake in (b"x", b"9999999999", b"+5", b"12", b"100       cut", b"01"):
        client, _ = hub.ask("PUBLISH ticks")
        expected.append(mistake)
        client.send(frame(mistake) + mistake)
        client.half_close()
        assert client.rest()[-1].startswith(b"ERROR ")
    assert [reader.frame() for _ in expected] == expected
    hub.publish("ticks", [b"end"])
    assert reader.frame() == b"end"


def test_bad_input_after_a_flood_still_has_its_acknowledgement_and_error(hub):
    # A close with unread input would make the system send a reset, and the answer would be lost on its way.
    hub = hub()
    for round in range(10):
        client, _ = hub.ask(f"PUBLISH flood-{round}")
        client.send(frames(numbered(5000)) + b"x" + b"y" * 900_000)
        *numbers, error = client.rest()
        assert grown(numbers)[-1] == 5000
        assert error.startswith(b"ERROR HEADER ")
