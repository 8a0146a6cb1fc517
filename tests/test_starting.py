"""A start that takes long, because there are many channels and each flush of the disk takes its time: clients are told, people see
how far it is, and a signal ends it."""

import re
import signal

import pytest

from hub import Hub, ok, refused
from support import frame, wait_until
from terminal import CTRL_C, Terminal
from test_hub_log import kill, under

CHANNELS = [f"channel-{number}" for number in range(150)]
REQUESTS = ["PUBLISH new", "SUBSCRIBE channel-7 from=first", "CHANNELS", "CLIENTS", "FOLLOW *"]


@pytest.fixture
def data(tmp_path, hub):
    """What a hub has left that was killed: the journal has everything, and files have nothing."""
    killed = hub("--data", tmp_path / "data")
    for channel in CHANNELS:
        killed.publish(channel, [channel.encode()])
    kill(killed)
    return tmp_path / "data"


def slow_disk(tmp_path, milliseconds: int):
    calls = "fsync,fdatasync"
    return ["strace", "-D", "-f", "-o", tmp_path / "trace", "-e", f"trace={calls}", "-e", f"inject={calls}:delay_exit={milliseconds}000"]


def has_everything(hub: Hub) -> bool:
    return all(hub.messages(channel, 1) == [channel.encode()] for channel in CHANNELS)


def test_clients_are_told_that_the_hub_is_starting_and_try_again(run, binary, tenfold, tmp_path, data):
    # Each of the channels is flushed four times, 32 of them at once: that is twelve seconds.
    plain = f"127.0.0.1:0={CHANNELS[0]}:in"
    hub = under(run, tmp_path, [*slow_disk(tmp_path, 600), binary], "--data", data, "--plain", plain)
    waiting = hub.connect(hub.plain[0])
    waiting.send(frame(b"from a plain port"))
    publisher = tenfold("pub", CHANNELS[1], "from a client", "--retry", "--server", f"127.0.0.1:{hub.port}")
    clients = [hub.connect() for _ in REQUESTS]
    for client, request in zip(clients, REQUESTS):
        client.request(request)
    health = hub.health()
    assert health["status"] == "starting"
    assert health["step"] in ("looking", "replaying", "writing") and 0 <= int(health["done"]) <= int(health["of"]) == len(CHANNELS)
    for client in clients:
        answer = client.answer()
        assert re.fullmatch(rb"ERROR BUSY starting: .*: \d+ of 150", answer), answer
        assert client.rest() == []
    # From now on requests wait, and some of them long enough.
    wait_until(lambda: hub.ask("SUBSCRIBE channel-7 from=first")[1].startswith(b"OK"), bound=60, what="the end of the start")
    assert publisher.wait() == 0, publisher.err
    assert has_everything(hub)
    assert hub.messages(CHANNELS[1], 2)[1] == b"from a client"
    wait_until(lambda: hub.subscribe(CHANNELS[0])[1]["next"] == "2", what="the message of the plain port")
    lines = [line for line in hub.process.err.splitlines() if "starting:" in line]
    assert lines and all(re.search(r"\d+ of 150 seconds=\d", line) for line in lines), hub.process.err
    assert "the start is over" in hub.process.err
    hub.process.signal(signal.SIGTERM)
    assert hub.process.wait() == 0, hub.process.err


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_a_start_and_nothing_is_lost(run, binary, hub, tmp_path, data, number, code):
    # To the end it would take half a minute.
    starting = under(run, tmp_path, [*slow_disk(tmp_path, 2000), binary], "--data", data)
    starting.may_die()
    wait_until(lambda: starting.health()["step"] == "writing")
    silent = starting.connect()
    starting.health()
    starting.process.signal(number)
    refused(silent.answer(), "SHUTDOWN")
    assert starting.process.wait() == code, starting.process.err
    assert "the start is ended" in starting.process.err or "the start does not end" in starting.process.err
    assert has_everything(hub("--data", data))


def test_a_person_sees_on_a_terminal_how_far_a_start_is(binary, tmp_path, data):
    command = [*slow_disk(tmp_path, 300), binary, "serve", "--listen", "127.0.0.1:0", "--data", data]
    terminal = Terminal(command, columns=120)
    try:
        terminal.shows("starting: writing what the journal has of the channels:")
        terminal.shows("the start is over")
        # The line of progress has gone, and lines of the log have the place of their own.
        assert not [line for line in terminal.screen if line.startswith("starting:")], terminal.screen
        terminal.type(CTRL_C)
        assert terminal.wait() == 130
    finally:
        terminal.end()
