"""The system's name servers, as the file says that names them; read again when it changes.

DHCP, a VPN or another network writes it anew while we run, and the C library, which other programs look names up with,
follows it. Who does not would ask servers that are gone until it is started again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import dns.exception
import dns.resolver
import structlog

from softbounce.errors import ConfigError
from softbounce_worker.route.address_policy import is_address

__all__ = ["RESOLV_CONF", "SystemServers"]

RESOLV_CONF = Path("/etc/resolv.conf")
LOOK_EVERY = 5.0
"""Seconds."""
log = structlog.get_logger()


class SystemServers:
    """Reads the file, and looks whether it is another one.

    :param clock: monotonic seconds.
    :param port: where they listen; a file says addresses alone.
    """

    def __init__(self, clock: Callable[[], float], path: Path = RESOLV_CONF, *, port: int = 53) -> None:
        self._clock = clock
        self._path = path
        self._port = port
        self._next_look = 0.0
        self._seen: tuple[int, ...] = ()
        self._places: list[tuple[str, int]] = []

    def read(self) -> list[tuple[str, int]]:
        """Address and port of those that it names.

        :raises ConfigError: it names none, or cannot be read.
        """
        self._next_look = self._clock() + LOOK_EVERY
        self._seen = self._look()
        try:
            servers = dns.resolver.Resolver(str(self._path)).nameservers
        except dns.resolver.NoResolverConfiguration:
            raise ConfigError(f"dns.nameservers is empty, and this system names none in {self._path}") from None
        except (ValueError, OSError, dns.exception.DNSException) as error:
            raise ConfigError(f"dns.nameservers is empty, and {self._path} cannot be used: {error}") from None
        places = [(str(one), self._port) for one in servers if is_address(str(one))]
        if not places:
            raise ConfigError(f"dns.nameservers is empty, and {self._path} names no addresses")
        self._places = places
        return places

    def changed(self) -> list[tuple[str, int]]:
        """Those that it names by now, where that are others; a file that cannot be used just now changes nothing."""
        if self._clock() < self._next_look:
            return []
        self._next_look = self._clock() + LOOK_EVERY
        if self._look() == self._seen:
            return []
        before = self._places
        try:
            now = self.read()
        except ConfigError as error:
            log.warning("name_servers_kept", why=str(error))
            return []
        if now == before:
            return []
        log.info("name_servers_changed", file=str(self._path), before=before, now=now)
        return now

    def _look(self) -> tuple[int, ...]:
        """What tells whether it is another file, or was written anew; nothing where there is none."""
        try:
            seen = self._path.stat()
        except OSError:
            return ()
        return seen.st_ino, seen.st_mtime_ns, seen.st_size
