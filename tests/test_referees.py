"""Framings against implementations that others wrote: Erlang's sockets, git, the `cobs` package, Python's standard library.

What a referee writes, Tenfold must read, and the other way round, over real sockets wherever the referee speaks on one.
tests/referees has the programs that are not Python.
"""

import asyncio
import base64
import contextlib
import email.message
import email.policy
import http.client
import io
import json
import logging.handlers
import os
import pickle
import random
import re
import shlex
import socket
import struct
import subprocess
from pathlib import Path
from typing import Callable, NamedTuple

import pytest
from cobs import cobs

from support import BOUND, accept, connect, listener, read_exactly, read_to_end, wait_until

REFEREES = Path(__file__).parent / "referees"


def hex_lines(messages) -> bytes:
    return b"".join(message.hex().encode() + b"\n" for message in messages)


def from_hex(lines: bytes) -> list[bytes]:
    return [bytes.fromhex(line) for line in lines.decode().split("\n")[:-1]]


@pytest.fixture
def convert(tenfold):
    """`tenfold convert FROM TO`, with these bytes as its input."""

    def convert(source: str, target: str, data: bytes) -> bytes:
        process = tenfold("convert", source, target, stdin=data)
        assert process.wait() == 0, process.err
        return process.out

    return convert


@pytest.fixture
def sent(tenfold):
    """The bytes that `tenfold send` puts on a socket for these messages."""

    def sent(framing: str, messages: list[bytes]) -> bytes:
        server, address = listener()
        with server:
            client = tenfold("send", address, "--framing", framing, "--in", "hex", stdin=hex_lines(messages))
            with accept(server) as peer:
                stream = read_to_end(peer)
        assert client.wait() == 0, client.err
        return stream

    return sent


@pytest.fixture
def received(tenfold):
    """The messages that `tenfold recv` finds in these bytes when they come from a socket."""

    def received(framing: str, stream: bytes) -> list[bytes]:
        receiver = tenfold("recv", "--framing", framing, "--out", "hex", listen=True)
        with connect(receiver.port) as sock:
            sock.sendall(stream)
        assert receiver.wait() == 0, receiver.err
        return from_hex(receiver.out)

    return received


# Erlang: gen_tcp cuts a stream into packets by itself, and calls the framing `packet`.


def ber(length: int) -> bytes:
    """A length as X.690 has it, as short as possible."""
    if length < 128:
        return bytes([length])
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([0x80 + len(octets)]) + octets


class Packet(NamedTuple):
    """A `packet` of gen_tcp, which gives a body with its header still on it, or without, as the kind has it."""

    framing: str
    largest: int
    delivered: Callable[[bytes], bytes] = bytes  # the packet that gen_tcp gives for a body
    message: Callable[[bytes], bytes] = bytes  # Tenfold's message for a body


PACKETS = {
    "1": Packet("u8", 255),
    "2": Packet("u16be", 65_535),
    "4": Packet("u32be", 1 << 20),
    "line": Packet(r"delim:\n", 100_000, lambda body: body + b"\n"),
    "line/0": Packet(r"delim:\0", 100_000, lambda body: body + b"\0"),
    "tpkt": Packet(
        "u16be-4@2",
        65_531,
        lambda body: struct.pack(">BBH", 3, 0, len(body) + 4) + body,
        lambda body: b"\x03\x00" + body,
    ),
    "sunrm": Packet(
        "u31be",
        1 << 20,
        lambda body: struct.pack(">I", 1 << 31 | len(body)) + body,
        lambda body: b"\x80\x00\x00\x00" + body,
    ),
    "asn1": Packet("ber@1", 1 << 20, lambda body: b"\x04" + ber(len(body)) + body, lambda body: b"\x04" + body),
    "cdr": Packet(
        "u32be@8",
        1 << 20,
        lambda body: b"GIOP\x01\x01\x00\x00" + struct.pack(">I", len(body)) + body,
        lambda body: b"GIOP\x01\x01\x00\x00" + body,
    ),
}
SIZES = [0, 1, 127, 128, 255, 256, 0, 65_531, 65_535, 65_536, 100_000, 1 << 20, 2]


def bodies(packet: Packet) -> list[bytes]:
    dice = random.Random(packet.framing)
    made = [dice.randbytes(size) for size in SIZES if size <= packet.largest]
    # Neither of the two delimiters.
    return [body.replace(b"\n", b"x").replace(b"\0", b"y") if "delim" in packet.framing else body for body in made]


@pytest.fixture
def erlang(run):
    """Starts the Erlang program at one end of a connection; `erlang_port` tells where it listens."""

    def start(verb: str, packet: str, place, *file):
        return run("escript", REFEREES / "packets.escript", verb, packet, str(place), *file)

    return start


def erlang_port(program) -> int:
    def announced():
        assert program.process.poll() is None or b"\n" in program.out, program.err
        return re.match(rb"port (\d+)\n", program.out)

    return int(wait_until(announced, what="Erlang's port")[1])


def packets_of(program) -> list[bytes]:
    return from_hex(re.sub(rb"^port .*\n", b"", program.out))


@pytest.mark.parametrize("who_listens", ["erlang", "tenfold"])
@pytest.mark.parametrize("name", PACKETS)
def test_erlang_receives_the_packets_that_tenfold_sends(tenfold, erlang, convert, name, who_listens):
    packet = PACKETS[name]
    lines = hex_lines(map(packet.message, bodies(packet)))
    options = ["--framing", packet.framing, "--in", "hex"]
    if who_listens == "erlang":
        receiver = erlang("recv", name, "listen")
        sender = tenfold("send", "127.0.0.1:%d" % erlang_port(receiver), *options, stdin=lines)
    else:
        sender = tenfold("send", *options, listen=True, stdin=lines)
        receiver = erlang("recv", name, sender.port)
    assert sender.wait() == 0, sender.err
    assert receiver.wait() == 0, receiver.err
    packets = packets_of(receiver)
    assert packets == [packet.delivered(body) for body in bodies(packet)]
    if packet.delivered is not bytes:
        # The header is still on them, so together they are the stream.
        assert b"".join(packets) == convert("hex", packet.framing, lines)


@pytest.mark.parametrize("who_listens", ["erlang", "tenfold"])
@pytest.mark.parametrize("name", PACKETS)
def test_tenfold_receives_the_packets_that_erlang_sends(tenfold, erlang, tmp_path, name, who_listens):
    packet = PACKETS[name]
    messages = tmp_path / "messages"
    messages.write_bytes(hex_lines(bodies(packet)))
    options = ["--framing", packet.framing, "--out", "hex"]
    if who_listens == "erlang":
        sender = erlang("send", name, "listen", messages)
        receiver = tenfold("recv", "127.0.0.1:%d" % erlang_port(sender), *options)
    else:
        receiver = tenfold("recv", *options, listen=True)
        sender = erlang("send", name, receiver.port, messages)
    assert receiver.wait() == 0, receiver.err
    assert sender.wait() == 0, sender.err
    assert from_hex(receiver.out) == [packet.message(body) for body in bodies(packet)]


@pytest.mark.parametrize(
    "name, packets, messages",
    [
        ("asn1", ["30 84 00 00 00 03 020101", "02 82 00 01 7f", "04 81 00", "05 00"], ["30 020101", "02 7f", "04", "05"]),
        ("sunrm", ["00 00 00 01 61", "00 00 00 00", "80 00 00 02 6263"], ["00000000 61", "00000000", "80000000 6263"]),
        ("tpkt", ["03 ff 00 05 61", "03 00 00 04"], ["03 ff 61", "03 00"]),
    ],
)
def test_erlang_and_tenfold_cut_a_stream_of_odd_headers_alike(erlang, received, name, packets, messages):
    stream = bytes.fromhex("".join(packets))
    receiver = erlang("recv", name, "listen")
    with connect(erlang_port(receiver)) as sock:
        sock.sendall(stream)
    assert receiver.wait() == 0, receiver.err
    assert packets_of(receiver) == list(map(bytes.fromhex, packets))
    assert received(PACKETS[name].framing, stream) == list(map(bytes.fromhex, messages))


def test_erlang_and_tenfold_refuse_a_tpkt_length_that_is_too_small(erlang, tenfold):
    good = PACKETS["tpkt"].delivered(b"before")
    referee = erlang("recv", "tpkt", "listen")
    receiver = tenfold("recv", "--framing", "tpkt", "--out", "hex", listen=True)
    # The connections stay open until both have ended: it is the header that ends them.
    with connect(erlang_port(referee)) as one, connect(receiver.port) as other:
        for sock in [one, other]:
            sock.sendall(good + bytes.fromhex("03 00 00 03"))
        assert referee.wait() == 1, referee.err
        assert receiver.wait() == 4, receiver.err
    assert packets_of(referee) == [good]
    assert from_hex(receiver.out) == [PACKETS["tpkt"].message(b"before")]


# git: a real clone, with git's own record of its packets.


class Session(NamedTuple):
    repository: Path
    tap: Path
    clone: Callable


@pytest.fixture
def session(monkeypatch, run, tmp_path) -> Session:
    """A small repository, and `clone(version, through)`, which clones it over the git protocol through a command."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    for role in ["AUTHOR", "COMMITTER"]:
        monkeypatch.setenv(f"GIT_{role}_NAME", "Tenfold")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "tenfold@example.org")
        monkeypatch.setenv(f"GIT_{role}_DATE", "2001-02-03T04:05:06Z")
    repository, tap = tmp_path / "repository", tmp_path / "tap"
    tap.mkdir()

    def git(*arguments, **options):
        process = run("git", *arguments, **options)
        assert process.wait() == 0, process.err
        return process

    git("init", "--quiet", "--initial-branch=main", repository)
    (repository / "text").write_text("hello, world\n")
    # More than fits into one packet.
    (repository / "noise").write_bytes(random.Random(5).randbytes(300_000))
    git("-C", repository, "add", ".")
    git("-C", repository, "commit", "--quiet", "--message", "Two files")
    git("-C", repository, "tag", "--annotate", "--message", "A tag", "v1")
    git("-C", repository, "branch", "zweig-mit-ümlaut")

    def clone(version: int, through: list):
        target = tmp_path / "clone"
        git(
            *("-c", f"protocol.version={version}", "clone", "--quiet", "--progress"),
            *("--upload-pack", shlex.join(["sh", str(REFEREES / "upload-pack.sh")]), repository.as_uri(), target),
            env={
                "TAP": str(tap),
                "THROUGH": shlex.join(map(str, through)),
                "GIT_TRACE_PACKET": str(tap / "packets"),
                "GIT_TRACE_PACKFILE": str(tap / "packfile"),
            },
        )
        git("-C", target, "fsck", "--strict")
        for name in ["text", "noise"]:
            assert (target / name).read_bytes() == (repository / name).read_bytes()

    return Session(repository, tap, clone)


def traced(tap: Path, direction: str) -> list[str]:
    """The packets that git's client read (`<`) or wrote (`>`), as its trace shows them."""
    # The server writes into the same file, under its own name.
    pattern = re.compile(rf"packet: +(?:clone|sideband){direction} (.*)")
    lines = (tap / "packets").read_text().splitlines()
    packets = [match[1] for match in map(pattern.search, lines) if match]
    # Some versions of git print a byte above 127 as the octal digits of a negative number of 32 bits.
    return [re.sub(r"\\(37\d{9})", lambda match: "\\%o" % (int(match[1], 8) & 0xFF), packet) for packet in packets]


def objects(lines: bytes) -> list[dict]:
    return [json.loads(line) for line in lines.decode().split("\n")[:-1]]


def payload(item: dict) -> bytes:
    return item["text"].encode() if "text" in item else base64.b64decode(item["base64"])


def as_git_shows(items: list[dict]) -> list[str]:
    """What git's trace would show of these packets: without line feeds, and of the pack only that it begins."""
    shown = []
    for item in items:
        data = b"PACK ..." if is_start_of_pack(item) else b"%04x" % item["mark"] if "mark" in item else payload(item)
        if data[:1] != b"\x01":
            data = data.replace(b"\n", b"")
            shown.append("".join(chr(byte) if 0x20 <= byte < 0x7F else "\\%o" % byte for byte in data))
    return shown


def is_start_of_pack(item: dict) -> bool:
    return "mark" not in item and payload(item).startswith(b"\x01PACK")


@pytest.mark.parametrize("version", [0, 1, 2])
def test_tenfold_sees_the_packets_that_git_sees(session, tenfold, convert, version):
    session.clone(version, ["cat"])
    to_server = (session.tap / "to-server").read_bytes()
    from_server = (session.tap / "from-server").read_bytes()
    asked = objects(convert("git", "json", to_server))
    answered = objects(convert("git", "json", from_server))
    assert as_git_shows(asked) == traced(session.tap, ">")
    assert as_git_shows(answered) == traced(session.tap, "<")
    # Version 2 has both marks, and the pack takes several packets. How large they are depends on how
    # much git finds in its pipe when it looks.
    assert {item["mark"] for item in asked if "mark" in item} == ({0, 1} if version == 2 else {0})
    pack = [payload(item) for item in answered if "mark" not in item and payload(item)[:1] == b"\x01"]
    assert b"".join(packet[1:] for packet in pack) == (session.tap / "packfile").read_bytes()
    assert len(pack) > 1
    assert max(map(len, pack)) <= 65_516
    # And back.
    assert convert("json", "git", convert("git", "json", from_server)) == from_server
    assert convert("git", "git", to_server) == to_server
    # As messages alone: the marks are none.
    receiver = tenfold("recv", session.tap / "from-server", "--framing", "git", "--out", "hex")
    assert receiver.wait() == 0, receiver.err
    assert from_hex(receiver.out) == [payload(item) for item in answered if "mark" not in item]


@pytest.mark.parametrize("version", [0, 2])
def test_a_git_clone_works_through_tenfold(session, binary, version):
    session.clone(version, [binary, "convert", "git", "git"])
    assert "0000" in traced(session.tap, "<")


LS_REFS = [
    *({"text": "command=ls-refs\n"}, {"text": "object-format=sha1\n"}),
    *({"mark": 1}, {"text": "peel\n"}, {"text": "symrefs\n"}, {"text": "ref-prefix refs/\n"}, {"text": "ref-prefix HEAD\n"}),
    {"mark": 0},
]


def refs_of(answer: list[dict]) -> list[str]:
    """The references in an answer to LS_REFS, which come between two flush packets."""
    # Which message of the stream it is, and when it came, is of no interest here.
    answer = [{key: value for key, value in item.items() if key not in ("index", "time")} for item in answer]
    assert answer[0] == {"text": "version 2\n"}
    capabilities = answer.index({"mark": 0})
    assert answer.index({"mark": 0}, capabilities + 1) == len(answer) - 1
    return [item["text"] for item in answer[capabilities + 1 : -1]]


def references(run, repository: Path) -> list[str]:
    """The same, as git itself lists them."""
    form = "%(objectname) %(refname)%(if)%(*objectname)%(then) peeled:%(*objectname)%(end)"
    process = run("git", "-C", repository, "for-each-ref", "--format=" + form)
    assert process.wait() == 0, process.err
    lines = process.out.decode().splitlines(keepends=True)
    head = next(line.split()[0] for line in lines if line.endswith(" refs/heads/main\n"))
    return [f"{head} HEAD symref-target:refs/heads/main\n", *lines]


def json_lines(items) -> bytes:
    return b"".join(json.dumps(item).encode() + b"\n" for item in items)


def test_git_answers_a_request_that_tenfold_made(session, run, convert):
    request = convert("json", "git", json_lines(LS_REFS))
    server = run("git", "upload-pack", session.repository, stdin=request, env={"GIT_PROTOCOL": "version=2"})
    assert server.wait() == 0, server.err
    answer = objects(convert("git", "json", server.out))
    assert refs_of(answer) == references(run, session.repository)


def test_git_reads_from_a_socket_that_tenfold_sends_to_and_answers_on_one_that_tenfold_receives_from(session, run, tenfold):
    asking, ask = listener()
    answering, answer = listener()
    with asking, answering:
        sender = tenfold("send", ask, "--framing", "git", "--in", "json", stdin=json_lines(LS_REFS))
        receiver = tenfold("recv", answer, "--framing", "git", "--out", "json")
        with accept(asking) as source, accept(answering) as sink:
            # git gets the sockets themselves, and they are not to look as if nothing came.
            source.settimeout(None)
            sink.settimeout(None)
            environment = dict(os.environ, GIT_PROTOCOL="version=2")
            command = ["git", "upload-pack", session.repository]
            subprocess.run(command, stdin=source, stdout=sink, env=environment, timeout=BOUND, check=True)
    assert sender.wait() == 0, sender.err
    assert receiver.wait() == 0, receiver.err
    assert refs_of(objects(receiver.out)) == references(run, session.repository)


# COBS, from PyPI.


def cobs_messages() -> list[bytes]:
    """Every length around two and more full blocks, without zeros, with some, and with nothing else."""
    dice = random.Random(254)
    made = []
    for size in range(601):
        full = bytes(dice.choices(range(1, 256), k=size))
        some = bytearray(full)
        for _ in range(dice.randrange(4)):
            if some:
                some[dice.randrange(size)] = 0
        made += [full, bytes(some), bytes(size), bytes(dice.choices([0, 1, 255], k=size))]
    return made


def test_both_write_the_same_cobs(convert):
    messages = cobs_messages()
    stream = convert("hex", "cobs", hex_lines(messages))
    assert stream == b"".join(cobs.encode(message) + b"\0" for message in messages)


def test_the_cobs_package_reads_what_tenfold_sends(sent):
    *frames, rest = sent("cobs", cobs_messages()).split(b"\0")
    assert rest == b""
    assert [cobs.decode(frame) for frame in frames] == cobs_messages()


def test_tenfold_receives_what_the_cobs_package_writes(received):
    messages = cobs_messages()
    assert received("cobs", b"".join(cobs.encode(message) + b"\0" for message in messages)) == messages


def decoded(frame: bytes) -> bytes | None:
    try:
        return cobs.decode(frame)
    except cobs.DecodeError:
        return None


def test_any_bytes_are_the_same_cobs_frames_or_none(tenfold, received):
    dice = random.Random(1999)
    frames = [bytes(dice.choices([1, 2, 3, 4, 9], k=dice.randrange(1, 12))) for _ in range(400)]
    frames += [b"\xff" + b"x" * 254, b"\xff" + b"x" * 254 + b"\x01", b"\xff" + b"x" * 253]
    good = [frame for frame in frames if decoded(frame) is not None]
    assert received("cobs", b"".join(frame + b"\0" for frame in good)) == list(map(decoded, good))
    broken = [frame for frame in frames if decoded(frame) is None]
    for frame in broken[:40] + broken[-1:]:
        receiver = tenfold("recv", "-", "--framing", "cobs", stdin=frame + b"\0")
        assert receiver.wait() == 4, (frame, receiver.err)
        assert receiver.out == b""


# Programs as people write them in Python: a header made with `ljust`, `zfill`, `struct` ..., and read by as short a line.


class Header(NamedTuple):
    framing: str
    write: Callable[[int], bytes]
    read: Callable[[bytes], int]
    largest: int = 70_000


HEADERS = [
    Header("py-10", lambda n: f"{n:<10}".encode(), int),
    Header("decimal:10", lambda n: str(n).ljust(10).encode(), int),
    Header("py-64", lambda n: str(n).encode().ljust(64), int),
    Header("decimal:5", lambda n: b"%-5d" % n, int),
    Header("py-zfill", lambda n: str(n).zfill(8).encode(), int),
    Header("decimal:04", lambda n: f"{n:04}".encode(), int, 9_999),
    Header("hex:4", lambda n: b"%04x" % n, lambda header: int(header, 16), 65_535),
    Header("hex:8", lambda n: n.to_bytes(4, "big").hex().encode(), lambda header: int(header, 16)),
    Header("py-struct", lambda n: struct.pack(">I", n), lambda header: struct.unpack(">I", header)[0]),
    Header("u8", lambda n: struct.pack("B", n), lambda header: header[0], 255),
    Header("u16le", lambda n: struct.pack("<H", n), lambda header: struct.unpack("<H", header)[0], 65_535),
    Header("u24be", lambda n: n.to_bytes(3, "big"), lambda header: int.from_bytes(header, "big")),
    Header("u24le", lambda n: n.to_bytes(3, "little"), lambda header: int.from_bytes(header, "little")),
    Header("u64be", lambda n: struct.pack("!Q", n), lambda header: struct.unpack("!Q", header)[0]),
    Header("u64le", lambda n: struct.pack("<Q", n), lambda header: struct.unpack("<Q", header)[0]),
    Header("u32be-4", lambda n: struct.pack("!I", n + 4), lambda header: struct.unpack("!I", header)[0] - 4),
    Header("u16le+3", lambda n: struct.pack("<H", n - 3), lambda header: struct.unpack("<H", header)[0] + 3, 65_538),
]
FEWEST = {"u16le+3": 3}


def sized(header: Header) -> list[bytes]:
    dice = random.Random(header.framing)
    sizes = [3, 9, 10, 11, 99, 100, 127, 128, 252, 255, 256, 9_999, 10_000, 65_535, 65_536, 65_538, 70_000, 0, 1, 2, 3]
    return [dice.randbytes(size) for size in sizes if FEWEST.get(header.framing, 0) <= size <= header.largest]


def written(header: Header, messages) -> bytes:
    return b"".join(header.write(len(message)) + message for message in messages)


def read(header: Header, sock: socket.socket) -> list[bytes]:
    """What a program of the lesson's kind reads: a header of fixed size, then as many bytes as it says."""
    size, messages = len(header.write(header.largest)), []
    while first := sock.recv(1):
        length = header.read(first + read_exactly(sock, size - 1))
        messages.append(read_exactly(sock, length))
    return messages


@pytest.mark.parametrize("header", HEADERS, ids=lambda header: header.framing)
def test_python_programs_read_what_tenfold_sends(tenfold, header):
    lines = hex_lines(sized(header))
    sender = tenfold("send", "--framing", header.framing, "--in", "hex", listen=True, stdin=lines)
    with connect(sender.port) as sock:
        assert read(header, sock) == sized(header)
    assert sender.wait() == 0, sender.err


@pytest.mark.parametrize("header", HEADERS, ids=lambda header: header.framing)
def test_tenfold_reads_what_python_programs_send_and_writes_the_same(received, sent, header):
    stream = written(header, sized(header))
    assert received(header.framing, stream) == sized(header)
    assert sent(header.framing, sized(header)) == stream


@pytest.mark.parametrize("pad", [str.ljust, str.rjust, str.center, str.zfill])
def test_lax_reads_every_way_in_which_python_pads(received, pad):
    header = Header("decimal:10,lax", lambda n: pad(str(n), 10).encode(), int)
    assert received(header.framing, written(header, sized(header))) == sized(header)


def test_chars_speaks_with_programs_that_count_characters(received, sent):
    texts = ["", "abc", "café", "naïve €", "\U0001f600" * 50, "e\u0301", "\0\n\uffff", "ü" * 20_000]
    messages = [text.encode() for text in texts]
    stream = b"".join(f"{len(text):<10}".encode() + text.encode() for text in texts)
    assert received("decimal:10,chars", stream) == messages
    assert sent("decimal:10,chars", messages) == stream


# LEB128, written once more.


def leb128(number: int, size: int = 0) -> bytes:
    """The number in seven bits a byte, least significant first; in at least `size` bytes."""
    made = bytearray()
    while number > 127 or size > len(made) + 1:
        made.append(number & 127 | 128)
        number >>= 7
    return bytes(made + bytes([number]))


VARINT_SIZES = [0, 1, 127, 128, 129, 255, 300, 16_383, 16_384, 16_385, 2_097_151, 2_097_152, 0]


def test_varints_are_leb128(received, sent):
    messages = [random.Random(size).randbytes(size) for size in VARINT_SIZES]
    stream = b"".join(leb128(len(message)) + message for message in messages)
    assert sent("varint", messages) == stream
    assert received("varint", stream) == messages


def test_varints_are_read_in_up_to_ten_bytes(received, convert):
    messages = [random.Random(size).randbytes(size) for size in range(0, 300, 7) for _ in range(10)]
    stream = b"".join(leb128(len(message), at % 10 + 1) + message for at, message in enumerate(messages))
    assert received("varint", stream) == messages
    assert convert("varint", "varint", stream) == b"".join(leb128(len(message)) + message for message in messages)


@pytest.mark.parametrize("header", [leb128(3, 11), leb128(1 << 64), leb128((1 << 70) - 1)], ids=bytes.hex)
def test_varints_of_eleven_bytes_or_over_64_bits_are_refused(tenfold, header):
    receiver = tenfold("recv", "-", "--framing", "varint", stdin=b"\x01a" + header + b"abc")
    assert receiver.wait() == 4, receiver.err
    assert receiver.out == b"a\n"
    assert "offset 2 (message 1)" in receiver.err


# HTTP, from the standard library: chunks, and blocks of headers.

# The head of a request or an answer is one message, up to the empty line. Then each chunk is one; an empty one ends the body.
HTTP = r"delim:\r\n\r\n/hex,end=\r\n,close=\r\n"


def test_http_client_reads_the_chunks_that_tenfold_sends(tenfold):
    dice = random.Random(9112)
    chunks = [dice.randbytes(size) for size in [1, 9, 10, 15, 16, 17, 255, 256, 4095, 4096, 65_536, 300_000]]
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked"
    sender = tenfold("send", "--framing", HTTP, "--in", "hex", listen=True, stdin=hex_lines([head, *chunks, b""]))
    seen, chunk = [], b""
    with connect(sender.port) as sock, http.client.HTTPResponse(sock) as response:
        response.begin()
        while piece := response.read1():
            chunk += piece
            if response.chunk_left == 0:
                seen.append(chunk)
                chunk = b""
        assert response.isclosed()
        assert read_to_end(sock) == b""
    assert seen == chunks
    assert sender.wait() == 0, sender.err


def test_tenfold_reads_the_chunks_that_http_client_sends(tenfold):
    # Their lengths are written with upper-case digits.
    dice = random.Random(7230)
    chunks = [dice.randbytes(size) for size in [1, 9, 10, 11, 15, 16, 171, 4096, 48_879, 100_000]]
    receiver = tenfold("recv", "--framing", HTTP, "--out", "hex", listen=True)
    client = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=BOUND)
    client.request("PUT", "/", iter(chunks))
    client.close()
    assert receiver.wait() == 0, receiver.err
    head, *seen = from_hex(receiver.out)
    assert head.startswith(b"PUT / HTTP/1.1\r\n")
    assert seen == [*chunks, b""]


BODIES = [b"{}", b"", "{\"é\": \"\r\n\r\n\"}".encode(), bytes(range(256)) * 40, b"Content-Length: 3\r\n\r\nabc"]


def test_http_client_reads_the_header_blocks_that_tenfold_sends(sent):
    file = io.BytesIO(sent("content-length", BODIES))
    for body in BODIES:
        headers = http.client.parse_headers(file)
        assert headers.items() == [("Content-Length", str(len(body)))]
        assert file.read(len(body)) == body
    assert file.read() == b""


def test_tenfold_reads_header_blocks_that_the_email_package_writes(received):
    stream = b""
    for number, body in enumerate(BODIES):
        headers = email.message.Message(email.policy.HTTP)
        headers["Content-Type"] = "application/vscode-jsonrpc; charset=utf-8"
        headers[["Content-Length", "content-length", "CONTENT-LENGTH"][number % 3]] = str(len(body))
        stream += headers.as_bytes() + body
    assert received("content-length", stream) == BODIES


# The rest of the standard library that frames messages itself.


def test_logging_sends_its_records_to_recv(tenfold):
    receiver = tenfold("recv", "--framing", "u32be", "--out", "hex", listen=True)
    handler = logging.handlers.SocketHandler("127.0.0.1", receiver.port)
    texts = ["", "café €", "x" * 100_000, "last"]
    for text in texts:
        handler.emit(logging.LogRecord("lesson", logging.INFO, "here", 1, text, (), None))
    handler.close()
    assert receiver.wait() == 0, receiver.err
    assert [pickle.loads(message)["msg"] for message in from_hex(receiver.out)] == texts


DELIMITERS = [b"\n", b"\0", b"\r\n", b"\n\n", b"aab", b"abab", b"\r\n\r\n", b"abcabcabd"]


@pytest.mark.parametrize("delimiter", DELIMITERS, ids=ascii)
def test_asyncio_finds_the_delimiters_that_tenfold_sends(sent, received, delimiter):
    dice = random.Random(delimiter)
    made = [bytes(dice.choices(delimiter + b"xa\r", k=dice.randrange(30))) for _ in range(500)]
    messages = [message for message in made if (message + delimiter).find(delimiter) == len(message)]
    framing = "delim:" + "".join(f"\\x{byte:02x}" for byte in delimiter)
    stream = sent(framing, messages)
    assert asyncio.run(read_until(stream, delimiter)) == messages
    # Any bytes at all, as long as a delimiter ends them (and no other overlaps with it).
    anything = b"".join(made) + b"." + delimiter
    assert received(framing, anything) == asyncio.run(read_until(anything, delimiter))


async def read_until(stream: bytes, delimiter: bytes) -> list[bytes]:
    """The messages that end with the delimiter."""
    reader, messages = asyncio.StreamReader(), []
    reader.feed_data(stream)
    reader.feed_eof()
    with contextlib.suppress(asyncio.IncompleteReadError):
        while True:
            messages.append((await reader.readuntil(delimiter)).removesuffix(delimiter))
    return messages


@pytest.mark.parametrize(
    "delimiter, message", [(b"\n", b"a\nb"), (b"\n\n", b"a\n"), (b"aa", b"xa"), (b"abab", b"xab")], ids=ascii
)
def test_a_message_that_asyncio_would_cut_is_refused(tenfold, delimiter, message):
    assert asyncio.run(read_until(message + delimiter, delimiter))[0] != message
    framing = "delim:" + "".join(f"\\x{byte:02x}" for byte in delimiter)
    process = tenfold("convert", "hex", framing, stdin=hex_lines([b"good", message, b"never"]))
    assert process.wait() != 0
    assert process.out == b"good" + delimiter
    assert "message 1" in process.err
