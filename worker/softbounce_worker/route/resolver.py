"""Questions to DNS, and their answers as values: shared while under way, cached by TTL, bounded in number.

Records are kept for as long as they say; that there are none, for five seconds. Nothing here knows what an MX is good
for. No answer is an exception: that a name does not exist, or that nobody could be asked, are answers too.

RFC 1035, RFC 2181 §10 (aliases), RFC 2308 (negative answers), RFC 6891 (EDNS).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from functools import partial
from ipaddress import ip_address
from itertools import count

import dns.asyncbackend
import dns.asyncresolver
import dns.exception
import dns.message
import dns.name
import dns.nameserver
import dns.rdata
import dns.rdatatype
import dns.resolver

from softbounce.errors import ConfigError
from softbounce_worker.route.answer_cache import CEILING, FLOOR, AnswerCache

__all__ = ["Answer", "Budget", "Found", "Resolver", "parse_nameserver"]

CNAMES = 16
EDNS_OCTETS = 1232  # what passes everywhere without fragments; a longer answer comes over TCP
ANSWERS = 20_000
QUERIES = 200  # under way at once
TRY_SECONDS = 2.0  # of one question to one server, before it is asked again
PORT = 53
NAMESERVER = re.compile(
    r"\[(?P<six>[0-9A-Fa-f:.]+)\](?::(?P<six_port>\d{1,5}))?|(?P<four>[0-9.]+):(?P<four_port>\d{1,5})"
)


class Found(Enum):
    """What kind of answer it is."""

    RECORDS = auto()
    NO_RECORDS = auto()  # the name exists, records of this type do not
    NO_SUCH_NAME = auto()  # NXDOMAIN
    NOTHING = auto()  # nobody could tell: SERVFAIL, REFUSED, timeout, a loop of aliases


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer.

    :ivar records: in the order in which the server sent them.
    :ivar is_alias: a CNAME was followed.
    :ivar expires: the clock's reading after which it must be asked again.
    :ivar detail: why there is nothing, in words.
    """

    found: Found
    records: tuple[dns.rdata.Rdata, ...] = ()
    is_alias: bool = False
    expires: float
    detail: str = ""


class Budget:
    """How many more queries one resolution may cost (an attacker's zone can ask for thousands)."""

    def __init__(self, queries: int) -> None:
        self.left = queries

    def spend(self) -> bool:
        """Whether there was one left."""
        self.left -= 1
        return self.left >= 0


class Resolver:
    """Asks the configured name servers.

    :param nameservers: ``"192.0.2.53"``, ``"127.0.0.1:5300"``, ``"[::1]:5300"``; none: the system's.
    :param timeout: for one answer, all tries together.
    :param clock: monotonic seconds.
    :raises ConfigError: a name server cannot be read, or the system has none.
    """

    def __init__(self, nameservers: Sequence[str], timeout: timedelta, *, clock: Callable[[], float]) -> None:
        try:
            self._dns = dns.asyncresolver.Resolver(configure=not nameservers)
        except dns.resolver.NoResolverConfiguration:
            raise ConfigError("dns.nameservers is empty, and this system names none in /etc/resolv.conf") from None
        if nameservers:
            self._dns.nameservers = [
                dns.nameserver.Do53Nameserver(*parse_nameserver(nameserver)) for nameserver in nameservers
            ]
        self._dns.lifetime = timeout.total_seconds()
        self._dns.timeout = min(TRY_SECONDS, self._dns.lifetime / max(1, len(self._dns.nameservers)))
        self._dns.use_edns(0, 0, EDNS_OCTETS)
        self._backend = dns.asyncbackend.get_backend("asyncio")
        self._clock = clock
        self._answers: AnswerCache[Answer] = AnswerCache(ANSWERS, clock)
        self._under_way: dict[tuple[str, dns.rdatatype.RdataType], asyncio.Task[Answer]] = {}
        self._places = asyncio.Semaphore(QUERIES)

    async def look_up(self, name: str, kind: dns.rdatatype.RdataType, budget: Budget) -> Answer:
        """The records of that kind at *name*, aliases followed. Callers with the same question share one query."""
        key = (name, kind)
        answer = self._answers.get(key)
        if answer is not None:
            return answer
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.create_task(self._ask_in_turn(name, kind, budget))
            self._under_way[key] = task
            task.add_done_callback(partial(self._finish, key))
        return await asyncio.shield(task)  # one caller giving up takes the answer from nobody

    def _finish(self, key: tuple[str, dns.rdatatype.RdataType], task: asyncio.Task[Answer]) -> None:
        del self._under_way[key]
        if not task.cancelled() and task.exception() is None:
            answer = task.result()
            # What is denied may be wrong for all names at once; who believes it keeps it for as long as it may be kept.
            kept = answer.expires if answer.records else min(answer.expires, self._clock() + FLOOR)
            self._answers.put(key, answer, expires=kept)

    async def _ask_in_turn(self, name: str, kind: dns.rdatatype.RdataType, budget: Budget) -> Answer:
        async with self._places:
            return await self._ask(name, kind, budget)

    async def _ask(self, name: str, kind: dns.rdatatype.RdataType, budget: Budget) -> Answer:
        try:
            target = dns.name.from_text(name)
        except dns.exception.DNSException:
            return self._answer(Found.NO_SUCH_NAME, ttl=CEILING, detail="is no name that DNS can hold")
        ttl = CEILING
        for followed in count():
            if followed > CNAMES or not budget.spend():
                return self._answer(Found.NOTHING, detail="too many aliases or queries")
            try:
                reply = await self._dns.resolve(
                    target, kind, raise_on_no_answer=False, search=False, backend=self._backend
                )
            except dns.resolver.NXDOMAIN as error:
                return self._answer(Found.NO_SUCH_NAME, ttl=min(ttl, _negative_ttl(error)), detail="does not exist")
            except (dns.exception.DNSException, OSError) as error:
                return self._answer(Found.NOTHING, detail=_why_nothing(error))
            ttl = min(ttl, _ttl(reply.response))
            is_alias = followed > 0 or reply.canonical_name != target
            if reply.rrset is not None:
                return self._answer(Found.RECORDS, tuple(reply.rrset), is_alias=is_alias, ttl=ttl)
            if reply.canonical_name == target:
                return self._answer(Found.NO_RECORDS, is_alias=is_alias, ttl=ttl)
            target = reply.canonical_name  # a server that told the alias alone
        raise AssertionError  # pragma: no cover  (count() does not end)

    def _answer(
        self,
        found: Found,
        records: tuple[dns.rdata.Rdata, ...] = (),
        *,
        is_alias: bool = False,
        ttl: float = FLOOR,
        detail: str = "",
    ) -> Answer:
        expires = self._clock() + min(max(ttl, FLOOR), CEILING)
        return Answer(found=found, records=records, is_alias=is_alias, expires=expires, detail=detail)


def parse_nameserver(text: str) -> tuple[str, int]:
    """Read address and port.

    :raises ConfigError: neither an address nor an address and a port.
    """
    parts = NAMESERVER.fullmatch(text)
    address, port = text, str(PORT)
    if parts is not None:
        address = parts["six"] or parts["four"]
        port = parts["six_port"] or parts["four_port"] or port
    try:
        return str(ip_address(address)), _port(port)
    except ValueError:
        raise ConfigError(
            f"dns.nameservers has {text!r}: write an address (192.0.2.53), "
            "or one with a port (127.0.0.1:5300, [::1]:5300)"
        ) from None


def _port(text: str) -> int:
    port = int(text)
    if not 0 < port < 65_536:  # noqa: PLR2004 (the ports that there are)
        raise ValueError(text)
    return port


def _ttl(reply: dns.message.QueryMessage) -> float:
    """For how long the answer holds; one of nothing, without an SOA record, does not say (RFC 2308 §5)."""
    chain = reply.resolve_chaining()
    if chain.answer is None and not any(records.rdtype == dns.rdatatype.SOA for records in reply.authority):
        return FLOOR
    return chain.minimum_ttl


def _negative_ttl(error: dns.resolver.NXDOMAIN) -> float:
    try:
        return min(_ttl(reply) for reply in error.kwargs["responses"].values())
    except (dns.exception.DNSException, LookupError, ValueError):
        return FLOOR


def _why_nothing(error: Exception) -> str:
    if isinstance(error, dns.exception.Timeout):
        return "the name servers did not answer in time"
    if isinstance(error, dns.resolver.NoNameservers):
        return "the name servers answered with a failure"
    return f"the question failed ({type(error).__name__})"
