"""The programs that README.md and the pages of docs/ show are the files that the other tests run."""

import os
import re
import shutil

import pytest

from support import ROOT, unframe

BLOCK = re.compile(r"<!-- file: (?P<path>\S+) -->\n```\w+\n(?P<text>.*?)```\n", re.DOTALL)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = [match.group("path", "text") for page in PAGES for match in BLOCK.finditer(page.read_text())]


def test_the_pages_show_clients_for_a_stream_and_for_a_hub():
    names = {path.removeprefix("examples/clients/") for path, _ in BLOCKS}
    assert names >= {"recv.py", "recv.sh", "hub_sub.py", "hub_pub.py"}


@pytest.mark.parametrize("path, text", BLOCKS, ids=[path for path, _ in BLOCKS])
def test_the_block_equals_the_file(path, text):
    file = (ROOT / path).read_text().removeprefix("#!/usr/bin/env bash\n")
    assert text == file


def test_the_error_shown_is_what_recv_says(tenfold):
    shown = re.search(r"<!-- output: recv (\S+) -->\n```text\n(.*)\n```\n", (ROOT / "README.md").read_text())
    client = tenfold("recv", ROOT / shown[1])
    assert client.wait() == 4
    assert shown[2] in client.err


def test_the_session_with_a_hub_prints_what_is_shown(hub, run, binary, tmp_path):
    text = (ROOT / "docs/hub.md").read_text()
    serve, *lines = re.search(r"<!-- session: hub -->\n```sh\n(.*?)```\n", text, re.DOTALL)[1].splitlines()
    shown = re.search(r"<!-- prints: hub -->\n```text\n(.*?)```\n", text, re.DOTALL)[1]
    assert serve.startswith("tenfold serve &")
    # The hub that runs already is on a free port; the rest is as it stands there.
    (tmp_path / "tenfold").symlink_to(binary.resolve())
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "TENFOLD_SERVER": f"127.0.0.1:{hub().port}"}
    session = run(shutil.which("bash"), "-ec", "\n".join(lines), env=env)
    assert session.wait() == 0, session.err
    assert session.out.decode() == shown


def test_the_opening_picture_is_correct():
    picture = "12        hello, world0         3         abc"
    assert picture in (ROOT / "README.md").read_text().split("```")[1]
    assert unframe(picture.encode()) == [b"hello, world", b"", b"abc"]
