"""What a hub keeps on disk: within its limits as `du` counts it, without traffic, and without refusing anybody."""

import json
import os
import signal

import pytest

from hub import KIB, MIB, grown, refused
from support import frames, wait_until


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


def on_disk(data) -> int:
    """What the channels take on disk, as `du` counts it."""
    total = 0
    for directory, _, names in os.walk(data / "channels"):
        for path in [directory, *(os.path.join(directory, name) for name in names)]:
            try:
                total += os.lstat(path).st_blocks * 512
            except FileNotFoundError:
                pass
    return total


def channels(hub) -> dict[str, dict]:
    with hub.connect() as client:
        client.request("CHANNELS")
        return {line["channel"]: line for line in map(json.loads, client.rest())}


def test_a_hub_at_its_limit_deletes_the_oldest_of_all_and_takes_everything(hub, data):
    options = ("--data", data, "--journal", "1MiB", "--max-disk", "16MiB")
    first = hub(*options)
    for number in range(40):
        # The helper waits until everything is acknowledged.
        first.publish(f"c{number:02}", [b"x" * 1000] * 1000)
    wait_until(lambda: on_disk(data) <= 16 * MIB, what="retention")
    listed = channels(first)
    assert listed["c00"]["first"] == 1000 and listed["c39"]["first"] == 0, listed
    assert sum(line["bytes"] for line in listed.values()) > 8 * MIB
    # A channel of which everything is gone goes on with the next seq, and so it does after a restart.
    first.publish("c00", [b"y"])
    assert first.messages("c00", 1) == [b"y"]
    refused(first.refusal("SUBSCRIBE c00 from=999"), "TRIMMED", first=1000)
    first.process.signal(signal.SIGTERM)
    assert first.process.wait() == 0, first.process.err
    second = hub(*options)
    second.publish("c00", [b"z"])
    assert second.messages("c00", 2) == [b"y", b"z"]
    assert channels(second)["c01"]["first"] == channels(second)["c01"]["next"] == 1000


def test_a_channel_takes_what_its_limit_says_with_short_messages(hub, data):
    hub = hub("--data", data, "--journal", "1MiB", "--retain", "max-bytes=256KiB")
    for number in range(30):
        hub.publish("sensor", [b"%08d" % (number * 1000 + count) for count in range(1000)])
        wait_until(lambda: on_disk(data) <= 320 * KIB, what="retention")
    line = channels(hub)["sensor"]
    assert line["next"] == 30_000 and line["bytes"] > 64 * KIB


def test_what_is_deleted_is_told_with_the_first_seq_that_is_kept(hub, data):
    hub = hub("--data", data, "--journal", "1MiB", "--retain", "max-bytes=1MiB")
    hub.publish("ticks", [b"x" * 1000] * 5000)
    first = wait_until(lambda: channels(hub)["ticks"]["first"], what="retention")

    def told() -> list[int]:
        lines = [line for line in hub.process.err.splitlines() if "INFO retention has deleted the oldest messages channel=ticks" in line]
        return [int(line.split("first=")[1].split()[0]) for line in lines]

    wait_until(lambda: told() and told()[-1] >= first, what="the line about it")
    assert told() == sorted(set(told()))


def test_a_channel_has_as_many_messages_as_its_limit_says(hub, data):
    hub = hub("--data", data, "--retain", "max-messages=100")
    for number in range(7, 57):
        hub.publish("ticks", [b"%d" % number] * number)
        wait_until(lambda: (kept := channels(hub)["ticks"])["next"] - kept["first"] <= 125, what="retention")
    kept = channels(hub)["ticks"]
    assert kept["next"] - kept["first"] >= 100


def test_a_channel_that_falls_silent_loses_what_is_too_old(hub, data):
    first = hub("--data", data, "--retain", "max-age=1s")
    epoch = first.publish("quiet", [b"1", b"2"]).split(b"epoch=")[1][:16].decode()
    reader, _ = first.subscribe("quiet")
    wait_until(lambda: channels(first)["quiet"]["first"] == 2, what="retention")
    # Who is connected and has everything goes on.
    first.publish("quiet", [b"3"])
    assert reader.frame() == b"3"
    first.process.signal(signal.SIGTERM)
    reader.close()
    assert first.process.wait() == 0, first.process.err
    second = hub("--data", data, "--retain", "max-age=1s")
    wait_until(lambda: channels(second)["quiet"]["first"] == 3, what="retention after a start")
    _, keys = second.subscribe("quiet", f" from=3 epoch={epoch}")
    assert (keys["first"], keys["next"]) == ("3", "3")
    for position in ("first", "next", "-5"):
        assert second.subscribe("quiet", f" from={position}")[1]["from"] == "3", position
    refused(second.refusal("SUBSCRIBE quiet from=last"), "TRIMMED", first=3)


def test_short_channels_take_little(hub, data):
    hub = hub("--data", data, "--journal", "1MiB")
    for number in range(200):
        hub.publish(f"c{number}", [b"x" * 20])
    assert on_disk(data) <= 200 * 16 * KIB + 16 * KIB


def test_what_a_slow_subscriber_holds_does_not_make_the_hub_refuse_anybody(hub, data):
    """`wait` ends by itself: the other channels give what they have, and after the time the slow one is passed."""
    hub = hub("--data", data, "--journal", "1MiB", "--max-disk", "4MiB", "--when-slow", "wait=1s", "--channel-memory", "64KiB")
    hub.publish("held", [b"first"])
    slow, _ = hub.subscribe("held", " from=first", receive_buffer=16 * KIB)
    writer, _ = hub.ask("PUBLISH held")
    writer.send(frames([b"x" * 20_000] * 500))
    writer.half_close()
    for _ in range(8):
        hub.publish("other", [b"y" * 1000] * 1000)
    assert grown(writer.rest())[-1] == 500
    wait_until(lambda: on_disk(data) <= 5 * MIB, what="retention")
    slow.close()
