"""The examples of docs/wire-format.md are read and written as the page says."""

import re

import pytest

from support import ROOT, accept, listener, read_to_end

PAGE = (ROOT / "docs" / "wire-format.md").read_text()
TABLE = PAGE.split("<!-- examples -->")[1].split("<!-- end of examples -->")[0]
ROW = re.compile(r"^\| `(?P<framing>[^`]+)` \| (?:`(?P<message>[0-9a-f ]+)`)? ?\| `(?P<frame>[0-9a-f ]+)` \|$", re.MULTILINE)
ROWS = [(row["framing"], bytes.fromhex(row["message"] or ""), bytes.fromhex(row["frame"])) for row in ROW.finditer(TABLE)]


def test_every_row_of_the_table_is_an_example():
    assert len(ROWS) == sum(line.startswith("| `") for line in TABLE.splitlines()) > 30


@pytest.mark.parametrize("framing, message, frame", ROWS)
def test_reading(tenfold, framing, message, frame):
    client = tenfold("recv", "-", "--framing", framing, "--out", "hex", stdin=frame * 3)
    assert client.wait() == 0, client.err
    assert client.out.decode() == (message.hex() + "\n") * 3


@pytest.mark.parametrize("framing, message, frame", ROWS)
def test_writing(tenfold, framing, message, frame):
    server, address = listener()
    with server:
        client = tenfold("send", address, "--framing", framing, "--in", "hex", stdin=(message.hex() + "\n").encode() * 3)
        with accept(server) as peer:
            assert read_to_end(peer) == frame * 3
    assert client.wait() == 0, client.err
