"""`tenfold bridge` between real sockets: what one end sends in its framing, the other gets in its own."""

import json
import os
import select
import signal
import socket
import struct
import termios
import time
import tty
from collections import Counter

import pytest


from support import accept, connect, frame, frames, listener, read_exactly, read_message, read_to_end, wait_until


def u32(message: bytes) -> bytes:
    return struct.pack(">I", len(message)) + message


def netstring(message: bytes) -> bytes:
    return b"%d:%s," % (len(message), message)


def read_u32(sock: socket.socket) -> bytes:
    (length,) = struct.unpack(">I", read_exactly(sock, 4))
    return read_exactly(sock, length)


@pytest.fixture
def bridge(tenfold, tmp_path):
    """Starts a bridge. `listen:` alone is a free port of the loopback, which is in its port file."""
    count = 0

    def start(a, b, *options, **kwargs):
        nonlocal count
        if "listen:" in (a, b):
            count += 1
            kwargs["port_file"] = tmp_path / f"bridge-{count}"
            options = (*options, "--port-file", kwargs["port_file"])
        ends = ["listen:127.0.0.1:0" if end == "listen:" else end for end in (a, b)]
        return tenfold("bridge", *ends, *options, **kwargs)

    return start


def test_a_u32be_program_talks_to_a_decimal_one_and_each_direction_ends_by_itself(bridge):
    server, address = listener()
    joined = bridge("listen:", address, "--framing", "u32be", "--to", "decimal:10", "--report", "json")
    client = connect(joined.port)
    peer = accept(server)
    client.sendall(u32(b"hello") + u32(b"") + u32(b"x" * 100_000))
    assert [read_message(peer) for _ in range(3)] == [b"hello", b"", b"x" * 100_000]
    peer.sendall(frame(b"welcome"))
    assert read_u32(client) == b"welcome"
    client.shutdown(socket.SHUT_WR)
    assert read_to_end(peer) == b""
    peer.sendall(frames([b"still", b"here"]))
    assert [read_u32(client) for _ in range(2)] == [b"still", b"here"]
    peer.close()
    assert read_to_end(client) == b""
    joined.signal(signal.SIGTERM)
    assert joined.wait() == 0
    assert json.loads(joined.err.splitlines()[-1]) == {"sessions": 1, "failed": 0, "a_to_b": 3, "b_to_a": 3, "error": None}


def test_each_connection_has_a_session_of_its_own_also_when_there_are_many_at_once(bridge):
    server, address = listener()
    joined = bridge("listen:", address, "--framing", "netstring")
    pairs = []
    for number in range(50):
        client = connect(joined.port)
        client.sendall(netstring(b"%d" % number))
        pairs.append((client, accept(server)))
    for number, (client, peer) in enumerate(pairs):
        said = netstring(b"%d" % number)
        assert read_exactly(peer, len(said)) == said
        peer.sendall(said * 2)
    for number, (client, _) in enumerate(reversed(pairs)):
        said = netstring(b"%d" % (49 - number)) * 2
        assert read_exactly(client, len(said)) == said
        client.close()
    for _, peer in pairs:
        assert read_to_end(peer) == b""
        peer.close()
    joined.signal(signal.SIGTERM)
    assert joined.wait() == 0


def test_bytes_that_are_not_a_frame_end_their_session_and_leave_the_others_alone(bridge):
    server, address = listener()
    joined = bridge("listen:", address, "--framing", "decimal:10", "--to", "u32be", "--report", "json")
    good = connect(joined.port)
    good_peer = accept(server)
    bad = connect(joined.port)
    bad_peer = accept(server)
    bad.sendall(frame(b"fine") + b"GET / HTTP/1.1\r\n\r\n")
    assert read_u32(bad_peer) == b"fine"
    ended_by_reset_or_not_at_all_well(bad_peer)
    wait_until(lambda: "at offset 14" in joined.err, what="the error")
    assert "HTTP" in joined.err
    good.sendall(frame(b"as before"))
    assert read_u32(good_peer) == b"as before"
    for end in (good, good_peer):
        end.close()
    joined.signal(signal.SIGTERM)
    assert joined.wait() == 0
    assert json.loads(joined.err.splitlines()[-1])["failed"] == 1


def ended_by_reset_or_not_at_all_well(sock: socket.socket):
    """What follows is the end, and not a message that is cut."""
    try:
        assert read_to_end(sock) == b""
    except ConnectionResetError:
        pass


def test_a_stream_that_ends_inside_a_message_is_a_failure_and_the_cut_message_does_not_arrive(bridge):
    server, address = listener()
    joined = bridge("listen:", address, "--framing", "decimal:10", "--to", "netstring", "--once")
    client = connect(joined.port)
    peer = accept(server)
    client.sendall(frame(b"whole") + frame(b"cut off")[:-3])
    client.shutdown(socket.SHUT_WR)
    said = netstring(b"whole")
    assert read_exactly(peer, len(said)) == said
    ended_by_reset_or_not_at_all_well(peer)
    assert joined.wait() == 4
    assert "offset 15" in joined.err and "3 bytes" in joined.err, joined.err


def test_once_there_is_no_second_session_and_the_exit_code_is_that_of_the_first(bridge):
    server, address = listener()
    joined = bridge("listen:", address, "--once")
    client = connect(joined.port)
    peer = accept(server)
    client.sendall(frame(b"one"))
    assert read_message(peer) == b"one"
    for end in (client, peer):
        end.shutdown(socket.SHUT_WR)
    assert joined.wait() == 0
    with pytest.raises(OSError):
        connect(joined.port)


def test_who_is_not_there_is_said_and_the_client_is_not_left_waiting(bridge):
    server, address = listener()
    server.close()
    assert bridge("-", address, stdin=b"").wait() == 3
    joined = bridge("listen:", address)
    client = connect(joined.port)
    ended_by_reset_or_not_at_all_well(client)
    wait_until(lambda: address in joined.err and "refused" in joined.err, what="the warning")
    joined.signal(signal.SIGTERM)
    assert joined.wait() == 0


def test_a_command_becomes_a_service_with_one_process_for_each_connection(bridge):
    joined = bridge("listen:", "exec:echo $$; cat", "--framing", "decimal:10", "--to", "line")
    clients = [connect(joined.port) for _ in range(5)]
    for number, client in enumerate(clients):
        client.sendall(frames([b"I am", b"number %d" % number]))
    shells = [read_message(client) for client in clients]
    assert len(set(shells)) == 5
    for number, client in enumerate(clients):
        assert [read_message(client) for _ in range(2)] == [b"I am", b"number %d" % number]
        client.shutdown(socket.SHUT_WR)
        # The command saw the end of its input, and so there is an end of its output.
        assert read_to_end(client) == b""
        client.close()
    joined.signal(signal.SIGTERM)
    assert joined.wait() == 0
    for shell in shells:
        wait_until(lambda: not os.path.exists(f"/proc/{int(shell)}"), what="the end of the command")


def test_a_command_that_fails_is_a_failure_and_a_signal_is_named(bridge):
    server, address = listener()
    joined = bridge(address, "exec:echo last words; exit 7", "--to", "line")
    peer = accept(server)
    assert read_message(peer) == b"last words"
    peer.close()
    assert joined.wait() == 1
    assert "7" in joined.err and "exit 7" in joined.err
    joined = bridge(address, "exec:kill -9 $$", "--to", "line")
    accept(server).close()
    assert joined.wait() == 1
    assert "signal" in joined.err.lower(), joined.err


def test_what_a_command_has_started_does_not_hold_a_session_open_for_ever(bridge):
    server, address = listener()
    joined = bridge(address, "exec:echo one; sleep 600 2>/dev/null & echo $!", "--to", "line", "--drain", "500ms")
    peer = accept(server)
    assert read_message(peer) == b"one"
    sleeping = int(read_message(peer))
    peer.shutdown(socket.SHUT_WR)
    try:
        assert joined.wait() == 5
        assert "holds its output open" in joined.err
        assert read_to_end(peer) == b""
    finally:
        os.kill(sleeping, signal.SIGKILL)


def test_a_command_that_is_gone_is_heard_to_its_end_however_slowly_that_is_taken(bridge):
    server, address = listener()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    joined = bridge(address, "exec:yes | head -n 500000", "--to", "line", "--drain", "200ms")
    peer = accept(server)
    got = b""
    # Longer than the drain: what is not taken yet is not a silence of the command.
    for _ in range(4):
        time.sleep(0.3)
        got += peer.recv(1000)
    got += read_to_end(peer)
    assert got == frame(b"y") * 500000
    peer.close()
    assert joined.wait() == 0, joined.err


def test_stdin_and_stdout_are_an_end(bridge):
    server, address = listener()
    joined = bridge("-", address, "--framing", "netstring", "--to", "u32be", stdin=netstring(b"one") + netstring(b"two"))
    peer = accept(server)
    assert [read_u32(peer) for _ in range(2)] == [b"one", b"two"]
    assert read_to_end(peer) == b""
    peer.sendall(u32(b"three"))
    peer.close()
    assert joined.wait() == 0
    assert joined.out == netstring(b"three")


def test_unix_sockets_are_ends(bridge, tmp_path):
    there, here = tmp_path / "there", tmp_path / "here"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.fspath(there))
        server.listen()
        server.settimeout(60)
        joined = bridge(f"listen:unix:{here}", f"unix:{there}", "--to", "u32be")
        # The file is there a moment before the socket listens.
        wait_until(lambda: "listening" in joined.err, what="the socket")
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(60)
            client.connect(os.fspath(here))
            peer = accept(server)
            client.sendall(frame(b"hello"))
            assert read_u32(peer) == b"hello"
            peer.sendall(u32(b"back"))
            assert read_message(client) == b"back"
            peer.close()
    joined.signal(signal.SIGTERM)
    assert joined.wait() == 0
    assert not here.exists()


def test_what_a_pipe_says_is_published_and_a_channel_is_what_a_pipe_gets(bridge, hub):
    place = hub()
    at = ("--server", f"127.0.0.1:{place.port}")
    published = bridge("-", "hub:ticks:in", "--framing", "netstring", *at, stdin=b"".join(netstring(b"%d" % n) for n in range(1000)))
    assert published.wait() == 0, published.err
    assert place.messages("ticks", 1000) == [b"%d" % n for n in range(1000)]
    taken = bridge("hub:ticks:out", "-", "--to", "line", "--from", "990", *at)
    wait_until(lambda: taken.out == b"".join(b"%d\n" % n for n in range(990, 1000)), what="ten lines")
    place.publish("ticks", [b"one more"])
    wait_until(lambda: taken.out.endswith(b"one more\n"), what="what was published meanwhile")
    taken.signal(signal.SIGTERM)
    assert taken.wait() == 0


def test_a_message_that_the_other_framing_cannot_carry_ends_the_bridge_or_is_left_out(bridge):
    messages = frames([b"one", b"two\nlines", b"three"])
    options = ("--framing", "decimal:10", "--to", "line")
    for extra, code, printed in [((), 4, b"one\n"), (("--on-bad", "skip"), 0, b"one\nthree\n")]:
        server, address = listener()
        joined = bridge("-", address, *options, *extra, stdin=messages)
        peer = accept(server)
        assert read_to_end(peer) == printed
        peer.close()
        assert joined.wait() == code, joined.err
        assert "message 1" in joined.err, joined.err
        assert ("--on-bad skip" in joined.err) == (code == 4), joined.err
    shown = bridge("-", address, "--on-bad", "show", stdin=b"")
    assert shown.wait() == 2 and "stop or skip" in shown.err, shown.err


def test_programs_of_another_framing_share_a_channel(bridge, hub):
    place = hub()
    joined = bridge("listen:", "hub:room", "--framing", "u32be", "--server", f"127.0.0.1:{place.port}")
    clients = [connect(joined.port) for _ in range(3)]
    # A subscription is there before what is published is answered; each client asks until it hears itself.
    heard = [Counter() for _ in clients]
    for number, client in enumerate(clients):
        while b"%d" % number not in heard[number]:
            client.sendall(u32(b"%d" % number))
            heard[number][read_u32(client)] += 1
    place.publish("room", [b"the end"])
    for number, client in enumerate(clients):
        while b"the end" not in heard[number]:
            heard[number][read_u32(client)] += 1
    # They came one after the other, so that the first has heard all.
    assert heard[0].keys() == {b"0", b"1", b"2", b"the end"}
    for client in clients:
        client.close()
    joined.signal(signal.SIGTERM)
    assert joined.wait() == 0


def test_a_bridge_that_is_told_to_end_hands_over_what_it_took_and_cuts_no_message(bridge):
    server, address = listener()
    joined = bridge("listen:", address, "--framing", "decimal:10", "--to", "u32be")
    client = connect(joined.port)
    peer = accept(server)
    client.sendall(frames(b"%d" % number for number in range(1000)) + frame(b"the rest never comes")[:-5])
    assert read_u32(peer) == b"0"
    joined.signal(signal.SIGTERM)
    got = read_to_end(peer)
    assert joined.wait() == 0, joined.err
    messages = []
    while got:
        (length,) = struct.unpack_from(">I", got)
        assert len(got) >= 4 + length, "a message is cut"
        messages.append(got[4 : 4 + length])
        got = got[4 + length :]
    assert messages == [b"%d" % number for number in range(1, len(messages) + 1)]


def test_little_is_kept_in_memory_for_who_does_not_take_it(bridge):
    server, address = listener()
    joined = bridge("listen:", address, "--framing", "decimal:10", "--to", "u32be")
    client = connect(joined.port)
    peer = accept(server)
    client.settimeout(1)
    block, sent = frame(b"x" * 65_526), 0
    # The sockets' buffers take some MiB. What is not taken within a second is not taken.
    with pytest.raises(TimeoutError):
        while sent < 256 << 20:
            sent += client.send(block)
    with open(f"/proc/{joined.process.pid}/status") as status:
        resident = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    assert resident < 64 << 10
    peer.close()


def test_a_session_in_which_nothing_happens_ends_when_it_was_told_to(bridge):
    server, address = listener()
    joined = bridge("listen:", address, "--timeout", "2s", "--once")
    client = connect(joined.port)
    peer = accept(server)
    client.sendall(frame(b"one"))
    assert read_message(peer) == b"one"
    assert joined.wait() == 5
    ended_by_reset_or_not_at_all_well(client)


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["-", "-"], "tenfold convert"),
        (["hub:a", "hub:b"], "hub:FROM:out hub:TO:in"),
        (["hub:a:out", "-", "--framing", "u32be"], "a channel has no framing"),
        (["-", "ticks"], "hub:ticks"),
        (["-", "exec:"], "needs a command"),
        (["-", "127.0.0.1:1", "--once"], "--once is for listen:"),
        (["-", "127.0.0.1:1", "--to", "u33"], "u33"),
    ],
)
def test_what_cannot_be_joined_is_said_before_anything_is_done(bridge, arguments, words):
    joined = bridge(*arguments)
    assert joined.wait() == 2
    assert words in joined.err


def test_the_last_line_says_what_was_done_even_if_nobody_reads_stdout(bridge):
    server, address = listener()
    joined = bridge("-", address, "--report", "json", stdin="open", sink="held")
    peer = accept(server)
    joined.process.stdout.close()
    peer.sendall(frames(b"x" * 1000 for _ in range(1000)))
    assert joined.wait() == 0, joined.err
    told = json.loads(joined.err.splitlines()[-1])
    assert (told["failed"], told["error"]) == (0, None)


# Files and devices.


class Device:
    """A serial device as the system shows it: one end of a pseudo-terminal, by a name that stays when it is plugged in again."""

    def __init__(self, path):
        self.path, self.master = path, None

    def plug_in(self):
        self.master, slave = os.openpty()
        # Else what is written before the bridge has set the device up would be sent back.
        tty.setraw(slave)
        link = self.path.with_suffix(".new")
        link.symlink_to(os.ttyname(slave))
        link.rename(self.path)
        os.close(slave)

    def unplug(self):
        self.path.unlink()
        os.close(self.master)
        self.master = None

    def send(self, data: bytes):
        os.write(self.master, data)

    def receive(self, data: bytes):
        """Waits for these bytes."""
        got = bytearray()
        wait_until(lambda: len(got) == len(data) or got.extend(self.read(len(data) - len(got))), what=f"all of {data!r}")
        assert got == data

    def read(self, most: int) -> bytes:
        """What there is at the moment; nothing if nobody has the device open."""
        ready, _, _ = select.select([self.master], [], [], 0)
        try:
            return os.read(self.master, most) if ready else b""
        except OSError:
            return b""


@pytest.fixture
def device(tmp_path):
    one = Device(tmp_path / "ttyUSB0")
    one.plug_in()
    yield one
    if one.master is not None:
        one.unplug()


def test_a_device_and_a_channel_are_joined_line_by_line(bridge, hub, device):
    place = hub()
    joined = bridge(f"{device.path},115200", "hub:ticks", "-s", f"127.0.0.1:{place.port}", "--from", "first")
    wait_until(lambda: termios.tcgetattr(device.master)[4] == termios.B115200, what="the speed")
    device.send(b"17.25\n17.5\n")
    assert place.messages("ticks", 2) == [b"17.25", b"17.5"]
    # It is a channel in both directions, and what the device has said is there, too.
    device.receive(b"17.25\n17.5\n")
    place.publish("ticks", [b"on"])
    device.receive(b"on\n")
    joined.signal(signal.SIGTERM)
    assert joined.wait() == 0, joined.err


def test_a_device_is_read_and_written_byte_by_byte_as_it_is(bridge, device):
    server, address = listener()
    bridge(f"{device.path},9600", address, "--framing", "cobs", "--to", "u32be")
    peer = accept(server)
    every = bytes(range(1, 255))
    peer.sendall(u32(every))
    device.receive(b"\xff" + every + b"\x00")
    device.send(b"\xff" + every + b"\x00")
    assert read_u32(peer) == every


def test_a_device_that_goes_away_and_comes_back_goes_on_between_two_messages(bridge, hub, device):
    place = hub()
    joined = bridge(f"{device.path},115200", "hub:ticks", "-s", f"127.0.0.1:{place.port}")
    device.send(b"one\ncut he")
    assert place.messages("ticks", 1) == [b"one"]
    device.receive(b"one\n")
    device.unplug()
    wait_until(lambda: "lost " in joined.err and "waiting until it is back" in joined.err, what="the warning")
    place.publish("ticks", [b"meanwhile"])
    device.plug_in()
    device.receive(b"meanwhile\n")
    device.send(b"two\n")
    assert place.messages("ticks", 3) == [b"one", b"meanwhile", b"two"]
    assert "is back after" in joined.err and "left out: 6 bytes" in joined.err, joined.err
    joined.signal(signal.SIGTERM)
    assert joined.wait() == 0, joined.err


def test_a_device_that_is_not_there_is_waited_for_if_that_is_wanted(bridge, device):
    device.unplug()
    joined = bridge(f"{device.path},9600", "-", "--framing", "line")
    assert joined.wait() == 3
    assert "No such file" in joined.err and "--retry waits for it" in joined.err
    joined = bridge(f"{device.path},9600", "-", "--framing", "line", "--retry")
    wait_until(lambda: "waiting for it" in joined.err, what="the note")
    device.plug_in()
    wait_until(lambda: termios.tcgetattr(device.master)[4] == termios.B9600, what="the speed")
    device.send(b"hello\n")
    wait_until(lambda: joined.out == b"hello\n", what="the message")


def test_two_sessions_do_not_share_a_device(bridge, device):
    joined = bridge("listen:", f"{device.path},9600", "--framing", "line", "--drain", "100ms")
    first = connect(joined.port)
    first.sendall(b"first\n")
    device.receive(b"first\n")
    second = connect(joined.port)
    second.sendall(b"second\n")
    assert read_to_end(second) == b""
    wait_until(lambda: "another program uses it, or another session" in joined.err, what="the warning")
    first.close()
    # A device has no end, so the session ends when it says nothing more.
    wait_until(lambda: is_answered(joined.port, device), what="a session of the next client")


def is_answered(port, device) -> bool:
    """Whether a new client has the device."""
    with connect(port) as client:
        client.sendall(b"next\n")

        def told():
            is_refused = client in select.select([client], [], [], 0)[0]
            return "refused" if is_refused else device.read(5)

        return wait_until(told, what="an end of the session, or what was sent") == b"next\n"


def test_what_a_device_answers_is_heard_after_the_end_of_what_it_is_asked(bridge, device):
    joined = bridge("-", device.path, "--framing", "line", "--drain", "1s", stdin=b"how warm is it?\n")
    device.receive(b"how warm is it?\n")
    device.send(b"17.25\n")
    assert joined.wait() == 0, joined.err
    assert joined.out == b"17.25\n"


def test_what_is_not_a_device_has_no_speed(bridge, tmp_path):
    (tmp_path / "notes").write_text("one\n")
    joined = bridge(f"{tmp_path}/notes,9600", "-")
    assert joined.wait() == 3
    assert "is not a serial device, and has no speed: leave out ,9600" in joined.err
    joined = bridge("/dev/ttyS0,fast", "-")
    assert joined.wait() == 2 and "/dev/ttyS0,115200" in joined.err


def test_a_file_is_read_as_a_and_appended_to_as_b(bridge, hub, tmp_path):
    place = hub()
    server = f"127.0.0.1:{place.port}"
    (tmp_path / "in").write_text("one\ntwo\nthree")
    joined = bridge(tmp_path / "in", "hub:ticks", "-s", server)
    assert joined.wait() == 0, joined.err
    assert place.messages("ticks", 3) == [b"one", b"two", b"three"]
    (tmp_path / "out").write_bytes(frame(b"zero"))
    joined = bridge("hub:ticks", tmp_path / "out", "-s", server, "--from", "first", "--to", "decimal:10")
    everything = frames([b"zero", b"one", b"two", b"three"])
    wait_until(lambda: (tmp_path / "out").read_bytes() == everything, what="the messages")
    other = bridge("-", tmp_path / "out", stdin=frame(b"other"))
    assert other.wait() == 1 and "somebody else writes to it" in other.err
    joined.signal(signal.SIGTERM)
    assert joined.wait() == 0, joined.err
    assert bridge(tmp_path / "out", "-", "--to", "line", stdin="open").wait() == 0


def test_what_comes_back_to_a_file_that_is_only_read_is_counted(bridge, tmp_path):
    (tmp_path / "in").write_bytes(frame(b"hello"))
    server, address = listener()
    joined = bridge(tmp_path / "in", address)
    with accept(server) as peer:
        assert read_message(peer) == b"hello"
        peer.sendall(frame(b"thank you"))
    assert joined.wait() == 0, joined.err
    assert f"thrown away: 1 message from B, because {tmp_path}/in, as end A, is only read" in joined.err


def test_a_file_that_cannot_be_one_says_why(bridge, tmp_path):
    for end, words in [("./missing/file", "No such file"), (tmp_path, "it is a directory")]:
        joined = bridge(end, "-")
        assert joined.wait() == 1 and words in joined.err, joined.err
    (tmp_path / "one").touch()
    joined = bridge(tmp_path / "one", f"{tmp_path}/../{tmp_path.name}/one")
    assert joined.wait() == 2 and "both ends are the same file" in joined.err
    joined = bridge("ticks", "-")
    assert joined.wait() == 2 and "hub:ticks, and a file ./ticks" in joined.err


def test_a_pipe_and_a_channel_are_joined_line_by_line(bridge, hub):
    place = hub()
    server = f"127.0.0.1:{place.port}"
    chat = bridge("-", "hub:chat", "-s", server, "--from", "first", stdin="open")
    chat.write(b"hello\n")
    assert place.messages("chat", 1) == [b"hello"]
    place.publish("chat", [b"who is there?"])
    wait_until(lambda: chat.out == b"hello\nwho is there?\n", what="what the channel has")
    listening = bridge("hub:chat:out", "-", "-s", server, "--from", "first", stdin="open")
    wait_until(lambda: listening.out == b"hello\nwho is there?\n", what="what the channel has")
    # What was said about the framing holds.
    framed = bridge("hub:chat:out", "-", "-s", server, "--from", "first", "--to", "decimal:10", stdin="open")
    wait_until(lambda: framed.out == frames([b"hello", b"who is there?"]), what="the frames")
