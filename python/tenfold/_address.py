"""Where a socket leads: the addresses that the commands take, too."""

import socket
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import ssl


class Address(NamedTuple):
    """What `socket.socket` wants to know, and how to make TLS there, if that is to be made."""

    family: socket.AddressFamily
    place: tuple[str, int] | str
    tls: "ssl.SSLContext | None" = None

    @classmethod
    def parse(cls, text: str, tls: "ssl.SSLContext | None" = None) -> "Address":
        """Reads an address to connect to; over TLS the CAs of the system are trusted, unless something else is said."""
        address = cls.read(text)
        if text.startswith("tls://"):
            # Programs without TLS need not load it.
            import ssl

            return address._replace(tls=tls or ssl.create_default_context())
        if tls is not None:
            raise ValueError(f"{text!r} is an address without TLS: put tls:// before it")
        return address

    @classmethod
    def to_listen(cls, text: str, tls: "ssl.SSLContext | None") -> "Address":
        """Reads an address to listen at, for which TLS needs a certificate."""
        if text.startswith("tls://") and tls is None:
            raise ValueError(f"{text!r}: whoever listens needs a certificate: tls=, an ssl.SSLContext that has one")
        return cls.parse(text, tls)

    @classmethod
    def read(cls, text: str) -> "Address":
        """Reads `host:port`, `[::1]:port`, `:port` (of this machine), `tcp://` or `tls://` and one of these, or `unix:/path`."""
        if text.startswith("unix:"):
            path = text.removeprefix("unix:")
            if not path:
                raise _bad(text)
            return cls(socket.AF_UNIX, "\0" + path[1:] if path.startswith("@") else path)
        rest = text.removeprefix("tls://" if text.startswith("tls://") else "tcp://")
        host, colon, port = rest.rpartition(":")
        if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65535:
            raise _bad(text)
        is_v6 = host.startswith("[") and host.endswith("]")
        if is_v6:
            host = host[1:-1]
        if ":" in host and not is_v6 or "/" in host:
            raise _bad(text)
        return cls(socket.AF_INET6 if is_v6 else socket.AF_INET, (host or "127.0.0.1", int(port)))

    @property
    def host(self) -> str | None:
        """Whose certificate is to be shown."""
        return self.place[0] if isinstance(self.place, tuple) else None


def written(name: object) -> str:
    """The address of a socket as people write it."""
    if isinstance(name, tuple):
        host, port = name[0], name[1]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    path = name.decode() if isinstance(name, bytes) else str(name)
    return "unix:" + ("@" + path[1:] if path.startswith("\0") else path)


def _bad(text: str) -> ValueError:
    return ValueError(f"{text!r} is not an address: give host:port, [::1]:port, :port or unix:/path")
