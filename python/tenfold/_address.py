"""Where a socket leads: the addresses that the commands take, too."""

import socket
from typing import NamedTuple


class Address(NamedTuple):
    """What `socket.socket` wants to know."""

    family: socket.AddressFamily
    place: tuple[str, int] | str

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Reads `host:port`, `[::1]:port`, `:port` (of this machine), `tcp://` and one of these, or `unix:/path`."""
        if text.startswith("unix:"):
            path = text.removeprefix("unix:")
            if not path:
                raise _bad(text)
            return cls(socket.AF_UNIX, "\0" + path[1:] if path.startswith("@") else path)
        if text.startswith("tls://"):
            raise ValueError(f"{text!r}: for TLS give a socket that an ssl.SSLContext has wrapped")
        host, colon, port = text.removeprefix("tcp://").rpartition(":")
        if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65535:
            raise _bad(text)
        is_v6 = host.startswith("[") and host.endswith("]")
        if is_v6:
            host = host[1:-1]
        if ":" in host and not is_v6 or "/" in host:
            raise _bad(text)
        return cls(socket.AF_INET6 if is_v6 else socket.AF_INET, (host or "127.0.0.1", int(port)))


def written(name: object) -> str:
    """The address of a socket as people write it."""
    if isinstance(name, tuple):
        host, port = name[0], name[1]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    path = name.decode() if isinstance(name, bytes) else str(name)
    return "unix:" + ("@" + path[1:] if path.startswith("\0") else path)


def _bad(text: str) -> ValueError:
    return ValueError(f"{text!r} is not an address: give host:port, [::1]:port, :port or unix:/path")
