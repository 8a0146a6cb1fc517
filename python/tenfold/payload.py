"""The values in messages: JSON, CBOR and MessagePack, and pickles, which are read without executing anything.

>>> from tenfold import payload
>>> payload.write({"name": "a", "raw": b"\\x00"}, "cbor")
b'\\xa2dnameaacrawA\\x00'
>>> payload.read(b"\\x82\\xa1a\\x01\\xa1b\\xc4\\x01\\xff", "msgpack")
{'a': 1, 'b': b'\\xff'}
"""

import base64
import json
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ._errors import PayloadError
from ._tenfold import payload_from_json, payload_to_json

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Call", "Ext", "Name", "Other", "PayloadError", "Tag", "read", "write"]


class Tag(NamedTuple):
    """A value of CBOR that has a tag."""

    number: int
    value: Any


class Ext(NamedTuple):
    """An extension of MessagePack."""

    kind: int
    data: bytes


class Name(NamedTuple):
    """Something that a pickle would import, such as `os.system`. Nothing was imported."""

    name: str


class Call(NamedTuple):
    """A call that a pickle would make. Nothing was called. `rest` is what it would do with the result."""

    function: Any
    args: Any
    rest: dict[str, Any]


class Other(NamedTuple):
    """Something of a pickle that is known to its writer alone: a `persistent`, an `extension` or a `buffer`."""

    what: str
    value: Any


def read(message: "Buffer", format: Literal["json", "cbor", "msgpack", "pickle"]) -> Any:
    """The value in a message. `PayloadError` says why there is none.

    Work and memory are bounded by the length of the message, whatever is in it.
    """
    if format == "json":
        return _parsed(bytes(message), None)
    return _parsed(payload_to_json(format, message), _special)


def write(value: Any, format: Literal["json", "cbor", "msgpack"]) -> bytes:
    """The message that says a value of None, bool, int, float, str, bytes, lists, tuples and dicts (and `Tag` and `Ext`)."""
    try:
        if format == "json":
            return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
        return payload_from_json(format, json.dumps(_noted(value), separators=(",", ":"), ensure_ascii=False))
    except (RecursionError, UnicodeEncodeError) as error:
        raise PayloadError(f"this value cannot be written as {format}: {error}") from None


def _parsed(text: str | bytes, hook: Callable[[dict[str, Any]], Any] | None) -> Any:
    try:
        return json.loads(text, object_hook=hook)
    except (RecursionError, ValueError) as error:
        raise PayloadError(f"this is not JSON: {error}") from None


def _special(entries: dict[str, Any]) -> Any:
    """What JSON cannot say is an object with a key that begins with `$`: the notation of crate tenfold-payload."""
    key = next(iter(entries), "")
    if not key.startswith("$"):
        return entries
    value = entries[key]
    if key == "$call":
        args = entries.pop("args")
        return Call(entries.pop(key), args, entries)
    make = READ.get(key)
    return Other(key[1:], value) if make is None else make(value)


def _key(value: Any) -> Any:
    """A value that can be the key of a dict: lists, which were tuples where they are keys, as tuples."""
    return tuple(map(_key, value)) if type(value) is list else value


def _dict(pairs: list[list[Any]]) -> Any:
    try:
        found = {_key(key): value for key, value in pairs}
    except TypeError:
        # A key that Python does not allow.
        return [(key, value) for key, value in pairs]
    # Of a key that comes twice, nothing is to be lost.
    return found if len(found) == len(pairs) else [(key, value) for key, value in pairs]


def _set(make: Callable[[Any], Any]) -> Callable[[list[Any]], Any]:
    def made(items: list[Any]) -> Any:
        try:
            return make(map(_key, items))
        except TypeError:
            return items

    return made


READ: dict[str, Callable[[Any], Any]] = {
    "$base64": base64.b64decode,
    "$float": float,
    "$int": int,
    "$map": _dict,
    "$tag": lambda parts: Tag(*parts),
    "$ext": lambda parts: Ext(parts[0], base64.b64decode(parts[1])),
    "$set": _set(set),
    "$frozenset": _set(frozenset),
    "$global": Name,
}


def _noted(value: Any) -> Any:
    """A value in that notation."""
    match value:
        case None | bool() | str():
            return value
        case int():
            return value if -(1 << 63) <= value < 1 << 64 else {"$int": str(value)}
        case float():
            return value if math.isfinite(value) else {"$float": str(value)}
        case bytes() | bytearray() | memoryview():
            return {"$base64": base64.b64encode(value).decode()}
        case Tag():
            return {"$tag": [value.number, _noted(value.value)]}
        case Ext():
            return {"$ext": [value.kind, base64.b64encode(value.data).decode()]}
        case list() | tuple():
            return [_noted(item) for item in value]
        case dict():
            if all(isinstance(key, str) and not key.startswith("$") for key in value):
                return {key: _noted(item) for key, item in value.items()}
            return {"$map": [[_noted(key), _noted(item)] for key, item in value.items()]}
    raise TypeError(f"a {type(value).__name__} cannot be in a message: make it one of None, bool, int, float, str, bytes, list and dict")
