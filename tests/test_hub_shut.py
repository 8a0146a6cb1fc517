"""A channel whose files fail is refused alone, is said, and comes back with everything when that has passed."""

import os
import signal

import pytest

from hub import ok, refused
from support import wait_until
from test_hub_faults import publish, told
from test_hub_log import stop


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


def kill(hub):
    hub.may_die()
    hub.process.process.send_signal(signal.SIGKILL)
    hub.process.process.wait()


def replace_by_a_loop(path):
    """Nobody can open it, not even root; what was there is beside it."""
    path.rename(path.with_suffix(".kept"))
    path.symlink_to(path.name)


def bring_back(path):
    path.unlink()
    path.with_suffix(".kept").rename(path)


def test_a_channel_that_cannot_be_read_at_the_start_is_refused_alone_and_comes_back(hub, data):
    first = hub("--data", data, "--journal", "64KiB")
    for number in range(3):
        assert publish(first, "a", b"a%d" % number) == b"ACK 1"
        assert publish(first, "b", b"b%d" % number) == b"ACK 1"
    # What is acknowledged is in the journal.
    kill(first)
    frames = data / "channels" / "a" / f"{0:020}.frames"
    replace_by_a_loop(frames)
    for _ in range(2):
        second = hub("--data", data, "--journal", "64KiB")
        fault = b"open of channels/a/00000000000000000000.frames: Too many levels of symbolic links (os error 40)"
        for line in ("PUBLISH a", "SUBSCRIBE a from=0"):
            answer = second.refusal(line)
            refused(answer, "STORAGE")
            assert fault in answer, answer
        health = second.health()
        assert (health["status"], health["why"]) == ("degraded", f"open:channels/a/{0:020}.frames:ELOOP")
        wait_until(lambda: told(second, "WARN", "channels/a"), what="a line in the log")
        # The journal is begun again several times.
        for _ in range(30):
            second.publish("b", [b"x" * 10_000])
        assert int(second.health()["checkpoints"]) > 2
        assert len(told(second, "channels/a")) == 1, "it is told once"
        kill(second)
    third = hub("--data", data, "--journal", "64KiB")
    refused(third.refusal("PUBLISH a"), "STORAGE")
    bring_back(frames)
    wait_until(lambda: third.health()["status"] == "ok", what="the channel")
    assert third.messages("a", 3) == [b"a0", b"a1", b"a2"]
    with third.connect() as client:
        client.request("CHANNELS")
        assert any(b'"channel":"a"' in line for line in client.rest()), "it is in the list again"
    client, answer = third.ask("PUBLISH a")
    assert ok(answer)
    client.close()
    assert publish(third, "a", b"a3") == b"ACK 1"
    assert third.messages("a", 4)[-1] == b"a3"
    stop(third)
    last = hub("--data", data)
    assert last.messages("a", 4) == [b"a0", b"a1", b"a2", b"a3"]
    assert last.messages("b", 3) == [b"b0", b"b1", b"b2"]
    assert last.health()["status"] == "ok"
    stop(last)


def test_a_channel_whose_directory_becomes_a_loop_while_the_hub_runs_stops_no_other(hub, data):
    running = hub("--data", data, "--journal", "64KiB", "--retain", "max-bytes=64KiB")
    for name in "ab":
        running.publish(name, [b"first"])
    directory = data / "channels" / "a"
    replace_by_a_loop(directory)
    # Checkpoints come and go; the channel's snapshot cannot be written, and what it has stays in the journal.
    for number in range(60):
        running.publish("b", [b"x" * 10_000])
    health = running.health()
    assert health["status"] == "degraded" and "channels/a" in health["why"] and health["why"].endswith(":ELOOP"), health
    answer = publish(running, "a", b"second")
    refused(answer, "STORAGE")
    assert b"channels/a" in answer, answer
    assert len(told(running, "ERROR", "channels/a")) == 1, told(running, "ERROR")
    bring_back(directory)
    wait_until(lambda: running.health()["status"] == "ok", what="the channel")
    assert publish(running, "a", b"second") == b"ACK 1"
    assert running.messages("a", 2) == [b"first", b"second"]
    assert not os.path.islink(directory)
    stop(running)
    again = hub("--data", data)
    assert again.messages("a", 2) == [b"first", b"second"]
    stop(again)
