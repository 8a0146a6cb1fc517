"""The codec as a Python program meets it: types, errors, state."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tenfold import Decoder, EncodeError, Encoder, FrameError, Framing, FramingError, TenfoldError, TooLargeError, TruncatedError


def test_messages_before_an_error_are_given_first_and_then_it_is_raised_again_and_again():
    decoder = Decoder()
    assert decoder.feed(b"2         hi3         abcGET / HTTP/1.1\r\n") == [b"hi", b"abc"]
    for call in (lambda: decoder.feed(b"2         hi"), decoder.finish, lambda: decoder.feed(b"")):
        with pytest.raises(FrameError) as raised:
            call()
    error = raised.value
    assert (error.offset, error.index, error.header) == (25, 2, b"GET / HTTP")
    assert error.looks_like == "this looks like HTTP"
    assert str(error).startswith("bad header at offset 25 (message 2)")


def test_an_end_inside_a_frame_is_an_error_also_directly_after_the_header():
    for data in (b"2", b"2         ", b"2         h"):
        decoder = Decoder()
        assert decoder.feed(data) == []
        with pytest.raises(TruncatedError) as raised:
            decoder.finish()
        assert isinstance(raised.value, EOFError)
    decoder = Decoder()
    decoder.feed(b"2         hi")
    decoder.finish()


def test_errors_are_also_the_built_in_ones():
    for error in (FrameError, EncodeError, FramingError, TooLargeError):
        assert issubclass(error, ValueError)
        assert issubclass(error, TenfoldError)
        assert error.__module__ == "tenfold"


def test_a_message_over_the_limit_is_told_with_both_numbers():
    with pytest.raises(TooLargeError, match="5 bytes, the limit is 4"):
        Decoder(limit=4).feed(b"5         ")


def test_errors_can_be_pickled():
    with pytest.raises(FrameError) as raised:
        Decoder().feed(b"GET /")
    copy = pickle.loads(pickle.dumps(raised.value))
    assert (type(copy), str(copy), copy.looks_like) == (FrameError, str(raised.value), raised.value.looks_like)


def test_a_str_is_not_a_message_and_the_error_says_what_to_do():
    for call in (Encoder().encode, Decoder().feed):
        with pytest.raises(TypeError, match=r"\.encode\(\)"):
            call("text")
    with pytest.raises(TypeError, match=r"\.encode\(\)"):
        Encoder().encode_all([b"bytes", "text"])
    with pytest.raises(TypeError, match="not int"):
        Encoder().encode(5)


def test_one_message_is_not_taken_for_several():
    for single in (b"bytes", "text", bytearray(b"bytes")):
        with pytest.raises(TypeError, match="single"):
            Encoder().encode_all(single)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_whatever_has_bytes_can_be_a_message(kind):
    assert Encoder().encode(kind(b"hello")) == b"5         hello"
    assert Decoder().feed(kind(b"5         hello")) == [b"hello"]


def test_a_list_is_encoded_whole_or_not_at_all():
    encoder = Encoder("u16be/u8")
    with pytest.raises(EncodeError, match="message 1") as raised:
        encoder.encode_all([b"first", bytes(300)])
    assert raised.value.index == 1
    # The framing of the first message is still the one that comes next.
    assert encoder.encode_all(iter([b"first", b"next"])) == b"\0\5first\4next"


def test_an_iterable_that_fails_takes_nothing_with_it():
    def messages():
        yield b"first"
        raise KeyError("gone")

    encoder = Encoder()
    with pytest.raises(KeyError):
        encoder.encode_all(messages())
    assert encoder.encode(b"next") == b"4         next"


def test_sides_that_differ_have_to_be_named():
    for make in (Decoder, Encoder):
        with pytest.raises(ValueError, match='side="client"'):
            make("postgres")
        with pytest.raises(ValueError, match="not 'both'|not \"both\""):
            make("postgres", side="both")
    assert Encoder(Framing("u8 // u16be"), side="server").encode(b"hi") == b"\0\2hi"


def test_a_framing_is_a_value():
    netstring = Framing("netstring")
    assert netstring == Framing(r"decimal,end=:,close=\x2c")
    assert hash(netstring) == hash(Framing(str(netstring)))
    assert eval(repr(netstring)) == netstring
    assert pickle.loads(pickle.dumps(netstring)) == netstring
    assert str(Framing()) == "decimal:10"
    assert (Framing("u8 // u16be").client, Framing("u8 // u16be").server) == ("u8", "u16be")


def test_a_decoder_tells_where_it_is():
    decoder = Decoder()
    decoder.feed(b"2         hi3         a")
    assert (decoder.offset, decoder.index, decoder.rest) == (12, 1, b"a")


def test_marks_are_passed_over_by_feed():
    assert Decoder("hex:4-4,marks").feed(b"0006a\n00000004") == [b"a\n", b""]


@pytest.mark.parametrize("framing", ["decimal:10", "u32be", "netstring", "varint", "cobs", "slip", "hdlc"])
@given(messages=some.lists(some.binary(min_size=1, max_size=300)), cuts=some.lists(some.integers(1, 200)))
def test_whatever_is_encoded_comes_back_wherever_it_is_cut(framing, messages, cuts):
    # Not all of them have empty messages.
    wire = Encoder(framing).encode_all(messages)
    decoder, seen = Decoder(framing), []
    for cut in cuts:
        seen += decoder.feed(wire[:cut])
        wire = wire[cut:]
    seen += decoder.feed(wire)
    decoder.finish()
    assert seen == messages


@given(data=some.binary(), cut=some.integers(0, 100))
def test_any_bytes_are_messages_or_an_error_that_says_where(data, cut):
    decoder, seen = Decoder(), []
    try:
        for piece in (data[:cut], data[cut:]):
            seen += decoder.feed(piece)
        decoder.finish()
    except FrameError as error:
        assert error.offset <= len(data)
        # A call that finds messages and an error gives the messages.
        assert error.index == len(seen)
