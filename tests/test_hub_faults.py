"""What fails of the disk refuses what needed it, is told where people and programs look, and passes if it can."""

import os
import time

import pytest

from hub import ack, ok, refused
from support import frame, frames, wait_until
from test_hub_log import stop, under


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


def publish(hub, channel: str, *messages: bytes) -> bytes:
    """The last thing that is said to a publisher."""
    with hub.connect() as client:
        client.request(f"PUBLISH {channel}")
        client.send(frames(messages))
        client.half_close()
        return client.rest()[-1]


def told(hub, *words: str) -> list[str]:
    """The lines of the hub's log that have all these words."""
    return [line for line in hub.process.err.splitlines() if all(word in line for word in words)]


def test_a_channel_that_cannot_be_written_to_stops_no_other_and_is_tried_again(hub, data):
    hub = hub("--data", data)
    assert publish(hub, "a", b"1") == b"ACK 1"
    # Something else has the name of the channel's directory.
    (data / "channels" / "b").write_text("")
    for _ in range(3):
        answer = publish(hub, "b", b"1")
        refused(answer, "STORAGE")
        assert b"channels/b: Not a directory (os error 20)" in answer
        assert publish(hub, "a", b"2") == b"ACK 1"
    assert publish(hub, "c", b"1") == b"ACK 1"
    health = hub.health()
    assert (health["status"], health["why"]) == ("degraded", "open:channels/b:ENOTDIR")
    wait_until(lambda: told(hub, "ERROR", "channels/b"), what="a line in the log")
    (data / "channels" / "b").unlink()
    assert publish(hub, "b", b"1") == b"ACK 1"
    assert hub.health()["status"] == "ok"
    assert len(told(hub, "ERROR", "channels/b")) == 1, "it is told once"
    stop(hub)


def test_a_checkpoint_whose_lock_cannot_be_opened_refuses_who_waits_for_it(hub, data):
    hub = hub("--data", data, "--journal", "64KiB")
    assert publish(hub, "ticks", b"first") == b"ACK 1"
    (data / "CHECKPOINT").unlink(missing_ok=True)
    (data / "CHECKPOINT").mkdir()
    client, _ = hub.ask("PUBLISH ticks producer=p")
    sent = 0
    while True:
        client.send(frame(b"x" * 10_000))
        sent += 1
        answer = client.answer()
        if answer != b"ACK %d" % sent:
            break
        assert sent < 1000
    refused(answer, "STORAGE")
    assert b"open of CHECKPOINT: Is a directory" in answer
    health = hub.health()
    assert (health["status"], health["why"]) == ("degraded", "open:CHECKPOINT:EISDIR")
    wait_until(lambda: told(hub, "ERROR", "CHECKPOINT"), what="a line in the log")
    (data / "CHECKPOINT").rmdir()
    wait_until(lambda: hub.health()["status"] == "ok", what="the checkpoint")
    client, answer = hub.ask("PUBLISH ticks producer=p")
    assert ok(answer)["next"] == str(sent - 1)
    client.send(frame(b"more"))
    assert client.answer() == b"ACK %d" % sent
    client.close()
    stop(hub)


def test_a_failed_sync_is_told_with_its_file_and_its_error(run, binary, tmp_path, data):
    trace = ["strace", "-D", "-f", "-o", tmp_path / "trace", "-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=40+"]
    broken = under(run, tmp_path, [*trace, binary], "--data", data)
    client, _ = broken.ask("PUBLISH ticks")
    # Calls are counted for each thread, and several commit.
    for number in range(1000):
        client.send(frame(b"x"))
        answer = client.answer()
        if answer != b"ACK %d" % (number + 1):
            break
    refused(answer, "STORAGE")
    assert b"fdatasync of journal/" in answer and b"(os error 5)" in answer
    refused(broken.refusal("PUBLISH other"), "STORAGE")
    health = broken.health()
    assert health["status"] == "read-only" and health["why"].startswith("fdatasync:journal/") and health["why"].endswith(":EIO")
    wait_until(lambda: told(broken, "ERROR", "read-only"), what="a line in the log")
    (line,) = told(broken, "ERROR")
    assert "journal/" in line and "os error 5" in line
    client.close()
    stop(broken)


def test_a_sync_that_takes_long_is_told_while_it_does(run, binary, tmp_path, data):
    trace = ["strace", "-D", "-f", "-o", tmp_path / "trace", "-e", "trace=fdatasync", "-e", "inject=fdatasync:delay_exit=4000000:when=40"]
    slow = under(run, tmp_path, [*trace, binary], "--data", data)
    client, _ = slow.ask("PUBLISH ticks acks=none")
    # The one that is slow is met by whichever thread commits; each counts its own.
    while slow.health()["status"] == "ok":
        client.send(frame(b"x"))
    health = slow.health()
    assert health["status"] == "slow" and int(health["waiting"]) >= 1
    wait_until(lambda: told(slow, "WARN", "slow"), what="a line in the log")
    wait_until(lambda: slow.health()["status"] == "ok", what="the end of the sync")
    client.half_close()
    assert ack(client.rest()[-1]) > 0
    stop(slow)


def test_on_a_full_disk_everybody_with_a_message_is_told_within_a_second(run, binary, tmp_path, data):
    """The journal has to be turned over, and the checkpoint before that has no space for its snapshots."""
    data.mkdir()
    script = 'mount -t tmpfs -o size=8m tmpfs "$1" && mkdir "$1/log" && shift && exec "$@"'
    prefix = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", data, binary]
    full = under(run, tmp_path, prefix, "--data", data / "log", "--journal", "64KiB")
    clients = [full.ask(f"PUBLISH channel-{number} producer=p")[0] for number in range(20)]
    for client in clients:
        client.send(frame(b"x"))
        assert client.answer() == b"ACK 1"
    ballast = f"/proc/{full.process.process.pid}/root{data}/ballast"

    def fill_disk():
        with open(ballast, "ab", buffering=0) as file, pytest.raises(OSError):
            while True:
                file.write(bytes(4096))

    fill_disk()
    open_ones = dict(enumerate(clients))
    for count in range(2, 1000):
        begun = time.monotonic()
        for client in open_ones.values():
            client.send(frame(b"y" * 1000))
        for number, client in list(open_ones.items()):
            answer = client.answer()
            assert time.monotonic() - begun < 1, "somebody waits"
            if answer != b"ACK %d" % count:
                refused(answer, "FULL")
                del open_ones[number]
        if not open_ones:
            break
    assert not open_ones

    def is_full() -> bool:
        # What was reserved for a batch that was refused, or for a segment that has ended, is given back. As long as that
        # is enough for a small batch, the hub is well: so it is taken, too, and then somebody publishes.
        fill_disk()
        publish(full, "other", b"x")
        health = full.health()
        return health["status"] == "full" and health["why"].endswith(":ENOSPC")

    wait_until(is_full, what="HEALTH of a full disk")
    wait_until(lambda: told(full, "WARN", "no space"), what="a line in the log")
    os.remove(ballast)
    wait_until(lambda: publish(full, "other", b"x").startswith(b"ACK "), what="space")
    wait_until(lambda: told(full, "WARN", "space on the disk again"), what="the end in the log")
    for client in clients:
        client.close()
    stop(full)
