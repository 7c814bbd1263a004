"""What DNS says of names, as values: shared while it is asked, cached by TTL, bounded in number and cost.

Records are kept for as long as they say; that there are none, for five seconds; an answer that is too much to be read,
for a minute. Nothing here knows what an MX is good for. No answer is an exception: that a name does not
exist, or that nobody could be asked, are answers too.

RFC 2181 §10 (aliases), RFC 2308 (negative answers).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from functools import partial
from ipaddress import ip_address

from softbounce.errors import ConfigError
from softbounce_worker.route.answer_cache import CEILING, FLOOR, AnswerCache
from softbounce_worker.route.dnssec_witness import DnssecWitness
from softbounce_worker.route.name_servers import NameServers, Unanswered
from softbounce_worker.route.reading import CNAMES, MOST_RECORDS, Refused, text_of_name
from softbounce_worker.route.system_servers import SystemServers
from softbounce_worker.route.wire import DnsRecord, DnsReply, Question, Rcode, RecordKind, Text, Tlsa

__all__ = ["TOO_MUCH_SECONDS", "Budget", "DnsAnswer", "Found", "Resolver", "parse_nameserver"]

ANSWERS = 10_000
ANSWERS_OCTETS = 16 << 20
QUERIES = 200  # under way at once, of those that were begun just now
STRAGGLERS = 200  # besides these, of those that take longer
AT_ONCE = 4  # of one resolution: a domain with twenty hosts takes no more than its share
STRAGGLERS_OF_ONE = 8  # so that silent hosts of a few domains fill not all these places
PROMPT_SECONDS = 0.5  # after that a question is a straggler
SLOW_SECONDS = 600.0  # for which a name is a straggler from the start, once it was one
TOO_MUCH_SECONDS = 60.0  # what it costs is bounded, and its owner may mend it, or it may not even be his
WAITS = 2  # times the time for one answer, for a place
PORT = 53
NAMESERVER = re.compile(
    r"\[(?P<six>[0-9A-Fa-f:.]+)\](?::(?P<six_port>\d{1,5}))?|(?P<four>[0-9.]+):(?P<four_port>\d{1,5})"
)


ENTRY_OCTETS, RECORD_OCTETS = 500, 120  # of Python's objects


class Found(Enum):
    """What kind of answer it is."""

    RECORDS = auto()
    NO_RECORDS = auto()  # the name exists, records of this type do not
    NO_SUCH_NAME = auto()  # NXDOMAIN
    NOTHING = auto()  # nobody could tell: SERVFAIL, REFUSED, timeout, a loop of aliases
    TOO_MUCH = auto()  # more than any host needs


KEPT = frozenset({Found.RECORDS, Found.TOO_MUCH})


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsAnswer:
    """One answer.

    :ivar records: in the order in which the server sent them.
    :ivar is_alias: a CNAME was followed.
    :ivar name: where that led, where it is a host's name.
    :ivar is_secure: DNSSEC proves all of it, by the word of a server that is trusted.
    :ivar expires: the clock's reading after which it must be asked again.
    :ivar detail: why there is nothing, in words.
    """

    found: Found
    records: tuple[DnsRecord, ...] = ()
    is_alias: bool = False
    name: str | None = None
    is_secure: bool = False
    expires: float
    detail: str = ""

    @property
    def octets(self) -> int:
        """About how much memory it takes."""
        return ENTRY_OCTETS + sum(RECORD_OCTETS + _length_of(record) for record in self.records)

    @property
    def texts(self) -> list[str]:
        """Those of its records that are texts."""
        return [record.text for record in self.records if isinstance(record, Text)]


class BudgetSpent(Exception):
    """A resolution may cost no more."""


class Budget:
    """How much more one resolution may cost (an attacker's zone can ask for thousands of queries and records).

    :ivar at_once: its questions under way, of those that were begun just now.
    :ivar stragglers: of its questions, how many more may take long.
    """

    def __init__(self, queries: int, records: int) -> None:
        self.queries = queries
        self.records = records
        self.at_once = asyncio.Semaphore(AT_ONCE)
        self.stragglers = STRAGGLERS_OF_ONE

    @property
    def is_spent(self) -> bool:
        """Whether nothing more may be asked."""
        return self.queries < 0 or self.records <= 0

    def spend_query(self) -> None:
        """One question is asked.

        :raises BudgetSpent: there is none left, or no room for its answer.
        """
        self.queries -= 1
        if self.is_spent:
            raise BudgetSpent

    def spend_records(self, answer: DnsAnswer) -> None:
        """An answer is used.

        :raises BudgetSpent: it is more than what was left.
        """
        self.records -= MOST_RECORDS if answer.found is Found.TOO_MUCH else len(answer.records)
        if self.records < 0:
            raise BudgetSpent


class Resolver:
    """Asks the configured name servers.

    :param nameservers: ``"192.0.2.53"``, ``"127.0.0.1:5300"``, ``"[::1]:5300"``; none: the system's.
    :param timeout: for one answer, all tries together.
    :param trusted: addresses of those whose word is believed that DNSSEC proves an answer, beside those on loopback.
    :param clock: monotonic seconds.
    :param system: knows the system's.
    :raises ConfigError: a name server cannot be read, or the system has none.
    """

    def __init__(
        self,
        nameservers: Sequence[str],
        timeout: timedelta,
        *,
        trusted: Sequence[str] = (),
        clock: Callable[[], float],
        system: SystemServers | None = None,
    ) -> None:
        self._system = None if nameservers else (system or SystemServers(clock))
        self._trusted = trusted
        self._lifetime = timeout.total_seconds()
        self._clock = clock
        self._use([parse_nameserver(one) for one in nameservers] if self._system is None else self._system.read())
        self._answers: AnswerCache[DnsAnswer] = AnswerCache(
            ANSWERS, clock, octets=ANSWERS_OCTETS, weigh=lambda answer: answer.octets
        )
        self._under_way: dict[tuple[str, RecordKind], asyncio.Task[DnsAnswer]] = {}
        self._slow: AnswerCache[bool] = AnswerCache(ANSWERS, clock)
        self._places = asyncio.Semaphore(QUERIES)
        self._stragglers = asyncio.Semaphore(STRAGGLERS)

    def _use(self, places: Sequence[tuple[str, int]]) -> None:
        """Ask these from now on."""
        self._witness = DnssecWitness(places, self._trusted)
        self._name_servers = NameServers(places, self._lifetime, self._clock)

    async def look_up(self, name: str, kind: RecordKind, budget: Budget) -> DnsAnswer:
        """The records of that kind at *name*, aliases followed. Callers with the same question share one query."""
        key = (name, kind)
        while True:
            answer = self._answers.get(key)
            task = self._under_way.get(key)
            is_ours = answer is None and task is None
            try:
                if answer is None:
                    task = task or self._start(key, budget)
                    answer = await asyncio.shield(task)  # one caller giving up takes the answer from nobody
                budget.spend_records(answer)
            except BudgetSpent:
                if is_ours or answer is not None:
                    detail = "all of it takes too many aliases, queries or records"
                    return self._answer(Found.NOTHING, detail=detail)
                continue  # another resolution's budget: what a stranger spends is not missing here
            return answer

    def _start(self, key: tuple[str, RecordKind], budget: Budget) -> asyncio.Task[DnsAnswer]:
        task = asyncio.create_task(self._ask_in_turn(key, budget))
        self._under_way[key] = task
        task.add_done_callback(partial(self._finish, key))
        return task

    def _finish(self, key: tuple[str, RecordKind], task: asyncio.Task[DnsAnswer]) -> None:
        del self._under_way[key]
        if not task.cancelled() and task.exception() is None:
            answer = task.result()
            # What is denied may be wrong for all names at once; who believes it keeps it for as long as it may be kept.
            kept = answer.expires if answer.found in KEPT else min(answer.expires, self._clock() + FLOOR)
            self._answers.put(key, answer, expires=kept)

    async def _ask_in_turn(self, key: tuple[str, RecordKind], budget: Budget) -> DnsAnswer:
        """Ask when there is a place among the questions under way.

        Names that nobody answers for must not keep others waiting. So a question that takes long leaves its place and
        goes on among the stragglers, or is asked again when there is a place among these: where the name server is
        slow, or we are, it is many innocent ones at once. Next time it begins as one of them.
        """
        try:
            if self._slow.get(key) is None:
                async with budget.at_once, self._place(self._places):
                    asking = asyncio.create_task(self._ask(*key, budget))
                    await asyncio.wait({asking}, timeout=PROMPT_SECONDS)
                if asking.done():
                    return asking.result()
                self._slow.put(key, value=True, expires=self._clock() + SLOW_SECONDS)
                budget.stragglers -= 1
                if budget.stragglers >= 0 and not self._stragglers.locked():
                    async with self._stragglers:
                        return await asking
                asking.cancel()
                if budget.stragglers < 0:
                    return self._answer(Found.NOTHING, detail="too many of its questions are not answered in time")
            async with self._place(self._stragglers):
                answer = await self._ask(*key, budget)
        except TimeoutError:
            return self._answer(Found.NOTHING, detail="too many questions wait for the name servers")
        if answer.found is not Found.NOTHING:
            self._slow.drop(key)
        return answer

    @asynccontextmanager
    async def _place(self, places: asyncio.Semaphore) -> AsyncIterator[None]:
        """One of the places.

        :raises TimeoutError: it took so long that nobody waits for the answer any more.
        """
        if places.locked():
            async with asyncio.timeout(WAITS * self._lifetime):
                await places.acquire()
        else:
            await places.acquire()  # there is one: that needs no clock
        try:
            yield
        finally:
            places.release()

    async def _ask(self, name: str, kind: RecordKind, budget: Budget) -> DnsAnswer:
        try:
            question = Question.of(name, kind)
        except ValueError:
            return self._answer(Found.NO_SUCH_NAME, ttl=CEILING, detail="is no name that DNS can hold")
        if self._system is not None and (now := self._system.changed()):
            self._use(now)
        servers, witness = self._name_servers, self._witness  # to the end: only these are trusted, or not
        ttl, alias, is_secure = CEILING, None, witness.is_trusted
        for _ in range(CNAMES + 1):
            budget.spend_query()
            try:
                reply = await servers.ask(question, lambda: budget.records)
            except Refused as error:
                if budget.records < MOST_RECORDS:
                    budget.records = 0
                    raise BudgetSpent from None
                return self._answer(Found.TOO_MUCH, ttl=TOO_MUCH_SECONDS, detail=f"the answer is refused: {error}")
            except Unanswered as error:
                return self._answer(Found.NOTHING, detail=str(error))
            alias = reply.alias or alias
            is_secure = is_secure and reply.is_authentic
            ttl = min(ttl, FLOOR if reply.ttl is None else reply.ttl)
            found = _kind_of(reply)
            if found is not None:
                witness.saw(has_records=found is Found.RECORDS, is_secure=is_secure)
                return self._answer(found, reply.records, alias=alias, is_secure=is_secure, ttl=ttl)
            question = Question(reply.alias or question.name, kind)  # a server that told the alias alone
        return self._answer(Found.NOTHING, detail="too many aliases")

    def _answer(  # noqa: PLR0913 - an answer's fields
        self,
        found: Found,
        records: tuple[DnsRecord, ...] = (),
        *,
        alias: bytes | None = None,
        is_secure: bool = False,
        ttl: float = FLOOR,
        detail: str = "",
    ) -> DnsAnswer:
        expires = self._clock() + min(max(ttl, FLOOR), CEILING)
        return DnsAnswer(
            found=found,
            records=records,
            is_alias=alias is not None,
            name=None if alias is None else text_of_name(alias),
            is_secure=is_secure,
            expires=expires,
            detail=detail,
        )


def _length_of(record: DnsRecord) -> int:
    match record:
        case str():
            return len(record)
        case Text():
            return len(record.text)
        case Tlsa():
            return len(record.octets)
        case (_, name):
            return len(name)


def _kind_of(reply: DnsReply) -> Found | None:
    """What the reply tells; ``None``: an alias alone."""
    if reply.rcode == Rcode.NXDOMAIN:
        return Found.NO_SUCH_NAME
    if reply.records:
        return Found.RECORDS
    return Found.NO_RECORDS if reply.alias is None else None


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
