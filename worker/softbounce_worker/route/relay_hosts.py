"""Where a smarthost is: the addresses of its name, the address that it is given by, or a socket. No MX is asked.

It is the operator's own choice, so it may be on a private network, or this very machine. What is wrong with its name
is a fault of the configuration, or of DNS, and none of the mail's: that waits, whatever DNS says. The name is looked
for in the system's file of hosts first, as all programs do; ``localhost`` is this machine (RFC 6761 §6.3).
"""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import chain, zip_longest
from pathlib import Path

from softbounce.reply import Trouble, TroubleKind
from softbounce.road import UNIX, Road
from softbounce_worker.route.address_policy import AddressPolicy, is_address
from softbounce_worker.route.mail_hosts import Host, Listed, Route
from softbounce_worker.route.resolver import Budget, DnsAnswer, Resolver
from softbounce_worker.route.wire import RecordKind

__all__ = ["RelayHosts"]

ADDRESSES = 8
QUERIES, RECORDS = 16, 200
HOSTS_FILE = Path("/etc/hosts")
HOSTS_FILE_OCTETS = 256 * 1024
LOCALHOST = ("127.0.0.1", "::1")


class RelayHosts:
    """Finds smarthosts.

    :param patience: seconds for all that is asked about one.
    """

    def __init__(self, resolver: Resolver, patience: float, hosts_file: Path = HOSTS_FILE) -> None:
        self._resolver = resolver
        self._patience = patience
        self._hosts_file = hosts_file
        self._policy = AddressPolicy(allow_private=True)

    async def find(self, road: Road) -> Route | Trouble:
        """The one host of a road to a smarthost, or why it cannot be found now. Never a permanent trouble."""
        lane = road.lane_of("")
        if road.socket is not None:
            return _route(lane, road.place, (UNIX + road.socket,))
        name = road.host or ""
        found = await self._addresses_of(name)
        if isinstance(found, Trouble):
            return found
        dialled = tuple(address for address in found if self._policy.check(address) is None)[:ADDRESSES]
        if not dialled:
            return _trouble(name, f"{found[0]} {self._policy.check(found[0])}" if found else "it has no address")
        return _route(lane, name, dialled)

    async def _addresses_of(self, name: str) -> tuple[str, ...] | Trouble:
        if is_address(name):
            return (name,)
        if name == "localhost":
            return LOCALHOST
        loop = asyncio.get_running_loop()
        if listed := await loop.run_in_executor(None, partial(_in_hosts_file, self._hosts_file, name)):
            return listed
        budget = Budget(QUERIES, RECORDS)
        try:
            async with asyncio.timeout(self._patience):
                answers = await asyncio.gather(
                    self._resolver.look_up(name, RecordKind.A, budget),
                    self._resolver.look_up(name, RecordKind.AAAA, budget),
                )
        except TimeoutError:
            return _trouble(name, "the name servers did not answer in time")
        addresses = tuple(one for one in chain.from_iterable(zip_longest(*map(_addresses, answers))) if one)
        if not addresses:
            detail = next((answer.detail for answer in answers if answer.detail), "the name does not exist")
            return _trouble(name, detail)
        return addresses


def _addresses(answer: DnsAnswer) -> list[str]:
    return [record for record in answer.records if isinstance(record, str)]


def _in_hosts_file(path: Path, name: str) -> tuple[str, ...]:
    try:
        with path.open("rb") as file:
            text = file.read(HOSTS_FILE_OCTETS).decode(errors="replace")
    except OSError:
        return ()
    lines = (line.partition("#")[0].split() for line in text.splitlines())
    found = [words[0] for words in lines if name in map(str.lower, words[1:]) and is_address(words[0])]
    return tuple(dict.fromkeys(found))


def _route(lane: str, name: str, addresses: tuple[str, ...]) -> Route:
    host = Host(name=name, preference=0, addresses=addresses)
    listed = (Listed(name=name, preference=0),)
    return Route(site=lane, shown=name, listed=listed, hosts=(host,), ttl=0.0)


def _trouble(name: str, detail: str) -> Trouble:
    text = f"the smarthost {name} cannot be found: {detail}"
    return Trouble(kind=TroubleKind.DNS_TEMPORARY, text=text, enhanced="4.4.3")
