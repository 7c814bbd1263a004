"""What a stranger's zone may cost: next to nothing, whatever it holds."""

from __future__ import annotations

import asyncio
import struct
import time
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
import uvloop
from dnsserver import DnsServer, Zone, question_of, raw_record, raw_reply
from softbounce_worker.route import Route, Router, RouteSettings
from softbounce_worker.route.answer_cache import AnswerCache
from softbounce_worker.route.reading import Refused, read_reply
from softbounce_worker.route.wire import Question, RecordKind

from softbounce.reply import Trouble, TroubleKind

if TYPE_CHECKING:
    from collections.abc import Callable

A, CNAME, MX = 1, 5, 15
TRUNCATED = 0x8380
DOMAINS = 12
SECOND = timedelta(seconds=1)
NOTICED = 0.3
"""Seconds of work, the server's included, before an answer that others wait for. It was 6 to 30, and is 0.1."""


class Clock:
    """Monotonic seconds that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        """Read it."""
        return self.now


def labels(*names: str) -> bytes:
    """The beginning of a name in wire form."""
    return b"".join(bytes([len(name)]) + name.encode() for name in names)


def mail_hosts(octets: bytes, number: int) -> bytes:
    """As many MX records of equal preference, each of a host of its own."""
    hosts = (b"\0\x0a" + labels(f"h{n}") + b"\xc0\x0c" for n in range(number))
    return raw_reply(octets, (number, 0, 0), b"".join(raw_record(MX, host, ttl=0) for host in hosts))


def addresses(octets: bytes, number: int, others: int = 0) -> bytes:
    """As many addresses that nobody may dial, and as many that nobody asked for."""
    _, kind, _ = question_of(octets)
    width = 4 if kind == A else 16
    number = min(number, 64_000 // (12 + width))
    told = b"".join(raw_record(kind, (0x0A000000 + n).to_bytes(4, "big").rjust(width, b"\xfd")) for n in range(number))
    return raw_reply(octets, (number, 0, others), told + raw_record(A, b"\x0a\0\0\1") * others)


def aliases(octets: bytes, number: int) -> bytes:
    """A chain of aliases."""
    owners = [b"\xc0\x0c", *(labels(f"a{n}") + b"\xc0\x0c" for n in range(number))]
    links = (raw_record(CNAME, target, owner=owner) for owner, target in pairwise(owners))
    return raw_reply(octets, (number, 0, 0), b"".join(links))


def long_names(octets: bytes) -> bytes:
    """Records whose owner is a name of 120 labels, said once and pointed at."""
    place = len(raw_reply(octets))
    first = raw_record(A, b"", owner=labels(*"a" * 120) + b"\0")
    pointer = struct.pack("!H", 0xC000 | place)
    return raw_reply(octets, (500, 0, 0), first + raw_record(A, b"\x0a\0\0\1", owner=pointer) * 499)


def hops(octets: bytes) -> bytes:
    """Records whose owner is a pointer to a pointer, and so on, a thousand times."""
    place = len(raw_reply(octets)) + 12
    chain = b"\xc0\x0c" + b"".join(struct.pack("!H", 0xC000 | place + 2 * n) for n in range(1000))
    owner = struct.pack("!H", 0xC000 | place + 2000)
    return raw_reply(octets, (400, 0, 0), raw_record(16, chain) + raw_record(A, b"\x0a\0\0\1", owner=owner) * 399)


class CostlyServer(DnsServer):
    """Says the same costly thing of all names that end with ``.costly.test``, by TCP."""

    def __init__(self, zone: Zone, of_domain: Callable[[bytes], bytes], of_host: Callable[[bytes], bytes]) -> None:
        super().__init__(zone)
        self._of_domain = of_domain
        self._of_host = of_host
        self._made: dict[tuple[int, int], bytes] = {}

    async def answer(self, octets: bytes, *, max_octets: int) -> bytes | None:
        """The octets of the reply."""
        name, kind, section = question_of(octets)
        if not name.endswith("costly.test"):
            return await super().answer(octets, max_octets=max_octets)
        self.asked[f"{name}/{kind}"] += 1
        if max_octets < 2000:
            return raw_reply(octets, flags=TRUNCATED)
        made = self._made.get((kind, len(section)))
        if made is None:
            made = self._made[kind, len(section)] = (self._of_domain if kind == MX else self._of_host)(octets)
        return octets[:2] + made[2:12] + section + made[12 + len(section) :]


def router_on(server: DnsServer, clock: Clock) -> Router:
    """A router that asks it."""
    settings = RouteSettings(
        nameservers=(server.nameserver,), own_hostname="mail.own.test", allow_private=False, nxdomain_storm=0
    )
    return Router(settings, clock=clock)


KINDS = {
    "addresses": (
        lambda octets: mail_hosts(octets, 20),
        lambda octets: addresses(octets, 4000),
    ),
    "addresses_within_the_limit": (lambda octets: mail_hosts(octets, 20), lambda octets: addresses(octets, 499)),
    "additional": (lambda octets: mail_hosts(octets, 20), lambda octets: addresses(octets, 8, 2000)),
    "mail_hosts": (lambda octets: mail_hosts(octets, 2900), lambda octets: addresses(octets, 1)),
    "aliases": (lambda octets: mail_hosts(octets, 20), lambda octets: aliases(octets, 1000)),
    "long_names": (lambda octets: mail_hosts(octets, 20), long_names),
    "pointers": (lambda octets: mail_hosts(octets, 20), hops),
}


@pytest.mark.parametrize("kind", KINDS)
def test_issue10_10_A10_costly_domains_keep_nobody_waiting(kind: str) -> None:
    """While a dozen costly domains are looked up, others are answered as if there were none of these."""

    async def run() -> tuple[float, list[Route | Trouble]]:
        zone: Zone = {f"good{n}.test": {"A": ["192.0.2.1"]} for n in range(1000)}
        async with CostlyServer(zone, *KINDS[kind]) as server:
            router = router_on(server, Clock())
            await router.route("first.test")
            costly = asyncio.gather(*(router.route(f"d{n}.costly.test") for n in range(DOMAINS)))
            longest = 0.0
            for n in range(1000):
                began = time.process_time()
                await router.route(f"good{n}.test")
                longest = max(longest, time.process_time() - began)
                if costly.done():
                    break
                await asyncio.sleep(0.001)
            return longest, await costly

    longest, results = uvloop.run(run())
    assert longest < NOTICED
    assert all(isinstance(result, Trouble) and not result.permanent for result in results)


@pytest.mark.parametrize("reply", [long_names, hops], ids=["labels", "pointers"])
def test_issue10_10_what_is_costly_to_read_is_refused(reply: Callable[[bytes], bytes]) -> None:
    """However well formed: names of many labels, or of pointers to pointers, are not walked to the end."""
    question = Question.of("d.costly.test", RecordKind.A)
    with pytest.raises(Refused):
        read_reply(question, reply(question.query(7, with_edns=True)))


def test_issue10_10_more_records_than_any_host_needs_are_refused() -> None:
    """Five hundred are read, one more is not, nor more than a thousand beside the answer, nor more than is left."""
    question = Question.of("d.costly.test", RecordKind.A)
    query = question.query(7, with_edns=True)
    assert len(read_reply(question, addresses(query, 500)).records) == 500
    assert len(read_reply(question, addresses(query, 8, 1000)).records) == 8
    for reply, most in ((addresses(query, 501), 2000), (addresses(query, 8, 1001), 2000), (addresses(query, 21), 20)):
        with pytest.raises(Refused):
            read_reply(question, reply, most=most)


def test_issue10_10_what_is_too_much_is_not_asked_for_again_and_again() -> None:
    """An answer that is refused is remembered for a minute, and then asked for again: its owner may have mended it."""

    async def run() -> list[int]:
        async with CostlyServer({}, *KINDS["addresses"]) as server:
            clock = Clock()
            router = router_on(server, clock)
            asked = []
            for seconds in (0, 6, 45, 15):
                clock.now += seconds
                result = await router.route("d.costly.test")
                assert isinstance(result, Trouble)
                assert (result.kind, result.permanent) == (TroubleKind.DNS_TEMPORARY, False)
                asked.append(sum(times for key, times in server.asked.items() if not key.endswith("/15")))
            return asked

    once, again, still, anew = asyncio.run(run())
    assert once == again == still
    assert anew > still


def test_issue10_10_one_host_with_too_many_addresses_costs_only_itself() -> None:
    """Beside a host whose answer is refused another one is used."""

    async def run() -> Route | Trouble:
        zone: Zone = {"d.test": {"MX": ["10 h.costly.test.", "20 b.test."]}, "b.test": {"A": ["8.8.8.8"]}}
        async with CostlyServer(zone, *KINDS["addresses"]) as server:
            return await router_on(server, Clock()).route("d.test")

    result = asyncio.run(run())
    assert isinstance(result, Route)
    assert [host.name for host in result.hosts] == ["b.test"]


def test_issue10_10_a_stranger_spends_no_budget_but_its_own() -> None:
    """A zone that lists somebody's host behind its own costly ones does not end the look-up of who really has it."""

    async def run() -> tuple[Route | Trouble, Route | Trouble]:
        zone: Zone = {
            "evil.test": {"MX": [*(f"10 h{n}.test." for n in range(19)), "20 mx.good.test."]},
            "good.test": {"MX": ["10 mx.good.test."]},
            "mx.good.test": {"CNAME": ["a.good.test."]},
            "a.good.test": {"A": ["8.8.8.8"]},
        }
        for n in range(19):
            zone |= {f"h{n}.test": {"CNAME": [f"h{n}-0.test."]}}
            zone |= {f"h{n}-{hop}.test": {"CNAME": [f"h{n}-{hop + 1}.test."]} for hop in range(15)}
        async with DnsServer(zone, bare_aliases=True) as server:
            router = router_on(server, Clock())
            evil, good = await asyncio.gather(router.route("evil.test"), router.route("good.test"))
            return evil, good

    evil, good = asyncio.run(run())
    assert isinstance(evil, Trouble)
    assert isinstance(good, Route)


def test_issue10_10_a_reply_that_drips_ends_in_time() -> None:
    """A server that sends an octet now and then by TCP costs the time for one answer and no more."""

    async def run() -> tuple[float, Route | Trouble]:
        async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for _ in range(100):
                writer.write(b"\x20")
                await asyncio.sleep(0.1)
                if writer.is_closing():
                    break
            writer.transport.abort()

        async with CostlyServer({}, *KINDS["addresses"]) as server:
            server._tcp.close()
            async with await asyncio.start_server(drip, "127.0.0.1", server.port):
                settings = RouteSettings(nameservers=(server.nameserver,), own_hostname="mail.own.test", timeout=SECOND)
                began = time.perf_counter()
                result = await Router(settings, clock=Clock()).route("d.costly.test")
                seconds = time.perf_counter() - began
                await asyncio.sleep(0.2)  # the server sees that we are gone
                return seconds, result

    seconds, result = asyncio.run(run())
    assert seconds < 2
    assert isinstance(result, Trouble)
    assert not result.permanent


def test_issue10_10_the_cache_has_a_bound_in_octets() -> None:
    """What is kept weighs no more than the limit, the oldest goes first, and what is too heavy is not kept."""
    cache: AnswerCache[str] = AnswerCache(100, Clock(), octets=10, weigh=len)
    for name in ("aaaa", "bbbb", "cccc"):
        cache.put(name, name, expires=2000)
    assert [cache.get(name) for name in ("aaaa", "bbbb", "cccc")] == [None, "bbbb", "cccc"]
    cache.put("huge", "x" * 11, expires=2000)
    assert (cache.get("huge"), len(cache)) == (None, 2)
    cache.drop_where(lambda value: value == "bbbb")
    cache.put("six", "666666", expires=2000)
    assert len(cache) == 2
    cache.put("six", "6", expires=2000)
    cache.put("five", "55555", expires=2000)
    assert len(cache) == 3
