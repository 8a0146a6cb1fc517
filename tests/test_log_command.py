"""`tenfold log`: what is damaged is found, what can be made good is, and a copy is a hub's directory."""

import json
import signal

import pytest

from hub import numbered, ok, refused
from support import frames, unframe, wait_until
from test_hub_log import stop


@pytest.fixture
def stored(hub, tmp_path):
    """A directory with two channels, and the hub that has made it."""
    data = tmp_path / "data"
    one = hub("--data", data)
    one.publish("ticks", [b"%02d" % number + b"x" * 100_000 for number in range(40)])
    one.publish("other", numbered(10), " producer=p")
    return data, one


def end(hub):
    hub.process.signal(signal.SIGTERM)
    assert hub.process.wait() == 0, hub.process.err


def flip(path, at: int):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def everything(data) -> dict:
    return {path.relative_to(data): path.read_bytes() for path in data.rglob("*") if path.is_file()}


def test_what_is_well_is_said_to_be_and_stays_as_it_is(stored, tenfold):
    data, hub = stored
    for is_live in (True, False):
        if not is_live:
            end(hub)
        before = everything(data)
        verify = tenfold("log", "verify", data)
        assert verify.wait() == 0, verify.err
        assert "damage" not in verify.out.decode() and "nothing is damaged" in verify.err
        if not is_live:
            assert everything(data) == before
            assert verify.out == b""


def test_damage_is_named_with_its_messages(stored, tenfold):
    data, hub = stored
    end(hub)
    (frames_file,) = (data / "channels/ticks").glob("*.frames")
    flip(frames_file, 20 * 100_012 + 5000)
    verify = tenfold("log", "verify", data)
    assert verify.wait() == 1
    assert verify.out.startswith(b"damage: channel ticks: message") and "damaged in 1 place" in verify.err
    as_json = tenfold("log", "verify", "--json", data)
    assert as_json.wait() == 1
    (finding,) = map(json.loads, as_json.out.splitlines())
    assert finding["damage"] is True and finding["channel"] == "ticks"
    assert finding["first"] <= 20 < finding["next"] <= finding["first"] + 3
    # What is damaged cannot be guessed; it stays damaged, and nothing else becomes so.
    repair = tenfold("log", "repair", data)
    assert repair.wait() in (0, 1)
    assert tenfold("log", "verify", data).wait() == 1


def test_a_damaged_index_is_made_anew_from_the_frames(stored, tenfold, hub):
    data, first = stored
    end(first)
    (index,) = (data / "channels/ticks").glob("*.index")
    flip(index, 48 * 5 + 10)
    assert tenfold("log", "verify", data).wait() == 1
    repair = tenfold("log", "repair", data)
    repair.wait()
    again = tenfold("log", "verify", data)
    assert again.wait() == 0, (repair.out, again.out)
    assert hub("--data", data).messages("ticks", 40)[39].startswith(b"39x")


def test_repairing_deletes_nothing_however_much_there_is(stored, tenfold, hub):
    data, first = stored
    end(first)
    before = {path: content for path, content in everything(data).items() if path.suffix == ".frames"}
    repair = tenfold("log", "repair", data)
    assert repair.wait() == 0, repair.err
    assert {path: content for path, content in everything(data).items() if path.suffix == ".frames"} == before


def test_a_log_in_use_is_not_repaired(stored, tenfold):
    data, _ = stored
    repair = tenfold("log", "repair", data)
    assert repair.wait() == 1 and "another hub uses this directory" in repair.err


def test_the_numbers_are_those_of_the_channels(stored, tenfold):
    data, hub = stored
    end(hub)
    stats = tenfold("log", "stats", "--json", data)
    assert stats.wait() == 0, stats.err
    other, ticks = map(json.loads, stats.out.splitlines())
    assert (other["channel"], other["first"], other["next"], other["producers"]) == ("other", 0, 10, 1)
    assert (ticks["channel"], ticks["next"], ticks["bytes"], ticks["segments"]) == ("ticks", 40, 40 * 100_012, 1)
    assert ticks["oldest"] <= ticks["newest"] and len(ticks["epoch"]) == 16
    table = tenfold("log", "stats", data)
    assert table.wait() == 0
    titles, *rows = table.out.decode().splitlines()
    assert titles.split()[:4] == ["CHANNEL", "FIRST", "NEXT", "SIZE"] and [row.split()[0] for row in rows] == ["other", "ticks"]


def test_the_numbers_of_a_log_in_use_say_so(stored, tenfold):
    stats = tenfold("log", "stats", stored[0])
    assert stats.wait() == 0 and "a hub uses it now" in stats.err


def test_the_numbers_of_a_log_in_use_are_those_of_what_is_acknowledged(stored, tenfold):
    data, hub = stored
    answer = ok(hub.publish("new", numbered(1000), " producer=p"))
    stats = tenfold("log", "stats", "--json", data)
    assert stats.wait() == 0, stats.err
    new, other, ticks = map(json.loads, stats.out.splitlines())
    assert [line["next"] for line in (new, other, ticks)] == [1000, 10, 40]
    assert (new["epoch"], new["first"], new["producers"]) == (answer["epoch"], 0, 1)
    assert new["bytes"] == len(frames(numbered(1000)))


def test_what_a_killed_hub_leaves_is_well(stored, tenfold):
    data, hub = stored
    hub.publish("new", numbered(100))
    hub.may_die()
    hub.process.signal(signal.SIGKILL)
    hub.process.wait()
    # So much is durable in any case: what stands in the journal. The rest can be there or not.
    for path in (data / "channels/new").iterdir():
        path.write_bytes(b"")
    before = everything(data)
    verify = tenfold("log", "verify", data)
    assert verify.wait() == 0, verify.out
    assert b"in the journal" in verify.out and b"damage" not in verify.out
    stats = tenfold("log", "stats", "--json", data)
    assert stats.wait() == 0 and json.loads(stats.out.splitlines()[0])["next"] == 100
    assert everything(data) == before


def test_a_hub_without_a_message_has_no_torn_batch(hub, tenfold, tmp_path):
    data = tmp_path / "data"
    first = hub("--data", data)
    backup = tenfold("log", "backup", data, tmp_path / "copy")
    assert backup.wait() == 0 and backup.out == b"", backup.out
    first.may_die()
    first.process.signal(signal.SIGKILL)
    first.process.wait()
    for directory in (data, tmp_path / "copy"):
        second = hub("--data", directory)
        end(second)
        assert "batch" not in second.process.err


def test_a_strange_file_beside_the_channels_is_said_and_left_alone(stored, hub, tenfold):
    data, first = stored
    end(first)
    (data / "channels/notes").write_text("mine")
    second = hub("--data", data)
    assert second.messages("other", 10) == numbered(10)
    end(second)
    assert second.process.err.count("channels/notes is not a directory") == 1
    assert tenfold("log", "verify", data).wait() == 0
    assert (data / "channels/notes").read_text() == "mine"


@pytest.mark.parametrize("is_live", [True, False])
def test_a_copy_serves_what_there_was(stored, tenfold, hub, tmp_path, is_live):
    data, first = stored
    epoch = ok(first.ask("PUBLISH ticks")[1])["epoch"]
    if not is_live:
        end(first)
    copy = tmp_path / "copy"
    backup = tenfold("log", "backup", data, copy)
    assert backup.wait() == 0, backup.err
    if is_live:
        first.publish("ticks", [b"only here"])
    assert tenfold("log", "verify", copy).wait() == 0
    second = hub("--data", copy)
    messages = second.messages("ticks", 40)
    assert messages == [b"%02d" % number + b"x" * 100_000 for number in range(40)]
    _, keys = second.subscribe("ticks")
    assert keys["next"] == "40" and keys["epoch"] != epoch
    _, keys = second.subscribe("ticks", f" from=40 epoch={epoch}")
    assert keys["from"] == "40"
    if is_live:
        # Who has seen what only the other hub has does not get something else in its place.
        second.publish("ticks", [b"only there", b"and more"])
        refused(second.refusal(f"SUBSCRIBE ticks from=41 epoch={epoch}"), "EPOCH", epoch=keys["epoch"], first=0)
    assert ok(second.ask("PUBLISH other producer=p")[1])["next"] == "10"
    assert unframe((copy / "channels/other/00000000000000000000.frames").read_bytes()) == numbered(10)


def test_a_copy_is_never_made_over_something(stored, tenfold, tmp_path):
    data, _ = stored
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "diary").write_text("mine")
    for target in (copy, data):
        backup = tenfold("log", "backup", data, target)
        assert backup.wait() == 1 and str(data) in backup.err, backup.err
    assert (copy / "diary").read_text() == "mine"
    assert not (copy / "channels").exists()


@pytest.mark.parametrize("command", ["verify", "stats", "repair"])
def test_a_directory_that_is_not_a_log_is_said_not_to_be_one(tenfold, tmp_path, command):
    (tmp_path / "diary").write_bytes(frames([b"mine"]))
    there = tenfold("log", command, tmp_path)
    assert there.wait() == 1 and "it is not a log" in there.err
    nowhere = tenfold("log", command, tmp_path / "nowhere")
    assert nowhere.wait() == 1 and "nowhere" in nowhere.err
    assert not (tmp_path / "nowhere").exists()


def test_a_directory_without_channels_says_what_is_missing_and_what_to_do(stored, tenfold, hub):
    data, one = stored
    stop(one)
    (data / "channels").rename(data / "moved")
    for command in ("verify", "stats", "backup", "delete"):
        rest = {"backup": [data / "copy"], "delete": ["ticks", "--yes"]}.get(command, [])
        there = tenfold("log", command, data, *rest)
        assert there.wait() == 1
        assert "channels/ is missing" in there.err and "put it back" in there.err and "os error" not in there.err, there.err
    # A start says so once, and goes on with what there is.
    again = hub("--data", data)
    wait_until(lambda: "channels/ was missing" in again.process.err)
    stop(again)
    (data / "channels").rmdir()
    (data / "STARTS").unlink()
    early = tenfold("log", "verify", data)
    assert early.wait() == 1 and "the first start on it has ended early" in early.err, early.err
    empty = data / "empty"
    empty.mkdir()
    nothing = tenfold("log", "verify", empty)
    assert nothing.wait() == 1 and "the directory is empty" in nothing.err, nothing.err


def test_a_deleted_channel_is_gone_with_its_files_and_comes_back_as_another_history(stored, tenfold, hub):
    data, one = stored
    epoch = ok(one.ask("SUBSCRIBE ticks")[1])["epoch"]
    one.process.signal(signal.SIGKILL)
    one.may_die()
    one.process.wait()
    others = {path: content for path, content in everything(data).items() if path.parts[:2] == ("channels", "other")}
    # What the journal alone has of the channel does not bring it back.
    delete = tenfold("log", "delete", data, "ticks", "--yes")
    assert delete.wait() == 0, delete.err
    assert not (data / "channels/ticks").exists() and not (data / "deleted").exists()
    assert others.keys() <= everything(data).keys()
    again = hub("--data", data)
    assert again.messages("other", 10) == numbered(10)
    keys = ok(again.ask("SUBSCRIBE ticks")[1])
    assert (keys["first"], keys["next"], keys["new"]) == ("0", "0", "1")
    assert ok(again.publish("ticks", [b"again"]))["epoch"] != epoch
    assert again.messages("ticks", 1) == [b"again"]


def test_what_is_to_be_deleted_must_be_there_and_free_and_confirmed(stored, tenfold, tmp_path):
    data, hub = stored
    live = tenfold("log", "delete", data, "ticks", "--yes")
    assert live.wait() == 1 and "another hub uses this directory" in live.err
    end(hub)
    before = everything(data)
    unsure = tenfold("log", "delete", data, "ticks")
    assert unsure.wait() == 2 and "--yes" in unsure.err
    assert everything(data) == before
    absent = tenfold("log", "delete", data, "tocks", "--yes")
    assert absent.wait() == 1 and "has no channel tocks" in absent.err
    assert (data / "channels/ticks").is_dir()
    (tmp_path / "empty").mkdir()
    empty = tenfold("log", "delete", tmp_path / "empty", "ticks", "--yes")
    assert empty.wait() == 1 and not list((tmp_path / "empty").iterdir())


def test_a_start_removes_what_a_deletion_has_left(stored, tenfold, hub):
    data, one = stored
    end(one)
    (data / "deleted").mkdir()
    (data / "channels/ticks").rename(data / "deleted/ticks")
    again = hub("--data", data)
    assert again.messages("other", 10) == numbered(10)
    assert not (data / "deleted").exists() and again.health()["channels"] == "1"
