"""Which addresses mail is taken for: return paths that we signed, and the addresses for complaints. Never a relay."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from softbounce.return_path import LOCAL_PART, ReturnKeys, ReturnPath, read_return_path
from softbounce.settings import BUILT_IN, ReturnsRule, Settings
from softbounce.store.returns import return_keys
from softbounce.store.shards import AsyncShards
from softbounce_gateway.returns.reading.parts import written

__all__ = ["FORGED_550", "NO_RELAY_550", "STALE_550", "TOO_OFTEN_450", "Addressee", "ReturnPaths"]

NO_RELAY_550 = "550 5.7.1 not an address of ours; nothing is relayed here"
FORGED_550 = "550 5.1.1 there is no such address"
STALE_550 = "550 5.7.1 this return path is older than 30 days"
TOO_OFTEN_450 = "450 4.7.1 too many messages to this address in an hour, try again later"
READ_AGAIN_AFTER = 1.0
"""Seconds: a path that nobody signed has the keys read anew, for they may be new; not more often, however many come."""
MOST_AN_HOUR, REMEMBERED = 20, 10_000
HOUR = 3600.0
MOST_FOUND = 20
WRAPPED = re.compile(
    rf"(?:prvs=[0-9A-Za-z]{{1,32}}=|btv1==[0-9A-Za-z]{{1,32}}==)?({LOCAL_PART})(?:[+=][!-~]{{0,64}})?", re.IGNORECASE
)
"""A path to which a host on the way added its own: a tag in front (BATV, Barracuda's), a detail behind. Its signature
proves it all the same."""


class Addressee(NamedTuple):
    """Whom something is for.

    :ivar path: the return path; ``None``: the address for complaints, where the message itself says which it is about.
    """

    path: ReturnPath | None


class ReturnPaths:
    """What the published settings and the store's keys say.

    :param monotonic: seconds of a clock that only goes forward.
    """

    def __init__(self, store: AsyncShards, now: Callable[[], datetime], monotonic: Callable[[], float]) -> None:
        self._store = store
        self._now = now
        self._monotonic = monotonic
        self._keys: ReturnKeys | None = None
        self._read_at = -READ_AGAIN_AFTER
        self._came: OrderedDict[bytes, tuple[float, int]] = OrderedDict()
        self.settings: Settings = BUILT_IN

    @property
    def _rules(self) -> list[ReturnsRule]:
        return [rule for rule in self.settings.returns if rule.domain]

    async def look(self) -> None:
        """Read the keys.

        :raises StoreError: they could not be read; those from before count.
        """
        self._read_at = self._monotonic()
        self._keys = await self._store.run(return_keys())

    async def find(self, address: str) -> Addressee | str:
        """Whom an address is for; else the reply to it.

        :raises StoreError: nobody knows, for the keys cannot be read.
        """
        local, _, domain = address.rpartition("@")
        domain = domain.lower().rstrip(".")
        rules = [rule for rule in self._rules if rule.domain == domain]
        if not rules:
            return NO_RELAY_550
        if any(rule.feedback and rule.feedback == local.lower() for rule in rules):
            return Addressee(None)
        wrapped = WRAPPED.fullmatch(local)
        path = await self._read(wrapped[1] if wrapped else local)
        if path is None:
            return FORGED_550
        return STALE_550 if path.is_stale else Addressee(path)

    async def find_in(self, octets: bytes) -> ReturnPath | None:
        """The first return path of ours that a message names, as the mail that a complaint returns has it.

        Also where a forwarder has rewritten it (SRS), and where the mail is returned in base64 or quoted-printable.
        """
        domains = "|".join(sorted({re.escape(rule.domain) for rule in self._rules}))
        if not domains:
            return None
        plain = rf"(?<![0-9A-Za-z])({LOCAL_PART})(?:[+=][!-~]{{0,64}}?)?@(?:{domains})"
        by_forwarder = rf"=(?:{domains})=({LOCAL_PART})(?:[+=][!-~]{{0,64}}?)?@"
        pattern = re.compile(f"{plain}|{by_forwarder}".encode(), re.IGNORECASE)
        for local in await asyncio.to_thread(_named, octets, pattern):
            path = await self._read(local)
            if path is not None and not path.is_stale:
                return path
        return None

    def comes_too_often(self, path: ReturnPath) -> bool:
        """Whether that was too much for one path, however it is written: who got one fills nothing by it."""
        now, key = self._monotonic(), path.id
        since, number = self._came.pop(key, (now, 0))
        if now - since > HOUR:
            since, number = now, 0
        self._came[key] = since, number + 1
        if len(self._came) > REMEMBERED:
            self._came.popitem(last=False)
        return number >= MOST_AN_HOUR

    async def _read(self, local: str) -> ReturnPath | None:
        if self._keys is None:
            await self.look()
        path = self._known(local)
        if path is None and self._monotonic() - self._read_at >= READ_AGAIN_AFTER:
            await self.look()
            path = self._known(local)
        return path

    def _known(self, local: str) -> ReturnPath | None:
        return None if self._keys is None else read_return_path(local, self._keys, self._now())


def _named(octets: bytes, pattern: re.Pattern[bytes]) -> list[str]:
    """The first local parts that a message names, as often as it does."""
    found = (one for text in written(octets) for one in pattern.finditer(text))
    return [(one[1] or one[2]).decode("ascii") for one in islice(found, MOST_FOUND)]
