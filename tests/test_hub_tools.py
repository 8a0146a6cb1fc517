"""What an operator does around a hub: watching it, permissions of its socket, and how much it logs."""

import json
import os
import signal
import socket
import stat

import pytest

from hub import Hub
from support import frame, read_message, wait_until


def test_a_watch_outlives_the_hub_and_says_when_it_is_back(tenfold, hub):
    first = hub()
    first.publish("ticks", [b"one"])
    address = f"127.0.0.1:{first.port}"
    watch = tenfold("channels", "--watch=50ms", "--json", "--server", address)
    wait_until(lambda: b'"ticks"' in watch.out, what="the channel")
    first.may_die()
    first.end()
    wait_until(lambda: "looking again every 50ms" in watch.err, what="the warning")
    again = tenfold("serve", "--listen", address)
    wait_until(lambda: "listening" in again.err, what="the next hub")
    wait_until(lambda: "is there again" in watch.err, what="the good news")
    seen = len(watch.out.splitlines())
    with socket.create_connection(("127.0.0.1", first.port)) as client:
        client.sendall(frame(b"PUBLISH tocks") + frame(b"two"))
        client.shutdown(socket.SHUT_WR)
        assert read_message(client).startswith(b"OK") and read_message(client) == b"ACK 1"
        wait_until(lambda: b'"tocks"' in watch.out, what="the channel of the next hub")
    assert json.loads(watch.out.splitlines()[seen])["channel"] == "tocks"
    # One line for one outage, however many looks it lasted.
    assert watch.err.count("cannot connect") == 1
    assert watch.process.poll() is None


def test_a_watch_of_a_hub_that_never_was_there_ends(tenfold):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    watch = tenfold("channels", "--watch", "--server", f"127.0.0.1:{port}")
    assert watch.wait() == 3
    assert "is `tenfold serve` running?" in watch.err


def test_a_subscribers_time_out_counts_also_while_the_hub_is_away(tenfold, hub):
    place = hub()
    place.publish("ticks", [b"one"])
    # Longer than the longest pause between two attempts.
    subscriber = tenfold("sub", "ticks", "--from", "first", "--timeout", "5500ms", "-s", f"127.0.0.1:{place.port}")
    wait_until(lambda: subscriber.out == b"one\n", what="the message")
    place.may_die()
    place.end()
    assert subscriber.wait() == 5, subscriber.err
    assert "no message came" in subscriber.err


@pytest.mark.parametrize("command", [["serve"], ["broadcast"], ["recv"], ["send"]])
@pytest.mark.parametrize("mode", [None, "600", "666"])
def test_the_file_of_a_socket_has_the_permissions_that_are_asked_for_or_is_private(tenfold, tmp_path, command, mode):
    path, ports = tmp_path / "socket", tmp_path / "ports"
    options = ["--listen", f"unix:{path}", "--port-file", ports]
    if mode:
        options += ["--socket-mode", mode]
    before = os.umask(0)
    try:
        running = tenfold(*command, *options, stdin="open", port_file=ports)
    finally:
        os.umask(before)
    assert running.addresses == [f"unix:{path}"]
    assert stat.S_IMODE(os.stat(path).st_mode) == int(mode or "600", 8)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(os.fspath(path))


def test_a_state_is_on_the_disk_before_it_has_its_name(tenfold, hub, run, binary, tmp_path):
    place = hub()
    place.publish("ticks", [b"one"])
    trace, state = tmp_path / "trace", tmp_path / "ticks.state"
    command = [binary, "sub", "ticks", "--from", "first", "--until-end", "--state", state, "-s", f"127.0.0.1:{place.port}"]
    traced = run("strace", "-f", "-y", "-o", trace, "-e", "trace=fsync,rename,renameat,renameat2", *command)
    assert traced.wait() == 0, traced.err
    calls = [line.split(" ", 1)[1].strip() for line in trace.read_text().splitlines() if "sync(" in line or "rename" in line]
    file, name, directory = calls[-3:]
    assert file.startswith("fsync(") and "ticks.state." in file, calls
    assert name.startswith("rename") and "ticks.state" in name, calls
    assert directory.startswith("fsync(") and f"<{tmp_path}>" in directory, calls


def test_permissions_that_are_none_are_refused(tenfold, tmp_path):
    running = tenfold("serve", "--listen", f"unix:{tmp_path}/socket", "--socket-mode", "rw-rw----")
    assert running.wait() == 2
    assert "three octal digits" in running.err


@pytest.mark.parametrize("level, connections", [("error", False), ("warn", False), ("info", True), ("debug", True)])
def test_the_log_has_what_its_level_asks_for(tenfold, level, connections):
    hub = Hub(tenfold("serve", "--log-level", level, listen=True))
    hub.publish("ticks", [b"one"])
    hub.process.signal(signal.SIGTERM)
    assert hub.process.wait() == 0
    assert ("publisher connected" in hub.process.err) == connections


def test_a_hub_outlives_a_closed_terminal_and_says_what_a_hangup_does(hub):
    hub = hub()
    client, _ = hub.subscribe("ticks")
    for number in range(1, 4):
        hub.process.signal(signal.SIGHUP)
        wait_until(lambda: hub.process.err.count("SIGHUP") == number, what="the line about the signal")
    hub.publish("ticks", [b"still here"])
    assert client.frame() == b"still here"
    hub.process.signal(signal.SIGTERM)
    assert hub.process.wait() == 0
