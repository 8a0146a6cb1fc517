"""`--memory` is resident memory, whatever the load: at most half as much again, and what the help names beside it."""

import random
import threading

import pytest

from hub import KIB, MIB
from support import frame, wait_until

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


def test_the_start_says_what_the_default_is(hub):
    hub = hub()
    wait_until(lambda: "messages are kept in a part of the" in hub.process.err, what="the line about memory")
