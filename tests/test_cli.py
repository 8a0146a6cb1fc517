"""The command line: formats, addresses, exit codes, and what goes to which stream."""

import json
import os
import pty
import re
import signal
import socket
import subprocess
import time
from datetime import datetime

import pytest

from support import accept, connect, frame, frames, listener, read_message, read_to_end, unframe, wait_until

MESSAGES = [b"hello", b"", "café €".encode(), b"two\nlines", b"nul\0inside", b"\xff\xfe", b"tail\r"]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "messages"
    path.write_bytes(frames(MESSAGES))
    return path


# --out and --in


@pytest.mark.parametrize(
    "out, expected",
    [
        ("lines", b"".join(m + b"\n" for m in MESSAGES)),
        ("frames", frames(MESSAGES)),
        ("nul", b"".join(m + b"\0" for m in MESSAGES)),
        ("hex", "".join(m.hex() + "\n" for m in MESSAGES).encode()),
        ("raw", b"".join(MESSAGES)),
    ],
)
def test_recv_writes_each_format(tenfold, file, out, expected):
    client = tenfold("recv", file, "--out", out)
    assert client.wait() == 0, client.err
    assert client.out == expected
    assert client.err == ""


def test_recv_writes_json_with_text_or_base64(tenfold, file):
    client = tenfold("recv", file, "--out", "json")
    assert client.wait() == 0, client.err
    objects = [json.loads(line) for line in client.out.splitlines()]
    expected = [{"base64": "//4="} if m == b"\xff\xfe" else {"text": m.decode()} for m in MESSAGES]
    assert objects == [{"index": index, **members} for index, members in enumerate(expected)]
    assert [list(members) for members in objects][0] == ["index", "text"]


def test_json_of_a_live_stream_says_when_each_message_came(tenfold):
    begun = time.time()
    client = tenfold("recv", "-", "--json", stdin=frames([b"a", b"b"]))
    assert client.wait() == 0, client.err
    objects = [json.loads(line) for line in client.out.splitlines()]
    assert [list(members) for members in objects] == [["index", "time", "text"]] * 2
    assert [members["index"] for members in objects] == [0, 1]
    for members in objects:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", members["time"]), members
        came = datetime.fromisoformat(members["time"]).timestamp()
        assert begun - 0.001 <= came <= time.time()
    sent = tenfold("convert", "json", "decimal:10", stdin=client.out)
    assert sent.wait() == 0 and sent.out == frames([b"a", b"b"]), sent.err


def test_a_template_says_how_a_line_is_made(tenfold, file):
    client = tenfold("recv", file, "--format", r"%s\t<%m> 100%%", "--count", "2")
    assert client.wait() == 0, client.err
    assert client.out == b"0\t<hello> 100%\n1\t<> 100%\n"
    live = tenfold("recv", "-", "--format", "%T %m", stdin=frames([b"a"]))
    assert live.wait() == 0, live.err
    assert re.fullmatch(rb"[-0-9]{10}T[:0-9]{8}\.\d{3}Z a\n", live.out), live.out
    for template, words in [("%T", "a file does not say"), ("%c", "tenfold sub"), ("%x", "%T (time)")]:
        refused = tenfold("recv", file, "--format", template)
        assert refused.wait() == 2 and words in refused.err, refused.err


@pytest.mark.parametrize(
    "form, source, expected",
    [
        ("lines", b"a\n\nb\r\nlast", [b"a", b"", b"b\r", b"last"]),
        ("lines", b"", []),
        ("frames", frames(MESSAGES), MESSAGES),
        ("nul", b"a\0\0b\nc\0last", [b"a", b"", b"b\nc", b"last"]),
        ("whole", b"all\nof\0it", [b"all\nof\0it"]),
        ("whole", b"", [b""]),
        ("hex", b"00ff\n\n6162\n", [b"\x00\xff", b"", b"ab"]),
        ("json", b'{"text": "caf\\u00e9"}\n{"base64": "//4="}\n', ["café".encode(), b"\xff\xfe"]),
    ],
)
def test_send_reads_each_format(tenfold, form, source, expected):
    server, address = listener()
    with server:
        client = tenfold("send", address, "--in", form, stdin=source)
        with accept(server) as peer:
            assert unframe(read_to_end(peer)) == expected
    assert client.wait() == 0, client.err
    assert client.out == b""


@pytest.mark.parametrize("form", ["frames", "nul", "hex", "json"])
def test_recv_and_send_are_inverses_in_every_format_that_keeps_boundaries(tenfold, file, form):
    text = tenfold("recv", file, "--out", form)
    assert text.wait() == 0, text.err
    if form == "nul":  # a message with a NUL inside cannot come back whole
        text = tenfold("recv", "-", "--out", form, stdin=frames(m for m in MESSAGES if b"\0" not in m))
        assert text.wait() == 0, text.err
    receiver = tenfold("recv", "--out", "frames", listen=True)
    sender = tenfold("send", receiver.address, "--in", form, stdin=text.out)
    assert sender.wait() == 0, sender.err
    assert receiver.wait() == 0, receiver.err
    assert unframe(receiver.out) == [m for m in MESSAGES if form != "nul" or b"\0" not in m]


@pytest.mark.parametrize("form, source", [("hex", b"0g\n"), ("hex", b"abc\n"), ("json", b"{\n"), ("json", b'{"base64": "*"}\n'), ("frames", b"x")])
def test_send_refuses_bad_input_and_says_where(tenfold, form, source):
    server, address = listener()
    with server:
        client = tenfold("send", address, "--in", form, stdin=source)
        with accept(server) as peer:
            assert read_to_end(peer) == b""
    assert client.wait() in (1, 4), client.err
    assert client.err != ""


def test_recv_reads_standard_input(tenfold):
    client = tenfold("recv", "-", stdin=frames([b"a", b"b"]))
    assert client.wait() == 0, client.err
    assert client.out == b"a\nb\n"


def test_arguments_are_messages(tenfold):
    server, address = listener()
    with server:
        client = tenfold("send", address, "one", "", "two words")
        with accept(server) as peer:
            assert unframe(read_to_end(peer)) == [b"one", b"", b"two words"]
    assert client.wait() == 0, client.err


def test_a_message_in_another_framing(tenfold):
    server, address = listener()
    with server:
        client = tenfold("send", address, "--framing", "netstring", "hello", "")
        with accept(server) as peer:
            assert read_to_end(peer) == b"5:hello,0:,"
    assert client.wait() == 0, client.err


# Addresses


def test_the_address_is_said_and_written(tenfold):
    server = tenfold("broadcast", listen=True, stdin="open")
    assert re.fullmatch(r"127\.0\.0\.1:\d+", server.address)
    wait_until(lambda: f"listening {server.address} (this machine only; 0.0.0.0:{server.port} for others)\n" in server.err, what="the address on stderr")


def test_several_listeners_of_both_kinds(tenfold, tmp_path):
    path = tmp_path / "socket"
    server = tenfold("broadcast", "--listen", f"unix:{path}", "--listen", "127.0.0.1:0", "--wait-clients", "3", listen=True, stdin=b"hello\n")
    assert len(server.addresses) == 3
    assert server.addresses[1] == f"unix:{path}"
    clients = [tenfold("recv", address) for address in server.addresses]
    for client in clients:
        assert client.wait() == 0, client.err
        assert client.out == b"hello\n"
    assert server.wait() == 0, server.err


@pytest.mark.parametrize("spelling", ["127.0.0.1:{}", "localhost:{}", ":{}", "tcp://127.0.0.1:{}"])
def test_spellings_of_an_address(tenfold, spelling):
    server = tenfold("broadcast", "--wait-clients", "1", listen=True, stdin=b"hello\n")
    client = tenfold("recv", spelling.format(server.port))
    assert client.wait() == 0, client.err
    assert client.out == b"hello\n"


# broadcast


def test_every_fires_at_once_and_then_every_period(tenfold):
    server = tenfold("broadcast", "--every", "50ms", "--message", "The time is {time}", listen=True)
    with connect(server.port) as client:
        for _ in range(3):
            assert re.fullmatch(rb"The time is \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d([+-]\d\d:\d\d|Z)", read_message(client))
    server.signal(signal.SIGTERM)
    assert server.wait() == 0, server.err


def test_the_welcome_is_each_clients_first_message(tenfold):
    server = tenfold("broadcast", "--welcome", "hi", "--wait-clients", "2", listen=True, stdin=b"news\n")
    clients = [tenfold("recv", server.address) for _ in range(2)]
    for client in clients:
        assert client.wait() == 0, client.err
        assert client.out == b"hi\nnews\n"


def test_broadcast_reads_a_file(tenfold, tmp_path):
    (tmp_path / "lines").write_bytes(b"one\ntwo\nlast")
    server = tenfold("broadcast", "--wait-clients", "1", tmp_path / "lines", listen=True)
    with connect(server.port) as client:
        assert unframe(read_to_end(client)) == [b"one", b"two", b"last"]
    assert server.wait() == 0, server.err


# Exit codes


@pytest.mark.parametrize(
    "arguments",
    [
        ["recv"],
        ["recv", "--no-such-option", "-"],
        ["recv", "-", "--framing", "fixed:0"],
        ["recv", "-", "--framing", "websocket"],
        ["recv", "-", "--out", "nonsense"],
        ["recv", "-", "--timeout", "soon"],
        ["nonsense"],
    ],
)
def test_2_usage(tenfold, arguments):
    client = tenfold(*arguments)
    assert client.wait() == 2
    assert client.err != "" and client.out == b""


@pytest.fixture
def closed_port():
    """A port that nobody else can take and that refuses connections: bound, but not listening."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock


@pytest.mark.parametrize("command", [["recv"], ["send"]])
def test_3_could_not_connect(tenfold, closed_port, command):
    client = tenfold(*command, "127.0.0.1:%d" % closed_port.getsockname()[1], stdin=b"")
    assert client.wait() == 3, client.err
    assert client.err != ""


def test_retry_waits_for_the_server(tenfold, closed_port):
    client = tenfold("recv", "127.0.0.1:%d" % closed_port.getsockname()[1], "--retry")
    time.sleep(0.3)  # room for some refusals; the outcome is the same without them
    closed_port.listen()
    closed_port.settimeout(60)
    with accept(closed_port) as peer:
        peer.sendall(frame(b"at last"))
    assert client.wait() == 0, client.err
    assert client.out == b"at last\n"


def test_retry_ends_after_its_time_also_while_a_connection_is_being_made(tenfold):
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        # Who finds the queue full gets no answer at all.
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        address = "127.0.0.1:%d" % full.getsockname()[1]
        commands = [["recv", address], ["send", address, "x"], ["sub", "ticks", "-s", address], ["pub", "ticks", "x", "-s", address]]
        ended = [tenfold(*command, "--retry=500ms") for command in commands]
        for one in ended:
            assert one.wait() == 3, one.err
        for one in waiting:
            one.close()


@pytest.mark.parametrize("cut", range(len(frames([b"abc", b"de"])) + 1))
def test_4_framing_error_unless_the_cut_is_between_frames(tenfold, cut):
    stream = frames([b"abc", b"de"])
    client = tenfold("recv", "-", stdin=stream[:cut])
    assert client.wait() == (0 if cut in (0, 13, 25) else 4), client.err
    assert client.out == (b"abc\nde\n" if cut == 25 else b"abc\n" if cut >= 13 else b"")
    assert (client.err == "") == (cut in (0, 13, 25))


def test_5_time_out(tenfold):
    server, address = listener()
    with server:
        client = tenfold("recv", address, "--timeout", "200ms")
        with accept(server) as peer:
            peer.sendall(frame(b"one") + b"5")
            assert client.wait() == 5, client.err
    assert client.out == b"one\n"


def test_1_count_not_reached(tenfold, file):
    client = tenfold("recv", file, "--count", "100", "--out", "frames")
    assert client.wait() == 1
    assert client.out == frames(MESSAGES)


def test_count_stops_after_so_many(tenfold):
    server, address = listener()
    with server:
        client = tenfold("recv", address, "--count", "2")
        with accept(server) as peer:
            peer.sendall(frames([b"a", b"b", b"c"]))
            assert client.wait() == 0, client.err
    assert client.out == b"a\nb\n"


def test_0_when_stdout_is_closed(tenfold):
    server, address = listener()
    with server:
        client = tenfold("recv", address, sink="held")
        with accept(server) as peer:
            peer.sendall(frame(b"one"))
            assert client.process.stdout.read(4) == b"one\n"
            client.process.stdout.close()
            peer.sendall(frame(b"two") * 10)
            assert client.process.wait(60) == 0
    assert "panic" not in client.err


def test_130_when_interrupted(tenfold):
    server, address = listener()
    with server:
        client = tenfold("recv", address)
        with accept(server) as peer:
            peer.sendall(frame(b"one"))
            wait_until(lambda: client.out == b"one\n", what="the first message")
            client.signal(signal.SIGINT)
            assert client.wait() == 130, client.err


def test_max_message(tenfold):
    stream = frames([b"x" * 1024, b"x" * 1025])
    client = tenfold("recv", "-", "--max-message", "1KiB", "--out", "frames", stdin=stream)
    assert client.wait() == 4
    assert client.out == frame(b"x" * 1024)
    assert "1025" in client.err and "1024" in client.err


@pytest.mark.parametrize("form", ["lines", "nul", "whole", "hex"])
def test_a_line_of_20_mib_is_sent_where_that_is_allowed(tenfold, form):
    line = bytes(97 + n % 26 for n in range(1 << 10)) * (20 << 10)
    source = {"lines": line + b"\n", "nul": line, "whole": line, "hex": line.hex().encode()}[form]
    server, address = listener()
    sender = tenfold("send", address, "--in", form, "--max-message", "64MiB", stdin=source)
    with accept(server) as peer:
        received = read_to_end(peer)
    assert sender.wait() == 0, sender.err
    assert received == frame(line)


def test_an_unterminated_last_line_is_read_as_a_line(tenfold):
    client = tenfold("recv", "-", "--framing", "line", stdin=b"a\nb")
    assert client.wait() == 0, client.err
    assert client.out == b"a\nb\n"


# For people


def test_demo_shows_messages_streaming(tenfold):
    demo = tenfold("demo")
    header = re.compile(rb"\d{1,2} {8,9}")
    wait_until(lambda: header.search(demo.out) or demo.process.poll() is not None, what="a message as it is on the wire")
    demo.signal(signal.SIGINT)
    assert demo.wait() in (0, 130), demo.err
    assert header.search(demo.out), demo.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions(binary, shell):
    script = subprocess.run([binary, "completions", shell], check=True, capture_output=True, timeout=60).stdout
    assert b"broadcast" in script
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=script, check=True, timeout=60)


def test_the_manual_page(binary, tmp_path):
    page = subprocess.run([binary, "man"], check=True, capture_output=True, timeout=60, env=dict(os.environ)).stdout
    assert b".TH" in page and b"broadcast" in page


@pytest.mark.parametrize("command", [[], ["broadcast"], ["recv"], ["send"], ["demo"], ["completions"], ["man"]])
def test_help_goes_to_stdout(binary, command):
    done = subprocess.run([binary, *command, "--help"], capture_output=True, timeout=60)
    assert done.returncode == 0
    assert b"Usage" in done.stdout and done.stderr == b""


def test_the_help_shows_each_command_once_in_the_group_of_what_it_is_for(binary):
    shown = subprocess.run([binary, "--help"], check=True, capture_output=True, timeout=60).stdout.decode()
    groups = dict(re.findall(r"^(\S.*):\n((?:  \w.*\n)+)", shown, re.MULTILINE))
    names = [line.split()[0] for group in ("Streams", "The hub", "Looking into a stream", "Joining programs", "Other") for line in groups[group].splitlines()]
    assert len(names) == len(set(names))
    script = subprocess.run([binary, "completions", "fish"], check=True, capture_output=True, timeout=60).stdout.decode()
    known = set(re.findall(r'__fish_tenfold_needs_command" -f -a "(\w+)"', script))
    assert known and set(names) == known


def test_the_list_of_commands_fits_a_narrow_terminal_and_cuts_no_word(terminal):
    shown = terminal("--help", columns=60, rows=120, term="dumb")
    assert shown.wait() == 0
    shown.shows("interrupted")
    lines = shown.screen
    # A line that is too long goes on in the first column of the next one.
    at = lines.index("The hub:")
    commands = lines[at + 1 : lines.index("Looking into a stream:") - 1]
    assert all(line.startswith("  ") for line in commands), commands
    assert any(line.startswith(" " * 15) for line in lines), "nothing had to be broken"


@pytest.mark.parametrize("command", ["recv", "bench hub", "cert dev", "check server", "token new"])
def test_the_help_of_a_command_has_its_examples_before_its_options(binary, command):
    shown = subprocess.run([binary, *command.split(), "--help"], check=True, capture_output=True, timeout=60).stdout.decode()
    assert shown.index("Examples:") < shown.index("\nOptions:") < shown.index("\nGlobal options:") < shown.index("--color")


def test_the_settings_of_a_hub_are_under_the_heading_of_what_they_are_about(binary):
    shown = subprocess.run([binary, "serve", "--help"], check=True, capture_output=True, timeout=60).stdout.decode()
    headings = re.split(r"^(\S.*):\n", shown, flags=re.MULTILINE)
    options = {heading: set(re.findall(r"^ .*?(--[\w-]+)", text, re.MULTILINE)) for heading, text in zip(headings[1::2], headings[2::2])}
    assert {"--listen", "--plain", "--replay", "--welcome", "--log", "--log-level", "--report"} <= options["Options"]
    tls = options["TLS, at addresses tls://HOST:PORT"]
    assert "--tls-cert" in tls and all(option.startswith("--tls-") for option in tls), tls
    assert {"--memory", "--drain"} <= options['Limits (0 is never "unlimited")']


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["recv", "127.0.0.1", "5000"], "HOST:PORT"),
        (["recv", "--port", "5000"], "HOST:PORT"),
        (["recv", "5000"], "write a port as :5000"),
        (["recv", "http://127.0.0.1:1/x"], "http is not spoken here; write 127.0.0.1:1"),
        (["send", "127.0.0.1:http", "x"], "as a number"),
        (["recv", "-", "--framing", "hl7"], "here it is mllp"),
        (["recv", "-", "--framing", "ndjson"], "here it is line"),
        (["recv", "-", "--framing", "gelf"], "here it is delim:\\0"),
        (["recv", "-", "--framing", "redis"], "RESP"),
        (["man", "recieve"], "there is no command recieve"),
        (["framings", "postgress"], "did you mean postgres?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_near_miss_is_told_what_to_write(binary, arguments, words):
    done = subprocess.run([binary, *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    assert done.returncode in (1, 2)
    assert words in done.stderr.decode() and done.stdout == b""


def test_a_bare_number_is_seconds(binary):
    done = subprocess.run([binary, "recv", "--listen", "127.0.0.1:0", "--timeout", "0.2"], capture_output=True, timeout=60)
    assert done.returncode == 5


def test_one_framing_is_explained_with_messages_in_it(binary):
    shown = subprocess.run([binary, "framings", "netstring"], check=True, capture_output=True, timeout=60).stdout.decode()
    assert "decimal,end=:,close=" in shown and '"hello, world" is "12:hello, world,"' in shown and '"" is "0:,"' in shown
    shown = subprocess.run([binary, "framings", "postgres"], check=True, capture_output=True, timeout=60).stdout.decode()
    assert '"abc" is "a\\x00\\x00\\x00\\x06bc"' in shown


def test_the_manual_page_of_a_command_opens_on_a_terminal_and_is_printed_elsewhere(binary, tmp_path):
    page = subprocess.run([binary, "man", "recv"], check=True, capture_output=True, timeout=60).stdout
    assert b".TH" in page and b"\\-\\-keep" in page
    # A `man` that says what it was given.
    pager = tmp_path / "man"
    pager.write_text('#!/bin/sh\necho "man $*"\ngrep -c "^.TH"\n')
    pager.chmod(0o755)
    env = dict(os.environ, PATH=f"{tmp_path}:{os.environ['PATH']}")
    terminal, inside = pty.openpty()
    shown = subprocess.Popen([binary, "man"], stdin=inside, stdout=inside, env=env)
    os.close(inside)
    assert shown.wait(60) == 0
    said = b""
    while b"1" not in said:
        said += os.read(terminal, 1 << 16)
    assert said.split() == [b"man", b"-l", b"-", b"1"]
    os.close(terminal)
