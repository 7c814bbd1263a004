"""The playground as a whole: DNS, mail hosts and ledger, opened and closed together.

Puts the parts together and decides which host lives at which address and how it behaves; each part's own duty is in
its own module.
"""

from __future__ import annotations

import errno
import logging
import ssl
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from softbounce_playground.addresses import AddressPlan
from softbounce_playground.connection import Connection
from softbounce_playground.dns_labels import read_name
from softbounce_playground.host_behaviour import PLAIN, HostBehaviour
from softbounce_playground.hosts import Host, Hosts
from softbounce_playground.ledger import Ledger
from softbounce_playground.nameserver import Nameserver
from softbounce_playground.replies_by_address import Visits
from softbounce_playground.zone import Directory, Zone

__all__ = ["Playground"]

LOOPBACK = "127.0.0.1"
NO_SUCH_ADDRESS = frozenset({errno.EADDRNOTAVAIL, errno.EACCES, errno.EPERM})

logger = logging.getLogger(__name__)


class Playground:
    """A small internet, open within ``async with``.

    :ivar ledger: what the hosts took, refused and lost.
    :ivar tls: what hosts begin TLS with, where they shall offer STARTTLS: set it before they are called.
    :ivar zone: DNS zones that say something else than the default; change it at any time.
    """

    def __init__(
        self,
        dns: tuple[str, int] = (LOOPBACK, 0),
        smtp_port: int = 0,
        ledger: Path | None = None,
        seed: int = 0,
        addresses: Sequence[str] = (),
    ) -> None:
        """Describe it; nothing is opened yet.

        :param dns: address and port of the nameserver; port 0: a free one.
        :param smtp_port: of all mail hosts; 0: one that is free on all their addresses.
        :param ledger: a file of JSON lines to append to.
        :param seed: changes which plain host has which address.
        :param addresses: all hosts share these addresses instead of the blocks of 127.77.0.0/16, for clients on
            other machines. Labels that shape hosts then have no effect, but for ``slow``.
        """
        self.tls: ssl.SSLContext | None = None
        self._plan = AddressPlan(seed=seed, shared=addresses)
        self._seed = seed
        self._port = smtp_port
        self._visits = Visits()
        self._owned: dict[str, HostBehaviour] = {}
        self._hosts = Hosts(self._new_connection)
        self._directory = Directory(self._address_of, self._dead_address_of)
        self._nameserver = Nameserver(self._directory, dns)
        self.ledger = Ledger(ledger)
        self.zone: dict[str, Zone] = self._directory.zones

    async def __aenter__(self) -> Self:
        """Listen.

        :raises OSError: a port is taken, or an address is not ours.
        """
        try:
            self.ledger.open()
            try:
                self._hosts.open_all(self._plan.plain, self._port)
            except OSError as error:
                if self._plan.shared or error.errno not in NO_SUCH_ADDRESS:
                    raise
                logger.warning("addresses of 127.77.0.0/16 cannot be bound, all hosts share %s", LOOPBACK)
                self._plan = AddressPlan(seed=self._seed, shared=(LOOPBACK,))
                self._hosts.open_all(self._plan.plain, self._port)
            await self._nameserver.open()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close; see :meth:`aclose`."""
        await self.aclose()

    async def aclose(self) -> None:
        """Stop listening, cut all connections, and write the ledger out."""
        await self._nameserver.close()
        await self._hosts.close()
        self.ledger.close()

    @property
    def dns_address(self) -> tuple[str, int]:
        """Where the nameserver listens."""
        return self._nameserver.address

    @property
    def nameserver(self) -> str:
        """The same as ``address:port``."""
        return "{}:{}".format(*self._nameserver.address)

    @property
    def smtp_port(self) -> int:
        """The port of all mail hosts."""
        return self._hosts.port

    @property
    def ttl_seconds(self) -> int:
        """How long DNS answers may be cached, where their zone says nothing else."""
        return self._directory.ttl_seconds

    @ttl_seconds.setter
    def ttl_seconds(self, value: int) -> None:
        self._directory.ttl_seconds = value

    @property
    def queries(self) -> dict[tuple[str, str], int]:
        """How often each name and type was asked for."""
        return self._nameserver.queries

    @property
    def hosts(self) -> dict[str, Host]:
        """The hosts by address, with the connections they have (``sessions``), had at most (``peak``) and ever had."""
        return self._hosts.by_address

    @property
    def peaks(self) -> dict[str, int]:
        """The most connections that each address had at one time."""
        return {address: host.peak for address, host in self._hosts.by_address.items() if host.peak}

    def hosts_of(self, domain: str) -> tuple[Host, ...]:
        """The hosts of a domain that listen or listened, best MX first."""
        addresses = (self._address_in_dns(name) for name in self._directory.mx_hosts(domain.lower()))
        found = (self._hosts.by_address.get(address) for address in addresses)
        return tuple(dict.fromkeys(host for host in found if host is not None))

    def behave(self, domain: str, behaviour: HostBehaviour = PLAIN) -> None:
        """Give all hosts below a domain a behaviour, effective at once and on open connections too.

        The first call moves them to a block of addresses of their own, so make it before the first mail, or let the
        TTL of cached answers pass. Repeat it to change the behaviour, also to refuse connections for a while.
        """
        domain = domain.lower().rstrip(".")
        self._owned[domain] = behaviour
        for address in self._plan.block(f"domain/{domain}"):
            self._hosts.behave(address, behaviour)

    def _new_connection(self, host: Host) -> Connection:
        host.is_shared = bool(self._plan.shared)
        return Connection(host, self.ledger, self._visits, self.tls)

    def _dead_address_of(self, host: str) -> str:
        return self._plan.dead_address(host)

    def _address_in_dns(self, host: str) -> str:
        records = self._directory.answer(host, "A").records
        return next((record.values[0] for record in records if record.type == "A"), "")

    def _address_of(self, host: str) -> str:
        """The address of a host, which listens by the time that the client learns of it."""
        labels = host.split(".")
        for start in range(len(labels)) if self._owned else ():
            domain = ".".join(labels[start:])
            if domain in self._owned:
                return self._plan.block_address(f"domain/{domain}", host)
        reading = read_name(host)
        if not reading.host_labels or self._plan.shared:
            return self._plan.plain_address(host)
        address = self._plan.block_address("labels/" + ".".join(reading.host_labels), host)
        if address not in self._hosts.by_address:
            self._hosts.behave(address, reading.behaviour)
        return address
