"""`--memory` is resident memory, whatever the load: at most half as much again, and what the help names beside it."""

import contextlib
import itertools
import random
import socket
import threading

import pytest

from hub import KIB, MIB
from support import frame, read_exactly, wait_until

LIMIT = 64 * MIB
# What the help says is besides: the program, and 5 KiB for each connection and each channel.
PROGRAM = 30 * MIB
MOST = LIMIT * 3 // 2 + PROGRAM + 2000 * 5 * KIB


def memory(hub, key):
    with open(f"/proc/{hub.process.process.pid}/status") as status:
        line = next(line for line in status if line.startswith(key + ":"))
    return int(line.split()[1]) * KIB


def feed(hub, channel, messages):
    """Publishes all messages, and waits until they are acknowledged."""
    client = hub.connect()
    client.request(f"PUBLISH {channel} acks=none")
    for message in messages:
        client.send(message)
    client.half_close()
    client.rest()


def sizes(seed):
    numbers = random.Random(seed)
    return [int(2 ** numbers.uniform(0, 22)) for _ in range(60)]


LOADS = {
    "large messages": lambda i: [frame(b"x" * (8 * MIB))] * 4,
    "messages of all sizes": lambda i: [frame(b"x" * size) for size in sizes(i)],
    "messages half as large as a read": lambda i: [frame(b"x" * 140_000)] * 200,
    "many small messages": lambda i: [frame(b"x" * 20) * 8000] * 100,
}


@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize("with_log", [False, True], ids=["in memory", "with a log"])
def test_what_is_resident_is_at_most_half_as_much_again(hub, tmp_path, load, with_log):
    data = ["--data", tmp_path / "data"] if with_log else []
    hub = hub("--memory", "64MiB", *data)
    for _ in range(2):
        threads = [threading.Thread(target=feed, args=[hub, f"c{i}", LOADS[load](i)]) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert memory(hub, "VmHWM") <= MOST
    assert memory(hub, "VmRSS") <= MOST


@pytest.mark.parametrize("with_log", [False, True], ids=["in memory", "with a log"])
def test_messages_that_have_only_begun_take_their_part_of_it(hub, tmp_path, with_log):
    data = ["--data", tmp_path / "data"] if with_log else []
    hub = hub("--memory", "64MiB", *data)
    feed(hub, "kept", [frame(b"x" * 100_000)] * 1000)
    clients = [hub.connect() for _ in range(200)]
    for client in clients:
        client.send(frame(b"PUBLISH begun") + b"%-10d" % MIB + b"x" * 60_000)
    for client in clients:
        client.answer()
        client.wait_taken()
    assert memory(hub, "VmHWM") <= MOST


def test_many_clients_that_each_take_a_little_now_and_then_share_it(hub, tmp_path):
    """Each thread of the hub had memory of its own for what it read, with holes that no other thread could use: 159 MiB in all."""
    hub = hub("--memory", "64MiB", "--data", tmp_path / "data")
    feed(hub, "ticks", [b"1         x"])
    clients = []
    for _ in range(200):
        client, _ = hub.subscribe("ticks", receive_buffer=4 * KIB)
        clients.append(client)
        feed(hub, "ticks", [frame(b"x" * 100_000)] * 8)
    for _ in range(20):
        feed(hub, "ticks", [frame(b"x" * 100_000)] * 50)
        for client in clients:
            with contextlib.suppress(BlockingIOError, ConnectionError):
                client.sock.recv(50_000, socket.MSG_DONTWAIT)
    assert memory(hub, "VmHWM") <= MOST


def test_the_start_says_what_the_default_is(hub):
    hub = hub()
    wait_until(lambda: "messages are kept in a part of the" in hub.process.err, what="the line about memory")


def stalled(hub, channel, start, verb="SUBSCRIBE"):
    """A subscriber or a follower that takes nothing after its answer, but for what the system takes for it."""
    client = hub.connect(receive_buffer=4 * KIB)
    client.request(f"{verb} {channel} from={start}")
    if verb == "FOLLOW":
        client.send(frame(b""))
    client.answer()
    return client


def messages_of(client, count, verb):
    """The next messages, without the lines between them that a follower gets."""
    frames = iter(client.frame, None)
    if verb == "FOLLOW":
        frames = (one for one in frames if not one.startswith(b"@"))
    return list(itertools.islice(frames, count))


verbs = pytest.mark.parametrize("verb", ["SUBSCRIBE", "FOLLOW"])


@verbs
@pytest.mark.parametrize("size, count", [(8 * MIB, 40), (100_000, 300)], ids=["large messages", "others"])
def test_clients_that_have_stalled_at_different_places_take_their_part_of_it_and_miss_nothing(hub, tmp_path, size, count, verb):
    hub = hub("--memory", "64MiB", "--data", tmp_path / "data")
    each = max(1, MIB // size)
    messages = [b"%-10d" % number + b"x" * (size - 10) for number in range(count * each)]
    clients = []
    for i in range(count):
        clients.append(stalled(hub, "ticks", "next", verb))
        feed(hub, "ticks", [frame(message) for message in messages[i * each : (i + 1) * each]])
    assert memory(hub, "VmHWM") <= MOST
    # They go on in the middle of a message, whether it was kept or is read again.
    for first in (0, count // 2, count - 5):
        expected = messages[first * each :][: 3 * each]
        assert messages_of(clients[first], len(expected), verb) == expected


@verbs
def test_clients_that_have_stalled_at_a_large_message_in_a_file_do_not_hold_it_each(hub, tmp_path, verb):
    hub = hub("--memory", "64MiB", "--data", tmp_path / "data")
    messages = [b"%-10d" % number + b"x" * 8 * MIB for number in range(20)]
    feed(hub, "ticks", [frame(message) for message in messages])
    clients = [stalled(hub, "ticks", "first", verb) for _ in range(40)]
    for client in (clients[0], clients[-1]):
        assert messages_of(client, 3, verb) == messages[:3]
    assert memory(hub, "VmHWM") <= MOST


@verbs
def test_clients_that_read_large_messages_from_files_at_once_read_them_in_turn(hub, tmp_path, verb):
    hub = hub("--memory", "64MiB", "--data", tmp_path / "data")
    messages = [b"%-10d" % number + b"x" * 8 * MIB for number in range(16)]
    feed(hub, "ticks", [frame(message) for message in messages])
    # One message is larger than what there is for all reads.
    largest = b"%-10d" % len(messages) + b"x" * (16 * MIB - 10)
    feed(hub, "ticks", [frame(largest)])
    feed(hub, "others", [frame(b"x" * MIB)] * 64)
    right = []

    def read():
        client = hub.connect(bound=120)
        client.request(f"{verb} ticks from=first")
        if verb == "FOLLOW":
            client.send(frame(b""))
        client.answer()
        right.append(messages_of(client, len(messages) + 1, verb) == [*messages, largest])
        client.close()

    threads = [threading.Thread(target=read) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert right == [True] * len(threads)
    assert memory(hub, "VmHWM") <= MOST


@verbs
def test_clients_of_a_hub_in_memory_that_are_passed_in_a_message_share_what_they_hold(hub, verb):
    hub = hub("--memory", "64MiB")
    for _ in range(300):
        stalled(hub, "ticks", "next", verb)
        feed(hub, "ticks", [frame(b"x" * 100_000)] * 10)
    assert memory(hub, "VmHWM") <= MOST


def test_subscribers_of_a_hub_in_memory_that_are_passed_near_the_end_of_large_messages_do_not_hold_all_of_them(hub):
    hub = hub("--memory", "64MiB")
    for _ in range(40):
        client = stalled(hub, "ticks", "next")
        feed(hub, "ticks", [frame(b"x" * 8 * MIB)])
        # What is left of it is more than the system takes, and so little that it is finished.
        read_exactly(client.sock, 7 * MIB)
    feed(hub, "ticks", [frame(b"x" * 100_000)] * 600)
    assert memory(hub, "VmHWM") <= MOST
