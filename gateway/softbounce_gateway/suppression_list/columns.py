"""The columns of a suppression list: their names, those that other services give them, and what a cell means.

What says when is RFC 3339, seconds or milliseconds since 1970, or a date as mail has it; without a zone it is UTC. One
that cannot be read, or has two readings (``01/02/2026``), is passed over and told: that somebody wants no mail is known
all the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from softbounce.client import NewSuppression, Suppression
from softbounce.client.shown import rfc3339
from softbounce.suppression import Source

__all__ = ["COLUMNS", "cells_of", "columns_of", "suppression_of"]

COLUMNS = ("address", "stream", "tenant", "source", "reason", "since", "expires_at", "envelope")
NO_STREAM = "(none)"
"""In the column ``stream``: mail without one. Empty: all mail."""
CALLED = {
    "address": (("emailaddress", "email", "e-mail", "recipient"), ("address",), ("domain",)),
    "stream": (("stream",),),
    "tenant": (("tenant",),),
    "source": (("source",),),
    "reason": (("reason",), ("error",), ("details",), ("description",)),
    "since": (("since",), ("bouncedat",), ("created", "createdat"), ("date",), ("lastupdatetime",)),
    "expires_at": (("expiresat", "expires"),),
    "envelope": (("envelope",),),
}
"""What each column is called, without blanks and underscores, from the best on: where there is an *Email Address*, an
*Address* is where somebody lives. Of two that are as good nobody knows which is meant."""
RANKS = {called: (name, rank) for name, ranks in CALLED.items() for rank, names in enumerate(ranks) for called in names}
FORMULA = ("=", "+", "-", "@")
"""With these a spreadsheet takes a cell for a formula: a reason is a host's words, and harms nobody who looks at it."""
LONGEST_NAME = 40
LATEST_SECONDS = 100_000_000_000
LATEST_MILLISECONDS = 10_000_000_000_000
SECONDS = re.compile(r"(\d{1,13})(?:\.(\d{1,9}))?", re.ASCII)
LONGEST_DAY = len("2026-01-31")
DIGITS_OF_A_DAY = re.compile(r"(?:19|20)\d{6}(?:\d{6})?", re.ASCII)
"""``20260131`` and ``20260131080000``, which are no seconds."""
ZONE = re.compile(r"\s*(?:(?:UTC|GMT|Z)|([+-]\d\d:?\d\d)(?:\s+[A-Z]{3,4})?)\Z", re.ASCII)


def columns_of(names: Sequence[str]) -> tuple[dict[str, int], list[str]]:
    """Where each column stands, by its name here; and the names that mean nothing here, or less than another's.

    :raises ValueError: there is none of addresses, or two of which neither is the better one.
    """
    found: dict[str, list[tuple[int, int]]] = {}
    for position, text in enumerate(names):
        name, rank = RANKS.get(_plain(text), ("", 0))
        found.setdefault(name, []).append((rank, position))
    unknown = found.pop("", [])
    passed_over = [position for _, position in unknown]
    chosen: dict[str, int] = {}
    for name, candidates in found.items():
        (rank, position), *others = sorted(candidates)
        if others and others[0][0] == rank:
            two = " and ".join(ascii(names[one].strip()[:LONGEST_NAME]) for one in (position, others[0][1]))
            raise ValueError(f"two of its columns are `{name}`: {two}; take one away, or name it otherwise")
        chosen[name] = position
        passed_over += [other for _, other in others]
    if "address" not in chosen:
        raise ValueError("the first line names the columns, and one of them is `address`, such as `address,reason`")
    return chosen, [names[position].strip()[:LONGEST_NAME] for position in sorted(passed_over)]


def _plain(name: str) -> str:
    return name.strip().lower().replace("_", "").replace(" ", "")


def suppression_of(cells: Sequence[str], columns: dict[str, int]) -> tuple[NewSuppression, list[str]]:
    """What a line says; and what of it cannot be read and is passed over, in words."""
    unread: list[str] = []

    def cell(name: str) -> str:
        position = columns.get(name)
        return cells[position].strip() if position is not None and position < len(cells) else ""

    def instant(name: str) -> datetime | None:
        try:
            return _instant(cell(name))
        except ValueError as error:
            unread.append(f"{name}: {error}")
            return None

    stream, source = cell("stream"), cell("source").lower()
    said = NewSuppression(
        address=cell("address"),
        stream=None if not stream else "" if stream == NO_STREAM else stream,
        tenant=cell("tenant") or None,
        reason=cell("reason"),
        source=source if source in set(Source) else Source.IMPORT,
        since=instant("since"),
        expires=instant("expires_at"),
        envelope=cell("envelope") or None,
    )
    return said, unread


def cells_of(one: Suppression) -> list[str]:
    """A suppression as a line; read again it is the same."""
    stream = "" if one.stream is None else one.stream or NO_STREAM
    reason = f"'{one.reason}" if one.reason.startswith(FORMULA) else one.reason
    ends = "" if one.expires_at is None else rfc3339(one.expires_at)
    since = rfc3339(one.since)
    return [one.address, stream, one.tenant or "", one.source, reason, since, ends, one.envelope or ""]


def _instant(text: str) -> datetime | None:
    """When it says; ``None``: it says nothing.

    :raises ValueError: nobody can tell; in words.
    """
    if not text or text == "0":
        return None
    for read in READ:
        with suppress(ValueError, OverflowError, TypeError):
            found = read(text)
            return found if found.utcoffset() is not None else found.replace(tzinfo=UTC)
    raise ValueError(f"{text[:40]!r} is no time that has one reading: write it as 2026-01-31T08:00:00Z")


def _day(text: str) -> datetime:
    if DIGITS_OF_A_DAY.fullmatch(text) is None:
        raise ValueError(text)
    return datetime.fromisoformat(f"{text[:8]}T{text[8:] or '000000'}")


def _since_1970(text: str) -> datetime:
    found = SECONDS.fullmatch(text)
    if found is None or int(found[1]) > LATEST_MILLISECONDS:
        raise ValueError(text)
    whole, fraction = int(found[1]), float(f"0.{found[2] or 0}")
    if whole > LATEST_SECONDS:
        return datetime.fromtimestamp(whole / 1000, UTC)
    return datetime.fromtimestamp(whole, UTC) + timedelta(seconds=fraction)


def _iso(text: str) -> datetime:
    """RFC 3339, also with its zone in letters or behind a blank: ``2021-05-07 09:10:11 UTC``."""
    zone = ZONE.search(text, LONGEST_DAY)
    return datetime.fromisoformat(text if zone is None else text[: zone.start()] + (zone[1] or "+00:00"))


READ: tuple[Callable[[str], datetime], ...] = (_day, _since_1970, _iso, parsedate_to_datetime)
