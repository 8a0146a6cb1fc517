"""A hub with a log: what it has acknowledged is there after every end, and what it cannot keep or give it says."""

import json
import os
import re
import signal
import subprocess
import threading
import time

import pytest

from hub import KIB, MIB, Hub, ack, grown, numbered, ok, refused
from support import BOUND, frame, frames, unframe, wait_until


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


def stop(hub):
    hub.process.signal(signal.SIGTERM)
    assert hub.process.wait() == 0, hub.process.err


def kill(hub):
    hub.may_die()
    hub.process.signal(signal.SIGKILL)
    hub.process.wait()


def files(data, channel: str, ending: str = "frames"):
    return sorted((data / "channels" / channel).glob(f"*.{ending}"))


def channels(hub) -> dict[str, dict]:
    with hub.connect() as client:
        client.request("CHANNELS")
        return {line["channel"]: line for line in map(json.loads, client.rest())}


@pytest.mark.parametrize("end", [stop, kill])
def test_a_restart_keeps_messages_seqs_places_and_counts(hub, data, end):
    first = hub("--data", data)
    epoch = ok(first.publish("ticks", numbered(1000), " producer=meter7"))["epoch"]
    first.publish("ticks", [b"without a name"])
    first.publish("other", [b"x" * 3 * MIB, b""])
    before = channels(first)
    end(first)
    second = hub("--data", data)
    after = channels(second)
    assert [(line["first"], line["next"], line["bytes"], line["storage"]) for line in after.values()] == [
        (line["first"], line["next"], line["bytes"], "log") for line in before.values()
    ]
    new = after["ticks"]["epoch"]
    assert new != epoch
    assert second.messages("ticks", 1001) == [*numbered(1000), b"without a name"]
    assert second.messages("other", 2) == [b"x" * 3 * MIB, b""]
    assert ok(second.publish("ticks", numbered(5, 1000), " producer=meter7")) == {"epoch": new, "next": "1000", "acks": "durable"}
    reader, keys = second.subscribe("ticks", f" from=1001 epoch={epoch}")
    assert keys == {"epoch": new, "from": "1001", "first": "0", "next": "1006"}
    assert [reader.frame() for _ in range(5)] == numbered(5, 1000)


def test_an_acknowledgement_means_what_the_answer_says(hub, data):
    hub = hub("--data", data)
    assert ok(hub.publish("a", [b"1"]))["acks"] == "durable"
    for acks in ("durable", "memory", "none"):
        assert ok(hub.publish("a", [b"2", b"3"], f" acks={acks}"))["acks"] == acks
    assert hub.messages("a", 7) == [b"1", *[b"2", b"3"] * 3]


def test_the_files_of_a_channel_are_what_stands_on_the_wire(hub, data, tenfold):
    hub = hub("--data", data, "--retain", "max-bytes=2MiB")
    messages = [b"%d " % number * 500 for number in range(400)]
    hub.publish("ticks", messages)
    stop(hub)
    assert len(files(data, "ticks")) > 2
    stream = b"".join(path.read_bytes() for path in files(data, "ticks"))
    assert unframe(stream) == messages
    received = tenfold("recv", "-", "--out", "nul", stdin=stream)
    assert received.wait() == 0 and received.out == b"".join(message + b"\0" for message in messages)


def test_a_subscriber_goes_on_after_a_restart_where_it_was(data, tenfold, tmp_path):
    path = tmp_path / "sock"
    arguments = ("serve", "--data", data, "--listen", f"unix:{path}")
    first = tenfold(*arguments)
    reader = tenfold("sub", "ticks", "--from", "first", "--server", f"unix:{path}", "--retry", "--count", "2000", "-q")
    writer = tenfold("pub", "ticks", "--server", f"unix:{path}", "--retry", "-q", stdin="open")
    writer.write(b"".join(b"%d\n" % number for number in range(1000)))
    wait_until(lambda: reader.out.count(b"\n") == 1000, what="the first half")
    first.signal(signal.SIGKILL)
    first.wait()
    tenfold(*arguments)
    writer.write(b"".join(b"%d\n" % number for number in range(1000, 2000)))
    writer.stdin.close()
    assert (writer.wait(), reader.wait()) == (0, 0), (writer.err, reader.err)
    assert reader.out == b"".join(b"%d\n" % number for number in range(2000))


def test_subscribers_go_from_the_files_to_the_newest_messages_and_back_without_a_seam(hub, data):
    """Fast, slow, and late ones, on a channel that keeps next to nothing in memory, while it grows."""
    hub = hub("--data", data, "--channel-memory", "64KiB")
    count, body = 12_000, b"." * 2000
    wrong = []

    def publish():
        with hub.connect() as client:
            client.request("PUBLISH ticks")
            client.answer()
            for start in range(0, count, 100):
                client.send(frames(b"%d%s" % (number, body) for number in range(start, start + 100)))
                time.sleep(0.002)
            client.half_close()
            assert grown(client.rest())[-1] == count

    def subscribe(wait: float, pause: float):
        try:
            time.sleep(wait)
            client, keys = hub.subscribe("ticks", " from=first", receive_buffer=16 * KIB)
            stream = client.sock.makefile("rb", 256 * KIB)
            for number in range(count):
                message = stream.read(int(stream.read(10)))
                assert message == b"%d%s" % (number, body), (number, message[:20])
                if pause and number % 1000 == 500:
                    time.sleep(pause)
            client.close()
        except Exception as error:
            wrong.append((wait, pause, error))

    threads = [threading.Thread(target=publish)]
    threads += [threading.Thread(target=subscribe, args=(wait, pause)) for wait in (0.0, 0.1, 0.3, 1.0) for pause in (0, 0.05, 0.3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(BOUND)
        assert not thread.is_alive()
    assert wrong == []
    stop(hub)
    assert "too slow" not in hub.process.err


def test_who_takes_nothing_is_not_cut_and_gets_everything_later(hub, data):
    hub = hub("--data", data, "--channel-memory", "64KiB")
    hub.publish("ticks", [b"first"])
    slow, _ = hub.subscribe("ticks", " from=first", receive_buffer=16 * KIB)
    big = [b"%d" % number * 50_000 for number in range(300)]
    hub.publish("ticks", big)
    assert [slow.frame() for _ in range(301)] == [b"first", *big]


def test_every_position_is_found_on_disk_and_in_memory(hub, data):
    first = hub("--data", data)
    first.publish("ticks", numbered(10))
    time.sleep(0.01)
    between = time.time()
    time.sleep(0.01)
    first.publish("ticks", numbered(10, 10))
    stop(first)
    second = hub("--data", data)
    time.sleep(0.01)
    later = time.time()
    # Times of commits are whole milliseconds.
    time.sleep(0.01)
    second.publish("ticks", numbered(10, 20))
    for place, start in [
        ("first", 0), ("0", 0), ("7", 7), ("19", 19), ("20", 20), ("25", 25), ("last", 29), ("-1", 29), ("-15", 15), ("-99", 0),
        ("@0", 0), (f"@{between:.6f}", 10), (f"@{later:.6f}", 20), ("@99999999999", 30), ("next", 30), ("30", 30),
    ]:
        client, keys = second.subscribe("ticks", f" from={place}")
        assert (keys["from"], keys["first"], keys["next"]) == (str(start), "0", "30"), place
        with client:
            assert [client.frame() for _ in range(start, 30)] == numbered(30 - start, start), place
    refused(second.refusal("SUBSCRIBE ticks from=31"), "FUTURE", next=30)


def test_what_retention_has_deleted_is_trimmed_and_the_rest_is_served(hub, data):
    options = ("--data", data, "--retain", "ticks:max-bytes=1MiB", "--channel-memory", "64KiB")
    first = hub(*options)
    message = [b"%03d" % number + b"x" * 10_000 for number in range(400)]
    first.publish("ticks", message)
    first.publish("all", message)
    wait_until(lambda: channels(first)["ticks"]["bytes"] <= 1 * MIB, what="retention")
    for one in (first, None):
        one = one or hub(*options)
        kept = channels(one)["ticks"]
        start = kept["first"]
        assert 250 < start < 400 and channels(one)["all"]["first"] == 0
        refused(one.refusal("SUBSCRIBE ticks from=0"), "TRIMMED", first=start)
        refused(one.refusal(f"SUBSCRIBE ticks from={start - 1}"), "TRIMMED", first=start)
        refused(one.refusal("SUBSCRIBE ticks from=@0"), "TRIMMED", first=start)
        for place in ("first", "-1000", str(start)):
            client, keys = one.subscribe("ticks", f" from={place}")
            assert keys["from"] == str(start)
            assert [client.frame() for _ in range(start, 400)] == message[start:]
        assert one.messages("all", 400) == message
        if one is first:
            assert int(one.health()["removed"]) > 20
            stop(one)
    names = [int(path.name[:20]) for path in files(data, "ticks")]
    assert names[0] == start


def test_a_damaged_place_is_named_and_the_rest_is_served(hub, data):
    first = hub("--data", data)
    messages = [b"%02d" % number + b"x" * 100_000 for number in range(40)]
    first.publish("ticks", messages)
    stop(first)
    (path,) = files(data, "ticks")
    with path.open("r+b") as file:
        file.seek(20 * 100_012 + 5000)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))
    second = hub("--data", data)
    epoch = channels(second)["ticks"]["epoch"]
    client, _ = second.subscribe("ticks", " from=first")
    before = client.rest()
    assert before == messages[: len(before)] and 15 < len(before) <= 20
    answer = second.refusal(f"SUBSCRIBE ticks from={len(before)}")
    behind = int(re.search(rb" next=(\d+) ", answer)[1])
    refused(answer, "CORRUPT", epoch=epoch, first=len(before), next=behind)
    assert 20 < behind < 25
    refused(second.refusal("SUBSCRIBE ticks from=20"), "CORRUPT", epoch=epoch, first=len(before), next=behind)
    client, keys = second.subscribe("ticks", f" from={behind}")
    assert [client.frame() for _ in range(behind, 40)] == messages[behind:]
    second.publish("ticks", [b"more"])
    assert client.frame() == b"more"


def test_a_second_hub_on_the_same_directory_is_refused(hub, data, tenfold):
    one = hub("--data", data)
    other = tenfold("serve", "--data", data, "--listen", "127.0.0.1:0")
    assert other.wait() == 1
    assert "another hub uses this directory" in other.err and str(data) in other.err
    one.publish("ticks", [b"still here"])


@pytest.mark.parametrize("make", ["file", "other files", "newer"])
def test_a_directory_that_is_not_a_log_is_refused_and_left_as_it_is(data, tenfold, make):
    if make == "file":
        data.write_text("hello")
    else:
        data.mkdir()
        (data / ("FORMAT" if make == "newer" else "diary")).write_text("tenfold-log 9\n")
    hub = tenfold("serve", "--data", data, "--listen", "127.0.0.1:0")
    assert hub.wait() == 1 and str(data) in hub.err, hub.err
    if data.is_dir():
        (left,) = (path for path in data.iterdir() if path.name != "LOCK")
        assert left.read_text() == "tenfold-log 9\n"
    else:
        assert data.read_text() == "hello"


def test_subscribing_writes_nothing_and_an_unused_name_is_forgotten(hub, data):
    hub = hub("--data", data)
    client, keys = hub.subscribe("nobody")
    assert keys["new"] == "1"
    client.reset()
    hub.ask("PUBLISH nothing")[0].close()
    wait_until(lambda: channels(hub) == {}, what="forgetting")
    assert list((data / "channels").iterdir()) == []


def test_many_channels_share_a_sync(hub, data):
    hub = hub("--data", data)
    clients = []
    for number in range(500):
        client, answer = hub.ask(f"PUBLISH channel-{number}")
        ok(answer)
        clients.append(client)
    before = int(hub.health()["batches"])
    rounds = 10
    for number in range(rounds):
        for client in clients:
            client.send(frame(b"%d" % number))
        for client in clients:
            while ack(client.answer()) <= number:
                pass
    health = hub.health()
    assert health["messages"] == str(500 * rounds)
    batches = int(health["batches"]) - before
    assert rounds <= batches < 500 * rounds / 5, batches
    for client in clients:
        client.close()
    stop(hub)
    assert unframe(files(data, "channel-321")[0].read_bytes()) == numbered(rounds)


def test_whatever_is_asked_after_an_acknowledgement_sees_what_was_acknowledged(run, binary, tmp_path, data):
    # Each write takes long: the journal's before the acknowledgement, the segment's after it.
    calls = "pwrite64,pwritev,pwritev2"
    trace = ["strace", "-D", "-f", "-o", tmp_path / "trace", "-e", f"trace={calls}", "-e", f"inject={calls}:delay_enter=50000"]
    # With a small journal the start, which writes all of it, is soon over.
    slow = under(run, tmp_path, [*trace, binary], "--data", data, "--journal", "256KiB")
    client, _ = slow.ask("PUBLISH ticks producer=p")
    questions = {
        "CHANNELS": lambda count: channels(slow)["ticks"]["next"] == count and channels(slow)["ticks"]["bytes"] == len(frames(numbered(count))),
        "HEALTH": lambda count: slow.health()["messages"] == str(count),
        "PUBLISH": lambda count: ok(slow.ask("PUBLISH ticks producer=q")[1])["next"] == "0",
        "from=next": lambda count: slow.subscribe("ticks")[1]["next"] == str(count),
        "from=SEQ": lambda count: slow.subscribe("ticks", f" from={count}")[1]["next"] == str(count),
        "from=last": lambda count: slow.subscribe("ticks", " from=last")[0].frame() == b"%d" % (count - 1),
        "from=-2": lambda count: slow.subscribe("ticks", " from=-2")[0].frame() == b"%d" % max(count - 2, 0),
        "from=first": lambda count: slow.messages("ticks", count) == numbered(count),
        "from=@TIME": lambda count: slow.subscribe("ticks", " from=@0")[1]["next"] == str(count),
    }
    count = 0
    for name, sees in [*questions.items()] * 3:
        client.send(frame(b"%d" % count))
        count += 1
        assert client.answer() == b"ACK %d" % count
        assert sees(count), (name, count)
    # The producer's next connection counts it as well.
    again, answer = slow.ask("PUBLISH ticks producer=p")
    assert ok(answer)["next"] == str(count)
    slow.process.signal(signal.SIGTERM)
    assert slow.process.wait() == 0, slow.process.err


def test_a_producer_that_takes_over_is_told_of_everything_that_was_accepted(hub, data):
    hub = hub("--data", data)
    next = sent = 0
    first, answer = hub.ask("PUBLISH ticks producer=p")
    for turn in range(200):
        count = turn * 7 % 500
        first.send(frames(numbered(count, sent)))
        sent += count
        second, answer = hub.ask("PUBLISH ticks producer=p")
        assert next <= int(ok(answer)["next"]) <= sent
        next = int(ok(answer)["next"])
        # What the second sends is none of the first's business.
        second.send(frames(numbered(5, next)))
        *acks, last = first.rest()
        assert last.startswith(b"ERROR FENCED") and all(ack(frame) <= next for frame in acks)
        sent = next + 5
        first = second
    first.half_close()
    assert first.rest()[-1] == b"ACK %d" % sent
    assert hub.messages("ticks", sent) == numbered(sent)


def under(run, tmp_path, prefix, *arguments) -> Hub:
    """A hub that is started by another program."""
    port_file = tmp_path / f"ports-{time.monotonic_ns()}"
    return Hub(run(*prefix, "serve", "--listen", "127.0.0.1:0", "--port-file", port_file, *arguments, port_file=port_file))


def test_a_full_disk_refuses_publishers_until_there_is_space_again(run, binary, tmp_path, data):
    data.mkdir()
    script = 'mount -t tmpfs -o size=4m tmpfs "$1" && head -c 1048576 /dev/zero > "$1/ballast" && mkdir "$1/log" && shift && exec "$@"'
    prefix = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", data, binary]
    hub = under(run, tmp_path, prefix, "--data", data / "log", "--journal", "256KiB")
    inside = f"/proc/{hub.process.process.pid}/root{data}"
    stored = []
    client, _ = hub.ask("PUBLISH ticks producer=p")
    for number in range(1000):
        message = b"%d" % number + b"x" * 10_000
        client.send(frame(message))
        answer = client.answer()
        if answer != b"ACK %d" % (number + 1):
            break
        stored.append(message)
    assert 100 < len(stored) < 400
    refused(answer, "FULL")
    assert client.rest() == []
    assert hub.health()["status"] == "full"
    refused(hub.refusal("PUBLISH ticks producer=p"), "FULL")
    refused(hub.refusal("PUBLISH another"), "FULL")
    assert hub.messages("ticks", len(stored)) == stored
    os.remove(f"{inside}/ballast")
    client, answer = hub.ask("PUBLISH ticks producer=p")
    assert ok(answer)["next"] == str(len(stored))
    client.send(frame(b"more"))
    assert client.answer() == b"ACK %d" % (len(stored) + 1)
    assert hub.health()["status"] == "ok"
    assert hub.messages("ticks", len(stored) + 1) == [*stored, b"more"]
    client.close()
    stop(hub)


def test_a_hub_on_a_full_disk_ends_when_it_is_told_to(run, binary, tmp_path, data):
    """Retention has to write something before it can delete, and so has the last checkpoint."""
    data.mkdir()
    script = 'mount -t tmpfs -o size=4m tmpfs "$1" && shift && exec "$@"'
    prefix = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", data, binary]
    full = under(run, tmp_path, prefix, "--data", data / "log", "--journal", "256KiB")
    client, _ = full.ask("PUBLISH ticks acks=none")
    try:
        client.send(frames(b"x" * 1000 for _ in range(5000)))
    except OSError:
        pass  # it has been refused meanwhile
    wait_until(lambda: full.health()["status"] == "full", what="the end of the space")
    with open(f"/proc/{full.process.process.pid}/root{data}/ballast", "wb", buffering=0) as ballast:
        with pytest.raises(OSError):
            while True:
                ballast.write(bytes(1024))
    stop(full)


def test_of_many_blocks_in_flight_none_is_stored_behind_one_that_was_refused(run, binary, tmp_path, data):
    """The space comes back in the middle, so that what comes later could be stored."""
    data.mkdir()
    script = 'mount -t tmpfs -o size=96m tmpfs "$1" && mkdir "$1/log" && shift && exec "$@"'
    prefix = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", data, binary]
    hub = under(run, tmp_path, prefix, "--data", data / "log", "--journal", "1MiB")
    inside = f"/proc/{hub.process.process.pid}/root{data}"
    ending = threading.Event()

    def ballast():
        """Takes what is left of the disk, and gives it back, again and again."""
        while not ending.is_set():
            subprocess.run(["head", "-c", "100663296", "/dev/zero"], stdout=open(f"{inside}/ballast", "wb"), stderr=subprocess.DEVNULL)
            time.sleep(0.02)
            os.remove(f"{inside}/ballast")
            time.sleep(0.02)

    thread = threading.Thread(target=ballast)
    thread.start()
    sent = acknowledged = refusals = 0
    until = time.monotonic() + BOUND
    while refusals < 5 and (sent < 250_000 or not refusals) and time.monotonic() < until:
        client, answer = hub.ask("PUBLISH ticks producer=p")
        if answer.startswith(b"ERROR FULL"):
            client.close()
            continue
        next = int(ok(answer)["next"])
        assert acknowledged <= next <= sent
        try:
            for start in range(next, next + 2000, 200):
                sent = max(sent, start + 200)
                client.send(frames(b"%d %s" % (number, b"x" * 200) for number in range(start, start + 200)))
            client.half_close()
            answers = client.rest()
        except OSError:
            # The hub has ended the connection, and the rest of it is lost.
            answers = []
        numbers = [ack(answer) for answer in answers if not answer.startswith(b"ERROR FULL")]
        refusals += len(numbers) < len(answers)
        acknowledged = max([acknowledged, next, *numbers])
        client.close()
    ending.set()
    thread.join()
    reader, keys = hub.subscribe("ticks", " from=first")
    first, total = int(keys["first"]), int(keys["next"])
    assert refusals and first == 0 and sent >= total >= acknowledged > 0
    # There is one publisher, so the n-th message it has ever sent is the n-th of the channel.
    for number in range(first, total):
        assert reader.frame().startswith(b"%d " % number), number
    stop(hub)


def test_a_disk_that_fails_makes_the_hub_read_only_and_takes_nothing_back(run, binary, hub, tmp_path, data):
    # With -D the process that is started is the hub, and not the tracer. Each thread's calls are counted by themselves, and
    # several can commit: the one that is at its fortieth first ends the loop.
    trace = ["strace", "-D", "-f", "-o", tmp_path / "trace", "-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=40+"]
    broken = under(run, tmp_path, [*trace, binary], "--data", data)
    reader, _ = broken.subscribe("ticks")
    client, _ = broken.ask("PUBLISH ticks producer=p")
    acknowledged = 0
    for number in range(10_000):
        client.send(frame(b"%d" % number))
        answer = client.answer()
        if answer != b"ACK %d" % (number + 1):
            break
        acknowledged += 1
    assert acknowledged > 10
    refused(answer, "STORAGE")
    assert client.rest() == []
    assert broken.health()["status"] == "read-only"
    refused(broken.refusal("PUBLISH ticks producer=p"), "STORAGE")
    assert broken.messages("ticks", acknowledged) == numbered(acknowledged)
    assert [reader.frame() for _ in range(acknowledged)] == numbered(acknowledged)
    assert channels(broken)["ticks"]["next"] == acknowledged
    broken.process.signal(signal.SIGTERM)
    assert broken.process.wait() == 0, broken.process.err
    assert reader.rest() == []
    healthy = hub("--data", data)
    client, answer = healthy.ask("PUBLISH ticks producer=p")
    # Of what was on its way it is not known; the producer is told.
    next = int(ok(answer)["next"])
    assert acknowledged <= next <= acknowledged + 1
    client.send(frames(numbered(5, next)))
    while ack(client.answer()) < next + 5:
        pass
    assert healthy.messages("ticks", next + 5) == numbered(next + 5)


def test_plain_ports_publish_into_the_log(hub, data):
    first = hub("--data", data, "--plain", "127.0.0.1:0=ticks:in", "--plain", "127.0.0.1:0=ticks")
    reader = first.connect(first.plain[1])
    wait_until(lambda: channels(first).get("ticks", {}).get("subscribers") == 1, what="the subscription")
    with first.connect(first.plain[0]) as writer:
        writer.send(frames([b"17.5", b"18"]))
        writer.half_close()
        assert writer.rest() == []
    assert [reader.frame(), reader.frame()] == [b"17.5", b"18"]
    stop(first)
    assert hub("--data", data).messages("ticks", 2) == [b"17.5", b"18"]


def test_at_the_end_everything_is_committed_and_delivered(hub, data):
    first = hub("--data", data)
    reader, _ = first.subscribe("ticks")
    writer, _ = first.ask("PUBLISH ticks")
    writer.send(frames(numbered(20_000)))
    writer.wait_taken()
    first.process.signal(signal.SIGTERM)
    *acks, last = writer.rest()
    assert last.startswith(b"ERROR SHUTDOWN")
    count = grown(acks)[-1]
    received = reader.rest()
    assert received == numbered(len(received)) and len(received) == count
    assert first.process.wait() == 0
    second = hub("--data", data)
    assert channels(second)["ticks"]["next"] == count
    wait_until(lambda: "replayed=0" in second.process.err, what="the line that the log is open")


def test_publishers_wait_for_a_slow_subscriber_if_they_are_told_to(hub, data):
    hub = hub("--data", data, "--when-slow", "wait=60s", "--retain", "max-bytes=1MiB", "--channel-memory", "64KiB")
    hub.publish("ticks", [b"first"])
    slow, _ = hub.subscribe("ticks", " from=first", receive_buffer=16 * KIB)
    count, size = 3000, 20_000
    writer, _ = hub.ask("PUBLISH ticks acks=none")
    sender = threading.Thread(target=lambda: (writer.send(frames(b"%06d" % number + b"x" * size for number in range(count))), writer.half_close()))
    sender.start()
    previous = 0

    def stands_still() -> bool:
        """What is stored is more than may be kept, and nothing is added."""
        nonlocal previous
        time.sleep(1)
        before, previous = previous, channels(hub)["ticks"]["next"]
        return before == previous > 50

    wait_until(stands_still, what="waiting for the slow one")
    # What the subscriber has begun to take (the system's buffers hold some of it) need not be kept.
    assert previous < count and channels(hub)["ticks"]["first"] < 150
    assert slow.frame() == b"first"
    for number in range(count):
        assert slow.frame()[:6] == b"%06d" % number
    sender.join(BOUND)
    assert writer.rest() == [b"ACK %d" % count]
    wait_until(lambda: channels(hub)["ticks"]["first"] > 2500, what="retention, when nobody is in its way")


def test_who_takes_nothing_and_is_passed_by_retention_is_closed_without_taking(hub, data):
    hub = hub("--data", data, "--retain", "max-bytes=1MiB", "--channel-memory", "64KiB", "--drain", "1s")
    hub.publish("ticks", [b"first"])
    stalled, _ = hub.subscribe("ticks", " from=first", receive_buffer=16 * KIB)
    hub.publish("ticks", [b"%06d" % number + b"x" * 20_000 for number in range(600)])
    wait_until(lambda: channels(hub)["ticks"]["subscribers"] == 0, what="the end of the subscriber")
    wait_until(lambda: "too slow" in hub.process.err, what="the line about it")
    # Once, however many messages it has missed.
    lines = [line for line in hub.process.err.splitlines() if "WARN retention has passed a subscriber" in line]
    assert len(lines) == 1 and "channel=ticks" in lines[0] and "before=0" in lines[0]
    stalled.close()


def test_of_many_subscribers_that_retention_passes_one_is_told_of_in_a_minute(hub, data):
    hub = hub("--data", data, "--retain", "max-bytes=1MiB", "--channel-memory", "64KiB", "--drain", "1s")
    hub.publish("ticks", [b"first"])
    stalled = [hub.subscribe("ticks", " from=first", receive_buffer=16 * KIB)[0] for _ in range(20)]
    hub.publish("ticks", [b"%06d" % number + b"x" * 20_000 for number in range(600)])
    wait_until(lambda: channels(hub)["ticks"]["subscribers"] == 0, what="the end of the subscribers")
    wait_until(lambda: hub.process.err.count('reason=too slow') == 20, what="the lines about their connections")
    # A slow machine can take more than a minute for them.
    assert 1 <= hub.process.err.count("WARN retention has passed a subscriber") <= 3
    for one in stalled:
        one.close()


def test_who_was_passed_by_retention_and_has_caught_up_is_not_cut_later(hub, data):
    """What retention had deleted was still in memory. Once it was cut when it took nothing for a while after that."""
    hub = hub("--data", data, "--retain", "max-bytes=4MiB", "--journal", "1MiB", "--drain", "3s")
    hub.publish("ticks", [b"first"])
    slow, _ = hub.subscribe("ticks", " from=first", receive_buffer=16 * KIB)
    messages = [b"%06d" % number + b"x" * 20_000 for number in range(750)]
    hub.publish("ticks", messages[:600])
    wait_until(lambda: channels(hub)["ticks"]["first"] > 300, what="retention")
    # Its task looks whether it was passed.
    time.sleep(1.2)
    assert [slow.frame() for _ in range(601)] == [b"first", *messages[:600]]
    hub.publish("ticks", messages[600:])
    # Longer than the hub has patience with somebody whom it has passed.
    time.sleep(4.5)
    assert [slow.frame() for _ in range(150)] == messages[600:]


def test_who_is_too_slow_for_too_long_is_passed_by_retention(hub, data):
    hub = hub("--data", data, "--when-slow", "wait=1s", "--retain", "max-bytes=1MiB", "--channel-memory", "64KiB")
    hub.publish("ticks", [b"first"])
    slow, keys = hub.subscribe("ticks", " from=first", receive_buffer=16 * KIB)
    hub.publish("ticks", [b"%06d" % number + b"x" * 20_000 for number in range(600)])
    wait_until(lambda: channels(hub)["ticks"]["first"] > 100, what="retention")
    received = slow.rest()
    # Whole messages without a gap, and then the end; what comes next is gone.
    assert received[0] == b"first" and [message[:6] for message in received[1:]] == [b"%06d" % number for number in range(len(received) - 1)]
    assert len(received) < 600
    first = channels(hub)["ticks"]["first"]
    refused(hub.refusal(f"SUBSCRIBE ticks from={len(received)} epoch={keys['epoch']}"), "TRIMMED", first=first)
