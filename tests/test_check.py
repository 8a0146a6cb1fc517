"""`tenfold check`: the lesson's own programs, the clients of `examples/`, and mistakes that people make."""

import json
import socket
import sys

import pytest

from support import BOUND, ROOT, frame, wait_until

LESSON = ROOT / "tests" / "lesson"

# A small "large" message keeps the lesson's programs, which print for every 16 bytes, from taking a minute.
SMALL = ("--large", "50kB")

RECEIVE = """
import socket, sys
H = 10
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
"""

# Each is a client whose one mistake is its name.
MISTAKES = {
    "rest-lost": RECEIVE
    + """
data = b""
while part := s.recv(65536):
    data += part
    if len(data) >= H and len(data) >= H + int(data[:H]):
        print(data[H : H + int(data[:H])].decode())
        data = b""
""",
    "short-read": RECEIVE
    + """
def exactly(n):
    data = b""
    while len(data) < n and (part := s.recv(n - len(data))):
        data += part
    return data
while header := exactly(H):
    n = int(header)
    print(s.recv(n).decode(errors="replace") if n else "")
""",
    "header-cut": RECEIVE
    + """
while header := s.recv(H):
    data, n = b"", int(header)
    while len(data) < n and (part := s.recv(n - len(data))):
        data += part
    print(data.decode())
""",
    "empty-lost": RECEIVE
    + """
def exactly(n):
    data = b""
    while len(data) < n and (part := s.recv(n - len(data))):
        data += part
    return data
while (header := exactly(H)) and (message := exactly(int(header))):
    print(message.decode())
""",
    "characters": RECEIVE
    + """
import codecs
decode, text = codecs.getincrementaldecoder("utf-8")().decode, ""
while part := s.recv(65536):
    text += decode(part)
    while len(text) >= H and len(text) >= H + int(text[:H]):
        n = H + int(text[:H])
        print(text[H:n])
        text = text[n:]
""",
    "end-not-noticed": RECEIVE
    + """
data = b""
while True:
    data += s.recv(65536)
    while len(data) >= H and len(data) >= H + int(data[:H]):
        n = H + int(data[:H])
        print(data[H:n].decode())
        data = data[n:]
""",
    "twice": RECEIVE
    + """
data = b""
while part := s.recv(65536):
    data += part
    while len(data) >= H and len(data) >= H + int(data[:H]):
        n = H + int(data[:H])
        print(data[H:n].decode())
        print(data[H:n].decode())
        data = data[n:]
""",
}

GOOD = """
import sys
def serve(s):
    data = b""
    while part := s.recv(4096):
        data += part
        while len(data) >= 10 and len(data) >= 10 + int(data[:10]):
            n = 10 + int(data[:10])
            {act}
            data = data[n:]
"""


def checked(tenfold, *arguments, bound=300, **options):
    """The report of a check as objects, its findings by kind, and its exit code."""
    check = tenfold("check", *arguments, **options)
    code = check.wait(bound)
    lines = [json.loads(line) for line in check.out.splitlines()]
    findings = {line["finding"]["kind"]: line["finding"] for line in lines if "finding" in line}
    cases = {line["case"]: line for line in lines if "case" in line}
    return code, findings, cases, check


def check_client(tenfold, command, *arguments, **options):
    listen = ("client", "--listen", "127.0.0.1:0", "--json", *arguments, "--")
    return checked(tenfold, *listen, *command, "{host}", "{port}", **options)


@pytest.fixture
def check_by_hand(tenfold, tmp_path):
    """Starts `check client` for a client that the test itself is."""

    def start(*arguments):
        ports = tmp_path / "ports"
        where = ("--listen", "127.0.0.1:0", "--port-file", ports)
        return tenfold("check", "client", *where, *arguments, port_file=ports)

    return start


def script(tmp_path, text):
    path = tmp_path / "program.py"
    path.write_text(text)
    return [sys.executable, path]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


# Programs that receive.


@pytest.mark.parametrize("name", ["recv.py", "recv.sh", "recv.c"])
def test_the_examples_make_no_mistake(tenfold, lesson, name):
    code, findings, cases, check = check_client(tenfold, lesson[name])
    assert code == 0, (check.out, check.err)
    assert len(cases) == 13 and all(case["passed"] for case in cases.values())
    # What is only a part of a message is printed by two of them, and their exit code says so or not.
    assert set(findings) <= {"half-taken"}
    assert not any(finding["mistake"] for finding in findings.values())


@pytest.mark.parametrize("size", [10, 64])
def test_the_lessons_own_client_loses_a_message_that_shares_a_recv(tenfold, size):
    command = [sys.executable, LESSON / "client_2.py"]
    arguments = ("client", "--listen", "127.0.0.1:0", "--json", *SMALL, "--framing", f"decimal:{size}", "--")
    code, findings, cases, check = checked(tenfold, *arguments, *command, "{host}", "{port}", str(size))
    assert code == 1, check.err
    assert cases["whole"]["passed"] and cases["cut-after-header"]["passed"]
    assert not cases["three"]["passed"] and not cases["one-and-a-half"]["passed"]
    assert "full_msg = ''" in findings["exact-length"]["lesson"]
    assert "three" in findings["exact-length"]["cases"]
    assert {"header-cut", "decodes-pieces", "end-not-noticed"} <= set(findings)
    assert "bytes" in findings["header-cut"]["cases"]


def test_the_lessons_client_for_pickles_makes_the_same_mistakes(tenfold):
    command = [sys.executable, LESSON / "client_3.py", "{host}", "{port}", "10"]
    code, findings, cases, check = checked(
        tenfold, "client", "--listen", "127.0.0.1:0", "--json", "--payload", "pickle", *SMALL, "--", *command
    )
    assert code == 1, check.err
    assert {"exact-length", "header-cut"} <= set(findings)
    assert cases["accent"]["passed"], "it keeps bytes, and counts them"


@pytest.mark.parametrize("name", ["client_1_once.py", "client_1_all.py"])
def test_the_lessons_first_clients_know_nothing_of_a_header(tenfold, name):
    code, findings, cases, check = check_client(tenfold, [sys.executable, LESSON / name])
    assert code == 1, check.err
    assert list(findings) == ["no-header"]
    assert list(cases) == ["whole"], "the first case tells enough"


def test_one_recv_is_not_one_message(tenfold, lesson):
    code, findings, cases, check = check_client(tenfold, lesson["one_recv.py"])
    assert code == 1, check.err
    assert list(findings) == ["one-recv"]
    assert cases["whole"]["passed"] and not cases["three"]["passed"] and not cases["bytes"]["passed"]


@pytest.mark.parametrize("kind", MISTAKES)
def test_each_mistake_has_its_name(tenfold, tmp_path, kind):
    code, findings, cases, check = check_client(tenfold, script(tmp_path, MISTAKES[kind]), *SMALL)
    assert code == 1, (check.out, check.err)
    mistakes = [name for name, finding in findings.items() if finding["mistake"]]
    assert mistakes == [kind], check.out


def test_what_a_program_prints_around_its_messages_is_not_a_mistake(tenfold, tmp_path):
    act = 'print("Received:", data[10:n].decode(), "!")'
    program = "import socket" + GOOD.format(act=act) + "serve(socket.create_connection((sys.argv[1], int(sys.argv[2]))))"
    code, findings, cases, check = check_client(tenfold, script(tmp_path, program))
    assert code == 0, (check.out, check.err)


@pytest.mark.parametrize("form, act", [("hex", "print(data[10:n].hex())"), ("json", "import json; print(json.dumps(data[10:n].decode()))")])
def test_messages_are_compared_in_other_forms(tenfold, tmp_path, form, act):
    program = "import socket" + GOOD.format(act=act) + "serve(socket.create_connection((sys.argv[1], int(sys.argv[2]))))"
    code, _, cases, check = check_client(tenfold, script(tmp_path, program), "--as", form)
    assert code == 0, (check.out, check.err)
    assert len(cases) == 13


def test_an_echo_over_one_connection_is_compared(check_by_hand):
    check = check_by_hand("--json")
    with socket.create_connection(("127.0.0.1", check.port), timeout=BOUND) as client:
        data = b""
        while part := client.recv(65536):
            data += part
            while len(data) >= 10 and len(data) >= 10 + int(data[:10]):
                n = 10 + int(data[:10])
                client.sendall(data[:n])
                data = data[n:]
    assert check.wait() == 0, (check.out, check.err)
    lines = [json.loads(line) for line in check.out.splitlines()]
    assert sum("case" in line for line in lines) == 12, "all but the end inside a message"
    assert lines[-1]["summary"] == {"mistakes": 0, "weaknesses": 0}


def test_a_client_that_sends_nothing_back_is_told_what_to_do(check_by_hand):
    check = check_by_hand("--timeout", "200ms")
    with socket.create_connection(("127.0.0.1", check.port), timeout=BOUND) as client:
        while client.recv(65536):
            pass
    assert check.wait() == 1
    assert b"-- COMMAND" in check.out


def test_other_framings_have_the_same_cases(tenfold, binary):
    command = [binary, "recv", "{address}", "--framing", "u16be"]
    code, _, cases, check = checked(
        tenfold, "client", "--listen", "127.0.0.1:0", "--json", "--framing", "u16be", "--", *command
    )
    assert code == 0, (check.out, check.err)
    assert "after 1 bytes" in cases["cut-in-header"]["says"]
    assert "60,000 bytes" in cases["large"]["says"], "a length of two bytes says no more"


def test_a_server_that_receives_is_sent_the_same_cases(tenfold, tmp_path):
    serve = """
import socket
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    serve(server.accept()[0])
"""
    program = script(tmp_path, GOOD.format(act="print(data[10:n].decode())") + serve)
    code, findings, cases, check = checked(
        tenfold, "server", f"127.0.0.1:{free_port()}", "--receives", "--json", "--", *program, "{port}"
    )
    assert code == 0, (check.out, check.err)
    assert len(cases) == 13 and not findings


# Programs that send.


@pytest.mark.parametrize("name", ["send.py", "send.sh", "send.c"])
def test_the_examples_send_whole_messages(tenfold, lesson, name):
    code, findings, _, check = check_client(tenfold, lesson[name], "--sends", stdin="one\n\ncafé\n".encode())
    assert code == 0, (check.out, check.err)
    (stream,) = [json.loads(line) for line in check.out.splitlines() if b'"stream"' in line]
    assert stream["stream"]["messages"] == 3 and not findings


@pytest.mark.parametrize(
    "name, kind, line",
    [
        ("chars.py", "characters", 'f"{len(msg):<{HEADERSIZE}}" + msg'),
        ("cut.py", "cut", "s.send("),
        ("header_only.py", "header-only", "len(msg)"),
        ("right_aligned.py", "right-aligned", 'f"{len(msg):{HEADERSIZE}}"'),
        ("unpadded.py", "unpadded", "str(len(msg))"),
        ("zero_padded.py", "zero-padded", ":0{HEADERSIZE}"),
    ],
)
def test_each_broken_sender_hears_its_mistake_and_its_line(tenfold, lesson, name, kind, line):
    code, findings, _, check = check_client(tenfold, lesson[name], "--sends")
    assert code == 4, (check.out, check.err)
    assert list(findings) == [kind]
    assert line in findings[kind]["lesson"]


def test_a_message_that_is_never_finished_is_told(check_by_hand):
    check = check_by_hand("--sends", "--json", "--timeout", "300ms")
    with socket.create_connection(("127.0.0.1", check.port), timeout=BOUND) as client:
        client.sendall(frame(b"whole") + frame(b"not finished")[:-3])
        assert check.wait() == 4, check.err
    assert b'"kind":"unfinished"' in check.out and b"19 bytes of message 1" in check.out


@pytest.fixture
def lesson_server(run):
    """Starts a server of the lesson on a free port, and gives the port when it listens."""

    def start(name, *arguments):
        port = free_port()
        run(sys.executable, LESSON / name, str(port), *arguments)

        def listens():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        wait_until(listens, what="the lesson's server")
        return port

    return start


def test_the_lessons_first_server_sends_no_header(tenfold, lesson_server):
    port = lesson_server("server_1.py")
    code, findings, _, check = checked(tenfold, "server", f":{port}", "--json")
    assert code == 4, (check.out, check.err)
    assert list(findings) == ["no-header"]


@pytest.mark.parametrize("size", [10, 64])
def test_the_lessons_servers_send_whole_messages(tenfold, size):
    for program in (["server_2.py", "{port}", str(size), "0.01"], ["server_3.py", "{port}", str(size)]):
        count = "3" if program[0] == "server_2.py" else "1"
        command = [sys.executable, LESSON / program[0], *program[1:]]
        code, findings, _, check = checked(
            tenfold, "server", f":{free_port()}", "--json", "--framing", f"decimal:{size}", "--count", count, "--", *command
        )
        assert code == 0, (check.out, check.err)
        # The one sends to its client without end, the other one is done with it at once.
        assert list(findings) == (["one-at-a-time"] if program[0] == "server_2.py" else [])


def test_another_headersize_is_recognised(tenfold):
    command = [sys.executable, LESSON / "server_2.py", "{port}", "64", "0.01"]
    code, findings, _, check = checked(tenfold, "server", f":{free_port()}", "--json", "--", *command)
    assert code == 4, (check.out, check.err)
    assert list(findings) == ["other-width"]
    assert any("decimal:64" in words for words in findings["other-width"]["seen"])


def test_the_example_server_sends_whole_messages(tenfold, lesson):
    code, findings, _, check = checked(
        tenfold, "server", f":{free_port()}", "--json", "--", *lesson["serve.py"], "{port}", "one", "two"
    )
    assert code == 0, (check.out, check.err)
    assert not findings


# What people read.


def test_a_report_for_people_has_the_lesson_and_what_to_write(tenfold, lesson):
    command = ("client", "--listen", "127.0.0.1:0", "--sends", "--", *lesson["chars.py"], "{host}", "{port}")
    check = tenfold("check", *command)
    assert check.wait() == 4
    text = check.out.decode()
    assert "mistake: It counts characters where the header counts bytes." in text
    assert "s.sendall(header + data)" in text
    assert all(len(line) <= 100 for line in text.splitlines())


def test_a_program_that_cannot_be_started_is_said(tenfold):
    check = tenfold("check", "client", "--listen", "127.0.0.1:0", "--", "/nonexistent/program")
    assert check.wait() == 1
    assert "/nonexistent/program" in check.err


def test_a_client_that_ends_without_connecting_is_said(tenfold):
    command = [sys.executable, "-c", "raise SystemExit('where is the server?')"]
    check = tenfold("check", "client", "--listen", "127.0.0.1:0", "--", *command)
    assert check.wait() == 1
    assert "where is the server?" in check.err


# Two clients of a server at once.

ECHO = """
import socket, sys, threading

server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
shared = bytearray()

def serve(client, data):
    while chunk := client.recv(65536):
        data += chunk
        while len(data) >= 10 and len(data) >= (end := 10 + int(data[:10])):
            client.sendall(data[:end])
            del data[:end]
    client.close()

while True:
    client, _ = server.accept()
    {serve}
"""
THREAD = "threading.Thread(target=serve, args=(client, {buffer}), daemon=True).start()"


@pytest.mark.parametrize(
    "serve, code, kinds",
    [
        (THREAD.format(buffer="bytearray()"), 0, []),
        ("serve(client, bytearray())", 0, ["one-at-a-time"]),
        (THREAD.format(buffer="shared"), 1, ["mixed-clients"]),
    ],
    ids=["at once", "one after the other", "one buffer for all"],
)
def test_a_server_that_sends_back_is_tried_with_two_clients_at_once(tenfold, tmp_path, serve, code, kinds):
    program = script(tmp_path, ECHO.replace("{serve}", serve))
    options = ("--receives", "--echo", "--json", "--timeout", "1s")
    ended, findings, cases, check = checked(tenfold, "server", f":{free_port()}", *options, "--", *program, "{port}")
    assert (ended, list(findings)) == (code, kinds), (check.out, check.err)
    assert cases["two-at-once"]["passed"] == (code == 0)
    if kinds == ["mixed-clients"]:
        assert "for each client" in findings["mixed-clients"]["why"]


def test_a_broadcast_serves_two_clients_at_once(tenfold):
    broadcast = tenfold("broadcast", "--every", "20ms", "--message", "hello", listen=True)
    code, findings, cases, check = checked(tenfold, "server", broadcast.address, "--json")
    assert (code, list(findings)) == (0, []), (check.out, check.err)
    assert "a second client got messages while the first was there" in cases["two-at-once"]["says"]


def test_a_server_that_mixes_two_clients_that_it_sends_to_is_told(tenfold, tmp_path):
    # When the second client comes, the first one gets what is not the beginning of a frame.
    program = script(
        tmp_path,
        """
import socket, sys

server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
first, _ = server.accept()
for _ in range(10):
    first.sendall(b"5         hello")
second, _ = server.accept()
first.sendall(b"hello")
second.sendall(b"5         hello")
# Until the first one goes.
first.recv(1)
""",
    )
    code, findings, _, check = checked(tenfold, "server", f":{free_port()}", "--json", "--", *program, "{port}")
    assert (code, list(findings)) == (4, ["mixed-clients"]), (check.out, check.err)
