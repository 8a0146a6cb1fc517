"""The conformance vectors: each stream whole, byte by byte, and cut at every place."""

import json
from pathlib import Path

import pytest

import tenfold
from tenfold import Decoder, EncodeError, Encoder, FrameError, Framing, FramingError, Mark, TooLargeError, TruncatedError

VECTORS = Path(__file__).parents[2] / "vectors"
STREAMS = "cobs slip hdlc ber varint bits lax chars marks content-length delim".split()
ERRORS = {"truncated": TruncatedError, "too_large": TooLargeError}
# A longer stream is cut at these many places, spread over it.
CUTS = 300


def read(name):
    return json.loads((VECTORS / f"{name}.json").read_text())


def streams(key):
    return [pytest.param(case, id=f"{name}: {case.get('name', case)}") for name in STREAMS for case in read(name).get(key, [])]


def expected_events(case):
    return [Mark(event["mark"]) if isinstance(event, dict) else bytes.fromhex(event) for event in case["events"]]


def decode(case, *pieces):
    """What a decoder gives for the pieces: events, and the error that ends them."""
    decoder = Decoder(case["framing"], side="client", limit=case.get("limit", 16 * 1024 * 1024))
    events = []
    try:
        for piece in pieces:
            events += decoder.feed_with_marks(piece)
        decoder.finish()
    except FrameError as error:
        return events, error
    return events, None


def cuts(data):
    """The stream whole, byte by byte, and in two."""
    yield [data]
    yield [data[at : at + 1] for at in range(len(data))]
    for at in range(0, len(data) + 1, max(1, len(data) // CUTS)):
        yield [data[:at], data[at:]]


@pytest.mark.parametrize("case", streams("cases"))
def test_a_stream_is_decoded_alike_however_it_is_cut(case):
    data = bytes.fromhex(case["hex"])
    for pieces in cuts(data):
        events, error = decode(case, *pieces)
        assert events == expected_events(case)
        if case["verdict"] == "clean":
            assert error is None
            continue
        assert type(error) is ERRORS.get(case["verdict"], FrameError)
        assert error.offset == case["offset"]
        assert error.index == sum(isinstance(event, bytes) for event in events)


@pytest.mark.parametrize("case", [case for case in streams("cases") if case.values[0]["verdict"] == "clean"])
def test_what_was_decoded_is_encoded_to_the_same_bytes_where_the_vectors_say_so(case):
    encoder = Encoder(case["framing"], side="client")
    events = expected_events(case)
    frames = b"".join(encoder.mark(event.number) if isinstance(event, Mark) else encoder.encode(event) for event in events)
    assert (frames == bytes.fromhex(case["hex"])) == case["round_trip"]


@pytest.mark.parametrize("case", streams("refused"))
def test_a_message_that_the_framing_cannot_carry_is_refused(case):
    encoder = Encoder(case["framing"], side="client")
    with pytest.raises(EncodeError):
        encoder.mark(case["mark"]) if "mark" in case else encoder.encode(bytes.fromhex(case["message"]))


@pytest.mark.parametrize("name", ["headers", "headers-more"])
def test_a_header_is_judged_at_the_byte_that_decides(name):
    file = read(name)
    for case in file["cases"]:
        data, verdict = bytes.fromhex(case["hex"]), case["verdict"]
        decoder = Decoder(limit=case.get("limit", file["limit"]))
        try:
            for at in range(len(data)):
                assert decoder.feed(data[at : at + 1]) == ([b""] if case.get("length") == 0 and at == 9 else [])
        except FrameError as error:
            seen = "too_large" if isinstance(error, TooLargeError) else f"reject@{at + 1}"
        else:
            seen = "legal"
        assert seen == (verdict if verdict not in ("accept", "truncated") else "legal"), case


def test_lines_that_describe_a_framing_are_printed_in_their_one_spelling():
    for case in read("framings")["cases"]:
        assert str(Framing(case["line"])) == case["canonical"]
        assert Framing(case["line"]) == Framing(case["canonical"])


def test_lines_that_do_not_are_refused_at_the_character_that_is_wrong():
    for case in read("framings")["refused"]:
        with pytest.raises(FramingError) as refused:
            Framing(case["line"])
        assert refused.value.at == case["at"], case


def test_streams_of_real_programs_come_out_as_they_went_in():
    header, *rows = (VECTORS / "captures" / "vectors.tsv").read_text().splitlines()
    columns = header.split("\t")
    for row in rows:
        capture = dict(zip(columns, row.split("\t")))
        data = (VECTORS / "captures" / capture["file"]).read_bytes()
        side = "server" if ".s2c." in capture["file"] else "client"
        decoder = Decoder(capture["framing"], side=side)
        events = [event for at in range(0, len(data), 1000) for event in decoder.feed_with_marks(data[at : at + 1000])]
        assert len(events) == int(capture["messages"])
        if capture["round_trip"] == "yes":
            encoder = Encoder(capture["framing"], side=side)
            frames = [encoder.mark(event.number) if isinstance(event, Mark) else encoder.encode(event) for event in events]
            assert b"".join(frames) == data[: len(data) - int(capture["left"])]


def test_the_package_has_nothing_that_it_does_not_name():
    public = {name for name in vars(tenfold) if not name.startswith("_")}
    assert public - set(tenfold.__all__) <= {"asyncio", "payload", "testing"}
