"""Quotas: which of them some mail is under, and what is counted for it. Pure; the script ``accept`` counts.

A quota of so many in a time is a bucket: a time up to which what was taken is paid for (GCRA). Each envelope moves it
on by its share of the period, and begins when it is no further ahead than the period; so as many as the quota names
may come at once, and what comes on top of them begins evenly spaced behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from softbounce.duration import MILLISECOND, in_words
from softbounce.settings import Allowance, QuotaRule

__all__ = ["Bucket", "Room", "Whose", "buckets_for", "rooms_for", "written"]

DIGEST_OCTETS = 16


class Whose(NamedTuple):
    """Whose mail it is, by all that quotas and quiet hours ask."""

    stream: str
    sender: str
    tenant: str


class Bucket(NamedTuple):
    """What an envelope takes of a quota of so many in a time.

    :ivar digest: by which what was taken is found; another one for each value that is counted apart, and for a limit
        that was changed, which begins anew.
    :ivar share_ms: by how much one envelope moves it on.
    :ivar burst_ms: how far it may be ahead.
    """

    rule: QuotaRule
    kind: str
    digest: bytes
    share_ms: float
    burst_ms: float


class Room(NamedTuple):
    """What bounds how many envelopes may wait at a time."""

    rule: QuotaRule
    digest: bytes
    most: int


def buckets_for(rules: Iterable[QuotaRule], whose: Whose, *, octets: int, shards: int) -> Iterator[Bucket]:
    """The buckets from which each envelope of a message takes.

    :param octets: of its message.
    :param shards: each shard of the store has its part of a quota, and at least one envelope at once.
    """
    for rule in rules:
        value = _value(rule, whose)
        for kind, allowance, amount in (("messages", rule.messages, 1), ("octets", rule.octets, octets)):
            if allowance is not None and allowance.number > 0:
                period = allowance.period / MILLISECOND
                each = period * shards / allowance.number
                digest = _digest(rule.name, value, kind, allowance.number, period)
                yield Bucket(rule, kind, digest, each * amount, max(period, each))


def rooms_for(rules: Iterable[QuotaRule], whose: Whose, *, shards: int) -> Iterator[Room]:
    """What counts the envelopes of a message as long as they are unfinished."""
    for rule in rules:
        if rule.waiting:
            digest = _digest(rule.name, _value(rule, whose), "waiting")
            yield Room(rule, digest, max(1, rule.waiting // shards))


def written(allowance: Allowance) -> str:
    """An allowance in words: ``1000 in 1 h``."""
    return f"{allowance.number} in {in_words(allowance.period)}"


def _value(rule: QuotaRule, whose: Whose) -> str:
    """What is counted apart."""
    match rule.per:
        case "stream":
            return whose.stream
        case "sender":
            return whose.sender
        case "tenant":
            return whose.tenant
        case "all":
            return ""


def _digest(*what: object) -> bytes:
    return blake2b(msgspec.msgpack.encode(what), digest_size=DIGEST_OCTETS).digest()
