"""The programs that README.md shows are the files that the other tests run."""

import re

import pytest

from support import ROOT, unframe

BLOCK = re.compile(r"<!-- file: (?P<path>\S+) -->\n```\w+\n(?P<text>.*?)```\n", re.DOTALL)
BLOCKS = [match.group("path", "text") for match in BLOCK.finditer((ROOT / "README.md").read_text())]


def test_the_readme_shows_a_python_and_a_shell_client():
    assert {path for path, _ in BLOCKS} >= {"examples/clients/recv.py", "examples/clients/recv.sh"}


@pytest.mark.parametrize("path, text", BLOCKS, ids=[path for path, _ in BLOCKS])
def test_the_block_equals_the_file(path, text):
    file = (ROOT / path).read_text().removeprefix("#!/usr/bin/env bash\n")
    assert text == file


def test_the_error_shown_is_what_recv_says(tenfold):
    shown = re.search(r"<!-- output: recv (\S+) -->\n```text\n(.*)\n```\n", (ROOT / "README.md").read_text())
    client = tenfold("recv", ROOT / shown[1])
    assert client.wait() == 4
    assert shown[2] in client.err


def test_the_opening_picture_is_correct():
    picture = "12        hello, world0         3         abc"
    assert picture in (ROOT / "README.md").read_text().split("```")[1]
    assert unframe(picture.encode()) == [b"hello, world", b"", b"abc"]
