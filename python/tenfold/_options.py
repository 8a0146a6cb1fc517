"""What clients of a hub are told when they are made, whatever they do."""

import math
from typing import TYPE_CHECKING, TypedDict

from ._address import Address

if TYPE_CHECKING:
    import ssl


class Common(TypedDict, total=False):
    """What all cores of a hub's clients have. Times are in seconds."""

    token: str | None
    until_connected: float
    once_connected: float
    connect_timeout: float
    answer_timeout: float


class Options(Common, total=False):
    """What all clients of a hub have."""

    tls: "ssl.SSLContext | None"


def way(hub: str, options: Options) -> tuple[list[Address], Common]:
    """Where the hub is, or several with the same channels are, and what the core is told: a first failure is an error, and a connection that breaks is made again.

    Unless the options say something else.
    """
    complete = Common(token=None, until_connected=0.0, once_connected=math.inf, connect_timeout=5.0, answer_timeout=5.0)
    for name, value in options.items():
        if name in complete:
            complete[name] = value  # type: ignore[literal-required]
        elif name != "tls":
            raise TypeError(f"{name!r} is not an option of a client of a hub: there are {', '.join(complete)} and tls")
    return [Address.parse(address, options.get("tls")) for address in hub.split(",")], complete
