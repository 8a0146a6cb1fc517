"""Values in messages. Python's own modules are the other side."""

import json
import math
import pickle
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as some

import tenfold
from tenfold import payload
from tenfold.payload import Call, Ext, Name, PayloadError, Tag

PLAIN = some.recursive(
    some.none() | some.booleans() | some.integers(-(1 << 63), (1 << 64) - 1) | some.floats(allow_nan=False) | some.text() | some.binary(),
    lambda inner: some.lists(inner) | some.dictionaries(some.text() | some.integers(0, 1000), inner),
    max_leaves=20,
)


@pytest.mark.parametrize("format", ["cbor", "msgpack"])
@given(value=PLAIN)
def test_what_is_written_is_read(format, value):
    assert payload.read(payload.write(value, format), format) == value


@given(value=some.recursive(some.none() | some.text() | some.integers(), lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner)))
def test_json_is_that_of_the_standard_library(value):
    assert json.loads(payload.write(value, "json")) == value
    assert payload.read(json.dumps(value).encode(), "json") == value


@given(value=PLAIN, protocol=some.integers(3, pickle.HIGHEST_PROTOCOL))
def test_a_pickle_of_plain_values_is_what_was_pickled(value, protocol):
    # Before protocol 3 there are no bytes in a pickle, but calls that would make them.
    assert payload.read(pickle.dumps(value, protocol), "pickle") == value


def test_the_bytes_are_those_of_the_specifications():
    assert payload.write({"a": 1, "b": [2, 3]}, "cbor") == bytes.fromhex("a26161016162820203")
    assert payload.write(Tag(1, 1363896240), "cbor") == bytes.fromhex("c11a514b67b0")
    assert payload.read(bytes.fromhex("c11a514b67b0"), "cbor") == Tag(1, 1363896240)
    assert payload.write({"compact": True, "schema": 0}, "msgpack") == bytes.fromhex("82a7636f6d70616374c3a6736368656d6100")
    assert payload.read(payload.write(Ext(5, b"\0\xff"), "msgpack"), "msgpack") == Ext(5, b"\0\xff")
    assert payload.write([1, "é"], "json") == '[1,"é"]'.encode()


def test_what_json_has_not_comes_back_the_same():
    for format in ("cbor", "msgpack"):
        for value in (math.inf, -math.inf, {"$base64": "AA=="}, {1: "one", "$": 2}, {(1, 2): 3}):
            assert payload.read(payload.write(value, format), format) == value
        assert math.isnan(payload.read(payload.write(math.nan, format), format))
    assert payload.read(payload.write(1 << 70, "cbor"), "cbor") == 1 << 70


class Executed:
    def __reduce__(self):
        return eval, ("executed.append(1)",)


executed = []


def test_nothing_in_a_pickle_is_executed():
    message = pickle.dumps([Executed(), {1, 2}, frozenset("a"), print])
    call, *rest = payload.read(message, "pickle")
    assert call == Call("builtins.eval", ["executed.append(1)"], {})
    assert rest == [{1, 2}, frozenset("a"), Name("builtins.print")]
    assert executed == []


# What `pickle.loads` needs gigabytes, minutes or all of the stack for, some of it for ten bytes.
HOSTILE = {
    "a memo of a thousand million places": b"Nr\xff\xff\xff\x3f.",
    "a terabyte that is announced": b"\x80\x04\x8e" + (1 << 40).to_bytes(8, "little") + b".",
    "a number of a gigabyte": b"\x80\x04\x8b" + (1 << 30).to_bytes(4, "little") + b".",
    "lists in lists, each ten times in the next": b"\x80\x04]q\x000"
    + b"".join(b"]q%c(" % (n + 1) + b"h%c" % n * 10 + b"e0" for n in range(20))
    + b"h\x14.",
    "a million marks": b"(" * 1_000_000,
    "a million lists in each other": b"]" * 1_000_000 + b"a" * 999_999 + b".",
}

BOUNDED = """
import resource, sys
from tenfold import payload
message = sys.stdin.buffer.read()
resource.setrlimit(resource.RLIMIT_AS, (512 << 20, 512 << 20))
try:
    payload.read(message, "pickle")
except payload.PayloadError as error:
    print(error)
"""


@pytest.mark.parametrize("message", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_pickle_costs_little(message):
    done = subprocess.run([sys.executable, "-c", BOUNDED], input=message, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("format", ["json", "cbor", "msgpack", "pickle"])
def test_what_is_not_a_value_is_an_error(format):
    whole = pickle.dumps([1, "one"]) if format == "pickle" else payload.write([1, "one"], format)
    deep = {"json": b"[", "cbor": b"\x81", "msgpack": b"\x91", "pickle": b"]"}[format] * 100_000
    for message in (b"", whole[:-1], whole + whole, deep):
        with pytest.raises(PayloadError):
            payload.read(message, format)


def test_what_cannot_be_written_is_an_error():
    for format in ("json", "cbor", "msgpack"):
        with pytest.raises(TypeError):
            payload.write(object(), format)
        deep = []
        for _ in range(100_000):
            deep = [deep]
        with pytest.raises(PayloadError):
            payload.write(deep, format)
    with pytest.raises(PayloadError):
        payload.write(1 << 70, "msgpack")
    with pytest.raises(PayloadError):
        payload.write([], "pickle")
    assert issubclass(PayloadError, tenfold.TenfoldError)
