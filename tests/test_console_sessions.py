"""The ```console blocks of the pages are sessions, and each is run as it is written there.

A line that begins with `$ ` is given to bash, lines after it that begin with `> ` go on with it, and what follows is what
both outputs must be, together. The blocks of one page share a directory and a shell's background jobs; a line `...` stands for any lines.
"""

import os
import re
import shutil
import subprocess

import pytest

from support import ROOT

BLOCK = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PAGES = [path for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))] if BLOCK.search(path.read_text())]


def steps(page: str) -> list[tuple[str, str]]:
    """The commands of a page, and what each prints."""
    found = []
    for block in BLOCK.findall(page):
        for line in block.splitlines(keepends=True):
            if line.startswith("$ "):
                found.append([line[2:], ""])
            elif line.startswith("> ") and not found[-1][1]:
                found[-1][0] += line[2:]
            else:
                found[-1][1] += line
    return [(command.rstrip("\n"), printed) for command, printed in found]


def pattern(printed: str) -> str:
    lines = ["(?:.*\n)*" if line == "...\n" else re.escape(line) for line in printed.splitlines(keepends=True)]
    return "".join(lines)


def test_there_are_sessions():
    assert {path.name for path in PAGES} >= {"inspect.md", "bridge.md"}


@pytest.mark.parametrize("page", PAGES, ids=[path.name for path in PAGES])
def test_a_session_prints_what_the_page_shows(page, binary, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tenfold").symlink_to(binary.resolve())
    room = tmp_path / "room"
    room.mkdir()
    script = ["exec 2>&1"]
    commands = steps(page.read_text())
    for number, (command, _) in enumerate(commands):
        script.append(command)
        script.append(f"printf '\\036%s\\036' {number}")
    # What a page leaves running is ended here.
    script.append("kill $(jobs -p) 2>/dev/null; wait")
    env = dict(os.environ, PATH=f"{tmp_path / 'bin'}:{os.environ['PATH']}", NO_COLOR="1", PS1="", CAPTURES=str(ROOT / "vectors" / "captures"))
    bash = shutil.which("bash")
    done = subprocess.run([bash, "-c", "\n".join(script)], cwd=room, env=env, capture_output=True, timeout=120, stdin=subprocess.DEVNULL)
    printed = re.split("\036\\d+\036", done.stdout.decode())
    assert len(printed) > len(commands), done.stdout.decode()
    for (command, shown), got in zip(commands, printed):
        assert re.fullmatch(pattern(shown), got), f"$ {command}\n--- the page\n{shown}--- printed\n{got}"
