"""Whole messages over plain sockets.

>>> import tenfold
>>> tenfold.Encoder().encode(b"hello, world")
b'12        hello, world'
>>> tenfold.Decoder("u32be").feed(b"\\0\\0\\0\\x02hi\\0\\0\\0\\x05hel")
[b'hi']
"""

from ._connection import Connection, connect
from ._errors import EncodeError, FrameError, FramingError, TenfoldError, TooLargeError, TruncatedError
from ._listener import Listener, listen
from ._tenfold import Decoder, Encoder, Framing, Mark

__all__ = [
    "Connection",
    "Decoder",
    "EncodeError",
    "Encoder",
    "FrameError",
    "Framing",
    "FramingError",
    "Listener",
    "Mark",
    "TenfoldError",
    "TooLargeError",
    "TruncatedError",
    "connect",
    "listen",
]
