"""`tenfold inspect` of captures of packets: TCP put together, conversations, gaps."""

import ipaddress
import json
import random
import struct

import pytest

from support import frame, frames

CLIENT, SERVER = ("10.0.0.2", 40000), ("10.0.0.1", 5432)
SYN, ACK, FIN = 2, 16, 1
ASKED, ANSWERED = [b"hello", b"", b"a question that is longer"], [b"an answer", b"x" * 3000, b"last"]


def segment(source, target, number: int, flags: int, payload: bytes = b"") -> bytes:
    """An IP packet with this segment of TCP."""
    ports = struct.pack(">HH", source[1], target[1])
    tcp = ports + struct.pack(">IIBBHHH", number % 2**32, 0, 5 << 4, flags, 1000, 0, 0) + payload
    addresses = ipaddress.ip_address(source[0]).packed + ipaddress.ip_address(target[0]).packed
    if len(addresses) == 8:
        return struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0) + addresses + tcp
    return struct.pack(">IHBB", 6 << 28, len(tcp), 6, 64) + addresses + tcp


def conversation(client=CLIENT, server=SERVER, asked=frames(ASKED), answered=frames(ANSWERED), size=700) -> list[bytes]:
    """The packets of a connection: numbers that wrap, and pieces of this size in turns."""
    packets = [segment(client, server, -9, SYN), segment(server, client, 500, SYN | ACK)]
    for at in range(0, max(len(asked), len(answered)), size):
        for source, target, first, stream in [(client, server, -8, asked), (server, client, 501, answered)]:
            if piece := stream[at : at + size]:
                packets.append(segment(source, target, first + at, ACK, piece))
    ends = [(client, server, -8 + len(asked)), (server, client, 501 + len(answered))]
    return packets + [segment(source, target, number, FIN | ACK) for source, target, number in ends]


def pcap(packets: list[bytes], link: int = 101, before: bytes = b"", order: str = "<", magic: int = 0xA1B2C3D4) -> bytes:
    head = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, link)
    record = lambda n, packet: struct.pack(order + "IIII", 1764230400, n, len(packet), len(packet)) + packet
    return head + b"".join(record(n, before + packet) for n, packet in enumerate(packets))


def block(kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    size = struct.pack("<I", 12 + len(body))
    return struct.pack("<I", kind) + size + body + size


def pcapng(packets: list[bytes]) -> bytes:
    head = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)) + block(1, struct.pack("<HHI", 101, 0, 0))
    time = 1764230400 * 10**6
    return head + b"".join(block(6, struct.pack("<IIIII", 0, time >> 32, time & 0xFFFFFFFF, len(p), len(p)) + p) for p in packets)


def shown(tenfold, path, *options, code=0):
    """The messages of both sides, and the other lines."""
    inspected = tenfold("inspect", path, "--json", *options)
    assert inspected.wait() == code, inspected.err
    lines = [json.loads(line) for line in inspected.out.splitlines()]
    said = {side: [line["length"] for line in lines if line.get("from") == side and "length" in line] for side in ["client", "server"]}
    return said, lines, inspected.err


def lengths(messages: list[bytes]) -> list[int]:
    return [len(message) for message in messages]


BOTH = {"client": lengths(ASKED), "server": lengths(ANSWERED)}
ETHERNET = bytes(12) + b"\x08\x00"


@pytest.mark.parametrize(
    "capture",
    [
        pcap(conversation()),
        pcap(conversation(), order=">"),
        pcap(conversation(), magic=0xA1B23C4D),
        pcap(conversation(), 1, ETHERNET),
        pcap(conversation(), 1, bytes(12) + b"\x81\x00\x00\x07\x08\x00"),
        pcap(conversation(), 0, struct.pack("<I", 2)),
        pcap(conversation(), 113, bytes(14) + b"\x08\x00"),
        pcap(conversation(), 276, b"\x08\x00" + bytes(18)),
        pcap(conversation(("fd00::2", 40000), ("fd00::1", 5432))),
        pcapng(conversation()),
    ],
    ids=["pcap", "pcap of the other order", "pcap with nanoseconds", "Ethernet", "VLAN", "loopback", "any interface", "any interface, second version", "IPv6", "pcapng"],
)  # fmt: skip
def test_the_one_conversation_of_a_capture_is_shown_in_both_directions(tenfold, tmp_path, capture):
    path = tmp_path / "capture"
    path.write_bytes(capture)
    said, lines, _ = shown(tenfold, path)
    assert said == BOTH
    assert all(line["time"].startswith("2025-11-2") for line in lines if "length" in line)


def test_segments_that_come_twice_late_or_cut_in_another_way_are_put_together(tenfold, tmp_path):
    packets = conversation(size=40)
    head, middle, tail = packets[:2], packets[2:-2], packets[-2:]
    seeded = random.Random(3)
    for _ in range(5):
        for at in range(0, len(middle) - 6, 6):
            middle[at : at + 6] = seeded.sample(middle[at : at + 6], 6)
        again = conversation(size=60)[2:-2]
        path = tmp_path / "capture"
        path.write_bytes(pcap(head + middle + seeded.sample(again, 20) + tail))
        assert shown(tenfold, path)[0] == BOTH


def test_bytes_that_the_capture_does_not_have_are_said_and_the_frames_after_them_are_found(tenfold, tmp_path):
    packets = conversation()
    lost = next(n for n, packet in enumerate(packets) if packet.endswith(b"x" * 700))
    path = tmp_path / "capture"
    path.write_bytes(pcap(packets[:lost] + packets[lost + 1 :]))
    said, _, words = shown(tenfold, path)
    assert said == BOTH
    assert "700 bytes of the server at offset 700 are not in the capture" in words


def test_several_conversations_are_listed_and_each_can_be_shown(tenfold, tmp_path):
    other = conversation(("10.0.0.3", 50000), ("10.0.0.1", 80), frame(b"one"), frame(b"two"))
    path = tmp_path / "capture"
    path.write_bytes(pcap(conversation() + other + conversation()))
    inspected = tenfold("inspect", path, "--json")
    assert inspected.wait() == 0, inspected.err
    listed = [json.loads(line) for line in inspected.out.splitlines()]
    assert [one["client"] for one in listed] == ["10.0.0.2:40000", "10.0.0.3:50000", "10.0.0.2:40000"]
    assert listed[1]["bytes"] == {"client": 13, "server": 13}
    assert "--stream N" in inspected.err
    assert shown(tenfold, path, "--stream", "1")[0] == {"client": [3], "server": [3]}
    assert shown(tenfold, path, "--stream", "2")[0] == BOTH
    missing = tenfold("inspect", path, "--stream", "3")
    assert missing.wait() == 1 and "there is no stream 3" in missing.err


def test_auto_finds_the_framing_of_each_direction(tenfold, tmp_path):
    objects = [b'{"n":%d}' % n for n in range(40)]
    asked = b"".join(struct.pack(">I", len(one)) + one for one in objects)
    path = tmp_path / "capture"
    path.write_bytes(pcap(conversation(asked=asked, answered=frames(objects))))
    said, lines, _ = shown(tenfold, path, "--framing", "auto")
    assert said == {"client": lengths(objects), "server": lengths(objects)}
    assert [line["summary"]["framing"] for line in lines if "summary" in line] == ["u32be", "decimal:10"]


def test_a_capture_that_ends_inside_a_packet_or_has_no_tcp_is_said(tenfold, tmp_path):
    path = tmp_path / "capture"
    path.write_bytes(pcap(conversation())[:-7])
    said, _, words = shown(tenfold, path)
    assert said == BOTH and "ends inside a packet" in words
    path.write_bytes(pcap([b"\x45" + bytes(40)]))
    inspected = tenfold("inspect", path)
    assert inspected.wait() == 1 and "no bytes over TCP" in inspected.err


def test_any_bytes_after_the_magic_end_in_words(tenfold, tmp_path):
    seeded = random.Random(11)
    path = tmp_path / "capture"
    whole = [pcap(conversation(), 1, ETHERNET), pcapng(conversation())]
    for n in range(12):
        capture = bytearray(whole[n % 2])
        for _ in range(30):
            capture[seeded.randrange(4, len(capture))] = seeded.randrange(256)
        path.write_bytes(capture)
        inspected = tenfold("inspect", path, "--summary")
        assert inspected.wait() in (0, 1, 4), inspected.err
        assert "panicked" not in inspected.err
