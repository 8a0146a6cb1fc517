"""What is too slow and what is too many: the limits of a hub, each provoked from outside."""

import contextlib
import json
import select
import signal
import threading
import time

import pytest

from hub import KIB, MIB, ack, grown, ok, refused
from support import BOUND, frame, frames, read_to_end, unframe, wait_until

REQUEST = frame(b"PUBLISH ticks")


# Too slow.


@pytest.mark.parametrize("part", [b"", b"1", b"13        ", b"13        PUBLISH tick"])
def test_a_request_that_does_not_come_is_told_so(hub, part):
    client = hub("--request-timeout", "100ms").connect()
    client.send(part)
    refused(client.only(), "TIMEOUT")


@pytest.mark.parametrize("cut", ["request", "header", "message", "large message"])
def test_what_came_while_the_hub_was_stopped_came_in_time(hub, cut):
    times = [f"--{name}-timeout=500ms" for name in ("request", "header", "stall")]
    hub = hub(*times)
    message = b"x" * (2 * MIB if cut == "large message" else 100)
    stream = REQUEST + frame(message)
    at = {"request": 15, "header": len(REQUEST) + 5, "message": len(REQUEST) + 50, "large message": len(REQUEST) + 70 * KIB}[cut]
    clients = [hub.connect() for _ in range(5)]
    for client in clients:
        client.send(stream[:at])
    for client in clients:
        client.wait_taken()
    hub.process.signal(signal.SIGSTOP)
    sending = [threading.Thread(target=client.send, args=[stream[at:]]) for client in clients]
    for thread in sending:
        thread.start()
    # The deadlines pass.
    time.sleep(1)
    hub.process.signal(signal.SIGCONT)
    for thread, client in zip(sending, clients):
        thread.join(BOUND)
        client.half_close()
        answer, last = client.rest()
        ok(answer)
        assert ack(last) == 1


def test_who_takes_the_end_slowly_is_not_cut_because_the_hub_was_stopped(hub):
    hub = hub("--drain", "2s")
    messages = [b"x" * MIB] * 4
    hub.publish("ticks", messages)
    client, _ = hub.subscribe("ticks", " from=first", receive_buffer=64 * KIB)
    hub.process.signal(signal.SIGTERM)
    # It listens no more once it is ending.
    wait_until(lambda: not hub.listens(), what="the hub's drain")
    hub.process.signal(signal.SIGSTOP)
    time.sleep(3)
    hub.process.signal(signal.SIGCONT)
    assert client.rest() == messages


def dribble(client) -> bytes:
    """Sends one byte after the other until the hub answers. The one frame that it answers with, then its end."""
    client.sock.settimeout(0.01)
    data = b""
    while not data:
        client.send(b"x")
        try:
            data = client.sock.recv(1)
            assert data, "the end, and no answer"
        except TimeoutError:
            pass
    client.sock.settimeout(BOUND)
    (answer,) = unframe(data + read_to_end(client.sock))
    return answer


def test_a_request_that_dribbles_is_not_waited_for_any_longer(hub):
    client = hub("--request-timeout", "300ms").connect()
    client.send(b"4000      ")
    refused(dribble(client), "TIMEOUT")


@pytest.mark.parametrize("part", [b"1", b"123456789"])
def test_a_header_that_has_begun_is_to_be_ended(hub, part):
    client = hub("--header-timeout", "100ms").connect()
    client.send(REQUEST + frames([b"one", b"two"]) + part)
    answer, *numbers, error = client.rest()
    ok(answer)
    assert grown(numbers)[-1] == 2
    refused(error, "TIMEOUT")


@pytest.mark.parametrize("part", [b"5         ", b"5         hell", b"1000000   " + b"x" * 999_999])
def test_a_message_that_has_begun_is_to_go_on(hub, part):
    hub = hub("--stall-timeout", "200ms")
    client = hub.connect()
    client.send(REQUEST + frames([b"one", b"two"]) + part)
    answer, *numbers, error = client.rest()
    ok(answer)
    assert grown(numbers)[-1] == 2
    refused(error, "TIMEOUT")
    assert hub.messages("ticks", 2) == [b"one", b"two"]
    assert hub.subscribe("ticks")[1]["next"] == "2"


def test_a_large_message_must_be_faster_than_a_byte_now_and_then(hub):
    client = hub("--stall-timeout", "500ms").connect()
    client.send(REQUEST)
    ok(client.answer())
    client.send(b"%-10d" % (2 * MIB))
    refused(dribble(client), "TIMEOUT")


def test_a_silent_publisher_and_a_silent_subscriber_between_frames_are_never_late(hub):
    hub = hub("--request-timeout", "100ms", "--header-timeout", "100ms", "--stall-timeout", "100ms")
    reader, _ = hub.subscribe("ticks")
    writer, _ = hub.ask("PUBLISH ticks")
    for _ in range(3):
        # A third one comes later than these, waits as long as the time-outs are, and is gone before they speak.
        refused(hub.connect().only(), "TIMEOUT")
    writer.send(frame(b"hello"))
    assert reader.frame() == b"hello"
    assert writer.answer() == b"ACK 1"


# Too many.


def test_connections_over_the_limit_are_told_that_the_hub_is_busy(hub):
    hub = hub("--max-connections", "3")
    held = [hub.subscribe("ticks")[0] for _ in range(2)]
    held.append(hub.ask("PUBLISH ticks")[0])
    for line in ("SUBSCRIBE ticks", "PUBLISH ticks"):
        refused(hub.refusal(line), "BUSY")
    held[2].send(frame(b"hello"))
    assert [one.frame() for one in held[:2]] == [b"hello"] * 2
    held[0].reset()

    def accepted() -> bool:
        client, answer = hub.ask("SUBSCRIBE ticks from=first")
        good = answer.startswith(b"OK ")
        if good:
            assert client.frame() == b"hello"
        client.close()
        return good

    wait_until(accepted, what="the place of the one who left")


def test_subscribers_that_have_closed_give_their_places_to_those_who_come(hub):
    hub = hub("--max-connections", "10")
    held = [hub.subscribe("ticks")[0] for _ in range(2)]
    for _ in range(3):
        gone = [hub.subscribe("ticks")[0] for _ in range(8)]
        for client in gone:
            client.close()
    back = [hub.subscribe("ticks")[0] for _ in range(7)]
    hub.publish("ticks", [b"hello"])
    assert [one.frame() for one in held + back] == [b"hello"] * 9


def test_a_subscriber_that_has_half_closed_keeps_its_place_as_long_as_nobody_needs_it(hub):
    hub = hub("--max-connections", "3")
    (first, _), (second, _) = hub.subscribe("ticks"), hub.subscribe("ticks")
    first.half_close()
    first.wait_taken()
    second.half_close()
    hub.publish("ticks", [b"hello"])
    third, _ = hub.subscribe("ticks")
    # Its end comes between two frames.
    hub.subscribe("ticks")
    assert first.rest() == [b"hello"]
    hub.subscribe("ticks")
    assert second.rest() == [b"hello"]
    refused(hub.refusal("SUBSCRIBE ticks"), "BUSY")
    third.close()


def test_who_asks_how_the_hub_is_gets_an_answer_when_all_places_are_taken(hub):
    hub = hub("--max-connections", "2", "--max-pending", "3", "--request-timeout", "1h")
    held = [hub.subscribe("ticks")[0] for _ in range(2)]
    silent = [hub.connect() for _ in range(12)]
    assert hub.health()["status"] == "ok"
    with hub.connect() as client:
        client.request("CHANNELS")
        assert json.loads(client.only())["subscribers"] == 2
    refused(silent[0].only(), "BUSY")
    assert len(held) == 2


def test_who_asks_how_the_hub_is_does_not_wait_for_those_who_wait_for_a_list(hub):
    """64 are sent the list and take nothing of it, and more wait for a place than may be silent."""
    hub = hub("--max-pending", "8", "--request-timeout", "10m")
    for number in range(500):
        hub.publish(f"{number:0>128}", [b""])
    for _ in range(64):
        _, first = hub.ask("CHANNELS", receive_buffer=2 * KIB)
        assert first.startswith(b'{"channel":"000')
    waiting = []
    for _ in range(40):
        waiting.append(hub.connect(receive_buffer=2 * KIB))
        waiting[-1].request("CHANNELS")
    assert hub.health()["status"] == "ok"
    # As many wait as may be silent, and the others are told at once.
    sockets = {client.sock: client for client in waiting}
    readable, _, _ = select.select(list(sockets), [], [], BOUND)
    assert {sockets[sock].answer() for sock in readable} == {b"ERROR BUSY too many others ask for the same"}


def test_a_list_of_channels_is_sent_to_the_end_to_who_takes_it_slowly(hub):
    hub = hub("--request-timeout", "100ms")
    names = [f"{number:04}-{'x' * 100}" for number in range(1000)]
    # Those who subscribe to a name make it, too.
    held = [hub.subscribe(name)[0] for name in names]
    client = hub.connect(receive_buffer=4096)
    client.request("CHANNELS")
    data, start = b"", time.monotonic()
    while piece := client.sock.recv(1 << 12):
        data += piece
        # Slower than one who would have to have taken everything in the time for a request.
        if time.monotonic() - start < 3:
            time.sleep(0.1)
    assert [json.loads(row)["channel"] for row in unframe(data)] == names
    assert len(held) == len(names)


def test_channels_over_the_limit_are_refused_and_the_others_go_on(hub):
    hub = hub("--max-channels", "2")
    hub.publish("a", [b"1"])
    hub.publish("b", [b"1"])
    refused(hub.refusal("PUBLISH c"), "BUSY")
    refused(hub.refusal("PUBLISH c producer=p"), "BUSY")
    hub.publish("a", [b"2"])
    assert hub.messages("a", 2) == [b"1", b"2"]


def test_producers_over_the_limit_are_refused_and_the_others_go_on(hub):
    hub = hub("--max-producers", "2", "--max-producers-in-all", "3")
    for producer in ("p", "q"):
        hub.publish("ticks", [b"x"], f" producer={producer}")
    # Neither has been away for so long that it could be forgotten.
    refused(hub.refusal("PUBLISH ticks producer=r"), "BUSY")
    hub.publish("ticks", [b"y"])
    assert ok(hub.publish("ticks", [b"z"], " producer=p"))["next"] == "1"
    hub.publish("other", [b"x"], " producer=r")
    refused(hub.refusal("PUBLISH other producer=s"), "BUSY")
    hub.publish("other", [b"y"], " producer=_s")
    assert hub.messages("ticks", 4) == [b"x", b"x", b"y", b"z"]


@pytest.mark.parametrize("log", [False, True], ids=["memory", "log"])
def test_temporary_producers_that_end_well_leave_nothing(hub, tmp_path, log):
    data = ["--data", tmp_path / "data"] if log else []
    started = hub("--max-producers", "2", *data)
    for number in range(20):
        started.publish("ticks", [b"x"], " producer=_%016x" % number)

    def forgotten() -> bool:
        client, answer = started.ask("PUBLISH ticks producer=_%016x" % 19)
        client.close()
        return ok(answer)["next"] == "0"

    wait_until(forgotten, what="the hub to see that the last acknowledgement was taken")
    started.publish("ticks", [b"y"], " producer=named")
    if log:
        # Nor does the log remember them.
        started.process.signal(signal.SIGTERM)
        assert started.process.wait() == 0
        started = hub("--max-producers", "2", *data)
        assert ok(started.publish("ticks", [b"z"], " producer=_%016x" % 7))["next"] == "0"
        assert ok(started.publish("ticks", [b"z"], " producer=named"))["next"] == "1"


def test_temporary_producers_that_are_cut_are_known_until_there_are_too_many(hub):
    hub = hub("--max-producers", "3")
    for number in range(5):
        client, _ = hub.ask(f"PUBLISH ticks producer=_{number}")
        client.send(frame(b"x"))
        assert ack(client.answer()) == 1
        client.reset()

        def left() -> bool:
            with hub.connect() as asking:
                asking.request("CHANNELS")
                return json.loads(asking.only())["publishers"] == 0

        wait_until(left, what="the hub to see the reset")
    hub.publish("ticks", [b"y"], " producer=named")
    assert ok(hub.publish("ticks", [b"z"], " producer=_4"))["next"] == "1"
    assert ok(hub.publish("ticks", [b"z"], " producer=_2"))["next"] == "1"
    assert ok(hub.publish("ticks", [b"z"], " producer=_0"))["next"] == "0"


def test_those_who_have_not_asked_yet_do_not_keep_out_those_who_do(hub):
    hub = hub("--max-pending", "4", "--request-timeout", "200ms")
    silent = [hub.connect() for _ in range(12)]
    hub.publish("ticks", [b"hello"])
    assert hub.messages("ticks", 1) == [b"hello"]
    answers = [client.only() for client in silent]
    # The oldest have given way, and the others have had the time for a request.
    late = [answer.startswith(b"ERROR TIMEOUT ") for answer in answers]
    assert late == sorted(late) and 1 <= sum(late) <= 4
    assert all(answer.startswith(b"ERROR BUSY ") for answer in answers[: 12 - sum(late)])


@pytest.mark.parametrize("begins", [b"", REQUEST[:1]], ids=["silent", "begun"])
def test_an_address_with_2000_connections_that_ask_nothing_keeps_no_other_one_out(hub, begins):
    hub = hub("--request-timeout", "1h")
    held, _ = hub.subscribe("ticks", source="127.0.0.2")
    first = hub.connect(source="127.0.0.2")
    strangers = []
    for _ in range(2000):
        strangers.append(hub.connect())
        with contextlib.suppress(ConnectionError):
            strangers[-1].send(begins)
    # Whoever was there before, whoever comes, and whoever has not asked yet and is of another address.
    asking = hub.connect(source="127.0.0.2")
    asking.request("PUBLISH ticks")
    assert ok(asking.answer())["next"] == "0"
    asking.send(frame(b"hello"))
    assert held.frame() == b"hello"
    first.request("HEALTH")
    assert int(ok(first.only())["connections"]) <= 600
    # Of the 2,000 there are as many as there are places, and these are the newest.
    refused(strangers[0].only(), "BUSY")
    strangers[-1].send(REQUEST[len(begins) :])
    assert ok(strangers[-1].answer())["next"] == "0"
    # The log tells of the first, and then once a second of how many there were.
    lines = []

    def counted() -> int:
        lines[:] = [line for line in hub.process.err.splitlines() if 'code="BUSY"' in line]
        return sum(int(line.partition("count=")[2].split()[0]) for line in lines[1:])

    wait_until(lambda: counted() >= 2000 - 512 - 1, what="the lines of the log")
    assert len(lines) < 20 and "count=" not in lines[0], lines


# Memory.


def test_a_channel_keeps_what_its_memory_holds(hub):
    hub = hub("--channel-memory", "1MiB")
    for start in range(0, 10_000, 1000):
        hub.publish("ticks", [b"%-1014d" % number for number in range(start, start + 1000)])
    client = hub.connect()
    client.request("CHANNELS")
    row = client.only()
    assert b'"next":10000,' in row
    kept = int(row.split(b'"bytes":')[1].split(b",")[0])
    assert MIB // 2 <= kept <= MIB
    assert hub.health()["bytes"] == str(kept)
    first = int(row.split(b'"first":')[1].split(b",")[0])
    assert kept == (10_000 - first) * KIB


def test_all_channels_together_keep_what_the_memory_holds_and_the_largest_gives(hub):
    hub = hub("--memory", "4MiB", "--channel-memory", "4MiB")
    hub.publish("small", [b"x" * 1014] * 100)
    for channel in ("large", "larger"):
        for _ in range(8):
            hub.publish(channel, [b"y" * 1014] * 512)
    assert int(hub.health()["bytes"]) <= 4 * MIB
    _, keys = hub.subscribe("small", " from=first")
    assert keys["from"] == "0"
    for channel in ("large", "larger"):
        assert int(hub.subscribe(channel, " from=first")[1]["from"]) > 0


# A reader that is too slow, and a hub that waits for it or does not.


def test_a_hub_that_waits_holds_publishers_for_the_slowest_subscriber(hub):
    hub = hub("--when-slow", "wait=1h", "--channel-memory", "1MiB")
    slow, _ = hub.subscribe("ticks", receive_buffer=4096)
    writer, _ = hub.ask("PUBLISH ticks acks=none")
    count, size = 16_000, 4086
    data = frames(b"%-*d" % (size, number) for number in range(count))
    writer.sock.settimeout(2)
    sent = 0
    with pytest.raises(TimeoutError):
        while sent < len(data):
            sent += writer.sock.send(data[sent : sent + 4096])
    # Some of it had room in the hub and in the buffers on the way, and the rest has waited.
    assert sent < len(data)
    writer.sock.settimeout(BOUND)
    thread = threading.Thread(target=lambda: (writer.send(data[sent:]), writer.half_close()), daemon=True)
    thread.start()
    assert all(int(slow.frame()) == number for number in range(count))
    assert writer.rest() == [b"ACK %d" % count]


def test_a_hub_that_waits_does_so_for_a_time_and_then_ends_the_slow_one(hub):
    hub = hub("--when-slow", "wait=300ms", "--channel-memory", "1MiB")
    slow, _ = hub.subscribe("ticks", receive_buffer=4096)
    hub.publish("ticks", [b"%-4086d" % number for number in range(16_000)])
    numbers = [int(message) for message in slow.rest()]
    assert numbers == list(range(len(numbers))) and len(numbers) < 16_000


def test_memory_for_what_is_received_goes_back_when_a_message_is_committed(hub):
    """Once a publisher kept the share of its largest message as long as it had one byte of the next."""
    hub = hub("--max-uncommitted", "17MiB")
    holders = []
    for number in range(8):
        client, answer = hub.ask(f"PUBLISH channel-{number}")
        ok(answer)
        client.send(frame(b"x" * (8 << 20)) + b"4000      x")
        assert client.frame() == b"ACK 1"
        holders.append(client)
    hub.publish("ticks", [b"x" * 100_000])
    assert hub.messages("ticks", 1) == [b"x" * 100_000]


def test_who_waits_for_a_place_among_large_messages_and_goes_is_gone(hub):
    """Once it stayed until there was a place, and could keep a thread busy."""
    hub = hub("--max-large", "1", "--max-message", "4MiB")
    first, answer = hub.ask("PUBLISH ticks")
    ok(answer)
    first.send(b"%-10d" % (4 << 20) + b"x" * 200_000)
    first.wait_taken()
    for _ in range(4):
        client, answer = hub.ask("PUBLISH ticks")
        ok(answer)
        client.send(b"%-10d" % (4 << 20) + b"x" * 60_000)
        client.wait_taken()
        client.send(b"x" * 100_000)
        client.reset()
    wait_until(lambda: hub.health()["connections"] == "2", what="the first and who asks")
