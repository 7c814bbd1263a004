"""Where it listens."""

from __future__ import annotations

import errno
import socket

from softbounce_config.hosts import split_endpoint

__all__ = ["is_taken", "open_sockets"]


def open_sockets(where: str) -> list[socket.socket]:
    """Sockets that listen at ``host:port``; a name may have several addresses.

    :raises OSError: one cannot be opened.
    """
    host, port = split_endpoint(where)
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    opened: list[socket.socket] = []
    try:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            one = socket.socket(family, kind, protocol)
            opened.append(one)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind(address)
            one.listen(1024)
            one.setblocking(False)  # noqa: FBT003 - the standard library's
    except OSError:
        for one in opened:
            one.close()
        raise
    return opened


def is_taken(error: OSError) -> bool:
    """Whether somebody else listens there."""
    return error.errno == errno.EADDRINUSE
