"""A place is an epoch and a seq: after restarts, kills and copies that are put back it is good, or it is refused."""

import json
import shutil
import signal

import pytest

from hub import numbered, ok, refused
from support import BOUND


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def start(hub, data):
    return lambda: hub("--data", data, "--journal", "1MiB")


def stop(hub):
    hub.process.signal(signal.SIGTERM)
    assert hub.process.wait() == 0, hub.process.err


def kill(hub):
    hub.may_die()
    hub.process.signal(signal.SIGKILL)
    hub.process.wait()


def place(hub, channel: str = "ticks") -> tuple[str, int]:
    """What a subscriber at the end of a channel knows."""
    client, keys = hub.subscribe(channel)
    client.close()
    return keys["epoch"], int(keys["next"])


def goes_on(hub, epoch: str, seq: int, channel: str = "ticks") -> str:
    client, keys = hub.subscribe(channel, f" from={seq} epoch={epoch}")
    client.close()
    assert int(keys["from"]) == seq
    return keys["epoch"]


def is_refused(hub, epoch: str, seq: int):
    now = place(hub)[0]
    refused(hub.refusal(f"SUBSCRIBE ticks from={seq} epoch={epoch}"), "EPOCH", epoch=now, first=0)


@pytest.mark.parametrize("end", [stop, kill])
def test_a_place_is_good_after_any_number_of_restarts_also_on_a_quiet_channel(start, end):
    hub = start()
    hub.publish("ticks", numbered(10))
    hub.publish("quiet", numbered(3))
    known = [place(hub)]
    quiet = place(hub, "quiet")
    for life in range(4):
        end(hub)
        hub = start()
        for epoch, seq in known:
            assert goes_on(hub, epoch, seq) == place(hub)[0] != epoch
        # The last of them has nothing to tell apart.
        if life < 3:
            hub.publish("ticks", numbered(5))
        known.append(place(hub))
    assert len({epoch for epoch, _ in known}) == 5
    assert goes_on(hub, *quiet, channel="quiet") == place(hub, "quiet")[0]
    # Nobody can have seen these under that epoch.
    epoch, seq = known[0]
    is_refused(hub, epoch, seq + 1)
    # A seq that is not a place of that epoch says nothing of the other positions.
    for position in ("first", "next", "last", "-1", "@0"):
        hub.subscribe("ticks", f" from={position} epoch={epoch}")
    is_refused(hub, "0123456789abcdef", 1)
    refused(hub.refusal("SUBSCRIBE ticks from=first epoch=0123456789abcdef"), "EPOCH", epoch=place(hub)[0], first=0)


def test_before_the_first_message_every_epoch_is_good(start):
    hub = start()
    waiting, keys = hub.subscribe("ticks")
    epoch = keys["epoch"]
    waiting.close()
    kill(hub)
    hub = start()
    hub.publish("ticks", [b"hello"])
    client, _ = hub.subscribe("ticks", f" from=0 epoch={epoch}")
    assert client.frame() == b"hello"
    is_refused(hub, epoch, 1)


@pytest.mark.parametrize("is_live", [True, False])
def test_a_copy_that_is_put_back_refuses_what_only_the_later_history_had(start, data, tmp_path, is_live):
    """Cold, or of a volume whose hub runs (and is quiet just then)."""
    copy = tmp_path / "copy"
    hub = start()
    hub.publish("ticks", numbered(100))
    before = place(hub)
    if is_live:
        shutil.copytree(data, copy)
    else:
        stop(hub)
        shutil.copytree(data, copy)
        hub = start()
    hub.publish("ticks", [b"old history %d" % number for number in range(50)])
    after = place(hub)
    kill(hub)
    shutil.rmtree(data)
    shutil.copytree(copy, data)
    hub = start()
    # Whatever has been committed since.
    for count in (0, 10, 90):
        hub.publish("ticks", [b"new history %d" % number for number in range(count)])
        goes_on(hub, *before)
        is_refused(hub, *after)
        if is_live:
            # What the copy has, it has.
            goes_on(hub, after[0], 100)
            goes_on(hub, after[0], 50)
    # Both ways again: another start, and the copy once more.
    put_back = place(hub)
    stop(hub)
    hub = start()
    goes_on(hub, *put_back)
    goes_on(hub, *before)
    is_refused(hub, *after)
    kill(hub)
    shutil.rmtree(data)
    shutil.copytree(copy, data)
    hub = start()
    hub.publish("ticks", numbered(200))
    is_refused(hub, *put_back)
    is_refused(hub, *after)
    goes_on(hub, *before)


def test_a_directory_of_which_the_starts_are_lost_accepts_no_earlier_place(start, data):
    hub = start()
    hub.publish("ticks", numbered(10))
    known = place(hub)
    stop(hub)
    (data / "STARTS").unlink()
    hub = start()
    is_refused(hub, *known)
    known = place(hub)
    stop(hub)
    hub = start()
    goes_on(hub, *known)


def test_many_starts_leave_a_bounded_file(start, data):
    hub = start()
    hub.publish("ticks", numbered(10))
    known = place(hub)
    stop(hub)
    title, *lines, _ = (data / "STARTS").read_text().splitlines()
    assert title == "tenfold-starts 1" and len(lines) == 1
    assert not list(data.glob("channels/*/*.new"))
    snapshot = (data / "channels/ticks/snapshot").read_bytes()
    hub = start()
    goes_on(hub, *known)
    stop(hub)
    # A start on which nothing is committed writes nothing else.
    assert len((data / "STARTS").read_text().splitlines()) == 4
    assert (data / "channels/ticks/snapshot").read_bytes() == snapshot


def test_the_state_of_a_subscriber_goes_on_and_keeps_the_new_epoch(start, data, tenfold, tmp_path):
    state = tmp_path / "state"
    seen = []

    def run(hub):
        arguments = ["sub", "ticks", "--from", "first", "--state", state, "--until-end", "-q"]
        sub = tenfold(*arguments, "--server", f"127.0.0.1:{hub.port}")
        status = sub.wait(BOUND)
        seen.extend(sub.out.splitlines())
        return status, sub.err

    hub = start()
    for life in range(3):
        hub.publish("ticks", numbered(10, life * 10))
        assert run(hub) == (0, "")
        assert json.loads(state.read_text()) == {"channel": "ticks", "epoch": place(hub)[0], "next": life * 10 + 10}
        stop(hub)
        if life == 1:
            shutil.copytree(data, tmp_path / "copy")
        hub = start()
    assert seen == numbered(30)
    kill(hub)
    shutil.rmtree(data)
    shutil.copytree(tmp_path / "copy", data)
    hub = start()
    hub.publish("ticks", numbered(30, 100))
    status, words = run(hub)
    assert status != 0 and "another history" in words and seen == numbered(30)


def test_the_statistics_of_a_log_show_the_epoch_of_now(start, data, tenfold):
    hub = start()
    hub.publish("ticks", numbered(10))
    for _ in range(2):
        stats = tenfold("log", "stats", "--json", data)
        assert stats.wait() == 0, stats.err
        assert json.loads(stats.out)["epoch"] == place(hub)[0]
        kill(hub)
        hub = start()
        assert ok(hub.ask("PUBLISH ticks")[1])["epoch"] == place(hub)[0]
