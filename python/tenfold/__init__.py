"""Whole messages over plain sockets.

>>> import tenfold
>>> tenfold.Encoder().encode(b"hello, world")
b'12        hello, world'
>>> tenfold.Decoder("u32be").feed(b"\\0\\0\\0\\x02hi\\0\\0\\0\\x05hel")
[b'hi']
"""

from ._broadcast import Broadcast
from ._connection import Connection, connect
from ._errors import (
    EncodeError,
    FrameError,
    FramingError,
    GapError,
    GaveUp,
    HistoryError,
    HubError,
    PayloadError,
    Refused,
    TenfoldError,
    TooLargeError,
    TruncatedError,
)
from ._events import (
    ChannelMessage,
    Connected,
    Deleted,
    Disconnected,
    Following,
    Gap,
    Message,
    Place,
    Publishing,
    Subscribed,
    Unreadable,
)
from ._listener import Listener, listen
from ._publisher import Publisher
from ._receiver import Follower, Subscriber
from ._tenfold import Decoder, Encoder, Framing, Mark

__all__ = [
    "Broadcast",
    "ChannelMessage",
    "Connected",
    "Connection",
    "Decoder",
    "Deleted",
    "Disconnected",
    "EncodeError",
    "Encoder",
    "Follower",
    "Following",
    "FrameError",
    "Framing",
    "FramingError",
    "Gap",
    "GapError",
    "GaveUp",
    "HistoryError",
    "HubError",
    "Listener",
    "Mark",
    "Message",
    "PayloadError",
    "Place",
    "Publisher",
    "Publishing",
    "Refused",
    "Subscribed",
    "Subscriber",
    "TenfoldError",
    "TooLargeError",
    "TruncatedError",
    "Unreadable",
    "connect",
    "listen",
]
