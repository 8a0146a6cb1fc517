"""How a hub ends: everything committed is delivered, everything whole is acknowledged, and nothing takes longer than it may."""

import signal
import socket
import threading

import pytest

from hub import MIB, ack, grown, numbered, refused
from support import BOUND, frame, frames, unframe, wait_until


def terminate(hub, number=signal.SIGTERM):
    hub.process.signal(number)


def ended(hub) -> int:
    return hub.process.wait()


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_hub_without_clients_ends_at_once(hub, number, code):
    hub = hub("--drain", "1h")
    hub.may_die()
    terminate(hub, number)
    assert ended(hub) == code


def test_subscribers_get_everything_that_is_committed_and_then_a_clean_end(hub):
    hub = hub()
    messages = [b"%d " % number + b"x" * 60_000 for number in range(500)]
    hub.publish("ticks", messages)
    # None of them has read anything when the signal comes.
    readers = [hub.subscribe("ticks", " from=first", receive_buffer=4096)[0] for _ in range(3)]
    idle, _ = hub.subscribe("ticks")
    publisher, _ = hub.ask("PUBLISH other")
    terminate(hub)
    refused(publisher.only(), "SHUTDOWN")
    assert idle.rest() == []
    streams = [[] for _ in readers]
    threads = [threading.Thread(target=lambda one, into: into.extend(one.rest()), args=pair) for pair in zip(readers, streams)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(BOUND)
    assert all(stream == messages for stream in streams)
    assert ended(hub) == 0


@pytest.mark.parametrize("acks", ["memory", "none"])
def test_publishers_get_their_last_acknowledgement_and_shutdown(hub, acks):
    hub = hub()
    reader, _ = hub.subscribe("ticks")
    client, _ = hub.ask(f"PUBLISH ticks acks={acks}")
    client.send(frames(numbered(1000)) + b"100       half")
    client.wait_taken()
    terminate(hub)
    *numbers, error = client.rest()
    refused(error, "SHUTDOWN")
    stored = reader.rest()
    assert stored == numbered(1000)
    assert grown(numbers)[-1] == 1000
    assert ended(hub) == 0


def test_what_a_publisher_sends_in_a_flood_is_stored_as_far_as_it_is_acknowledged(hub):
    hub = hub()
    reader, _ = hub.subscribe("ticks")
    client, _ = hub.ask("PUBLISH ticks producer=meter7")
    sent = 0

    def flood():
        nonlocal sent
        try:
            while True:
                client.send(frames(numbered(50, sent)))
                sent += 50
        except OSError:
            pass  # the hub has closed

    thread = threading.Thread(target=flood, daemon=True)
    thread.start()
    assert reader.frame() == b"0"
    terminate(hub)
    seen = []
    while (line := client.frame()).startswith(b"ACK "):
        seen.append(ack(line))
    refused(line, "SHUTDOWN")
    stored = [b"0", *reader.rest()]
    thread.join(BOUND)
    assert stored == numbered(len(stored))
    assert seen == sorted(set(seen)) and seen[-1] == len(stored)
    assert ended(hub) == 0


def test_who_has_not_asked_yet_is_told_or_let_go(hub):
    hub = hub("--request-timeout", "1h")
    silent, half = hub.connect(), hub.connect()
    half.send(b"13        PUBL")
    half.wait_taken()
    publisher, _ = hub.ask("PUBLISH ticks")
    terminate(hub)
    refused(publisher.only(), "SHUTDOWN")
    for client in (silent, half):
        for answer in client.rest():
            refused(answer, "SHUTDOWN")
    assert ended(hub) == 0


def test_nobody_is_accepted_any_more(hub):
    hub = hub("--drain", "1h")
    hub.may_die()
    hub.publish("ticks", [b"x" * MIB] * 40)
    stalled, _ = hub.subscribe("ticks", " from=first", receive_buffer=4096)
    publisher, _ = hub.ask("PUBLISH ticks")
    terminate(hub)
    refused(publisher.only(), "SHUTDOWN")
    # The hub is still there, for the stalled one.
    assert hub.process.process.poll() is None
    try:
        client, answer = hub.ask("SUBSCRIBE ticks")
    except (OSError, EOFError, AssertionError):
        pass
    else:
        refused(answer, "SHUTDOWN")


def test_plain_ports_end_without_a_word(hub):
    hub = hub(*(part for way in ("out", "in", "both") for part in ("--plain", f"127.0.0.1:0=ticks:{way}")))
    clients = [hub.connect(port) for port in hub.plain]
    clients[2].send(frame(b"hello"))
    assert clients[2].frame() == b"hello"
    clients[1].send(frame(b"world"))
    assert clients[2].frame() == b"world"
    terminate(hub)
    assert clients[0].rest() in ([], [b"hello", b"world"], [b"world"])
    assert clients[1].rest() == clients[2].rest() == []
    assert ended(hub) == 0


def stalled_hub(hub, drain: str):
    """A hub that has begun to end, with a subscriber that takes nothing."""
    hub = hub("--drain", drain)
    hub.may_die()
    hub.publish("ticks", [b"x" * MIB] * 40)
    stalled, _ = hub.subscribe("ticks", " from=first", receive_buffer=4096)
    publisher, _ = hub.ask("PUBLISH ticks")
    terminate(hub)
    refused(publisher.only(), "SHUTDOWN")
    return hub, stalled


def test_a_second_signal_ends_the_hub_at_once(hub):
    hub, _ = stalled_hub(hub, "1h")
    assert hub.process.process.poll() is None
    terminate(hub)
    ended(hub)


def test_who_takes_nothing_is_cut_when_the_time_is_over(hub):
    hub, stalled = stalled_hub(hub, "300ms")
    ended(hub)
    # The end is inside a message, so it is a reset: it must not look like a clean one.
    with pytest.raises(ConnectionResetError):
        while stalled.sock.recv(1 << 16):
            pass


def test_a_slow_reader_is_not_cut_before_its_time(hub):
    hub, reader = stalled_hub(hub, "1h")
    messages = reader.rest()
    assert [len(message) for message in messages] == [MIB] * 40
    assert ended(hub) == 0


def test_the_end_of_a_subscription_is_not_a_reset_even_if_it_has_sent_something(hub):
    # A close with unread input would make the system send a reset, which destroys what is on its way.
    hub = hub()
    messages = [b"x" * 50_000] * 100
    hub.publish("ticks", messages)
    reader, _ = hub.subscribe("ticks", " from=first", receive_buffer=4096)
    reader.send(b"noise" * 20_000)
    terminate(hub)
    assert reader.rest() == messages
    assert ended(hub) == 0


def test_a_hub_that_ends_while_many_come_and_go_ends_well(hub):
    hub = hub()
    stop = threading.Event()

    def come_and_go():
        while not stop.is_set():
            try:
                client = socket.create_connection(("127.0.0.1", hub.port), timeout=BOUND)
                client.sendall(frame(b"PUBLISH ticks") + frames(numbered(20)))
                client.shutdown(socket.SHUT_WR)
                data = b""
                while piece := client.recv(1 << 16):
                    data += piece
                unframe(data)
                client.close()
            except OSError:
                pass  # refused, or reset as one that was never accepted

    threads = [threading.Thread(target=come_and_go, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: int(hub.health()["messages"]) > 2000, what="some messages")
    reader, keys = hub.subscribe("ticks", " from=first")
    terminate(hub)
    messages = reader.rest()
    stop.set()
    for thread in threads:
        thread.join(BOUND)
    assert len(messages) >= int(keys["next"])
    assert all(len(message) <= 2 for message in messages)
    assert ended(hub) == 0
