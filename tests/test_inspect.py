"""`tenfold inspect` as a new user runs it: streams that are right, and more than twenty that are broken, each with its cause."""

import base64
import gzip
import json
import os
import random
import shutil
import signal
import socket
import struct
import threading
import zlib
from datetime import datetime
from pathlib import Path

import pytest

from hub import unread as bytes_unread
from support import BOUND, ROOT, accept, connect, frame, frames, listener, read_to_end, wait_until

SYSLOG = b"".join(b"<34>1 2026-11-27T08:00:0%dZ host app - - - it is %d\n" % (n, n * n) for n in range(8))
CAPTURES = ROOT / "vectors" / "captures"
MESSAGES = [b"hello, world", b"the second message", b"", b"a third one that is longer than those before it", b"x" * 200, b"last"]
OBJECTS = [json.dumps({"n": number, "text": "a" * number}).encode() for number in range(6)]


def u32(message: bytes) -> bytes:
    return struct.pack(">I", len(message)) + message


def netstring(message: bytes) -> bytes:
    return b"%d:%s," % (len(message), message)


def each(form, messages=MESSAGES) -> bytes:
    return b"".join(map(form, messages))


def lsp(message: bytes) -> bytes:
    return b"Content-Length: %d\r\n\r\n%s" % (len(message), message)


FIRST, SECOND, _, THIRD, _, LAST = MESSAGES
HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(range(200))
CHARACTERS = "".join(f"{len(text):<10}{text}" for text in ["plain", "naïve café", "déjà vu", "the end"]).encode()

# What is wrong, how it is read, the stream, the kind of the first finding, words that a person must read, a framing that works.
BROKEN = [
    ("a browser", "decimal:10", b"GET / HTTP/1.1\r\nHost: example.test\r\n\r\n", "http", "a browser, a health check", None),
    ("a web server", "u32be", b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "http", "a web server answers", None),
    ("TLS", "decimal:10", HELLO, "tls", "one side encrypts and the other does not", None),
    ("SSH", "decimal:10", b"SSH-2.0-OpenSSH_9.2p1\r\n", "protocol", "SSH", None),
    ("a binary length", "decimal:10", each(u32), "other-framing", "framed as u32be", "u32be"),
    ("a decimal length", "u32be", each(frame), "other-framing", "framed as decimal:10", "decimal:10"),
    ("netstrings", "decimal:10", each(netstring), "other-framing", "netstring", r"decimal,end=:,close=\x2c"),
    ("header blocks", "decimal:10", each(lsp, OBJECTS), "other-framing", "content-length", "content-length"),
    ("JSON, a line each", "decimal:10", b"\n".join(OBJECTS) + b"\n", "json", "JSON without framing", r"delim:\n"),
    ("gzip", "decimal:10", gzip.compress(each(frame) * 10, mtime=0), "gzip", "gunzip", None),
    ("UTF-16", "decimal:10", each(frame).decode().encode("utf-16-le"), "utf-16", "header and text as one", None),
    ("UTF-16 after an ASCII header", "decimal:10", frame(b"ok") + b"5         " + "héllo".encode("utf-16-le") + frame(b"ok"), "characters", "UTF-16", None),
    ("a byte order mark", "decimal:10", b"\xef\xbb\xbf" + each(frame), "byte-order-mark", "utf-8-sig", None),
    ("characters counted", "decimal:10", CHARACTERS, "characters", "encode first, then take the length", "decimal:10,chars"),
    ("bytes swapped", "u32be", each(lambda m: struct.pack("<I", len(m)) + m), "byte-order", "least significant byte first", "u32le"),
    ("its own header counted", "u32be", each(lambda m: struct.pack(">I", len(m) + 4) + m), "header-counted", "off by 4", "u32be-4"),
    ("its own header counted in decimal", "decimal:10", each(lambda m: b"%-10d%s" % (len(m) + 10, m)), "header-counted", "off by 10", "decimal:10-10"),
    ("two frames run together by two threads", "decimal:10", frame(LAST) + b"%-10d%-10d%s%s" % (len(FIRST), len(SECOND), FIRST, SECOND) + each(frame), "run-together", "two threads", None),
    ("a frame within a frame", "decimal:10", frame(LAST) + frame(THIRD)[:30] + frame(FIRST) + frame(THIRD)[30:] + each(frame), "run-together", "another whole frame", None),
    ("two frames run together without a close", "netstring", each(netstring)[:-1].replace(b"message,0:", b"message0:") + b",", "run-together", "the next frame begins", None),
    ("a frame that is missing but for its payload", "decimal:10", frame(FIRST) + SECOND + each(frame), "extra-bytes", "a frame lost its header", None),
    ("a byte that is missing", "decimal:10", frame(FIRST) + frame(SECOND)[:-1] + frame(THIRD) + frame(LAST), "missing-bytes", "1 byte is missing in message 1", None),
    ("a payload that is missing", "decimal:10", frame(FIRST) + b"18        " + frame(THIRD) + frame(LAST), "missing-payload", "the payload of message 1 is missing", None),
    ("the beginning missing", "decimal:10", each(frame)[15:], "begins-inside", "begins at offset 7", None),
    ("a newline after one message", "decimal:10", frame(FIRST) + frame(SECOND) + b"\n" + frame(THIRD) + frame(LAST), "extra-bytes", r'comes "\n"', None),
    ("a newline after each message", "decimal:10", each(lambda m: frame(m) + b"\n"), "trailing-bytes", "a newline after each message", r"decimal:10,close=\n"),
    ("padded with zeros", "decimal:10", each(lambda m: b"%010d%s" % (len(m), m)), "zero-padded", "with zeros", "decimal:010"),
    ("padded on the left", "decimal:10", each(lambda m: b"%10d%s" % (len(m), m)), "right-aligned", "on the left", "decimal:10,lax"),
    ("padded with NUL", "decimal:10", each(lambda m: (b"%d" % len(m)).ljust(10, b"\0") + m), "padding", r'with "\x00"', None),
    ("not padded", "decimal:10", each(lambda m: b"%d%s" % (len(m), m), [FIRST, SECOND, LAST]), "unpadded", "does not pad it", None),
    ("a longer header", "decimal:10", each(lambda m: b"%-64d%s" % (len(m), m)), "other-width", "64 characters, and not 10", "decimal:64"),
    ("a shorter number", "u32be", each(lambda m: struct.pack(">H", len(m)) + m), "other-width", "2 bytes", "u16be"),
    ("a negative length", "decimal:10", frame(b"ok") + b"-5        hello", "number", "sign", None),
    ("zeros", "decimal:10", each(frame) + bytes(4096), "zeros", "zero bytes", None),
    ("a message over the limit", "decimal:10", frame(b"ok") + frame(b"x" * (17 << 20)) + frame(b"ok"), "too-large", "--max-message 17825792", None),
    ("the beginning missing before binary numbers", "u32be", each(u32, OBJECTS * 4)[9:], "begins-inside", "begins at offset", None),
    ("the beginning missing before header blocks", "lsp", each(lsp, OBJECTS * 4)[25:], "begins-inside", "begins at offset", None),
    ("cut between binary numbers", "u32be", each(u32, [FIRST, SECOND, THIRD, LAST])[:-2], "cut", "2 bytes of it are missing", None),
    ("a newline among binary numbers", "u32be", each(u32, OBJECTS * 2) + b"\n" + each(u32, OBJECTS * 2), "extra-bytes", "after message 11 comes", None),
    ("a newline at the very end", "u32be", each(u32) + b"\n", "extra-bytes", "after the last message comes", None),
    ("a newline at the very end of decimal", "decimal:10", each(frame) + b"\n", "extra-bytes", "after the last message comes", None),
    ("a newline after each header block's message", "lsp", each(lambda m: lsp(m) + b"\n", OBJECTS), "trailing-bytes", "after each message", None),
    ("a message over the limit that is not whole", "decimal:10", each(frame, [FIRST, SECOND]) + b"%-10d" % (20 << 20) + b"x" * (1 << 20), "too-large", "20,971,520 bytes", None),
    ("one byte more than is counted", "decimal:10", each(lambda m: b"%-10d%s!" % (len(m), m), [FIRST, SECOND, THIRD, LAST]), "off-by", "less than the message has", "decimal:10+1"),
    ("netstrings of characters", "netstring", "".join(f"{len(text)}:{text}," for text in ["plain", "naïve café", "déjà vu"]).encode(), "characters", "encode first, then take the length", r"decimal,end=:,close=\x2c,chars"),
    ("netstrings without the comma", "netstring", each(lambda m: b"%d:%s" % (len(m), m)), "not-closed", 'leaves out the ","', "decimal,end=:"),
    ("header blocks of characters", "lsp", "".join(f"Content-Length: {len(text)}\r\n\r\n{text}" for text in ['{"a":"é"}', '{"b":"ok"}\n']).encode(), "characters", "counted characters", None),
    ("header blocks with bare newlines", "lsp", each(lsp, OBJECTS).replace(b"\r\n", b"\n"), "line-ends", "and not with a carriage return", None),
    ("Python's bytes as text", "decimal:10", str(frame(FIRST)).encode(), "repr", "decode() them first", None),
    ("zlib", "decimal:10", zlib.compress(each(frame) * 10), "compressed", "zlib", None),
    ("an error message in the middle", "decimal:10", each(frame) + b"Traceback (most recent call last):\n  File \"x.py\", line 3\n", "lines", "something else writes to the same place", None),
    ("a fraction", "decimal:10", b"12.0      hello, world", "number", "floating-point", None),
    ("cut in a payload", "decimal:10", each(frame)[:-2], "cut", "2 bytes of it are missing", None),
    ("cut in a header", "decimal:10", each(frame) + b"12   ", "cut", "5 bytes of it are missing", None),
    ("noise", "decimal:10", random.Random(1).randbytes(3000), "unknown", "look like nothing known", None),
    ("syslog in lines at a port that wants counts", "syslog", SYSLOG, "syslog-lines", "set the sender to octet counting", r"delim:\n"),
    ("syslog with and without counts", "syslog", b"%d %s" % (len(SYSLOG), SYSLOG) + SYSLOG, "syslog-mixed", "mixes lines and octet counting", None),
    ("UTF-16 units counted", "u32be", b"".join(struct.pack(">I", len(text.encode("utf-16-le")) // 2) + text.encode() for text in ["a 😀", "plain", "two 😀😀", "end"]), "utf-16-units", "Buffer.byteLength", None),
    ("newlines translated", "lsp", each(lsp, OBJECTS).replace(b"\n", b"\r\n"), "newlines", "text mode", None),
    ("a log line before the first frame", "native-messaging", b"Loading config\n" + each(lambda m: struct.pack("<I", len(m)) + m, OBJECTS * 2), "log-line", "Loading config", None),
    ("header blocks that say one byte more", "lsp", each(lambda m: b"Content-Length: %d\r\n\r\n%s" % (len(m) + 1, m), OBJECTS), "off-by", "1 more than the message has", None),
    ("a newline as the last byte of each header", "decimal:10", each(lambda m: (b"%d" % len(m)).ljust(9) + b"\n" + m), "padding", "ends with", None),
    ("MLLP with a newline after each message", "mllp", b"\x0bMSH|one\r\x1c\r\n\x0bMSH|two\r\x1c\r\n", "trailing-bytes", "which ends each message", r"delim:\x1c\r\n,open=\x0b"),
    ("Modbus RTU", "modbus", bytes.fromhex("1103006b00037687"), "modbus-rtu", "with its checksum", None),
    ("frames that are not stuffed", "cobs", each(u32, OBJECTS * 3), "other-framing", "framed as u32be", "u32be"),
]  # fmt: skip


@pytest.mark.parametrize("framing, stream, kind, words, works", [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_a_broken_stream_leads_to_its_cause(tenfold, tmp_path, framing, stream, kind, words, works):
    path = tmp_path / "stream"
    path.write_bytes(stream)
    inspected = tenfold("inspect", path, "--framing", framing, "--json")
    assert inspected.wait() == 4, inspected.err
    (broken,) = [line["broken"] for line in map(json.loads, inspected.out.splitlines()) if "broken" in line]
    assert broken["findings"][0]["kind"] == kind, broken
    assert (broken.get("works") or {}).get("framing") == works, broken
    for_people = tenfold("inspect", path, "--framing", framing)
    assert for_people.wait() == 4
    text = " ".join(for_people.out.decode().split())
    assert words in text, for_people.out.decode()
    if works:
        assert f"--framing '{works}' reads" in text
        again = tenfold("inspect", path, "--framing", works, "--json")
        assert again.wait() == 0, again.err
        assert json.loads(again.out.splitlines()[-1])["summary"]["messages"] == broken["works"]["messages"]


@pytest.mark.parametrize(
    "framing, stream, words",
    [
        ("line", each(u32), "the message is not text"),
        ("line", b"one\r\ntwo\r\n", r"delim:\r\n takes it off"),
        ("line", b"*1\r\n$4\r\nPING\r\n", "RESP"),
        ("mllp", b"\x0bMSH|one\r\x0bMSH|two\r\x1c\r", "the end of the one before is missing"),
        ("iec104", b"\x00\x03abc\x01\x02de", "no message begins with 0x68"),
    ],
    ids=["frames as lines", "CR LF as LF", "RESP as lines", "a missing end", "another protocol's framing"],
)  # fmt: skip
def test_a_stream_that_fits_by_luck_is_doubted_in_one_sentence(tenfold, framing, stream, words):
    inspected = tenfold("inspect", "-", "--framing", framing, "--json", stdin=stream)
    assert inspected.wait() == 0, inspected.err
    (doubt,) = [line["doubt"] for line in map(json.loads, inspected.out.splitlines()) if "doubt" in line]
    assert words in doubt["says"]
    for_people = tenfold("inspect", "-", "--framing", framing, stdin=stream)
    assert for_people.wait() == 0
    assert words in " ".join(for_people.out.decode().split())


def test_rows_can_be_those_of_some_messages_only(tenfold):
    stream = each(frame, [b"%d" % n for n in range(30)])
    for span, wanted in [("10..13", [10, 11, 12]), ("28..", [28, 29]), ("..2", [0, 1]), ("7", [7])]:
        inspected = tenfold("inspect", "-", "--messages", span, "--json", stdin=stream)
        assert inspected.wait() == 0, inspected.err
        *rows, summary = map(json.loads, inspected.out.splitlines())
        assert [row["index"] for row in rows] == wanted
        assert summary["summary"]["messages"] == 30
    refused = tenfold("inspect", "-", "--messages", "5..5", stdin=stream)
    assert refused.wait() == 2 and "10..20 has those from 10 to 19" in refused.err


def test_numbers_of_each_message_are_shown_beside_it(tenfold):
    stream = each(u32, [struct.pack(">BhI", n, -n, n << 20) + b"text" for n in range(1, 4)] + [b"\x09"])
    inspected = tenfold("inspect", "-", "--framing", "u32be", "--columns", "0:u8,1:i16be,3:u32be", "--json", stdin=stream)
    assert inspected.wait() == 0, inspected.err
    *rows, _ = map(json.loads, inspected.out.splitlines())
    assert [row["fields"] for row in rows[:3]] == [{"0:u8": n, "1:i16be": -n, "3:u32be": n << 20} for n in range(1, 4)]
    assert rows[3]["fields"] == {"0:u8": 9, "1:i16be": None, "3:u32be": None}
    for_people = tenfold("inspect", "-", "--framing", "u32be", "--columns", "0:u8,1:i16be,3:u32be", stdin=stream)
    assert for_people.wait() == 0
    title, first, _, _, last, *_ = for_people.out.decode().splitlines()
    assert title.split() == ["INDEX", "OFFSET", "LENGTH", "0:u8", "1:i16be", "3:u32be", "MESSAGE"]
    assert first.split()[3:6] == ["1", "-1", "1048576"] and last.split()[3:6] == ["9", "-", "-"]
    refused = tenfold("inspect", "-", "--columns", "0:u16", stdin=stream)
    assert refused.wait() == 2 and "u16be or u16le" in refused.err


DUMP = b"""00000000: 3520 2020 2020 2020 2020 6865 6c6c 6f32  5         hello2
00000010: 2020 2020 2020 2020 206f 6b                       ok
"""
PASTED = frames([b"hello", b"ok"])


@pytest.mark.parametrize(
    "text",
    [DUMP, b"".join(b"\\x%02x" % byte for byte in PASTED), b"{" + b",".join(b"0x%02x" % byte for byte in PASTED) + b"};\n", PASTED.hex().encode(), base64.b64encode(PASTED) + b"\n"],
    ids=["xxd", "escapes", "an array of C", "digits", "base64"],
)  # fmt: skip
def test_bytes_that_were_pasted_as_text_are_read(tenfold, tmp_path, text):
    path = tmp_path / "pasted.txt"
    path.write_bytes(text)
    for inspected in [tenfold("inspect", path, "--json"), tenfold("inspect", "-", "--json", stdin=text)]:
        assert inspected.wait() == 0, inspected.err
        *rows, _ = map(json.loads, inspected.out.splitlines())
        assert [row["text"] for row in rows] == ["hello", "ok"]
        assert "as text: --raw reads the text itself" in inspected.err
    raw = tenfold("inspect", path, "--framing", "line", "--raw", "--json")
    assert raw.wait() == 0, raw.err
    *rows, _ = map(json.loads, raw.out.splitlines())
    assert rows[0]["text"] == text.split(b"\n")[0].decode()


def test_digits_that_are_messages_are_not_taken_for_pasted_bytes(tenfold):
    for framing, stream in [("line", b"3520202020\n6865\n"), ("decimal:10", frame(b"0123456789abcdef")), ("decimal:04", b"00120800abcd1234")]:
        inspected = tenfold("inspect", "-", "--framing", framing, "--json", stdin=stream)
        assert inspected.wait() == 0, inspected.err
        assert "pasted" not in inspected.err and "as text" not in inspected.err


def test_text_that_is_not_lines_is_called_what_it_is(tenfold):
    inspected = tenfold("inspect", "-", "--framing", "auto", stdin=b"".join(b"OPTIONS sip:%s@example.test SIP/2.0\r\nVia: %s\r\n\r\n" % (b"a" * n, b"x" * (n * n % 7)) for n in range(1, 6)))
    assert inspected.wait() == 4
    assert "this looks like SIP" in inspected.err


def test_auto_says_what_the_messages_have_in_common(tenfold):
    stream = each(u32, [struct.pack(">BI", 1, 600 + n) + b"degrees" * (n % 4 + 1) for n in range(20)])
    inspected = tenfold("inspect", "-", "--framing", "auto", "--summary", stdin=stream)
    assert inspected.wait() == 0, inspected.err
    assert b"byte 0 is always 01, bytes 1-4 count up, the rest is text" in inspected.out


def presets(tenfold) -> dict[str, str]:
    listed = tenfold("framings", "--json")
    assert listed.wait() == 0
    return {row["name"]: row["line"] for row in map(json.loads, listed.out.splitlines())}


def test_auto_names_the_right_framing_of_the_recorded_streams(tenfold):
    lines = presets(tenfold)
    rows = [row.split("\t") for row in (CAPTURES / "vectors.tsv").read_text().splitlines()[1:]]
    sides = {part.strip() for line in lines.values() for part in line.split("//")}
    right, wrong = 0, []
    for name, framing, *_ in rows:
        if framing not in sides:
            continue
        # As a file, a capture of packets is shown by its conversations.
        inspected = tenfold("inspect", "-", "--framing", "auto", "--json", stdin=(CAPTURES / name).read_bytes())
        inspected.wait()
        first = json.loads(inspected.out.splitlines()[0])["framings"][0]
        if framing in {part.strip() for part in first["line"].split("//")}:
            right += 1
        else:
            wrong.append((name, framing, first))
    assert right + len(wrong) > 25
    # Nine in ten are asked; these are what it can do.
    assert not wrong, wrong


def test_the_rows_have_index_offset_length_and_what_is_in_the_message(tenfold, tmp_path):
    path = tmp_path / "stream"
    path.write_bytes(each(frame) + frame("é\n\x00".encode()))
    inspected = tenfold("inspect", path)
    assert inspected.wait() == 0, inspected.err
    title, *rows = inspected.out.decode().split("\n\n")[0].splitlines()
    assert title.split() == ["INDEX", "OFFSET", "LENGTH", "MESSAGE"]
    assert [row.split(maxsplit=3) for row in rows] == [
        ["0", "0", "12", "hello, world"],
        ["1", "22", "18", "the second message"],
        ["2", "50", "0"],
        ["3", "60", "47", "a third one that is longer than those before it"],
        ["4", "117", "200", rows[4].split(maxsplit=3)[3]],
        ["5", "327", "4", "last"],
        ["6", "341", "4", r"é\n\0"],
    ]
    assert rows[4].endswith("…") and max(map(len, rows)) == 100
    assert "7 messages of 0 to 200 bytes" in inspected.out.decode()


def test_json_has_each_message_whole_and_a_summary(tenfold):
    inspected = tenfold("inspect", "-", "--json", stdin=frame(b"caf\xc3\xa9") + frame(b"\xff"))
    assert inspected.wait() == 0, inspected.err
    assert [json.loads(line) for line in inspected.out.splitlines()] == [
        {"index": 0, "offset": 0, "size": 15, "length": 5, "text": "café"},
        {"index": 1, "offset": 15, "size": 11, "length": 1, "base64": "/w=="},
        {"summary": {"messages": 2, "bytes": 6, "shortest": 1, "longest": 5, "stream": 26, "framing": "decimal:10"}},
    ]


def test_one_message_is_shown_as_a_hex_dump_with_its_header(tenfold):
    inspected = tenfold("inspect", "-", "--hex", "1", stdin=frame(b"first") + frame(b"\x00\xffsecond"))
    assert inspected.wait() == 0, inspected.err
    text = inspected.out.decode()
    assert "message 1 at offset 15: 8 bytes" in text
    assert "38 20 20 20 20 20 20 20  20 20 00 ff 73 65 63 6f" in text and "|8         ..seco|" in text
    missing = tenfold("inspect", "-", "--hex", "7", stdin=frame(b"first"))
    assert missing.wait() != 0
    assert "7" in missing.err and "1 message" in missing.err, missing.err


def test_a_live_stream_is_shown_as_it_comes_with_the_time(tenfold):
    server, address = listener()
    inspected = tenfold("inspect", address, "--json")
    peer = accept(server)
    for number in range(3):
        peer.sendall(frame(b"%d" % number))
        wait_until(lambda: inspected.out.count(b"\n") == number + 1, what="the row")
    peer.close()
    assert inspected.wait() == 0
    rows = [json.loads(line) for line in inspected.out.splitlines()[:3]]
    assert [row["text"] for row in rows] == ["0", "1", "2"]
    times = [row["time"] for row in rows]
    assert times == sorted(times) and all(times)


def test_rows_by_which_the_framing_was_guessed_have_their_own_times(tenfold):
    server, address = listener()
    inspected = tenfold("inspect", address, "--framing", "auto", "--json")
    with accept(server) as peer:
        for number in range(3):
            peer.sendall(frame(b"message %d" % number))
            # What is read apart has times of its own.
            wait_until(lambda: bytes_unread(peer.getpeername()[1], peer.getsockname()[1]) == 0, what="the reading")
    assert inspected.wait() == 0, inspected.err
    rows = [row for row in map(json.loads, inspected.out.splitlines()) if "text" in row]
    times = [row["time"] for row in rows]
    assert len(times) == 3 and times == sorted(set(times)), times


def test_a_table_of_a_live_stream_ends_with_a_summary_when_it_is_interrupted(tenfold):
    server, address = listener()
    inspected = tenfold("inspect", address)
    peer = accept(server)
    peer.sendall(frames([b"one", b"two"]))
    wait_until(lambda: b"two" in inspected.out, what="the rows")
    inspected.signal(signal.SIGINT)
    assert inspected.wait() == 130
    assert b"2 messages" in inspected.out
    peer.close()


def test_a_newline_behind_each_message_is_named_while_the_sender_still_runs(tenfold):
    server, address = listener()
    inspected = tenfold("inspect", address, "--json")
    peer = accept(server)
    peer.sendall(frame(b"hello") + b"\n")
    wait_until(lambda: b'"broken"' in inspected.out, what="the break")
    (broken,) = [line["broken"] for line in map(json.loads, inspected.out.splitlines()) if "broken" in line]
    assert broken["findings"][0]["kind"] == "trailing-bytes", broken
    peer.close()
    inspected.wait()


@pytest.mark.parametrize("header", ["<Q", ">Q", ">L"])
def test_auto_finds_lengths_of_messages_that_are_longer_than_its_first_look(tenfold, tmp_path, header):
    seeded = random.Random(header)
    pictures = [b"\xff\xd8" + seeded.randbytes(seeded.randint(100_000, 200_000)) for _ in range(6)]
    path = tmp_path / "stream"
    path.write_bytes(b"".join(struct.pack(header, len(picture)) + picture for picture in pictures))
    inspected = tenfold("inspect", path, "--framing", "auto", "--json")
    assert inspected.wait() == 0, inspected.err
    first = json.loads(inspected.out.splitlines()[0])["framings"][0]
    assert (first["line"], first["messages"]) == ({"<Q": "u64le", ">Q": "u64be", ">L": "u32be"}[header], 6)


def test_auto_knows_the_header_of_a_message_that_is_longer_than_what_is_tried(tenfold):
    inspected = tenfold("inspect", "-", "--framing", "auto", "--json", stdin=frame(b"word " * 40_000) * 2)
    assert inspected.wait() == 0, inspected.err
    first, *rest = map(json.loads, inspected.out.splitlines())
    assert first["framings"][0]["line"] == "decimal:10"
    assert rest[-1]["summary"]["messages"] == 2


def test_the_last_good_message_is_shown_without_what_closes_its_frame(tenfold):
    inspected = tenfold("inspect", "-", "--framing", "netstring", stdin=b"5:hello,5;world,")
    assert inspected.wait() == 4
    assert "last good    message 0 at offset 0, 5 bytes: hello\n" in inspected.out.decode()


@pytest.mark.parametrize("data, words", [(b"", "0 messages"), (frame(b""), "1 message")])
def test_little_is_not_a_mistake(tenfold, data, words):
    inspected = tenfold("inspect", "-", stdin=data)
    assert inspected.wait() == 0, inspected.err
    assert words in inspected.out.decode()


@pytest.mark.parametrize("framing", ["decimal:10", "u32be", "u64be", "varint", "content-length", "cobs", "http2 --side client", "auto"])
def test_hostile_bytes_are_answered_soon_and_with_little_memory(run, binary, tmp_path, framing):
    dice = random.Random(framing)
    streams = [
        b"\xff" * 100_000,
        b"9999999999",
        b"\x7f\xff\xff\xff" + b"x" * 1000,
        b"Content-Length: 99999999999999\r\n\r\n",
        b"A: " * 100_000,
        dice.randbytes(1 << 20),
        bytes(dice.choice(b"0123456789 ") for _ in range(1 << 18)),
    ]
    for number, stream in enumerate(streams):
        path = tmp_path / f"{number}"
        path.write_bytes(stream)
        inspected = run("prlimit", "--as=800000000", binary, "inspect", path, "--framing", *framing.split())
        assert inspected.wait() in (0, 4), inspected.err
        assert "panicked" not in inspected.err


def test_what_passes_between_two_is_shown_and_recorded_and_the_recording_is_shown_again(tenfold, tmp_path):
    server, address = listener()
    ports, record = tmp_path / "ports", tmp_path / "record"
    seen = tenfold("inspect", "--between", "127.0.0.1:0", address, "--record", record, "--json", "--port-file", ports, port_file=ports)
    client = connect(seen.port)
    peer = accept(server)
    client.sendall(frame(b"question"))
    assert peer.recv(100) == frame(b"question")
    client.shutdown(socket.SHUT_WR)
    # The half-close is passed on, and the other direction goes on.
    assert peer.recv(100) == b""
    peer.sendall(frame(b"answer") + frame(b"more"))
    peer.close()
    assert read_to_end(client) == frame(b"answer") + frame(b"more")
    # What cannot be decoded passes all the same.
    client = connect(seen.port)
    peer = accept(server)
    client.sendall(b"GET / HTTP/1.0\r\n\r\n")
    assert peer.recv(100) == b"GET / HTTP/1.0\r\n\r\n"
    client.close()
    assert peer.recv(100) == b""
    peer.close()
    wait_until(lambda: b"broken" in seen.out, what="the break")
    seen.signal(signal.SIGTERM)
    seen.wait()
    rows = [json.loads(line) for line in seen.out.splitlines()]
    shown = [(row["connection"], row["from"], row["text"]) for row in rows if "text" in row]
    assert shown == [(0, "client", "question"), (0, "server", "answer"), (0, "server", "more")]
    assert all(row["time"] for row in rows if "text" in row)
    assert any("HTTP" in row["broken"]["findings"][0]["says"] for row in rows if "broken" in row)
    again = tenfold("inspect", record, "--json")
    assert again.wait() == 4, again.err
    rows_again = [json.loads(line) for line in again.out.splitlines()]
    assert [(row["connection"], row["from"], row["text"]) for row in rows_again if "text" in row] == shown
    # One was told by a clock, the other by how long after the beginning it was.
    for row, row_again in zip(rows[:3], rows_again[:3], strict=True):
        apart = datetime.fromisoformat(row["time"]) - datetime.fromisoformat(row_again["time"])
        assert abs(apart.total_seconds()) < BOUND


def test_payloads_are_shown_as_values(tenfold):
    stream = frame(bytes.fromhex("a26161016162820203")) + frame(b"\xff") + frame(b"\x78\x05hello")
    inspected = tenfold("inspect", "-", "--payload", "cbor", "--json", stdin=stream)
    assert inspected.wait() == 0, inspected.err
    rows = [json.loads(line) for line in inspected.out.splitlines()]
    assert rows[0]["value"] == {"a": 1, "b": [2, 3]} and rows[2]["value"] == "hello"
    assert "CBOR" in rows[1]["error"] and rows[1]["base64"] == "/w=="
    table = tenfold("inspect", "-", "--payload", "cbor", stdin=stream)
    assert table.wait() == 0, table.err
    lines = table.out.decode().splitlines()
    assert lines[1].endswith('9  {"a":1,"b":[2,3]}') and "is not CBOR" in lines[2]


@pytest.fixture
def unread(tenfold, tmp_path):
    """A proxy whose rows nobody reads, and the client and the server that it joins: more has passed than is kept of rows."""
    server, address = listener()
    ports = tmp_path / "ports"
    arguments = ("--between", "127.0.0.1:0", address, "--json", "--port-file", ports)
    seen = tenfold("inspect", *arguments, port_file=ports, sink="held")
    client = connect(seen.port)
    peer = accept(server)
    # More than 16 MiB, and the pipe.
    stream, taken = frame(b"x" * 1000) * 60_000, []
    taking = threading.Thread(target=lambda: taken.append(read_to_end(peer)))
    taking.start()
    client.sendall(stream)
    client.shutdown(socket.SHUT_WR)
    taking.join(BOUND)
    assert taken == [stream]
    return seen, client, peer


def test_who_does_not_read_the_rows_holds_up_neither_what_passes_nor_the_end(unread):
    seen, client, peer = unread
    peer.sendall(frame(b"answer"))
    peer.close()
    assert read_to_end(client) == frame(b"answer")
    seen.signal(signal.SIGTERM)
    assert seen.process.wait(BOUND) == 1
    assert "not everything was shown" in seen.err


def test_rows_that_had_no_place_are_said_when_there_is_place_again(unread):
    seen, client, peer = unread
    seen.gather()
    peer.sendall(frame(b"answer"))
    peer.close()
    assert read_to_end(client) == frame(b"answer")
    seen.signal(signal.SIGTERM)
    assert seen.wait() == 0, seen.err
    lines = [json.loads(line) for line in seen.out.splitlines()]
    shown = sum("index" in line for line in lines)
    assert 0 < shown < 60_001
    assert any(line.get("not_shown", {}).get("reads", 0) > 0 for line in lines)
    # What was not shown was counted all the same.
    assert [line["summary"]["messages"] for line in lines if "summary" in line] == [60_000, 1]


def test_an_answer_passes_also_from_a_server_that_takes_no_more(tenfold, tmp_path):
    server, address = listener()
    ports = tmp_path / "ports"
    seen = tenfold("inspect", "--between", "127.0.0.1:0", address, "--port-file", ports, port_file=ports)
    client = connect(seen.port)
    peer = accept(server)
    client.sendall(frame(b"question"))
    assert peer.recv(100) == frame(b"question")
    peer.sendall(frame(b"enough"))
    peer.shutdown(socket.SHUT_RD)
    assert client.recv(100) == frame(b"enough")
    for _ in range(100):
        client.sendall(frame(b"more"))
    peer.sendall(frame(b"last words"))
    peer.close()
    assert client.recv(100) == frame(b"last words")


def test_what_has_passed_is_shown_and_recorded_also_if_all_ends_at_once(tenfold, tmp_path):
    server, address = listener()
    for number in range(20):
        ports, record = tmp_path / f"ports-{number}", tmp_path / f"record-{number}"
        arguments = ("--between", "127.0.0.1:0", address, "--record", record, "--json", "--port-file", ports)
        seen = tenfold("inspect", *arguments, port_file=ports)
        client = connect(seen.port)
        peer = accept(server)
        client.sendall(frame(b"question"))
        assert peer.recv(100) == frame(b"question")
        seen.signal(signal.SIGTERM)
        assert seen.wait() == 0, seen.err
        assert [row["text"] for row in map(json.loads, seen.out.splitlines()) if "text" in row] == ["question"]
        assert (record / "0.client.bin").read_bytes() == frame(b"question")
        for end in (client, peer):
            end.close()


def test_what_passes_goes_on_when_it_can_no_longer_be_recorded(tenfold, tmp_path):
    server, address = listener()
    ports, record = tmp_path / "ports", tmp_path / "record"
    seen = tenfold("inspect", "--between", "127.0.0.1:0", address, "--record", record, "--json", "--port-file", ports, port_file=ports)
    port = seen.port
    # Its files cannot be made.
    shutil.rmtree(record)
    client = connect(port)
    peer = accept(server)
    for number in range(3):
        message = frame(b"question %d" % number)
        client.sendall(message)
        assert peer.recv(100) == message
    wait_until(lambda: seen.out.count(b"question") == 3, what="three rows")
    wait_until(lambda: "cannot record in" in seen.err and "everything is passed on" in seen.err, what="the warning")
    seen.signal(signal.SIGTERM)
    assert seen.wait() == 1
    assert seen.err.count("from here on nothing is recorded") == 1
    client.close()
    peer.close()


def test_a_recording_whose_last_time_is_cut_is_shown_whole(tenfold, tmp_path):
    record = tmp_path / "record"
    record.mkdir()
    (record / "recording.json").write_text('{"version":1,"framing":"decimal:10","started":"2026-01-02T03:04:05Z","upstream":"127.0.0.1:1"}\n')
    (record / "0.client.bin").write_bytes(frame(b"one") + frame(b"two"))
    (record / "0.server.bin").write_bytes(b"")
    (record / "0.times").write_text("1000 client 13\n2000 cli")
    inspected = tenfold("inspect", record, "--json")
    assert inspected.wait() == 0, inspected.err
    assert [row["text"] for row in map(json.loads, inspected.out.splitlines()) if "text" in row] == ["one", "two"]


def test_a_recording_is_not_written_over(tenfold, tmp_path):
    (tmp_path / "record").mkdir()
    (tmp_path / "record" / "precious").write_text("x")
    seen = tenfold("inspect", "--between", "127.0.0.1:0", "127.0.0.1:1", "--record", tmp_path / "record")
    assert seen.wait() not in (0, 130)
    assert "record" in seen.err
    assert os.listdir(tmp_path / "record") == ["precious"]


def test_only_a_proxy_records(tenfold, tmp_path):
    for rest in (["-"], ["--listen", "127.0.0.1:0"]):
        inspected = tenfold("inspect", "--record", tmp_path / "record", *rest, stdin=frame(b"one"))
        assert inspected.wait() == 2, inspected.err
        assert "--record" in inspected.err
    assert not (tmp_path / "record").exists()


def test_a_file_that_is_not_there_is_said(tenfold, tmp_path):
    inspected = tenfold("inspect", tmp_path / "none")
    assert inspected.wait() == 1
    assert str(tmp_path / "none") in inspected.err


def test_a_segment_of_a_hub_is_a_stream_like_any_other(tenfold, hub, tmp_path):
    place = hub("--data", tmp_path / "data")
    place.publish("ticks", [b"one", b"two"])
    (segment,) = Path(tmp_path / "data").glob("channels/ticks/*.frames")
    inspected = tenfold("inspect", segment, "--json")
    assert inspected.wait() == 0, inspected.err
    assert [json.loads(line)["text"] for line in inspected.out.splitlines()[:2]] == ["one", "two"]
