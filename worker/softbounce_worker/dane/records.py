"""What TLSA records ask for. Pure. Whether a certificate is what they say is told in :mod:`.proof`.

For SMTP two usages count: the certificate itself (DANE-EE, 3), for which nothing else matters, its dates and names
neither; or who signed it (DANE-TA, 2). RFC 7672 §3.1; RFC 7671 §9 (of several digests the strongest counts).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto

from softbounce_worker.route.wire import Tlsa

__all__ = [
    "DANE_EE",
    "DANE_TA",
    "DIGESTS",
    "FULL",
    "KEY",
    "NO_DANE",
    "WHOLE",
    "HostDane",
    "NotProven",
    "Told",
    "usable",
]

DANE_TA, DANE_EE = 2, 3
WHOLE, KEY = 0, 1
FULL, SHA256, SHA512 = 0, 1, 2
DIGESTS = {SHA256: hashlib.sha256, SHA512: hashlib.sha512}
LENGTHS = {SHA256: 32, SHA512: 64}
MOST = 32
"""Records of one host that are looked at."""


class NotProven(Exception):
    """The host is not the one that DNS means; in words."""


class Told(Enum):
    """What DNS tells of a host."""

    NOTHING = auto()  # nothing that is authentic: DANE asks for nothing there
    UNKNOWN = auto()  # it could not be looked up, which an attacker could bring about
    UNUSABLE = auto()  # records, of which none can be used: encrypted, whoever answers (RFC 7672 §2.2)
    RECORDS = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class HostDane:
    """What DNS tells of a host's certificate.

    :ivar records: those that count.
    :ivar names: what a certificate may be for that somebody signed, one of them. The first is where the records are,
        and by it the host is asked for its certificate (RFC 7672 §8.1).
    :ivar detail: why nothing is known, in words.
    """

    told: Told
    records: tuple[Tlsa, ...] = ()
    names: tuple[str, ...] = ()
    detail: str = ""


NO_DANE = HostDane(told=Told.NOTHING)


def usable(records: Iterable[Tlsa]) -> tuple[Tlsa, ...]:
    """Those that count."""
    known = [one for one in records if _is_usable(one)][:MOST]
    strongest: dict[tuple[int, int], int] = {}
    for one in known:
        kind = one.usage, one.selector
        strongest[kind] = max(strongest.get(kind, FULL), one.matching)
    return tuple(one for one in known if one.matching in {FULL, strongest[one.usage, one.selector]})


def _is_usable(record: Tlsa) -> bool:
    return (
        record.usage in {DANE_TA, DANE_EE}
        and record.selector in {WHOLE, KEY}
        and (record.matching == FULL or LENGTHS.get(record.matching) == len(record.octets))
    )
