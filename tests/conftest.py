"""Fixtures of the system tests: the release binary and the processes that a test starts."""

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from authority import Authority
from browser import browser, page  # noqa: F401 (fixtures)
from hub import Hub, Kept
from identities import Everybody
from support import CLIENTS, NODE, ROOT, Running
from terminal import Terminal


def pytest_configure(config):
    # 2,000 clients in one process need more descriptors than the usual soft limit of 1,024.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@pytest.fixture(scope="session", autouse=True)
def state_home(tmp_path_factory):
    """Where commands keep their state, unless they are told: not in the home of who runs the tests."""
    os.environ["XDG_STATE_HOME"] = os.fspath(tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="session")
def binary() -> Path:
    """The `tenfold` under test: the release build, or what TENFOLD_BIN names."""
    path = Path(os.environ.get("TENFOLD_BIN", ROOT / "target" / "release" / "tenfold"))
    if not path.exists():
        pytest.exit(f"{path} is missing: run `cargo build --release -p tenfold-cli`, or set TENFOLD_BIN", returncode=1)
    return path


@pytest.fixture
def run():
    """Starts any program; whatever still runs at the end of the test is ended by its own pid."""
    started = []

    def start(*command, **options) -> Running:
        process = Running(command, **options)
        started.append(process)
        return process

    yield start
    for process in started:
        process.end()


@pytest.fixture
def tenfold(binary, run, tmp_path):
    """Starts `tenfold`. With `listen=True` it listens on a free port of the loopback; see `Running.port`."""
    count = 0

    def start(command, *arguments, listen=False, **options) -> Running:
        nonlocal count
        count += 1
        if listen:
            options["port_file"] = tmp_path / f"ports-{count}"
            arguments = ("--listen", "127.0.0.1:0", "--port-file", options["port_file"], *arguments)
        return run(binary, command, *arguments, **options)

    return start


@pytest.fixture
def terminal(binary):
    """Starts `tenfold` in a terminal of its own."""
    started = []

    def start(*arguments, **options) -> Terminal:
        started.append(Terminal([binary, *arguments], **options))
        return started[-1]

    yield start
    for one in started:
        one.end()


@pytest.fixture
def hub(tenfold):
    """Starts a hub on free ports of the loopback. At the end of the test it must be alive, or have ended well."""
    started = []

    def start(*arguments) -> Hub:
        started.append(Hub(tenfold("serve", *arguments, listen=True)))
        return started[-1]

    yield start
    for one in started:
        one.end()


@pytest.fixture
def door(hub):
    """A hub with a port for HTTP; `Hub.plain[-1]` is its number."""

    def start(*arguments):
        started = hub("--http", "127.0.0.1:0", *arguments)
        started.http, started.origin = started.plain[-1], f"http://127.0.0.1:{started.plain[-1]}"
        return started

    return start


@pytest.fixture
def https_door(hub, own, authority):
    """The same with a port over TLS, where HTTP/2 is spoken."""

    def start(*arguments):
        started = hub("--https", "127.0.0.1:0", "--tls-cert", own, "--tls-key", own.with_suffix(".key"), *arguments)
        started.http, started.speaks, started.origin = started.plain[-1], "h2", f"https://127.0.0.1:{started.plain[-1]}"
        started.authority = authority
        return started

    return start


@pytest.fixture(params=["http/1.1", "h2"])
def each_door(request, door, https_door):
    """What is the same over HTTP/1.1 and HTTP/2."""
    return door if request.param == "http/1.1" else https_door


@pytest.fixture
def kept(tenfold, tmp_path):
    return Kept(tenfold, tmp_path)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def own(authority):
    """The certificate of whoever listens in a test."""
    return authority.make("own", "DNS:localhost,IP:127.0.0.1")


@pytest.fixture(scope="module")
def everybody(tmp_path_factory, authority):
    return Everybody(tmp_path_factory.mktemp("policy"), authority)


@pytest.fixture
def tls_hub(hub, own):
    """A hub with a second port over TLS; `Hub.plain[0]` is its number."""

    def start(*arguments):
        return hub("--listen", "tls://127.0.0.1:0", "--tls-cert", own, "--tls-key", own.with_suffix(".key"), *arguments)

    return start


@pytest.fixture(scope="session")
def lesson(tmp_path_factory):
    """The example clients as commands, by file name: `lesson["recv.c"]`."""
    built = tmp_path_factory.mktemp("clients")
    commands = {path.name: [sys.executable, path] for path in [*CLIENTS.glob("*.py"), *CLIENTS.glob("broken/*.py")]}
    commands |= {path.name: [shutil.which("bash"), path] for path in CLIENTS.glob("*.sh")}
    commands |= {path.name: [NODE, path] for path in CLIENTS.glob("*.*js")}
    for path in CLIENTS.glob("*.c"):
        program = built / path.stem
        subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", "-o", program, path], check=True, timeout=120)
        commands[path.name] = [program]
    return commands
