"""What can go wrong, beside the built-in errors (`TimeoutError`, `ConnectionError`, `OSError`, `TypeError`)."""

from ._events import Gap


class TenfoldError(Exception):
    """What Tenfold's own errors have in common."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class FramingError(TenfoldError, ValueError):
    """A line that is not a framing. `at` is the index of the first character that is wrong."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message, at)
        self.at = at


class FrameError(TenfoldError, ValueError):
    """A stream that cannot be decoded any further.

    `offset` is where its frame begins and `index` counts the messages before it, both from 0. `header` is what
    was there in the place of the header, and `looks_like` what the bytes look like, if that is known.
    """

    def __init__(self, message: str, offset: int, index: int, header: bytes, looks_like: str | None) -> None:
        super().__init__(message, offset, index, header, looks_like)
        self.offset = offset
        self.index = index
        self.header = header
        self.looks_like = looks_like


class TruncatedError(FrameError, EOFError):
    """The stream ended inside a frame."""


class TooLargeError(FrameError):
    """A message is larger than the limit."""


class EncodeError(TenfoldError, ValueError):
    """A message that cannot be framed. `index` says which one, where several were given."""

    def __init__(self, message: str, index: int | None = None) -> None:
        super().__init__(message, index)
        self.index = index


class PayloadError(TenfoldError, ValueError):
    """A message that is not a value, or a value that is not a message."""


class HubError(TenfoldError):
    """A client of a hub has ended."""


class Refused(HubError):
    """The hub says no. `code` is one of docs/hub-protocol.md, or `None` for one that is not known here; `fields` are its keys."""

    def __init__(self, message: str, code: str | None, fields: dict[str, str]) -> None:
        super().__init__(message, code, fields)
        self.code = code
        self.fields = fields


class GapError(HubError):
    """Messages that were asked for cannot be had."""

    def __init__(self, message: str, gap: Gap) -> None:
        super().__init__(message, gap)
        self.gap = gap


class HistoryError(HubError):
    """The hub has not what this producer has published, or more than that."""

    def __init__(self, message: str, producer: str, committed: int, acknowledged: int, sent: int) -> None:
        super().__init__(message, producer, committed, acknowledged, sent)
        self.producer = producer
        self.committed = committed
        self.acknowledged = acknowledged
        self.sent = sent


class GaveUp(HubError):
    """It went on failing for as long as the client was to try. `last` is what went wrong last, and `after` are seconds."""

    def __init__(self, message: str, after: float, last: Exception) -> None:
        super().__init__(message, after, last)
        self.after = after
        self.last = last
        self.__cause__ = last


for _error in (
    TenfoldError, FramingError, FrameError, TruncatedError, TooLargeError, EncodeError, PayloadError,
    HubError, Refused, GapError, HistoryError, GaveUp,
):  # fmt: skip
    _error.__module__ = "tenfold"
