"""Connects to one address of a road: by TCP from our own address where the road has one, or by a unix socket."""

from __future__ import annotations

import asyncio
import errno
import socket
from ipaddress import ip_address

from softbounce_config.process_settings import DialSettings

from softbounce.reply import Trouble, TroubleKind
from softbounce.road import UNIX, Road
from softbounce.stage import Stage
from softbounce_worker.session.connection import Connection, Deadlines
from softbounce_worker.session.tls import TlsChannel

__all__ = ["Connecting", "is_loopback"]

OWN_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
"""What we have run out of ourselves: files, memory, ports. No host is to blame; what is in use comes back."""
SHORTAGE_PAUSE = 0.1
NO_ADDRESS = frozenset({errno.EADDRNOTAVAIL, errno.ENETUNREACH, errno.EAFNOSUPPORT})


class Connecting:
    """The way to addresses.

    :param limits: the name that is given where the road has none, the port where it has none, and how long it may take.
    """

    def __init__(self, limits: DialSettings, road: Road, deadlines: Deadlines) -> None:
        self._seconds = limits.timeouts.connect
        self._hostname = road.hostname or limits.hostname
        self._port = road.port or limits.port
        self._road = road
        self._deadlines = deadlines

    async def connect(self, address: str, channel: TlsChannel | None = None) -> Connection | Trouble:
        """A connection, whose greeting is awaited; or why there is none.

        :param address: an IP address, or ``unix:`` and a path.
        :param channel: TLS from the first octet on.
        """
        try:
            async with asyncio.timeout(self._seconds):
                while True:
                    try:
                        return await self._dial(address, channel)
                    except OSError as error:
                        if error.errno not in OWN_SHORTAGES:
                            raise
                        if (why := self._lacks_address(address)) is not None:
                            return _failed(why)
                        await asyncio.sleep(SHORTAGE_PAUSE)
        except TimeoutError:
            self._deadlines.stages.note(Stage.CONNECT, self._seconds)
            text = f"no connection to {address} within {self._seconds:g} s"
            return Trouble(kind=TroubleKind.CONNECT_TIMEOUT, text=text, enhanced="4.4.1")
        except ConnectionRefusedError:
            return Trouble(kind=TroubleKind.CONNECT_REFUSED, text=f"{address} refused the connection", enhanced="4.4.1")
        except OSError as error:
            return _failed(f"no connection to {address}: {error.strerror or error}")

    async def _dial(self, address: str, channel: TlsChannel | None) -> Connection:
        loop = asyncio.get_running_loop()

        began = loop.time()

        def made() -> Connection:
            self._deadlines.stages.note(Stage.CONNECT, loop.time() - began)
            is_lmtp = self._road.protocol == "lmtp"
            return Connection(self._hostname, self._deadlines, lmtp=is_lmtp, channel=channel)

        if address.startswith(UNIX):
            return (await loop.create_unix_connection(made, address.removeprefix(UNIX)))[1]
        source = self._road.source_for(address)
        local = None if source is None else (source, 0)
        return (await loop.create_connection(made, address, self._port, local_addr=local))[1]

    def _lacks_address(self, address: str) -> str | None:
        """Why no port will ever be had for this: the address that we dial from is not ours, or we have none at all."""
        source = self._road.source_for(address)
        try:
            with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as one:
                if source is not None:
                    one.bind((source, 0))
                one.connect((address, self._port))  # nothing leaves by that
        except OSError as error:
            if error.errno in NO_ADDRESS:
                what = "this machine has no address of that family" if source is None else f"{source} is not ours"
                return f"no connection to {address}: {what}"
        return None


def is_loopback(address: str) -> bool:
    """Whether what is said there stays on this machine."""
    return address.startswith(UNIX) or ip_address(address).is_loopback


def _failed(text: str) -> Trouble:
    return Trouble(kind=TroubleKind.CONNECT_FAILED, text=text, enhanced="4.4.1")
