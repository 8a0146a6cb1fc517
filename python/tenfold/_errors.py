"""What can go wrong, beside the built-in errors (`TimeoutError`, `ConnectionError`, `OSError`, `TypeError`)."""


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


for _error in (TenfoldError, FramingError, FrameError, TruncatedError, TooLargeError, EncodeError):
    _error.__module__ = "tenfold"
