"""Programs that others wrote, at their own sockets: each is started here, on loopback, and is spoken to through `tenfold`.

Erlang, git, `multiprocessing` and `SocketHandler` are in test_referees.py and test_clients.py. A program that is missing
fails its test: `./test` installs them. docs/peers.md has all of them in a table.
"""

import base64
import json
import os
import pwd
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from support import BOUND, ROOT, connect, frame, read_message, wait_until


def program(name: str, package: str, *places: str) -> str:
    """Where a program is; some are not where ordinary users look."""
    found = shutil.which(name, path=os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin", *places]))
    assert found, f"{name} is missing: it is in the Debian package {package}, which ./test installs"
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


def is_open(place) -> bool:
    """Whether somebody listens at a port, or at the path of a socket."""
    family, address = (socket.AF_INET, ("127.0.0.1", place)) if isinstance(place, int) else (socket.AF_UNIX, os.fspath(place))
    with socket.socket(family) as sock:
        return sock.connect_ex(address) == 0


@pytest.fixture
def server(run):
    """Starts a server that listens at a free port; gives back the port. Another may have taken it meanwhile: then with another."""

    def start(command):
        for _ in range(5):
            port = free_port()
            process = run(*command(port))
            wait_until(lambda: process.process.poll() is not None or is_open(port), what=f"{process.command} to listen")
            if process.process.poll() is None:
                return port
        raise AssertionError(f"{process.command} ended with {process.wait()}: {process.err}{process.out.decode(errors='replace')}")

    return start


def ask(command, bound=BOUND, **options) -> bytes:
    """What a program prints; it must succeed."""
    done = subprocess.run(command, capture_output=True, timeout=bound, stdin=subprocess.DEVNULL, **options)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


@pytest.fixture
def between(tenfold, tmp_path):
    """`tenfold inspect --between` in front of an upstream; `rows(process)` ends it and gives what it has listed."""

    def start(upstream: str, framing: str, listen="127.0.0.1:0"):
        ports = tmp_path / "between.ports"
        arguments = ("--between", listen, upstream, "--framing", framing, "--json", "--port-file", ports)
        return tenfold("inspect", *arguments, port_file=ports)

    return start


def rows(process) -> tuple[list[dict], list[dict]]:
    """The messages of the client, and of the server. Nothing may be left over."""
    process.signal(signal.SIGTERM)
    assert process.wait() == 0, process.err
    lines = [json.loads(line) for line in process.out.splitlines()]
    assert not [line for line in lines if "broken" in line or "not_shown" in line], lines
    messages = [line for line in lines if "index" in line]
    sides = [[row for row in messages if row["from"] == side] for side in ("client", "server")]
    return sides[0], sides[1]


def exchange(tenfold, address: str, framing: str, requests: list[bytes], answers: int, *options) -> list[bytes]:
    """Sends messages to a server through `tenfold bridge`, and waits for so many."""
    stream = b"".join(map(frame, requests))
    joined = tenfold("bridge", "-", address, "--to", framing, *options, stdin="open")
    joined.write(stream)

    def whole():
        got, at = joined.out, 0
        messages = []
        while len(got) >= at + 10 and len(got) >= (end := at + 10 + int(got[at : at + 10])):
            messages.append(got[at + 10 : end])
            at = end
        return messages if len(messages) >= answers else None

    messages = wait_until(whole, what=f"{answers} answers")
    joined.stdin.close()
    joined.signal(signal.SIGTERM)
    joined.wait()
    return messages


# DNS over TCP


def unbound(tmp_path):
    config = tmp_path / "unbound.conf"

    def command(port):
        config.write_text(
            f"""
server:
    interface: 127.0.0.1
    port: {port}
    do-daemonize: no
    username: ""
    chroot: ""
    directory: "{tmp_path}"
    pidfile: "{tmp_path}/unbound.pid"
    use-syslog: no
    module-config: "iterator"
    local-zone: "example.test." static
    local-data: "meter.example.test. 60 IN A 192.0.2.7"
remote-control:
    control-enable: no
"""
        )
        return program("unbound", "unbound"), "-d", "-c", config

    return command


def test_unbound_answers_a_query_that_tenfold_sends_and_kdig_is_seen_on_its_way(tenfold, server, between, tmp_path):
    port = server(unbound(tmp_path))
    name = b"\x05meter\x07example\x04test\x00"
    query = struct.pack(">HHHHHH", 0x7E57, 0x0100, 1, 0, 0, 0) + name + struct.pack(">HH", 1, 1)
    (answer,) = exchange(tenfold, f"127.0.0.1:{port}", "dns", [query], 1)
    assert answer[:2] == b"\x7e\x57" and answer.endswith(bytes([192, 0, 2, 7]))
    seen = between(f"127.0.0.1:{port}", "dns")
    asked = [program("kdig", "knot-dnsutils"), "+tcp", "+short", "-p", str(seen.port), "@127.0.0.1", "meter.example.test", "A"]
    assert ask(asked) == b"192.0.2.7\n"
    queries, answers = (list(map(message_of, messages)) for messages in rows(seen))
    (asked, answered) = queries + answers
    assert name in asked and asked[:2] == answered[:2]
    # One answer, and the address in it.
    assert answered[6:8] == b"\0\1" and bytes([192, 0, 2, 7]) in answered


# git


@pytest.fixture
def git_daemon(server, tmp_path):
    """Starts git's daemon with a repository `a.git`, that can be pushed to; gives back `git(...)`, a tree it was cloned from, and the port."""
    work, bare = tmp_path / "work", tmp_path / "served" / "a.git"
    command = [program("git", "git"), "-c", "user.name=t", "-c", "user.email=t@example.test"]
    env = dict(os.environ, GIT_CONFIG_GLOBAL=os.devnull, GIT_CONFIG_SYSTEM=os.devnull)

    def git(*arguments) -> bytes:
        return ask([*command, *arguments], env=env)

    git("init", "-q", work)
    (work / "volts").write_text("230\n" * 1000)
    git("-C", work, "add", ".")
    git("-C", work, "commit", "-qm", "volts")
    git("clone", "-q", "--bare", work, bare)
    # The daemon itself, so that it is what is ended.
    daemon = Path(git("--exec-path").decode().strip(), "git-daemon")
    options = ("--listen=127.0.0.1", "--reuseaddr", "--export-all", "--enable=receive-pack", f"--base-path={bare.parent}")
    port = server(lambda port: (daemon, f"--port={port}", *options))
    return git, work, port


def test_git_clones_from_its_daemon_and_both_are_seen_on_their_way(git_daemon, between, tmp_path):
    git, _, port = git_daemon
    seen = between(f"127.0.0.1:{port}", "git")
    git("clone", "-q", f"git://127.0.0.1:{seen.port}/a.git", tmp_path / "clone")
    assert (tmp_path / "clone" / "volts").read_text() == "230\n" * 1000
    requests, answers = (list(map(message_of, messages)) for messages in rows(seen))
    assert requests[0].startswith(b"git-upload-pack /a.git\0host=127.0.0.1")
    assert b"command=fetch" in requests or any(request.startswith(b"want ") for request in requests)
    # The pack comes in the first band.
    assert any(answer.startswith(b"\x01PACK") for answer in answers)


def test_git_pushes_to_its_daemon_and_the_pack_that_no_frame_holds_passes_all_the_same(git_daemon, between, tmp_path):
    git, work, port = git_daemon
    (work / "noise").write_bytes(os.urandom(200_000))
    git("-C", work, "add", ".")
    git("-C", work, "commit", "-qm", "noise")
    seen = between(f"127.0.0.1:{port}", "git")
    git("-C", work, "push", "-q", f"git://127.0.0.1:{seen.port}/a.git", "HEAD:refs/heads/pushed")
    assert git("-C", tmp_path / "served" / "a.git", "rev-parse", "pushed") == git("-C", work, "rev-parse", "HEAD")
    seen.signal(signal.SIGTERM)
    assert seen.wait() == 0, seen.err
    lines = [json.loads(line) for line in seen.out.splitlines()]
    asked = [message_of(line) for line in lines if line.get("from") == "client" and "index" in line]
    assert asked[0].startswith(b"git-receive-pack /a.git\0") and b" refs/heads/pushed\0" in asked[1]
    (broken,) = [line["broken"] for line in lines if "broken" in line]
    assert broken["findings"][0]["kind"] == "pack", broken
    assert any(b"unpack ok" in message_of(line) for line in lines if line.get("from") == "server" and "index" in line)


# Syslog over TCP


@pytest.fixture
def rsyslog(run, tmp_path):
    """Starts rsyslogd with an input by TCP; gives back its port."""

    def start(action: str) -> int:
        directory = tmp_path / "rsyslog"
        directory.mkdir()
        config, port = directory / "rsyslog.conf", directory / "port"
        config.write_text(
            f"""
global(workDirectory="{directory}")
module(load="imtcp")
input(type="imtcp" address="127.0.0.1" port="0" listenPortFileName="{port}")
template(name="text" type="string" string="%app-name%: %msg%\\n")
{action}
"""
        )
        process = run(program("rsyslogd", "rsyslog"), "-n", "-f", config, "-i", directory / "pid")
        wait_until(lambda: process.process.poll() is not None or (port.exists() and port.read_text()), what="rsyslogd to listen")
        assert process.process.poll() is None, process.err
        return int(port.read_text())

    return start


def test_rsyslog_writes_what_tenfold_sends(tenfold, rsyslog, tmp_path):
    out = tmp_path / "out"
    port = rsyslog(f'action(type="omfile" file="{out}" template="text")')
    lines = [f"<13>1 2026-01-02T03:04:05Z host app - - - message {number}" for number in range(100)]
    # A newline in the middle is why octets are counted.
    lines[50] += "\nand more"
    sender = tenfold("send", f"127.0.0.1:{port}", "--framing", "syslog", *lines)
    assert sender.wait() == 0, sender.err
    wait_until(lambda: out.exists() and out.read_bytes().count(b"\n") == 100, what="100 lines")
    written = out.read_text().splitlines()
    assert written[:50] == [f"app: message {number}" for number in range(50)]
    assert written[50].startswith("app: message 50") and written[50].endswith("and more")


def test_tenfold_receives_what_logger_told_rsyslog(tenfold, rsyslog):
    receiver = tenfold("recv", "--framing", "syslog", "--count", "3", listen=True)
    target = f'target="127.0.0.1" port="{receiver.port}" protocol="tcp" TCP_Framing="octet-counted"'
    port = rsyslog(f'action(type="omfwd" {target} template="RSYSLOG_SyslogProtocol23Format")')
    for number in range(3):
        logger = [program("logger", "bsdutils"), "--server", "127.0.0.1", "--port", str(port), "--tcp", "--octet-count"]
        ask([*logger, "--tag", "meter", f"{number} volts"])
    assert receiver.wait() == 0, receiver.err
    # Each ends in a newline of its own, which the template of rsyslog has.
    lines = receiver.out.decode().split("\n\n")[:-1]
    assert len(lines) == 3
    assert all("meter" in line and line.endswith(f"{number} volts") for number, line in enumerate(lines)), lines


# MQTT


def mosquitto(tmp_path):
    config = tmp_path / "mosquitto.conf"

    def command(port):
        config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
        return program("mosquitto", "mosquitto"), "-c", config

    return command


def test_mosquitto_answers_tenfold_and_its_clients_are_seen_on_their_way(tenfold, run, server, between, tmp_path):
    port = server(mosquitto(tmp_path))
    # CONNECT, level 4, clean session, keep alive 60, client "tf"; its length is in the second byte on the wire.
    connect_packet = b"\x10" + b"\x00\x04MQTT\x04\x02\x00\x3c" + b"\x00\x02tf"
    (connack,) = exchange(tenfold, f"127.0.0.1:{port}", "mqtt", [connect_packet], 1)
    assert connack == b"\x20\x00\x00"
    seen = between(f"127.0.0.1:{port}", "mqtt")
    at = ["-h", "127.0.0.1", "-p", str(seen.port), "-t", "room/7", "-q", "1"]
    subscriber = run(program("mosquitto_sub", "mosquitto-clients"), *at, "-C", "1")
    # CONNACK, SUBACK
    wait_until(lambda: seen.out.count(b'"from":"server"') >= 2, what="the subscription")
    ask([program("mosquitto_pub", "mosquitto-clients"), *at, "-m", "21 degrees"])
    assert subscriber.wait() == 0
    assert subscriber.out == b"21 degrees\n"
    clients, servers = rows(seen)
    # CONNECT, SUBSCRIBE, PUBACK, DISCONNECT; CONNECT, PUBLISH, DISCONNECT.
    assert len(clients) >= 6 and len(servers) >= 5


# SCGI


def test_nginx_gets_its_answer_from_a_command_by_scgi(binary, run, tmp_path):
    """A request's headers are a netstring, and the answer is lines: the framing has both sides."""
    command = r"exec:head -n 1 | tr '\0' '\n' > headers; printf 'Status: 200 OK\nContent-Type: text/plain\n\nhello\nby scgi\n'"
    ports = tmp_path / "bridge.ports"
    joined = run(
        program("env", "coreutils"), "-C", tmp_path, binary, "bridge", "listen:127.0.0.1:0", command,
        "--framing", r"decimal,end=:,close=\x2c // delim:\n", "--to", "line", "--port-file", ports,
        port_file=ports,
    )  # fmt: skip
    prefix = tmp_path / "nginx"
    prefix.mkdir()
    sock = prefix / "http.sock"
    config = prefix / "nginx.conf"
    temporary = "".join(f"    {kind}_temp_path {prefix}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    config.write_text(
        f"""
daemon off;
master_process off;
pid {prefix}/pid;
error_log {prefix}/errors;
events {{ }}
http {{
    access_log off;
{temporary}
    server {{
        listen unix:{sock};
        location / {{
            scgi_param SCGI 1;
            scgi_param REQUEST_URI $request_uri;
            scgi_pass 127.0.0.1:{joined.port};
        }}
    }}
}}
"""
    )
    nginx = run(program("nginx", "nginx-light"), "-p", prefix, "-c", config, "-e", prefix / "errors")
    wait_until(lambda: nginx.process.poll() is not None or (sock.exists() and is_open(sock)), what="nginx to listen")
    assert nginx.process.poll() is None, nginx.err
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(BOUND)
        client.connect(os.fspath(sock))
        client.sendall(b"GET /volts?of=7 HTTP/1.0\r\n\r\n")
        answer = b""
        while chunk := client.recv(1 << 16):
            answer += chunk
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n"), (answer, (prefix / "errors").read_text(), joined.err)
    assert answer.endswith(b"\r\n\r\nhello\nby scgi\n")
    assert (tmp_path / "headers").read_text().split("\n")[:6] == ["CONTENT_LENGTH", "0", "SCGI", "1", "REQUEST_URI", "/volts?of=7"]


# ssh-agent


def test_an_ssh_agent_answers_tenfold_and_ssh_add_is_seen_on_its_way(tenfold, run, between, tmp_path):
    # The path of a socket has at most 107 bytes.
    with tempfile.TemporaryDirectory() as short:
        agent, key, proxy = Path(short, "agent"), tmp_path / "key", Path(short, "proxy")
        ask([program("ssh-keygen", "openssh-client"), "-q", "-t", "ed25519", "-N", "", "-C", "a key of tests", "-f", key])
        run(program("ssh-agent", "openssh-client"), "-D", "-a", agent)
        wait_until(lambda: agent.exists() and is_open(agent), what="the agent")
        seen = between(f"unix:{agent}", "ssh-agent", listen=f"unix:{proxy}")
        wait_until(proxy.exists, what="the proxy")
        ask([program("ssh-add", "openssh-client"), "-q", key], env=dict(os.environ, SSH_AUTH_SOCK=os.fspath(proxy)))
        requests, answers = rows(seen)
        assert requests and len(requests) == len(answers)
        # SSH_AGENTC_REQUEST_IDENTITIES, SSH_AGENT_IDENTITIES_ANSWER
        (answer,) = exchange(tenfold, f"unix:{agent}", "ssh-agent", [b"\x0b"], 1)
        assert answer[:5] == b"\x0c\x00\x00\x00\x01"
        assert b"ssh-ed25519" in answer and b"a key of tests" in answer


# A language server


def test_the_language_server_of_ruff_becomes_a_service_for_programs_that_count_in_decimal(tenfold, tmp_path):
    ruff = program("ruff", "(of Python: tests/requirements.txt)", os.fspath(Path(sys.executable).parent))
    ports = tmp_path / "ports"
    command = ("bridge", "listen:127.0.0.1:0", f"exec:{ruff} server", "--framing", "decimal:10", "--to", "lsp", "--port-file", ports)
    joined = tenfold(*command, port_file=ports)
    for _ in range(2):
        with connect(joined.port) as editor:

            def say(**message):
                editor.sendall(frame(json.dumps({"jsonrpc": "2.0", **message}).encode()))

            def heard(wanted):
                while True:
                    message = json.loads(read_message(editor))
                    if wanted(message):
                        return message

            say(id=1, method="initialize", params={"processId": None, "rootUri": tmp_path.as_uri(), "capabilities": {}})
            answer = heard(lambda message: message.get("id") == 1 and "result" in message)
            assert answer["result"]["serverInfo"]["name"] == "ruff"
            say(method="initialized", params={})
            document = {"uri": (tmp_path / "a.py").as_uri(), "languageId": "python", "version": 1, "text": "import os\nprint('é')\n"}
            say(method="textDocument/didOpen", params={"textDocument": document})
            found = heard(lambda message: message.get("method") == "textDocument/publishDiagnostics")
            assert "F401" in [one["code"] for one in found["params"]["diagnostics"]]
            say(id=2, method="shutdown")
            heard(lambda message: message.get("id") == 2)
            say(method="exit")
            assert editor.recv(1) == b""
    joined.signal(signal.SIGTERM)
    assert joined.wait() == 0, joined.err


# PostgreSQL


@pytest.fixture
def postgres(run):
    """Starts PostgreSQL with a new database; gives back its port, and the name of its superuser. It does not run as root."""
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    initdb = program("initdb", "postgresql", *map(os.fspath, binaries))
    user = "postgres" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
    become = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"] if os.getuid() == 0 else []
    with tempfile.TemporaryDirectory() as directory:
        if become:
            shutil.chown(directory, user, user)
        data = Path(directory, "data")
        ask([*become, initdb, "-D", data, "-U", "tester", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale", "C"], cwd=directory)

        def start() -> int:
            for _ in range(5):
                port = free_port()
                settings = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "fsync": "off"}
                options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
                process = run(*become, Path(initdb).with_name("postgres"), "-D", data, *options)
                wait_until(lambda: process.process.poll() is not None or is_open(port), what="PostgreSQL to listen")
                if process.process.poll() is None:
                    return port, process
            raise AssertionError(process.err)

        port, process = start()
        yield port
        # At once, and so that its own children end with it.
        process.signal(signal.SIGQUIT)
        process.wait()


def test_psql_works_through_inspect_and_each_message_is_listed(between, postgres):
    seen = between(f"127.0.0.1:{postgres}", "postgres")
    psql = [program("psql", "postgresql-client"), "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1"]
    place = f"host=127.0.0.1 port={seen.port} user=tester dbname=postgres sslmode=disable gssencmode=disable"
    query = "create table t (a int, b text); insert into t select g, repeat('x', g) from generate_series(1, 1000) g; select sum(a), sum(length(b)) from t"
    commands = [word for one in query.split("; ") for word in ("-c", one)]

    def works():
        return subprocess.run([*psql, place, "-c", "select 1"], capture_output=True, timeout=BOUND).stdout == b"1\n"

    # It listens a little before it is ready.
    wait_until(works, what="PostgreSQL")
    assert ask([*psql, place, *commands]).splitlines()[-1] == b"500500|500500"
    clients, servers = rows(seen)
    said = [message_of(row) for row in clients]
    assert [message[1:-1].decode() for message in said if message[:1] == b"Q"][-3:] == query.split("; ")
    assert any(b"user\0tester" in message for message in said)
    # RowDescription, DataRow, CommandComplete, ReadyForQuery
    assert {b"T", b"D", b"C", b"Z"} <= {message_of(row)[:1] for row in servers}


def message_of(row: dict) -> bytes:
    return base64.b64decode(row["base64"]) if "base64" in row else row["text"].encode()


# An archive of Debian


def test_a_deb_is_listed_as_what_it_is(tenfold, tmp_path):
    tree = tmp_path / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN" / "control").write_text("Package: tf\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@example.test>\nDescription: a test\n")
    (tree / "etc").mkdir()
    (tree / "etc" / "tf.conf").write_text("volt = 230\n")
    deb = tmp_path / "tf.deb"
    ask([program("dpkg-deb", "dpkg"), "--root-owner-group", "-Znone", "--build", tree, deb])
    inspected = tenfold("inspect", deb, "--framing", "deb", "--json")
    assert inspected.wait() == 0, inspected.err
    lines = [json.loads(line) for line in inspected.out.splitlines()]
    members = [line for line in lines if "index" in line]
    text = inspected.out.decode()
    assert len(members) == 4
    assert all(name in text for name in ("!<arch>", "debian-binary", "control.tar", "data.tar"))
    assert lines[-1]["summary"]["stream"] == deb.stat().st_size


# The page


def test_the_page_of_peers_names_tests_that_are_there_and_each_of_this_file():
    def tests_in(*files) -> set[str]:
        return {name for file in files for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)}

    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "peers.md").read_text()))
    assert named <= tests_in(*(ROOT / "tests").glob("test_*.py"))
    assert tests_in(Path(__file__)) - named == {"test_the_page_of_peers_names_tests_that_are_there_and_each_of_this_file"}
