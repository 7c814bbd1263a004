"""MTA-STS policies of domains (RFC 8461), kept for as long as each says, so that no restart forgets one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Literal

import msgspec

from softbounce.store import keys
from softbounce.store.call import Call, Operation, StoreAnswer, first
from softbounce.store.nonsense import ignore
from softbounce.store.scripts import script

__all__ = ["LONGEST_AGE", "MOST_PATTERNS", "StsMode", "StsPolicy", "decode_policy", "keep_policies", "read_policies"]

StsMode = Literal["enforce", "testing", "none"]
LONGEST_AGE = timedelta(seconds=31_557_600)
"""A year (RFC 8461 §3.2)."""
SHORTEST_AGE = timedelta(minutes=1)
"""What was fetched serves at least those that waited for it."""
MOST_PATTERNS = 100
"""Of a policy: no domain has more mail hosts than a fifth of that that are ever tried."""
PATTERN = re.compile(r"(\*\.)?([a-z0-9_]([a-z0-9_\-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_\-]{0,61}[a-z0-9_])?")


class StsPolicy(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """What a domain asks of those that send to it.

    :ivar id: by which the domain's TXT record named it when it was fetched.
    :ivar mx: names of hosts in lower case; with ``*.`` in front: any name with one label more.
    :ivar max_age: seconds.
    :ivar fetched_ms: of the home shard's clock.
    """

    id: str
    mode: StsMode
    mx: tuple[str, ...] = ()
    max_age: int
    fetched_ms: int

    @property
    def expires_ms(self) -> int:
        """When it is of no force any more."""
        age = min(max(timedelta(seconds=self.max_age), SHORTEST_AGE), LONGEST_AGE)
        return self.fetched_ms + age // timedelta(milliseconds=1)

    def names(self, host: str) -> bool:
        """Whether it names a host (lower case, no final dot). A ``*`` stands for one label (RFC 8461 §4.1)."""
        return host in self.mx or f"*.{host.partition('.')[2]}" in self.mx


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(StsPolicy).decode


def decode_policy(octets: bytes) -> StsPolicy:
    """One as it is stored.

    :raises ValueError: it cannot be one.
    """
    try:
        policy = _decode(octets)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from error
    if len(policy.mx) > MOST_PATTERNS or not all(PATTERN.fullmatch(one) for one in policy.mx):
        raise ValueError("its hosts cannot be named so")
    return policy


def read_policies(domains: Sequence[str]) -> Operation[list[StsPolicy | None]]:
    """What is kept of domains."""
    call = Call.read(keys.HOME, b"HMGET", keys.key(keys.HOME, "sts"), *domains)
    return Operation((call,), lambda answers: [_policy(one) for one in first(answers)])


def _policy(octets: bytes | None) -> StsPolicy | None:
    """One as it is stored; what cannot be one is not known, so that it is fetched and written anew."""
    if not octets:
        return None
    try:
        return decode_policy(octets)
    except ValueError:
        ignore("sts", octets)
        return None


def keep_policies(policies: Mapping[str, StsPolicy | None]) -> Operation[StoreAnswer]:
    """Keep them, by domain; ``None`` forgets one."""
    arguments: list[str | bytes] = []
    for domain, policy in policies.items():
        arguments += (domain, _encode(policy) if policy else b"")
    return Operation((Call(keys.HOME, script("put"), (keys.key(keys.HOME, "sts"),), arguments),), first)
