"""`tenfold top`: what a person sees of a hub, redrawn, and what a pipe gets instead."""

import json
import signal

import pytest

from support import wait_until
from terminal import CTRL_C


@pytest.fixture
def busy(hub, tenfold):
    """A hub with a busy channel, a quiet one, and a subscriber that is behind; and its address."""
    started = hub()
    address = started.process.address
    tenfold("pub", "busy", "-s", address, "--every", "5ms", "tick")
    reader = tenfold("sub", "busy", "-s", address)
    assert tenfold("pub", "quiet", "once", "-s", address).wait() == 0
    wait_until(lambda: reader.out, what="the subscriber")
    # It asks for everything and reads nothing of it.
    big = b"x" * (1 << 20)
    assert tenfold("pub", "large", "-s", address, "--in", "nul", stdin=(big + b"\0") * 40).wait() == 0
    slow, _ = started.subscribe("large", " from=first")
    yield address
    slow.close()


def row(screen, name):
    """The cells of the first row that begins with this name."""
    return next((line.split() for line in screen if line.startswith(name)), None)


def test_it_shows_rates_and_lags_and_is_drawn_over(terminal, busy):
    top = terminal("top", "-s", busy, "--every", "200ms", columns=100)
    top.shows("3 channels")
    wait_until(lambda: (row(top.screen, "busy") or ["", "-"])[1] not in "-0", what="a rate")
    wait_until(lambda: set("▁▂▃▄▅▆▇█") & set(row(top.screen, "busy")[-1]), what="a sparkline")
    name, rate, lag, *_ = row(top.screen, "large")
    assert (name, rate) == ("large", "0") and int(lag) > 0, top.screen
    clients = top.screen[next(n for n, line in enumerate(top.screen) if line.startswith("CLIENT")) + 1 :]
    assert " sub " in clients[0] and " large " in clients[0], "the one that is most behind is first"
    assert sum("tenfold top" in line for line in top.screen) == 1, "it is drawn over, and not below"
    top.type("q")
    assert top.wait() == 0
    assert top.is_as_before()
    wait_until(lambda: top.raw.endswith(b"\x1b[?25h\x1b[?1049l"), what="the cursor and the first screen")
    assert top.raw.count(b"\x1b[?1049h") == top.raw.count(b"\x1b[?1049l") == 1


def test_sixty_columns_are_enough_and_another_size_is_noticed(terminal, busy):
    top = terminal("top", "-s", busy, "--every", "200ms", columns=60, rows=12)
    top.shows("CLIENT")
    wait_until(lambda: row(top.screen, "busy"), what="the channels")
    drawn = bytes(top.raw).decode().rpartition("\x1b[H")[2].replace("\x1b[K", "").replace("\x1b[J", "")
    assert all(len(line) <= 60 for line in drawn.split("\r\n"))
    top.resize(120, 40)
    wait_until(lambda: b"KIND    CHANNEL" in top.raw, what="wider columns")
    top.type("q")
    assert top.wait() == 0


def test_a_hub_that_is_away_is_said_and_looked_for_again(terminal, tenfold, tmp_path):
    place = f"unix:{tmp_path}/hub"

    def start():
        serve = tenfold("serve", "--listen", place)
        wait_until(lambda: "listening" in serve.err, what="the hub")
        return serve

    first = start()
    top = terminal("top", "-s", place, "--every", "100ms")
    top.shows("0 channels")
    first.signal(signal.SIGTERM)
    assert first.wait() == 0
    top.shows("looking again: cannot connect")
    start()
    assert tenfold("pub", "again", "here", "-s", place).wait() == 0
    top.shows("again")
    top.shows("(q ends):")
    top.type("q")
    assert top.wait() == 0


@pytest.mark.parametrize("end, code", [(lambda top: top.type(CTRL_C), 130), (lambda top: top.signal(signal.SIGTERM), 0)])
def test_signals_end_it_and_the_terminal_is_as_before(terminal, busy, end, code):
    top = terminal("top", "-s", busy)
    top.shows("(q ends):")
    end(top)
    assert top.wait() == code
    assert top.is_as_before()
    wait_until(lambda: top.raw.endswith(b"\x1b[?25h\x1b[?1049l"), what="the cursor and the first screen")


def test_a_terminal_that_cannot_be_drawn_over_gets_one_table_and_a_word(terminal, busy):
    top = terminal("top", "-s", busy, "--every", "100ms", term="dumb")
    assert top.wait() == 0
    top.shows("one table only: this terminal cannot be drawn over (TERM=dumb)")
    assert row(top.screen, "busy")
    assert b"\x1b" not in top.raw


def test_a_pipe_gets_one_table_and_a_word(tenfold, busy):
    top = tenfold("top", "-s", busy, "--every", "300ms")
    assert top.wait() == 0, top.err
    assert top.err == "one table only: stdout is not a terminal\n"
    name, rate, *_ = row(top.out.decode().splitlines(), "busy")
    assert int(rate) > 0
    quiet = tenfold("top", "-s", busy, "--every", "100ms", "--once")
    assert quiet.wait() == 0 and quiet.err == ""


def test_programs_get_an_object_for_each_look(tenfold, busy):
    top = tenfold("top", "-s", busy, "--every", "100ms", "--json")
    wait_until(lambda: top.out.count(b"\n") >= 3, what="three looks")
    for look in map(json.loads, top.out.splitlines()[:3]):
        channels = {channel["channel"]: channel for channel in look["channels"]}
        assert set(channels) == {"busy", "quiet", "large"}
        assert channels["quiet"]["rate"] == 0 and channels["large"]["lag"] > 0
        assert {client["kind"] for client in look["clients"]} == {"subscriber", "publisher"}
    top.signal(signal.SIGTERM)
    assert top.wait() == 0
    once = tenfold("top", "-s", busy, "--every", "100ms", "--json", "--once")
    assert once.wait() == 0 and once.out.count(b"\n") == 1


def test_without_a_hub_it_says_so(tenfold, tmp_path):
    top = tenfold("top", "-s", f"unix:{tmp_path}/nothing")
    assert top.wait() == 3
    assert "tenfold serve" in top.err
