"""Many clients, and many that stall: what it costs, and that nobody else notices."""

import hashlib
import selectors
import threading
from pathlib import Path

from hub import KIB, MIB, ok
from support import BOUND, FULL, frame, frames, read_exactly, wait_until

PAGE_SIZE = 4096


def tcp_memory() -> int:
    """Bytes that the kernel holds for all TCP sockets."""
    text = Path("/proc/net/sockstat").read_text()
    return int(text.split("TCP:")[1].split("mem")[1].split()[0]) * PAGE_SIZE


def batches(total: int, size: int = 4086):
    """Frames in pieces of about 1 MiB, each message beginning with its number."""
    number = 0
    for _ in range(total // MIB):
        yield frames(b"%-*d" % (size, n) for n in range(number, number + 256))
        number += 256


def publish_beside(hub, channel: str, data) -> threading.Thread:
    """Publishes in a thread, and looks at the last acknowledgement."""

    def publish():
        client, answer = hub.ask(f"PUBLISH {channel} acks=none")
        ok(answer)
        for piece in data:
            client.send(piece)
        client.half_close()
        acks.extend(client.rest())

    acks = []
    thread = threading.Thread(target=publish, daemon=True)
    thread.acks = acks
    thread.start()
    return thread


def test_ten_thousand_idle_subscribers_take_little_and_all_get_the_next_message(hub):
    count = 10_000
    hub = hub("--max-connections", "11000")
    hub.publish("ticks", [b"before"])
    before, buffers = hub.resident(), tcp_memory()
    readers = []
    for _ in range(count // 100):
        some = [hub.connect(source="127.0.0.2") for _ in range(100)]
        for client in some:
            client.request("SUBSCRIBE ticks")
        for client in some:
            assert ok(client.answer())["from"] == "1"
        readers += some
    each = (hub.resident() - before) / count
    print(f"{each / KIB:.1f} KiB of memory and {(tcp_memory() - buffers) / count / KIB:.1f} KiB of buffers per subscriber")
    assert each < 8 * KIB
    hub.publish("ticks", [b"hello"])
    assert all(client.frame() == b"hello" for client in readers)
    assert hub.health()["connections"] == str(count + 1)


def test_a_thousand_stalled_subscribers_do_not_delay_one_that_reads(hub):
    total = (2000 if FULL else 200) * MIB
    hub = hub("--max-connections", "11000")
    stalled = [hub.subscribe("ticks", receive_buffer=2304, source="127.0.0.3")[0] for _ in range(1000)]
    fast, _ = hub.subscribe("ticks")
    before, buffers = hub.resident(), tcp_memory()
    expected = hashlib.sha256()
    # No further ahead of the fast one than the channel keeps, or that one would be closed, too.
    ahead = threading.Semaphore(32)

    def pieces():
        for piece in batches(total):
            ahead.acquire(timeout=BOUND)
            expected.update(piece)
            yield piece

    thread = publish_beside(hub, "ticks", pieces())
    digest, left, most = hashlib.sha256(), total, 0
    room = bytearray(MIB)
    while left:
        count = fast.sock.recv_into(room, min(left, MIB))
        assert count
        digest.update(memoryview(room)[:count])
        if left // (10 * MIB) != (left - count) // (10 * MIB):
            most = max(most, tcp_memory() - buffers)
        if left // MIB != (left - count) // MIB:
            ahead.release()
        left -= count
    thread.join(BOUND)
    assert thread.acks == [b"ACK %d" % (total // 4096)]
    assert digest.digest() == expected.digest()
    grown = hub.resident() - before
    print(f"{grown / MIB:.0f} MiB of memory, {most / MIB:.0f} MiB of buffers, for 1,000 stalled subscribers and a channel of 64 MiB")
    # The channel itself, twice over, and some room; never a copy for each of them.
    assert grown < 192 * MIB
    # What the kernel holds for each has a cap, too.
    assert most < 1536 * MIB


def test_five_hundred_channels_each_with_a_publisher_and_a_subscriber(hub):
    hub = hub()
    channels, count = 500, 400
    readers = [hub.subscribe(f"channel-{number}", source="127.0.0.4")[0] for number in range(channels)]
    writers = [hub.ask(f"PUBLISH channel-{number} acks=none", source="127.0.0.4")[0] for number in range(channels)]
    streams = [frames(b"%d of %d" % (message, number) for message in range(count)) for number in range(channels)]
    for part in range(4):
        for writer, stream in zip(writers, streams):
            quarter = len(stream) // 4
            writer.send(stream[part * quarter : None if part == 3 else (part + 1) * quarter])
    for writer in writers:
        writer.half_close()
    for reader, stream in zip(readers, streams):
        assert read_exactly(reader.sock, len(stream)) == stream
    assert all(writer.rest() == [b"ACK %d" % count] for writer in writers)
    health = hub.health()
    assert (health["channels"], health["messages"]) == (str(channels), str(channels * count))


def go_on(hub, total: int):
    """A good publisher and a good subscriber, from the first byte to the last."""
    reader, _ = hub.subscribe("good")
    thread = publish_beside(hub, "good", batches(total))
    for piece in batches(total):
        assert read_exactly(reader.sock, len(piece)) == piece
    thread.join(BOUND)
    assert thread.acks == [b"ACK %d" % (total // 4096)]
    reader.reset()


def test_ten_thousand_connections_that_declare_ten_gigabytes_and_stall(hub):
    hub = hub("--max-connections", "11000", "--request-timeout", "1h")
    before = hub.resident()
    rude = []
    for number in range(10_000):
        client = hub.connect(source="127.0.0.5")
        client.send((b"" if number % 2 else frame(b"PUBLISH ticks acks=none")) + b"9999999999")
        rude.append(client)
        if number == 5000:
            go_on(hub, 10 * MIB)
    go_on(hub, 10 * MIB)
    grown = hub.resident() - before
    print(f"{grown / MIB:.0f} MiB of memory after 10,000 of them")
    assert grown < 192 * MIB
    for client in rude[-20:]:
        assert client.rest()[-1].startswith(b"ERROR TOO_LARGE ")
    for client in rude:
        client.close()
    wait_until(lambda: hub.health()["connections"] == "1", what="the end of the rude ones")


def test_two_thousand_publishers_that_declare_a_legal_message_and_stall(hub):
    hub = hub("--stall-timeout", "1h")
    before, buffers = hub.resident(), tcp_memory()
    stalled = []
    for number in range(2000):
        client = hub.connect(source="127.0.0.6")
        client.send(frame(b"PUBLISH stalled-%d" % (number % 50)) + b"16777216  " + b"x" * 100)
        stalled.append(client)
    for client in stalled:
        ok(client.answer())
    go_on(hub, 50 * MIB)
    grown, most = hub.resident() - before, tcp_memory() - buffers
    print(f"{grown / MIB:.0f} MiB of memory, {most / MIB:.0f} MiB of buffers")
    assert grown < 256 * MIB
    assert most < 256 * MIB
    # They hold nobody up who has a large message, either: none of them has come to its 65,537th byte.
    large = b"x" * (8 * MIB)
    reader, _ = hub.subscribe("large")
    thread = threading.Thread(target=hub.publish, args=("large", [large]), daemon=True)
    thread.start()
    assert reader.frame() == large
    thread.join(BOUND)


def test_large_messages_that_stall_hold_up_only_large_messages(hub):
    hub = hub("--stall-timeout", "1h")
    held = [hub.ask("PUBLISH stalled")[0] for _ in range(8)]
    for client in held:
        client.send(b"16777216  " + b"x" * MIB)
    waiting = hub.ask("PUBLISH waiting")[0]
    large = frame(b"y" * (2 * MIB))
    thread = threading.Thread(target=waiting.send, args=(large,), daemon=True)
    thread.start()
    go_on(hub, 10 * MIB)
    for client in held:
        client.close()  # inside a frame: the places are free again
    assert waiting.answer() == b"ACK 1"
    thread.join(BOUND)


def test_subscribers_that_come_and_go_by_the_thousand_leave_nothing(hub):
    hub = hub()
    hub.publish("ticks", [b"first"])
    for _ in range(5):
        clients = [hub.connect(source="127.0.0.7") for _ in range(400)]
        for client in clients:
            client.request("SUBSCRIBE ticks from=first")
        with selectors.DefaultSelector() as waiting:
            for client in clients:
                waiting.register(client.sock, selectors.EVENT_READ)
            assert waiting.select(BOUND)
        for number, client in enumerate(clients):
            client.reset() if number % 2 else client.close()
        # What has been closed and not reset is found out by writing to it.
        for _ in range(2):
            hub.publish("ticks", [b"hello"])
    wait_until(lambda: hub.health()["connections"] == "1", what="the end of all of them")
    assert hub.messages("ticks", 1) == [b"first"]
