"""SIGHUP: a hub reads its settings again, changes what can be changed, all or nothing, and says so."""

import json
import signal

import pytest

from hub import numbered, ok, refused
from support import wait_until


class Configured:
    """A hub with a file of settings."""

    def __init__(self, hub, path, text: str, *arguments):
        self.path = path
        path.write_text(text)
        self.hub = hub("--config", path, *arguments)

    def reload(self, text: str, *lines: str) -> str:
        """Replaces the file, and waits until the hub has told these lines since. What it has told."""
        self.path.write_text(text)
        before = len(self.hub.process.err)
        self.hub.process.signal(signal.SIGHUP)

        def told() -> str:
            return self.hub.process.err[before:]

        wait_until(lambda: all(line in told() for line in lines), what=f"{lines}")
        return told()


@pytest.fixture
def configured(hub, tmp_path):
    return lambda text, *arguments: Configured(hub, tmp_path / "hub.toml", text, *arguments)


def kept(hub, channel: str) -> int:
    with hub.connect() as client:
        client.request("CHANNELS")
        (one,) = [line for line in map(json.loads, client.rest()) if line["channel"] == channel]
    return one["next"] - one["first"]


def test_what_channels_keep_is_changed_without_a_restart(configured, tmp_path):
    one = configured("", "--data", tmp_path / "data")
    one.hub.publish("ticks", numbered(1000))
    one.hub.publish("other", numbered(1000))
    told = one.reload('retain = ["ticks:max-messages=100"]\n', 'setting=retain old=not set new=ticks:max-messages=100')
    assert "INFO" in told
    # The segment that was begun with the old limit goes as a whole, once so many come after it.
    one.hub.publish("ticks", numbered(200))
    wait_until(lambda: kept(one.hub, "ticks") <= 125, what="retention")
    assert kept(one.hub, "other") == 1000
    one.reload("", "setting=retain old=ticks:max-messages=100 new=not set")
    before = kept(one.hub, "ticks")
    one.hub.publish("ticks", numbered(1000))
    assert kept(one.hub, "ticks") == before + 1000


def test_max_disk_is_changed_without_a_restart(configured, tmp_path):
    one = configured('max-disk = "1GiB"\n', "--data", tmp_path / "data")
    one.hub.publish("large", [b"x" * 65536] * 300)
    assert kept(one.hub, "large") == 300
    one.reload('max-disk = "4MiB"\n', "setting=max-disk old=1GiB new=4MiB")
    wait_until(lambda: kept(one.hub, "large") < 100, what="retention")


def test_fewer_and_more_connections_are_let_in(configured):
    one = configured("max-connections = 3\n")
    clients = [one.hub.subscribe("a")[0] for _ in range(3)]
    refused(one.hub.refusal("SUBSCRIBE a"), "BUSY")
    one.reload("max-connections = 5\n", "setting=max-connections old=3 new=5")
    clients += [one.hub.subscribe("a")[0] for _ in range(2)]
    refused(one.hub.refusal("SUBSCRIBE a"), "BUSY")
    one.reload("max-connections = 2\n", "setting=max-connections old=5 new=2")
    # Nobody is sent away; nobody comes in before there are fewer.
    for client in clients[:3]:
        client.reset()
    wait_until(lambda: one.hub.health()["connections"] == "3", what="the end of three clients")
    refused(one.hub.refusal("SUBSCRIBE a"), "BUSY")
    for client in clients[3:]:
        client.reset()
    wait_until(lambda: one.hub.ask("SUBSCRIBE a")[1].startswith(b"OK"), what="a place")


def test_the_numbers_of_channels_and_producers_and_who_may_delete_are_changed(configured):
    one = configured("max-channels = 1\nmax-producers = 1\n")
    one.hub.publish("a", [b"x"], " producer=first")
    refused(one.hub.refusal("PUBLISH b"), "BUSY")
    refused(one.hub.refusal("PUBLISH a producer=second"), "BUSY")
    text = 'max-channels = 2\nmax-producers = 2\nallow-delete = "none"\n'
    one.reload(text, "setting=max-channels old=1 new=2", "setting=max-producers old=1 new=2", "setting=allow-delete old=local new=none")
    one.hub.publish("b", [b"x"])
    one.hub.publish("a", [b"x"], " producer=second")
    refused(one.hub.refusal("DELETE a"), "DENIED")


def test_a_file_that_is_wrong_changes_nothing_and_is_named_with_the_line(configured):
    one = configured("max-connections = 1\n")
    client, _ = one.hub.subscribe("a")
    told = one.reload('max-connections = 9\nmax-disk = "much"\n', f"{one.path}:2: max-disk")
    assert "ERROR" in told and "no setting is changed" in told
    refused(one.hub.refusal("SUBSCRIBE a"), "BUSY")
    # What clap cannot know is looked at as well.
    told = one.reload('max-connections = 9\nretain = ["max-messages=1"]\n', "no setting is changed")
    assert f"{one.path}:2: retain" in told and "--data" in told
    refused(one.hub.refusal("SUBSCRIBE a"), "BUSY")
    one.path.unlink()
    one.hub.process.signal(signal.SIGHUP)
    wait_until(lambda: "cannot read the settings" in one.hub.process.err, what="the line about the file")
    one.reload("max-connections = 2\n", "setting=max-connections old=1 new=2")
    assert ok(one.hub.ask("SUBSCRIBE a")[1])
    client.close()


def test_what_needs_a_restart_is_named_each_time_and_the_rest_is_changed(configured):
    one = configured("max-connections = 3\n")
    text = 'max-connections = 4\nmax-large = 2\nmax-message = "1KiB"\n'
    told = one.reload(text, "setting=max-connections old=3 new=4", "setting=max-large old=8 new=2", "setting=max-message old=16MiB new=1KiB")
    lines = [line for line in told.splitlines() if "needs a restart" in line]
    assert len(lines) == 2 and all("WARN" in line for line in lines)
    one.hub.publish("a", [b"x" * 2000])
    told = one.reload(text, "setting=max-large", "setting=max-message")
    assert "max-connections" not in told
    told = one.reload("max-connections = 4\n", "no setting has changed")


def test_a_flag_wins_over_the_file_after_a_signal_as_well(configured):
    one = configured("", "--max-channels", "1")
    one.hub.publish("a", [b"x"])
    one.reload("max-channels = 5\n", "no setting has changed")
    refused(one.hub.refusal("PUBLISH b"), "BUSY")


def test_no_number_of_signals_ends_a_hub(configured):
    one = configured("")
    client, _ = one.hub.subscribe("a")
    for _ in range(100):
        one.hub.process.signal(signal.SIGHUP)
    wait_until(lambda: "no setting has changed" in one.hub.process.err, what="a line about the signals")
    one.hub.publish("a", [b"x"])
    assert client.frame() == b"x"


def test_a_reload_that_changes_nothing_says_that_and_nothing_of_the_start(configured):
    one = configured("drain = 5")
    wait_until(lambda: "are kept in a part of" in one.hub.process.err, what="a line about the memory")
    told = one.reload("drain = 5", "SIGHUP: no setting has changed")
    assert "are kept in a part of" not in told
