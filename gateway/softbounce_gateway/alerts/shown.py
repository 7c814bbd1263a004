"""What each ``[[alert]]`` table has standing, and who was told, for people and for programs. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from softbounce_config.alerts import AlertSection

from softbounce.client.shown import rfc3339
from softbounce.duration import from_epoch_ms
from softbounce.store.alerts import AlertBook, Standing
from softbounce_gateway.alerts.book import is_resting

__all__ = ["ShownAlert", "ShownStanding", "shown"]

State = Literal["waits", "told", "over", "quiet"]
"""``waits``: it is told when it has stood for ``after``, or when its turn comes. ``told``: and stands. ``over``: it
seems to be, which is told in a few minutes. ``quiet``: it is over, and comes and goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownStanding:
    """One trouble.

    :ivar since: when it was seen first, this time; ``seen``: last.
    :ivar told: when it was told; ``None``: it was not, this time.
    :ivar failures: how often it could not be told in a row; ``next``: when that is tried again.
    :ivar times: how often it came.
    """

    kind: str
    level: str
    state: State
    what: str
    why: str
    since: datetime
    seen: datetime
    told: datetime | None
    failures: int
    next: datetime | None
    times: int

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "kind": self.kind,
            "level": self.level,
            "state": self.state,
            "what": self.what,
            "why": self.why,
            "since": rfc3339(self.since),
            "seen": rfc3339(self.seen),
            "told": None if self.told is None else rfc3339(self.told),
            "failures": self.failures,
            "next": None if self.next is None else rfc3339(self.next),
            "times": self.times,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownAlert:
    """One table.

    :ivar way: ``to``, ``command`` or ``webhook``; ``whom``: the address, the program, or the webhook's name.
    :ivar is_looked: some process looks for it now.
    """

    name: str
    way: str
    whom: str
    is_looked: bool
    standing: Sequence[ShownStanding]

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "name": self.name,
            "way": self.way,
            "whom": self.whom,
            "looked_at": self.is_looked,
            "standing": [one.to_dict() for one in self.standing],
        }


def shown(tables: Sequence[AlertSection], books: Mapping[str, AlertBook], now_ms: int) -> list[ShownAlert]:
    """Each table of a configuration with what it has standing, the longest first."""
    found = []
    for table in tables:
        book = books.get(table.name, AlertBook())
        way = "to" if table.to else "command" if table.command else "webhook"
        whom = table.to or (table.command[0] if table.command else table.webhook or "")
        standing = sorted(book.standing, key=lambda one: one.first_ms)
        found.append(
            ShownAlert(
                name=table.name,
                way=way,
                whom=whom,
                is_looked=book.until_ms > now_ms,
                standing=[_shown(one, now_ms) for one in standing],
            )
        )
    return found


def _shown(one: Standing, now_ms: int) -> ShownStanding:
    told: State = "told" if not one.gone_ms else "over"
    return ShownStanding(
        kind=one.kind,
        level=one.level,
        state="quiet" if is_resting(one, now_ms) else told if one.told_ms else "waits",
        what=one.what,
        why=one.why,
        since=from_epoch_ms(one.first_ms),
        seen=from_epoch_ms(one.seen_ms),
        told=from_epoch_ms(one.told_ms) if one.told_ms else None,
        failures=one.failures,
        next=from_epoch_ms(one.next_ms) if one.failures else None,
        times=one.times + 1,
    )
