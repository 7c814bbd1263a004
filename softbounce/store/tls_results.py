"""How often TLS with mail hosts succeeded and failed, a day at a time (RFC 8460 §4.2): by policy and by what failed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from softbounce.store import keys
from softbounce.store.call import Call, Operation, StoreAnswer, first
from softbounce.store.scripts import script

__all__ = ["SUCCESS", "TlsCount", "add_results", "is_old_result", "read_results"]

SUCCESS = "success"
FIELD = re.compile(r"(\d{4}-\d{2}-\d{2})\|([a-z\-]{1,32})\|([a-z\-]{1,40})")


class TlsCount(NamedTuple):
    """What is counted together.

    :ivar day: in UTC, ``2026-01-31``.
    :ivar policy: ``tlsa``, ``sts`` or ``no-policy-found``.
    :ivar result: ``success``, or a failure by its name in RFC 8460 §4.3.
    """

    day: str
    policy: str
    result: str


def add_results(counts: Mapping[TlsCount, int]) -> Operation[StoreAnswer]:
    """Add what one process counted since the last time."""
    arguments: list[str | int] = []
    for count, number in counts.items():
        arguments += ("|".join(count), number)
    return Operation((Call(keys.HOME, script("add"), (keys.key(keys.HOME, "tls"),), arguments),), first)


def read_results() -> Operation[dict[TlsCount, int]]:
    """All that is kept, the oldest day first."""
    call = Call.read(keys.HOME, b"HGETALL", keys.key(keys.HOME, "tls"))

    def read(answers: list[StoreAnswer]) -> dict[TlsCount, int]:
        flat = first(answers)
        pairs = flat.items() if isinstance(flat, dict) else zip(flat[::2], flat[1::2], strict=True)
        found = {}
        for name, number in pairs:
            match = FIELD.fullmatch(name.decode("ascii", "replace"))
            if match and number.isdigit():
                found[TlsCount(*match.groups())] = int(number)
        return dict(sorted(found.items()))

    return Operation((call,), read)


def is_old_result(field: bytes, before: str) -> bool:
    """Whether a field is of a day before that one, or of none."""
    match = FIELD.fullmatch(field.decode("ascii", "replace"))
    return match is None or match[1] < before
