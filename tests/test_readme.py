"""The programs that README.md and the pages of docs/ show are the files that the other tests run."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from support import ROOT, unframe

BLOCK = re.compile(r"<!-- file: (?P<path>\S+) -->\n```\w+\n(?P<text>.*?)```\n", re.DOTALL)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = [match.group("path", "text") for page in PAGES for match in BLOCK.finditer(page.read_text())]


def test_the_pages_show_clients_for_a_stream_and_for_a_hub():
    names = {path.removeprefix("examples/clients/") for path, _ in BLOCKS}
    assert names >= {"recv.py", "hub_sub.py", "hub_pub.py"}


@pytest.mark.parametrize("path, text", BLOCKS, ids=[path for path, _ in BLOCKS])
def test_the_block_equals_the_file(path, text):
    file = (ROOT / path).read_text().removeprefix("#!/usr/bin/env bash\n")
    assert text == file


def test_the_session_with_a_hub_prints_what_is_shown(hub, run, binary, tmp_path):
    text = (ROOT / "docs/hub.md").read_text()
    serve, *lines = re.search(r"<!-- session: hub -->\n```sh\n(.*?)```\n", text, re.DOTALL)[1].splitlines()
    shown = re.search(r"<!-- prints: hub -->\n```text\n(.*?)```\n", text, re.DOTALL)[1]
    assert serve.startswith("tenfold serve &")
    # The hub that runs already is on a free port; the rest is as the page has it.
    (tmp_path / "tenfold").symlink_to(binary.resolve())
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "TENFOLD_SERVER": f"127.0.0.1:{hub().port}"}
    session = run(shutil.which("bash"), "-ec", "\n".join(lines), env=env)
    assert session.wait() == 0, session.err
    assert session.out.decode() == shown


# The README's blocks name ports. So they run in a network namespace of their own, where all ports are free.
ALONE = ["unshare", "--user", "--map-root-user", "--net", "--pid", "--fork", "--kill-child"]
LOOPBACK = f"""{sys.executable} -c 'import fcntl, socket, struct
request = struct.pack("16sh", b"lo", 1)  # IFF_UP
fcntl.ioctl(socket.socket(), 0x8914, request)  # SIOCSIFFLAGS'
"""


def block(marker: str) -> str:
    return re.search(rf"<!-- {marker} -->\n```sh\n(.*?)```\n", (ROOT / "README.md").read_text(), re.DOTALL)[1]


@pytest.fixture
def bash(run, binary, tmp_path):
    """Runs a script with the program in its PATH, in an empty directory that has the examples."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tenfold").symlink_to(binary.resolve())
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "examples").symlink_to(ROOT / "examples")
    env = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}

    def start(script):
        return run(*ALONE, shutil.which("bash"), "-c", f"set -e\ncd {tmp_path / 'room'}\n{LOOPBACK}{script}", env=env)

    return start


def test_the_hub_of_the_readme_keeps_its_messages_when_it_is_killed_and_the_block_can_be_pasted_twice(bash):
    session = block("session: hub")
    done = bash(f"set +e\n{session}\necho again\n{session}")
    assert done.wait() == 0, done.err
    messages = ["1", "2", "3"]
    first = messages + messages + ["hello, world"]
    kept = messages + ["hello, world"] + messages
    assert done.out.decode().split("\n")[:-1] == first + ["again"] + kept + kept + ["hello, world"], done.err


def test_the_client_of_the_readme_prints_what_its_server_sends_and_both_can_be_started_twice(bash):
    server, client = block("terminal: server").strip(), block("terminal: client").strip()
    # A reader starts the client when the server says that it listens.
    once = f"""
exec 3< <({server} 2>&1)
server=$!
read -r listening <&3
# It is there before the client has come to make it.
: > printed
{client} > printed &
while [ "$(wc -l < printed)" -lt 2 ]; do sleep 0.05; done
kill $! $server
cat printed
rm printed
"""
    done = bash(once + once)
    assert done.wait() == 0, done.err
    printed = done.out.decode().splitlines()
    assert len(printed) >= 4 and all(line.startswith("The time is ") for line in printed)


def test_the_picture_of_a_terminal_shows_what_the_program_prints(binary):
    made = subprocess.run([sys.executable, ROOT / "docs/terminal.py", binary], stdout=subprocess.PIPE, timeout=120, check=True)
    assert made.stdout.decode() == (ROOT / "docs/terminal.svg").read_text(), "make it again: python3 docs/terminal.py PATH_OF_TENFOLD > docs/terminal.svg"


def test_the_opening_picture_is_correct():
    picture = "12        hello, world0         3         abc"
    assert picture in (ROOT / "README.md").read_text().split("```")[1]
    assert unframe(picture.encode()) == [b"hello, world", b"", b"abc"]
