"""Streams recorded from real programs go through `tenfold recv` and come out as they were."""

import pytest

from support import ROOT

CAPTURES = ROOT / "vectors" / "captures"


def rows():
    lines = (CAPTURES / "vectors.tsv").read_text().splitlines()
    names = lines[0].split("\t")
    return [dict(zip(names, line.split("\t"), strict=True)) for line in lines[1:]]


@pytest.mark.parametrize("row", [row for row in rows() if row["round_trip"] == "yes"], ids=lambda row: row["file"])
def test_decode_then_encode_is_the_identity(tenfold, row):
    path = CAPTURES / row["file"]
    client = tenfold("recv", path, "--framing", row["framing"], "--out", "frames")
    assert client.wait() == 0, client.err
    assert client.out == path.read_bytes()


@pytest.mark.parametrize("row", [row for row in rows() if "mark" not in row["lengths"]], ids=lambda row: row["file"])
def test_lengths(tenfold, row):
    client = tenfold("recv", CAPTURES / row["file"], "--framing", row["framing"], "--out", "hex")
    assert client.wait() == (0 if row["left"] == "0" else 4), client.err
    assert [str(len(line) // 2) for line in client.out.decode().split("\n")[:-1]] == row["lengths"].split(",")


def test_the_character_count_mistake_is_named(tenfold):
    client = tenfold("recv", CAPTURES / "py-decimal10-charcount-bug.bin")
    assert client.wait() == 4
    assert "offset 16" in client.err and "character" in client.err
