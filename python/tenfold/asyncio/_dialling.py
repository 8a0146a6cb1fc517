"""Connections that are made, with TLS if the address wants it."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import TypeVar

from .._address import Address
from ._secure import Secure

P = TypeVar("P", bound=asyncio.Protocol)


async def dial(address: Address, new: Callable[[], P]) -> P:
    """Connects, and gives the protocol."""
    loop = asyncio.get_running_loop()
    if not isinstance(address.place, tuple):
        _, protocol = await loop.create_unix_connection(new, address.place)
        return protocol
    if address.tls is None:
        _, protocol = await loop.create_connection(new, *address.place)
        return protocol
    above, context = new(), address.tls
    _, secure = await loop.create_connection(lambda: Secure(above, context, address.host, False), *address.place)
    try:
        await secure.agree()
    except BaseException:
        secure.abort()
        raise
    return above


async def adopt(sock: socket.socket, new: Callable[[], P], tls: ssl.SSLContext | None = None) -> P:
    """Takes a socket that is connected; with TLS as the side that has listened. The two sides agree later."""
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    above = new()
    await loop.connect_accepted_socket(lambda: above if tls is None else Secure(above, tls, None, True), sock)
    return above
