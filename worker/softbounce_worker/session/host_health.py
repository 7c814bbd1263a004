"""What a process remembers of mail hosts for a while: which gave no session, or lose step; what each offers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TypeVar

from softbounce_worker.smtp import Extensions
from softbounce_worker.tls_results.kinds import TlsFailure

__all__ = ["HostHealth"]

HOST_DOWN = 30.0
ONE_AT_A_TIME = 3600.0
OFFER_KEPT = 3600.0
ONE_DOMAIN = 86_400.0
NO_TLS = 900.0
SLOW = 600.0
PLAIN_TLS = 4 * NO_TLS
SAID_EVERY = 3600.0
MOST_HOSTS = 10_000
V = TypeVar("V")


class HostHealth:
    """Memory of hosts by name, and of their addresses. Politeness and speed only.

    What is forgotten is found out again, and charges nobody.
    """

    def __init__(self) -> None:
        self._down: dict[str, float] = {}
        self._slow: dict[str, float] = {}
        self._no_groups: dict[str, float] = {}
        self._no_chunks: dict[str, float] = {}
        self._out_of_step: dict[str, float] = {}
        self._one_domain: dict[str, float] = {}
        self._one_answer: dict[str, float] = {}
        self._no_tls: dict[str, tuple[str, float]] = {}
        self._no_sts: dict[str, tuple[TlsFailure, float]] = {}
        self._plain_tls: dict[str, float] = {}
        self._had_tls: dict[str, tuple[str, float]] = {}
        self._offers: dict[str, tuple[Extensions, bool, float]] = {}
        self._blamed_us: dict[str, float] = {}

    def failed(self, place: str) -> None:
        """No session could be had at this host or address, or it is in trouble: it is tried last for a while.

        So mail does not wait for it again.
        """
        _note(self._down, place, _now() + HOST_DOWN)

    def was_slow(self, address: str) -> None:
        """Another address of its host was there first: it comes behind that for a while (RFC 8305 §4)."""
        _note(self._slow, address, _now() + SLOW)

    def worked(self, host: str, address: str) -> None:
        """A session was had there."""
        self._down.pop(host, None)
        self._down.pop(address, None)

    def is_down(self, *places: str) -> bool:
        """Whether one of these failed lately."""
        return any(_holds(self._down, place) for place in places)

    def disliked_group(self, host: str) -> None:
        """It offers PIPELINING and does not keep it: it gets one command at a time for a while."""
        _note(self._no_groups, host, _now() + ONE_AT_A_TIME)

    def refused_chunk(self, host: str) -> None:
        """It offers CHUNKING and does not know BDAT: it gets DATA for a while."""
        _note(self._no_chunks, host, _now() + ONE_AT_A_TIME)

    def takes_chunks(self, host: str) -> bool:
        """Whether BDAT may be said where CHUNKING is offered, as far as is known."""
        return not _holds(self._no_chunks, host)

    def lost_step(self, host: str) -> None:
        """Its replies did not fit the commands: that, and a connection for each message (RFC 2920 §3.1)."""
        _note(self._out_of_step, host, _now() + ONE_AT_A_TIME)

    def takes_groups(self, host: str) -> bool:
        """Whether commands may be sent in groups, as far as is known."""
        return not _holds(self._no_groups, host) and not self.is_out_of_step(host)

    def is_out_of_step(self, host: str) -> bool:
        """Whether its replies did not fit lately."""
        return _holds(self._out_of_step, host)

    def tls_failed(self, address: str, why: str) -> None:
        """TLS could not be set up there: what may go in clear does so for a while, at once."""
        _note(self._no_tls, address, (why, _now() + NO_TLS))

    def wants_tls(self, address: str) -> None:
        """It takes nothing in clear: whatever went wrong there, TLS is tried again."""
        self._no_tls.pop(address, None)

    def try_plain_tls(self, address: str, *, is_to_be: bool = True) -> None:
        """A handshake there is a plain one for a while: such went through where the usual one had not, or that hung."""
        self._plain_tls.pop(address, None)
        if is_to_be:
            _note(self._plain_tls, address, _now() + PLAIN_TLS)

    def gets_plain_tls(self, address: str) -> bool:
        """Whether it does so."""
        return _holds(self._plain_tls, address)

    def tls_trouble_at(self, address: str) -> str:
        """What went wrong with TLS there lately; empty: nothing."""
        why, until = self._no_tls.get(address, ("", 0.0))
        return why if until > _now() else ""

    def has_tls(self, address: str, version: str) -> str:
        """Note what protects a session there (nothing: empty). Where that was more until now: what, once an hour."""
        before, said_until = self._had_tls.get(address, ("", 0.0))
        if version == before:
            return ""
        is_news = version < before and said_until <= _now()
        _note(self._had_tls, address, (version, _now() + SAID_EVERY if is_news else said_until))
        return before if is_news else ""

    def sts_failed(self, address: str, why: TlsFailure) -> None:
        """What is there proved less than a policy asks that is only tested: it is not called for that twice."""
        _note(self._no_sts, address, (why, _now() + NO_TLS))

    def sts_trouble_at(self, address: str) -> TlsFailure | None:
        """What was missing there lately; none: nothing."""
        why, until = self._no_sts.get(address, (None, 0.0))
        return why if until > _now() else None

    def offered(self, address: str, offer: Extensions, *, over_tls: bool = False) -> None:
        """Note what was said there to EHLO."""
        _note(self._offers, address, (offer, over_tls, _now() + OFFER_KEPT))

    def offer_at(self, address: str, *, over_tls: bool = False) -> Extensions | None:
        """What was said there to EHLO lately; ``None``: nobody knows.

        :param over_tls: only what was said over TLS: some things are offered there alone.
        """
        offer, was_over_tls, until = self._offers.get(address, (None, False, 0.0))
        return offer if until > _now() and (was_over_tls or not over_tls) else None

    def blamed_us(self, site: str, reason: str) -> bool:
        """Note that our IP, DNS or signature is refused there. Whether that is news: once an hour."""
        place = f"{reason} {site}"
        is_news = not _holds(self._blamed_us, place)
        if is_news:
            _note(self._blamed_us, place, _now() + SAID_EVERY)
        return is_news

    def wants_one_domain(self, host: str) -> None:
        """It takes recipients of one domain only in a transaction."""
        _note(self._one_domain, host, _now() + ONE_DOMAIN)

    def takes_one_domain(self, host: str) -> bool:
        """Whether it does so."""
        return _holds(self._one_domain, host)

    def answers_once(self, host: str) -> None:
        """It speaks LMTP, and answers the dot once for all recipients."""
        _note(self._one_answer, host, _now() + ONE_DOMAIN)

    def takes_one_recipient(self, host: str) -> bool:
        """Whether it does so: then it gets one recipient at a time."""
        return _holds(self._one_answer, host)

    def in_order(
        self, hosts: Sequence[tuple[str, tuple[str, ...]]], shunned: frozenset[str] = frozenset()
    ) -> list[tuple[str, str]]:
        """Every (host, address) in its order, but those that shall be shunned later, and last those that failed.

        Of one host those that were slow come behind its others. Whoever asks when a failure is a while ago tries that
        place again, and nobody else does meanwhile: a dead host costs one connection its time, and not all of them.
        """
        now = _now()
        places = [
            (host, address)
            for host, addresses in hosts
            for address in sorted(addresses, key=lambda one: self._slow.get(one, 0.0) > now)
        ]
        ordered = sorted(places, key=lambda place: (self.is_down(*place), not shunned.isdisjoint(place)))
        if self._down:
            for name in {one for place in places for one in place}:
                if self._down.get(name, now) < now:
                    _note(self._down, name, now + HOST_DOWN)
        return ordered


def _now() -> float:
    return asyncio.get_running_loop().time()


def _holds(memory: dict[str, float], place: str) -> bool:
    """Whether what is noted there holds still; mostly nothing is, and nobody asks for the time."""
    until = memory.get(place)
    return until is not None and until > _now()


def _note(memory: dict[str, V], host: str, value: V) -> None:
    memory.pop(host, None)
    if len(memory) >= MOST_HOSTS:
        del memory[next(iter(memory))]
    memory[host] = value
