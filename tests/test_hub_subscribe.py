"""Where a subscription starts, and that it is whole: every position, every border, while others publish."""

import datetime
import random
import threading
import time

import pytest

from hub import KIB, MIB, numbered, ok, refused
from support import BOUND, FULL, frame, frames, read_exactly, read_to_end, unframe

OTHER = "0123456789abcdef"


def mixed(count: int) -> list[bytes]:
    """Messages of mixed sizes, most of them small."""
    dice = random.Random(7)
    pool = dice.randbytes(2 * MIB)
    sizes = dice.choices([0, 1, 10, 1000, 64 * KIB], weights=[30, 30, 30, 20, 10], k=count - 4) + [MIB, MIB + 1, MIB - 10, MIB - 1]
    dice.shuffle(sizes)
    return [pool[(at := dice.randrange(MIB - 1)) : at + size] for size in sizes]


def test_a_subscription_can_be_resumed_at_every_seq(hub):
    hub = hub()
    messages = mixed(400 if not FULL else 1000)
    epoch = ok(hub.publish("ticks", messages))["epoch"]
    stream = frames(messages)
    at = 0
    for seq, message in enumerate([*messages, b""]):
        client, keys = hub.subscribe("ticks", f" from={seq} epoch={epoch}")
        assert keys == {"epoch": epoch, "from": str(seq), "first": "0", "next": str(len(messages))}
        with client:
            left = len(stream) - at
            # All of it from some places, and from the others what two buffers of any size would hold.
            wanted = left if seq % 10 == 0 else min(left, 300 * KIB)
            assert read_exactly(client.sock, wanted) == stream[at : at + wanted], seq
        at += 10 + len(message)


def test_each_position_is_where_it_says(hub):
    hub = hub()
    messages = numbered(50)
    hub.publish("ticks", messages)
    for position, start in [
        ("first", 0),
        ("next", 50),
        ("last", 49),
        *((str(seq), seq) for seq in range(51)),
        *((f"-{count}", 50 - count) for count in range(1, 51)),
        ("-51", 0),
        ("-1000000", 0),
    ]:
        client, keys = hub.subscribe("ticks", f" from={position}")
        with client:
            assert (keys["from"], keys["first"], keys["next"]) == (str(start), "0", "50"), position
            assert read_exactly(client.sock, len(frames(messages[start:]))) == frames(messages[start:])
    refused(hub.refusal("SUBSCRIBE ticks from=51"), "FUTURE", next=50)


def test_the_default_position_is_next(hub):
    hub = hub()
    hub.publish("ticks", [b"before"])
    client, keys = hub.subscribe("ticks")
    assert keys["from"] == "1"
    hub.publish("ticks", [b"after"])
    assert client.frame() == b"after"


@pytest.mark.parametrize("position", ["first", "next", "last", "0", "-1", "-7", "@0", "@99999999999"])
def test_on_a_channel_without_messages_every_position_waits_for_the_first(hub, position):
    hub = hub()
    client, keys = hub.subscribe("ticks", f" from={position}")
    assert (keys["from"], keys["first"], keys["next"], keys["new"]) == ("0", "0", "0", "1")
    epoch = ok(hub.publish("ticks", [b"", b"hello"]))["epoch"]
    assert epoch == keys["epoch"]
    assert [client.frame(), client.frame()] == [b"", b"hello"]


def test_a_place_that_is_not_reached_is_refused_also_on_a_new_channel(hub):
    refused(hub().refusal("SUBSCRIBE ticks from=1"), "FUTURE", next=0)


# Time.


def clock_ticks() -> int:
    """Nanoseconds since 1970, some milliseconds apart from everything before and after."""
    time.sleep(0.005)  # the hub's clock is this one; its resolution is not known to a client
    now = time.time_ns()
    time.sleep(0.005)
    return now


def notations(ns: int):
    moment = datetime.datetime.fromtimestamp(ns // 1_000_000_000, datetime.timezone.utc)
    fraction = f"{ns % 1_000_000_000:09d}"
    yield f"@{ns // 1_000_000_000}.{fraction}"
    yield f"@{moment:%Y-%m-%dT%H:%M:%S}.{fraction}Z"
    east = moment.astimezone(datetime.timezone(datetime.timedelta(hours=5, minutes=30)))
    yield f"@{east:%Y-%m-%dT%H:%M:%S}.{fraction}+05:30"
    west = moment.astimezone(datetime.timezone(datetime.timedelta(hours=-8)))
    yield f"@{west:%Y-%m-%dT%H:%M:%S}.{fraction}-08:00"


def test_a_time_is_the_first_message_committed_at_or_after_it(hub):
    hub = hub()
    starts, at = [], 0
    for count in (100, 1, 1, 2000, 1, 300):
        starts.append((clock_ticks(), at))
        hub.publish("ticks", numbered(count, at))
        at += count
    starts.append((clock_ticks(), at))
    for ns, start in starts:
        for position in notations(ns):
            client, keys = hub.subscribe("ticks", f" from={position}")
            with client:
                assert (keys["from"], keys["next"]) == (str(start), str(at)), position
                if start < at:
                    assert client.frame() == b"%d" % start
    for position, start in [("@0", 0), ("@0.000000001", 0), ("@1970-01-01T00:00:00Z", 0), ("@9999999999", at), ("@2999-01-01T00:00:00Z", at)]:
        assert hub.subscribe("ticks", f" from={position}")[1]["from"] == str(start), position


# The borders of what is kept.


def test_what_is_no_longer_kept_is_refused_exactly_at_its_border(hub):
    hub = hub("--channel-memory", "256KiB")
    message = lambda number: b"%-1000d" % number
    count = 2000
    epoch = ok(hub.publish("ticks", map(message, range(count))))["epoch"]
    # What one read of the hub brings goes as a whole, and it may be as large as the memory: this is half of it.
    hub.publish("ticks", map(message, range(count, count + 120)))
    count += 120
    before = clock_ticks()
    hub.publish("ticks", [message(count)])
    count += 1
    client, keys = hub.subscribe("ticks", " from=first")
    first = int(keys["first"])
    assert keys == {"epoch": epoch, "from": str(first), "first": str(first), "next": str(count)}
    assert 0 < first < count - 1
    assert (count - first) * 1010 <= 256 * KIB
    kept = frames(map(message, range(first, count)))
    assert read_exactly(client.sock, len(kept)) == kept

    for seq in (0, 1, first // 2, first - 1):
        refused(hub.refusal(f"SUBSCRIBE ticks from={seq}"), "TRIMMED", first=first)
        refused(hub.refusal(f"SUBSCRIBE ticks from={seq} epoch={epoch}"), "TRIMMED", first=first)
        refused(hub.refusal(f"SUBSCRIBE ticks from={seq} epoch={OTHER}"), "EPOCH", epoch=epoch, first=first)
    for seq in (first, first + 1, count - 1, count):
        client, keys = hub.subscribe("ticks", f" from={seq} epoch={epoch}")
        assert (keys["from"], keys["first"]) == (str(seq), str(first))
        if seq < count:
            assert client.frame() == message(seq)
    for seq in (count + 1, 2**64 - 1):
        refused(hub.refusal(f"SUBSCRIBE ticks from={seq}"), "FUTURE", next=count)
        refused(hub.refusal(f"SUBSCRIBE ticks from={seq} epoch={OTHER}"), "EPOCH", epoch=epoch, first=first)
    refused(hub.refusal(f"SUBSCRIBE ticks epoch={OTHER}"), "EPOCH", epoch=epoch, first=first)

    for back in (1, 2, count - first - 1, count - first):
        assert hub.subscribe("ticks", f" from=-{back}")[1]["from"] == str(count - back)
    for back in (count - first + 1, count, 2**63):
        assert hub.subscribe("ticks", f" from=-{back}")[1]["from"] == str(first)
    refused(hub.refusal("SUBSCRIBE ticks from=@0"), "TRIMMED", first=first)
    (position, *_) = notations(before)
    assert hub.subscribe("ticks", f" from={position}")[1]["from"] == str(count - 1)
    assert hub.subscribe("ticks", " from=last")[1]["from"] == str(count - 1)
    assert hub.subscribe("ticks", " from=next")[1]["from"] == str(count)


def test_a_message_larger_than_the_channel_keeps_passes_to_who_is_there(hub):
    hub = hub("--channel-memory", "256KiB")
    reader, _ = hub.subscribe("ticks")
    messages = [b"before", b"x" * MIB, b"after"]
    for message in messages:
        hub.publish("ticks", [message])
        assert reader.frame() == message


def test_a_hub_in_memory_has_a_new_history_at_each_start(hub):
    first, second = hub(), hub()
    old = ok(first.publish("ticks", [b"one", b"two"]))["epoch"]
    answer = second.refusal(f"SUBSCRIBE ticks from=2 epoch={old}")
    new = answer.decode().split()[2].removeprefix("epoch=")
    assert new != old
    refused(answer, "EPOCH", epoch=new, first=0)
    new = ok(second.publish("ticks", [b"three", b"four"]))["epoch"]
    for position in ("first", "next", "last", "0", "2", "3", "-1", "@0"):
        refused(second.refusal(f"SUBSCRIBE ticks from={position} epoch={old}"), "EPOCH", epoch=new, first=0)


# Nothing but messages.


@pytest.mark.parametrize("noise", [b"x", b"\0" * 100_000, frame(b"PUBLISH ticks") + frame(b"noise"), b"9999999999", b"12"])
def test_what_a_subscriber_sends_is_thrown_away(hub, noise):
    hub = hub()
    client, _ = hub.subscribe("ticks")
    client.send(noise)
    client.wait_taken()
    hub.publish("ticks", [b"hello"])
    assert client.frame() == b"hello"
    client.half_close()
    hub.publish("ticks", [b"world", b""])
    assert [client.frame(), client.frame()] == [b"world", b""]


def test_a_request_and_noise_in_one_write(hub):
    hub = hub()
    client = hub.connect()
    client.send(frame(b"SUBSCRIBE ticks") + b"noise" * 10_000)
    client.half_close()
    assert ok(client.answer())["from"] == "0"
    hub.publish("ticks", [b"hello"])
    assert client.frame() == b"hello"


def test_a_subscriber_that_falls_behind_what_is_kept_ends_between_two_frames(hub):
    hub = hub("--channel-memory", "1MiB")
    slow, _ = hub.subscribe("ticks", receive_buffer=4096)
    fast, _ = hub.subscribe("ticks")
    count, size = 6000, 4096
    for start in range(0, count, 100):
        hub.publish("ticks", [b"%-*d" % (size, number) for number in range(start, start + 100)])
        for number in range(start, start + 100):
            assert int(fast.frame()) == number
    numbers = [int(message) for message in unframe(read_to_end(slow.sock))]
    assert numbers == list(range(len(numbers))) and len(numbers) < count
    # The reason is the answer to the next request.
    answer = hub.refusal(f"SUBSCRIBE ticks from={len(numbers)}")
    refused(answer, "TRIMMED", first=hub.subscribe("ticks", " from=first")[1]["first"])


# While others publish.


def test_nothing_is_missed_and_nothing_comes_twice_wherever_a_subscriber_comes_in(hub):
    hub = hub()
    count = 60_000
    publisher, _ = hub.ask("PUBLISH ticks acks=none")

    def publish():
        for start in range(0, count, 20):
            publisher.send(frames(numbered(20, start)))
        publisher.half_close()

    thread = threading.Thread(target=publish, daemon=True)
    thread.start()
    readers = []
    positions = ["first", "next", "last", "-1", "-100", "@0"]
    while thread.is_alive() and len(readers) < 120:
        readers.append(hub.subscribe("ticks", f" from={positions[len(readers) % len(positions)]}"))
    thread.join(BOUND)
    assert readers
    for client, keys in readers:
        start = int(keys["from"])
        expected = frames(numbered(count - start, start))
        assert read_exactly(client.sock, len(expected)) == expected
        client.close()


def test_all_subscribers_see_the_same_order_of_several_publishers(hub):
    hub = hub()
    readers = [hub.subscribe("ticks")[0] for _ in range(4)]
    count, writers = 3000, 4

    def publish(prefix):
        for start in range(0, count, 7):
            clients[prefix].send(frames(numbered(min(7, count - start), start, prefix)))

    clients = {prefix: hub.ask("PUBLISH ticks")[0] for prefix in "abcd"[:writers]}
    threads = [threading.Thread(target=publish, args=(prefix,), daemon=True) for prefix in clients]
    for thread in threads:
        thread.start()
    length = sum(len(frames(numbered(count, 0, prefix))) for prefix in clients)
    streams = [read_exactly(reader.sock, length) for reader in readers]
    assert len(set(streams)) == 1
    messages = unframe(streams[0])
    for prefix in clients:
        assert [message for message in messages if message.startswith(prefix.encode())] == numbered(count, 0, prefix)
    assert read_exactly(hub.subscribe("ticks", " from=first")[0].sock, length) == streams[0]
